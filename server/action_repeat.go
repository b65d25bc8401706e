package server

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// repeats are the places of a document at which the edit that the user has just made twice would fit once more, in the
// document's order. The embedded engine finds them within milliseconds, so the menu can say how many there are.
func (s *Server) repeats(doc *lsp.Document) []Proposal {
	d := s.document(doc.URI)
	if d == nil || d.version() != doc.Version || s.editing(doc.URI) || s.secret(doc) {
		return nil
	}
	past := d.log.history()
	if len(past) < 2 {
		return nil
	}
	list := s.cfg.Engine.NextEdits(s.relative(doc.URI), doc.LanguageID, doc.Text.String(), past)
	slices.SortFunc(list, func(a, b Proposal) int { return cmp.Compare(a.Start, b.Start) })
	return list
}

// repeatable makes an entry that says what would be repeated, and how often.
func repeatable(s *Server, at place) []choice {
	list := s.repeats(at.doc)
	if len(list) == 0 {
		return nil
	}
	what := titleOf(describe(at.doc.Text.Slice(list[0].Start, list[0].End), list[0].New))
	return []choice{{title: "Repeat my last edit, " + what + ", at " + counted(len(list), "place", "places")}}
}

// repeatCommand makes the user's latest edit at all other places of the document where it fits, in one change: one undo
// takes it back.
func (s *Server) repeatCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	var a struct {
		URI string `json:"uri"`
	}
	if len(arg) > 0 {
		if err := lsp.DecodeParams(arg, &a); err != nil {
			return nil, invalidParams("%s: the argument is {uri}: %v", cmdRepeat, err)
		}
	}
	uri := a.URI
	if uri == "" {
		uri = s.focused()
	}
	doc, ok := snap.Get(uri)
	if !ok && a.URI != "" {
		return nil, invalidParams("%s: %s is not open", cmdRepeat, a.URI)
	}
	var edits []editops.Edit
	if ok {
		for _, p := range s.repeats(doc) {
			edits = append(edits, editops.Edit{Start: p.Start, End: p.End, New: p.New})
		}
	}
	if len(edits) == 0 {
		s.say(protocol.MessageTypeInfo, "spark-lsp: there is nothing to repeat; it takes the same edit made twice, and a third place for it")
		return nil, nil
	}
	s.start(func(ctx context.Context) {
		if d := s.document(doc.URI); d != nil {
			base := doc.Text.String()
			s.bring(ctx, d, func() ([]editops.Edit, error) {
				// What is in the document already, and what the user has changed there meanwhile, fits no more.
				fit, _ := rebase(base, d.doc.Text.String(), edits)
				return fit, nil
			})
		}
	})
	return nil, nil
}
