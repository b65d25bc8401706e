package server

import (
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// gather collects what a prompt about a place may say: the document as it was when the request came, and what else is
// known at that moment. For a completion it only picks up what the background has found, since a key is waiting for it;
// for anything else it looks now. The caller adds what is wanted: the cursor is set, a region is not.
func (s *Server) gather(doc *lsp.Document, at int, job session.Job) prompt.Input {
	o := s.options()
	in := prompt.Input{
		Path: s.relative(doc.URI), Language: doc.LanguageID, Text: doc.Text, Cursor: at,
		Count: s.contexts.tokens.Count, ContextTokens: o.ContextEditTokens,
	}
	d := s.document(doc.URI)
	if job == session.Completion {
		in.ContextTokens = o.ContextCompletionTokens
		if d != nil {
			d.context.mu.Lock()
			in.Context = append(in.Context, d.context.stable...)
			d.context.mu.Unlock()
		}
	} else {
		in.Context = s.findContext(doc, at)
	}
	if o.ContextEdits {
		edits, _ := s.contexts.edits.snippets(doc.URI, doc.Version, s.readable)
		in.Context = append(in.Context, edits...)
	}
	return in
}

// readable says under which path an open document may stand in another's prompt. It does not look at the disk: a
// document of which it is not known yet whether it may be read may not.
func (s *Server) readable(uri string) (path string, ok bool) {
	d := s.document(uri)
	if d == nil {
		return "", false
	}
	d.context.mu.Lock()
	defer d.context.mu.Unlock()
	return d.context.path, d.context.open
}
