package server

import (
	"context"
	"encoding/json"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
)

// codeLens offers, above each hunk of the latest ended edit, to accept it or to take it back, in editors
// that show such. The code actions offer the same everywhere.
func (s *Server) codeLens(_ context.Context, snap *lsp.Snapshot, p *protocol.CodeLensParams) (any, error) {
	list := []protocol.CodeLens{}
	doc, ok := snap.Get(string(p.TextDocument.URI))
	if !ok {
		return list, nil
	}
	d := s.document(doc.URI)
	if d == nil {
		return list, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.done) == 0 || d.doc.Version != doc.Version {
		return list, nil // of an older text; the editor asks again
	}
	e := d.done[len(d.done)-1]
	for i, h := range d.machine.Hunks(e.stream) {
		at := doc.OffsetsToRange(h.Start, h.Start)
		for _, c := range []struct {
			title, command string
			hunk           *int
		}{{"Accept", cmdAccept, &i}, {"Take back", cmdReject, &i}} {
			arg, err := json.Marshal(reviewArgument{ID: e.id, URI: doc.URI, Hunk: c.hunk})
			if err != nil {
				return nil, err
			}
			list = append(list, protocol.CodeLens{
				Range:   at,
				Command: protocol.Command{Title: c.title, Command: c.command, Arguments: []protocol.LSPAny{protocol.LSPAny(arg)}},
			})
		}
	}
	return list, nil
}

// refreshLenses tells the editor that there are other lenses now. A shell is told by draw, in its order.
func (s *Server) refreshLenses() {
	if s.profile().Name != "spark" {
		s.askForLenses()
	}
}

func (s *Server) askForLenses() {
	if !s.client.CodeLensRefresh {
		return
	}
	s.start(func(ctx context.Context) {
		_ = s.client.Call(ctx, protocol.MethodWorkspaceCodeLensRefresh, nil, nil) // a refusal leaves what is shown
	})
}
