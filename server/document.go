package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.lsp.dev/jsonrpc2"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/delivery"
	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// document is what the server keeps for one open document: what was suggested in it, and the edits that are on
// their way into it. It lives from didOpen to didClose.
type document struct {
	s         *Server
	uri       string
	suggester suggester
	log       editLog
	ruling    atomic.Pointer[ruling] // nil before the rules were asked
	context   docContext

	mu      sync.Mutex    // guards what follows; never held while the editor is called
	doc     *lsp.Document // as the editor last told it
	machine *delivery.Machine
	learned learned // what of it the gate knows
	running map[delivery.StreamID]*edit
	recent  []versioned // the latest edits of the document, for places that were looked at before them
	// bringing: a change of several places is on its way (see bring); no edit begins meanwhile.
	bringing bool
	comment  place   // a spark comment that is being typed while an edit streams, see instructedLocked
	done     []*edit // ended ones that can still be accepted or taken back, oldest first
	pumping  bool
	drawing  bool          // a shell is being told what to draw (see draw)
	wake     chan struct{} // capacity 1: something changed for the pump, or for those who watch an edit
	moved    chan struct{} // closed and replaced whenever the machine has moved
}

func newDocument(s *Server, uri string) *document {
	d := &document{
		s: s, uri: uri, suggester: suggester{s: s}, machine: delivery.New(), running: map[delivery.StreamID]*edit{},
		wake: make(chan struct{}, 1), moved: make(chan struct{}),
	}
	d.context.init(s, d)
	p := s.profile()
	d.machine.DropsStale, d.machine.Truthful = p.DropsStale, p.Truthful
	return d
}

// changed follows the documents, on the read loop and in wire order. Nothing in it waits.
func (s *Server) changed(c lsp.Change) {
	uri := c.Document().URI
	s.followClosures(c)
	s.mu.Lock()
	d, ok := s.docs[uri]
	switch {
	case c.After == nil:
		delete(s.docs, uri)
	case !ok:
		d = newDocument(s, uri)
		s.docs[uri] = d
	}
	s.mu.Unlock()
	if d == nil {
		return
	}
	d.suggester.changed(c)
	ours := false
	d.mu.Lock()
	switch {
	case c.After == nil:
		d.machine.Closed()
	case c.Before != nil:
		if c.After.Told != c.After.Version {
			// It cannot tell an edit for an old text from one for the present one by a number that does not rise.
			d.machine.DropsStale, d.machine.Truthful = false, false
		}
		ours = d.machine.Changed(c.Edits, c.After.Text, c.After.Version)
		for _, e := range c.Edits {
			d.recent = append(d.recent, versioned{c.After.Version, e})
		}
		if len(d.recent) > 2*remembered {
			d.recent = slices.Clone(d.recent[len(d.recent)-remembered:])
		}
		fallthrough
	default:
		d.doc = c.After
	}
	steer, turn := d.instructedLocked(c, ours)
	if ours {
		for _, e := range d.running {
			if e.landed.Load() == 0 && d.machine.Stats(e.stream).Applied > 0 {
				e.landed.Store(time.Now().UnixNano())
			}
		}
	}
	if c.Before != nil && c.After != nil && !ours {
		s.typed.Store(&d.uri)
	}
	d.log.changed(c, ours) // before anybody sees the document's new version
	d.moveLocked()
	d.mu.Unlock()
	if steer != nil {
		s.start(func(context.Context) { s.steer(d, steer, turn) })
	}
	s.contexts.edits.changed(c)
	d.context.changed(c)
}

// document returns what is kept for an open document, nil when it has been closed meanwhile.
func (s *Server) document(uri string) *document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.docs[uri]
}

// documents are the open ones, in no order. It is a copy: who goes over them takes each one's lock, and s.mu is only ever
// taken after that, never before.
func (s *Server) documents() []*document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.docs))
}

// version is that of the document as the editor last told it.
func (d *document) version() int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.doc.Version
}

// remembered is how many edits of a document are remembered.
const remembered = 200

// nowLocked carries a place over what has happened to the document since it was looked at. It is lost when the
// document was replaced or has changed beyond what is remembered. d.mu is held.
func (d *document) nowLocked(at place) (place, error) {
	if d.doc.Version == at.doc.Version {
		at.doc = d.doc
		return at, nil
	}
	i := slices.IndexFunc(d.recent, func(v versioned) bool { return v.version > at.doc.Version })
	if i < 0 || i == 0 && len(d.recent) >= remembered {
		return at, lsp.ErrContentModified
	}
	if at.start == at.end {
		at.end = -1 // a cursor stays one
	}
	for _, v := range d.recent[i:] {
		e := v.edit
		move := func(pos int, behind bool) int {
			switch {
			case pos < 0 || pos < e.Start || pos == e.Start && (behind || e.Start < e.End):
				return pos
			case pos >= e.End:
				return pos + len(e.New) - (e.End - e.Start)
			}
			return e.Start + len(e.New)
		}
		at.start, at.end = move(at.start, false), move(at.end, true)
	}
	if at.end < 0 {
		at.end = at.start
	}
	at.doc = d.doc
	return at, nil
}

// kept is how many ended edits of a document can still be taken back.
const kept = 8

// begunLocked notes an edit that has begun. d.mu is held.
func (d *document) begunLocked(e *edit) {
	d.running[e.stream] = e
	d.moveLocked()
	if !d.drawing && d.s.profile().Name == "spark" {
		d.drawing = true
		d.s.start(d.draw)
	}
}

// beganAgainLocked notes that an ended edit goes on. d.mu is held.
func (d *document) beganAgainLocked(e *edit) {
	d.done = slices.DeleteFunc(d.done, func(o *edit) bool { return o == e })
	d.begunLocked(e)
}

// endedLocked keeps an edit that has ended for as long as it can be accepted or taken back. d.mu is held.
func (d *document) endedLocked(e *edit) {
	delete(d.running, e.stream)
	d.done = append(d.done, e)
	if len(d.done) > kept {
		d.machine.Forget(d.done[0].stream)
		d.done = d.done[1:]
	}
	d.moveLocked()
}

// forgetLocked drops an ended edit. d.mu is held.
func (d *document) forgetLocked(e *edit) {
	d.machine.Forget(e.stream)
	d.done = slices.DeleteFunc(d.done, func(o *edit) bool { return o == e })
	d.moveLocked()
}

// moveLocked tells the pump and everybody who watches that the machine has moved. d.mu is held.
func (d *document) moveLocked() {
	close(d.moved)
	d.moved = make(chan struct{})
	select {
	case d.wake <- struct{}{}:
	default: // it has not seen the last one yet and will see both
	}
	if !d.pumping && d.machine.Busy() {
		d.pumping = true
		d.s.start(d.pump)
	}
}

// pump carries the machine's edits to the editor, one at a time, until no edit is under way. The answer comes back on
// the read loop, in the order of the wire with the changes of the document; the echo, which is the proof, comes
// through changed.
func (d *document) pump(ctx context.Context) {
	for {
		d.mu.Lock()
		send, ok := d.machine.Next()
		if !ok && !d.machine.Busy() {
			d.pumping = false
			d.mu.Unlock()
			return
		}
		var e *edit
		if ok {
			e = d.running[send.Streams[0]]
		}
		doc := d.doc
		d.mu.Unlock()
		if ok {
			if err := d.send(ctx, doc, e, send.Edit); err != nil {
				d.replied(false, err)
			}
		}
		select {
		case <-d.wake:
		case <-ctx.Done():
			return
		}
	}
}

// send sends one edit to the editor. It carries a label only where somebody waits for it: our Neovim handler joins
// edits with the same one into one undo step. Neovim itself would print it.
func (d *document) send(ctx context.Context, doc *lsp.Document, e *edit, edit editops.Edit) error {
	p := d.s.profile()
	if p.Name == "spark" {
		return d.shellSend(ctx, doc, e, edit)
	}
	label := ""
	if p.Label && e != nil {
		label = fmt.Sprintf("spark:%d", e.id)
	}
	return d.s.client.SendEdit(ctx, label, lsp.DocumentEdit{Document: doc, Edits: []editops.Edit{edit}}, d.replied)
}

// replied takes the editor's answer to the edit in flight.
func (d *document) replied(applied bool, err error) {
	if err != nil {
		d.s.log.Info("the editor refused an edit", zap.Error(err))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.machine.Replied(applied && err == nil)
	var refusal *jsonrpc2.Error
	if errors.As(err, &refusal) && refusal.Code == jsonrpc2.MethodNotFound {
		for stream := range d.running { // this editor takes no edits, now or later
			d.machine.Stop(stream)
		}
	}
	d.moveLocked()
}
