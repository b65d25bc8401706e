package server

import (
	"context"

	"go.lsp.dev/protocol"
)

// methodInlineCompletionRefresh tells a shell that announces it (see lsp.Client.InlineCompletionRefresh) to ask again:
// LSP has no word for it.
const methodInlineCompletionRefresh = "spark/inlineCompletion/refresh"

type inlineCompletionRefresh struct {
	URI     string `json:"uri"`
	Version int32  `json:"version"` // of the document as we know it; on any other the shell does nothing
	// Position is where the suggestion was asked for. With the cursor elsewhere it is not on the screen any more.
	Position protocol.Position `json:"position"`
}

// nudgeLocked tells the shell that more has come of the suggestion it shows than it was given: an answer that was slow
// to end went out with the lines that were there. It says so once, when the response is over: a text that grows line by
// line under the reader's eyes is a flicker too. g.mu is held.
func (g *suggester) nudgeLocked(sg *suggestion) {
	s := g.s
	if !s.client.InlineCompletionRefresh || !sg.shown || len(sg.item.New) <= sg.told || g.doc == nil || g.newest.version != g.doc.Version {
		return
	}
	if _, a := sg.alive(g.doc, g.newest.cursor); a != live {
		return
	}
	refresh := inlineCompletionRefresh{g.doc.URI, g.doc.Told, g.doc.OffsetToPosition(g.newest.cursor)}
	s.start(func(ctx context.Context) {
		_ = s.client.Notify(ctx, methodInlineCompletionRefresh, refresh) // a connection that has ended needs no more words
	})
}
