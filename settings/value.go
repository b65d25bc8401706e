package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// option is one declared setting, read from Options' struct tags.
type option struct {
	key, fallback string
	env, oneof    []string
	min, max      *int
	scope, vscode string
	notEditor     bool // only the user's file and the environment may set it
	folder        bool // may differ from folder to folder
	joined        bool // a list of strings in which weaker sources stay, and stand last
	field         int
}

// declared is computed once from the type; it never changes.
var declared = func() []option {
	var out []option
	t := reflect.TypeFor[Options]()
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		o := option{key: tag.Get("key"), fallback: tag.Get("default"), scope: tag.Get("scope"), vscode: tag.Get("vscode"), joined: tag.Get("join") == "yes", notEditor: tag.Get("editor") == "-", field: i}
		if o.scope == "" {
			o.scope = "window"
		}
		o.folder = o.scope == "resource" || tag.Get("folder") == "yes"
		if s := tag.Get("env"); s != "" {
			o.env = strings.Split(s, ",")
		}
		if s := tag.Get("oneof"); s != "" {
			o.oneof = strings.Split(s, ",")
		}
		if n, err := strconv.Atoi(tag.Get("min")); err == nil {
			o.min = &n
		}
		if n, err := strconv.Atoi(tag.Get("max")); err == nil {
			o.max = &n
		}
		out = append(out, o)
	}
	return out
}()

func find(key string) (option, bool) {
	i := slices.IndexFunc(declared, func(o option) bool { return o.key == key })
	if i < 0 {
		return option{}, false
	}
	return declared[i], true
}

// table reports whether the setting's value is a table itself, whose keys are not ours.
func (o option) table() bool {
	return reflect.TypeFor[Options]().Field(o.field).Type.Kind() == reflect.Map
}

// set puts a value into its field of options, or says in words why it cannot, and leaves them as they were. Tables,
// lists of actions, and lists that say so are joined with what weaker sources say; everything else replaces it.
func (o option) set(options *Options, val any) (problem string) {
	switch f := reflect.ValueOf(options).Elem().Field(o.field).Addr().Interface().(type) {
	case *bool:
		return put(f, val, toBool)
	case *int:
		return put(f, val, o.toInt)
	case *string:
		return put(f, val, o.toString)
	case *[]string:
		weaker := *f
		problem = put(f, val, toStrings)
		if problem == "" && o.joined {
			*f = slices.Concat(*f, weaker)
		}
		return problem
	case *Languages:
		return put(f, val, func(val any) (Languages, string) { return f.join(val) })
	case *[]Action:
		return put(f, val, func(val any) ([]Action, string) { return joinActions(*f, val) })
	}
	panic("settings: " + o.key + " is of a type that set does not know")
}

func put[T any](field *T, val any, convert func(any) (T, string)) string {
	t, problem := convert(val)
	if problem == "" {
		*field = t
	}
	return problem
}

func toBool(val any) (bool, string) {
	switch x := val.(type) {
	case bool:
		return x, ""
	case string:
		if b, err := strconv.ParseBool(x); err == nil {
			return b, ""
		}
	}
	return false, show(val) + " is neither true nor false"
}

func (o option) toInt(val any) (int, string) {
	n, ok := whole(val)
	if !ok {
		return 0, show(val) + " is not a whole number"
	}
	if o.min != nil && n < *o.min || o.max != nil && n > *o.max {
		return 0, fmt.Sprintf("%d is not between %d and %d", n, *o.min, *o.max)
	}
	return n, ""
}

func whole(val any) (int, bool) {
	switch x := val.(type) {
	case int:
		return x, true
	case int64:
		return int(x), true
	case float64:
		return int(x), x == float64(int(x))
	case string:
		n, err := strconv.Atoi(x)
		return n, err == nil
	}
	return 0, false
}

func (o option) toString(val any) (string, string) {
	s, ok := val.(string)
	if !ok {
		return "", show(val) + " is not a string"
	}
	if len(o.oneof) > 0 && !slices.Contains(o.oneof, s) {
		return "", fmt.Sprintf("%s is not one of %s", show(s), alternatives(o.oneof))
	}
	if o.isURL() && s != "" {
		u, err := url.Parse(s)
		if err == nil && u.User != nil {
			return "", "must not contain a user or password"
		}
		if strings.ContainsAny(s, "?#") { // paths are put behind it, and a key in it would be shown
			return "", "must not contain a query or a fragment"
		}
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return "", show(s) + " is not an http or https address"
		}
	}
	return s, ""
}

func (o option) isURL() bool { return strings.HasSuffix(strings.ToLower(o.key), "baseurl") }

// alternatives lists what is allowed; the empty string is told by its name.
func alternatives(list []string) string {
	shown := slices.Clone(list)
	for i, s := range shown {
		if s == "" {
			shown[i] = `""`
		}
	}
	return strings.Join(shown, ", ")
}

// toStrings takes a list; an environment variable has it as JSON, or with commas between.
func toStrings(val any) ([]string, string) {
	switch x := val.(type) {
	case []string:
		return slices.Clone(x), ""
	case []any:
		list := make([]string, len(x))
		for i, v := range x {
			s, ok := v.(string)
			if !ok {
				return nil, fmt.Sprintf("entry %d, %s, is not a string", i+1, show(v))
			}
			list[i] = s
		}
		return list, ""
	case string:
		if v, ok := fromJSON(x, '['); ok {
			return toStrings(v)
		}
		var list []string
		for part := range strings.SplitSeq(x, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		return list, ""
	}
	return nil, show(val) + " is not a list of strings"
}

// fromJSON decodes what an environment variable or a default holds, when it starts as the caller expects.
func fromJSON(text string, first byte) (any, bool) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] != first {
		return nil, false
	}
	var v any
	return v, json.Unmarshal([]byte(text), &v) == nil && v != nil
}

// Languages switches something on or off for each language id; "*" speaks for those that are not named. Ids are
// compared without regard to case.
type Languages map[string]bool

// On reports what holds for a language. What nobody speaks for is on.
func (l Languages) On(language string) bool {
	if on, ok := l[strings.ToLower(language)]; ok {
		return on
	}
	on, ok := l["*"]
	return on || !ok
}

// join returns l with a table's entries laid over it, so that "markdown": false in the user's file survives
// "*": true from an editor.
func (l Languages) join(val any) (Languages, string) {
	if text, ok := val.(string); ok {
		v, ok := fromJSON(text, '{')
		if !ok {
			return nil, show(val) + ` is not a table of languages, such as {"markdown": false, "*": true}`
		}
		val = v
	}
	m, ok := val.(map[string]any)
	if !ok {
		return nil, show(val) + ` is not a table of languages, such as {"markdown": false, "*": true}`
	}
	joined := maps.Clone(l)
	if joined == nil {
		joined = Languages{}
	}
	for language, v := range m {
		if v == nil {
			continue
		}
		on, problem := toBool(v)
		if problem != "" {
			return nil, fmt.Sprintf("for %s, %s", show(language), problem)
		}
		joined[strings.ToLower(language)] = on
	}
	return joined, ""
}

// show quotes a wrong value in a message: short, on one line, and not at all when it may be a key that was put into
// the wrong place (D24).
func show(val any) string {
	s, ok := val.(string)
	if !ok {
		s = fmt.Sprint(val)
	}
	if looksLikeKey(s) {
		return "a value that looks like a key"
	}
	const most = 60
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	if !ok {
		return strings.Join(strings.Fields(s), " ")
	}
	return strconv.Quote(s)
}

// looksLikeKey is deliberately generous: not to be told one's wrong value is a small loss.
func looksLikeKey(s string) bool {
	lower := strings.ToLower(s)
	for _, prefix := range []string{"sk-", "pk-", "key-", "xai-", "gsk_", "csk-", "bearer "} {
		if strings.Contains(lower, prefix) {
			return true
		}
	}
	run, digits := 0, 0
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			run, digits = run+1, digits+1
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '-', c == '+', c == '/', c == '=':
			run++
		default:
			run, digits = 0, 0
		}
		if run >= 24 && digits >= 3 {
			return true
		}
	}
	return false
}
