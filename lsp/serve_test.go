package lsp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

func TestInitializeFillsIn(t *testing.T) {
	r := connect(t, Program{}, editor.Options{Encodings: []string{"utf-16", "utf-8"}})
	result, err := r.Initialize(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := result.Capabilities.PositionEncoding; got != "utf-8" {
		t.Errorf("position encoding %q", got)
	}
	sync, ok := result.Capabilities.TextDocumentSync.(*protocol.TextDocumentSyncOptions)
	if !ok || !*sync.OpenClose || *sync.Change != protocol.TextDocumentSyncKindIncremental {
		t.Errorf("sync %+v", result.Capabilities.TextDocumentSync)
	}
	r.end()
}

func TestLifecycleCodes(t *testing.T) {
	shutdowns := 0
	r := connect(t, Program{Shutdown: func() { shutdowns++ }}, editor.Options{})
	_, err := r.call("textDocument/hover", `{}`)
	requireCode(t, err, jsonrpc2.ServerNotInitialized)
	_, err = r.call("shutdown", "")
	requireCode(t, err, jsonrpc2.ServerNotInitialized)
	_, err = r.call("initialize", `[]`)
	requireCode(t, err, jsonrpc2.InvalidParams)
	if _, err := r.Start(r.ctx); err != nil { // a refused initialize may be tried again
		t.Fatal(err)
	}
	_, err = r.call("initialize", `{}`)
	requireCode(t, err, jsonrpc2.InvalidRequest)
	_, err = r.call("no/such", `{}`)
	requireCode(t, err, jsonrpc2.MethodNotFound)
	_, err = r.call("$/noSuch", `{}`)
	requireCode(t, err, jsonrpc2.MethodNotFound)
	if err := r.Shutdown(r.ctx); err != nil {
		t.Fatal(err)
	}
	_, err = r.call("textDocument/hover", `{}`)
	requireCode(t, err, jsonrpc2.InvalidRequest)
	_, err = r.call("shutdown", "")
	requireCode(t, err, jsonrpc2.InvalidRequest)
	r.Exit()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	if shutdowns != 1 {
		t.Errorf("%d shutdowns", shutdowns)
	}
}

func TestExitWithoutShutdown(t *testing.T) {
	shutdowns := 0
	r := connect(t, Program{Shutdown: func() { shutdowns++ }}, editor.Options{})
	r.Start(r.ctx)
	r.Exit()
	if err := r.wait(); !errors.Is(err, ErrExitWithoutShutdown) {
		t.Fatalf("%v", err)
	}
	if shutdowns != 1 {
		t.Errorf("%d shutdowns", shutdowns)
	}
}

// Everything at once, as from a script: each call is answered, in an order that makes sense.
func TestPipelinedSession(t *testing.T) {
	var in bytes.Buffer
	for _, m := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":null,"rootUri":null,"capabilities":{}}}`,
		`{"jsonrpc":"2.0","method":"initialized","params":{}}`,
		`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"` + file + `","languageId":"go","version":1,"text":"hallo"}}}`,
		`{"jsonrpc":"2.0","id":"two","method":"test/text"}`,
		`{"jsonrpc":"2.0","id":3,"method":"shutdown"}`,
		`{"jsonrpc":"2.0","method":"exit"}`,
		`{"jsonrpc":"2.0","id":4,"method":"after/exit"}`,
	} {
		in.Write(editor.Frame(m))
	}
	var out bytes.Buffer
	err := Serve(t.Context(), &in, &out, Program{Requests: map[string]RequestFunc{"test/text": textRequest}})
	if err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{`"id":1,"result"`, `"id":"two","result":"hallo"`, `"id":3,"result":null`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Index(got, `"id":1,`) != strings.Index(got, `"id":`) {
		t.Errorf("initialize is not answered first: %s", got)
	}
	if strings.Contains(got, `"id":4`) {
		t.Errorf("a call after exit was answered: %s", got)
	}
}

// D16: one byte at a time, with characters of several bytes.
func TestD16OneByteAtATime(t *testing.T) {
	var in bytes.Buffer
	in.Write(editor.Frame(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}`))
	in.Write(editor.Frame(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"` + file + `","text":"é汉🍋"}}}`))
	in.Write(editor.Frame(`{"jsonrpc":"2.0","id":2,"method":"test/text"}`))
	in.Write(editor.Frame(`{"jsonrpc":"2.0","id":3,"method":"shutdown"}`))
	in.Write(editor.Frame(`{"jsonrpc":"2.0","method":"exit"}`))
	var out bytes.Buffer
	err := Serve(t.Context(), iotest.OneByteReader(&in), &out, Program{Requests: map[string]RequestFunc{"test/text": textRequest}})
	if err != nil {
		t.Fatal(err)
	}
	// Content-Length counts bytes: a reader that trusts it must come out even.
	e := editor.New(editor.Options{}, &out, io.Discard)
	<-e.Done()
	if v := e.Violations(); len(v) > 0 {
		t.Error(v)
	}
	log := e.Log()
	// The answers to a call and to shutdown behind it come in any order.
	if len(log) != 3 || !slices.ContainsFunc(log, func(m editor.Message) bool { return m.ID == "2" && string(m.Result) == `"é汉🍋"` }) {
		t.Errorf("%v", log)
	}
}

// D16: 50 messages in one write, and one message in many.
func TestD16FiftyMessagesAtOnce(t *testing.T) {
	var got []int
	done := make(chan struct{})
	r := start(t, Program{Notifications: map[string]NotificationFunc{
		"test/n": Notify(func(_ *Snapshot, n *int) error {
			if got = append(got, *n); len(got) == 50 {
				close(done)
			}
			return nil
		}),
	}}, editor.Options{})
	var all []byte
	for i := range 50 {
		all = append(all, editor.Frame(fmt.Sprintf(`{"jsonrpc":"2.0","method":"test/n","params":%d}`, i))...)
	}
	r.RawSend(all[:len(all)/2+3])
	r.RawSend(all[len(all)/2+3:])
	<-done
	for i, n := range got {
		if n != i {
			t.Fatalf("order %v", got)
		}
	}
}

func TestRequestSeesItsMoment(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	r := start(t, Program{Requests: map[string]RequestFunc{
		"test/slow": func(ctx context.Context, snap *Snapshot, params []byte) (any, error) {
			close(arrived)
			<-release
			return textRequest(ctx, snap, params)
		},
		"test/text": textRequest,
	}}, editor.Options{})
	r.Open(file, "go", "one")
	slow, _ := r.CallAsync("test/slow", nil)
	<-arrived
	r.Insert(file, 3, " two")
	if got := r.text(); got != "one two" {
		t.Errorf("a later call saw %q", got)
	}
	close(release)
	var got string
	if err := slow.Wait(r.ctx, &got); err != nil || got != "one" {
		t.Errorf("the earlier call saw %q, %v", got, err)
	}
}

func TestCancel(t *testing.T) {
	started := make(chan struct{}, 1)
	block := func(ctx context.Context, _ *Snapshot, _ []byte) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, fmt.Errorf("streaming: %w", ctx.Err())
	}
	r := start(t, Program{Requests: map[string]RequestFunc{"test/block": block}}, editor.Options{})
	for range 3 {
		p, _ := r.CallAsync("test/block", nil)
		<-started
		p.Cancel()
		requireCode(t, p.Wait(r.ctx, nil), protocol.CodeRequestCancelled)
	}

	// Ids may be strings, and odd ones harm nobody.
	r.RawSend(editor.Frame(`{"jsonrpc":"2.0","id":"s-\u00e9","method":"test/block"}`))
	<-started
	for _, id := range []string{`1.5`, `null`, `{}`, `[1]`, `12345678901234567890123`, `""`, `true`, `-0`, `"s-x"`, `99999999999`} {
		r.RawSend(editor.Frame(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":` + id + `}}`))
	}
	for _, params := range []string{`[]`, `"x"`, `{}`, `{"id"}`, `7`} {
		r.RawSend(editor.Frame(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":` + params + `}`))
	}
	r.RawSend(editor.Frame(`{"jsonrpc":"2.0","method":"$/cancelRequest"}`))
	r.RawSend(editor.Frame(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":"s-é"}}`))
	err := r.WaitFor(r.ctx, "the answer to s-é", func() bool {
		for _, m := range r.Log() {
			if m.ID == `"s-é"` && m.Err != nil && m.Err.Code == protocol.CodeRequestCancelled {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestErrorCodes(t *testing.T) {
	fail := func(err error) RequestFunc {
		return func(context.Context, *Snapshot, []byte) (any, error) { return nil, err }
	}
	r := start(t, Program{Requests: map[string]RequestFunc{
		"plain":     fail(errors.New("no model")),
		"canceled":  fail(context.Canceled),
		"modified":  fail(fmt.Errorf("line 3: %w", ErrContentModified)),
		"coded":     fail(jsonrpc2.NewError(-32000, "mine")),
		"codeless":  fail(&jsonrpc2.Error{Message: "zero"}),
		"panic":     func(context.Context, *Snapshot, []byte) (any, error) { panic("secret text") },
		"encode":    func(context.Context, *Snapshot, []byte) (any, error) { return make(chan int), nil },
		"nothing":   func(context.Context, *Snapshot, []byte) (any, error) { return nil, nil },
		"typed nil": func(context.Context, *Snapshot, []byte) (any, error) { return (*protocol.Hover)(nil), nil },
		"typed": Call(func(_ context.Context, _ *Snapshot, p *protocol.HoverParams) (any, error) {
			return p.Position.Line, nil
		}),
	}}, editor.Options{})
	for method, want := range map[string]jsonrpc2.Code{
		"plain":    jsonrpc2.Code(protocol.LSPErrorCodesRequestFailed),
		"canceled": protocol.CodeRequestCancelled,
		"modified": protocol.CodeContentModified,
		"coded":    -32000,
		"codeless": jsonrpc2.Code(protocol.LSPErrorCodesRequestFailed),
		"panic":    jsonrpc2.InternalError,
		"encode":   jsonrpc2.InternalError,
	} {
		_, err := r.call(method, "")
		requireCode(t, err, want)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the panic's value reached the client: %v", err)
		}
	}
	for _, method := range []string{"nothing", "typed nil"} {
		if got, err := r.call(method, ""); err != nil || got != "null" && got != "" {
			t.Errorf("%s: %q, %v", method, got, err)
		}
	}
	// Trap editors.md 5.3 (8): wrong params of a call are InvalidParams, not ParseError.
	for _, params := range []string{`[]`, `{"position":{"line":"x"}}`, `{"position":`, ``, `7`} {
		if params == `{"position":` {
			continue // is a broken frame, see TestTrapBadFrames
		}
		_, err := r.call("typed", params)
		requireCode(t, err, jsonrpc2.InvalidParams)
	}
	if got, err := r.call("typed", `{"textDocument":{"uri":"x:y"},"position":{"line":7,"character":0}}`); err != nil || got != "7" {
		t.Errorf("%q, %v", got, err)
	}
	for _, entry := range r.logs.All() {
		for _, f := range entry.Context {
			if strings.Contains(f.String, "secret") {
				t.Errorf("the panic's value reached the log: %v", entry)
			}
		}
	}
}

func TestDocumentNotifications(t *testing.T) {
	var changes []Change
	r := start(t, Program{
		Changed:  func(c Change) { changes = append(changes, c) },
		Requests: map[string]RequestFunc{"test/text": textRequest},
	}, editor.Options{Encodings: []string{}})
	r.Open(file, "go", "a🍋b\n")
	r.Insert(file, 5, "x")           // after the lemon
	r.Delete(file, 0, 1)             // a
	r.SetText(file, "🍋xb\nand more") // whole text
	if got := r.text(); got != "🍋xb\nand more" {
		t.Errorf("%q", got)
	}
	// Broken changes are ignored, all of a notification, and later ones go on.
	for _, params := range []string{
		`{}`,
		`{"textDocument":{"uri":"file:///w/other.go","version":9},"contentChanges":[{"text":"x"}]}`,
		`{"textDocument":{"uri":"` + file + `","version":9}, "contentChanges":[{"text":"x"},{"range":{"start":{"line":-1,"character":0},"end":{"line":0,"character":0}},"text":"y"}]}`,
		`{"textDocument":{"uri":"` + file + `","version":9}, "contentChanges":[{"range":{"start":{"line":"0","character":0},"end":{"line":0,"character":0}},"text":"y"}]}`,
		`{"textDocument":{"uri":"` + file + `","version":9}, "contentChanges":[{"range":{"start":{"line":0}},"text":"y"}]}`,
		`{"textDocument":{"uri":"` + file + `","version":9}, "contentChanges":[{"range":7,"text":"y"}]}`,
		`{"textDocument":{"uri":"` + file + `","version":9}, "contentChanges":[{"range":{"start":{"line":0,"character":0.5},"end":{"line":0,"character":1}},"text":"y"}]}`,
		`{"textDocument":{"uri":"` + file + `","version":9}, "contentChanges":[{}]}`,
		`{"textDocument":{"uri":"` + file + `","version":9}, "contentChanges":{"text":"y"}}`,
		`[1,2]`,
	} {
		r.Notify("textDocument/didChange", json.RawMessage(params))
		if got := r.text(); got != "🍋xb\nand more" {
			t.Fatalf("after %s: %q", params, got)
		}
	}
	if n := len(r.logs.FilterMessage("notification failed").All()); n != 10 {
		t.Errorf("%d log entries", n)
	}
	r.Insert(file, 0, ">")
	if got := r.text(); got != ">🍋xb\nand more" {
		t.Errorf("%q", got)
	}
	r.Close(file)
	r.Notify("textDocument/didClose", json.RawMessage(`{"textDocument":{"uri":"`+file+`"}}`))
	r.alive()
	last := changes[len(changes)-1]
	if len(changes) != 6 || changes[0].Before != nil || last.After != nil || last.Before == nil {
		t.Fatalf("%d changes", len(changes))
	}
	if d := changes[0].After; d.LanguageID != "go" || d.URI != file || d.Encoding != UTF16 {
		t.Errorf("%+v", d)
	}
	// The whole text became the smallest edit.
	if got := fmt.Sprint(changes[3].Edits); got != "[{7 7 and more}]" {
		t.Errorf("edits %s", got)
	}
	for i, c := range changes[1:5] {
		text := c.Before.Text.String()
		for _, e := range c.Edits {
			text = text[:e.Start] + e.New + text[e.End:]
		}
		if text != c.After.Text.String() {
			t.Errorf("change %d: the edits give %q, the document is %q", i, text, c.After.Text.String())
		}
	}
}

// A document that is opened again without having been closed is that document from then on.
func TestOpenTwice(t *testing.T) {
	var last Change
	r := start(t, Program{
		Changed:  func(c Change) { last = c },
		Requests: map[string]RequestFunc{"test/text": textRequest},
	}, editor.Options{})
	r.Open(file, "go", "one two")
	r.Open(file, "go", "one 2 two")
	if got := r.text(); got != "one 2 two" {
		t.Errorf("%q", got)
	}
	if last.Before == nil || last.After == nil || fmt.Sprint(last.Edits) != "[{4 4 2 }]" {
		t.Errorf("%+v", last)
	}
}

func TestEndOfInput(t *testing.T) {
	var cancelled atomic.Int32
	started := make(chan struct{}, 8)
	r := connect(t, Program{Requests: map[string]RequestFunc{
		"test/block": func(ctx context.Context, _ *Snapshot, _ []byte) (any, error) {
			started <- struct{}{}
			<-ctx.Done()
			cancelled.Add(1)
			return nil, ctx.Err()
		},
	}}, editor.Options{})
	r.Start(r.ctx)
	for range 3 {
		r.CallAsync("test/block", nil)
		<-started
	}
	r.HangUp()
	begun := time.Now()
	if err := r.wait(); !errors.Is(err, ErrClientGone) {
		t.Fatalf("%v", err)
	}
	if d := time.Since(begun); d > 500*time.Millisecond {
		t.Errorf("took %v", d)
	}
	if cancelled.Load() != 3 {
		t.Errorf("%d handlers were cancelled", cancelled.Load())
	}
	// A client that closes only its writing end still gets its answers.
	<-r.Done()
	answers := 0
	for _, m := range r.Log() {
		if m.Kind == editor.Response && m.Err != nil && m.Err.Code == protocol.CodeRequestCancelled {
			answers++
		}
	}
	if answers != 3 {
		t.Errorf("%d answers", answers)
	}
}

func TestHangUpAfterShutdown(t *testing.T) {
	r := connect(t, Program{}, editor.Options{})
	r.Start(r.ctx)
	r.Shutdown(r.ctx)
	r.HangUp()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
}

func TestContextEndsServe(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	in, w := io.Pipe()
	defer w.Close()
	result := make(chan error, 1)
	go func() { result <- Serve(ctx, in, io.Discard, Program{}) }()
	why := errors.New("signal")
	cancel(why)
	if err := <-result; !errors.Is(err, why) {
		t.Fatalf("%v", err)
	}
}

func TestBrokenHeaderEndsServe(t *testing.T) {
	err := Serve(t.Context(), strings.NewReader("Content-Length: x\r\n\r\n{}"), io.Discard, Program{})
	if err == nil || errors.Is(err, ErrClientGone) || !errors.Is(err, jsonrpc2.ErrInvalidHeader) {
		t.Fatalf("%v", err)
	}
	err = Serve(t.Context(), strings.NewReader("Content-Length: 50\r\n\r\n{}"), io.Discard, Program{})
	if !errors.Is(err, ErrClientGone) {
		t.Fatalf("%v", err)
	}
}

func TestReservedMethods(t *testing.T) {
	err := Serve(t.Context(), strings.NewReader(""), io.Discard, Program{Requests: map[string]RequestFunc{"shutdown": textRequest}})
	if err == nil || !strings.Contains(err.Error(), "shutdown") {
		t.Fatalf("%v", err)
	}
}

func TestPanicOnBug(t *testing.T) {
	for _, method := range []string{"call", "notification"} {
		in, w := io.Pipe()
		out, sw := io.Pipe()
		e := editor.New(editor.Options{}, out, w)
		caught := make(chan any, 1)
		go func() {
			defer func() { caught <- recover() }()
			_ = Serve(t.Context(), in, sw, Program{
				PanicOnBug:    true,
				Requests:      map[string]RequestFunc{"call": func(context.Context, *Snapshot, []byte) (any, error) { panic("the bug") }},
				Notifications: map[string]NotificationFunc{"notification": func(*Snapshot, []byte) error { panic("the bug") }},
			})
		}()
		if _, err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if method == "call" {
			e.CallAsync(method, nil)
		} else {
			e.Notify(method, nil)
		}
		if v := fmt.Sprint(<-caught); !strings.Contains(v, "the bug") || !strings.Contains(v, "serve_test.go") {
			t.Errorf("%s: recovered %s", method, v)
		}
		e.HangUp()
		<-e.Done()
	}
}

func TestShutdownPanics(t *testing.T) {
	r := connect(t, Program{Shutdown: func() { panic("in shutdown") }}, editor.Options{})
	r.Start(r.ctx)
	r.end()
}

// Calls to the client, both ways and from many goroutines at once, beside changes.
func TestConcurrentTraffic(t *testing.T) {
	var r *rig
	ready := make(chan struct{})
	r = start(t, Program{
		Requests: map[string]RequestFunc{
			"test/ask": func(ctx context.Context, _ *Snapshot, _ []byte) (any, error) {
				<-ready
				raw, err := r.client.Configuration(ctx, "spark.n")
				return jsonrpc2.RawMessage(raw), err
			},
			"test/text": textRequest,
		},
	}, editor.Options{Settings: map[string]any{"spark": map[string]any{"n": 7}}})
	close(ready)
	r.Open(file, "go", "")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if got, err := r.call("test/ask", ""); err != nil || got != "7" {
					t.Errorf("%s, %v", got, err)
					return
				}
				r.Insert(file, 0, "é")
			}
		})
	}
	group.Wait()
	if got := r.text(); got != strings.Repeat("é", 400) {
		t.Errorf("%d bytes", len(got))
	}
}

// FuzzFrame puts any bytes into a frame within a session, which must go on.
func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"test/text"}`, `[]`, `{"id":1.5}`, `{"jsonrpc":"2.0","method":"textDocument/didChange","params":{}}`,
		`{"jsonrpc":"2.0","id":"\ud800","result":null}`, `{"jsonrpc":"2.0","id":1,"error":{"code":1e99}}`, "\xff",
		`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":-1}}`, `{"jsonrpc":"2.0","id":2,"method":"initialize","params":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 || bytes.Contains(body, []byte("exit")) || bytes.Contains(body, []byte("shutdown")) {
			return
		}
		out, err := serveScript(t, Program{
			PanicOnBug: true,
			Requests:   map[string]RequestFunc{"test/text": textRequest},
		}, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}`, string(body))
		if err != nil || !strings.Contains(out, `"id":"last","result":null`) {
			t.Fatalf("%v: %s", err, out)
		}
	})
}

// serveScript runs a session with these messages, a shutdown with the id "last" and an exit, and returns all that the
// server has written. The exit waits for the answer to the shutdown: what was still on its way then, a server whose
// machine is busy may keep.
func serveScript(t *testing.T, p Program, messages ...string) (out string, err error) {
	t.Helper()
	var script bytes.Buffer
	for _, m := range append(messages, `{"jsonrpc":"2.0","id":"last","method":"shutdown"}`) {
		script.Write(editor.Frame(m))
	}
	in, exit := io.Pipe()
	w := &scriptWriter{answered: make(chan struct{})}
	go func() {
		select {
		case <-w.answered:
		case <-t.Context().Done():
		}
		exit.Write(editor.Frame(`{"jsonrpc":"2.0","method":"exit"}`))
		exit.Close()
	}()
	err = Serve(t.Context(), &closingReader{io.MultiReader(&script, in), in}, w, p)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.String(), err
}

// closingReader is the script and the pipe behind it, which goes away with the session.
type closingReader struct {
	io.Reader
	io.Closer
}

// scriptWriter keeps what is written, and tells of the answer to "last".
type scriptWriter struct {
	mu       sync.Mutex
	out      bytes.Buffer
	told     bool
	answered chan struct{}
}

func (w *scriptWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out.Write(b)
	if !w.told && bytes.Contains(w.out.Bytes(), []byte(`"id":"last"`)) {
		w.told = true
		close(w.answered)
	}
	return len(b), nil
}
