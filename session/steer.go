package session

import (
	"context"
	"time"
)

// Outcome is what became of a steer: exactly one of these.
type Outcome string

const (
	SteerApplied Outcome = "applied" // the answer was cut here; its successor, which has read the steer, goes on in the same loop
	SteerQueued  Outcome = "queued"  // the endpoint has taken it and applies it after its present step
	SteerRefused Outcome = "refused" // nothing has changed; the error says why
)

// Steer redirects an answer in progress. h comes from its Started event.
//
// An edit or a completion is one item of output, for whose end response.steer would wait. So it is cut at
// once: what has arrived is kept, as the model's own words, and the request is sent again with that and
// with input after it. The loop over the answer goes on: it delivers the kept text to its end, then a
// second Started, then what the successor writes, which continues after the kept text. A Deep answer is
// steered by the endpoint where it can, since further items are ahead of it there.
//
// It may be called from within the loop. The error is nil unless the outcome is SteerRefused.
func (s *Session) Steer(ctx context.Context, h Handle, input []Part) (Outcome, error) {
	refuse := func(f *failure) (Outcome, error) { return SteerRefused, s.clean(f.err) }
	s.mu.Lock()
	c := s.calls[h.id]
	s.mu.Unlock()
	if c == nil {
		return refuse(fail(Bug, give, nil, "the answer has ended already"))
	}
	if s.proto.fim {
		return refuse(fail(Unsupported, give, nil, "this model follows no instructions"))
	}
	r := c.last()
	if c.req.Job == Deep && r != nil && r.lane != nil {
		out, err, settled := s.steerThere(ctx, c, r, input)
		if settled {
			return out, err
		}
	}
	return s.steerHere(ctx, c, input)
}

// steerHere cuts the answer and sends its successor.
func (s *Session) steerHere(ctx context.Context, c *call, input []Part) (Outcome, error) {
	c.steering.Lock() // two steers of one answer follow each other
	defer c.steering.Unlock()
	old := c.last()
	if old == nil {
		return SteerRefused, &Error{Kind: Bug, Message: "the answer has not begun"}
	}
	c.mu.Lock()
	longer := c.req
	longer.Input = append(append(append([]Part(nil), longer.Input...), c.parts...), input...)
	c.mu.Unlock()
	longer.Input = append(longer.Input, Part{Assistant, old.soFar()})
	if err := s.measure(&longer); err != nil {
		return SteerRefused, err
	}
	kept, live := old.freeze()
	if !live {
		return SteerRefused, &Error{Kind: Bug, Message: "the answer has ended already"}
	}
	c.mu.Lock()
	before := c.parts
	parts := append([]Part(nil), before...)
	if kept != "" {
		parts = append(parts, Part{Assistant, kept})
	}
	parts = append(parts, input...)
	delivered := c.delta
	c.parts = parts
	c.mu.Unlock()

	next, f, err := s.begin(ctx, c, &attempts{})
	if f != nil || err != nil {
		c.mu.Lock()
		c.parts, c.cur, c.delta = before, old, delivered
		c.mu.Unlock()
		old.thaw()
		if err != nil {
			return SteerRefused, err
		}
		return SteerRefused, s.clean(f.err)
	}
	if !old.succeed(next) {
		next.drop()
		return SteerRefused, &Error{Kind: Bug, Message: "the answer was left"}
	}
	old.leave()
	return SteerApplied, nil
}

// steerThere lets the endpoint do it. settled is false when it cannot, and the answer still goes on.
func (s *Session) steerThere(ctx context.Context, c *call, r *response, input []Part) (Outcome, error, bool) {
	id := r.ident()
	s.mu.Lock()
	l := r.lane
	ok := id != "" && l.resp == r && !l.draining && !s.nosteer && l.k.steering == nil &&
		l.k.enqueue(outgoing{data: encode(steer{Type: "response.steer", PreviousResponseID: id, Input: items(nil, input...)})})
	if ok {
		l.k.steering = r
	}
	s.mu.Unlock()
	if !ok {
		return SteerRefused, nil, false
	}
	defer func() {
		s.mu.Lock()
		l.k.steering = nil
		s.mu.Unlock()
	}()
	timer := time.NewTimer(s.cfg.Timeouts.FirstEvent)
	defer timer.Stop()
	select {
	case reply := <-r.steered:
		if reply.ok {
			c.mu.Lock()
			c.pending = input
			c.mu.Unlock()
			return SteerQueued, nil, true
		}
		if reply.err.err.Code == "invalid_input" {
			return SteerRefused, s.clean(reply.err.err), true
		}
		if reply.err.err.Code == "steering_not_supported" {
			s.mu.Lock()
			s.nosteer = true
			s.mu.Unlock()
		}
		return SteerRefused, nil, false
	case <-ctx.Done():
		return SteerRefused, ctx.Err(), true
	case <-s.ctx.Done():
		return SteerRefused, &Error{Kind: FallBack, Message: "the session was closed", Err: ErrClosed}, true
	case <-timer.C:
		s.mu.Lock()
		s.nosteer = true
		s.mu.Unlock()
		return SteerRefused, nil, false
	}
}
