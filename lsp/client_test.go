package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

// What real editors sent, and what is to be read from it.
func TestClientOfRealEditors(t *testing.T) {
	for name, want := range map[string]*Client{
		"nvim": {
			Name: "Neovim", Version: "0.12.4", Encoding: UTF8, ProcessID: 28413, Folders: []string{"/workspace"},
			InlineCompletion: true, Snippets: true, InsertReplace: true,
			CodeActionLiterals: true, CodeActionDisabled: true, CodeActionResolve: true, CodeLens: true, CodeLensRefresh: true,
			AppliesEdits: true, DocumentChanges: true, ChangeAnnotations: true, CreatesFiles: true,
			WorkDoneProgress: true, ShowDocument: true, HasConfiguration: true, WorkspaceFolders: true,
		},
		"helix": {
			Name: "helix", Version: "25.07.1", Encoding: UTF8, ProcessID: 7703,
			Snippets: true, InsertReplace: true,
			CodeActionLiterals: true, CodeActionDisabled: true, CodeActionResolve: true,
			AppliesEdits: true, DocumentChanges: true, CreatesFiles: true,
			WorkDoneProgress: true, ShowDocument: true, HasConfiguration: true, WorkspaceFolders: true,
			DidChangeWatchedFiles: true,
		},
		"eglot": {
			Name: "Eglot", Version: "1.17.30", Encoding: UTF8, ProcessID: 21545, Folders: []string{"/workspace"},
			InitializationOptions: []byte("{}"),
			CodeActionLiterals:    true, CodeActionResolve: true,
			AppliesEdits: true, DocumentChanges: true,
			WorkDoneProgress: true, ShowDocument: true, HasConfiguration: true, WorkspaceFolders: true,
			DidChangeWatchedFiles: true,
		},
		"lsp-mode": {
			Name: "emacs", Version: "GNU Emacs 30.2 (build 2, x86_64-pc-linux-gnu)\n of 2026-08-15, modified by Debian",
			Encoding: UTF8, ProcessID: 25129, Folders: []string{"/workspace"},
			InlineCompletion: true, InsertReplace: true,
			CodeActionLiterals: true, CodeActionResolve: true, CodeLensRefresh: true,
			AppliesEdits: true, DocumentChanges: true, CreatesFiles: true,
			WorkDoneProgress: true, ShowDocument: true, HasConfiguration: true, WorkspaceFolders: true,
			DidChangeWatchedFiles: true,
		},
		"kate": {
			Encoding: UTF16, ProcessID: 5665, Folders: []string{"/workspace"}, Snippets: true,
			CodeActionLiterals: true, WorkDoneProgress: true, HasConfiguration: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", "initialize", name+"-initialize.json"))
			if err != nil {
				t.Fatal(err)
			}
			var got *Client
			r := connect(t, Program{
				Initialize: func(_ context.Context, c *Client, p *protocol.InitializeParams) (*protocol.InitializeResult, error) {
					got = newClient(p)
					return &protocol.InitializeResult{}, nil
				},
			}, editor.Options{Params: raw})
			if _, err := r.Start(r.ctx); err != nil {
				t.Fatal(err)
			}
			r.end()
			if got.ProcessID != 0 { // the editor's process is not sent, since it is dead
				t.Errorf("process %d", got.ProcessID)
			}
			p, _, err := decodeInitialize(raw)
			if err != nil {
				t.Fatal(err)
			}
			ignore := cmp.Options{cmpopts.IgnoreUnexported(Client{}), cmpopts.EquateEmpty()}
			if diff := cmp.Diff(want, newClient(p), ignore); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestClientOfOddEditors(t *testing.T) {
	for params, check := range map[string]func(*Client) bool{
		`{"capabilities":{}}`:                                             func(c *Client) bool { return c.Encoding == UTF16 && c.Name == "" && c.Folders == nil },
		`{"capabilities":{},"rootPath":"/old"}`:                           func(c *Client) bool { return slices.Equal(c.Folders, []string{"/old"}) },
		`{"capabilities":{},"rootUri":"file:///a%20b","rootPath":"/old"}`: func(c *Client) bool { return slices.Equal(c.Folders, []string{"/a b"}) },
		`{"capabilities":{},"rootPath":"/old","workspaceFolders":null}`:   func(c *Client) bool { return slices.Equal(c.Folders, []string{"/old"}) },
		`{"capabilities":{},"workspaceFolders":[{"uri":"file:///a","name":"a"},{"uri":"file:///b","name":"b"},{"uri":"vscode-vfs://x/y","name":"c"}]}`: func(c *Client) bool {
			return slices.Equal(c.Folders, []string{"/a", "/b"})
		},
		`{"capabilities":{},"initializationOptions":null}`:                                 func(c *Client) bool { return c.InitializationOptions == nil },
		`{"capabilities":{"experimental":{"sparkEdit":1}}}`:                                func(c *Client) bool { return c.SparkEdit && c.SparkStatus },
		`{"capabilities":{"experimental":{"sparkInlineCompletionRefresh":1}}}`:             func(c *Client) bool { return c.InlineCompletionRefresh && !c.SparkEdit },
		`{"capabilities":{"experimental":{"sparkInput":1}}}`:                               func(c *Client) bool { return c.SparkInput && !c.SparkEdit },
		`{"capabilities":{"experimental":{"sparkStatus":1}}}`:                              func(c *Client) bool { return c.SparkStatus && !c.SparkEdit },
		`{"capabilities":{"experimental":{"sparkEdit":true}}}`:                             func(c *Client) bool { return c.SparkEdit },
		`{"capabilities":{"experimental":{"sparkEdit":false}}}`:                            func(c *Client) bool { return !c.SparkEdit },
		`{"capabilities":{"experimental":{"sparkEdit":0}}}`:                                func(c *Client) bool { return !c.SparkEdit },
		`{"capabilities":{"experimental":[]}}`:                                             func(c *Client) bool { return !c.SparkEdit },
		`{"capabilities":{"textDocument":{"codeAction":{"tagSupport":{"valueSet":[1]}}}}}`: func(c *Client) bool { return c.CodeActionTagLLM },
		`{"capabilities":{"workspace":{"workspaceEdit":{"snippetEditSupport":true,"metadataSupport":true}}}}`: func(c *Client) bool {
			return c.SnippetEdits && c.EditMetadata && !c.DocumentChanges
		},
		`{"capabilities":{"window":{"showDocument":{"support":false}},"textDocument":{"inlineCompletion":{}}}}`: func(c *Client) bool {
			return !c.ShowDocument && c.InlineCompletion
		},
		// lsp-mode 10 has ghost text, and says it so.
		`{"capabilities":{"textDocument":{"inlineCompletion":null}}}`: func(c *Client) bool { return c.InlineCompletion },
		`{"capabilities":{"textDocument":{"completion":null}}}`:       func(c *Client) bool { return !c.InlineCompletion },
	} {
		p, dropped, err := decodeInitialize([]byte(params))
		if err != nil || dropped != nil {
			t.Errorf("%s: %v, dropped %v", params, err, dropped)
			continue
		}
		if c := newClient(p); !check(c) {
			t.Errorf("%s: %+v", params, c)
		}
	}
}

func TestClientCalls(t *testing.T) {
	r := start(t, Program{}, editor.Options{
		Settings: map[string]any{"spark": map[string]any{"model": "x"}},
		Choose:   func(_ string, actions []string) string { return actions[1] },
	})
	c := r.client
	if raw, err := c.Configuration(r.ctx, "spark"); err != nil || string(raw) != `{"model":"x"}` {
		t.Errorf("%s, %v", raw, err)
	}
	if raw, err := c.Configuration(r.ctx, "none"); err != nil || raw != nil {
		t.Errorf("%s, %v", raw, err)
	}
	if got, err := c.ShowMessageRequest(r.ctx, protocol.MessageTypeInfo, "ok?", "yes", "no"); err != nil || got != "no" {
		t.Errorf("%s, %v", got, err)
	}
	r.OnChoose(nil)
	if got, err := c.ShowMessageRequest(r.ctx, protocol.MessageTypeInfo, "ok?", "yes", "no"); err != nil || got != "" {
		t.Errorf("%s, %v", got, err)
	}
	if err := c.RegisterCapability(r.ctx, protocol.Registration{ID: "1", Method: "workspace/didChangeWatchedFiles"}); err != nil {
		t.Error(err)
	}
	if ok, err := c.OpenDocument(r.ctx, "https://example.org/", true); err != nil || !ok {
		t.Error(ok, err)
	}
	err := c.Call(r.ctx, "no/such", nil, nil)
	requireCode(t, err, jsonrpc2.MethodNotFound)
	if !strings.HasPrefix(err.Error(), "no/such: ") {
		t.Errorf("%v", err)
	}
	for _, f := range []func(context.Context, protocol.MessageType, string) error{c.ShowMessage, c.LogMessage} {
		if err := f(r.ctx, protocol.MessageTypeInfo, "hear, hear"); err != nil {
			t.Error(err)
		}
		if _, err := r.WaitMessage(r.ctx, "hear"); err != nil {
			t.Error(err)
		}
	}
}

// A call that we give up is cancelled at the client, and does not leave anybody waiting.
func TestClientCallCancelled(t *testing.T) {
	r := start(t, Program{}, editor.Options{})
	release := make(chan struct{})
	r.Handle("test/slow", func(json.RawMessage) (any, error) { <-release; return nil, nil })
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan error, 1)
	go func() { done <- r.client.Call(ctx, "test/slow", nil, nil) }()
	slow, err := r.WaitReceived(r.ctx, "test/slow")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	var p struct{ ID json.RawMessage }
	if err := r.WaitNotification(r.ctx, "$/cancelRequest", &p); err != nil || string(p.ID) != slow.ID {
		t.Errorf("cancelled %s, want %s; %v", p.ID, slow.ID, err)
	}
	close(release) // the late answer is ignored
	if err := r.client.Call(ctx, "test/slow", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestProgress(t *testing.T) {
	r := start(t, Program{}, editor.Options{})
	ctx, cancel := context.WithCancel(r.ctx)
	p, err := r.client.Progress(ctx, "Editing", ProgressOptions{Cancellable: true, Message: "thinking"})
	if err != nil {
		t.Fatal(err)
	}
	p.Report(ctx, "12 lines", 40)
	p.Report(ctx, "unknown", -1)
	cancel() // the end must be told also when the work was cancelled
	p.End(ctx, "done")
	p.End(ctx, "twice")
	p.Report(ctx, "late", 50)
	begin, err := r.WaitProgress(r.ctx, "begin")
	if err != nil || begin.Title != "Editing" || begin.Message != "thinking" || !begin.Cancellable {
		t.Errorf("%+v, %v", begin, err)
	}
	report, _ := r.WaitProgress(r.ctx, "report")
	if report.Message != "12 lines" || report.Percentage == nil || *report.Percentage != 40 {
		t.Errorf("%+v", report)
	}
	if report, _ = r.WaitProgress(r.ctx, "report"); report.Percentage != nil {
		t.Errorf("%+v", report)
	}
	if end, err := r.WaitProgress(r.ctx, "end"); err != nil || end.Message != "done" {
		t.Errorf("%+v, %v", end, err)
	}
	// Another one has another token; that of a request is used as it is.
	q, err := r.client.Progress(r.ctx, "x", ProgressOptions{})
	if err != nil || q.Token() == p.Token() {
		t.Errorf("%v, %v", q.Token(), err)
	}
	q.End(r.ctx, "")
	// A second start of the protocol's violations is checked by the editor when the test ends.
}

func TestProgressOfClientThatCannot(t *testing.T) {
	r := start(t, Program{}, editor.Options{Capabilities: map[string]any{"window": nil}})
	p, err := r.client.Progress(r.ctx, "Editing", ProgressOptions{})
	if err != nil || p.Token() != nil {
		t.Fatal(err)
	}
	p.Report(r.ctx, "x", 1)
	p.End(r.ctx, "")
	r.alive()
	for _, m := range r.Log() {
		if strings.Contains(strings.ToLower(m.Method), "progress") {
			t.Errorf("%v", m)
		}
	}
}

func TestApplyEdit(t *testing.T) {
	var doc *Document
	r := start(t, Program{Changed: func(c Change) { doc = c.After }}, editor.Options{Encodings: []string{"utf-16"}})
	r.Open(file, "go", "a 🍋 b\r\nc\r\n")
	r.alive()
	edit := func(label string, e DocumentEdit) *protocol.ApplyWorkspaceEditResult {
		t.Helper()
		result, err := r.client.ApplyEdit(r.ctx, label, e)
		if err != nil {
			t.Fatal(err)
		}
		r.alive() // and the echo has been handled
		return result
	}
	stale := doc
	if res := edit("spark: x", DocumentEdit{Document: doc, Edits: []editops.Edit{{Start: 6, End: 8, New: " citron"}, {Start: 10, End: 11, New: "C"}}}); !res.Applied {
		t.Errorf("%+v", res)
	}
	if got, want := r.Text(file), "a 🍋 citron\r\nC\r\n"; got != want || doc.Text.String() != want {
		t.Errorf("editor %q, server %q, want %q", got, doc.Text.String(), want)
	}
	res := edit("", DocumentEdit{Document: stale, Edits: []editops.Edit{{Start: 0, End: 1, New: "!"}}})
	if res.Applied || res.FailureReason == nil {
		t.Errorf("%+v", res)
	}
	if res = edit("", DocumentEdit{Document: stale, Unversioned: true, Edits: []editops.Edit{{Start: 0, End: 1, New: "!"}}}); !res.Applied {
		t.Errorf("%+v", res)
	}
	before := len(r.Log())
	if _, err := r.client.ApplyEdit(r.ctx, "", DocumentEdit{Document: doc, Edits: []editops.Edit{{Start: 3, End: 4}}}); err == nil {
		t.Error("half a character was sent")
	}
	if len(r.Log()) != before {
		t.Error("something was sent")
	}
	for _, m := range r.Log() {
		if m.Method == "workspace/applyEdit" && strings.Contains(string(m.Params), `"label":""`) {
			t.Errorf("an empty label: %s", m.Params)
		}
	}
}

// A client without documentChanges gets plain changes; Neovim, which does not announce them, gets versions.
func TestApplyEditForms(t *testing.T) {
	for name, versioned := range map[string]bool{"Neovim": true, "other": false} {
		var doc *Document
		r := start(t, Program{Changed: func(c Change) { doc = c.After }}, editor.Options{
			Name:         name,
			Capabilities: map[string]any{"workspace": map[string]any{"workspaceEdit": nil}},
		})
		r.Open("file:///c%3A/a b.go", "go", "x")
		r.alive()
		if _, err := r.client.ApplyEdit(r.ctx, "", DocumentEdit{Document: doc, Edits: []editops.Edit{{Start: 1, End: 1, New: "y"}}}); err != nil {
			t.Fatal(err)
		}
		if got := r.Text("file:///c%3A/a b.go"); got != "xy" {
			t.Errorf("%s: %q", name, got)
		}
		m, _ := r.WaitReceived(r.ctx, "workspace/applyEdit")
		if got := strings.Contains(string(m.Params), `"version":0`); got != versioned {
			t.Errorf("%s: %s", name, m.Params)
		}
	}
}
