package loopback

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Conn is one WebSocket, from its 101 to the end of the TCP connection. Its lanes, their memory and their
// queues die with it.
type Conn struct {
	N       int         // from 1, in the order of acceptance
	Header  http.Header // of the upgrade request
	srv     *Server
	ws      *websocket.Conn
	link    *link
	upgrade Upgrade
	since   time.Time
	done    chan struct{}

	write sync.Mutex // one data frame at a time

	mu       sync.Mutex // guards everything below; taken after Exchange.mu, never before it
	lanes    map[string]*lane
	named    int
	queue    []*Exchange // waiting, in the order of arrival
	inFlight int
	running  map[string]*Exchange
	ended    []string // ids of the last responses that have ended
	aged     bool
	dead     bool
	frames   [][]byte
	kept     int // bytes in frames
	lastPong time.Time
	age      *time.Timer
}

const (
	keepFrames = 4096
	keepBytes  = 64 << 20
	writeWait  = time.Second // for control frames
)

func newConn(s *Server, n int, r *http.Request, ws *websocket.Conn, l *link, up Upgrade) *Conn {
	c := &Conn{
		N: n, Header: r.Header.Clone(), srv: s, ws: ws, link: l, upgrade: up, since: time.Now(), done: make(chan struct{}),
		lanes: map[string]*lane{}, running: map[string]*Exchange{}, lastPong: time.Now(),
	}
	ws.SetReadLimit(int64(s.opts.MaxFrame))
	ws.SetPingHandler(func(data string) error {
		s.note(func(st *Stats) { st.Pings++ })
		if up.NoPong {
			return nil
		}
		err := ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeWait))
		if errors.Is(err, websocket.ErrCloseSent) {
			return nil
		}
		return err
	})
	ws.SetPongHandler(func(string) error {
		c.mu.Lock()
		c.lastPong = time.Now()
		c.mu.Unlock()
		s.note(func(st *Stats) { st.Pongs++ })
		return nil
	})
	return c
}

// Done is closed when the connection is no more.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Frames are the text frames that came, oldest first: the last 4,096 of them, and not more than 64 MiB.
func (c *Conn) Frames() []json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]json.RawMessage, len(c.frames))
	for i, f := range c.frames {
		out[i] = f
	}
	return out
}

// Bytes are what this side has read from and written to the TCP connection since the 101 (below TLS: nothing
// is counted there, only the plain bytes).
func (c *Conn) Bytes() (in, out int64) { return c.link.in.Load(), c.link.out.Load() }

// Drop cuts the TCP connection without a close frame.
func (c *Conn) Drop() { _ = c.link.Close() }

// Close sends a close frame with this code and ends the connection. What the client still sends is read and
// thrown away for a moment: a socket closed over unread data is reset, and the close frame would be lost.
func (c *Conn) Close(code int, reason string) {
	_ = c.link.SetDeadline(time.Now().Add(writeWait))
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(writeWait))
	c.link.closeWrite()
	c.kill()
}

// Freeze leaves a half-open connection: nothing is read or written any more, and the peer is not told.
func (c *Conn) Freeze() {
	c.link.frozen.Store(true)
	c.srv.note(func(*Stats) {})
}

// Split writes every byte on its own from now on (true), or stops to.
func (c *Conn) Split(on bool) { c.link.splitting.Store(on) }

// Hold keeps back what is written (true) until Hold(false), which sends it in one write.
func (c *Conn) Hold(on bool) { c.link.hold(on) }

// Ping sends a ping; the pong shows in Stats.
func (c *Conn) Ping() error {
	return c.ws.WriteControl(websocket.PingMessage, []byte("loopback"), time.Now().Add(writeWait))
}

// Raw writes a text frame that belongs to no exchange.
func (c *Conn) Raw(frame string) error { return c.frame(websocket.TextMessage, []byte(frame)) }

// Evict forgets a response of this connection, so that continuing from it is previous_response_not_found. With
// "" it forgets all. What store:true has stored is forgotten too.
func (c *Conn) Evict(id string) {
	c.mu.Lock()
	ids := []string{id}
	for _, l := range c.lanes {
		if l.latest != nil && (id == "" || l.latest.id == id) {
			ids = append(ids, l.latest.id)
			l.latest = nil
		}
	}
	c.mu.Unlock()
	c.srv.unstore(ids...)
}

// Latest is the id of the response that a lane can be continued from, "" when there is none.
func (c *Conn) Latest(streamID string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.lanes[streamID]; l != nil && l.latest != nil {
		return l.latest.id
	}
	return ""
}

// ReachAge lets the connection reach its age limit now.
func (c *Conn) ReachAge() {
	c.mu.Lock()
	again := c.aged || c.dead
	c.aged = true
	c.mu.Unlock()
	if again {
		return
	}
	_ = c.frame(websocket.TextMessage, c.srv.ageFailure().frame(c.srv.opts.EscapeASCII, ""))
	if c.srv.opts.AgeClose {
		c.Close(websocket.CloseNormalClosure, "")
	}
}

// serve reads until the connection ends. It is the one reader of the socket.
func (c *Conn) serve() {
	c.mu.Lock()
	if !c.dead {
		c.age = time.AfterFunc(c.srv.ageLimit(), c.ReachAge)
	}
	c.mu.Unlock()
	if c.srv.opts.PingEvery > 0 {
		c.srv.wg.Go(c.keepAlive)
	}
	defer c.bury()
	for {
		kind, data, err := c.ws.ReadMessage()
		if errors.Is(err, websocket.ErrReadLimit) {
			// gorilla has sent the close frame (1009); the rest of the frame is in the way of it.
			_ = c.link.SetDeadline(time.Now().Add(writeWait))
			c.link.closeWrite()
			c.kill()
			_, _ = io.Copy(io.Discard, c.link)
		}
		if err != nil {
			return
		}
		select {
		case <-c.done: // only waiting for the client to close
			continue
		default:
		}
		if kind != websocket.TextMessage {
			c.Close(websocket.CloseUnsupportedData, "text frames only")
			continue
		}
		c.record(data)
		if !c.upgrade.Silent {
			c.handle(data)
		}
	}
}

// record keeps the frame and counts it.
func (c *Conn) record(data []byte) {
	c.mu.Lock()
	c.frames = append(c.frames, data)
	c.kept += len(data)
	for len(c.frames) > 1 && (len(c.frames) > keepFrames || c.kept > keepBytes) {
		c.kept -= len(c.frames[0])
		c.frames[0] = nil
		c.frames = c.frames[1:]
	}
	c.mu.Unlock()
	c.srv.note(func(st *Stats) {
		st.Frames++
		st.BytesIn += int64(len(data))
	})
}

// bury ends the connection and all on it.
func (c *Conn) bury() {
	_ = c.link.Close()
	c.kill()
}

// kill ends everything that lives on the connection, once.
func (c *Conn) kill() {
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return
	}
	c.dead = true
	if c.age != nil {
		c.age.Stop()
	}
	running := make([]*Exchange, 0, len(c.running))
	for _, x := range c.running {
		running = append(running, x)
	}
	waiting := len(c.queue)
	c.queue = nil
	c.mu.Unlock()
	close(c.done)
	for _, x := range running {
		x.gone("gone")
	}
	c.srv.note(func(st *Stats) {
		st.Open--
		st.Queued -= waiting
	})
}

// keepAlive pings, and closes a connection whose client does not answer.
func (c *Conn) keepAlive() {
	timeout := c.srv.opts.PongTimeout
	if timeout == 0 {
		timeout = time.Minute
	}
	tick := time.NewTicker(c.srv.opts.PingEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
		c.mu.Lock()
		late := time.Since(c.lastPong) > timeout+c.srv.opts.PingEvery
		c.mu.Unlock()
		if late {
			c.Close(websocket.CloseInternalServerErr, "keepalive ping timeout")
			return
		}
		if c.Ping() != nil {
			return
		}
	}
}

// handle acts on one text frame.
func (c *Conn) handle(data []byte) {
	var head struct {
		Type               string          `json:"type"`
		ResponseID         string          `json:"response_id"`
		StreamID           string          `json:"stream_id"`
		Mode               string          `json:"mode"`
		PreviousResponseID string          `json:"previous_response_id"`
		Input              json.RawMessage `json:"input"`
	}
	// A field of another type is found out by whoever reads the whole event; here only the type counts.
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(data, &head); err != nil && !(errors.As(err, &wrong) && wrong.Field != "type" && wrong.Field != "") {
		c.refuse(badRequest("invalid_json", "", "The message is not a JSON object with a type."), "")
		return
	}
	opts := &c.srv.opts
	switch {
	case head.Type == "response.create":
		c.createResponse(data)
	case head.Type == "response.interrupt" && opts.Interrupt:
		c.interrupt(head.ResponseID, head.StreamID, head.Mode)
	case head.Type == "response.steer" && opts.Steer:
		c.steer(head.PreviousResponseID, head.StreamID, head.Input)
	default:
		if head.Type == "response.interrupt" {
			c.srv.note(func(st *Stats) { st.Interrupts++ })
		}
		switch opts.Unknown {
		case IgnoreUnknown:
		case CloseUnknown:
			c.Close(websocket.ClosePolicyViolation, "unknown event type")
		default:
			c.refuse(badRequest("invalid_value", "type", fmt.Sprintf("Invalid value: '%s'. Supported values are: 'response.create'.", head.Type)), "")
		}
	}
}

// refuse writes an error event for a frame that became no exchange.
func (c *Conn) refuse(f *Failure, streamID string) {
	c.srv.note(func(st *Stats) { st.Refused++ })
	_ = c.frame(websocket.TextMessage, f.frame(c.srv.opts.EscapeASCII, streamID))
}

// createResponse queues a response on its lane.
func (c *Conn) createResponse(data []byte) {
	opts := &c.srv.opts
	r, fault := parseCreate(data)
	if fault != nil {
		name := ""
		if r := new(createRequest); json.Unmarshal(data, r) == nil {
			name, _ = r.lane()
		}
		c.refuse(fault, c.echo(name))
		return
	}
	if opts.RejectLanes && len(r.StreamID) > 0 {
		c.refuse(badRequest("unknown_parameter", "stream_id", "Unknown parameter: 'stream_id'."), "")
		return
	}
	name := ""
	if !opts.NoLanes && !opts.RejectLanes {
		if name, fault = r.lane(); fault != nil {
			c.refuse(fault, "")
			return
		}
	}
	c.mu.Lock()
	if c.aged {
		c.mu.Unlock()
		c.refuse(c.srv.ageFailure(), name)
		return
	}
	l := c.lanes[name]
	if l == nil {
		if name != "" && c.named == MaxLanes {
			c.mu.Unlock()
			c.refuse(badRequest("websocket_stream_limit_reached", "stream_id", "This WebSocket connection has reached its maximum number of distinct stream IDs (32). Reuse an existing stream_id or open a new WebSocket connection."), name)
			return
		}
		l = &lane{name: name}
		c.lanes[name] = l
		if name != "" {
			c.named++
		}
	}
	x := c.srv.newExchange(r, data)
	x.Transport, x.Method, x.Path, x.Header, x.Conn = WebSocket, http.MethodGet, "/v1/responses", c.Header, c.N
	x.StreamID, x.sock, x.lane = name, c, l
	x.voice, x.out = responsesVoice{}, socketOutlet{c}
	c.queue = append(c.queue, x)
	c.srv.note(func(st *Stats) { st.Queued++ })
	c.mu.Unlock()
	c.schedule()
}

// echo is the name that an error event may carry: none on a server without lanes.
func (c *Conn) echo(name string) string {
	if c.srv.opts.NoLanes || c.srv.opts.RejectLanes {
		return ""
	}
	return name
}

// schedule starts what may start: in the order of arrival, one at a time on a lane, sixteen on the connection.
func (c *Conn) schedule() {
	for {
		c.mu.Lock()
		i := slices.IndexFunc(c.queue, func(x *Exchange) bool { return x.lane.active == nil })
		if i < 0 || c.inFlight == MaxInFlight || c.dead {
			c.mu.Unlock()
			return
		}
		x := c.queue[i]
		c.queue = slices.Delete(c.queue, i, i+1)
		c.inFlight++
		fault := c.begin(x)
		c.mu.Unlock()
		c.srv.note(func(st *Stats) { st.Queued-- })
		c.srv.start(x, fault)
	}
}

// begin makes x its lane's active exchange and finds what it continues. It runs with mu held.
func (c *Conn) begin(x *Exchange) *Failure {
	x.lane.active = x
	c.running[x.ID] = x
	var fault *Failure
	if id := x.PreviousResponseID; id != "" {
		if m := c.recall(x, id); m != nil {
			x.parent = m
		} else {
			fault = previousNotFound(id)
		}
	}
	// A create that is refused for its reference moves nothing: the lane keeps what it has.
	x.lane.moving = fault == nil
	return fault
}

// recall finds the response that x refers to: the latest of its own lane, the latest of another lane that has
// not gone on, or one that is stored.
func (c *Conn) recall(x *Exchange, id string) *memory {
	for _, l := range c.lanes {
		if l.latest != nil && l.latest.id == id && (l == x.lane || !l.moving) {
			return l.latest
		}
	}
	return c.srv.recall(id)
}

// stillForks tells whether the base of x is there at the moment of response.in_progress: another lane may
// have gone on since x began.
func (c *Conn) stillForks(x *Exchange) bool {
	if x.parent == nil || x.lane == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.lane.latest != nil && x.lane.latest.id == x.PreviousResponseID {
		return true
	}
	// A successor continues what its own lane has just ended.
	return c.recall(x, x.PreviousResponseID) != nil
}

// settle notes how x leaves its lane's memory: with x as the latest, or, after a failure, without the response
// that x continued on its own lane. What a fork referred to on another lane stays.
func (c *Conn) settle(x *Exchange, m *memory, keep bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := x.lane
	if keep {
		l.latest = m
	} else if l.latest != nil && l.latest.id == x.PreviousResponseID {
		l.latest = nil
	}
	l.moving = false
	delete(c.running, x.ID)
	if c.ended = append(c.ended, x.ID); len(c.ended) > 2*MaxLanes {
		c.ended = c.ended[1:]
	}
}

// release lets the lane go on after x: with the successor that a steer asked for, else with what is queued.
func (c *Conn) release(x *Exchange) {
	next := x.successor()
	c.mu.Lock()
	delete(c.running, x.ID)
	x.lane.moving = false
	if next != nil && !c.dead {
		fault := c.begin(next)
		c.mu.Unlock()
		c.srv.start(next, fault)
		return
	}
	x.lane.active = nil
	c.inFlight--
	c.mu.Unlock()
	c.schedule()
}

// frame writes one frame.
func (c *Conn) frame(kind int, b []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.ws.WriteMessage(kind, b)
}

// socketOutlet carries an exchange over a WebSocket.
type socketOutlet struct{ c *Conn }

func (o socketOutlet) event(_ string, frame []byte) error {
	return o.c.frame(websocket.TextMessage, frame)
}
func (o socketOutlet) raw(b []byte) error            { return o.c.frame(websocket.TextMessage, b) }
func (o socketOutlet) binary(b []byte) error         { return o.c.frame(websocket.BinaryMessage, b) }
func (o socketOutlet) started() bool                 { return true }
func (o socketOutlet) drop()                         { o.c.Drop() }
func (o socketOutlet) close(code int, reason string) { o.c.Close(code, reason) }
func (o socketOutlet) freeze()                       { o.c.Freeze() }
func (o socketOutlet) split(on bool)                 { o.c.Split(on) }
func (o socketOutlet) hold(on bool)                  { o.c.Hold(on) }
func (o socketOutlet) end()                          {}
func (o socketOutlet) whole(int, map[string]string, string, []byte) error {
	return errors.New("loopback: a WebSocket has no HTTP status any more")
}

// link is the TCP connection under a WebSocket, with the faults of a network in it.
type link struct {
	net.Conn
	in, out   atomic.Int64
	splitting atomic.Bool
	frozen    atomic.Bool
	once      sync.Once
	closed    chan struct{}

	mu      sync.Mutex // guards holding, held and the order of writes
	holding bool
	held    []byte
}

func newLink(c net.Conn) *link { return &link{Conn: c, closed: make(chan struct{})} }

func (l *link) Read(b []byte) (int, error) {
	if l.frozen.Load() {
		<-l.closed
		return 0, net.ErrClosed
	}
	n, err := l.Conn.Read(b)
	if l.frozen.Load() { // what came meanwhile, a FIN included, has not been heard
		<-l.closed
		return 0, net.ErrClosed
	}
	l.in.Add(int64(n))
	return n, err
}

func (l *link) Write(b []byte) (int, error) {
	if l.frozen.Load() {
		return len(b), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holding {
		l.held = append(l.held, b...)
		return len(b), nil
	}
	return l.put(b)
}

func (l *link) put(b []byte) (int, error) {
	step := len(b)
	if l.splitting.Load() {
		step = 1
	}
	for done := 0; done < len(b); {
		n, err := l.Conn.Write(b[done:min(done+step, len(b))])
		l.out.Add(int64(n))
		done += n
		if err != nil {
			return done, err
		}
	}
	return len(b), nil
}

func (l *link) hold(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holding = on
	if !on && len(l.held) > 0 {
		b := l.held
		l.held = nil
		_, _ = l.put(b) // a dead connection shows itself to the reader
	}
}

// closeWrite sends a FIN and leaves the other direction open.
func (l *link) closeWrite() {
	if c, ok := l.Conn.(interface{ CloseWrite() error }); ok && !l.frozen.Load() {
		_ = c.CloseWrite()
	}
}

func (l *link) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Conn.Close()
}
