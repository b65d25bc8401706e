package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/editops"
)

// Mode is how much of a stream goes out at a time.
type Mode int

// The modes. In each of them an edit is one contiguous replacement.
const (
	Live  Mode = iota // whatever is there; lines that the model kept are not touched
	Hunks             // complete hunks: changed lines, merged across fewer than three kept ones
	Final             // when the model is done, and then in as few edits as leave what is far apart alone
)

// StreamID names a stream of one Machine; the zero StreamID names none.
type StreamID int

// State is where a stream stands.
type State int

// The states. From Done on a stream sends nothing; Resume leads back from Paused and Stopped.
const (
	Streaming  State = iota
	Delivering       // the model is done, the buffer does not hold all of it yet
	Done             // the buffer held all of it
	Paused           // the user typed in the line being written, or deleted streamed text
	Stopped          // by Stop or Closed
	Undone           // the user took it back
	Lost             // the editor makes it impossible, see Reason
)

func (s State) String() string {
	return [...]string{"streaming", "delivering", "done", "paused", "stopped", "undone", "lost"}[s]
}

// Ended says that the stream sends nothing any more; a Paused one may be resumed.
func (s State) Ended() bool { return s != Streaming && s != Delivering }

// Send is an edit to send to the editor: Edit in bytes of the document of Version.
type Send struct {
	Version int32
	Edit    editops.Edit
	Streams []StreamID
}

// Stats counts what a stream has done.
type Stats struct {
	Sent    int // edits sent, first or again
	Resent  int // edits sent again because the editor refused or dropped them
	Refused int // edits that the editor refused
	Dropped int // edits that the editor said it applied and did not
	Applied int // edits seen in the buffer
	Skipped int // changes of which the user's own left nothing to do
	// Bytes of the edits that were seen in the buffer.
	BytesInserted, BytesDeleted int
	UserEdits                   int // changes within the region that were not the stream's
	Repaired                    int // edits that the editor applied twice, taken back once
}

// The errors of Begin and of the calls that look at one stream.
var (
	ErrOverlap = errors.New("delivery: another edit is being written there")
	ErrStale   = errors.New("delivery: not the document's present version")
	ErrRange   = errors.New("delivery: no such range in the document")
	ErrUnknown = errors.New("delivery: no such stream or hunk")
	ErrFlying  = errors.New("delivery: an edit is on its way")
)

// Machine brings the text of streams into one document while somebody types in it. It is told what the editor
// says and what the model writes, in the order in which it happened, and says what to send.
//
// The model of it (Jupiter's, with the editor as the only one who orders): for each stream, the engine text E is
// what the stream alone has made of its region; the user's change set U turns E into the text in the buffer; the
// pending change set P turns E into what the model has written. An edit to send is the first change of P mapped
// over U, and one contiguous edit at most is on its way. Only a didChange moves E: neither the reply
// applied:true nor a version that rose by one proves anything (Neovim, Zed and Kakoune say it and drop or
// misplace the edit). Our own change is recognised by the text it makes, wherever a client puts it.
//
// The user's characters always stay. Edits outside a region move it; edits inside become part of U. One that
// touches the line being written, or deletes streamed text, pauses the stream; taking streamed text back ends it.
//
// A Machine serves one document from its opening to its closing and is not safe for concurrent use.
type Machine struct {
	doc     Document // nil before the first Begin
	version int32
	streams []*stream // by place: none starts before the one before it, as long as both run
	last    StreamID
	turn    StreamID // the stream that sent last, for fairness
	flight  *flight
	own     bool      // the document's latest change has an edit of ours in it
	ghosts  []*flight // given up as dropped; the text may still arrive
	strays  []stray
	// rejected are the pieces of what Reject gave out last that were not seen yet.
	rejected []*flight
	patience int  // notifications without its text that an edit may live through after the editor's yes
	coarse   bool // the last didChange replaced text by itself
	quiet    bool // what is taken account of is the editor's doing, not the user's
	wait     bool // refused for a version that is the newest we know: the next didChange brings a newer one
	// DropsStale says that the editor answers applied:true to an edit for an old version and drops it (Neovim).
	// Such an answer then counts as a refusal when a didChange overtook the edit. Without it the machine waits
	// for one more didChange, since an editor that rebases (Zed) may yet show the text.
	DropsStale bool
	// Truthful says that the editor is known to refuse an edit for an old version. Without it the machine also
	// looks for its edits where an editor puts them that does not look at versions, and may, rarely, take for
	// one what the user did.
	Truthful bool
}

// flight is an edit on its way.
type flight struct {
	s       *stream
	set     editops.ChangeSet // on s's engine text; one edit
	cs      editops.ChangeSet // the same change, without the kept text that set covers
	first   bool              // at one place, the stream's text stands before the user's
	version int32
	base    Document          // the document of that version
	raw     editops.Edit      // as sent
	since   editops.ChangeSet // what happened to base since
	replied bool              // the editor answered
	seen    bool              // the text is in the buffer
	stale   bool              // a didChange that was not ours came after it was sent

	rejects bool // not sent by the machine, but given out by Reject
	age     int  // notifications since the editor said yes, then since it was given up
}

// stray is an edit that the editor put in the wrong place; inverse takes it back, in the document now.
type stray struct {
	s       *stream
	inverse editops.ChangeSet
}

// restored says that doc has again what the edit deleted, and nothing more of what it wrote.
func (y stray) restored(doc Document) bool {
	for e := range y.inverse.All() {
		if e.Start < e.End || !strings.Contains(doc.Slice(max(0, e.Start-len(e.New)), min(doc.Len(), e.Start+len(e.New))), e.New) {
			return false
		}
	}
	return true
}

// New returns a Machine without streams.
func New() *Machine { return &Machine{} }

// Begin opens a stream that rewrites the bytes [start, end) of doc, the document's present text. The error is
// ErrOverlap when a running stream's region is touched, also by its border; ErrFlying when it is that of one that has
// ended, of which an edit is still on its way; ErrStale when doc is not the document that the machine knows; ErrRange.
func (m *Machine) Begin(doc Document, version int32, start, end int, mode Mode) (StreamID, error) {
	if start < 0 || end < start || end > doc.Len() {
		return 0, fmt.Errorf("%w: [%d,%d) of %d bytes", ErrRange, start, end, doc.Len())
	}
	if len(m.streams) > 0 && (version != m.version || doc.Len() != m.doc.Len()) {
		return 0, fmt.Errorf("%w: %d, have %d", ErrStale, version, m.version)
	}
	at := len(m.streams)
	for i, s := range m.streams {
		if !s.state.Ended() || m.flies(s) {
			switch {
			case start > s.end || s.start > end:
			case s.state.Ended():
				return 0, ErrFlying
			default:
				return 0, ErrOverlap
			}
		}
		if s.start > start && at == len(m.streams) {
			at = i
		}
	}
	m.doc, m.version = doc, version
	m.last++
	m.streams = slices.Insert(m.streams, at, newStream(m.last, mode, doc, start, end))
	return m.last, nil
}

func (m *Machine) flies(s *stream) bool { return m.flight != nil && m.flight.s == s }

// ahead is the edit of s that its pending changes come behind: on its way, or to be sent again; nil for none.
func (m *Machine) ahead(s *stream) *flight {
	if m.flies(s) && !m.flight.seen {
		return m.flight
	}
	return s.back
}

// rest is all of s that the document does not have, on its engine text.
func (m *Machine) rest(s *stream) editops.ChangeSet {
	if f := m.ahead(s); f != nil {
		return sound(f.cs.Compose(s.pending))
	}
	return s.pending
}

func (m *Machine) stream(id StreamID) *stream {
	for _, s := range m.streams {
		if s.id == id {
			return s
		}
	}
	return nil
}

// Push hands over what the model has made of the region. The edits are sequential, in bytes from the region's
// start, on the engine text: as StreamDiff emits them. Up to the offset settled of that text hunks are complete.
// A stream that has ended takes it too: it is what Rest offers. An impossible edit loses the stream.
func (m *Machine) Push(id StreamID, edits []editops.Edit, settled int) {
	if s := m.stream(id); s != nil {
		s.push(edits, settled)
	}
}

// Finish says that the model is done. What is pending will still be delivered.
func (m *Machine) Finish(id StreamID) {
	if s := m.stream(id); s != nil {
		s.finished = true
		if s.state == Streaming {
			s.state = Delivering
		}
		m.complete(s)
	}
}

// complete ends a stream of which nothing is left to do.
func (m *Machine) complete(s *stream) {
	if s.state == Delivering && s.pending.Empty() && s.back == nil && !m.flies(s) {
		s.state, s.reason, s.pausing = Done, "", false
	}
}

// Stop ends a stream and keeps what was applied; the rest stays with Rest. An edit on its way may still arrive.
func (m *Machine) Stop(id StreamID) {
	if s := m.stream(id); s != nil && (!s.state.Ended() || s.state == Paused) {
		s.state, s.reason, s.held = Stopped, "stopped", false
	}
}

// Closed says that the document was closed: everything stops, and no edit is on its way any more.
func (m *Machine) Closed() {
	if m.flight != nil {
		m.settle()
	}
	for _, s := range m.streams {
		if !s.state.Ended() || s.state == Paused {
			s.state, s.reason = Stopped, "the document was closed"
		}
	}
	m.wait, m.ghosts, m.rejected, m.strays = false, nil, nil, nil
}

// Resume lets a Paused or Stopped stream go on with what is left of it (see Rest). It was asked for, so that typing
// in the line where it stopped is no reason to pause again. The error is ErrUnknown for a stream in another state,
// ErrOverlap when another one runs there meanwhile.
func (m *Machine) Resume(id StreamID) error {
	s := m.stream(id)
	if s == nil || s.state != Paused && s.state != Stopped {
		return ErrUnknown
	}
	for _, o := range m.streams {
		if o != s && !o.state.Ended() && s.start < o.end && o.start < s.end { // they may meet: their order is known
			return ErrOverlap
		}
	}
	s.state, s.reason, s.head, s.held = Streaming, "", -1, false
	if s.finished {
		s.state = Delivering
	}
	m.complete(s)
	return nil
}

// State is where a stream stands; Lost for one that the machine does not know.
func (m *Machine) State(id StreamID) State {
	if s := m.stream(id); s != nil {
		return s.state
	}
	return Lost
}

// Reason says in words why a stream ended before it was done; "" otherwise.
func (m *Machine) Reason(id StreamID) string {
	if s := m.stream(id); s != nil {
		return s.reason
	}
	return "no such stream"
}

// Region is where a stream's region is now, in bytes.
func (m *Machine) Region(id StreamID) (start, end int) {
	if s := m.stream(id); s != nil {
		return s.start, s.end
	}
	return 0, 0
}

// Stats is what a stream has done.
func (m *Machine) Stats(id StreamID) Stats {
	if s := m.stream(id); s != nil {
		return s.stats
	}
	return Stats{}
}

// Busy says that a stream has not ended, or that an edit is on its way.
func (m *Machine) Busy() bool {
	return m.flight != nil || slices.ContainsFunc(m.streams, func(s *stream) bool { return !s.state.Ended() })
}

// Flying says that an edit of a stream is on its way, also when the stream was stopped since.
func (m *Machine) Flying(id StreamID) bool { return m.flight != nil && m.turn == id }

// Next is the edit to send now. It is on its way until the editor has answered (Replied) and its text was seen,
// or was proved lost, in a didChange (Changed); until then there is no other.
func (m *Machine) Next() (Send, bool) {
	if m.flight != nil || m.wait || m.doc == nil {
		return Send{}, false
	}
	n := len(m.streams)
	from := 1 + slices.IndexFunc(m.streams, func(s *stream) bool { return s.id == m.turn })
	for i := range n {
		s := m.streams[(from+i)%n]
		if s.state.Ended() {
			continue
		}
		f, ok := m.take(s)
		if !ok {
			m.complete(s)
			continue
		}
		m.flight, m.turn = f, s.id
		s.stats.Sent++
		if s.again {
			s.again = false
			s.stats.Resent++
		}
		return Send{f.version, f.raw, []StreamID{s.id}}, true
	}
	return Send{}, false
}

// take takes the next edit to send off the pending changes. What the user has made needless is passed on the way.
func (m *Machine) take(s *stream) (*flight, bool) {
	for {
		f := s.back
		if f == nil {
			set, cs, first, ok := s.take(m.doc)
			if !ok {
				return nil, false
			}
			f = &flight{s: s, set: set, cs: cs, first: first}
		}
		s.back = nil
		local := sound(f.set.Map(s.user, f.first)).Edits()
		switch {
		case len(local) == 0, len(local) == 1 && m.doc.Slice(s.start+local[0].Start, s.start+local[0].End) == local[0].New:
			// The user has done it, or left nothing to do. Sent, it would have no echo.
			m.advance(m.doc, s, f.set, f.cs, f.first)
			s.stats.Skipped++
			continue
		case len(local) == 1 && s.allowed(local[0]):
			raw := local[0]
			raw.Start += s.start
			raw.End += s.start
			return &flight{
				s: s, set: f.set, cs: f.cs, first: f.first,
				version: m.version, base: m.doc, raw: raw, since: none(m.doc.Len()),
			}, true
		}
		s.pending = sound(f.cs.Compose(s.pending))
		if f.raw == (editops.Edit{}) {
			s.lose("internal check failed: an edit would have touched text that is the user's")
			return nil, false
		}
		// It was dropped, and the user has typed in the middle of it meanwhile: it is cut anew.
	}
}

// Replied is the editor's answer to the edit on its way: false when it refused it or answered with an error.
func (m *Machine) Replied(applied bool) {
	f := m.flight
	if f == nil || f.replied {
		return
	}
	f.replied = true
	switch {
	case f.seen:
		m.settle()
	case !applied:
		f.s.stats.Refused++
		// Stale, as we knew when the answer came: there is a newer version to try. Otherwise the editor knows
		// one that we do not, and says so with its next didChange.
		m.wait = !f.stale
		m.giveBack()
	case m.DropsStale && f.stale && f.version > 0: // version 0 is never checked
		m.dropped()
	}
}

// giveBack takes the edit on its way for not applied.
func (m *Machine) giveBack() {
	f := m.flight
	m.flight = nil
	f.s.pending = sound(f.cs.Compose(f.s.pending))
	f.s.again = true
	f.s.landed()
}

// dropped gives up the edit on its way, to which the editor said yes. Unless the editor is known to drop edits, it may
// still arrive; then it is sent again as it was, so that either of the two can stand for the other.
func (m *Machine) dropped() {
	f := m.flight
	f.s.stats.Dropped++
	if m.honours() {
		m.giveBack()
		return
	}
	f.age = 0
	m.ghosts = append(m.ghosts, f)
	m.flight = nil
	f.s.back, f.s.again = &flight{s: f.s, set: f.set, cs: f.cs, first: f.first, raw: f.raw}, true
	f.s.landed()
}

// settle ends the flight of an edit; it is given back unless its text was seen.
func (m *Machine) settle() {
	f := m.flight
	if !f.seen {
		m.giveBack()
		return
	}
	m.flight = nil
	m.complete(f.s)
	f.s.landed()
}

// Accept takes a stream's changes for the user's own: there is nothing left to reject.
func (m *Machine) Accept(id StreamID) {
	if s := m.stream(id); s != nil && !m.flies(s) && !s.void {
		s.pending, s.back = m.rest(s), nil
		s.accept(m.doc)
		m.dropGhosts(s)
		m.strays = slices.DeleteFunc(m.strays, func(y stray) bool { return y.s == s })
	}
}

// Forget drops a stream that has ended.
func (m *Machine) Forget(id StreamID) {
	s := m.stream(id)
	if s == nil || !s.state.Ended() || m.flies(s) {
		return
	}
	m.dropGhosts(s)
	m.strays = slices.DeleteFunc(m.strays, func(y stray) bool { return y.s == s })
	m.streams = slices.DeleteFunc(m.streams, func(o *stream) bool { return o == s })
}

// Hunks are the stretches of the buffer that a stream has changed and the user has not taken back, in order.
func (m *Machine) Hunks(id StreamID) []Hunk {
	var hunks []Hunk
	if s := m.stream(id); s != nil && !s.void {
		for _, h := range s.hunks(m.doc) {
			hunks = append(hunks, h.Hunk)
		}
	}
	return hunks
}

// Rest is what was not delivered, as edits against the present document, sorted and not overlapping; the caller
// may offer it, apply it, or Resume a paused stream.
func (m *Machine) Rest(id StreamID) []editops.Edit {
	s := m.stream(id)
	if s == nil || s.void {
		return nil
	}
	return s.here(sound(m.rest(s).Map(s.user, false)))
}
