package session

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/spark-lsp/spark-lsp/internal/quiet"
)

// Session is one endpoint, kept warm. It owns the sockets, their lanes and the bases that are warmed on
// them, from Open to Close; all methods may be called from any goroutine.
//
// A cold start, a reconnection and the replacement of an old socket are the same code at different times:
// dial, then warm what was asked to be warm.
type Session struct {
	cfg    Config
	proto  *protocol
	via    string // see Config.via
	http   *http.Client
	dialer *websocket.Dialer
	epoch  time.Time
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // every goroutine of the session
	tokens Counter

	statusMu   sync.Mutex // held while OnStatus runs; taken before mu
	lastStatus Status

	// mu guards all that follows, and the fields of socket and lane that say so. It is never held while a
	// frame is encoded, written or decoded, nor while a hook runs.
	mu      sync.Mutex
	closed  bool
	changed chan struct{} // closed and replaced when a waiter might find what it waits for
	sockets []*socket     // oldest first
	used    time.Time     // the last request or Warm
	calls   map[uint64]*call
	nextID  uint64
	slept   time.Duration        // how long the machine is known to have slept since epoch
	asleep  func() time.Duration // how long it has
	network func() string        // the machine's addresses; another text means another network
	address string               // its last answer

	dialling  bool
	dials     int       // attempts so far
	dialErr   *failure  // of the last attempt; nil after a success
	dialFails int       // in a row, counting sockets that died before they carried anything
	httpUntil time.Time // until then the WebSocket is not tried: it was refused
	authErr   *failure  // the key was refused; stands until authUntil, so that nothing loops
	authUntil time.Time
	reprobe   *time.Timer

	bases     []*base  // what Warm asked for, most recently used last
	chains    []*chain // conversations that may be continued, most recently used last
	lanes     Support
	interrupt Support
	probing   bool // an interrupt is out whose answer will settle interrupt
	probes    int
	nowarm    bool // the endpoint does not take generate:false
	nosteer   bool // nor response.steer
	without   map[string]bool
	effort    string // the effort in use after the endpoint refused a lower one; "" as configured

	limits        Limits
	limitedUntil  time.Time
	queuedSince   map[*response]time.Time
	fallback      int // how many of cfg.Fallbacks were passed over, plus one; 0 is the first choice
	fallbackUntil time.Time
	offline       string
	httpWorked    bool
	httpUsed      time.Time
	timers        map[*time.Timer]struct{}
}

// Open starts a session and returns at once; the connection is made in the background. The caller owns the
// session and must Close it.
func Open(cfg Config) *Session {
	s := prepare(cfg)
	s.connect()
	return s
}

// prepare is Open without the first connection, which the first request then makes.
func prepare(cfg Config) *Session {
	s := &Session{
		cfg: cfg.withDefaults(), epoch: time.Now(), changed: make(chan struct{}),
		calls: map[uint64]*call{}, without: map[string]bool{}, queuedSince: map[*response]time.Time{},
		timers: map[*time.Timer]struct{}{},
		limits: Limits{Requests: -1, Tokens: -1, UsedPercent: -1},
	}
	s.asleep = func() time.Duration {
		// The monotonic clock stands still while the machine sleeps, the wall clock does not.
		now := time.Now()
		return now.Round(0).Sub(s.epoch.Round(0)) - now.Sub(s.epoch)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.network = addresses
	s.mu.Lock()
	s.watchLocked()
	s.mu.Unlock()
	s.lanes, s.interrupt = s.cfg.Lanes, s.cfg.Interrupt
	s.via = s.cfg.via()
	s.proto = protocols[s.cfg.Dialect]
	s.http = s.cfg.httpClient(s.ctx)
	s.dialer = &websocket.Dialer{
		Proxy: s.cfg.Proxy,
		NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return quiet.Conn(conn), nil
		},
		TLSClientConfig:  s.cfg.TLS,
		HandshakeTimeout: s.cfg.Timeouts.Connect,
		ReadBufferSize:   16 << 10,
		// gorilla splits a client's message at its buffer's end into fragments; most requests fit into
		// this one, which the pool takes back after each write.
		WriteBufferSize: 64 << 10,
		WriteBufferPool: &sync.Pool{},
	}
	s.used = time.Now()
	s.mu.Lock()
	s.lastStatus = s.statusLocked()
	s.lastStatus.Limits = Limits{}
	s.mu.Unlock()
	return s
}

// connect makes the first connection ahead of the first request, whatever the transport.
func (s *Session) connect() {
	if s.cfg.Transport == HTTP {
		s.spawn(func() { s.preconnect(s.ctx) })
		return
	}
	s.mu.Lock()
	s.dialLocked()
	s.mu.Unlock()
}

// Close ends every socket, stream and goroutine of the session, and returns when they are gone. Streams in
// progress yield an error whose cause is ErrClosed.
func (s *Session) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.wg.Wait()
		return
	}
	s.closed = true
	for t := range s.timers {
		t.Stop()
	}
	for _, k := range s.sockets {
		k.retired = true
		k.close()
	}
	s.broadcastLocked()
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	s.http.CloseIdleConnections()
}

// spawn runs f on a goroutine that Close waits for; f must end when s.ctx does.
// It reports false, and runs nothing, when the session is closed.
func (s *Session) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spawnLocked(f)
}

func (s *Session) spawnLocked(f func()) bool {
	if s.closed {
		return false
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		f()
	}()
	return true
}

// afterLocked runs f later unless the session is closed before.
func (s *Session) afterLocked(d time.Duration, f func()) *time.Timer {
	if s.closed {
		return nil
	}
	var t *time.Timer
	t = time.AfterFunc(max(d, 0), func() {
		s.mu.Lock()
		delete(s.timers, t)
		s.spawnLocked(f)
		s.mu.Unlock()
	})
	s.timers[t] = struct{}{}
	return t
}

func (s *Session) stopLocked(t *time.Timer) {
	if t != nil {
		t.Stop()
		delete(s.timers, t)
	}
}

func (s *Session) broadcastLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// recentLocked tells whether anybody is using the session. Nothing is warmed or redialled ahead for an
// editor that stands idle over night: each warm-up is billed.
func (s *Session) recentLocked() bool { return time.Since(s.used) < s.cfg.Timeouts.Idle }

// wokenLocked looks whether the machine has slept since it last looked. A connection does not survive five
// minutes of that, and its endpoint has forgotten its bases; after less, it is asked.
func (s *Session) wokenLocked() {
	now := s.asleep()
	d := now - s.slept
	s.slept = now // also when the clock was set back
	if d < 10*time.Second {
		return
	}
	for _, k := range s.sockets {
		switch {
		case !k.live():
		case d < 5*time.Minute:
			k.ask()
		default:
			k.retired = true
			k.close()
		}
	}
	s.httpUntil = time.Time{} // another network, perhaps
	if s.recentLocked() {
		s.dialIfNoneLocked()
	}
}

func (s *Session) dialIfNoneLocked() {
	for _, k := range s.sockets {
		if k.live() {
			return
		}
	}
	s.dialLocked()
}

// watchLocked looks every few seconds, so that the connection is there again before the user types.
func (s *Session) watchLocked() {
	if s.cfg.Transport == HTTP {
		return
	}
	s.afterLocked(5*time.Second, func() {
		at := s.network()
		s.mu.Lock()
		s.wokenLocked()
		s.movedLocked(at)
		s.watchLocked()
		s.mu.Unlock()
	})
}

// movedLocked asks every connection for a sign of life when the machine's addresses have changed.
func (s *Session) movedLocked(at string) {
	was := s.address
	s.address = at
	if was == "" || was == at {
		return
	}
	for _, k := range s.sockets {
		k.ask()
	}
	s.httpUntil = time.Time{} // what refused the WebSocket may have stayed behind
}

// addresses names the networks that the machine is in.
func addresses() string {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.String()
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// dialLocked starts a connection unless one is being made.
func (s *Session) dialLocked() {
	if s.dialling || s.closed || s.cfg.Transport == HTTP {
		return
	}
	s.dialling = true
	s.stopLocked(s.reprobe)
	s.reprobe = nil
	s.spawnLocked(s.dial)
}

func (s *Session) dial() {
	conn, resp, err := s.dialer.DialContext(s.ctx, socketURL(s.cfg.URL), s.header())
	if err != nil {
		s.refused(resp, err)
		return
	}
	s.mu.Lock()
	s.dialling = false
	s.dials++
	if s.closed {
		s.mu.Unlock()
		conn.Close()
		return
	}
	s.dialErr, s.authErr, s.httpUntil, s.offline = nil, nil, time.Time{}, ""
	s.headersLocked(resp.Header)
	s.wg.Add(2)
	k := s.newSocketLocked(conn)
	s.sockets = append(s.sockets, k)
	k.rotation = s.afterLocked(s.cfg.Timeouts.Rotate, func() { s.rotate(k) })
	var warm []*base
	if s.recentLocked() {
		size := 0
		for _, b := range slices.Backward(s.bases) {
			if time.Since(b.used) < s.cfg.Timeouts.Idle && len(warm) < 4 && (size == 0 || size+b.size <= maxRewarm) {
				warm = append(warm, b)
				size += b.size
			}
		}
	}
	s.broadcastLocked()
	s.mu.Unlock()
	for _, b := range warm {
		s.rewarm(k, b)
	}
	s.publish()
}

// socketURL is where a base URL's WebSocket is.
func socketURL(base string) string {
	u := base + "/responses"
	if rest, ok := strings.CutPrefix(u, "http"); ok {
		u = "ws" + rest
	}
	return u
}

func (s *Session) header() http.Header {
	h := http.Header{}
	for k, v := range s.cfg.Header {
		h[k] = v
	}
	h.Set("User-Agent", s.cfg.UserAgent)
	if s.cfg.Key != "" {
		h.Set("Authorization", "Bearer "+s.cfg.Key)
	}
	return h
}

// refused decides what a failed dial means: for the key, for the limits, and for how long HTTP takes over.
func (s *Session) refused(resp *http.Response, err error) {
	t := s.cfg.Timeouts
	s.mu.Lock()
	s.dialling = false
	s.dials++
	s.dialFails++
	pause := backoff(t.Backoff, s.dialFails)
	status := 0
	if resp != nil {
		status = resp.StatusCode
		s.headersLocked(resp.Header)
	}
	var f *failure
	switch {
	case s.closed:
		f = fail(FallBack, give, ErrClosed, "the session was closed")
	case resp == nil:
		f = fail(RetryAfter, again, err, "cannot connect%s: %v", s.via, cause(err))
	default:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		f = classify(status, bodyError(body), resp.Header.Get)
		if len(body) == 0 || f.err.Message == "" {
			f.err.Message = "the endpoint refused the connection: " + resp.Status
		}
	}
	s.dialErr = f
	switch {
	case status == http.StatusUnauthorized, status == http.StatusProxyAuthRequired,
		status == http.StatusTooManyRequests && f.err.Kind == Reauthenticate: // an account with nothing left: no limit passes
		s.authErr, s.authUntil = f, time.Now().Add(time.Minute)
		s.offline = redact(f.err.Message, s.cfg.Key)
	case status == http.StatusTooManyRequests:
		d := orElse(time.Duration(f.err.RetryAfter)*time.Millisecond, pause)
		f.err.RetryAfter = int(d.Milliseconds())
		s.limitLocked(time.Now().Add(d))
		s.reprobeLocked(d)
	case resp != nil && status < 500:
		// 404, 405, 426: no WebSocket here. 403 or a page of HTML: a proxy that lets none through; if it
		// is the key after all, the HTTP request will say so.
		s.reprobeLocked(t.Reprobe)
	default:
		s.reprobeLocked(pause)
	}
	if s.cfg.Transport == WebSocket && s.authErr == nil {
		s.offline = redact(f.err.Message, s.cfg.Key)
	}
	s.broadcastLocked()
	s.mu.Unlock()
	s.publish()
}

// unaccepted shows a refusal of the key or the account, by whatever way it came. The next answer that comes to
// its proper end takes it back.
func (s *Session) unaccepted(f *failure) {
	s.mu.Lock()
	if s.offline == "" {
		s.offline = orElse(redact(f.err.Message, s.cfg.Key), keyRefused)
	}
	s.mu.Unlock()
	s.publish()
}

const keyRefused = "the endpoint does not accept the key"

// reprobeLocked leaves the WebSocket alone for a while.
func (s *Session) reprobeLocked(d time.Duration) {
	s.httpUntil = time.Now().Add(d)
	s.stopLocked(s.reprobe)
	s.reprobe = s.afterLocked(d, func() {
		s.mu.Lock()
		if s.recentLocked() {
			s.dialLocked()
		}
		s.mu.Unlock()
	})
}

// noLanesLocked remembers that the endpoint answers one request at a time on a socket. What the pool of
// sockets cannot take goes over HTTP then, so a connection is opened for that.
func (s *Session) noLanesLocked() {
	if s.lanes == No {
		return
	}
	s.lanes = No
	if s.cfg.Transport == Auto {
		s.spawnLocked(func() { _ = s.preconnect(s.ctx) })
	}
	s.broadcastLocked()
}

// limitLocked notes that nothing may be sent before a moment.
func (s *Session) limitLocked(until time.Time) {
	if until.After(s.limitedUntil) {
		s.limitedUntil = until
		s.afterLocked(time.Until(until)+time.Millisecond, s.publish)
	}
}

// rotate replaces a socket that grows old: the new one is dialled and warmed first, then takes over between
// two responses.
func (s *Session) rotate(k *socket) {
	s.mu.Lock()
	if !k.live() {
		s.mu.Unlock()
		return
	}
	var warm []*base
	if s.recentLocked() { // else a dial costs nothing, but a warm-up would
		for b := range k.bases {
			warm = append(warm, b)
		}
	}
	n := s.dials
	s.dialLocked()
	for s.dials == n && !s.closed {
		if s.wait(s.ctx) != nil {
			break
		}
	}
	var fresh *socket
	if n := len(s.sockets); n > 0 && s.sockets[n-1] != k && s.sockets[n-1].live() {
		fresh = s.sockets[n-1]
	}
	if fresh == nil {
		// It could not be replaced now; it still works, so try again later rather than lose it.
		k.rotation = s.afterLocked(s.cfg.Timeouts.Rotate/25, func() { s.rotate(k) })
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeouts.InterEvent)
	defer cancel()
	for _, b := range warm {
		_ = s.warmOn(ctx, fresh, b) // a base that cannot be warmed is sent in full
	}
	s.mu.Lock()
	k.retireLocked()
	s.broadcastLocked()
	s.mu.Unlock()
}

// wait releases s.mu until something changes, and takes it again.
func (s *Session) wait(ctx context.Context) error {
	ch := s.changed
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lost is the end of a socket, told by its reader. Whatever it carried fails; what had delivered no text is
// asked again elsewhere by its own Stream.
func (s *Session) lost(k *socket, err error) {
	f := fail(RetryNow, newSocket, err, "the connection was lost: %v", cause(err))
	if websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		f = fail(TooLong, give, err, "the endpoint takes no frame of this size")
	}
	s.mu.Lock()
	expected := k.retired
	k.dead = true
	if s.closed {
		f = fail(FallBack, give, ErrClosed, "the session was closed")
	}
	for i, o := range s.sockets {
		if o == k {
			s.sockets = append(s.sockets[:i], s.sockets[i+1:]...)
			break
		}
	}
	s.stopLocked(k.rotation)
	if k.probe != nil && s.interrupt == Unknown {
		s.interrupt, s.probing = No, false // an unknown frame made it hang up
	}
	var orphans []*response
	for _, l := range k.lanes {
		if l.resp != nil {
			orphans = append(orphans, l.resp)
			delete(s.queuedSince, l.resp)
			l.resp = nil
		}
	}
	if !s.closed && !expected {
		if k.worked {
			s.dialFails = 0
		} else {
			s.dialFails++
		}
		switch {
		case s.dialFails >= 2:
			s.reprobeLocked(backoff(s.cfg.Timeouts.Backoff, s.dialFails)) // it opens, but carries nothing
		case s.recentLocked():
			s.dialLocked()
		}
	}
	s.broadcastLocked()
	s.mu.Unlock()
	for _, r := range orphans {
		r.fail(f)
	}
	s.publish()
}

// suspect ends a socket that has left a request without any sign of life. A socket that never carried
// anything is taken for blocked on the way, so HTTP takes over until a later probe.
func (s *Session) suspect(k *socket) {
	s.mu.Lock()
	if !k.dead {
		k.retired = true
		k.close()
		if !k.worked {
			s.dialFails++
			s.reprobeLocked(max(backoff(s.cfg.Timeouts.Backoff, s.dialFails), s.cfg.Timeouts.Reprobe/20))
		} else if s.recentLocked() {
			s.dialLocked()
		}
		s.broadcastLocked()
	}
	s.mu.Unlock()
}

// choiceLocked is the model and tier that serve a job now. An empty job stands for the configuration's own.
func (s *Session) choiceLocked(job Job) Choice {
	ch := Choice{s.cfg.Model, s.cfg.ServiceTier}
	j, own := s.cfg.Jobs[job]
	ch.Model, ch.Tier = orElse(j.Model, ch.Model), orElse(j.Tier, ch.Tier)
	if s.fallback > 0 && time.Now().After(s.fallbackUntil) {
		s.fallback = 0 // the first choice may have room again
	}
	if n := min(s.fallback, len(s.cfg.Fallbacks)); n > 0 && (!own || j.Choice == Choice{}) {
		fb := s.cfg.Fallbacks[n-1]
		ch.Model, ch.Tier = orElse(fb.Model, ch.Model), fb.Tier
	}
	return ch
}

// outputBound is how many tokens an answer may have; asked is what its request says, 0 for nothing.
func (s *Session) outputBound(job Job, asked int) int {
	return orElse(asked, orElse(s.cfg.Jobs[job].MaxOutputTokens, jobDefault(job)))
}

// effortLocked is how much the model is to think: what the endpoint has been found to take, else what is configured.
func (s *Session) effortLocked(job Job) string {
	return orElse(s.effort, orElse(s.cfg.Jobs[job].ReasoningEffort, s.cfg.ReasoningEffort))
}

// frameLocked fills in all of a request but its input and its place.
func (s *Session) frameLocked(job Job, maxTokens int, cacheKey string) create {
	ch := s.choiceLocked(job)
	c := create{
		Model: ch.Model, ServiceTier: ch.Tier, PromptCacheKey: cacheKey,
		StreamOptions:   &streamOptions{},
		MaxOutputTokens: s.outputBound(job, maxTokens),
	}
	if e := s.effortLocked(job); e != "" {
		c.Reasoning = &reasoning{Effort: e}
	}
	if s.cfg.Verbosity != "" {
		c.Text = &textOptions{Verbosity: s.cfg.Verbosity}
	}
	for p := range s.without {
		switch p {
		case "stream_options":
			c.StreamOptions = nil
		case "text", "verbosity":
			c.Text = nil
		case "reasoning":
			c.Reasoning = nil
		case "prompt_cache_key":
			c.PromptCacheKey = ""
		case "max_output_tokens":
			c.MaxOutputTokens = 0
		}
	}
	return c
}

// headersLocked reads the endpoint's counts from a response's headers.
func (s *Session) headersLocked(h http.Header) {
	if n, err := strconv.Atoi(h.Get("X-Ratelimit-Remaining-Requests")); err == nil {
		s.limits.Requests = n
	}
	if n, err := strconv.Atoi(h.Get("X-Ratelimit-Remaining-Tokens")); err == nil {
		s.limits.Tokens = n
		if d, err := time.ParseDuration(h.Get("X-Ratelimit-Reset-Tokens")); err == nil {
			s.limits.Reset = time.Now().Add(d)
		}
	}
}
