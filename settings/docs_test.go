package settings

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "write docs/settings.md and package.json's settings anew")

const howToUpdate = "go test ./settings -run TestDocsAreFresh -update"

// TestDocsAreFresh: docs/settings.md and the settings in package.json are generated from the comments and tags of
// Options, and from nothing else.
func TestDocsAreFresh(t *testing.T) {
	described := descriptions(t)
	for _, generated := range []struct {
		file string
		make func(old []byte) ([]byte, error)
	}{
		{"docs/settings.md", func([]byte) ([]byte, error) { return []byte(docs(described)), nil }},
		{"package.json", func(old []byte) ([]byte, error) {
			return replaceSection(old, manifest(described))
		}},
	} {
		file := filepath.Join("..", filepath.FromSlash(generated.file))
		old, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := generated.make(old)
		if err != nil {
			t.Fatalf("%s: %v", generated.file, err)
		}
		switch {
		case bytes.Equal(old, want):
		case *update:
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s is stale; run: %s", generated.file, howToUpdate)
		}
	}
}

// description is the comment above a field.
type description struct {
	text   string            // without the list
	values map[string]string // what the list says of each value of oneof; nil without a list
}

// descriptions reads the comments of Options, by field.
func descriptions(t *testing.T) map[string]description {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "options.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]description{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Options" {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			name := field.Names[0].Name
			d, err := describe(name, field.Doc.Text())
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			all[name] = d
		}
		return false
	})
	for _, o := range declared {
		d := all[fieldName(o)]
		for value := range d.values {
			if !slices.Contains(o.oneof, value) {
				t.Errorf("%s: the comment describes %q, which is not allowed", o.key, value)
			}
		}
		for _, value := range o.oneof {
			if d.values != nil && d.values[value] == "" {
				t.Errorf("%s: the comment's list does not describe %q", o.key, value)
			}
		}
	}
	return all
}

func fieldName(o option) string { return reflect.TypeFor[Options]().Field(o.field).Name }

// describe takes a field's comment apart. "Model is the model's id" becomes "The model's id".
func describe(name, comment string) (description, error) {
	text, list, hasList := strings.Cut(comment, "\n  - ")
	text = strings.Join(strings.Fields(text), " ")
	rest, ok := strings.CutPrefix(text, name+" ")
	if !ok {
		return description{}, fmt.Errorf("its comment does not begin with its name")
	}
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "are ")
	d := description{text: strings.ToUpper(rest[:1]) + rest[1:]}
	if !hasList {
		return d, nil
	}
	d.values = map[string]string{}
	for item := range strings.SplitSeq(list, "\n  - ") {
		value, text, ok := strings.Cut(strings.Join(strings.Fields(item), " "), ": ")
		value, err := strconv.Unquote(value)
		if !ok || err != nil {
			return d, fmt.Errorf("%q is not of the form \"value\": what it does", item)
		}
		d.values[value] = text
	}
	return d, nil
}

// marked sets what is code in a comment as code: quoted values, tables, and names of settings that no English word is.
// An unmarked "*" would begin an emphasis. name says how a setting's name is written.
func marked(text string, name func(key string) string) string {
	return codeInComment.ReplaceAllStringFunc(text, func(s string) string {
		switch {
		case s[0] == '{', s == `""`:
			return "`" + s + "`"
		case s[0] == '"':
			return "`" + strings.Trim(s, `"`) + "`"
		}
		return name(s)
	})
}

var codeInComment = func() *regexp.Regexp {
	var keys []string
	for _, o := range declared {
		if strings.ContainsFunc(o.key, func(r rune) bool { return r == '.' || unicode.IsUpper(r) }) {
			keys = append(keys, regexp.QuoteMeta(o.key))
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return len(b) - len(a) })
	return regexp.MustCompile(`\{"[^}]*\}|"[^"]*"|\b(?:` + strings.Join(keys, "|") + `)\b`)
}()

func docs(described map[string]description) string {
	inDocs := func(key string) string {
		return "[`" + key + "`](#" + strings.ToLower(strings.ReplaceAll(key, ".", "")) + ")"
	}
	var b strings.Builder
	b.WriteString(`# Settings

<!-- Generated from settings/options.go: ` + howToUpdate + ` -->

Each can come from the editor (` + "`initializationOptions`" + `, bare or under ` + "`spark`" + `, and the configuration section ` + "`spark`" + `),
from the environment, or from ` + "`config.toml`" + ` in your configuration directory; the first of these that names a setting
wins. A dot is a level: ` + "`completion.maxTokens`" + ` is ` + "`{\"completion\": {\"maxTokens\": 200}}`" + ` in JSON and ` + "`[completion]`" + ` with
` + "`maxTokens = 200`" + ` in TOML. A value that cannot be taken is named in a message, and the one before it stays. Changes
take effect without a restart, also those of the file: it is read again when it has changed.

## Keys

An API key is no setting. The first of these that has one for an endpoint counts:

| where | for which endpoint |
|---|---|
| ` + "`SPARK_API_KEY`" + ` in the environment | the one that the environment names, else your provider's usual one |
| ` + "`OPENAI_API_KEY`" + ` | the same, but never Mistral, DeepSeek, Ollama or llama.cpp |
| ` + "`apiKey`" + ` in ` + "`config.toml`" + `, which must then be readable by you alone (0600) | the one that the file names, else your provider's usual one |
| ` + "`spark-lsp login`" + ` (` + "`--provider`, `--base-url`" + `), typed at a prompt or piped in | exactly the one it was stored for: scheme, host and port |

` + "`login`" + ` asks the system's keyring to keep the key (macOS Keychain, Windows Credential Manager, the Secret Service of a
Linux desktop); where none answers, or with ` + "`--file`" + `, it goes into ` + "`keys.toml`" + ` beside ` + "`config.toml`" + `, 0600. ` + "`spark-lsp logout`" + `
forgets it. Editors that run follow both at once. A key is never taken from an editor's settings, and never sent to an
endpoint that they name, unless you have said yes to that host in that workspace.

## For a language, for a folder

` + "`completion.languages`" + ` switches automatic completions by language. In your file, what differs below a path stands under
` + "`folders`" + `; of several patterns that hold a file the longest counts, and none of them can be undone by an editor or a
workspace:

` + "```toml" + `
[completion.languages]
markdown = false

[folders."~/clients/*/secret"]     # ~ is your home; ** is any number of directories; what is below is meant too
enabled = false
` + "```" + `

Where ` + "`enabled`" + ` is false nothing is read, indexed or sent, not even for a file that lies elsewhere.

These can differ so: ` + "`" + strings.Join(folderKeys(), "`, `") + "`" + `. An editor that has settings for a
workspace folder (VS Code) is asked for each folder; all of these but ` + "`completion.automatic`" + ` are taken from there.
`)
	for _, o := range declared {
		d := described[fieldName(o)]
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n", o.key, marked(d.text, inDocs))
		if d.values != nil {
			for _, value := range o.oneof {
				fmt.Fprintf(&b, "- `%s`: %s\n", orName(value), marked(d.values[value], inDocs))
			}
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "Default: `%s`.", orName(o.fallback))
		if len(o.oneof) > 0 && d.values == nil {
			shown := make([]string, len(o.oneof))
			for i, value := range o.oneof {
				shown[i] = orName(value)
			}
			fmt.Fprintf(&b, " One of `%s`.", strings.Join(shown, "`, `"))
		}
		if o.min != nil && o.max != nil {
			fmt.Fprintf(&b, " From %d to %d.", *o.min, *o.max)
		}
		if len(o.env) > 0 {
			fmt.Fprintf(&b, " Environment: `%s`.", strings.Join(o.env, "`, else `"))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// orName makes the empty string visible.
func orName(s string) string {
	if s == "" {
		return `""`
	}
	return s
}

// property is one setting in the schema of VS Code's contributes.configuration, in the order of its own manual.
type property struct {
	Type                 string              `json:"type"`
	Enum                 []string            `json:"enum,omitempty"`
	EnumDescriptions     []string            `json:"enumDescriptions,omitempty"`
	Minimum              *int                `json:"minimum,omitempty"`
	Maximum              *int                `json:"maximum,omitempty"`
	Pattern              string              `json:"pattern,omitempty"`
	Items                *property           `json:"items,omitempty"`
	Properties           map[string]property `json:"properties,omitempty"`
	Required             []string            `json:"required,omitempty"`
	AdditionalProperties any                 `json:"additionalProperties,omitempty"`
	Default              any                 `json:"default,omitempty"`
	Scope                string              `json:"scope,omitempty"`
	Order                *int                `json:"order,omitempty"`
	Description          string              `json:"description,omitempty"`
	MarkdownDescription  string              `json:"markdownDescription,omitempty"`
}

// sectionTitle names the one section of contributes.configuration that is generated. Other sections hold what belongs
// to the shell itself, such as where the program is.
const sectionTitle = "spark-lsp"

// manifest is that section. The settings keep the order of their declaration, in the file and, by "order", in the
// editor's page of settings.
func manifest(described map[string]description) []byte {
	var b bytes.Buffer
	b.WriteString(`{"title":"` + sectionTitle + `","properties":{`)
	n := 0
	for _, o := range declared {
		if o.vscode == "-" {
			continue
		}
		if n > 0 {
			b.WriteByte(',')
		}
		p := schema(o, described[fieldName(o)])
		p.Order = &n
		key, value := encode("spark."+o.key), encode(p)
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
		n++
	}
	b.WriteString("}}")
	return b.Bytes()
}

// encode is JSON as a person writes it: "<" stays "<".
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // strings, numbers and maps of them
	}
	return bytes.TrimSpace(b.Bytes())
}

func schema(o option, d description) property {
	text := func(what string) property { return property{Type: "string", Description: what} }
	list := func(what string) property {
		return property{Type: "array", Items: &property{Type: "string"}, Description: what}
	}
	inManifest := func(key string) string { return "`#spark." + key + "#`" } // a link to the setting
	p := property{Scope: o.scope, MarkdownDescription: marked(d.text, inManifest)}
	fallback := Options{}
	if problem := o.set(&fallback, o.fallback); problem != "" {
		panic(o.key + ": " + problem)
	}
	p.Default = reflect.ValueOf(fallback).Field(o.field).Interface()
	switch p.Default.(type) {
	case bool:
		p.Type = "boolean"
	case int:
		p.Type, p.Minimum, p.Maximum = "integer", o.min, o.max
	case string:
		p.Type, p.Enum = "string", o.oneof
		for _, value := range o.oneof {
			if d.values != nil {
				p.EnumDescriptions = append(p.EnumDescriptions, d.values[value])
			}
		}
		if o.isURL() {
			p.Pattern = "^(https?://[^@]+)?$"
		}
	case []string:
		p.Type, p.Items = "array", &property{Type: "string"}
		p.Default = []string{} // not null
	case Languages:
		p.Type, p.AdditionalProperties = "object", property{Type: "boolean"}
	case []Action:
		p.Type, p.Items, p.Default = "array", &property{
			Type: "object",
			Properties: map[string]property{
				"title":       text("What the menu shows."),
				"instruction": text("What the model is told."),
				"kind":        text("The code action kind, below quickfix, refactor or source."),
				"languages":   list("Language ids in which it is offered; none means all."),
				"context":     list("Names of the context's sources that it is sent with; none means the usual ones."),
			},
			Required: []string{"title", "instruction"}, AdditionalProperties: false,
		}, []string{}
	default:
		panic(o.key + " is of a type that the manifest does not know")
	}
	return p
}

// replaceSection puts the generated section into package.json, in the place of the one before, or before all others
// when there is none. Every other byte stays.
func replaceSection(data, section []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	for _, key := range []string{"contributes", "configuration"} {
		if err := enter(dec, key); err != nil {
			return nil, err
		}
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, fmt.Errorf("contributes.configuration is not a list of sections (%v)", err)
	}
	start := dec.InputOffset()
	end, after := start, ","
	for dec.More() {
		var old json.RawMessage
		if err := dec.Decode(&old); err != nil {
			return nil, err
		}
		var named struct{ Title string }
		if json.Unmarshal(old, &named) == nil && named.Title == sectionTitle {
			end = dec.InputOffset()
			start, after = end-int64(len(old)), ""
			break
		}
	}
	unit := "\t" // as the file is indented
	if _, rest, ok := bytes.Cut(data, []byte("{\n")); ok && len(rest) > 0 && rest[0] == ' ' {
		unit = string(rest[:len(rest)-len(bytes.TrimLeft(rest, " "))])
	}
	indent := strings.Repeat(unit, 3)
	var pretty bytes.Buffer
	if after != "" {
		pretty.WriteString("\n" + indent)
	}
	if err := json.Indent(&pretty, section, indent, unit); err != nil {
		return nil, err
	}
	return slices.Concat(data[:start], pretty.Bytes(), []byte(after), data[end:]), nil
}

// enter moves a decoder that stands before an object to the value of one of its keys.
func enter(dec *json.Decoder, want string) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("no object around %q (%v)", want, err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		if key == want {
			return nil
		}
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return err
		}
	}
	return fmt.Errorf("%q is not there", want)
}

func TestReplaceSectionKeepsTheRest(t *testing.T) {
	const before = "{\n  \"z\": [1,  2],\n  \"contributes\": { \"configuration\": ["
	const other = " {\"title\": \"Server\",\"configuration\": 1}"
	const behind = "   ], \"a\":null}, \"b\" : \"<é>\"\n}\n"
	const section = "{\n        \"title\": \"spark-lsp\",\n        \"new\": 1\n      }"
	for old, want := range map[string]string{
		before + other + behind: before + "\n      " + section + "," + other + behind,
		before + other + `, {"title": "spark-lsp", "old": [{}]}  ` + behind:        before + other + ", " + section + "  " + behind,
		before + `{"title": "spark-lsp"},{"title":"spark-lsp","twice":1}` + behind: before + section + `,{"title":"spark-lsp","twice":1}` + behind,
	} {
		got, err := replaceSection([]byte(old), []byte(`{"title":"spark-lsp","new":1}`))
		if err != nil || string(got) != want {
			t.Errorf("%s\nbecame\n%s\nwant\n%s\n(%v)", old, got, want, err)
		}
	}
	for _, wrong := range []string{`{}`, `{"contributes": []}`, `{"contributes": {}}`, `{"contributes": {"configuration": {}}}`, `{"contributes"`, ``} {
		if got, err := replaceSection([]byte(wrong), []byte(`1`)); err == nil {
			t.Errorf("%s became %s", wrong, got)
		}
	}
}

// TestAWorkspaceCannotChooseInVSCode: there, what decides where code and keys go, and what is spent, belongs to the
// user's own settings. Whoever adds a setting of that sort is reminded here.
func TestAWorkspaceCannotChooseInVSCode(t *testing.T) {
	for _, o := range declared {
		name := o.key[strings.LastIndex(o.key, ".")+1:]
		sensitive := slices.Contains([]string{"provider", "baseURL", "model", "serviceTier", "transport", "automatic", "dailyTokens", "reasoningEffort"}, name)
		if sensitive && o.scope != "machine" {
			t.Errorf("%s has the scope %q in VS Code", o.key, o.scope)
		}
		if !slices.Contains([]string{"machine", "resource", "window"}, o.scope) {
			t.Errorf("%s: there is no scope %q", o.key, o.scope)
		}
	}
}
