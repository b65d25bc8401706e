package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/delivery"
	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// turn is one more thing that the user has to say about an edit.
type turn struct {
	instruction string
	comment     place // where they have written it, doc nil for nowhere; it goes with the edit
	moment      prompt.Moment
	parts       []session.Part // what the model reads of it; nil before it is put into words
	candidate   *candidate     // this is to be written, and no model is asked
}

// steered is the answer of spark-lsp.steer: exactly one of three outcomes, and why when it was refused.
type steered struct {
	Outcome session.Outcome `json:"outcome"`
	Reason  string          `json:"reason,omitempty"`
}

// steerArgument names an edit and says what shall become of it. Without an instruction a spark comment at the range, or
// else the only one in the document, gives it.
type steerArgument struct {
	ID          int             `json:"id,omitempty"`
	URI         string          `json:"uri,omitempty"`
	Range       *protocol.Range `json:"range,omitempty"`
	Instruction string          `json:"instruction,omitempty"`
}

// steerCommand redirects an edit that streams, or goes on with one that has ended: a model is often done before the
// user has said "no, use a map". The outcome is known when the request is on the wire.
func (s *Server) steerCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	var a steerArgument
	if len(arg) > 0 {
		if err := lsp.DecodeParams(arg, &a); err != nil {
			return nil, invalidParams("%s: the argument is {id?, uri?, range?, instruction?}: %v", cmdSteer, err)
		}
	}
	t := &turn{instruction: strings.TrimSpace(a.Instruction)}
	doc, open := snap.Get(a.URI)
	if open {
		a.URI = doc.URI
	}
	if t.instruction == "" && open {
		t.comment = commentFor(doc, a.Range)
		if t.comment.doc != nil {
			t.instruction, _ = commentLine(t.comment)
		}
	}
	if t.instruction == "" {
		return s.refuseSteer(errors.New("say what shall be different, in words or in a spark: comment")), nil
	}
	if g, p := s.delegated(a.ID, a.URI); g != nil {
		out, err := g.steer(t.instruction)
		return s.steeredTo(out, err, p, t.instruction), nil
	}
	at := -1
	if open && a.Range != nil {
		at, _ = doc.RangeToOffsets(*a.Range)
	}
	d, e := s.steerable(a.ID, a.URI, at)
	if e == nil {
		return s.refuseSteer(errors.New("there is no edit to redirect")), nil
	}
	return s.steer(d, e, t), nil
}

// commentFor is the spark comment that a range means, or without a range the first one of a document.
func commentFor(doc *lsp.Document, r *protocol.Range) place {
	at := place{doc: doc, end: doc.Text.Len()}
	if r != nil {
		at.start, at.end = doc.RangeToOffsets(*r)
	}
	c, ok := commentIn(at)
	if !ok {
		return place{}
	}
	return place{doc: doc, start: c.Start, end: lineBehind(doc.Text, doc.Text.LineAt(c.Start))}
}

// steerable is the edit that is meant: the one with that number, or else the latest of a document, or of all, that
// runs; where none runs, the latest that has ended. An offset of at least 0 prefers the one whose region is there.
func (s *Server) steerable(id int, uri string, at int) (in *document, found *edit) {
	best := [3]int{-1}
	for _, d := range s.documents() {
		if uri != "" && uri != d.uri {
			continue
		}
		d.mu.Lock()
		look := func(e *edit, running int) {
			there := 0
			if start, end := d.machine.Region(e.stream); uri != "" && start <= at && at <= end {
				there = 1
			}
			if rank := [3]int{running, there, e.id}; (id == 0 || id == e.id) && later(rank, best) {
				in, found, best = d, e, rank
			}
		}
		for _, e := range d.running {
			look(e, 1)
		}
		for _, e := range d.done {
			look(e, 0)
		}
		d.mu.Unlock()
	}
	return in, found
}

func later(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return false
}

// steer redirects an edit, and tells the user what became of that.
func (s *Server) steer(d *document, e *edit, t *turn) steered {
	out, err := s.redirect(d, e, t)
	s.mu.Lock()
	p := e.progress
	s.mu.Unlock()
	return s.steeredTo(out, err, p, t.instruction)
}

// delegated is the larger task that a redirection means: the one with that number, or else the latest, unless an edit
// streams that could be meant.
func (s *Server) delegated(id int, uri string) (g *delegation, p *progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	latest := 0
	for n, e := range s.edits {
		switch {
		case e.delegation == nil && id == 0 && e.stream != 0 && (uri == "" || uri == e.uri):
			return nil, nil
		case e.delegation != nil && (id == n || id == 0) && n > latest:
			g, p, latest = e.delegation, e.progress, n
		}
	}
	return g, p
}

// steeredTo tells the user what became of a redirection.
func (s *Server) steeredTo(out session.Outcome, err error, p *progress, instruction string) steered {
	if err != nil {
		return s.refuseSteer(err)
	}
	if word := fmt.Sprintf("%s: %s", out, shorten(instruction)); p == nil || !p.tell(word) {
		s.say(protocol.MessageTypeInfo, "spark-lsp: %s", word)
	}
	return steered{Outcome: out}
}

func (s *Server) refuseSteer(err error) steered {
	s.say(protocol.MessageTypeWarning, "spark-lsp: refused: %s", sentence(err))
	return steered{Outcome: session.SteerRefused, Reason: sentence(err)}
}

// shorten is the first line of an instruction, for a place where there is room for one.
func shorten(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if r := []rune(line); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return line
}

// steerPatience is how long the endpoint may take to take a redirection. Somebody waits for the word.
const steerPatience = 3 * time.Second

// redirect gives an edit another turn. An answer that is being written is cut, by the model's session: what is in the
// buffer stays there until the new answer comes to it, and a redirection that cannot be sent changes nothing. The next
// answer replaces what it wants otherwise; see delivery's Redirect. Before the first word and after the last one there
// is nothing to be cut: the request is simply made again, with what was said.
func (s *Server) redirect(d *document, e *edit, t *turn) (session.Outcome, error) {
	e.turns.Lock() // two redirections of one edit follow each other
	defer e.turns.Unlock()
	model, ok := s.model(session.Edit).(Steerer)
	if !ok {
		return session.SteerRefused, errors.New("the embedded engine follows no instructions")
	}
	for {
		d.mu.Lock()
		if d.running[e.stream] != e {
			d.mu.Unlock()
			return s.resume(d, e, t)
		}
		if e.talk.handle == (session.Handle{}) {
			if n := e.talk.next; n != nil { // said before the first was taken
				t.instruction = n.instruction + "\n" + t.instruction
			}
			if e.talk.leave == nil {
				t.moment = prompt.Written
			} else {
				e.talk.leave()
			}
			e.talk.next = t
			d.moveLocked()
			d.mu.Unlock()
			return session.SteerApplied, nil
		}
		d.machine.Hold(e.stream, true)
		t.parts = d.followUpLocked(e, t, d.machine.Present(e.stream, d.unseenLocked(e, t)...))
		e.talk.steered = t
		handle := e.talk.handle
		d.mu.Unlock()

		ctx, cancel := context.WithTimeout(s.root, steerPatience)
		out, err := model.Steer(ctx, handle, t.parts)
		cancel()
		if out != session.SteerRefused {
			return out, nil
		}
		d.mu.Lock()
		d.machine.Hold(e.stream, false)
		t.parts, e.talk.steered = nil, nil
		d.moveLocked()
		d.mu.Unlock()
		var refusal *session.Error
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return out, errors.New("the endpoint did not take it in time")
		case !errors.As(err, &refusal) || refusal.Kind != session.Bug:
			return out, err
		}
		// The answer has ended meanwhile. As soon as its reader has noticed, this is for what comes after it.
		d.await(func() bool { return e.talk.handle != handle })
	}
}

// await waits until something holds, which is asked with d.mu held, or until nobody would wait any longer.
func (d *document) await(holds func() bool) {
	patience := time.NewTimer(steerPatience)
	defer patience.Stop()
	for {
		d.mu.Lock()
		done, moved := holds(), d.moved
		d.mu.Unlock()
		if done {
			return
		}
		select {
		case <-moved:
		case <-patience.C:
			return
		case <-d.s.root.Done():
			return
		}
	}
}

// resume lets an edit that has ended go on, from what the buffer holds. It is queued while the user is asked whether the
// document may be sent.
func (s *Server) resume(d *document, e *edit, t *turn) (session.Outcome, error) {
	t.moment = prompt.Written
	d.await(func() bool { return !d.bringing })
	d.mu.Lock()
	doc := d.doc
	d.mu.Unlock()
	var begun atomic.Bool
	err := s.consented(doc, session.Edit, func(release func()) error {
		ctx, cancel := context.WithCancel(s.root)
		d.mu.Lock()
		err := d.againLocked(e)
		d.mu.Unlock()
		if err != nil {
			cancel()
			return err
		}
		begun.Store(true)
		s.mu.Lock()
		e.progress, e.token = nil, nil
		s.mu.Unlock()
		e.landed.Store(0)
		over := s.runs(e, cancel, release)
		s.refreshLenses()
		model := s.model(session.Edit)
		s.start(func(context.Context) {
			defer cancel()
			defer over()
			s.runEdit(ctx, e, d, model, t, over)
		})
		return nil
	})
	switch {
	case err != nil:
		return session.SteerRefused, err
	case !begun.Load():
		return session.SteerQueued, nil
	}
	return session.SteerApplied, nil
}

// againLocked takes an ended edit for a running one, or says why it cannot be. d.mu is held.
func (d *document) againLocked(e *edit) error {
	if d.bringing {
		return errors.New("an edit is being taken back in this document; try again in a moment")
	}
	if st := d.machine.State(e.stream); st == delivery.Lost {
		return errors.New("it is not known any more where that edit stands")
	}
	start, end := d.machine.Region(e.stream)
	for _, o := range d.running {
		if from, to := d.machine.Region(o.stream); from < end && start < to {
			return errOverlap
		}
	}
	d.beganAgainLocked(e)
	return nil
}

// errOverlap is what a person is told whose edit would meet another one.
var errOverlap = errors.New("another edit is being written in these lines; stop it first, or choose others")

// errUnanswered is the same where that has ended, and the editor owes a word: it may ask its user, and apply it yet.
var errUnanswered = errors.New("the editor has not said yet what became of the last edit of these lines; nothing else can be written there before it does")

// spentLocked is where a turn's comment is now, in bytes of the document. d.mu is held.
func (d *document) spentLocked(t *turn) [2]int {
	if t.comment.doc == nil {
		return [2]int{}
	}
	at, err := d.nowLocked(t.comment)
	if err != nil {
		return [2]int{}
	}
	return [2]int{at.start, at.end}
}

// unseenLocked are the instructions in the document that the model does not see as part of it: the turn's comment, and
// the one that began the edit, as long as the model has not come to it. d.mu is held.
func (d *document) unseenLocked(e *edit, t *turn) [][2]int {
	list := [][2]int{d.spentLocked(t)}
	if e.task.comment[0] < e.task.comment[1] {
		at, err := d.nowLocked(place{doc: e.task.doc, start: e.task.comment[0], end: e.task.comment[1]})
		if _, stands := commentLine(at); err == nil && stands {
			list = append(list, [2]int{at.start, at.end})
		}
	}
	return list
}

// followUpLocked is what the model reads of a turn. text is the region, without the turn's comment. d.mu is held.
func (d *document) followUpLocked(e *edit, t *turn, text string) []session.Part {
	said := strings.TrimRight(e.talk.said.String(), "\n")
	f := prompt.FollowUp{
		Moment: t.moment, Format: e.task.format, Region: text, Instruction: t.instruction,
		Same:     t.moment == prompt.Written && e.task.format == prompt.Region && said != "" && said == strings.TrimRight(editops.ModelText(text), "\n"),
		Accepted: e.talk.accepted, Rejected: e.talk.rejected,
	}
	return parts([]prompt.Message{f.Message()})
}

// take begins the answer to a turn: in the machine, in the conversation, and with a reader of its own. An edit that is
// still on its way is waited for.
func (s *Server) take(ctx context.Context, e *edit, d *document, t *turn, h *hearing) error {
	for {
		d.mu.Lock()
		spent, moved := d.spentLocked(t), d.moved
		shown := d.machine.Present(e.stream, d.unseenLocked(e, t)...)
		text, err := d.machine.Redirect(e.stream, spent)
		if err == nil {
			if t.parts == nil && t.candidate == nil {
				t.parts = d.followUpLocked(e, t, shown)
			}
			if said := e.talk.said.String(); said != "" && t.candidate == nil {
				e.talk.input = append(e.talk.input, session.Part{Role: session.Assistant, Text: said})
			}
			e.talk.input = append(e.talk.input, t.parts...)
			if t.comment.doc != nil {
				e.talk.spent = append(e.talk.spent, t.comment)
			}
			e.talk.said.Reset()
			e.talk.accepted, e.talk.rejected = 0, nil
			*h = hearing{answer: newAnswer(e.task.format, text, e.task), size: len(text)}
			if t.candidate != nil {
				h.answer = &verbatim{StreamDiff: editops.NewStreamDiff(text, editops.StreamOptions{LineEnd: lineEnd(e.task.doc.Text), Verbatim: true})}
				h.written = t.candidate
			}
			d.moveLocked()
			d.mu.Unlock()
			return nil
		}
		d.mu.Unlock()
		switch {
		case errors.Is(err, delivery.ErrOverlap):
			return errOverlap
		case !errors.Is(err, delivery.ErrFlying):
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
