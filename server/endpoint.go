package server

import (
	"context"
	"fmt"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

// dialects are the protocols behind the providers' names.
var dialects = map[string]session.Dialect{
	"auto": session.Responses, "openai": session.Responses, "chat": session.Chat, "llamacpp": session.Infill,
	"ollama": session.Ollama, "mistral": session.Mistral, "deepseek": session.DeepSeek, "completions": session.Completions,
}

// EndpointConfig is what a session is opened with for an endpoint: everything but the key, which needs the user's
// consent (see mayUse), and the observers. Model and tier are each job's own, so they are not part of it beyond
// what the endpoint's first job asks for.
func EndpointConfig(r *settings.Resolved, e settings.Endpoint, version string) session.Config {
	cfg := session.Config{
		URL:             e.BaseURL,
		Model:           e.Model,
		ServiceTier:     e.Tier,
		ReasoningEffort: r.ReasoningEffort,
		UserAgent:       "spark-lsp/" + version,
		Dialect:         dialects[e.Provider],
		Transport:       session.Transport(r.Transport),
		ContextWindow:   r.ContextWindow,
		Jobs:            map[session.Job]session.JobConfig{},
	}
	for _, job := range []session.Job{session.Completion, session.Edit, session.Deep} {
		if o := r.For(settings.Job(job)); o.Provider == e.Provider && o.BaseURL == e.BaseURL {
			cfg.Jobs[job] = session.JobConfig{Choice: session.Choice{Model: o.Model, Tier: o.Tier}}
		}
	}
	return cfg
}

// sameEndpoint reports whether one session serves both: the same address, key, protocol and choices for each job.
func sameEndpoint(a, b session.Config) bool {
	return a.URL == b.URL && a.Key == b.Key && a.ReasoningEffort == b.ReasoningEffort && a.Dialect == b.Dialect &&
		a.Transport == b.Transport && a.ContextWindow == b.ContextWindow && maps.Equal(choices(a), choices(b))
}

func choices(c session.Config) map[session.Job]session.Choice {
	m := map[session.Job]session.Choice{}
	for job, jc := range c.Jobs {
		m[job] = jc.Choice
	}
	return m
}

// sessionStatus tells shells, and the log, of a change in the endpoint's readiness. It runs on the session's
// goroutines, so the telling is done elsewhere.
func (s *Server) sessionStatus(st session.Status) {
	s.log.Info("the endpoint", zap.String("state", string(st.State)), zap.String("message", st.Message),
		zap.String("transport", string(st.Transport)), zap.Bool("warm", st.Warm))
	s.start(func(ctx context.Context) {
		s.notifyStatus(ctx)
		s.tellWaiting(st)
	})
}

// tellWaiting says in the progress of running edits that, and how long, they wait for the endpoint.
func (s *Server) tellWaiting(st session.Status) {
	var text string
	switch st.State {
	case session.Limited:
		text = fmt.Sprintf("waiting for the rate limit, %.0f s", time.Until(st.Until).Seconds())
	case session.Queued:
		text = "queued by the endpoint"
	default:
		return
	}
	s.mu.Lock()
	var waiting []*progress
	for _, e := range s.edits {
		if e.progress != nil {
			waiting = append(waiting, e.progress)
		}
	}
	s.mu.Unlock()
	for _, p := range waiting {
		p.tell(text)
	}
}

// methodStatus is our notification of what spark-lsp.status answers, for shells that show it all the time.
const methodStatus = "spark/status"

// notifyStatus sends spark/status to clients that want it. The state is read now, not when it was
// reported: of two changes in quick succession both tell the later.
func (s *Server) notifyStatus(ctx context.Context) {
	if s.client != nil && s.client.SparkStatus {
		_ = s.client.Notify(ctx, methodStatus, s.status())
	}
}
