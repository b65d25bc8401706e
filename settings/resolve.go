package settings

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Source is where a value came from. The numeric order is the order of strength.
type Source int

const (
	Default Source = iota
	UserFile
	Environment
	Editor // initializationOptions and workspace/configuration, which arrive with the workspace's scopes merged in
)

func (s Source) String() string {
	return [...]string{"default", "user file", "environment", "editor"}[s]
}

// Layer is one source's values by dotted key ("completion.maxTokens"). Values are what TOML, JSON or an
// environment variable yields: string, bool, int64, float64.
type Layer map[string]any

// Layers are the sources that can be set, weakest first in meaning: UserFile, Environment, Editor.
type Layers struct {
	UserFile, Environment, Editor Layer
	// Paths are the names of the file that is asked about (what it was opened as, and what that is without symbolic
	// links), absolute. The user file's folders that hold one of them have the last word. None asks in general.
	Paths []string
}

// Problem is a setting that could not be taken, in words for the user. The value that was in force stays.
type Problem struct {
	Key    string
	Source Source
	Text   string
}

func (p Problem) String() string { return fmt.Sprintf("%s (%s): %s", p.Key, p.Source, p.Text) }

// Resolved is the configuration in force and where each value came from.
type Resolved struct {
	Options
	sources map[string]Source
	key     string
	keyFrom Source
	urls    [Editor + 1]string // the baseURL that each source names, "" when it names none
}

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
	// Key may be sent there; "" when there is none, or none may.
	Key string
	// FromEditor says that the address was named by the editor's settings and by no other source, so that the
	// workspace may have had a say in it.
	FromEditor bool
}

// Loopback reports whether the endpoint is on this machine.
func (e Endpoint) Loopback() bool { return onThisMachine(e.BaseURL) }

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
	e := Endpoint{Provider: r.Provider, BaseURL: r.BaseURL, Model: r.Model, Tier: r.ServiceTier, Key: r.Key(), FromEditor: r.EditorNamesEndpoint()}
	if e.Provider == "auto" {
		e.Provider = "offline"
		if r.key != "" {
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
	if e.BaseURL != r.BaseURL {
		e.Key, e.FromEditor = "", named == Editor
		if named == r.keyFrom {
			e.Key = r.key
		}
	}
	return e
}

// Source tells where the value of a dotted key came from.
func (r *Resolved) Source(key string) Source { return r.sources[key] }

// Key returns the API key that may be sent to BaseURL, or "" when there is none or when none may go there:
// a key goes only to the endpoint named by its own source, so that a workspace cannot redirect it.
func (r *Resolved) Key() string {
	if r.key == "" {
		return ""
	}
	named := r.urls[r.keyFrom]
	if named == "" {
		named = r.urls[Default]
	}
	if named != r.BaseURL {
		return ""
	}
	return r.key
}

// KeyWithConsent returns the key wherever it comes from. Only a caller that has the user's yes for this workspace
// and host may send it.
func (r *Resolved) KeyWithConsent() string { return r.key }

// EditorNamesEndpoint reports whether the endpoint in force was named by the editor's settings and by no other
// source. The workspace may have had a say in it.
func (r *Resolved) EditorNamesEndpoint() bool {
	if r.sources["baseURL"] != Editor {
		return false
	}
	if r.urls[UserFile] == "" && r.urls[Environment] == "" {
		return r.BaseURL != r.urls[Default]
	}
	// Where the user has named an endpoint of their own, the usual one is a redirection like any other.
	return r.BaseURL != r.urls[UserFile] && r.BaseURL != r.urls[Environment]
}

// Loopback reports whether the endpoint is on this machine.
func (r *Resolved) Loopback() bool { return onThisMachine(r.BaseURL) }

func onThisMachine(baseURL string) bool {
	u, err := url.Parse(baseURL)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}

// UsesModel reports whether an endpoint, not the embedded engine, serves requests.
func (r *Resolved) UsesModel() bool {
	switch r.Provider {
	case "offline":
		return false
	case "auto":
		return r.key != ""
	}
	return true
}

// AutomaticAllowed reports whether completions nobody asked for may go to the endpoint without a question.
// Naming the provider, a key in the user's own file, and an endpoint on this machine are such a yes.
func (r *Resolved) AutomaticAllowed() bool {
	switch r.CompletionAutomatic {
	case "on":
		return true
	case "off":
		return false
	}
	return r.sources["provider"] != Default && r.Provider != "auto" || r.keyFrom == UserFile || r.Loopback()
}

// keyName is the setting that holds a key. The user file and the environment may have it; from an editor it is refused,
// since editors mix the workspace's files into what they send.
const keyName = "apiKey"

// ofTheShell reports whether a key belongs to the program that starts us. It shares our section in the editor's
// settings: where the server is found, and what vscode-languageclient traces.
func ofTheShell(key string) bool {
	return strings.HasPrefix(key, "server.") || strings.HasPrefix(key, "trace.")
}

// Resolve merges the layers over the defaults. Every value that cannot be taken is a Problem and leaves the
// weaker layer's value in force.
func Resolve(l Layers) (*Resolved, []Problem) {
	r := &Resolved{sources: map[string]Source{}}
	var problems []Problem
	for _, o := range declared {
		if msg := o.set(&r.Options, o.fallback); msg != "" {
			panic("settings: default of " + o.key + ": " + msg)
		}
	}
	r.urls[Default] = r.BaseURL
	for _, layer := range []struct {
		src    Source
		values Layer
	}{{UserFile, l.UserFile}, {Environment, l.Environment}, {Editor, l.Editor}} {
		for _, key := range slices.Sorted(maps.Keys(layer.values)) {
			val := layer.values[key]
			if key == keyName {
				if layer.src == Editor {
					problems = append(problems, Problem{key, layer.src, "a key is never taken from the editor's settings; set SPARK_API_KEY or put it into the user file"})
					continue
				}
				s, ok := val.(string)
				if !ok {
					problems = append(problems, Problem{key, layer.src, "must be a string"})
					continue
				}
				if s = strings.TrimSpace(s); s != "" {
					r.key, r.keyFrom = s, layer.src
				}
				continue
			}
			if key == foldersName && layer.src == UserFile {
				continue // below
			}
			o, ok := find(key)
			if !ok && layer.src == Editor && ofTheShell(key) {
				continue
			}
			if !ok {
				problems = append(problems, Problem{key, layer.src, "unknown setting" + nearest(key, layer.src)})
				continue
			}
			if layer.src == Editor && o.notEditor {
				problems = append(problems, Problem{key, layer.src, "is not taken from the editor's settings, into which a workspace may have written; put it into the user file"})
				continue
			}
			if msg := o.set(&r.Options, val); msg != "" {
				problems = append(problems, Problem{key, layer.src, msg})
				continue
			}
			r.sources[key] = layer.src
			if key == "baseURL" {
				r.BaseURL = strings.TrimRight(r.BaseURL, "/")
				r.urls[layer.src] = r.BaseURL
			}
		}
	}
	folders, wrong := l.UserFile.folders()
	problems = append(problems, wrong...)
	for _, f := range folders {
		if !slices.ContainsFunc(l.Paths, f.holds) {
			continue
		}
		for key, val := range f.values {
			if o, ok := find(key); ok && o.set(&r.Options, val) == "" {
				r.sources[key] = UserFile
			}
		}
	}
	if usual, ok := usualURL[r.Provider]; ok && r.sources["baseURL"] == Default {
		r.BaseURL, r.urls[Default] = usual, usual
	}
	for key, model := range map[string]string{"model": r.Model, "completion.model": r.CompletionModel, "edit.model": r.EditModel, "deep.model": r.DeepModel} {
		if text, ok := retired[model]; ok {
			problems = append(problems, Problem{key, r.sources[key], text})
		}
	}
	return r, problems
}

// FromEnvironment reads the layer that the environment holds. An empty variable counts as unset.
func FromEnvironment(getenv func(string) string) Layer {
	l := Layer{}
	for _, o := range declared {
		for _, name := range o.env {
			if s := getenv(name); s != "" {
				l[o.key] = s
				break
			}
		}
	}
	for _, name := range []string{"SPARK_API_KEY", "OPENAI_API_KEY"} {
		if s := getenv(name); s != "" {
			l[keyName] = s
			break
		}
	}
	return l
}

// Flatten turns nested maps, as JSON and TOML give them, into a Layer. Both {"completion":{"maxTokens":1}} and
// {"completion.maxTokens":1} are understood. A null is left out: editors send it for "not set".
func Flatten(m map[string]any) Layer {
	l := Layer{}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for k, v := range m {
			switch v := v.(type) {
			case nil:
			case map[string]any:
				if o, ok := find(prefix + k); ok && o.table() || prefix+k == foldersName {
					l[prefix+k] = v
					continue
				}
				walk(prefix+k+".", v)
			default:
				l[prefix+k] = v
			}
		}
	}
	walk("", m)
	return l
}

// nearest names the declared key that looks most like an unknown one, when one does.
func nearest(key string, src Source) string {
	var keys []string
	for _, o := range declared {
		keys = append(keys, o.key)
	}
	if src != Editor {
		keys = append(keys, keyName)
	}
	return didYouMean(key, keys)
}

// didYouMean names the one of several words that looks most like a wrong one, when one does.
func didYouMean(wrong string, words []string) string {
	best, bestDist := "", len(wrong)/2+1
	for _, w := range words {
		if d := distance(strings.ToLower(wrong), strings.ToLower(w)); d < bestDist {
			best, bestDist = w, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the Levenshtein distance in bytes; keys are short and ASCII.
func distance(a, b string) int {
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		diag := prev[0]
		prev[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diag, prev[j+1] = prev[j+1], min(prev[j]+1, prev[j+1]+1, diag+cost)
		}
	}
	return prev[len(b)]
}

// Known reports whether a dotted key names a setting, or the key that only other sources may hold.
func Known(key string) bool {
	_, ok := find(key)
	return ok || key == keyName
}

// Update lays later values of the editor over earlier ones, key by key. A value that cannot be taken is a Problem,
// and the earlier one stays.
func Update(old, later Layer) (Layer, []Problem) {
	merged := maps.Clone(old)
	if merged == nil {
		merged = Layer{}
	}
	var problems []Problem
	scratch := Options{}
	for _, key := range slices.Sorted(maps.Keys(later)) {
		if o, ok := find(key); ok {
			if msg := o.set(&scratch, later[key]); msg != "" {
				problems = append(problems, Problem{key, Editor, msg})
				continue
			}
		}
		merged[key] = later[key]
	}
	return merged, problems
}
