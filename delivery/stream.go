package delivery

import (
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
)

// hunkGap is the number of kept lines that separates two hunks, as in editops.StreamDiff.
const hunkGap = 3

// finalGap is the same for an edit that goes out when the model is done. It is large, since each edit is a step of undo;
// it has an end, since an editor that gets a kept text anew loses what it has there: marks, folds, and the line that the
// user's cursor was in (D11, seen in Neovim, for an import and its use far below).
const finalGap = 20

// maxMerge bounds the kept text, in bytes, that an edit may cover to join two changes.
const maxMerge = 4 << 10

// stream is one region that is being rewritten. Offsets of E, U and P are bytes from the region's start.
type stream struct {
	id     StreamID
	mode   Mode
	state  State
	reason string

	start, end int    // the region in the document
	orig       string // its text at Begin

	applied editops.ChangeSet   // orig -> E, the engine text, without what is in latest; see changes
	latest  []editops.ChangeSet // what was applied since, in order

	accepted []editops.Edit    // changes of orig, of a stream that has ended, that the user has taken for their own
	user     editops.ChangeSet // U: E -> the region's text in the document
	pending  editops.ChangeSet // P: E (behind the edit on its way) -> what the model has written

	settled  int
	finished bool
	pausing  bool    // pause when the edit on its way has come down
	again    bool    // the next edit is one that was refused or dropped
	back     *flight // an edit that was dropped and is to be sent again as it was; pending is behind it
	void     bool    // nothing is known about the region any more
	held     bool    // nothing goes out for now, see Hold
	guard    *guard  // of a stream that was redirected
	// repairing says that the pending changes may undo and do the same thing again, see Machine.repair.
	repairing bool
	head      int // where the last applied edit ended, in E; -1 before the first

	// typed are the user's characters in the region, in bytes of its present text: sorted, not touching. They
	// are recorded apart from U, so that the check before each edit does not rest on the algebra it checks.
	typed []span
	// theirs are those that a Redirect has made part of the engine text. The model may take them along (see guard).
	theirs []span
	log    []applied
	stats  Stats
}

// span is a stretch of text.
type span struct{ from, to int }

// applied is an edit of the stream that arrived.
type applied struct {
	inverse editops.ChangeSet // on the engine text behind it
	delta   int               // bytes that the document became longer
}

func newStream(id StreamID, mode Mode, doc Document, start, end int) *stream {
	same := none(end - start)
	return &stream{
		id: id, mode: mode, start: start, end: end, orig: strings.Clone(doc.Slice(start, end)),
		applied: same, user: same, pending: same, head: -1,
	}
}

func (s *stream) push(edits []editops.Edit, settled int) {
	if g := s.guard; g != nil {
		edits = g.edits(edits)
		settled += g.out - g.in
	}
	set, err := editops.FromSequential(s.pending.LenAfter(), edits)
	if err != nil {
		s.lose("the text for the region does not fit it: " + err.Error())
		return
	}
	s.pending = sound(s.pending.Compose(set))
	s.settled = max(s.settled, settled)
}

func (s *stream) lose(reason string) {
	if !s.state.Ended() || s.state == Paused {
		s.state, s.reason = Lost, reason
	}
}

// forceLost is lose for a stream in whose name something wrong has happened to the document, whatever its state.
func (s *stream) forceLost(reason string) { s.state, s.reason = Lost, reason }

func (s *stream) pause(reason string, inFlight bool) {
	if s.state.Ended() || s.held {
		return
	}
	s.reason = reason
	if inFlight {
		s.pausing = true
		return
	}
	s.state = Paused
}

// landed is called when the stream has no edit on its way any more.
func (s *stream) landed() {
	if s.pausing {
		s.pausing = false
		s.pause(s.reason, false)
	}
}

// engine is the engine text.
func (s *stream) engine() Document { return viewOf(String(s.orig), s.changes()) }

// engineLen is its length.
func (s *stream) engineLen() int { return s.user.LenBefore() }

// changes is what has made the engine text of the original. It is put together when it is asked for, which is
// seldom: doing it with each edit would cost as much as all edits before it.
func (s *stream) changes() editops.ChangeSet {
	if len(s.latest) > 0 {
		s.applied = sound(s.applied.Compose(composed(s.applied.LenAfter(), s.latest)))
		s.latest = nil
	}
	return s.applied
}

// engineText is the bytes [i, j) of the engine text. As a rule they are in the document too, and found there without a
// walk through all that was applied.
func (s *stream) engineText(doc Document, i, j int) string {
	for u := range s.user.All() {
		if u.Start < j && u.End > i {
			return s.engine().Slice(i, j)
		}
	}
	at := s.start + s.user.MapOffset(i, 1)
	return doc.Slice(at, at+j-i)
}

// here turns a change of the region's present text into edits against the document.
func (s *stream) here(local editops.ChangeSet) []editops.Edit {
	edits := local.Edits()
	for i := range edits {
		edits[i].Start += s.start
		edits[i].End += s.start
	}
	return edits
}

// allowed is the run-time check of the promise: the edit lies in the region and deletes nothing that the user typed.
func (s *stream) allowed(local editops.Edit) bool {
	if local.Start < 0 || local.End < local.Start || local.End > s.end-s.start {
		return false
	}
	for _, t := range s.typed {
		if t.from < local.End && local.Start < t.to {
			return false
		}
	}
	return true
}

// take takes the first change off P that can go out as one contiguous edit: set on E, cs without the kept text
// it covers, and whether its text stands before the user's at the same place.
func (s *stream) take(doc Document) (set, cs editops.ChangeSet, first, ok bool) {
	gaps := s.pending.Edits()
	n := s.ready(gaps)
	if n == 0 {
		return set, cs, false, false
	}
	users := s.user.Edits()
	if s.repairing {
		gaps[0] = trim(s.engine(), gaps[0])
	}
	e := gaps[0]
	first = strings.HasSuffix(e.New, "\n") && s.lineStart(doc, e.Start)
	k := 1
	e, rest, split := s.split(e, users, first)
	if !split {
		for ; k < n; k++ {
			kept, ok := s.between(doc, e, gaps[k], users)
			if !ok {
				break
			}
			next, r, cut := s.split(gaps[k], users, false)
			if cut && next.Start == next.End && next.New == "" {
				break
			}
			e = editops.Edit{Start: e.Start, End: next.End, New: e.New + kept + next.New}
			if cut {
				rest, split = r, true
				k++
				break
			}
		}
	}
	n = s.pending.LenBefore()
	set = sound(editops.NewChangeSet(n, e))
	// The same without the kept text: the changes as they were, the last one perhaps cut.
	small := slices.Clone(gaps[:k])
	if split {
		small[k-1].End = rest.Start
	}
	cs = sound(editops.NewChangeSet(n, small...))
	left := gaps[k:]
	if split {
		left = append([]editops.Edit{rest}, left...)
	}
	left = slices.Clone(left)
	delta := set.LenAfter() - n
	for i := range left {
		left[i].Start += delta
		left[i].End += delta
	}
	s.pending = sound(editops.NewChangeSet(set.LenAfter(), left...))
	return set, cs, first, true
}

// ready is how many of the changes may go out now.
func (s *stream) ready(gaps []editops.Edit) int {
	switch {
	case s.held:
		return 0
	case s.finished || s.mode == Live:
		return len(gaps)
	case s.mode == Final:
		return 0
	}
	shift := 0
	for i, g := range gaps {
		if g.Start+shift >= s.settled {
			return i
		}
		shift += len(g.New) - (g.End - g.Start)
	}
	return len(gaps)
}

// split cuts e before the first text of the user's that lies in it, so that an edit never spans any. At its very
// start the user's text stays in front, unless first.
func (s *stream) split(e editops.Edit, users []editops.Edit, first bool) (head, rest editops.Edit, cut bool) {
	for _, u := range users {
		if u.New == "" || u.Start < e.Start || u.Start == e.Start && !first {
			continue
		}
		if u.Start >= e.End {
			break
		}
		return editops.Edit{Start: e.Start, End: u.Start, New: e.New}, editops.Edit{Start: u.Start, End: e.End}, true
	}
	return e, editops.Edit{}, false
}

// between is the kept text between two changes, when one edit may cover both: the user has not touched it, and
// the mode does not count it as a border.
func (s *stream) between(doc Document, a, b editops.Edit, users []editops.Edit) (string, bool) {
	for _, u := range users {
		if u.Start <= b.Start && u.End >= a.End {
			return "", false
		}
	}
	from := s.start + s.user.MapOffset(a.End, 1)
	to := from + b.Start - a.End
	for _, t := range s.theirs {
		if t.from < to-s.start && from-s.start < t.to {
			return "", false // written anew, it would be the stream's
		}
	}
	if to-from > maxMerge {
		return "", false
	}
	kept := doc.Slice(from, to)
	lines := strings.Count(kept, "\n")
	if open := !strings.HasSuffix(a.New, "\n"); open && (a.New != "" || !atLineStart(doc, from)) && lines > 0 {
		lines-- // the end of the line that a changed
	}
	switch s.mode {
	case Live:
		return kept, lines == 0
	case Final:
		return kept, lines < finalGap
	}
	return kept, lines < hunkGap
}

// lineStart says that a line of the engine text begins at pos.
func (s *stream) lineStart(doc Document, pos int) bool {
	if pos == 0 {
		return atLineStart(doc, s.start)
	}
	return s.engineText(doc, pos-1, pos) == "\n"
}

// advance moves the engine text past cs, which is in the document.
// before is the document before it.
func (s *stream) advance(before Document, cs editops.ChangeSet, first bool) {
	there := sound(cs.Map(s.user, first))
	grow := there.LenAfter() - there.LenBefore()
	s.log = append(s.log, applied{cs.InvertFunc(func(i, j int) string { return s.engineText(before, i, j) }), grow})
	s.user = sound(s.user.Map(cs, !first))
	s.latest = append(s.latest, cs)
	if edits := cs.Edits(); len(edits) > 0 {
		s.head = cs.MapOffset(edits[len(edits)-1].End, 1)
	}
	s.typed, s.theirs = moved(s.typed, there.Edits(), false), moved(s.theirs, there.Edits(), false)
	s.end += grow
}

// touched says that the user changed something within set's range, or at its ends.
func (s *stream) touched(set editops.ChangeSet) bool {
	from, to, _ := set.Hull()
	return slices.ContainsFunc(s.user.Edits(), func(u editops.Edit) bool { return u.Start <= to && u.End >= from })
}

// moved is spans after edits (sorted, against the text that the spans are of); with own, what they insert is
// added to the spans.
func moved(spans []span, edits []editops.Edit, own bool) []span {
	if len(spans) == 0 && !own {
		return spans
	}
	set := make([]span, 0, len(spans)+len(edits))
	add := func(from, to int) {
		if from >= to {
			return
		}
		if n := len(set); n > 0 && set[n-1].to == from {
			set[n-1].to = to
			return
		}
		set = append(set, span{from, to})
	}
	i, shift := 0, 0
	at := 0                // what was taken of spans[i]
	take := func(to int) { // the spans up to offset to
		for ; i < len(spans) && spans[i].from < to; i++ {
			from := max(spans[i].from, at)
			add(from+shift, min(spans[i].to, to)+shift)
			if spans[i].to > to {
				return
			}
		}
	}
	for _, e := range edits {
		take(e.Start)
		if own {
			add(e.Start+shift, e.Start+shift+len(e.New))
		}
		shift += len(e.New) - (e.End - e.Start)
		at = e.End
		for i < len(spans) && spans[i].to <= e.End {
			i++
		}
	}
	take(1 << 62)
	return set
}

// change says whose a change is, and what a stream has on its way meanwhile.
type change struct {
	foreign  bool           // another stream's
	above    bool           // the region stands above it, also where both are at the same place
	inside   bool           // it belongs to the region, also at its border
	inFlight bool           // an edit is on its way
	writing  []editops.Edit // what it changes, in the document now
	next     int            // where it begins in the engine text; -1 without one
}

// change takes a change of the document that is not the stream's: the user's, another server's or another
// stream's. doc is the document before it.
func (s *stream) change(doc Document, e editops.Edit, c change) {
	if s.void {
		return
	}
	grow := len(e.New) - (e.End - e.Start)
	switch {
	case c.inside:
	case e.Start > s.end, e.Start == s.end && (s.start < s.end || e.End > e.Start || c.above):
		return
	case e.End <= s.start && (s.start < s.end || e.Start < s.start || !c.above):
		s.start += grow
		s.end += grow
		return
	}
	touches := !c.foreign && !s.state.Ended() && s.touchesLine(doc, e, c)
	local := editops.Edit{Start: max(e.Start, s.start) - s.start, End: min(e.End, s.end) - s.start, New: e.New}
	size := s.end - s.start
	if e.Start < s.start {
		local.New = ""
		s.start = e.Start + len(e.New)
	}
	set := sound(editops.NewChangeSet(size, local))
	deletes := 0
	if !c.foreign && !s.state.Ended() && local.End > local.Start {
		deletes = s.streamedBytes()
	}
	s.user = sound(s.user.Compose(set))
	s.typed, s.theirs = moved(s.typed, set.Edits(), true), moved(s.theirs, set.Edits(), false)
	s.end = s.start + set.LenAfter()
	s.stats.UserEdits++
	switch {
	case touches:
		s.pause("you typed in the line being written", c.inFlight)
	case deletes > 0 && s.streamedBytes() < deletes:
		s.pause("you deleted text that was just written", c.inFlight)
	}
}

// takesTail says that an insertion at the region's end belongs to it: it continues the line that the stream
// wrote last and has not ended.
func (s *stream) takesTail(doc Document, e editops.Edit) bool {
	if s.state.Ended() || e.Start != s.end || s.start == s.end || s.head != s.engineLen() {
		return false
	}
	return !atLineStart(doc, s.end)
}

// touchesLine says that e changes the line being written: the one on its way, or the last one written as long as
// the stream may have more for it.
func (s *stream) touchesLine(doc Document, e editops.Edit, c change) bool {
	touch := func(from, to int) bool {
		from, to = lineAround(doc, from, to)
		if to > from && doc.Slice(to-1, to) == "\r" {
			to--
		}
		switch {
		case e.End < from || e.Start > to:
			return false
		case e.End == from && (e.New == "" || strings.HasSuffix(e.New, "\n")) && atLineStart(doc, e.Start):
			return false // lines above it
		case e.Start == to && e.End == e.Start && (strings.HasPrefix(e.New, "\n") || strings.HasPrefix(e.New, "\r\n")):
			return false // lines below it
		}
		return true
	}
	if h := s.start + s.user.MapOffset(s.head, -1); s.lineOpen(doc, c) && touch(h, h) {
		return true
	}
	for _, f := range c.writing {
		if f.Start == f.End && strings.HasSuffix(f.New, "\n") && atLineStart(doc, f.Start) {
			continue // a new line: nothing of it is there to be touched
		}
		to := f.End
		if to > f.Start && atLineStart(doc, to) {
			to-- // whole lines: the one behind them is not meant
		}
		if touch(f.Start, to) {
			return true
		}
	}
	return false
}

// lineOpen says that the stream may have more for the line that it wrote last. In the other modes than Live, what was
// sent is complete.
func (s *stream) lineOpen(doc Document, c change) bool {
	if s.mode != Live || s.head < 0 || s.finished || s.settled > s.head {
		return false
	}
	if atLineStart(doc, s.start+s.user.MapOffset(s.head, -1)) {
		return false
	}
	// What comes next is in another line.
	next := c.next
	if next < 0 {
		if from, _, ok := s.pending.Hull(); ok {
			next = from
		}
	}
	return next < s.head || next > s.head+maxLine || !strings.Contains(s.engineText(doc, s.head, next), "\n")
}

// streamedBytes is how much of the stream's text the document still holds.
func (s *stream) streamedBytes() int {
	n, shift, i := 0, 0, 0
	users := s.user.Edits()
	for a := range s.changes().All() {
		from := a.Start + shift
		to := from + len(a.New)
		shift += len(a.New) - (a.End - a.Start)
		n += to - from
		for i < len(users) && users[i].End <= from {
			i++
		}
		for j := i; j < len(users) && users[j].Start < to; j++ {
			n -= max(0, min(users[j].End, to)-max(users[j].Start, from))
		}
	}
	return n
}
