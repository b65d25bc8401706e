package server

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// suggester holds one document's suggestion: at most one response of the model is alive for a document, and
// everybody who asks is served from it for as long as what the user types agrees with it.
type suggester struct {
	mu  sync.Mutex
	cur *suggestion // nil before the first request
}

// suggestion is a response of the model for one place in one version of the document, growing while it streams.
type suggestion struct {
	doc    *lsp.Document // the document that was asked about
	at     int           // where, bytes of doc
	asked  trigger
	cancel context.CancelFunc

	// Guarded by suggester.mu.
	edits []versioned        // what happened to the document since
	item  editops.Suggestion // anchored in doc; its New only ever grows
	ready bool               // a good place to stop has been reached: it may be shown
	ended bool               // the response is over; nothing more will come
	dead  bool               // superseded or cancelled
	err   error
	grown chan struct{} // closed and replaced whenever one of these changes
}

// versioned is an edit and the document version that it led to.
type versioned struct {
	version int32
	edit    editops.Edit
}

// maxFollowed is the number of edits over which a suggestion is carried; a suggestion that has lived through
// more has long been typed, or refused.
const maxFollowed = 256

// shown is what an editor is given: Edit refers to the document that was asked about.
type shown struct {
	editops.Edit
	cursor int // where the user is, Start <= cursor <= End
}

// changed notes what happened to the document. It runs on the read loop.
func (g *suggester) changed(c lsp.Change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cur == nil {
		return
	}
	if c.After == nil || c.Before == nil || len(g.cur.edits) > maxFollowed {
		g.dropLocked()
		return
	}
	for _, e := range c.Edits {
		g.cur.edits = append(g.cur.edits, versioned{c.After.Version, e})
	}
}

// dropLocked forgets the suggestion and abandons its response. g.mu is held.
func (g *suggester) dropLocked() {
	if g.cur == nil {
		return
	}
	g.cur.dead = true
	g.cur.cancel()
	g.cur.tellLocked()
	g.cur = nil
}

func (sg *suggestion) tellLocked() {
	close(sg.grown)
	sg.grown = make(chan struct{})
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

// alive returns what is left of the suggestion for a cursor in a version of the document. fits is true as long as
// what the user typed and what the model said agree as far as both go, so that the response is worth waiting for
// even when nothing of it is left to show yet.
func (sg *suggestion) alive(doc *lsp.Document, cursor int) (item editops.Suggestion, live, fits bool) {
	if doc.Version < sg.doc.Version {
		return item, false, false
	}
	edits := sg.until(doc.Version)
	if item, ok := editops.Interpolate(sg.item, edits, cursor); ok {
		return item, true, true
	}
	if sg.ended {
		return item, false, false
	}
	// The model may still be behind the user: carry a suggestion of nothing, and see where its start is now.
	for _, e := range edits {
		if e.Start < sg.at {
			return item, false, false
		}
	}
	typed := ""
	if cursor > sg.at {
		typed = doc.Text.Slice(sg.at, cursor)
	}
	said := sg.item.New[min(len(sg.item.New), sg.at-sg.item.Start):]
	// A response that has said nothing yet fits anything, but probably not what was typed since it was asked for.
	return item, false, cursor >= sg.at && strings.HasPrefix(typed, said) && (said != "" || typed == "")
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
	for {
		g.mu.Lock()
		sg := g.cur
		if sg != nil && !sg.dead {
			if doc.Version < sg.doc.Version {
				g.mu.Unlock()
				return nil, errSuperseded
			}
			item, live, fits := sg.alive(doc, cursor)
			same := doc.Version == sg.doc.Version && cursor == sg.at
			switch {
			case live && (sg.ready || sg.ended):
				g.mu.Unlock()
				return &shown{item.Edit(), item.Cursor}, nil
			case sg.ended && same && sg.err != nil:
				// It failed: tell whoever waited for it, and ask again next time.
				err := sg.err
				g.dropLocked()
				g.mu.Unlock()
				return nil, err
			case sg.ended && same && asked <= sg.asked:
				g.mu.Unlock()
				return nil, nil // asked and answered: there is nothing to suggest here
			case !sg.ended && (live || fits):
				grown := sg.grown
				g.mu.Unlock()
				select {
				case <-grown:
					continue
				case <-ctx.Done():
					s.leave(g, sg)
					return nil, ctx.Err()
				}
			}
		}
		if ctx.Err() != nil {
			g.mu.Unlock()
			return nil, ctx.Err()
		}
		if sg != nil && sg.dead && doc.Version < d.version() {
			g.mu.Unlock()
			return nil, errSuperseded
		}
		g.dropLocked()
		g.cur = s.startSuggestion(g, doc, cursor, asked)
		g.mu.Unlock()
	}
}

// leave abandons a response that its only asker has cancelled, unless the user has moved on within it: then the next
// request will want it.
func (s *Server) leave(g *suggester, sg *suggestion) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cur == sg && !sg.ended && len(sg.edits) == 0 {
		g.dropLocked()
	}
}

func (d *document) version() int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.doc.Version
}

// fimWindow bounds, in bytes on each side of the cursor, what models without messages are shown.
const fimWindow = 256 << 10

// startSuggestion asks the model. g.mu is held; nothing here waits.
func (s *Server) startSuggestion(g *suggester, doc *lsp.Document, cursor int, asked trigger) *suggestion {
	ctx, cancel := context.WithCancel(s.root)
	sg := &suggestion{doc: doc, at: cursor, asked: asked, cancel: cancel, grown: make(chan struct{})}
	start := doc.Text.LineStart(doc.Text.LineAt(cursor))
	sg.item = anchored(doc.Text, start, cursor, cursor, "")
	var model Model = s.cfg.Engine
	if sess := s.models.current(); sess != nil && (asked == byHand || s.automaticAllowed()) {
		model = sess
	}
	s.start(func(context.Context) {
		defer cancel()
		s.runSuggestion(ctx, g, sg, model)
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
func (s *Server) runSuggestion(ctx context.Context, g *suggester, sg *suggestion, model Model) {
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
	cutter := newCutter(sg.doc, sg.at)
	if !cutter.multiline() {
		req.MaxOutputTokens = min(req.MaxOutputTokens, lineTokens)
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
		if cutter.push(ev.Text) {
			break // leaving the loop abandons the rest of the answer
		}
		if item, ok := cutter.lines(); ok && time.Since(first) > patience {
			g.show(sg, item, true)
		} else {
			g.show(sg, cutter.whole(), false)
		}
	}
	item := cutter.whole()
	g.mu.Lock()
	defer g.mu.Unlock()
	if strings.HasPrefix(item.New, sg.item.New) || !sg.ready {
		sg.item = item
	}
	sg.ended = true
	if ctx.Err() == nil {
		sg.err = failure
	}
	sg.tellLocked()
}

// show makes more of a response known, and with ready fit to be shown. What may have been shown is only ever replaced
// by what extends it.
func (g *suggester) show(sg *suggestion, item editops.Suggestion, ready bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if sg.ready && (!ready || !strings.HasPrefix(item.New, sg.item.New)) {
		return
	}
	if item.New == sg.item.New && ready == sg.ready {
		return
	}
	sg.item = item
	sg.ready = ready
	sg.tellLocked()
}

// dropSuggestions forgets what has been suggested everywhere, because somebody else answers from now on.
func (s *Server) dropSuggestions() {
	s.mu.Lock()
	docs := slices.Collect(maps.Values(s.docs))
	s.mu.Unlock()
	for _, d := range docs {
		d.suggester.mu.Lock()
		d.suggester.dropLocked()
		d.suggester.mu.Unlock()
	}
}
