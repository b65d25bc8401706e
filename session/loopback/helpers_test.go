package loopback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for a fact before it fails. Nothing waits that long in a passing test.
const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func start(t testing.TB, o Options) *Server {
	t.Helper()
	s := New(o)
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// wire is a client of one WebSocket that reads raw frames.
type wire struct {
	t  testing.TB
	ws *websocket.Conn
}

func dial(t testing.TB, s *Server) *wire {
	t.Helper()
	return dialWith(t, s, websocket.DefaultDialer, http.Header{"Authorization": {"Bearer test"}})
}

func dialWith(t testing.TB, s *Server, d *websocket.Dialer, h http.Header) *wire {
	t.Helper()
	ws, resp, err := d.Dial("ws"+strings.TrimPrefix(s.URL(), "http")+"/responses", h)
	if err != nil {
		t.Fatalf("dial: %v (%v)", err, resp)
	}
	t.Cleanup(func() { ws.Close() })
	return &wire{t, ws}
}

// event is a decoded frame.
type event map[string]any

func (e event) kind() string { s, _ := e["type"].(string); return s }

// at walks into nested objects: at("response", "id").
func (e event) at(path ...string) any {
	var v any = map[string]any(e)
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

func (e event) str(path ...string) string { s, _ := e.at(path...).(string); return s }

func (e event) terminal() bool {
	switch e.kind() {
	case "response.completed", "response.failed", "response.incomplete", "error":
		return true
	}
	return false
}

func (w *wire) send(frame string) {
	w.t.Helper()
	if err := w.ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		w.t.Fatalf("send: %v", err)
	}
}

// create sends response.create with these JSON fields besides model, input and store:false.
func (w *wire) create(fields string) {
	w.t.Helper()
	if fields != "" {
		fields = "," + fields
	}
	w.send(`{"type":"response.create","model":"m","store":false` + fields + `}`)
}

func (w *wire) read() (event, error) {
	_ = w.ws.SetReadDeadline(time.Now().Add(patience))
	kind, b, err := w.ws.ReadMessage()
	if err != nil {
		return nil, err
	}
	if kind != websocket.TextMessage {
		return event{"type": "BINARY"}, nil
	}
	var e event
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("frame %q: %w", b, err)
	}
	return e, nil
}

func (w *wire) next() event {
	w.t.Helper()
	e, err := w.read()
	if err != nil {
		w.t.Fatalf("read: %v", err)
	}
	return e
}

// want reads one event and checks its type.
func (w *wire) want(kind string) event {
	w.t.Helper()
	e := w.next()
	if e.kind() != kind {
		w.t.Fatalf("got %v, want type %s", e, kind)
	}
	return e
}

// through reads to a terminal event and returns all, the last one included.
func (w *wire) through() []event {
	w.t.Helper()
	var all []event
	for {
		e := w.next()
		all = append(all, e)
		if e.terminal() {
			return all
		}
	}
}

// answer reads to response.completed and returns the text of the deltas and the terminal event.
func (w *wire) answer() (string, event) {
	w.t.Helper()
	all := w.through()
	last := all[len(all)-1]
	if last.kind() != "response.completed" {
		w.t.Fatalf("ended in %v", last)
	}
	return deltas(all), last
}

func deltas(all []event) string {
	var b strings.Builder
	for _, e := range all {
		if e.kind() == "response.output_text.delta" {
			b.WriteString(e.str("delta"))
		}
	}
	return b.String()
}

// warm makes a warm-up on a lane and returns its id.
func (w *wire) warm(lane, input string) string {
	w.t.Helper()
	fields := `"generate":false,"input":` + string(must(json.Marshal(input)))
	if lane != "" {
		fields += `,"stream_id":"` + lane + `"`
	}
	w.create(fields)
	_, last := w.answer()
	return last.str("response", "id")
}

// wantError reads one event, which must be an error with this code.
func (w *wire) wantError(code string) event {
	w.t.Helper()
	e := w.want("error")
	if e.str("error", "code") != code {
		w.t.Fatalf("got %v, want code %s", e, code)
	}
	return e
}

// wantClose reads to the end of the connection and checks the close code; 1006 is no close frame.
func (w *wire) wantClose(code int) {
	w.t.Helper()
	for {
		_, err := w.read()
		if err == nil {
			continue
		}
		var ce *websocket.CloseError
		got := websocket.CloseAbnormalClosure
		if errors.As(err, &ce) {
			got = ce.Code
		} else if ne := (interface{ Timeout() bool })(nil); errors.As(err, &ne) && ne.Timeout() {
			w.t.Fatalf("the connection is still open: %v", err)
		}
		if got != code {
			w.t.Fatalf("closed with %d (%v), want %d", got, err, code)
		}
		return
	}
}

func exchange(t testing.TB, s *Server) *Exchange {
	t.Helper()
	x, err := s.WaitExchange(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func waitFor(t testing.TB, s *Server, want func(Stats) bool) {
	t.Helper()
	if err := s.Wait(within(t), want); err != nil {
		t.Fatal(err)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func closed(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-within(t).Done():
		t.Fatalf("%s: still open", what)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
