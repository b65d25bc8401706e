package loopback

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is what goes wrong in an answer, by name: in scripts (fault=NAME) and in tables of tests.
type Fault string

const (
	None Fault = ""

	// The answer never ends well, and nobody says why.
	DropBefore   Fault = "drop-before"   // TCP cut before response.created
	DropCreated  Fault = "drop-created"  // TCP cut after response.created
	DropMid      Fault = "drop-mid"      // TCP cut after half of the text
	DropEnd      Fault = "drop-end"      // TCP cut after all of the text, before the terminal event
	Close1000    Fault = "close-1000"    // a close frame after half of the text
	Close1009    Fault = "close-1009"    //
	Close1011    Fault = "close-1011"    //
	HalfOpenMid  Fault = "half-open"     // half of the text, then a connection on which nothing moves
	StallBefore  Fault = "stall-before"  // no response.created, though the connection lives
	StallCreated Fault = "stall-created" // response.created and no more
	StallMid     Fault = "stall-mid"     // half of the text and no more
	StallEnd     Fault = "stall-end"     // all of the text and no terminal event

	// The answer is an error, which is said.
	Error400        Fault = "error-400"
	Error401        Fault = "error-401"
	Error403        Fault = "error-403"
	Error404        Fault = "error-404" // model_not_found
	Error429        Fault = "error-429" // rate_limit_exceeded, with a retry-after header when Answer.RetryAfter is set
	Error500        Fault = "error-500"
	Error503        Fault = "error-503"          // server_is_overloaded
	ErrorMid        Fault = "error-mid"          // after half of the text
	ErrorNoStatus   Fault = "error-no-status"    // WebSocket: the event has no status
	ErrorStatusCode Fault = "error-status-code"  // WebSocket: the status is called status_code
	ErrorTopHeaders Fault = "error-top-headers"  // WebSocket: headers beside the error object
	NotFound        Fault = "previous-not-found" // previous_response_not_found, whatever was referred to
	TooLong         Fault = "context-too-long"   // context_length_exceeded
	FailedBefore    Fault = "failed"             // response.failed without text
	FailedMid       Fault = "failed-mid"         // response.failed after half of the text
	Filtered        Fault = "content-filter"     // response.incomplete after half of the text
	CutShort        Fault = "truncated"          // response.incomplete, max_output_tokens, after half of the text
	AgeMid          Fault = "age-limit"          // the connection reaches its age limit after half of the text

	// The answer is whole, and the wire is odd.
	SplitWrites    Fault = "split"              // one byte a write
	Coalesced      Fault = "coalesce"           // the whole answer in one write
	Noisy          Fault = "noise"              // unknown event types between the deltas
	Huge           Fault = "huge"               // an unknown event of 16 MiB (Options.MaxFrame) before the text
	QueuedFirst    Fault = "queued"             // response.queued
	TwiceTerminal  Fault = "duplicate-terminal" // the terminal event twice
	LateDelta      Fault = "late-delta"         // a delta after the terminal event
	Empty          Fault = "empty"              // completed without any text
	EvictsBase     Fault = "evict"              // everything the connection remembers is forgotten when the answer ends
	ReasoningFirst Fault = "reasoning"          // a reasoning item before the message

	// The frames themselves are wrong; what a client makes of them is its own decision.
	WrongSequence Fault = "wrong-sequence" // numbers skip and repeat
	BadUTF8       Fault = "bad-utf8"       // half way a text frame that is not UTF-8
	BadJSON       Fault = "bad-json"       // half way a text frame that is not JSON
	BinaryMid     Fault = "binary"         // half way a binary frame
)

// Faults lists every fault, in the order above.
func Faults() []Fault {
	return []Fault{
		DropBefore, DropCreated, DropMid, DropEnd, Close1000, Close1009, Close1011, HalfOpenMid,
		StallBefore, StallCreated, StallMid, StallEnd,
		Error400, Error401, Error403, Error404, Error429, Error500, Error503, ErrorMid, ErrorNoStatus, ErrorStatusCode, ErrorTopHeaders,
		NotFound, TooLong, FailedBefore, FailedMid, Filtered, CutShort, AgeMid,
		SplitWrites, Coalesced, Noisy, Huge, QueuedFirst, TwiceTerminal, LateDelta, Empty, EvictsBase, ReasoningFirst,
		WrongSequence, BadUTF8, BadJSON, BinaryMid,
	}
}

// Known tells whether f is one of Faults, or None.
func (f Fault) Known() bool { return f == None || slices.Contains(Faults(), f) }

// Answer is a whole answer that plays itself.
type Answer struct {
	Text       string
	Tool       string        // the text is the input of a custom tool call of this name; "" is a message
	TTFT       time.Duration // to the first token; 0 is the server's
	Rate       float64       // tokens per second; 0 is the server's
	Fault      Fault
	RetryAfter time.Duration // for errors: a retry-after header (seconds, rounded up) and the exact time in the message
}

// Respond plays the answer; it is a Respond for Options.
func (a Answer) Respond(x *Exchange) {
	// Every step fails once the exchange has ended, and then there is nothing left to say.
	tokens := Tokens(a.Text)
	half := (len(tokens) + 1) / 2
	first, second := strings.Join(tokens[:half], ""), strings.Join(tokens[half:], "")
	if f := a.failure(); f != nil {
		if a.Fault == ErrorMid {
			_ = a.say(x, first)
		}
		_ = x.Fail(f)
		return
	}
	switch a.Fault {
	case DropBefore:
		x.Drop()
		return
	case StallBefore:
		return
	case DropCreated, StallCreated:
		if x.Created() == nil && a.Fault == DropCreated {
			x.Drop()
		}
		return
	case FailedBefore:
		_ = x.Failed("server_error", "The model failed.")
		return
	case Empty:
		_ = x.Done()
		return
	case SplitWrites:
		x.Split(true)
		defer x.Split(false)
	case Coalesced:
		x.Hold(true)
		defer x.Hold(false)
	case QueuedFirst:
		_ = x.Queued()
	case TwiceTerminal:
		x.Encore(func() { _ = x.Repeat() })
	case LateDelta:
		x.Encore(func() {
			_ = x.Event("response.output_text.delta", map[string]any{"delta": "late", "item_id": "msg_late", "output_index": 0, "content_index": 0})
		})
	case ReasoningFirst:
		_ = x.Reasoning("Thinking about nothing.")
	case Huge:
		_ = x.InProgress()
		_ = x.Event("response.future_item.delta", map[string]any{"delta": strings.Repeat("x", max(x.srv.opts.MaxFrame-512, 0))})
	}
	if a.say(x, first) != nil {
		return
	}
	switch a.Fault {
	case DropMid:
		x.Drop()
	case Close1000, Close1009, Close1011:
		code, _ := strconv.Atoi(strings.TrimPrefix(string(a.Fault), "close-"))
		x.Close(code)
	case HalfOpenMid:
		x.HalfOpen()
		return
	case StallMid:
		return
	case FailedMid:
		_ = x.Failed("server_error", "The model failed.")
	case Filtered:
		_ = x.Incomplete("content_filter")
	case CutShort:
		_ = x.Incomplete("max_output_tokens")
	case AgeMid:
		if c := x.Socket(); c != nil {
			c.ReachAge()
		}
	case Noisy:
		_ = x.step(x.noise)
	case WrongSequence:
		x.Skip(5)
	case BadUTF8:
		frame := x.Frame("response.future_item.delta", map[string]any{"delta": "#"})
		_ = x.sendRaw("response.future_item.delta", strings.Replace(frame, "#", "\xff\xfe", 1))
	case BadJSON:
		_ = x.sendRaw("response.output_text.delta", `{"type":"response.output_text.delta","delta":"cut`)
	case BinaryMid:
		_ = x.Binary([]byte{0, 1, 2, 3})
	}
	if a.say(x, second) != nil {
		return
	}
	switch a.Fault {
	case DropEnd:
		x.Drop()
		return
	case StallEnd:
		return
	case WrongSequence:
		x.Skip(-9)
	case EvictsBase:
		if c := x.Socket(); c != nil {
			defer c.Evict("")
		}
	}
	_ = x.Done()
}

// sendRaw is Raw in the transport's framing.
func (x *Exchange) sendRaw(kind, frame string) error {
	return x.step(func() error { return x.out.event(kind, []byte(frame)) })
}

func (a Answer) say(x *Exchange, text string) error {
	ttft, rate := a.TTFT, a.Rate
	if ttft == 0 {
		ttft = x.srv.opts.TTFT
	}
	if rate == 0 {
		rate = x.srv.opts.TokensPerSecond
	}
	return x.pace(text, a.Tool, ttft, rate)
}

// failure is the error that a fault stands for, nil when it is none.
func (a Answer) failure() *Failure {
	var f *Failure
	switch a.Fault {
	case Error400:
		f = badRequest("invalid_value", "", "The request is not understood.")
	case Error401:
		f = &Failure{Status: 401, Type: "invalid_request_error", Code: "invalid_api_key", Message: "Incorrect API key provided."}
	case Error403:
		f = &Failure{Status: 403, Type: "invalid_request_error", Code: "unsupported_country_region_territory", Message: "Country, region, or territory not supported."}
	case Error404:
		f = &Failure{Status: 404, Type: "invalid_request_error", Code: "model_not_found", Message: "The model does not exist or you do not have access to it.", Param: "model"}
	case Error429, ErrorNoStatus, ErrorStatusCode, ErrorTopHeaders:
		f = &Failure{Status: 429, Type: "requests", Code: "rate_limit_exceeded", Message: "Rate limit reached."}
		switch a.Fault {
		case ErrorNoStatus:
			f.Status = 0
		case ErrorStatusCode:
			f.StatusCode = true
		case ErrorTopHeaders:
			f.TopHeaders = true
		}
	case Error500:
		f = &Failure{Status: 500, Code: "server_error", Message: "The server had an error while processing your request."}
	case Error503:
		f = &Failure{Status: 503, Code: "server_is_overloaded", Message: "Our servers are currently overloaded. Please try again later."}
	case ErrorMid:
		f = &Failure{Status: 500, Code: "server_error", Message: "The server had an error while processing your request."}
	case NotFound:
		f = previousNotFound("resp_gone")
	case TooLong:
		f = badRequest("context_length_exceeded", "input", "Your input exceeds the context window of this model. Please adjust your input and try again.")
	default:
		return nil
	}
	if a.RetryAfter > 0 {
		seconds := int((a.RetryAfter + time.Second - 1) / time.Second)
		f.Headers = map[string]string{"retry-after": strconv.Itoa(seconds)}
		f.Message += " Please try again in " + strconv.FormatFloat(a.RetryAfter.Seconds(), 'f', -1, 64) + "s."
	}
	return f
}
