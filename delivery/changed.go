package delivery

import "github.com/spark-lsp/spark-lsp/editops"

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
		for _, s := range m.streams {
			s.lose("the document changed without word of it")
		}
		m.flight = nil
		return
	}
	if m.flight != nil && !m.flight.seen {
		if i, j, found := m.findEcho(before, steps); found {
			doc := m.userSteps(before, steps[:i])
			m.echo(doc)
			for _, step := range steps[i:j] {
				doc = viewOf(doc, step)
			}
			m.userSteps(doc, steps[j:])
			m.landed()
			return
		}
		if made, rest, found := m.findWithin(before, steps); found {
			m.echo(before)
			m.userSteps(viewOf(before, made), []editops.ChangeSet{rest})
			m.landed()
			return
		}
		m.flight.stale = true
	}
	if !m.undone(before, steps) {
		m.userSteps(before, steps)
	}
	if f := m.flight; f != nil && f.replied && !f.seen {
		// It said yes, and the next news does not have it: dropped.
		f.s.stats.Dropped++
		m.giveBack()
	}
}

// landed is called when the text of the edit on its way was seen.
func (m *Machine) landed() {
	f := m.flight
	f.s.stats.Applied++
	if f.replied {
		m.settle()
	}
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
	all := sound(editops.NewChangeSet(length))
	for _, s := range steps {
		all = sound(all.Compose(s))
	}
	return all
}

// findEcho finds the steps [i, j) of a notification that together are the edit on its way, wherever the user's
// own steps before them have moved it.
func (m *Machine) findEcho(doc Document, steps []editops.ChangeSet) (i, j int, found bool) {
	f := m.flight
	pred := f.pred
	for i := range steps {
		for j := len(steps); j > i; j-- {
			if j-i > 1 && j-i > 4 && i > 0 {
				continue
			}
			if sameEffect(doc, composed(doc.Len(), steps[i:j]), pred) {
				return i, j, true
			}
		}
		doc = viewOf(doc, steps[i])
		pred = sound(pred.Map(steps[i], f.first))
	}
	return 0, 0, false
}

// findWithin finds the edit on its way in a change that holds more than it: a client that syncs whole texts, or
// that joins what it and the user did. It is there when less is left to explain with it than without.
// made is the edit, rest what the user did besides, behind it.
func (m *Machine) findWithin(doc Document, steps []editops.ChangeSet) (made, rest editops.ChangeSet, found bool) {
	if len(steps) == 0 {
		return
	}
	pred := m.flight.pred
	c := composed(doc.Len(), steps)
	ps, pe, ok := hull(pred.Edits())
	if !ok {
		return
	}
	// The stretch of c that touches the edit.
	from, to := -1, -1
	grow := 0
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
		return
	}
	from, to = min(from, ps), max(to, pe)
	at := c.MapOffset(from, -1)
	with := viewOf(doc, pred)
	now := viewOf(doc, c).Slice(at, at+to-from+grow)
	predicted := with.Slice(from, to+with.Len()-doc.Len())
	left := editops.Diff(predicted, now)
	if weight(left) >= weight(editops.Diff(doc.Slice(from, to), now)) {
		return
	}
	// What the user did: the rest of the stretch, and the steps that do not touch it.
	var all []editops.Edit
	shift := with.Len() - doc.Len()
	for _, e := range edits {
		if e.End < ps || e.End < from {
			all = append(all, e)
		}
	}
	for _, e := range left {
		all = append(all, editops.Edit{Start: e.Start + from, End: e.End + from, New: e.New})
	}
	for _, e := range edits {
		if e.Start > pe && e.Start >= to {
			all = append(all, editops.Edit{Start: e.Start + shift, End: e.End + shift, New: e.New})
		}
	}
	set, err := editops.NewChangeSet(with.Len(), all...)
	if err != nil || set.LenAfter() != c.LenAfter() {
		return
	}
	return pred, set, true
}

// weight is how many bytes edits delete and insert.
func weight(edits []editops.Edit) int {
	n := 0
	for _, e := range edits {
		n += e.End - e.Start + len(e.New)
	}
	return n
}

// echo moves the stream whose edit is on its way past it; doc is the document before it.
func (m *Machine) echo(doc Document) {
	f := m.flight
	f.seen = true
	s := f.s
	made := f.pred
	for _, e := range made.Edits() {
		s.stats.BytesInserted += len(e.New)
		s.stats.BytesDeleted += e.End - e.Start
	}
	s.advance(f, s.user)
	m.others(doc, made, s)
}

// others tells the streams other than own about a change that own made; nil for the user.
func (m *Machine) others(doc Document, set editops.ChangeSet, own *stream) {
	edits := set.Edits()
	for i := len(edits) - 1; i >= 0; i-- { // from the end, so that each one's offsets hold
		before := true // the streams before own
		for _, s := range m.streams {
			if s == own {
				before = false
				continue
			}
			var flying []editops.Edit
			fl := m.flies(s) && !m.flight.seen
			if fl {
				flying = m.flight.pred.Edits()
			}
			s.change(doc, edits[i], own != nil, own != nil && before, m.flies(s), flying)
		}
	}
}

// userSteps tells the streams what the user did, and returns the document behind it.
func (m *Machine) userSteps(doc Document, steps []editops.ChangeSet) Document {
	for _, step := range steps {
		m.others(doc, step, nil)
		doc = viewOf(doc, step)
		m.predict(doc)
	}
	return doc
}

// undone finds out whether a notification takes back what a stream has written, and ends that stream if so.
func (m *Machine) undone(doc Document, steps []editops.ChangeSet) bool {
	if len(steps) == 0 {
		return false
	}
	c := composed(doc.Len(), steps)
	for _, s := range m.streams {
		inverse, n := s.takenBack(doc, c)
		if n == 0 {
			continue
		}
		s.undo(inverse, n)
		if m.flies(s) {
			f := m.flight
			f.set = sound(f.set.Map(inverse, false))
			f.cs = sound(f.cs.Map(inverse, false))
			s.pending = sound(editops.NewChangeSet(f.set.LenAfter()))
		}
		m.others(doc, c, s)
		m.predict(viewOf(doc, c))
		return true
	}
	return false
}

// predict says what the edit on its way would do to doc, the document now, were it rebased.
func (m *Machine) predict(doc Document) {
	if f := m.flight; f != nil && !f.seen {
		f.pred = shifted(sound(f.set.Map(f.s.user, f.first)), f.s.start, doc.Len())
	}
}
