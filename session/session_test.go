package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

func TestStreamAnswers(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, nil)
	a := ask(within(t), s, Request{Job: Completion, Input: user("héllo <b> & \"wörld\"\n\t🍋")})
	a.want(t, "héllo <b> & \"wörld\"\n\t🍋", Complete)
	if a.starts != 1 || a.done[0].Model != "spark-test" || a.done[0].Usage.Output == 0 {
		t.Errorf("starts %d, done %+v", a.starts, a.done)
	}
}

func TestSequenceServesOnce(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, nil)
	seq := s.Stream(within(t), Request{Job: Edit, Input: user("x")})
	for _, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range seq {
		if err == nil {
			t.Fatal("the second range yielded an event")
		}
	}
	if n := srv.Stats().Exchanges; n != 1 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestNothingIsSentBeforeTheRange(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, nil)
	_ = s.Stream(within(t), Request{Job: Edit, Input: user("never")})
	ask(within(t), s, Request{Job: Edit, Input: user("once")}).want(t, "once", Complete)
	if n := srv.Stats().Frames; n != 1 {
		t.Errorf("%d frames were sent", n)
	}
}

// The frame is what wire.md asks for: never stored, no obfuscation, no "stream" on a WebSocket.
func TestFrames(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, func(c *Config) {
		c.ServiceTier, c.ReasoningEffort, c.Verbosity = "ultrafast", "low", "low"
	})
	ctx := within(t)
	if err := s.Warm(ctx, Completion, rules); err != nil {
		t.Fatal(err)
	}
	var reused []bool
	sent := make(chan int, 1) // hooks run on the session's goroutines
	ask(ctx, s, Request{Job: Completion, Base: rules, Input: user("hi"), Trace: &Trace{
		Reused: func(warm bool) { reused = append(reused, warm) },
		Sent:   func(n int) { sent <- n },
	}}).want(t, "hi", Complete)
	frames := srv.Conns()[0].Frames()
	if len(frames) != 2 {
		t.Fatalf("%d frames", len(frames))
	}
	var warm, create map[string]any
	for i, into := range []*map[string]any{&warm, &create} {
		if err := json.Unmarshal(frames[i], into); err != nil {
			t.Fatal(err)
		}
		m := *into
		if m["store"] != false {
			t.Errorf("frame %d: store is %v; the API's default is true", i, m["store"])
		}
		if _, ok := m["stream"]; ok {
			t.Errorf("frame %d: stream must not be sent", i)
		}
		if o, _ := m["stream_options"].(map[string]any); o["include_obfuscation"] != false {
			t.Errorf("frame %d: stream_options %v", i, m["stream_options"])
		}
		if m["service_tier"] != "ultrafast" || m["type"] != "response.create" || m["max_output_tokens"] != 200. {
			t.Errorf("frame %d: %s", i, frames[i])
		}
		if _, ok := m["instructions"]; ok {
			t.Errorf("frame %d: instructions are not carried over by previous_response_id", i)
		}
	}
	if warm["generate"] != false || warm["stream_id"] != "b0" || warm["previous_response_id"] != nil {
		t.Errorf("warm-up: %s", frames[0])
	}
	if create["previous_response_id"] == nil || create["stream_id"] != "r0" {
		t.Errorf("create: %s", frames[1])
	}
	if warm["prompt_cache_key"] != create["prompt_cache_key"] || warm["prompt_cache_key"] == nil {
		t.Errorf("cache keys differ: %v, %v", warm["prompt_cache_key"], create["prompt_cache_key"])
	}
	if strings.Contains(string(frames[1]), "package main") {
		t.Errorf("the base was sent again: %s", frames[1])
	}
	if n := <-sent; len(reused) != 1 || !reused[0] || n != len(frames[1]) {
		t.Errorf("trace: reused %v, sent %d of %d", reused, n, len(frames[1]))
	}
	for _, x := range srv.Seen() {
		if x.Generate && x.FullInput() != "You complete code.\npackage main\nhi" {
			t.Errorf("the model read %q", x.FullInput())
		}
	}
}

func TestAnotherBaseGoesInFull(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) { _ = x.Text(x.FullInput()); _ = x.Done() }})
	s := open(t, srv, nil)
	ctx := within(t)
	if err := s.Warm(ctx, Completion, rules); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		req  Request
		want string
	}{
		{Request{Job: Completion, Base: rules, Input: user("a")}, "You complete code.\npackage main\na"},
		{Request{Job: Completion, Base: rules[:1], Input: user("b")}, "You complete code.\nb"},
		{Request{Job: Edit, Base: rules, Input: user("c")}, "You complete code.\npackage main\nc"},
		{Request{Job: Completion, Input: user("d")}, "d"},
	} {
		ask(ctx, s, tc.req).want(t, tc.want, Complete)
	}
}

func TestWarmTwiceCostsOnce(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, nil)
	ctx := within(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if err := s.Warm(ctx, Edit, rules); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := srv.Stats().Frames; n != 1 {
		t.Errorf("%d warm-ups were sent", n)
	}
	if !s.Status().Warm {
		t.Error("the status does not say that it is warm")
	}
}

// Leaving the loop abandons the response; the next request does not wait for it.
func TestD19LeavingLeavesTheSessionUsable(t *testing.T) {
	for _, interrupt := range []bool{false, true} {
		t.Run(fmt.Sprintf("interrupt=%v", interrupt), func(t *testing.T) {
			srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
				if x.Input == "new" {
					echo(x)
					return
				}
				_ = x.Delta("partial") // and no end
			}, Interrupt: interrupt})
			s := open(t, srv, nil)
			ctx := within(t)
			const old = 5
			for range old {
				for ev, err := range s.Stream(ctx, Request{Job: Completion, Input: user("old")}) {
					if err != nil {
						t.Fatal(err)
					}
					if ev.Kind == Delta {
						break
					}
				}
			}
			ask(ctx, s, Request{Job: Completion, Input: user("new")}).want(t, "new", Complete)
			if !interrupt {
				return
			}
			if err := srv.Wait(ctx, func(st loopback.Stats) bool { return st.Cancelled >= 1 }); err != nil {
				t.Fatal("D19: the cancellation did not reach the server")
			}
			for range old { // known now: every further one is interrupted
				for ev, err := range s.Stream(ctx, Request{Job: Completion, Input: user("old")}) {
					if err != nil || ev.Kind == Delta {
						break
					}
				}
			}
			if err := srv.Wait(ctx, func(st loopback.Stats) bool { return st.Cancelled >= 1+old }); err != nil {
				t.Fatal("D19: the cancellation did not reach the server")
			}
		})
	}
}

func TestRedialWhenItDrops(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, nil)
	ctx := within(t)
	if err := s.Warm(ctx, Completion, rules); err != nil {
		t.Fatal(err)
	}
	ask(ctx, s, Request{Job: Completion, Base: rules, Input: user("one")}).want(t, "one", Complete)
	srv.Conns()[0].Drop()
	// It comes back and warms the base again before anybody asks.
	if err := srv.WaitConns(ctx, 2); err != nil {
		t.Fatal(err)
	}
	if err := srv.WaitWarm(ctx, 2); err != nil {
		t.Fatal(err)
	}
	if err := s.Warm(ctx, Completion, rules); err != nil { // joins that warm-up
		t.Fatal(err)
	}
	ask(ctx, s, Request{Job: Completion, Base: rules, Input: user("two")}).want(t, "two", Complete)
	if n := srv.Warmups(); n != 2 {
		t.Errorf("%d warm-ups, want one for each connection", n)
	}
}

func TestCancelledContext(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: loopback.Manual})
	s := open(t, srv, nil)
	ctx, cancel := context.WithCancel(within(t))
	go func() {
		x, err := srv.WaitExchange(context.Background())
		if err != nil {
			return
		}
		_ = x.Delta("partial")
		cancel()
	}()
	a := ask(ctx, s, Request{Job: Edit, Input: user("x")})
	if !errors.Is(a.err, context.Canceled) {
		t.Fatalf("error %v", a.err)
	}
}

func TestCloseEndsStreams(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: loopback.Manual})
	s := open(t, srv, nil)
	ctx := within(t)
	got := make(chan answer)
	go func() { got <- ask(ctx, s, Request{Job: Edit, Input: user("x")}) }()
	if _, err := srv.WaitExchange(ctx); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.Close()
	if a := <-got; !errors.Is(a.err, ErrClosed) {
		t.Errorf("error %v", a.err)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("Close took %v", d)
	}
	ask(ctx, s, Request{Job: Edit}).fails(t, FallBack)
}
