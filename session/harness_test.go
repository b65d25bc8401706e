package session

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// Nothing of a session, a stream or a server may outlive its test.
func TestMain(m *testing.M) {
	if os.Getenv("SPARK_TEST_SERVER") != "" {
		testServer()
	}
	goleak.VerifyTestMain(m)
}

// short are timeouts for tests that wait for a fault to be detected.
func short() Timeouts {
	return Timeouts{
		Connect: 2 * time.Second, FirstEvent: 900 * time.Millisecond, InterEvent: 900 * time.Millisecond,
		Queue: 2 * time.Second, Interrupt: 300 * time.Millisecond, Backoff: 5 * time.Millisecond, Reprobe: time.Minute,
	}
}

// serve starts a loopback server that lives as long as the test.
func serve(t testing.TB, o loopback.Options) *loopback.Server {
	t.Helper()
	srv := loopback.New(o)
	if err := srv.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// open starts a session against a server; it is closed before the server is.
func open(t testing.TB, srv *loopback.Server, change func(*Config)) *Session {
	t.Helper()
	cfg := Config{URL: srv.URL(), Key: "sk-test-0123456789", Model: "spark-test", Timeouts: short()}
	// No test depends on these but those that set them.
	cfg.Timeouts.FirstEvent, cfg.Timeouts.InterEvent = 5*time.Second, 5*time.Second
	if change != nil {
		change(&cfg)
	}
	s := Open(cfg)
	t.Cleanup(s.Close)
	return s
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// answer is all that a caller sees of a stream.
type answer struct {
	text   string
	starts int
	done   []Event
	err    error
}

// ask reads a stream to its end.
func ask(ctx context.Context, s *Session, req Request) answer {
	var a answer
	for ev, err := range s.Stream(ctx, req) {
		if err != nil {
			a.err = err
			continue // a second error, or an event after it, would be seen
		}
		switch ev.Kind {
		case Started:
			a.starts++
		case Delta:
			a.text += ev.Text
		case Done:
			a.done = append(a.done, ev)
		}
	}
	return a
}

// want checks an answer that came to its proper end.
func (a answer) want(t testing.TB, text string, reason Reason) {
	t.Helper()
	if a.err != nil {
		t.Fatalf("error: %v", a.err)
	}
	if a.text != text {
		t.Errorf("text %q, want %q", a.text, text)
	}
	if len(a.done) != 1 || a.done[0].Reason != reason {
		t.Errorf("done %+v, want one with reason %q", a.done, reason)
	}
}

// fails checks an answer that ended in an error of this kind, exactly one.
func (a answer) fails(t testing.TB, kind ErrorKind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(a.err, &e) {
		t.Fatalf("error %v, want an *Error of kind %q (text %q, done %v)", a.err, kind, a.text, a.done)
	}
	if e.Kind != kind {
		t.Errorf("error kind %q (%v), want %q", e.Kind, e, kind)
	}
	if len(a.done) != 0 {
		t.Errorf("an error and Done")
	}
	if strings.Contains(e.Error(), "sk-test") {
		t.Errorf("D24: the key is in the error: %v", e)
	}
	return e
}

func user(text string) []Part { return []Part{{User, text}} }

var rules = []Part{{Developer, "You complete code."}, {User, "package main"}}

// echo answers with what the request's own input says.
func echo(x *loopback.Exchange) {
	_ = x.Text(x.Input)
	_ = x.Done()
}

// soon fails the test unless one of a few tries takes no longer than limit. What makes the program slow makes all of them
// slow; what made one of them slow may be the machine, which has other things to do.
func soon(t *testing.T, what string, limit time.Duration, try func() time.Duration) {
	t.Helper()
	var took []time.Duration
	for range 5 {
		d := try()
		if d <= limit {
			return
		}
		took = append(took, d)
	}
	t.Errorf("%s took %v, want %v", what, took, limit)
}
