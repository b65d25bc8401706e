package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/delivery"
	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// talk is what an edit and the model have said to each other. It lives as long as the edit can be gone on from; its
// document's mutex guards it.
type talk struct {
	base   []session.Part
	input  []session.Part     // the conversation, without the answer under way
	said   strings.Builder    // that answer so far, or the last one, in the model's own words
	handle session.Handle     // of that answer, while it can be steered
	leave  context.CancelFunc // ends it; nil while the model is not asked

	steered *turn // sent, or being sent, by Steer: the answer's next Started begins its answer
	next    *turn // waits for the end of what is under way

	spent []place // comments that were instructions

	accepted int      // changes that the user has accepted one by one since
	rejected []string // and the text of those that they have taken back
}

// runEdit asks the model, turns what it says into edits while it says it, and sees them into the buffer; then the same
// for what the user has said meanwhile. t is what they want of an edit that had ended; nil begins it.
// over is called when it ends, see runs.
func (s *Server) runEdit(ctx context.Context, e *edit, d *document, model Model, t *turn, over func()) {
	report := s.reportEdit(ctx, e)
	s.mu.Lock()
	e.progress = report.progress
	s.mu.Unlock()
	defer s.working()()
	s.shellBegin(ctx, d, e, t)
	for {
		o := s.runTurn(ctx, e, d, model, t, report)
		shown := t != nil && t.candidate != nil
		d.mu.Lock()
		t, e.talk.next = e.talk.next, nil
		if t == nil || ctx.Err() != nil {
			spent := e.talk.spent
			e.talk.spent = nil
			over() // before the edit has ended for its document and can be gone on with
			d.endedLocked(e)
			d.mu.Unlock()
			s.refreshLenses()
			report.done(o)
			s.removeComments(d, spent)
			if o.state == delivery.Done && o.failure == nil && o.wrote && !shown {
				s.secondLook(d, e)
			}
			return
		}
		d.mu.Unlock()
	}
}

// runTurn takes one answer of the model's to its end in the buffer.
func (s *Server) runTurn(ctx context.Context, e *edit, d *document, model Model, t *turn, report *editReport) outcome {
	var h hearing
	if t == nil {
		region := e.task.doc.Text.Slice(e.task.start, e.task.end)
		p := s.editPrompt(e.task)
		h = hearing{answer: newAnswer(e.task.format, region, e.task), size: len(region)}
		d.mu.Lock()
		e.talk.base, e.talk.input = parts(p.Base), parts(p.Input)
		if e.task.prior != nil && e.task.format == prompt.Region {
			f := prompt.FollowUp{Moment: prompt.TakenBack, Region: e.task.text.Slice(e.task.seen[0], e.task.seen[1]), Instruction: e.task.instruction}
			e.talk.input = append(slices.Clip(e.task.prior), parts([]prompt.Message{f.Message()})...)
		}
		d.mu.Unlock()
	} else if err := s.take(ctx, e, d, t, &h); err != nil {
		d.stop(e.stream)
		d.mu.Lock()
		defer d.mu.Unlock()
		return outcome{state: d.machine.State(e.stream), failure: err, cancelled: ctx.Err() != nil, wrote: true}
	}

	// What ends the edit on the editor's side (the user takes it back, closes the document) ends the answer too,
	// however long the model is silent.
	asking, stopAsking := context.WithCancel(ctx)
	defer stopAsking()
	s.start(func(context.Context) {
		d.settle(asking, e.stream, 0)
		stopAsking()
	})
	var failure error
	complete := false
	n := e.task.candidates
	if n == 0 {
		n = s.optionsFor(e.task.doc).EditCandidates
	}
	for {
		switch {
		case h.written != nil:
			report.shown = h.written.name
			complete, failure = true, d.push(e.stream, h.answer, h.Push(editops.ModelText(h.written.text)))
		case t == nil && n > 1:
			complete, failure = s.hearBest(asking, e, d, model, n, &h, report)
			n = 1 // what is asked for again is asked for once
		default:
			complete, failure = s.hear(asking, e, d, model, &h, report)
		}
		if complete && failure == nil {
			failure = d.push(e.stream, h.answer, h.Finish())
		}
		again := h.Again()
		if again == "" || !complete || failure != nil {
			break
		}
		p := s.againPrompt(e.task, h.answer, again)
		d.mu.Lock()
		e.talk.input = parts(p.Input)
		d.mu.Unlock()
	}
	d.mu.Lock()
	if complete && failure == nil {
		d.machine.Finish(e.stream)
	} else if !d.machine.State(e.stream).Ended() {
		// An answer that broke off is not brought to an end by us: no half hunk goes into the buffer, and nothing
		// that the model has not spoken of is deleted. What has not been delivered is offered as the rest.
		d.machine.Stop(e.stream)
	}
	d.moveLocked()
	d.mu.Unlock()
	st := d.settle(ctx, e.stream, silence)
	// What was on its way when the answer broke off is in the buffer or not; what is said of it waits for that.
	d.await(func() bool { return !d.machine.Flying(e.stream) })
	if asking.Err() != nil && errors.Is(failure, context.Canceled) {
		failure = nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return outcome{
		state: st, reason: d.machine.Reason(e.stream), failure: failure, cancelled: ctx.Err() != nil,
		rest: len(d.machine.Rest(e.stream)) > 0, wrote: d.machine.Stats(e.stream).Applied > 0, left: h.Left(),
	}
}

// hearing is an answer that is being listened to. Steered, it becomes another one.
type hearing struct {
	answer
	size    int        // bytes of the text that it is about
	written *candidate // it is there already
}

// hearBest takes several responses and goes on with the best of them, as if it had come alone.
func (s *Server) hearBest(ctx context.Context, e *edit, d *document, model Model, n int, h *hearing, report *editReport) (complete bool, failure error) {
	list, err := s.fanOut(ctx, e, d, model, n, e.task.doc.Text.Slice(e.task.start, e.task.end), report)
	if err != nil {
		return false, err
	}
	d.mu.Lock()
	e.candidates, e.candidate = list, 0
	e.talk.said.Reset()
	e.talk.said.WriteString(list[0].said)
	d.mu.Unlock()
	report.text(list[0].said)
	if len(list[0].problems) > 0 {
		s.say(protocol.MessageTypeWarning, "spark-lsp: none of the candidates is sound; the best of them: %s", strings.Join(list[0].problems, "; "))
	}
	return true, d.push(e.stream, h.answer, h.Push(list[0].said))
}

// hear takes one response of the model's. complete says that it came to its own end.
func (s *Server) hear(ctx context.Context, e *edit, d *document, model Model, h *hearing, report *editReport) (complete bool, failure error) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	d.mu.Lock()
	if e.talk.next != nil { // said before the model was asked
		d.mu.Unlock()
		return false, context.Canceled
	}
	e.talk.leave = leave
	e.talk.said.Reset()
	req := session.Request{
		Job: session.Edit, Base: e.talk.base, Input: slices.Clip(e.talk.input), Explicit: true,
		MaxOutputTokens: maxEditTokens(h.size), CacheKey: e.uri, Trace: report.trace(),
	}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		e.talk.handle, e.talk.leave = session.Handle{}, nil
		d.moveLocked()
		d.mu.Unlock()
	}()
	for ev, err := range s.answerOf(ctx, model, req, e.task.own()) {
		if failure = err; failure == nil {
			switch ev.Kind {
			case session.Started:
				d.mu.Lock()
				t := e.talk.steered
				e.talk.handle, e.talk.steered = ev.Response, nil
				d.mu.Unlock()
				if t != nil {
					failure = s.take(ctx, e, d, t, h)
				}
			case session.Delta:
				report.text(ev.Text)
				d.mu.Lock()
				e.talk.said.WriteString(ev.Text)
				d.mu.Unlock()
				failure = d.push(e.stream, h.answer, h.Push(ev.Text))
			case session.Done:
				report.tokens += ev.Usage.Output
				if complete = ev.Reason == session.Complete; !complete {
					failure = fmt.Errorf("the model stopped early (%s)", ev.Reason)
				}
			}
		}
		if failure != nil {
			break
		}
	}
	return complete, failure
}

// push hands new edits of a stream to the document's machine.
func (d *document) push(stream delivery.StreamID, ans answer, edits []editops.Edit) error {
	if err := ans.Err(); err != nil {
		return err
	}
	// Also without edits: a kept line can be what completes the hunk above it.
	d.mu.Lock()
	d.machine.Push(stream, edits, ans.Settled())
	d.moveLocked()
	d.mu.Unlock()
	return nil
}

// silence is how long an editor may leave an edit without a word before the edit is given up. Emacs tells of changes
// only when the user pauses, so this is long; nothing is ever sent again because of it.
const silence = 10 * time.Second

// settle waits until a stream has ended: its text is in the buffer, or never will be. The end of ctx stops the
// stream. So does a silence of the editor, if patience is not 0.
func (d *document) settle(ctx context.Context, stream delivery.StreamID, patience time.Duration) delivery.State {
	for {
		d.mu.Lock()
		st, moved := d.machine.State(stream), d.moved
		d.mu.Unlock()
		if st.Ended() {
			return st
		}
		var expired <-chan time.Time
		var timer *time.Timer
		if patience > 0 {
			timer = time.NewTimer(patience)
			expired = timer.C
		}
		select {
		case <-moved:
		case <-expired:
			d.stop(stream)
			return delivery.Lost
		case <-ctx.Done():
			if patience > 0 { // whoever only watches does not decide
				d.stop(stream)
			}
			return delivery.Stopped
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

func (d *document) stop(stream delivery.StreamID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.machine.Stop(stream)
	d.moveLocked()
}
