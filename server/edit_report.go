package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/delivery"
	"github.com/spark-lsp/spark-lsp/session"
)

// editReport tells a person how one edit is getting on: what it waits for, lines, tokens, tokens a second, how long it
// took to the first edit, and one last word.
type editReport struct {
	s        *Server
	ctx      context.Context
	e        *edit
	progress *progress
	began    time.Time
	first    time.Duration // until the first text, 0 before
	bytes    int
	said     bool // more than white space
	lines    int
	tokens   int    // the endpoint's count, 0 until it says so
	shown    string // the candidate that is shown without asking anybody
}

func (s *Server) reportEdit(ctx context.Context, e *edit) *editReport {
	title := "spark: edit"
	if e.task.title != "" {
		title = "spark: " + strings.TrimSuffix(e.task.title, " with spark")
	}
	return &editReport{s: s, ctx: ctx, e: e, progress: s.beginProgress(e, title), began: time.Now()}
}

// trace says what a request waits for before it has an answer. The hook must not wait for the editor.
func (r *editReport) trace() *session.Trace {
	return &session.Trace{Queued: func() {
		r.s.start(func(ctx context.Context) {
			r.progress.report(ctx, func() string { return "queued: the connection is not free yet" })
		})
	}}
}

// text counts what arrived and says so, at most five times a second.
func (r *editReport) text(s string) {
	if r.first == 0 {
		r.first = time.Since(r.began)
	}
	r.bytes += len(s)
	r.said = r.said || strings.TrimSpace(s) != ""
	r.lines += strings.Count(s, "\n")
	r.progress.report(r.ctx, r.pace)
}

// blank reports whether the model has said nothing but white space.
func (r *editReport) blank() bool { return !r.said }

// pace is "12 lines, 340 tokens, 900 tok/s, first edit after 0.31 s". Until the endpoint has counted, a token is taken
// for four bytes.
func (r *editReport) pace() string {
	words, _ := r.measure()
	return words
}

// measure is pace, and of it the rate as "900 tok/s": "" when too little was written to tell.
func (r *editReport) measure() (words, rate string) {
	if r.shown != "" {
		return r.shown, ""
	}
	words = counted(r.lines, "line", "lines")
	tokens, about := r.tokens, ""
	if tokens == 0 {
		tokens, about = r.bytes/4, "about "
	}
	if tokens > 0 {
		words += ", " + about + counted(tokens, "token", "tokens")
	}
	if since := time.Since(r.began) - r.first; since > rateAfter && tokens > 0 {
		rate = fmt.Sprintf("%.0f tok/s", float64(tokens)/since.Seconds())
		words += ", " + about + rate
	}
	if landed := r.e.landed.Load(); landed > 0 {
		words += fmt.Sprintf(", first edit after %.2f s", time.Unix(0, landed).Sub(r.began).Seconds())
	}
	return words, rate
}

// rateAfter is how long a model must have written for tokens a second to mean anything.
const rateAfter = 50 * time.Millisecond

// ending is how the latest edit ended, for the status.
type ending struct {
	word string // the last one about it
	rate string // see measure
}

// outcome is how an edit ended.
type outcome struct {
	state     delivery.State
	reason    string // the machine's own words, when it ended before it was done
	failure   error  // of the model's side
	cancelled bool   // by the user, in words
	rest      bool   // something was said that is not in the buffer
	wrote     bool   // something is in the buffer
	left      string // what of a complete answer could not be used, in words
}

// done ends the progress, and shows a message where the user must know more than that it is over.
func (r *editReport) done(o outcome) {
	word, rate := r.measure()
	word = "done, " + word
	var warn string
	kept := "; what was written is kept"
	if !o.wrote {
		kept = "; nothing was written"
	}
	var e *session.Error
	if errors.As(o.failure, &e) && e.Kind == session.Unsupported && !o.wrote {
		kept = "" // nobody thinks so
	}
	switch {
	case o.cancelled:
		word = "stopped" + kept
	case errors.Is(o.failure, errNothing), errors.Is(o.failure, errNoHunks):
		word, warn = "nothing to do", o.failure.Error()
	case o.failure != nil:
		word = "failed"
		warn = sentence(o.failure) + kept
	case o.state == delivery.Paused:
		word = "paused: you typed in the line that was being written"
		warn = "paused, because you typed in the line that was being written; your text stays"
	case o.state == delivery.Undone:
		word = "stopped: you took it back"
	case o.state == delivery.Lost && o.reason == "stopped":
		word = "stopped"
		warn = "the editor did not take the edit" + kept
	case o.state == delivery.Lost:
		word = "stopped"
		warn = "the edit could not be placed: " + o.reason
	case o.state == delivery.Stopped:
		word = "stopped"
	case o.left != "" && !o.wrote:
		word, warn = "nothing was changed", o.left
	case o.left != "":
		word, warn = "done in part", o.left
	}
	if warn != "" && o.rest {
		warn += ". The code actions offer the rest, another try, and to take it back"
	}
	r.s.mu.Lock()
	r.s.ended = ending{word, rate} // before anybody hears of it
	r.s.mu.Unlock()
	r.progress.end(word)
	r.s.shellEnd(r.progress.e, o, word)
	if warn != "" {
		r.s.say(protocol.MessageTypeWarning, "spark-lsp: %s", warn)
	}
}

// sentence says an error of the model's side in words for a person, with what they can do about it.
func sentence(err error) string {
	var e *session.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	switch e.Kind {
	case session.Reauthenticate:
		return e.Error() + "; 'spark-lsp doctor' shows which key is used, 'spark-lsp login' stores another"
	case session.RetryAfter:
		if e.RetryAfter > 0 {
			return fmt.Sprintf("%s; try again in %.1f s", e.Error(), float64(e.RetryAfter)/1000)
		}
		return e.Error() + "; try again in a moment"
	}
	return e.Error()
}
