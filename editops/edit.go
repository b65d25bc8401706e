// Package editops turns a stream of model text into minimal edits. It speaks only of strings and byte
// offsets: no protocol, no editor, no model, and nothing but the standard library.
package editops

// Edit replaces the bytes [Start, End) of a text by New. Offsets are bytes from the start of the text that
// the edit applies to; in a list of edits, each one refers to the text that the one before it left behind
// (the order of LSP's incremental didChange), unless the list says otherwise.
type Edit struct {
	Start, End int
	New        string
}
