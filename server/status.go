package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

// status is what a person, or a shell's status bar, wants to know. It is the answer of spark-lsp.status, and the
// notification spark/status.
type status struct {
	Provider  string         `json:"provider"` // who answers edits: the setting's name, or "offline"
	Model     string         `json:"model,omitempty"`
	Tier      string         `json:"tier,omitempty"`      // what serves now; it may be less than was asked for
	Transport string         `json:"transport,omitempty"` // websocket or http
	Warm      bool           `json:"warm"`                // a live connection holds a warmed base
	State     string         `json:"state"`               // ok, queued, limited, degraded, offline; ready without a model; paused; disabled
	Message   string         `json:"message,omitempty"`   // one line for a person
	Until     string         `json:"until,omitempty"`     // limited: RFC 3339
	Limits    *limits        `json:"limits,omitempty"`    // what the endpoint has said is left; nil when it says nothing
	Editing   int            `json:"editing"`             // edits that stream now
	Edits     []runningEdit  `json:"edits"`               // those, in the order in which they began
	Tokens    int            `json:"tokensToday"`         // input and output, of all of the user's editors
	Models    map[string]int `json:"tokensByModel,omitempty"`

	Completions counts `json:"completions"` // in this process

	Label    string `json:"label"`              // who answers, and how fast the latest edit was, for a status bar
	LastEdit string `json:"lastEdit,omitempty"` // how the latest edit ended, in words
	Summary  string `json:"summary"`            // all of the others that a person wants to know, in one line
}

// limits are the endpoint's own counts; what it has not said is left out.
type limits struct {
	Requests    *int     `json:"requests,omitempty"`    // left in its window
	Tokens      *int     `json:"tokens,omitempty"`      // left in its window
	UsedPercent *float64 `json:"usedPercent,omitempty"` // of a plan's window
	Reset       string   `json:"reset,omitempty"`       // RFC 3339
}

// limitsOf is what is known of the limits, nil for nothing.
func limitsOf(l session.Limits) *limits {
	var out limits
	if l.Requests >= 0 {
		out.Requests = &l.Requests
	}
	if l.Tokens >= 0 {
		out.Tokens = &l.Tokens
	}
	if l.UsedPercent >= 0 {
		out.UsedPercent = &l.UsedPercent
	}
	if out == (limits{}) {
		return nil
	}
	if l.Reset.After(time.Now()) {
		out.Reset = l.Reset.Format(time.RFC3339)
	}
	return &out
}

// String says it for a person.
func (l *limits) String() string {
	var words []string
	if l.UsedPercent != nil {
		words = append(words, fmt.Sprintf("%.0f %% of the rate limit used", *l.UsedPercent))
	}
	if l.Requests != nil {
		words = append(words, counted(*l.Requests, "request", "requests")+" left")
	}
	if l.Tokens != nil {
		words = append(words, counted(*l.Tokens, "token", "tokens")+" left")
	}
	return strings.Join(words, ", ")
}

// runningEdit is one edit that streams now.
type runningEdit struct {
	ID  int    `json:"id"`
	URI string `json:"uri"`
}

func (s *Server) status() status {
	o := s.options()
	st := status{Provider: "offline", State: "ready"}
	if now, ok := s.models.status(session.Edit); ok {
		st.Provider, st.Model, st.Tier = o.For(settings.Edit).Provider, now.Model, now.Tier
		st.State, st.Message, st.Transport, st.Warm = string(now.State), now.Message, string(now.Transport), now.Warm
		st.Limits = limitsOf(now.Limits)
		switch now.State {
		case session.Queued:
			st.Message = fmt.Sprintf("queued for %.0f s", time.Since(now.Since).Seconds())
		case session.Limited:
			st.Until = now.Until.Format(time.RFC3339)
		}
	}
	switch {
	case !o.Enabled:
		st.State = "disabled"
	case s.paused.Load():
		st.State = "paused"
	}
	st.Tokens, st.Models = s.usage.today()
	st.Completions = s.tally.now()
	s.mu.Lock()
	st.Editing, st.Edits, st.LastEdit, st.Label = len(s.edits), []runningEdit{}, s.ended.word, s.ended.rate
	for id, e := range s.edits {
		st.Edits = append(st.Edits, runningEdit{ID: id, URI: e.uri})
	}
	s.mu.Unlock()
	slices.SortFunc(st.Edits, func(a, b runningEdit) int { return a.ID - b.ID })
	who := st.Model
	if st.Provider == "offline" {
		who = "embedded"
	}
	st.Label = strings.TrimSpace(who + " " + st.Label)
	st.Summary = st.summary(s.cfg.Version)
	return st
}

// summary is what a person wants to know of a status.
func (st *status) summary(version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "spark-lsp %s: ", version)
	if st.Provider == "offline" {
		b.WriteString("embedded engine (completes; edits need a model)")
	} else {
		b.WriteString(st.Model)
		if st.Tier != "" {
			fmt.Fprintf(&b, ", tier %s", st.Tier)
		}
	}
	fmt.Fprintf(&b, ", %s", st.State)
	if st.Message != "" {
		fmt.Fprintf(&b, " (%s)", st.Message)
	}
	if st.Limits != nil {
		fmt.Fprintf(&b, ", %s", st.Limits)
	}
	if st.Tokens > 0 {
		fmt.Fprintf(&b, ", %d tokens today", st.Tokens)
	}
	return b.String()
}

func (s *Server) statusCommand(*lsp.Snapshot, json.RawMessage) (any, error) {
	st := s.status()
	text := st.Summary
	s.start(func(ctx context.Context) {
		if st.Provider == "offline" {
			// What runs on this machine is offered, and never used unasked. It is asked nothing but what it is.
			for _, local := range session.Discover(ctx) {
				text += fmt.Sprintf(". A model server runs at %s: set provider to %s and choose a model ('spark-lsp models' lists them)", local.URL, providers[local.Dialect])
			}
		}
		_ = s.client.ShowMessage(ctx, protocol.MessageTypeInfo, text)
	})
	return st, nil
}

// providers are the settings' names of the servers that session.Discover finds.
var providers = map[session.Dialect]string{session.Ollama: "ollama", session.Infill: "llamacpp"}

// usageInterval is how often the count of tokens goes to disk, and that of other processes is seen.
const usageInterval = time.Minute

// keepUsage writes the count of tokens now and then, so that little is lost when the process is killed.
func (s *Server) keepUsage(ctx context.Context) {
	tick := time.NewTicker(usageInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.usage.flush(); err != nil {
				s.log.Warn("tokens not counted", zap.Error(err))
			}
		case <-ctx.Done():
			return
		}
	}
}

// overBudget reports whether the day's tokens are spent, and says so once a day.
func (s *Server) overBudget() bool {
	budget := s.options().DailyTokens
	if budget == 0 {
		return false
	}
	total, _ := s.usage.today()
	if total < budget {
		return false
	}
	day := time.Now().Format(time.DateOnly)
	if s.consents.first("budget " + day) {
		s.say(protocol.MessageTypeWarning, "spark-lsp: %d of %d tokens are spent for today; automatic completions come from the embedded engine until tomorrow", total, budget)
	}
	return true
}
