package server

import (
	"context"
	"iter"
	"sync"

	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// Model answers requests. Both a *session.Session and the embedded engine are one.
type Model interface {
	Stream(ctx context.Context, req session.Request) iter.Seq2[session.Event, error]
}

// Engine is the embedded engine: a Model that the server feeds with the workspace's files. Paths are
// slash-separated and relative to the workspace.
type Engine interface {
	Model
	AddFile(path, language, text string) // language "" goes by the path
	RemoveFile(path string)
	// NextEdits proposes where else in text the user's latest edit may be wanted, the likeliest place first. past led
	// to text. It is called on the goroutine of a request and takes milliseconds.
	NextEdits(path, language, text string, past []PastEdit) []Proposal
}

// models holds who answers. The session is opened when settings first ask for it and replaced when the
// endpoint changes.
type models struct {
	mu      sync.Mutex
	session *session.Session // nil while the embedded engine serves everything
	config  session.Config   // what session was opened with
	closed  bool
}

// use makes the session fit cfg; a zero URL means none is wanted. A session that is replaced ends in the
// background, since its requests may still be running.
func (m *models) use(cfg session.Config, ended func(*session.Session)) *session.Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.session != nil && sameEndpoint(m.config, cfg) || m.session == nil && cfg.URL == "" {
		return m.session
	}
	if m.session != nil {
		ended(m.session)
		m.session = nil
	}
	m.config = cfg
	if cfg.URL != "" {
		m.session = session.Open(cfg)
	}
	return m.session
}

func (m *models) current() *session.Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session
}

func (m *models) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.session != nil {
		m.session.Close()
		m.session = nil
	}
}

// chooseModels opens, replaces or closes the session as the settings in force ask, and warms it: dialled and
// primed now, the first keystroke finds it ready.
func (s *Server) chooseModels() {
	o := s.options()
	var cfg session.Config
	if o.Enabled && o.UsesModel() {
		cfg = EndpointConfig(o, s.cfg.Version)
		cfg.URL, cfg.Key, _ = s.endpoint() // no address while the user has not agreed to it
		cfg.OnStatus = s.sessionStatus
		cfg.OnUsage = s.usage.add
	}
	sess := s.models.use(cfg, func(old *session.Session) {
		s.start(func(context.Context) { old.Close() })
	})
	if sess == nil {
		return
	}
	s.start(func(ctx context.Context) {
		// A failed warm-up costs nothing: the first request goes in full and says what is wrong.
		_ = sess.Warm(ctx, session.Completion, parts(prompt.CompletionBase()))
		_ = sess.Warm(ctx, session.Edit, parts(prompt.EditBase()))
	})
}

// parts turns a prompt's messages into the session's.
func parts(ms []prompt.Message) []session.Part {
	out := make([]session.Part, len(ms))
	for i, m := range ms {
		out[i] = session.Part{Role: session.Role(m.Role), Text: m.Text}
	}
	return out
}
