package server

import (
	"context"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
)

// learn takes a file that may be read into what the embedded engine and the context are drawn from.
func (s *Server) learn(name, language, text string) {
	s.cfg.Engine.AddFile(name, language, text)
	s.contexts.index.Add(name, language, text)
}

// unlearn forgets a file.
func (s *Server) unlearn(name string) {
	s.cfg.Engine.RemoveFile(name)
	s.contexts.index.Remove(name)
}

// indexWorkspace walks each root once, through the gate, and feeds the embedded engine and the context.
func (s *Server) indexWorkspace(ctx context.Context, roots []string) {
	s.indexing.Lock() // or a walk by yesterday's rules might be the last to say what is known
	defer s.indexing.Unlock()
	for _, root := range roots {
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		rules := s.rulesLocked(root)
		s.mu.Unlock()
		names := map[string]bool{}
		sum, err := rules.Walk(ctx, privacy.DefaultLimits, func(rel string, data []byte) bool {
			name := s.relativeTo(root, rel)
			s.learn(name, "", string(data))
			names[name] = true
			return true
		})
		s.mu.Lock()
		known := s.indexed[root]
		if err != nil { // the walk was broken off, so nothing is known to be gone
			maps.Copy(names, known)
		}
		s.indexed[root] = names
		s.mu.Unlock()
		if err == nil {
			for name := range known {
				if !names[name] {
					s.unlearn(name)
				}
			}
		}
		s.log.Info("workspace read", zap.Any("summary", sum), zap.Error(err))
	}
}

// forgetWorkspace takes a root that is no longer one out of the embedded engine.
func (s *Server) forgetWorkspace(root string) {
	s.mu.Lock()
	names := s.indexed[root]
	delete(s.indexed, root)
	delete(s.rules, root)
	s.mu.Unlock()
	for name := range names {
		s.unlearn(name)
	}
}

// learnLater is learn for a file that no walk has seen, or not as it is now. It is remembered like those of the walk, so that
// it goes when its folder does, or when rules made since close it.
func (s *Server) learnLater(uri, language, text string) {
	name := s.relative(uri)
	s.learn(name, language, text)
	file, ok := lsp.URIToPath(uri)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, root := range s.roots {
		if rel, err := filepath.Rel(root, file); err == nil && filepath.IsLocal(rel) {
			if s.indexed[root] == nil {
				s.indexed[root] = map[string]bool{}
			}
			s.indexed[root][name] = true
			return
		}
	}
}

// didSave gives the embedded engine the text that was saved, if it may be read at all.
func (s *Server) didSave(snap *lsp.Snapshot, p *protocol.DidSaveTextDocumentParams) error {
	doc, ok := snap.Get(string(p.TextDocument.URI))
	if !ok {
		return nil
	}
	s.start(func(context.Context) {
		name, ok := doc.Path()
		if !ok {
			return
		}
		s.ignoreFileChanged(name)
		if int64(doc.Text.Len()) <= privacy.DefaultLimits.FileBytes && !s.secret(doc) {
			s.learnLater(doc.URI, doc.LanguageID, doc.Text.String())
		}
	})
	return nil
}

// didChangeWatchedFiles follows files that others write: a checkout, a generator, another editor. What the editor says
// happened is not looked at, only what is there now: of a file that is deleted and written again the events may be read
// in any order, and whoever looks last is right.
func (s *Server) didChangeWatchedFiles(_ *lsp.Snapshot, p *protocol.DidChangeWatchedFilesParams) error {
	var uris []string
	for _, c := range p.Changes {
		uris = append(uris, strings.Clone(string(c.URI)))
	}
	s.start(func(ctx context.Context) {
		s.indexing.Lock() // what is read last must be learned last, also beside a walk
		defer s.indexing.Unlock()
		for _, uri := range uris {
			name, ok := lsp.URIToPath(uri)
			if !ok || ctx.Err() != nil {
				continue
			}
			s.ignoreFileChanged(name)
			data, err := s.rulesFor(name).ReadSource(name, privacy.DefaultLimits.FileBytes)
			if err != nil {
				s.unlearn(s.relative(uri))
				continue
			}
			s.learnLater(uri, "", string(data))
		}
	})
	return nil
}

// watchFiles asks the editor to tell of changed files, where it can be asked.
func (s *Server) watchFiles(ctx context.Context) {
	if !s.client.DidChangeWatchedFiles {
		return
	}
	options, err := protocol.Marshal(&protocol.DidChangeWatchedFilesRegistrationOptions{
		Watchers: []protocol.FileSystemWatcher{{GlobPattern: protocol.Pattern("**/*")}},
	})
	if err == nil {
		err = s.client.RegisterCapability(ctx, protocol.Registration{
			ID: "spark-files", Method: protocol.MethodWorkspaceDidChangeWatchedFiles, RegisterOptions: options,
		})
	}
	if err != nil {
		s.log.Info("files are not watched", zap.Error(err))
	}
}

// ignoreFileChanged looks at the workspace anew when one of the rules' files was written.
func (s *Server) ignoreFileChanged(name string) {
	if slices.Contains(privacy.IgnoreFiles(), filepath.Base(name)) {
		s.rulesChanged()
	}
}

// rulesChanged drops what was found by other rules than those in force now, and reads the workspace by these.
func (s *Server) rulesChanged() {
	s.mu.Lock()
	clear(s.rules)
	roots := s.roots
	s.mu.Unlock()
	s.contexts.forgetNotes()
	s.dropBases()
	// What was read may be closed now, and the other way round.
	s.start(func(ctx context.Context) {
		s.indexWorkspace(ctx, roots)
		s.dropBases() // meanwhile something was perhaps found in what has been forgotten only now
		s.log.Info("what may be read has changed, and was read anew")
	})
}

// relative is a document's path as the model and the engine see it: relative to its workspace folder, with
// slashes; outside of all folders, and for documents that are no files, its last element.
func (s *Server) relative(uri string) string {
	name, ok := lsp.URIToPath(uri)
	if !ok {
		return privacy.Visible(uri[strings.LastIndexAny(uri, "/:")+1:])
	}
	s.mu.Lock()
	roots := s.roots
	s.mu.Unlock()
	for _, root := range roots {
		if rel, err := filepath.Rel(root, name); err == nil && filepath.IsLocal(rel) {
			return s.relativeTo(root, filepath.ToSlash(rel))
		}
	}
	return privacy.Visible(filepath.Base(name))
}

// relativeTo is the name of a file of a root: where there are several, it begins with the root's own, so that two
// main.go are not one. A name may hold anything but a slash: line ends would begin a line of their own in a prompt, and
// escape codes one on a terminal.
func (s *Server) relativeTo(root, rel string) string {
	s.mu.Lock()
	several := len(s.roots) > 1
	s.mu.Unlock()
	if several {
		rel = path.Join(filepath.Base(root), rel)
	}
	return privacy.Visible(rel)
}
