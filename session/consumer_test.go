package session

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// A consumer that does not read holds nobody up, and finds its deltas coalesced.
func TestSlowConsumerHoldsNobodyUp(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
		if x.Input == "slow" {
			for range 1000 {
				_ = x.Delta("0123456789")
			}
			_ = x.Done()
			return
		}
		echo(x)
	}})
	s := open(t, srv, nil)
	ctx := within(t)
	slow := begin(t, s, ctx, Request{Job: Edit, Input: user("slow")})
	x, err := srv.WaitExchange(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		ask(ctx, s, Request{Job: Edit, Input: user("quick")}).want(t, "quick", Complete)
	}
	<-x.Ended()
	ask(ctx, s, Request{Job: Edit, Input: user("after")}).want(t, "after", Complete) // behind the slow one's last event
	var text strings.Builder
	text.WriteString(slow.first)
	deltas := 0
	for {
		ev, err, ok := slow.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if ev.Kind == Delta {
			deltas++
		}
		text.WriteString(ev.Text)
	}
	if n := text.Len(); n != 10_000 {
		t.Errorf("%d bytes", n)
	}
	if deltas > 1 {
		t.Errorf("the text that was waiting came in %d pieces", deltas)
	}
}

func TestBufferIsCapped(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
		if x.Input != "flood" {
			echo(x)
			return
		}
		for x.Delta(strings.Repeat("x", 1000)) == nil {
			select {
			case <-x.Cancelled():
				return
			default:
			}
		}
	}, Interrupt: true})
	s := open(t, srv, func(c *Config) { c.BufferLimit, c.Interrupt = 50_000, Yes })
	ctx := within(t)
	b := begin(t, s, ctx, Request{Job: Edit, Input: user("flood")})
	if err := srv.Wait(ctx, func(st loopback.Stats) bool { return st.Cancelled == 1 }); err != nil {
		t.Fatal("the flood was not stopped")
	}
	var failed error
	got := len(b.first)
	for {
		ev, err, ok := b.next()
		if !ok {
			break
		}
		got += len(ev.Text)
		if err != nil {
			failed = err
		}
	}
	answer{err: failed}.fails(t, Interruption)
	if got == 0 || got > 110_000 {
		t.Errorf("%d bytes were kept", got)
	}
	ask(ctx, s, Request{Job: Edit, Input: user("next")}).want(t, "next", Complete)
}

// D19: leaving reaches the server within 50 ms over either transport.
func TestD19CancelReachesTheServer(t *testing.T) {
	for _, tr := range []Transport{WebSocket, HTTP} {
		t.Run(string(tr), func(t *testing.T) {
			srv := serve(t, loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) { _ = x.Delta("a"); <-x.Cancelled() }})
			s := open(t, srv, func(c *Config) { c.Transport, c.Interrupt = tr, Yes })
			soon(t, "leaving", 50*time.Millisecond, func() time.Duration {
				ctx, cancel := context.WithCancel(within(t))
				b := begin(t, s, ctx, Request{Job: Completion, Input: user("x")})
				defer b.stop()
				x, err := srv.WaitExchange(ctx)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				cancel()
				if ev, err, ok := b.next(); err == nil {
					t.Errorf("an event after the cancellation: %+v, %v", ev, ok)
				}
				<-x.Cancelled()
				return time.Since(began)
			})
		})
	}
}

func TestTraceTellsTheStory(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
		if x.N == 1 {
			_ = x.Error(500, "server_error", "oops", nil)
			return
		}
		_ = x.Delta("ab")
		_ = x.Delta("c")
		_ = x.Done()
	}})
	s := open(t, srv, nil)
	var mu sync.Mutex
	var story []string
	note := func(what string) func() {
		return func() { mu.Lock(); defer mu.Unlock(); story = append(story, what) }
	}
	tr := &Trace{
		Dialled: func(time.Duration) { note("dialled")() }, Reused: func(bool) { note("reused")() },
		Created: note("created"), InProgress: note("in progress"), FirstDelta: note("first"),
		Delta:    func(n int) { note("delta " + strings.Repeat("x", n))() },
		Terminal: func(r Reason, err error) { note("terminal " + string(r))() },
		Again:    func(error) { note("again")() },
	}
	ask(within(t), s, Request{Job: Edit, Input: user("x"), Trace: tr}).want(t, "abc", Complete)
	mu.Lock()
	defer mu.Unlock()
	story[0] = strings.Replace(story[0], "reused", "dialled", 1) // it depends on who was first
	want := "dialled, again, reused, created, in progress, first, delta xx, delta x, terminal complete"
	if got := strings.Join(story, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A peer that is gone without a word is found out while nobody asks anything, and replaced.
func TestHalfOpenWhileIdle(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, func(c *Config) { c.Timeouts.Ping, c.Timeouts.Pong = 30*time.Millisecond, 60*time.Millisecond })
	ctx := within(t)
	ask(ctx, s, Request{Job: Edit, Input: user("x")}).want(t, "x", Complete)
	srv.Conns()[0].Freeze()
	if err := srv.WaitConns(ctx, 2); err != nil {
		t.Fatal("the dead connection was not noticed")
	}
	ask(ctx, s, Request{Job: Edit, Input: user("y")}).want(t, "y", Complete)
}

// After a long sleep the connection is replaced before it is used, after a short one it is asked.
func TestTheMachineHasSlept(t *testing.T) {
	for _, d := range []time.Duration{time.Minute, time.Hour} {
		t.Run(d.String(), func(t *testing.T) {
			srv := serve(t, loopback.Options{Respond: echo})
			s := open(t, srv, func(c *Config) { c.Timeouts.Ping, c.Timeouts.Pong = time.Hour, 50*time.Millisecond })
			ctx := within(t)
			ask(ctx, s, Request{Job: Edit, Input: user("x")}).want(t, "x", Complete)
			if d < 5*time.Minute {
				srv.Conns()[0].Freeze()
			}
			s.mu.Lock()
			s.asleep = func() time.Duration { return d }
			s.wokenLocked()
			s.mu.Unlock()
			if err := srv.WaitConns(ctx, 2); err != nil {
				t.Fatal("it trusts the old connection")
			}
			ask(ctx, s, Request{Job: Edit, Input: user("y")}).want(t, "y", Complete)
			if n := srv.Stats().Conns; n != 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// On another network the old connection is asked for a sign of life, and not waited for long.
func TestTheMachineHasMoved(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, func(c *Config) { c.Timeouts.Ping, c.Timeouts.Pong = time.Hour, 50*time.Millisecond })
	ctx := within(t)
	ask(ctx, s, Request{Job: Edit, Input: user("x")}).want(t, "x", Complete)
	s.mu.Lock()
	s.movedLocked("home")
	s.mu.Unlock()
	srv.Conns()[0].Freeze()
	s.mu.Lock()
	s.movedLocked("home")
	s.movedLocked("train")
	s.mu.Unlock()
	if err := srv.WaitConns(ctx, 2); err != nil {
		t.Fatal("it trusts the old connection")
	}
	ask(ctx, s, Request{Job: Edit, Input: user("y")}).want(t, "y", Complete)
}

// One job may use another model and tier than the rest.
func TestJobsHaveTheirOwnModels(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, func(c *Config) {
		c.ServiceTier = "ultrafast"
		c.Jobs = map[Job]JobConfig{Deep: {Choice: Choice{Model: "deep", Tier: "flex"}, ReasoningEffort: "high", MaxOutputTokens: 99}}
	})
	ctx := within(t)
	ask(ctx, s, Request{Job: Deep, Input: user("a")}).want(t, "a", Complete)
	ask(ctx, s, Request{Job: Edit, Input: user("b")}).want(t, "b", Complete)
	a, b := srv.Seen()[0], srv.Seen()[1]
	if a.Model != "deep" || a.ServiceTier != "flex" || a.MaxOutputTokens != 99 || !strings.Contains(string(a.Body), `"effort":"high"`) {
		t.Errorf("deep: %s", a.Body)
	}
	if b.Model != "spark-test" || b.ServiceTier != "ultrafast" || strings.Contains(string(b.Body), "effort") {
		t.Errorf("edit: %s", b.Body)
	}
}

func TestRedact(t *testing.T) {
	key := "my-secret-key"
	for in, want := range map[string]string{
		"bad my-secret-key here":                    "bad [key] here",
		"Incorrect API key provided: sk-abc***xyz.": "Incorrect API key provided: [key]",
		"Authorization: Bearer abc.def":             "Authorization: [key]",
		"two\nlines\t\x00":                          "two lines \x00",
	} {
		if got := redact(in, key); got != want {
			t.Errorf("D24: redact(%q) = %q, want %q", in, got, want)
		}
	}
	if got := redact(strings.Repeat("é", 1000), ""); len(got) > 310 || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("%d bytes", len(got))
	}
}

func TestRetryDelay(t *testing.T) {
	header := func(k, v string) func(string) string {
		return func(name string) string {
			if name == k {
				return v
			}
			return ""
		}
	}
	for _, tc := range []struct {
		header  func(string) string
		message string
		want    time.Duration
	}{
		{nil, "Please try again in 1.5s.", 1500 * time.Millisecond},
		{nil, "Please try again in 20ms.", 20 * time.Millisecond},
		{nil, "Please try again in 6m0s.", 6 * time.Minute},
		{nil, "try again in 7 seconds", 7 * time.Second},
		{nil, "later", 0},
		{header("retry-after", "2"), "try again in 9s", 2 * time.Second},
		{header("retry-after-ms", "250"), "", 250 * time.Millisecond},
		{header("retry-after", "999999"), "", time.Hour},
		{header("retry-after", "-5"), "", 0},
		{header("retry-after", "soon"), "try again in 3s", 3 * time.Second},
	} {
		if got := retryDelay(tc.header, tc.message); got != tc.want {
			t.Errorf("%q: %v, want %v", tc.message, got, tc.want)
		}
	}
}

// D19: what an endpoint that cannot be interrupted goes on to say is not read: no text of it is decoded, and the
// connection carries the next request meanwhile.
func TestD19DrainedAnswerIsNotRead(t *testing.T) {
	left, over := make(chan struct{}), make(chan struct{})
	srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
		if x.Input == "next" {
			_ = x.Text("next")
			_ = x.Done()
			return
		}
		_ = x.Delta("a")
		<-left
		for range 200 {
			_ = x.Delta("word ")
		}
		_ = x.Done()
		close(over)
	}})
	s := open(t, srv, func(c *Config) { c.Interrupt = No })
	ctx := within(t)
	var deltas atomic.Int64
	b := begin(t, s, ctx, Request{Job: Completion, Input: user("first"), Trace: &Trace{Delta: func(int) { deltas.Add(1) }}})
	b.stop()
	ask(ctx, s, Request{Job: Completion, Input: user("next")}).want(t, "next", Complete)
	close(left)
	<-over
	ask(ctx, s, Request{Job: Completion, Input: user("next")}).want(t, "next", Complete) // behind all of it on the wire
	if n := deltas.Load(); n != 1 {
		t.Errorf("%d deltas were decoded", n)
	}
	if st := srv.Stats(); st.Conns != 1 || st.Interrupts != 0 {
		t.Errorf("%d connections, %d interrupts", st.Conns, st.Interrupts)
	}
}
