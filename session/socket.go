package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	maxInFlight  = 16       // responses per connection, the endpoint's limit; more would queue there
	requestLanes = 15       // names r0 to r14
	baseLanes    = 16       // names b0 to b15: 31 of the 32 names that a connection may ever use
	maxProbes    = 3        // interrupts in a row whose responses ended before an answer to the interrupt came
	maxFrame     = 16 << 20 // bytes; larger frames end in close 1009
)

// socket is one WebSocket from its upgrade to its end; it is never revived. It has exactly one goroutine
// that writes and one that reads, both for its whole life: the server's pings are answered while nobody
// asks anything, and no deadline ever runs on a read (one that passes would corrupt the connection).
type socket struct {
	s     *Session
	conn  *websocket.Conn
	born  time.Time
	out   chan outgoing // frames in the order they are to be sent; never blocks (see enqueue)
	quit  chan struct{} // closed to end the socket with a close frame
	check chan struct{} // capacity 1: ping now
	once  sync.Once     // guards quit

	lastRead atomic.Int64 // when the last frame or pong came, nanoseconds since s.epoch

	// The rest is guarded by s.mu.
	retired  bool // takes no new requests; ends when inFlight is 0
	dead     bool
	worked   bool // has carried a response to its end
	lanes    map[string]*lane
	inFlight int
	fifo     []*lane // sent but not created, for endpoints that do not label events
	current  *lane   // whose events are unlabelled, between created and terminal
	bases    map[*base]*lane
	warming  map[*base]chan struct{}
	lastID   string    // of the unlabelled response that ended last
	probe    *lane     // the lane whose interruption is the probe
	probed   bool      // an interrupt was sent here that may be answered by an error without a name
	steering *response // a response.steer was sent for it that has not been answered
	rotation *time.Timer

	frame []byte // the reader's buffer
}

// outgoing is a data frame, or a pong when pong is set.
type outgoing struct {
	data  []byte
	pong  bool
	trace *Trace
}

// lane is one stream_id of one socket. It serves one response at a time.
type lane struct {
	name string // "" is the default lane
	k    *socket

	// Guarded by s.mu.
	resp          *response
	job           Job
	warmup        bool
	draining      bool // resp was abandoned: nothing of it is decoded but its end
	wantInterrupt bool // interrupt as soon as the id is known
	from          *lane
	base          *base  // of a base lane: what it holds
	id            string // of a base lane: the response that stands for base
	last          string // the id of the response that ended here last
	forks         int    // forks of id that have not reached in_progress; until then the lane must not advance
	used          time.Time
	heard         time.Time // draining: when the last event came
}

func (k *socket) live() bool { return !k.retired && !k.dead }

// newSocket starts the two goroutines of a connection; the caller holds s.mu and has counted them in s.wg.
func (s *Session) newSocketLocked(conn *websocket.Conn) *socket {
	k := &socket{
		s: s, conn: conn, born: time.Now(),
		out: make(chan outgoing, 64), quit: make(chan struct{}), check: make(chan struct{}, 1),
		lanes: map[string]*lane{}, bases: map[*base]*lane{}, warming: map[*base]chan struct{}{},
	}
	k.alive()
	conn.SetReadLimit(maxFrame + 1<<16)
	conn.SetPongHandler(func(string) error { k.alive(); return nil })
	conn.SetPingHandler(func(data string) error {
		k.alive()
		// The default handler writes from the reader, which then waits behind a large frame.
		k.enqueue(outgoing{data: []byte(data), pong: true})
		return nil
	})
	go k.write()
	go k.readAll()
	return k
}

func (k *socket) alive() { k.lastRead.Store(int64(time.Since(k.s.epoch))) }

func (k *socket) aliveSince(t time.Time) bool {
	return time.Duration(k.lastRead.Load()) > t.Sub(k.s.epoch)
}

// enqueue hands a frame to the writer without waiting. A full queue means that the peer has stopped
// reading; it reports false then.
func (k *socket) enqueue(o outgoing) bool {
	select {
	case k.out <- o:
		return true
	default:
		return false
	}
}

// ask pings the peer now, and gives it less time than usual.
func (k *socket) ask() {
	select {
	case k.check <- struct{}{}:
	default:
	}
}

// close ends the socket; its goroutines follow at once, also when the peer does not cooperate.
func (k *socket) close() {
	k.once.Do(func() {
		close(k.quit)
		// A writer that is stuck in a half-open connection is released by this.
		_ = k.tcp().SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	})
}

// tcp is the connection under TLS: closing TLS itself waits up to 5 s to say goodbye to a dead peer.
func (k *socket) tcp() net.Conn {
	c := k.conn.NetConn()
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}

func (k *socket) write() {
	defer k.s.wg.Done()
	defer k.tcp().Close()
	t := k.s.cfg.Timeouts
	ping := time.NewTimer(t.Ping)
	defer ping.Stop()
	awaiting := false
	pinged := time.Now()
	wait := t.Pong
	for {
		select {
		case o := <-k.out:
			if k.send(o) != nil {
				return
			}
		case <-ping.C:
			if awaiting && !k.aliveSince(pinged) {
				return // half open: nothing since the ping. The reader sees the close and tells the session.
			}
			if awaiting {
				awaiting = false
				ping.Reset(max(t.Ping-t.Pong, t.Ping/2))
				continue
			}
			now := time.Now()
			pinged = now
			if k.conn.WriteControl(websocket.PingMessage, nil, now.Add(t.Pong)) != nil {
				return
			}
			awaiting = true
			ping.Reset(wait)
			wait = t.Pong
		case <-k.check:
			// After a sleep most connections are gone, and nobody has told us: ask, and wait for less long.
			awaiting, wait = false, min(t.Pong, 2*time.Second)
			ping.Reset(0)
		case <-k.quit:
			for { // what was queued before goes first, an interrupt perhaps
				select {
				case o := <-k.out:
					if k.send(o) != nil {
						return
					}
					continue
				default:
				}
				break
			}
			_ = k.conn.WriteControl(websocket.CloseMessage,
				websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(100*time.Millisecond))
			return
		}
	}
}

func (k *socket) send(o outgoing) error {
	deadline := time.Now().Add(k.s.cfg.Timeouts.Pong)
	if o.pong {
		return k.conn.WriteControl(websocket.PongMessage, o.data, deadline)
	}
	select {
	case <-k.quit:
		deadline = time.Now().Add(100 * time.Millisecond)
	default:
	}
	_ = k.conn.SetWriteDeadline(deadline)
	if err := k.conn.WriteMessage(websocket.TextMessage, o.data); err != nil {
		return err
	}
	if o.trace != nil && o.trace.Sent != nil {
		o.trace.Sent(len(o.data))
	}
	return nil
}

func (k *socket) readAll() {
	defer k.s.wg.Done()
	for {
		err := k.readFrame()
		if err != nil {
			k.tcp().Close()
			k.close() // releases the writer
			k.s.lost(k, err)
			return
		}
	}
}

func (k *socket) readFrame() error {
	typ, rd, err := k.conn.NextReader()
	if err != nil {
		return err
	}
	b := k.frame[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := rd.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return err
			}
			break
		}
	}
	k.frame = b
	if cap(b) > 1<<20 {
		k.frame = nil
	}
	k.alive()
	if typ == websocket.TextMessage { // a binary frame is nothing of this protocol; it counts as a sign of life
		k.receive(b)
	}
	return nil
}

// receive routes one frame. It runs on the reader, borrows the frame, and never waits for a consumer.
func (k *socket) receive(frame []byte) {
	sc, ok := scan(frame)
	slow := !ok || (sc.kind.delta() && !sc.flat)
	if !ok {
		var d delta
		err := json.Unmarshal(frame, &d)
		var typeErr *json.UnmarshalTypeError
		if (err != nil && !errors.As(err, &typeErr)) || d.Type == "" {
			return // not JSON, or not an event
		}
		sc = scanned{kind: kindOf([]byte(d.Type)), stream: []byte(d.StreamID), seq: seqOf(d.Sequence)}
	}

	s := k.s
	s.mu.Lock()
	l := k.laneLocked(&sc, frame)
	if l == nil || l.resp == nil {
		s.mu.Unlock()
		k.diagnostic(sc.kind, frame)
		return
	}
	r, draining := l.resp, l.draining
	if draining {
		l.heard = time.Now()
	}
	switch {
	case sc.kind == kindCreated:
		k.createdLocked(l)
	case sc.kind == kindInProgress || sc.kind.delta():
		l.forkedLocked()
	case sc.kind == kindQueued && !draining:
		s.queuedSince[r] = time.Now()
	case sc.kind == kindInterruptAccepted:
		s.interruptLocked(k, Yes)
	}
	if sc.kind != kindQueued && len(s.queuedSince) > 0 {
		delete(s.queuedSince, r)
	}
	s.mu.Unlock()

	switch {
	case sc.kind.delta() && draining:
		return
	case sc.kind.delta() && !slow:
		if !r.delta(&sc) {
			r.leave()
		}
		return
	case sc.kind == kindTiming, sc.kind == kindRateLimits:
		k.diagnostic(sc.kind, frame)
	}
	if draining && !sc.kind.terminal() && sc.kind != kindCreated {
		return
	}
	served, ended := r.event(sc.kind, frame, sc.seq)
	if sc.kind == kindCreated {
		s.interruptIfWanted(l, r)
	}
	if sc.kind == kindIncomplete && bytes.Contains(frame, []byte(`"interrupted"`)) {
		s.mu.Lock()
		s.interruptLocked(k, Yes)
		s.mu.Unlock()
	}
	if ended {
		k.ended(l, r, served)
	} else if sc.kind.terminal() {
		s.account(served, l.job) // the part before a steer; its successor holds the lane
	}
	if sc.kind == kindQueued || sc.kind == kindInProgress || ended {
		s.publish()
	}
}

// laneLocked finds whose event this is. An event without a stream_id belongs to the default lane; at an
// endpoint that knows no lanes every event is such a one, and they come in the order of the requests.
func (k *socket) laneLocked(sc *scanned, frame []byte) *lane {
	s := k.s
	if len(sc.stream) > 0 {
		l := k.lanes[string(sc.stream)]
		if l != nil && s.lanes == Unknown {
			s.lanes = Yes
			s.broadcastLocked()
		}
		return l
	}
	switch sc.kind {
	case kindRateLimits:
		return nil
	case kindTiming:
		var t timing
		if json.Unmarshal(frame, &t) != nil {
			return nil
		}
		for _, l := range k.lanes {
			if l.resp != nil && l.resp.ident() == t.Metrics.ResponseID {
				return l
			}
		}
		return nil
	case kindCreated:
		if len(k.fifo) == 0 {
			return k.current // a successor
		}
		l := k.fifo[0]
		var c lifecycle
		if _ = json.Unmarshal(frame, &c); c.Response.ID != "" && c.Response.ID == k.lastID {
			return nil // created once more, after its end
		}
		if l.name != "" {
			s.noLanesLocked() // it has ignored the name that we gave
		}
		k.current = l
		return l
	case kindError:
		var e errorEvent
		_ = json.Unmarshal(frame, &e)
		f := e.failure()
		if f.err.Code == "response_not_found" {
			return nil // an interrupt or a steer that has crossed the end of its response; no create fails like this
		}
		if k.steering != nil && f.err.Kind == Bug && (strings.Contains(f.err.Message, "steer") || e.names("type")) {
			f.err.Code = "steering_not_supported"
			select {
			case k.steering.steered <- steerReply{err: f}:
			default:
			}
			return nil
		}
		if k.probed && f.err.Kind == Bug && (strings.Contains(f.err.Message, "interrupt") || strings.Contains(f.err.Message, "type") || e.names("type")) {
			if s.interrupt == Unknown {
				s.interruptLocked(k, No)
			}
			return nil
		}
		if k.current != nil {
			return k.current
		}
		// An endpoint with lanes names the lane in every error of a request. To guess one would be worse
		// than to wait: the request guessed wrongly is still being answered.
		if s.lanes == Yes {
			if f.remedy == newSocket {
				k.retireLocked()
			}
			return nil
		}
		if len(k.fifo) > 0 {
			return k.fifo[0]
		}
		return nil
	}
	return k.current
}

func (k *socket) createdLocked(l *lane) {
	for i, f := range k.fifo {
		if f == l {
			k.fifo = append(k.fifo[:i], k.fifo[i+1:]...)
			break
		}
	}
}

// forkedLocked releases the base lane: from in_progress on the endpoint no longer needs the base's state.
func (l *lane) forkedLocked() {
	if l.from != nil {
		l.from.forks--
		l.from = nil
	}
}

// diagnostic reads what belongs to no response of ours.
func (k *socket) diagnostic(kd kind, frame []byte) {
	if kd != kindRateLimits {
		return
	}
	var rl rateLimits
	if json.Unmarshal(frame, &rl) != nil || rl.RateLimits.Primary == nil {
		return
	}
	p := rl.RateLimits.Primary
	reset := time.Now().Add(time.Duration(p.ResetAfter * float64(time.Second)))
	k.s.mu.Lock()
	k.s.limits.UsedPercent, k.s.limits.Reset = p.UsedPercent, reset
	if rl.RateLimits.LimitReached && p.ResetAfter > 0 {
		k.s.limitLocked(reset)
	}
	k.s.mu.Unlock()
	k.s.publish()
}

// ended gives a lane back after the terminal event of its response.
func (k *socket) ended(l *lane, r *response, served Served) {
	s := k.s
	s.mu.Lock()
	if l.resp != r {
		s.mu.Unlock()
		return
	}
	served.Job, served.Warmup, served.Abandoned = l.job, l.warmup, l.draining
	k.worked = true
	k.createdLocked(l)
	l.forkedLocked()
	l.last = r.ident()
	if k.current == l {
		k.current, k.lastID = nil, l.last
	}
	if k.probe == l {
		// It ended by itself before the interrupt could tell anything; the next one may.
		k.probe = nil
		if s.interrupt == Unknown {
			s.probing = false
			if s.probes == maxProbes { // answers that end so fast are not worth interrupting; later ones may be
				s.afterLocked(time.Minute, func() { s.mu.Lock(); s.probes = 0; s.mu.Unlock() })
			}
		}
	}
	l.resp, l.draining, l.wantInterrupt, l.warmup = nil, false, false, false
	l.used = time.Now()
	k.inFlight--
	s.dialFails = 0
	if r.served() { // a refusal of the key comes as an end too
		s.offline = ""
	}
	again := !l.warmup && k.live() && l.base != nil && l.name == "" && k.bases[l.base] == nil && s.recentLocked()
	b := l.base
	if again {
		l.base = nil
	}
	if k.retired && k.inFlight == 0 {
		k.close()
	}
	s.broadcastLocked()
	s.mu.Unlock()
	if again {
		s.rewarm(k, b)
	}
	s.account(served, served.Job)
}

// drainingSinceLocked tells when the last event came to a socket that carries only answers nobody waits for;
// ok is false when somebody does, or when it carries nothing.
func (k *socket) drainingSinceLocked() (heard time.Time, ok bool) {
	for _, l := range k.lanes {
		switch {
		case l.resp == nil:
			continue
		case !l.draining:
			return time.Time{}, false
		case l.heard.After(heard):
			heard = l.heard
		}
		ok = true
	}
	return heard, ok
}

// retireLocked lets a socket finish what it carries and take nothing more.
func (k *socket) retireLocked() {
	k.retired = true
	if k.inFlight == 0 {
		k.close()
	}
}

// laneNamed returns a lane of this socket, made on first use.
func (k *socket) laneNamed(name string) *lane {
	l := k.lanes[name]
	if l == nil {
		l = &lane{name: name, k: k}
		k.lanes[name] = l
	}
	return l
}

// freeLocked finds a lane for a request: nil when the socket can carry no more for now.
func (k *socket) freeLocked() *lane {
	if !k.live() || k.inFlight >= maxInFlight {
		return nil
	}
	if k.s.lanes == No {
		if k.inFlight > 0 {
			return nil
		}
		return k.laneNamed("")
	}
	var best *lane
	least := 0
	for i := range requestLanes {
		l := k.laneNamed(laneNames[i])
		if l.resp != nil {
			continue
		}
		held := k.s.chainedLocked(l)
		if held == 0 {
			return l
		}
		if best == nil || held < least { // the conversation that was used least recently
			best, least = l, held
		}
	}
	return best
}

// baseLaneLocked finds a lane to warm a base on: an unused one, else the one whose base was used least
// recently and that no fork still depends on.
func (k *socket) baseLaneLocked() *lane {
	if k.s.lanes == No {
		return k.freeLocked()
	}
	if !k.live() || k.inFlight >= maxInFlight {
		return nil
	}
	var oldest *lane
	for i := range baseLanes {
		l := k.laneNamed(laneNames[requestLanes+i])
		if l.resp != nil || l.forks > 0 {
			continue
		}
		if l.base == nil {
			return l
		}
		if oldest == nil || l.used.Before(oldest.used) {
			oldest = l
		}
	}
	return oldest
}

var laneNames = func() (names [requestLanes + baseLanes]string) {
	const digits = "0123456789"
	for i := range names {
		n, c := i, "r"
		if i >= requestLanes {
			n, c = i-requestLanes, "b"
		}
		if n >= 10 {
			c += digits[n/10 : n/10+1]
		}
		names[i] = c + digits[n%10:n%10+1]
	}
	return names
}()
