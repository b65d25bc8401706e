package session

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// fault is one row of the table: what the endpoint does, and all that the caller of Stream sees of it.
type fault struct {
	name    string
	options loopback.Options
	config  func(*Config)
	warm    bool // a base is warm before
	alone   bool // it is work for the machine, not waiting as the others are, which it would hold up and they it

	// play answers the n-th request (from 1); nil answers properly.
	play func(x *loopback.Exchange, n int)

	text string    // what the caller gets, whole or until the error
	kind ErrorKind // "" for none
	end  Reason    // "" is Complete

	check func(t *testing.T, srv *loopback.Server, s *Session)
}

const good = "func add(a, b int) int { return a + b }\n// é汉🍋\n"

func proper(x *loopback.Exchange) {
	_ = x.Text(good)
	_ = x.Done()
}

// first plays f once and answers properly ever after.
func first(f func(x *loopback.Exchange)) func(*loopback.Exchange, int) {
	return func(x *loopback.Exchange, n int) {
		if n == 1 {
			f(x)
			return
		}
		proper(x)
	}
}

func upgrades(status int, header http.Header, body string) loopback.Options {
	return loopback.Options{Upgrade: func(int, *http.Request) loopback.Upgrade {
		return loopback.Upgrade{Status: status, Header: header, Body: body}
	}}
}

func transport(want loopback.Transport) func(*testing.T, *loopback.Server, *Session) {
	return func(t *testing.T, srv *loopback.Server, _ *Session) {
		t.Helper()
		seen := srv.Seen()
		if len(seen) == 0 || seen[len(seen)-1].Transport != want {
			t.Errorf("answered over %v, want %v", seen, want)
		}
	}
}

func conns(want int) func(*testing.T, *loopback.Server, *Session) {
	return func(t *testing.T, srv *loopback.Server, _ *Session) {
		t.Helper()
		if n := srv.Stats().Conns; n != want {
			t.Errorf("%d connections, want %d", n, want)
		}
	}
}

func requests(want int) func(*testing.T, *loopback.Server, *Session) {
	return func(t *testing.T, srv *loopback.Server, _ *Session) {
		t.Helper()
		if st := srv.Stats(); st.Exchanges+st.Refused > want {
			t.Errorf("%d requests reached the endpoint, want %d", st.Exchanges+st.Refused, want)
		}
	}
}

// pause is an endpoint that takes its time, until it is left.
func pause(x *loopback.Exchange, d time.Duration) {
	select {
	case <-x.Cancelled():
	case <-time.After(d):
	}
}

const half = "func add(a, b int) int "

func partial(then func(x *loopback.Exchange)) func(*loopback.Exchange, int) {
	return first(func(x *loopback.Exchange) {
		_ = x.Delta(half)
		then(x)
	})
}

// slow is for rows whose frames themselves take long on a busy machine.
func slow(c *Config) { c.Timeouts.FirstEvent, c.Timeouts.InterEvent = 5*time.Second, 5*time.Second }

// hasty gives up a first attempt before an endpoint that pauses has said anything; the second and the third may take it.
func hasty(c *Config) {
	c.Timeouts.FirstEvent, c.Timeouts.InterEvent = 500*time.Millisecond, 500*time.Millisecond
}

func httpOnly(c *Config) { c.Transport = HTTP }

func faults() []fault {
	drop := func(x *loopback.Exchange) { x.Drop() }
	code := func(c int) func(*loopback.Exchange) { return func(x *loopback.Exchange) { x.Close(c) } }
	table := []fault{
		{name: "none", text: good, check: conns(1)},

		{name: "upgrade 401", options: upgrades(401, nil, `{"error":{"code":"invalid_api_key","message":"Incorrect API key provided: sk-test-0123456789."}}`), kind: Reauthenticate, check: requests(1)},
		{name: "upgrade 403, HTTP works", options: upgrades(403, nil, "<html>blocked</html>"), text: good, check: transport(loopback.SSE)},
		{name: "upgrade 404", options: upgrades(404, nil, ""), text: good, check: transport(loopback.SSE)},
		{name: "upgrade 405", options: upgrades(405, nil, ""), text: good, check: transport(loopback.SSE)},
		{name: "upgrade 426", options: upgrades(426, nil, ""), text: good, check: transport(loopback.SSE)},
		{name: "upgrade 429", options: upgrades(429, http.Header{"Retry-After": {"7"}}, ""), kind: RetryAfter, check: requests(1)},
		{name: "upgrade 503", options: upgrades(503, nil, ""), text: good, check: transport(loopback.SSE)},
		{name: "upgrade 200", options: upgrades(200, nil, "hello"), text: good, check: transport(loopback.SSE)},
		{name: "upgrade hangs", options: loopback.Options{Upgrade: func(int, *http.Request) loopback.Upgrade { return loopback.Upgrade{Hang: true} }},
			config: func(c *Config) { c.Timeouts.Connect = 200 * time.Millisecond }, text: good, check: transport(loopback.SSE)},
		{name: "upgrade 404, websocket only", options: upgrades(404, nil, ""), config: func(c *Config) { c.Transport = WebSocket }, kind: FallBack},
		{name: "upgrade one byte at a time", options: loopback.Options{Upgrade: func(int, *http.Request) loopback.Upgrade { return loopback.Upgrade{Split: true} }}, text: good},

		{name: "D20 101 then silence", options: loopback.Options{Upgrade: func(int, *http.Request) loopback.Upgrade { return loopback.Upgrade{Silent: true} }},
			text: good, check: transport(loopback.SSE)},
		{name: "D20 drop before created", play: first(drop), text: good, check: conns(2)},
		{name: "D20 drop before created, warm", warm: true, play: first(drop), text: good, check: conns(2)},
		{name: "D20 drop after created", play: first(func(x *loopback.Exchange) { _ = x.Created(); x.Drop() }), text: good, check: conns(2)},
		{name: "D20 drop after in_progress", play: first(func(x *loopback.Exchange) { _ = x.InProgress(); x.Drop() }), text: good, check: conns(2)},
		{name: "D20 drop mid-delta", play: partial(drop), text: half, kind: Interruption, check: requests(1)},
		{name: "D20 drops always", play: func(x *loopback.Exchange, n int) {
			if x.Transport == loopback.WebSocket {
				x.Drop()
				return
			}
			proper(x)
		}, text: good, check: transport(loopback.SSE)},

		{name: "split", play: first(func(x *loopback.Exchange) { x.Split(true); proper(x) }), text: good, check: conns(1)},
		{name: "coalesced", play: first(func(x *loopback.Exchange) { x.Hold(true); proper(x); x.Hold(false) }), text: good, check: conns(1)},
		{name: "unknown events and keys", options: loopback.Options{Noise: true, RateLimits: true, Timing: true, ShuffleKeys: true}, warm: true, text: good, check: conns(1)},
		{name: "escaped", options: loopback.Options{EscapeASCII: true}, text: good},
		{name: "kilobytes of echo", options: loopback.Options{EchoBytes: 200_000}, warm: true, text: good},
		{name: "output filled", options: loopback.Options{FillOutput: true}, text: good},
		{name: "compression is not asked for", options: loopback.Options{Deflate: true}, text: good},

		{name: "error 400", play: first(func(x *loopback.Exchange) { _ = x.Error(400, "invalid_value", "Bad sk-test-0123456789.", nil) }), kind: Bug, check: requests(1)},
		{name: "error 401", play: first(func(x *loopback.Exchange) { _ = x.Error(401, "invalid_api_key", "no", nil) }), kind: Reauthenticate, check: requests(1)},
		{name: "error with status_code", play: first(func(x *loopback.Exchange) {
			_ = x.Fail(&loopback.Failure{Status: 429, StatusCode: true, Code: "rate_limit_exceeded", Message: "Please try again in 40ms."})
		}), text: good, check: requests(2)},
		{name: "error 429, headers beside", play: first(func(x *loopback.Exchange) {
			_ = x.Fail(&loopback.Failure{Status: 429, TopHeaders: true, Headers: map[string]string{"Retry-After-Ms": "30"}, Message: "slow"})
		}), text: good, check: requests(2)},
		{name: "error 429, patience exceeded", play: first(func(x *loopback.Exchange) {
			_ = x.Error(429, "rate_limit_exceeded", "Please try again in 20m3s.", nil)
		}), kind: RetryAfter, check: requests(1)},
		{name: "error quota", play: first(func(x *loopback.Exchange) { _ = x.Error(429, "insufficient_quota", "You exceeded your quota.", nil) }), kind: Reauthenticate, check: requests(1)},
		{name: "error without status", play: first(func(x *loopback.Exchange) { _ = x.Fail(&loopback.Failure{Message: "something"}) }), text: good, check: requests(2)},
		{name: "error without status, code known", play: first(func(x *loopback.Exchange) {
			_ = x.Fail(&loopback.Failure{Code: "context_length_exceeded", Message: "too long"})
		}), kind: TooLong, check: requests(1)},
		{name: "error 500", play: first(func(x *loopback.Exchange) { _ = x.Error(500, "server_error", "oops", nil) }), text: good},
		{name: "error 500 always", play: func(x *loopback.Exchange, _ int) { _ = x.Error(500, "server_error", "oops", nil) }, kind: RetryNow, check: requests(3)},
		{name: "error overloaded, another tier", play: first(func(x *loopback.Exchange) { _ = x.Error(503, "server_is_overloaded", "busy", nil) }),
			config: func(c *Config) { c.ServiceTier = "ultrafast" }, text: good, check: func(t *testing.T, srv *loopback.Server, s *Session) {
				seen := srv.Seen()
				if tier := seen[len(seen)-1].ServiceTier; tier != "fast" {
					t.Errorf("tier %q", tier)
				}
				if st := s.Status(); st.State != Degraded || st.Tier != "fast" {
					t.Errorf("status %+v", st)
				}
			}},
		{name: "error overloaded, nothing left", play: func(x *loopback.Exchange, _ int) { _ = x.Error(503, "server_is_overloaded", "busy", nil) }, kind: FallBack, check: requests(1)},
		{name: "error after text", play: partial(func(x *loopback.Exchange) { _ = x.Error(500, "server_error", "oops", nil) }), text: half, kind: Interruption, check: requests(1)},
		{name: "unsupported parameter", play: first(func(x *loopback.Exchange) {
			_ = x.Error(400, "unknown_parameter", "Unknown parameter: 'stream_options'.", nil)
		}), text: good, check: requests(2)},
		{name: "reasoning effort not taken", config: func(c *Config) { c.ReasoningEffort = "none" }, play: func(x *loopback.Exchange, _ int) {
			if !strings.Contains(string(x.Body), `"effort":"low"`) {
				_ = x.Fail(&loopback.Failure{Status: 400, Code: "unsupported_value", Param: "reasoning.effort", Message: "Unsupported value."})
				return
			}
			proper(x)
		}, text: good, check: requests(3)},
		{name: "connection limit reached", play: first(func(x *loopback.Exchange) {
			_ = x.Error(400, "websocket_connection_limit_reached", "Create a new websocket connection to continue.", nil)
		}), text: good},

		{name: "response.failed", play: first(func(x *loopback.Exchange) { _ = x.Failed("server_error", "oops") }), text: good, check: requests(2)},
		{name: "response.failed, policy", play: first(func(x *loopback.Exchange) { _ = x.Failed("bio_policy", "no") }), kind: Refused, check: requests(1)},
		{name: "response.failed after text", play: partial(func(x *loopback.Exchange) { _ = x.Failed("server_error", "oops") }), text: half, kind: Interruption, check: requests(1)},
		{name: "response.incomplete, length", play: partial(func(x *loopback.Exchange) { _ = x.Incomplete("max_output_tokens") }), text: half, end: Truncated},
		{name: "response.incomplete, filter", play: partial(func(x *loopback.Exchange) { _ = x.Incomplete("content_filter") }), text: half, end: Filtered},
		{name: "response.incomplete, nothing", play: first(func(x *loopback.Exchange) { _ = x.Incomplete("max_output_tokens") }), end: Truncated},
		{name: "empty answer", play: first(func(x *loopback.Exchange) { _ = x.Done() })},
		{name: "refusal", play: first(func(x *loopback.Exchange) { _ = x.Refusal("I cannot help with that."); _ = x.Done() }), kind: Refused},
		{name: "tool input", play: first(func(x *loopback.Exchange) { _ = x.ToolDelta("edit", good); _ = x.Done() }), text: good},
		{name: "reasoning before text", play: first(func(x *loopback.Exchange) { _ = x.Reasoning("hm"); _ = x.EndItem(); proper(x) }), text: good},
		{name: "two items", play: first(func(x *loopback.Exchange) {
			_ = x.Delta("one ")
			_ = x.EndItem()
			_ = x.Delta("two")
			_ = x.Done()
		}), text: "one two"},

		{name: "sequence jumps", play: first(func(x *loopback.Exchange) { _ = x.Delta("a"); x.Skip(5); _ = x.Delta("b"); _ = x.Done() }), text: "ab"},
		{name: "a delta twice", play: first(func(x *loopback.Exchange) {
			_ = x.Delta("a")
			_ = x.Repeat()
			_ = x.Delta("b")
			_ = x.Repeat()
			_ = x.Done()
		}), text: "ab"},
		{name: "a delta lost at the end", play: first(func(x *loopback.Exchange) {
			_ = x.Delta("a")
			_ = x.Raw(x.Frame("response.output_text.done", map[string]any{"text": "a and more", "output_index": 0, "content_index": 0}))
			_ = x.Done() // which says once more that the item is done
		}), text: "a and more"},
		{name: "a delta lost in the middle", play: first(func(x *loopback.Exchange) {
			_ = x.Delta("a")
			_ = x.Raw(x.Frame("response.output_text.done", map[string]any{"text": "b", "output_index": 0, "content_index": 0}))
			_ = x.Done()
		}), kind: Interruption, text: "a"},
		{name: "duplicate terminal", play: first(func(x *loopback.Exchange) { proper(x); _ = x.Repeat(); _ = x.Repeat() }), text: good},
		{name: "invalid UTF-8", play: first(func(x *loopback.Exchange) {
			_ = x.Delta("a")
			_ = x.Raw(strings.Replace(x.Frame("response.output_text.delta", map[string]any{"delta": "BAD"}), "BAD", "\xff\xfe", 1))
			_ = x.Incomplete("max_output_tokens")
		}), text: "a\uFFFD\uFFFD", kind: Interruption}, // what the endpoint says it wrote is something else
		{name: "not JSON", play: first(func(x *loopback.Exchange) { _ = x.Raw("nonsense"); _ = x.Raw("{}"); _ = x.Raw(`{"type":5}`); proper(x) }), text: good},
		{name: "binary frames", play: first(func(x *loopback.Exchange) {
			_ = x.Binary([]byte{1, 2, 3})
			_ = x.Delta(half)
			_ = x.Binary([]byte{0})
			_ = x.Incomplete("max_output_tokens")
		}), text: half, end: Truncated},
		{name: "a frame above 16 MiB", alone: true, config: slow, play: first(func(x *loopback.Exchange) { _ = x.Raw(`{"type":"x","y":"` + strings.Repeat("z", 17<<20) + `"}`) }), text: good, check: conns(2)},
		{name: "a delta of 1 MiB", alone: true, config: slow, play: first(func(x *loopback.Exchange) { _ = x.Delta(strings.Repeat("z", 1<<20)); _ = x.Done() }), text: strings.Repeat("z", 1<<20)},

		{name: "429 at every upgrade", options: upgrades(429, http.Header{"Retry-After": {"0.1"}}, ""), kind: RetryAfter},
		{name: "429 to every request", play: func(x *loopback.Exchange, _ int) {
			_ = x.Error(429, "rate_limit_exceeded", "Please try again in 0.12s.", nil)
		}, kind: RetryAfter, check: requests(3)},
		{name: "slow before created", config: hasty, play: func(x *loopback.Exchange, _ int) { pause(x, 700*time.Millisecond); proper(x) }, text: good},
		{name: "slow after in_progress", config: hasty, play: func(x *loopback.Exchange, _ int) { _ = x.InProgress(); pause(x, 700*time.Millisecond); proper(x) }, text: good},
		{name: "http slow", config: func(c *Config) { hasty(c); httpOnly(c) }, play: func(x *loopback.Exchange, _ int) { pause(x, 700*time.Millisecond); proper(x) }, text: good},
		{name: "stall before created", play: first(func(x *loopback.Exchange) {}), text: good},
		{name: "stall after created", play: first(func(x *loopback.Exchange) { _ = x.Created() }), text: good},
		{name: "stall after in_progress", play: first(func(x *loopback.Exchange) { _ = x.InProgress() }), text: good},
		{name: "stall mid-text", play: partial(func(x *loopback.Exchange) {}), text: half, kind: Interruption},
		{name: "stall before terminal", play: first(func(x *loopback.Exchange) { _ = x.Delta(good); _ = x.EndItem() }), text: good, kind: Interruption},
		{name: "stall before created, warm", warm: true, play: first(func(x *loopback.Exchange) {}), text: good},
		{name: "half open before created", play: first(func(x *loopback.Exchange) { x.HalfOpen() }), text: good, check: transport(loopback.SSE)},
		{name: "half open mid-text", play: partial(func(x *loopback.Exchange) { x.HalfOpen() }), text: half, kind: Interruption},
		{name: "queued", play: first(func(x *loopback.Exchange) { _ = x.Queued(); time.Sleep(400 * time.Millisecond); proper(x) }), text: good, check: requests(1)},
		{name: "never pongs", options: loopback.Options{Upgrade: func(n int, _ *http.Request) loopback.Upgrade { return loopback.Upgrade{NoPong: n == 1} }},
			config: func(c *Config) {
				c.Timeouts.Ping, c.Timeouts.Pong = 30*time.Millisecond, 50*time.Millisecond
				c.Timeouts.FirstEvent = 5 * time.Second
			}, play: first(func(x *loopback.Exchange) {}), text: good, check: conns(2)},
		{name: "never pongs but talks", options: loopback.Options{Upgrade: func(int, *http.Request) loopback.Upgrade { return loopback.Upgrade{NoPong: true} }},
			config: func(c *Config) { c.Timeouts.Ping, c.Timeouts.Pong = 30*time.Millisecond, 60*time.Millisecond },
			play: first(func(x *loopback.Exchange) {
				for range 20 {
					_ = x.Delta("x")
					time.Sleep(15 * time.Millisecond)
				}
				_ = x.Done()
			}), text: strings.Repeat("x", 20), check: requests(1)},

		{name: "age limit in mid-stream, runs out", play: first(func(x *loopback.Exchange) {
			_ = x.Delta(half)
			x.Socket().ReachAge()
			_ = x.Incomplete("max_output_tokens")
		}), text: half, end: Truncated},
		{name: "age limit in mid-stream, closed", options: loopback.Options{AgeClose: true}, play: first(func(x *loopback.Exchange) {
			_ = x.Delta(half)
			x.Socket().ReachAge()
		}), text: half, kind: Interruption},
		{name: "evicted base", warm: true, options: loopback.Options{}, text: good, check: conns(1)},

		{name: "http 401", config: httpOnly, play: first(func(x *loopback.Exchange) { _ = x.Error(401, "invalid_api_key", "no sk-test-0123456789", nil) }), kind: Reauthenticate, check: requests(1)},
		{name: "http 429", config: httpOnly, play: first(func(x *loopback.Exchange) {
			_ = x.Error(429, "rate_limit_exceeded", "slow", map[string]string{"retry-after": "0.05"})
		}), text: good, check: requests(2)},
		{name: "http 500", config: httpOnly, play: first(func(x *loopback.Exchange) { _ = x.Error(500, "server_error", "oops", nil) }), text: good},
		{name: "http drop before headers", config: httpOnly, play: first(drop), text: good},
		{name: "http drop mid-delta", config: httpOnly, play: partial(drop), text: half, kind: Interruption, check: requests(1)},
		{name: "http error amid the stream", config: httpOnly, play: first(func(x *loopback.Exchange) { _ = x.InProgress(); _ = x.Error(500, "server_error", "oops", nil) }), text: good},
		{name: "http stall before headers", config: httpOnly, play: first(func(x *loopback.Exchange) {}), text: good},
		{name: "http stall mid-text", config: httpOnly, play: partial(func(x *loopback.Exchange) {}), text: half, kind: Interruption},
		{name: "http [DONE]", config: httpOnly, options: loopback.Options{SSEDone: true}, text: good},
		{name: "http split", config: httpOnly, play: first(func(x *loopback.Exchange) { x.Split(true); proper(x) }), text: good},
		{name: "http noise", config: httpOnly, options: loopback.Options{Noise: true, ShuffleKeys: true, EscapeASCII: true, Timing: true}, text: good},

		{name: "no lanes", options: loopback.Options{NoLanes: true}, text: good},
		{name: "no lanes, warm", warm: true, options: loopback.Options{NoLanes: true}, text: good},
		{name: "lanes refused", warm: true, options: loopback.Options{RejectLanes: true}, text: good},
		{name: "lanes refused, cold", options: loopback.Options{RejectLanes: true}, text: good},
	}
	for _, c := range []int{1000, 1001, 1008, 1011, 1012} {
		table = append(table,
			fault{name: fmt.Sprintf("D20 close %d before created", c), play: first(code(c)), text: good, check: conns(2)},
			fault{name: fmt.Sprintf("D20 close %d mid-delta", c), play: partial(code(c)), text: half, kind: Interruption, check: requests(1)})
	}
	table = append(table, fault{name: "close 1009", play: first(code(1009)), kind: TooLong, check: requests(1)})
	return table
}

func TestFaults(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			if !f.alone {
				t.Parallel()
			}
			var n atomic.Int64
			o := f.options
			o.Respond = func(x *loopback.Exchange) {
				if f.play == nil {
					proper(x)
					return
				}
				f.play(x, int(n.Add(1)))
			}
			srv := serve(t, o)
			s := open(t, srv, func(c *Config) {
				c.Timeouts = short()
				if f.config != nil {
					f.config(c)
				}
			})
			ctx := within(t)
			req := Request{Job: Completion, Input: user("add")}
			if f.warm {
				req.Base = rules
				if err := s.Warm(ctx, Completion, rules); err != nil {
					t.Fatal(err)
				}
			}
			if f.name == "evicted base" {
				srv.Conns()[0].Evict(srv.Conns()[0].Latest("b0"))
			}
			began := time.Now()
			a := ask(ctx, s, req)
			if d := time.Since(began); d > 3*time.Second {
				t.Errorf("took %v", d)
			}
			if a.starts > 1 {
				t.Errorf("started %d times", a.starts)
			}
			if f.kind != "" {
				a.fails(t, f.kind)
				if a.text != f.text {
					t.Errorf("text %.80q, want %.80q", a.text, f.text)
				}
			} else {
				a.want(t, f.text, orElse(f.end, Complete))
			}
			if f.check != nil {
				f.check(t, srv, s)
			}
		})
	}
}

// An answer without an end is cut when it is far beyond what was asked for, also where the endpoint has not heeded that,
// and the endpoint is told.
func TestNoEnd(t *testing.T) {
	for name, config := range map[string]func(*Config){"websocket": func(*Config) {}, "http": httpOnly} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := make(chan struct{})
			srv := serve(t, loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) {
				defer close(left)
				for x.Delta("again ") == nil {
					select {
					case <-x.Cancelled():
						return
					case <-x.Ended():
						return
					case <-time.After(time.Millisecond):
					}
				}
			}})
			s := open(t, srv, config)
			ctx := within(t)
			a := ask(ctx, s, Request{Job: Edit, Input: user("add"), MaxOutputTokens: 10})
			if a.err != nil || len(a.done) != 1 || a.done[0].Reason != Truncated || !strings.HasPrefix(a.text, strings.Repeat("again ", 10*tokenBytes/6)) {
				t.Errorf("%d bytes, %+v, %v", len(a.text), a.done, a.err)
			}
			select {
			case <-left:
			case <-ctx.Done():
				t.Error("the endpoint goes on")
			}
		})
	}
}

var schedules = flag.Int("schedules", 40, "how many seeded schedules of faults TestRandomFaults plays, 48 requests each")

// Seeded schedules of faults: every request ends exactly once, with its own text, whatever happens to it.
func TestRandomFaults(t *testing.T) {
	seeds := *schedules
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			rng := rand.New(rand.NewPCG(uint64(seed), 7))
			pick := func(n int) int { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) }
			srv := serve(t, loopback.Options{
				NoLanes: seed%5 == 4, Interrupt: seed%2 == 0, Noise: seed%3 == 0, Unknown: loopback.UnknownEvent(seed / 2 % 3),
				Upgrade: func(n int, _ *http.Request) loopback.Upgrade {
					if n > 1 && pick(6) == 0 {
						return loopback.Upgrade{Status: []int{503, 426, 404}[pick(3)]}
					}
					return loopback.Upgrade{}
				},
				Respond: func(x *loopback.Exchange) {
					text := "answer to " + x.Input
					if i := strings.LastIndex(text, "#"); i >= 0 {
						text = text[i:]
					}
					cut := pick(len(text))
					switch pick(16) {
					case 0:
						x.Drop()
					case 1:
						_ = x.Delta(text[:cut])
						x.Drop()
					case 2:
						_ = x.Delta(text[:cut])
						x.Close(1011)
					case 3:
						_ = x.Error(500, "server_error", "oops", nil)
					case 4:
						_ = x.Delta(text[:cut])
						_ = x.Failed("server_error", "oops")
					case 5:
						if pick(4) == 0 {
							_ = x.Created() // and nothing more
						} else {
							_ = x.Text(text)
							_ = x.Done()
						}
					case 6:
						_ = x.Error(400, "previous_response_not_found", "Previous response not found.", nil)
					default:
						_ = x.Delta(text[:cut])
						_ = x.Delta(text[cut:])
						_ = x.Done()
						if pick(8) == 0 {
							_ = x.Repeat()
						}
					}
				},
			})
			s := open(t, srv, func(c *Config) { c.Timeouts = short(); c.Timeouts.Reprobe = 20 * time.Millisecond })
			ctx := within(t)
			var wg sync.WaitGroup
			for worker := range 6 {
				wg.Go(func() {
					for i := range 8 {
						id := fmt.Sprintf("#%d.%d.", worker, i)
						req := Request{Job: Edit, Input: user(id)}
						if pick(2) == 0 {
							req.Base = rules
							_ = s.Warm(ctx, Edit, rules)
						}
						text, ends, leave, steer, starts := "", 0, pick(5) == 0, pick(4) == 0, 0
						var h Handle
						for ev, err := range s.Stream(ctx, req) {
							if err != nil || ev.Kind == Done {
								ends++
							}
							if ev.Kind == Started {
								h, text = ev.Response, ""
								if starts++; starts > 2 || (starts == 2 && steer) {
									t.Errorf("%s: started %d times", id, starts)
								}
							}
							if ev.Kind == Delta && steer {
								steer = false
								// The successor is asked for the same text; it comes after the second Started.
								if out, err := s.Steer(ctx, h, user(id)); (out == SteerRefused) != (err != nil) {
									t.Errorf("%s: steer %v, %v", id, out, err)
								}
							}
							if ev.Kind == Done && text != id {
								t.Errorf("%s: done with %q", id, text)
							}
							text += ev.Text
							if leave && ev.Kind == Delta {
								ends++
								break
							}
						}
						if !strings.HasPrefix(id, text) {
							t.Errorf("%s: the text of another answer: %q", id, text)
						}
						if ends != 1 {
							t.Errorf("%s: ended %d times", id, ends)
						}
					}
				})
			}
			wg.Wait()
			if ctx.Err() != nil {
				t.Error("hung")
			}
		})
	}
}
