package server

import (
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// cutWindow is how much of the document, in bytes on each side, the rules for a good completion look at.
const cutWindow = 4 << 10

// cutter turns what a model says at one place into what is suggested there: it knows where to stop, and what to
// leave out. It belongs to the goroutine that reads the response.
type cutter struct {
	text           *lsp.Text
	at             int // the cursor
	prefix, suffix string
	opt            editops.CleanOptions
	stopper        *editops.Stopper
}

// newCutter judges answers for one place. many says that several lines are welcome where otherwise one would be
// enough: who has just accepted a line wants to read on.
func newCutter(doc *lsp.Document, at int, many bool) *cutter {
	t := doc.Text
	c := &cutter{
		text: t, at: at,
		prefix: strings.ToValidUTF8(t.Slice(max(0, at-cutWindow), at), ""),
		suffix: strings.ToValidUTF8(t.Slice(at, min(t.Len(), at+cutWindow)), ""),
		opt:    editops.CleanOptions{Markdown: doc.LanguageID == "markdown"},
	}
	if many && strings.TrimSpace(t.Slice(at, t.LineEnd(t.LineAt(at)))) == "" {
		c.opt.Lines = editops.LinesMany
	}
	c.stopper = editops.NewStopper(c.prefix, c.suffix, c.opt)
	return c
}

// multiline reports whether the place has room for more than one line.
func (c *cutter) multiline() bool {
	return c.opt.Lines == editops.LinesMany || editops.Multiline(c.prefix, c.suffix)
}

// push takes more of the answer and reports whether it should end here.
func (c *cutter) push(text string) (stop bool) { return c.stopper.Push(text) != editops.StopNot }

// whole is the suggestion that all of the answer so far makes.
func (c *cutter) whole() editops.Suggestion { return c.suggestion(c.stopper.Text()) }

// lines is the suggestion that the answer's complete lines make; ok is false while there is none.
func (c *cutter) lines() (s editops.Suggestion, ok bool) {
	text := c.stopper.Text()
	end := strings.LastIndexByte(text, '\n')
	if end < 0 {
		return s, false
	}
	s = c.suggestion(text[:end])
	return s, s.Rest() != ""
}

func (c *cutter) suggestion(answer string) editops.Suggestion {
	clean, ok := editops.CleanCompletion(c.prefix, c.suffix, answer, c.opt)
	if !ok {
		clean = editops.Completion{}
	}
	start := c.text.LineStart(c.text.LineAt(c.at))
	return anchored(c.text, start, c.at, c.at+clean.ReplaceAfter, clean.Text)
}
