package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
	"github.com/spark-lsp/spark-lsp/session/loopback"
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

// TestSettingsFromAllSidesAtOnce: the user's file, what the editor pushes and what it answers change again and again at
// the same time; what is in force in the end is what each of them said last.
func TestSettingsFromAllSidesAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	type asked struct {
		model, tier string
		tokens      int
	}
	requests := make(chan asked, 1000)
	model := loopback.New(loopback.Options{Respond: func(x *loopback.Exchange) {
		requests <- asked{x.Model, x.ServiceTier, x.MaxOutputTokens}
		_ = x.Done()
	}})
	if err := model.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	h := newHome(t, map[string]string{"SPARK_PROVIDER": "openai", "SPARK_BASE_URL": model.URL()})
	p, _, _ := h.process("")
	ed, end, err := startEditor(ctx, p, nil, editor.Options{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	const rounds = 30
	var sides sync.WaitGroup
	sides.Go(func() {
		for i := range rounds {
			if err := ed.SetSettings(map[string]any{"spark": map[string]any{"completion": map[string]any{"maxTokens": i + 1}}}); err != nil {
				t.Error(err)
			}
		}
	})
	sides.Go(func() {
		for i := range rounds {
			if err := ed.Notify("workspace/didChangeConfiguration", map[string]any{"settings": map[string]any{"spark": map[string]any{"completion": map[string]any{"model": fmt.Sprint("m", i)}}}}); err != nil {
				t.Error(err)
			}
		}
	})
	sides.Go(func() {
		for i := range rounds {
			h.write("config.toml", fmt.Sprintf("serviceTier = %q\n# %d\n", []string{"flex", "fast"}[i%2], i), 0o600)
		}
	})
	sides.Wait()
	const uri = "file:///a.go"
	if err := ed.Open(uri, "go", "package a\n\nvar x = \n"); err != nil {
		t.Fatal(err)
	}
	want := asked{fmt.Sprint("m", rounds-1), "fast", rounds}
	for last := (asked{}); ; { // the last of them takes a moment to arrive
		if err := ed.Call(ctx, protocol.MethodTextDocumentInlineCompletion, map[string]any{
			"textDocument": map[string]any{"uri": uri}, "position": map[string]int{"line": 2, "character": 8}, "context": map[string]int{"triggerKind": 1},
		}, nil); err != nil {
			t.Fatalf("%v; the last request asked for %+v, want %+v", err, last, want)
		}
		for len(requests) > 0 {
			last = <-requests
		}
		if last == want {
			return
		}
	}
}
