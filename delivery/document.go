package delivery

import (
	"strings"
	"unicode/utf8"

	"github.com/spark-lsp/spark-lsp/editops"
)

// Document is the text of the document as the editor last told it, in bytes; immutable.
type Document interface {
	Len() int
	// Slice is the bytes [i, j) of the text.
	Slice(i, j int) string
}

// String is a Document that is a string.
type String string

// Len is the length in bytes.
func (s String) Len() int { return len(s) }

// Slice is the bytes [i, j).
func (s String) Slice(i, j int) string { return string(s[i:j]) }

// view is base with a change made, without making it: documents are big and changes are small.
type view struct {
	base Document
	set  editops.ChangeSet
}

func viewOf(base Document, set editops.ChangeSet) Document {
	if set.Empty() {
		return base
	}
	if v, ok := base.(view); ok {
		return view{v.base, sound(v.set.Compose(set))}
	}
	return view{base, set}
}

func (v view) Len() int { return v.set.LenAfter() }

func (v view) Slice(i, j int) string {
	var b strings.Builder
	at, shift := 0, 0 // in the base; after minus before
	piece := func(text string, from int) {
		lo, hi := max(i-from, 0), min(j-from, len(text))
		if lo < hi {
			b.WriteString(text[lo:hi])
		}
	}
	base := func(to int) {
		lo, hi := max(at, i-shift), min(to, j-shift)
		if lo < hi {
			b.WriteString(v.base.Slice(lo, hi))
		}
	}
	for e := range v.set.All() {
		if e.Start+shift >= j {
			break
		}
		base(e.Start)
		piece(e.New, e.Start+shift)
		at = e.End
		shift += len(e.New) - (e.End - e.Start)
	}
	base(j - shift)
	return b.String()
}

// sameEffect says that x and y make the same text of doc. Only the stretch that either of them changes is
// looked at, and only up to the first difference.
func sameEffect(doc Document, x, y editops.ChangeSet) bool {
	if x.LenBefore() != y.LenBefore() || x.LenAfter() != y.LenAfter() {
		return false
	}
	if x.Equal(y) {
		return true
	}
	xs, xe, okX := x.Hull()
	ys, ye, okY := y.Hull()
	if !okX || !okY {
		// One changes nothing: the other may still replace a text by itself.
		xs, ys = max(xs, ys), max(xs, ys)
		xe, ye = max(xe, ye), max(xe, ye)
	}
	start, end := min(xs, ys), max(xe, ye)+x.LenAfter()-x.LenBefore()
	a, b := viewOf(doc, x), viewOf(doc, y)
	const window = 1 << 10
	for ; start < end; start += window {
		stop := min(start+window, end)
		if a.Slice(start, stop) != b.Slice(start, stop) {
			return false
		}
	}
	return true
}

// trim leaves out what an edit replaces by itself at its ends. A client that syncs whole documents, or whole
// lines, so comes down to what the user did. No rune and no \r\n is cut in two.
func trim(doc Document, e editops.Edit) editops.Edit {
	if e.Start == e.End || e.New == "" {
		return e
	}
	old := doc.Slice(e.Start, e.End)
	p := 0
	for p < len(old) && p < len(e.New) && old[p] == e.New[p] {
		p++
	}
	for p > 0 && (splits(old, p) || splits(e.New, p)) {
		p--
	}
	s := 0
	for s < len(old)-p && s < len(e.New)-p && old[len(old)-1-s] == e.New[len(e.New)-1-s] {
		s++
	}
	for s > 0 && (splits(old, len(old)-s) || splits(e.New, len(e.New)-s)) {
		s--
	}
	return editops.Edit{Start: e.Start + p, End: e.End - s, New: e.New[p : len(e.New)-s]}
}

// splits says that i lies within a rune or a \r\n of s.
func splits(s string, i int) bool {
	if i <= 0 || i >= len(s) {
		return false
	}
	return !utf8.RuneStart(s[i]) || s[i-1] == '\r' && s[i] == '\n'
}

// shifted is the change set of a stretch that begins at start as a change set of the whole, of length bytes.
func shifted(set editops.ChangeSet, start, length int) editops.ChangeSet {
	edits := set.Edits()
	for i := range edits {
		edits[i].Start += start
		edits[i].End += start
	}
	return sound(editops.NewChangeSet(length, edits...))
}

// sound is for change sets whose lengths agree by construction. That they do is the machine's own business: a
// wrong length is a bug here, not something that a caller could handle.
func sound(set editops.ChangeSet, err error) editops.ChangeSet {
	if err != nil {
		panic("delivery: " + err.Error())
	}
	return set
}

// none changes nothing in a text of n bytes.
func none(n int) editops.ChangeSet { return sound(editops.NewChangeSet(n)) }

// maxLine bounds how far a line is followed to its ends, in bytes: what is written at one end of a line of
// megabytes is of no concern at its other end, and a keystroke must not cost a walk through it.
const maxLine = 4 << 10

// lineAround is the range of the lines that [start, end] lies in, without the last line's end.
func lineAround(doc Document, start, end int) (int, int) {
	const window = 256
	for limit := max(start-maxLine, 0); start > limit; {
		from := max(start-window, limit)
		if i := strings.LastIndexByte(doc.Slice(from, start), '\n'); i >= 0 {
			start = from + i + 1
			break
		}
		start = from
	}
	for limit := min(end+maxLine, doc.Len()); end < limit; {
		to := min(end+window, limit)
		if i := strings.IndexByte(doc.Slice(end, to), '\n'); i >= 0 {
			end += i
			break
		}
		end = to
	}
	return start, end
}

// atLineStart says that a line begins at pos.
func atLineStart(doc Document, pos int) bool { return pos == 0 || doc.Slice(pos-1, pos) == "\n" }
