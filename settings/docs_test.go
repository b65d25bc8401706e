package settings

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/settings.md anew")

// TestDocsAreFresh: docs/settings.md is generated from the comments and tags of Options, and from nothing else.
func TestDocsAreFresh(t *testing.T) {
	file := filepath.Join("..", "docs", "settings.md")
	want := docs(t)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale; run: go test ./settings -run TestDocsAreFresh -update", file)
	}
}

func docs(t *testing.T) string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "options.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Options" {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			name := field.Names[0].Name
			text := strings.Join(strings.Fields(field.Doc.Text()), " ")
			if text == "" {
				t.Errorf("%s has no comment", name)
			}
			if rest, ok := strings.CutPrefix(text, name+" "); ok {
				text = strings.ToUpper(rest[:1]) + rest[1:]
			}
			comments[name] = text
		}
		return false
	})

	var b strings.Builder
	b.WriteString(`# Settings

<!-- Generated from settings/options.go: go test ./settings -run TestDocsAreFresh -update -->

Each can come from the editor (` + "`initializationOptions`" + `, bare or under ` + "`spark`" + `, and the configuration section ` + "`spark`" + `),
from the environment, or from ` + "`config.toml`" + ` in your configuration directory; the first of these that names a setting
wins. A dot is a level: ` + "`completion.maxTokens`" + ` is ` + "`{\"completion\": {\"maxTokens\": 200}}`" + ` in JSON and ` + "`[completion]`" + ` with
` + "`maxTokens = 200`" + ` in TOML. A value that cannot be taken is named in a message, and the one before it stays.

An API key is not among them: it is taken from ` + "`SPARK_API_KEY`, `OPENAI_API_KEY`" + ` or ` + "`apiKey`" + ` in the file, which must then
be readable by you alone.
`)
	for _, o := range declared {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n", o.key, comments[reflect.TypeFor[Options]().Field(o.field).Name])
		fmt.Fprintf(&b, "Default: `%s`.", o.fallback)
		if len(o.oneof) > 0 {
			fmt.Fprintf(&b, " One of `%s`.", strings.Join(o.oneof, "`, `"))
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
