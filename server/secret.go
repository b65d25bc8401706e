package server

import (
	"path/filepath"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
)

// secret reports whether a document is one that must not be read unasked: ignored by the workspace's rules, or
// of a kind that holds keys. Automatic requests pass it by; the user can still ask by hand.
func (s *Server) secret(doc *lsp.Document) bool {
	path, ok := doc.Path()
	if !ok {
		return false
	}
	ignored, _ := s.rulesFor(path).Ignored(path, false)
	return ignored
}

// rulesFor returns the rules of the workspace folder that holds a path, or, outside of all of them, those of the
// file's own directory.
func (s *Server) rulesFor(path string) *privacy.Rules {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, root := range s.roots {
		if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
			return s.rulesLocked(root)
		}
	}
	return s.rulesLocked(filepath.Dir(path))
}

// rulesLocked returns the rules of one directory, read once. s.mu is held.
func (s *Server) rulesLocked(dir string) *privacy.Rules {
	r, ok := s.rules[dir]
	if !ok {
		r = privacy.NewRules(dir)
		s.rules[dir] = r
	}
	return r
}
