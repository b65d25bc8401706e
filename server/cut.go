package server

import (
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// cutter turns what a model says into what is suggested: it knows where to stop, and what to leave out.
type cutter struct {
	doc    *lsp.Document
	at     int
	start  int    // of the line
	end    int    // of the line's text
	raw    []byte // what the model has said
	closed bool
}

func newCutter(doc *lsp.Document, at int) *cutter {
	n := doc.Text.LineAt(at)
	return &cutter{doc: doc, at: at, start: doc.Text.LineStart(n), end: doc.Text.LineEnd(n)}
}

func (c *cutter) push(text string) (stop bool) {
	c.raw = append(c.raw, text...)
	c.closed = strings.Contains(string(c.raw), "\n")
	return c.closed
}

func (c *cutter) item(bool) (editops.Suggestion, bool) {
	text, _, _ := strings.Cut(string(c.raw), "\n")
	before := c.doc.Text.Slice(c.start, c.at)
	text = strings.TrimPrefix(text, strings.TrimLeft(before, " \t"))
	rest := c.doc.Text.Slice(c.at, c.end)
	end := c.at
	if rest != "" && strings.HasSuffix(text, rest) {
		end = c.end
	}
	return anchored(c.doc.Text, c.start, c.at, end, text), text != ""
}
