package offline

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const copiedGo = `package a

func load(path string) (*config, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, wrap(err, "open", path)
	}
	return parse(file, path)
}
`

// A line is copied with the names that stand where the cursor is.
func TestLinesAreTranslated(t *testing.T) {
	e := New(Options{})
	defer e.Close()
	e.AddFile("a.go", "go", copiedGo)
	const head = "package b\n\nfunc fetch(name string) (*config, error) {\n\thandle, failure := os.Open(name)\n\tif failure "
	for _, c := range []struct{ marked, want string }{
		{head + "|", "!= nil {"},
		{head + "!= nil {\n\t\treturn nil, wrap(|", `failure, "open", name)`},
		{head + "!= nil {\n\t\treturn nil, wrap(|)", `failure, "open", name`},
		{head + "!= nil {\n\t\treturn nil, wrap(failure, \"open\", name)\n\t}\n\treturn |", "parse(handle, name)"},
	} {
		if got, p := ask(t, e, "b.go", c.marked, true); got != c.want {
			t.Errorf("%q: %q (%.2f), want %q", c.marked, got, p, c.want)
		}
	}
	// From the document itself, with nothing indexed.
	bare := New(Options{})
	defer bare.Close()
	if got, _ := ask(t, bare, "b.go", copiedGo+"\nfunc g() {\n\tx, broken := os.Create(a)\n\tif broken |", true); got != "!= nil {" {
		t.Errorf("from the document: %q", got)
	}
}

// Asked with a floor, the engine says what it would say anyway or nothing: giving up early must not change the answer.
func TestLineFloor(t *testing.T) {
	e := New(Options{})
	defer e.Close()
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "index.go" {
			e.AddFile(name, "go", string(text))
		}
	}
	data, err := os.ReadFile("index.go")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	st := e.index.state.Load()
	said, silent := 0, 0
	for at := 50; at < len(text); at += 23 {
		d := &document{syntax: &goLike}
		d.update(source{text[:at], ""}, st.vocab)
		pl := d.at(place{})
		if pl.open != inCode || pl.typed != "" {
			continue
		}
		m := &mixer{table: make([]int32, 1<<10)}
		best, p := m.line(st, "index.go", &pl, 0)
		if len(best.words) > 0 != (p > 0) || p < 0 || p >= 1 || math.IsNaN(p) {
			t.Fatalf("at %d: %v with %v", at, best.words, p)
		}
		for i := range m.copier.list[:min(contenders, len(m.copier.list))] {
			if l := &m.copier.list[i]; i == 0 && l.hope() < p-1e-12 || l.asked > len(l.words)+1 {
				t.Fatalf("at %d: hope of %v after %d questions, likelihood %v", at, l.hope(), l.asked, p)
			}
		}
		words, n := slices.Clone(best.words), len(pl.before)
		for _, floor := range []float64{.05, .1, .2, .4} {
			got, q := m.line(st, "index.go", &pl, floor)
			switch {
			case len(pl.before) != n:
				t.Fatalf("at %d: the place was left changed", at)
			case p < floor && (q != 0 || got.words != nil), p >= floor && (q != p || !slices.Equal(got.words, words)):
				t.Fatalf("at %d: floor %v: %v with %v, without it %v with %v", at, floor, got.words, q, words, p)
			case q > 0:
				said++
			default:
				silent++
			}
		}
	}
	if said < 20 || silent < 20 {
		t.Errorf("%d answers and %d silences show little", said, silent)
	}
}

// Before anything is indexed brackets and keywords are what they are, not names of the document's own.
func TestColdVocabulary(t *testing.T) {
	d := &document{syntax: &goLike}
	d.update(source{"if x != nil { return f(a[1], func() {}) }", ""}, newVocabulary())
	for _, e := range d.local {
		if strings.ContainsAny(e.text, "(){}[],!=") || keywords[e.text] {
			t.Errorf("%q is local", e.text)
		}
	}
	if len(d.local) != 4 { // x, f, a, 1
		t.Errorf("%d local words", len(d.local))
	}
	// The numbers must stay those of a new vocabulary when the index makes one.
	v := newVocabulary()
	w := v.add("name", ident)
	tokens := []word{w, v.ids["if"]}
	n := v.renumber(tokens, nil)
	if n.ids["if"] != v.ids["if"] || n.words[tokens[0]].text != "name" || n.words[tokens[1]].text != "if" {
		t.Errorf("renumbered: %v", tokens)
	}
}
