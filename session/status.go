package session

import "time"

// State is the one word about a session that a user should see.
type State string

const (
	OK       State = "ok"
	Queued   State = "queued"   // the endpoint lets requests wait; Since tells how long already
	Limited  State = "limited"  // nothing is sent before Until
	Degraded State = "degraded" // another model or tier serves than was asked for: Model, Tier
	Offline  State = "offline"  // the endpoint cannot be reached, or does not accept the key or the account
)

// Status is what a session knows of its endpoint's readiness.
type Status struct {
	State     State
	Since     time.Time // Queued
	Until     time.Time // Limited
	Model     string    // what serves now
	Tier      string
	Transport Transport // WebSocket or HTTP, "" before the first connection
	Warm      bool      // a live connection holds at least one warmed base
	Alone     bool      // one response a connection: the request that continues from a base uses it up
	Message   string    // one line for a person, "" when all is well
	Limits    Limits    // a change of these alone is not reported to OnStatus
}

// Limits are the endpoint's own counts, as its last headers or events gave them. -1 means unknown.
type Limits struct {
	Requests    int     // requests left in the window
	Tokens      int     // tokens left in the window
	UsedPercent float64 // of a plan's window
	Reset       time.Time
}

// Timing is the endpoint's own account of a response, milliseconds. It tells their queue and their engine
// from the network between.
type Timing struct {
	Queue      float64
	Prepare    float64
	FirstToken float64
	PerToken   float64
}

// Served accounts for one response that ended.
type Served struct {
	Job       Job
	Model     string
	Tier      string
	Usage     Usage
	Warmup    bool // generate:false: its input tokens are billed too
	Abandoned bool // the caller had left before the end
}

// account reports what a response cost. It must be called without s.mu.
func (s *Session) account(served Served, job Job) {
	if s.cfg.OnUsage == nil || served.Usage == (Usage{}) {
		return
	}
	served.Job = job
	s.statusMu.Lock() // one report at a time, as Config promises
	defer s.statusMu.Unlock()
	s.cfg.OnUsage(served)
}

// Status returns the present state.
func (s *Session) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statusLocked()
}

func (s *Session) statusLocked() Status {
	ch := s.choiceLocked("")
	st := Status{State: OK, Model: ch.Model, Tier: ch.Tier, Alone: s.lanes == No, Limits: s.limits}
	for _, k := range s.sockets {
		if k.live() {
			st.Transport = WebSocket
			st.Warm = st.Warm || len(k.bases) > 0
		}
	}
	if st.Transport == "" && s.httpWorked {
		st.Transport = HTTP
	}
	now := time.Now()
	switch {
	case s.offline != "":
		st.State, st.Message = Offline, s.offline
	case now.Before(s.limitedUntil):
		st.State, st.Until, st.Message = Limited, s.limitedUntil, "the endpoint's rate limit is reached"
	case len(s.queuedSince) > 0:
		st.State, st.Message = Queued, "the endpoint has queued the request"
		for _, at := range s.queuedSince {
			if st.Since.IsZero() || at.Before(st.Since) {
				st.Since = at
			}
		}
	case s.fallback > 0:
		st.State, st.Message = Degraded, "no capacity for "+s.cfg.Model+" "+s.cfg.ServiceTier
	}
	return st
}

// publish tells OnStatus of a change. It must be called without s.mu; the second mutex keeps the reports
// in order.
func (s *Session) publish() {
	if s.cfg.OnStatus == nil {
		return
	}
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	s.mu.Lock()
	st := s.statusLocked()
	s.mu.Unlock()
	shown := st
	shown.Limits = Limits{}
	if shown != s.lastStatus {
		s.lastStatus = shown
		s.cfg.OnStatus(st)
	}
}
