package server

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
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

// models holds who answers which job. Sessions are opened when settings first ask for them, shared by the jobs that
// have the same endpoint, and replaced when it changes.
type models struct {
	mu     sync.Mutex
	open   []opened
	jobs   map[session.Job]*opened // a job without a session is the embedded engine's
	turns  int                     // see turn
	closed bool
}

// opened is a session and what it was opened with.
type opened struct {
	config session.Config
	*session.Session
}

// use makes the sessions fit the jobs' endpoints. One that nobody needs any more is handed to ended, since its
// requests may still be running.
func (m *models) use(wanted map[session.Job]session.Config, ended func(*session.Session)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	old, before := m.open, m.completerLocked()
	m.open, m.jobs = nil, map[session.Job]*opened{}
	for _, job := range []session.Job{session.Completion, session.Edit, session.Deep} {
		cfg, ok := wanted[job]
		if !ok {
			continue
		}
		same := func(o opened) bool { return sameEndpoint(o.config, cfg) }
		i := slices.IndexFunc(m.open, same)
		if i < 0 {
			if k := slices.IndexFunc(old, same); k >= 0 {
				m.open = append(m.open, old[k])
				old = slices.Delete(slices.Clone(old), k, k+1)
			} else {
				m.open = append(m.open, opened{cfg, session.Open(cfg)})
			}
			i = len(m.open) - 1
		}
		o := m.open[i]
		m.jobs[job] = &o
	}
	if m.completerLocked() != before {
		m.turns++
	}
	for _, o := range old {
		ended(o.Session)
	}
}

func (m *models) completerLocked() *session.Session {
	if o := m.jobs[session.Completion]; o != nil {
		return o.Session
	}
	return nil
}

// turn changes whenever somebody else answers completions from then on, who holds no base yet.
func (m *models) turn() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.turns
}

// status is what a job's session says of its endpoint; ok is false for the embedded engine.
func (m *models) status(job session.Job) (st session.Status, ok bool) {
	if sess := m.session(job); sess != nil {
		return sess.Status(), true
	}
	return st, false
}

// session returns who answers a job, nil for the embedded engine. Only the gate asks it anything.
func (m *models) session(job session.Job) *opened {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs[job]
}

func (m *models) close() {
	m.mu.Lock()
	open := m.open
	m.open, m.jobs, m.closed = nil, nil, true
	m.mu.Unlock()
	for _, o := range open {
		o.Close()
	}
}

// bases are what a job's session is warmed with. A larger task brings its own.
var bases = map[session.Job]func() []prompt.Message{
	session.Completion: prompt.CompletionBase,
	session.Edit:       prompt.EditBase,
}

// chooseModels opens, replaces or closes sessions as the settings in force ask, and warms them: dialled and primed
// now, the first keystroke finds them ready.
func (s *Server) chooseModels() {
	s.choosing.Lock() // or what the settings were a moment ago might be chosen last
	defer s.choosing.Unlock()
	o := s.options()
	wanted := map[session.Job]session.Config{}
	if o.Enabled {
		for _, job := range []session.Job{session.Completion, session.Edit, session.Deep} {
			e := o.For(settings.Job(job))
			if e.Provider == "offline" {
				continue
			}
			key, ok := s.mayUse(e)
			if !ok || key == "" && s.keysFollow() {
				continue // the embedded engine, until the user has agreed, or the keyring has answered
			}
			cfg := EndpointConfig(o, e, s.cfg.Version)
			cfg.Key = key
			cfg.OnStatus = s.sessionStatus
			cfg.OnUsage = s.usage.add
			wanted[job] = cfg
		}
	}
	turn := s.models.turn()
	s.models.use(wanted, func(old *session.Session) {
		s.start(func(context.Context) { old.Close() })
	})
	if s.models.turn() != turn {
		s.dropBases()
	}
	for job, base := range bases {
		if m, ok := s.model(job).(Warmer); ok {
			// A base that is warm already costs nothing, and a failed warm-up neither: the first request goes in full
			// and says what is wrong.
			s.start(func(ctx context.Context) { _ = m.Warm(ctx, job, parts(base())) })
		}
	}
}

// parts turns a prompt's messages into the session's.
func parts(ms []prompt.Message) []session.Part {
	out := make([]session.Part, len(ms))
	for i, m := range ms {
		out[i] = session.Part{Role: session.Role(m.Role), Text: m.Text}
	}
	return out
}
