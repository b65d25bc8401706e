package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// startJob runs work for a document that does not stream into it: an explanation, a change that is proposed. It has a
// number, is shown and can be stopped as an edit is. work returns the last word about it; an error is shown to the user.
// For a document that is closed to models the user is asked first.
func (s *Server) startJob(uri, title string, work func(ctx context.Context, r *editReport) (word string, err error)) {
	doc := s.latest(uri)
	if doc == nil {
		s.beginJob(uri, title, nil, work)
		return
	}
	_ = s.consented(doc, session.Edit, func(release func()) error {
		s.beginJob(uri, title, release, work)
		return nil
	})
}

// beginJob is startJob for what may be sent. release, which may be nil, is called when it is over.
func (s *Server) beginJob(uri, title string, release func(), work func(ctx context.Context, r *editReport) (word string, err error)) {
	ctx, cancel := context.WithCancel(s.root)
	e := &edit{uri: uri, task: task{title: title}}
	s.mu.Lock()
	s.lastEdit++
	e.id = s.lastEdit
	s.mu.Unlock()
	over := s.runs(e, cancel, release)
	s.start(func(context.Context) {
		defer cancel()
		defer over()
		defer s.working()()
		report := s.reportEdit(ctx, e)
		s.mu.Lock()
		e.progress = report.progress
		s.mu.Unlock()
		word, err := work(ctx, report)
		over()
		switch {
		case ctx.Err() != nil:
			word = "stopped"
		case err != nil:
			word = "failed"
			s.say(protocol.MessageTypeWarning, "spark-lsp: %s", sentence(err))
		}
		report.progress.end(word)
	})
}

// errSilent is an answer without a word to a question that needs one.
var errSilent = errors.New("the model answered with nothing")

// listen asks the model and returns its whole answer. each is called with the answer so far, and may be nil.
func (s *Server) listen(ctx context.Context, p prompt.Prompt, maxTokens int, shard string, r *editReport, each func(text string)) (string, error) {
	req := session.Request{
		Job: session.Edit, Base: parts(p.Base), Input: parts(p.Input), Explicit: true, MaxOutputTokens: maxTokens, CacheKey: shard,
	}
	var b strings.Builder
	for ev, err := range s.answerOf(ctx, s.model(session.Edit), req, s.ownDocument(shard)) {
		if err != nil {
			return "", err
		}
		switch ev.Kind {
		case session.Delta:
			b.WriteString(ev.Text)
			r.text(ev.Text)
			if each != nil {
				each(b.String())
			}
		case session.Done:
			r.tokens += ev.Usage.Output
			if ev.Reason != session.Complete {
				return "", fmt.Errorf("the model stopped early (%s)", ev.Reason)
			}
			if r.blank() {
				return "", errSilent
			}
			return b.String(), nil
		}
	}
	return "", errSilent
}
