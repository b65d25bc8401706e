package server

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// trigger is how a completion came to be asked for.
type trigger uint8

const (
	automatic trigger = iota // by typing, as ghost text: shown only when it is probably right
	popup                    // by typing, as one of many entries: anything helps, but nobody asked for it
	byHand                   // by a key: the best there is, also while automatic completions are paused
)

// errSuperseded answers a request whose place nobody is at any more. It reaches the editor as RequestCancelled: an
// empty list would hide the ghost text in Neovim, where a later answer may be showing.
var errSuperseded = context.Canceled

// shown is what an editor is given: Edit refers to the document that was asked about.
type shown struct {
	editops.Edit
	cursor int // where the user is, Start <= cursor <= End
	number int // of the suggestion
}

// suggest returns the suggestion for a place, or nil when there is none. It asks a model only when what was
// suggested before does not serve.
func (s *Server) suggest(ctx context.Context, doc *lsp.Document, cursor int, asked trigger) (*shown, error) {
	d := s.document(doc.URI)
	if d == nil || !s.optionsFor(doc).Enabled {
		return nil, nil
	}
	if asked != byHand && !s.automatic(doc) {
		return nil, nil
	}
	g := &d.suggester
	arrived := time.Now()
	var timer <-chan time.Time // ends the wait for a response that has not spoken
	held := false

	g.mu.Lock()
	defer g.mu.Unlock()
	g.asks++
	me := spot{doc.Version, cursor}
	if me.version >= g.newest.version {
		g.newest = me
		g.tellLocked() // whoever waits for an older place may go
	}
	for {
		if sh := g.serveLocked(doc, me); sh != nil {
			s.log.Debug("completion: served", zap.Int("suggestion", sh.number), zap.Duration("after", time.Since(arrived)))
			return sh, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if g.newest != me {
			return nil, errSuperseded
		}
		sg := g.cur
		wait := false
		if sg != nil {
			_, a := sg.alive(doc, cursor)
			g.judgeLocked(sg, a)
			here := doc.Version == sg.doc.Version && cursor == sg.at
			switch {
			case sg.ended && here && sg.err != nil:
				// It failed: tell whoever waited for it, and ask again next time.
				err := sg.err
				g.dropLocked()
				return nil, err
			case sg.ended && here && asked <= sg.asked:
				sg.useLocked(s)
				return nil, nil // asked and answered: there is nothing to suggest here
			case sg.ended:
			case a == mayAgree && !held:
				w := g.pace.wait(time.Since(sg.began))
				s.log.Debug("completion: waits for the response in flight", zap.Duration("at most", w))
				if wait = w > 0; wait {
					t := time.NewTimer(w)
					defer t.Stop()
					timer, held, sg.held = t.C, true, true
				}
			case a == mayAgree:
				wait = timer != nil
			default:
				wait = a != contradicts
			}
		}
		if !wait {
			if held && sg != nil && !sg.ended && !sg.spoke {
				g.pace.late(time.Since(sg.began))
			}
			g.dropLocked()
			if g.cur = s.startSuggestion(g, doc, cursor, asked, onRequest); g.cur == nil {
				return nil, errSuperseded
			}
			s.log.Debug("completion: asks", zap.Int("suggestion", g.cur.number), zap.Duration("waited", time.Since(arrived)))
			continue
		}
		sg.useLocked(s)
		sg.waiting++
		moved := g.moved
		g.mu.Unlock()
		select {
		case <-moved:
		case <-timer:
			timer = nil
		case <-ctx.Done():
		}
		g.mu.Lock()
		sg.waiting--
		if ctx.Err() != nil {
			s.leave(g, sg)
			return nil, ctx.Err()
		}
	}
}

// serveLocked answers a place from what has been suggested already, nil when nothing of that is left there. What was
// shown last and is still alive comes first, so that one text is never replaced by another. g.mu is held.
func (g *suggester) serveLocked(doc *lsp.Document, at spot) *shown {
	serves := func(sg *suggestion) *shown {
		if !sg.ready && !sg.ended {
			return nil
		}
		item, a := sg.alive(doc, at.cursor)
		if a != live {
			return nil
		}
		g.judgeLocked(sg, a)
		if g.doc != nil && doc.Version < g.doc.Version {
			// The document has moved on: an answer about an old version is only good if it still says the same.
			cursor := -1
			if g.newest.version == g.doc.Version {
				cursor = g.newest.cursor
			}
			if _, a := sg.alive(g.doc, cursor); a != live {
				return nil
			}
		}
		sg.useLocked(g.s)
		sg.told = len(sg.item.New)
		if !sg.shown {
			sg.shown = true
			g.s.tally.add(func(c *counts) { c.Shown++ })
		}
		g.speculateLocked(sg)
		return &shown{item.Edit(), item.Cursor, sg.number}
	}
	// A response that nobody has seen, asked for behind characters that are deleted now, would bring them back: what
	// was there before them comes first.
	if sg := g.cur; sg != nil && (sg.shown || !sg.deletedBefore(doc.Version, at.cursor)) {
		if sh := serves(sg); sh != nil {
			return sh
		}
		if _, a := g.cur.alive(doc, at.cursor); a == live || a == agrees && g.cur.spoke {
			return nil // it is about to serve
		}
	}
	for i, sg := range g.past {
		sh := serves(sg)
		if sh == nil {
			continue
		}
		// The typo is gone, and so is the need for what was asked about it.
		g.past = slices.Delete(g.past, i, i+1)
		g.dropLocked()
		g.cur = sg
		return sh
	}
	if g.cur != nil {
		return serves(g.cur)
	}
	return nil
}

// grace is how long a response lives whose only asker has cancelled. Editors cancel a request when a key comes,
// some of them before they tell of the key and ask anew; the provider must hear of a real cancel within 50 ms.
const grace = 25 * time.Millisecond

// leave abandons a response that nobody wants any more: its only asker has cancelled, and within the grace no other
// request has come. A key supersedes most requests that are cancelled, and the next one will often want the same
// response. g.mu is held.
func (s *Server) leave(g *suggester, sg *suggestion) {
	asks := g.asks
	if g.cur != sg || sg.ended || sg.waiting > 0 {
		return
	}
	s.start(func(ctx context.Context) {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.cur == sg && !sg.ended && sg.waiting == 0 && g.asks == asks {
			g.dropLocked()
		}
	})
}
