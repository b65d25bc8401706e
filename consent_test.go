package main

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// TestEditorsEndpointNeedsAYesD22: an endpoint that the editor's settings name may have been named by the workspace. No
// connection is made before the user has said yes, the key goes there only then, and the yes holds for this workspace
// and host alone.
func TestEditorsEndpointNeedsAYesD22(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	model := loopback.New(loopback.Options{Key: scenarioKey})
	if err := model.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	h := newHome(t, map[string]string{"SPARK_API_KEY": scenarioKey, "SPARK_PROVIDER": "openai", "SPARK_BASE_URL": "https://mine.invalid/v1"})
	elsewhere := strings.Replace(model.URL(), "127.0.0.1", "0.0.0.0", 1) // which nothing says is this machine
	for _, step := range []struct {
		name, workspace, answer string
		asked, connected        bool
	}{
		{"no", "/src/a", "No", true, false},
		{"yes", "/src/a", "Allow for this workspace", true, true},
		{"remembered", "/src/a", "No", false, true},
		{"another workspace", "/src/b", "No", true, false},
	} {
		t.Run(step.name, func(t *testing.T) {
			before := model.Stats()
			var asked atomic.Int32
			p, _, errs := h.process("")
			ed, end, err := startEditor(ctx, p, nil, editor.Options{
				Name: "x", Folders: []string{"file://" + step.workspace}, InitializationOptions: map[string]any{"spark": map[string]any{"baseURL": elsewhere}},
				Choose: func(message string, _ []string) string {
					if strings.Contains(message, "The editor's settings name http://0.0.0.0:") && strings.Contains(message, "your API key") {
						asked.Add(1)
					}
					return step.answer
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer end()
			if step.asked {
				if err := ed.WaitFor(ctx, "the question", func() bool { return asked.Load() > 0 }); err != nil {
					t.Fatal(err)
				}
			}
			if step.connected {
				if err := model.WaitConns(ctx, before.Conns+1); err != nil {
					t.Fatalf("%v: %s", err, errs)
				}
			} else {
				// A completion is asked for by hand: the embedded engine answers it.
				uri := "file://" + step.workspace + "/a.go"
				if err := ed.Open(uri, "go", "package a\n\nvar elephant = 1\nvar x = ele"); err != nil {
					t.Fatal(err)
				}
				var got json.RawMessage
				if err := ed.Call(ctx, protocol.MethodTextDocumentInlineCompletion, map[string]any{
					"textDocument": map[string]any{"uri": uri}, "position": map[string]int{"line": 3, "character": 11}, "context": map[string]int{"triggerKind": 1},
				}, &got); err != nil || !strings.Contains(string(got), `"elephant"`) {
					t.Errorf("%s, %v", got, err)
				}
				if after := model.Stats(); after.Upgrades+after.Requests != before.Upgrades+before.Requests {
					t.Errorf("the endpoint was asked: %+v", after)
				}
			}
			if n := asked.Load(); n > 1 || (n == 1) != step.asked {
				t.Errorf("asked %d times", n)
			}
		})
	}
}
