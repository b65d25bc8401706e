package loopback

import (
	"crypto/tls"
	"log"
	"net/http"
	"time"
)

// Dialect is the protocol that an Exchange speaks.
type Dialect string

const (
	Responses   Dialect = "responses"   // GET (WebSocket) and POST (SSE, JSON) /v1/responses
	Chat        Dialect = "chat"        // POST /v1/chat/completions
	Completions Dialect = "completions" // POST /v1/completions
	Infill      Dialect = "infill"      // POST /infill (llama.cpp), with /health and /props
	Ollama      Dialect = "ollama"      // POST /api/generate, with /api/tags and /api/version
	Mistral     Dialect = "mistral"     // POST /v1/fim/completions
	DeepSeek    Dialect = "deepseek"    // POST /beta/completions
)

// Limits of the real service. They are per connection.
const (
	MaxInFlight = 16       // responses that run at once; further ones queue
	MaxLanes    = 32       // distinct stream_id names, ever; the unnamed lane does not count
	MaxFrame    = 16 << 20 // bytes of one message to the server; a longer one closes the socket with 1009
)

// Options is what a Server is made of. The zero value is a well-behaved server with lanes, without interrupt
// and without steering, that answers everything with a short canned text as fast as it can. A Server copies
// it and never changes it.
type Options struct {
	// Respond answers one request that generates. It runs on its own goroutine and may drive the exchange to
	// its end, or return before that and leave it to somebody who got it from WaitExchange: returning ends
	// nothing, so a Respond that forgets the end is a stall. It must return once Exchange.Cancelled is closed.
	// nil plays Canned.
	Respond func(*Exchange)

	// Warm answers a warm-up (generate:false) in place of the server: a fault in a warm-up is made here. nil
	// answers it at once, which is what Exchange.Done does for a warm-up.
	Warm func(*Exchange)

	// Finished observes the end of every exchange and warm-up. It must not block.
	Finished func(*Exchange)

	// Upgrade decides over the n-th attempt (from 1) to open a WebSocket. nil accepts all.
	Upgrade func(n int, r *http.Request) Upgrade

	Header   http.Header // added to every HTTP response, the 101 included (x-ratelimit-... and such)
	ErrorLog *log.Logger // where net/http complains; nil discards it

	Key         string      // the bearer token that is asked for; "" takes any that is not empty
	Anonymous   bool        // asks for no bearer token at all
	AllowRemote bool        // lets Start listen on an address that is not a loopback one
	TLS         *tls.Config // serves https and wss (and HTTP/2) when set; needs a certificate
	Dialects    []Dialect   // what is served; nil is everything, any other path is 404
	Models      []string    // GET /v1/models and /api/tags; nil is a list of one

	// What kind of Responses server it is.
	NoLanes        bool          // ignores stream_id and is strictly serial, like the endpoints that have no lanes
	RejectLanes    bool          // refuses a stream_id as an unknown parameter (and is serial)
	Interrupt      bool          // knows response.interrupt
	Steer          bool          // knows response.steer
	Unknown        UnknownEvent  // what happens to an event whose type is not known
	AgeLimit       time.Duration // age at which a connection is used up; 0 is 60 minutes
	AgeClose       bool          // at the age limit the socket is closed (1000), cutting what runs; otherwise running responses end
	PingEvery      time.Duration // the server's own pings; 0 is none
	MaxFrame       int           // bytes of one message to the server; 0 is the constant MaxFrame
	PongTimeout    time.Duration // how long a pong may take before close 1011 "keepalive ping timeout"; 0 is 60 s
	Deflate        bool          // accepts permessage-deflate when it is offered (gorilla: without context takeover)
	RejectSuffix   bool          // POST /v1/completions refuses "suffix", like vLLM
	RejectPrevious bool          // POST /v1/responses refuses previous_response_id, like stateless servers

	// What its frames look like.
	FillOutput  bool   // the terminal event lists the output; otherwise output is [], as on the real service
	RateLimits  bool   // WebSocket: codex.rate_limits before response.created
	Timing      bool   // WebSocket: responsesapi.websocket_timing before the terminal event
	Noise       bool   // unknown keys in every event and unknown events between them
	ShuffleKeys bool   // keys of every event in random order (the real order is not fixed)
	EscapeASCII bool   // everything outside ASCII as \uXXXX, which is also legal JSON
	SSEDone     bool   // "data: [DONE]" after the terminal event of POST /v1/responses
	EchoBytes   int    // size of the settings echoed in lifecycle events; 0 is 2,048, negative no padding
	ServedTier  string // the tier that the terminal event reports; "" is the one asked for
	ServedModel string // the model that the events report; "" is the one asked for

	// How fast Exchange.Text is. Exchange.Delta is never delayed.
	TTFT            time.Duration // from response.in_progress to the first token
	TokensPerSecond float64       // 0 is as fast as the socket takes them
	WarmDelay       time.Duration // how long the server takes over a warm-up of its own
}

// UnknownEvent is a server's manner with an event type that it does not know.
type UnknownEvent uint8

const (
	RefuseUnknown UnknownEvent = iota // an error event with status 400
	IgnoreUnknown                     // silence
	CloseUnknown                      // close 1008
)

// Upgrade is the decision over one attempt to open a WebSocket. The zero value accepts it.
type Upgrade struct {
	Status int         // refuse with this HTTP status
	Header http.Header // extra headers, of the refusal or of the 101
	Body   string      // body of the refusal; "" is the error object of the status

	Hang   bool // never answer the handshake (until the client gives up or the server closes)
	Silent bool // 101, and then no event ever; frames are still read and pings answered
	NoPong bool // pings are read and not answered
	Split  bool // every byte is a write of its own
}

// Manual is a Respond for tests that drive every exchange themselves, through WaitExchange.
func Manual(*Exchange) {}
