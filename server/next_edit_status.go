package server

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/spark-lsp/spark-lsp/lsp"
)

// methodDidChangeStatus tells a client of the Copilot dialect whether this server is at work.
const methodDidChangeStatus = "didChangeStatus"

// dialectStatus is what didChangeStatus carries.
type dialectStatus struct {
	Busy    bool   `json:"busy"`
	Message string `json:"message"`
	Kind    string `json:"kind"` // Normal, Error, Warning or Inactive
}

// activity counts what the model is being asked, for clients that show it.
type activity struct {
	mu      sync.Mutex // guards what follows, and keeps the notifications in order
	running int
	told    *dialectStatus // the latest one sent, nil before the first
}

// copilotDialect reports whether the editor's plugin speaks the Copilot dialect: it is named so, or it introduced
// itself by editorInfo. To any other client didChangeStatus is an unknown notification, which Emacs complains about.
func (s *Server) copilotDialect() bool {
	if strings.Contains(strings.ToLower(s.client.Name), "copilot") {
		return true
	}
	var o struct {
		EditorInfo json.RawMessage `json:"editorInfo"`
	}
	return json.Unmarshal(s.client.InitializationOptions, &o) == nil && len(o.EditorInfo) > 0
}

// working notes that the model is asked something, and returns what is to be called when that is over.
func (s *Server) working() (over func()) {
	s.tellActivity(1)
	return func() { s.tellActivity(-1) }
}

// tellActivity tells the editor what has changed about our being at work, if anything has.
func (s *Server) tellActivity(more int) {
	a := &s.activity
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running += more
	if !s.copilotDialect() {
		return
	}
	st := dialectStatus{Busy: a.running > 0, Kind: "Normal"}
	if !s.options().Enabled || s.paused.Load() {
		st.Kind, st.Message = "Inactive", "paused"
	}
	if a.told != nil && *a.told == st {
		return
	}
	a.told = &st
	_ = s.client.Notify(context.Background(), methodDidChangeStatus, st) // a connection that has ended needs no more words
}

// checkStatus answers a client that wants to know whether somebody is signed in. Nobody has to.
func (s *Server) checkStatus(context.Context, *lsp.Snapshot, *struct{}) (any, error) {
	return map[string]string{"status": "OK", "user": "spark-lsp"}, nil
}
