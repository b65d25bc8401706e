package delivery

import (
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
)

// within finds the edit on its way in a change that holds more than it, from a client that syncs whole texts or
// joins what it and the user did. The edit is in there when less is left to explain with it than without.
// The change c is of doc, which the user's steps have made of before; x is what to look for there.
func (m *Machine) within(before Document, steps []editops.ChangeSet, doc Document, c editops.ChangeSet, x *expectation) bool {
	f := m.flight
	if f == nil || f.seen {
		return false
	}
	// A keystroke holds nothing else, and one deletion is one deletion, and the user's.
	joined := insertedBytes(c) > 0
	if !m.coarse && (!joined || 10*insertedBytes(c) < 8*len(strings.TrimSpace(f.raw.New))) {
		return false
	}
	pred := x.edits[0].set[0]
	ps, pe, ok := pred.Hull()
	if !ok {
		return false
	}
	with := viewOf(doc, pred)
	shift := with.Len() - doc.Len()
	// The stretch [from, to) of what touches the edit, or might: where the same text stands before and behind a
	// change, there is no telling which of the two was changed. The user's changes elsewhere are left alone.
	slack := min(2*(pe-ps)+shift, maxLine)
	from, to, grow := ps, pe, 0
	var above, below []editops.Edit
	apart := 0 // bytes in above and below
	for e := range c.All() {
		switch {
		case e.End < ps-slack:
			above = append(above, e)
		case e.Start > pe+slack:
			below = append(below, editops.Edit{Start: e.Start + shift, End: e.End + shift, New: e.New})
		default:
			from, to = min(from, e.Start), max(to, e.End)
			grow += len(e.New) - (e.End - e.Start)
			continue
		}
		apart += e.End - e.Start + len(e.New)
	}
	at := c.MapOffset(from, -1)
	now := viewOf(doc, c).Slice(at, at+to-from+grow)
	predicted := with.Slice(from, to+shift)
	rest := difference(predicted, now)
	cost := distance(bareEnds(predicted), bareEnds(now)) + apart
	without := distance(bareEnds(doc.Slice(from, to)), bareEnds(now)) + apart
	del := deletions(pred)
	writes := strings.TrimSpace(f.raw.New) != "" // blanks are everywhere, and prove nothing
	if writes {
		// The user may have deleted the same; the new text has to be there as well.
		bare := viewOf(doc, del).Slice(from, to+del.LenAfter()-doc.Len())
		without = min(without, distance(bareEnds(bare), bareEnds(now))+apart)
	}
	found := cost < without
	displaced := found && (displaced(f, predicted, rest) || !joined && slices.ContainsFunc(rest, func(e editops.Edit) bool { return e.New != "" }))
	for i := range rest {
		rest[i].Start += from
		rest[i].End += from
	}
	user, err := editops.NewChangeSet(with.Len(), slices.Concat(above, rest, below)...)
	if err != nil || user.LenAfter() != c.LenAfter() {
		return false
	}
	stray, at, ok := m.strayWithin(f, doc, c, sound(x.edits[0].since.Compose(c)))
	if user.MapOffset(ps, -1) <= at && at <= user.MapOffset(ps, 1) {
		ok = false // the wrong place is the right one
	}
	if ok && stray < cost && stray < without || !m.honours() && writes && (displaced || !found && elsewhere(f, doc, c)) {
		m.abandon(f)
		m.user(before, steps)
		m.user(doc, []editops.ChangeSet{c})
		f.s.forceLost(misplacedReason)
		return true
	}
	if !found || displaced && !writes { // the user deleted something else
		return false
	}
	m.user(before, steps)
	m.land(doc, landing{f: f, first: f.first})
	m.quiet = !slices.ContainsFunc(rest, func(e editops.Edit) bool {
		return bareEnds(with.Slice(e.Start, e.End)) != bareEnds(e.New)
	})
	defer func() { m.quiet = false }()
	m.user(with, []editops.ChangeSet{user})
	return true
}

// bareEnds is text with \n for \r\n: an editor that gives a text its own line ends has not typed in it.
func bareEnds(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// deletions is set without what it inserts.
func deletions(set editops.ChangeSet) editops.ChangeSet {
	edits := set.Edits()
	for i := range edits {
		edits[i].New = ""
	}
	return sound(editops.NewChangeSet(set.LenBefore(), edits...))
}

const misplacedReason = "the editor put an edit in the wrong place, since it does not look at versions"

// maxStray bounds the text, in bytes, that is searched for an edit in the wrong place.
const maxStray = 64 << 10

// strayWithin is how much of c is left to explain if the edit stands in it, at offset at, at the line and column that
// it was sent for, instead of where the user's changes have moved it; since, with c, is what happened meanwhile.
func (m *Machine) strayWithin(f *flight, doc Document, c, since editops.ChangeSet) (cost, at int, ok bool) {
	from, to, ok := c.Hull()
	first, _, _ := since.Hull()
	if !ok || m.honours() || to-from > maxStray || f.raw.Start-first > maxScan {
		return 0, 0, false
	}
	after := viewOf(doc, c)
	at, ok = samePosition(f.base, after, min(first, f.raw.Start), f.raw.Start)
	if !ok {
		return 0, 0, false
	}
	slack := len(f.raw.New) + f.raw.End - f.raw.Start // see within
	from, to = max(0, from-slack), min(doc.Len(), to+slack)
	old, now := doc.Slice(from, to), after.Slice(from, to+after.Len()-doc.Len())
	text, here := f.raw.New, at-from
	if here < 0 || here+len(text) > len(now) || now[here:here+len(text)] != text {
		return 0, 0, false
	}
	bare := now[:here] + now[here+len(text):]
	gone := f.raw.End - f.raw.Start
	if gone == 0 {
		return distance(old, bare), at, true
	}
	// As much as it was to delete, in bytes or in lines, must be missing there.
	lines := strings.Count(f.base.Slice(f.raw.Start, f.raw.End), "\n")
	shift := 0
	left := difference(old, bare)
	for _, e := range left {
		size := e.End - e.Start
		if e.Start+shift <= here && here <= e.Start+shift+len(e.New) && size > 0 && (text != "" || e.New == "") {
			switch {
			case size == gone || strings.Count(old[e.Start:e.End], "\n") == lines:
				return weight(left) - size, at, true
			case text != "" && size > gone:
				return weight(left) - gone, at, true
			}
		}
		shift += len(e.New) - size
	}
	return 0, 0, false
}

// displaced says that the user, besides the edit f, would have moved a line across it, or would have put back one
// that it deleted. It is likelier then that the edit landed in the wrong place. rest is what the user would have
// done, against predicted.
func displaced(f *flight, predicted string, rest []editops.Edit) bool {
	inserted := func(line string) bool {
		return slices.ContainsFunc(rest, func(e editops.Edit) bool { return strings.Contains(e.New, line) })
	}
	gone := []string{f.base.Slice(f.raw.Start, f.raw.End)}
	for _, e := range rest {
		gone = append(gone, predicted[e.Start:e.End])
	}
	for _, text := range gone {
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimSpace(line); len(line) >= 3 && inserted(line) {
				return true
			}
		}
	}
	return false
}

// insertedBytes is how much new text c has.
func insertedBytes(c editops.ChangeSet) (n int) {
	for e := range c.All() {
		n += len(e.New)
	}
	return n
}

// elsewhere says that c puts the text of f somewhere, though not where it belongs, perhaps with something typed in
// the middle of it. Sending it again would double it.
func elsewhere(f *flight, doc Document, c editops.ChangeSet) bool {
	text := strings.TrimSpace(f.raw.New)
	from, to, ok := c.Hull()
	if !ok || len(text) < 3 || to-from > maxStray {
		return false
	}
	from, to = max(0, from-len(text)), min(doc.Len(), to+len(text))
	old, now := doc.Slice(from, to), viewOf(doc, c).Slice(from, to+c.LenAfter()-c.LenBefore())
	if strings.Count(now, text) > strings.Count(old, text) {
		return true
	}
	var inserted strings.Builder
	for _, e := range difference(old, now) {
		inserted.WriteString(e.New)
	}
	// In a long paste any short text can be found letter by letter.
	if len(text) < 4 || inserted.Len() > 2*len(text)+64 {
		return false
	}
	same, ok := common(text, inserted.String())
	return ok && 10*same >= 8*len(text)
}
