package session

import "slices"

// What is kept of conversations that may be continued: not more of them, and not more bytes, than this in a session.
// The least recently used goes first.
const (
	maxChains     = 8
	maxChainBytes = 1 << 20
)

// chain is a conversation that the endpoint still holds: the latest response of a lane, with all that it has read and
// said. A request that begins with that goes on from there, on the same lane, and sends the rest only. It lives until
// the lane carries something else, its socket ends, or it is pushed out of the session's list.
type chain struct {
	lane     *lane
	r        *response
	job      Job
	parts    []Part // what was read, and the answer
	size     int    // bytes
	cacheKey string
}

// remember keeps an answer that has come to its end, for a request that goes on from it. Completions never do.
func (s *Session) remember(c *call, r *response) {
	if r.lane == nil || r.ident() == "" || c.req.Job == Completion {
		return
	}
	c.mu.Lock()
	parts := slices.Concat(c.req.Base, c.req.Input, c.parts)
	c.mu.Unlock()
	ch := &chain{lane: r.lane, r: r, job: c.req.Job, parts: append(parts, Part{Assistant, r.soFar()})}
	for _, p := range ch.parts {
		ch.size += len(p.Text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := r.lane
	if !l.k.live() || l.resp != r && (l.resp != nil || l.last != r.ident()) || ch.size > maxChainBytes {
		return
	}
	ch.cacheKey = r.cacheKey
	s.chains = append(s.chains, ch)
	total := 0
	for i, old := range slices.Backward(s.chains) {
		if total += old.size; total > maxChainBytes || len(s.chains)-i > maxChains || !old.lane.k.live() {
			s.chains = slices.Delete(s.chains, i, i+1)
		}
	}
}

// chainLocked finds the longest conversation that a request begins with.
func (s *Session) chainLocked(job Job, parts []Part) *chain {
	var best *chain
	for _, ch := range s.chains {
		n := len(ch.parts)
		if ch.job == job && ch.lane.k.live() && n < len(parts) && (best == nil || n > len(best.parts)) && slices.Equal(ch.parts, parts[:n]) {
			best = ch
		}
	}
	return best
}

// unchainLocked forgets what a lane held: it is about to carry something else.
func (s *Session) unchainLocked(l *lane) {
	s.chains = slices.DeleteFunc(s.chains, func(ch *chain) bool { return ch.lane == l })
}

// chainedLocked tells whether a lane holds a conversation, and how recent it is among all that are held.
func (s *Session) chainedLocked(l *lane) int {
	return 1 + slices.IndexFunc(s.chains, func(ch *chain) bool { return ch.lane == l })
}
