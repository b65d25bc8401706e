package session

import "time"

// Trace observes one request, in the manner of net/http/httptrace. Every hook is optional, runs on a
// goroutine of the session at the moment it reports, and must return at once. Nothing in this package logs.
type Trace struct {
	Queued     func()                         // the request waits for a lane or a connection
	Dialled    func(d time.Duration)          // a connection had to be made first
	Reused     func(warm bool)                // a live connection was used; warm: a warmed base stood for Base
	Sent       func(bytes int)                // the frame or body has been handed to the socket
	Created    func()                         // response.created
	InProgress func()                         // response.in_progress
	FirstDelta func()                         // the first text
	Delta      func(bytes int)                // each delta's text as it arrives
	Terminal   func(reason Reason, err error) // the end, and why
	Again      func(cause error)              // the attempt failed before any text; another one follows
}
