package session

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// call is one Stream from its first range to its end. Its request changes when it is steered.
type call struct {
	s  *Session
	id uint64

	mu    sync.Mutex // guards what follows; taken after Session.mu, before response.mu
	req   Request
	cur   *response
	parts []Part // of a steered call: what follows Input
	delta bool   // text of cur has been delivered
	begun bool   // Started has been delivered, for this answer or the successor that a steer has made
	slow  int    // attempts that were given up for want of an event; belongs to run

	pending  []Part     // a steer that the endpoint has accepted and not yet applied
	steering sync.Mutex // held by a steer in progress; taken before Session.mu
}

// attempts counts what a call has already tried, so that every recovery happens a bounded number of times.
type attempts struct {
	total   int
	sockets int
	pauses  int
	waited  time.Duration // for limits to pass
	full    bool          // resend without a base
	http    bool          // the WebSocket has had its chances
}

const maxAttempts = 8

// Stream asks the endpoint and returns the answer as it comes. The request is sent when the sequence is
// first ranged over, once; ranging again yields an error. The sequence ends after Done, after the first
// error (an *Error, or ctx.Err()), or when the caller leaves the loop; in the last case the answer is
// abandoned at no cost to the caller, and the session is ready for the next request at once.
//
// Failures before the first Delta are recovered from where that is possible, without a trace but for
// Request.Trace.Again. After a Delta nothing is ever sent again: the error is of kind Interruption then.
func (s *Session) Stream(ctx context.Context, req Request) iter.Seq2[Event, error] {
	var once atomic.Bool
	return func(yield func(Event, error) bool) {
		if once.Swap(true) {
			yield(Event{}, &Error{Kind: Bug, Message: "this answer has been read already"})
			return
		}
		if req.Trace == nil {
			req.Trace = &Trace{}
		}
		err := s.run(ctx, req, yield)
		if err != nil {
			if req.Trace.Terminal != nil {
				req.Trace.Terminal("", err)
			}
			yield(Event{}, err)
		}
	}
}

// errLeft says that the caller has left the loop.
var errLeft = errors.New("left")

func (s *Session) run(ctx context.Context, req Request, yield func(Event, error) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.measure(&req); err != nil {
		return err
	}
	c := &call{s: s, req: req}
	s.mu.Lock()
	s.nextID++
	c.id = s.nextID
	s.calls[c.id] = c
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.calls, c.id)
		s.mu.Unlock()
	}()

	var try attempts
	for {
		r, f, err := s.begin(ctx, c, &try)
		if err != nil {
			return err
		}
		if f == nil {
			f, err = c.consume(ctx, r, yield)
			switch {
			case err == errLeft:
				if req.Trace.Terminal != nil && c.last().tell() {
					req.Trace.Terminal(Interrupted, nil)
				}
				return nil
			case err != nil:
				return err
			case f == nil:
				return nil
			}
		}
		if f.err.Kind == Reauthenticate {
			s.unaccepted(f)
		}
		c.mu.Lock()
		delivered := c.delta
		c.mu.Unlock()
		if delivered {
			if f.err.Kind != Refused {
				broken := *f.err
				broken.Kind = Interruption
				return s.clean(&broken)
			}
			return s.clean(f.err)
		}
		more, err := s.recover(ctx, c, f, &try)
		if err != nil {
			return err
		}
		if !more {
			return s.clean(f.err)
		}
		if errors.Is(f.err, context.DeadlineExceeded) {
			c.slow++
		}
		if req.Trace.Again != nil {
			req.Trace.Again(s.clean(f.err))
		}
	}
}

// last is the response that the call has now.
func (c *call) last() *response {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cur
}

// waits are the bounds for one attempt, of which slow have been given up before for want of an event. Each is given
// twice the time of the one before: a dead connection is noticed soon, and an endpoint that is just slow (a prompt to be
// read, a queue that says nothing) answers in the end.
func (s *Session) waits(job Job, slow int) waits {
	t := s.cfg.Timeouts
	w := waits{first: t.FirstEvent, between: t.InterEvent, queue: t.Queue, timer: time.NewTimer(time.Hour)}
	s.mu.Lock()
	effort := s.effortLocked(job)
	s.mu.Unlock()
	if job == Deep || effort == "high" || effort == "xhigh" || effort == "max" {
		w.between *= 6 // it thinks, and most endpoints do so in silence
	}
	if s.cfg.Dialect != Responses { // where the first is long already
		w.between = max(w.between, w.first)
		return w
	}
	w.first, w.between = w.first<<slow, w.between<<slow
	return w
}

// tokenBytes is more than a token of any text is on average. Endpoints count tokens and we do not, so an answer is only
// taken for one without an end when it is several times as long as it may be.
const tokenBytes = 16

// consume hands events to the caller until the answer ends. It returns nil, nil after Done.
//
// An answer that goes on far beyond the request's bound is cut: some endpoints take no max_output_tokens (see
// session.without), or do not heed it, and a model that repeats itself would write into the user's buffer, and fill our
// memory, for as long as it is let.
func (c *call) consume(ctx context.Context, r *response, yield func(Event, error) bool) (*failure, error) {
	bounds := c.s.waits(c.req.Job, c.slow)
	defer bounds.timer.Stop()
	// A panic in the caller's loop body must not leave the response running either.
	done := false
	defer func() {
		if !done {
			c.last().drop()
		}
	}()
	said, most := 0, tokenBytes*c.s.outputBound(c.req.Job, c.req.MaxOutputTokens)
	for {
		ev, next, f, err := r.take(ctx, &bounds)
		switch {
		case err != nil:
			return nil, err
		case next != nil:
			r, said = next, 0
			c.mu.Lock()
			c.delta, c.begun = false, false
			c.mu.Unlock()
			continue
		case f == errEnded:
			done = true
			return nil, nil
		case f != nil && r.awaitsSuccessor():
			// The steer was accepted, but its answer does not come. It is not lost: ask ourselves.
			c.mu.Lock()
			input := c.pending
			c.pending = nil
			c.mu.Unlock()
			if out, _ := c.s.steerHere(ctx, c, input); out != SteerApplied {
				return f, nil
			}
			continue
		case f != nil:
			if errors.Is(f.err, context.DeadlineExceeded) {
				c.s.silent(r, f.remedy != newSocket)
			}
			return f, nil
		}
		switch ev.Kind {
		case Delta:
			if said > most {
				if c.req.Trace.Terminal != nil && c.last().tell() {
					c.req.Trace.Terminal(Truncated, nil)
				}
				yield(Event{Kind: Done, Reason: Truncated}, nil)
				return nil, nil
			}
			said += len(ev.Text)
			c.mu.Lock()
			c.delta = true
			c.mu.Unlock()
		case Started:
			said = 0
			c.mu.Lock()
			if c.pending != nil { // the endpoint's own successor, on the same lane
				if kept := r.delivered(); kept != "" {
					c.parts = append(c.parts, Part{Assistant, kept})
				}
				c.parts = append(c.parts, c.pending...)
				c.pending, c.delta, c.begun = nil, false, false
			}
			again := c.begun
			c.begun = true
			c.mu.Unlock()
			if again {
				continue // a further attempt; to the caller it is the same answer
			}
		}
		if ev.Kind == Done {
			done = true
			if ev.Reason == Complete {
				c.s.remember(c, r)
			}
			yield(ev, nil)
			return nil, nil
		}
		if !yield(ev, nil) {
			return nil, errLeft
		}
	}
}

// recover decides whether a call is tried again, after it has waited if it must.
func (s *Session) recover(ctx context.Context, c *call, f *failure, try *attempts) (bool, error) {
	if try.total++; try.total >= maxAttempts {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, nil
	}
	pause := func(d time.Duration) (bool, error) {
		if d > patience(c.req.Job) {
			return false, nil
		}
		s.mu.Unlock()
		defer s.mu.Lock()
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return true, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case <-s.ctx.Done():
			return false, nil
		}
	}
	if r := c.last(); r != nil && r.chained && f.param == "previous_response_id" {
		f.remedy = resendFull // it knows no continuation at all, and did know the rest
	}
	switch f.remedy {
	case resendFull:
		if try.full {
			return false, nil
		}
		try.full = true
		s.forgetBaseLocked(c)
		return true, nil
	case newSocket:
		if try.sockets++; try.sockets > 2 {
			if s.cfg.Transport != Auto || try.http {
				return false, nil
			}
			try.http = true
		}
		return true, nil
	case wait:
		d := time.Duration(f.err.RetryAfter) * time.Millisecond
		if d == 0 {
			d = backoff(max(s.cfg.Timeouts.Backoff, time.Millisecond)*4, try.pauses)
			f.err.RetryAfter = int(d.Milliseconds())
		}
		try.pauses++
		s.limitLocked(time.Now().Add(d))
		s.mu.Unlock()
		s.publish()
		s.mu.Lock()
		if try.waited += d; try.waited > patience(c.req.Job) { // all of them together
			return false, nil
		}
		return pause(d)
	case again:
		if try.pauses++; try.pauses > 2 {
			return false, nil
		}
		return pause(backoff(s.cfg.Timeouts.Backoff, try.pauses-1))
	case otherTier:
		if s.fallback < len(s.cfg.Fallbacks) {
			s.fallback++
			s.fallbackUntil = time.Now().Add(time.Minute)
			s.afterLocked(time.Minute+time.Millisecond, s.publish)
			s.mu.Unlock()
			s.publish()
			s.mu.Lock()
			return true, nil
		}
		return false, nil
	}
	return s.adaptLocked(f), nil
}

// forgetBaseLocked drops the base that the endpoint no longer holds; the next request warms it again.
func (s *Session) forgetBaseLocked(c *call) {
	c.mu.Lock()
	r, parts := c.cur, c.req.Base
	c.mu.Unlock()
	if r == nil || r.lane == nil || r.chained {
		return
	}
	if b := s.findLocked(c.req.Job, parts); b != nil {
		if l := r.lane.k.bases[b]; l != nil {
			l.base, l.id = nil, ""
			delete(r.lane.k.bases, b)
		}
	}
}

// adaptLocked learns from a refusal what the endpoint cannot do, and tells whether asking again, changed
// accordingly, makes sense.
func (s *Session) adaptLocked(f *failure) bool {
	switch f.remedy {
	case noLanes:
		if s.lanes == No && f.err.Code != "response_already_in_flight" && f.err.Code != "websocket_queue_full" {
			return false
		}
		s.noLanesLocked()
		return true
	case dropParam:
		if f.param == "generate" {
			s.nowarm = true
			return true
		}
		if s.without[f.param] || f.param == "store" {
			return false
		}
		s.without[f.param] = true
		return true
	case stepEffort:
		steps := []string{"none", "minimal", "low", "medium", "high"}
		now := orElse(s.effort, s.cfg.ReasoningEffort)
		for i, e := range steps[:len(steps)-1] {
			if e == now {
				s.effort = steps[i+1]
				return true
			}
		}
		if s.without["reasoning"] {
			return false
		}
		s.without["reasoning"] = true
		return true
	}
	return false
}

// onHTTPLocked tells whether requests go over HTTP now although a WebSocket is preferred.
func (s *Session) onHTTPLocked() bool {
	if s.cfg.Transport != Auto {
		return s.cfg.Transport == HTTP
	}
	for _, k := range s.sockets {
		if k.live() {
			return false
		}
	}
	return time.Now().Before(s.httpUntil)
}

// begin sends a call's request over the best way there is, and waits for one if there is none yet.
func (s *Session) begin(ctx context.Context, c *call, try *attempts) (*response, *failure, error) {
	c.mu.Lock()
	req, parts := c.req, c.parts
	c.mu.Unlock()
	r := newResponse(s.cfg.BufferLimit, req.Trace, Handle{c.id})

	s.mu.Lock()
	s.used = time.Now()
	s.wokenLocked()
	b := s.findLocked(req.Job, req.Base)
	dials, began, queued := s.dials, time.Now(), false
	var l *lane
	var id string
	var ch *chain
	for l == nil {
		now := time.Now()
		if err := ctx.Err(); err != nil {
			s.mu.Unlock()
			return nil, nil, err
		}
		if s.closed {
			s.mu.Unlock()
			return nil, fail(FallBack, give, ErrClosed, "the session was closed"), nil
		}
		if left := s.limitedUntil.Sub(now); left > 0 {
			if try.waited+left > patience(req.Job) {
				s.mu.Unlock()
				f := fail(RetryAfter, give, nil, "the endpoint's rate limit is reached")
				f.err.RetryAfter = int(left.Milliseconds()) + 1
				return nil, f, nil
			}
			timer := s.afterLocked(left, func() { s.mu.Lock(); s.broadcastLocked(); s.mu.Unlock() })
			err := s.wait(ctx)
			s.stopLocked(timer)
			try.waited += time.Since(now)
			if err != nil {
				s.mu.Unlock()
				return nil, nil, err
			}
			continue
		}
		if s.authErr != nil && now.Before(s.authUntil) {
			f := s.authErr
			s.mu.Unlock()
			return nil, &failure{err: f.err}, nil
		}
		if try.http || s.onHTTPLocked() {
			s.mu.Unlock()
			return s.beginHTTP(c, r, req, parts)
		}
		if s.cfg.Transport == WebSocket && s.dials > dials && s.dialErr != nil && !s.dialling {
			f := s.dialErr
			s.mu.Unlock()
			return nil, &failure{err: f.err, remedy: f.remedy}, nil
		}
		if ch = nil; !try.full && len(s.chains) > 0 && req.Job != Completion {
			ch = s.chainLocked(req.Job, slices.Concat(req.Base, req.Input, parts))
		}
		if ch != nil && ch.lane.resp == ch.r { // its end was heard a moment before the reader gives the lane back
			if err := s.wait(ctx); err != nil {
				s.mu.Unlock()
				return nil, nil, err
			}
			continue
		}
		if ch != nil && ch.lane.resp == nil && ch.lane.k.inFlight < maxInFlight {
			l, id = ch.lane, ch.r.ident()
			break
		}
		ch = nil
		if l, id = s.pickLocked(b, try.full); l != nil {
			break
		}
		most := orElse(s.cfg.MaxSockets, 3)
		if s.lanes == No {
			most = orElse(s.cfg.MaxSockets, 6)
		}
		if len(s.sockets) < most {
			s.dialLocked()
		}
		if s.lanes == No && len(s.sockets) > 0 && s.cfg.Transport == Auto {
			// Every socket of the pool is busy or draining. The endpoint's HTTP side has no such limit and
			// its connection is kept open, so it is faster than a dial and certainly than a queue.
			s.mu.Unlock()
			return s.beginHTTP(c, r, req, parts)
		}
		if !queued {
			queued = true
			if req.Trace.Queued != nil {
				s.mu.Unlock()
				req.Trace.Queued()
				s.mu.Lock()
				continue
			}
		}
		// All lanes are taken, perhaps only by answers that nobody waits for. They come to their end by
		// themselves, soon where the endpoint interrupts, and this request may be superseded before: it is
		// never sent then. To make room by closing such a socket would cost the next request a dial and
		// every base that was warm there.
		timer := s.hangUpLocked()
		err := s.wait(ctx)
		s.stopLocked(timer)
		if err != nil {
			s.mu.Unlock()
			return nil, nil, err
		}
	}
	frame := s.frameLocked(req.Job, req.MaxOutputTokens, orElse(req.CacheKey, cacheKeyIf(b, req.Base)))
	s.placeLocked(l, r, req.Job)
	switch {
	case ch != nil:
		r.chained, frame.PromptCacheKey = true, ch.cacheKey
	case id != "":
		frame.PromptCacheKey = b.cacheKey // what the base was warmed under
		if src := l.k.bases[b]; src != l {
			src.forks++
			src.used = time.Now()
			l.from = src
		}
	}
	r.cacheKey = frame.PromptCacheKey
	if l.name == "" {
		// One lane keeps one response: whatever was warm there is used up now, by this request or for
		// nothing, and is warmed again when it has ended.
		for w := range l.k.bases {
			delete(l.k.bases, w)
			l.base = w
		}
		if b != nil {
			l.base = b
		}
		if l.base != nil && l.base.size < 4<<10 {
			l.base = nil // sending it along costs less than a round trip for it
		}
	}
	if b != nil && id == "" && l.k.warming[b] == nil && l.name != "" && !s.nowarm {
		// Somebody wants this base warm, but this socket does not hold it (any more).
		k := l.k
		s.spawnLocked(func() {
			ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeouts.Queue)
			defer cancel()
			_ = s.warmOn(ctx, k, b)
		})
	}
	spare := s.spareLocked(l.k)
	s.mu.Unlock()
	if spare {
		s.mu.Lock()
		s.dialLocked()
		s.mu.Unlock()
	}
	if t := req.Trace; s.dialedSince(dials) && t.Dialled != nil {
		t.Dialled(time.Since(began))
	} else if t.Reused != nil {
		t.Reused(id != "")
	}

	frame.Type, frame.StreamID, frame.PreviousResponseID = "response.create", l.name, id
	said := slices.Concat(req.Base, req.Input, parts)
	switch {
	case ch != nil:
		said = said[len(ch.parts):]
	case id != "":
		said = said[len(req.Base):]
	}
	frame.Input = items(make([]item, 0, len(said)), said...)
	data := encode(frame)
	if len(data) > maxFrame {
		s.unplace(l, r)
		return nil, fail(TooLong, give, nil, "the request has %d bytes, the endpoint takes %d", len(data), maxFrame), nil
	}
	if err := ctx.Err(); err != nil && l.name != "" { // the unnamed lane's base is spent already, and is warmed again by the answer's end
		s.unplace(l, r)
		return nil, nil, err
	}
	if f := s.sendOn(l, r, data, req.Trace); f != nil {
		return nil, f, nil
	}
	c.mu.Lock()
	c.cur, c.delta = r, false
	c.mu.Unlock()
	return r, nil, nil
}

func cacheKeyIf(b *base, parts []Part) string {
	switch {
	case b != nil:
		return b.cacheKey
	case len(parts) > 0:
		return cacheKeyOf(parts)
	}
	return ""
}

func (s *Session) dialedSince(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials > n
}

// pickLocked chooses a lane: on a socket where the base is warm if there is one, else on the newest. id is
// the response to fork from, "" when the request must go in full.
func (s *Session) pickLocked(b *base, full bool) (l *lane, id string) {
	for i := len(s.sockets) - 1; i >= 0; i-- {
		k := s.sockets[i]
		free := k.freeLocked()
		if free == nil {
			continue
		}
		if b != nil && !full {
			if src := k.bases[b]; src != nil && src.id != "" && (src.resp == nil) {
				return free, src.id
			}
		}
		if l == nil {
			l = free
		}
	}
	return l, ""
}

// spareLocked tells whether a further socket should be made ready: when this one's lanes run out, so that
// no request ever waits for a dial.
func (s *Session) spareLocked(k *socket) bool {
	most, room := orElse(s.cfg.MaxSockets, 3), 0
	if s.lanes == No {
		most = orElse(s.cfg.MaxSockets, 6)
	}
	if len(s.sockets) >= most {
		return false
	}
	for _, o := range s.sockets {
		if !o.live() {
			continue
		}
		if s.lanes == No {
			if o.inFlight == 0 {
				room += 4
			}
		} else {
			room += requestLanes - o.inFlight
		}
	}
	return room < 4
}

// placeLocked puts a response on a lane.
func (s *Session) placeLocked(l *lane, r *response, job Job) {
	k := l.k
	s.unchainLocked(l)
	l.resp, l.job, l.draining, l.wantInterrupt, l.warmup = r, job, false, false, false
	k.inFlight++
	r.leave = func() { s.abandon(l, r) }
	r.alive = k.aliveSince
	r.lane, r.not = l, l.last
}

// unplace takes it off again before anything was sent.
func (s *Session) unplace(l *lane, r *response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.resp == r {
		l.forkedLocked()
		l.resp, l.warmup = nil, false
		if l.k.inFlight--; l.k.retired && l.k.inFlight == 0 {
			l.k.close()
		}
		s.broadcastLocked()
	}
}

// sendOn hands a frame to a lane's writer, in the order in which an endpoint without lanes will answer.
func (s *Session) sendOn(l *lane, r *response, data []byte, trace *Trace) *failure {
	s.mu.Lock()
	k := l.k
	if l.resp != r { // the socket was lost meanwhile, and has failed r
		s.mu.Unlock()
		return fail(RetryNow, newSocket, nil, "the connection was lost before the request was sent")
	}
	k.fifo = append(k.fifo, l)
	r.touch()
	ok := k.enqueue(outgoing{data: data, trace: trace})
	s.mu.Unlock()
	if !ok {
		s.suspect(k)
		return fail(RetryNow, newSocket, nil, "the endpoint does not read")
	}
	return nil
}

// abandon leaves a response to itself: interrupted where the endpoint can, else drained. It costs the
// caller nothing; the next request goes on another lane.
func (s *Session) abandon(l *lane, r *response) {
	s.mu.Lock()
	if l.resp != r || l.draining {
		s.mu.Unlock()
		return
	}
	l.draining, l.wantInterrupt, l.heard = true, true, time.Now()
	delete(s.queuedSince, r)
	s.mu.Unlock()
	s.interruptIfWanted(l, r)
}

// hangUpLocked ends the sockets whose every answer was abandoned and has then fallen silent for longer than
// an endpoint may be between two events: their ends will never come, and no lane of theirs is ever free
// again. It returns a timer that wakes those who wait for a lane when the next socket may be like that.
func (s *Session) hangUpLocked() *time.Timer {
	now := time.Now()
	var next time.Time
	for _, k := range s.sockets {
		heard, ok := k.drainingSinceLocked()
		if !ok || k.dead {
			continue
		}
		due := heard.Add(max(s.cfg.Timeouts.InterEvent, s.cfg.Timeouts.FirstEvent))
		if !due.After(now) {
			k.retired = true
			k.close()
		} else if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	if next.IsZero() {
		return nil
	}
	return s.afterLocked(next.Sub(now)+time.Millisecond, func() { s.mu.Lock(); s.broadcastLocked(); s.mu.Unlock() })
}

// interruptIfWanted sends response.interrupt once the response's id is known. At an endpoint that has not
// been asked yet, the first one is a probe, and until it is decided all others drain.
func (s *Session) interruptIfWanted(l *lane, r *response) {
	id := r.ident()
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" || l.resp != r || !l.wantInterrupt || s.interrupt == No {
		return
	}
	if s.interrupt == Unknown {
		if s.probing || s.probes >= maxProbes {
			return
		}
		s.probing = true
		s.probes++
		l.k.probe = l
		s.afterLocked(s.cfg.Timeouts.Interrupt, func() {
			s.mu.Lock()
			// A probe whose response ended meanwhile has told nothing, and the next one has its own time.
			if s.interrupt == Unknown && l.k.probe == l && l.resp == r {
				s.interrupt, s.probing = No, false
				l.k.probe = nil
			}
			s.mu.Unlock()
		})
	}
	l.wantInterrupt = false
	l.k.probed = true
	l.k.enqueue(outgoing{data: encode(interrupt{Type: "response.interrupt", ResponseID: id, Mode: "discard_partial_items"})})
}

// interruptLocked settles whether the endpoint knows response.interrupt.
func (s *Session) interruptLocked(k *socket, v Support) {
	if s.interrupt == Unknown {
		s.interrupt = v
	}
	s.probing = false
	k.probe = nil
}

// silent deals with a response that got no event in time. A socket that has shown life meanwhile loses only
// the lane, unless it has no other.
func (s *Session) silent(r *response, alive bool) {
	if r.lane == nil {
		return
	}
	s.mu.Lock()
	keep := alive && s.lanes != No
	s.mu.Unlock()
	if !keep {
		s.suspect(r.lane.k)
	}
}

// clean makes an error fit to leave the session.
func (s *Session) clean(e *Error) *Error {
	out := *e
	out.Message = redact(out.Message, s.cfg.Key)
	out.Code = redact(out.Code, s.cfg.Key)
	return &out
}

// cause is the last error of a chain's text without addresses and URLs repeated by every layer.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return cause(u.Err)
	}
	var o *net.OpError
	if errors.As(err, &o) && o.Err != nil && o.Op != "dial" {
		return o.Err
	}
	return err
}
