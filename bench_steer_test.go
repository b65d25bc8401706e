package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// BenchmarkRedirect is "no, otherwise" through the whole program over pipes and a real socket, while an edit of two
// hundred lines streams: from the command to its request on the model's side, to the command's answer, and to the first
// new text in the buffer, with a model that answers at once. The model's own time is all that a user waits for besides.
func BenchmarkRedirect(b *testing.B) {
	ctx := b.Context()
	first, second := make(chan *loopback.Exchange, 1), make(chan time.Time, 1)
	n := 0
	r := newRigArgs(b, ctx, loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) {
		if strings.Contains(x.Input, "no, otherwise") {
			second <- time.Now()
			_ = x.Delta(fmt.Sprintf("var redirected%d = 1\n", n))
			_ = x.Done()
			return
		}
		_ = x.Delta(fmt.Sprintf("var first%d = 1\n", n))
		first <- x
		<-x.Cancelled()
	}}, nil)
	defer r.end()
	uri := "file:///bench/a.go"
	text := "package a\n\n" + strings.Repeat("var value = 1 // a line of code\n", 200)
	if err := r.ed.Open(uri, "go", text); err != nil {
		b.Fatal(err)
	}
	run := func(command string, arg map[string]any) {
		if err := r.ed.Call(ctx, protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": command, "arguments": []any{arg}}, nil); err != nil {
			b.Fatal(err)
		}
	}
	var wire, answered, shown []time.Duration
	for ; b.Loop(); n++ {
		at := strings.Index(r.ed.Text(uri), "var ")
		run("spark-lsp.edit", map[string]any{"uri": uri, "instruction": "do it", "range": r.ed.Range(uri, at, len(r.ed.Text(uri)))})
		<-first
		began := time.Now()
		run("spark-lsp.steer", map[string]any{"uri": uri, "instruction": "no, otherwise"})
		answered = append(answered, time.Since(began))
		wire = append(wire, (<-second).Sub(began))
		if err := r.ed.WaitTextFunc(ctx, uri, func(t string) bool { return strings.Contains(t, fmt.Sprintf("redirected%d", n)) }); err != nil {
			b.Fatal(err)
		}
		shown = append(shown, time.Since(began))
		if _, err := r.ed.WaitProgress(ctx, "end"); err != nil {
			b.Fatal(err)
		}
		run("spark-lsp.reject", map[string]any{"uri": uri})
		if err := r.ed.WaitText(ctx, uri, text); err != nil {
			b.Fatal(err)
		}
	}
	report(b, "wire", wire)
	report(b, "answer", answered)
	report(b, "text", shown)
}
