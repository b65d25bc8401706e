package lsp

import (
	"context"
	"errors"
	"testing"

	"go.lsp.dev/jsonrpc2"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

// The answer to an edit and the change behind it are handled in the order of the wire, a thousand times over: an
// answer that reached its goroutine late would let a dropped edit look like one that is still on its way.
func TestSendEditAnswersInWireOrder(t *testing.T) {
	const rounds = 1000
	var r *rig
	order := make(chan string, 2*rounds)
	r = start(t, Program{
		Changed: func(c Change) {
			if c.Before != nil {
				order <- "change"
			}
		},
		Requests: map[string]RequestFunc{"test/edit": func(ctx context.Context, snap *Snapshot, _ []byte) (any, error) {
			doc, _ := snap.Get(file)
			return nil, r.client.SendEdit(ctx, "", DocumentEdit{Document: doc, Edits: []editops.Edit{{New: "x"}}}, func(applied bool, err error) {
				if !applied || err != nil {
					t.Errorf("applied %v, error %v", applied, err)
				}
				order <- "answer"
			})
		}},
	}, editor.Options{Policy: editor.Liar})
	if err := r.Open(file, "go", ""); err != nil {
		t.Fatal(err)
	}
	for i := range rounds {
		if err := r.Call(r.ctx, "test/edit", nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := r.WaitEdits(r.ctx, i+1); err != nil { // and answered, in the same breath
			t.Fatal(err)
		}
		if err := r.Insert(file, 0, "y"); err != nil {
			t.Fatal(err)
		}
		if first, second := <-order, <-order; first != "answer" || second != "change" {
			t.Fatalf("round %d: %s before %s", i, first, second)
		}
	}
}

// A refusal with an error of JSON-RPC arrives as one, and an edit that a client might crash on is not sent (D15).
func TestSendEditRefused(t *testing.T) {
	var r *rig
	refused := make(chan error, 1)
	var edit editops.Edit
	r = start(t, Program{
		Requests: map[string]RequestFunc{"test/edit": func(ctx context.Context, snap *Snapshot, _ []byte) (any, error) {
			doc, _ := snap.Get(file)
			return nil, r.client.SendEdit(ctx, "", DocumentEdit{Document: doc, Edits: []editops.Edit{edit}}, func(applied bool, err error) {
				if applied {
					err = errors.New("applied")
				}
				refused <- err
			})
		}},
	}, editor.Options{Policy: func(editor.Incoming) editor.Verdict {
		return editor.Verdict{Err: jsonrpc2.NewError(jsonrpc2.InternalError, "Edits require another version")}
	}})
	if err := r.Open(file, "go", "text"); err != nil {
		t.Fatal(err)
	}
	if err := r.Call(r.ctx, "test/edit", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; err == nil || err.Error() == "applied" {
		t.Errorf("refused with %v", err)
	}
	edit = editops.Edit{Start: 3, End: 1}
	if err := r.Call(r.ctx, "test/edit", nil, nil); err == nil {
		t.Error("an inverted edit was sent")
	}
}

// A panic of what handles the answer is one of the program's on the read loop, and must not end the process.
func TestSendEditAnswerPanics(t *testing.T) {
	var r *rig
	called := make(chan struct{})
	r = start(t, Program{Requests: map[string]RequestFunc{"test/edit": func(ctx context.Context, snap *Snapshot, _ []byte) (any, error) {
		doc, _ := snap.Get(file)
		return nil, r.client.SendEdit(ctx, "", DocumentEdit{Document: doc}, func(bool, error) {
			defer close(called)
			panic("the bug")
		})
	}}}, editor.Options{})
	r.Open(file, "go", "")
	if err := r.Call(r.ctx, "test/edit", nil, nil); err != nil {
		t.Fatal(err)
	}
	<-called
	r.alive()
	if n := r.logs.FilterMessage("panic").Len(); n != 1 {
		t.Errorf("%d panics were logged", n)
	}
}
