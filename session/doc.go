// Package session holds a warm streaming session to a model: one or a few connections that are dialled and
// warmed before they are needed, over which requests fork from a warmed base and stream back as events. It
// knows neither editors nor prompts, and nothing in it logs: Trace, Status and OnUsage report what happens.
//
// A request finds its way in stream.go: it takes a lane of a socket (socket.go) where its base is warm
// (base.go), or goes over HTTP (http.go) in the endpoint's dialect (one file each; protocols is the table).
// What comes back is read by the socket's reader, decoded by scan.go or wire.go, and put into a response
// (response.go), from which the caller's loop takes it. errors.go is the table of what failures mean.
//
// What is deliberately absent: a channel of deltas (a slow consumer would stop the reader), a read deadline
// (one that passes corrupts a gorilla connection), compression (gorilla's keeps no context, so it saves
// little and costs more CPU than the rest of the path), and any replay after text was delivered.
package session
