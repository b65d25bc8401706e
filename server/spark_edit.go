package server

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/delivery"
	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// The messages for shells that announce experimental.sparkEdit, specified in docs/extensions.md. A shell applies and
// acknowledges; everything else, rebasing above all, is done here, by the same machine as for every other editor.
const (
	methodEditBegin   = "spark/edit/begin"
	methodEditDelta   = "spark/edit/delta"
	methodEditEnd     = "spark/edit/end"
	methodEditAck     = "spark/edit/ack"
	methodEditCancel  = "spark/edit/cancel"
	methodEditResolve = "spark/edit/resolve"
)

type editBegin struct {
	ID      int            `json:"id"`
	URI     string         `json:"uri"`
	Version int32          `json:"version"`
	Range   protocol.Range `json:"range"` // the region, in that version
	Title   string         `json:"title"`
}

type editDelta struct {
	ID      int                 `json:"id"`
	Seq     int                 `json:"seq"` // from 1, for each edit
	URI     string              `json:"uri"`
	Version int32               `json:"version"` // what the ranges refer to; on any other the shell applies nothing
	Edits   []protocol.TextEdit `json:"edits"`
}

type editEnd struct {
	ID      int    `json:"id"`
	URI     string `json:"uri"`
	Status  string `json:"status"` // done, stopped, paused, undone, lost or failed
	Message string `json:"message,omitempty"`
	Rest    bool   `json:"rest"` // spark-lsp.rest has something to insert
}

// shellBegin tells a shell of an edit, or of one that goes on with t.
func (s *Server) shellBegin(ctx context.Context, d *document, e *edit, t *turn) {
	s.notifyStatus(ctx)
	if s.profile().Name != "spark" {
		return
	}
	doc, start, end, title := e.task.doc, e.task.start, e.task.end, e.task.instruction
	if t != nil {
		d.mu.Lock()
		doc, title = d.doc, t.instruction
		start, end = d.machine.Region(e.stream)
		d.mu.Unlock()
	}
	_ = s.client.Notify(ctx, methodEditBegin, editBegin{ // a connection that has ended needs no more words
		ID: e.id, URI: doc.URI, Version: doc.Told, Range: doc.OffsetsToRange(start, end), Title: title,
	})
}

// shellSend sends one edit to a shell. The answer is spark/edit/ack.
func (d *document) shellSend(ctx context.Context, doc *lsp.Document, e *edit, edit editops.Edit) error {
	edits, err := doc.TextEdits(edit)
	if err != nil {
		return err
	}
	d.mu.Lock()
	e.seq++
	seq := e.seq
	d.mu.Unlock()
	return d.s.client.Notify(ctx, methodEditDelta, editDelta{ID: e.id, Seq: seq, URI: doc.URI, Version: doc.Told, Edits: edits})
}

// shellEnd tells a shell how an edit ended.
func (s *Server) shellEnd(e *edit, o outcome, message string) {
	defer s.notifyStatus(context.Background())
	if s.profile().Name != "spark" {
		return
	}
	status := o.state.String()
	switch {
	case o.failure != nil:
		status = "failed"
	case o.cancelled:
		status = delivery.Stopped.String()
	}
	_ = s.client.Notify(context.Background(), methodEditEnd, editEnd{ID: e.id, URI: e.uri, Status: status, Message: message, Rest: o.rest})
}

// editAck is a shell's answer to a delta. One that is late, or of another edit, changes nothing.
func (s *Server) editAck(_ *lsp.Snapshot, p *struct {
	ID      int  `json:"id"`
	Seq     int  `json:"seq"`
	Applied bool `json:"applied"`
}) error {
	for _, d := range s.documents() {
		d.mu.Lock()
		// Also of one that has ended: its last piece may be on its way, and who stops an edit is quicker than that.
		known := append(slices.Collect(maps.Values(d.running)), d.done...)
		current := slices.ContainsFunc(known, func(e *edit) bool { return e.id == p.ID && e.seq == p.Seq })
		d.mu.Unlock()
		if current {
			d.replied(p.Applied, nil)
		}
	}
	return nil
}

// editCancel is the user's "stop" in a shell.
func (s *Server) editCancel(_ *lsp.Snapshot, p *struct {
	ID int `json:"id"`
}) error {
	s.stopEdits(func(e *edit) bool { return p.ID == 0 || e.id == p.ID })
	return nil
}

// editResolve accepts or rejects an edit, or one hunk of it.
func (s *Server) editResolve(_ context.Context, snap *lsp.Snapshot, p *struct {
	ID     int    `json:"id"`
	Action string `json:"action"` // accept or reject
	Hunk   *int   `json:"hunk"`
}) (any, error) {
	arg, err := json.Marshal(reviewArgument{ID: p.ID, Hunk: p.Hunk})
	if err != nil {
		return nil, err
	}
	switch p.Action {
	case "accept":
		return s.acceptCommand(snap, arg)
	case "reject":
		return s.rejectCommand(snap, arg)
	}
	return nil, invalidParams("%s: action is accept or reject, not %q", methodEditResolve, p.Action)
}
