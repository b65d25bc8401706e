package delivery

import "github.com/spark-lsp/spark-lsp/editops"

// undone finds out whether c takes back what a stream has written, and ends that stream if so.
func (m *Machine) undone(doc Document, c editops.ChangeSet) bool {
	for _, s := range m.streams {
		inverse, n, first, all := s.takenBack(doc, c)
		if n == 0 {
			continue
		}
		s.undo(inverse, n, first, all)
		s.pending = none(s.engineLen())
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

// takenBack says how many of the stream's edits, from the last one, the change c of doc takes back; 0 for none.
// inverse is the change of the engine text that does the same, first on which side of the user's text at the same place
// it does it; all says that the region is as it was at Begin,
// without what the user typed in it meanwhile: an editor may join both in one step of its undo.
func (s *stream) takenBack(doc Document, c editops.ChangeSet) (inverse editops.ChangeSet, n int, first, all bool) {
	from, to, ok := c.Hull()
	if !ok || s.void || len(s.log) == 0 || to < s.start || from > s.end {
		return inverse, 0, false, false
	}
	grow := c.LenAfter() - c.LenBefore()
	delta := 0
	for n := 1; n <= len(s.log); n++ {
		if delta -= s.log[len(s.log)-n].delta; delta != grow {
			continue
		}
		if inverse = s.lastInverse(n); inverse.Empty() {
			continue
		}
		for _, before := range []bool{false, true} {
			back := shifted(sound(inverse.Map(s.user, before)), s.start, doc.Len())
			if !back.Empty() && sameEffect(doc, back, c) {
				return inverse, n, before, false
			}
		}
	}
	if from < s.start || to > s.end || s.end-s.start+grow != len(s.orig) {
		return inverse, 0, false, false
	}
	if viewOf(doc, c).Slice(s.start, s.start+len(s.orig)) != s.orig {
		return inverse, 0, false, false
	}
	if s.guard != nil { // what came before the Redirect is not in the log
		return s.changes().InvertFunc(func(i, j int) string { return s.orig[i:j] }), len(s.log), false, true
	}
	return s.lastInverse(len(s.log)), len(s.log), false, true
}

// lastInverse takes the last n edits back, on the engine text.
func (s *stream) lastInverse(n int) editops.ChangeSet {
	inverse := none(s.engineLen())
	for i := range n {
		inverse = sound(inverse.Compose(s.log[len(s.log)-1-i].inverse))
	}
	return inverse
}

// undo takes n of the stream's edits back, which the user has undone.
func (s *stream) undo(inverse editops.ChangeSet, n int, first, all bool) {
	s.latest = append(s.latest, inverse)
	if all {
		s.end = s.start + len(s.orig)
		s.user, s.typed, s.theirs = none(len(s.orig)), nil, nil
	} else {
		there := sound(inverse.Map(s.user, first))
		s.typed, s.theirs = moved(s.typed, there.Edits(), false), moved(s.theirs, there.Edits(), false)
		s.end += there.LenAfter() - there.LenBefore()
		s.user = sound(s.user.Map(inverse, !first))
	}
	s.log = s.log[:len(s.log)-n]
	s.head = -1
	if s.state != Lost {
		s.state, s.reason = Undone, "you took it back"
	}
}
