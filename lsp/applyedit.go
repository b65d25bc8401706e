package lsp

import (
	"context"
	"fmt"

	"go.lsp.dev/protocol"
	"go.lsp.dev/uri"

	"github.com/spark-lsp/spark-lsp/editops"
)

// DocumentEdit is a set of edits of one document: byte offsets in Document's own text, all against that same
// text (not sequential), sorted and not overlapping.
type DocumentEdit struct {
	Document *Document
	Edits    []editops.Edit
	// Unversioned sends the edit without the document's version, so that a client applies it to
	// whatever its text is by then. Otherwise a client of good faith refuses it when the user has typed.
	Unversioned bool
}

// ApplyEdit sends edits with workspace/applyEdit and returns the client's answer. Applied in it proves nothing for
// several clients (Neovim, Zed, Kakoune); the document's next Change does.
//
// A client that does not understand versions gets none. label is shown by some clients (Neovim prints it for
// each edit); "" sends none. Edits that are out of order, overlap, leave the document, or split a character
// or a "\r\n" are refused before anything is sent, since clients crash on them (D15).
func (c *Client) ApplyEdit(ctx context.Context, label string, edits ...DocumentEdit) (*protocol.ApplyWorkspaceEditResult, error) {
	params, err := c.applyEditParams(label, edits...)
	if err != nil {
		return nil, err
	}
	return c.ApplyWorkspaceEdit(ctx, params)
}

func (c *Client) applyEditParams(label string, edits ...DocumentEdit) (*protocol.ApplyWorkspaceEditParams, error) {
	params := &protocol.ApplyWorkspaceEditParams{}
	if label != "" {
		params.Label = &label
	}
	for _, e := range edits {
		list, err := e.textEdits()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", protocol.MethodWorkspaceApplyEdit, err)
		}
		u := uri.URI(e.Document.URI) // not parsed: the client compares it with its own spelling
		if !c.DocumentChanges {
			if params.Edit.Changes == nil {
				params.Edit.Changes = make(map[uri.URI][]protocol.TextEdit)
			}
			params.Edit.Changes[u] = append(params.Edit.Changes[u], list...)
			continue
		}
		change := &protocol.TextDocumentEdit{}
		change.TextDocument.URI = u
		if !e.Unversioned {
			change.TextDocument.Version = &e.Document.Told
		}
		for i := range list {
			change.Edits = append(change.Edits, &list[i])
		}
		params.Edit.DocumentChanges = append(params.Edit.DocumentChanges, change)
	}
	return params, nil
}

// ApplyWorkspaceEdit sends params as they are, for edits with annotations, snippets or file operations.
func (c *Client) ApplyWorkspaceEdit(ctx context.Context, params *protocol.ApplyWorkspaceEditParams) (*protocol.ApplyWorkspaceEditResult, error) {
	result := &protocol.ApplyWorkspaceEditResult{}
	if err := c.Call(ctx, protocol.MethodWorkspaceApplyEdit, params, result); err != nil {
		return nil, err
	}
	return result, nil
}

func (e DocumentEdit) textEdits() ([]protocol.TextEdit, error) {
	return e.Document.TextEdits(e.Edits...)
}

// TextEdits converts edits, which all refer to the mapper's text and are sorted, to the wire. It refuses what
// a client might crash on, as ApplyEdit says.
func (m Mapper) TextEdits(edits ...editops.Edit) ([]protocol.TextEdit, error) {
	list := make([]protocol.TextEdit, 0, len(edits))
	last := 0
	for i, edit := range edits {
		switch {
		case edit.Start > edit.End:
			return nil, fmt.Errorf("edit %d is inverted: [%d, %d)", i, edit.Start, edit.End)
		case edit.Start < last:
			return nil, fmt.Errorf("edit %d at %d begins before the end of the one before, %d", i, edit.Start, last)
		case edit.End > m.Text.Len():
			return nil, fmt.Errorf("edit %d ends at %d in a text of %d bytes", i, edit.End, m.Text.Len())
		case m.Text.floor(edit.Start) != edit.Start, m.Text.floor(edit.End) != edit.End:
			return nil, fmt.Errorf("edit %d splits a character or a line end: [%d, %d)", i, edit.Start, edit.End)
		}
		last = edit.End
		list = append(list, protocol.TextEdit{Range: m.OffsetsToRange(edit.Start, edit.End), NewText: edit.New})
	}
	return list, nil
}
