package server

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
)

// TestEveryActionIsWhole: an action is a row, an instruction, a scenario and the prompt that comes of it, no more and no
// less.
func TestEveryActionIsWhole(t *testing.T) {
	var rows []string
	for _, a := range actions {
		if (a.name == "") == (a.command == "") {
			t.Errorf("%q has a name and a command, or neither", a.title)
		}
		if a.command != "" && commands[a.command] == nil {
			t.Errorf("%q runs %s, which is no command", a.title, a.command)
		}
		if a.name != "" {
			rows = append(rows, a.name)
		}
	}
	slices.Sort(rows)
	if names := prompt.ActionNames(); !slices.Equal(rows, names) {
		t.Errorf("rows have the names %v, and there are instructions for %v", rows, names)
	}
	for _, name := range rows {
		for _, file := range []string{"testdata/scenarios/action/" + name + ".txtar", "prompt/testdata/golden/actions/" + name + ".txt"} {
			if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(file))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

var tableMarks = [2]string{"<!-- generated from the table in server/code_action.go -->\n", "<!-- until here -->\n"}

// TestActionsPage: the page has every action of the menu. The table of those that a model carries out is generated, from
// the row and from what the first line of the instruction says of it.
func TestActionsPage(t *testing.T) {
	page := filepath.Join("..", "docs", "actions.md")
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(data), tableMarks[0])
	_, after, ok2 := strings.Cut(rest, tableMarks[1])
	if !ok1 || !ok2 {
		t.Fatalf("%s has no %s", page, tableMarks)
	}
	var table strings.Builder
	table.WriteString("| action | kind | answer | |\n|---|---|---|---|\n")
	for _, a := range actions {
		if a.name == "" {
			if !strings.Contains(after, "*"+a.title+"*") {
				t.Errorf("%s does not have %q", page, a.title)
			}
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", "prompt", "templates", "actions", a.name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		about, _, ok := strings.Cut(strings.TrimPrefix(string(text), "{{/* "), " */ -}}\n")
		if !ok {
			t.Errorf("%s.txt does not begin with {{/* what it does, for docs/actions.md */ -}}", a.name)
		}
		answer := map[prompt.Format]string{prompt.Region: "region", prompt.Hunks: "hunks", prompt.Files: "files", prompt.Explanation: "none"}[a.format]
		table.WriteString("| *" + a.title + "* | `" + string(a.kind) + "` | " + answer + " | " + about + " |\n")
	}
	want := before + tableMarks[0] + table.String() + tableMarks[1] + after
	switch {
	case want == string(data):
	case *updatePrompts:
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is stale: go test ./server -run TestActionsPage -update", page)
	}
}

// TestTestsOf: where tests belong, when some files are there already.
func TestTestsOf(t *testing.T) {
	for _, tt := range []struct{ language, file, there, want string }{
		{"go", "/w/a/x.go", "", "/w/a/x_test.go"},
		{"rust", "/w/src/x.rs", "", "/w/src/x.rs"},
		{"python", "/w/a/x.py", "", "/w/a/test_x.py"},
		{"python", "/w/a/x.py", "/w/tests", "/w/tests/test_x.py"},
		{"python", "/w/a/x.py", "/w/a/tests /w/tests", "/w/tests/test_x.py"},
		{"python", "/w/a/x.py", "/w/tests /w/a/x_test.py", "/w/a/x_test.py"},
		{"typescript", "/w/a/x.ts", "", "/w/a/x.test.ts"},
		{"typescriptreact", "/w/a/x.tsx", "/w/a/x.spec.tsx", "/w/a/x.spec.tsx"},
		{"javascript", "/w/a/x.js", "/w/a/__tests__", "/w/a/__tests__/x.test.js"},
		{"javascript", "/w/a/x.js", "/w/test/x.test.js", "/w/test/x.test.js"},
		{"java", "/w/src/main/java/org/X.java", "", "/w/src/test/java/org/XTest.java"},
		{"java", "/w/src/main/java/X.java", "", "/w/src/test/java/XTest.java"},
		{"java", "/w/X.java", "", "/w/XTest.java"},
		{"markdown", "/w/x.md", "", ""},
	} {
		there := strings.Fields(tt.there)
		got, ok := testsOf(tt.language, filepath.FromSlash("/w"), filepath.FromSlash(tt.file), func(name string) bool {
			return slices.Contains(there, filepath.ToSlash(name))
		})
		if filepath.ToSlash(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("%s %s, with %q: %q", tt.language, tt.file, tt.there, got)
		}
	}
	for file, want := range map[string]bool{
		"a_test.go": true, "test_a.py": true, "a.test.ts": true, "ATest.java": true, "a.spec.js": true, "conftest.py": true,
		"a.go": false, "testing.go": false, "latest.py": false,
	} {
		if isTest(file) != want {
			t.Errorf("%s is taken for a test: %v", file, !want)
		}
	}
}

// BenchmarkCodeAction lists the menu in the middle of a file, as some editors ask for it with every move of the cursor.
func BenchmarkCodeAction(b *testing.B) {
	line := "\tif err := step(ctx, \"a line of code\"); err != nil {\n\t\treturn err\n\t}\n"
	for _, lines := range []int{500, 100_000, 1} {
		b.Run(fmt.Sprintf("lines=%d", lines), func(b *testing.B) {
			text := "package a\n\nfunc f() error {\n" + strings.Repeat(line, lines/3) + "\treturn nil\n}\n"
			if lines == 1 { // D25: five megabytes of it
				text = strings.Repeat(strings.ReplaceAll(line, "\n", " "), 5<<20/len(line))
			}
			s := New(Config{Log: zap.NewNop()})
			defer s.Close()
			s.client = &lsp.Client{CodeActionLiterals: true, CodeActionDisabled: true}
			docs := lsp.NewDocuments(lsp.UTF8)
			docs.Open("file:///w/a.go", "go", 1, text)
			p := &protocol.CodeActionParams{TextDocument: protocol.TextDocumentIdentifier{URI: "file:///w/a.go"}}
			p.Range.Start.Line, p.Range.End.Line = uint32(lines/2), uint32(lines/2)
			snap := docs.Snapshot()
			for b.Loop() {
				if _, err := s.codeAction(b.Context(), snap, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// menuOf lists the menu at a line of a document, with one diagnostic there, for a client.
func menuOf(t *testing.T, client *lsp.Client) []protocol.CommandOrCodeAction {
	t.Helper()
	s := New(Config{Log: zap.NewNop()})
	t.Cleanup(s.Close)
	s.client = client
	docs := lsp.NewDocuments(lsp.UTF8)
	docs.Open("file:///w/a.go", "go", 1, "package a\n\nfunc f() {\n\tg()\n}\n")
	p := &protocol.CodeActionParams{TextDocument: protocol.TextDocumentIdentifier{URI: "file:///w/a.go"}}
	p.Range.Start.Line, p.Range.End.Line = 3, 3
	p.Context.Diagnostics = []protocol.Diagnostic{{Range: p.Range, Message: protocol.String("undefined: g")}}
	list, err := s.codeAction(t.Context(), docs.Snapshot(), p)
	if err != nil {
		t.Fatal(err)
	}
	return list.([]protocol.CommandOrCodeAction)
}

// TestTheMenuIsCommandsOnly: an action is a title and a command, or a reason. Nothing is computed for it, nothing is left
// to be resolved, and what a model writes is marked.
func TestTheMenuIsCommandsOnly(t *testing.T) {
	marked := 0
	for _, entry := range menuOf(t, &lsp.Client{CodeActionLiterals: true, CodeActionDisabled: true, CodeActionTagLLM: true}) {
		a := entry.(*protocol.CodeAction)
		if a.Edit != nil || a.Data != nil || a.Kind == nil || (a.Command.Command == "") == (a.Disabled.Reason == "") {
			t.Errorf("%+v", a)
		}
		if a.Title == "Fix with spark: undefined: g" && (len(a.Diagnostics) != 1 || *a.Kind != kindFix) {
			t.Errorf("the fix of one diagnostic has %v, kind %s", a.Diagnostics, *a.Kind)
		}
		if (len(a.Tags) > 0) != (a.Title != "Complete here") {
			t.Errorf("%s has the tags %v", a.Title, a.Tags)
		}
		marked += len(a.Tags)
	}
	if marked == 0 {
		t.Error("nothing is marked as written by a model")
	}
	for _, entry := range menuOf(t, &lsp.Client{CodeActionLiterals: true}) {
		if a := entry.(*protocol.CodeAction); a.Disabled.Reason != "" || len(a.Tags) > 0 {
			t.Errorf("an editor that shows neither gets %+v", a)
		}
	}
	plain := menuOf(t, &lsp.Client{})
	if len(plain) == 0 {
		t.Error("an editor that knows only commands gets none")
	}
	for _, entry := range plain {
		if _, ok := entry.(*protocol.Command); !ok {
			t.Errorf("an editor that knows only commands gets %T", entry)
		}
	}
}
