package server

import (
	"context"
	"fmt"
	"hash/maphash"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

// secret reports whether a document is one that must not be read unasked: ignored by the workspace's rules, or
// of a kind that holds keys. Automatic requests pass it by; the user can still ask by hand (see consented).
func (s *Server) secret(doc *lsp.Document) bool {
	closed, _ := s.closed(doc)
	return closed
}

// closed reports whether the rules close a document, and why, in words for a person.
func (s *Server) closed(doc *lsp.Document) (closed bool, why string) {
	path, ok := doc.Path()
	if !ok {
		return false, ""
	}
	if closed, why = s.ignored(doc.URI, path); closed {
		return true, why
	}
	if old := s.closures.formerName(doc.URI); old != "" {
		return true, "it was " + old + " a moment ago, which is closed"
	}
	return false, ""
}

// ruling is what the rules said of an open document.
type ruling struct {
	rules  *privacy.Rules
	at     time.Time
	closed bool
	why    string
}

// rulingLasts is how long a ruling on an open document holds. The rules look at the disk each time, for links, and are
// asked twice for a completion while a key waits; a change of them takes effect at once all the same.
const rulingLasts = 500 * time.Millisecond

// ignored asks the rules about a document's file.
func (s *Server) ignored(uri, path string) (closed bool, why string) {
	rules := s.rulesFor(path)
	d := s.document(uri)
	if d == nil {
		return rules.Ignored(path, false)
	}
	if v := d.ruling.Load(); v != nil && v.rules == rules && time.Since(v.at) < rulingLasts {
		return v.closed, v.why
	}
	v := &ruling{rules: rules, at: time.Now()}
	v.closed, v.why = rules.Ignored(path, false)
	d.ruling.Store(v)
	return v.closed, v.why
}

// closures is what is known of documents that the rules close: which the user has let be sent, and what stood in those
// that are no longer open, since a new name makes a file no less private.
type closures struct {
	seed maphash.Seed

	mu     sync.Mutex         // guards what follows
	let    map[string]consent // by URI
	gone   map[uint64]string  // by the hash of its text: the name under which a document was closed
	former map[string]string  // by URI: the name that an open document had when it was closed by the rules
	asked  map[string]bool    // by URI: whether the user was asked about completions
}

// consent is how far the user has let a document be sent that the rules close.
type consent struct {
	once   int  // requests under way that were asked for once
	always bool // until the document is closed
}

func newClosures() *closures {
	return &closures{seed: maphash.MakeSeed(), let: map[string]consent{}, gone: map[uint64]string{}, former: map[string]string{}, asked: map[string]bool{}}
}

// shortText is too little to tell one file from another by, in bytes.
const shortText = 8

// closing notes that a document is closed in the editor, which may be half of a change of its name.
func (c *closures) closing(doc *lsp.Document, name string, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.let, doc.URI)
	delete(c.asked, doc.URI)
	if former := c.former[doc.URI]; former != "" {
		name = former
	}
	delete(c.former, doc.URI)
	if closed && doc.Text.Len() >= shortText {
		if len(c.gone) >= 1000 {
			clear(c.gone)
		}
		c.gone[maphash.String(c.seed, doc.Text.String())] = name
	}
}

// opening notes that a document is opened, perhaps under a new name.
func (c *closures) opening(doc *lsp.Document) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.gone) == 0 || doc.Text.Len() < shortText {
		return
	}
	if name, ok := c.gone[maphash.String(c.seed, doc.Text.String())]; ok {
		c.former[doc.URI] = name
	}
}

func (c *closures) formerName(uri string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.former[uri]
}

// allowed reports whether the user has let a document be sent.
func (c *closures) allowed(uri string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.let[uri]
	return l.always || l.once > 0
}

func (c *closures) change(uri string, f func(*consent)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.let[uri]
	f(&l)
	if l == (consent{}) {
		delete(c.let, uri)
		return
	}
	c.let[uri] = l
}

// The answers to the question whether a closed document may be sent.
const (
	answerOnce   = "Send it this once"
	answerAlways = "Until I close it"
	answerNever  = "No"
)

// consented does what the user has asked for by hand with a document, at once where the rules let it be sent or
// nothing of it leaves the machine. Else the user is asked first, and then it is done in the background: f is called
// with the document let in until the function that it returns has been called, and not at all after a no.
func (s *Server) consented(doc *lsp.Document, job session.Job, f func(release func()) error) error {
	closed, why := s.closed(doc)
	if !closed || !s.hasModel(job) || s.closures.allowed(doc.URI) {
		return f(func() {})
	}
	s.start(func(ctx context.Context) {
		question := fmt.Sprintf("%s is closed to models: %s. Send its text to %s for this?", s.relative(doc.URI), why, host(s.options().For(settings.Job(job)).BaseURL))
		answer, err := s.client.ShowMessageRequest(ctx, protocol.MessageTypeWarning, question, answerOnce, answerAlways, answerNever)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.say(protocol.MessageTypeWarning, "spark-lsp: %s is closed to models: %s. This editor cannot ask you; the setting privacy.read in the user file opens it", s.relative(doc.URI), why)
			return
		case answer == answerAlways:
			s.closures.change(doc.URI, func(c *consent) { c.always = true })
		case answer == answerOnce:
		default:
			return
		}
		s.closures.change(doc.URI, func(c *consent) { c.once++ })
		release := sync.OnceFunc(func() { s.closures.change(doc.URI, func(c *consent) { c.once-- }) })
		if err := f(release); err != nil {
			release()
			s.say(protocol.MessageTypeWarning, "spark-lsp: %v", err)
		}
	})
	return nil
}

// completable returns who completes in a document by hand: the embedded engine where the rules close it. The user is
// asked once, in the background, since nobody waits at a key for an answer to a question.
func (s *Server) completable(doc *lsp.Document, model Model) Model {
	closed, why := s.closed(doc)
	if !closed || s.closures.allowed(doc.URI) {
		return model
	}
	s.closures.mu.Lock()
	asked := s.closures.asked[doc.URI]
	s.closures.asked[doc.URI] = true
	s.closures.mu.Unlock()
	if !asked {
		s.start(func(ctx context.Context) {
			question := fmt.Sprintf("%s is closed to models: %s. The embedded engine has completed here. Send the file to %s for completions that you ask for by hand?",
				s.relative(doc.URI), why, host(s.options().For(settings.Completion).BaseURL))
			answer, err := s.client.ShowMessageRequest(ctx, protocol.MessageTypeWarning, question, answerAlways, answerNever)
			if err == nil && answer == answerAlways {
				s.closures.change(doc.URI, func(c *consent) { c.always = true })
			}
		})
	}
	return s.cfg.Engine
}

// followClosures follows documents as they are opened and closed, on the read loop. A closed document is judged once.
func (s *Server) followClosures(c lsp.Change) {
	switch {
	case c.Before == nil && c.After != nil:
		s.closures.opening(c.After)
	case c.After == nil && c.Before != nil:
		s.closures.closing(c.Before, s.relative(c.Before.URI), s.secret(c.Before))
	}
}

// rulesFor returns the rules of the workspace folder that holds a path, or, outside of all of them, those of the
// file's own directory.
func (s *Server) rulesFor(path string) *privacy.Rules {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, root := range s.roots {
		if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
			return s.rulesLocked(root)
		}
	}
	return s.rulesLocked(filepath.Dir(path))
}

// rulesLocked returns the rules of one directory, read once. s.mu is held.
func (s *Server) rulesLocked(dir string) *privacy.Rules {
	o := s.options()
	if asked := strings.Join(slices.Concat(o.PrivacyRead, []string{"\x00"}, o.PrivacyIgnore), "\n"); asked != s.rulesAsked {
		clear(s.rules)
		s.rulesAsked = asked
	}
	r, ok := s.rules[dir]
	if !ok {
		r = privacy.NewRules(dir, privacy.Allow(o.PrivacyRead...), privacy.Deny(o.PrivacyIgnore...), privacy.Off(s.switchedOff))
		s.rules[dir] = r
	}
	return r
}
