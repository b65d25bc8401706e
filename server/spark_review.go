package server

import (
	"context"
	"reflect"
	"slices"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
)

// methodEditHunks tells a shell what to draw. A shell could work it out from the deltas and from what the user types,
// but then there would be two answers to what a hunk is, and only one of them knows what the user has taken back.
const methodEditHunks = "spark/edit/hunks"

type editHunks struct {
	URI     string      `json:"uri"`
	Version int32       `json:"version"` // what the ranges refer to
	Edits   []drawnEdit `json:"edits"`   // in the order of their ids; empty when there is nothing to draw
}

// drawnEdit is one edit as it stands in the document.
type drawnEdit struct {
	ID    int         `json:"id"`
	Hunks []drawnHunk `json:"hunks"`
	// Pending is what the model has yet to speak of, while the edit streams.
	Pending *protocol.Range `json:"pending,omitempty"`
}

// drawnHunk is what can be accepted or taken back by itself, numbered in the order of the document.
type drawnHunk struct {
	Range   protocol.Range `json:"range"`
	Changes []drawnChange  `json:"changes"` // word by word, so that what was kept is not drawn as new
}

type drawnChange struct {
	Range   protocol.Range `json:"range"`   // what was written; empty where something is gone
	Removed string         `json:"removed"` // what stood there
}

// draw keeps a shell informed about the edits of a document that stream or wait for the user's word, until there are
// none. It looks after every move of the document's machine; what happens while it sends is told in one.
func (d *document) draw(ctx context.Context) {
	told := editHunks{Edits: []drawnEdit{}}
	for {
		d.mu.Lock()
		now, moved := editHunks{URI: d.uri, Version: d.doc.Told, Edits: d.drawnLocked()}, d.moved
		if len(now.Edits) == 0 {
			d.drawing = false
		}
		drawing := d.drawing
		d.mu.Unlock()
		if len(now.Edits)+len(told.Edits) > 0 && !reflect.DeepEqual(now, told) {
			// A connection that has ended needs no more words.
			_ = d.s.client.Notify(ctx, methodEditHunks, now)
			if !slices.Equal(lensed(now.Edits), lensed(told.Edits)) {
				d.s.askForLenses() // after the message: whoever sees a lens can use the keys
			}
			told = now
		}
		if !drawing || d.s.document(d.uri) != d {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}

// lensed is what the lenses depend on: which edits have ended, and how many hunks each has left.
func lensed(edits []drawnEdit) []int {
	var list []int
	for _, e := range edits {
		if e.Pending == nil {
			list = append(list, e.ID, len(e.Hunks))
		}
	}
	return list
}

// drawnLocked are the edits that stream or can still be taken back. d.mu is held.
func (d *document) drawnLocked() []drawnEdit {
	list := []drawnEdit{}
	for _, e := range d.done {
		if hunks := d.drawnHunksLocked(e); len(hunks) > 0 {
			list = append(list, drawnEdit{ID: e.id, Hunks: hunks})
		}
	}
	for _, e := range d.running {
		de := drawnEdit{ID: e.id, Hunks: d.drawnHunksLocked(e)}
		start, end := d.machine.Region(e.stream)
		if hunks := d.machine.Hunks(e.stream); len(hunks) > 0 {
			start = min(max(start, hunks[len(hunks)-1].End), end)
		}
		pending := d.doc.OffsetsToRange(start, end)
		de.Pending = &pending
		list = append(list, de)
	}
	slices.SortFunc(list, func(a, b drawnEdit) int { return a.ID - b.ID })
	return list
}

func (d *document) drawnHunksLocked(e *edit) []drawnHunk {
	hunks := []drawnHunk{}
	for _, h := range d.machine.Hunks(e.stream) {
		drawn := drawnHunk{Range: d.doc.OffsetsToRange(h.Start, h.End), Changes: []drawnChange{}}
		at := h.Start // of the change, in the document
		last := 0     // where the one before ended, in the original
		for _, c := range editops.Diff(h.Original, d.doc.Text.Slice(h.Start, h.End)) {
			at += c.Start - last
			drawn.Changes = append(drawn.Changes, drawnChange{d.doc.OffsetsToRange(at, at+len(c.New)), h.Original[c.Start:c.End]})
			at, last = at+len(c.New), c.End
		}
		hunks = append(hunks, drawn)
	}
	return hunks
}
