package server

import (
	"context"
	"unicode/utf8"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// watchLocked sees from the document whether a suggestion was accepted, whole or in part: an edit of several
// characters that are the suggestion's next ones is no key. g.mu is held.
func (g *suggester) watchLocked(sg *suggestion, c lsp.Change) {
	if !sg.shown || len(c.Edits) != 1 || utf8.RuneCountInString(c.Edits[0].New) < 2 {
		return
	}
	before, ok := editops.Interpolate(sg.item, sg.until(c.Before.Version), -1)
	if !ok {
		return
	}
	rest := before.Rest()
	if g.standsLocked(sg) {
		g.acceptedLocked(sg, utf8.RuneCountInString(rest))
		return
	}
	after, ok := editops.Interpolate(sg.item, sg.until(c.After.Version), -1)
	if n := utf8.RuneCountInString(rest) - utf8.RuneCountInString(after.Rest()); ok && n > 0 {
		sg.part += n
		sg.partly = true
	}
}

// standsLocked reports whether the whole of a suggestion stands in the document. g.mu is held.
func (g *suggester) standsLocked(sg *suggestion) bool {
	start, ok := sg.startIn(g.doc.Version)
	return ok && sg.ended && sg.standsAt(g.doc.Text, start)
}

// standsAt reports whether the whole of a suggestion stands at a place of a text.
func (sg *suggestion) standsAt(t *lsp.Text, start int) bool {
	end := start + len(sg.item.New)
	return sg.item.New != "" && end <= t.Len() && t.Slice(start, end) == sg.item.New
}

// acceptedLocked accounts for an accepted suggestion, once, and asks for what may come behind it. g.mu is held.
func (g *suggester) acceptedLocked(sg *suggestion, characters int) {
	if !sg.accepted { // a client may have said so before it told of the change
		sg.accepted = true
		g.s.tally.accepted(characters + sg.part)
	}
	start, ok := sg.startIn(g.doc.Version)
	if !ok {
		return
	}
	g.end = spot{g.doc.Version, start + len(sg.item.New)}
	end := g.end
	g.s.start(func(context.Context) { g.s.prefetch(g, end) })
}

// didAccept notes that a client says a suggestion was accepted; 0 is the latest one. The document has mostly shown it
// before, and then this adds nothing.
func (g *suggester) didAccept(number int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sg := g.cur
	if sg == nil || !sg.shown || sg.accepted || number != 0 && sg.number != number {
		return
	}
	rest := max(0, utf8.RuneCountInString(sg.item.Rest())-sg.part)
	if g.doc != nil && g.standsLocked(sg) {
		g.acceptedLocked(sg, rest)
		return
	}
	// The client changed it on the way in, or tells of the change later.
	sg.accepted = true
	g.s.tally.accepted(rest + sg.part)
}

// partly notes that a client says a part of a suggestion was accepted.
func (g *suggester) partly(number int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cur != nil && g.cur.number == number {
		g.cur.partly = true
	}
}

// countLocked accounts for a suggestion that will not be shown again. g.mu is held.
func (g *suggester) countLocked(sg *suggestion) {
	if sg.counted {
		return
	}
	sg.counted = true
	typed := false
	if g.doc != nil && !sg.accepted && sg != g.next { // which stands nowhere
		// What the user typed of it is a use as well.
		if start, ok := sg.startIn(g.doc.Version); ok && start+len(sg.item.New) <= g.doc.Text.Len() {
			typed = sg.ended && g.doc.Text.Slice(start, start+len(sg.item.New)) == sg.item.New
		}
	}
	used := sg.accepted || sg.partly || typed
	g.s.tally.add(func(c *counts) {
		switch {
		case !sg.accepted && sg.partly:
			c.Partly++
			c.AcceptedCharacters += sg.part
		case sg.shown && !used:
			c.Ignored++
		}
		if !used {
			c.WastedTokens += tokens(sg.bytes)
		}
	})
	if sg.prefetched {
		g.s.tally.prefetched(sg.lead, tokens(sg.bytes), false)
	}
}

// judgeLocked tells the pace whether waiting for a response was worth it, once that can be seen. g.mu is held.
func (g *suggester) judgeLocked(sg *suggestion, a agreement) {
	if sg.held && sg.spoke && (a == live || a == contradicts) {
		sg.held = false
		g.pace.judged(a == live)
	}
}

// useLocked notes that an editor wants a suggestion. suggester.mu is held.
func (sg *suggestion) useLocked(s *Server) {
	if sg.prefetched {
		sg.prefetched = false
		s.tally.prefetched(sg.lead, tokens(sg.bytes), true)
	}
}
