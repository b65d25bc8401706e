package editor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
	"go.uber.org/goleak"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an editor and a tiny server, connected.
type rig struct {
	*editor.Editor
	t      *testing.T
	ctx    context.Context
	client *lsp.Client
	docs   chan lsp.Change // what the server saw, in order; never more than its capacity
}

const uri = "file:///w/a.go"

func newRig(t *testing.T, o editor.Options) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	r := &rig{t: t, ctx: ctx, docs: make(chan lsp.Change, 10_000)}
	p := lsp.Program{
		Initialize: func(_ context.Context, c *lsp.Client, _ *protocol.InitializeParams) (*protocol.InitializeResult, error) {
			r.client = c
			return &protocol.InitializeResult{}, nil
		},
		Changed: func(c lsp.Change) { r.docs <- c },
		Requests: map[string]lsp.RequestFunc{
			"test/echo": func(_ context.Context, _ *lsp.Snapshot, params []byte) (any, error) {
				return jsonrpc2.RawMessage(params), nil
			},
			"test/hang": func(ctx context.Context, _ *lsp.Snapshot, _ []byte) (any, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		},
		PanicOnBug: true,
	}
	sr, ew := io.Pipe()
	er, sw := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- lsp.Serve(context.Background(), sr, sw, p) }()
	r.Editor = editor.New(o, er, ew)
	if _, err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := r.Exit(); err != nil {
			t.Error(err)
		}
		if err := <-result; err != nil {
			t.Errorf("Serve: %v", err)
		}
		<-r.Done()
	})
	return r
}

// change waits for the next change that the server sees.
func (r *rig) change() lsp.Change {
	r.t.Helper()
	select {
	case c := <-r.docs:
		return c
	case <-r.ctx.Done():
		r.t.Fatal("the server sees no change")
		return lsp.Change{}
	}
}

// apply sends an edit from the server.
func (r *rig) apply(d *lsp.Document, edits ...editops.Edit) (*protocol.ApplyWorkspaceEditResult, error) {
	return r.client.ApplyEdit(r.ctx, "", lsp.DocumentEdit{Document: d, Edits: edits})
}

func (r *rig) requireText(want string) {
	r.t.Helper()
	if got := r.Text(uri); got != want {
		r.t.Fatalf("the text is %q, want %q", got, want)
	}
}

func (r *rig) requireViolations(want ...string) {
	r.t.Helper()
	got := r.Violations()
	if len(got) != len(want) {
		r.t.Fatalf("violations %q, want %q", got, want)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			r.t.Fatalf("violation %q, want %q", got[i], want[i])
		}
	}
}

// The two ideas of what a position is, the editor's and the server's, must be the same.
func TestMirrorIsExact(t *testing.T) {
	for _, encoding := range []string{"utf-8", "utf-16", "utf-32"} {
		t.Run(encoding, func(t *testing.T) {
			r := newRig(t, editor.Options{Encodings: []string{encoding}})
			if r.Encoding() != encoding {
				t.Fatalf("encoding %s", r.Encoding())
			}
			r.Open(uri, "go", "é汉🍋👩‍👩‍👧\tx\r\nlone\rlast")
			for at, typed := range []string{"a", "🍊", "\n", "汉\r\n"} {
				text := r.Text(uri)
				offset := []int{0, 6, 10, len(text)}[at]
				if err := r.Insert(uri, offset, typed); err != nil {
					t.Fatal(err)
				}
			}
			r.Delete(uri, 1, 3)
			r.SetText(uri, r.Text(uri)+"!")
			var mirror string
			for range 7 {
				mirror = r.change().After.Text.String()
			}
			r.requireText(mirror)
			r.requireViolations()
		})
	}
}

func TestApplyStrict(t *testing.T) {
	r := newRig(t, editor.Options{})
	r.Open(uri, "go", "one\ntwo\n")
	doc := r.change().After
	res, err := r.apply(doc, editops.Edit{Start: 4, End: 7, New: "drei"}, editops.Edit{Start: 8, End: 8, New: "!"})
	if err != nil || !res.Applied {
		t.Fatal(res, err)
	}
	r.requireText("one\ndrei\n!")
	// The echo is there before the answer.
	if got := r.change().After.Text.String(); got != r.Text(uri) {
		t.Fatalf("the server's mirror is %q", got)
	}
	// The version is old now.
	if res, err = r.apply(doc, editops.Edit{Start: 0, End: 1}); err != nil || res.Applied || *res.FailureReason != "document has changed" {
		t.Fatal(res, err)
	}
	r.requireText("one\ndrei\n!")
	if n := r.UndoSteps(uri); n != 1 {
		t.Errorf("%d undo steps", n)
	}
	if err := r.WaitEdits(r.ctx, 2); err != nil {
		t.Error(err)
	}
	if err := r.WaitApplied(r.ctx, 1); err != nil {
		t.Error(err)
	}
	if ok, err := r.Undo(uri); !ok || err != nil {
		t.Error(ok, err)
	}
	r.requireText("one\ntwo\n")
	if got := r.change().After.Text.String(); got != "one\ntwo\n" {
		t.Errorf("the server's mirror is %q", got)
	}
	if ok, _ := r.Undo(uri); ok {
		t.Error("there is more to undo")
	}
	r.requireViolations()
}

// What becomes of an edit when the user has typed "> " at the start meanwhile.
func TestApplyPolicies(t *testing.T) {
	for name, tt := range map[string]struct {
		policy  editor.ApplyPolicy
		text    string
		applied bool
		err     bool
	}{
		"Strict":  {editor.Strict, "> one two", false, false},
		"Neovim":  {editor.Neovim, "> one two", true, false},
		"Kakoune": {editor.Kakoune, "> onTWOwo", true, false},
		"Zed":     {editor.Zed, "> one TWO", true, false},
		"Eglot":   {editor.Eglot, "> one two", false, true},
		"Refuse":  {editor.Refuse, "> one two", false, false},
		"Liar":    {editor.Liar, "> one two", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, editor.Options{FirstVersion: 1})
			r.SetPolicy(tt.policy)
			r.Open(uri, "go", "one two")
			doc := r.change().After
			r.Insert(uri, 0, "> ")
			res, err := r.apply(doc, editops.Edit{Start: 4, End: 7, New: "TWO"})
			if (err != nil) != tt.err || err == nil && res.Applied != tt.applied {
				t.Errorf("%+v, %v", res, err)
			}
			r.requireText(tt.text)
			r.requireViolations()
		})
	}
	t.Run("Neovim does not check version 0", func(t *testing.T) {
		r := newRig(t, editor.Options{Policy: editor.Neovim})
		r.Open(uri, "go", "one two")
		doc := r.change().After
		r.Insert(uri, 0, "> ")
		r.apply(doc, editops.Edit{Start: 4, End: 7, New: "TWO"})
		r.requireText("> onTWOwo")
	})
}

func TestZedRebasesOverSeveralChanges(t *testing.T) {
	r := newRig(t, editor.Options{Policy: editor.Zed})
	r.Open(uri, "go", "one two three")
	doc := r.change().After
	r.Insert(uri, 13, " four")
	r.Delete(uri, 0, 4)
	r.Insert(uri, 0, "zero 🍋 ")
	if res, err := r.apply(doc, editops.Edit{Start: 4, End: 7, New: "TWO"}, editops.Edit{Start: 13, End: 13, New: "!"}); err != nil || !res.Applied {
		t.Fatal(res, err)
	}
	r.requireText("zero 🍋 TWO three four!")
}

func TestHoldChanges(t *testing.T) {
	r := newRig(t, editor.Options{})
	r.Open(uri, "go", "text")
	doc := r.change().After
	r.HoldChanges()
	r.Insert(uri, 4, "!")
	r.Insert(uri, 0, "? ")
	// An edit meanwhile is of an old version, although the server cannot know.
	if res, err := r.apply(doc, editops.Edit{Start: 0, End: 1}); err != nil || res.Applied {
		t.Fatal(res, err)
	}
	select {
	case c := <-r.docs:
		t.Fatalf("the server has seen %v", c)
	default:
	}
	r.ReleaseChanges()
	c := r.change()
	if len(c.Edits) != 2 || c.After.Text.String() != "? text!" || c.After.Version != r.Version(uri) {
		t.Errorf("%v", c)
	}
	// Calls flush, as in Neovim.
	r.HoldChanges()
	r.Insert(uri, 0, "x")
	if err := r.Call(r.ctx, "test/echo", nil, nil); err != nil {
		t.Fatal(err)
	}
	r.change()
	r.Insert(uri, 0, "y")
	r.FlushChanges()
	r.change()
	r.Insert(uri, 0, "z")
	r.Save(uri) // as does saving
	r.change()
	r.requireViolations()
}

func TestVersionPerSync(t *testing.T) {
	r := newRig(t, editor.Options{VersionPerSync: true})
	r.Open(uri, "go", "text")
	doc := r.change().After
	r.HoldChanges()
	r.Insert(uri, 0, "> ")
	// As in Emacs, the version fits and the positions do not.
	if res, err := r.apply(doc, editops.Edit{Start: 4, End: 4, New: "!"}); err != nil || !res.Applied {
		t.Fatal(res, err)
	}
	r.requireText("> te!xt")
	r.ReleaseChanges()
	if c := r.change(); c.After.Version != 1 || c.After.Text.String() != "> te!xt" {
		t.Errorf("%v", c)
	}
}

func TestHoldEditsAndReplies(t *testing.T) {
	r := newRig(t, editor.Options{})
	r.Open(uri, "go", "text")
	doc := r.change().After
	answered := make(chan bool, 1)
	send := func(d *lsp.Document) {
		go func() {
			res, err := r.apply(d, editops.Edit{Start: 0, End: 4, New: "TEXT"})
			answered <- err == nil && res.Applied
		}()
	}
	r.HoldEdits()
	send(doc)
	if err := r.WaitEdits(r.ctx, 1); err != nil {
		t.Fatal(err)
	}
	r.requireText("text")
	r.Insert(uri, 4, "!") // while the editor is busy
	r.change()
	r.ReleaseEdits()
	if <-answered {
		t.Error("a stale edit was applied")
	}
	r.HoldReplies()
	d, _ := lsp.NewDocuments(lsp.UTF8), 0
	doc = d.Open(uri, "go", r.Version(uri), r.Text(uri)).After
	send(doc)
	if c := r.change(); c.After.Text.String() != "TEXT!" { // the echo comes, the answer does not
		t.Errorf("%v", c)
	}
	select {
	case <-answered:
		t.Error("the answer was not held back")
	default:
	}
	r.ReleaseReplies()
	if !<-answered {
		t.Error("not applied")
	}
}

// D15: what an editor might crash on is noticed.
func TestViolations(t *testing.T) {
	edit := func(edits string) string {
		return `{"edit":{"documentChanges":[{"textDocument":{"uri":"` + uri + `","version":0},"edits":[` + edits + `]}]}}`
	}
	text := func(l1, c1, l2, c2 int) string {
		return fmt.Sprintf(`{"range":{"start":{"line":%d,"character":%d},"end":{"line":%d,"character":%d}},"newText":""}`, l1, c1, l2, c2)
	}
	for name, tt := range map[string]struct {
		method, params string
		want           []string
	}{
		"fine":         {"workspace/applyEdit", edit(text(0, 0, 0, 1) + "," + text(0, 1, 0, 1)), nil},
		"inverted":     {"workspace/applyEdit", edit(text(1, 0, 0, 0)), []string{"inverted"}},
		"overlap":      {"workspace/applyEdit", edit(text(0, 2, 0, 3) + "," + text(0, 0, 1, 0)), []string{"overlapping"}},
		"line":         {"workspace/applyEdit", edit(text(0, 0, 2, 0)), []string{"at 2:0"}},
		"column":       {"workspace/applyEdit", edit(text(0, 0, 0, 8)), []string{"at 0:8"}},
		"half a lemon": {"workspace/applyEdit", edit(text(0, 5, 0, 5)), []string{"at 0:5", "at 0:5"}},
		"not open":     {"workspace/applyEdit", strings.Replace(edit(text(0, 0, 0, 0)), uri, "file:///x", 1), []string{"not open"}},
		"a file":       {"workspace/applyEdit", strings.ReplaceAll(strings.Replace(edit(text(0, 0, 0, 0)), uri, "file:///disk", 1), `"version":0`, `"version":null`), nil},
		"its version":  {"workspace/applyEdit", strings.Replace(edit(text(0, 0, 0, 0)), uri, "file:///disk", 1), []string{"an edit of version 0"}},
		"a new file":   {"workspace/applyEdit", `{"edit":{"documentChanges":[{"kind":"create","uri":"file:///new"}]}}`, nil},
		"not new":      {"workspace/applyEdit", `{"edit":{"documentChanges":[{"kind":"create","uri":"file:///disk"}]}}`, []string{"is to be created and exists"}},
		"no edit":      {"workspace/applyEdit", `{"edit":{"documentChanges":[{"kind":"delete","uri":"x"}]}}`, []string{"an edit that is none"}},
		"progress":     {"$/progress", `{"token":"x","value":{"kind":"begin","title":"t"}}`, []string{"nobody has created"}},
		"token":        {"window/workDoneProgress/create", `{}`, []string{"without a token"}},
	} {
		t.Run(name, func(t *testing.T) {
			disk := func(uri string) (string, bool) { return "", uri == "file:///disk" }
			r := newRig(t, editor.Options{Encodings: []string{"utf-16"}, ReadFile: disk})
			r.Open(uri, "go", "abc 🍋\nx")
			r.change()
			if tt.method == "$/progress" {
				r.client.Notify(r.ctx, tt.method, jsonrpc2.RawMessage(tt.params))
				r.WaitReceived(r.ctx, tt.method)
			} else {
				_ = r.client.Call(r.ctx, tt.method, jsonrpc2.RawMessage(tt.params), nil)
			}
			r.requireViolations(tt.want...)
		})
	}
}

func TestProgressViolations(t *testing.T) {
	r := newRig(t, editor.Options{})
	create := func() {
		_ = r.client.Call(r.ctx, "window/workDoneProgress/create", jsonrpc2.RawMessage(`{"token":1}`), nil)
	}
	tell := func(kind string) {
		r.client.Notify(r.ctx, "$/progress", jsonrpc2.RawMessage(`{"token":1,"value":{"kind":"`+kind+`"}}`))
	}
	create()
	tell("report") // before its begin
	tell("begin")
	tell("begin") // twice
	tell("end")
	tell("report") // after the end
	create()       // twice
	r.requireViolations("before its begin", "begins twice", "after the end", "created twice")
	// A token of ours is known without having been created.
	r.Call(r.ctx, "test/echo", map[string]any{"workDoneToken": 7}, nil)
	r.client.Notify(r.ctx, "$/progress", jsonrpc2.RawMessage(`{"token":7,"value":{"kind":"begin"}}`))
	r.Call(r.ctx, "test/echo", nil, nil)
	if n := len(r.Violations()); n != 4 {
		t.Errorf("%q", r.Violations())
	}
}

func TestViolationsOfTheWire(t *testing.T) {
	for sent, want := range map[string]string{
		string(editor.Frame(`{"jsonrpc":"1.0","method":"x"}`)):                                      "jsonrpc is",
		string(editor.Frame(`{"jsonrpc":"2.0","id":1}`)):                                            "either a result or an error",
		string(editor.Frame(`{"jsonrpc":"2.0"}`)):                                                   "neither method nor id",
		string(editor.Frame(`{"jsonrpc"`)):                                                          "not a message",
		string(editor.Frame(`{"jsonrpc":"2.0","id":1,"method":"workspace/applyEdit","params":{}}`)): "before initialize",
		"Content-Length: x\r\n\r\n{}":                                                               "Content-Length",
		"Content-Length: 9\r\n\r\n{}":                                                               "body",
		"Content-Length 9":                                                                          "header",
	} {
		e := editor.New(editor.Options{}, strings.NewReader(sent), io.Discard)
		<-e.Done()
		if v := e.Violations(); len(v) != 1 || !strings.Contains(v[0], want) {
			t.Errorf("%q: %q, want %q", sent, v, want)
		}
	}
}

func TestWaitsAndLog(t *testing.T) {
	r := newRig(t, editor.Options{})
	for i := range 3 {
		r.client.LogMessage(r.ctx, protocol.MessageTypeLog, fmt.Sprintf("message %d", i))
		r.client.Notify(r.ctx, "test/n", i)
	}
	for i := range 3 { // each call gives the next one
		if text, err := r.WaitMessage(r.ctx, "message"); err != nil || text != fmt.Sprintf("message %d", i) {
			t.Errorf("%q, %v", text, err)
		}
		var n int
		if err := r.WaitNotification(r.ctx, "test/n", &n); err != nil || n != i {
			t.Errorf("%d, %v", n, err)
		}
	}
	// A wait that fails says for what, and what there was instead.
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Millisecond)
	defer cancel()
	err := r.WaitNotification(ctx, "test/never", nil)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "test/never") || !strings.Contains(err.Error(), "message 2") {
		t.Errorf("%v", err)
	}
	if err := r.WaitFor(r.ctx, "nothing", func() bool { return len(r.Log()) > 3 }); err != nil {
		t.Error(err)
	}
	log := r.Log()
	for i, m := range log {
		if m.Seq != i {
			t.Fatalf("message %d has number %d", i, m.Seq)
		}
	}
	if s := log[0].String(); !strings.HasPrefix(s, "-> call 1 initialize {") || len(s) > 300 {
		t.Errorf("%s", s)
	}
}

func TestWaitEndsWithTheServer(t *testing.T) {
	in, w := io.Pipe()
	e := editor.New(editor.Options{}, in, io.Discard)
	done := make(chan error, 2)
	go func() { done <- e.WaitNotification(context.Background(), "x", nil) }()
	p, err := e.CallAsync("x", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- p.Wait(context.Background(), nil) }()
	w.Close()
	for range 2 {
		if err := <-done; !errors.Is(err, editor.ErrEnded) {
			t.Errorf("%v", err)
		}
	}
	<-e.Done()
}

func TestCalls(t *testing.T) {
	r := newRig(t, editor.Options{})
	var got map[string]int
	if err := r.Call(r.ctx, "test/echo", map[string]int{"a": 1}, &got); err != nil || got["a"] != 1 {
		t.Error(got, err)
	}
	p, _ := r.CallAsync("test/hang", nil)
	if p.Answered() {
		t.Error("answered")
	}
	p.Cancel()
	var wire *jsonrpc2.Error
	if err := p.Wait(r.ctx, nil); !errors.As(err, &wire) || wire.Code != protocol.CodeRequestCancelled {
		t.Error(err)
	}
	// Giving up a call cancels it.
	ctx, cancel := context.WithCancel(r.ctx)
	p, _ = r.CallAsync("test/hang", nil)
	cancel()
	if err := p.Wait(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := p.Wait(r.ctx, nil); !errors.As(err, &wire) {
		t.Error(err)
	}
}

func TestSettingsAndHandlers(t *testing.T) {
	r := newRig(t, editor.Options{Settings: map[string]any{"spark": map[string]any{"a": map[string]any{"b": 1}}}})
	for section, want := range map[string]string{"spark.a.b": "1", "spark.a": `{"b":1}`, "spark.x.y": "", "": `{"spark":{"a":{"b":1}}}`} {
		if raw, err := r.client.Configuration(r.ctx, section); err != nil || string(raw) != want {
			t.Errorf("%q: %s, %v", section, raw, err)
		}
	}
	r.SetSettings(map[string]any{"spark": 2})
	if raw, err := r.client.Configuration(r.ctx, "spark"); err != nil || string(raw) != "2" {
		t.Errorf("%s, %v", raw, err)
	}
	r.Handle("test/mine", func(params json.RawMessage) (any, error) {
		if string(params) == `"bad"` {
			return nil, jsonrpc2.NewError(-7, "bad")
		}
		return "good", nil
	})
	var got string
	if err := r.client.Call(r.ctx, "test/mine", "x", &got); err != nil || got != "good" {
		t.Error(got, err)
	}
	var wire *jsonrpc2.Error
	if err := r.client.Call(r.ctx, "test/mine", "bad", &got); !errors.As(err, &wire) || wire.Code != -7 {
		t.Error(err)
	}
}

func TestCursor(t *testing.T) {
	r := newRig(t, editor.Options{})
	r.Open(uri, "go", "one two")
	doc := r.change().After
	r.SetCursor(uri, 3)
	r.apply(doc, editops.Edit{Start: 0, End: 0, New: ">> "}, editops.Edit{Start: 3, End: 3, New: "!"}, editops.Edit{Start: 7, End: 7, New: "."})
	r.requireText(">> one! two.")
	if got := r.Cursor(uri); got != 6 {
		t.Errorf("cursor at %d", got)
	}
	r.Type(uri, "x")
	r.Type(uri, "y")
	r.requireText(">> onexy! two.")
	r.Delete(uri, 0, 8)
	if got := r.Cursor(uri); got != 0 {
		t.Errorf("cursor at %d", got)
	}
	r.SetCursor(uri, 99)
	if got := r.Cursor(uri); got != len(r.Text(uri)) {
		t.Errorf("cursor at %d", got)
	}
}

func TestPositions(t *testing.T) {
	r := newRig(t, editor.Options{Encodings: []string{"utf-16"}})
	r.Open(uri, "go", "é🍋x\r\ny\rz")
	for _, tt := range []struct {
		offset          int
		line, character uint32
	}{{0, 0, 0}, {2, 0, 1}, {6, 0, 3}, {7, 0, 4}, {9, 1, 0}, {10, 1, 1}, {11, 2, 0}, {12, 2, 1}} {
		p := protocol.Position{Line: tt.line, Character: tt.character}
		if got := r.Position(uri, tt.offset); got != p {
			t.Errorf("offset %d is %v, want %v", tt.offset, got, p)
		}
		if got, ok := r.Offset(uri, p); !ok || got != tt.offset {
			t.Errorf("%v is offset %d, want %d", p, got, tt.offset)
		}
	}
	for _, p := range []protocol.Position{{Character: 2}, {Character: 5}, {Line: 3}, {Line: 2, Character: 2}} {
		if got, ok := r.Offset(uri, p); ok {
			t.Errorf("%v is offset %d", p, got)
		}
	}
}

func TestMistakesOfTheScript(t *testing.T) {
	r := newRig(t, editor.Options{})
	r.Open(uri, "go", "abc")
	r.Open("file:///c", "go", "é\r\n")
	for _, err := range []error{
		r.Insert("file:///other", 0, "x"),
		r.Insert(uri, 4, "x"),
		r.Delete(uri, 2, 1),
		r.Replace(uri, -1, 1, "x"),
		r.Insert(uri, 4, "x"),
		r.Insert("file:///c", 1, "x"), // within a character
		r.Delete("file:///c", 0, 3),   // half a line end
		r.SetText("file:///other", "x"),
		r.Type("file:///other", "x"),
		r.SetCursor("file:///other", 0),
	} {
		if err == nil {
			t.Error("no error")
		}
	}
	r.requireText("abc")
}

// The recorded parameters of a real editor are sent as they are, but for the process.
func TestCapturedParams(t *testing.T) {
	r := newRig(t, editor.Options{Params: json.RawMessage(`{"processId":1,"clientInfo":{"name":"x"},"capabilities":{"general":{"positionEncodings":["utf-32"]}}}`)})
	if r.client.Name != "x" || r.client.ProcessID != 0 || r.Encoding() != "utf-32" {
		t.Errorf("%+v, %s", r.client, r.Encoding())
	}
}

func TestOptions(t *testing.T) {
	r := newRig(t, editor.Options{
		Name: "Vim", Version: "9", ProcessID: 1 << 30, Folders: []string{"file:///w", "file:///v"},
		InitializationOptions: map[string]any{"model": "m"},
		Capabilities: map[string]any{
			"window":       nil,
			"textDocument": map[string]any{"inlineCompletion": nil, "codeAction": map[string]any{"tagSupport": nil}},
			"experimental": map[string]any{"sparkEdit": 1},
		},
	})
	c := r.client
	if c.Name != "Vim" || c.Version != "9" || c.ProcessID != 1<<30 || len(c.Folders) != 2 || string(c.InitializationOptions) != `{"model":"m"}` {
		t.Errorf("%+v", c)
	}
	if c.WorkDoneProgress || c.InlineCompletion || c.CodeActionTagLLM || !c.CodeActionDisabled || !c.SparkEdit {
		t.Errorf("%+v", c)
	}
}

func TestWaitTextAndProgress(t *testing.T) {
	r := newRig(t, editor.Options{})
	r.Open(uri, "go", "a")
	doc := r.change().After
	go func() {
		p, err := r.client.Progress(r.ctx, "work", lsp.ProgressOptions{})
		if err != nil {
			t.Error(err)
		}
		r.apply(doc, editops.Edit{Start: 1, End: 1, New: "b"})
		p.End(r.ctx, "done")
	}()
	if p, err := r.WaitProgress(r.ctx, "begin"); err != nil || p.Title != "work" {
		t.Error(p, err)
	}
	if err := r.WaitText(r.ctx, uri, "ab"); err != nil {
		t.Error(err)
	}
	if p, err := r.WaitProgress(r.ctx, "end"); err != nil || p.Message != "done" {
		t.Error(p, err)
	}
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Millisecond)
	defer cancel()
	if err := r.WaitText(ctx, uri, "never"); err == nil || !strings.Contains(err.Error(), `"ab"`) || !strings.Contains(err.Error(), `"never"`) {
		t.Errorf("%v", err)
	}
}

func TestChooseAndClose(t *testing.T) {
	r := newRig(t, editor.Options{})
	ask := func() string {
		got, err := r.client.ShowMessageRequest(r.ctx, protocol.MessageTypeInfo, "ok?", "yes", "no")
		if err != nil {
			t.Error(err)
		}
		return got
	}
	if got := ask(); got != "" {
		t.Errorf("%q", got)
	}
	r.OnChoose(func(message string, actions []string) string { return actions[0] })
	if got := ask(); got != "yes" {
		t.Errorf("%q", got)
	}
	r.OnChoose(func(string, []string) string { return "maybe" }) // not among them
	if got := ask(); got != "" {
		t.Errorf("%q", got)
	}
	r.Open(uri, "go", "a")
	r.change()
	r.HoldChanges()
	r.Insert(uri, 1, "b")
	r.Close(uri) // tells of what it holds back first
	if c := r.change(); c.After.Text.String() != "ab" {
		t.Errorf("%v", c)
	}
	if c := r.change(); c.After != nil {
		t.Errorf("%v", c)
	}
	if r.Text(uri) != "" || r.Version(uri) != 0 || r.UndoSteps(uri) != 0 {
		t.Error("the buffer is still there")
	}
}

// A fact that comes about while WaitFor looks at the editor must not be missed.
func TestWaitForMissesNothing(t *testing.T) {
	r := newRig(t, editor.Options{})
	for i := range 500 {
		p, err := r.CallAsync("test/echo", i)
		if err != nil {
			t.Fatal(err)
		}
		err = r.WaitFor(r.ctx, "the answer", func() bool {
			answered := p.Answered()
			runtime.Gosched() // the answer comes about here
			return answered
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
