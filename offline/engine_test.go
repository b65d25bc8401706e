package offline

import (
	"errors"
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/session"
)

// ask puts a cursor mark "|" question to the engine.
func ask(t testing.TB, e *Engine, path, marked string, explicit bool) (text string, confidence float64) {
	t.Helper()
	prefix, suffix, ok := strings.Cut(marked, "|")
	if !ok {
		t.Fatal("no cursor")
	}
	var kinds []session.EventKind
	for ev, err := range e.Stream(t.Context(), session.Request{Job: session.Completion, Explicit: explicit, FIM: session.FIM{Path: path, Prefix: prefix, Suffix: suffix}}) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, ev.Kind)
		switch ev.Kind {
		case session.Started:
			confidence = ev.Confidence
		case session.Delta:
			text += ev.Text
		}
	}
	if len(kinds) < 2 || kinds[0] != session.Started || kinds[len(kinds)-1] != session.Done {
		t.Fatalf("events %v", kinds)
	}
	return text, confidence
}

const serverGo = `package server

import (
	"fmt"
	"net/http"
)

func handle(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, "hello")
}
`

func TestCompletes(t *testing.T) {
	e := New(Options{})
	defer e.Close()
	e.AddFile("server.go", "go", serverGo)
	for _, c := range []struct {
		name, marked string
		explicit     bool
		want         string
	}{
		{"identifier from the workspace", "package x\n\nfunc f(w http.Re|", false, "sponseWriter, r *http.Request) {"},
		{"identifier from the document", "package x\n\nvar connectionPool = 1\n\nfunc f() {\n\tco|", false, "nnectionPool"},
		{"one letter is too little", "package x\n\nvar connectionPool = 1\n\nfunc f() {\n\tc|", false, ""},
		{"unless asked", "package x\n\nvar connectionPool = 1\n\nfunc f() {\n\tc|", true, "onnectionPool"},
		{"rest of a line", "package x\n\nfunc g(w http.ResponseWriter, r *http.Request) {\n\tif err := r.ParseForm();|", false, " err != nil {"},
		{"nothing known", "zzz qqq |", false, ""},
		{"in a comment", "// the ParseFo|", false, ""},
		{"in a literal", `x := "ParseFo|`, false, ""},
		{"inside a word", "package x\n\nfunc f(w http.Re|sponse", false, ""},
		{"before other text", "package x\n\nfunc f(w http.ResponseWriter, | x int)", true, ""},
	} {
		if got, p := ask(t, e, "x.go", c.marked, c.explicit); got != c.want {
			t.Errorf("%s: got %q (%.2f), want %q", c.name, got, p, c.want)
		} else if (got == "") != (p == 0) && p == 0 {
			t.Errorf("%s: confidence %v with text %q", c.name, p, got)
		}
	}
}

func TestFollowsNoInstructions(t *testing.T) {
	e := New(Options{})
	defer e.Close()
	for _, job := range []session.Job{session.Edit, session.Deep} {
		var got *session.Error
		for _, err := range e.Stream(t.Context(), session.Request{Job: job}) {
			if !errors.As(err, &got) {
				t.Fatalf("%s: %v", job, err)
			}
		}
		if got == nil || got.Kind != session.Unsupported || got.Message == "" {
			t.Errorf("%s: %+v", job, got)
		}
	}
}

// One line of 5 MB, typed in: the time is that of the window, not of the line.
func BenchmarkLongLine_D25(b *testing.B) {
	e := New(Options{})
	defer e.Close()
	line := strings.Repeat("var a=function(b,c){return b+c};", 160_000)
	i := 0
	for b.Loop() {
		i++
		at := len(line)/2 + i%1000
		for _, err := range e.Stream(b.Context(), session.Request{Job: session.Completion, FIM: session.FIM{Path: "a.js", Prefix: line[:at], Suffix: line[at+1:]}}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func TestLongLine_D25(t *testing.T) {
	e := New(Options{})
	defer e.Close()
	line := strings.Repeat("var a=function(b,c){return b+c};", 160_000)
	if text, _ := ask(t, e, "a.js", line+"var a=func|", false); text != "" {
		t.Errorf("unasked: %q", text)
	}
	if text, _ := ask(t, e, "a.js", line+"var a=func|", true); !strings.HasPrefix(text, "tion") {
		t.Errorf("%q", text)
	}
}
