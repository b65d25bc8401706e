package server

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// suggester holds one document's suggestions: at most one response of the model is alive for a document, and
// everybody who asks is served from it for as long as what the user types agrees with it. What was shown before and
// is contradicted by a typo is kept for when the typo is gone.
type suggester struct {
	s *Server

	mu     sync.Mutex
	doc    *lsp.Document // as the editor last told it, nil before the first change
	cur    *suggestion   // nil before the first request
	past   []*suggestion // what was fit to be shown before cur, the latest first
	pace   pace
	newest spot          // where the newest request asks
	recent []versioned   // the latest edits, for requests that are a little late
	from   int32         // the version before recent
	asks   int           // requests so far
	moved  chan struct{} // closed and replaced whenever any of this changes; nil while nobody has asked
	number int           // of the latest suggestion
	asked  *suggestion   // the latest one that was asked for
	end    spot          // behind the suggestion that was accepted last

	// next is the continuation of cur, asked for while the user reads cur, nil for none. It is about a text that does
	// not exist: the document after step. When the document has become that text it takes cur's place; until then it is
	// shown to nobody, and it goes wherever cur goes.
	next *suggestion
	step editops.Edit
}

const (
	// maxFollowed is the number of edits over which a suggestion is carried; a suggestion that has lived through
	// more has long been typed, or refused.
	maxFollowed = 256
	// maxRecent is the number of edits by which a request may be behind the document when its goroutine gets to run.
	maxRecent = 64
	// maxKept bounds the suggestions that wait for a typo to go away.
	maxKept = 8
)

// changed notes what happened to the document. It runs on the read loop, so nothing in it waits.
func (g *suggester) changed(c lsp.Change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.doc = c.After
	if c.After == nil || c.Before == nil {
		g.forgetLocked()
		g.pace, g.newest, g.end = pace{first: time.Duration(g.s.firstText.Load())}, spot{}, spot{}
		g.recent = nil
		if c.After != nil {
			g.from = c.After.Version
		}
		return
	}
	for _, e := range c.Edits {
		g.recent = append(g.recent, versioned{c.After.Version, e})
	}
	if n := len(g.recent) - maxRecent; n > 0 {
		g.from = g.recent[n-1].version
		g.recent = slices.Delete(g.recent, 0, n)
	}
	g.pace.key(time.Now())
	if clearsLine(c) {
		// Backspace brings a suggestion back; who deletes a line does not want it proposed at once (D12).
		g.forgetLocked()
	}
	if g.cur != nil && !g.followLocked(g.cur, c) {
		g.dropLocked()
	}
	if sg := g.cur; sg != nil && sg.prefetched && sg.uprooted(c.After) {
		g.dropLocked() // no editor has asked for it, and after an undo none will come that would
	}
	g.past = slices.DeleteFunc(g.past, func(sg *suggestion) bool { return !g.followLocked(sg, c) })
	if g.cur != nil {
		g.watchLocked(g.cur, c)
	}
	g.towardsNextLocked(c)
}

// clearsLine reports whether a change deletes at one stroke all that stood on a line.
func clearsLine(c lsp.Change) bool {
	if len(c.Edits) != 1 || strings.TrimSpace(c.Edits[0].New) != "" {
		return false
	}
	e := c.Edits[0]
	return letters(c.Before.Text.Slice(e.Start, e.End)) >= reversalLetters && strings.TrimSpace(c.After.Text.Line(c.After.Text.LineAt(e.Start))) == ""
}

// followLocked takes a suggestion over a change; false says that it has been followed for long enough. g.mu is held.
func (g *suggester) followLocked(sg *suggestion, c lsp.Change) bool {
	if len(sg.edits) > maxFollowed {
		g.countLocked(sg)
		return false
	}
	for _, e := range c.Edits {
		sg.follow(versioned{c.After.Version, e})
	}
	return true
}

// dropLocked ends the current suggestion and abandons its response. One that was fit to be shown is kept, in case
// that the document agrees with it again. g.mu is held.
func (g *suggester) dropLocked() {
	sg := g.cur
	if sg == nil {
		return
	}
	g.dropNextLocked()
	fit := sg.err == nil && (sg.ready || sg.ended)
	sg.dead, sg.ended = true, true // nothing more will come of it
	sg.cancel()
	g.cur = nil
	if fit && sg.item.Rest() != "" && !sg.accepted && g.doc != nil {
		g.past = slices.Insert(g.past, 0, sg)
		if len(g.past) > maxKept {
			g.countLocked(g.past[maxKept])
			g.past = g.past[:maxKept]
		}
	} else {
		g.countLocked(sg)
	}
	g.tellLocked()
}

// forgetLocked forgets everything. g.mu is held.
func (g *suggester) forgetLocked() {
	g.dropLocked()
	for _, sg := range g.past {
		g.countLocked(sg)
	}
	g.past = nil
}

// tellLocked wakes everybody who waits. g.mu is held.
func (g *suggester) tellLocked() {
	if g.moved != nil {
		close(g.moved)
	}
	g.moved = make(chan struct{})
}

// dropSuggestions forgets what has been suggested everywhere, because somebody else answers from now on.
func (s *Server) dropSuggestions() {
	for _, d := range s.documents() {
		d.suggester.mu.Lock()
		d.suggester.forgetLocked()
		d.suggester.mu.Unlock()
	}
}
