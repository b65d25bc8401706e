package lsp

import (
	"context"
	"encoding/json"
	"sync"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
)

// jsonrpc2 hands the answer to a call of ours to the goroutine that waits for it, which may run long after the read
// loop has gone on to the next didChange. For an edit the order is the meaning: a change of the document that
// comes behind the answer and does not hold the edit proves that it was dropped, one that comes before it
// proves nothing. So edits are called with ids of our own, and their answers are taken out on the read loop.

// inOrder are our calls whose answers are handled on the read loop.
type inOrder struct {
	mu      sync.Mutex
	last    int64
	waiting map[int64]func(result []byte, err error)
}

// firstInOrder keeps these ids apart from those that jsonrpc2 counts from 1. It fits the int32 of the protocol.
const firstInOrder = 1 << 30

func (o *inOrder) add(f func(result []byte, err error)) (id int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting == nil {
		o.waiting = make(map[int64]func([]byte, error))
		o.last = firstInOrder
	}
	o.last++
	o.waiting[o.last] = f
	return o.last
}

// take removes and returns what waits for an answer.
func (o *inOrder) take(id int64) func(result []byte, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.waiting[id]
	delete(o.waiting, id)
	return f
}

// answer returns what is to be done with msg if it is the answer to one of these calls, else nil.
func (o *inOrder) answer(msg jsonrpc2.Message) func() {
	r, ok := msg.(*jsonrpc2.Response)
	if !ok {
		return nil
	}
	id, ok := r.ID().Number()
	if !ok {
		return nil
	}
	f := o.take(id)
	if f == nil {
		return nil
	}
	return func() { f(r.Result(), r.Err()) }
}

// SendEdit sends one versioned edit, as ApplyEdit does, and does not wait. answered runs on the read loop, in the
// order of the wire between one Change and the next; it is told whether the client says that it applied the edit
// (which proves nothing, see ApplyEdit), and an error instead of an answer. It must be quick. It is not called when
// SendEdit itself fails, nor once the connection has ended.
func (c *Client) SendEdit(ctx context.Context, label string, edit DocumentEdit, answered func(applied bool, err error)) error {
	params, err := c.applyEditParams(label, edit)
	if err != nil {
		return err
	}
	raw, err := protocol.Marshal(params)
	if err != nil {
		return c.failed(protocol.MethodWorkspaceApplyEdit, err)
	}
	if c.root.Err() != nil {
		return c.failed(protocol.MethodWorkspaceApplyEdit, ErrClosed)
	}
	id := c.stream.inOrder.add(func(result []byte, err error) {
		var r protocol.ApplyWorkspaceEditResult
		if err == nil {
			err = protocol.Unmarshal(result, &r)
		}
		answered(err == nil && r.Applied, err)
	})
	body, err := json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      int64           `json:"id"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params"`
	}{"2.0", id, protocol.MethodWorkspaceApplyEdit, raw})
	if err == nil {
		err = c.stream.writeFrame(ctx, body)
	}
	if err != nil {
		c.stream.inOrder.take(id)
		return c.failed(protocol.MethodWorkspaceApplyEdit, err)
	}
	return nil
}
