package delivery

import (
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
)

// Hunk is a stretch that a stream has changed.
type Hunk struct {
	Start, End int    // bytes of the present document
	Original   string // what was there
}

// hunk is a Hunk with the change that takes it back, on the engine text.
type hunk struct {
	Hunk
	inverse editops.ChangeSet
}

// hunks groups what was applied into hunks, by the kept lines of the original between them. What the user has taken
// back, or a rejection, is left out.
func (s *stream) hunks(doc Document) []hunk {
	var gaps, back []editops.Edit // of the original, and on the engine text
	inverse := s.applied.InvertFunc(func(i, j int) string { return s.orig[i:j] }).Edits()
	for i, g := range s.applied.Edits() {
		if g.New != inverse[i].New && !s.restored(doc, inverse[i]) {
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
		h := hunk{inverse: sound(editops.NewChangeSet(s.applied.LenAfter(), back[i:j]...))}
		h.Start = s.start + s.user.MapOffset(back[i].Start, 1)
		h.End = max(h.Start, s.start+s.user.MapOffset(back[j-1].End, -1))
		h.Original = s.orig[gaps[i].Start:gaps[j-1].End]
		hunks = append(hunks, h)
		i = j
	}
	return hunks
}

// restored says that the document has the original text again where back, on the engine text, would restore it:
// nothing is left of the stream's text there, and the original one stands in its place.
func (s *stream) restored(doc Document, back editops.Edit) bool {
	alive := back.End - back.Start
	for _, u := range s.user.Edits() {
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
		for _, e := range h.inverse.Edits() {
			for cut := true; cut; {
				var head editops.Edit
				head, e, cut = s.split(e, users, false)
				pieces = append(pieces, sound(editops.NewChangeSet(s.applied.LenAfter(), head)))
			}
		}
	}
	return pieces, nil
}

// accept makes the present text of the region the original one.
func (s *stream) accept(doc Document) {
	s.orig = strings.Clone(doc.Slice(s.start, s.end))
	s.pending = sound(s.pending.Map(s.user, false))
	same := none(s.end - s.start)
	s.applied, s.user, s.typed, s.log, s.head = same, same, nil, nil, -1
}
