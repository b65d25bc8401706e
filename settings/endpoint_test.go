package settings

import "testing"

// TestWhichKeyGoesWhere is the rule of settings.md's table, beside TestKeyGoesOnlyToItsOwnEndpoint (D22, D24).
func TestWhichKeyGoesWhere(t *testing.T) {
	stored := map[string]string{"https://api.mistral.ai": "mk", "https://api.openai.com": "ok", "http://127.0.0.1:1": "lk"}
	for _, tt := range []struct {
		name       string
		l          Layers
		provider   string
		key        string
		from       Source
		fromEditor bool
	}{
		{"a stored key makes auto a model", Layers{Keys: stored}, "openai", "ok", Login, false},
		{"one that is still in the keyring does too", Layers{Keys: map[string]string{"https://api.openai.com": ""}}, "openai", "", Default, false},
		{"none for the default endpoint", Layers{Keys: map[string]string{"https://api.mistral.ai": "mk"}}, "offline", "", Default, false},
		{"the environment counts before it", Layers{Keys: stored, Environment: Layer{"apiKey": "ek"}}, "openai", "ek", Environment, false},
		{"so does the user file", Layers{Keys: stored, UserFile: Layer{"apiKey": "fk"}}, "openai", "fk", UserFile, false},
		{"each endpoint has its own", Layers{Keys: stored, UserFile: Layer{"provider": "mistral"}}, "mistral", "mk", Login, false},
		{"the environment's key goes where the user file's provider leads", Layers{Keys: stored, UserFile: Layer{"provider": "mistral"}, Environment: Layer{"apiKey": "ek"}}, "mistral", "ek", Environment, false},
		{"one of OpenAI's does not", Layers{Keys: stored, UserFile: Layer{"provider": "mistral"}, Environment: Layer{openAIKeyName: "ek"}}, "mistral", "mk", Login, false},
		{"an editor's provider takes no general key elsewhere", Layers{Environment: Layer{"apiKey": "ek"}, Editor: Layer{"provider": "deepseek"}}, "deepseek", "", Default, true},
		{"it leads to the key stored for it, after a yes", Layers{Keys: stored, Environment: Layer{"apiKey": "ek"}, Editor: Layer{"provider": "mistral"}}, "mistral", "mk", Login, true},
		{"the editor's provider at the user's address", Layers{Environment: Layer{"apiKey": "ek", "baseURL": "https://e.example/v1"}, Editor: Layer{"provider": "chat"}}, "chat", "ek", Environment, false},
		{"a job's own provider of the editor", Layers{Environment: Layer{"apiKey": "ek"}, Editor: Layer{"edit.provider": "chat", "edit.baseURL": "https://evil.example/v1"}}, "chat", "", Default, true},
		{"a key stored for this machine", Layers{Keys: stored, Environment: Layer{"provider": "chat", "baseURL": "http://127.0.0.1:1/v1"}}, "chat", "lk", Login, false},
		{"case and path do not matter to an origin", Layers{Keys: stored, UserFile: Layer{"baseURL": "https://API.Mistral.ai/v2/", "provider": "chat"}}, "chat", "mk", Login, false},
		{"a port does", Layers{Keys: stored, UserFile: Layer{"baseURL": "https://api.mistral.ai:8443/v1", "provider": "chat"}}, "chat", "", Default, false},
		{"and the scheme", Layers{Keys: stored, UserFile: Layer{"baseURL": "http://api.mistral.ai/v1", "provider": "chat"}}, "chat", "", Default, false},
	} {
		r, problems := Resolve(tt.l)
		if len(problems) > 0 {
			t.Errorf("%s: %v", tt.name, problems)
		}
		e := r.For(Edit)
		if e.Provider != tt.provider || e.Key != tt.key || e.KeyFrom != tt.from || e.FromEditor != tt.fromEditor {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
}

// TestAStoredKeyIsAYes: somebody who stores a key for this program means it to be used.
func TestAStoredKeyIsAYes(t *testing.T) {
	r, _ := Resolve(Layers{Keys: map[string]string{"https://api.openai.com": "ok"}})
	if !r.AutomaticAllowed() {
		t.Error("it asks")
	}
	r, _ = Resolve(Layers{Keys: map[string]string{"https://api.openai.com": "ok"}, Environment: Layer{openAIKeyName: "ek"}})
	if r.AutomaticAllowed() {
		t.Error("the environment's key is used, and nobody was asked")
	}
}
