package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Source is where a value came from. The numeric order is the order of strength.
type Source int

const (
	Default Source = iota
	Login          // a key that 'spark-lsp login' stored for one endpoint
	UserFile
	Environment
	Editor // initializationOptions and workspace/configuration, which arrive with the workspace's scopes merged in
)

func (s Source) String() string {
	return [...]string{"default", "login", "user file", "environment", "editor"}[s]
}

// Layer is one source's values by dotted key ("completion.maxTokens"). Values are what TOML, JSON or an
// environment variable yields: string, bool, int64, float64, and for some keys tables and lists of these.
type Layer map[string]any

// Layers are the sources that can be set, weakest first in meaning: UserFile, Environment, Editor.
type Layers struct {
	UserFile, Environment, Editor Layer
	// Keys are those that the user has stored, each for one endpoint, by its Origin; "" is one that is still in the
	// system's keyring.
	Keys map[string]string
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

func (p Problem) String() string { return fmt.Sprintf("%s (%s): %s", showKey(p.Key), p.Source, p.Text) }

// showKey is a setting's name in a message. Where the names come from a workspace they may be anything: a novel, a line
// that looks like another message, codes for a terminal.
func showKey(key string) string {
	if len(key) <= longestName && !strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) && !looksLikeKey(key) {
		return key
	}
	return show(key)
}

// longestName bounds what may be a name that somebody has mistyped, in bytes.
const longestName = 80

// Resolved is the configuration in force and where each value came from.
type Resolved struct {
	Options
	sources map[string]Source
	urls    [Editor + 1]string // the baseURL that each source names, "" when it names none; the default is the usual one of the provider that the user has named
	address Source             // who named the address in force, be it by a provider's name

	key        string // of the user's file or the environment
	keyFrom    Source
	keyOpenAIs bool              // it was found as OPENAI_API_KEY
	keys       map[string]string // Layers.Keys
}

// Setting is one setting as it is in force, for people.
type Setting struct {
	Key, Value string
	From       Source
}

// InForce lists all settings in the order of their declaration.
func (r *Resolved) InForce() []Setting {
	list := make([]Setting, len(declared))
	v := reflect.ValueOf(r.Options)
	for i, o := range declared {
		value := ""
		switch x := v.Field(o.field).Interface().(type) {
		case []Action:
			titles := make([]string, len(x))
			for i, a := range x {
				titles[i] = a.Title
			}
			value = strings.Join(titles, ", ")
		case []string:
			value = strings.Join(x, ", ")
		case Languages:
			data, _ := json.Marshal(x) // a table of strings and yes or no
			value = string(data)
		default:
			value = fmt.Sprint(x)
		}
		list[i] = Setting{o.key, strings.Join(strings.Fields(value), " "), r.sources[o.key]}
	}
	return list
}

// keyName is the setting that holds a key. The user file and the environment may have it; from an editor it is refused,
// since editors mix the workspace's files into what they send. openAIKeyName is the same of a variable that was set for
// OpenAI's own programs.
const (
	keyName       = "apiKey"
	openAIKeyName = "apiKey (OPENAI_API_KEY)"
)

// ofTheShell reports whether a key belongs to the program that starts us. It shares our section in the editor's
// settings: where the server is found, and what vscode-languageclient traces.
func ofTheShell(key string) bool {
	return strings.HasPrefix(key, "server.") || strings.HasPrefix(key, "trace.")
}

// Resolve merges the layers over the defaults. Every value that cannot be taken is a Problem and leaves the
// weaker layer's value in force.
func Resolve(l Layers) (*Resolved, []Problem) {
	r := &Resolved{sources: map[string]Source{}, keys: l.Keys}
	var problems []Problem
	for _, o := range declared {
		if msg := o.set(&r.Options, o.fallback); msg != "" {
			panic("settings: default of " + o.key + ": " + msg)
		}
	}
	r.urls[Default] = r.BaseURL
	mine := r.Provider // as the user's own sources name it
	for _, layer := range []struct {
		src    Source
		values Layer
	}{{UserFile, l.UserFile}, {Environment, l.Environment}, {Editor, l.Editor}} {
		for _, key := range slices.Sorted(maps.Keys(layer.values)) {
			val := layer.values[key]
			if key == keyName || key == openAIKeyName {
				if layer.src == Editor {
					problems = append(problems, Problem{key, layer.src, "a key is never taken from the editor's settings; run 'spark-lsp login', or set SPARK_API_KEY"})
					continue
				}
				s, ok := val.(string)
				if !ok {
					problems = append(problems, Problem{key, layer.src, "must be a string"})
					continue
				}
				if s = strings.TrimSpace(s); s != "" {
					r.key, r.keyFrom, r.keyOpenAIs = s, layer.src, key == openAIKeyName
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
			if key == foldersName {
				problems = append(problems, Problem{key, layer.src, "belongs into the user file; an editor has settings of its own for a folder"})
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
			if key == "provider" && layer.src != Editor {
				mine = r.Provider
			}
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
	if usual, ok := usualURL[mine]; ok {
		r.urls[Default] = usual
	}
	r.address = r.sources["baseURL"]
	if usual, ok := usualURL[r.Provider]; ok && r.address == Default {
		r.BaseURL = usual
		if usual != r.urls[Default] {
			r.address = r.sources["provider"]
		}
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
	if s := getenv("SPARK_API_KEY"); s != "" {
		l[keyName] = s
	} else if s := getenv("OPENAI_API_KEY"); s != "" {
		l[openAIKeyName] = s
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
	if len(wrong) > longestName {
		return ""
	}
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

// InTable reports whether a dotted key stands in a table of settings, known there or not: completion.maxtoken does.
func InTable(key string) bool {
	table, _, ok := strings.Cut(key, ".")
	return ok && slices.ContainsFunc(declared, func(o option) bool { return strings.HasPrefix(o.key, table+".") })
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
