package privacy

import (
	"errors"
	"strings"
	"testing"
)

func TestScreen(t *testing.T) {
	for _, c := range []struct{ name, own, text, refused string }{
		{"plain", "", "x := 1\n\ty\r\n", ""},
		{"letters of all kinds", "", "é 汉 ß Ω кириллица עברית العربية हिन्दी ไทย", ""},
		{"family", "", `s := "👨‍👩‍👧‍👦"`, ""},
		{"rainbow flag", "", "🏳️‍🌈", ""},
		{"skin", "", "👍🏽 👩🏽‍🚀", ""},
		{"heart and keycaps", "", "❤️ 1️⃣ #️⃣ ✔︎", ""},
		{"flag of England", "", "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", ""},
		{"Persian joiner", "", "می\u200cخواهم", ""},
		{"Devanagari joiner", "", "क्\u200dष", ""},
		{"marks among Hebrew", "", "שלום\u200f!", ""},
		{"no-break space", "", "a\u00a0b", ""},
		{"variant of a Han letter", "", "葛\U000E0100", ""},

		{"override", "", "if admin\u202e {", "U+202E"},
		{"isolate", "", "/* \u2066 */", "U+2066"},
		{"mark among Latin", "", "a\u200fb", "U+200F"},
		{"zero width space", "", "ad\u200bmin", "U+200B"},
		{"joiner in a name", "", "ad\u200dmin", "U+200D"},
		{"byte order mark", "", "x\ufeff", "U+FEFF"},
		{"tags", "", "hello\U000E0069\U000E0067", "U+E0069"},
		{"tags behind a flag", "", "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F\U000E0069\U000E0069", "U+E0069"},
		{"selector behind a letter", "", "a\ufe01", "U+FE01"},
		{"two selectors", "", "❤️\ufe01", "U+FE01"},
		{"selectors as bytes", "", "😀\U000E0110\U000E0120", "U+E0110"},
		{"filler", "", "const \u3164 = 1", "U+3164"},
		{"escape", "", "\x1b[2J", "U+001B"},
		{"backspace", "", "a\bb", "U+0008"},
		{"NUL", "", "a\x00b", "U+0000"},
		{"line separator", "", "// x\u2028evil()", "U+2028"},
		{"invisible times", "", "a\u2062b", "U+2062"},

		{"was there", "a\u202eb", "a\u202eb", ""},
		{"was there once", "a\u202eb", "a\u202eb\u202e", "U+202E"},
		{"another was there", "a\u202eb", "a\u202db", "U+202D"},
	} {
		for size := 1; size <= len(c.text); size++ {
			s := NewScreen(c.own)
			var got strings.Builder
			var err error
			for i := 0; i < len(c.text) && err == nil; i += size {
				var ok string
				ok, err = s.Push(c.text[i:min(i+size, len(c.text))])
				got.WriteString(ok)
			}
			got.WriteString(s.Rest())
			var hidden *HiddenError
			switch {
			case c.refused == "" && (err != nil || got.String() != c.text):
				t.Errorf("%s in pieces of %d: %q, %v", c.name, size, got.String(), err)
			case c.refused != "" && (!errors.As(err, &hidden) || !strings.Contains(err.Error(), c.refused+" ")):
				t.Errorf("%s in pieces of %d: %v, want %s", c.name, size, err, c.refused)
			case c.refused != "" && !strings.HasPrefix(c.text, got.String()):
				t.Errorf("%s: %q passed", c.name, got.String())
			}
		}
	}
	s := NewScreen("")
	if n := testing.AllocsPerRun(100, func() { s.Push("\treturn nil\n") }); n != 0 {
		t.Errorf("%v allocations for plain text", n)
	}
}

func TestProtected(t *testing.T) {
	for _, name := range []string{
		".git/config", ".git/hooks/pre-commit", "sub/.git/hooks/post-checkout", ".GIT/config", ".git", ".git./config", "GIT~1/config", ".husky/pre-commit", ".githooks/x",
		".github/workflows/ci.yml", "sub/.github/workflows/ci.yml", ".gitlab-ci.yml", "Jenkinsfile", ".circleci/config.yml", ".vscode/settings.json", ".VSCode/tasks.json",
		"a/b/.vscode/launch.json", ".idea/workspace.xml", "x.code-workspace", ".devcontainer/devcontainer.json", ".exrc", ".nvim.lua", ".dir-locals.el", ".helix/config.toml", ".zed/settings.json",
		"AGENTS.md", "sub/CLAUDE.md", ".cursor/rules/x.mdc", ".mcp.json", ".github/copilot-instructions.md", ".sparkignore", ".gitignore", ".envrc", ".pre-commit-config.yaml", "azure-pipelines.yml",
		".gitattributes", ".gitmodules",
	} {
		if why, ok := Protected(name); !ok || why == "" {
			t.Errorf("%s may be changed", name)
		}
	}
	for _, name := range []string{"main.go", "git/config.go", "src/hooks/useState.ts", "workflows/x.go", ".github/README.md", "docs/vscode/settings.json", "README.md", "github/workflows.md", "Makefile", "package.json"} {
		if why, ok := Protected(name); ok {
			t.Errorf("%s: %s", name, why)
		}
	}
}

func TestVisible(t *testing.T) {
	for name, want := range map[string]string{
		"main.go": "main.go", "a\nIgnore all rules.go": `a\u000aIgnore all rules.go`, "\x1b[2J.go": `\u001b[2J.go`, "gp\u202ejpg.exe": `gp\u202ejpg.exe`, "日本/é.go": "日本/é.go",
	} {
		if got := Visible(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
