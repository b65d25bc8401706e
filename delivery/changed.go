package delivery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
)

// Changed is a didChange: all edits of the notification, each in bytes of the text that the one before it left,
// the document they make and its version. It is the only thing that the machine believes. It reports whether some of
// them are edits of the machine's, sent or taken back by it, so that whoever learns from what the user does can leave
// them out.
func (m *Machine) Changed(edits []editops.Edit, after Document, version int32) (own bool) {
	before := m.doc
	m.doc, m.version = after, version
	m.wait = false
	m.own = false
	if len(m.streams) == 0 {
		return false
	}
	steps, coarse, ok := stepsOf(before, edits)
	if !ok || lenAfter(before, steps) != after.Len() {
		// Nothing that is known about a region holds any more.
		for _, s := range m.streams {
			s.lose("the document changed without word of it")
			s.void = true
		}
		m.flight, m.ghosts = nil, nil
		return false
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
	return m.own
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

// land takes account of a change of doc that is an edit of ours.
func (m *Machine) land(doc Document, l landing) {
	m.own = true
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
		m.repair(doc, l.f, l.first)
		m.others(doc, made, s)
		m.setRight(doc, made, l.where)
	case rejected:
		made := prediction(l.f, doc, l.first)
		m.rejected = slices.DeleteFunc(m.rejected, func(f *flight) bool { return f == l.f })
		m.takeBack(doc, s, l.f.set, l.first)
		m.others(doc, made, s)
	case asSent:
		made := prediction(l.f, doc, l.first)
		l.f.first = l.first
		l.f.seen = true
		for e := range made.All() {
			s.stats.BytesInserted += len(e.New)
			s.stats.BytesDeleted += e.End - e.Start
		}
		s.stats.Applied++
		m.advance(doc, s, l.f.set, l.f.cs, l.first)
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
		for e := range set.All() {
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

// maxEach bounds the number of changes in one notification that are looked at one by one. More are a search and
// replace, or a formatter's; our edit is then looked for in all of them at once.
const maxEach = 64

// stepsOf makes change sets of a notification's edits; coarse says that one of them replaced text by itself, or stands
// for many, so that it may be more than one change, and ok is false when they do not fit the document.
func stepsOf(doc Document, edits []editops.Edit) (steps []editops.ChangeSet, coarse, ok bool) {
	n := doc.Len()
	for _, e := range edits {
		if e.Start < 0 || e.End < e.Start || e.End > n {
			return nil, false, false
		}
		if len(edits) <= maxEach {
			fine := trim(doc, e)
			coarse = coarse || fine != e
			e = fine
		}
		set := sound(editops.NewChangeSet(n, e))
		n = set.LenAfter()
		if set.Empty() {
			continue
		}
		steps = append(steps, set)
		if len(edits) <= maxEach {
			doc = viewOf(doc, set)
		}
	}
	if len(steps) <= maxEach {
		return steps, coarse, true
	}
	all := composed(doc.Len(), steps).Edits()
	for i := range all {
		all[i] = trim(doc, all[i])
	}
	return []editops.ChangeSet{sound(editops.NewChangeSet(doc.Len(), all...))}, true, true
}

func lenAfter(doc Document, steps []editops.ChangeSet) int {
	if len(steps) == 0 {
		return doc.Len()
	}
	return steps[len(steps)-1].LenAfter()
}

// composed is one change of a text of length bytes for all steps. Halves are composed first, since each composition
// costs as much as there are changes in both.
func composed(length int, steps []editops.ChangeSet) editops.ChangeSet {
	switch len(steps) {
	case 0:
		return none(length)
	case 1:
		return steps[0]
	}
	half := len(steps) / 2
	return sound(composed(length, steps[:half]).Compose(composed(steps[half].LenBefore(), steps[half:])))
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
		doc := doc
		if i < len(edits)-1 && m.near(edits[i]) {
			doc = viewOf(doc, sound(editops.NewChangeSet(doc.Len(), edits[i+1:]...)))
		}
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
				c := change{foreign: own != nil || m.quiet, above: above, inside: s == in, next: -1}
				if m.flies(s) && !m.flight.seen {
					f := m.flight
					c.inFlight = true
					c.writing = s.here(sound(f.cs.Map(s.user, f.first)))
					c.next, _, _ = f.set.Hull()
				}
				s.change(doc, edits[i], c)
			}
		}
	}
}

// near says that e touches a region, so that the text round it matters.
func (m *Machine) near(e editops.Edit) bool {
	return slices.ContainsFunc(m.streams, func(s *stream) bool { return e.Start <= s.end && s.start <= e.End })
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

// advance moves the engine text of s past a change of it that is in the document: set, or the same without the
// kept text that it covers.
func (m *Machine) advance(before Document, s *stream, set, cs editops.ChangeSet, first bool) {
	if s.touched(set) || m.haunted(s) {
		cs = set // what the editor did to the kept text counts, for what else it may do to it
	}
	s.advance(before, cs, first)
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

// repair takes account of an edit that arrived although it had been given up. By then it may have been sent again,
// so that its text stands there twice; in any case the engine text is now another than the pending changes are
// for. So they begin with the inverse of the edit: what was wanted of it, take cancels out against them.
func (m *Machine) repair(doc Document, g *flight, first bool) {
	s := g.s
	m.ghosts = slices.DeleteFunc(m.ghosts, func(x *flight) bool { return x.s == s && x.version == g.version })
	base := s.engine()
	late := g.set
	if f := m.ahead(s); f != nil && f == s.back && f.set.Equal(g.set) {
		s.back = nil // it need not be sent again
		m.advance(doc, s, g.set, g.cs, first)
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
	m.advance(doc, s, g.set, g.set, first)
	s.repairing = true
	s.stats.Repaired++
	m.patience = slowPatience
	if s.state == Done && !s.pending.Empty() {
		s.state = Delivering
	}
}
