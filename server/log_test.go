package server

import (
	"errors"
	"fmt"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/spark-lsp/spark-lsp/session"
)

// TestLoggedErrorsQuoteNoRequest: an endpoint that quotes the request in its refusal brings no code into the log.
func TestLoggedErrorsQuoteNoRequest(t *testing.T) {
	for want, err := range map[string]error{
		"refused": fmt.Errorf("asking: %w", &session.Error{Kind: session.Refused, Message: "bad input: func theirs() {}"}),
		"early":   errors.New("early"),
	} {
		enc := zapcore.NewMapObjectEncoder()
		unquoted(err).AddTo(enc)
		if len(enc.Fields) != 1 || enc.Fields["error"] != want {
			t.Errorf("%v, want the error %q", enc.Fields, want)
		}
	}
}
