package server

import (
	"encoding/json"
	"fmt"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
)

// status is what a person, or a shell's status bar, wants to know. It is the answer of spark-lsp.status.
type status struct {
	Provider string `json:"provider"` // "openai" or "offline": who answers explicit requests
	Model    string `json:"model,omitempty"`
	Tier     string `json:"tier,omitempty"`
	State    string `json:"state"` // the session's own word, "paused", "disabled", or "ready"
	Editing  int    `json:"editing"`
}

func (s *Server) status() status {
	o := s.options()
	st := status{Provider: "offline", State: "ready"}
	if sess := s.models.current(); sess != nil {
		st.Provider, st.Model, st.Tier = "openai", o.Model, o.ServiceTier
		st.State = string(sess.Status().State)
	}
	switch {
	case !o.Enabled:
		st.State = "disabled"
	case s.paused.Load():
		st.State = "paused"
	}
	s.mu.Lock()
	st.Editing = len(s.edits)
	s.mu.Unlock()
	return st
}

func (s *Server) statusCommand(*lsp.Snapshot, json.RawMessage) (any, error) {
	st := s.status()
	what := "embedded engine (completes identifiers and lines, follows no instructions)"
	if st.Provider != "offline" {
		what = fmt.Sprintf("%s, tier %s", st.Model, st.Tier)
	}
	s.say(protocol.MessageTypeInfo, "spark-lsp %s: %s, %s", s.cfg.Version, what, st.State)
	return st, nil
}
