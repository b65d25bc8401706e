package main

import (
	"strings"
	"testing"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// TestEditPlaces: an edit goes to the document that was asked about under the URI that the editor gave it, be it no file,
// a cell of a notebook, or a file on a drive, and its neighbours stay as they are.
func TestEditPlaces(t *testing.T) {
	r := newRig(t, t.Context(), func(x *loopback.Exchange) {
		if region, ok := x.Region(); ok {
			_ = x.Text(strings.ReplaceAll(region, "old", "new"))
		}
		_ = x.Done()
	})
	defer r.end()
	places := []string{
		"untitled:Untitled-1", "untitled:Untitled-2", "vscode-notebook-cell:/home/me/n.ipynb#W0sZmlsZQ%3D%3D", "vscode-notebook-cell:/home/me/n.ipynb#W1sZmlsZQ%3D%3D",
		"file:///c%3A/Users/me/a.go", "file:///places/with%20blank.go", "file:///places/%C3%A9.go",
	}
	for _, uri := range places {
		if err := r.ed.Open(uri, "go", "var old = 1\n"); err != nil {
			t.Fatal(err)
		}
	}
	edit := func(uri string) error {
		return r.ed.Call(t.Context(), protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": "spark-lsp.edit", "arguments": []any{
			map[string]any{"uri": uri, "range": r.ed.Range(uri, 0, len("var old")), "instruction": "call it new"},
		}}, nil)
	}
	for i, uri := range places {
		if err := edit(uri); err != nil {
			t.Fatalf("%s: %v", uri, err)
		}
		if err := r.ed.WaitText(t.Context(), uri, "var new = 1\n"); err != nil {
			t.Fatalf("%s: %v", uri, err)
		}
		for _, other := range places[i+1:] {
			if text := r.ed.Text(other); text != "var old = 1\n" {
				t.Errorf("an edit of %s makes %q of %s", uri, text, other)
			}
		}
	}
}
