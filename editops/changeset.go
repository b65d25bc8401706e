package editops

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// ChangeSet is a change of a whole text: what is kept, deleted and inserted, from its first byte to its last.
// It knows the length of the text it applies to and refuses any other, so that a change made for one version of
// a document can not be applied to another by mistake. It is an immutable value; the zero ChangeSet changes
// nothing in an empty text.
//
// A ChangeSet is normalised: changes that touch are one, and its insertion stands before its deletion. So two
// ChangeSets that keep the same bytes and insert the same text between them are Equal. The order matters to
// Map: were an insertion allowed to stand behind the deletion it belongs to, a deletion that another change
// splits could take the text along twice.
//
// The laws, which the tests check on random pairs a and b of changes of one text:
//
//	b.Compose(c) applied        = b applied, then c applied
//	a.Compose(a.Invert(text))   leaves text as it was
//	a.Compose(b.Map(a, false))  = b.Compose(a.Map(b, true))      (TP1)
//
// Compose and Map cost O(number of changes in both + bytes inserted), whatever the length of the text.
type ChangeSet struct {
	length int    // bytes of the text before
	delta  int    // bytes after minus bytes before
	edits  []Edit // against the text before; sorted, never touching each other, never empty
}

// ErrLength is the error of a ChangeSet that meets a text, or another ChangeSet, of a length it is not for.
var ErrLength = errors.New("change set: wrong length")

// ErrEdit is the error of edits that are inverted, out of the text, out of order or overlapping.
var ErrEdit = errors.New("change set: invalid edit")

// NewChangeSet makes a change of a text of length bytes from edits that all refer to that text, sorted and not
// overlapping. They may touch: insertions at one position are made in the order given.
func NewChangeSet(length int, edits ...Edit) (ChangeSet, error) {
	b := builder{}
	for _, e := range edits {
		if e.Start < b.at || e.End < e.Start || e.End > length {
			return ChangeSet{}, fmt.Errorf("%w [%d,%d) behind %d in a text of %d bytes", ErrEdit, e.Start, e.End, b.at, length)
		}
		b.keep(e.Start - b.at)
		b.insert(e.New)
		b.remove(e.End - e.Start)
	}
	b.keep(length - b.at)
	return b.done(), nil
}

// FromSequential makes a change of a text of length bytes from edits of which each refers to the text that the
// one before it left behind: the order of LSP's didChange and of StreamDiff.
func FromSequential(length int, edits []Edit) (ChangeSet, error) {
	set := ChangeSet{length: length}
	for _, e := range edits {
		one, err := NewChangeSet(set.LenAfter(), e)
		if err != nil {
			return ChangeSet{}, err
		}
		set = set.compose(one)
	}
	return set, nil
}

// LenBefore is the length in bytes of the text that the change applies to.
func (c ChangeSet) LenBefore() int { return c.length }

// LenAfter is the length in bytes of the text that the change makes.
func (c ChangeSet) LenAfter() int { return c.length + c.delta }

// Empty says that the change changes nothing.
func (c ChangeSet) Empty() bool { return len(c.edits) == 0 }

// Equal says that both keep the same bytes of a text of the same length and insert the same between them.
func (c ChangeSet) Equal(d ChangeSet) bool {
	return c.length == d.length && slices.Equal(c.edits, d.edits)
}

// Edits are the changes against the text before: sorted, not overlapping, not touching. The slice is the caller's.
func (c ChangeSet) Edits() []Edit { return slices.Clone(c.edits) }

// All yields what Edits returns, in order, without a copy.
func (c ChangeSet) All() iter.Seq[Edit] {
	return func(yield func(Edit) bool) {
		for _, e := range c.edits {
			if !yield(e) {
				return
			}
		}
	}
}

// Hull is the range [start, end) of the text before that all changes lie in; ok is false when there are none.
func (c ChangeSet) Hull() (start, end int, ok bool) {
	if c.Empty() {
		return 0, 0, false
	}
	return c.edits[0].Start, c.edits[len(c.edits)-1].End, true
}

// Apply makes the change in text; the error is ErrLength.
func (c ChangeSet) Apply(text string) (string, error) {
	if len(text) != c.length {
		return "", fmt.Errorf("%w: text of %d bytes for a change of %d", ErrLength, len(text), c.length)
	}
	if c.Empty() {
		return text, nil
	}
	var b strings.Builder
	b.Grow(c.LenAfter())
	at := 0
	for _, e := range c.edits {
		b.WriteString(text[at:e.Start])
		b.WriteString(e.New)
		at = e.End
	}
	b.WriteString(text[at:])
	return b.String(), nil
}

// Compose is the change that does c and then next, which is for the text that c makes; otherwise ErrLength.
func (c ChangeSet) Compose(next ChangeSet) (ChangeSet, error) {
	if next.length != c.LenAfter() {
		return ChangeSet{}, fmt.Errorf("%w: a change of %d bytes behind one that makes %d", ErrLength, next.length, c.LenAfter())
	}
	return c.compose(next), nil
}

func (c ChangeSet) compose(next ChangeSet) ChangeSet {
	if next.Empty() {
		return c
	}
	if c.Empty() {
		return next
	}
	out := builder{set: ChangeSet{edits: make([]Edit, 0, len(c.edits)+len(next.edits))}}
	a, b := c.sections(), next.sections()
	for {
		switch {
		case a.kind == deleted:
			out.remove(a.n)
			a.next(a.n)
		case b.kind == inserted:
			out.insert(b.text)
			b.next(b.n)
		case a.kind == ended:
			return out.done()
		default:
			n := min(a.n, b.n)
			switch {
			case a.kind == inserted && b.kind == kept:
				out.insert(a.text[:n])
			case a.kind == kept && b.kind == kept:
				out.keep(n)
			case a.kind == kept: // deleted by b
				out.remove(n)
			} // what a inserts and b deletes never was
			a.next(n)
			b.next(n)
		}
	}
}

// Map is c as it has to be made in the text that other, a change of the same text as c, has left behind. Where
// both insert at one position, before says that c's text comes first; exactly one side must say so for the two
// orders to meet. The error is ErrLength.
func (c ChangeSet) Map(other ChangeSet, before bool) (ChangeSet, error) {
	if c.length != other.length {
		return ChangeSet{}, fmt.Errorf("%w: mapping a change of %d bytes over one of %d", ErrLength, c.length, other.length)
	}
	if other.Empty() {
		return c, nil
	}
	out := builder{set: ChangeSet{edits: make([]Edit, 0, len(c.edits)+1)}}
	a, b := c.sections(), other.sections()
	for {
		switch {
		case a.kind == inserted && (before || b.kind != inserted):
			out.insert(a.text)
			a.next(a.n)
		case b.kind == inserted:
			out.keep(b.n)
			b.next(b.n)
		case a.kind == ended:
			return out.done(), nil
		default:
			n := min(a.n, b.n)
			switch {
			case b.kind == deleted: // there is nothing left to keep or to delete
			case a.kind == kept:
				out.keep(n)
			default:
				out.remove(n)
			}
			a.next(n)
			b.next(n)
		}
	}
}

// Invert is the change that takes c back; text is the one that c applies to, otherwise ErrLength.
func (c ChangeSet) Invert(text string) (ChangeSet, error) {
	if len(text) != c.length {
		return ChangeSet{}, fmt.Errorf("%w: text of %d bytes for a change of %d", ErrLength, len(text), c.length)
	}
	return c.InvertFunc(func(start, end int) string { return text[start:end] }), nil
}

// InvertFunc is Invert for a text that is not at hand in one piece: slice returns the bytes [start, end) of the
// text that c applies to, and is asked for the deleted stretches only.
func (c ChangeSet) InvertFunc(slice func(start, end int) string) ChangeSet {
	inv := ChangeSet{length: c.LenAfter(), delta: -c.delta, edits: make([]Edit, len(c.edits))}
	shift := 0
	for i, e := range c.edits {
		inv.edits[i] = Edit{e.Start + shift, e.Start + shift + len(e.New), slice(e.Start, e.End)}
		shift += len(e.New) - (e.End - e.Start)
	}
	return inv
}

// MapOffset is where the offset pos of the text before comes to stand. Where the change inserts at pos, or
// replaces the text round it, assoc < 0 says before the new text, otherwise behind it; the end of a deleted
// stretch always is behind the text that replaced it. It is monotone in pos. An offset out of the text counts
// as the nearest end.
func (c ChangeSet) MapOffset(pos, assoc int) int {
	pos = min(max(pos, 0), c.length)
	shift := 0
	for _, e := range c.edits {
		if pos < e.Start {
			break
		}
		if pos > e.End || pos == e.End && e.Start < e.End {
			shift += len(e.New) - (e.End - e.Start)
			continue
		}
		if assoc < 0 {
			return e.Start + shift
		}
		return e.Start + shift + len(e.New)
	}
	return pos + shift
}

// String is the change in one line: =n keeps n bytes, +"text" inserts, -n deletes. ParseChangeSet reads it.
func (c ChangeSet) String() string {
	var b strings.Builder
	at := 0
	for s := c.sections(); s.kind != ended; s.next(s.n) {
		if at++; at > 1 {
			b.WriteByte(' ')
		}
		switch s.kind {
		case kept:
			fmt.Fprintf(&b, "=%d", s.n)
		case deleted:
			fmt.Fprintf(&b, "-%d", s.n)
		case inserted:
			b.WriteByte('+')
			b.WriteString(strconv.Quote(s.text))
		}
	}
	return b.String()
}

// ParseChangeSet reads what String writes; sections in any order are normalised.
func ParseChangeSet(s string) (ChangeSet, error) {
	var b builder
	for rest := strings.TrimLeft(s, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		op := rest[0]
		rest = rest[1:]
		if op == '+' {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return ChangeSet{}, fmt.Errorf("change set %q: text to insert: %w", s, err)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return ChangeSet{}, fmt.Errorf("change set %q: text to insert: %w", s, err)
			}
			b.insert(text)
			rest = rest[len(quoted):]
			continue
		}
		end := strings.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		n, err := strconv.Atoi(rest[:end])
		if err != nil || n < 0 || n > maxParsed || op != '=' && op != '-' {
			return ChangeSet{}, fmt.Errorf("change set %q: bad section %q", s, string(op)+rest[:end])
		}
		if op == '=' {
			b.keep(n)
		} else {
			b.remove(n)
		}
		rest = rest[end:]
	}
	return b.done(), nil
}

// maxParsed keeps sums of parsed lengths far from overflow.
const maxParsed = 1 << 40

// sectionKind is what happens to a stretch of text.
type sectionKind uint8

const (
	ended sectionKind = iota
	kept
	deleted
	inserted
)

// cursor walks a ChangeSet section by section; a part of a section may be taken. n is what is left of the
// current one, in bytes.
type cursor struct {
	set  ChangeSet
	i    int // the edit that comes, or whose sections we are in
	at   int // offset in the text before
	kind sectionKind
	n    int
	text string // what is left of an insertion
}

func (c ChangeSet) sections() cursor {
	cur := cursor{set: c}
	cur.find(false)
	return cur
}

// next takes n bytes of the current section.
func (c *cursor) next(n int) {
	if c.kind != inserted {
		c.at += n
	} else {
		c.text = c.text[n:]
	}
	if c.n -= n; c.n > 0 {
		return
	}
	if c.kind == deleted {
		c.i++
	}
	c.find(c.kind == inserted)
}

// find sets the section at the offset reached; past says that the insertion there has been taken.
func (c *cursor) find(past bool) {
	if c.i == len(c.set.edits) {
		c.kind, c.n = kept, c.set.length-c.at
		if c.n == 0 {
			c.kind = ended
		}
		return
	}
	e := c.set.edits[c.i]
	switch {
	case c.at < e.Start:
		c.kind, c.n = kept, e.Start-c.at
	case e.New != "" && !past:
		c.kind, c.n, c.text = inserted, len(e.New), e.New
	case e.Start < e.End:
		c.kind, c.n = deleted, e.End-c.at
	default:
		c.i++
		c.find(false)
	}
}

// builder makes a normalised ChangeSet out of sections.
type builder struct {
	set  ChangeSet
	at   int // offset in the text before
	open bool
	gap  Edit     // the change that may still grow
	more []string // insertions that follow gap.New: joined once, since one by one is quadratic
}

func (b *builder) keep(n int) {
	if n > 0 {
		b.flush()
		b.at += n
	}
}

func (b *builder) remove(n int) {
	if n > 0 {
		b.begin()
		b.at += n
		b.gap.End = b.at
	}
}

func (b *builder) insert(s string) {
	if s == "" {
		return
	}
	b.begin()
	if b.gap.New == "" {
		b.gap.New = s
		return
	}
	b.more = append(b.more, s)
}

func (b *builder) begin() {
	if !b.open {
		b.open, b.gap = true, Edit{Start: b.at, End: b.at}
	}
}

func (b *builder) flush() {
	if !b.open {
		return
	}
	if len(b.more) > 0 {
		b.gap.New += strings.Join(b.more, "")
		b.more = b.more[:0]
	}
	b.set.edits = append(b.set.edits, b.gap)
	b.set.delta += len(b.gap.New) - (b.gap.End - b.gap.Start)
	b.open = false
}

func (b *builder) done() ChangeSet {
	b.flush()
	b.set.length = b.at
	return b.set
}
