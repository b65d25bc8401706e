package loopback

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Steer is a redirect of a running response that the server has accepted and not yet applied.
type Steer struct {
	ID    string
	Input string
	raw   json.RawMessage
}

const maxSteers = 8 // pending on one response

// find returns the running response with this id (or on this lane), and otherwise whether the id is one
// that has ended lately.
func (c *Conn) find(id, streamID string) (x *Exchange, was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.running[id]; x != nil {
		return x, true
	}
	if id == "" && streamID != "" {
		if l := c.lanes[streamID]; l != nil {
			return l.active, l.active != nil
		}
	}
	return nil, id != "" && slices.Contains(c.ended, id)
}

// interrupt ends a running response at once. It bypasses the queue. One that has just ended is no error: the
// terminal event and the interrupt have crossed on the wire.
func (c *Conn) interrupt(id, streamID, mode string) {
	c.srv.note(func(st *Stats) { st.Interrupts++ })
	x, was := c.find(id, streamID)
	switch {
	case mode != "discard_partial_items" || id == "" && streamID == "":
		c.refuse(badRequest("invalid_request", "mode", "response.interrupt requires response_id and mode=discard_partial_items."), "")
	case x != nil:
		x.interrupt()
	case !was:
		c.refuse(badRequest("response_not_found", "response_id", "The response to interrupt is not active on this connection."), "")
	}
}

func (x *Exchange) interrupt() {
	x.cancel()
	x.mu.Lock()
	if x.stage == ended {
		x.mu.Unlock()
		return
	}
	err := x.toInProgress()
	if err == nil {
		ascii := x.srv.opts.EscapeASCII
		err = x.send("response.interrupt.accepted", newObject(ascii).str("type", "response.interrupt.accepted").str("response_id", x.ID))
		if it := x.open; it != nil && err == nil {
			// The partial item is discarded: it is neither done nor part of what can be continued from.
			err = x.send("response.output_item.interrupted", newObject(ascii).str("type", "response.output_item.interrupted").
				str("response_id", x.ID).str("item_id", it.id).int("output_index", it.index))
			x.open = nil
			x.discard(it)
		}
	}
	if err == nil {
		_ = x.terminate(ending{status: "incomplete", reason: "interrupted"})
		x.why = ErrInterrupted
	}
	over := x.stage == ended
	x.mu.Unlock()
	if over {
		x.after()
	}
}

// discard takes an item's text out of what the response is remembered by.
func (x *Exchange) discard(it *outputItem) {
	kept := strings.TrimSuffix(x.answer.String(), it.text.String())
	x.answer.Reset()
	x.answer.WriteString(kept)
}

// steer redirects a running response. The reply says that the steer is owned, not that it is applied: that is
// the successor's response.created.
func (c *Conn) steer(id, streamID string, input json.RawMessage) {
	c.srv.note(func(st *Stats) { st.Steers++ })
	x, was := c.find(id, "")
	if streamID != "" {
		c.steerFailed(nil, id, input, "invalid_input", "Unknown parameter: 'stream_id'.")
		return
	}
	text, err := steerText(input)
	switch {
	case err != nil:
		c.steerFailed(x, id, input, "invalid_input", err.Error())
	case x == nil && was:
		c.steerFailed(nil, id, input, "response_already_completed", "The response has already completed.")
	case x == nil && c.queuedID(id):
		c.steerFailed(nil, id, input, "response_not_active", "The response is not active.")
	case x == nil:
		c.steerFailed(nil, id, input, "response_not_found", "Response with id '"+id+"' not found.")
	default:
		if code := x.acceptSteer(Steer{ID: c.srv.newID("steer_"), Input: text, raw: input}); code != "" {
			c.steerFailed(x, id, input, code, "The steer cannot be accepted.")
		}
	}
}

func (c *Conn) queuedID(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.queue, func(x *Exchange) bool { return x.ID == id })
}

// steerText reads a steer's input: a string, or messages of the user.
func steerText(raw json.RawMessage) (string, error) {
	var items []inputItem
	if json.Unmarshal(raw, &items) == nil {
		for _, it := range items {
			if it.Role != "user" || it.Type != "" && it.Type != "message" {
				return "", errors.New("Only messages with role 'user' can steer a response.") //nolint:staticcheck // the service's manner
			}
		}
	}
	text, err := inputText(raw)
	if err == nil && text == "" {
		err = errors.New("Missing required parameter: 'input'.") //nolint:staticcheck // the service's manner
	}
	return text, err
}

func (c *Conn) steerFailed(x *Exchange, id string, input json.RawMessage, code, message string) {
	s := newObject(false).raw("input", orJSON(input, "null")).str("previous_response_id", id)
	o := newObject(false).str("type", "response.steer.failed").
		obj("error", newObject(false).str("code", code).str("message", message).str("type", "invalid_request_error")).
		obj("steer", s)
	if x != nil {
		_ = x.step(func() error { return x.send("response.steer.failed", o) })
		return
	}
	_ = c.Raw(string(o.int("sequence_number", 0).bytes()))
}

// acceptSteer owns the steer, or returns the code of its refusal.
func (x *Exchange) acceptSteer(s Steer) (code string) {
	err := x.step(func() error {
		if len(x.steers) == maxSteers {
			code = "too_many_pending_steers"
			return nil
		}
		x.steers = append(x.steers, s)
		return x.send("response.steer.accepted", newObject(false).str("type", "response.steer.accepted").obj("steer", s.object(x.ID)))
	})
	if errors.Is(err, ErrEnded) {
		return "response_already_completed"
	}
	x.srv.note(func(*Stats) {})
	return code
}

func (s Steer) object(previous string) *object {
	return newObject(false).str("id", s.ID).str("previous_response_id", previous)
}

// Steers are the steers that the response has accepted and not yet applied. Done applies them.
func (x *Exchange) Steers() []Steer {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.steers)
}

// FailSteers answers the pending steers with response.steer.failed and this code, for instance
// successor_creation_failed, and forgets them.
func (x *Exchange) FailSteers(code, message string) error {
	return x.step(func() error {
		for _, s := range x.steers {
			if err := x.failSteer(s, code, message); err != nil {
				return err
			}
		}
		x.steers = nil
		return nil
	})
}

func (x *Exchange) failSteer(s Steer, code, message string) error {
	return x.send("response.steer.failed", newObject(false).str("type", "response.steer.failed").
		obj("error", newObject(false).str("code", code).str("message", message).str("type", "invalid_request_error")).
		obj("steer", s.object(x.ID).raw("input", orJSON(s.raw, "null"))))
}

// requiredInput lists the calls whose outputs the response waits for.
func (x *Exchange) requiredInput() string {
	calls := []map[string]string{}
	for _, it := range x.items {
		if it.kind == customTool || it.kind == function {
			calls = append(calls, map[string]string{"type": string(it.kind) + "_output", "call_id": "call_" + it.id})
		}
	}
	b, _ := marshal(calls) // strings always can be
	return string(b)
}

// waitsForInput tells whether the response ends in a tool call, whose output must come before a steer can be
// applied. It runs with mu held.
func (x *Exchange) waitsForInput() bool {
	for _, it := range append(slices.Clone(x.items), x.open) {
		if it != nil && (it.kind == customTool || it.kind == function) {
			return true
		}
	}
	return false
}

// successor is the exchange that the pending steers of an ended one call for: the same settings, on the same
// lane, continuing from it, with the steers as its input.
func (x *Exchange) successor() *Exchange {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.steers) == 0 {
		return nil
	}
	if x.outcome != "incomplete: steered" {
		for _, st := range x.steers {
			if x.outcome == "completed" { // by a tool call, whose output has to come first
				_ = x.send("response.steer.pending", newObject(false).str("type", "response.steer.pending").
					str("reason", "waiting_for_required_input").raw("required_input", x.requiredInput()).obj("steer", st.object(x.ID)))
				continue
			}
			_ = x.failSteer(st, "successor_creation_failed", "The response ended before the steer could be applied.")
		}
		return nil
	}
	next := x.srv.newExchange(x.create, x.Body)
	next.Transport, next.Method, next.Path, next.Header, next.Conn = x.Transport, x.Method, x.Path, x.Header, x.Conn
	next.StreamID, next.sock, next.lane, next.voice, next.out = x.StreamID, x.sock, x.lane, x.voice, x.out
	next.PreviousResponseID, next.Input, next.Generate = x.ID, "", true
	for _, s := range x.steers {
		var b strings.Builder
		b.WriteString(next.Input)
		appendLine(&b, s.Input)
		next.Input = b.String()
	}
	return next
}
