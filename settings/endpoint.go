package settings

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Job names the settings of one kind of request, which override the top-level ones: completion.*, edit.*, deep.*.
type Job string

const (
	Completion Job = "completion"
	Edit       Job = "edit"
	Deep       Job = "deep"
)

// Endpoint is who answers one kind of request.
type Endpoint struct {
	Provider string // never "auto"
	BaseURL  string // "" for offline
	Model    string // "" leaves it to the endpoint
	Tier     string
	// Key may be sent there; "" when there is none, or none may. KeyFrom is where it came from.
	Key     string
	KeyFrom Source
	// FromEditor says that the address was named by the editor's settings and by no other source, so that the
	// workspace may have had a say in it.
	FromEditor bool
}

// Loopback reports whether the endpoint is on this machine.
func (e Endpoint) Loopback() bool {
	u, err := url.Parse(e.BaseURL)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}

// Origin is an address's scheme, host and port, in lower case: what a key is stored for.
func Origin(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return baseURL
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// UsualURL is where a provider is found when no address is named, "" when it needs one.
func UsualURL(provider string) string { return usualURL[provider] }

// For returns who answers a job.
func (r *Resolved) For(job Job) Endpoint {
	var provider, baseURL, model, tier string
	switch job {
	case Completion:
		provider, baseURL, model, tier = r.CompletionProvider, r.CompletionBaseURL, r.CompletionModel, r.CompletionServiceTier
	case Edit:
		provider, baseURL, model, tier = r.EditProvider, r.EditBaseURL, r.EditModel, r.EditServiceTier
	case Deep:
		provider, baseURL, model, tier = r.DeepProvider, r.DeepBaseURL, r.DeepModel, r.DeepServiceTier
	}
	e := Endpoint{Provider: r.Provider, BaseURL: r.BaseURL, Model: r.Model, Tier: r.ServiceTier, FromEditor: r.editorRedirects()}
	if e.Provider == "auto" {
		e.Provider = "offline"
		if _, stored := r.keys[Origin(r.BaseURL)]; stored || r.key != "" {
			e.Provider = "openai"
		}
	}
	named := Default // the strongest source that had a say in where this goes
	if provider != "" && provider != e.Provider {
		// Another provider shares neither address nor model nor tier with the top-level one.
		named = r.sources[string(job)+".provider"]
		e.Provider, e.BaseURL, e.Model, e.Tier = provider, usualURL[provider], "", ""
	}
	if baseURL != "" {
		named = max(named, r.sources[string(job)+".baseURL"])
		e.BaseURL = strings.TrimRight(baseURL, "/")
	}
	if model != "" {
		e.Model = model
	}
	if tier != "" {
		e.Tier = tier
	}
	if e.Provider == "offline" {
		return Endpoint{Provider: "offline"}
	}
	if e.BaseURL == "" {
		e.BaseURL = r.urls[Default]
	}
	mine := r.urls[r.keyFrom] // where the key's own source leads
	if mine == "" {
		mine = r.urls[Default]
	}
	if e.BaseURL != r.BaseURL {
		e.FromEditor = named == Editor
		if named == r.keyFrom {
			mine = e.BaseURL
		}
	}
	if r.key != "" && e.BaseURL == mine && !(r.keyOpenAIs && slices.Contains(othersKeys, e.Provider)) {
		e.Key, e.KeyFrom = r.key, r.keyFrom
	} else if key := r.keys[Origin(e.BaseURL)]; key != "" {
		e.Key, e.KeyFrom = key, Login
	}
	return e
}

// othersKeys are providers that a key of OpenAI's cannot be meant for.
var othersKeys = []string{"mistral", "deepseek", "ollama", "llamacpp"}

// KeyWithConsent returns the key that the user has for an endpoint, else the one for any: only a caller that has the
// user's yes for this workspace and host may send it.
func (r *Resolved) KeyWithConsent(e Endpoint) string {
	if e.Key != "" {
		return e.Key
	}
	return r.key
}

// editorRedirects reports whether the address in force was named by the editor's settings and by no other source. The
// workspace may have had a say in it.
func (r *Resolved) editorRedirects() bool {
	if r.address != Editor {
		return false
	}
	if r.urls[UserFile] == "" && r.urls[Environment] == "" {
		return r.BaseURL != r.urls[Default]
	}
	// Where the user has named an endpoint of their own, the usual one is a redirection like any other.
	return r.BaseURL != r.urls[UserFile] && r.BaseURL != r.urls[Environment]
}

// AutomaticAllowed reports whether completions nobody asked for may go to their endpoint without a question. Naming
// the provider, a key that was stored for this program, and an endpoint on this machine are such a yes.
func (r *Resolved) AutomaticAllowed() bool {
	switch r.CompletionAutomatic {
	case "on":
		return true
	case "off":
		return false
	}
	e := r.For(Completion)
	return r.sources["provider"] != Default && r.Provider != "auto" || e.Key != "" && e.KeyFrom != Environment || e.Loopback()
}
