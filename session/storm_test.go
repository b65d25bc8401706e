package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// TestStormOfAbandonedRequestsKeepsTheConnection is a language server under a typist that nobody can be: each
// request supersedes the one before, at a seeded moment of its life, with no pause between two. What is
// abandoned drains or is interrupted; the connection that carries it, and the next request, stays.
func TestStormOfAbandonedRequestsKeepsTheConnection(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 1000
	}
	fast := func(x *loopback.Exchange) {
		_ = x.Text("// " + x.Input)
		_ = x.Done()
	}
	paced := func(x *loopback.Exchange) { // the first token after 5 ms, about 20 ms in all
		_ = x.Pace("// "+x.Input+strings.Repeat(" word", 10), 5*time.Millisecond, 1000)
		_ = x.Done()
	}
	for _, tc := range []struct {
		name    string
		options loopback.Options
		eager   bool // each request ends as soon as it was sent, so thousands in a second
		n       int
	}{
		{"no lanes, at once, paced", loopback.Options{NoLanes: true, Respond: paced}, true, n / 4},
		{"interrupt, at once", loopback.Options{Interrupt: true, Respond: fast}, true, n},
		{"interrupt, at once, paced", loopback.Options{Interrupt: true, Respond: paced}, true, n},
		{"drained, at once, paced", loopback.Options{Respond: paced}, true, n},
		{"interrupt", loopback.Options{Interrupt: true, Respond: fast}, false, n},
		{"interrupt, paced", loopback.Options{Interrupt: true, Respond: paced}, false, n / 6},
		{"drained", loopback.Options{Respond: fast}, false, n},
		{"drained, paced", loopback.Options{Respond: paced}, false, n / 6},
		{"interrupts ignored, paced", loopback.Options{Unknown: loopback.IgnoreUnknown, Respond: paced}, false, n / 6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var gone atomic.Int64
			tc.options.Finished = func(x *loopback.Exchange) {
				// Over HTTP, where there are no lanes, leaving an answer is to reset its stream.
				if x.Outcome() == "gone" && x.Transport == loopback.WebSocket {
					gone.Add(1)
				}
			}
			srv := serve(t, tc.options)
			s := open(t, srv, nil)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := s.Warm(ctx, Completion, rules); err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			alive := make(chan struct{}, 2) // as a language server does: the new one, and the one being superseded
			var wg sync.WaitGroup
			var whole, cancelled atomic.Int64
			began := time.Now()
			for i := range tc.n {
				when, base := rng.IntN(8), rng.IntN(4) > 0
				if tc.eager && i < tc.n-1 {
					when %= 2
				}
				alive <- struct{}{}
				wg.Go(func() {
					defer func() { <-alive }()
					key, leave := context.WithCancel(ctx)
					defer leave()
					req := Request{Job: Completion, Input: user(fmt.Sprint("key ", i)), Trace: &Trace{}}
					if base {
						req.Base = rules
					}
					switch when {
					case 0:
						req.Trace.Reused = func(bool) { leave() }
					case 1:
						req.Trace.Sent = func(int) { leave() }
					case 2:
						req.Trace.Created = leave
					case 3:
						req.Trace.InProgress = leave
					case 4:
						req.Trace.FirstDelta = leave
					case 5:
						defer time.AfterFunc(time.Duration(i%50)*100*time.Microsecond, leave).Stop()
					}
					text, ends := "", 0
					for ev, err := range s.Stream(key, req) {
						text += ev.Text
						switch {
						case err != nil:
							if ends++; !errors.Is(err, context.Canceled) || ctx.Err() != nil {
								t.Errorf("key %d: %v", i, err)
							}
							cancelled.Add(1)
						case ev.Kind == Done:
							if ends++; !strings.Contains(text+" ", fmt.Sprintf("key %d ", i)) {
								t.Errorf("key %d: %q", i, text)
							}
							whole.Add(1)
						}
						if when == 6 && ev.Kind == Delta {
							ends++
							break
						}
					}
					if ends != 1 {
						t.Errorf("key %d ended %d times", i, ends)
					}
				})
			}
			wg.Wait()
			st, lost := srv.Stats(), gone.Load()
			t.Logf("%v, %d whole, %d cancelled, %d connections, %d exchanges, %d interrupts, %d gone, %d over HTTP", time.Since(began).Round(time.Millisecond),
				whole.Load(), cancelled.Load(), st.Conns, st.Exchanges, st.Interrupts, lost, st.Requests)
			// More answers drain than one connection has lanes, so the spare ones are made, each once.
			most := 3
			if tc.options.NoLanes {
				most = 6
			}
			if st.Conns > most || st.Open != st.Conns || lost > 0 {
				t.Errorf("%d connections, of which %d are open, %d exchanges gone", st.Conns, st.Open, lost)
			}
		})
	}
}

// Abandoned answers whose ends never come, until every lane of every connection is taken: the next request
// waits no longer than for an answer of its own, and then has a new connection.
func TestAbandonedAnswersThatNeverEnd(t *testing.T) {
	var stuck atomic.Int64
	srv := serve(t, loopback.Options{Unknown: loopback.IgnoreUnknown, Respond: func(x *loopback.Exchange) {
		if x.Input == "stuck" {
			stuck.Add(1)
			_ = x.Delta("a")
			return
		}
		echo(x)
	}})
	s := open(t, srv, func(c *Config) { c.Timeouts = short() })
	ctx := within(t)
	for range 3 * requestLanes {
		begin(t, s, ctx, Request{Job: Edit, Input: user("stuck")}).stop()
	}
	if n := srv.Stats().Conns; n != 3 || stuck.Load() != 3*requestLanes {
		t.Fatalf("%d connections, %d stuck answers", n, stuck.Load())
	}
	began := time.Now()
	ask(ctx, s, Request{Job: Edit, Input: user("now")}).want(t, "now", Complete)
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("waited %v", d)
	}
}

// A request whose caller has left before it was sent is not sent.
func TestCancelledBeforeSentIsNotSent(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, nil)
	ctx := within(t)
	if err := s.Warm(ctx, Completion, rules); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		key, leave := context.WithCancel(ctx)
		a := ask(key, s, Request{Job: Completion, Base: rules, Input: user("x"), Trace: &Trace{Reused: func(bool) { leave() }}})
		if !errors.Is(a.err, context.Canceled) {
			t.Errorf("error %v", a.err)
		}
	}
	ask(ctx, s, Request{Job: Completion, Base: rules, Input: user("y")}).want(t, "y", Complete)
	if st := srv.Stats(); st.Exchanges != 1 {
		t.Errorf("%d requests", st.Exchanges)
	}
}
