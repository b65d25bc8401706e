package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Action is a code action of the user's own. It is a value; nothing in it is changed once it is in Options.
type Action struct {
	// Title is what the menu shows. It is the action's identity: of two sources that name the same, the stronger
	// one's is taken whole.
	Title string
	// Kind is the code action kind under which editors file it; "refactor.rewrite" unless said otherwise.
	Kind string
	// Instruction is what the model is told, in the user's words.
	Instruction string
	// Languages are the language ids for which it is offered, in lower case; none means all.
	Languages []string
	// Context are the names of the context's sources that it is sent with, of contextSources; none means all.
	Context []string
}

// For reports whether the action is offered in a language.
func (a Action) For(language string) bool {
	return len(a.Languages) == 0 || slices.Contains(a.Languages, strings.ToLower(language))
}

// actionFields are what an action may say, in the spelling of JSON and TOML.
var actionFields = []string{"title", "kind", "instruction", "languages", "context"}

// actionKinds are the roots of the tree of kinds below which an action of ours makes sense.
var actionKinds = []string{"quickfix", "refactor", "source"}

// contextSources are what an action may be sent with besides the document and its instruction.
var contextSources = []string{"rules", "notes", "git", "definitions", "similar", "edits"}

// joinActions returns have with a list's actions laid over it, by title. One that cannot be taken refuses the whole
// list: half a menu is harder to explain than yesterday's.
func joinActions(have []Action, val any) ([]Action, string) {
	if text, ok := val.(string); ok {
		if text == "" {
			return have, ""
		}
		v, ok := fromJSON(text, '[')
		if !ok {
			return nil, "must be a list of tables, each with a title and an instruction"
		}
		val = v
	}
	var tables []map[string]any
	switch list := val.(type) {
	case []map[string]any: // [[actions]] in TOML
		tables = list
	case []any:
		for i, v := range list {
			m, ok := v.(map[string]any)
			if !ok {
				return nil, fmt.Sprintf("entry %d, %s, is not a table with a title and an instruction", i+1, show(v))
			}
			tables = append(tables, m)
		}
	default:
		return nil, "must be a list of tables, each with a title and an instruction"
	}
	joined := slices.Clone(have)
	for i, m := range tables {
		a, problem := toAction(m)
		if problem != "" {
			name := fmt.Sprintf("entry %d", i+1)
			if a.Title != "" {
				name += fmt.Sprintf(" (%s)", show(a.Title))
			}
			return nil, name + ": " + problem
		}
		if k := slices.IndexFunc(joined, func(b Action) bool { return b.Title == a.Title }); k >= 0 {
			joined[k] = a
		} else {
			joined = append(joined, a)
		}
	}
	return joined, ""
}

// toAction reads one action. What it returns beside a problem has a title where there is one.
func toAction(m map[string]any) (a Action, problem string) {
	a.Kind = "refactor.rewrite"
	words := map[string]*string{"title": &a.Title, "kind": &a.Kind, "instruction": &a.Instruction}
	lists := map[string]*[]string{"languages": &a.Languages, "context": &a.Context}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		val := m[key]
		switch {
		case val == nil:
		case words[key] != nil:
			s, ok := val.(string)
			if !ok {
				problem = orFirst(problem, fmt.Sprintf("%s: %s is not a string", key, show(val)))
			}
			*words[key] = strings.TrimSpace(s)
		case lists[key] != nil:
			list, p := toStrings(val)
			if p != "" {
				problem = orFirst(problem, key+": "+p)
			}
			*lists[key] = list
		default:
			problem = orFirst(problem, fmt.Sprintf("%q is unknown%s", key, didYouMean(key, actionFields)))
		}
	}
	for i, l := range a.Languages {
		a.Languages[i] = strings.ToLower(l)
	}
	root, _, _ := strings.Cut(a.Kind, ".")
	switch {
	case problem != "":
	case a.Title == "":
		problem = "it has no title"
	case len(a.Title) > 80 || strings.ContainsFunc(a.Title, unprintable):
		problem = "its title must be one line of at most 80 bytes"
	case a.Instruction == "":
		problem = "it has no instruction"
	case !slices.Contains(actionKinds, root):
		problem = fmt.Sprintf("kind: %s is not below one of %s", show(a.Kind), strings.Join(actionKinds, ", "))
	}
	for _, source := range a.Context {
		if !slices.Contains(contextSources, source) {
			problem = orFirst(problem, fmt.Sprintf("context: %s is not one of %s", show(source), strings.Join(contextSources, ", ")))
		}
	}
	return a, problem
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f }

func orFirst(first, second string) string {
	if first != "" {
		return first
	}
	return second
}
