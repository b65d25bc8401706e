package editor_test

import (
	"context"
	"io"
	"testing"
	"time"

	"go.lsp.dev/protocol"
	"go.uber.org/goleak"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an editor and a tiny server, connected.
type rig struct {
	*editor.Editor
	t      *testing.T
	ctx    context.Context
	client *lsp.Client
	docs   chan lsp.Change
	result chan error
}

const uri = "file:///w/a.go"

// newRig starts both. The server's Changed events are in docs (never more than its capacity at once).
func newRig(t *testing.T, o editor.Options, tweak func(*lsp.Program)) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r := &rig{t: t, ctx: ctx, docs: make(chan lsp.Change, 10_000), result: make(chan error, 1)}
	p := lsp.Program{
		Initialize: func(_ context.Context, c *lsp.Client, _ *protocol.InitializeParams) (*protocol.InitializeResult, error) {
			r.client = c
			return &protocol.InitializeResult{}, nil
		},
		Changed:    func(c lsp.Change) { r.docs <- c },
		PanicOnBug: true,
	}
	if tweak != nil {
		tweak(&p)
	}
	sr, ew := io.Pipe()
	er, sw := io.Pipe()
	go func() { r.result <- lsp.Serve(context.Background(), sr, sw, p) }()
	r.Editor = editor.New(o, er, ew)
	if _, err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		r.Exit()
		if err := <-r.result; err != nil {
			t.Errorf("Serve: %v", err)
		}
		<-r.Done()
		for _, v := range r.Violations() {
			t.Errorf("violation: %s", v)
		}
	})
	return r
}

func TestEditRoundTrip(t *testing.T) {
	r := newRig(t, editor.Options{}, nil)
	r.Open(uri, "go", "one\ntwo\n")
	doc := (<-r.docs).After
	res, err := r.client.ApplyEdit(r.ctx, "", lsp.DocumentEdit{Document: doc, Edits: []editops.Edit{{Start: 4, End: 7, New: "drei"}}})
	if err != nil || !res.Applied {
		t.Fatal(res, err, r.Log(), r.Violations())
	}
	if got, want := r.Text(uri), "one\ndrei\n"; got != want {
		t.Fatalf("text %q, want %q", got, want)
	}
	if got := (<-r.docs).After.Text.String(); got != r.Text(uri) {
		t.Fatalf("the server's mirror is %q", got)
	}
}
