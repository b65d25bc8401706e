// Package loopback is a model server without a model: a real HTTP and WebSocket server of the OpenAI
// Responses protocol, and of the chat and fill-in-the-middle dialects beside it, whose answers and faults
// are scripted. It is not a mock of package session: it shares no type with it and reads the protocol for
// itself, so that client and server check each other, and the official clients check both.
//
// A test starts one, points a client at URL, and drives each answer step by step:
//
//	srv := loopback.New(loopback.Options{Respond: loopback.Manual})
//	srv.Start("127.0.0.1:0")
//	x, _ := srv.WaitExchange(ctx)
//	x.Delta("hel")
//	x.Delta("lo")
//	x.Done()
//
// Nothing here is timed unless a rate is asked for: every method of Exchange returns when its bytes have been
// handed to the operating system, and every fact (a connection, a warm-up, an interrupt) can be waited for.
package loopback
