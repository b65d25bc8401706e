package session

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"time"
)

const (
	maxBases = 8 // that are kept warm at once; the least recently used goes first
	// maxRewarm bounds the bytes of the bases that a new connection is warmed with ahead of any request. They are
	// billed; what is not among them is warmed by the first request that needs it.
	maxRewarm = 128 << 10
)

// base is a prefix that Warm was asked to keep ready, on whichever sockets there are. It lives until it is
// pushed out of the session's list.
type base struct {
	job      Job
	parts    []Part
	cacheKey string
	size     int // bytes
	used     time.Time
}

// cacheKeyOf names a prefix to the endpoint's router. One key for all would put more than its 15 requests a
// minute on one machine; a key of the content spreads over files by itself.
func cacheKeyOf(parts []Part) string {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p.Role))
		h.Write([]byte{0})
		h.Write([]byte(p.Text))
	}
	return fmt.Sprintf("spark-lsp:%016x", h.Sum64())
}

// findLocked returns the base with this content, nil when Warm was never asked for it.
func (s *Session) findLocked(job Job, parts []Part) *base {
	for i, b := range s.bases {
		if b.job == job && slices.Equal(b.parts, parts) {
			s.bases = append(append(s.bases[:i:i], s.bases[i+1:]...), b)
			b.used = time.Now()
			return b
		}
	}
	return nil
}

// Warm makes a base ready: later requests of the same job whose Base has this content send only their
// Input. It returns when the endpoint holds the base, or with a reason why it does not (an *Error or
// ctx.Err()); requests then go in full, so the caller may ignore it. Warming again what is warm costs
// nothing; warming something new is billed by the endpoint as input.
//
// Where there is nothing to hold a base (HTTP), Warm makes sure of an open connection.
func (s *Session) Warm(ctx context.Context, job Job, parts []Part) error {
	return s.WarmFor(ctx, job, parts, "")
}

// WarmFor is Warm with the prompt_cache_key of what the base belongs to, see Request.CacheKey: a base that takes the
// place of another one of the same file then finds the beginning that they share in the endpoint's cache. "" is a key
// of the content.
func (s *Session) WarmFor(ctx context.Context, job Job, parts []Part, cacheKey string) error {
	s.mu.Lock()
	s.used = time.Now()
	b := s.findLocked(job, parts)
	if b == nil {
		b = &base{job: job, parts: slices.Clone(parts), cacheKey: cacheKey, used: time.Now()}
		if cacheKey == "" {
			b.cacheKey = cacheKeyOf(parts)
		}
		for _, p := range parts {
			b.size += len(p.Text)
		}
		s.bases = append(s.bases, b)
		if len(s.bases) > maxBases {
			s.bases = slices.Delete(s.bases, 0, 1)
		}
	}
	dials := s.dials
	for {
		if s.closed {
			s.mu.Unlock()
			return &Error{Kind: FallBack, Message: "the session was closed", Err: ErrClosed}
		}
		if s.cfg.Transport == HTTP || s.onHTTPLocked() {
			s.mu.Unlock()
			return s.preconnect(ctx)
		}
		if n := len(s.sockets); n > 0 && s.sockets[n-1].live() {
			k := s.sockets[n-1]
			s.mu.Unlock()
			if err := s.warmOn(ctx, k, b); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return err
			}
			return nil
		}
		if s.dials > dials && s.dialErr != nil {
			err := s.dialErr.err
			s.mu.Unlock()
			return s.clean(err)
		}
		s.dialLocked()
		if err := s.wait(ctx); err != nil {
			s.mu.Unlock()
			return err
		}
	}
}

// rewarm warms a base in the background.
func (s *Session) rewarm(k *socket, b *base) {
	s.spawn(func() {
		ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeouts.Queue)
		defer cancel()
		_ = s.warmOn(ctx, k, b) // without it requests go in full
	})
}

// warmOn warms a base on one socket. Two callers for the same base share one warm-up.
func (s *Session) warmOn(ctx context.Context, k *socket, b *base) error {
	for try := 0; ; try++ {
		f, err := s.warmOnce(ctx, k, b)
		if err != nil {
			return err
		}
		if f == nil {
			return nil
		}
		s.mu.Lock()
		retry := try < 4 && k.live() && s.adaptLocked(f)
		s.mu.Unlock()
		if !retry {
			return s.clean(f.err)
		}
	}
}

func (s *Session) warmOnce(ctx context.Context, k *socket, b *base) (*failure, error) {
	s.mu.Lock()
	var l *lane
	// It counts as being warmed already while it waits for a lane: under load every request would start a
	// further warm-up of the same base otherwise.
	var ready chan struct{}
	defer func() {
		if ready == nil {
			return
		}
		s.mu.Lock()
		delete(k.warming, b)
		s.broadcastLocked()
		s.mu.Unlock()
		close(ready)
	}()
	for l == nil {
		switch {
		case s.nowarm || k.bases[b] != nil:
			s.mu.Unlock()
			return nil, nil
		case !k.live():
			s.mu.Unlock()
			return fail(RetryNow, give, nil, "the connection ended before the base was warm"), nil
		}
		if ch := k.warming[b]; ch != nil && ready == nil {
			s.mu.Unlock()
			select {
			case <-ch:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			s.mu.Lock()
			continue
		}
		if ready == nil {
			ready = make(chan struct{})
			k.warming[b] = ready
		}
		if l = k.baseLaneLocked(); l == nil {
			if err := s.wait(ctx); err != nil {
				s.mu.Unlock()
				return nil, err
			}
		}
	}
	delete(k.bases, l.base)
	l.base, l.id = nil, ""
	r := newResponse(s.cfg.BufferLimit, nil, Handle{})
	frame := s.frameLocked(b.job, 0, b.cacheKey)
	s.placeLocked(l, r, b.job)
	l.warmup = true
	s.mu.Unlock()

	frame.Type, frame.StreamID, frame.Generate = "response.create", l.name, new(bool)
	frame.Input = items(make([]item, 0, len(b.parts)), b.parts...)
	if f := s.sendOn(l, r, encode(frame), nil); f != nil {
		return f, nil
	}

	bounds := s.waits(b.job, 0)
	defer bounds.timer.Stop()
	for {
		ev, _, f, err := r.take(ctx, &bounds)
		switch {
		case err != nil:
			r.drop()
			return nil, err
		case f != nil:
			r.drop()
			return f, nil
		}
		switch ev.Kind {
		case Delta: // it does not know generate:false and has begun to answer
			r.drop()
			s.mu.Lock()
			s.nowarm = true
			s.mu.Unlock()
			return nil, nil
		case Done:
			s.mu.Lock()
			for l.resp == r { // Done is seen here a moment before the reader gives the lane back
				if err := s.wait(ctx); err != nil {
					s.mu.Unlock()
					return nil, err
				}
			}
			if k.live() && l.resp == nil {
				l.base, l.id, l.used = b, r.ident(), time.Now()
				k.bases[b] = l
			}
			s.mu.Unlock()
			s.publish()
			return nil, nil
		}
	}
}
