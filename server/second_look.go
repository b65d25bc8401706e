package server

import (
	"context"
	"slices"
	"strings"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// The answers to the question about a second look.
const (
	answerShow  = "Show it"
	answerLeave = "Leave it"
)

// secondLook has the deep model look at what the fast one has written, in the background, when the user's settings ask
// for that. What it would do otherwise is a candidate, and the user is told of it: nothing is changed unasked.
func (s *Server) secondLook(d *document, e *edit) {
	d.mu.Lock()
	doc := d.doc
	start, end := d.machine.Region(e.stream)
	text := doc.Text.Slice(start, end)
	first := candidate{said: e.talk.said.String(), text: text, name: "the first look"}
	f := prompt.FollowUp{Moment: prompt.SecondLook, Format: prompt.Region, Region: text, Instruction: e.task.instruction}
	req := session.Request{
		Job: session.Deep, Base: e.talk.base, Explicit: true, MaxOutputTokens: 4 * maxEditTokens(len(text)), CacheKey: e.uri,
		Input: append(append(append([]session.Part(nil), e.talk.input...), session.Part{Role: session.Assistant, Text: first.said}), parts([]prompt.Message{f.Message()})...),
	}
	d.mu.Unlock()
	if !s.optionsFor(doc).EditSecondLook || e.task.format != prompt.Region || !s.hasModel(session.Deep) || s.secret(doc) && !s.closures.allowed(doc.URI) {
		return
	}
	s.beginJob(e.uri, "second look", nil, func(ctx context.Context, r *editReport) (string, error) {
		var b strings.Builder
		for ev, err := range s.answerOf(ctx, s.model(session.Deep), req, text) {
			if err != nil {
				return "", err
			}
			switch ev.Kind {
			case session.Delta:
				b.WriteString(ev.Text)
				r.text(ev.Text)
			case session.Done:
				r.tokens += ev.Usage.Output
				if ev.Reason != session.Complete {
					return "stopped early", nil
				}
			}
		}
		t := e.task
		t.doc, t.start, t.end = doc, start, end
		c, err := judged(t, text, b.String())
		if err != nil {
			return "", err
		}
		lines := 0
		for _, ed := range editops.Diff(text, c.text) {
			lines += max(strings.Count(ed.New, "\n"), strings.Count(text[ed.Start:ed.End], "\n"), 1)
		}
		if lines == 0 {
			return "a second look has nothing to add", nil
		}
		c.name = "the second look"
		d.mu.Lock()
		// Redirected meanwhile, it is no look at what stands there now, and would take the redirection back.
		if !slices.Contains(d.done, e) || e.talk.said.String() != first.said {
			d.mu.Unlock()
			return "a second look comes too late", nil
		}
		if len(e.candidates) == 0 {
			e.candidates = []candidate{first}
		}
		e.candidates = append(e.candidates, c)
		n := len(e.candidates) - 1
		e.candidate = n - 1 // the next one is this
		d.mu.Unlock()
		s.start(func(ctx context.Context) {
			answer, err := s.client.ShowMessageRequest(ctx, protocol.MessageTypeInfo,
				"spark-lsp: a second look would change "+counted(lines, "line", "lines")+" of what was written. It is also among the code actions", answerShow, answerLeave)
			if err == nil && answer == answerShow {
				s.show(d, e, n)
			}
		})
		return "a second look would change " + counted(lines, "line", "lines"), nil
	})
}
