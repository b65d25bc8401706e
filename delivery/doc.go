// Package delivery is the state machine of an edit that streams into a document someone is typing in. It is
// pure: it knows no protocol, no clock and no goroutine; what happened is told to it, and it says what to send.
//
// Where to read: machine.go holds the Machine and what its caller does; stream.go one region, what to send of it and
// what the user's changes do to it; changed.go takes a notification apart into ours and the user's, with expect.go
// (what our edits look like when they arrive), joined.go (edits told together with other changes) and undo.go; hunk.go
// is what can be taken back when all is done; redirect.go
// how a stream begins again with what the buffer holds; profile.go is the table of editors. sim_test.go plays all of it.
//
// # What editors make impossible
//
// The simulation (sim_test.go) ends in the right text for every editor that refuses or drops what is for an old
// version, or rebases it. The rest can only be watched:
//
//   - An editor that ignores versions (Kakoune, Neovim for version 0, eglot for what was typed in the last half second)
//     puts an edit where the text was. This is recognised by the line and column and by the text that landed there;
//     the stream is then Lost, its Reason says so, and Reject takes the misplaced edit back as well.
//   - An editor that rebases but writes over what was typed within the range: the same, and Reason quotes what is gone.
//   - What such an editor overwrites before it has told of it was never heard of. Where it deletes more than it was
//     told to, and syncs whole texts, that may look as if the user had deleted it. Both leave the document and the
//     machine in agreement, and nobody the wiser; in the simulation this is two to three streams of a hundred in
//     Kakoune's way, under a typist who never rests. Hence one final edit for such editors.
//   - An editor that tells of several changes as one makes it a guess which of them were ours. The guess is the one
//     that leaves the least to explain; the text is right either way, but Reject may miss what both had deleted.
//   - After applied:true without the text in the next notification, an editor that is not known to drop edits may
//     still show it. The edit is sent again once, as it was; if both arrive, the second is taken back.
package delivery
