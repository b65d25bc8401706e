package session

import "fmt"

// Job says what a request is for. A job has its own warmed base, its own limits on length, and may be sent
// to its own model (settings completion.*, edit.*, deep.*).
type Job string

const (
	Completion Job = "completion" // text at the cursor, automatic and short
	Edit       Job = "edit"       // an instruction for a region or a file, asked for by the user
	Deep       Job = "deep"       // a larger task in the background
)

// Role is the author of a Part, in the words of the Responses API.
type Role string

const (
	Developer Role = "developer"
	User      Role = "user"
	Assistant Role = "assistant"
)

// Part is one message of the model's input.
type Part struct {
	Role Role
	Text string
}

// File is a piece of another file that may help a fill-in-the-middle model.
type File struct {
	Path string
	Text string
}

// FIM is the fill-in-the-middle view of a request: the text round a cursor, whole as far as it is known.
// Dialects without messages, and the embedded engine, read this instead of Base and Input. Prefix and
// Suffix are the document's own text (its own line ends); they are not copied, so a large document is cheap.
type FIM struct {
	Path     string // slash-separated, relative to the workspace; "" when there is none
	Language string // LSP language id
	Prefix   string
	Suffix   string
	Extra    []File
}

// Request is one question to a model, always in full: Base and Input together are everything the model
// shall read. Whether a warmed response may stand for Base is the session's business; the caller never
// sees ids. The zero value of a limit means the job's default.
type Request struct {
	Job   Job
	Base  []Part // the stable part, worth warming: rules, format, context that rarely changes
	Input []Part // what belongs to this request alone
	FIM   FIM    // the same question for models without messages; may be zero for Edit and Deep

	MaxOutputTokens int    // upper bound of the answer, tokens; 0 means the job's default
	CacheKey        string // prompt_cache_key: one per workspace and file, never one for all (wire.md 6)
	Explicit        bool   // the user asked for it by hand, so low confidence is no reason for silence

	Trace *Trace // optional observer; its hooks run on the session's goroutines and must not block
}

// EventKind tells the events of a response apart.
type EventKind uint8

const (
	Started EventKind = iota + 1 // the model has accepted the request; carries Response. A second one begins what a steer has made of it.
	Delta                        // more text; carries Text, which may hold several deltas of the wire
	Done                         // the end of the answer; carries Reason, Usage, Model, Tier. Nothing follows.
)

// Event is one step of a response in progress. Text is the only field that a Delta sets.
type Event struct {
	Kind     EventKind
	Text     string
	Response Handle // Started: what Steer takes

	Reason     Reason  // Done
	Usage      Usage   // Done; zero when the endpoint did not say
	Model      string  // Done: the model that served, "" when the endpoint did not say
	Tier       string  // Done: the service tier that served ("auto" in response.created says nothing)
	Confidence float64 // Started: 0..1 from the embedded engine, 0 from models (they do not say)
	Timing     *Timing // Done: the endpoint's own account of where the time went; nil when it gave none
}

// Handle names a response in progress for Steer. The zero Handle names none.
type Handle struct{ id uint64 }

// Reason is why an answer ended.
type Reason string

const (
	Complete    Reason = "complete"          // the model was finished
	Truncated   Reason = "max_output_tokens" // cut by MaxOutputTokens
	Filtered    Reason = "content_filter"
	Steered     Reason = "steered"
	Interrupted Reason = "interrupted"
)

// Usage counts tokens as the endpoint reports them.
type Usage struct {
	Input, Cached, CacheWrite, Output, Reasoning int
}

// ErrorKind is what a caller can do about an Error, not where it arose.
type ErrorKind string

const (
	RetryNow       ErrorKind = "retry"          // nothing reached the caller; asking again at once may work
	RetryAfter     ErrorKind = "retry after"    // wait Error.RetryAfter first (rate limit, overload)
	FallBack       ErrorKind = "fall back"      // another tier, model or transport is needed
	Reauthenticate ErrorKind = "authentication" // the key is missing, wrong or not allowed; never retried
	TooLong        ErrorKind = "too long"       // the input does not fit the model's context window
	Refused        ErrorKind = "refused"        // the endpoint will not answer this (policy)
	Interruption   ErrorKind = "interrupted"    // the answer broke off after text had been delivered; never replayed
	Unsupported    ErrorKind = "unsupported"    // this model cannot do the job (the embedded engine and an instruction)
	Bug            ErrorKind = "bug"            // the endpoint did not understand us, or we it
)

// Error is the only error that Stream yields, besides the context's own.
type Error struct {
	Kind       ErrorKind
	RetryAfter int    // milliseconds, for RetryAfter; 0 when the endpoint did not say
	Code       string // the endpoint's own code, for instance "rate_limit_exceeded"; "" when none
	Message    string // one line for a person; never holds a key or a prompt
	Err        error  // cause, may be nil
}

func (e *Error) Error() string {
	switch {
	case e.Code != "" && e.Message != "":
		return fmt.Sprintf("%s (%s)", e.Message, e.Code)
	case e.Message != "":
		return e.Message
	case e.Err != nil:
		return e.Err.Error()
	}
	return string(e.Kind)
}

func (e *Error) Unwrap() error { return e.Err }
