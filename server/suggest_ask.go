package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// lineTokens bounds an answer that has room for one line only, in tokens.
const lineTokens = 64

// patience is how long a response that already says something is waited for to come to a good end, before it is
// shown as far as its last whole line.
const patience = 150 * time.Millisecond

// startSuggestion asks the model. g.mu is held; nothing here waits. It returns nil for a document that is long gone.
func (s *Server) startSuggestion(g *suggester, doc *lsp.Document, cursor int, asked trigger, lead lead) *suggestion {
	if doc.Version < g.from {
		return nil // too long ago to carry the answer over what has happened since
	}
	ctx, cancel := context.WithCancel(s.root)
	g.number++
	sg := &suggestion{
		number: g.number, doc: doc, at: cursor, asked: asked, began: time.Now(), cancel: cancel, over: make(chan struct{}),
		lead: lead, many: lead == speculated || g.end == spot{doc.Version, cursor}, prefetched: lead != onRequest,
	}
	for _, v := range g.recent {
		if v.version > doc.Version {
			sg.follow(v)
		}
	}
	start := lineFrom(doc.Text, cursor)
	sg.item = anchored(doc.Text, start, cursor, cursor, "")
	var model Model = s.cfg.Engine
	if s.hasModel(session.Completion) && (asked == byHand || s.automaticAllowed()) {
		model = s.model(session.Completion)
	}
	s.tally.add(func(c *counts) {
		c.Requests++
		if lead != onRequest {
			c.Prefetched++
		}
	})
	before := g.asked
	g.asked = sg
	s.start(func(context.Context) {
		defer cancel()
		defer close(sg.over)
		defer g.brokeOff(sg)
		defer s.working()()
		before.letGo()
		s.runSuggestion(ctx, g, sg, doc, model)
	})
	return sg
}

// errBroken is what a bug of ours leaves behind.
var errBroken = errors.New("internal error in a completion")

// brokeOff ends a suggestion whose reader has come to no end of its own, which takes a bug: otherwise every request that
// it could serve would wait for it, and those behind them.
func (g *suggester) brokeOff(sg *suggestion) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if sg.ended {
		return
	}
	sg.ended, sg.err = true, errBroken
	g.tellLocked()
}

// letGo waits until a response is left, so that the model is told of it before it is asked anything new: it is ended or
// abandoned already. One that is slow to let go holds nobody for long.
func (sg *suggestion) letGo() {
	if sg == nil {
		return
	}
	select {
	case <-sg.over:
		return // nearly always; a timer costs more than the rest of this
	default:
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-sg.over:
	case <-t.C:
	}
}

// runSuggestion reads the response, decides when it is good enough to be shown, and lets everybody know. doc is what is
// asked about: sg.doc may become another version of the same text meanwhile.
func (s *Server) runSuggestion(ctx context.Context, g *suggester, sg *suggestion, doc *lsp.Document, model Model) {
	ahead := sg.lead != onRequest
	if sg.asked == byHand && model != Model(s.cfg.Engine) {
		model = s.completable(doc, model)
	}
	in := prompt.Input{Path: s.relative(doc.URI)}
	var p prompt.Prompt
	if model != Model(s.cfg.Engine) { // which reads the text alone, and looks for the rest itself
		in = s.gather(doc, sg.at, session.Completion)
		p = prompt.Completion(in)
		s.logPrompt(p)
	}
	req := session.Request{
		Job: session.Completion, Base: parts(p.Base), Input: parts(p.Input), Explicit: sg.asked != automatic,
		MaxOutputTokens: s.optionsFor(doc).CompletionMaxTokens,
		CacheKey:        doc.URI,
	}
	if readsFIM(model) {
		req.FIM = fimOf(doc, sg.at, in)
	}
	cutter := newCutter(doc, sg.at, sg.many)
	if !cutter.multiline() {
		req.MaxOutputTokens = min(req.MaxOutputTokens, lineTokens)
	}
	if ahead {
		req.MaxOutputTokens = min(req.MaxOutputTokens, prefetchTokens)
	}
	own := ownText(doc, sg.at)
	var deleted *removal
	if sg.lead != speculated { // whose text comes of typing
		deleted = s.deletedBefore(sg)
	}
	if model != Model(s.cfg.Engine) && sg.asked != byHand && !ahead {
		g.mu.Lock()
		deadline := g.pace.deadline()
		g.mu.Unlock()
		over := make(chan struct{})
		t := time.AfterFunc(deadline-time.Since(sg.began), func() {
			defer close(over)
			defer s.guard("the embedded engine")
			req := req
			req.FIM = fimOf(doc, sg.at, in)
			s.standIn(ctx, g, sg, req, deleted)
		})
		defer func() {
			if !t.Stop() {
				<-over // it takes a moment at most
			}
		}()
	}
	var failure error
	reason := session.Complete
	asked := time.Now()
	var first time.Time
	for ev, err := range s.answerOf(ctx, model, req, own) {
		if err != nil {
			failure = err
			break
		}
		if ev.Kind == session.Done {
			reason = ev.Reason
		}
		if ev.Kind != session.Delta {
			cutter.ready()
			continue
		}
		if first.IsZero() {
			first = time.Now()
			// Also when the model stalls, so that no delta comes to look at the clock by.
			deadline := time.AfterFunc(patience, func() { g.settleFor(sg) })
			defer deadline.Stop()
		}
		if g.heard(sg, len(ev.Text), first.Sub(asked)) {
			s.log.Debug("completion: first text", zap.Int("suggestion", sg.number), zap.Duration("after", first.Sub(asked)))
		}
		if cutter.push(ev.Text) {
			// Said before the loop is left: that abandons the rest of the answer, which takes a moment.
			s.conclude(ctx, g, sg, doc, cutter, deleted, session.Complete, nil)
			return
		}
		lines, ok := cutter.lines()
		if !ok || deleted.undoneBy(lines) {
			lines = editops.Suggestion{}
		}
		g.grow(sg, cutter.whole(), lines)
	}
	s.toldHidden(doc, failure)
	if failure != nil && first.IsZero() && ctx.Err() == nil && !g.speculates(sg) && model != Model(s.cfg.Engine) {
		// No network, no key that fits, no room in the limits: what works without any of them still works.
		s.log.Info("completion: the embedded engine answers for a model that cannot", zap.Error(failure))
		failure = nil
		req.FIM = fimOf(doc, sg.at, in)
		for ev, err := range s.answerOf(ctx, s.cfg.Engine, req, own) {
			if err != nil || ev.Kind == session.Delta && cutter.push(ev.Text) {
				break
			}
		}
	}
	s.conclude(ctx, g, sg, doc, cutter, deleted, reason, failure)
}

// conclude makes of a response what will be suggested: nothing more comes. Of one that did not come to its own end only
// whole lines are suggested; a single long line that was cut by our bound is better than nothing, what was left of one
// when the connection dropped is not.
func (s *Server) conclude(ctx context.Context, g *suggester, sg *suggestion, doc *lsp.Document, cutter *cutter, deleted *removal, reason session.Reason, failure error) {
	item := cutter.whole()
	if failure != nil || reason != session.Complete {
		if lines, ok := cutter.lines(); ok {
			item = lines
		} else if failure != nil {
			item = cutter.suggestion("")
		}
	}
	if deleted.undoneBy(item) {
		s.log.Debug("completion: would bring back what was just deleted", zap.Int("suggestion", sg.number))
		item = cutter.suggestion("")
	}
	if s.toldHidden(doc, failure) {
		failure, item = nil, cutter.suggestion("") // what came before it is not to be trusted either
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s.tally.add(func(c *counts) { c.Tokens += tokens(sg.bytes) })
	if sg.dead {
		return
	}
	if g.next == sg && (failure != nil || ctx.Err() != nil) {
		g.dropNextLocked() // whoever accepts asks anew, and hears of it then
		return
	}
	if strings.HasPrefix(item.New, sg.item.New) || !sg.ready {
		sg.item = item
	}
	sg.ended = true
	if ctx.Err() == nil {
		sg.err = failure
	}
	s.log.Debug("completion: ended", zap.Int("suggestion", sg.number), zap.Int("bytes", sg.bytes))
	g.tellLocked()
	g.nudgeLocked(sg)
	g.speculateLocked(sg)
}

// heard notes that a response has said more, and reports whether that is its first word.
func (g *suggester) heard(sg *suggestion, bytes int, first time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	sg.bytes += bytes
	if sg.spoke {
		return false
	}
	sg.spoke = true
	g.pace.spoke(first)
	g.s.firstText.Store(int64(g.pace.first)) // the next document begins with it
	return true
}

// grow makes more of a response known: all of it so far, and its whole lines, which are what may be shown before the
// end. Nothing that may have been shown is replaced by what does not extend it.
func (g *suggester) grow(sg *suggestion, whole, lines editops.Suggestion) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sg.lines = lines
	switch {
	case sg.dead:
	case sg.late && lines.Rest() != "":
		g.settleLocked(sg)
	case !sg.ready && whole.New != sg.item.New:
		sg.item = whole
		g.tellLocked()
	}
}

// settleFor ends the wait for a good place to stop: from now on the whole lines that there are will do. An unfinished
// line never does: accepted, it would be half a statement, and no editor but one that is told to asks for the rest of
// what it shows. At the speed of a fast model a line lasts some ten milliseconds, so nothing is gained by it either.
func (g *suggester) settleFor(sg *suggestion) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sg.late = true
	if !sg.dead && !sg.ended && sg.lines.Rest() != "" {
		g.settleLocked(sg)
	}
}

// settleLocked makes the whole lines of a response fit to be shown. g.mu is held.
func (g *suggester) settleLocked(sg *suggestion) {
	if sg.ready && (sg.lines.New == sg.item.New || !strings.HasPrefix(sg.lines.New, sg.item.New)) {
		return
	}
	sg.item, sg.ready = sg.lines, true
	g.tellLocked()
}

// standIn lets the embedded engine answer in the model's place when the model is slow to speak (D21). It says nothing
// unless it is fairly sure. Once shown, its text stays: the model's is taken only where it extends it, since nothing
// that a user looks at is ever replaced. ctx ends with the model's response.
func (s *Server) standIn(ctx context.Context, g *suggester, sg *suggestion, req session.Request, deleted *removal) {
	item, ok := s.engineSays(ctx, sg, req, deleted)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if sg.spoke || sg.dead || sg.ended {
		return
	}
	sg.item, sg.ready = item, true
	s.log.Debug("completion: the embedded engine stands in", zap.Int("suggestion", sg.number), zap.Duration("after", time.Since(sg.began)))
	g.tellLocked()
}

// engineSays is what the embedded engine would suggest unasked; ok is false when it is not sure of anything.
func (s *Server) engineSays(ctx context.Context, sg *suggestion, req session.Request, deleted *removal) (item editops.Suggestion, ok bool) {
	req.Explicit = false
	cutter := newCutter(sg.doc, sg.at, false)
	for ev, err := range s.answerOf(ctx, s.cfg.Engine, req, ownText(sg.doc, sg.at)) {
		if err != nil {
			return item, false
		}
		if ev.Kind == session.Delta && cutter.push(ev.Text) {
			break
		}
	}
	item = cutter.whole()
	return item, cutter.said() != "" && item.Rest() != "" && !deleted.undoneBy(item)
}

// deletedBefore is what the user deleted just before a suggestion was asked for, nil for nothing, and for somebody who
// asks by hand: they may have it back.
func (s *Server) deletedBefore(sg *suggestion) *removal {
	d := s.document(sg.doc.URI)
	if d == nil || sg.asked == byHand {
		return nil
	}
	past := d.log.history()
	if d.version() != sg.doc.Version {
		return nil // the history is about another text already
	}
	return justDeleted(sg.doc, sg.at, past)
}
