package settings

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// FuzzSettings: whatever an editor says, and whatever stands in the user's file, nothing breaks; every value in force is
// one that is allowed; and no word of the editor leads the user's key to another place than the user's own (D22, D24).
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `{"spark": 1}`, `{"apiKey": "k"}`, `{"folders": {"/a": {"enabled": false}}}`,
		`{"completion": {"maxTokens": 12, "languages": {"go": false, "*": "true"}}}`, `{"completion.maxTokens": 1e300}`,
		`{"baseURL": "http://user:pw@x/", "provider": "mistral", "edit": {"provider": "chat", "baseURL": "https://e.example"}}`,
		`{"baseURL": "https://mine.example/v1", "provider": "openai"}`, `{"baseURL": "HTTPS://MINE.example/v1/"}`, `{"deep.baseURL": "//x"}`,
		`{"actions": [{"title": "t", "instruction": "i", "languages": ["Go"]}, {"title": "t", "context": [null]}]}`,
		`{"enabled": {"deep": {"deeper": []}}, "": {"": ""}}`, `{"privacy": {"allow": ["a", 1]}}`,
	} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, editor, file string) {
		var fromEditor, fromFile map[string]any
		if json.Unmarshal([]byte(editor), &fromEditor) != nil || json.Unmarshal([]byte(file), &fromFile) != nil {
			return
		}
		const mine = "https://mine.example/v1"
		l := Layers{
			UserFile: Flatten(fromFile), Editor: Flatten(fromEditor), Paths: []string{"/a/b.go"},
			Environment: Layer{"apiKey": "planted-key", "baseURL": mine}, Keys: map[string]string{"https://stored.example": "stored-key"},
		}
		r, problems := Resolve(l)
		for _, s := range r.InForce() {
			if o, ok := find(s.Key); !ok || len(o.oneof) > 0 && !slices.Contains(o.oneof, s.Value) {
				t.Errorf("%s is %q", s.Key, s.Value)
			}
		}
		if r.CompletionMaxTokens < 1 || r.CompletionMaxTokens > 2000 || r.ContextWindow < 1000 || r.BaseURL == "" {
			t.Errorf("%+v", r.Options)
		}
		for _, job := range []Job{Completion, Edit, Deep} {
			switch e := r.For(job); {
			case e.Key == "planted-key" && e.BaseURL != mine, e.Key == "stored-key" && Origin(e.BaseURL) != "https://stored.example":
				t.Errorf("%s: %q goes to %s", job, e.Key, e.BaseURL)
			case e.Key != "" && e.Key != "planted-key" && e.Key != "stored-key":
				t.Errorf("%s: %q was made a key", job, e.Key)
			case e.Provider != "offline" && !e.FromEditor && e.BaseURL != mine && r.sources[string(job)+".baseURL"] == Editor:
				t.Errorf("%s: the editor leads to %s, and nobody is asked", job, e.BaseURL)
			}
		}
		for _, p := range problems {
			if strings.Contains(p.Text, "planted-key") || strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("%q", p)
			}
		}
		merged, _ := Update(l.Editor, l.UserFile)
		Resolve(Layers{Editor: merged})
		FolderLayer(merged)
		FoldersOf(l.UserFile).Off("/a/b.go")
	})
}
