package lsp

import (
	"context"
	"strconv"
	"sync"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
)

// calls are the client's calls in flight, for $/cancelRequest. Their contexts come from the connection's
// root and never from jsonrpc2's own, which are pooled: a context derived from one of those kills the process.
type calls struct {
	mu     sync.Mutex
	cancel map[jsonrpc2.ID]*context.CancelFunc
}

// begin returns the context of the call id, and what to call when it has been answered. A client that uses
// an id twice at once can cancel only the later call.
func (c *calls) begin(root context.Context, id jsonrpc2.ID) (context.Context, func()) {
	ctx, cancel := context.WithCancel(root)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel == nil {
		c.cancel = make(map[jsonrpc2.ID]*context.CancelFunc)
	}
	c.cancel[id] = &cancel
	return ctx, func() {
		c.mu.Lock()
		if c.cancel[id] == &cancel {
			delete(c.cancel, id)
		}
		c.mu.Unlock()
		cancel()
	}
}

// cancelRequest handles $/cancelRequest. An id that names no call, or is none at all, is no error: the call
// may have been answered long ago.
func (c *calls) cancelRequest(params []byte) {
	var p struct {
		ID protocol.LSPAny `json:"id"`
	}
	if len(params) == 0 || protocol.Unmarshal(params, &p) != nil {
		return
	}
	var id jsonrpc2.ID
	if n, err := strconv.ParseInt(string(p.ID), 10, 64); err == nil {
		id = jsonrpc2.NewNumberID(n)
	} else {
		var s string
		if len(p.ID) == 0 || p.ID[0] != '"' || protocol.Unmarshal(p.ID, &s) != nil {
			return
		}
		id = jsonrpc2.NewStringID(s)
	}
	c.mu.Lock()
	cancel := c.cancel[id]
	c.mu.Unlock()
	if cancel != nil {
		(*cancel)()
	}
}
