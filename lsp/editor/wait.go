package editor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrEnded is in the chain of what a Wait returns when the server has gone before the fact was there.
var ErrEnded = errors.New("the server has ended")

// logLimit is how many messages the log keeps. Older ones are dropped by halves.
const logLimit = 20_000

// record puts m into the log. Called with mu held.
func (e *Editor) record(m Message) {
	m.Time = time.Now()
	if n := len(e.log); n > 0 {
		m.Seq = e.log[n-1].Seq + 1
	}
	if len(e.log) == logLimit {
		e.log = slices.Clone(e.log[logLimit/2:])
	}
	e.log = append(e.log, m)
	if e.opts.Observe != nil {
		e.opts.Observe(m)
	}
	e.happened()
}

// Log returns all messages so far, in the order of the wire as the editor saw it.
func (e *Editor) Log() []Message {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.log)
}

// happened wakes all who wait. Called with mu held.
func (e *Editor) happened() {
	e.changes++
	e.changed.Broadcast()
}

// wait blocks until fact holds. fact is called with mu held, whenever anything has changed. It may give mu up
// for a while; what happens meanwhile is not missed.
func (e *Editor) wait(ctx context.Context, what string, fact func() bool) error {
	stop := context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.happened()
	})
	defer stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		seen := e.changes
		if fact() {
			return nil
		}
		switch {
		case e.changes != seen: // look again before giving up
		case e.ended != nil:
			return fmt.Errorf("waiting for %s: %w%s", what, ErrEnded, e.tail())
		case ctx.Err() != nil:
			return fmt.Errorf("waiting for %s: %w%s", what, ctx.Err(), e.tail())
		default:
			e.changed.Wait()
		}
	}
}

// tail is the end of the log, for errors.
func (e *Editor) tail() string {
	var b strings.Builder
	for _, m := range e.log[max(0, len(e.log)-8):] {
		fmt.Fprintf(&b, "\n\t%v", m)
	}
	return b.String()
}

// WaitFor waits until fact holds. It is called whenever something has happened and may use the editor's
// other methods.
func (e *Editor) WaitFor(ctx context.Context, what string, fact func() bool) error {
	return e.wait(ctx, what, func() bool {
		e.mu.Unlock()
		defer e.mu.Lock()
		return fact()
	})
}

// next waits for the first received message after the one that the same key returned last time.
func (e *Editor) next(ctx context.Context, key string, match func(Message) bool) (Message, error) {
	var found Message
	err := e.wait(ctx, key, func() bool {
		for _, m := range e.log {
			if m.Seq >= e.cursors[key] && !m.Sent && match(m) {
				found = m
				e.cursors[key] = m.Seq + 1
				return true
			}
		}
		return false
	})
	return found, err
}

// WaitReceived waits for the next call or notification of that method from the server: the first one, then
// with every call the one after.
func (e *Editor) WaitReceived(ctx context.Context, method string) (Message, error) {
	return e.next(ctx, method, func(m Message) bool { return m.Method == method })
}

// WaitNotification is WaitReceived for notifications only, and decodes the parameters into params (nil
// discards them).
func (e *Editor) WaitNotification(ctx context.Context, method string, params any) error {
	m, err := e.next(ctx, "notification "+method, func(m Message) bool {
		return m.Method == method && m.Kind == Notification
	})
	if err != nil || params == nil {
		return err
	}
	return json.Unmarshal(m.Params, params)
}

// Progress is a $/progress of work.
type Progress struct {
	Token       json.RawMessage
	Kind        string // begin, report, end
	Title       string
	Message     string
	Percentage  *int
	Cancellable bool
}

// WaitProgress waits for the next progress of that kind: begin, report or end.
func (e *Editor) WaitProgress(ctx context.Context, kind string) (Progress, error) {
	var p Progress
	_, err := e.next(ctx, "progress "+kind, func(m Message) bool {
		var ok bool
		p, ok = readProgress(m)
		return ok && p.Kind == kind
	})
	return p, err
}

func readProgress(m Message) (Progress, bool) {
	if m.Method != "$/progress" {
		return Progress{}, false
	}
	var v struct {
		Token json.RawMessage `json:"token"`
		Value struct {
			Kind        string `json:"kind"`
			Title       string `json:"title"`
			Message     string `json:"message"`
			Percentage  *int   `json:"percentage"`
			Cancellable bool   `json:"cancellable"`
		} `json:"value"`
	}
	if json.Unmarshal(m.Params, &v) != nil {
		return Progress{}, false
	}
	return Progress{v.Token, v.Value.Kind, v.Value.Title, v.Value.Message, v.Value.Percentage, v.Value.Cancellable}, true
}

// WaitMessage waits for the next message to the user or to the log (showMessage, showMessageRequest,
// logMessage) whose text contains substr, and returns its text.
func (e *Editor) WaitMessage(ctx context.Context, substr string) (string, error) {
	var text string
	_, err := e.next(ctx, fmt.Sprintf("a message with %q", substr), func(m Message) bool {
		switch m.Method {
		case "window/showMessage", "window/showMessageRequest", "window/logMessage":
		default:
			return false
		}
		var p struct{ Message string }
		if json.Unmarshal(m.Params, &p) != nil || !strings.Contains(p.Message, substr) {
			return false
		}
		text = p.Message
		return true
	})
	return text, err
}

// WaitText waits until the buffer's text is want.
func (e *Editor) WaitText(ctx context.Context, uri, want string) error {
	err := e.WaitTextFunc(ctx, uri, func(text string) bool { return text == want })
	if err != nil {
		return fmt.Errorf("%w\nthe text is %q\n     wanted %q", err, e.Text(uri), want)
	}
	return nil
}

// WaitTextFunc waits until the buffer's text is as fact wants it. fact must not use the editor.
func (e *Editor) WaitTextFunc(ctx context.Context, uri string, fact func(text string) bool) error {
	return e.wait(ctx, "text", func() bool {
		b := e.buffers[uri]
		return b != nil && fact(b.text)
	})
}

// WaitEdits waits until the server has asked for n edits (workspace/applyEdit) in all, whatever became of
// them.
func (e *Editor) WaitEdits(ctx context.Context, n int) error {
	return e.wait(ctx, fmt.Sprintf("%d edits", n), func() bool { return e.edits >= n })
}

// WaitApplied waits until n edits of the server have been applied in all.
func (e *Editor) WaitApplied(ctx context.Context, n int) error {
	return e.wait(ctx, fmt.Sprintf("%d applied edits", n), func() bool { return e.applied >= n })
}
