package server

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// suggestion is a response of the model for one place in one version of the document, growing while it streams.
type suggestion struct {
	number int
	doc    *lsp.Document // the document that was asked about; of a speculation, until it is adopted, what may come of it
	at     int           // where, bytes of doc
	asked  trigger
	many   bool // several lines are welcome, since a suggestion has just been accepted
	began  time.Time
	lead   lead
	cancel context.CancelFunc
	over   chan struct{} // closed when its response is left

	// Guarded by suggester.mu.
	edits    []editops.Edit     // what happened to the document since
	versions []int32            // that the edits led to, one each
	item     editops.Suggestion // anchored in doc; its New only ever grows
	lines    editops.Suggestion // the whole lines of the response so far; the zero value while there is none to show
	late     bool               // whole lines may be shown, since the response takes long
	spoke    bool               // something has come of the response
	ready    bool               // a good place to stop has been reached: it may be shown
	ended    bool               // the response is over; nothing more will come
	dead     bool               // superseded or cancelled
	err      error

	waiting    int  // requests that wait for it now
	held       bool // a key waits, or has waited, for its first word
	prefetched bool // asked for before any editor did, and no editor has since
	foreseen   bool // its continuation has been asked for, or was not worth it
	bytes      int  // of the response so far
	shown      bool // handed to the editor
	told       int  // bytes of item.New when it was handed over last
	part       int  // characters of it that were accepted by themselves
	partly     bool
	accepted   bool
	counted    bool // its end has been accounted for
}

// lead is how early a suggestion was asked for.
type lead uint8

const (
	onRequest  lead = iota // when an editor asked
	accepting              // when the suggestion before it was accepted
	speculated             // while the suggestion before it was still being read; see suggester.next
)

// spot is a cursor in a version of the document.
type spot struct {
	version int32
	cursor  int
}

// versioned is an edit and the document version that it led to.
type versioned struct {
	version int32
	edit    editops.Edit
}

// follow notes an edit of the document, which led to a version.
func (sg *suggestion) follow(v versioned) {
	sg.edits = append(sg.edits, v.edit)
	sg.versions = append(sg.versions, v.version)
}

// until are the edits that led from sg.doc to the document's given version. They are not to be changed.
func (sg *suggestion) until(version int32) []editops.Edit {
	n := len(sg.versions)
	for n > 0 && sg.versions[n-1] > version { // few are
		n--
	}
	return sg.edits[:n]
}

// startIn is where a suggestion's start is in a later version; ok is false when something before it on its line, or
// further up across it, was changed.
func (sg *suggestion) startIn(version int32) (start int, ok bool) {
	start = sg.item.Start
	for _, e := range sg.until(version) {
		switch {
		case e.Start >= start:
		case e.End <= start:
			start += len(e.New) - (e.End - e.Start)
		default:
			return 0, false
		}
	}
	return start, true
}

// agreement is how far a response and what the user has typed since go together.
type agreement uint8

const (
	contradicts agreement = iota // the user is elsewhere, or typed something else
	mayAgree                     // the user went on typing, and the response has not said a word yet
	agrees                       // they agree as far as both go, but nothing is left to show yet
	live                         // something is left to show
)

// alive returns what is left of the suggestion for a cursor in a version of the document.
func (sg *suggestion) alive(doc *lsp.Document, cursor int) (item editops.Suggestion, a agreement) {
	if doc.Version < sg.doc.Version {
		return item, contradicts
	}
	edits := sg.until(doc.Version)
	said := sg.item.New[min(len(sg.item.New), sg.at-sg.item.Start):]
	// A response that has said nothing only brings back what the user deletes.
	if item, ok := editops.Interpolate(sg.item, edits, cursor); ok && said != "" {
		return item, live
	}
	if sg.ended {
		return item, contradicts
	}
	// The model may still be behind the user: see whether all that was typed stands between its place and the cursor.
	if cursor < sg.at {
		return item, contradicts
	}
	for _, e := range edits {
		if e.Start < sg.at {
			return item, contradicts
		}
	}
	typed := ""
	if cursor > sg.at {
		typed = doc.Text.Slice(sg.at, cursor)
	}
	switch {
	case typed == "":
		if said == "" {
			return item, agrees
		}
	case said == "":
		if !strings.ContainsAny(typed, "\r\n") { // Enter leaves the line that the model was asked to complete
			return item, mayAgree
		}
	case strings.HasPrefix(typed, said):
		return item, agrees
	}
	return item, contradicts
}

// deletedBefore reports whether a cursor stands before the place that a suggestion was asked for at.
func (sg *suggestion) deletedBefore(version int32, cursor int) bool {
	start, ok := sg.startIn(version)
	return ok && cursor < start+sg.at-sg.item.Start
}

// uprooted reports whether the line before the place that a suggestion was asked for at has become another.
func (sg *suggestion) uprooted(doc *lsp.Document) bool {
	start, ok := sg.startIn(doc.Version)
	before := sg.item.New[:min(len(sg.item.New), sg.at-sg.item.Start)]
	end := start + len(before)
	return !ok || end > doc.Text.Len() || doc.Text.Slice(start, end) != before
}

// lineReach is how far before the cursor a suggestion reaches, in bytes. A line is mostly shorter; but each key compares
// each suggestion that is kept with what stands there, and a line of minified code has megabytes (D25).
const lineReach = 1 << 10

// lineFrom is the start of the line of a place, as far as a suggestion there reaches.
func lineFrom(t *lsp.Text, at int) int {
	start := t.LineStart(t.LineAt(at))
	if at-start <= lineReach {
		return start
	}
	from := at - lineReach
	for i, b := range []byte(t.Slice(from, from+utf8.UTFMax)) {
		if utf8.RuneStart(b) {
			return from + i
		}
	}
	return from
}

// anchored is a suggestion of text at the cursor that replaces what stands from start to end.
func anchored(t *lsp.Text, start, cursor, end int, text string) editops.Suggestion {
	lo := lineFrom(t, start)
	s := editops.NewSuggestion(t.Slice(lo, end), start-lo, end-lo, cursor-lo, t.Slice(start, cursor)+text)
	s.Start, s.End, s.Cursor = s.Start+lo, s.End+lo, s.Cursor+lo
	return s
}
