package server

import (
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/settings"
)

// options is the configuration in force where no document is in question: whose endpoint, which budget.
func (s *Server) options() *settings.Resolved { return s.resolved.Load() }

// automatic reports whether something may be proposed in a document unasked: nothing that switches it off holds for
// this file, its folder or its language.
func (s *Server) automatic(doc *lsp.Document) bool {
	o := s.options()
	return o.Enabled && !s.paused.Load() && o.CompletionAutomatic != "off" && o.CompletionLanguages.On(doc.LanguageID) && !s.secret(doc)
}
