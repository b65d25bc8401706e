package settings

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func decodeJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestActionsOfSeveralSourcesAreJoined(t *testing.T) {
	r, problems := Resolve(Layers{
		UserFile: Layer{"actions": []map[string]any{ // as TOML decodes [[actions]]
			{"title": "Explain", "instruction": "explain it", "kind": "source.explain"},
			{"title": "To table test", "instruction": "make it a table test", "languages": []any{"Go"}, "context": []any{"similar"}},
		}},
		Editor: Layer{"actions": decodeJSON(t, `[{"title":"Explain","instruction":"explain it to a child"},{"title":"New","instruction":"n","kind":null}]`)},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []Action{
		{Title: "Explain", Kind: "refactor.rewrite", Instruction: "explain it to a child"},
		{Title: "To table test", Kind: "refactor.rewrite", Instruction: "make it a table test", Languages: []string{"go"}, Context: []string{"similar"}},
		{Title: "New", Kind: "refactor.rewrite", Instruction: "n"},
	}
	if !reflect.DeepEqual(r.Actions, want) {
		t.Errorf("%+v", r.Actions)
	}
	if a := want[1]; !a.For("Go") || a.For("python") || !want[0].For("python") {
		t.Error("the languages do not hold")
	}
}

func TestWrongActionsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		`7`:                   "must be a list of tables",
		`["x"]`:               `entry 1, "x", is not a table`,
		`[{"instruction":1}]`: "instruction: 1 is not a string",
		`[{"title":"A","instruction":"x"},{"title":"B","instrution":"x"}]`: `entry 2 ("B"): "instrution" is unknown; did you mean "instruction"?`,
		`[{"instruction":"x"}]`:                                                 "entry 1: it has no title",
		`[{"title":"A"}]`:                                                       `entry 1 ("A"): it has no instruction`,
		`[{"title":"A\nB","instruction":"x"}]`:                                  "must be one line",
		`[{"title":"A","instruction":"x","kind":"foo.bar"}]`:                    `kind: "foo.bar" is not below one of quickfix, refactor, source`,
		`[{"title":"A","instruction":"x","languages":"go"}]`:                    "",
		`[{"title":"A","instruction":"x","languages":[true]}]`:                  "languages: entry 1, true, is not a string",
		`[{"title":"A","instruction":"x","context":["similar","diagnostics"]}]`: `context: "diagnostics" is not one of rules, notes`,
		`[{"title":"A","instruction":"x","context":{"a":"b"}}]`:                 "context: map[a:b] is not a list of strings",
		`"[{\"title\":\"A\",\"instruction\":\"from a variable\"}]"`:             "",
	} {
		r, problems := Resolve(Layers{UserFile: Layer{"actions": []any{map[string]any{"title": "old", "instruction": "stays"}}}, Editor: Layer{"actions": decodeJSON(t, text)}})
		switch {
		case want == "":
			if len(problems) != 0 || len(r.Actions) != 2 {
				t.Errorf("%s: %v, %v", text, problems, r.Actions)
			}
		case len(problems) != 1 || !strings.Contains(problems[0].Text, want) || len(r.Actions) != 1 || r.Actions[0].Title != "old":
			t.Errorf("%s: %v, %v", text, problems, r.Actions)
		}
	}
}

func TestAnEditorOpensNothingThatTheUserHasClosed(t *testing.T) {
	r, problems := Resolve(Layers{
		UserFile: Layer{"privacy.ignore": []any{"mine.go"}},
		Editor:   Layer{"privacy.ignore": []any{"theirs.go", "!mine.go"}},
	})
	if want := []string{"theirs.go", "!mine.go", "mine.go"}; len(problems) != 0 || !slices.Equal(r.PrivacyIgnore, want) {
		t.Errorf("%v, want %v, the user's last; %v", r.PrivacyIgnore, want, problems)
	}
}

func TestLanguagesOfSeveralSourcesAreJoined(t *testing.T) {
	r, problems := Resolve(Layers{
		UserFile:    Flatten(map[string]any{"completion": map[string]any{"languages": map[string]any{"Markdown": false, "go": false}}}),
		Environment: FromEnvironment(env("SPARK_COMPLETION_LANGUAGES", `{"tex": false}`)),
		Editor:      Flatten(map[string]any{"completion": map[string]any{"languages": map[string]any{"*": true, "go": true}}}),
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for language, want := range map[string]bool{"markdown": false, "MARKDOWN": false, "tex": false, "go": true, "rust": true} {
		if r.CompletionLanguages.On(language) != want {
			t.Errorf("%s: %v", language, !want)
		}
	}
	r, problems = Resolve(Layers{UserFile: Layer{"completion.languages": map[string]any{"*": false, "go": true}}, Editor: Layer{"completion.languages": map[string]any{"go": "perhaps"}}})
	if len(problems) != 1 || !strings.Contains(problems[0].Text, `for "go", "perhaps" is neither`) || !r.CompletionLanguages.On("go") || r.CompletionLanguages.On("c") {
		t.Errorf("%v, %v", problems, r.CompletionLanguages)
	}
	if r, _ = Resolve(Layers{}); !r.CompletionLanguages.On("go") || r.CompletionLanguages.On("c") == false {
		t.Error("nothing is on when nothing is said")
	}
}

// TestAWrongValueIsShownUnlessItMayBeAKey: D24, a key in the wrong place.
func TestAWrongValueIsShownUnlessItMayBeAKey(t *testing.T) {
	for value, shown := range map[string]bool{
		"opnai": true, "https//x.example/v1": true, "sk-proj-abc": false, "Bearer abc": false, "0a1b2c3d4e5f6a7b8c9d0e1f2a3b": false,
	} {
		_, problems := Resolve(Layers{UserFile: Layer{"provider": value}})
		if len(problems) != 1 || strings.Contains(problems[0].Text, value) != shown {
			t.Errorf("%s: %v", value, problems)
		}
	}
}
