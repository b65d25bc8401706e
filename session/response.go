package session

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// response is one answer in progress. A transport's reader appends to it and never waits; the consumer
// takes what is there. Between the two there is no channel of deltas but one growing text, so deltas
// coalesce while the consumer is busy. It lives from the moment its request is sent until its terminal
// event; text of a response that was abandoned is not kept.
type response struct {
	limit  int // bytes that may be unread
	trace  *Trace
	handle Handle

	// leave tells the transport to end the answer; it returns at once. alive tells whether the
	// connection has shown life since a moment; nil when it cannot be known. Both are set before the
	// request is sent.
	leave func()
	alive func(since time.Time) bool
	lane  *lane // nil over HTTP
	// chained says that it continues an earlier answer; cacheKey is the prompt_cache_key that it was sent with.
	chained  bool
	cacheKey string
	not      string // the lane's response before this one, whose last event may come twice

	mu       sync.Mutex
	text     []byte // everything received
	read     int    // bytes of text the consumer has taken
	frozen   int    // while >= 0, the consumer may not read past it: a steer is being decided
	item     int    // where the current output item's text begins in text
	lastDone place  // the item that was finished last
	refusal  strings.Builder
	marks    []mark
	end      *failure  // set once, after the last mark; errEnded after a proper end
	next     *response // the answer that goes on where this one was cut
	told     bool      // Trace.Terminal has been called
	gone     bool      // nobody listens any more
	base     int       // where the text since the last Started begins

	id        string // the endpoint's id, "" before created
	created   bool
	running   bool // in_progress or text seen
	queued    bool
	numbered  bool // sequence numbers were seen to count, so a repeated one is a repeated event
	lastSeq   int
	lastEvent time.Time
	successor bool // a steer was accepted: the end of this response is followed by another on the same lane
	timing    *Timing

	wake chan struct{} // capacity 1
	// steered receives the endpoint's reply to a response.steer.
	steered chan steerReply
}

// mark is an event that belongs between two bytes of the text.
type mark struct {
	at int
	ev Event
}

type steerReply struct {
	ok  bool
	err *failure
}

// errEnded ends a response whose Done has been delivered.
var errEnded = &failure{}

func newResponse(limit int, trace *Trace, h Handle) *response {
	if trace == nil {
		trace = &Trace{}
	}
	now := time.Now()
	return &response{limit: limit, trace: trace, handle: h, leave: func() {}, lastEvent: now, frozen: -1, lastSeq: -1,
		wake: make(chan struct{}, 1), steered: make(chan steerReply, 1)}
}

func (r *response) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// accept notes the arrival of an event and tells whether it is new. A number that does not rise is a
// repetition, once the endpoint has been seen to count; a gap is not taken for a loss, since proxies drop
// events they do not know: whether text is missing shows when the item's whole text arrives.
func (r *response) acceptLocked(seq int) bool {
	r.lastEvent = time.Now()
	if seq < 0 {
		return true
	}
	if r.numbered && seq <= r.lastSeq {
		return false
	}
	if seq == r.lastSeq+1 && seq > 0 {
		r.numbered = true
	}
	r.lastSeq = seq
	return true
}

// strayLocked tells whether text cannot be this response's: on a lane it comes after created, and what comes
// before that was repeated from the response before. Over HTTP there is no other response.
func (r *response) strayLocked() bool { return r.lane != nil && !r.created }

// delta appends a delta of the fast path. It reports false when the consumer is too far behind, and the
// response should be abandoned.
func (r *response) delta(s *scanned) bool {
	r.mu.Lock()
	if r.gone || r.end != nil || r.strayLocked() || !r.acceptLocked(s.seq) {
		r.mu.Unlock()
		return true
	}
	before := len(r.text)
	r.text = s.appendText(r.text)
	return r.grewAndUnlock(before)
}

// push appends text that was decoded elsewhere.
func (r *response) push(text string, seq int) bool {
	r.mu.Lock()
	if r.gone || r.end != nil || r.strayLocked() || !r.acceptLocked(seq) {
		r.mu.Unlock()
		return true
	}
	before := len(r.text)
	r.text = append(r.text, text...)
	return r.grewAndUnlock(before)
}

func (r *response) grewAndUnlock(before int) bool {
	grown := len(r.text) - before
	r.running = true
	over := len(r.text)-r.read > r.limit
	if over {
		r.end = fail(Interruption, give, nil, "the answer's reader fell %d bytes behind", len(r.text)-r.read)
	}
	r.mu.Unlock()
	if grown > 0 {
		if before == 0 && r.trace.FirstDelta != nil {
			r.trace.FirstDelta()
		}
		if r.trace.Delta != nil {
			r.trace.Delta(grown)
		}
	}
	r.signal()
	return !over
}

// itemDone compares an item's whole text with what its deltas made: text that never came as a delta is
// delivered now, and text that differs means that something was lost on the way.
func (r *response) itemDone(whole string, at place, seq int) {
	r.mu.Lock()
	if r.gone || r.end != nil || !r.acceptLocked(seq) || at.same(r.lastDone) {
		r.mu.Unlock()
		return
	}
	r.lastDone = at
	before := len(r.text)
	got := string(r.text[r.item:])
	if !strings.HasPrefix(whole, got) {
		r.end = fail(Interruption, again, nil, "the answer arrived with a gap")
		r.mu.Unlock()
		r.signal()
		return
	}
	r.text = append(r.text, whole[len(got):]...)
	r.item = len(r.text)
	r.grewAndUnlock(before)
}

// touch notes an event that carries nothing for the consumer.
func (r *response) touch() {
	r.mu.Lock()
	r.lastEvent = time.Now()
	r.mu.Unlock()
}

func (r *response) start(id string, seq int) {
	r.mu.Lock()
	if r.successor {
		r.numbered, r.lastSeq = false, -1 // it is a response of its own, and counts from 0 again
	}
	if r.end != nil || (r.created && !r.successor) || (id != "" && (id == r.not || id == r.id)) || !r.acceptLocked(seq) {
		r.mu.Unlock()
		return
	}
	if r.successor && r.created {
		r.item, r.lastDone = len(r.text), place{}
	}
	r.successor = false
	r.numbered, r.lastSeq = false, seq
	r.id, r.created = id, true
	r.marks = append(r.marks, mark{len(r.text), Event{Kind: Started, Response: r.handle}})
	r.mu.Unlock()
	if r.trace.Created != nil {
		r.trace.Created()
	}
	r.signal()
}

// begin is the first sign of an answer in a dialect that has no event for it.
func (r *response) begin(id string) {
	r.mu.Lock()
	created := r.created
	r.mu.Unlock()
	if !created {
		r.start(id, -1)
	}
}

// refuse collects what the model says instead of an answer.
func (r *response) refuse(text string) {
	if text == "" {
		return
	}
	r.mu.Lock()
	if r.refusal.Len() < 1000 {
		r.refusal.WriteString(text)
	}
	r.mu.Unlock()
}

func (r *response) progress(seq int) {
	r.mu.Lock()
	ok := r.end == nil && r.acceptLocked(seq) && !r.running
	if ok {
		r.running, r.queued = true, false
	}
	r.mu.Unlock()
	if ok && r.trace.InProgress != nil {
		r.trace.InProgress()
	}
}

// complete ends the response with Done.
func (r *response) complete(ev Event) {
	r.mu.Lock()
	if r.end != nil {
		r.mu.Unlock()
		return
	}
	if refusal := r.refusal.String(); refusal != "" && len(r.text) == 0 {
		r.mu.Unlock()
		r.fail(fail(Refused, give, nil, "the model declined: %s", refusal))
		return
	}
	ev.Kind, ev.Timing = Done, r.timing
	r.marks = append(r.marks, mark{len(r.text), ev})
	r.end = errEnded
	tell := !r.gone && !r.told
	r.told = true
	r.mu.Unlock()
	if r.trace.Terminal != nil && tell {
		r.trace.Terminal(ev.Reason, nil)
	}
	r.signal()
}

// fail ends the response with an error, after the text that has arrived.
func (r *response) fail(f *failure) {
	r.mu.Lock()
	if r.end != nil {
		r.mu.Unlock()
		return
	}
	r.end = f
	r.mu.Unlock()
	r.signal()
}

// drop ends the consumer's interest: nothing is kept, and the transport is told.
func (r *response) drop() {
	r.mu.Lock()
	r.gone = true
	r.text, r.marks = nil, nil
	r.read, r.item, r.base = 0, 0, 0
	r.mu.Unlock()
	r.leave()
}

// freeze stops the consumer at what has arrived and returns that text; thaw lets it go on.
func (r *response) freeze() (kept string, live bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone || r.end != nil || r.frozen >= 0 {
		return "", false
	}
	r.frozen = len(r.text)
	return string(r.text[r.base:]), true
}

func (r *response) thaw() {
	r.mu.Lock()
	r.frozen = -1
	r.mu.Unlock()
	r.signal()
}

// succeed cuts the response at its frozen place; the consumer goes on with next. It reports false when there is no
// consumer any more: who left while the successor was being asked for did not hear of it, and next is the caller's to
// drop.
func (r *response) succeed(next *response) bool {
	r.mu.Lock()
	if r.gone {
		r.mu.Unlock()
		return false
	}
	r.text = r.text[:r.frozen]
	r.frozen = -1
	marks := r.marks[:0]
	for _, m := range r.marks {
		if m.at <= len(r.text) && m.ev.Kind != Done {
			marks = append(marks, m)
		}
	}
	r.marks = marks
	r.next = next
	r.end = errEnded
	r.mu.Unlock()
	r.signal()
	return true
}

// waits are the bounds of one consumer's waiting.
type waits struct {
	first, between, queue time.Duration

	timer *time.Timer
	armed time.Time // when timer fires; it is not set anew for each event, which would cost more than the event
}

// take blocks for the next event. A nil *response and nil *failure come with an event; a *response is the
// successor to go on with; errEnded follows Done.
func (r *response) take(ctx context.Context, w *waits) (Event, *response, *failure, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Event{}, nil, nil, err
		}
		r.mu.Lock()
		limit := len(r.text)
		if r.frozen >= 0 {
			limit = r.frozen
		}
		if len(r.marks) > 0 {
			if m := r.marks[0]; m.at == r.read && (r.frozen < 0 || m.ev.Kind != Done) {
				r.marks = r.marks[1:]
				r.mu.Unlock()
				return m.ev, nil, nil, nil
			} else if m.at < limit {
				limit = m.at
			}
		}
		if r.read < limit {
			text := string(r.text[r.read:limit])
			r.read = limit
			r.mu.Unlock()
			return Event{Kind: Delta, Text: text}, nil, nil, nil
		}
		if r.frozen < 0 {
			if r.next != nil {
				next := r.next
				r.mu.Unlock()
				return Event{}, next, nil, nil
			}
			if r.end != nil {
				end := r.end
				r.mu.Unlock()
				return Event{}, nil, end, nil
			}
		}
		bound, what := w.between, "no event for %v"
		switch {
		case r.queued:
			bound, what = w.queue, "still queued by the endpoint after %v"
		case !r.created || r.successor:
			bound, what = w.first, "no answer within %v"
		}
		last, started := r.lastEvent, len(r.text) > 0
		r.mu.Unlock()

		now, due := time.Now(), last.Add(bound)
		if !due.After(now) {
			f := fail(RetryNow, newSocket, context.DeadlineExceeded, what, bound)
			if started {
				f.err.Kind = Interruption
			} else if r.alive != nil && r.alive(last) {
				f.remedy = again
			}
			return Event{}, nil, f, nil
		}
		if w.armed.Before(now) || w.armed.After(due) {
			w.timer.Reset(due.Sub(now))
			w.armed = due
		}
		select {
		case <-r.wake:
		case <-w.timer.C: // perhaps too early: events have come since it was set
			w.armed = time.Time{}
		case <-ctx.Done():
		}
	}
}

// event applies a frame that scan has looked at, and that is not on the fast path, to its response. It
// returns the failure or the Done that ends it, for the transport to account for; ended is false for all
// other events.
func (r *response) event(k kind, frame []byte, seq int) (served Served, ended bool) {
	switch k {
	case kindTextDelta, kindToolDelta:
		var d delta
		_ = json.Unmarshal(frame, &d) // a field of a strange type leaves the others decoded
		r.push(d.Delta, seqOf(d.Sequence))
	case kindTextDone, kindToolDone:
		var d done
		if err := json.Unmarshal(frame, &d); err != nil {
			r.touch()
		} else if d.Text != nil {
			r.itemDone(*d.Text, d.place, seq)
		} else if d.Input != nil {
			r.itemDone(*d.Input, d.place, seq)
		}
	case kindRefusalDelta:
		var d delta
		_ = json.Unmarshal(frame, &d)
		r.mu.Lock()
		if r.acceptLocked(seq) && r.refusal.Len() < 1000 {
			r.refusal.WriteString(d.Delta)
		}
		r.mu.Unlock()
	case kindRefusalDone:
		var d done
		_ = json.Unmarshal(frame, &d)
		r.mu.Lock()
		if r.acceptLocked(seq) && r.refusal.Len() == 0 {
			r.refusal.WriteString(d.Refusal)
		}
		r.mu.Unlock()
	case kindCreated:
		r.start(idOf(frame), seq)
	case kindQueued:
		r.mu.Lock()
		if r.acceptLocked(seq) {
			r.queued = true
		}
		r.mu.Unlock()
		r.signal() // the bound has changed
	case kindInProgress:
		r.progress(seq)
	case kindTiming:
		r.mu.Lock()
		var t timing
		if json.Unmarshal(frame, &t) == nil {
			r.timing = &Timing{Queue: t.Metrics.Queue, Prepare: t.Metrics.PreInfer, FirstToken: t.Metrics.TTFT, PerToken: t.Metrics.BetweenTok}
		}
		r.lastEvent = time.Now()
		r.mu.Unlock()
	case kindCompleted, kindIncomplete, kindCancelled, kindFailed:
		return r.finish(k, frame)
	case kindError:
		var e errorEvent
		_ = json.Unmarshal(frame, &e)
		r.fail(e.failure())
		return Served{}, true
	case kindSteerAccepted, kindSteerPending:
		r.touch()
		r.mu.Lock()
		r.successor = true
		r.mu.Unlock()
		select {
		case r.steered <- steerReply{ok: true}:
		default:
		}
	case kindSteerFailed:
		r.touch()
		var e steerEvent
		_ = json.Unmarshal(frame, &e)
		f := classify(400, wireError{Message: "the endpoint refused the steer"}, nil)
		if e.Error != nil {
			f = classify(400, *e.Error, nil)
		}
		select {
		case r.steered <- steerReply{err: f}:
		default:
		}
	default:
		r.touch()
	}
	return Served{}, false
}

func (r *response) finish(k kind, frame []byte) (Served, bool) {
	var l lifecycle
	_ = json.Unmarshal(frame, &l)
	r.mu.Lock()
	stray := l.Response.ID != "" && r.lane != nil && (l.Response.ID == r.not || (r.created && l.Response.ID != r.id))
	r.mu.Unlock()
	if stray {
		return Served{}, false
	}
	served := Served{Model: l.Response.Model, Tier: l.Response.ServiceTier, Usage: l.Response.Usage.tokens()}
	ev := Event{Usage: served.Usage, Model: served.Model, Tier: served.Tier, Reason: Complete}
	switch k {
	case kindFailed:
		w := wireError{Message: "the endpoint failed"}
		if l.Response.Error != nil {
			w = *l.Response.Error
		}
		r.fail(classify(0, w, w.Headers.get))
		return served, true
	case kindCancelled:
		r.fail(fail(Interruption, give, nil, "the endpoint cancelled the answer"))
		return served, true
	case kindIncomplete:
		ev.Reason = Truncated
		if l.Response.Incomplete != nil && l.Response.Incomplete.Reason != "" {
			ev.Reason = Reason(l.Response.Incomplete.Reason)
		}
	}
	r.mu.Lock()
	silent := len(r.text) == 0 && r.refusal.Len() == 0
	successor := r.successor
	if successor {
		r.lastEvent = time.Now()
	}
	r.mu.Unlock()
	if successor && (ev.Reason == Steered || ev.Reason == Complete) {
		return served, false // its successor comes by itself, on the same lane
	}
	if silent && k == kindCompleted && !r.abandoned() {
		var o output
		if json.Unmarshal(frame, &o) == nil {
			text, refusal := o.text()
			r.mu.Lock()
			r.refusal.WriteString(refusal)
			r.mu.Unlock()
			if text != "" {
				r.push(text, -1)
			}
		}
	}
	r.complete(ev)
	return served, true
}

func (r *response) abandoned() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone
}

// served tells whether the endpoint has answered to a proper end.
func (r *response) served() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end == errEnded
}

func (r *response) ident() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.id
}

// awaitsSuccessor tells whether a steer has been accepted whose answer has not begun.
func (r *response) awaitsSuccessor() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.successor && r.end == nil
}

// soFar is the text since the last call of delivered.
func (r *response) soFar() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.text[r.base:])
}

// delivered is the text handed out since the last call of delivered.
func (r *response) delivered() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := string(r.text[r.base:r.read])
	r.base = r.read
	return text
}

// tell claims the one call of Trace.Terminal.
func (r *response) tell() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.told
	r.told = true
	return !told
}

func seqOf(p *int) int {
	if p == nil {
		return -1
	}
	return *p
}
