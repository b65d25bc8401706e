package settings

import "testing"

// BenchmarkResolve is what a change of the settings costs, and the first question about each file where folders differ.
func BenchmarkResolve(b *testing.B) {
	l := Layers{
		UserFile: Flatten(map[string]any{
			"apiKey": "k", "completion": map[string]any{"languages": map[string]any{"markdown": false}},
			"folders": map[string]any{"/home/me/clients/**": map[string]any{"enabled": false}, "**/vendor": map[string]any{"completion.automatic": "off"}},
		}),
		Environment: Layer{"provider": "openai"},
		Editor:      Layer{"completion.maxTokens": 60.0},
		Paths:       []string{"/home/me/src/project/a/b/c.go"},
	}
	b.ReportAllocs()
	for b.Loop() {
		Resolve(l)
	}
}
