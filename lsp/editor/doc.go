// Package editor is a scripted editor: a real LSP client over any pair of pipes that holds the buffers a user
// would see. Scenarios, `spark-lsp demo` and benchmarks drive it; a person's keystrokes are its methods.
//
// It is written against the protocol and not against package lsp: it frames, counts columns and applies
// edits by code of its own, the simplest possible, so that the two check each other. It also watches the server:
// whatever the protocol forbids (edits out of the document, overlapping, progress without a beginning, an
// answer to nothing) is kept as a violation, which tests assert to be none.
//
// Editors differ in how they treat an edit from the server and when they tell of their own; both can be
// chosen, and swapped while the editor runs: see [ApplyPolicy] and [Editor.HoldChanges].
//
// Nothing sleeps. Every Wait method blocks until a fact is there, its context ends, or the server has gone.
package editor
