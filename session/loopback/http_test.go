package loopback

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// web is an HTTP client whose connections end with the test.
func web(t testing.TB) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func post(t testing.TB, ctx context.Context, url, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	ok(t, err)
	req.Header.Set("Authorization", "Bearer test")
	req.Header.Set("Content-Type", "application/json")
	resp, err := web(t).Do(req)
	ok(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// events reads server-sent events to the end of the body; each must have matching event: and data: lines.
func events(t testing.TB, body io.Reader) ([]event, error) {
	t.Helper()
	var out []event
	sc := bufio.NewScanner(body)
	sc.Buffer(nil, 2*MaxFrame)
	name := ""
	for sc.Scan() {
		line := sc.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			name = line[len("event: "):]
		case line == "data: [DONE]":
			out = append(out, event{"type": "[DONE]"})
		case strings.HasPrefix(line, "data: "):
			var e event
			if err := json.Unmarshal([]byte(line[len("data: "):]), &e); err != nil {
				return out, fmt.Errorf("%q: %w", line, err)
			}
			if name != "" && e.kind() != name {
				t.Errorf("event: %s with data of type %s", name, e.kind())
			}
			out = append(out, e)
			name = ""
		case line != "":
			t.Errorf("line %q", line)
		}
	}
	return out, sc.Err()
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	ok(t, err)
	return string(b)
}

func TestResponsesOverSSE(t *testing.T) {
	s := start(t, Options{Respond: Answer{Text: "hello"}.Respond, SSEDone: true})
	resp := post(t, within(t), s.URL()+"/responses", `{"model":"m","input":"hi","stream":true,"store":false}`)
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	all, err := events(t, resp.Body)
	ok(t, err)
	if got := strings.Join(kinds(all), " "); got != "response.created response.in_progress response.output_item.added response.content_part.added response.output_text.delta response.output_text.done response.content_part.done response.output_item.done response.completed [DONE]" {
		t.Errorf("events %s", got)
	}
	for i, e := range all[:len(all)-1] {
		if e["sequence_number"] != float64(i) {
			t.Errorf("%s: sequence %v", e.kind(), e["sequence_number"])
		}
	}
	x := exchange(t, s)
	if x.Transport != SSE || x.Method != "POST" || x.Path != "/v1/responses" || x.Conn != 0 || x.Input != "hi" || x.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", x)
	}
}

func TestHeldEventsGoOutAtTheEnd(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	done := make(chan struct{})
	go func() {
		defer close(done)
		x := exchange0(s)
		x.Hold(true)
		_ = x.Text("hello you")
		_ = x.Done()
	}()
	all, err := events(t, post(t, within(t), s.URL()+"/responses", `{"model":"m","stream":true}`).Body)
	ok(t, err)
	<-done
	if deltas(all) != "hello you" || kinds(all)[len(all)-1] != "response.completed" {
		t.Errorf("%v", kinds(all))
	}
}

func TestResponsesAsJSON(t *testing.T) {
	s := start(t, Options{Respond: Answer{Text: "hello"}.Respond})
	resp := post(t, within(t), s.URL()+"/responses", `{"model":"m","input":"hi"}`)
	var e event
	ok(t, json.Unmarshal([]byte(body(t, resp)), &e))
	output, _ := e["output"].([]any)
	if e.str("status") != "completed" || len(output) != 1 || exchange(t, s).Transport != JSON {
		t.Errorf("%v", e)
	}
}

func TestSSEErrors(t *testing.T) {
	s := start(t, Options{Respond: func(x *Exchange) {
		if x.Input == "mid" {
			Answer{Text: "hello you", Fault: ErrorMid}.Respond(x)
			return
		}
		Answer{Fault: Error429, RetryAfter: 2 * time.Second}.Respond(x)
	}})
	resp := post(t, within(t), s.URL()+"/responses", `{"model":"m","stream":true}`)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "2" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	var e event
	ok(t, json.Unmarshal([]byte(body(t, resp)), &e))
	if e.str("error", "code") != "rate_limit_exceeded" {
		t.Errorf("%v", e)
	}
	// In the stream the error is flat and numbered.
	resp = post(t, within(t), s.URL()+"/responses", `{"model":"m","stream":true,"input":"mid"}`)
	all, err := events(t, resp.Body)
	ok(t, err)
	last := all[len(all)-1]
	if last.kind() != "error" || last.str("code") != "server_error" || last.str("message") == "" || last["sequence_number"] == nil || last["error"] != nil {
		t.Errorf("%v", last)
	}
}

func TestSSEContinuation(t *testing.T) {
	s := start(t, Options{})
	id := func(fields string) (int, string) {
		resp := post(t, within(t), s.URL()+"/responses", `{"model":"m","input":"q"`+fields+`}`)
		var e event
		ok(t, json.Unmarshal([]byte(body(t, resp)), &e))
		if c := e.str("error", "code"); c != "" {
			return resp.StatusCode, c
		}
		return resp.StatusCode, e.str("id")
	}
	_, stored := id("")
	_, lost := id(`,"store":false`)
	if code, _ := id(`,"previous_response_id":"` + stored + `"`); code != 200 {
		t.Errorf("stored: %d", code)
	}
	if code, what := id(`,"previous_response_id":"` + lost + `"`); code != 400 || what != "previous_response_not_found" {
		t.Errorf("not stored: %d %s", code, what)
	}
	if code, what := id(`,"stream_id":"a"`); code != 400 || what != "unknown_parameter" {
		t.Errorf("stream_id: %d %s", code, what)
	}
	s = start(t, Options{RejectPrevious: true})
	if code, what := id(`,"previous_response_id":"x"`); code != 400 || what != "unsupported_parameter" {
		t.Errorf("stateless: %d %s", code, what)
	}
}

func TestHTTPCancel(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	ctx, cancel := context.WithCancel(within(t))
	resp := post2(t, ctx, s.URL()+"/responses", `{"model":"m","stream":true}`, func() {
		ok(t, exchange0(s).Delta("x"))
	})
	x := s.Seen()[0]
	cancel()
	closed(t, "cancelled", x.Cancelled())
	closed(t, "ended", x.Ended())
	if err := x.Delta("y"); !errors.Is(err, ErrGone) || x.Outcome() != "gone" {
		t.Errorf("%v, %s", err, x.Outcome())
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	waitFor(t, s, func(st Stats) bool { return st.Cancelled == 1 && st.Finished == 1 })
}

// exchange0 waits outside the test's goroutine.
func exchange0(s *Server) *Exchange {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return must(s.WaitExchange(ctx))
}

// post2 is post with something to do until the headers come.
func post2(t testing.TB, ctx context.Context, url, body string, meanwhile func()) *http.Response {
	done := make(chan struct{})
	go func() { defer close(done); meanwhile() }()
	resp := post(t, ctx, url, body)
	<-done
	return resp
}

func TestHTTPRefusals(t *testing.T) {
	s := start(t, Options{Dialects: []Dialect{Responses}, Key: "test", MaxFrame: 1 << 20})
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/v1/responses", "", 405},
		{"POST", "/v1/responses", "{", 400},
		{"POST", "/v1/responses", "{}", 400},
		{"POST", "/v1/responses", `{"model":"m","input":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
		{"POST", "/responses", "{}", 404},
		{"POST", "/v1/chat/completions", "{}", 404},
		{"GET", "/api/tags", "", 404},
		{"GET", "/v1/models", "", 200},
	} {
		req := must(http.NewRequestWithContext(within(t), c.method, s.Root()+c.path, strings.NewReader(c.body)))
		req.Header.Set("Authorization", "Bearer test")
		resp, err := web(t).Do(req)
		ok(t, err)
		if resp.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, resp.StatusCode, c.status, body(t, resp))
		}
		resp.Body.Close()
	}
	resp, err := web(t).Get(s.URL() + "/models")
	ok(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("without a key: %d", resp.StatusCode)
	}
}

func TestListening(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "nonsense"} {
		s := New(Options{})
		if err := s.Start(addr); err == nil {
			t.Errorf("%s: listens", addr)
		}
		ok(t, s.Close())
	}
	s := New(Options{AllowRemote: true})
	ok(t, s.Start("0.0.0.0:0"))
	ok(t, s.Close())
	ok(t, s.Close())
	s = start(t, Options{})
	if err := s.Start("127.0.0.1:0"); err == nil {
		t.Error("started twice")
	}
	if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") || !strings.HasSuffix(s.URL(), "/v1") {
		t.Errorf("url %s", s.URL())
	}
}

func TestTLSAndHTTP2(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "loopback"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der := must(x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key))
	roots := x509.NewCertPool()
	roots.AddCert(must(x509.ParseCertificate(der)))
	s := start(t, Options{Respond: Answer{Text: "hello"}.Respond,
		TLS: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}})
	w := dialWith(t, s, &websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: roots}}, http.Header{"Authorization": {"Bearer x"}})
	w.create("")
	if text, _ := w.answer(); text != "hello" {
		t.Errorf("wss: %q", text)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	req := must(http.NewRequestWithContext(within(t), "POST", s.URL()+"/responses", strings.NewReader(`{"model":"m","stream":true}`)))
	req.Header.Set("Authorization", "Bearer x")
	resp, err := tr.RoundTrip(req)
	ok(t, err)
	defer resp.Body.Close()
	all, err := events(t, resp.Body)
	ok(t, err)
	if resp.ProtoMajor != 2 || deltas(all) != "hello" {
		t.Errorf("%s: %q", resp.Proto, deltas(all))
	}
}

func TestAsHandlerOfAnotherServer(t *testing.T) {
	s := New(Options{})
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	srv := &http.Server{Handler: s}
	go func() { _ = srv.Serve(l) }()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+l.Addr().String()+"/v1/responses", http.Header{"Authorization": {"Bearer x"}})
	ok(t, err)
	(&wire{t, ws}).warm("", "")
	ws.Close()
	ok(t, srv.Close())
	ok(t, s.Close())
	if s.URL() != "" {
		t.Error("has a URL")
	}
}

func TestStuckRespondIsReported(t *testing.T) {
	free := make(chan struct{})
	s := New(Options{Respond: func(*Exchange) { <-free }})
	s.closeWait = time.Millisecond
	ok(t, s.Start("127.0.0.1:0"))
	w := dial(t, s)
	w.create("")
	exchange(t, s)
	if err := s.Close(); err == nil {
		t.Error("no complaint")
	}
	close(free)
}

// dialectCase is one fill-in-the-middle or chat endpoint with a request and how to read its answer.
type dialectCase struct {
	dialect Dialect
	path    string
	request string // with %s for more fields
	text    func(event) string
	end     func(event) bool
	prefix  string
	suffix  string
	input   string
}

func choice(e event) event {
	list, _ := e["choices"].([]any)
	if len(list) == 0 {
		return event{}
	}
	m, _ := list[0].(map[string]any)
	return m
}

var dialectCases = []dialectCase{
	{Chat, "/v1/chat/completions", `{"model":"m","messages":[{"role":"system","content":"rules"},{"role":"user","content":[{"type":"text","text":"hi"}]}]%s}`,
		func(e event) string { return choice(e).str("delta", "content") + choice(e).str("message", "content") },
		func(e event) bool { return choice(e).str("finish_reason") == "stop" }, "", "", "rules\nhi"},
	{Completions, "/v1/completions", `{"model":"m","prompt":"pre","suffix":"suf"%s}`,
		func(e event) string { return choice(e).str("text") },
		func(e event) bool { return choice(e).str("finish_reason") == "stop" }, "pre", "suf", "pre"},
	{DeepSeek, "/beta/completions", `{"model":"m","prompt":"pre","suffix":"suf"%s}`,
		func(e event) string { return choice(e).str("text") },
		func(e event) bool { return choice(e).str("finish_reason") == "stop" }, "pre", "suf", "pre"},
	{Mistral, "/v1/fim/completions", `{"model":"m","prompt":"pre","suffix":"suf"%s}`,
		func(e event) string { return choice(e).str("delta", "content") + choice(e).str("message", "content") },
		func(e event) bool { return choice(e).str("finish_reason") == "stop" && e["usage"] != nil }, "pre", "suf", "pre"},
	{Infill, "/infill", `{"input_prefix":"pre","input_suffix":"suf","prompt":"fix","input_extra":[{"filename":"a.go","text":"extra"}]%s}`,
		func(e event) string { return e.str("content") },
		func(e event) bool { return e["stop"] == true && e.str("stop_type") == "eos" }, "prefix", "suf", "extra\nprefix"},
	{Ollama, "/api/generate", `{"model":"m","prompt":"pre","suffix":"suf"%s}`,
		func(e event) string { return e.str("response") },
		func(e event) bool { return e["done"] == true && e.str("done_reason") == "stop" }, "pre", "suf", "pre"},
}

// chunks reads SSE data or NDJSON lines.
func chunks(t testing.TB, r io.Reader) (out []event, done bool) {
	t.Helper()
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		line := strings.TrimPrefix(sc.Text(), "data: ")
		if line == "[DONE]" {
			done = true
		} else if line != "" {
			var e event
			ok(t, json.Unmarshal([]byte(line), &e))
			out = append(out, e)
		}
	}
	ok(t, sc.Err())
	return out, done
}

func TestDialects(t *testing.T) {
	const text = "func main() { println(\"hé\") }\n"
	for _, c := range dialectCases {
		t.Run(string(c.dialect), func(t *testing.T) {
			s := start(t, Options{Respond: Answer{Text: text}.Respond})
			resp := post(t, within(t), s.Root()+c.path, fmt.Sprintf(c.request, `,"stream":true`))
			all, done := chunks(t, resp.Body)
			var got strings.Builder
			for _, e := range all {
				got.WriteString(c.text(e))
			}
			if got.String() != text || !c.end(all[len(all)-1]) || len(all) < 5 {
				t.Errorf("%q in %d chunks, the last %v", got.String(), len(all), all[len(all)-1])
			}
			if sse := c.dialect != Infill && c.dialect != Ollama; sse != done {
				t.Errorf("[DONE]: %v", done)
			}
			x := exchange(t, s)
			if x.Dialect != c.dialect || x.Prefix != c.prefix || x.Suffix != c.suffix || x.Input != c.input {
				t.Errorf("%s: prefix %q, suffix %q, input %q", x.Dialect, x.Prefix, x.Suffix, x.Input)
			}
			if want := map[bool]Job{true: OtherJob, false: CompletionJob}[c.dialect == Chat]; x.Job() != want {
				t.Errorf("job %s", x.Job())
			}
			// The same in one object.
			resp = post(t, within(t), s.Root()+c.path, fmt.Sprintf(c.request, `,"stream":false`))
			all, _ = chunks(t, resp.Body)
			if len(all) != 1 || c.text(all[0]) != text || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("whole: %v", all)
			}
			if exchange(t, s).Transport != JSON {
				t.Error("transport")
			}
			// The token limit of each dialect's own name.
			limit := map[Dialect]string{Infill: `,"n_predict":3`, Ollama: `,"options":{"num_predict":3}`}[c.dialect]
			if limit == "" {
				limit = `,"max_tokens":3`
			}
			resp = post(t, within(t), s.Root()+c.path, fmt.Sprintf(c.request, `,"stream":true`+limit))
			all, _ = chunks(t, resp.Body)
			last := all[len(all)-1]
			if got := choice(last).str("finish_reason") + last.str("stop_type") + last.str("done_reason"); got != "length" && got != "limit" {
				t.Errorf("limited: ends in %v", last)
			}
			// Errors before and amid the answer.
			s = start(t, Options{Respond: Answer{Text: text, Fault: Error429, RetryAfter: time.Second}.Respond})
			resp = post(t, within(t), s.Root()+c.path, fmt.Sprintf(c.request, `,"stream":true`))
			if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(body(t, resp), "Rate limit reached.") {
				t.Errorf("%d %v", resp.StatusCode, resp.Header)
			}
			s = start(t, Options{Respond: Answer{Text: text, Fault: ErrorMid}.Respond})
			all, _ = chunks(t, post(t, within(t), s.Root()+c.path, fmt.Sprintf(c.request, `,"stream":true`)).Body)
			if all[len(all)-1]["error"] == nil {
				t.Errorf("amid: %v", all[len(all)-1])
			}
			s = start(t, Options{Respond: Answer{Text: text, Fault: DropMid}.Respond})
			resp = post(t, within(t), s.Root()+c.path, fmt.Sprintf(c.request, `,"stream":true`))
			if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("a cut body ends in %v", err)
			}
		})
	}
}

func TestUsageChunk(t *testing.T) {
	s := start(t, Options{})
	for _, path := range []string{"/chat/completions", "/completions"} {
		all, _ := chunks(t, post(t, within(t), s.URL()+path, `{"model":"m","prompt":"p","messages":[],"stream":true,"stream_options":{"include_usage":true}}`).Body)
		if all[len(all)-1].at("usage", "completion_tokens") == nil {
			t.Errorf("%s: %v", path, all[len(all)-1])
		}
	}
}

func TestRejectSuffix(t *testing.T) {
	s := start(t, Options{RejectSuffix: true})
	resp := post(t, within(t), s.URL()+"/completions", `{"model":"m","prompt":"p","suffix":"s"}`)
	if b := body(t, resp); resp.StatusCode != 400 || !strings.Contains(b, "suffix is not currently supported") {
		t.Errorf("%d %s", resp.StatusCode, b)
	}
	if resp := post(t, within(t), s.URL()+"/completions", `{"model":"m","prompt":"p"}`); resp.StatusCode != 200 {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestDiscovery(t *testing.T) {
	s := start(t, Options{Models: []string{"qwen", "deep"}})
	for path, want := range map[string]string{
		"/v1/models": `"id":"qwen"`, "/api/tags": `"name":"deep"`, "/api/version": `"version"`, "/health": `"ok"`, "/props": `"model_path":"qwen"`,
	} {
		resp, err := web(t).Get(s.Root() + path)
		ok(t, err)
		if b := body(t, resp); resp.StatusCode != 200 || !strings.Contains(b, want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, b)
		}
		resp.Body.Close()
	}
}
