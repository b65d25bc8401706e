package loopback

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Stats are the facts a test waits for. All but Open, Queued and InFlight only grow.
type Stats struct {
	Upgrades    int   // attempts to open a WebSocket, refused ones included
	Conns       int   // WebSockets accepted
	Open        int   // of which are open
	Requests    int   // HTTP requests that were no upgrade
	Frames      int   // text frames received
	BytesIn     int64 // bytes of those frames, and of HTTP bodies
	Refused     int   // frames and requests answered by an error without becoming an exchange
	Queued      int   // creates that wait for their lane or for one of the sixteen places
	InFlight    int   // exchanges that run, warm-ups included
	MaxInFlight int   // the most that ever ran at once
	Exchanges   int   // exchanges that generate, begun
	Warmups     int   // warm-ups completed
	Finished    int   // exchanges ended, however; warm-ups included
	Cancelled   int   // exchanges whose Cancelled was closed
	Interrupts  int   // response.interrupt frames
	Steers      int   // response.steer frames
	Pings       int   // pings received
	Pongs       int   // pongs received
}

// Server is a model server. It lives from New to Close; Start gives it an address of its own, and without
// that it is an http.Handler for somebody else's server.
type Server struct {
	opts Options
	salt string // of response ids, so that no other server knows them
	base string
	http *http.Server
	wg   sync.WaitGroup // everything that runs for a client
	quit chan struct{}

	closeWait time.Duration // how long Close waits for a Respond

	mu      sync.Mutex // guards everything below; the innermost lock
	stats   Stats
	wake    chan struct{} // closed and replaced at every change
	closed  bool
	ids     int
	starts  int
	conns   []*Conn
	seen    []*Exchange // the last ones that started, warm-ups included
	pending []*Exchange // those that generate and no WaitExchange has returned yet
	stored  map[string]*memory
	order   []string // ids in stored, oldest first
}

const (
	keepExchanges = 4096
	keepStored    = 1024
)

// New returns a server that listens nowhere yet.
func New(o Options) *Server {
	salt := make([]byte, 12)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	if o.EchoBytes == 0 {
		o.EchoBytes = 2048
	}
	if o.MaxFrame == 0 {
		o.MaxFrame = MaxFrame
	}
	if o.ErrorLog == nil {
		o.ErrorLog = log.New(io.Discard, "", 0)
	}
	if o.Respond == nil {
		o.Respond = Canned
	}
	return &Server{opts: o, salt: hex.EncodeToString(salt), quit: make(chan struct{}), closeWait: 5 * time.Second, wake: make(chan struct{}), stored: map[string]*memory{}}
}

// Start listens on addr ("127.0.0.1:0" in tests) and serves until Close. An address that is not a loopback
// one is refused unless Options.AllowRemote is set: an open model server without a model is still a way in.
func (s *Server) Start(addr string) error {
	if s.http != nil {
		return errors.New("loopback: the server has been started already")
	}
	if !s.opts.AllowRemote {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			return fmt.Errorf("listen on %q: %w", addr, err)
		}
		if !tcp.IP.IsLoopback() {
			return fmt.Errorf("listen on %q: not a loopback address (such as 127.0.0.1)", addr)
		}
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	scheme := "http"
	s.http = &http.Server{Handler: s, ErrorLog: s.opts.ErrorLog, ReadHeaderTimeout: 10 * time.Second}
	serve := func() error { return s.http.Serve(l) }
	if s.opts.TLS != nil {
		scheme = "https"
		s.http.TLSConfig = s.opts.TLS.Clone()
		serve = func() error { return s.http.ServeTLS(l, "", "") }
	}
	s.base = scheme + "://" + l.Addr().String()
	s.wg.Go(func() { _ = serve() }) // it ends by Close
	return nil
}

// URL is the base URL of a client of the OpenAI protocols, ending in /v1; "" before Start.
func (s *Server) URL() string {
	if s.base == "" {
		return ""
	}
	return s.base + "/v1"
}

// Root is the URL without /v1, which clients of llama.cpp, Ollama, Mistral and DeepSeek take.
func (s *Server) Root() string { return s.base }

// Close stops listening, cuts every connection and waits until nothing of the server runs any more. It
// reports a Respond that did not return within five seconds of its exchange being cancelled.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.quit)
	conns := slices.Clone(s.conns)
	s.mu.Unlock()
	var err error
	if s.http != nil {
		err = s.http.Close()
	}
	for _, c := range conns {
		c.Drop()
	}
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(s.closeWait):
		err = errors.Join(err, errors.New("loopback: a Respond still runs although its exchange was cancelled"))
	}
	return err
}

// ServeHTTP answers one HTTP request, upgrades included.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	maps.Copy(w.Header(), s.opts.Header)
	if websocket.IsWebSocketUpgrade(r) && r.URL.Path == "/v1/responses" && s.serves(Responses) {
		s.upgrade(w, r)
		return
	}
	s.note(func(st *Stats) { st.Requests++ })
	s.route(w, r)
}

func (s *Server) serves(d Dialect) bool {
	return len(s.opts.Dialects) == 0 || slices.Contains(s.opts.Dialects, d)
}

// upgrade turns a request into a connection, or refuses it.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.stats.Upgrades++
	n := s.stats.Upgrades
	s.changed()
	s.mu.Unlock()
	var up Upgrade
	if s.opts.Upgrade != nil {
		up = s.opts.Upgrade(n, r)
	}
	if up.Hang {
		select {
		case <-r.Context().Done():
		case <-s.quit:
		}
		panic(http.ErrAbortHandler)
	}
	if up.Status != 0 {
		maps.Copy(w.Header(), up.Header)
		if up.Body != "" {
			w.WriteHeader(up.Status)
			_, _ = w.Write([]byte(up.Body))
			return
		}
		writeFailure(w, &Failure{Status: up.Status, Message: "The upgrade was refused: " + http.StatusText(up.Status) + "."})
		return
	}
	if f := s.authorize(r, true); f != nil {
		writeFailure(w, f)
		return
	}
	var l *link
	upgrader := websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second, ReadBufferSize: 16 << 10, WriteBufferSize: 16 << 10,
		EnableCompression: s.opts.Deflate,
		CheckOrigin:       func(*http.Request) bool { return true },
	}
	header := s.opts.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	maps.Copy(header, up.Header)
	ws, err := upgrader.Upgrade(&hijacker{ResponseWriter: w, made: &l}, r, header)
	if err != nil {
		return // gorilla has answered
	}
	c := newConn(s, 0, r, ws, l, up)
	l.splitting.Store(up.Split)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		c.Drop()
		return
	}
	s.stats.Conns++
	s.stats.Open++
	c.N = s.stats.Conns
	s.conns = append(s.conns, c)
	s.changed()
	s.mu.Unlock()
	c.serve()
	s.mu.Lock()
	s.conns = slices.DeleteFunc(s.conns, func(o *Conn) bool { return o == c })
	s.mu.Unlock()
}

// hijacker puts a link under the WebSocket that gorilla makes of an HTTP connection.
type hijacker struct {
	http.ResponseWriter
	made **link
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	l := newLink(c)
	*h.made = l
	return l, rw, nil
}

// authorize looks at the bearer token. Endpoints that people run at home take none unless a key is set.
func (s *Server) authorize(r *http.Request, strict bool) *Failure {
	if s.opts.Anonymous || s.opts.Key == "" && !strict {
		return nil
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok || token == "":
		return &Failure{Status: 401, Type: "invalid_request_error", Code: "missing_api_key", Message: "You didn't provide an API key."}
	case s.opts.Key != "" && token != s.opts.Key:
		return &Failure{Status: 401, Type: "invalid_request_error", Code: "invalid_api_key", Message: "Incorrect API key provided."}
	}
	return nil
}

func (s *Server) ageLimit() time.Duration {
	if s.opts.AgeLimit == 0 {
		return time.Hour
	}
	return s.opts.AgeLimit
}

func (s *Server) ageFailure() *Failure {
	minutes := max(1, int(s.ageLimit().Minutes()))
	return badRequest("websocket_connection_limit_reached", "", fmt.Sprintf("Responses websocket connection limit reached (%d minutes). Create a new websocket connection to continue.", minutes))
}

// newID makes an id of the length that the service's have.
func (s *Server) newID(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids++
	return fmt.Sprintf("%s%s%08x", prefix, s.salt, s.ids)
}

// newExchange makes the exchange of a Responses request; the caller adds how it came.
func (s *Server) newExchange(r *createRequest, raw []byte) *Exchange {
	x := s.blankExchange(raw)
	x.Dialect, x.create, x.ID = Responses, r, s.newID("resp_")
	x.Model, x.ServiceTier, x.Generate, x.Store = r.Model, r.ServiceTier, r.generates(), r.Store == nil || *r.Store
	if r.PreviousResponseID != nil {
		x.PreviousResponseID = *r.PreviousResponseID
	}
	if r.MaxOutputTokens != nil {
		x.MaxOutputTokens = *r.MaxOutputTokens
	}
	x.Input = r.text
	x.Instructions, _ = inputText(r.Instructions) // a string or null
	return x
}

func (s *Server) blankExchange(raw []byte) *Exchange {
	return &Exchange{srv: s, Body: raw, Generate: true, arrived: time.Now(), cancelled: make(chan struct{}), over: make(chan struct{})}
}

// start begins an exchange whose turn has come: it is numbered and seen, and answered on a goroutine. A fault
// found at this moment is its whole answer.
func (s *Server) start(x *Exchange, fault *Failure) {
	s.mu.Lock()
	s.starts++
	x.N = s.starts
	s.stats.InFlight++
	s.stats.MaxInFlight = max(s.stats.MaxInFlight, s.stats.InFlight)
	s.seen = trim(append(s.seen, x))
	if x.Generate && fault == nil {
		s.stats.Exchanges++
		s.pending = trim(append(s.pending, x))
	}
	s.changed()
	s.mu.Unlock()
	switch {
	case fault != nil:
		s.wg.Go(func() { _ = x.Fail(fault) }) // not here: the reader of the socket must not wait for a write
	case x.Generate:
		s.wg.Go(func() { s.opts.Respond(x) })
	case s.opts.Warm != nil:
		s.wg.Go(func() { s.opts.Warm(x) })
	case s.opts.WarmDelay > 0:
		s.wg.Go(func() {
			_ = x.InProgress()
			select {
			case <-time.After(s.opts.WarmDelay):
				_ = x.Done()
			case <-x.over:
			}
		})
	default:
		s.wg.Go(func() { _ = x.Done() })
	}
}

func trim(list []*Exchange) []*Exchange {
	if len(list) > keepExchanges {
		list[0] = nil
		list = list[1:]
	}
	return list
}

// exchangeEnded counts an end and tells the observer.
func (s *Server) exchangeEnded(x *Exchange) {
	s.note(func(st *Stats) {
		st.InFlight--
		st.Finished++
		if !x.Generate && x.why == ErrEnded && x.outcome == "completed" {
			st.Warmups++
		}
	})
	if s.opts.Finished != nil {
		s.opts.Finished(x)
	}
}

// store remembers a response beyond its connection (store:true).
func (s *Server) store(m *memory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored[m.id] = m
	s.order = append(s.order, m.id)
	if len(s.order) > keepStored {
		delete(s.stored, s.order[0])
		s.order = s.order[1:]
	}
}

func (s *Server) recall(id string) *memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored[id]
}

func (s *Server) unstore(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.stored, id)
	}
}

// note changes the facts and wakes whoever waits for them.
func (s *Server) note(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
	s.changed()
}

// changed runs with mu held.
func (s *Server) changed() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// Stats are the facts as of now.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Wait blocks until the facts are as wanted, or ctx ends, and then says what they were.
func (s *Server) Wait(ctx context.Context, want func(Stats) bool) error {
	for {
		s.mu.Lock()
		st, wake := s.stats, s.wake
		s.mu.Unlock()
		if want(st) {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return fmt.Errorf("loopback: %w; the server has seen %+v", context.Cause(ctx), st)
		}
	}
}

// WaitExchange returns the next exchange that generates, in the order in which they began; each is returned
// once. Warm-ups do not count.
func (s *Server) WaitExchange(ctx context.Context) (*Exchange, error) {
	for {
		s.mu.Lock()
		if len(s.pending) > 0 {
			x := s.pending[0]
			s.pending = s.pending[1:]
			s.mu.Unlock()
			return x, nil
		}
		st, wake := s.stats, s.wake
		s.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, fmt.Errorf("loopback: no exchange: %w; the server has seen %+v", context.Cause(ctx), st)
		}
	}
}

// WaitWarm blocks until n warm-ups have been completed since New.
func (s *Server) WaitWarm(ctx context.Context, n int) error {
	return s.Wait(ctx, func(st Stats) bool { return st.Warmups >= n })
}

// WaitConns blocks until n WebSockets have been accepted since New.
func (s *Server) WaitConns(ctx context.Context, n int) error {
	return s.Wait(ctx, func(st Stats) bool { return st.Conns >= n })
}

// Warmups is how many warm-ups have been completed.
func (s *Server) Warmups() int { return s.Stats().Warmups }

// Conns are the WebSockets that are open, oldest first.
func (s *Server) Conns() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

// Seen are the exchanges that have begun, warm-ups included, oldest first: the last 4,096 of them.
func (s *Server) Seen() []*Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}
