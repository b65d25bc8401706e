package editor

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
)

// buffer is an open file as the user sees it.
type buffer struct {
	uri     string
	text    string
	version int32
	cursor  int // byte offset

	history []step   // all changes, newest last; what rebasing maps through
	undo    [][]step // what undo takes back, newest last
	unsent  []change // changes that didChange has not told of yet
	told    told     // what the server knows
	steps   int      // undo steps made by the server
}

// told is the state of a buffer that the server was last told of.
type told struct {
	text    string
	version int32
}

// step is one change: New stands at Start in place of old.
type step struct {
	editops.Edit
	old     string
	version int32 // of the buffer before it
}

// change is one element of didChange.
type change struct {
	Range *protocol.Range `json:"range,omitempty"`
	Text  string          `json:"text"`
}

const historyLimit = 2000

// Open opens a buffer and tells the server.
func (e *Editor) Open(uri, languageID, text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err := e.open(uri, languageID, text)
	return err
}

// open is Open. Called with mu held.
func (e *Editor) open(uri, languageID, text string) (*buffer, error) {
	b := &buffer{uri: uri, text: text, version: e.opts.FirstVersion}
	b.told = told{b.text, b.version}
	e.buffers[uri] = b
	return b, e.sendParams(protocol.MethodTextDocumentDidOpen, map[string]any{"textDocument": map[string]any{
		"uri": uri, "languageId": languageID, "version": b.version, "text": text,
	}})
}

// Close closes a buffer and tells the server.
func (e *Editor) Close(uri string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.flush(); err != nil {
		return err
	}
	delete(e.buffers, uri)
	return e.sendParams(protocol.MethodTextDocumentDidClose, map[string]any{"textDocument": map[string]any{"uri": uri}})
}

// Save tells the server that the buffer was written to its file. Nothing is written.
func (e *Editor) Save(uri string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.flush(); err != nil {
		return err
	}
	return e.sendParams(protocol.MethodTextDocumentDidSave, map[string]any{"textDocument": map[string]any{"uri": uri}})
}

func (e *Editor) sendParams(method string, params any) error {
	raw, err := encodeParams(params)
	if err != nil {
		return err
	}
	return e.send(Message{Kind: Notification, Method: method, Params: raw})
}

// Text is the text of a buffer as the user sees it, "" when it is not open.
func (e *Editor) Text(uri string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.buffers[uri]; b != nil {
		return b.text
	}
	return ""
}

// Version is the buffer's version, which the server may not have been told yet.
func (e *Editor) Version(uri string) int32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.buffers[uri]; b != nil {
		return b.version
	}
	return 0
}

// Insert is the user typing text at a byte offset.
func (e *Editor) Insert(uri string, offset int, text string) error {
	return e.Edit(uri, editops.Edit{Start: offset, End: offset, New: text})
}

// Delete is the user deleting the bytes [start, end).
func (e *Editor) Delete(uri string, start, end int) error {
	return e.Edit(uri, editops.Edit{Start: start, End: end})
}

// Replace is the user replacing the bytes [start, end).
func (e *Editor) Replace(uri string, start, end int, text string) error {
	return e.Edit(uri, editops.Edit{Start: start, End: end, New: text})
}

// Type inserts text at the cursor and leaves the cursor behind it.
func (e *Editor) Type(uri, text string) error {
	e.mu.Lock()
	b := e.buffers[uri]
	if b == nil {
		e.mu.Unlock()
		return errNotOpen(uri)
	}
	at := b.cursor
	e.mu.Unlock()
	if err := e.Insert(uri, at, text); err != nil {
		return err
	}
	return e.SetCursor(uri, at+len(text))
}

// Edit makes several changes one after the other, each in the text that the one before left, and tells the
// server of all in one didChange. The user undoes them as one.
func (e *Editor) Edit(uri string, edits ...editops.Edit) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.buffers[uri]
	if b == nil {
		return errNotOpen(uri)
	}
	for i, edit := range edits {
		if edit.End < edit.Start || !standable(b.text, edit.Start) || !standable(b.text, edit.End) {
			return fmt.Errorf("editor: no cursor can select [%d, %d) in a text of %d bytes", edit.Start, edit.End, len(b.text))
		}
		e.change(b, edit, i > 0)
	}
	return e.synced()
}

// standable reports whether a cursor can stand at offset: in the text, on the border of a character, and not
// within a "\r\n".
func standable(text string, offset int) bool {
	if offset <= 0 || offset >= len(text) {
		return offset == 0 || offset == len(text)
	}
	return utf8.RuneStart(text[offset]) && !(text[offset-1] == '\r' && text[offset] == '\n')
}

// SetText replaces the whole text and sends it whole, as an editor does that has no incremental sync or that
// has read the file again.
func (e *Editor) SetText(uri, text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.buffers[uri]
	if b == nil {
		return errNotOpen(uri)
	}
	e.change(b, editops.Edit{Start: 0, End: len(b.text), New: text}, false)
	b.unsent = []change{{Text: text}}
	return e.synced()
}

// Undo takes back the last step of a buffer, the user's or the server's, and tells the server as of any other
// change. It reports whether there was one.
func (e *Editor) Undo(uri string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.buffers[uri]
	if b == nil {
		return false, errNotOpen(uri)
	}
	if len(b.undo) == 0 {
		return false, nil
	}
	last := b.undo[len(b.undo)-1]
	rest := b.undo[:len(b.undo)-1]
	for _, s := range slices.Backward(last) {
		e.change(b, editops.Edit{Start: s.Start, End: s.Start + len(s.New), New: s.old}, false)
	}
	b.undo = rest // and not what taking back has added
	return true, e.synced()
}

// UndoSteps is how often the user would have to press undo to take back what the server has written into
// the buffer: one for each edit that it asked for and that was applied.
func (e *Editor) UndoSteps(uri string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.buffers[uri]; b != nil {
		return b.steps
	}
	return 0
}

// Cursor is the byte offset of the cursor. Edits before it move it, edits behind it do not, and text inserted
// just at it stays behind it, as in Neovim.
func (e *Editor) Cursor(uri string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.buffers[uri]; b != nil {
		return b.cursor
	}
	return 0
}

// SetCursor moves the cursor. The protocol does not tell the server.
func (e *Editor) SetCursor(uri string, offset int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.buffers[uri]
	if b == nil {
		return errNotOpen(uri)
	}
	b.cursor = max(0, min(offset, len(b.text)))
	return nil
}

// Position converts a byte offset of a buffer to the encoding in use.
func (e *Editor) Position(uri string, offset int) protocol.Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.buffers[uri]
	if b == nil {
		return protocol.Position{}
	}
	return positionAt(b.text, e.encoding, offset)
}

// Range converts the bytes [start, end) of a buffer.
func (e *Editor) Range(uri string, start, end int) protocol.Range {
	return protocol.Range{Start: e.Position(uri, start), End: e.Position(uri, end)}
}

// Offset converts a position of a buffer; false when the buffer has no such place.
func (e *Editor) Offset(uri string, p protocol.Position) (int, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.buffers[uri]
	if b == nil {
		return 0, false
	}
	return offsetAt(b.text, e.encoding, p)
}

// HoldChanges keeps didChange back, as editors do that wait for the user to pause, until ReleaseChanges.
// Buffers and their versions go on.
func (e *Editor) HoldChanges() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hold = true
}

// ReleaseChanges sends what was held back, one didChange for each buffer, and holds no more back.
func (e *Editor) ReleaseChanges() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hold = false
	return e.flush()
}

// FlushChanges sends what was held back and goes on holding.
func (e *Editor) FlushChanges() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.flush()
}

// change applies edit to a buffer and notes it for didChange and for undo, together with the change before it
// when it is joined to it. Called with mu held.
func (e *Editor) change(b *buffer, edit editops.Edit, joined bool) {
	r := protocol.Range{Start: positionAt(b.text, e.encoding, edit.Start), End: positionAt(b.text, e.encoding, edit.End)}
	s := step{Edit: edit, old: b.text[edit.Start:edit.End], version: b.version}
	if len(b.history) == historyLimit {
		b.history = slices.Clone(b.history[historyLimit/2:])
	}
	b.history = append(b.history, s)
	if joined && len(b.undo) > 0 {
		b.undo[len(b.undo)-1] = append(b.undo[len(b.undo)-1], s)
	} else {
		b.undo = append(b.undo, []step{s})
	}
	b.text = b.text[:edit.Start] + edit.New + b.text[edit.End:]
	switch {
	case edit.End <= b.cursor && edit.Start < b.cursor:
		b.cursor += len(edit.New) - (edit.End - edit.Start)
	case edit.Start < b.cursor:
		b.cursor = edit.Start
	}
	b.unsent = append(b.unsent, change{Range: &r, Text: edit.New})
	if !e.opts.VersionPerSync {
		b.version++
	}
	e.happened()
}

// synced sends what is to be sent, unless it is held back. Called with mu held.
func (e *Editor) synced() error {
	if e.hold {
		return nil
	}
	return e.flush()
}

func (e *Editor) flush() error {
	for _, uri := range slices.Sorted(maps.Keys(e.buffers)) {
		b := e.buffers[uri]
		if len(b.unsent) == 0 {
			continue
		}
		if e.opts.VersionPerSync {
			b.version++
		}
		changes := b.unsent
		b.unsent, b.told = nil, told{b.text, b.version}
		if err := e.sendParams(protocol.MethodTextDocumentDidChange, map[string]any{
			"textDocument":   map[string]any{"uri": b.uri, "version": b.version},
			"contentChanges": changes,
		}); err != nil {
			return err
		}
	}
	return nil
}

func errNotOpen(uri string) error { return fmt.Errorf("editor: %s is not open", uri) }
