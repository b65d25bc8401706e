package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/settings"
)

// FuzzUserFile: whatever stands in config.toml, it is read or refused in words, and a key in it is in none of them
// (D24).
func FuzzUserFile(f *testing.F) {
	const key = "planted-key-5e1f"
	for _, seed := range []string{
		"", "enabled = false\n", "apiKey = \"" + key + "\"\n", "apiKey = \"" + key, "[completion]\nmaxTokens = 7\nlanguages = { go = false }\n",
		"[[actions]]\ntitle = \"T\"\ninstruction = \"\"\"\nI\n\"\"\"\n", "[folders.\"~/x/**\"]\nenabled = false\n", "folders = 1", "provider = 2026-11-22",
		"apiKey = [\"" + key + "\"]", "[apiKey]\nx = 1\n", "a = nan\ncontextWindow = inf\n",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(dir, "config.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		layer, err := readUserFile(file, "/home/me")
		if err != nil && (layer != nil || strings.Contains(err.Error(), key)) {
			t.Errorf("%v, and %v", err, layer)
		}
		r, problems := settings.Resolve(settings.Layers{UserFile: layer})
		for _, p := range problems {
			if strings.HasPrefix(p.Key, "apiKey") && strings.Contains(p.Text, key) {
				t.Errorf("%s", p)
			}
		}
		if r.CompletionMaxTokens < 1 || r.BaseURL == "" {
			t.Errorf("%+v", r.Options)
		}
	})
}
