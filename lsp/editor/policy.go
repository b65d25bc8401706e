package editor

import "go.lsp.dev/jsonrpc2"

// ApplyPolicy decides what becomes of an edit from the server. It is called when the edit is about to be applied,
// with the editor locked, and must not use the editor.
type ApplyPolicy func(Incoming) Verdict

// Incoming is a workspace/applyEdit.
type Incoming struct {
	Label     string
	Documents []IncomingDocument
}

// IncomingDocument is one document of an edit.
type IncomingDocument struct {
	URI     string
	Open    bool
	Version *int32 // as the server gave it, nil for none
	Buffer  int32  // the buffer's version now
	Edits   int    // how many text edits
}

// Stale reports whether some document has a version, and not the buffer's.
func (in Incoming) Stale() bool {
	for _, d := range in.Documents {
		if d.Open && d.Version != nil && *d.Version != d.Buffer {
			return true
		}
	}
	return false
}

// How an edit is treated.
type How int

const (
	Drop   How = iota // nothing is changed
	Apply             // at its positions in the buffer's text of now
	Rebase            // at its places in the text of its version, moved along with what has changed since
)

// Verdict is the decision and the answer, which need not fit each other.
type Verdict struct {
	How     How
	Applied bool            // the answer
	Reason  string          // failureReason of an answer that is not applied
	Err     *jsonrpc2.Error // answers with an error instead
}

// Strict is Helix: an edit of another version than the buffer's is refused, and the refusal is told.
func Strict(in Incoming) Verdict {
	if in.Stale() {
		return Verdict{How: Drop, Reason: "document has changed"}
	}
	return Verdict{How: Apply, Applied: true}
}

// Neovim drops an edit whose version is older than the buffer, and says that it was applied. Version 0 is never
// checked.
func Neovim(in Incoming) Verdict {
	for _, d := range in.Documents {
		if d.Open && d.Version != nil && *d.Version > 0 && d.Buffer > *d.Version {
			return Verdict{How: Drop, Applied: true}
		}
	}
	return Verdict{How: Apply, Applied: true}
}

// Kakoune does not look at versions: edits go to their positions in whatever the text is now.
func Kakoune(Incoming) Verdict { return Verdict{How: Apply, Applied: true} }

// Zed moves an edit of an older version along with what has changed since.
func Zed(in Incoming) Verdict { return Verdict{How: Rebase, Applied: true} }

// Eglot answers an edit of another version with an error of JSON-RPC.
func Eglot(in Incoming) Verdict {
	if in.Stale() {
		return Verdict{How: Drop, Err: jsonrpc2.NewError(jsonrpc2.InternalError, "Edits require another version")}
	}
	return Verdict{How: Apply, Applied: true}
}

// Refuse refuses everything, without a reason, as VS Code does with stale edits.
func Refuse(Incoming) Verdict { return Verdict{How: Drop} }

// Liar changes nothing and says it did.
func Liar(Incoming) Verdict { return Verdict{How: Drop, Applied: true} }

// SetPolicy makes p treat the edits to come.
func (e *Editor) SetPolicy(p ApplyPolicy) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.policy = p
}

// HoldEdits keeps the server's edits from being looked at until they are released, as a busy editor does.
func (e *Editor) HoldEdits() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.holdEdits = true
}

// ReleaseEdits treats the edits held back, in order, and holds no more back.
func (e *Editor) ReleaseEdits() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.holdEdits = false
	held := e.heldEdits
	e.heldEdits = nil
	for _, m := range held {
		e.applyEdit(m)
	}
}

// HoldReplies keeps the answers to edits back. The edits themselves are applied and echoed.
func (e *Editor) HoldReplies() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.holdReplies = true
}

// ReleaseReplies sends the answers held back, in order, and holds no more back.
func (e *Editor) ReleaseReplies() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.holdReplies = false
	for _, m := range e.heldReplies {
		_ = e.send(m)
	}
	e.heldReplies = nil
}
