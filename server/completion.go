package server

import (
	"context"
	"strings"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/settings"
)

// labelWidth bounds a popup entry, in characters; the whole text stands in its documentation.
const labelWidth = 60

// popupTriggers are the characters behind which an editor opens its popup by itself, besides letters: where code goes on
// with something that is worth suggesting. A blank is one in Helix, which selects nothing before it is told to; where the
// first entry is selected already, Enter or Tab behind a blank would take what nobody wanted. It takes a model, too: Helix
// asks every server when one of them has a trigger, so behind every blank the language's own offers all the names there
// are, which is a price for a model's "x := " and none for the embedded engine's few words.
func popupTriggers(client string, model bool) []string {
	list := []string{".", ":", "(", "[", "{", "=", ","}
	if client == "helix" && model {
		list = append(list, " ")
	}
	return list
}

// mayComplete reports whether a model is to complete, as far as is known before the endpoints are chosen.
func (s *Server) mayComplete() bool {
	return s.keysFollow() || s.options().For(settings.Completion).Provider != "offline"
}

// completion gives editors without ghost text the same suggestion as one entry of their popup. The list is
// incomplete, so that the editor asks again as the user types and never filters a stale one; also when there is nothing
// to suggest yet.
//
// Not so in Helix before the popup is there. It opens that 100 ms after the first answer that is not both empty and
// complete: an empty list that is incomplete opens it with nothing in it, and what a slower server says after that is
// dropped. The language's own server would not be heard wherever we are quicker to say nothing.
func (s *Server) completion(ctx context.Context, snap *lsp.Snapshot, p *protocol.CompletionParams) (any, error) {
	list := &protocol.CompletionList{IsIncomplete: true, Items: []protocol.CompletionItem{}}
	if s.client.Name == "helix" {
		list.IsIncomplete = p.Context.TriggerKind == protocol.CompletionTriggerKindTriggerForIncompleteCompletions
	}
	doc, ok := snap.Get(string(p.TextDocument.URI))
	if !ok {
		return list, nil
	}
	sg, err := s.suggest(ctx, doc, doc.PositionToOffset(p.Position), popup)
	if err != nil {
		return nil, s.completionError(err)
	}
	if sg == nil {
		return list, nil
	}
	list.IsIncomplete = true
	edit := sg.atWord(doc.Text)
	label, _, more := strings.Cut(strings.TrimSpace(edit.New), "\n")
	if r := []rune(label); len(r) > labelWidth {
		label, more = string(r[:labelWidth]), true
	}
	if more {
		label += "…"
	}
	list.Items = append(list.Items, protocol.CompletionItem{
		Label:         label,
		Kind:          protocol.CompletionItemKindText,
		Detail:        protocol.NewOptional("spark"),
		Documentation: protocol.String(edit.New),
		SortText:      protocol.NewOptional("\x00"),
		// The editor compares this with what stands in the range; the text itself is the one thing that is sure to
		// begin with it.
		FilterText:       protocol.NewOptional(edit.New),
		InsertTextFormat: protocol.InsertTextFormatPlainText,
		TextEdit:         &protocol.TextEdit{Range: doc.OffsetsToRange(edit.Start, edit.End), NewText: edit.New},
		Command:          didAccept(acceptArgument{URI: doc.URI, Suggestion: sg.number}),
	})
	return list, nil
}
