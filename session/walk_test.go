package session

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

const hangs = 0

// refusingProxy lets plain requests through and answers CONNECT with a status, or never.
func refusingProxy(t *testing.T, status int) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {}, FlushInterval: -1}
	quit := make(chan struct{})
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodConnect:
			forward.ServeHTTP(w, r)
		case status == hangs:
			<-quit
		default:
			w.WriteHeader(status)
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { close(quit); srv.Close(); <-done })
	return &url.URL{Scheme: "http", Host: l.Addr().String(), User: url.UserPassword("me", "proxy-password")}
}

// TestProxyRefusesTunnelD20: a proxy that opens no tunnel, which is what every WebSocket needs, does let plain requests
// through. The answer comes by HTTP, whole and once, within a second; where nothing gets through, the proxy is named.
func TestProxyRefusesTunnelD20(t *testing.T) {
	ca := newAuthority(t)
	for _, status := range []int{403, 405, 407, 502, hangs} {
		proxy := refusingProxy(t, status)
		config := func(c *Config) {
			c.Proxy, c.TLS, c.Timeouts = http.ProxyURL(proxy), ca.client, short()
			c.Timeouts.Connect = 300 * time.Millisecond
		}
		srv := serve(t, loopback.Options{Respond: echo})
		s := open(t, srv, config)
		began := time.Now()
		ask(within(t), s, Request{Job: Edit, Input: user("plain")}).want(t, "plain", Complete)
		if d := time.Since(began); d > time.Second {
			t.Errorf("%d: the fallback took %v", status, d)
		}
		if tr := s.Status().Transport; tr != HTTP {
			t.Errorf("%d: transport %q", status, tr)
		}
		s.Close()
		if status == hangs {
			continue // nobody knows who is silent then
		}
		for _, tr := range []Transport{Auto, WebSocket} {
			srv = serve(t, loopback.Options{Respond: echo, TLS: ca.server})
			s = open(t, srv, func(c *Config) { config(c); c.Transport = tr })
			e := ask(within(t), s, Request{Job: Completion, Input: user("x")}).fails(t, RetryAfter)
			if said := e.Message + s.Status().Message; !strings.Contains(said, "proxy "+proxy.Host) || strings.Contains(said, "proxy-password") {
				t.Errorf("%d, %s: %q", status, tr, said)
			}
			s.Close()
		}
	}
}

func TestWalk(t *testing.T) {
	ca := newAuthority(t)
	good := serve(t, loopback.Options{TLS: ca.server})
	plain := serve(t, loopback.Options{})
	tunnel, _ := connectProxy(t)
	for _, tt := range []struct {
		name     string
		url      string
		change   func(*Config)
		phases   string
		status   int
		upgraded bool
		failed   Phase
		err      string
	}{
		{"all is well", good.URL(), nil, "connect handshake answer", 101, true, "", ""},
		{"without TLS", plain.URL(), nil, "connect answer", 101, true, "", ""},
		{"HTTP only", good.URL(), func(c *Config) { c.Transport = HTTP }, "connect handshake answer", 200, false, "", ""},
		{"through a proxy", good.URL(), func(c *Config) { c.Proxy = http.ProxyURL(tunnel) }, "connect proxy handshake answer", 101, true, "", ""},
		{"a proxy that refuses", good.URL(), func(c *Config) { c.Proxy = http.ProxyURL(refusingProxy(t, 407)) }, "connect proxy", 0, false, Proxy, "the proxy answers 407"},
		{"another dialect", plain.Root(), func(c *Config) { c.Dialect = Ollama }, "connect answer", 200, false, "", ""},
		{"unknown authority", good.URL(), func(c *Config) { c.TLS = nil }, "connect", 0, false, Handshake, "unknown authority"},
		{"no TLS there", strings.Replace(plain.URL(), "http", "https", 1), nil, "connect", 0, false, Handshake, "not look like a TLS handshake"},
		{"nobody there", "http://127.0.0.1:1/v1", nil, "", 0, false, Connect, "refused"},
		{"no such name", "http://nobody.invalid/v1", nil, "lookup", 0, false, Lookup, "nobody.invalid"},
		{"not an address", "http://[::1", nil, "", 0, false, Lookup, "not usable"},
		{"silence", serve(t, loopback.Options{Upgrade: func(int, *http.Request) loopback.Upgrade { return loopback.Upgrade{Hang: true} }}).URL(), func(c *Config) { c.Timeouts.Connect = 300 * time.Millisecond }, "connect", 0, false, Answer, "deadline exceeded"},
		{"no WebSocket there", serve(t, upgrades(426, nil, "")).URL(), nil, "connect answer", 426, false, "", ""},
	} {
		cfg := Config{URL: tt.url, Key: "sk-test-0123456789", TLS: ca.client, Timeouts: short()}
		if tt.change != nil {
			tt.change(&cfg)
		}
		w := Walk(within(t), cfg)
		var phases []string
		for _, p := range []Phase{Lookup, Connect, Proxy, Handshake, Answer} {
			if _, ok := w.Took[p]; ok {
				phases = append(phases, string(p))
			}
		}
		said := ""
		if w.Err != nil {
			said = w.Err.Error()
		}
		if strings.Join(phases, " ") != tt.phases || w.Status != tt.status || w.Upgraded != tt.upgraded || w.Failed != tt.failed || !strings.Contains(said, tt.err) {
			t.Errorf("%s: phases %v, %+v", tt.name, phases, w)
		}
		if strings.Contains(said, "sk-test") {
			t.Errorf("%s: D24: %s", tt.name, said)
		}
	}
}
