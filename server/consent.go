package server

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/settings"
)

// consents remembers what the user said yes to, in one small file of the user's state directory: which
// endpoints may be used for automatic completions, and which workspace may name which host. It never holds a
// key. The zero value with no path remembers for this process only.
type consents struct {
	path string

	mu    sync.Mutex
	given map[string]bool
	asked map[string]bool // in this process, whatever the answer was: nobody is asked twice
}

func openConsents(dir string) *consents {
	c := &consents{given: map[string]bool{}, asked: map[string]bool{}}
	if dir != "" {
		c.path = filepath.Join(dir, "consents.json")
		if data, err := os.ReadFile(c.path); err == nil {
			var yes []string
			if json.Unmarshal(data, &yes) == nil {
				for _, k := range yes {
					c.given[k] = true
				}
			}
		}
	}
	return c
}

func (c *consents) has(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.given[key]
}

// first reports whether key has not been asked about in this process, and notes that it has been now.
func (c *consents) first(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked[key] {
		return false
	}
	c.asked[key] = true
	return true
}

func (c *consents) give(key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given[key] = true
	if c.path == "" {
		return nil
	}
	// Another editor's process may have added its own since this one started.
	yes := map[string]bool{key: true}
	if data, err := os.ReadFile(c.path); err == nil {
		var old []string
		if json.Unmarshal(data, &old) == nil {
			for _, k := range old {
				yes[k] = true
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	list := make([]string, 0, len(yes))
	for k := range yes {
		list = append(list, k)
	}
	slices.Sort(list)
	return writeState(c.path, list)
}

// ask puts one question to the user, at most once per process and key, and runs yes when it is answered so.
func (s *Server) ask(key, question, yesTitle string, yes func(ctx context.Context)) {
	if !s.consents.first(key) {
		return
	}
	s.start(func(ctx context.Context) {
		answer, err := s.client.ShowMessageRequest(ctx, protocol.MessageTypeInfo, question, yesTitle, "No")
		if err != nil || answer != yesTitle {
			return
		}
		if err := s.consents.give(key); err != nil {
			s.log.Warn("a consent could not be stored; it holds until this process ends", zap.Error(err))
		}
		yes(ctx)
	})
}

// automaticAllowed reports whether a completion nobody asked for may go to the endpoint, and asks once where
// nobody has said so yet.
func (s *Server) automaticAllowed() bool {
	o := s.options()
	if s.overBudget() {
		return false
	}
	e := o.For(settings.Completion)
	if o.AutomaticAllowed() {
		return true
	}
	key := "automatic " + e.BaseURL
	if s.consents.has(key) {
		return true
	}
	s.ask(key, "spark-lsp found an API key in the environment. Use it for automatic completions too? They are sent to "+
		host(e.BaseURL)+" as you type, and cost money.", "Use it", func(ctx context.Context) {
		s.dropSuggestions()
		s.client.ShowMessage(ctx, protocol.MessageTypeInfo, "spark-lsp: automatic completions through "+host(e.BaseURL)+" are on")
	})
	return false
}

// mayUse reports whether requests may go to an endpoint, and with which key. One that the editor's settings name may
// have been named by the workspace: it needs a yes for this workspace and host before a prompt or a key goes there,
// unless it is on this machine, where it gets no key of the user's.
func (s *Server) mayUse(e settings.Endpoint) (key string, ok bool) {
	switch {
	case e.Loopback() && e.Key == "":
		return PlaceholderKey, true
	case e.Loopback() || !e.FromEditor:
		return e.Key, true
	}
	s.mu.Lock()
	workspace := ""
	if len(s.roots) > 0 {
		workspace = s.roots[0]
	}
	s.mu.Unlock()
	consent := "endpoint " + settings.Origin(e.BaseURL) + " " + workspace
	if s.consents.has(consent) {
		return s.options().KeyWithConsent(e), true
	}
	s.ask(consent, "The editor's settings name "+settings.Origin(e.BaseURL)+" as the model's endpoint. Send code from this workspace, and your API key, there?",
		"Allow for this workspace", func(context.Context) { s.chooseModels() })
	return "", false
}

// PlaceholderKey goes to endpoints on this machine that no key belongs to: local servers ask for some bearer token,
// and take any.
const PlaceholderKey = "none"

func host(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return baseURL
	}
	return u.Host
}
