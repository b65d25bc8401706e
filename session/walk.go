package session

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

// Phase is a step on the way to an endpoint.
type Phase string

const (
	Lookup    Phase = "lookup"    // the name of the endpoint, or of the proxy
	Connect   Phase = "connect"   // TCP
	Proxy     Phase = "proxy"     // the proxy opens its tunnel
	Handshake Phase = "handshake" // TLS
	Answer    Phase = "answer"    // from the request's last byte to the first of the answer
)

// Way is how one connection to an endpoint came about. It is for people who want to know where the way ends.
type Way struct {
	Via     string                  // host and port of the proxy, "" without one
	Address string                  // what the connection leads to: the endpoint's address, or the proxy's
	Took    map[Phase]time.Duration // the phases that were gone through
	TLS     string                  // version, "" without
	Issuer  string                  // of the endpoint's certificate
	Expires time.Time               // of the certificate

	Status   int  // the answer's HTTP status, 0 without an answer
	Upgraded bool // it is a WebSocket
	Asked    bool // whether a WebSocket was asked for

	Failed Phase // where the way ended, "" when an answer came, whatever it says
	Err    error // why; it holds no key
}

// Walk goes the whole way to an endpoint once, on a connection of its own, and says how far it came. Where a WebSocket
// is wanted it asks for one, in the words of the protocol, and closes it at once; nothing is generated.
func Walk(ctx context.Context, cfg Config) Way {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, 2*cfg.Timeouts.Connect)
	defer cancel()
	w := Way{Took: map[Phase]time.Duration{}, Asked: cfg.Transport != HTTP}
	tr := cfg.httpClient(ctx).Transport.(*http.Transport)
	defer tr.CloseIdleConnections()

	proto := protocols[cfg.Dialect]
	target := proto.url(cfg.URL, proto.probe)
	if w.Asked {
		target = proto.url(cfg.URL, proto.path)
		tr.ForceAttemptHTTP2, tr.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{} // HTTP/2 has no Upgrade
		tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		w.Failed, w.Err = Lookup, errors.New("the base URL is not usable")
		return w
	}
	req.Header.Set("User-Agent", cfg.UserAgent)
	if cfg.Key != "" {
		req.Header.Set("Authorization", "Bearer "+cfg.Key)
	}
	if w.Asked {
		var nonce [16]byte
		_, _ = rand.Read(nonce[:]) // never fails (crypto/rand)
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": base64.StdEncoding.EncodeToString(nonce[:]),
		} {
			req.Header.Set(name, value)
		}
	}
	if via, err := cfg.Proxy(req); err != nil {
		w.Failed, w.Err = Proxy, errors.New("the proxy's address is not usable") // it may hold a password
		return w
	} else if via != nil {
		w.Via = via.Host
	}

	o := observer{way: &w, phase: Lookup, since: time.Now(), tunnel: w.Via != "" && req.URL.Scheme == "https"}
	tr.OnProxyConnectResponse = o.tunnelled
	resp, err := tr.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, o.hooks())))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.way = &Way{Took: map[Phase]time.Duration{}} // what hooks report from now on is of no interest: a dial that was given up
	if err != nil {
		w.Failed, w.Err = o.phase, errors.New(redact(cause(err).Error(), cfg.Key))
		if o.phase == Answer && ctx.Err() != nil { // which RoundTrip tells as a closed connection
			w.Err = ctx.Err()
		}
		var dns *net.DNSError
		if errors.As(err, &dns) {
			w.Failed = Lookup
		}
		return w
	}
	w.Took[Answer] = time.Since(o.since)
	defer resp.Body.Close()
	w.Status, w.Upgraded = resp.StatusCode, resp.StatusCode == http.StatusSwitchingProtocols
	if !w.Upgraded {
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	}
	return w
}

// observer notes what a transport reports on its way. Its hooks run on the transport's goroutines, some of them at the
// same time where a name has several addresses.
type observer struct {
	tunnel bool // a proxy has to open one

	mu    sync.Mutex // guards what follows
	way   *Way
	phase Phase // the one that has begun last
	since time.Time
}

func (o *observer) begin(p Phase) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.phase, o.since = p, time.Now()
}

func (o *observer) end(p Phase, note func(*Way)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.way.Took[p] = time.Since(o.since)
	if note != nil {
		note(o.way)
	}
}

func (o *observer) tunnelled(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	o.end(Proxy, nil)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy answers %s", resp.Status)
	}
	return nil
}

func (o *observer) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:     func(httptrace.DNSStartInfo) { o.begin(Lookup) },
		DNSDone:      func(httptrace.DNSDoneInfo) { o.end(Lookup, nil) },
		ConnectStart: func(string, string) { o.begin(Connect) },
		ConnectDone: func(_, addr string, err error) {
			if err != nil {
				return // another address may do
			}
			o.end(Connect, func(w *Way) { w.Address = addr })
			if o.tunnel {
				o.begin(Proxy)
			}
		},
		TLSHandshakeStart: func() { o.begin(Handshake) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err != nil {
				return
			}
			o.end(Handshake, func(w *Way) {
				w.TLS = tls.VersionName(state.Version)
				if len(state.PeerCertificates) > 0 {
					w.Issuer, w.Expires = state.PeerCertificates[0].Issuer.CommonName, state.PeerCertificates[0].NotAfter
				}
			})
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { o.begin(Answer) },
	}
}
