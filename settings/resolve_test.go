package settings

import (
	"strings"
	"testing"
)

func env(kv ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(kv); i += 2 {
			if kv[i] == name {
				return kv[i+1]
			}
		}
		return ""
	}
}

func TestLayersStrongestWins(t *testing.T) {
	r, problems := Resolve(Layers{
		UserFile:    Layer{"model": "from-file", "serviceTier": "fast", "completion.maxTokens": int64(50)},
		Environment: FromEnvironment(env("SPARK_MODEL", "from-env", "OPENAI_BASE_URL", "https://b.example/v1/")),
		Editor:      Flatten(map[string]any{"completion": map[string]any{"maxTokens": 60.0}, "provider": nil}),
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if r.Model != "from-env" || r.ServiceTier != "fast" || r.CompletionMaxTokens != 60 || r.BaseURL != "https://b.example/v1" || r.Provider != "auto" {
		t.Errorf("%+v", r.Options)
	}
	for key, want := range map[string]Source{"model": Environment, "serviceTier": UserFile, "completion.maxTokens": Editor, "provider": Default} {
		if got := r.sources[key]; got != want {
			t.Errorf("source of %s: %v, want %v", key, got, want)
		}
	}
}

func TestWrongValuesLeaveTheWeakerOneInForce(t *testing.T) {
	r, problems := Resolve(Layers{
		Environment: Layer{"serviceTier": "fast"},
		Editor: Layer{"serviceTier": "warp", "completion.maxTokens": 1.5, "enabled": "perhaps", "provder": "offline",
			"baseURL": "file:///etc/passwd", "delivery": 3.0, "server.path": "ours to ignore", "trace.server": "verbose"},
	})
	if r.ServiceTier != "fast" || r.CompletionMaxTokens != 200 || !r.Enabled || r.Delivery != "auto" || r.BaseURL != "https://api.openai.com/v1" {
		t.Errorf("%+v", r.Options)
	}
	want := map[string]string{
		"serviceTier":          `"warp" is not one of auto, default`,
		"completion.maxTokens": "1.5 is not a whole number",
		"enabled":              "neither true nor false",
		"provder":              `did you mean "provider"?`,
		"baseURL":              "is not an http or https address",
		"delivery":             "3 is not a string",
	}
	for _, p := range problems {
		if !strings.Contains(p.String(), want[p.Key]) || want[p.Key] == "" {
			t.Errorf("problem %q", p)
		}
		delete(want, p.Key)
	}
	if len(want) > 0 {
		t.Errorf("no problem told for %v", want)
	}
}

// TestKeyGoesOnlyToItsOwnEndpoint is the rule that keeps a workspace from collecting keys (D22, D24).
func TestKeyGoesOnlyToItsOwnEndpoint(t *testing.T) {
	const def = "https://api.openai.com/v1"
	tests := []struct {
		name                string
		file, env, editor   Layer
		wantURL, wantKey    string
		editorNamesEndpoint bool
	}{
		{"environment key, default endpoint", nil, Layer{"apiKey": "ek"}, nil, def, "ek", false},
		{"environment key and endpoint", nil, Layer{"apiKey": "ek", "baseURL": "https://e.example/v1"}, nil, "https://e.example/v1", "ek", false},
		{"file key does not go to the environment's endpoint", Layer{"apiKey": "fk"}, Layer{"baseURL": "https://e.example/v1"}, nil, "https://e.example/v1", "", false},
		{"file key, file endpoint", Layer{"apiKey": "fk", "baseURL": "https://f.example/v1"}, nil, nil, "https://f.example/v1", "fk", false},
		{"the editor redirects", nil, Layer{"apiKey": "ek"}, Layer{"baseURL": "https://evil.example/v1"}, "https://evil.example/v1", "", true},
		{"the editor redirects to the same place", nil, Layer{"apiKey": "ek", "baseURL": "https://e.example/v1"}, Layer{"baseURL": "https://e.example/v1/"}, "https://e.example/v1", "ek", false},
		{"the editor redirects a private endpoint to the usual one", nil, Layer{"apiKey": "ek", "baseURL": "https://e.example/v1"}, Layer{"baseURL": def}, def, "", true},
		{"a key from the editor is refused", nil, nil, Layer{"apiKey": "wk"}, def, "", false},
		{"the environment's key is stronger than the file's", Layer{"apiKey": "fk"}, Layer{"apiKey": "ek"}, nil, def, "ek", false},
	}
	for _, tt := range tests {
		r, _ := Resolve(Layers{UserFile: tt.file, Environment: tt.env, Editor: tt.editor})
		if e := r.For(Edit); r.BaseURL != tt.wantURL || e.Key != tt.wantKey || e.FromEditor != tt.editorNamesEndpoint {
			t.Errorf("%s: %s, %+v", tt.name, r.BaseURL, e)
		}
	}
}

func TestWhoAnswersAndWhoNeedsToBeAsked(t *testing.T) {
	tests := []struct {
		name             string
		l                Layers
		model, automatic bool
	}{
		{"nothing", Layers{}, false, false},
		{"a key found in the environment", Layers{Environment: Layer{"apiKey": "k"}}, true, false},
		{"a key in the user's own file", Layers{UserFile: Layer{"apiKey": "k"}}, true, true},
		{"the provider is named", Layers{Environment: Layer{"apiKey": "k", "provider": "openai"}}, true, true},
		{"the provider is named by the editor", Layers{Environment: Layer{"apiKey": "k"}, Editor: Layer{"provider": "openai"}}, true, true},
		{"offline in spite of a key", Layers{Environment: Layer{"apiKey": "k", "provider": "offline"}}, false, true},
		{"an endpoint on this machine", Layers{Environment: Layer{"apiKey": "k", "baseURL": "http://127.0.0.1:1/v1"}}, true, true},
		{"the setting says yes", Layers{Environment: Layer{"apiKey": "k"}, Editor: Layer{"completion.automatic": "on"}}, true, true},
		{"the setting says no", Layers{Environment: Layer{"apiKey": "k", "provider": "openai"}, Editor: Layer{"completion.automatic": "off"}}, true, false},
	}
	for _, tt := range tests {
		r, problems := Resolve(tt.l)
		if len(problems) > 0 {
			t.Errorf("%s: %v", tt.name, problems)
		}
		if (r.For(Edit).Provider != "offline") != tt.model || r.AutomaticAllowed() != tt.automatic {
			t.Errorf("%s: model %v, automatic %v", tt.name, r.For(Edit).Provider, r.AutomaticAllowed())
		}
	}
}

func TestRetiredModelWarns(t *testing.T) {
	_, problems := Resolve(Layers{Environment: Layer{"model": "gpt-5.3-codex-spark"}})
	if len(problems) != 1 || !strings.Contains(problems[0].Text, "retired") {
		t.Errorf("problems %v", problems)
	}
}

func TestUpdateKeepsWhatWasValid(t *testing.T) {
	merged, problems := Update(Layer{"completion.maxTokens": 33.0, "model": "a"}, Layer{"completion.maxTokens": "many", "model": "b", "nonsense": 1.0})
	if merged["completion.maxTokens"] != 33.0 || merged["model"] != "b" || len(problems) != 1 || problems[0].Key != "completion.maxTokens" {
		t.Errorf("%v, %v", merged, problems)
	}
	if merged["nonsense"] != 1.0 { // Resolve names it
		t.Errorf("an unknown key was dropped in silence: %v", merged)
	}
}

// TestEachJobMayHaveItsOwnEndpoint, and a key still goes only to the endpoint that its own source names.
func TestEachJobMayHaveItsOwnEndpoint(t *testing.T) {
	r, problems := Resolve(Layers{
		UserFile:    Layer{"completion.provider": "ollama", "completion.model": "qwen2.5-coder", "deep.baseURL": "https://deep.example/v1", "deep.model": "big"},
		Environment: Layer{"apiKey": "k", "baseURL": "https://e.example/v1", "edit.serviceTier": "fast"},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for job, want := range map[Job]Endpoint{
		Completion: {Provider: "ollama", BaseURL: "http://127.0.0.1:11434", Model: "qwen2.5-coder"},
		Edit:       {Provider: "openai", BaseURL: "https://e.example/v1", Model: "gpt-6.1-sol", Tier: "fast", Key: "k", KeyFrom: Environment},
		Deep:       {Provider: "openai", BaseURL: "https://deep.example/v1", Model: "big", Tier: "ultrafast"},
	} {
		if got := r.For(job); got != want {
			t.Errorf("%s: %+v, want %+v", job, got, want)
		}
	}
	if e := r.For(Completion); !e.Loopback() {
		t.Error("ollama is not on this machine")
	}

	r, _ = Resolve(Layers{
		Environment: Layer{"apiKey": "k", "deep.baseURL": "https://deep.example/v1"},
		Editor:      Layer{"edit.baseURL": "https://evil.example/v1", "completion.provider": "offline"},
	})
	for job, want := range map[Job]Endpoint{
		Completion: {Provider: "offline"},
		Edit:       {Provider: "openai", BaseURL: "https://evil.example/v1", Model: "gpt-6.1-sol", Tier: "ultrafast", FromEditor: true},
		Deep:       {Provider: "openai", BaseURL: "https://deep.example/v1", Model: "gpt-6.1-sol", Tier: "ultrafast", Key: "k", KeyFrom: Environment},
	} {
		if got := r.For(job); got != want {
			t.Errorf("%s: %+v, want %+v", job, got, want)
		}
	}
	if r, _ = Resolve(Layers{}); r.For(Edit) != (Endpoint{Provider: "offline"}) {
		t.Errorf("nothing is set: %+v", r.For(Edit))
	}
}

// TestNamesFromAWorkspaceAreTamed: what is wrong is told in one line, whatever it is called.
func TestNamesFromAWorkspaceAreTamed(t *testing.T) {
	for name, want := range map[string]string{
		"provder":                            "provder (editor): unknown setting; did you mean",
		"a\nspark-lsp: all is well":          `"a\nspark-lsp: all is well" (editor)`,
		"\x1b[2J":                            `"\x1b[2J" (editor)`,
		"\u202eprovider":                     `"\u202eprovider" (editor)`,
		"sk-proj-0123456789":                 "a value that looks like a key (editor)",
		strings.Repeat("provider", 100_000):  "…\" (editor): unknown setting",
		"folders":                            "folders (editor): belongs into the user file",
		"completion.languages.go.much.depth": "unknown setting",
	} {
		_, problems := Resolve(Layers{Editor: Layer{name: true}})
		if len(problems) != 1 || !strings.Contains(problems[0].String(), want) || len(problems[0].String()) > 200 {
			t.Errorf("%.40q: %.300v", name, problems)
		}
	}
}
