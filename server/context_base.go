package server

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

// A file's base is renewed when all of this holds:
//   - somebody works in the file, and has not touched a key for quietTime: never in the middle of a burst, where a
//     large upload would be in the way of the small ones;
//   - it has none; or what was edited since takes half of what a request has room for; or the cursor has left the
//     part of the file that is in it;
//   - the last one is older than leastAge;
//   - the hour's tokens for it (setting context.warmTokens) are not spent.
//
// Until the new one is warm the old one serves, and where that no longer can, requests go without one: with larger
// windows, and never with a snapshot that is wrong.
const (
	quietTime = time.Second
	leastAge  = 20 * time.Second
)

// warmth accounts for the files that are kept warm. One counts for every request that its base stands in front of.
type warmth struct {
	mu    sync.Mutex    // guards what follows
	warm  []*docContext // whose base is in force, the latest last
	spent []spending    // of the last hour, the oldest first
}

type spending struct {
	at     time.Time
	tokens int
}

// mostWarm is how many files' bases are in force at once. A session keeps eight bases in all.
const mostWarm = 5

// afford takes tokens from the hour's account, if there are so many left.
func (w *warmth) afford(tokens, hourly int, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spent = slices.DeleteFunc(w.spent, func(s spending) bool { return now.Sub(s.at) > time.Hour })
	sum := tokens
	for _, s := range w.spent {
		sum += s.tokens
	}
	if sum > hourly {
		return false
	}
	w.spent = append(w.spent, spending{now, tokens})
	return true
}

// holds notes that a document's base is in force; the document that is pushed out by it goes without from now on.
func (w *warmth) holds(c *docContext) (out *docContext) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.warm = slices.DeleteFunc(w.warm, func(o *docContext) bool { return o == c })
	w.warm = append(w.warm, c)
	if len(w.warm) > mostWarm {
		out = w.warm[0]
		w.warm = slices.Delete(w.warm, 0, 1)
	}
	return out
}

// untilQuiet is how long the document must stay as it is for the burst to be over.
func (c *docContext) untilQuiet() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return quietTime - time.Since(c.lastKey)
}

// renew gives the document a new base if it needs one, and makes it ready at the endpoint.
func (c *docContext) renew(ctx context.Context) {
	s, d := c.s, c.d
	d.mu.Lock()
	doc := d.doc
	d.mu.Unlock()
	st, ok := s.models.status(session.Completion)
	o := s.optionsFor(doc)
	if !ok || st.Alone || !o.ContextSnapshot || s.options().For(settings.Completion).Provider != "openai" || !s.automatic(doc) || !s.automaticAllowed() {
		return
	}
	turn := s.models.turn()
	warmer, ok := s.model(session.Completion).(Warmer)
	if !ok {
		return
	}
	c.mu.Lock()
	now := time.Now()
	state := baseState{wanted: c.active && c.readable, quiet: now.Sub(c.lastKey), age: now.Sub(c.renewed)}
	at := min(c.at, doc.Text.Len())
	in := prompt.Input{
		Path: c.path, Language: doc.LanguageID, Text: doc.Text, Cursor: at, Context: c.stable,
		Count: s.contexts.tokens.Count, ContextTokens: o.ContextCompletionTokens,
	}
	old, oldSent := c.base, c.sent
	c.mu.Unlock()
	if old != nil {
		state.fill = s.fillOf(old, oldSent, doc, in)
	} else {
		state.fill = 2
	}
	if !state.due() {
		return
	}
	s.contexts.edits.seal(doc.URI)
	base := prompt.NewBase(in, doc.Version)
	if !s.contexts.warmth.afford(base.Tokens, o.ContextWarmTokens, time.Now()) {
		s.log.Info("context: the hour's tokens for files that are kept ready are spent", zap.Int("tokens", o.ContextWarmTokens))
		return
	}
	c.mu.Lock()
	c.renewed = time.Now()
	c.mu.Unlock()
	began := time.Now()
	err := warmer.WarmFor(ctx, session.Completion, parts(base.Messages), doc.URI)
	s.log.Debug("context: a base is warm", zap.Int("tokens", base.Tokens), zap.Int32("version", base.Version), zap.Duration("took", time.Since(began)), unquoted(err))
	if err != nil {
		return // it goes on without, and tries again at the next pause
	}
	select {
	case <-c.closed:
		return
	default:
	}
	sent := s.maskedBase(parts(base.Messages))
	c.mu.Lock()
	if s.models.turn() == turn { // else somebody else answers by now
		c.base, c.sent = base, sent
	}
	c.mu.Unlock()
	if out := s.contexts.warmth.holds(c); out != nil {
		out.mu.Lock()
		out.base = nil
		out.mu.Unlock()
	}
}

// fillOf is how much of its room a base has used up, 2 where it no longer stands for the file: then a request goes
// without it, or in full. sent is what it was when it left this machine.
func (s *Server) fillOf(b *prompt.Base, sent []session.Part, doc *lsp.Document, in prompt.Input) float64 {
	edits, complete := s.contexts.edits.snippets(doc.URI, b.Version, s.mayStand)
	if !complete || !slices.Equal(s.maskedBase(parts(b.Messages)), sent) { // a secret is known by now that was not
		return 2
	}
	in.Context = edits
	return b.Fill(in)
}

// baseState is what decides whether a document gets a new base.
type baseState struct {
	wanted bool          // somebody works in it, and it may be read
	quiet  time.Duration // since the last key
	age    time.Duration // since a base was made for it last
	fill   float64       // see Base.Fill; above 1 where there is none that serves
}

// due is the rule above, but for the tokens.
func (b baseState) due() bool {
	return b.wanted && b.quiet >= quietTime && b.age >= leastAge && b.fill > 0.5
}

// dropBases takes all bases out of force: another endpoint answers, or what may be read has changed.
func (s *Server) dropBases() {
	for _, d := range s.documents() {
		c := &d.context
		c.mu.Lock()
		c.base, c.stable, c.readable, c.renewed = nil, nil, false, time.Time{}
		c.wakeLocked()
		c.mu.Unlock()
	}
}
