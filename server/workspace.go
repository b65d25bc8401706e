package server

import (
	"context"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
)

// indexWorkspace walks each root once, through the gate, and feeds the embedded engine.
func (s *Server) indexWorkspace(ctx context.Context, roots []string) {
	for _, root := range roots {
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		rules := s.rulesLocked(root)
		s.mu.Unlock()
		sum, err := rules.Walk(ctx, privacy.DefaultLimits, func(path string, data []byte) bool {
			s.cfg.Engine.AddFile(path, "", string(data))
			return true
		})
		s.log.Info("workspace read", zap.Any("summary", sum), zap.Error(err))
	}
}

// relative is a document's path as the model and the engine see it: relative to its workspace folder, with
// slashes; outside of all folders, and for documents that are no files, its last element.
func (s *Server) relative(uri string) string {
	path, ok := lsp.URIToPath(uri)
	if !ok {
		return uri[strings.LastIndexAny(uri, "/:")+1:]
	}
	s.mu.Lock()
	roots := s.roots
	s.mu.Unlock()
	for _, root := range roots {
		if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return filepath.Base(path)
}
