// Package offline is the embedded engine: a model without weights, key or network that finishes
// identifiers and lines from the code that is already there, and repeats an edit that was made twice. It
// speaks of tokens, texts and byte offsets; it reads no file, opens no socket, and follows no instructions.
//
// What it knows comes in by [Engine.AddFile] and by the text round the cursor in each request. The
// workspace lives in a few sorted arrays of tokens (see segment), the open document in a short array that
// is scanned as it is; a question mixes what both say about the longest contexts they share with the
// cursor. The rest of a line is copied from places like the cursor's, with the names at hand, and what speaks for
// each copy decides among them. The method is the nested cache of Hellendoorn and Devanbu (FSE 2017), which on code comes close
// to neural models where the local text is what counts.
package offline
