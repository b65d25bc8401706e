package server

import (
	"context"
	"fmt"
	"path/filepath"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
)

// protected says what a file does that a proposal must not touch before the user has said yes to just that; "" when it
// may. An edit that the user asks for within such a file, open before them, is their own word and needs no other.
func (s *Server) protected(u string) string {
	name, ok := lsp.URIToPath(u)
	if !ok {
		return ""
	}
	// Below the folder by the name that was given, and by the one that links lead to.
	root := s.rootOf(name)
	names := []string{name}
	for dir, rest := name, ""; ; dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			names = append(names, filepath.Join(real, rest))
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	roots := []string{root}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		roots = append(roots, real)
	}
	for _, n := range names {
		for _, r := range roots {
			rel, err := filepath.Rel(r, n)
			if err != nil || !filepath.IsLocal(rel) {
				continue
			}
			if what, ok := privacy.Protected(filepath.ToSlash(rel)); ok {
				return what
			}
		}
	}
	return ""
}

// confirmed is what of a proposal's files may be changed: files that run, or decide what runs, need a yes of their own,
// whatever else the editor asks; an editor that cannot ask means no. Text with something hidden in it is not put into any
// file. What is left out is told in v.
func (s *Server) confirmed(ctx context.Context, p proposal, files []proposedFile, v *verdict) []proposedFile {
	keep := files[:0:0]
	for _, f := range files {
		if err := s.hiddenIn(f); err != nil {
			v.left = append(v.left, s.relative(f.uri)+" is left as it is: "+err.Error())
			continue
		}
		what := s.protected(f.uri)
		if what != "" {
			question := fmt.Sprintf("spark-lsp would change %s, which %s (%s). Change it?", s.relative(f.uri), what, p.title)
			answer, err := s.client.ShowMessageRequest(ctx, protocol.MessageTypeWarning, question, answerApply, answerCancel)
			if err != nil || answer != answerApply {
				v.left = append(v.left, fmt.Sprintf("%s %s and is left as it is, since you did not say yes to that", s.relative(f.uri), what))
				continue
			}
		}
		keep = append(keep, f)
	}
	return keep
}

// hiddenIn looks for what is hidden in the text that a proposal brings.
func (s *Server) hiddenIn(f proposedFile) error {
	if s.options().PrivacyInvisible == "allow" {
		return nil
	}
	for _, e := range f.edits {
		if err := privacy.FindHidden(replacedBy(f.base, e), e.New); err != nil {
			return err
		}
	}
	return nil
}

// replacedBy is the text that an edit replaces.
func replacedBy(base string, e editops.Edit) string {
	return base[min(e.Start, len(base)):min(e.End, len(base))]
}
