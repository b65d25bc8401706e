package server

import (
	"context"
	"sync"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
)

// progressInterval is how often a person is told of an edit's progress, at most.
const progressInterval = 200 * time.Millisecond

// progress shows one edit's work. The editor is asked for a place to show it while the model is already being
// asked for text: neither waits for the other. Reports made before there is a place are dropped, the end is not.
type progress struct {
	s *Server
	e *edit

	mu    sync.Mutex
	shown *lsp.Progress // nil until the editor has answered, and for good where it has no place
	ended bool
	word  string // the last one, for an end that came first
	last  time.Time

	waiting string // shown when timer fires
	timer   *time.Timer
}

// beginProgress starts to show e's work under a title.
func (s *Server) beginProgress(e *edit, title string) *progress {
	p := &progress{s: s, e: e}
	s.start(func(ctx context.Context) {
		token, err := s.client.ProgressToken(ctx)
		if err != nil || token == nil {
			return
		}
		// Whoever sees it begin can stop it, and misses no report.
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.ended {
			s.mu.Lock()
			e.token = token
			s.mu.Unlock()
		}
		shown, err := s.client.Progress(ctx, title, lsp.ProgressOptions{Token: token, Cancellable: true})
		if err != nil {
			return
		}
		p.shown = shown
		if p.ended {
			shown.End(ctx, p.word)
		}
	})
	return p
}

// report shows a message, at most one in each interval: of those that come too soon the last one is shown at its end.
func (p *progress) report(ctx context.Context, message func() string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown == nil || p.ended {
		return
	}
	wait := progressInterval - time.Since(p.last)
	if wait <= 0 {
		p.last = time.Now()
		p.shown.Report(ctx, message(), -1)
		return
	}
	if p.waiting = message(); p.timer == nil {
		p.timer = time.AfterFunc(wait, p.flush)
	}
}

// flush shows what came too soon.
func (p *progress) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = nil
	if p.waiting == "" || p.ended || p.s.root.Err() != nil {
		return
	}
	p.last = time.Now()
	p.shown.Report(p.s.root, p.waiting, -1)
	p.waiting = ""
}

// tell shows a message at once, and reports whether there is a place for it.
func (p *progress) tell(message string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown == nil || p.ended {
		return false
	}
	p.last, p.waiting = time.Now(), ""
	p.shown.Report(context.Background(), message, -1)
	return true
}

// end closes the progress with a last word, also when the edit's context has ended, so that no editor is left with
// a spinner that never stops.
func (p *progress) end(word string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.word = true, word
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.shown != nil {
		p.shown.End(context.Background(), word)
	}
}

// progressCancel is the user's "stop" where an editor offers it beside the progress.
func (s *Server) progressCancel(_ *lsp.Snapshot, p *protocol.WorkDoneProgressCancelParams) error {
	s.stopEdits(func(e *edit) bool { return e.token != nil && e.token == p.Token })
	return nil
}
