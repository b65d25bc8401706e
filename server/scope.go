package server

import (
	"maps"
	"path/filepath"
	"sync"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/settings"
)

// options is the configuration in force where no document is in question: whose endpoint, which budget.
func (s *Server) options() *settings.Resolved { return s.resolved.Load() }

// optionsFor is the configuration in force for a document, which may differ from folder to folder.
func (s *Server) optionsFor(doc *lsp.Document) *settings.Resolved {
	sc := s.scopes.Load()
	if sc == nil {
		return s.options()
	}
	name, ok := doc.Path()
	if !ok {
		return s.options() // it lies in no folder
	}
	return sc.at(name)
}

// automatic reports whether something may be proposed in a document unasked: nothing that switches it off holds for
// this file, its folder or its language.
func (s *Server) automatic(doc *lsp.Document) bool {
	o := s.optionsFor(doc)
	return o.Enabled && !s.paused.Load() && o.CompletionAutomatic != "off" && o.CompletionLanguages.On(doc.LanguageID) && !s.secret(doc)
}

// switchedOff reports whether the user's file switches a path off: nothing below is read, indexed or sent, not even for
// a document that lies elsewhere.
func (s *Server) switchedOff(name string) bool {
	sc := s.scopes.Load()
	return sc != nil && sc.user.Off(name)
}

// userFolders is what the user's file says of folders; nil means nothing.
func (sc *scopes) userFolders() settings.Folders {
	if sc == nil {
		return nil
	}
	return sc.user
}

// scopes answers for single files while one set of layers is in force; the next set brings another scopes.
type scopes struct {
	layers  settings.Layers
	user    settings.Folders
	folders map[string]settings.Layer // what the editor says of a workspace folder, by path

	mu    sync.Mutex
	known map[string]*settings.Resolved // by path
}

// at returns the configuration in force for a file. Its problems have been told already, of the layers as a whole.
func (sc *scopes) at(name string) *settings.Resolved {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if r, ok := sc.known[name]; ok {
		return r
	}
	layers := sc.layers
	layers.Paths = []string{name}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		layers.Paths = append(layers.Paths, real)
	}
	if in, ok := sc.folders[sc.root(name)]; ok {
		// The answer for a folder is whole: what it leaves out is unset there.
		layers.Editor = maps.Clone(layers.Editor)
		maps.DeleteFunc(layers.Editor, func(key string, _ any) bool { return settings.ByFolder(key) })
		maps.Copy(layers.Editor, in)
	}
	r, _ := settings.Resolve(layers)
	sc.known[name] = r
	return r
}

// root is the innermost of the folders that hold a file, "" when none does.
func (sc *scopes) root(name string) string {
	best := ""
	for root := range sc.folders {
		if rel, err := filepath.Rel(root, name); err == nil && filepath.IsLocal(rel) && len(root) > len(best) {
			best = root
		}
	}
	return best
}
