package server

import (
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// gather collects what a prompt about a place may say: the document as it was when the request came, and what else is
// known at that moment. For a completion it only picks up what the background has found, since a key is waiting for it;
// for anything else it looks now. The caller adds what is wanted: the cursor is set, a region is not.
func (s *Server) gather(doc *lsp.Document, at int, job session.Job) prompt.Input {
	o := s.optionsFor(doc)
	in := prompt.Input{
		Path: s.relative(doc.URI), Language: doc.LanguageID, Text: doc.Text, Cursor: at,
		Count: s.contexts.tokens.Count, ContextTokens: o.ContextEditTokens,
	}
	d := s.document(doc.URI)
	var base *prompt.Base
	if d != nil {
		d.context.asked(doc, at)
	}
	if job == session.Completion {
		in.ContextTokens = o.ContextCompletionTokens
		if d != nil {
			d.context.mu.Lock()
			in.Context = append(in.Context, d.context.stable...)
			base = d.context.base
			d.context.mu.Unlock()
		}
	} else {
		in.Context = s.findContext(doc, at, job)
	}
	since := doc.Version
	if base != nil {
		since = base.Version
	}
	if o.ContextEdits || base != nil {
		edits, complete := s.contexts.edits.snippets(doc.URI, since, func(uri string) (string, bool) {
			if uri == doc.URI {
				return in.Path, true // it is what the request is about
			}
			return s.mayStand(uri)
		})
		if !o.ContextEdits { // a base is still read with what has happened to its file since
			edits = slices.DeleteFunc(edits, func(e prompt.Snippet) bool { return !e.Since })
		}
		in.Context = append(in.Context, edits...)
		if complete && base.Fill(in) <= 1 && doc.Version >= since {
			in.Base = base
		}
	}
	return in
}

// mayStand says under which path an open document may stand in a prompt. It does not look at the disk: a document of
// which it is not known yet whether it may be read may not.
func (s *Server) mayStand(uri string) (path string, ok bool) {
	d := s.document(uri)
	if d == nil {
		return "", false
	}
	d.context.mu.Lock()
	defer d.context.mu.Unlock()
	return d.context.path, d.context.readable
}

// logPrompt notes what a prompt is made of and what was cut: names and numbers, never text.
func (s *Server) logPrompt(p prompt.Prompt) {
	if ce := s.log.Check(zap.DebugLevel, "prompt"); ce != nil {
		list := func(parts []prompt.Part) (out []string) {
			for _, p := range parts {
				out = append(out, fmt.Sprintf("%s %s %d", p.Source, p.Path, p.Tokens))
			}
			return out
		}
		ce.Write(zap.Strings("parts", list(p.Parts)), zap.Strings("cut", list(p.Cut)))
	}
}

// fimWindow bounds, in bytes on each side of the cursor, what models without messages are shown.
const fimWindow = 256 << 10

// fimOf is the request for a model that fills in the middle, and for the embedded engine, which reads no Extra.
func fimOf(doc *lsp.Document, at int, in prompt.Input) session.FIM {
	t := doc.Text
	return session.FIM{
		Path: in.Path, Language: doc.LanguageID,
		Prefix: t.Slice(max(0, at-fimWindow), at),
		Suffix: t.Slice(at, min(t.Len(), at+fimWindow)),
		Extra:  extras(in.Context),
	}
}

// extras are the pieces of other files for a model without messages, the most telling ones last.
func extras(list []prompt.Snippet) (files []session.File) {
	for i := len(list) - 1; i >= 0; i-- {
		switch s := list[i]; s.Source {
		case prompt.Definitions, prompt.Similar:
			if n := len(files); n > 0 && files[n-1].Path == s.Path {
				files[n-1].Text = s.Text + files[n-1].Text
				continue
			}
			files = append(files, session.File{Path: s.Path, Text: s.Text})
		}
	}
	return files
}
