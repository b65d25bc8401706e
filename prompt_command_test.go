package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// runPrompt runs spark-lsp prompt in a workspace and returns what it prints.
func runPrompt(t *testing.T, files string, env map[string]string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	root := t.TempDir()
	for _, f := range txtar.Parse([]byte(files)).Files {
		name := filepath.Join(root, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "ROOT", root)
	}
	var out, errs bytes.Buffer
	dirs := map[string]string{"XDG_CONFIG_HOME": t.TempDir(), "XDG_STATE_HOME": t.TempDir()}
	p := process{
		args: append([]string{"prompt"}, args...), stdin: io.NopCloser(strings.NewReader("")), stdout: &out, stderr: &errs, panicOnBug: true,
		getenv: func(name string) string {
			if v, ok := env[name]; ok {
				return v
			}
			return dirs[name]
		},
	}
	code = p.run(t.Context())
	return strings.ReplaceAll(out.String(), root, "ROOT"), strings.ReplaceAll(errs.String(), root, "ROOT"), code
}

const promptWorkspace = `
-- .git/HEAD --
ref: refs/heads/main
-- AGENTS.md --
Wrap errors.
-- .aiignore --
closed.go
-- closed.go --
package shop

func subtotal(c int) int { return closedThing }
-- price.go --
package shop

func discount(c int) int { return 0 }
-- cart.go --
package shop

const token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"

func checkout(c int) int {
	return discount(
}
`

// TestPrompt: the command prints what would be sent, why each part is in it, and what was masked. The endpoint that is
// configured does not exist: nothing is sent.
func TestPrompt(t *testing.T) {
	env := map[string]string{"SPARK_PROVIDER": "openai", "SPARK_API_KEY": "prompt-key-19", "SPARK_BASE_URL": "http://127.0.0.1:1/v1"}
	out, errs, code := runPrompt(t, promptWorkspace, env, "ROOT/cart.go:6")
	if code != 0 || errs != "" {
		t.Fatalf("%d: %s", code, errs)
	}
	for _, want := range []string{
		"What a completion at cart.go:6:18 would send to openai, gpt-6.1-sol at http://127.0.0.1:1/v1. Nothing was sent.",
		"notes", "AGENTS.md", "defines discount, which is named near the cursor", "the file at version 1",
		"tokens in the base", "<definitions path=\"price.go\">\nfunc discount(c int) int { return 0 }\n</definitions>",
		"return discount(<|cursor|>", "Masked, by the rule that found it: ", " (2). To let something pass", "SPARK_SECRET_",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	for _, never := range []string{"ghp_16C7", "closedThing", "prompt-key-19"} {
		if strings.Contains(out, never) {
			t.Errorf("it shows %q", never)
		}
	}
}

// TestPromptActions: other requests than completions, other models, and what cannot be answered.
func TestPromptActions(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		args []string
		want []string
		code int
	}{
		"an edit": {nil, []string{"ROOT/cart.go:5", "--instruction", "return an error too"},
			[]string{"What an edit at cart.go:5:27 would send to a model. None is configured", "<region>\nfunc checkout(c int) int {\n", "Instruction: return an error too", "The branch is main."}, 0},
		"an action": {nil, []string{"ROOT/cart.go:5", "--action", "explain"}, []string{"What the action explain at", "Instruction: "}, 0},
		"a model that fills in the middle": {map[string]string{"SPARK_PROVIDER": "llamacpp"}, []string{"ROOT/cart.go:6:10"},
			[]string{"for a model that fills in the middle: price.go", "for a model that fills in the middle: prefix ========\npackage shop", "func discount(c int) int { return 0 }"}, 0},
		"a closed file": {nil, []string{"ROOT/closed.go:3"}, []string{"Unasked, nothing of this file is sent ("}, 0},
		"a wrong setting": {map[string]string{"SPARK_PROVIDER": "opena"}, []string{"ROOT/cart.go:6"},
			[]string{"spark-lsp: provider (environment): \"opena\" is not one of", "None is configured"}, 0},
		"no such line":   {nil, []string{"ROOT/cart.go:99"}, []string{"cart.go has 8 lines"}, 1},
		"no such file":   {nil, []string{"ROOT/none.go:1"}, []string{"none.go"}, 1},
		"no such action": {nil, []string{"ROOT/cart.go:1", "--action", "dance"}, []string{"there is no action \"dance\"; there are complete, edit, comments,"}, 1},
		"no place":       {nil, []string{"ROOT/cart.go"}, []string{"the place is FILE:LINE or FILE:LINE:COLUMN"}, 2},
		"no instruction": {nil, []string{"ROOT/cart.go:1", "--action", "edit"}, []string{"say what to do in a comment"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := runPrompt(t, promptWorkspace, tt.env, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(out+errs, want) {
					t.Errorf("it does not say %q:\n%s%s", want, out, errs)
				}
			}
		})
	}
}

// TestPromptKnowsFolders: what the user's file says of folders counts for the command too, and its mistakes are told.
func TestPromptKnowsFolders(t *testing.T) {
	config := t.TempDir()
	file := filepath.Join(config, "spark-lsp", "config.toml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("delivery = \"sometimes\"\n[folders.\"**/client\"]\nenabled = false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := "-- client/theirs.go --\npackage shop\n\nfunc discount(c int) int { return 0 }\n" + promptWorkspace
	env := map[string]string{"XDG_CONFIG_HOME": config}
	out, errs, code := runPrompt(t, files, env, "ROOT/client/theirs.go:3")
	if want := "Unasked, nothing of this file is sent ("; code != 0 || !strings.Contains(out, want) {
		t.Errorf("%d: it does not say %q:\n%s", code, want, out)
	}
	if want := "spark-lsp: delivery (user file): \"sometimes\" is not one of"; !strings.Contains(errs, want) {
		t.Errorf("it does not say %q: %s", want, errs)
	}
	if out, _, _ = runPrompt(t, files, env, "ROOT/cart.go:6"); strings.Contains(out, "client/theirs.go") {
		t.Errorf("what is switched off stands in another file's prompt:\n%s", out)
	}
}
