package server

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/delivery"
	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// reviewArgument names an ended edit: by number, or the latest one of a document, or, with neither, the latest of
// all. Hunk counts from 0 in the order of the document; without it the whole edit is meant. Position stands for the edit
// and its hunk that are there.
type reviewArgument struct {
	ID    int             `json:"id,omitempty"`
	URI   string          `json:"uri,omitempty"`
	Range *protocol.Range `json:"range,omitempty"` // of the menu; not looked at
	Hunk  *int            `json:"hunk,omitempty"`

	Position    *protocol.Position `json:"position,omitempty"`
	Instruction string             `json:"instruction,omitempty"` // retry: what shall be different
}

// reviewed finds the edit that a review command means, or tells the user that there is none.
func (s *Server) reviewed(snap *lsp.Snapshot, command string, arg json.RawMessage) (*document, *edit, int, error) {
	var a reviewArgument
	if len(arg) > 0 {
		if err := lsp.DecodeParams(arg, &a); err != nil {
			return nil, nil, 0, invalidParams("%s: the argument is {id?, uri?, hunk?, position?}: %v", command, err)
		}
	}
	if doc, ok := snap.Get(a.URI); ok {
		a.URI = doc.URI
		if a.Position != nil {
			at := doc.PositionToOffset(*a.Position)
			e, n := s.hunkAt(place{doc: doc, start: at, end: at})
			if e == nil {
				s.say(protocol.MessageTypeInfo, "spark-lsp: there is no change at the cursor")
				return nil, nil, 0, nil
			}
			a.ID, a.Hunk = e.id, &n
		}
	}
	var in *document
	var found *edit
	for _, d := range s.documents() {
		if a.URI != "" && a.URI != d.uri {
			continue
		}
		d.mu.Lock()
		for _, e := range d.done {
			if (a.ID == 0 || a.ID == e.id) && (found == nil || e.id > found.id) {
				in, found = d, e
			}
		}
		d.mu.Unlock()
	}
	if found == nil {
		verb := command[len("spark-lsp."):]
		switch command {
		case cmdCandidate:
			verb = "show another candidate of"
		case cmdRest:
			verb = "insert the rest of"
		}
		s.say(protocol.MessageTypeInfo, "spark-lsp: there is no finished edit to %s", verb)
		return nil, nil, 0, nil
	}
	hunk := -1
	if a.Hunk != nil {
		hunk = *a.Hunk
	}
	return in, found, hunk, nil
}

// acceptCommand takes an edit, or one hunk of it, for the user's own: there is nothing left to take back.
func (s *Server) acceptCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	d, e, hunk, err := s.reviewed(snap, cmdAccept, arg)
	if err != nil || e == nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if hunk >= 0 {
		if err := d.machine.AcceptHunk(e.stream, hunk); err != nil {
			return nil, invalidParams("%s: the edit has no hunk %d", cmdAccept, hunk)
		}
		e.talk.accepted++
		d.moveLocked()
		s.refreshLenses()
		return nil, nil
	}
	d.machine.Accept(e.stream)
	d.forgetLocked(e)
	s.refreshLenses()
	return nil, nil
}

// rejectCommand takes an edit, or one hunk of it, back: the original text, rebased over whatever the user did since.
func (s *Server) rejectCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	d, e, hunk, err := s.reviewed(snap, cmdReject, arg)
	if err != nil || e == nil {
		return nil, err
	}
	d.mu.Lock()
	hunks := d.machine.Hunks(e.stream)
	if hunk >= len(hunks) {
		d.mu.Unlock()
		return nil, invalidParams("%s: the edit has no hunk %d", cmdReject, hunk)
	}
	back := func() ([]editops.Edit, error) { return d.machine.Reject(e.stream, -1) }
	var text string
	if hunk >= 0 {
		// Hunks are numbered anew when one is gone, and this one is asked for until it is.
		h := hunks[hunk]
		from, to := d.doc.Text.LineAt(h.Start), d.doc.Text.LineAt(max(h.Start, h.End-1))
		text = d.doc.Text.Slice(d.doc.Text.LineStart(from), lineBehind(d.doc.Text, to))
		back = func() ([]editops.Edit, error) {
			for n, o := range d.machine.Hunks(e.stream) {
				if h.At <= o.At && o.At <= h.At+len(h.Original) {
					return d.machine.Reject(e.stream, n)
				}
			}
			return nil, nil
		}
	}
	d.mu.Unlock()
	s.start(func(ctx context.Context) {
		if s.bring(ctx, d, back) {
			d.mu.Lock()
			if hunk < 0 {
				d.forgetLocked(e)
			} else {
				e.talk.rejected = append(e.talk.rejected, text)
			}
			d.mu.Unlock()
		}
		s.refreshLenses()
	})
	return nil, nil
}

// restCommand inserts what a stopped, paused or broken edit had to say and did not bring into the buffer.
func (s *Server) restCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	d, e, _, err := s.reviewed(snap, cmdRest, arg)
	if err != nil || e == nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.machine.Rest(e.stream)) == 0 {
		s.say(protocol.MessageTypeInfo, "spark-lsp: nothing is left of that edit")
		return nil, nil
	}
	if err := d.machine.Resume(e.stream); err != nil {
		s.say(protocol.MessageTypeWarning, "spark-lsp: the rest cannot be inserted: %v", err)
		return nil, nil
	}
	d.machine.Finish(e.stream)
	d.beganAgainLocked(e)
	s.start(func(context.Context) { s.deliverRest(d, e) })
	return nil, nil
}

// deliverRest sees the rest of an edit into the buffer: an edit like any other for whoever watches or stops it, but
// without a model.
func (s *Server) deliverRest(d *document, e *edit) {
	ctx, cancel := context.WithCancel(s.root)
	defer cancel()
	over := s.runs(e, cancel, nil)
	defer over()
	s.shellBegin(ctx, d, e, nil)
	st := d.settle(ctx, e.stream, silence)
	d.mu.Lock()
	o := outcome{state: st, reason: d.machine.Reason(e.stream), cancelled: ctx.Err() != nil, rest: len(d.machine.Rest(e.stream)) > 0, wrote: true}
	over()
	d.endedLocked(e)
	d.mu.Unlock()
	s.refreshLenses()
	s.shellEnd(e, o, o.reason)
}

// retryCommand takes an edit back and asks the model again. With an instruction it is not taken back: the model goes on
// from what it has written.
func (s *Server) retryCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	d, e, _, err := s.reviewed(snap, cmdRetry, arg)
	if err != nil || e == nil {
		return nil, err
	}
	var a reviewArgument
	if len(arg) > 0 {
		if err := lsp.DecodeParams(arg, &a); err != nil {
			return nil, invalidParams("%s: the argument is {id?, uri?, instruction?}: %v", cmdRetry, err)
		}
	}
	if words := strings.TrimSpace(a.Instruction); words != "" {
		return s.steer(d, e, &turn{instruction: words}), nil
	}
	s.start(func(ctx context.Context) {
		if !s.bring(ctx, d, func() ([]editops.Edit, error) { return d.machine.Reject(e.stream, -1) }) {
			return
		}
		d.mu.Lock()
		at := place{doc: d.doc}
		at.start, at.end = d.machine.Region(e.stream)
		if t := e.task; t.format == prompt.Hunks { // its region is the file, and its place is about where it was
			at.start, at.end = min(t.seen[0], d.doc.Text.Len()), min(t.seen[1], d.doc.Text.Len())
		}
		prior := append(slices.Clip(e.talk.input), session.Part{Role: session.Assistant, Text: e.talk.said.String()})
		d.forgetLocked(e)
		d.mu.Unlock()
		again := func(at place) (task, error) {
			t, err := e.task.again(at)
			t.prior = prior
			return t, err
		}
		if err := s.startTask(at, again); err != nil {
			s.say(protocol.MessageTypeWarning, "spark-lsp: the edit cannot be tried again: %v", err)
		}
	})
	return nil, nil
}

// bringTries bounds how often a change of several places is sent again because the document moved under it.
const bringTries = 5

// bring sees edits of the present document into the buffer, all in one. wanted computes them anew for each try, with
// d.mu held; when it has none left, the buffer is as it should be, whatever the editor answered. Meanwhile no edit
// begins in the document and no other change is brought.
//
// A change is sent again when the editor refused it and the document has moved on, or when an editor that is known to
// drop stale edits in silence (Neovim) shows a document without it. After any other yes it is only waited for: its echo
// may come behind what the user types.
func (s *Server) bring(ctx context.Context, d *document, wanted func() ([]editops.Edit, error)) bool {
	// Whoever stops an edit and takes it back in one breath is quicker than its last piece.
	d.await(func() bool { return !d.bringing && (len(d.running) > 0 || !d.machine.Busy()) })
	d.mu.Lock()
	if d.bringing || d.machine.Busy() {
		d.mu.Unlock()
		s.say(protocol.MessageTypeWarning, "spark-lsp: an edit is being written in this document; stop it first")
		return false
	}
	d.bringing = true
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.bringing = false
		d.moveLocked()
		d.mu.Unlock()
	}()
	for range bringTries {
		d.mu.Lock()
		edits, err := wanted()
		doc := d.doc
		d.mu.Unlock()
		if err != nil {
			s.say(protocol.MessageTypeWarning, "spark-lsp: %v", err)
			return false
		}
		if len(edits) == 0 {
			return true
		}
		result, err := s.client.ApplyEdit(ctx, "", lsp.DocumentEdit{Document: doc, Edits: edits})
		if err != nil {
			s.log.Info("the editor refused an edit", zap.Error(err))
		}
		again := err != nil || !result.Applied || s.profile().DropsStale
		done, moved := d.awaitNone(ctx, doc.Version, wanted, again)
		if done {
			return true
		}
		if !moved {
			break
		}
	}
	if ctx.Err() == nil {
		s.say(protocol.MessageTypeWarning, "spark-lsp: the editor did not take the change")
	}
	return false
}

// awaitNone waits until nothing is wanted any more. With again it gives up as soon as the document has moved on from
// version and something still is; in any case after a silence of the editor.
func (d *document) awaitNone(ctx context.Context, version int32, wanted func() ([]editops.Edit, error), again bool) (done, moved bool) {
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for {
		d.mu.Lock()
		edits, err := wanted()
		moved, change := d.doc.Version != version, d.moved
		d.mu.Unlock()
		if err == nil && len(edits) == 0 {
			return true, moved
		}
		if moved && again {
			return false, true
		}
		select {
		case <-change:
		case <-timer.C:
			return false, false
		case <-ctx.Done():
			return false, false
		}
	}
}

// reviewable reports whether a document has an ended edit that can be accepted or taken back, and whether one has a
// rest.
func (s *Server) reviewable(uri string) (some, rest bool) {
	d := s.document(uri)
	if d == nil {
		return false, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.done) == 0 {
		return false, false
	}
	last := d.done[len(d.done)-1]
	if d.machine.State(last.stream) == delivery.Done && len(d.machine.Hunks(last.stream)) == 0 {
		return false, false // it changed nothing, or the user has taken it back
	}
	return true, len(d.machine.Rest(last.stream)) > 0
}
