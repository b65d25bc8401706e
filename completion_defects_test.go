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

	"github.com/spark-lsp/spark-lsp/editops"
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
		{"a dot", "go", "func f() {\n\tx.|\n}\n", "Close()", "func f() {\n\tx.Close()\n}\n"},
		{"in a comment", "go", "// f adds the |\nfunc f() {\n}\n", "numbers up to n.", "// f adds the numbers up to n.\nfunc f() {\n}\n"},
		{"in a string, closed", "go", "func f() {\n\tlog(\"hello |\")\n}\n", "world\")", "func f() {\n\tlog(\"hello world\")\n}\n"},
		{"in a string, open", "python", "def f():\n    log(\"hello |\n", "world\")", "def f():\n    log(\"hello world\")\n"},
		{"D17: what a snippet would eat", "shellscript", "echo |\n", "\"${HOME}/$1\\n\"", "echo \"${HOME}/$1\\n\"\n"},
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

// TestCompletionPlaces: a document need not be a file, and a file's URI may be written in any way. Untitled buffers,
// notebook cells, drives, blanks and read-only views are completed like any other, and stay apart.
func TestCompletionPlaces(t *testing.T) {
	r := newRig(t, t.Context(), func(x *loopback.Exchange) {
		_ = x.Delta("from(" + strings.TrimSuffix(beforeCursor(x), " = ") + ")\n")
		_ = x.Done()
	})
	defer r.end()
	for i, uri := range []string{
		"untitled:Untitled-1", "vscode-notebook-cell:/home/me/n.ipynb#W0sZmlsZQ%3D%3D", "vscode-notebook-cell:/home/me/n.ipynb#W1sZmlsZQ%3D%3D",
		"file:///c%3A/Users/me/a.go", "file:///C:/Users/me/b.go", "file:///places/with%20blank.go", "file:///places/%C3%A9.go",
		"git:/places/a.go?%7B%22ref%22%3A%22~%22%7D", "jdt://contents/rt.jar/java.lang/String.class", "spark:preview",
	} {
		name := fmt.Sprintf("name%d", i)
		if err := r.ed.Open(uri, "go", name+" = \n"); err != nil {
			t.Fatal(err)
		}
		if err := r.ed.SetCursor(uri, len(name+" = ")); err != nil {
			t.Fatal(err)
		}
		p, err := ask(r.ed, uri)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := accepted(t, r.ed, uri, p), name+" = from("+name+")\n"; got != want {
			t.Errorf("%s: %q", uri, got)
		}
		var menu []protocol.CodeAction
		err = r.ed.Call(t.Context(), protocol.MethodTextDocumentCodeAction, map[string]any{
			"textDocument": map[string]any{"uri": uri}, "range": r.ed.Range(uri, 0, 0), "context": map[string]any{"diagnostics": []any{}},
		}, &menu)
		if err != nil || len(menu) == 0 {
			t.Errorf("%s: the menu: %v, %v", uri, menu, err)
		}
	}
}

// TestCompletionSeveralCursors: an editor with several cursors asks for one of them, and types at all. What it was given
// stays alive where it was asked for.
func TestCompletionSeveralCursors(t *testing.T) {
	r := newRig(t, t.Context(), func(x *loopback.Exchange) {
		_ = x.Delta("compute(1)\n")
		_ = x.Done()
	})
	defer r.end()
	uri := "file:///cursors/a.go"
	if err := r.ed.Open(uri, "go", "a = \nb = \nc = \n"); err != nil {
		t.Fatal(err)
	}
	for _, typed := range []string{"", "c", "o"} {
		if typed != "" { // at the three places at once, in one notification
			text := r.ed.Text(uri)
			var edits []editops.Edit
			for at := 0; at < len(text); {
				at += strings.IndexByte(text[at:], '\n')
				edits = append(edits, editops.Edit{Start: at, End: at, New: typed})
				at++
			}
			slices.Reverse(edits) // each refers to the text before all of them
			if err := r.ed.Edit(uri, edits...); err != nil {
				t.Fatal(err)
			}
		}
		second := strings.Index(r.ed.Text(uri), "\nc = ")
		if err := r.ed.SetCursor(uri, second); err != nil {
			t.Fatal(err)
		}
		p, err := ask(r.ed, uri)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(accepted(t, r.ed, uri, p), "\n")
		if lines[1] != "b = compute(1)" || strings.Contains(lines[0]+lines[2], "mpute") {
			t.Errorf("behind %q: %q", typed, lines)
		}
	}
	if n := r.model.Stats().Exchanges; n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestCompletionRenamedWhileStreaming: a document that is closed, and opened under another name, while the model writes
// gets nothing of that, and is completed anew.
func TestCompletionRenamedWhileStreaming(t *testing.T) {
	exchanges := make(chan *loopback.Exchange, 4)
	r := newRig(t, t.Context(), func(x *loopback.Exchange) {
		_ = x.InProgress()
		exchanges <- x
		select {
		case <-x.Cancelled():
		case <-x.Ended():
		}
	})
	defer r.end()
	old, now := "file:///rename/old.go", "file:///rename/new.go"
	open := func(uri string) *editor.Pending {
		t.Helper()
		if err := r.ed.Open(uri, "go", "x = \n"); err != nil {
			t.Fatal(err)
		}
		if err := r.ed.SetCursor(uri, 4); err != nil {
			t.Fatal(err)
		}
		p, err := ask(r.ed, uri)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := open(old)
	x := <-exchanges
	_ = x.Delta("before(")
	if err := r.ed.Close(old); err != nil {
		t.Fatal(err)
	}
	if err := wantCode(first.Wait(t.Context(), nil), "-32800"); err != nil {
		t.Error(err)
	}
	<-x.Cancelled()
	second := open(now)
	x = <-exchanges
	_ = x.Delta("after(1)\n")
	_ = x.Done()
	if got := accepted(t, r.ed, now, second); got != "x = after(1)\n" {
		t.Errorf("under the new name: %q", got)
	}
}
