package server

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
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
}

// spot is a cursor in a version of the document.
type spot struct {
	version int32
	cursor  int
}

// suggestion is a response of the model for one place in one version of the document, growing while it streams.
type suggestion struct {
	number int
	doc    *lsp.Document // the document that was asked about
	at     int           // where, bytes of doc
	asked  trigger
	many   bool // several lines are welcome, since a suggestion has just been accepted
	began  time.Time
	cancel context.CancelFunc
	over   chan struct{} // closed when its response is left

	// Guarded by suggester.mu.
	edits []versioned        // what happened to the document since
	item  editops.Suggestion // anchored in doc; its New only ever grows
	spoke bool               // something has come of the response
	ready bool               // a good place to stop has been reached: it may be shown
	ended bool               // the response is over; nothing more will come
	dead  bool               // superseded or cancelled
	err   error

	waiting    int  // requests that wait for it now
	held       bool // a key waits, or has waited, for its first word
	prefetched bool // asked for before any editor did, and no editor has since
	bytes      int  // of the response so far
	shown      bool // handed to the editor
	part       int  // characters of it that were accepted by themselves
	partly     bool
	accepted   bool
	counted    bool // its end has been accounted for
}

// versioned is an edit and the document version that it led to.
type versioned struct {
	version int32
	edit    editops.Edit
}

const (
	// maxFollowed is the number of edits over which a suggestion is carried; a suggestion that has lived through
	// more has long been typed, or refused.
	maxFollowed = 256
	// maxRecent is the number of edits by which a request may be behind the document when its goroutine gets to run.
	maxRecent = 64
	// maxKept bounds the suggestions that wait for a typo to go away.
	maxKept = 8
	// grace is how long a response lives whose only asker has cancelled. Editors cancel a request when a key comes,
	// some of them before they tell of the key and ask anew; the provider must hear of a real cancel within 50 ms.
	grace = 25 * time.Millisecond
)

// shown is what an editor is given: Edit refers to the document that was asked about.
type shown struct {
	editops.Edit
	cursor int // where the user is, Start <= cursor <= End
	number int // of the suggestion
}

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
	g.past = slices.DeleteFunc(g.past, func(sg *suggestion) bool { return !g.followLocked(sg, c) })
	if g.cur != nil {
		g.watchLocked(g.cur, c)
	}
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
		sg.edits = append(sg.edits, versioned{c.After.Version, e})
	}
	return true
}

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
	new := sg.item.New
	return ok && sg.ended && new != "" && start+len(new) <= g.doc.Text.Len() && g.doc.Text.Slice(start, start+len(new)) == new
}

// startIn is where a suggestion's start is in a later version; ok is false when something before it on its line, or
// further up across it, was changed.
func (sg *suggestion) startIn(version int32) (start int, ok bool) {
	start = sg.item.Start
	for _, e := range sg.until(version) {
		switch {
		case e.Start >= start:
		case e.End <= start:
			start += len(e.New) - (e.End - e.Start)
		default:
			return 0, false
		}
	}
	return start, true
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
	g.s.start(func(context.Context) { g.s.prefetch(g, g.end) })
}

// partly notes that a client says a part of a suggestion was accepted.
func (g *suggester) partly(number int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cur != nil && g.cur.number == number {
		g.cur.partly = true
	}
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

// countLocked accounts for a suggestion that will not be shown again. g.mu is held.
func (g *suggester) countLocked(sg *suggestion) {
	if sg.counted {
		return
	}
	sg.counted = true
	typed := false
	if g.doc != nil && !sg.accepted {
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
		g.s.tally.prefetched(tokens(sg.bytes), false)
	}
}

// forgetLocked forgets everything. g.mu is held.
func (g *suggester) forgetLocked() {
	g.dropLocked()
	for _, sg := range g.past {
		g.countLocked(sg)
	}
	g.past = nil
}

// dropLocked ends the current suggestion and abandons its response. One that was fit to be shown is kept, in case
// that the document agrees with it again. g.mu is held.
func (g *suggester) dropLocked() {
	sg := g.cur
	if sg == nil {
		return
	}
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

// tellLocked wakes everybody who waits. g.mu is held.
func (g *suggester) tellLocked() {
	if g.moved != nil {
		close(g.moved)
	}
	g.moved = make(chan struct{})
}

// until are the edits that led from sg.doc to the document's given version.
func (sg *suggestion) until(version int32) []editops.Edit {
	var edits []editops.Edit
	for _, v := range sg.edits {
		if v.version <= version {
			edits = append(edits, v.edit)
		}
	}
	return edits
}

// agreement is how far a response and what the user has typed since go together.
type agreement uint8

const (
	contradicts agreement = iota // the user is elsewhere, or typed something else
	mayAgree                     // the user went on typing, and the response has not said a word yet
	agrees                       // they agree as far as both go, but nothing is left to show yet
	live                         // something is left to show
)

// alive returns what is left of the suggestion for a cursor in a version of the document.
func (sg *suggestion) alive(doc *lsp.Document, cursor int) (item editops.Suggestion, a agreement) {
	if doc.Version < sg.doc.Version {
		return item, contradicts
	}
	edits := sg.until(doc.Version)
	said := sg.item.New[min(len(sg.item.New), sg.at-sg.item.Start):]
	// A response that has said nothing only brings back what the user deletes.
	if item, ok := editops.Interpolate(sg.item, edits, cursor); ok && said != "" {
		return item, live
	}
	if sg.ended {
		return item, contradicts
	}
	// The model may still be behind the user: see whether all that was typed stands between its place and the cursor.
	if cursor < sg.at {
		return item, contradicts
	}
	for _, e := range edits {
		if e.Start < sg.at {
			return item, contradicts
		}
	}
	typed := ""
	if cursor > sg.at {
		typed = doc.Text.Slice(sg.at, cursor)
	}
	switch {
	case typed == "":
		if said == "" {
			return item, agrees
		}
	case said == "":
		if !strings.ContainsAny(typed, "\r\n") { // Enter leaves the line that the model was asked to complete
			return item, mayAgree
		}
	case strings.HasPrefix(typed, said):
		return item, agrees
	}
	return item, contradicts
}

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

// suggest returns the suggestion for a place, or nil when there is none. It asks a model only when what was
// suggested before does not serve.
func (s *Server) suggest(ctx context.Context, doc *lsp.Document, cursor int, asked trigger) (*shown, error) {
	d := s.document(doc.URI)
	if d == nil || !s.options().Enabled {
		return nil, nil
	}
	if asked != byHand && (s.paused.Load() || s.options().CompletionAutomatic == "off" || s.secret(doc)) {
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
			if held && !sg.ended && !sg.spoke {
				g.pace.late(time.Since(sg.began))
			}
			g.dropLocked()
			if g.cur = s.startSuggestion(g, doc, cursor, asked, false); g.cur == nil {
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
		if !sg.shown {
			sg.shown = true
			g.s.tally.add(func(c *counts) { c.Shown++ })
		}
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

// deletedBefore reports whether a cursor stands before the place that a suggestion was asked for at.
func (sg *suggestion) deletedBefore(version int32, cursor int) bool {
	start, ok := sg.startIn(version)
	return ok && cursor < start+sg.at-sg.item.Start
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
		s.tally.prefetched(tokens(sg.bytes), true)
	}
}

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

// prefetch asks for what comes behind a suggestion that was accepted just now, so that it is there when the editor
// asks: while it inserts the text, tells of it, and asks, the model is at work already. It does so only where the
// tokens have been worth it so far, and never of the embedded engine, which answers at once anyway.
func (s *Server) prefetch(g *suggester, at spot) {
	if s.models.session(session.Completion) == nil || !s.automaticAllowed() || !s.tally.mayPrefetch() {
		return
	}
	o := s.options()
	if !o.Enabled || s.paused.Load() || o.CompletionAutomatic == "off" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	doc := g.doc
	if doc == nil || doc.Version != at.version || s.secret(doc) {
		return
	}
	if sg := g.cur; sg != nil && sg.doc.Version == at.version {
		return // the editor was faster
	}
	g.dropLocked()
	if g.cur = s.startSuggestion(g, doc, at.cursor, automatic, true); g.cur == nil {
		return
	}
	s.tally.add(func(c *counts) { c.Prefetched++ })
	s.log.Debug("completion: asks ahead", zap.Int("suggestion", g.cur.number))
}

func (d *document) version() int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.doc.Version
}

// fimWindow bounds, in bytes on each side of the cursor, what models without messages are shown.
const fimWindow = 256 << 10

// startSuggestion asks the model. g.mu is held; nothing here waits. It returns nil for a document that is long gone.
func (s *Server) startSuggestion(g *suggester, doc *lsp.Document, cursor int, asked trigger, ahead bool) *suggestion {
	if doc.Version < g.from {
		return nil // too long ago to carry the answer over what has happened since
	}
	ctx, cancel := context.WithCancel(s.root)
	g.number++
	sg := &suggestion{
		number: g.number, doc: doc, at: cursor, asked: asked, began: time.Now(), cancel: cancel, over: make(chan struct{}),
		many: g.end == spot{doc.Version, cursor}, prefetched: ahead,
	}
	for _, v := range g.recent {
		if v.version > doc.Version {
			sg.edits = append(sg.edits, v)
		}
	}
	start := doc.Text.LineStart(doc.Text.LineAt(cursor))
	sg.item = anchored(doc.Text, start, cursor, cursor, "")
	var model Model = s.cfg.Engine
	if sess := s.models.session(session.Completion); sess != nil && (asked == byHand || s.automaticAllowed()) {
		model = sess
	}
	s.tally.add(func(c *counts) { c.Requests++ })
	before := g.asked
	g.asked = sg
	s.start(func(context.Context) {
		defer cancel()
		defer close(sg.over)
		defer s.working()()
		if before != nil {
			// It is ended or abandoned; the model is told that before it is asked anything new. A response that is slow to
			// let go must not hold this one.
			t := time.NewTimer(grace)
			defer t.Stop()
			select {
			case <-before.over:
			case <-t.C:
			}
		}
		s.runSuggestion(ctx, g, sg, model, ahead)
	})
	return sg
}

// anchored is a suggestion of text at the cursor that replaces what stands from start to end.
func anchored(t *lsp.Text, start, cursor, end int, text string) editops.Suggestion {
	lo := t.LineStart(t.LineAt(start))
	s := editops.NewSuggestion(t.Slice(lo, end), start-lo, end-lo, cursor-lo, t.Slice(start, cursor)+text)
	s.Start, s.End, s.Cursor = s.Start+lo, s.End+lo, s.Cursor+lo
	return s
}

// lineTokens bounds an answer that has room for one line only, in tokens.
const lineTokens = 64

// patience is how long a response that already says something is waited for to come to a good end, before it is
// shown as far as its last whole line.
const patience = 150 * time.Millisecond

// runSuggestion reads the response, decides when it is good enough to be shown, and lets everybody know.
func (s *Server) runSuggestion(ctx context.Context, g *suggester, sg *suggestion, model Model, ahead bool) {
	t := sg.doc.Text
	path := s.relative(sg.doc.URI)
	p := prompt.Completion(prompt.Input{Path: path, Language: sg.doc.LanguageID, Text: t, Cursor: sg.at})
	req := session.Request{
		Job: session.Completion, Base: parts(p.Base), Input: parts(p.Input), Explicit: sg.asked != automatic,
		FIM: session.FIM{
			Path: path, Language: sg.doc.LanguageID,
			Prefix: t.Slice(max(0, sg.at-fimWindow), sg.at),
			Suffix: t.Slice(sg.at, min(t.Len(), sg.at+fimWindow)),
		},
		MaxOutputTokens: s.options().CompletionMaxTokens,
		CacheKey:        s.cacheKey(sg.doc.URI),
	}
	cutter := newCutter(sg.doc, sg.at, sg.many)
	if !cutter.multiline() {
		req.MaxOutputTokens = min(req.MaxOutputTokens, lineTokens)
	}
	if ahead {
		req.MaxOutputTokens = min(req.MaxOutputTokens, prefetchTokens)
	}
	deleted := s.deletedBefore(sg)
	if model != Model(s.cfg.Engine) && sg.asked != byHand && !ahead {
		s.start(func(context.Context) { s.standIn(ctx, g, sg, req, deleted) })
	}
	var failure error
	asked := time.Now()
	var first time.Time
	for ev, err := range model.Stream(ctx, req) {
		if err != nil {
			failure = err
			break
		}
		if ev.Kind != session.Delta {
			continue
		}
		if first.IsZero() {
			first = time.Now()
			s.log.Debug("completion: first text", zap.Duration("after", first.Sub(asked)))
		}
		g.heard(sg, len(ev.Text), first.Sub(asked))
		if cutter.push(ev.Text) {
			break // leaving the loop abandons the rest of the answer
		}
		if item, ok := cutter.lines(); ok && time.Since(first) > patience && !deleted.undoneBy(item) {
			g.show(sg, item, true)
		} else {
			g.show(sg, cutter.whole(), false)
		}
	}
	if failure != nil && first.IsZero() && ctx.Err() == nil && model != Model(s.cfg.Engine) {
		// No network, no key that fits, no room in the limits: what works without any of them still works.
		s.log.Info("completion: the embedded engine answers for a model that cannot", zap.Error(failure))
		failure = nil
		for ev, err := range s.cfg.Engine.Stream(ctx, req) {
			if err != nil || ev.Kind == session.Delta && cutter.push(ev.Text) {
				break
			}
		}
	}
	item := cutter.whole()
	if deleted.undoneBy(item) {
		s.log.Debug("completion: would bring back what was just deleted", zap.Int("suggestion", sg.number))
		item = cutter.suggestion("")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s.tally.add(func(c *counts) { c.Tokens += tokens(sg.bytes) })
	if sg.dead {
		return
	}
	if strings.HasPrefix(item.New, sg.item.New) || !sg.ready {
		sg.item = item
	}
	sg.ended = true
	if ctx.Err() == nil {
		sg.err = failure
	}
	g.tellLocked()
}

// standIn lets the embedded engine answer in the model's place when the model is slow to speak (D21). It says nothing
// unless it is fairly sure. Once shown, its text stays: the model's is taken only where it extends it, since nothing
// that a user looks at is ever replaced. ctx ends with the model's response.
func (s *Server) standIn(ctx context.Context, g *suggester, sg *suggestion, req session.Request, deleted *removal) {
	g.mu.Lock()
	deadline := g.pace.deadline()
	g.mu.Unlock()
	t := time.NewTimer(deadline - time.Since(sg.began))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return
	}
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
	for ev, err := range s.cfg.Engine.Stream(ctx, req) {
		if err != nil {
			return item, false
		}
		if ev.Kind == session.Delta && cutter.push(ev.Text) {
			break
		}
	}
	item = cutter.whole()
	return item, cutter.stopper.Text() != "" && item.Rest() != "" && !deleted.undoneBy(item)
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

// heard notes that a response has said more.
func (g *suggester) heard(sg *suggestion, bytes int, first time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sg.bytes += bytes
	if !sg.spoke {
		sg.spoke = true
		g.pace.spoke(first)
		g.s.firstText.Store(int64(g.pace.first)) // the next document begins with it
	}
}

// show makes more of a response known, and with ready fit to be shown. What may have been shown is only ever replaced
// by what extends it.
func (g *suggester) show(sg *suggestion, item editops.Suggestion, ready bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if sg.dead || sg.ready && (!ready || !strings.HasPrefix(item.New, sg.item.New)) {
		return
	}
	if item.New == sg.item.New && ready == sg.ready {
		return
	}
	sg.item = item
	sg.ready = ready
	g.tellLocked()
}

// dropSuggestions forgets what has been suggested everywhere, because somebody else answers from now on.
func (s *Server) dropSuggestions() {
	s.mu.Lock()
	docs := slices.Collect(maps.Values(s.docs))
	s.mu.Unlock()
	for _, d := range docs {
		d.suggester.mu.Lock()
		d.suggester.forgetLocked()
		d.suggester.mu.Unlock()
	}
}
