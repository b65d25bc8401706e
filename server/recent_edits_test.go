package server

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
)

// editedDoc is a document whose changes a log follows.
type editedDoc struct {
	log *recentEdits
	doc *lsp.Document
}

func newEditedDoc(log *recentEdits, uri, text string) *editedDoc {
	d := &editedDoc{log, &lsp.Document{URI: uri, Version: 1, Mapper: lsp.Mapper{Text: lsp.NewText(text)}}}
	log.changed(lsp.Change{After: d.doc})
	return d
}

func (d *editedDoc) replace(old, new string) {
	at := strings.Index(d.doc.Text.String(), old)
	d.edit(editops.Edit{Start: at, End: at + len(old), New: new})
}

func (d *editedDoc) edit(edits ...editops.Edit) {
	after := d.doc.Text
	for _, e := range edits {
		after = after.Replace(e.Start, e.End, e.New)
	}
	next := &lsp.Document{URI: d.doc.URI, Version: d.doc.Version + 1, Mapper: lsp.Mapper{Text: after}}
	d.log.changed(lsp.Change{Before: d.doc, After: next, Edits: edits})
	d.doc = next
}

func anyPath(uri string) (string, bool) { return strings.TrimPrefix(uri, "file:///"), true }

func shownEdits(list []prompt.Snippet) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "%s:%d since=%v\n%s", s.Path, s.Line, s.Since, s.Text)
	}
	return b.String()
}

// TestRecentEdits: keys that follow each other are one stretch, the oldest stretch comes first, and each says which
// lines went and which came.
func TestRecentEdits(t *testing.T) {
	log := &recentEdits{}
	a := newEditedDoc(log, "file:///a.go", "one\ntwo\nthree\nfour\nfive\nsix\n")
	b := newEditedDoc(log, "file:///b.go", "uno\ndos\n")
	for _, k := range []string{"t", "tw", "two", "two!"} { // typed in place of what stood there
		a.replace(a.doc.Text.Line(1), k)
	}
	b.replace("uno", "eins")
	a.replace("five", "5")
	a.replace("six\n", "")
	base := a.doc.Version
	a.replace("one\n", "zero\none\n")
	list, complete := log.snippets("file:///a.go", base, anyPath)
	want := "a.go:2 since=false\n-two\n+two!\nb.go:1 since=false\n-uno\n+eins\na.go:5 since=false\n-five\n-six\n+5\na.go:1 since=true\n+zero\n"
	if got := shownEdits(list); got != want || !complete {
		t.Errorf("complete=%v\n%swant\n%s", complete, got, want)
	}
	if list, _ := log.snippets("file:///a.go", base, func(uri string) (string, bool) { return "a.go", uri == "file:///a.go" }); strings.Contains(shownEdits(list), "eins") {
		t.Error("a document that may not be read stands in another's prompt")
	}
	if got := a.doc.Text.Slice(list[2].Start, list[2].End); strings.TrimSpace(got) != "5" {
		t.Errorf("the third stretch stands at %q now", got)
	}
	log.changed(lsp.Change{Before: a.doc})
	newEditedDoc(log, "file:///a.go", "anew\n")
	if list, _ := log.snippets("file:///a.go", 1, anyPath); strings.Contains(shownEdits(list), "a.go") {
		t.Errorf("edits of before the document was closed are numbered like those of now:\n%s", shownEdits(list))
	}
}

// TestRecentEditsSinceASnapshot: what was typed before a snapshot and is taken back after it is told, since the snapshot
// shows it. A stretch that goes on over a snapshot unsealed says nothing of it, so that is not all there is.
func TestRecentEditsSinceASnapshot(t *testing.T) {
	for _, sealed := range []bool{true, false} {
		log := &recentEdits{}
		a := newEditedDoc(log, "file:///a.go", "one\ntwo\nthree\n")
		a.replace("two\n", "two\ninserted\n")
		snapshot := a.doc.Version
		if sealed {
			log.seal("file:///a.go")
		}
		a.replace("inserted\n", "")
		list, complete := log.snippets("file:///a.go", snapshot, anyPath)
		if told := strings.Contains(shownEdits(list), "since=true\n-inserted\n"); told != sealed || complete != sealed {
			t.Errorf("sealed=%v: complete=%v\n%s", sealed, complete, shownEdits(list))
		}
	}
}

// TestRecentEditsCutNoWord: of a long line no half of a word is told, which might be half a key.
func TestRecentEditsCutNoWord(t *testing.T) {
	const key = "AKIAIOSFODNN7Q2M9KXW"
	for pad := maxStretchLine - len(key) - 3; pad <= maxStretchLine; pad++ {
		log := &recentEdits{}
		a := newEditedDoc(log, "file:///a.go", "x\n")
		a.replace("x\n", strings.Repeat("y ", pad/2)+strings.Repeat(" ", pad%2)+key+" z\n")
		list, _ := log.snippets("file:///a.go", 1, anyPath)
		if got := strings.ReplaceAll(shownEdits(list), key, ""); strings.Contains(got, "AK") {
			t.Fatalf("pad %d: half a key is told:\n%s", pad, got)
		}
	}
}

// TestRecentEditsTellAll: whatever is edited, the stretches say which lines of the document are new, so that somebody
// who knows the document as it was finds every line of the one that is.
func TestRecentEditsTellAll(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		log := &recentEdits{}
		var text strings.Builder
		for i := range 30 {
			fmt.Fprintf(&text, "line %d\n", i)
		}
		d := newEditedDoc(log, "file:///a.go", text.String())
		for range 1 + r.IntN(25) {
			n := d.doc.Text.Len()
			start := r.IntN(n + 1)
			end := min(n, start+r.IntN(12))
			d.edit(editops.Edit{Start: start, End: end, New: []string{"", "x", "y\n", "z z z", "\n\n"}[r.IntN(5)]})
		}
		list, complete := log.snippets("file:///a.go", 1, anyPath)
		if !complete {
			t.Fatalf("seed %d: %d stretches are not all there is", seed, len(list))
		}
		known := text.String() + shownEdits(list)
		for n := range d.doc.Text.LineCount() {
			if l := d.doc.Text.Line(n); !strings.Contains(known, l+"\n") {
				t.Fatalf("seed %d: nothing tells of the line %q\n%s", seed, l, shownEdits(list))
			}
		}
	}
}
