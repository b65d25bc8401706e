package session

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// connectProxy is a real CONNECT proxy; refuse makes it one that lets nothing through but HTTP requests it
// can read.
func connectProxy(t *testing.T) (at *url.URL, tunnels *atomic.Int64) {
	t.Helper()
	tunnels = new(atomic.Int64)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") == "" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		tunnels.Add(1)
		down, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = down.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		wg.Go(func() { defer up.Close(); _, _ = io.Copy(up, rw) })
		wg.Go(func() { defer down.Close(); _, _ = io.Copy(down, up) })
	})}
	wg.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() { srv.Close(); wg.Wait() })
	return &url.URL{Scheme: "http", Host: l.Addr().String(), User: url.UserPassword("me", "secret")}, tunnels
}

// A real CONNECT proxy, a private CA that SSL_CERT_FILE names, and a client certificate, over both transports.
func TestProxyPrivateCAClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", file)
	for _, tr := range []Transport{WebSocket, HTTP} {
		for _, mutual := range []bool{false, true} {
			conf := ca.server.Clone()
			if mutual {
				conf.ClientAuth = tls.RequireAndVerifyClientCert
			}
			srv := serve(t, loopback.Options{TLS: conf, Respond: echo})
			proxy, tunnels := connectProxy(t)
			s := open(t, srv, func(c *Config) {
				c.Transport, c.Proxy = tr, http.ProxyURL(proxy)
				if mutual {
					c.TLS = ca.client
				}
			})
			ask(within(t), s, Request{Job: Edit, Input: user("through")}).want(t, "through", Complete)
			if tunnels.Load() == 0 {
				t.Errorf("%s: not through the proxy", tr)
			}
			s.Close()
		}
	}
}

// A transport that is still dialling when the session is closed leaves nothing behind.
func TestCloseWhileConnecting(t *testing.T) {
	ca := newAuthority(t)
	srv := serve(t, loopback.Options{TLS: ca.server, Respond: echo})
	for i := range 50 {
		s := open(t, srv, func(c *Config) { c.TLS, c.Transport = ca.client, []Transport{HTTP, Auto}[i%2] })
		time.Sleep(time.Duration(i) * 100 * time.Microsecond) // at every stage of the handshake
		s.Close()
	}
	// The server is closed after this and waits for its connections; goleak looks at the rest.
}

func TestUnknownAuthority(t *testing.T) {
	ca := newAuthority(t)
	srv := serve(t, loopback.Options{TLS: ca.server, Respond: echo})
	s := open(t, srv, func(c *Config) { c.Timeouts = short() })
	e := ask(within(t), s, Request{Job: Completion, Input: user("x")}).fails(t, RetryAfter)
	if s.Status().State != Offline {
		t.Errorf("%v, status %+v", e, s.Status())
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	for _, tr := range []Transport{Auto, WebSocket, HTTP} {
		var mu sync.Mutex
		var states []State
		s := Open(Config{URL: "http://" + addr + "/v1", Model: "m", Transport: tr, Timeouts: short(), OnStatus: func(st Status) {
			mu.Lock()
			defer mu.Unlock()
			states = append(states, st.State)
		}})
		began := time.Now()
		ask(within(t), s, Request{Job: Edit, Input: user("x")}).fails(t, RetryAfter)
		if d := time.Since(began); d > time.Second {
			t.Errorf("%s: took %v", tr, d)
		}
		s.Close()
		mu.Lock()
		if len(states) != 1 || states[0] != Offline {
			t.Errorf("%s: states %v", tr, states)
		}
		mu.Unlock()
	}
}

// The endpoint comes back: the session notices by itself, and says so.
func TestWebSocketIsProbedAgain(t *testing.T) {
	var refuse atomic.Bool
	refuse.Store(true)
	srv := serve(t, loopback.Options{Respond: echo, Upgrade: func(int, *http.Request) loopback.Upgrade {
		if refuse.Load() {
			return loopback.Upgrade{Status: 404}
		}
		return loopback.Upgrade{}
	}})
	s := open(t, srv, func(c *Config) { c.Timeouts.Reprobe = 30 * time.Millisecond })
	ctx := within(t)
	ask(ctx, s, Request{Job: Edit, Input: user("one")}).want(t, "one", Complete)
	if tr := s.Status().Transport; tr != HTTP {
		t.Errorf("transport %q", tr)
	}
	refuse.Store(false)
	if err := srv.WaitConns(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Warm(ctx, Edit, rules); err != nil { // waits for the connection
		t.Fatal(err)
	}
	ask(ctx, s, Request{Job: Edit, Base: rules, Input: user("two")}).want(t, "two", Complete)
	if tr := s.Status().Transport; tr != WebSocket {
		t.Errorf("transport %q", tr)
	}
}

func TestAuthenticationNeverLoops(t *testing.T) {
	srv := serve(t, loopback.Options{Key: "another"})
	s := open(t, srv, nil)
	for range 5 {
		ask(within(t), s, Request{Job: Edit, Input: user("x")}).fails(t, Reauthenticate)
	}
	if st := srv.Stats(); st.Upgrades+st.Requests > 1 {
		t.Errorf("%d upgrades and %d requests with a key that was refused", st.Upgrades, st.Requests)
	}
	if st := s.Status(); st.State != Offline || st.Message == "" {
		t.Errorf("status %+v", st)
	}
}

func TestLimitsAreShownAndKept(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
		if x.N == 1 {
			_ = x.Error(429, "rate_limit_exceeded", "slow", map[string]string{"retry-after-ms": "600"})
			return
		}
		echo(x)
	}})
	states := make(chan Status, 16)
	s := open(t, srv, func(c *Config) { c.OnStatus = func(st Status) { states <- st } })
	ctx := within(t)
	if st := <-states; st.State != OK || st.Transport != WebSocket { // connected
		t.Errorf("%+v", st)
	}
	e := ask(ctx, s, Request{Job: Completion, Input: user("x")}).fails(t, RetryAfter)
	if e.RetryAfter != 600 {
		t.Errorf("retry after %d ms", e.RetryAfter)
	}
	if st := <-states; st.State != Limited || time.Until(st.Until) > 600*time.Millisecond {
		t.Errorf("%+v", st)
	}
	// A second completion does not even ask; an edit has the patience to wait.
	ask(ctx, s, Request{Job: Completion, Input: user("y")}).fails(t, RetryAfter)
	if n := srv.Stats().Exchanges; n != 1 {
		t.Errorf("%d requests while limited", n)
	}
	ask(ctx, s, Request{Job: Edit, Input: user("z")}).want(t, "z", Complete)
	if st := <-states; st.State != OK {
		t.Errorf("%+v", st)
	}
}

func TestQueueIsShown(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: loopback.Manual})
	states := make(chan Status, 16)
	s := open(t, srv, func(c *Config) { c.OnStatus = func(st Status) { states <- st } })
	ctx := within(t)
	<-states
	got := make(chan answer, 1)
	go func() { got <- ask(ctx, s, Request{Job: Edit, Input: user("x")}) }()
	x, err := srv.WaitExchange(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = x.Queued()
	if st := <-states; st.State != Queued || st.Since.IsZero() {
		t.Errorf("%+v", st)
	}
	proper(x)
	if st := <-states; st.State != OK {
		t.Errorf("%+v", st)
	}
	(<-got).want(t, good, Complete)
}

// Everything that is billed is reported: answers, warm-ups, and what nobody waited for.
func TestUsageIsReported(t *testing.T) {
	srv := serve(t, loopback.Options{ServedTier: "default", Timing: true, Respond: func(x *loopback.Exchange) {
		_ = x.Delta("a")
		if x.Input == "leave" {
			<-x.Ended()
			return
		}
		_ = x.Complete(loopback.Usage{Input: 100, Cached: 90, CacheWrite: 5, Output: 7, Reasoning: 2})
	}})
	served := make(chan Served, 16)
	s := open(t, srv, func(c *Config) { c.ServiceTier, c.OnUsage = "ultrafast", func(u Served) { served <- u } })
	ctx := within(t)
	if err := s.Warm(ctx, Edit, rules); err != nil {
		t.Fatal(err)
	}
	if u := <-served; !u.Warmup || u.Usage.Input == 0 || u.Job != Edit {
		t.Errorf("warm-up: %+v", u)
	}
	a := ask(ctx, s, Request{Job: Edit, Base: rules, Input: user("x")})
	want := Usage{Input: 100, Cached: 90, CacheWrite: 5, Output: 7, Reasoning: 2}
	if a.done[0].Usage != want || a.done[0].Tier != "default" || a.done[0].Timing == nil {
		t.Errorf("done %+v", a.done[0])
	}
	if u := <-served; u.Usage != want || u.Tier != "default" || u.Warmup || u.Abandoned {
		t.Errorf("%+v", u)
	}
	b := begin(t, s, ctx, Request{Job: Completion, Input: user("leave")})
	b.stop()
	for range 2 {
		if _, err := srv.WaitExchange(ctx); err != nil {
			t.Fatal(err)
		}
	}
	seen := srv.Seen()
	_ = seen[len(seen)-1].Done()
	if u := <-served; !u.Abandoned || u.Job != Completion {
		t.Errorf("%+v", u)
	}
}

func TestModelsAndDiscovery(t *testing.T) {
	srv := serve(t, loopback.Options{Models: []string{"b", "a"}, Anonymous: true})
	for _, d := range []Dialect{Responses, Ollama, Infill} {
		s := open(t, srv, func(c *Config) { c.Dialect, c.Transport = d, HTTP })
		list, err := s.Models(within(t))
		if err != nil || len(list) != 2 || list[0] != "a" {
			t.Errorf("%s: %v, %v", d, list, err)
		}
	}
	found := discover(within(t), []Local{
		{Dialect: Ollama, URL: srv.Root()},
		{Dialect: Infill, URL: srv.Root()},
		{Dialect: Ollama, URL: "http://127.0.0.1:1"},
	})
	if len(found) != 2 || found[0].Dialect != Ollama || found[1].Dialect != Infill || len(found[1].Models) != 2 {
		t.Errorf("found %+v", found)
	}
	other := serve(t, loopback.Options{Dialects: []loopback.Dialect{loopback.Chat}})
	if found := discover(within(t), []Local{{Dialect: Infill, URL: other.Root()}, {Dialect: Ollama, URL: other.Root()}}); len(found) != 0 {
		t.Errorf("taken for a local model server: %+v", found)
	}
}
