package session

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// However the endpoint says that it does not take the key, the status says so too, until an answer comes to
// its proper end.
func TestRefusedKeyIsShown(t *testing.T) {
	refuse := func(x *loopback.Exchange) {
		_ = x.Error(401, "invalid_api_key", "Incorrect API key provided: sk-test-0123456789.", nil)
	}
	for _, tc := range []struct {
		name      string
		transport Transport
		options   loopback.Options
		unasked   bool // it shows before any request
	}{
		{"upgrade", Auto, loopback.Options{Key: "another"}, true},
		{"upgrade, websocket only", WebSocket, loopback.Options{Key: "another"}, true},
		{"error event", Auto, loopback.Options{Respond: refuse}, false},
		{"http only", HTTP, loopback.Options{Key: "another"}, true},
		{"http, only for answers", HTTP, loopback.Options{Respond: refuse}, false},
		{"http, after the upgrade was refused", Auto, loopback.Options{Respond: refuse, Upgrade: func(int, *http.Request) loopback.Upgrade {
			return loopback.Upgrade{Status: 426}
		}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			shown := make(chan Status, 64)
			srv := serve(t, tc.options)
			s := open(t, srv, func(c *Config) {
				c.Transport = tc.transport
				c.OnStatus = func(st Status) { shown <- st }
			})
			ctx := within(t)
			for range 3 {
				if !tc.unasked {
					ask(ctx, s, Request{Job: Edit, Input: user("x")}).fails(t, Reauthenticate)
					if st := s.Status(); st.State != Offline || st.Message == "" {
						t.Errorf("status %+v", st)
					}
				}
			}
			for {
				select {
				case st := <-shown:
					if st.State != Offline {
						continue
					}
					if st.Message == "" || redact(st.Message, "sk-test-0123456789") != st.Message {
						t.Errorf("message %q", st.Message)
					}
					if tc.unasked {
						ask(ctx, s, Request{Job: Edit, Input: user("x")}).fails(t, Reauthenticate)
						if st := s.Status(); st.State != Offline || st.Message == "" {
							t.Errorf("status %+v", st)
						}
					}
				case <-ctx.Done():
					t.Fatal("never shown")
				}
				return
			}
		})
	}
}

// A request that waits for a limit to pass shows that it waits, and until when.
func TestLimitIsShownWhileARequestWaits(t *testing.T) {
	limit := func(x *loopback.Exchange, fail func()) {
		if x.N == 1 {
			fail()
			return
		}
		echo(x)
	}
	bare := func(x *loopback.Exchange) {
		limit(x, func() { _ = x.Error(429, "rate_limit_exceeded", "slow", map[string]string{"retry-after-ms": "400"}) })
	}
	var upgrades atomic.Int64
	for _, tc := range []struct {
		name      string
		transport Transport
		options   loopback.Options
	}{
		{"error event", Auto, loopback.Options{Respond: bare}},
		{"http", HTTP, loopback.Options{Respond: bare}},
		{"no delay given", Auto, loopback.Options{Respond: func(x *loopback.Exchange) {
			limit(x, func() { _ = x.Error(429, "rate_limit_exceeded", "slow", nil) })
		}}},
		{"failed", Auto, loopback.Options{Respond: func(x *loopback.Exchange) {
			limit(x, func() { _ = x.Failed("rate_limit_exceeded", "Please try again in 400ms.") })
		}}},
		{"upgrade", Auto, loopback.Options{Respond: echo, Upgrade: func(int, *http.Request) loopback.Upgrade {
			if upgrades.Add(1) == 1 {
				return loopback.Upgrade{Status: 429, Header: http.Header{"Retry-After-Ms": {"400"}}}
			}
			return loopback.Upgrade{}
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			shown := make(chan Status, 64)
			srv := serve(t, tc.options)
			s := open(t, srv, func(c *Config) {
				c.Transport = tc.transport
				c.Timeouts.Backoff = 100 * time.Millisecond
				c.OnStatus = func(st Status) { shown <- st }
			})
			ctx := within(t)
			ended := make(chan time.Time, 1)
			got := make(chan answer, 1)
			go func() {
				a := ask(ctx, s, Request{Job: Edit, Input: user("x")})
				ended <- time.Now()
				got <- a
			}()
			for {
				select {
				case st := <-shown:
					if st.State != Limited {
						continue
					}
					select {
					case <-ended:
						t.Error("shown after it has waited")
					default:
					}
					if st.Until.IsZero() || st.Message == "" {
						t.Errorf("%+v", st)
					}
					if at := <-ended; at.Before(st.Until) {
						t.Errorf("answered %v before the limit has passed", st.Until.Sub(at))
					}
					(<-got).want(t, "x", Complete)
					return
				case <-ctx.Done():
					t.Fatal("never shown")
				}
			}
		})
	}
}
