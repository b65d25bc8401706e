package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/session"
)

// inlineCompletionParams are the protocol's, but tell a trigger kind that is absent from one that is 0.
type inlineCompletionParams struct {
	TextDocument protocol.TextDocumentIdentifier `json:"textDocument"`
	Position     protocol.Position               `json:"position"`
	Context      struct {
		TriggerKind *int `json:"triggerKind"`
	} `json:"context"`
}

// inlineCompletion answers with ghost text: at most one item, whose range begins where the word at the cursor
// does, so that an editor can tell what of it the user has typed.
func (s *Server) inlineCompletion(ctx context.Context, snap *lsp.Snapshot, p *inlineCompletionParams) (any, error) {
	list := &protocol.InlineCompletionList{Items: []protocol.InlineCompletionItem{}}
	doc, ok := snap.Get(string(p.TextDocument.URI))
	if !ok || s.profile().Name == "spark" && s.streaming(doc.URI) {
		return list, nil // VS Code asks after each piece of an edit that it applies, wherever the cursor is
	}
	asked := automatic
	if s.invoked(p.Context.TriggerKind) {
		asked = byHand
	}
	sg, err := s.suggest(ctx, doc, doc.PositionToOffset(p.Position), asked)
	if err != nil {
		return nil, s.completionError(err)
	}
	if sg == nil {
		return list, nil
	}
	edit := sg.atCursor(doc.Text)
	if rest := doc.Text.Slice(sg.cursor, min(doc.Text.LineEnd(doc.Text.LineAt(sg.cursor)), sg.cursor+cutWindow)); strings.TrimSpace(rest) == "" {
		// Neovim draws an item with an empty range between the characters, and one with a range over them, hiding
		// what follows; so only where nothing follows does the item begin with the word.
		edit = sg.atWord(doc.Text)
	}
	r := doc.OffsetsToRange(edit.Start, edit.End)
	list.Items = append(list.Items, protocol.InlineCompletionItem{
		InsertText: protocol.String(edit.New),
		Range:      &r,
		Command:    didAccept(acceptArgument{URI: doc.URI, Suggestion: sg.number}),
	})
	return list, nil
}

// completionError decides what an editor hears of a failed completion. Superseded and cancelled requests are
// answered so; anything else was nothing the user asked for, so it is logged, shows in the status, and leaves no
// message behind.
func (s *Server) completionError(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	var e *session.Error
	if errors.As(err, &e) {
		s.log.Info("a completion failed", zap.String("kind", string(e.Kind)), zap.String("code", e.Code))
		return context.Canceled
	}
	return err
}

// invoked tells a request by hand from an automatic one. LSP 3.18 counts from 1; vscode-languageclient 9, which came
// before its release, from 0, so that its Automatic is 3.18's Invoked. A client is known by a 0 once it has sent one.
func (s *Server) invoked(kind *int) bool {
	switch {
	case kind == nil: // a client that does not say
		return false
	case *kind == 0:
		s.countsFromZero.Store(true)
		return true
	}
	return *kind == int(protocol.InlineCompletionTriggerKindInvoked) && !s.countsFromZero.Load()
}

// atWord is the suggestion from the start of the word at the cursor on.
func (sg *shown) atWord(t *lsp.Text) editops.Edit {
	line := t.Slice(sg.Start, sg.cursor)
	keep := len(line)
	for keep > 0 {
		r, size := utf8.DecodeLastRuneInString(line[:keep])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		keep -= size
	}
	return sg.from(line, keep)
}

// atCursor is the suggestion from the cursor on.
func (sg *shown) atCursor(t *lsp.Text) editops.Edit {
	line := t.Slice(sg.Start, sg.cursor)
	return sg.from(line, len(line))
}

// from leaves out the first keep bytes, which stand in the document already. A suggestion that changes something
// before the cursor keeps its start.
func (sg *shown) from(line string, keep int) editops.Edit {
	e := sg.Edit
	if !strings.HasPrefix(e.New, line[:keep]) {
		return e
	}
	e.Start += keep
	e.New = e.New[keep:]
	return e
}

// didAccept is what an editor runs after it has inserted an item. It is how acceptance is counted, where the document
// does not show it; nothing is sent anywhere.
func didAccept(a acceptArgument) protocol.Command {
	arg, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return protocol.Command{Title: "Accept", Command: cmdDidAccept, Arguments: []protocol.LSPAny{protocol.LSPAny(arg)}}
}

// didAcceptCommand counts an accepted suggestion or next edit. Without arguments it does nothing.
func (s *Server) didAcceptCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	var a acceptArgument
	if len(arg) > 0 {
		if err := json.Unmarshal(arg, &a); err != nil {
			return nil, invalidParams("%s: the argument is {uri}: %v", cmdDidAccept, err)
		}
	}
	doc, ok := snap.Get(a.URI)
	if !ok {
		return nil, nil
	}
	d := s.document(doc.URI)
	switch {
	case d == nil:
	case a.NextEdit > 0:
		s.tally.add(func(c *counts) { c.NextEditsAccepted++ })
	default:
		d.suggester.didAccept(a.Suggestion)
	}
	return nil, nil
}
