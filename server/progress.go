package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
)

// progressInterval is how often a person is told of an edit's progress, at most.
const progressInterval = 200 * time.Millisecond

// progress reports one edit's work to the editor. Where the editor shows none, it does nothing.
type progress struct {
	s     *Server
	token string // "" when the editor takes no progress

	mu   sync.Mutex
	last time.Time
}

// beginProgress asks the editor for a place to show progress and begins it. It waits for the editor's answer,
// so it is never called on the read loop.
func (s *Server) beginProgress(ctx context.Context, id int, title string) *progress {
	p := &progress{s: s}
	if !s.client.WorkDoneProgress {
		return p
	}
	token := fmt.Sprintf("spark-lsp/%d", id)
	if err := s.client.CreateProgress(ctx, token); err != nil {
		return p
	}
	yes := true
	p.token = token
	s.client.Progress(ctx, token, protocol.WorkDoneProgressBegin{Kind: "begin", Title: title, Cancellable: &yes})
	return p
}

// report shows a message, unless one was shown a moment ago.
func (p *progress) report(ctx context.Context, message string) {
	if p.token == "" {
		return
	}
	p.mu.Lock()
	now := time.Now()
	due := now.Sub(p.last) >= progressInterval
	if due {
		p.last = now
	}
	p.mu.Unlock()
	if due {
		p.s.client.Progress(ctx, p.token, protocol.WorkDoneProgressReport{Kind: "report", Message: &message})
	}
}

// end closes the progress with a last word. It is sent even when ctx has ended, so that no editor is left with
// a spinner that never stops.
func (p *progress) end(message string) {
	if p.token == "" {
		return
	}
	p.s.client.Progress(context.Background(), p.token, protocol.WorkDoneProgressEnd{Kind: "end", Message: &message})
}

// progressCancel is the user's "stop" where an editor offers it beside the progress.
func (s *Server) progressCancel(_ *lsp.Snapshot, p *protocol.WorkDoneProgressCancelParams) error {
	token, ok := p.Token.(protocol.String)
	if !ok {
		return nil
	}
	var id int
	if _, err := fmt.Sscanf(string(token), "spark-lsp/%d", &id); err == nil {
		s.stopEdits(func(e *edit) bool { return e.id == id })
	}
	return nil
}
