package delivery

import (
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
)

// landing says how a change came to be that is an edit of ours.
type landing struct {
	f     *flight // the edit on its way, or one that was given up
	how   how
	first bool              // its text stands before what the user typed at the same place
	where editops.ChangeSet // what the editor did; when over, without the text between
}

type how int

const (
	asSent   how = iota // as sent, or rebased over the user's changes
	over                // rebased, but over text that the user typed meanwhile
	astray              // at the place it was for, in a text that has moved on
	unasked             // a second time, or after it was given up
	twice               // the same, at a place that can not be repaired
	rejected            // a piece of what Reject gave out
)

// expectation is what the edits that may arrive would look like, at one point of a notification.
type expectation struct {
	honours bool // the editor does not apply an edit for an old version
	edits   []expected
}

// expected is one such edit, in the document at that point.
type expected struct {
	f     *flight
	ghost bool // it was given up
	// set is the edit as it would be if the editor rebased it over all that the user has typed: behind what the
	// user typed at the same place, or before it, as the edit prefers, and then the other way round.
	set [2]editops.ChangeSet
	// sent is the same for what the user has typed since the edit was sent only; a rejection's has none.
	sent  [2]editops.ChangeSet
	since editops.ChangeSet // what happened to the document since then
}

// sides are the two answers to whose text stands first at one place, the preferred one first.
func (f *flight) sides() [2]bool { return [2]bool{f.first, !f.first} }

// expect is what to look for in a notification about doc.
func (m *Machine) expect(doc Document) *expectation {
	x := &expectation{honours: m.honours()}
	add := func(f *flight, ghost bool) {
		e := expected{f: f, ghost: ghost, since: f.since}
		for i, first := range f.sides() {
			e.set[i] = prediction(f, doc, first)
			if !f.rejects {
				sent := sound(editops.NewChangeSet(f.base.Len(), f.raw))
				e.sent[i] = sound(sent.Map(f.since, first))
			}
		}
		x.edits = append(x.edits, e)
	}
	if f := m.flight; f != nil && !f.seen {
		add(f, false)
	}
	for _, g := range m.ghosts {
		add(g, true)
	}
	for _, r := range m.rejected {
		add(r, false)
	}
	return x
}

// honours says that the editor is known not to apply the edit on its way if it is for an old version.
func (m *Machine) honours() bool {
	return m.Truthful || m.DropsStale && m.flight != nil && m.flight.version > 0
}

// step takes account of a change of the user's.
func (x *expectation) step(c editops.ChangeSet) {
	for i := range x.edits {
		e := &x.edits[i]
		for j, first := range e.f.sides() {
			e.set[j] = sound(e.set[j].Map(c, first))
			if !e.f.rejects {
				e.sent[j] = sound(e.sent[j].Map(c, first))
			}
		}
		if !e.f.rejects {
			e.since = sound(e.since.Compose(c))
		}
	}
}

// expected recognises c, a change of doc, as an edit on its way that arrived as sent, or rebased.
func (x *expectation) expected(doc Document, c editops.ChangeSet) (landing, bool) {
	if c.Empty() {
		return landing{}, false // done and undone within one notification: it is looked at step by step
	}
	for _, e := range x.edits {
		if e.ghost {
			continue
		}
		for i, first := range e.f.sides() {
			if !e.set[i].Empty() && sameEffect(doc, e.set[i], c) {
				if e.f.rejects {
					return landing{f: e.f, how: rejected, first: first}, true
				}
				return landing{f: e.f, first: first, where: e.set[i]}, true
			}
		}
		if e.f.rejects {
			continue
		}
		// Where the user had typed before the edit was sent and goes on there, an editor that rebases puts it in
		// between.
		for _, set := range e.sent {
			if !e.since.Empty() && sameEffect(doc, set, c) {
				return landing{f: e.f, first: e.f.first, where: set}, true
			}
		}
		for i, set := range []editops.ChangeSet{e.set[0], e.set[1], e.sent[0], e.sent[1]} {
			if edits := set.Edits(); !x.honours && len(edits) > 1 && sameEffect(doc, covering(set, edits), c) {
				return landing{f: e.f, how: over, first: e.f.sides()[i%2], where: set}, true
			}
		}
	}
	return landing{}, false
}

// unexpected recognises c as an edit of ours in the wrong place, or one that had been given up.
func (x *expectation) unexpected(doc Document, c editops.ChangeSet) (landing, bool) {
	if c.Empty() {
		return landing{}, false
	}
	for _, e := range x.edits {
		if e.ghost || e.f.rejects || x.honours || e.since.Empty() || !mayBe(c, e.f.raw) {
			continue
		}
		if stale, ok := misplaced(e.f, doc, e.since); ok && sameEffect(doc, stale, c) {
			return landing{f: e.f, how: astray, where: stale}, true
		}
	}
	for _, sets := range []func(expected) [2]editops.ChangeSet{
		func(e expected) [2]editops.ChangeSet { return e.set },
		func(e expected) [2]editops.ChangeSet { return e.sent },
	} {
		for _, e := range x.edits {
			for i, set := range sets(e) {
				if e.ghost && !set.Empty() && sameEffect(doc, set, c) {
					return landing{f: e.f, how: unasked, first: e.f.sides()[i], where: set}, true
				}
			}
		}
	}
	// The user's own typing can have moved it to where none of these is.
	if edits := c.Edits(); len(edits) == 1 {
		text := strings.TrimSpace(edits[0].New)
		for _, e := range x.edits {
			if e.ghost && len(text) >= 3 && text == strings.TrimSpace(e.f.raw.New) {
				return landing{f: e.f, how: twice, where: c}, true
			}
		}
	}
	return landing{}, false
}

// prediction is what the edit f does to doc, the document now, if the editor rebases it.
func prediction(f *flight, doc Document, first bool) editops.ChangeSet {
	return shifted(sound(f.set.Map(f.s.user, first)), f.s.start, doc.Len())
}

// covering is the change of pred, which edits are, with everything between its edits deleted.
func covering(pred editops.ChangeSet, edits []editops.Edit) editops.ChangeSet {
	var text strings.Builder
	for _, e := range edits {
		text.WriteString(e.New)
	}
	return sound(editops.NewChangeSet(pred.LenBefore(), editops.Edit{
		Start: edits[0].Start, End: edits[len(edits)-1].End, New: text.String(),
	}))
}

// maxScan bounds the text, in bytes, that is searched for the line an editor may have taken for the one meant.
const maxScan = 128 << 10

// misplaced is what f does if the editor ignores versions: the lines and columns that were sent, in doc, where since
// has happened meanwhile.
func misplaced(f *flight, doc Document, since editops.ChangeSet) (editops.ChangeSet, bool) {
	from, _, ok := since.Hull()
	if !ok || from >= f.raw.End && from > f.raw.Start || f.raw.End-from > maxScan {
		return editops.ChangeSet{}, false
	}
	start, ok1 := samePosition(f.base, doc, min(from, f.raw.Start), f.raw.Start)
	end, ok2 := samePosition(f.base, doc, min(from, f.raw.Start), f.raw.End)
	if !ok1 || !ok2 || end < start {
		return editops.ChangeSet{}, false
	}
	return sound(editops.NewChangeSet(doc.Len(), editops.Edit{Start: start, End: end, New: f.raw.New})), true
}

// mayBe says that c can be the edit e at another place: what it inserts is e's text, but for what it may have found
// there already. It keeps a keystroke from being compared with an edit that it can not be.
func mayBe(c editops.ChangeSet, e editops.Edit) bool {
	edits := c.Edits()
	if len(edits) != 1 {
		return false
	}
	if e.Start == e.End {
		return len(edits[0].New) == len(e.New)
	}
	return strings.Contains(e.New, edits[0].New)
}

// samePosition is the offset that has in b the line and column that pos has in a. Both texts are the same up to
// from, which is not behind pos.
func samePosition(a, b Document, from, pos int) (int, bool) {
	from, _ = lineAround(a, from, from)
	head := a.Slice(from, pos)
	col := len(head) - (strings.LastIndexByte(head, '\n') + 1)
	rest := b.Slice(from, min(b.Len(), pos+maxScan))
	at := 0
	for range strings.Count(head, "\n") {
		i := strings.IndexByte(rest[at:], '\n')
		if i < 0 {
			return b.Len(), from+len(rest) == b.Len() // there are not so many lines any more
		}
		at += i + 1
	}
	if i := strings.IndexByte(rest[at:], '\n'); i >= 0 {
		col = min(col, i)
	}
	return from + min(at+col, len(rest)), true
}
