package lsp

import (
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
	"time"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

// The traps in go.lsp.dev/jsonrpc2 and go.lsp.dev/protocol that this package exists to avoid. Each was
// observed in the library; each test fails when the code falls into the trap again.

// protocol.Handlers runs notifications concurrently: documents come out corrupted. Ours keep the order of the
// wire, whatever calls hang in between.
func TestTrapNotificationsReordered(t *testing.T) {
	var got []int
	release := make(chan struct{})
	r := start(t, Program{
		Requests: map[string]RequestFunc{
			"test/hang": func(context.Context, *Snapshot, []byte) (any, error) { <-release; return nil, nil },
		},
		Notifications: map[string]NotificationFunc{
			"test/n": Notify(func(_ *Snapshot, n *int) error { got = append(got, *n); return nil }),
		},
	}, editor.Options{})
	var pending []*editor.Pending
	for i := range 2000 {
		r.Notify("test/n", i)
		if i%40 == 0 {
			p, _ := r.CallAsync("test/hang", nil)
			pending = append(pending, p)
		}
	}
	r.alive()
	close(release)
	for _, p := range pending {
		if err := p.Wait(r.ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 2000 || !slices.IsSorted(got) {
		t.Fatalf("%d notifications, sorted: %v", len(got), slices.IsSorted(got))
	}
}

// A call that returns without Async, with a context derived from the connection's, kills the process: "cannot
// create context from nil parent", in a goroutine that nobody can recover. Every call goes Async here, and
// contexts come from our own root; also those of calls that are refused, cancelled or kept beyond their
// return.
func TestTrapContextOfPooledRequest(t *testing.T) {
	var mu sync.Mutex
	var kept []context.Context
	r := start(t, Program{Requests: map[string]RequestFunc{
		"test/keep": func(ctx context.Context, _ *Snapshot, _ []byte) (any, error) {
			own, cancel := context.WithTimeout(ctx, time.Hour)
			context.AfterFunc(own, func() {})
			_ = cancel
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, own)
			return nil, nil
		},
		"test/params": Call(func(context.Context, *Snapshot, *protocol.HoverParams) (any, error) { return nil, nil }),
	}}, editor.Options{})
	for i := range 500 {
		method := []string{"test/keep", "no/such", "test/params", "initialize"}[i%4]
		p, _ := r.CallAsync(method, nil)
		p.Cancel()
		defer p.Wait(r.ctx, nil) //nolint:errcheck // refusals are what is wanted
	}
	r.alive()
	for _, ctx := range kept {
		child, cancel := context.WithCancel(ctx) // must still be a context
		cancel()
		<-child.Done()
	}
}

// All of these end a connection of jsonrpc2. Here each is answered or ignored, and skipped.
func TestTrapBadFrames(t *testing.T) {
	for name, tt := range map[string]struct {
		frame string
		code  jsonrpc2.Code // of the answer; 0 for none
		id    string
	}{
		"not JSON":                {`{"jsonrpc":`, jsonrpc2.ParseError, "null"},
		"not JSON inside":         {`{"jsonrpc":"2.0","id":5,"method":"x"`, jsonrpc2.ParseError, "null"},
		"rubbish":                 {"\x00\xff\xfe", jsonrpc2.ParseError, "null"},
		"blank":                   {"   ", jsonrpc2.ParseError, "null"},
		"a number":                {`7`, jsonrpc2.InvalidRequest, "null"},
		"a string":                {`"shutdown"`, jsonrpc2.InvalidRequest, "null"},
		"two values":              {`{"jsonrpc":"2.0","method":"x"} {}`, jsonrpc2.ParseError, "null"},
		"empty batch":             {`[]`, jsonrpc2.InvalidRequest, "null"},
		"batch":                   {`[{"jsonrpc":"2.0","id":1,"method":"test/echo"}]`, jsonrpc2.InvalidRequest, "null"},
		"broken batch":            {`[{"jsonrpc":`, jsonrpc2.ParseError, "null"},
		"version 1":               {`{"jsonrpc":"1.0","id":41,"method":"test/echo"}`, jsonrpc2.InvalidRequest, "41"},
		"no version":              {`{"id":42,"method":"test/echo"}`, jsonrpc2.InvalidRequest, "42"},
		"version number":          {`{"jsonrpc":2.0,"id":"x","method":"test/echo"}`, jsonrpc2.InvalidRequest, `"x"`},
		"fractional id":           {`{"jsonrpc":"2.0","id":1.5,"method":"test/echo"}`, jsonrpc2.InvalidRequest, "1.5"},
		"giant id":                {`{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"test/echo"}`, jsonrpc2.InvalidRequest, "123456789012345678901234567890"},
		"exponential id":          {`{"jsonrpc":"2.0","id":1e400,"method":"test/echo"}`, jsonrpc2.InvalidRequest, "1e400"},
		"object id":               {`{"jsonrpc":"2.0","id":{},"method":"test/echo"}`, jsonrpc2.InvalidRequest, "null"},
		"boolean id":              {`{"jsonrpc":"2.0","id":true,"method":"test/echo"}`, jsonrpc2.InvalidRequest, "null"},
		"method is no string":     {`{"jsonrpc":"2.0","id":43,"method":7}`, jsonrpc2.InvalidRequest, "43"},
		"method and result":       {`{"jsonrpc":"2.0","id":44,"method":"x","result":1}`, jsonrpc2.InvalidRequest, "44"},
		"notification, version 1": {`{"jsonrpc":"1.0","method":"x"}`, jsonrpc2.InvalidRequest, "null"},
		"id beyond 32 bits":       {`{"jsonrpc":"2.0","id":9007199254740993,"method":"no/such"}`, jsonrpc2.MethodNotFound, "9007199254740993"},
		"broken params":           {`{"jsonrpc":"2.0","id":45,"method":"test/typed","params":{"a":{]}}`, jsonrpc2.InvalidParams, "45"},
		"wild params":             {`{"jsonrpc":"2.0","id":46,"method":"test/typed","params":{"position":[1 2]}}`, jsonrpc2.InvalidParams, "46"},
		"neither":                 {`{"jsonrpc":"2.0"}`, 0, ""},
		"empty object":            {`{}`, 0, ""},
		"null id notification":    {`{"jsonrpc":"2.0","id":null,"method":"no/such"}`, 0, ""},
		"unknown notification":    {`{"jsonrpc":"2.0","method":"$/foo","params":[{}]}`, 0, ""},
		"unknown response":        {`{"jsonrpc":"2.0","id":987654,"result":{}}`, 0, ""},
		"string response":         {`{"jsonrpc":"2.0","id":"a","result":{}}`, 0, ""},
		"null response":           {`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}`, 0, ""},
		"broken response":         {`{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}`, 0, ""},
		"response of neither":     {`{"jsonrpc":"2.0","id":987655}`, 0, ""},
		"fractional response":     {`{"jsonrpc":"2.0","id":0.5,"result":1}`, 0, ""},
		"deep":                    {`{"jsonrpc":"2.0","method":"test/typed","params":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 0, ""},
		"didOpen of nothing":      {`{"jsonrpc":"2.0","method":"textDocument/didOpen"}`, 0, ""},
		"didOpen of a list":       {`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":[]}`, 0, ""},
		"didClose of nothing":     {`{"jsonrpc":"2.0","method":"textDocument/didClose","params":{"textDocument":null}}`, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, Program{
				Requests: map[string]RequestFunc{
					"test/typed": Call(func(context.Context, *Snapshot, *protocol.HoverParams) (any, error) { return nil, nil }),
				},
				Notifications: map[string]NotificationFunc{
					"test/typed": Notify(func(*Snapshot, *protocol.HoverParams) error { return nil }),
				},
			}, editor.Options{})
			before := len(r.Log())
			r.RawSend(editor.Frame(tt.frame))
			answers := func() (list []editor.Message) {
				for _, m := range r.Log()[before:] {
					if m.Kind == editor.Response && m.ID != "2" { // 2 is the call of alive
						list = append(list, m)
					}
				}
				return list
			}
			if tt.code != 0 {
				if err := r.WaitFor(r.ctx, "an answer", func() bool { return len(answers()) > 0 }); err != nil {
					t.Fatal(err)
				}
			}
			r.alive()
			got := answers()
			if tt.code == 0 {
				if len(got) != 0 {
					t.Errorf("answered %v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Err == nil || got[0].Err.Code != tt.code || got[0].ID != tt.id {
				t.Errorf("answers %v, want code %d for %s", got, tt.code, tt.id)
			}
		})
	}
}

// An error from a notification handler, and a panic anywhere, end a connection of jsonrpc2.
func TestTrapNotificationErrorsAndPanics(t *testing.T) {
	r := start(t, Program{
		Initialized: func(context.Context) { panic("initialized") },
		Changed:     func(Change) { panic("changed") },
		Requests:    map[string]RequestFunc{"test/text": textRequest},
		Notifications: map[string]NotificationFunc{
			"test/fail":  func(*Snapshot, []byte) error { return errors.New("no") },
			"test/panic": func(*Snapshot, []byte) error { panic("no") },
			"test/nil":   func(*Snapshot, []byte) error { var m map[string]int; m["x"] = 1; return nil },
			"test/typed": Notify(func(*Snapshot, *protocol.HoverParams) error { return nil }),
		},
	}, editor.Options{})
	r.Open(file, "go", "text")
	for range 20 {
		r.Notify("test/fail", nil)
		r.Notify("test/panic", nil)
		r.Notify("test/nil", nil)
		r.Notify("test/typed", json.RawMessage(`"wrong"`))
		r.Notify("no/such", nil)
	}
	if got := r.text(); got != "text" { // a panic in Changed leaves the documents as they are
		t.Errorf("%q", got)
	}
	if n := len(r.messages(2)); n < 82 { // zapcore.ErrorLevel
		t.Errorf("%d errors were logged", n)
	}
}

// conn.Close within a handler deadlocks, and Done waits for handlers that an EOF does not cancel: Serve returns
// within a second even when handlers hang.
func TestTrapHangingHandlerAtEnd(t *testing.T) {
	for _, how := range []string{"hang up", "exit", "shutdown hangs"} {
		t.Run(how, func(t *testing.T) {
			started := make(chan struct{})
			release := make(chan struct{})
			p := Program{Requests: map[string]RequestFunc{
				"test/hang": func(context.Context, *Snapshot, []byte) (any, error) {
					close(started)
					<-release
					return nil, nil
				},
			}}
			if how == "shutdown hangs" {
				p.Shutdown = func() { <-release }
			}
			r := connect(t, p, editor.Options{})
			t.Cleanup(func() { close(release) })
			r.Start(r.ctx)
			r.CallAsync("test/hang", nil)
			<-started
			begun := time.Now()
			if how == "exit" {
				r.Exit()
			} else {
				r.HangUp()
			}
			if err := r.wait(); err == nil {
				t.Error("no error")
			}
			if d := time.Since(begun); d > time.Second {
				t.Errorf("Serve took %v", d)
			}
		})
	}
}

// A call to the client that is outstanding when the client goes must not hold up the end, nor hang itself.
func TestTrapOutstandingCallAtEnd(t *testing.T) {
	asked := make(chan error, 2)
	var r *rig
	r = connect(t, Program{Initialized: func(ctx context.Context) {
		go func() {
			_, err := r.client.ShowMessageRequest(context.Background(), protocol.MessageTypeInfo, "?", "a")
			asked <- err
		}()
	}}, editor.Options{})
	r.Handle("window/showMessageRequest", func(json.RawMessage) (any, error) { <-r.Done(); return nil, nil })
	r.Start(r.ctx)
	if _, err := r.WaitReceived(r.ctx, "window/showMessageRequest"); err != nil {
		t.Fatal(err)
	}
	r.HangUp()
	if err := r.wait(); !errors.Is(err, ErrClientGone) {
		t.Fatal(err)
	}
	if err := <-asked; !errors.Is(err, ErrClosed) {
		t.Errorf("the outstanding call: %v", err)
	}
	// And later ones are refused at once.
	if _, err := r.client.Configuration(context.Background(), "spark"); !errors.Is(err, ErrClosed) {
		t.Errorf("a later call: %v", err)
	}
	if err := r.client.ShowMessage(context.Background(), protocol.MessageTypeInfo, "x"); !errors.Is(err, ErrClosed) {
		t.Errorf("a later notification: %v", err)
	}
}

// The same when the input cannot be closed and never ends, as with a terminal or a file that somebody else holds
// open: the reader of the connection is still reading when everything else is over.
func TestTrapInputThatNeverEnds(t *testing.T) {
	in, w := io.Pipe()
	out, sw := io.Pipe()
	var client *Client
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() {
		result <- Serve(ctx, struct{ io.Reader }{in}, sw, Program{
			Initialize: func(_ context.Context, c *Client, _ *protocol.InitializeParams) (*protocol.InitializeResult, error) {
				client = c
				return &protocol.InitializeResult{}, nil
			},
		})
	}()
	e := editor.New(editor.Options{}, out, struct{ io.Writer }{w})
	if _, err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Handle("test/slow", func(json.RawMessage) (any, error) { <-e.Done(); return nil, nil })
	asked := make(chan error, 1)
	go func() { asked <- client.Call(context.Background(), "test/slow", nil, nil) }()
	if _, err := e.WaitReceived(t.Context(), "test/slow"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-asked; !errors.Is(err, ErrClosed) {
		t.Errorf("the outstanding call: %v", err)
	}
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v", err)
	}
	<-e.Done()
	w.Close() // only now can the reader end
}

// A call to the client on the read loop would wait for the loop. From a goroutine it works, even while the loop is
// running notifications.
func TestTrapConfigurationInInitialized(t *testing.T) {
	settings := make(chan string, 1)
	var r *rig
	r = connect(t, Program{Initialized: func(ctx context.Context) {
		go func() {
			raw, err := r.client.Configuration(ctx, "spark")
			settings <- fmt.Sprintf("%s %v", raw, err)
		}()
	}}, editor.Options{Settings: map[string]any{"spark": map[string]any{"model": "m"}}})
	if _, err := r.Start(r.ctx); err != nil {
		t.Fatal(err)
	}
	if got := <-settings; got != `{"model":"m"} <nil>` {
		t.Error(got)
	}
	r.end()
}

// Decoded strings and raw params alias buffers that are used again: what is kept must be the same after many
// more messages. With -tags jsonrpc2poison, retained requests read as rubbish.
func TestTrapAliasing(t *testing.T) {
	var kept []string
	var raw [][]byte
	var opened *Document
	r := start(t, Program{
		Changed: func(c Change) {
			if opened == nil {
				opened = c.After
			}
		},
		Requests: map[string]RequestFunc{
			"test/keep": func(_ context.Context, _ *Snapshot, params []byte) (any, error) {
				raw = append(raw, params) // a call's params stay valid
				return nil, nil
			},
		},
		Notifications: map[string]NotificationFunc{
			"test/keep": Notify(func(_ *Snapshot, s *string) error { kept = append(kept, *s); return nil }),
		},
	}, editor.Options{})
	r.Open(file, "language", "no escapes in this text")
	for i := range 200 {
		r.Notify("test/keep", fmt.Sprintf("string %d", i))
		if _, err := r.call("test/keep", fmt.Sprintf(`"param %d"`, i)); err != nil {
			t.Fatal(err)
		}
		r.Insert(file, 0, strings.Repeat("x", 50))
	}
	r.alive()
	for i := range kept {
		if kept[i] != fmt.Sprintf("string %d", i) || string(raw[i]) != fmt.Sprintf(`"param %d"`, i) {
			t.Fatalf("%d: %q, %s", i, kept[i], raw[i])
		}
	}
	if opened.URI != file || opened.LanguageID != "language" || opened.Text.String() != "no escapes in this text" {
		t.Errorf("the first document is now %q %q %q", opened.URI, opened.LanguageID, opened.Text.String())
	}
}

// Writes happen on the caller's goroutine in jsonrpc2: when the client does not read, a handler on the read loop
// blocks, the server stops reading, and a client that writes before it reads waits for ever. Here the loop
// goes on, other goroutines wait, and nothing is lost or reordered.
func TestTrapClientDoesNotRead(t *testing.T) {
	const size = 64 << 10
	var r *rig
	const told = 2 * outboxBound / size
	var handled, held atomic.Int32
	all := make(chan struct{}) // told notifications have been handled
	filler := strings.Repeat("x", size)
	in, w := io.Pipe()
	out, sw := io.Pipe()
	gate := &gate{r: out, open: make(chan struct{})}
	r = &rig{t: t, result: make(chan error, 1)}
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	p := Program{
		Initialize: func(_ context.Context, c *Client, _ *protocol.InitializeParams) (*protocol.InitializeResult, error) {
			r.client = c
			return &protocol.InitializeResult{}, nil
		},
		Notifications: map[string]NotificationFunc{
			"test/tell": func(*Snapshot, []byte) error {
				defer func() {
					if handled.Add(1) == told {
						close(all)
					}
				}()
				return r.client.LogMessage(context.Background(), protocol.MessageTypeLog, filler)
			},
		},
		Requests: map[string]RequestFunc{
			"test/flood": func(ctx context.Context, _ *Snapshot, _ []byte) (any, error) {
				impatient, cancel := context.WithCancel(ctx)
				cancel()
				for i := range 200 {
					params := map[string]any{"n": i, "filler": filler}
					if err := r.client.Notify(impatient, "test/n", params); err == nil {
						continue // a context that has ended only keeps it from waiting
					}
					held.Add(1)
					if err := r.client.Notify(ctx, "test/n", params); err != nil {
						return nil, err
					}
				}
				return "done", nil
			},
		},
	}
	go func() { r.result <- Serve(r.ctx, in, sw, p) }()
	r.Editor = editor.New(editor.Options{}, gate, w)
	t.Cleanup(func() {
		gate.reopen()
		r.HangUp()
		<-r.Done()
	})
	if _, err := r.Start(r.ctx); err != nil {
		t.Fatal(err)
	}

	gate.shut()
	flood, _ := r.CallAsync("test/flood", nil)
	for range told {
		r.Notify("test/tell", nil)
	}
	// The read loop handles them all, beyond the bound, although nothing is read.
	select {
	case <-all:
	case <-r.ctx.Done():
		t.Fatalf("the read loop has handled %d of %d notifications", handled.Load(), told)
	}
	gate.reopen()
	var got string
	if err := flood.Wait(r.ctx, &got); err != nil || got != "done" {
		t.Fatal(got, err)
	}
	if held.Load() == 0 {
		t.Error("the flood was not held back")
	}
	next, logs := 0, 0
	for _, m := range r.Log() {
		switch m.Method {
		case "test/n":
			var p struct{ N int }
			if json.Unmarshal(m.Params, &p) != nil || p.N != next {
				t.Fatalf("notification %d came as %d", p.N, next)
			}
			next++
		case "window/logMessage":
			logs++
		}
	}
	if next != 200 || logs != told {
		t.Errorf("%d of 200 and %d of %d came", next, logs, told)
	}
	r.end()
}

// gate is a reader that can be shut.
type gate struct {
	r    io.Reader
	mu   sync.Mutex
	open chan struct{} // closed while nothing is shut
	down bool
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down, g.open = true, make(chan struct{})
}

func (g *gate) reopen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down {
		close(g.open)
	}
	g.down = false
}

func (g *gate) Read(p []byte) (int, error) {
	g.mu.Lock()
	down, open := g.down, g.open
	g.mu.Unlock()
	if down {
		<-open
	}
	if len(p) > 4096 {
		p = p[:4096]
	}
	return g.r.Read(p)
}

// In go.lsp.dev/protocol a change whose range does not decode becomes the replacement of the whole document.
func TestTrapBrokenRangeIsNoWholeDocument(t *testing.T) {
	var p protocol.DidChangeTextDocumentParams
	broken := `{"textDocument":{"uri":"` + file + `","version":2},"contentChanges":[{"range":{"start":{"line":-1,"character":0},"end":{"line":0,"character":0}},"text":"y"}]}`
	if err := protocol.Unmarshal([]byte(broken), &p); err == nil {
		if _, whole := p.ContentChanges[0].(*protocol.TextDocumentContentChangeWholeDocument); !whole {
			t.Error("the trap is gone: types of our own may not be needed any more")
		}
	}
	r := start(t, Program{Requests: map[string]RequestFunc{"test/text": textRequest}}, editor.Options{})
	r.Open(file, "go", "everything")
	r.Notify("textDocument/didChange", json.RawMessage(broken))
	if got := r.text(); got != "everything" {
		t.Errorf("%q", got)
	}
}

// Typed params carry URIs in the library's spelling; documents are found by any, and keep the client's.
func TestTrapURISpelling(t *testing.T) {
	for _, mine := range []string{
		"file:///c%3A/a%20b.go", "file:///C:/a%20b.go", "file:///c:/a b.go", "untitled:Untitled-1", "untitled:Untitled 1",
		"vscode-notebook-cell:/a/b#W0sZmlsZQ%3D%3D", "jdt://contents/x.class?=a/%5C/b", "zipfile:///a.zip::b.go", "file:///ü.go",
	} {
		var typed string
		r := start(t, Program{Requests: map[string]RequestFunc{
			"test/find": Call(func(_ context.Context, snap *Snapshot, p *protocol.HoverParams) (any, error) {
				typed = string(p.TextDocument.URI)
				d, ok := snap.Get(typed)
				if !ok {
					return nil, errors.New("not found")
				}
				return d.URI, nil
			}),
		}}, editor.Options{})
		r.Open(mine, "go", "")
		var got string
		err := r.Call(r.ctx, "test/find", map[string]any{"textDocument": map[string]any{"uri": mine}, "position": map[string]int{}}, &got)
		if err != nil || got != mine {
			t.Errorf("%s (typed as %s): found %q, %v", mine, typed, got, err)
		}
		r.Close(mine)
		r.alive()
	}
}

// The stream needs two methods of the library's that no interface promises.
func TestTrapFramerMethods(t *testing.T) {
	if _, ok := jsonrpc2.NewStream(pipe{strings.NewReader(""), io.Discard}).(framer); !ok {
		t.Fatal("jsonrpc2.NewStream has no ReadFrame and WriteFrame any more")
	}
}

// An unmatched id must not be taken for one of ours, and a client whose serialiser drops null results must not
// leave our calls waiting.
func TestTrapSloppyResponses(t *testing.T) {
	for name, body := range map[string]string{
		"no result":       `{"jsonrpc":"2.0","id":%d}`,
		"null error too":  `{"jsonrpc":"2.0","id":%d,"result":null,"error":null}`,
		"only null error": `{"jsonrpc":"2.0","id":%d,"error":null}`,
		"no version":      `{"id":%d,"result":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan error, 1)
			var r *rig
			r = start(t, Program{Notifications: map[string]NotificationFunc{
				"test/go": func(*Snapshot, []byte) error {
					go func() { done <- r.client.Call(r.ctx, "test/call", nil, nil) }()
					return nil
				},
			}}, editor.Options{})
			r.Handle("test/call", func(json.RawMessage) (any, error) { <-r.ctx.Done(); return nil, nil })
			r.Notify("test/go", nil)
			m, err := r.WaitReceived(r.ctx, "test/call")
			if err != nil {
				t.Fatal(err)
			}
			r.RawSend(editor.Frame(strings.Replace(body, "%d", m.ID, 1)))
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
