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
	steps, coarse, ok := stepsOf(before, edits)
	if !ok || lenAfter(before, steps) != after.Len() {
		// Nothing that is known about a region holds any more.
		for _, s := range m.streams {
			s.lose("the document changed without word of it")
			s.void = true
		}
		m.flight, m.ghosts = nil, nil
		return
	}
	m.coarse = coarse
	m.consume(before, steps)
	if f := m.flight; f != nil && !f.seen {
		f.stale = true
		if f.replied {
			// It said yes, and the next news does not have it. An editor that is not known to drop edits does not
			// soon get a third one: each may still arrive.
			patience := m.patience
			if !m.honours() && m.haunted(f.s) {
				patience += slowPatience
			}
			if f.age++; f.age > patience {
				m.dropped()
			}
		}
	}
	m.ghosts = slices.DeleteFunc(m.ghosts, func(g *flight) bool {
		if !m.flies(g.s) {
			g.age++
		}
		return g.age > maxAge
	})
}

// slowPatience is how many notifications an edit is waited for after the editor's yes, once the editor is known to
// show an edit later than what happened after its answer.
const slowPatience = 3

// haunted says that an edit of s was given up that may still arrive.
func (m *Machine) haunted(s *stream) bool {
	return slices.ContainsFunc(m.ghosts, func(g *flight) bool { return g.s == s })
}

// maxAge is how many notifications an edit that was given up is waited for, once the same edit, sent again, is no
// more on its way. A late one comes with one of the next,
// and the longer the wait, the likelier it is that the user writes the same at the same place.
const maxAge = 16

// consume tells our own changes in steps from the user's, and takes account of both. doc is the document before.
func (m *Machine) consume(doc Document, steps []editops.ChangeSet) {
	if len(steps) == 0 {
		return
	}
	// A notification as a whole first: one edit of ours may come as several changes, and one undo of the user's too.
	all := composed(doc.Len(), steps)
	if l, ok := m.expect(doc).expected(doc, all); ok {
		m.land(doc, l)
		return
	}
	if m.allRejected(doc, all) || m.undone(doc, all) {
		return
	}
	if m.flight != nil && !m.flight.seen || len(m.ghosts) > 0 || len(m.rejected) > 0 {
		// Then the changes one by one, or a few at a time; what is as expected before what is not.
		for _, look := range []func(*expectation, Document, editops.ChangeSet) (landing, bool){
			(*expectation).expected, (*expectation).unexpected,
		} {
			x, at := m.expect(doc), doc
			for i, step := range steps {
				some := none(at.Len())
				for j := i; j < min(len(steps), i+maxSteps); j++ {
					some = sound(some.Compose(steps[j]))
					l, ok := look(x, at, some)
					if !ok {
						continue
					}
					m.user(doc, steps[:i])
					m.land(at, l)
					m.consume(viewOf(at, some), steps[j+1:])
					return
				}
				at = viewOf(at, step)
				x.step(step)
			}
		}
		x, at := m.expect(doc), doc
		for i, step := range steps {
			if m.within(doc, steps[:i], at, step, x) {
				m.consume(viewOf(at, step), steps[i+1:])
				return
			}
			at = viewOf(at, step)
			x.step(step)
		}
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
		if e.ghost || e.f.rejects || x.honours || e.since.Empty() || len(c.Edits()) > 1 {
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
const maxScan = 1 << 20

// misplaced is what f does if the editor ignores versions: the lines and columns that were sent, in doc, where since
// has happened meanwhile.
func misplaced(f *flight, doc Document, since editops.ChangeSet) (editops.ChangeSet, bool) {
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
			return b.Len(), from+len(rest) == b.Len() // there are not so many lines any more
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
		edits := l.where.Edits()
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
	case astray, twice:
		reason := "the editor applied an edit twice"
		if l.how == astray {
			reason = misplacedReason
			m.abandon(l.f)
		} else {
			m.dropGhosts(s)
		}
		m.user(doc, []editops.ChangeSet{l.where})
		m.strays = append(m.strays, stray{s, l.where.InvertFunc(doc.Slice)})
		s.forceLost(reason)
	case unasked:
		made := prediction(l.f, doc, l.first)
		m.repair(l.f, l.first)
		m.others(doc, made, s)
		m.setRight(doc, made, l.where)
	case rejected:
		made := prediction(l.f, doc, l.first)
		m.rejected = slices.DeleteFunc(m.rejected, func(f *flight) bool { return f == l.f })
		m.takeBack(s, l.f.set, l.first)
		m.others(doc, made, s)
	case asSent:
		made := prediction(l.f, doc, l.first)
		l.f.first = l.first
		l.f.seen = true
		for _, e := range made.Edits() {
			s.stats.BytesInserted += len(e.New)
			s.stats.BytesDeleted += e.End - e.Start
		}
		s.stats.Applied++
		m.advance(s, l.f.set, l.f.cs, l.first)
		m.others(doc, made, s)
		m.setRight(doc, made, l.where)
		if l.f.replied {
			m.settle()
		}
	}
}

// abandon takes the edit on its way for arrived, and not where it belongs. The editor's answer is still waited for.
func (m *Machine) abandon(f *flight) {
	f.s.pending = sound(f.cs.Compose(f.s.pending))
	f.seen = true
	if f.replied {
		m.settle()
	}
}

// setRight turns round what of doc stands on the other side of an edit of ours than made says; where is what the editor
// did, empty for just that. The text is the truth: it is as if the user had then moved the rest.
func (m *Machine) setRight(doc Document, made, where editops.ChangeSet) {
	if !where.Empty() && !sameEffect(doc, made, where) {
		m.others(viewOf(doc, made), turning(doc, made, where), nil)
	}
}

// turning is what turns the text that x makes of doc into the one that y makes of it. Both delete the same and insert
// the same text, at different places; what is moved is what stands in between.
func turning(doc Document, x, y editops.ChangeSet) editops.ChangeSet {
	place := func(set editops.ChangeSet) (int, string) {
		for _, e := range set.Edits() {
			if e.New != "" {
				return e.Start, e.New
			}
		}
		return 0, ""
	}
	a, text := place(x)
	b, _ := place(y)
	del := deletions(x)
	bare := viewOf(doc, del)
	a, b = del.MapOffset(a, -1), del.MapOffset(b, -1)
	if a < b {
		between := bare.Slice(a, b)
		return sound(editops.NewChangeSet(x.LenAfter(),
			editops.Edit{Start: a, End: a, New: between}, editops.Edit{Start: a + len(text), End: b + len(text)}))
	}
	between := bare.Slice(b, a)
	return sound(editops.NewChangeSet(x.LenAfter(),
		editops.Edit{Start: b, End: a}, editops.Edit{Start: a + len(text), End: a + len(text), New: between}))
}

// within finds the edit on its way in a change that holds more than it, from a client that syncs whole texts or
// joins what it and the user did. The edit is in there when less is left to explain with it than without.
// The change c is of doc, which the user's steps have made of before; x is what to look for there.
func (m *Machine) within(before Document, steps []editops.ChangeSet, doc Document, c editops.ChangeSet, x *expectation) bool {
	f := m.flight
	if f == nil || f.seen {
		return false
	}
	joined := inserts(c.Edits())
	if !joined && !m.coarse {
		return false // one deletion is one deletion, and the user's
	}
	pred := x.edits[0].set[0]
	ps, pe, ok := hull(pred.Edits())
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
	for _, e := range c.Edits() {
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
	cost := distance(predicted, now) + apart
	without := distance(doc.Slice(from, to), now) + apart
	del := deletions(pred)
	writes := strings.TrimSpace(f.raw.New) != "" // blanks are everywhere, and prove nothing
	if writes {
		// The user may have deleted the same; the new text has to be there as well.
		bare := viewOf(doc, del).Slice(from, to+del.LenAfter()-doc.Len())
		without = min(without, distance(bare, now)+apart)
	}
	found := cost < without
	displaced := found && (displaced(f, predicted, rest) || inserts(rest) && !joined)
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
	m.user(with, []editops.ChangeSet{user})
	return true
}

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
	from, to, ok := hull(c.Edits())
	first, _, _ := hull(since.Edits())
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

// inserts says that there is new text in edits.
func inserts(edits []editops.Edit) bool {
	return slices.ContainsFunc(edits, func(e editops.Edit) bool { return e.New != "" })
}

// elsewhere says that c puts the text of f somewhere, though not where it belongs, perhaps with something typed in
// the middle of it. Sending it again would double it.
func elsewhere(f *flight, doc Document, c editops.ChangeSet) bool {
	text := strings.TrimSpace(f.raw.New)
	from, to, ok := hull(c.Edits())
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

// stepsOf makes change sets of a notification's edits; coarse says that one of them replaced text by itself, so that
// it may be more than one change, and ok is false when they do not fit the document.
func stepsOf(doc Document, edits []editops.Edit) (steps []editops.ChangeSet, coarse, ok bool) {
	for _, e := range edits {
		n := doc.Len()
		if e.Start < 0 || e.End < e.Start || e.End > n {
			return nil, false, false
		}
		fine := trim(doc, e)
		coarse = coarse || fine != e
		set := sound(editops.NewChangeSet(n, fine))
		if set.Empty() {
			continue
		}
		steps = append(steps, set)
		doc = viewOf(doc, set)
	}
	return steps, coarse, true
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
		for _, d := range difference(doc.Slice(e.Start, e.End), e.New) {
			fine = append(fine, editops.Edit{Start: d.Start + e.Start, End: d.End + e.Start, New: d.New})
		}
	}
	if len(fine) == len(edits) {
		return step
	}
	return sound(editops.NewChangeSet(doc.Len(), fine...))
}

// others tells the streams other than own about a change of doc that own made; nil for the user. Every change of the
// document passes here once.
func (m *Machine) others(doc Document, set editops.ChangeSet, own *stream) {
	if f := m.flight; f != nil {
		f.since = sound(f.since.Compose(set))
	}
	for _, g := range m.ghosts {
		g.since = sound(g.since.Compose(set))
	}
	for i := range m.strays {
		m.strays[i].inverse = sound(m.strays[i].inverse.Map(set, false))
	}
	edits := set.Edits()
	for i := len(edits) - 1; i >= 0; i-- { // from the end, so that each one's offsets hold
		// Where regions meet, a change has its place in their order: in one of them, those above it are not moved
		// and those below are.
		in := own
		if own == nil {
			in = m.takes(doc, edits[i])
		}
		above := in != nil
		for _, s := range m.streams {
			if s == in {
				above = false
			}
			if s != own {
				s.change(doc, edits[i], change{
					foreign: own != nil, above: above, inside: s == in,
					inFlight: m.flies(s) && !m.flight.seen, flying: m.flying(s),
				})
			}
		}
		if i > 0 {
			doc = viewOf(doc, sound(editops.NewChangeSet(doc.Len(), edits[i])))
		}
	}
}

// takes is the stream that takes an insertion of the user's at its border, nil for none. What is typed where an edit is
// about to arrive counts as inside, so that the two have an order, which the editor may choose.
func (m *Machine) takes(doc Document, e editops.Edit) *stream {
	if e.Start < e.End {
		return nil
	}
	for _, s := range m.streams {
		if s.void || e.Start < s.start || e.Start > s.end {
			continue
		}
		if s.takesTail(doc, e) || slices.ContainsFunc(m.flying(s), func(f editops.Edit) bool { return f.Start == e.Start || f.End == e.Start }) {
			return s
		}
	}
	return nil
}

// flying are the edits of s that may still arrive, as they would now, on either side of what the user typed.
func (m *Machine) flying(s *stream) (edits []editops.Edit) {
	add := func(f *flight) {
		for _, first := range f.sides() {
			edits = append(edits, s.here(sound(f.set.Map(s.user, first)))...)
		}
	}
	if m.flies(s) && !m.flight.seen {
		add(m.flight)
	}
	for _, g := range m.ghosts {
		if g.s == s {
			add(g)
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
		if f := m.ahead(s); f != nil {
			f.set = sound(f.set.Map(inverse, false))
			f.cs = sound(f.cs.Map(inverse, false))
			s.pending = none(f.set.LenAfter())
		}
		m.dropGhosts(s)
		m.others(doc, c, s)
		return true
	}
	return false
}

// advance moves the engine text of s past a change of it that is in the document: set, or the same without the
// kept text that it covers.
func (m *Machine) advance(s *stream, set, cs editops.ChangeSet, first bool) {
	if s.touched(set) || m.haunted(s) {
		cs = set // what the editor did to the kept text counts, for what else it may do to it
	}
	s.advance(cs, first)
	for _, g := range slices.Concat(m.ghosts, m.rejected) {
		if g.s != s {
			continue
		}
		set := g.set
		g.set, g.cs = sound(set.Map(cs, false)), sound(g.cs.Map(cs, false))
		// Sent again, the edit stands on either side of the first one.
		if other := sound(set.Map(cs, true)); !g.rejects && !other.Equal(g.set) {
			twin := *g
			twin.set, twin.cs = other, other
			m.ghosts = append(m.ghosts, &twin)
		}
	}
}

// dropGhosts forgets what may still arrive of a stream's, other than the edit on its way.
func (m *Machine) dropGhosts(s *stream) {
	of := func(g *flight) bool { return g.s == s }
	m.ghosts = slices.DeleteFunc(m.ghosts, of)
	m.rejected = slices.DeleteFunc(m.rejected, of)
}

// allRejected recognises c as all that Reject gave out of a stream, at once.
func (m *Machine) allRejected(doc Document, c editops.ChangeSet) bool {
	for _, s := range m.streams {
		set := none(s.applied.LenAfter())
		n := 0
		for _, f := range m.rejected {
			if f.s == s {
				set = sound(set.Compose(sound(f.set.Map(set, false))))
				n++
			}
		}
		if n < 2 {
			continue
		}
		if made := shifted(sound(set.Map(s.user, false)), s.start, doc.Len()); !made.Empty() && sameEffect(doc, made, c) {
			m.rejected = slices.DeleteFunc(m.rejected, func(f *flight) bool { return f.s == s })
			m.takeBack(s, set, false)
			m.others(doc, made, s)
			return true
		}
	}
	return false
}

// skipRejected takes back what needs no change of the document: the user has left nothing of it, or it looks the same.
func (m *Machine) skipRejected(s *stream) {
	for _, f := range slices.Clone(m.rejected) {
		if f.s == s && sameEffect(m.doc, prediction(f, m.doc, false), none(m.doc.Len())) {
			m.rejected = slices.DeleteFunc(m.rejected, func(o *flight) bool { return o == f })
			m.takeBack(s, f.set, false)
		}
	}
}

// takeBack moves the engine text of s past a rejection of a part of it, which is in the document.
func (m *Machine) takeBack(s *stream, set editops.ChangeSet, first bool) {
	over := set
	if f := m.ahead(s); f != nil {
		over = sound(set.Map(f.set, true))
		f.set, f.cs = sound(f.set.Map(set, false)), sound(f.cs.Map(set, false))
	}
	s.pending = sound(s.pending.Map(over, false))
	m.advance(s, set, set, first)
	s.log = nil // the inverses in it are of an engine text that is no more
}

// repair takes account of an edit that arrived although it had been given up. By then it may have been sent again,
// so that its text stands there twice; in any case the engine text is now another than the pending changes are
// for. So they begin with the inverse of the edit: what was wanted of it, take cancels out against them.
func (m *Machine) repair(g *flight, first bool) {
	s := g.s
	m.ghosts = slices.DeleteFunc(m.ghosts, func(x *flight) bool { return x.s == s && x.version == g.version })
	base := s.engine()
	late := g.set
	if f := m.ahead(s); f != nil && f == s.back && f.set.Equal(g.set) {
		s.back = nil // it need not be sent again
		m.advance(s, g.set, g.cs, first)
		s.stats.Repaired++
		m.patience = slowPatience
		m.complete(s)
		return
	} else if f != nil {
		base = viewOf(base, f.set)
		late = sound(g.set.Map(f.set, true))
		f.set = sound(f.set.Map(g.set, false))
		f.cs = f.set // what g did to the kept text, f does not do again
	}
	s.pending = sound(late.InvertFunc(base.Slice).Compose(s.pending))
	m.advance(s, g.set, g.set, first)
	s.repairing = true
	s.stats.Repaired++
	m.patience = slowPatience
	if s.state == Done && !s.pending.Empty() {
		s.state = Delivering
	}
}
