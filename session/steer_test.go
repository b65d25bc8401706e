package session

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// steered ranges over a stream and steers it after its first delta.
func steered(t *testing.T, s *Session, req Request, input []Part) (text []string, done []Event, outs []Outcome) {
	t.Helper()
	var handle Handle
	for ev, err := range s.Stream(within(t), req) {
		if err != nil {
			t.Fatal(err)
		}
		switch ev.Kind {
		case Started:
			text = append(text, "")
			if ev.Response == (Handle{}) {
				t.Error("no handle")
			}
			handle = ev.Response
		case Delta:
			text[len(text)-1] += ev.Text
			if len(outs) == 0 {
				out, err := s.Steer(within(t), handle, input)
				if err != nil {
					t.Fatal(err)
				}
				outs = append(outs, out)
			}
		case Done:
			done = append(done, ev)
		}
	}
	if out, err := s.Steer(within(t), handle, input); out != SteerRefused || err == nil {
		t.Errorf("a steer of an answer that has ended: %v, %v", out, err)
	}
	return text, done, outs
}

// An edit is cut at once and goes on from what is kept, in the same loop.
func TestSteerEdit(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options loopback.Options
		http    bool
	}{
		{name: "interrupted", options: loopback.Options{Interrupt: true}},
		{name: "abandoned", options: loopback.Options{}},
		{name: "no lanes", options: loopback.Options{NoLanes: true}},
		{name: "http", http: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.options.Respond = func(x *loopback.Exchange) {
				if strings.Contains(x.Input, "use a map") {
					if !strings.Contains(x.FullInput(), "kept text") || !strings.Contains(x.FullInput(), "package main") {
						t.Errorf("the successor read %q", x.FullInput())
					}
					_ = x.Text("m := map[string]int{}")
					_ = x.Done()
					return
				}
				_ = x.Delta("kept text")
				<-x.Cancelled() // or the end of the test
			}
			srv := serve(t, tc.options)
			s := open(t, srv, func(c *Config) {
				if tc.http {
					c.Transport = HTTP
				}
			})
			if err := s.Warm(within(t), Edit, rules); err != nil {
				t.Fatal(err)
			}
			text, done, outs := steered(t, s, Request{Job: Edit, Base: rules, Input: user("task")}, user("no, use a map"))
			if len(outs) != 1 || outs[0] != SteerApplied {
				t.Errorf("outcome %v", outs)
			}
			if strings.Join(text, "|") != "kept text|m := map[string]int{}" {
				t.Errorf("text %q", text)
			}
			if len(done) != 1 || done[0].Reason != Complete {
				t.Errorf("done %v", done)
			}
		})
	}
}

// A longer task is steered by the endpoint, after its present item; its successor goes on in the same loop.
func TestSteerDeep(t *testing.T) {
	srv := serve(t, loopback.Options{Steer: true, Respond: func(x *loopback.Exchange) {
		if strings.Contains(x.Input, "use a map") {
			_ = x.Text("with a map")
			_ = x.Done()
			return
		}
		_ = x.Delta("first ")
		for len(x.Steers()) == 0 {
			select {
			case <-x.Cancelled():
				return
			default:
			}
		}
		_ = x.Delta("item")
		_ = x.Done()
	}})
	s := open(t, srv, nil)
	text, done, outs := steered(t, s, Request{Job: Deep, Input: user("task")}, user("no, use a map"))
	if len(outs) != 1 || outs[0] != SteerQueued {
		t.Errorf("outcome %v", outs)
	}
	if strings.Join(text, "|") != "first item|with a map" {
		t.Errorf("text %q", text)
	}
	if n := srv.Stats().Exchanges; n != 2 {
		t.Errorf("%d answers were made: the successor was not taken for one", n)
	}
	if len(done) != 1 || done[0].Reason != Complete {
		t.Errorf("done %v", done)
	}
}

// Where the endpoint does not know response.steer, a longer task is cut like an edit.
func TestSteerDeepUnsupported(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
		if strings.Contains(x.Input, "use a map") {
			_ = x.Text("with a map")
			_ = x.Done()
			return
		}
		_ = x.Delta("first ")
	}})
	s := open(t, srv, func(c *Config) { c.Timeouts = short() })
	text, _, outs := steered(t, s, Request{Job: Deep, Input: user("task")}, user("no, use a map"))
	if len(outs) != 1 || outs[0] != SteerApplied || strings.Join(text, "|") != "first |with a map" {
		t.Errorf("outcome %v, text %q", outs, text)
	}
}

// A steer that cannot be sent changes nothing.
func TestSteerRefused(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
		_ = x.Delta("a")
		<-x.Ended()
	}})
	s := open(t, srv, func(c *Config) { c.ContextWindow = 20_000 })
	ctx := within(t)
	var h Handle
	var text string
	for ev, err := range s.Stream(ctx, Request{Job: Completion, Input: user("task")}) {
		if err != nil {
			t.Fatal(err)
		}
		switch ev.Kind {
		case Started:
			h = ev.Response
		case Delta:
			text += ev.Text
			if text != "a" {
				continue
			}
			s.mu.Lock()
			s.limitLocked(s.epoch.Add(1 << 50))
			s.mu.Unlock()
			out, err := s.Steer(ctx, h, user("x"))
			var e *Error
			if out != SteerRefused || !errors.As(err, &e) || e.Kind != RetryAfter {
				t.Errorf("%v, %v", out, err)
			}
			x, err := srv.WaitExchange(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_ = x.Delta("b")
			_ = x.Done()
		}
	}
	if text != "ab" {
		t.Errorf("text %q", text)
	}
}

// A steer that the endpoint took and then forgot is not lost.
func TestSteerForgotten(t *testing.T) {
	srv := serve(t, loopback.Options{Steer: true, Respond: func(x *loopback.Exchange) {
		if strings.Contains(x.Input, "use a map") {
			_ = x.Text("with a map")
			_ = x.Done()
			return
		}
		_ = x.Delta("first")
		for len(x.Steers()) == 0 {
			select {
			case <-x.Cancelled():
				return
			default:
			}
		}
		_ = x.Complete(loopback.Usage{Input: 1, Output: 1}) // as if nothing had been asked
	}})
	s := open(t, srv, func(c *Config) { c.Timeouts = short() })
	text, done, outs := steered(t, s, Request{Job: Deep, Input: user("task")}, user("no, use a map"))
	if len(outs) != 1 || outs[0] != SteerQueued || strings.Join(text, "|") != "first|with a map" || len(done) != 1 {
		t.Errorf("outcome %v, text %q, done %v", outs, text, done)
	}
}

// Steered twice, each successor goes on from all that was kept before.
func TestSteerTwice(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
		switch {
		case strings.HasSuffix(x.Input, "third"):
			_ = x.Text(strings.ReplaceAll(x.Input, "\n", "/"))
			_ = x.Done()
		case strings.HasSuffix(x.Input, "second"):
			_ = x.Delta("B")
		default:
			_ = x.Delta("A")
		}
	}})
	s := open(t, srv, nil)
	ctx := within(t)
	var h Handle
	var text string
	for ev, err := range s.Stream(ctx, Request{Job: Edit, Input: user("first")}) {
		if err != nil {
			t.Fatal(err)
		}
		switch ev.Kind {
		case Started:
			h = ev.Response
		case Delta:
			text += ev.Text
			next := map[string]string{"A": "second", "AB": "third"}[text]
			if next == "" {
				continue
			}
			if out, err := s.Steer(ctx, h, user(next)); out != SteerApplied || err != nil {
				t.Errorf("%v, %v", out, err)
			}
		}
	}
	if want := "ABfirst/A/second/B/third"; text != want {
		t.Errorf("text %q, want %q", text, want)
	}
}

// Whoever leaves the loop while an answer is being redirected has left: the redirection is refused or nobody hears of
// it, and neither answer goes on at the endpoint.
func TestSteerWhileLeaving(t *testing.T) {
	srv := serve(t, loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) {
		_ = x.Delta("some text")
		<-x.Cancelled()
	}})
	s := open(t, srv, nil)
	for range 200 {
		var steering sync.WaitGroup
		for ev, err := range s.Stream(within(t), Request{Job: Edit, Input: user("task")}) {
			if err != nil {
				t.Fatal(err)
			}
			if ev.Kind != Started {
				break
			}
			steering.Go(func() { _, _ = s.Steer(within(t), ev.Response, user("no, use a map")) })
		}
		steering.Wait()
	}

	r, next := newResponse(1<<10, nil, Handle{}), newResponse(1<<10, nil, Handle{})
	r.push("some text", -1)
	if kept, live := r.freeze(); kept != "some text" || !live {
		t.Fatalf("%q, %v", kept, live)
	}
	r.drop()
	if r.succeed(next) {
		t.Error("an answer that was left went on in another")
	}
}
