package lsp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

// grudging is an output that has room for some of what is tried, and for less with each try, until it has been
// waited for.
type grudging struct {
	io.Writer
	room     int
	atOnce   atomic.Int64 // bytes that were taken without waiting
	mistaken atomic.Bool  // something was tried while something was written
	writing  atomic.Bool
}

func (g *grudging) Write(p []byte) (int, error) {
	g.writing.Store(true)
	defer g.writing.Store(false)
	return g.Writer.Write(p)
}

func (g *grudging) TryWrite(p []byte) int {
	if g.writing.Load() {
		g.mistaken.Store(true)
	}
	if g.room--; g.room < 0 {
		g.room = 5
	}
	n, _ := g.Writer.Write(p[:min(g.room, len(p))])
	g.atOnce.Add(int64(n))
	return n
}

func TestOutboxOrder(t *testing.T) {
	t.Run("queued", func(t *testing.T) { checkOrder(t, func(w io.Writer) io.Writer { return w }) })
	t.Run("at once", func(t *testing.T) {
		var g *grudging
		checkOrder(t, func(w io.Writer) io.Writer { g = &grudging{Writer: w}; return g })
		if g.atOnce.Load() == 0 || g.mistaken.Load() {
			t.Errorf("%d bytes were written at once, one between what was waited for: %v", g.atOnce.Load(), g.mistaken.Load())
		}
	})
}

func checkOrder(t *testing.T, over func(io.Writer) io.Writer) {
	r, w := io.Pipe()
	o := newOutbox(over(w), func(err error) { t.Error(err) })
	go o.run()
	var got bytes.Buffer
	read := make(chan struct{})
	go func() { io.Copy(&got, r); close(read) }()
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range 500 {
				if err := o.wait(context.Background(), 64); err != nil {
					t.Error(err)
				}
				fmt.Fprintf(o, "%d:%d\n", g, i)
			}
		})
	}
	group.Wait()
	o.close()
	<-o.done
	w.Close()
	<-read
	next := make([]int, 4)
	for line := range strings.Lines(got.String()) {
		var g, i int
		if _, err := fmt.Sscanf(line, "%d:%d", &g, &i); err != nil || next[g] != i {
			t.Fatalf("%q, %v", line, err)
		}
		next[g]++
	}
	if fmt.Sprint(next) != "[500 500 500 500]" {
		t.Error(next)
	}
	if _, err := o.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

// pieces is a writer that keeps what it is given, and when.
type pieces struct {
	texts []string
	times []time.Time
}

func (p *pieces) Write(b []byte) (int, error) {
	p.texts, p.times = append(p.texts, string(b)), append(p.times, time.Now())
	return len(b), nil
}

// What follows an answer must not be read together with it by lsp-mode.
func TestOutboxKeepsAnswersApart(t *testing.T) {
	frame := func(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }
	call, first, second, said := frame(`{"jsonrpc":"2.0","id":3,"method":"a/b","params":{}}`), frame(`{"jsonrpc":"2.0","id":3,"result":null}`),
		frame(`{"jsonrpc":"2.0","id":"x","error":{"code":1}}`), frame(`{"jsonrpc":"2.0","method":"c/d","params":{"result":1}}`)
	var got pieces
	o := newOutbox(&got, func(err error) { t.Error(err) })
	o.keepApart()
	for _, f := range []string{call, first, second, said, said} { // all are there before run looks
		if _, err := o.Write([]byte(f)); err != nil {
			t.Fatal(err)
		}
	}
	o.close()
	o.run()
	if want := []string{call + first, second, said + said}; !slices.Equal(got.texts, want) {
		t.Fatalf("%q, want %q", got.texts, want)
	}
	for i := 1; i < len(got.times); i++ {
		if pause := got.times[i].Sub(got.times[i-1]); pause < answerPause {
			t.Errorf("%v behind an answer, want %v", pause, answerPause)
		}
	}
}

func TestOutboxBound(t *testing.T) {
	r, w := io.Pipe()
	o := newOutbox(w, func(error) {})
	o.Write(make([]byte, 10)) // run is not running: it stays
	ctx, cancel := context.WithCancel(context.Background())
	waiting := make(chan error, 1)
	go func() { waiting <- o.wait(ctx, 10) }()
	if err := o.wait(ctx, 11); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	go func() { waiting <- o.wait(context.Background(), 10) }()
	go o.run()
	if err := <-waiting; err != nil { // there is room as soon as run has taken them
		t.Error(err)
	}
	// A client that is gone releases all who wait, with the reason.
	o.Write(make([]byte, 10))
	go func() { waiting <- o.wait(context.Background(), 10) }()
	r.CloseWithError(io.ErrUnexpectedEOF)
	<-o.done
	if err := o.wait(context.Background(), 10); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	<-waiting
	if _, err := o.Write(nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func TestOutboxCloseReleases(t *testing.T) {
	o := newOutbox(io.Discard, func(error) {}) // run is not running: what is written stays
	o.Write(make([]byte, 10))
	waiting := make(chan error, 1)
	go func() { waiting <- o.wait(context.Background(), 10) }()
	o.close()
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// A client that cannot be written to any more is gone, even if it holds its own end open.
func TestBrokenOutputEndsServe(t *testing.T) {
	in, w := io.Pipe()
	out, sw := io.Pipe()
	e := editor.New(editor.Options{}, io.LimitReader(out, 200), w)
	result := make(chan error, 1)
	go func() { result <- Serve(t.Context(), in, sw, Program{}) }()
	e.CallAsync("initialize", &protocol.InitializeParams{})
	e.CallAsync("more", nil)
	<-e.Done()
	out.CloseWithError(io.ErrClosedPipe)
	e.CallAsync("and more", nil)
	if err := <-result; !errors.Is(err, ErrClientGone) {
		t.Fatal(err)
	}
	e.HangUp()
}

// What AfterAnswer runs sends behind the answer, as clients need that wait for it.
func TestAfterAnswer(t *testing.T) {
	var r *rig
	r = start(t, Program{Requests: map[string]RequestFunc{
		"test/command": func(ctx context.Context, _ *Snapshot, _ []byte) (any, error) {
			AfterAnswer(ctx, func() { r.client.Notify(context.Background(), "test/after", nil) })
			return nil, nil
		},
	}}, editor.Options{})
	for range 100 {
		p, _ := r.CallAsync("test/command", nil)
		if err := r.WaitNotification(r.ctx, "test/after", nil); err != nil {
			t.Fatal(err)
		}
		if !p.Answered() {
			t.Fatal("the notification came before the answer")
		}
	}
	ran := make(chan struct{})
	AfterAnswer(context.Background(), func() { close(ran) }) // outside of a call
	<-ran
}
