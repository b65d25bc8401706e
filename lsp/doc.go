// Package lsp is the edge of spark-lsp: framing, order, documents, positions and what the editor at the
// other end is and can. It knows everything about the protocol and nothing about models or prompts.
//
// # The one rule about order
//
// Notifications run on the read loop, in the order of the wire. A request is handed the immutable [Snapshot]
// of the open documents as of its arrival and then leaves the loop for a goroutine of its own. Handlers
// never think of ordering, and never see a document change under them.
//
// # Coordinates
//
// Inside the program a place in a document is a byte offset. Lines and columns exist only on the wire, in
// the encoding that was negotiated with the client, and [Mapper] is the only code that converts between the
// two.
//
// # What is deliberately absent
//
// protocol.NewServer, protocol.Handlers and protocol.CancelHandler are not used: they run notifications
// concurrently (documents come out corrupted) and derive contexts from pooled ones (the process dies).
// The connection of jsonrpc2 is never closed from here: its Close waits for handlers that may be waiting
// for it; ending the stream of frames ends the connection.
package lsp
