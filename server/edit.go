package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/delivery"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// editArgument is the argument of spark-lsp.edit.
type editArgument struct {
	URI         string          `json:"uri"`
	Range       *protocol.Range `json:"range,omitempty"`
	Instruction string          `json:"instruction,omitempty"`
	Candidates  int             `json:"candidates,omitempty"` // 0 is the setting's number
}

// edit is one edit that streams into a document, from the command to the last word about it.
type edit struct {
	id       int
	uri      string
	task     task
	stream   delivery.StreamID // in its document's machine
	cancel   context.CancelFunc
	seq      int                    // of the last spark/edit/delta. document.mu guards it.
	progress *progress              // nil before the model is asked. Server.mu guards it.
	token    protocol.ProgressToken // what its progress is named by; nil while none is shown. Server.mu guards it.
	landed   atomic.Int64           // when its first text was seen in the buffer, Unix nanoseconds; 0 before
	turns    sync.Mutex             // held while it is redirected; taken before all others
	talk     talk                   // document.mu guards it

	candidates []candidate // of several answers, the best first. document.mu guards them.
	candidate  int         // the one that is shown

	delegation *delegation // of a larger task, which streams into no document. Server.mu guards it.
}

// task is what an edit is to do: the region that is replaced, and the text that the model sees in its place.
type task struct {
	doc         *lsp.Document
	start, end  int       // the region, whole lines, bytes of doc
	text        *lsp.Text // doc without the spark comment
	seen        [2]int    // the region in text
	comment     [2]int    // the spark comment in doc; empty for none
	instruction string
	title       string         // of the action; "" for an instruction in the user's words
	format      prompt.Format  // of the answer
	sources     []string       // of the context that it is sent with; none means all
	candidates  int            // how many answers are asked for; 0 is the setting's number
	prior       []session.Part // what was said about it before it was taken back
	again       taskMaker      // made it
}

// taskMaker says what an edit at a place is to do. It is called anew when the user asks for another try.
type taskMaker func(at place) (task, error)

// errNoInstruction is what a person is told who asked for an edit without saying which.
var errNoInstruction = errors.New("say what to do in a comment in or above the selection, for instance: spark: return an error instead of panicking")

// editTask finds the region and the instruction that a place means. What the user has selected is the region, byte for
// byte: nothing outside of it is touched. A spark comment belongs to the region, so that the edit removes it and a
// rejection brings it back, but the model does not see it. Without a selection the block below the comment is meant,
// or the statement at the cursor.
func editTask(at place, instruction string) (task, error) {
	doc := at.doc
	t := task{doc: doc, text: doc.Text, start: at.start, end: at.end, instruction: strings.TrimSpace(instruction)}
	selected := selects(doc.Text, at.start, at.end)
	comment, found := commentIn(at)
	if t.instruction == "" {
		if !found {
			return task{}, errNoInstruction
		}
		t.instruction = comment.Instruction
	} else if found && (comment.Start < at.start || comment.End > at.end) {
		found = false // an instruction was given, so a comment beside the selection is none of its business
	}
	switch {
	case found && (!selected || strings.TrimSpace(without(doc.Text.Slice(t.start, t.end), comment, t.start)) == ""):
		// Nothing but the comment is selected: it speaks of what stands below it.
		t.start, t.end = comment.Start, comment.End
		if _, end, ok := prompt.BlockBelow(doc.Text, comment.Below); ok && comment.Below < doc.Text.Len() {
			t.end = end
		}
	case found:
		t.start, t.end = min(t.start, comment.Start), max(t.end, comment.End)
	case !selected:
		from := doc.Text.LineStart(doc.Text.LineAt(at.start))
		t.start, t.end = from, lineBehind(doc.Text, doc.Text.LineAt(at.start))
		if start, end, ok := prompt.BlockBelow(doc.Text, from); ok {
			t.start, t.end = start, end
		}
	}
	t.seen = [2]int{t.start, t.end}
	if found {
		t.text = doc.Text.Replace(comment.Start, comment.End, "")
		t.seen[1] -= comment.End - comment.Start
		t.comment = [2]int{comment.Start, comment.End}
	}
	return t, nil
}

// selects reports whether a range is a selection. A cursor is an empty range, and Helix's is one character wide.
func selects(t *lsp.Text, start, end int) bool {
	if start == end {
		return false
	}
	s := t.Slice(start, min(end, start+8))
	for i := range s {
		if i > 0 {
			return true // a second character
		}
	}
	return end-start > len(s)
}

// without is a region's text without the comment in it. start is the region's offset.
func without(s string, c prompt.Comment, start int) string {
	from, to := max(c.Start-start, 0), min(c.End-start, len(s))
	if from >= to {
		return s
	}
	return s[:from] + s[to:]
}

// lineBehind is the offset behind line n's line end.
func lineBehind(t *lsp.Text, n int) int {
	if n+1 < t.LineCount() {
		return t.LineStart(n + 1)
	}
	return t.Len()
}

// editCommand starts an edit. It answers at once: Emacs waits for the answer with everything, and Helix gives up
// after 20 seconds.
func (s *Server) editCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	var a editArgument
	if len(arg) > 0 {
		if err := lsp.DecodeParams(arg, &a); err != nil {
			return nil, invalidParams("%s: the argument is {uri, range?, instruction?}: %v", cmdEdit, err)
		}
	}
	if a.URI == "" {
		s.say(protocol.MessageTypeInfo, "spark-lsp: choose \"Edit with spark\" from the code actions of a selection")
		return nil, nil
	}
	doc, ok := snap.Get(a.URI)
	if !ok {
		return nil, invalidParams("%s: %s is not open", cmdEdit, a.URI)
	}
	if !s.optionsFor(doc).Enabled {
		s.say(protocol.MessageTypeInfo, "spark-lsp: switched off here by the setting \"enabled\"")
		return nil, nil
	}
	at := place{doc: doc}
	switch {
	case a.Range != nil:
		at.start, at.end = doc.RangeToOffsets(*a.Range)
	case strings.TrimSpace(a.Instruction) != "":
		at.end = doc.Text.Len() // the file
	default:
		if c, ok := prompt.CommentAt(doc.Text, 0, doc.Text.LineCount()-1); ok {
			at.start, at.end = c.Start, c.Start
		}
	}
	return nil, s.startTask(at, func(at place) (task, error) {
		t, err := editTask(at, a.Instruction)
		t.candidates = min(a.Candidates, maxCandidates)
		return t, err
	})
}

// maxCandidates bounds the answers to one instruction, as the setting does.
const maxCandidates = 4

// startEdit begins an edit by an instruction.
func (s *Server) startEdit(at place, instruction string) error {
	return s.startTask(at, func(at place) (task, error) { return editTask(at, instruction) })
}

// startTask begins an edit in the background, or says why it cannot be. The user may have typed since the place was
// looked at: it is carried along to the document as it is now. In a document that is closed to models the user is
// asked first.
func (s *Server) startTask(at place, what taskMaker) error {
	return s.consented(at.doc, session.Edit, func(release func()) error { return s.beginTask(at, what, release) })
}

// beginTask is startTask for a document that may be sent. release is called when the edit has ended, unless there is
// an error.
func (s *Server) beginTask(at place, what taskMaker, release func()) (err error) {
	d := s.document(at.doc.URI)
	if d == nil {
		return lsp.ErrContentModified
	}
	s.mu.Lock()
	s.lastEdit++
	id := s.lastEdit
	s.mu.Unlock()
	d.await(func() bool { return !d.bringing }) // what was just taken back is on its way out
	d.mu.Lock()
	at, err = d.nowLocked(at)
	if err != nil {
		d.mu.Unlock()
		return err
	}
	t, err := what(at)
	if err != nil {
		d.mu.Unlock()
		release()
		s.say(protocol.MessageTypeWarning, "spark-lsp: %v", err)
		return nil
	}
	t.again = what
	if d.bringing {
		d.mu.Unlock()
		release()
		s.say(protocol.MessageTypeWarning, "spark-lsp: another change is being brought into this document; try again in a moment")
		return nil
	}
	e := &edit{id: id, uri: d.uri, task: t}
	stream, err := d.machine.Begin(t.doc.Text, t.doc.Version, t.start, t.end, s.profile().Mode)
	if err == nil {
		e.stream = stream
		d.begunLocked(e)
	}
	d.mu.Unlock()
	switch {
	case errors.Is(err, delivery.ErrOverlap):
		err = errOverlap
	case errors.Is(err, delivery.ErrFlying):
		err = errUnanswered
	}
	if err == errOverlap || err == errUnanswered {
		release()
		s.say(protocol.MessageTypeWarning, "spark-lsp: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.root)
	over := s.runs(e, cancel, release)
	model := s.model(session.Edit)
	s.start(func(context.Context) {
		defer cancel()
		defer over()
		s.runEdit(ctx, e, d, model, nil, over)
	})
	return nil
}

// runs lists an edit among those that run. over takes it out again and calls release, which may be nil: before anybody
// hears that the edit is over, since whoever then asks for the next one needs another yes for a closed document. Only its
// first call does anything: by the second, the edit may have been gone on with.
func (s *Server) runs(e *edit, cancel context.CancelFunc, release func()) (over func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.cancel = cancel
	s.edits[e.id] = e
	return sync.OnceFunc(func() {
		s.mu.Lock()
		delete(s.edits, e.id)
		s.mu.Unlock()
		if release != nil {
			release()
		}
	})
}

// editPrompt is what the model reads of a task.
func (s *Server) editPrompt(t task) prompt.Prompt {
	in := s.gather(t.doc, t.seen[0], session.Edit)
	in.Context = only(in.Context, t.sources)
	in.Text, in.Start, in.End, in.Instruction = t.text, t.seen[0], t.seen[1], t.instruction
	p := prompt.Edit(in)
	if t.format == prompt.Hunks {
		syntax := s.hunkSyntax()
		in.Instruction += markersNote(t.text.String(), syntax)
		p = prompt.EditHunks(in, syntax)
	}
	s.logPrompt(p)
	return p
}

// againPrompt asks once more for what of an answer could not be used. The file is the one that the answer has made so
// far; what the user has typed meanwhile is none of the model's business.
func (s *Server) againPrompt(t task, ans answer, again string) prompt.Prompt {
	if h, ok := ans.(*hunkAnswer); ok {
		t.text = lsp.NewText(h.Text())
		t.seen = [2]int{min(t.seen[0], t.text.Len()), min(t.seen[1], t.text.Len())}
	}
	t.instruction += "\n\n" + again
	return s.editPrompt(t)
}

// stopEdits cancels the running edits that match. What they have written stays.
func (s *Server) stopEdits(match func(*edit) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.edits {
		if match(e) {
			e.cancel()
		}
	}
}

// streaming reports whether an edit is being written into a document; a job that is none does not count.
func (s *Server) streaming(uri string) bool {
	d := s.document(uri)
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.running) > 0
}

// editing reports whether an edit streams into a document.
func (s *Server) editing(uri string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.edits {
		if e.uri == uri {
			return true
		}
	}
	return false
}

// maxEditTokens bounds the answer to an edit: half as long again as the region, and room for something new. A
// token is about four bytes of code. An answer in hunks is for a whole file and shorter; no endpoint writes more at
// once than maxAnswerTokens.
func maxEditTokens(region int) int { return min(region/4*3/2+400, maxAnswerTokens) }

const maxAnswerTokens = 32_000

// lineEnd is the line end of the document's first line, for regions that have none to copy.
func lineEnd(t *lsp.Text) string {
	if t.LineCount() < 2 {
		return "\n"
	}
	return t.Slice(t.LineEnd(0), t.LineStart(1))
}
