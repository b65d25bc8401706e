package server

import (
	"context"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

// dialects are the protocols behind the providers' names.
var dialects = map[string]session.Dialect{
	"auto": session.Responses, "openai": session.Responses, "chat": session.Chat, "llamacpp": session.Infill,
	"ollama": session.Ollama, "mistral": session.Mistral, "deepseek": session.DeepSeek, "completions": session.Completions,
}

// EndpointConfig is what a session is opened with by the settings in force: everything but the address and the key,
// which need the user's consent (see endpoint), and the observers.
func EndpointConfig(r *settings.Resolved, version string) session.Config {
	return session.Config{
		Model:           r.Model,
		ServiceTier:     r.ServiceTier,
		ReasoningEffort: r.ReasoningEffort,
		UserAgent:       "spark-lsp/" + version,
		Dialect:         dialects[r.Provider],
		Transport:       session.Transport(r.Transport),
		ContextWindow:   r.ContextWindow,
		Jobs: map[session.Job]session.JobConfig{
			session.Completion: {Choice: session.Choice{Model: r.CompletionModel, Tier: r.CompletionServiceTier}},
			session.Edit:       {Choice: session.Choice{Model: r.EditModel, Tier: r.EditServiceTier}},
			session.Deep:       {Choice: session.Choice{Model: r.DeepModel, Tier: r.DeepServiceTier}},
		},
	}
}

// sameEndpoint reports whether a session that was opened with a would be the same if opened with b.
func sameEndpoint(a, b session.Config) bool {
	jobs := func(c session.Config) [3]session.JobConfig {
		return [3]session.JobConfig{c.Jobs[session.Completion], c.Jobs[session.Edit], c.Jobs[session.Deep]}
	}
	return a.URL == b.URL && a.Key == b.Key && a.Model == b.Model && a.ServiceTier == b.ServiceTier &&
		a.ReasoningEffort == b.ReasoningEffort && a.Dialect == b.Dialect && a.Transport == b.Transport &&
		a.ContextWindow == b.ContextWindow && jobs(a) == jobs(b)
}

// sessionStatus tells shells, and the log, of a change in the endpoint's readiness. It runs on the session's
// goroutines, so the telling is done elsewhere.
func (s *Server) sessionStatus(st session.Status) {
	s.log.Info("the endpoint", zap.String("state", string(st.State)), zap.String("message", st.Message),
		zap.String("transport", string(st.Transport)), zap.Bool("warm", st.Warm))
	s.start(func(ctx context.Context) { s.notifyStatus(ctx) })
}

// methodStatus is our notification of what spark-lsp.status answers, for shells that show it all the time.
const methodStatus = "spark/status"

// notifyStatus sends spark/status to shells that announce themselves. The state is read now, not when it was
// reported: of two changes in quick succession both tell the later.
func (s *Server) notifyStatus(ctx context.Context) {
	if s.client != nil && s.client.SparkEdit {
		_ = s.client.Notify(ctx, methodStatus, s.status())
	}
}
