package lsp

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"go.lsp.dev/protocol"
)

// decodeInitialize decodes the parameters of initialize. A client whose initialize is refused cannot be used at
// all, so whatever is not understood is taken as absent, and listed in dropped. The only error is for
// parameters that are no object.
func decodeInitialize(raw []byte) (params *protocol.InitializeParams, dropped []string, err error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return &protocol.InitializeParams{}, nil, nil
	}
	if raw[0] != '{' {
		return nil, nil, errors.New("not an object")
	}
	if params, ok := strictInitialize(raw); ok {
		return params, nil, nil
	}
	rest, dropped := salvage(raw, func(b []byte) bool {
		_, ok := strictInitialize(b)
		return ok
	})
	if params, ok := strictInitialize(rest); ok {
		return params, dropped, nil
	}
	return &protocol.InitializeParams{}, dropped, nil
}

// strictInitialize decodes the parameters if all of them are understood.
func strictInitialize(raw []byte) (*protocol.InitializeParams, bool) {
	// The library's URI makes a file: URI of everything, and file:/// of "": a client without a folder would
	// have the whole disk for a workspace.
	var roots struct {
		RootURI          *rootURI `json:"rootUri"`
		WorkspaceFolders []struct {
			URI rootURI `json:"uri"`
		} `json:"workspaceFolders"`
	}
	var params protocol.InitializeParams
	if protocol.Unmarshal(raw, &params) != nil || protocol.Unmarshal(raw, &roots) != nil {
		return nil, false
	}
	if t := params.Capabilities.TextDocument; t != nil && t.InlineCompletion == nil && saysInlineCompletion(raw) {
		t.InlineCompletion = &protocol.InlineCompletionClientCapabilities{}
	}
	return &params, true
}

// saysInlineCompletion reports whether textDocument.inlineCompletion is there, be it null: that is how lsp-mode 10 writes
// an object without members, and it shows ghost text only if the server announces it in turn.
func saysInlineCompletion(raw []byte) bool {
	var p struct {
		Capabilities struct {
			TextDocument map[string]json.RawMessage `json:"textDocument"`
		} `json:"capabilities"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return false
	}
	_, ok := p.Capabilities.TextDocument["inlineCompletion"]
	return ok
}

// rootURI decodes from what can be told to mean a place: a URI, or an absolute path in its stead.
type rootURI struct{}

var errNoPlace = errors.New("no URI of a place")

func (*rootURI) UnmarshalJSON(raw []byte) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	if strings.HasPrefix(s, "/") {
		return nil
	}
	if rest, ok := cutPrefixFold(s, "file:"); ok {
		if !strings.Contains(strings.TrimPrefix(rest, "//"), "/") { // "file://" is what becomes of an empty path
			return errNoPlace
		}
		return nil
	}
	scheme, _, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || strings.ContainsFunc(scheme, func(r rune) bool {
		return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("+-.", r)
	}) {
		return errNoPlace
	}
	return nil
}
