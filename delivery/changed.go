package delivery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
)

// Changed is a didChange: all edits of the notification, each in bytes of the text that the one before it left,
// the document they make and its version. It is the only thing that the machine believes.
func (m *Machine) Changed(edits []editops.Edit, after Document, version int32) {
	before := m.doc
	m.doc, m.version = after, version
	m.wait = false
	if len(m.streams) == 0 {
		return
	}
	steps, ok := stepsOf(before, edits)
	if !ok || lenAfter(before, steps) != after.Len() {
		// Nothing that is known about a region holds any more.
		for _, s := range m.streams {
			s.lose("the document changed without word of it")
			s.void = true
		}
		m.flight, m.ghosts = nil, nil
		return
	}
	m.consume(before, steps)
	if f := m.flight; f != nil && !f.seen {
		f.stale = true
		f.since = sound(f.since.Compose(composed(before.Len(), steps)))
		if f.replied {
			// It said yes, and the next news does not have it: dropped.
			f.s.stats.Dropped++
			m.ghosts = append(m.ghosts, f)
			m.giveBack()
		}
	}
	// An edit that was given up can not arrive behind one that was sent after it and has arrived; but the two may
	// have been taken for each other, so that it is waited for once more.
	m.ghosts = slices.DeleteFunc(m.ghosts, func(g *flight) bool {
		if g.late {
			return true
		}
		g.late = g.s.state.Ended() || g.over
		return false
	})
}

// consume tells our own changes in steps from the user's, and takes account of both. doc is the document before.
func (m *Machine) consume(doc Document, steps []editops.ChangeSet) {
	if len(steps) == 0 {
		return
	}
	// A notification as a whole first: one edit of ours may come as several changes, and one undo of the user's too.
	all := composed(doc.Len(), steps)
	if l, ok := m.landing(doc, doc, all, nil); ok {
		m.land(doc, l)
		return
	}
	if m.undone(doc, all) {
		return
	}
	at := doc
	for i := range steps {
		for j := min(len(steps), i+maxSteps); j > i; j-- {
			some := composed(at.Len(), steps[i:j])
			l, ok := m.landing(doc, at, some, steps[:i])
			if !ok {
				continue
			}
			m.user(doc, steps[:i])
			m.land(at, l)
			m.consume(viewOf(at, some), steps[j:])
			return
		}
		at = viewOf(at, steps[i])
	}
	if m.within(doc, all) {
		return
	}
	m.user(doc, steps)
}

// maxSteps bounds the number of changes of one notification that are tried for being one edit of ours.
const maxSteps = 4

// landing says how a change came to be that is an edit of ours.
type landing struct {
	f     *flight // the edit on its way, or one that was given up
	how   how
	first bool              // its text stands before what the user typed at the same place
	where editops.ChangeSet // when astray
}

type how int

const (
	asSent  how = iota // as sent, or rebased over the user's changes
	over               // rebased, but over text that the user typed meanwhile
	astray             // at the place it was for, in a text that has moved on
	unasked            // a second time, or after it was given up
)

// landing recognises c, a change of doc, as an edit of ours; doc is before, the last document that the machine
// has taken account of, with steps made.
func (m *Machine) landing(before, doc Document, c editops.ChangeSet, steps []editops.ChangeSet) (landing, bool) {
	if c.Empty() {
		return landing{}, false // done and undone within one notification: it is looked at step by step
	}
	if f := m.flight; f != nil && !f.seen {
		for _, first := range []bool{f.first, !f.first} {
			pred := prediction(f, before, first, steps)
			if sameEffect(doc, pred, c) {
				return landing{f: f, first: first}, true
			}
			if edits := pred.Edits(); len(edits) > 1 && first == f.first {
				if sameEffect(doc, covering(pred, edits), c) {
					return landing{f: f, how: over, first: first}, true
				}
			}
		}
		if len(steps) > 0 || f.stale {
			if stale, ok := misplaced(f, doc, steps); ok && sameEffect(doc, stale, c) {
				return landing{f: f, how: astray, where: stale}, true
			}
		}
	}
	for _, g := range m.ghosts {
		for _, first := range []bool{g.first, !g.first} {
			if sameEffect(doc, prediction(g, before, first, steps), c) {
				return landing{f: g, how: unasked, first: first}, true
			}
		}
	}
	return landing{}, false
}

// prediction is what the edit f does to doc with steps made, if the editor rebases it.
func prediction(f *flight, doc Document, first bool, steps []editops.ChangeSet) editops.ChangeSet {
	pred := shifted(sound(f.set.Map(f.s.user, first)), f.s.start, doc.Len())
	for _, step := range steps {
		pred = sound(pred.Map(step, first))
	}
	return pred
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
const maxScan = 1 << 20

// misplaced is what f does if the editor ignores versions: the lines and columns that were sent, in a text that
// has moved on since.
func misplaced(f *flight, doc Document, steps []editops.ChangeSet) (editops.ChangeSet, bool) {
	since := f.since
	for _, step := range steps {
		since = sound(since.Compose(step))
	}
	from, _, ok := hull(since.Edits())
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
			return 0, false
		}
		at += i + 1
	}
	if i := strings.IndexByte(rest[at:], '\n'); i >= 0 {
		col = min(col, i)
	}
	return from + min(at+col, len(rest)), true
}

// land takes account of a change of doc that is an edit of ours.
func (m *Machine) land(doc Document, l landing) {
	s := l.f.s
	switch l.how {
	case over:
		// What the user had typed within it is gone. It was the editor's doing, and all we can do is say so.
		edits := prediction(l.f, doc, l.first, nil).Edits()
		var gone []editops.Edit
		var text strings.Builder
		for i := 1; i < len(edits); i++ {
			e := editops.Edit{Start: edits[i-1].End, End: edits[i].Start}
			gone = append(gone, e)
			text.WriteString(doc.Slice(e.Start, e.End))
		}
		del := sound(editops.NewChangeSet(doc.Len(), gone...))
		m.user(doc, []editops.ChangeSet{del})
		doc = viewOf(doc, del)
		m.land(doc, landing{f: l.f, first: l.first})
		s.forceLost(fmt.Sprintf("the editor wrote over %q, which was typed meanwhile", text.String()))
	case astray:
		m.flight = nil
		s.pending = sound(l.f.cs.Compose(s.pending))
		m.user(doc, []editops.ChangeSet{l.where})
		m.strays = append(m.strays, stray{s, l.where.InvertFunc(doc.Slice)})
		s.forceLost("the editor put an edit in the wrong place, since it does not look at versions")
	case unasked:
		made := prediction(l.f, doc, l.first, nil)
		m.repair(l.f, l.first)
		m.others(doc, made, s)
	case asSent:
		made := prediction(l.f, doc, l.first, nil)
		l.f.first = l.first
		l.f.seen = true
		for _, e := range made.Edits() {
			s.stats.BytesInserted += len(e.New)
			s.stats.BytesDeleted += e.End - e.Start
		}
		s.stats.Applied++
		m.advance(s, l.f.set, l.f.cs, l.first)
		m.others(doc, made, s)
		if l.f.replied {
			m.settle()
		}
	}
}

// within finds the edit on its way in a change that holds more than it, from a client that syncs whole texts or
// joins what it and the user did. The edit is in there when less is left to explain with it than without.
func (m *Machine) within(doc Document, c editops.ChangeSet) bool {
	f := m.flight
	if f == nil || f.seen {
		return false
	}
	pred := prediction(f, doc, f.first, nil)
	ps, pe, ok := hull(pred.Edits())
	if !ok {
		return false
	}
	// The stretch of c that touches the edit.
	from, to, grow := -1, -1, 0
	edits := c.Edits()
	for _, e := range edits {
		if e.Start > pe || e.End < ps {
			continue
		}
		if from < 0 {
			from = e.Start
		}
		to = e.End
		grow += len(e.New) - (e.End - e.Start)
	}
	if from < 0 {
		return false
	}
	from, to = min(from, ps), max(to, pe)
	at := c.MapOffset(from, -1)
	with := viewOf(doc, pred)
	now := viewOf(doc, c).Slice(at, at+to-from+grow)
	old := doc.Slice(from, to)
	left := editops.Diff(with.Slice(from, to+with.Len()-doc.Len()), now)
	cost, without := weight(left), weight(editops.Diff(old, now))
	if stray, ok := strayWithin(f, c, doc, from, old, now); ok && stray < cost && stray < without {
		m.flight = nil
		f.s.pending = sound(f.cs.Compose(f.s.pending))
		m.user(doc, []editops.ChangeSet{c})
		f.s.forceLost("the editor put an edit in the wrong place, since it does not look at versions")
		return true
	}
	if cost >= without {
		return false
	}
	// What the user did: the rest of the stretch, and the changes that do not touch it.
	var rest []editops.Edit
	shift := with.Len() - doc.Len()
	for _, e := range edits {
		if e.End < ps {
			rest = append(rest, e)
		}
	}
	for _, e := range left {
		rest = append(rest, editops.Edit{Start: e.Start + from, End: e.End + from, New: e.New})
	}
	for _, e := range edits {
		if e.Start > pe {
			rest = append(rest, editops.Edit{Start: e.Start + shift, End: e.End + shift, New: e.New})
		}
	}
	set, err := editops.NewChangeSet(with.Len(), rest...)
	if err != nil || set.LenAfter() != c.LenAfter() {
		return false
	}
	m.land(doc, landing{f: f, first: f.first})
	m.user(with, []editops.ChangeSet{set})
	return true
}

// strayWithin is how much is left to explain of now, the text that c makes of old (at from in doc), if the edit
// stands in it at the line and column it was sent for.
func strayWithin(f *flight, c editops.ChangeSet, doc Document, from int, old, now string) (int, bool) {
	since := sound(f.since.Compose(c))
	first, _, ok := hull(since.Edits())
	if !ok || f.raw.New == "" || f.raw.Start-first > maxScan {
		return 0, false
	}
	after := viewOf(doc, c)
	at, ok := samePosition(f.base, after, min(first, f.raw.Start), f.raw.Start)
	if !ok {
		return 0, false
	}
	at -= c.MapOffset(from, -1)
	if at < 0 || at+len(f.raw.New) > len(now) || now[at:at+len(f.raw.New)] != f.raw.New {
		return 0, false
	}
	bare := now[:at] + now[at+len(f.raw.New):]
	return max(0, weight(editops.Diff(old, bare))-(f.raw.End-f.raw.Start)), true
}

// weight is how many bytes edits delete and insert.
func weight(edits []editops.Edit) int {
	n := 0
	for _, e := range edits {
		n += e.End - e.Start + len(e.New)
	}
	return n
}

// stepsOf makes change sets of a notification's edits; ok is false when they do not fit the document.
func stepsOf(doc Document, edits []editops.Edit) (steps []editops.ChangeSet, ok bool) {
	for _, e := range edits {
		n := doc.Len()
		if e.Start < 0 || e.End < e.Start || e.End > n {
			return nil, false
		}
		set := sound(editops.NewChangeSet(n, trim(doc, e)))
		if set.Empty() {
			continue
		}
		steps = append(steps, set)
		doc = viewOf(doc, set)
	}
	return steps, true
}

func lenAfter(doc Document, steps []editops.ChangeSet) int {
	if len(steps) == 0 {
		return doc.Len()
	}
	return steps[len(steps)-1].LenAfter()
}

func composed(length int, steps []editops.ChangeSet) editops.ChangeSet {
	if len(steps) == 1 {
		return steps[0]
	}
	all := sound(editops.NewChangeSet(length))
	for _, s := range steps {
		all = sound(all.Compose(s))
	}
	return all
}

// user tells the streams what the user did; doc is the document before.
func (m *Machine) user(doc Document, steps []editops.ChangeSet) {
	for _, step := range steps {
		step = m.refined(doc, step)
		m.others(doc, step, nil)
		doc = viewOf(doc, step)
	}
}

// refined takes a replacement that touches a region apart into what really changed: a formatter that writes a
// whole function anew, or a client that syncs whole texts, has not touched what is the same before and after.
func (m *Machine) refined(doc Document, step editops.ChangeSet) editops.ChangeSet {
	var fine []editops.Edit
	edits := step.Edits()
	for _, e := range edits {
		touches := false
		for _, s := range m.streams {
			touches = touches || e.Start < s.end && s.start < e.End
		}
		if !touches || e.New == "" || e.Start == e.End {
			fine = append(fine, e)
			continue
		}
		for _, d := range editops.Diff(doc.Slice(e.Start, e.End), e.New) {
			fine = append(fine, editops.Edit{Start: d.Start + e.Start, End: d.End + e.Start, New: d.New})
		}
	}
	if len(fine) == len(edits) {
		return step
	}
	return sound(editops.NewChangeSet(doc.Len(), fine...))
}

// others tells the streams other than own about a change that own made; nil for the user.
func (m *Machine) others(doc Document, set editops.ChangeSet, own *stream) {
	for i := range m.strays {
		m.strays[i].inverse = sound(m.strays[i].inverse.Map(set, false))
	}
	edits := set.Edits()
	for i := len(edits) - 1; i >= 0; i-- { // from the end, so that each one's offsets hold
		behind := own != nil
		for _, s := range m.streams {
			if s == own {
				behind = false
				continue
			}
			s.change(doc, edits[i], change{
				foreign: own != nil, behind: behind, inFlight: m.flies(s) && !m.flight.seen, flying: m.flying(s),
			})
		}
		if i > 0 {
			doc = viewOf(doc, sound(editops.NewChangeSet(doc.Len(), edits[i])))
		}
	}
}

// flying are the edits of s that may still arrive, as they would now.
func (m *Machine) flying(s *stream) (edits []editops.Edit) {
	if m.flies(s) && !m.flight.seen {
		edits = s.here(sound(m.flight.set.Map(s.user, m.flight.first)))
	}
	for _, g := range m.ghosts {
		if g.s == s {
			edits = append(edits, s.here(sound(g.set.Map(s.user, g.first)))...)
		}
	}
	return edits
}

// undone finds out whether c takes back what a stream has written, and ends that stream if so.
func (m *Machine) undone(doc Document, c editops.ChangeSet) bool {
	for _, s := range m.streams {
		inverse, n, all := s.takenBack(doc, c)
		if n == 0 {
			continue
		}
		s.undo(inverse, n, all)
		s.pending = none(s.applied.LenAfter())
		if m.flies(s) && !m.flight.seen {
			f := m.flight
			f.set = sound(f.set.Map(inverse, false))
			f.cs = sound(f.cs.Map(inverse, false))
			s.pending = none(f.set.LenAfter())
		}
		m.ghosts = slices.DeleteFunc(m.ghosts, func(g *flight) bool { return g.s == s })
		m.others(doc, c, s)
		return true
	}
	return false
}

// advance moves the engine text of s past a change of it that is in the document: set, or the same without the
// kept text that it covers.
func (m *Machine) advance(s *stream, set, cs editops.ChangeSet, first bool) {
	if s.touched(set) {
		cs = set
	}
	s.advance(cs, first)
	for _, g := range m.ghosts {
		if g.s == s {
			g.set = sound(g.set.Map(cs, false))
			g.cs = sound(g.cs.Map(cs, false))
		}
	}
}

// repair takes account of an edit that arrived although it had been given up. By then it may have been sent again,
// so that its text stands there twice; in any case the engine text is now another than the pending changes are
// for. So they begin with the inverse of the edit: what was wanted of it, take cancels out against them.
func (m *Machine) repair(g *flight, first bool) {
	s := g.s
	m.ghosts = slices.DeleteFunc(m.ghosts, func(x *flight) bool { return x == g })
	base := s.engine()
	late := g.set
	if m.flies(s) && !m.flight.seen {
		f := m.flight
		base = viewOf(base, f.set)
		late = sound(g.set.Map(f.set, true))
		f.cs = sound(f.cs.Map(g.set, false))
		f.set = sound(f.set.Map(g.set, false))
	}
	s.pending = sound(late.InvertFunc(base.Slice).Compose(s.pending))
	m.advance(s, g.set, g.set, first)
	s.repairing = true
	s.stats.Repaired++
	if s.state == Done && !s.pending.Empty() {
		s.state = Delivering
	}
}
