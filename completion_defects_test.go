package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// ask asks for a completion at the editor's cursor, as typing does.
func ask(ed *editor.Editor, uri string) (*editor.Pending, error) {
	return ed.CallAsync(protocol.MethodTextDocumentInlineCompletion, map[string]any{
		"textDocument": map[string]any{"uri": uri}, "position": ed.Position(uri, ed.Cursor(uri)),
		"context": map[string]any{"triggerKind": 2},
	})
}

// accepted is the buffer after the item that p is answered with has been inserted, as editors insert it.
func accepted(t *testing.T, ed *editor.Editor, uri string, p *editor.Pending) string {
	t.Helper()
	var list protocol.InlineCompletionList
	if err := p.Wait(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	text := ed.Text(uri)
	if len(list.Items) == 0 {
		return text
	}
	start, ok1 := ed.Offset(uri, list.Items[0].Range.Start)
	end, ok2 := ed.Offset(uri, list.Items[0].Range.End)
	if !ok1 || !ok2 || start > end {
		t.Fatalf("the range %v is not in the buffer", list.Items[0].Range)
	}
	return text[:start] + string(list.Items[0].InsertText.(protocol.String)) + text[end:]
}

// TestCompletionDefects puts what people complain about through the whole program: | is the cursor, the answer is the
// model's, and the text is what the buffer must be once the item was accepted.
func TestCompletionDefects(t *testing.T) {
	type defect struct{ name, language, buffer, answer, text string }
	list := []defect{
		{"D2: following lines repeated", "go", "func f() {\n\tif a {\n\t\t|\n\t}\n}\n", "return b\n\t}\n}", "func f() {\n\tif a {\n\t\treturn b\n\t}\n}\n"},
		{"D2: the next line", "go", "func f() {\n\tx := 1\n\t|\n\treturn x\n}\n", "x++\n\treturn x\n}", "func f() {\n\tx := 1\n\tx++\n\treturn x\n}\n"},
		{"D3: the prefix repeated", "javascript", "const x = |\n", "const x = 1", "const x = 1\n"},
		{"D3: the last word repeated", "go", "func f() {\n\treturn |\n}\n", "return nil", "func f() {\n\treturn nil\n}\n"},
		{"D18: Python, a body at the cursor's column", "python", "def f(x):\n    |\n", "if x:\n        return 1\n    return 2", "def f(x):\n    if x:\n        return 1\n    return 2\n"},
		{"D18: Python, the cursor at column 0, the answer indented", "python", "def f(x):\n|\n", "    return x", "def f(x):\n    return x\n"},
		{"D18: Go, spaces for tabs", "go", "func f() {\n\tif a {\n\t\tb()\n\t}\n\t|\n}\n", "if c {\n        d()\n    }", "func f() {\n\tif a {\n\t\tb()\n\t}\n\tif c {\n\t\td()\n\t}\n}\n"},
		{"D18: Makefile, a recipe", "makefile", "all:\n\t|\n", "go build ./...\n\tgo vet ./...", "all:\n\tgo build ./...\n\tgo vet ./...\n"},
	}
	for _, c := range []struct{ open, close string }{{"(", ")"}, {"[", "]"}, {"{", "}"}, {`"`, `"`}, {"'", "'"}, {"`", "`"}} {
		// The editor has closed the bracket, or has not; the model always does.
		list = append(list,
			defect{"D1: " + c.close + " with auto-pair", "javascript", "foo" + c.open + "|" + c.close + "\n", "bar" + c.close, "foo" + c.open + "bar" + c.close + "\n"},
			defect{"D1: " + c.close + " without", "javascript", "foo" + c.open + "|\n", "bar" + c.close, "foo" + c.open + "bar" + c.close + "\n"})
	}
	list = append(list,
		defect{"D1: /> with auto-pair", "html", "<img |/>\n", `alt="x"/>`, `<img alt="x"/>` + "\n"},
		defect{"D1: /> without", "html", "<img |\n", `alt="x"/>`, `<img alt="x"/>` + "\n"})

	var answer atomic.Pointer[string]
	r := newRig(t, t.Context(), func(x *loopback.Exchange) {
		for _, tok := range loopback.Tokens(*answer.Load()) {
			_ = x.Delta(tok)
		}
		_ = x.Done()
	})
	defer r.end()
	for i, c := range list {
		uri := fmt.Sprintf("file:///defects/%d", i)
		at := strings.Index(c.buffer, "|")
		answer.Store(&c.answer)
		if err := r.ed.Open(uri, c.language, c.buffer[:at]+c.buffer[at+1:]); err != nil {
			t.Fatal(err)
		}
		if err := r.ed.SetCursor(uri, at); err != nil {
			t.Fatal(err)
		}
		p, err := ask(r.ed, uri)
		if err != nil {
			t.Fatal(err)
		}
		if got := accepted(t, r.ed, uri, p); got != c.text {
			t.Errorf("%s: %q, the model says %q\ngot  %q\nwant %q", c.name, c.buffer, c.answer, got, c.text)
		}
	}
}

// TestD19CancelReachesTheModel: what the editor takes back, the provider hears of within 50 ms, by WebSocket and by
// HTTP; and of keys that supersede each other one is in flight at most.
func TestD19CancelReachesTheModel(t *testing.T) {
	for _, c := range []struct {
		name    string
		upgrade func(int, *http.Request) loopback.Upgrade
	}{
		{"WebSocket", nil},
		{"HTTP", func(int, *http.Request) loopback.Upgrade { return loopback.Upgrade{Status: http.StatusUpgradeRequired} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w watched
			started := make(chan *loopback.Exchange, 64)
			r := newRigWith(t, t.Context(), loopback.Options{Upgrade: c.upgrade, Interrupt: true, Respond: func(x *loopback.Exchange) {
				w.begin()
				defer w.end()
				_ = x.InProgress()
				started <- x
				<-x.Cancelled()
			}})
			defer r.end()
			uri := "file:///d19/a.go"
			if err := r.ed.Open(uri, "go", "package a\n\nvar x = \n"); err != nil {
				t.Fatal(err)
			}
			if err := r.ed.SetCursor(uri, len("package a\n\nvar x = ")); err != nil {
				t.Fatal(err)
			}
			var took []time.Duration
			for range 5 {
				p, err := ask(r.ed, uri)
				if err != nil {
					t.Fatal(err)
				}
				x := <-started
				began := time.Now()
				if err := p.Cancel(); err != nil {
					t.Fatal(err)
				}
				<-x.Cancelled()
				took = append(took, time.Since(began))
				if err := wantCode(p.Wait(t.Context(), nil), "-32800"); err != nil {
					t.Error(err)
				}
			}
			// One slow run of five is the machine's.
			slices.Sort(took)
			if took[3] > 50*time.Millisecond {
				t.Errorf("the provider heard of it after %v", took)
			}
			var pending []*editor.Pending
			for i := range 20 {
				if err := r.ed.Type(uri, string(rune('a'+i))); err != nil {
					t.Fatal(err)
				}
				p, err := ask(r.ed, uri)
				if err != nil {
					t.Fatal(err)
				}
				pending = append(pending, p)
			}
			for _, p := range pending[:len(pending)-1] {
				if err := wantCode(p.Wait(t.Context(), nil), "-32800"); err != nil {
					t.Errorf("a superseded request: %v", err)
				}
			}
			_ = pending[len(pending)-1].Cancel()
			_ = pending[len(pending)-1].Wait(t.Context(), nil)
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.top > 1 {
				t.Errorf("%d responses were alive at once", w.top)
			}
		})
	}
}
