package server

import (
	"context"
	"errors"
	"iter"
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
