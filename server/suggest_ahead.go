package server

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/session"
)

// A continuation is what comes behind a suggestion. It is asked for before any editor asks: while the user still reads
// the suggestion, or at the latest when it is accepted, since while the editor inserts the text, tells of it, and asks,
// the model can be at work already. Both are done only where the tokens have been worth it so far, and never of the
// embedded engine, which answers at once anyway.

// mayLead reports whether a continuation may be asked for so early.
func (s *Server) mayLead(l lead, doc *lsp.Document) bool {
	return s.hasModel(session.Completion) && s.automatic(doc) && s.tally.mayPrefetch(l) && s.automaticAllowed()
}

// prefetch asks for what comes behind a suggestion that was accepted just now, unless that has been foreseen.
func (s *Server) prefetch(g *suggester, at spot) {
	g.mu.Lock()
	defer g.mu.Unlock()
	doc := g.doc
	if doc == nil || doc.Version != at.version || !s.mayLead(accepting, doc) {
		return
	}
	if sg := g.cur; sg != nil && sg.doc.Version == at.version {
		return // the editor was faster, or a speculation has come true
	}
	g.dropLocked()
	if g.cur = s.startSuggestion(g, doc, at.cursor, automatic, accepting); g.cur != nil {
		s.log.Debug("completion: asks ahead", zap.Int("suggestion", g.cur.number))
	}
}

// speculateLocked asks for what comes behind a suggestion that is being read, once, when nothing more will come of the
// suggestion itself: so there still is only one response. The first acceptance in a document earns it; most suggestions
// are read and left, and where none has ever been accepted this would be waste. Nor is it asked for before the keys
// pause: who types does not read, and what they type may well contradict. g.mu is held.
func (g *suggester) speculateLocked(sg *suggestion) {
	if sg.foreseen || !sg.shown || !sg.ended || !sg.spoke || sg.err != nil || g.end == (spot{}) {
		return
	}
	sg.foreseen = true
	seen := time.Now()
	g.s.start(func(ctx context.Context) {
		for {
			wait := g.speculate(sg, seen)
			if wait <= 0 {
				return
			}
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return
			}
		}
	})
}

// speculate asks for what comes behind a suggestion that has been seen since then, or says how long the keys have to
// pause for that yet; 0 when there is nothing more to wait for.
func (g *suggester) speculate(sg *suggestion, seen time.Time) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	doc := g.doc
	if g.cur != sg || doc == nil {
		return 0
	}
	if wait = g.pace.reads(seen, time.Now()); wait > 0 {
		return wait
	}
	if !g.s.mayLead(speculated, doc) {
		g.s.log.Debug("completion: does not ask ahead", zap.Int("behind", sg.number))
		return 0
	}
	item, ok := editops.Interpolate(sg.item, sg.until(doc.Version), -1)
	if !ok || item.Rest() == "" {
		return 0
	}
	step := item.Edit()
	after := *doc
	after.Text = doc.Text.Replace(step.Start, step.End, step.New)
	if next := g.s.startSuggestion(g, &after, step.Start+len(step.New), automatic, speculated); next != nil {
		g.next, g.step = next, step
		g.s.log.Debug("completion: asks ahead, for when this is accepted", zap.Int("suggestion", next.number), zap.Int("behind", sg.number))
	}
	return 0
}

// speculates reports whether a suggestion is still about a text that does not exist.
func (g *suggester) speculates(sg *suggestion) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.next == sg
}

// towardsNextLocked sees whether a change leads to the text that the next suggestion is about. The text before and
// behind step has stayed the same as long as there is a next one; so once what stands between is what step puts there,
// the whole is the same byte for byte. g.mu is held.
func (g *suggester) towardsNextLocked(c lsp.Change) {
	next := g.next
	if next == nil {
		return
	}
	start, tail := g.step.Start, next.doc.Text.Len()-next.at
	length := c.Before.Text.Len()
	for _, e := range c.Edits {
		if e.Start < start || e.End > length-tail {
			g.dropNextLocked()
			return
		}
		length += len(e.New) - (e.End - e.Start)
	}
	if c.After.Text.Slice(start, length-tail) == g.step.New {
		g.next = nil
		next.doc = c.After
		g.dropLocked()
		g.cur = next
		return
	}
	if _, ok := editops.Interpolate(g.cur.item, g.cur.until(c.After.Version), -1); !ok {
		g.dropNextLocked()
	}
}

// dropNextLocked abandons the next suggestion: nobody will ever stand where it was asked for. g.mu is held.
func (g *suggester) dropNextLocked() {
	next := g.next
	if next == nil {
		return
	}
	next.dead, next.ended = true, true
	next.cancel()
	g.countLocked(next)
	g.next = nil
}
