package delivery

import (
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
)

// Hold keeps a stream's further changes back, or lets them go again. While it is held, typing in the line that was
// being written is no reason to pause: somebody is about to say what shall be written there instead. An edit on its
// way is not called back.
func (m *Machine) Hold(id StreamID, held bool) {
	if s := m.stream(id); s != nil {
		s.held = held
		if held {
			s.pausing = false
		}
	}
}

// Present is the text of a stream's region as it will be when the edit on its way has arrived; skip, stretches of the
// document in bytes, are left out of it.
func (m *Machine) Present(id StreamID, skip ...[2]int) string {
	s := m.stream(id)
	if s == nil || s.void {
		return ""
	}
	set := none(m.doc.Len())
	if m.flies(s) && !m.flight.seen {
		set = prediction(m.flight, m.doc, m.flight.first)
	}
	slices.SortFunc(skip, func(a, b [2]int) int { return a[0] - b[0] })
	var gone []editops.Edit
	for i, stretch := range skip {
		if i == 0 || stretch[0] >= skip[i-1][1] {
			gone = append(gone, s.clip(stretch)...)
		}
	}
	out, err := editops.NewChangeSet(m.doc.Len(), gone...)
	if err == nil {
		out, err = out.Map(set, false)
	}
	after := sound(set.Compose(sound(out, err)))
	start := after.MapOffset(s.start, -1)
	return viewOf(m.doc, after).Slice(start, start+s.end-s.start+after.LenAfter()-m.doc.Len())
}

// clip is the deletion of the part of a stretch of the document that lies in the region.
func (s *stream) clip(stretch [2]int) []editops.Edit {
	from, to := max(stretch[0], s.start), min(stretch[1], s.end)
	if from >= to {
		return nil
	}
	return []editops.Edit{{Start: from, End: to}}
}

// Redirect lets a stream begin again with what the document holds: what was to come is dropped, and the next Push
// refers to the text that it returns, the region as it is. The stream is still the same one: Hunks and Reject go by the
// original text. It may have ended, unless the machine has lost track of it; then it runs again.
//
// What the user has typed in the region becomes part of the original and of the text that pushes refer to, yet is
// theirs: edits that would delete it are cut round it. Only what they typed within spent, a stretch of the document in
// bytes, is given up: it was an instruction.
//
// With an error nothing has changed: it is ErrFlying while an edit is on its way (the caller tries again when the machine
// has moved), ErrOverlap when another stream runs there, and ErrUnknown for a stream that is Lost.
func (m *Machine) Redirect(id StreamID, spent [2]int) (text string, err error) {
	s := m.stream(id)
	switch {
	case s == nil || s.void || s.state == Lost:
		return "", ErrUnknown
	case m.flies(s) && !m.flight.seen:
		return "", ErrFlying
	}
	for _, o := range m.streams {
		if o != s && !o.state.Ended() && s.start < o.end && o.start < s.end {
			return "", ErrOverlap
		}
	}
	m.dropGhosts(s) // should one arrive after all, it is taken for the user's
	text = m.doc.Slice(s.start, s.end)
	s.absorb(text)
	for _, e := range s.clip(spent) {
		s.typed = cut(s.typed, span{e.Start - s.start, e.End - s.start})
	}
	s.theirs = s.guard.find(text, append(s.theirs, s.typed...))
	slices.SortFunc(s.theirs, func(a, b span) int { return a.from - b.from })
	s.typed, s.guard = nil, &guard{text: text}
	for _, t := range s.theirs { // a line each: the model may take one along and leave the next; line ends are nobody's
		for line := range strings.Lines(text[t.from:t.to]) {
			if n := len(strings.TrimRight(line, "\r\n")); n > 0 {
				s.guard.spans = append(s.guard.spans, span{t.from, t.from + n})
			}
			t.from += len(line)
		}
	}
	s.state, s.reason, s.finished, s.held, s.pausing, s.again, s.repairing = Streaming, "", false, false, false, false, false
	s.settled, s.head = 0, -1
	return text, nil
}

// Typed says that the user has typed the character at a byte of the document. Outside of all regions that is what
// everybody but a stream has written. What an undo has brought back of a stream's region was there before the stream, and
// nobody has typed it now.
func (m *Machine) Typed(pos int) bool {
	for _, counts := range []func(*stream) bool{
		func(s *stream) bool { return !s.state.Ended() || m.flies(s) },
		func(s *stream) bool { return s.state == Undone }, // another one may run there now
	} {
		for _, s := range m.streams {
			if pos >= s.start && pos < s.end && counts(s) {
				return slices.ContainsFunc(s.typed, func(t span) bool { return t.from <= pos-s.start && pos-s.start < t.to })
			}
		}
	}
	return true
}

// absorb makes the region's present text, which is given, the engine text, and the original text that which the user
// would have before them had they typed all they have typed into the original. What was accepted is original too.
func (s *stream) absorb(text string) {
	changes := s.changes()
	if len(s.accepted) > 0 {
		var others []editops.Edit
		for e := range changes.All() {
			if !slices.Contains(s.accepted, e) {
				others = append(others, e)
			}
		}
		slices.SortFunc(s.accepted, func(a, b editops.Edit) int { return a.Start - b.Start })
		taken := sound(editops.NewChangeSet(len(s.orig), s.accepted...))
		changes = sound(sound(editops.NewChangeSet(len(s.orig), others...)).Map(taken, false))
		s.orig = viewOf(String(s.orig), taken).Slice(0, taken.LenAfter())
		s.accepted = nil
	}
	back := changes.InvertFunc(func(i, j int) string { return s.orig[i:j] })
	theirs := sound(s.user.Map(back, false)) // what the user did, on the original
	back = sound(back.Map(s.user, true))     // the present text back to that
	s.orig = strings.Clone(viewOf(String(s.orig), theirs).Slice(0, theirs.LenAfter()))
	s.applied, s.latest = back.InvertFunc(func(i, j int) string { return text[i:j] }), nil
	s.user, s.pending, s.back = none(len(text)), none(len(text)), nil
	s.log = nil // the inverses in it are of an engine text that is no more
}

// cut takes a stretch out of spans.
func cut(spans []span, out span) []span {
	var left []span
	for _, t := range spans {
		for _, part := range []span{{t.from, min(t.to, out.from)}, {max(t.from, out.to), t.to}} {
			if part.from < part.to {
				left = append(left, part)
			}
		}
	}
	return left
}

// guard keeps what the user had typed before a Redirect out of the reach of the edits that are pushed after it: they are
// cut round it. What the new text says in the user's words, elsewhere, it has taken along; then it does not stand in the
// old place as well. The pushed edits are append-only, as StreamDiff's are: none begins before the end of the one before.
type guard struct {
	text    string       // that the first edit refers to
	spans   []span       // of it: the user's characters
	in      int          // bytes by which the pushed edits have moved the rest of the text
	out     int          // bytes by which it has really moved
	written string       // new text so far
	kept    []kept       // spans that were left standing where the new text has deleted all round them
	along   map[int]bool // words of text, by their offsets, that the new text has taken along
	copies  []copied
}

// copied is what the new text has taken along: the word as it stands there, and which of its bytes are the user's.
type copied struct {
	word string
	span
}

// find adds to spans those of text that are copies of what the user had typed.
func (g *guard) find(text string, spans []span) []span {
	if g == nil {
		return spans
	}
	for _, c := range g.copies {
		for _, w := range []copied{c, {c.word[c.from:c.to], span{0, c.to - c.from}}} { // the word may have changed since
			if t, ok := w.in(text, spans); ok {
				spans = append(spans, t)
				break
			}
		}
	}
	return spans
}

// kept is a guarded span as it stands in the text that was made so far.
type kept struct {
	at, len int
	span    span // of guard.text
}

// in finds the user's bytes of a copy where spans do not cover them yet.
func (c copied) in(text string, spans []span) (t span, ok bool) {
	for from := 0; len(c.word) >= minWord; {
		at := strings.Index(text[from:], c.word)
		if at < 0 {
			break
		}
		t = span{from + at + c.from, from + at + c.to}
		if !slices.ContainsFunc(spans, func(o span) bool { return o.from < t.to && t.from < o.to }) {
			return t, true
		}
		from += at + 1
	}
	return span{}, false
}

// minWord is how long a word must be, in bytes, to be known again: a bracket or a letter stands everywhere.
const minWord = 3

// edits cuts pushed edits round the guarded spans. Where a span's text is part of the new text it takes its own place
// in it; otherwise the new text stands before it.
func (g *guard) edits(pushed []editops.Edit) []editops.Edit {
	var edits []editops.Edit
	emit := func(from, to int, text string) {
		if from < to || text != "" {
			edits = append(edits, editops.Edit{Start: from + g.out, End: to + g.out, New: text})
			g.out += len(text) - (to - from)
		}
	}
	for _, e := range pushed {
		grow := len(e.New) - (e.End - e.Start)
		e.Start, e.End = e.Start-g.in, e.End-g.in
		g.in += grow
		e = trim(String(g.text), e)
		from, text := e.Start, e.New
		hit := g.hit(e.Start, e.End)
		for i, t := range hit {
			until, own := len(text), false
			for k, later := range hit[i:] {
				if at := strings.Index(text, g.text[later.from:later.to]); at >= 0 {
					until, own = at, k == 0
					break
				}
			}
			switch {
			case own: // it stands, and the text goes on behind it
				emit(from, t.from, text[:until])
				g.written += text[:until]
				text, from = text[until+t.to-t.from:], t.to
			case g.takes(t):
			default:
				emit(from, t.from, text[:until])
				g.written += text[:until]
				text, from = text[until:], t.to
				k := kept{at: t.from + g.out, len: t.to - t.from, span: t}
				if end := strings.IndexByte(g.text[t.to:e.End], '\n') + t.to; end >= t.to && text == "" && (i+1 == len(hit) || hit[i+1].from > end) {
					// It does not run into the line below.
					if end > t.to && g.text[end-1] == '\r' {
						end--
					}
					emit(from, end, "")
					from = end + strings.IndexByte(g.text[end:], '\n') + 1
					k.len += from - end
				}
				g.kept = append(g.kept, k)
			}
		}
		emit(from, e.End, text)
		g.written += text
		edits = g.taken(edits)
	}
	return edits
}

// hit are the guarded spans within a range.
func (g *guard) hit(from, to int) (hit []span) {
	for _, t := range g.spans {
		if t = (span{max(t.from, from), min(t.to, to)}); t.from < t.to {
			hit = append(hit, t)
		}
	}
	return hit
}

// taken deletes the spans that were left standing and that the new text has since said as well.
func (g *guard) taken(edits []editops.Edit) []editops.Edit {
	for i := 0; i < len(g.kept); {
		k := g.kept[i]
		if !g.takes(k.span) {
			i++
			continue
		}
		edits = append(edits, editops.Edit{Start: k.at, End: k.at + k.len})
		g.out -= k.len
		g.kept = slices.Delete(g.kept, i, i+1)
		for j := i; j < len(g.kept); j++ {
			g.kept[j].at -= k.len
		}
	}
	return edits
}

// word is what must stand in the new text for a span to count as taken along: its words, whole.
func (g *guard) word(t span) span {
	for t.from > 0 && wordByte(g.text[t.from]) && wordByte(g.text[t.from-1]) {
		t.from--
	}
	for t.to < len(g.text) && wordByte(g.text[t.to-1]) && wordByte(g.text[t.to]) {
		t.to++
	}
	return t
}

// takes says that the new text has taken a span along. One copy stands for one original.
func (g *guard) takes(t span) bool {
	w := g.word(t)
	key := strings.TrimSpace(g.text[w.from:w.to])
	if !g.along[w.from] { // else the user has typed at two places of it
		if len(key) < minWord || !strings.Contains(g.written, key) {
			return false
		}
		g.written = strings.Replace(g.written, key, "\x00", 1)
		if g.along == nil {
			g.along = map[int]bool{}
		}
		g.along[w.from] = true
	}
	at := w.from + strings.Index(g.text[w.from:w.to], key)
	g.copies = append(g.copies, copied{key, span{max(t.from, at) - at, min(t.to, at+len(key)) - at}})
	return true
}

// wordByte says that a byte belongs to a word; those of other scripts do.
func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= 0x80
}
