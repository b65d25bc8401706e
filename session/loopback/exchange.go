package loopback

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Transport is how an Exchange reached the server.
type Transport string

const (
	WebSocket Transport = "ws"
	SSE       Transport = "sse"    // HTTP, a stream of server-sent events
	NDJSON    Transport = "ndjson" // HTTP, a stream of lines
	JSON      Transport = "json"   // HTTP, one object at the end
)

var (
	// ErrEnded is returned by every step of an exchange that has had its terminal event.
	ErrEnded = errors.New("loopback: the exchange has ended")
	// ErrInterrupted is ErrEnded for an exchange that the client ended by response.interrupt.
	ErrInterrupted = fmt.Errorf("%w: interrupted by the client", ErrEnded)
	// ErrGone is ErrEnded for an exchange whose client has closed its socket or body.
	ErrGone = fmt.Errorf("%w: the client has gone", ErrEnded)
)

// Usage counts tokens as the terminal event reports them.
type Usage struct {
	Input, Cached, CacheWrite, Output, Reasoning int
}

// Exchange is one request and the answer to it, whatever it came by. The exported fields describe the request
// and never change. The methods write the answer; each first does what must come before it (Delta opens the
// response and the item when nobody has), returns when its bytes have been written, and may be called from
// any goroutine, though only one order of calls makes sense. An Exchange lives from the moment its lane is
// free to its terminal event, or to the end of its connection.
type Exchange struct {
	N         int // from 1, in the order in which exchanges of this server started; warm-ups count
	Dialect   Dialect
	Transport Transport
	Method    string
	Path      string
	Header    http.Header     // of the upgrade or the POST
	Conn      int             // number of the WebSocket connection, from 1; 0 for HTTP
	Body      json.RawMessage // the frame or body as it came

	ID                 string // of the response
	Model              string
	ServiceTier        string // as asked for; "" when absent
	StreamID           string // the lane; "" is the unnamed one
	PreviousResponseID string
	Generate           bool // false for a warm-up
	Store              bool
	MaxOutputTokens    int // 0 when absent
	Instructions       string
	Input              string // the text of the new input, messages and parts each on lines of their own
	Prefix, Suffix     string // fill-in-the-middle dialects

	srv    *Server
	sock   *Conn // nil for HTTP
	lane   *lane // nil for HTTP
	create *createRequest
	parent *memory
	out    outlet
	voice  voice

	arrived   time.Time
	cancelled chan struct{}
	over      chan struct{}

	mu          sync.Mutex // guards everything below, and the order of writes
	stage       stage
	why         error // after the end: ErrEnded or a kind of it
	outcome     string
	seq         int
	items       []*outputItem // finished
	open        *outputItem   // being written
	answer      strings.Builder
	tokens      int
	truncated   bool // Text reached MaxOutputTokens
	usage       *Usage
	tier, model string // overrides of what the events report
	progressAt  time.Time
	firstAt     time.Time // the first token
	endedAt     time.Time
	steers      []Steer
	last        sentEvent
	encore      func() // runs once after the end; one that is set later never does
	leaving     string // the outcome, when the script cuts the transport
}

type stage uint8

const (
	fresh stage = iota
	created
	inProgress
	ended
)

type sentEvent struct {
	kind  string
	frame []byte
}

// voice is a dialect's way of saying what happens in an exchange. Its methods run with Exchange.mu held.
type voice interface {
	created(x *Exchange) error
	queued(x *Exchange) error
	inProgress(x *Exchange) error
	delta(x *Exchange, kind itemKind, name, text string) error
	closeItem(x *Exchange) error
	end(x *Exchange, e ending) error
	fail(x *Exchange, f *Failure) error // before or amid the answer; f is terminal
}

// outlet is a transport's way of carrying it.
type outlet interface {
	event(kind string, frame []byte) error // one event, in the transport's framing
	raw(b []byte) error                    // bytes as they are: a text frame, or a piece of the body
	binary(b []byte) error
	whole(status int, header map[string]string, contentType string, body []byte) error // HTTP, before the first event
	started() bool                                                                     // HTTP: the status line is out; WebSocket: always
	drop()                                                                             // the TCP connection is cut
	close(code int, reason string)
	freeze()       // half open: nothing goes in or out, and the peer is not told
	split(on bool) // one byte a write
	hold(on bool)  // everything until hold(false) in one write
	end()
}

// ending is a terminal event.
type ending struct {
	status string   // completed, incomplete, failed
	reason string   // of incomplete
	fault  *Failure // of failed
}

// FullInput is all text that the model reads: what previous_response_id stands for (inputs and outputs), and
// Input.
func (x *Exchange) FullInput() string {
	if x.parent == nil {
		return x.Input
	}
	var b strings.Builder
	x.parent.appendTo(&b)
	appendLine(&b, x.Input)
	return b.String()
}

// Cancelled is closed when the client has interrupted the response, or has gone.
func (x *Exchange) Cancelled() <-chan struct{} { return x.cancelled }

// Ended is closed when nothing more can be written.
func (x *Exchange) Ended() <-chan struct{} { return x.over }

// Outcome says how the exchange ended: completed, incomplete: REASON, failed: CODE, error: CODE, dropped,
// closed, gone; "" while it runs.
func (x *Exchange) Outcome() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.outcome
}

// Tokens is how many deltas have been written.
func (x *Exchange) Tokens() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.tokens
}

// Answer is the text that has been written.
func (x *Exchange) Answer() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.answer.String()
}

// Socket is the connection that the exchange came by, nil for HTTP.
func (x *Exchange) Socket() *Conn { return x.sock }

// step runs f when the exchange is still open, and ends it when its transport has failed.
func (x *Exchange) step(f func() error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stage == ended {
		return x.why
	}
	return f()
}

// Created writes response.created (after codex.rate_limits when the server sends them), once.
func (x *Exchange) Created() error { return x.step(x.toCreated) }

// Queued writes response.queued, before response.in_progress.
func (x *Exchange) Queued() error {
	return x.step(func() error {
		if err := x.toCreated(); err != nil {
			return err
		}
		return x.voice.queued(x)
	})
}

// InProgress writes response.in_progress, once. It is the moment until which a fork's source must stay as it
// is: when the source lane has gone on before, the fork ends here with previous_response_not_found.
func (x *Exchange) InProgress() error { return x.stepEnding(x.toInProgress) }

// Delta writes one delta of message text, not delayed by any rate.
func (x *Exchange) Delta(text string) error { return x.piece(message, "", text) }

// ToolDelta writes one delta of the input of a custom tool call.
func (x *Exchange) ToolDelta(name, text string) error { return x.piece(customTool, name, text) }

// FunctionDelta writes one delta of the arguments of a function call.
func (x *Exchange) FunctionDelta(name, text string) error { return x.piece(function, name, text) }

// Reasoning writes one delta of a reasoning summary.
func (x *Exchange) Reasoning(text string) error { return x.piece(reasoning, "", text) }

// Refusal writes one delta of a refusal.
func (x *Exchange) Refusal(text string) error { return x.piece(refusal, "", text) }

func (x *Exchange) piece(kind itemKind, name, text string) error {
	return x.stepEnding(func() error {
		if err := x.toInProgress(); err != nil {
			return err
		}
		if x.open != nil && (x.open.kind != kind || x.open.name != name) {
			if err := x.voice.closeItem(x); err != nil {
				return err
			}
		}
		if x.firstAt.IsZero() {
			x.firstAt = time.Now()
		}
		x.tokens++
		if kind != reasoning {
			x.answer.WriteString(text)
		}
		return x.voice.delta(x, kind, name, text)
	})
}

// EndItem finishes the item that is being written, so that the next delta opens another.
func (x *Exchange) EndItem() error {
	return x.step(func() error {
		if x.open == nil {
			return nil
		}
		return x.voice.closeItem(x)
	})
}

// Text writes text in pieces like tokens, at the server's rate. It stops at max_output_tokens, and then Done
// says so; it stops with an error when the exchange ends under it.
func (x *Exchange) Text(text string) error {
	return x.pace(text, "", x.srv.opts.TTFT, x.srv.opts.TokensPerSecond)
}

// Pace is Text with a first-token time and a rate (tokens per second, 0 is no delay) of its own.
func (x *Exchange) Pace(text string, ttft time.Duration, rate float64) error {
	return x.pace(text, "", ttft, rate)
}

// pace keeps to a schedule counted from the start, so that late timers do not add up. With a tool, the text
// is the input of a custom tool call.
func (x *Exchange) pace(text, tool string, ttft time.Duration, rate float64) error {
	if err := x.InProgress(); err != nil {
		return err
	}
	x.mu.Lock()
	due := time.Now()
	if x.firstAt.IsZero() {
		due = x.progressAt.Add(ttft)
	}
	x.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, token := range Tokens(text) {
		at := due
		if rate > 0 {
			at = due.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		}
		if wait := time.Until(at); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-x.over:
			}
		}
		x.mu.Lock()
		full := x.MaxOutputTokens > 0 && x.tokens >= x.MaxOutputTokens
		x.truncated = x.truncated || full
		x.mu.Unlock()
		if full {
			return nil
		}
		var err error
		if tool != "" {
			err = x.ToolDelta(tool, token)
		} else {
			err = x.Delta(token)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Serve sets the model and the tier that the events report from now on; "" leaves what is.
func (x *Exchange) Serve(model, tier string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if model != "" {
		x.model = model
	}
	if tier != "" {
		x.tier = tier
	}
}

// Done ends the answer as it stands: completed, or incomplete for max_output_tokens when Text was cut by it,
// or, when a steer waits, incomplete for steered, which starts the successor. A warm-up is answered by it too.
func (x *Exchange) Done() error {
	return x.stepEnding(func() error {
		if x.truncated {
			return x.terminate(ending{status: "incomplete", reason: "max_output_tokens"})
		}
		return x.terminate(ending{status: "completed"})
	})
}

// Complete is Done with this usage, and without a look at max_output_tokens.
func (x *Exchange) Complete(u Usage) error {
	return x.stepEnding(func() error {
		x.usage = &u
		return x.terminate(ending{status: "completed"})
	})
}

// Incomplete ends the answer with response.incomplete: max_output_tokens, content_filter, ...
func (x *Exchange) Incomplete(reason string) error {
	return x.stepEnding(func() error { return x.terminate(ending{status: "incomplete", reason: reason}) })
}

// Failed ends the answer with response.failed, an event of a stream that went well until then.
func (x *Exchange) Failed(code, message string) error {
	return x.stepEnding(func() error {
		return x.terminate(ending{status: "failed", fault: &Failure{Code: code, Message: message}})
	})
}

// Error ends the exchange with an error: an error event on a WebSocket or amid an event stream, a plain HTTP
// status before one. The headers may be nil.
func (x *Exchange) Error(status int, code, message string, headers map[string]string) error {
	return x.Fail(&Failure{Status: status, Code: code, Message: message, Headers: headers})
}

// Fail is Error in every detail.
func (x *Exchange) Fail(f *Failure) error { return x.stepEnding(func() error { return x.fail(f) }) }

// Drop cuts the TCP connection without a word: no close frame, no end of body.
func (x *Exchange) Drop() {
	x.leave("dropped", x.out.drop)
}

// Close closes the WebSocket with this code; on HTTP it is Drop.
func (x *Exchange) Close(code int) {
	x.leave("closed", func() { x.out.close(code, "") })
}

// HalfOpen leaves the peer with a connection on which nothing moves any more and nobody says so: nothing is
// read, nothing written, pings included. On HTTP it is a stall.
func (x *Exchange) HalfOpen() { x.out.freeze() }

// Encore has f run right after the last event has been written, while the transport is still open: f may
// write what should not come any more, by Repeat, Raw and Event.
func (x *Exchange) Encore(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.encore = f
}

// Split writes every byte on its own from now on (true), or stops to. On a WebSocket it is the connection
// that splits, with all its lanes; Hold likewise.
func (x *Exchange) Split(on bool) { x.out.split(on) }

// Hold keeps back what is written (true) until Hold(false), which sends it in one write.
func (x *Exchange) Hold(on bool) { x.out.hold(on) }

// Raw writes bytes as they are: a text frame on a WebSocket (valid UTF-8 or not), a piece of the body on
// HTTP. Like Binary, Event and Repeat it neither needs nor makes any stage of the answer, and works even
// after the end as long as the transport does.
func (x *Exchange) Raw(frame string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.raw([]byte(frame))
}

// Binary writes a binary frame; on HTTP it is Raw.
func (x *Exchange) Binary(b []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.binary(b)
}

// Event writes an event of any type with these fields, the next sequence number and the lane's name.
// Dialects without typed events ignore the type.
func (x *Exchange) Event(kind string, fields map[string]any) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.event(kind, x.frame(kind, fields))
}

// Frame is what Event would write, for a test that wants to change it and write it by Raw.
func (x *Exchange) Frame(kind string, fields map[string]any) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return string(x.frame(kind, fields))
}

// Skip adds n to the sequence number; a negative n repeats numbers.
func (x *Exchange) Skip(n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seq += n
}

// Repeat writes the last event of the answer once more, byte for byte: after the end, a duplicate terminal
// event.
func (x *Exchange) Repeat() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.last.frame == nil {
		return errors.New("loopback: there is no event to repeat")
	}
	return x.out.event(x.last.kind, x.last.frame)
}

// toCreated, toInProgress, terminate and fail run with x.mu held.

func (x *Exchange) toCreated() error {
	if x.stage >= created {
		return nil
	}
	x.stage = created
	return x.voice.created(x)
}

func (x *Exchange) toInProgress() error {
	if err := x.toCreated(); err != nil || x.stage >= inProgress {
		return err
	}
	if x.sock != nil && !x.sock.stillForks(x) {
		_ = x.fail(previousNotFound(x.PreviousResponseID))
		return x.why
	}
	x.stage = inProgress
	x.progressAt = time.Now()
	return x.voice.inProgress(x)
}

func (x *Exchange) terminate(e ending) error {
	if err := x.toInProgress(); err != nil {
		return err
	}
	if x.open != nil {
		if err := x.voice.closeItem(x); err != nil {
			return err
		}
	}
	if e.status == "completed" && len(x.steers) > 0 && !x.waitsForInput() {
		e = ending{status: "incomplete", reason: "steered"}
	}
	x.settle(e.status != "failed")
	err := x.voice.end(x, e)
	outcome := e.status
	switch {
	case e.reason != "":
		outcome += ": " + e.reason
	case e.fault != nil:
		outcome += ": " + e.fault.Code
	}
	x.finish(outcome, ErrEnded)
	return err
}

func (x *Exchange) fail(f *Failure) error {
	x.settle(false)
	err := x.voice.fail(x, f)
	x.finish("error: "+f.Code, ErrEnded)
	return err
}

// settle brings the connection's memory up to date. It comes before the terminal event, since the client may
// continue from the response as soon as it has read that.
func (x *Exchange) settle(keep bool) {
	m := &memory{id: x.ID, parent: x.parent, input: x.Input, output: x.answer.String()}
	if x.sock != nil {
		x.sock.settle(x, m, keep)
	}
	if keep && x.Store && x.Dialect == Responses {
		x.srv.store(m)
	}
}

// finish makes the exchange one that has ended. The lane goes on when the last byte is written.
func (x *Exchange) finish(outcome string, why error) {
	x.stage, x.outcome, x.why = ended, outcome, why
	x.endedAt = time.Now()
	close(x.over)
}

// stepEnding is step for what may end the exchange: observers hear of the end, and the lane goes on, after
// the lock is released.
func (x *Exchange) stepEnding(f func() error) error {
	x.mu.Lock()
	if x.stage == ended {
		defer x.mu.Unlock()
		return x.why
	}
	err := f()
	over := x.stage == ended
	x.mu.Unlock()
	if over {
		x.after()
	}
	return err
}

// leave ends the transport by how, and the exchange with it. The reader of the socket may notice first, but
// the outcome is the one of here.
func (x *Exchange) leave(outcome string, how func()) {
	x.mu.Lock()
	x.leaving = outcome
	x.mu.Unlock()
	how()
	x.gone(outcome)
}

// gone ends an exchange whose transport is no more.
func (x *Exchange) gone(outcome string) {
	x.cancel()
	x.mu.Lock()
	if x.stage == ended {
		x.mu.Unlock()
		return
	}
	if x.leaving != "" {
		outcome = x.leaving
	}
	x.finish(outcome, ErrGone)
	x.mu.Unlock()
	x.after()
}

func (x *Exchange) cancel() {
	x.srv.mu.Lock()
	defer x.srv.mu.Unlock()
	select {
	case <-x.cancelled:
	default:
		close(x.cancelled)
		x.srv.stats.Cancelled++
		x.srv.changed()
	}
}

// after runs once, when the exchange has ended.
func (x *Exchange) after() {
	x.mu.Lock()
	encore := x.encore
	x.mu.Unlock()
	if encore != nil {
		encore()
	}
	x.srv.exchangeEnded(x)
	if x.sock != nil {
		x.sock.release(x)
	}
	x.out.end()
}

// spend is the usage when the script has not given one: four bytes to a token, the warmed part cached.
func (x *Exchange) spend() Usage {
	if x.usage != nil {
		return *x.usage
	}
	u := Usage{Input: estimate(len(x.Input) + len(x.Instructions) + len(x.Prefix) + len(x.Suffix)), Output: x.tokens}
	if x.parent != nil {
		u.Cached = estimate(x.parent.size())
		u.Input += u.Cached
	}
	for _, it := range x.items {
		if it.kind == reasoning {
			u.Reasoning += it.deltas
		}
	}
	return u
}

func estimate(bytes int) int { return (bytes + 3) / 4 }

// Tokens cuts text into pieces of about the length of a token: white space with the word after it, long words
// in several pieces, never inside a UTF-8 sequence. Joined, they are the text.
func Tokens(text string) []string {
	const most = 8 // bytes, before the cut is forced
	var out []string
	start, word := 0, false
	for i, r := range text {
		space := r == ' ' || r == '\t' || r == '\n' || r == '\r'
		if i > start && (space && word || r == '\n' && text[i-1] != '\r' && text[i-1] != '\n' || i-start >= most) {
			out = append(out, text[start:i])
			start, word = i, false
		}
		word = word || !space
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}
