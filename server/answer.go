package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/prompt"
)

// answer turns what a model writes, while it writes it, into edits of one region. The edits are sequential, in bytes of
// the engine text, which is the region with the edits before; Settled is how much of that text has complete hunks.
// After an error nothing more is taken. An answer that breaks off is left without Finish: what was emitted stands.
type answer interface {
	Push(text string) []editops.Edit
	Finish() []editops.Edit
	Settled() int
	Err() error
	// Again is what the model is to be asked once more, when parts of a finished answer could not be used; "" for
	// nothing. What it then writes goes on in the same answer.
	Again() string
	// Left says in words what of a finished answer could not be used, "" for nothing.
	Left() string
}

// newAnswer reads an answer in a format. region is the text that it is about.
func newAnswer(format prompt.Format, region string, t task) answer {
	if format == prompt.Hunks {
		file, _ := t.doc.Path() // "" where it has none, and then any name is taken for its own
		o := editops.HunkOptions{Path: file, LineEnd: lineEnd(t.doc.Text)}
		return &hunkAnswer{opt: o, hunks: editops.NewHunkStream(region, o)}
	}
	return &regionAnswer{
		StreamDiff: editops.NewStreamDiff(region, editops.StreamOptions{
			LineEnd: lineEnd(t.doc.Text), Markdown: t.doc.LanguageID == "markdown",
		}),
		blank: strings.TrimSpace(region) == "",
		marks: regionMarks{off: speaksOfRegions(t.doc.Text.String()) || speaksOfRegions(t.instruction)},
	}
}

// regionAnswer is the replacement of a region, as it is. That nothing shall be left must be said in a word: an answer
// without one comes from a model that was cut off, filtered or confused.
type regionAnswer struct {
	*editops.StreamDiff
	marks regionMarks
	blank bool   // the region was
	held  string // the answer so far, as long as it may be the word for nothing
	said  bool   // it is not
	err   error
}

// errNothing is an answer without a word for a region with text in it.
var errNothing = errors.New("the model answered with nothing, and nothing was changed")

func (a *regionAnswer) Push(text string) []editops.Edit { return a.push(a.marks.push(text)) }

func (a *regionAnswer) push(text string) []editops.Edit {
	if !a.said {
		a.held += text
		if strings.HasPrefix(prompt.Deleted, strings.TrimSpace(a.held)) {
			return nil
		}
		text, a.held, a.said = a.held, "", true
	}
	return a.StreamDiff.Push(text)
}

func (a *regionAnswer) Finish() []editops.Edit {
	edits := a.push(a.marks.rest())
	switch word := strings.TrimSpace(a.held); {
	case a.said, word == prompt.Deleted:
		return append(edits, a.StreamDiff.Finish()...)
	case word == "" && !a.blank:
		a.err = errNothing
		return edits
	}
	return append(append(edits, a.StreamDiff.Push(a.held)...), a.StreamDiff.Finish()...)
}

func (a *regionAnswer) Err() error {
	if a.err != nil {
		return a.err
	}
	return a.StreamDiff.Err()
}

func (*regionAnswer) Again() string { return "" }
func (*regionAnswer) Left() string  { return "" }

// verbatim is a text for a region that is there already: nothing in it is looked for but what is different.
type verbatim struct{ *editops.StreamDiff }

func (*verbatim) Again() string { return "" }
func (*verbatim) Left() string  { return "" }

// hunkAnswer is an answer in hunks. Each goes out when it is complete; those that have no one place in the file are
// kept, to be asked for again, and never guessed.
type hunkAnswer struct {
	opt     editops.HunkOptions
	hunks   *editops.HunkStream
	applied int
	refused []editops.HunkResult
	foreign []editops.HunkResult // for other files
	asked   bool                 // once more for the refused ones
	err     error
}

// errNoHunks is an answer that was to hold hunks and holds none.
var errNoHunks = errors.New("the model proposed no change, and nothing was changed")

func (a *hunkAnswer) Push(text string) []editops.Edit { return a.take(a.hunks.Push(text)) }

func (a *hunkAnswer) Finish() []editops.Edit {
	edits := a.take(a.hunks.Finish())
	if a.applied == 0 && len(a.refused) == 0 && len(a.foreign) == 0 {
		a.err = errNoHunks
	}
	return edits
}

func (a *hunkAnswer) take(results []editops.HunkResult) (edits []editops.Edit) {
	for _, r := range results {
		switch {
		case r.Err == nil:
			a.applied++
			edits = append(edits, r.Edits...)
		case errors.Is(r.Err, editops.ErrHunkDone):
			a.applied++ // it is there already
		case errors.Is(r.Err, editops.ErrHunkFile):
			a.foreign = append(a.foreign, r)
		default:
			a.refused = append(a.refused, r)
		}
	}
	return edits
}

// Settled is behind everything: a hunk is emitted when it is complete.
func (a *hunkAnswer) Settled() int { return len(a.hunks.Text()) + 1 }

func (a *hunkAnswer) Err() error { return a.err }

// Again asks for the hunks that had no place, once: on the same connection that costs a round trip, and most hunks fail
// for a line that was misquoted. One for another file is not asked for, or it would come for this one; only where there
// is nothing else the file may have been misnamed.
func (a *hunkAnswer) Again() string {
	if a.applied == 0 && len(a.refused) == 0 {
		a.refused, a.foreign = a.foreign, nil
	}
	if a.asked || len(a.refused) == 0 {
		return ""
	}
	a.asked = true
	var b strings.Builder
	if a.applied > 0 {
		fmt.Fprintf(&b, "%s applied; do not send %s again.\n", counted(a.applied, "hunk was", "hunks were"), pick(a.applied, "it", "them"))
	}
	fmt.Fprintf(&b, "%s not be placed. Send %s again, with old lines that stand in the file above exactly once:\n",
		counted(len(a.refused), "hunk could", "hunks could"), pick(len(a.refused), "it", "them"))
	for _, r := range a.refused {
		fmt.Fprintf(&b, "\n%v:\n%s", r.Err, r.Source)
	}
	a.refused = nil
	a.hunks = editops.NewHunkStream(a.hunks.Text(), a.opt)
	return b.String()
}

func (a *hunkAnswer) Left() string {
	left := slices.Concat(a.refused, a.foreign)
	if len(left) == 0 {
		return ""
	}
	return fmt.Sprintf("%s left out (%v)", counted(len(left), "change was", "changes were"), left[0].Err)
}

// Text is the engine text: what a model that is asked again reads.
func (a *hunkAnswer) Text() string { return a.hunks.Text() }

// markersNote asks for longer markers where lines of the file could be taken for those of a block: Markdown underlines
// headings so, and merges leave them behind.
func markersNote(file string, syntax prompt.HunkSyntax) string {
	search, divider, replace := editops.SearchMarkers(file)
	if syntax != prompt.SearchReplace || len(search) == len("<<<<<<<") {
		return ""
	}
	return fmt.Sprintf("\n\nLines of this file look like the markers of a block. Write longer ones: %s SEARCH, %s and %s REPLACE.", search, divider, replace)
}

// counted is a number with its noun: "1 hunk was", "2 hunks were".
func counted(n int, one, many string) string { return fmt.Sprintf("%d %s", n, pick(n, one, many)) }

func pick(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
