package server

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// A Steerer is a Model whose answers can be redirected while they are written. See session.Session.Steer.
type Steerer interface {
	Steer(ctx context.Context, h session.Handle, input []session.Part) (session.Outcome, error)
}

// A Warmer is a Model that can be made ready for a base. See session.Session.Warm. WarmFor names the document that the
// base belongs to.
type Warmer interface {
	Warm(ctx context.Context, job session.Job, base []session.Part) error
	WarmFor(ctx context.Context, job session.Job, base []session.Part, uri string) error
}

// model is the only door to whoever answers a job: the session behind the gate, or the embedded engine where there is
// none. TestPackageServerSendsThroughTheGate holds that nobody in this package goes round it. What comes out of it may
// be a Steerer and a Warmer too; the embedded engine is neither.
func (s *Server) model(job session.Job) Model {
	if o := s.models.session(job); o != nil {
		return &gate{s: s, session: o.Session, fim: o.config.Dialect.FillsIn()}
	}
	return s.cfg.Engine
}

// readsFIM reports whether a model needs Request.FIM, which is half a megabyte of a large document.
func readsFIM(m Model) bool {
	g, ok := m.(*gate)
	return !ok || g.fim
}

// hasModel reports whether a job is answered by a model rather than by the embedded engine, which follows no
// instructions.
func (s *Server) hasModel(job session.Job) bool { return s.models.session(job) != nil }

// deaf says why nobody follows an instruction of a job, and what the user can do about it; "" when somebody does. A
// session would refuse it too, but only after the user has chosen it.
func (s *Server) deaf(job session.Job) string {
	switch o := s.models.session(job); {
	case o == nil:
		return "the embedded engine follows no instructions; 'spark-lsp login' stores a key for a model that does"
	case o.config.Dialect.FillsIn():
		return fmt.Sprintf("the model here only completes code; set %s.provider (to chat, for instance) and %[1]s.model to one that follows instructions", job)
	}
	return ""
}

// gate is what every byte on its way to a model passes, and every byte of its answer. Its caller speaks of the user's
// text, secrets and all; the model reads placeholders in their place, and what it says of them comes back as the
// secrets. The embedded engine has no gate: nothing that it is asked leaves the machine.
type gate struct {
	s       *Server
	session *session.Session
	fim     bool // the model reads Request.FIM, and no messages
}

// Stream masks when the sequence is first ranged over, which is when the session sends.
func (g *gate) Stream(ctx context.Context, req session.Request) iter.Seq2[session.Event, error] {
	return func(yield func(session.Event, error) bool) {
		if why := g.s.mustStay(req.CacheKey); why != "" {
			yield(session.Event{}, &session.Error{Kind: session.Refused, Message: "nothing was sent: the file is closed to models: " + why})
			return
		}
		m := g.s.masker()
		g.s.learnDocuments(m)
		g.unmasked(m, g.session.Stream(ctx, g.masked(m, req)), yield)
	}
}

// mustStay says why a request about a document must not leave; "" when it may. Whoever asks unasked has looked already,
// and whoever asks by hand has asked the user (see consented): this is for those who forget.
func (s *Server) mustStay(uri string) string {
	doc := s.latest(uri)
	if doc == nil {
		return ""
	}
	closed, why := s.closed(doc)
	if !closed || s.closures.allowed(uri) {
		return ""
	}
	return why
}

// answerOf is the one way to ask a model: its answer, as far as nothing is hidden in it. own is the text that the answer
// replaces; what is hidden there already may stay. The error of an answer that hides something is a
// *privacy.HiddenError, and all that came before it has been delivered.
func (s *Server) answerOf(ctx context.Context, model Model, req session.Request, own string) iter.Seq2[session.Event, error] {
	answer := withoutThoughts(model.Stream(ctx, req), own)
	if s.options().PrivacyInvisible == "allow" {
		return answer
	}
	return func(yield func(session.Event, error) bool) {
		screen := privacy.NewScreen(own)
		for ev, err := range answer {
			switch {
			case err == nil && ev.Kind == session.Delta:
				text, hidden := screen.Push(ev.Text)
				if text != "" && !yield(session.Event{Kind: session.Delta, Text: text}, nil) {
					return
				}
				if hidden != nil {
					yield(session.Event{}, hidden)
					return
				}
				continue
			default: // also Started: a steered answer begins anew
				if rest := screen.Rest(); rest != "" && !yield(session.Event{Kind: session.Delta, Text: rest}, nil) {
					return
				}
			}
			if !yield(ev, err) {
				return
			}
		}
	}
}

// toldHidden reports whether an answer broke off because something was hidden in it, and tells the user: once for
// each document, since it would be so at every key.
func (s *Server) toldHidden(doc *lsp.Document, failure error) bool {
	var hidden *privacy.HiddenError
	if !errors.As(failure, &hidden) {
		return false
	}
	if s.consents.first("hidden " + doc.URI) {
		s.say(protocol.MessageTypeWarning, "spark-lsp: a completion in %s was dropped: %v", s.relative(doc.URI), hidden)
	}
	return true
}

// ownText is what a suggestion may repeat of what is hidden in the document already: its line's own, near it.
func ownText(doc *lsp.Document, at int) string {
	t, line := doc.Text, doc.Text.LineAt(at)
	return t.Slice(max(t.LineStart(line), at-cutWindow), min(t.LineEnd(line), at+cutWindow))
}

// ownDocument is the text of an open document, which an answer may quote; "" of any other.
func (s *Server) ownDocument(uri string) string {
	if doc := s.latest(uri); doc != nil {
		return doc.Text.String()
	}
	return ""
}

// latest is a document as the editor last told it, nil when it is not open.
func (s *Server) latest(uri string) *lsp.Document {
	d := s.document(uri)
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.doc
}

// own is the text that the answer to a task replaces.
func (t task) own() string {
	if t.format == prompt.Hunks {
		return t.doc.Text.String()
	}
	return t.doc.Text.Slice(t.start, t.end)
}

// unmasked hands on an answer with the placeholders taken out.
func (g *gate) unmasked(m *privacy.Masker, answer iter.Seq2[session.Event, error], yield func(session.Event, error) bool) {
	if m == nil {
		answer(yield)
		return
	}
	u := m.Unmasker()
	for ev, err := range answer {
		switch {
		case err == nil && ev.Kind == session.Delta:
			if ev.Text = u.Push(ev.Text); ev.Text == "" {
				continue
			}
		default: // also Started: a steered answer begins anew
			if rest := u.Rest(); rest != "" && !yield(session.Event{Kind: session.Delta, Text: rest}, nil) {
				return
			}
		}
		if !yield(ev, err) {
			return
		}
	}
}

func (g *gate) Steer(ctx context.Context, h session.Handle, input []session.Part) (session.Outcome, error) {
	m := g.s.masker()
	g.s.learnDocuments(m)
	return g.session.Steer(ctx, h, maskedParts(m, input))
}

func (g *gate) Warm(ctx context.Context, job session.Job, base []session.Part) error {
	return g.session.Warm(ctx, job, g.s.maskedBase(base))
}

func (g *gate) WarmFor(ctx context.Context, job session.Job, base []session.Part, uri string) error {
	return g.session.WarmFor(ctx, job, g.s.maskedBase(base), g.s.shards.name(uri))
}

// maskedBase is a base as it may leave.
func (s *Server) maskedBase(base []session.Part) []session.Part {
	m := s.masker()
	s.learnDocuments(m)
	masked := base
	if m != nil {
		untilKnown(m, func() { masked = maskedParts(m, base) })
	}
	return masked
}

// masked is a request as it may leave. A model that reads messages gets no FIM, and the other way round: what is not
// read need not be there to be forgotten.
func (g *gate) masked(m *privacy.Masker, req session.Request) session.Request {
	req.CacheKey = g.s.shards.name(req.CacheKey)
	if !g.fim {
		req.FIM = session.FIM{}
		base, input := req.Base, req.Input
		if m != nil {
			untilKnown(m, func() { req.Base, req.Input = maskedParts(m, base), maskedParts(m, input) })
		}
		return req
	}
	req.Base, req.Input = nil, nil
	if fim := req.FIM; m != nil {
		untilKnown(m, func() { req.FIM = maskedFIM(m, fim) })
	}
	return req
}

// untilKnown masks again when masking has found a secret: it may stand, without what gave it away, in what was masked
// before.
func untilKnown(m *privacy.Masker, mask func()) {
	for range 4 { // each round adds what the last one uncovered, and that is soon nothing
		before := m.Known()
		if mask(); m.Known() == before {
			return
		}
	}
}

// maskedFIM masks a view of a document.
func maskedFIM(m *privacy.Masker, f session.FIM) session.FIM {
	f.Path = m.Mask(f.Path)
	f.Extra = slices.Clone(f.Extra)
	for i := range f.Extra {
		f.Extra[i] = session.File{Path: m.Mask(f.Extra[i].Path), Text: m.Mask(f.Extra[i].Text)}
	}
	f.Prefix, f.Suffix = m.MaskAt(f.Prefix, f.Suffix)
	return f
}

// maskedParts masks messages. The document is in the last ones, with the cursor in it or without.
func maskedParts(m *privacy.Masker, parts []session.Part) []session.Part {
	if m == nil {
		return parts
	}
	out := make([]session.Part, len(parts))
	for i, p := range parts {
		if before, after, ok := strings.Cut(p.Text, prompt.CursorMark); ok && p.Role == session.User {
			if b, a := m.MaskAt(before, after); b != before || a != after {
				p.Text = b + prompt.CursorMark + a
			}
		} else {
			p.Text = m.Mask(p.Text)
		}
		out[i] = p
	}
	return out
}

// learnDocuments lets the Masker look at the whole of each open document that has changed since it last did: a prompt
// shows passages of them.
func (s *Server) learnDocuments(m *privacy.Masker) {
	if m == nil {
		return
	}
	for _, d := range s.documents() {
		d.mu.Lock()
		doc, done := d.doc, d.learned
		d.mu.Unlock()
		if doc == nil || done.by == m && (done.doc == doc || doc.Text.Len() > largeDocument) {
			continue
		}
		values := ""
		if privacy.Holds(doc.URI, doc.LanguageID) {
			values = doc.Text.String()
			if done.by == m {
				values = changedLines(done.doc.Text.String(), values) // it is done for each key
			}
		}
		m.Learn(doc.Text.String(), values)
		d.mu.Lock()
		d.learned = learned{doc, m} // only now: another request may be on its way too, and must not find it done
		d.mu.Unlock()
	}
}

// largeDocument is too large to be looked at as a whole for every key, bytes: it is when it is opened.
const largeDocument = 256 << 10

// learned is what of a document a Masker has seen.
type learned struct {
	doc *lsp.Document
	by  *privacy.Masker
}

// masks is the Masker of this server: one for as long as the settings allow the same, since a placeholder that
// changed would make every warmed base a stranger.
type masks struct {
	mu     sync.Mutex // guards what follows
	allow  []string
	masker *privacy.Masker
}

// masker returns the Masker in force, nil when the user has switched masking off.
func (s *Server) masker() *privacy.Masker {
	o := s.options()
	if o.PrivacySecrets == "off" {
		return nil
	}
	s.masks.mu.Lock()
	defer s.masks.mu.Unlock()
	if s.masks.masker == nil || !slices.Equal(s.masks.allow, o.PrivacyAllow) {
		s.masks.masker, s.masks.allow = privacy.NewMasker(privacy.MaskOptions{Allow: o.PrivacyAllow, Seams: prompt.Seams()}), o.PrivacyAllow
	}
	return s.masks.masker
}

// shards names the shards of the endpoint's prompt cache. Callers name them by what they belong to, such as a
// document's URI; the endpoint gets a number that means something to this process only, since the plain hash of a
// path can be guessed from a list of paths.
type shards struct{ key [32]byte }

func newShards() shards {
	var s shards
	rand.Read(s.key[:]) // never fails
	return s
}

func (s *shards) name(of string) string {
	if of == "" {
		return ""
	}
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write([]byte(of))
	return "spark-lsp:" + hex.EncodeToString(mac.Sum(nil)[:8])
}
