package server

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/session"
)

// buggy is an engine with a bug.
type buggy struct{ deaf }

func (buggy) Stream(context.Context, session.Request) iter.Seq2[session.Event, error] {
	return func(func(session.Event, error) bool) { panic("a bug") }
}

// A bug in the reader of a response ends the requests that wait for it, and not the completions of the document.
func TestSuggestionBrokeOff(t *testing.T) {
	s := New(Config{Log: zap.NewNop(), Engine: buggy{}})
	defer s.Close()
	s.StartAlone()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 2 {
		if text, _, err := s.fill(ctx, "x := cust", "\n"); text != "" || !errors.Is(err, errBroken) {
			t.Fatalf("%q, %v", text, err)
		}
	}
}

// silent is an engine that does not say anything until it is left.
type silent struct{ deaf }

func (silent) Stream(ctx context.Context, _ session.Request) iter.Seq2[session.Event, error] {
	return func(func(session.Event, error) bool) { <-ctx.Done() }
}

// What a key waits for may be dropped meanwhile: the line was deleted, or somebody else answers from now on.
func TestHeldForWhatIsDropped(t *testing.T) {
	s := New(Config{Log: zap.NewNop(), Engine: silent{}, PanicOnBug: true})
	defer s.Close()
	s.StartAlone()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answered := make(chan error, 2)
	ask := func(prefix string) {
		doc := s.fimDocument(prefix, "\n")
		go func() {
			_, err := s.suggest(ctx, doc, len(prefix), automatic)
			answered <- err
		}()
	}
	ask("x := cus")
	d := s.document(fimURI)
	until := func(holds func(*suggester) bool) {
		for ctx.Err() == nil {
			d.suggester.mu.Lock()
			ok := holds(&d.suggester)
			d.suggester.mu.Unlock()
			if ok {
				return
			}
			runtime.Gosched()
		}
		t.Fatal("it does not come so far")
	}
	until(func(g *suggester) bool { return g.cur != nil })
	ask("x := cust")
	until(func(g *suggester) bool {
		if g.cur == nil || !g.cur.held {
			return false
		}
		g.forgetLocked()
		return true
	})
	until(func(g *suggester) bool { return g.cur != nil }) // it asks anew
	cancel()
	for range 2 {
		if err := <-answered; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}
