package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// beforeCursor is the part of the cursor's line that stands before it, as a completion's prompt shows it.
func beforeCursor(x *loopback.Exchange) string {
	text, _, _ := strings.Cut(x.FullInput()[strings.LastIndex(x.FullInput()[:strings.LastIndex(x.FullInput(), loopback.CursorMark)], "\n")+1:], loopback.CursorMark)
	return text
}

// watched is what the model's side sees of a burst.
type watched struct {
	mu        sync.Mutex
	live, top int
	requests  atomic.Int64
}

func (w *watched) begin() {
	w.requests.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live++
	// The old response's goroutine may get to run a moment after the new one's: what counts is who is still alive then.
	time.AfterFunc(2*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.top = max(w.top, w.live)
	})
}

func (w *watched) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live--
}

// BenchmarkBurst types a line of code, each key asking and cancelling the one before, at a model that takes 60 ms to
// its first word. In "foreseen" the model would write what is typed; in "unforeseen" never. Reported are the keys
// after which the first text was there, the most responses that were alive at once, requests per key, and the time from the last
// key to its answer beyond what the model itself takes.
func BenchmarkBurst(b *testing.B) {
	const ttft = 60 * time.Millisecond
	const every = 30 * time.Millisecond
	target := `	total := price * quantity + shipping(order, customer.Address, weightOf(order))`
	for _, c := range []struct {
		name   string
		answer func(before string) string
	}{
		{"foreseen", func(before string) string { return strings.TrimPrefix(target, before) }},
		{"unforeseen", func(string) string { return "§" }},
	} {
		b.Run(c.name, func(b *testing.B) {
			ctx := b.Context()
			var w watched
			r := newRig(b, ctx, func(x *loopback.Exchange) {
				w.begin()
				defer w.end()
				_ = x.InProgress() // an id to interrupt it by
				select {
				case <-time.After(ttft):
				case <-x.Cancelled():
					return
				}
				_ = x.Delta(c.answer(beforeCursor(x)))
				_ = x.Done()
			})
			defer r.end()
			var firsts, after []time.Duration
			keys := 0
			for i := 0; b.Loop(); i++ {
				uri := fmt.Sprintf("file:///burst/%d.go", i)
				text := "package a\n\nfunc f() {\n\t\n}\n"
				if err := r.ed.Open(uri, "go", text); err != nil {
					b.Fatal(err)
				}
				at := strings.Index(text, "\t") + 1
				if err := r.ed.SetCursor(uri, at); err != nil {
					b.Fatal(err)
				}
				typed := target[1 : len(target)-20]
				var pending []*editor.Pending
				var first atomic.Int64 // ns from the first key to the first text
				var answers sync.WaitGroup
				began := time.Now()
				for k, ch := range strings.Split(typed, "") {
					time.Sleep(time.Until(began.Add(time.Duration(k) * every))) // the typist is the clock here
					if k > 0 {
						_ = pending[k-1].Cancel()
					}
					if err := r.ed.Type(uri, ch); err != nil {
						b.Fatal(err)
					}
					p, err := r.ed.CallAsync(protocol.MethodTextDocumentInlineCompletion, map[string]any{
						"textDocument": map[string]any{"uri": uri}, "position": r.ed.Position(uri, r.ed.Cursor(uri)),
						"context": map[string]any{"triggerKind": 2},
					})
					if err != nil {
						b.Fatal(err)
					}
					pending = append(pending, p)
					answers.Go(func() {
						var list protocol.InlineCompletionList
						if p.Wait(ctx, &list) == nil && len(list.Items) > 0 {
							first.CompareAndSwap(0, int64(time.Since(began)))
						}
					})
					keys++
				}
				last := time.Now()
				answers.Wait()
				firsts = append(firsts, time.Duration(first.Load()))
				after = append(after, time.Since(last))
			}
			report(b, "first-text", firsts)
			slices.Sort(after)
			b.ReportMetric(float64(after[len(after)/2].Microseconds())/1000, "last-key-p50-ms")
			b.ReportMetric(float64(after[len(after)-1].Microseconds())/1000, "last-key-max-ms")
			b.ReportMetric(float64(w.top), "live-responses")
			b.ReportMetric(float64(w.requests.Load())/float64(keys), "requests/key")
		})
	}
}
