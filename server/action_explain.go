package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// methodExplain tells shells that announce experimental.sparkExplain of an explanation, while it is written.
const methodExplain = "spark/explain"

// explanation is the parameter of spark/explain. Markdown is all there is so far; done says that no more comes.
type explanation struct {
	ID       int            `json:"id"`
	URI      string         `json:"uri"`
	Range    protocol.Range `json:"range"`
	Markdown string         `json:"markdown"`
	Done     bool           `json:"done"`
}

// maxExplainTokens bounds an explanation, which is to be brief.
const maxExplainTokens = 1500

// explainInterval is how often a shell hears more of an explanation, at most: each time it draws all of it anew.
const explainInterval = 50 * time.Millisecond

// explain explains code in whatever the editor has to show it: a message of our own to a shell that knows it, a
// document beside the code, or a message that is cut.
func (s *Server) explain(at place, a action) error {
	doc := at.doc
	start, end := a.region(at)
	instruction, err := s.instruction(doc, a, prompt.ActionInput{})
	if err != nil {
		return err
	}
	s.startJob(doc.URI, a.title, func(ctx context.Context, r *editReport) (string, error) {
		in := s.gather(doc, start, session.Edit)
		in.Start, in.End, in.Instruction = start, end, instruction
		about := explanation{ID: r.progress.e.id, URI: doc.URI, Range: doc.OffsetsToRange(start, end)}
		tell := func(text string, done bool) {
			about.Markdown, about.Done = text, done
			_ = s.client.Notify(ctx, methodExplain, about) // a connection that has ended needs no more words
		}
		soFar := ""
		var last time.Time
		each := func(text string) {
			soFar = text
			if now := time.Now(); s.client.SparkExplain && now.Sub(last) >= explainInterval {
				last = now
				tell(text, false)
			}
		}
		text, err := s.listen(ctx, prompt.Explain(in), maxExplainTokens, doc.URI, r, each)
		switch {
		case s.client.SparkExplain:
			tell(soFar, true) // what there is, also of one that was stopped or broke off
		case err == nil:
			err = s.showExplanation(ctx, doc, start, text)
		}
		return "done, " + r.pace(), err
	})
	return nil
}

// showExplanation shows a text in a document beside the code. It is a file of ours, readable by this user alone, which
// goes when the connection ends: no editor shows a document without one, and a message that fills the screen is in the
// way (Neovim makes its user page through it).
func (s *Server) showExplanation(ctx context.Context, doc *lsp.Document, start int, text string) error {
	heading := fmt.Sprintf("# %s:%d\n\n", s.relative(doc.URI), doc.Text.LineAt(start)+1)
	text = strings.TrimSpace(text)
	if s.client.ShowDocument {
		name, err := s.scratch("explain-*.md", heading+text+"\n")
		if err == nil {
			var shown bool
			if shown, err = s.client.OpenDocumentBeside(ctx, lsp.PathToURI(name)); shown {
				return nil
			}
		}
		if err != nil && ctx.Err() == nil {
			s.log.Info("an explanation is shown as a message")
		}
	}
	return s.client.ShowMessage(ctx, protocol.MessageTypeInfo, "spark-lsp: "+cut(text, maxShown))
}

// maxShown bounds a text that is shown as a message, in bytes.
const maxShown = 1200

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// scratch writes a text into a new file of a directory that is removed by Close.
func (s *Server) scratch(pattern, text string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.scratchDir == "" {
		dir, err := os.MkdirTemp("", "spark-lsp-")
		if err != nil {
			return "", err
		}
		s.scratchDir = dir
	}
	f, err := os.CreateTemp(s.scratchDir, pattern)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return filepath.Clean(f.Name()), err
}
