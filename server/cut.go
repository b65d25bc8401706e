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
	text    *lsp.Text
	at      int // the cursor
	opt     editops.CleanOptions
	stopper *editops.Stopper // nil before ready
}

// newCutter judges answers for one place. many says that several lines are welcome where otherwise one would be
// enough: who has just accepted a line wants to read on.
func newCutter(doc *lsp.Document, at int, many bool) *cutter {
	t := doc.Text
	c := &cutter{text: t, at: at, opt: editops.CleanOptions{Markdown: doc.LanguageID == "markdown", Lines: editops.LinesOne}}
	line := t.LineAt(at)
	before := t.Slice(max(t.LineStart(line), at-cutWindow), at)
	rest := t.Slice(at, min(t.LineEnd(line), at+cutWindow))
	if many && strings.TrimSpace(rest) == "" || editops.Multiline(before, rest) {
		c.opt.Lines = editops.LinesMany
	}
	return c
}

// multiline reports whether the place has room for more than one line.
func (c *cutter) multiline() bool { return c.opt.Lines == editops.LinesMany }

// ready looks at the surroundings. It is best done while the model is thinking: it takes some ten microseconds, which
// before the request is sent would be waited for.
func (c *cutter) ready() *editops.Stopper {
	if c.stopper == nil {
		prefix := strings.ToValidUTF8(c.text.Slice(max(0, c.at-cutWindow), c.at), "")
		suffix := strings.ToValidUTF8(c.text.Slice(c.at, min(c.text.Len(), c.at+cutWindow)), "")
		c.stopper = editops.NewStopper(prefix, suffix, c.opt)
	}
	return c.stopper
}

// push takes more of the answer and reports whether it should end here.
func (c *cutter) push(text string) (stop bool) { return c.ready().Push(text) != editops.StopNot }

// said is the answer so far.
func (c *cutter) said() string { return c.ready().Text() }

// whole is the suggestion that all of the answer so far makes.
func (c *cutter) whole() editops.Suggestion { return c.suggestion(c.said()) }

// lines is the suggestion that the answer's complete lines make; ok is false while there is none.
func (c *cutter) lines() (s editops.Suggestion, ok bool) {
	text := c.said()
	end := strings.LastIndexByte(text, '\n')
	if end < 0 {
		return s, false
	}
	s = c.suggestion(text[:end])
	return s, s.Rest() != ""
}

func (c *cutter) suggestion(answer string) editops.Suggestion {
	clean, ok := c.ready().Clean(answer)
	if !ok {
		clean = editops.Completion{}
	}
	start := lineFrom(c.text, c.at)
	return anchored(c.text, start, c.at, c.at+clean.ReplaceAfter, clean.Text)
}
