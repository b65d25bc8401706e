package server

import (
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// The log is bounded in number and bytes, and drops the oldest: what is left still leads to the present text.
func TestEditLogBounds(t *testing.T) {
	var l editLog
	for range 3 * maxPast {
		l.add(PastEdit{0, "", "x", false})
	}
	if len(l.past) != maxPast || l.bytes != maxPast {
		t.Errorf("%d edits, %d bytes", len(l.past), l.bytes)
	}
	l.add(PastEdit{0, strings.Repeat("a", maxPastBytes/2), strings.Repeat("b", maxPastBytes/2), false})
	if len(l.past) != 1 || l.bytes != maxPastBytes {
		t.Errorf("beside a large edit: %d edits, %d bytes", len(l.past), l.bytes)
	}
	l.add(PastEdit{0, "", strings.Repeat("b", maxPastBytes+1), false})
	if len(l.past) != 0 || l.bytes != 0 {
		t.Errorf("a paste of a file is kept: %d edits, %d bytes", len(l.past), l.bytes)
	}
}

// A refused place moves with the text, and is free again once the user has edited it (D12).
func TestEditLogRefusals(t *testing.T) {
	list := []Proposal{{10, 13, "bar", 2}, {20, 23, "bar", 2}}
	var l editLog
	first, ok := l.choose(list, false)
	if !ok || first.Start != 10 || !first.fresh {
		t.Fatalf("%+v, %v", first, ok)
	}
	if again, _ := l.choose(list, false); again.id != first.id || again.fresh {
		t.Errorf("asked again: %+v", again)
	}
	l.reject(first.id + 1)
	if len(l.refused) != 0 {
		t.Error("another number was refused")
	}
	l.reject(first.id)
	l.carry(editops.Edit{Start: 0, End: 2, New: "12345"}) // three bytes more above
	moved := []Proposal{{13, 16, "bar", 2}, {23, 26, "bar", 2}}
	if o, ok := l.choose(moved, false); !ok || o.Start != 23 {
		t.Errorf("after an edit above: %+v, %v", o, ok)
	}
	if o, ok := l.choose(moved[:1], false); ok {
		t.Errorf("a refused place is offered: %+v", o)
	}
	if o, ok := l.choose(moved[:1], true); !ok || o.Start != 13 {
		t.Errorf("by hand: %+v, %v", o, ok)
	}
	l.carry(editops.Edit{Start: 14, End: 15, New: "z"})
	if len(l.refused) != 0 {
		t.Errorf("an edited place is still refused: %+v", l.refused)
	}
}

// Making the same edit further down instead refuses what was offered; asking twice does not.
func TestEditLogPassedOver(t *testing.T) {
	var l editLog
	if o, _ := l.choose([]Proposal{{10, 13, "bar", 2}, {20, 23, "bar", 2}, {30, 33, "bar", 2}}, false); o.Start != 10 {
		t.Fatalf("%+v", o)
	}
	l.carry(editops.Edit{Start: 20, End: 23, New: "bar"})
	if o, ok := l.choose([]Proposal{{10, 13, "bar", 3}, {30, 33, "bar", 3}}, false); !ok || o.Start != 30 {
		t.Errorf("%+v, %v", o, ok)
	}
}

// What a stream deleted is not held against a completion; what the user deleted is (D12).
func TestJustDeletedIsTheUsers(t *testing.T) {
	doc := lsp.NewDocuments(lsp.UTF8).Open("file:///a.go", "go", 1, "one()\n\n").After
	past := []PastEdit{{6, "", "two()", false}, {6, "two()", "", false}}
	if justDeleted(doc, 6, past) == nil {
		t.Error("a deletion of the user's is not seen")
	}
	past[1].Ours = true
	if d := justDeleted(doc, 6, past); d != nil {
		t.Errorf("a deletion of ours: %+v", d)
	}
}
