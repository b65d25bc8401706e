package session

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// begun ranges over a stream until its first delta, and leaves it there for the test to end.
type begun struct {
	first string // the first delta's text
	next  func() (Event, error, bool)
	stop  func()
}

func begin(t testing.TB, s *Session, ctx context.Context, req Request) begun {
	t.Helper()
	next, stop := iter.Pull2(s.Stream(ctx, req))
	for {
		ev, err, ok := next()
		if !ok || err != nil {
			t.Fatalf("no delta: %v", err)
		}
		if ev.Kind == Delta {
			return begun{ev.Text, next, stop}
		}
	}
}

// A connection carries 15 requests; a sixteenth goes over a second one, which was made before it was needed.
func TestLanesRunOut(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) { _ = x.Delta("x") }})
	s := open(t, srv, func(c *Config) { c.Timeouts.InterEvent = time.Minute }) // they all stay open
	ctx := within(t)
	var all []begun
	for range 35 {
		all = append(all, begin(t, s, ctx, Request{Job: Edit, Input: user("x")}))
	}
	st := srv.Stats() // leaving them asks for an interrupt, which this server refuses
	for _, b := range all {
		b.stop()
	}
	if st.Refused != 0 {
		t.Errorf("%d requests were refused", st.Refused)
	}
	if st.Conns != 3 {
		t.Errorf("%d connections for 35 streams, want 3", st.Conns)
	}
	names := map[string]map[string]bool{}
	for _, x := range srv.Seen() {
		key := fmt.Sprint(x.Conn)
		if names[key] == nil {
			names[key] = map[string]bool{}
		}
		names[key][x.StreamID] = true
	}
	for conn, n := range names {
		if len(n) > loopback.MaxLanes {
			t.Errorf("connection %s: %d lane names", conn, len(n))
		}
	}
}

// Many requests and many bases over the life of one connection stay within its 32 names.
func TestLaneNamesAreReused(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, nil)
	ctx := within(t)
	names := map[string]bool{}
	for i := range 60 {
		base := user(fmt.Sprintf("file %d", i))
		if err := s.Warm(ctx, Completion, base); err != nil {
			t.Fatal(err)
		}
		in := fmt.Sprint(i)
		ask(ctx, s, Request{Job: Completion, Base: base, Input: user(in)}).want(t, in, Complete)
	}
	for _, x := range srv.Seen() {
		names[x.StreamID] = true
		if x.Generate && x.PreviousResponseID == "" {
			t.Errorf("a request went in full: %q", x.Input)
		}
	}
	if len(names) > loopback.MaxLanes || srv.Stats().Conns != 1 {
		t.Errorf("%d names, %d connections", len(names), srv.Stats().Conns)
	}
}

// The fork race (wire.md 1.3): while a fork has not reached in_progress, its base's lane is not used again,
// however many other bases are warmed meanwhile.
func TestForkRace(t *testing.T) {
	release := make(chan struct{})
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
		if x.Input == "slow" {
			<-release
		}
		_ = x.Text(x.FullInput())
		_ = x.Done()
	}})
	s := open(t, srv, nil)
	ctx := within(t)
	if err := s.Warm(ctx, Completion, user("base")); err != nil {
		t.Fatal(err)
	}
	got := make(chan answer, 1)
	go func() {
		got <- ask(ctx, s, Request{Job: Completion, Base: user("base"), Input: user("slow")})
	}()
	if _, err := srv.WaitExchange(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * baseLanes {
		if err := s.Warm(ctx, Completion, user(fmt.Sprintf("other %d", i))); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	(<-got).want(t, "base\nslow", Complete)
	if n := srv.Stats().Refused; n != 0 {
		t.Errorf("%d refused", n)
	}
}

// 200 keys, each superseding the last: the answer to the last one comes as fast as a single one would.
func TestSupersededRequestsDoNotQueue(t *testing.T) {
	for _, interrupt := range []bool{true, false} {
		t.Run(fmt.Sprintf("interrupt=%v", interrupt), func(t *testing.T) {
			srv := serve(t, loopback.Options{Interrupt: interrupt, Respond: func(x *loopback.Exchange) {
				if strings.HasSuffix(x.Input, "last") {
					_ = x.Text("last")
					_ = x.Done()
					return
				}
				_ = x.Pace(strings.Repeat("word ", 100), 20*time.Millisecond, 1000)
				_ = x.Done()
			}})
			s := open(t, srv, nil)
			ctx := within(t)
			if err := s.Warm(ctx, Completion, rules); err != nil {
				t.Fatal(err)
			}
			soon(t, "the last key", 100*time.Millisecond, func() time.Duration {
				for i := range 200 {
					key, cancel := context.WithCancel(ctx)
					var wg sync.WaitGroup
					wg.Go(func() {
						for range s.Stream(key, Request{Job: Completion, Base: rules, Input: user(fmt.Sprint("key ", i))}) {
						}
					})
					time.Sleep(2 * time.Millisecond) // the typing, much faster than anyone types
					cancel()
					wg.Wait()
				}
				began := time.Now()
				ask(ctx, s, Request{Job: Completion, Base: rules, Input: user("last")}).want(t, "last", Complete)
				return time.Since(began)
			})
		})
	}
}

func TestRotationBeforeTheAgeLimit(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) { _ = x.Delta("x") }})
	s := open(t, srv, func(c *Config) { c.Timeouts.Rotate = 300 * time.Millisecond })
	ctx := within(t)
	if err := s.Warm(ctx, Edit, rules); err != nil {
		t.Fatal(err)
	}
	b := begin(t, s, ctx, Request{Job: Edit, Base: rules, Input: user("long")})
	first := srv.Conns()[0]
	if err := srv.WaitWarm(ctx, 2); err != nil {
		t.Fatal(err)
	}
	// The running answer goes on where it is, and its socket ends with it.
	x, err := srv.WaitExchange(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = x.Delta("y")
	_ = x.Done()
	var text string
	for {
		ev, err, ok := b.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		text += ev.Text
	}
	if text != "y" {
		t.Errorf("text %q", text)
	}
	select {
	case <-first.Done():
	case <-ctx.Done():
		t.Fatal("the old socket stays")
	}
	n := begin(t, s, ctx, Request{Job: Edit, Base: rules, Input: user("next")})
	defer n.stop()
	seen := srv.Seen()
	if last := seen[len(seen)-1]; last.Conn < 2 || last.PreviousResponseID == "" {
		t.Errorf("the next request went over connection %d, previous %q", last.Conn, last.PreviousResponseID)
	}
}

// Where an endpoint has no lanes, a request uses the base of its socket up, and it is warmed again behind
// the user's back; concurrent requests take other sockets, or HTTP.
func TestNoLanesPool(t *testing.T) {
	big := user(strings.Repeat("package main // context\n", 400))
	srv := serve(t, loopback.Options{NoLanes: true, Respond: func(x *loopback.Exchange) {
		_ = x.Delta(x.Input[strings.LastIndex(x.Input, "\n")+1:])
		if !strings.HasSuffix(x.Input, "stays") {
			_ = x.Done()
		}
	}})
	s := open(t, srv, nil)
	ctx := within(t)
	if err := s.Warm(ctx, Completion, big); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		in := fmt.Sprint("q", i)
		ask(ctx, s, Request{Job: Completion, Base: big, Input: user(in)}).want(t, in, Complete)
		if err := srv.WaitWarm(ctx, i+2); err != nil {
			t.Fatal("not warmed again")
		}
		if err := s.Warm(ctx, Completion, big); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range srv.Seen() {
		if x.Generate && x.PreviousResponseID == "" {
			t.Error("a request went in full")
		}
		if x.StreamID != "" && x.N > 1 {
			t.Errorf("lane %q at an endpoint without lanes", x.StreamID)
		}
	}
	var held []begun
	for range 8 {
		held = append(held, begin(t, s, ctx, Request{Job: Completion, Input: user("stays")}))
	}
	ask(ctx, s, Request{Job: Completion, Input: user("now")}).want(t, "now", Complete)
	for _, h := range held {
		h.stop()
	}
	ask(ctx, s, Request{Job: Completion, Input: user("after")}).want(t, "after", Complete)
}

func TestEvictedBaseIsResentInFull(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) { _ = x.Text(x.FullInput()); _ = x.Done() }})
	s := open(t, srv, nil)
	ctx := within(t)
	if err := s.Warm(ctx, Edit, rules); err != nil {
		t.Fatal(err)
	}
	c := srv.Conns()[0]
	c.Evict(c.Latest("b0"))
	var again int
	want := "You complete code.\npackage main\nhi"
	ask(ctx, s, Request{Job: Edit, Base: rules, Input: user("hi"), Trace: &Trace{Again: func(error) { again++ }}}).want(t, want, Complete)
	if again != 1 || srv.Stats().Conns != 1 {
		t.Errorf("%d further attempts, %d connections; want one on the same socket", again, srv.Stats().Conns)
	}
	if err := srv.WaitWarm(ctx, 2); err != nil {
		t.Fatal("the base was not warmed again")
	}
}

func TestWarmupNotSupported(t *testing.T) {
	srv := serve(t, loopback.Options{
		Warm: func(x *loopback.Exchange) {
			_ = x.Error(400, "unknown_parameter", "Unknown parameter: 'generate'.", nil)
		},
		Respond: echo,
	})
	s := open(t, srv, nil)
	ctx := within(t)
	if err := s.Warm(ctx, Edit, rules); err != nil {
		t.Fatal(err)
	}
	ask(ctx, s, Request{Job: Edit, Base: rules, Input: user("hi")}).want(t, "You complete code.\npackage main\nhi", Complete)
	if st := srv.Stats(); st.Frames > 2 {
		t.Errorf("%d frames", st.Frames)
	}
}

func TestIdleSessionSpendsNothing(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, func(c *Config) { c.Timeouts.Idle = time.Nanosecond })
	ctx := within(t)
	if err := s.Warm(ctx, Edit, rules); err != nil {
		t.Fatal(err)
	}
	c := srv.Conns()[0]
	c.Drop()
	<-c.Done()
	ask(ctx, s, Request{Job: Edit, Base: rules, Input: user("hi")}).want(t, "You complete code.\npackage main\nhi", Complete)
	if st := srv.Stats(); st.Conns != 2 {
		t.Errorf("%d connections", st.Conns)
	}
}
