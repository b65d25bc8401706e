package settings

import (
	"strings"
	"testing"
)

func TestPatternsHoldWhatIsBelow(t *testing.T) {
	for _, tt := range []struct {
		pattern, file string
		want          bool
	}{
		{"/home/me/clients", "/home/me/clients/a/b.go", true},
		{"/home/me/clients/**", "/home/me/clients/a/b.go", true},
		{"/home/me/clients", "/home/me/clients2/b.go", false},
		{"/home/me/clients", "/home/you/home/me/clients/b.go", false},
		{"/home/*/clients", "/home/you/clients/b.go", true},
		{"/home/*/clients", "/home/you/me/clients/b.go", false},
		{"/home/**/clients", "/home/you/me/clients/b.go", true},
		{"/home/**/**/clients/*.md", "/home/clients/b.md", true},
		{"/home/**/clients/*.md", "/home/clients/b.go", false},
		{"vendor", "/home/me/x/vendor/y.go", true},
		{"*.md", "/home/me/x.md", true},
		{"*.md", "/home/me/x.go", false},
		{"**", "/anything", true},
		{"C:/job", `C:\job\a.go`, true},
		{"/", "/anything", true},
		{"/home/me/a.go/b", "/home/me/a.go", false},
	} {
		if got := (folder{pattern: tt.pattern}).holds(tt.file); got != tt.want {
			t.Errorf("%s holds %s: %v", tt.pattern, tt.file, got)
		}
	}
}

func TestAFolderHasTheLastWord(t *testing.T) {
	layers := Layers{
		UserFile: Flatten(map[string]any{
			"completion": map[string]any{"languages": map[string]any{"tex": false}},
			"folders": map[string]any{
				"/job":        map[string]any{"enabled": false, "completion": map[string]any{"languages": map[string]any{"go": false}}},
				"/job/mine/*": map[string]any{"enabled": true, "completion.automatic": "off"},
			},
		}),
		Editor: Layer{"enabled": true, "completion.automatic": "on", "completion.languages": map[string]any{"go": true}},
	}
	for file, want := range map[string]struct {
		enabled, goOn bool
		automatic     string
	}{
		"/elsewhere/a.go":  {true, true, "on"},
		"/job/a.go":        {false, false, "on"},
		"/job/mine/x/a.go": {true, false, "off"},
	} {
		layers.Paths = []string{"/a/link/to/it.go", file}
		r, problems := Resolve(layers)
		if len(problems) > 0 {
			t.Error(problems)
		}
		if r.Enabled != want.enabled || r.CompletionLanguages.On("go") != want.goOn || r.CompletionLanguages.On("tex") || r.CompletionAutomatic != want.automatic {
			t.Errorf("%s: %+v", file, r.Options)
		}
	}
	layers.Paths = nil
	if r, _ := Resolve(layers); !r.Enabled || r.sources["enabled"] != Editor {
		t.Error("a folder speaks for everything")
	}
}

func TestWhatIsSwitchedOff(t *testing.T) {
	f := FoldersOf(Layer{"folders": map[string]any{
		"/job": map[string]any{"enabled": false}, "/job/mine": map[string]any{"enabled": "true"}, "/job/mine/x": map[string]any{"completion.automatic": "off"}, "/else": map[string]any{"enabled": "so"},
	}})
	for path, want := range map[string]bool{"/job": true, "/job/a": true, "/job/mine": false, "/job/mine/x/a": false, "/else/a": false, "/": false} {
		if f.Off(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

func TestWrongFoldersAreNamed(t *testing.T) {
	for _, tt := range []struct {
		val  any
		want string
	}{
		{"x", "folders (user file): must be a table of paths"},
		{map[string]any{"/a": true}, `folders."/a" (user file): must be a table of settings`},
		{map[string]any{"/a[": map[string]any{}}, `folders."/a[" (user file): is not a pattern`},
		{map[string]any{"/a": map[string]any{"enabld": true}}, `folders."/a".enabld (user file): unknown setting; did you mean "enabled"?`},
		{map[string]any{"/a": map[string]any{"baseURL": "https://x.example"}}, `folders."/a".baseURL (user file): cannot differ from folder to folder; these can: enabled`},
		{map[string]any{"/a": map[string]any{"enabled": "so"}}, `folders."/a".enabled (user file): "so" is neither true nor false`},
	} {
		r, problems := Resolve(Layers{UserFile: Layer{"folders": tt.val}, Paths: []string{"/a/b"}})
		if len(problems) != 1 || !strings.Contains(problems[0].String(), tt.want) || !r.Enabled {
			t.Errorf("%v: %v", tt.val, problems)
		}
	}
	if _, problems := Resolve(Layers{Editor: Layer{"folders": map[string]any{}}}); len(problems) != 1 {
		t.Errorf("an editor's folders: %v", problems)
	}
}

// TestAFolderOfAnEditorCannotSpend: what arrives for one workspace folder may come with the repository.
func TestAFolderOfAnEditorCannotSpend(t *testing.T) {
	got := FolderLayer(Layer{"enabled": false, "completion.automatic": "on", "baseURL": "https://evil.example", "completion.languages": map[string]any{"go": false}, "nonsense": 1.0})
	if len(got) != 2 || got["enabled"] != false || got["completion.languages"] == nil {
		t.Errorf("%v", got)
	}
}
