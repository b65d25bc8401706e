package server

import (
	"context"
	"encoding/json"
	"errors"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// completeArgument is the argument of spark-lsp.complete. Of the range the start is meant: Helix's cursor is a
// selection of the character it stands on.
type completeArgument struct {
	URI   string          `json:"uri"`
	Range *protocol.Range `json:"range,omitempty"`
}

// completeCommand inserts a completion at the cursor by an edit, for editors that show none by themselves. It answers
// at once.
func (s *Server) completeCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	var a completeArgument
	if len(arg) > 0 {
		if err := lsp.DecodeParams(arg, &a); err != nil {
			return nil, invalidParams("%s: the argument is {uri, range}: %v", cmdComplete, err)
		}
	}
	if a.URI == "" || a.Range == nil {
		s.say(protocol.MessageTypeInfo, "spark-lsp: choose \"Complete here\" from the code actions at the cursor")
		return nil, nil
	}
	doc, ok := snap.Get(a.URI)
	if !ok {
		return nil, invalidParams("%s: %s is not open", cmdComplete, a.URI)
	}
	if !s.optionsFor(doc).Enabled {
		s.say(protocol.MessageTypeInfo, "spark-lsp: switched off here by the setting \"enabled\"")
		return nil, nil
	}
	at, _ := doc.RangeToOffsets(*a.Range)
	s.start(func(ctx context.Context) { s.completeHere(ctx, doc, at) })
	return nil, nil
}

// errMovedOn is what a person is told whose typing has overtaken the completion.
var errMovedOn = errors.New("the line has changed meanwhile; nothing was inserted")

// completeHere asks for a completion as by hand, and sees it into the buffer. What of it the user has typed meanwhile
// is not inserted a second time.
func (s *Server) completeHere(ctx context.Context, doc *lsp.Document, at int) {
	d := s.document(doc.URI)
	if d == nil {
		return // closed meanwhile
	}
	sg, err := s.suggest(ctx, doc, at, byHand)
	switch {
	case errors.Is(err, context.Canceled):
		return // somebody asks elsewhere: the user has gone there
	case err != nil:
		s.say(protocol.MessageTypeWarning, "spark-lsp: %s", sentence(err))
		return
	case sg == nil:
		s.say(protocol.MessageTypeInfo, "spark-lsp: nothing to complete here")
		return
	}
	if !d.suggester.ends(ctx, sg.number) {
		return
	}
	sent := false
	s.bring(ctx, d, func() ([]editops.Edit, error) {
		edits, err := d.suggester.left(sg.number, d.doc)
		if sent && errors.Is(err, errMovedOn) {
			return nil, nil // it has been there, and the next suggestion is asked for already
		}
		sent = sent || err == nil
		return edits, err
	})
}

// ends waits until a suggestion has grown as far as it will: what is inserted is one change, and one step of undo. The
// end of ctx leaves the response, unless somebody else wants it.
func (g *suggester) ends(ctx context.Context, number int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	sg := g.cur
	if sg == nil || sg.number != number {
		return false
	}
	sg.waiting++
	g.mu.Unlock()
	over := false
	select {
	case <-sg.over:
		over = true
	case <-ctx.Done():
	}
	g.mu.Lock()
	sg.waiting--
	if !over {
		g.s.leave(g, sg)
	}
	return over
}

// left is the edit that inserts what a version of the document does not have of a suggestion; none when it stands there
// whole.
func (g *suggester) left(number int, doc *lsp.Document) ([]editops.Edit, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sg := g.cur
	if sg == nil || sg.number != number {
		return nil, errMovedOn
	}
	start, ok := sg.startIn(doc.Version)
	if sg.accepted || ok && sg.standsAt(doc.Text, start) {
		return nil, nil // it has been there, even if the user has taken it back since
	}
	item, ok := editops.Interpolate(sg.item, sg.until(doc.Version), -1)
	if !ok {
		return nil, errMovedOn
	}
	sh := shown{item.Edit(), item.Cursor, number}
	return []editops.Edit{sh.atCursor(doc.Text)}, nil
}
