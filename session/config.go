package session

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spark-lsp/spark-lsp/internal/quiet"
)

// Dialect names the protocol that an endpoint speaks. The zero value is Responses.
type Dialect string

const (
	Responses   Dialect = "responses"   // OpenAI Responses, over a WebSocket where the endpoint has one, else HTTP SSE
	Chat        Dialect = "chat"        // /chat/completions, SSE
	Infill      Dialect = "infill"      // llama.cpp: POST /infill
	Ollama      Dialect = "ollama"      // POST /api/generate with a suffix, NDJSON
	Mistral     Dialect = "mistral"     // POST /fim/completions
	DeepSeek    Dialect = "deepseek"    // POST /completions with a suffix (their beta base URL)
	Completions Dialect = "completions" // POST /completions with a raw fill-in-the-middle Template: vLLM, SGLang
)

// FillsIn reports whether models of a dialect read Request.FIM and complete it. They read no messages, and follow no
// instructions.
func (d Dialect) FillsIn() bool {
	p := protocols[d]
	return p != nil && p.fim
}

// Transport restricts how a Responses endpoint is reached. The zero value is Auto.
type Transport string

const (
	Auto      Transport = "auto"      // a WebSocket; HTTP SSE while that cannot be had
	WebSocket Transport = "websocket" // never falls back
	HTTP      Transport = "http"      // never tries a WebSocket
)

// Support says what is known of an endpoint's ability. The zero value means: find out.
type Support uint8

const (
	Unknown Support = iota
	Yes
	No
)

// Choice is a model and the tier that it is asked for on.
type Choice struct {
	Model string
	Tier  string // service_tier; "" leaves the field out
}

// JobConfig overrides Config for one job. Empty fields do not override.
type JobConfig struct {
	Choice
	ReasoningEffort string
	MaxOutputTokens int
}

// Timeouts bound every wait of a session. A zero field takes the default named beside it.
type Timeouts struct {
	Connect    time.Duration // 5 s: TCP, TLS and upgrade together
	FirstEvent time.Duration // 3 s from the frame's departure to any event; 60 s for dialects that load models on demand
	InterEvent time.Duration // 10 s between two events (Deep, and an effort of high and more: six times that, since it thinks)
	Queue      time.Duration // 60 s that an endpoint may keep a request in its queue after saying so
	Ping       time.Duration // 15 s between pings
	Pong       time.Duration // 10 s from a ping until the socket counts as dead; any frame counts as a sign of life
	Interrupt  time.Duration // 1.5 s in which an endpoint must answer the first response.interrupt
	Rotate     time.Duration // 50 min (xAI 20): a socket of this age is replaced by a freshly warmed one
	Reprobe    time.Duration // 10 min until a WebSocket is tried again after the endpoint refused one
	Backoff    time.Duration // 200 ms: the first pause between two attempts, doubled each time, at most 30 s
	Idle       time.Duration // 10 min without a request, after which nothing is warmed ahead, since that costs tokens
}

// Config describes one endpoint. Only URL is required, and Model for most endpoints.
type Config struct {
	URL             string // base URL as SDKs take it, for instance https://api.openai.com/v1
	Key             string // bearer token; "" sends none. It appears in no error and no status.
	Model           string
	ServiceTier     string
	ReasoningEffort string // constant for the session's life: changing it loses the endpoint's cache
	Verbosity       string // text.verbosity; "" leaves it out
	UserAgent       string
	Header          http.Header // further headers of every request (organisation, project)

	Dialect   Dialect
	Template  string // Completions: a name of Templates; "" guesses from Model
	Transport Transport
	Lanes     Support // stream_id; Unknown asks the endpoint
	Interrupt Support // response.interrupt; Unknown asks the endpoint, once

	Jobs      map[Job]JobConfig
	Fallbacks []Choice // tried in order when the endpoint has no capacity for Model or ServiceTier; an ultrafast tier falls back to fast by itself

	ContextWindow int // tokens; 0 means 128,000
	BufferLimit   int // bytes of text that may wait for one consumer; 0 means 4 MiB
	MaxSockets    int // live WebSockets; 0 means 3, or 6 where the endpoint has no lanes

	Timeouts Timeouts
	TLS      *tls.Config                           // nil: the system's roots and SSL_CERT_FILE
	Proxy    func(*http.Request) (*url.URL, error) // nil: HTTP_PROXY, HTTPS_PROXY, NO_PROXY

	// OnStatus is called after each change of Status, one call at a time. It runs on the session's
	// goroutines, so it must return at once and must not call the session.
	OnStatus func(Status)
	// OnUsage is called once for every response that ended, also for warm-ups and for responses that were
	// abandoned, since those are billed too. The same rules hold as for OnStatus.
	OnUsage func(Served)
}

func orElse[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// withDefaults returns a copy in which nothing is left to guess.
func (c Config) withDefaults() Config {
	c.URL = strings.TrimRight(c.URL, "/")
	c.Dialect = orElse(c.Dialect, Responses)
	c.Transport = orElse(c.Transport, Auto)
	if c.Dialect != Responses {
		c.Transport = HTTP
	}
	c.UserAgent = orElse(c.UserAgent, "spark-lsp")
	c.ContextWindow = orElse(c.ContextWindow, 128_000)
	c.BufferLimit = orElse(c.BufferLimit, 4<<20)
	host := hostOf(c.URL)
	if c.Lanes == Unknown {
		c.Lanes = lanesOf(host)
	}
	t := &c.Timeouts
	t.Connect = orElse(t.Connect, 5*time.Second)
	if c.Dialect == Responses {
		t.FirstEvent = orElse(t.FirstEvent, 3*time.Second)
	}
	t.FirstEvent = orElse(t.FirstEvent, time.Minute)
	t.InterEvent = orElse(t.InterEvent, 10*time.Second)
	t.Queue = orElse(t.Queue, time.Minute)
	t.Ping = orElse(t.Ping, 15*time.Second)
	t.Pong = orElse(t.Pong, 10*time.Second)
	t.Interrupt = orElse(t.Interrupt, 1500*time.Millisecond)
	if host == "x.ai" || strings.HasSuffix(host, ".x.ai") {
		t.Rotate = orElse(t.Rotate, 20*time.Minute) // they close at 25 min
	}
	t.Rotate = orElse(t.Rotate, 50*time.Minute)
	t.Reprobe = orElse(t.Reprobe, 10*time.Minute)
	t.Backoff = orElse(t.Backoff, 200*time.Millisecond)
	t.Idle = orElse(t.Idle, 10*time.Minute)
	if c.Fallbacks == nil && c.ServiceTier == "ultrafast" {
		c.Fallbacks = []Choice{{Model: c.Model, Tier: "fast"}}
	}
	if c.Proxy == nil {
		c.Proxy = http.ProxyFromEnvironment
	}
	if c.TLS == nil {
		c.TLS = systemTLS()
	} else {
		c.TLS = c.TLS.Clone()
	}
	if c.TLS.ClientSessionCache == nil {
		c.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(8) // a redial resumes and saves a round trip
	}
	return c
}

// via names the proxy on the way to the endpoint, for messages: "through the proxy HOST:PORT" without its password, ""
// when there is none. What a proxy refuses reads like a refusal of the endpoint otherwise.
func (c *Config) via() string {
	req, err := http.NewRequest(http.MethodGet, c.URL, nil)
	if err != nil {
		return ""
	}
	proxy, err := c.Proxy(req)
	if err != nil || proxy == nil {
		return ""
	}
	return " through the proxy " + proxy.Host
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// lanesOf says what is documented about stream_id at a host. Everybody else is asked: the first warm-up
// goes out on a named lane, and an answer without the name means that there are none.
func lanesOf(host string) Support {
	switch {
	case host == "api.openai.com":
		return Yes
	case host == "api.x.ai", host == "ai-gateway.vercel.sh", strings.HasSuffix(host, ".azure.com"):
		return No
	}
	return Unknown
}

// systemTLS trusts the system's roots, and the file that SSL_CERT_FILE names also where Go itself does not
// read that variable (macOS and Windows).
func systemTLS() *tls.Config {
	cfg := &tls.Config{}
	file := os.Getenv("SSL_CERT_FILE")
	if file == "" {
		return cfg
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return cfg // the handshake then fails with the name of the authority that is missing, which says more
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(pem)
	cfg.RootCAs = roots
	return cfg
}

// httpClient makes the client that serves every HTTP dialect and the fallback. It has no overall timeout:
// a stream's life is bounded event by event. Its connections end with ctx: a transport goes on dialling for
// a request that was cancelled, and keeps what it gets, even after CloseIdleConnections.
func (c *Config) httpClient(ctx context.Context) *http.Client {
	dialer := &net.Dialer{Timeout: c.Timeouts.Connect, KeepAlive: 30 * time.Second}
	return &http.Client{Transport: &http.Transport{
		Proxy: c.Proxy,
		DialContext: func(dial context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(dial, network, addr)
			if err != nil {
				return nil, err
			}
			return &boundConn{quiet.Conn(conn), context.AfterFunc(ctx, func() { conn.Close() })}, nil
		},
		TLSClientConfig:       c.TLS.Clone(),
		TLSHandshakeTimeout:   c.Timeouts.Connect,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       5 * time.Minute,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: c.Timeouts.Ping, PingTimeout: c.Timeouts.Pong}, // a dead connection is found before it is needed
		DisableCompression:    true,                                                                              // an encoder that waits for more input would hold deltas back
		ExpectContinueTimeout: time.Second,
	}}
}

// boundConn is a connection that is closed when a context ends.
type boundConn struct {
	net.Conn
	unbind func() bool
}

func (c *boundConn) Close() error {
	c.unbind()
	return c.Conn.Close()
}

// jobDefault bounds an answer when neither the request nor the configuration does. A completion is kept
// short because an abandoned one may be generated, and billed, to its end.
func jobDefault(job Job) int {
	switch job {
	case Completion:
		return 200
	case Edit:
		return 4096
	}
	return 16384
}

// patience is how long a job may wait for a limit to pass before its caller is told instead: the user has
// typed on long before a completion would come, but waits for an edit.
func patience(job Job) time.Duration {
	switch job {
	case Completion:
		return 300 * time.Millisecond
	case Edit:
		return 10 * time.Second
	}
	return time.Minute
}
