package delivery

import (
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
)

// Hunk is a stretch that a stream has changed.
type Hunk struct {
	Start, End int    // bytes of the present document
	Original   string // what was there
	At         int    // where that begins in the region's original text, bytes: the same while other hunks come and go
}

// hunk is a Hunk with the change that takes it back, on the engine text.
type hunk struct {
	Hunk
	inverse editops.ChangeSet
	gaps    []editops.Edit // the changes of the original that it consists of
}

// hunks groups what was applied into hunks, by the kept lines of the original between them. What the user has taken
// back, or a rejection, is left out.
func (s *stream) hunks(doc Document) []hunk {
	var gaps, back []editops.Edit // of the original, and on the engine text
	inverse := s.changes().InvertFunc(func(i, j int) string { return s.orig[i:j] }).Edits()
	for i, g := range s.changes().Edits() {
		if g.New != inverse[i].New && !slices.Contains(s.accepted, g) && !s.restored(doc, inverse[i]) {
			gaps, back = append(gaps, g), append(back, inverse[i])
		}
	}
	var hunks []hunk
	for i := 0; i < len(gaps); {
		j := i + 1
		for ; j < len(gaps); j++ {
			kept := s.orig[gaps[j-1].End:gaps[j].Start]
			lines := strings.Count(kept, "\n")
			if end := gaps[j-1].End; lines > 0 && end > 0 && s.orig[end-1] != '\n' && !strings.HasSuffix(gaps[j-1].New, "\n") {
				lines--
			}
			if lines >= hunkGap {
				break
			}
		}
		h := hunk{inverse: sound(editops.NewChangeSet(s.engineLen(), back[i:j]...))}
		h.Start = s.start + s.user.MapOffset(back[i].Start, 1)
		h.End = max(h.Start, s.start+s.user.MapOffset(back[j-1].End, -1))
		h.Original, h.At = s.orig[gaps[i].Start:gaps[j-1].End], gaps[i].Start
		h.gaps = gaps[i:j]
		hunks = append(hunks, h)
		i = j
	}
	return hunks
}

// AcceptHunk takes one hunk (as numbered by Hunks) for the user's own, so that Hunks and Reject leave it out. The
// stream must have ended: while it runs, its changes still grow together.
func (m *Machine) AcceptHunk(id StreamID, n int) error {
	s := m.stream(id)
	if s == nil || s.void || !s.state.Ended() || m.flies(s) {
		return ErrUnknown
	}
	hunks := s.hunks(m.doc)
	if n < 0 || n >= len(hunks) {
		return ErrUnknown
	}
	s.accepted = append(s.accepted, hunks[n].gaps...)
	return nil
}

// restored says that the document has the original text again where back, on the engine text, would restore it:
// nothing is left of the stream's text there, and the original one stands in its place.
func (s *stream) restored(doc Document, back editops.Edit) bool {
	alive := back.End - back.Start
	for u := range s.user.All() {
		alive -= max(0, min(u.End, back.End)-max(u.Start, back.Start))
	}
	start, end := s.user.MapOffset(back.Start, -1), s.user.MapOffset(back.End, 1)
	if alive > 0 {
		// What the stream wrote and what it deleted may have letters in common.
		from, to := s.user.MapOffset(back.Start, 1), s.user.MapOffset(back.End, -1)
		return to-from == len(back.New) && doc.Slice(s.start+from, s.start+to) == back.New
	}
	return strings.Contains(doc.Slice(s.start+start, s.start+end), back.New)
}

// reject is what takes hunk n back, or all of them, on the engine text: changes that the document takes in one piece
// each, since none spans text of the user's.
func (s *stream) reject(doc Document, n int) ([]editops.ChangeSet, error) {
	hunks := s.hunks(doc)
	if n < -1 || n >= len(hunks) {
		return nil, ErrUnknown
	}
	users := s.user.Edits()
	var pieces []editops.ChangeSet
	for i, h := range hunks {
		if n != -1 && n != i {
			continue
		}
		for e := range h.inverse.All() {
			for cut := true; cut; {
				var head editops.Edit
				head, e, cut = s.split(e, users, false)
				pieces = append(pieces, sound(editops.NewChangeSet(s.engineLen(), head)))
			}
		}
	}
	return pieces, nil
}

// Reject is what restores the original text of one hunk (as numbered by Hunks), or of all of them (-1): edits
// against the present document, sorted and not overlapping. What the user typed stays. The caller sends them; that
// they are in the buffer is seen in Changed, after which the hunks are gone.
func (m *Machine) Reject(id StreamID, hunk int) ([]editops.Edit, error) {
	s := m.stream(id)
	if s == nil || s.void {
		return nil, ErrUnknown
	}
	back, err := s.reject(m.doc, hunk)
	if err != nil {
		return nil, err
	}
	m.rejected = slices.DeleteFunc(m.rejected, func(f *flight) bool { return f.s == s })
	last := -1 // where the last piece ends in the document
	for _, piece := range back {
		f := &flight{s: s, set: piece, cs: piece, rejects: true}
		from, to, ok := prediction(f, m.doc, false).Hull()
		if n := len(m.rejected) - 1; ok && from <= last {
			// What stood between the two, the user has deleted: to the editor they are one change.
			f = m.rejected[n]
			f.set = sound(f.set.Compose(sound(piece.Map(f.set, false))))
			f.cs = f.set
		} else {
			m.rejected = append(m.rejected, f)
		}
		if ok {
			last = to
		}
	}
	m.skipRejected(s)
	set := none(m.doc.Len())
	for _, f := range m.rejected {
		if f.s == s {
			set = sound(set.Compose(sound(prediction(f, m.doc, false).Map(set, false))))
		}
	}
	if hunk >= 0 {
		return set.Edits(), nil
	}
	for _, y := range m.strays {
		if y.s == s && !y.restored(m.doc) {
			set = sound(set.Compose(sound(y.inverse.Map(set, false))))
		}
	}
	return set.Edits(), nil
}

// allRejected recognises c as all that Reject gave out of a stream, at once.
func (m *Machine) allRejected(doc Document, c editops.ChangeSet) bool {
	for _, s := range m.streams {
		set := none(s.engineLen())
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
			m.own = true
			m.takeBack(doc, s, set, false)
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
			m.takeBack(m.doc, s, f.set, false)
		}
	}
}

// takeBack moves the engine text of s past a rejection of a part of it, which is in the document.
func (m *Machine) takeBack(doc Document, s *stream, set editops.ChangeSet, first bool) {
	over := set
	if f := m.ahead(s); f != nil {
		over = sound(set.Map(f.set, true))
		f.set, f.cs = sound(f.set.Map(set, false)), sound(f.cs.Map(set, false))
	}
	s.pending = sound(s.pending.Map(over, false))
	m.advance(doc, s, set, set, first)
	s.log = nil // the inverses in it are of an engine text that is no more
}

// accept makes the present text of the region the original one.
func (s *stream) accept(doc Document) {
	s.orig = strings.Clone(doc.Slice(s.start, s.end))
	s.pending = sound(s.pending.Map(s.user, false))
	same := none(s.end - s.start)
	s.applied, s.latest, s.user, s.typed, s.theirs, s.log, s.head = same, nil, same, nil, nil, nil, -1
}
