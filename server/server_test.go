package server

import (
	"context"
	"testing"

	"go.uber.org/zap"
)

// Work that does not end with its context, because it reads a file that does not answer, holds nobody up for long.
func TestCloseDoesNotHang(t *testing.T) {
	s := New(Config{Log: zap.NewNop(), Engine: deaf{}, PanicOnBug: true})
	answers := make(chan struct{})
	defer close(answers)
	s.start(func(context.Context) { <-answers })
	s.Close()
}
