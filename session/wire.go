package session

import (
	"bytes"
	"encoding/json"
	"strings"
)

// This file holds every shape of the Responses protocol that the session writes or reads, by hand. The
// official Go types decode one delta in 8 to 470 µs and add 19 MB to the binary; most of what they decode
// is an echo of our own settings.

// create is one response.create frame, and without Type and StreamID the body of an HTTP request.
type create struct {
	Type               string         `json:"type,omitempty"`
	StreamID           string         `json:"stream_id,omitempty"`
	PreviousResponseID string         `json:"previous_response_id,omitempty"`
	Model              string         `json:"model,omitempty"`
	ServiceTier        string         `json:"service_tier,omitempty"`
	Store              bool           `json:"store"` // always false; the API's default is true
	Generate           *bool          `json:"generate,omitempty"`
	Stream             bool           `json:"stream,omitempty"` // HTTP only: over a WebSocket it is implied and must not be sent
	StreamOptions      *streamOptions `json:"stream_options,omitempty"`
	Reasoning          *reasoning     `json:"reasoning,omitempty"`
	Text               *textOptions   `json:"text,omitempty"`
	MaxOutputTokens    int            `json:"max_output_tokens,omitempty"`
	PromptCacheKey     string         `json:"prompt_cache_key,omitempty"`
	Input              []item         `json:"input"`
}

type streamOptions struct {
	IncludeObfuscation bool `json:"include_obfuscation"`
}

type reasoning struct {
	Effort string `json:"effort,omitempty"`
}

type textOptions struct {
	Verbosity string `json:"verbosity,omitempty"`
}

type item struct {
	Type    string    `json:"type"`
	Role    Role      `json:"role"`
	Content []content `json:"content"`
}

type content struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// steer and interrupt are the two control frames; neither carries a stream_id, since the response they
// name decides the lane.
type steer struct {
	Type               string `json:"type"`
	PreviousResponseID string `json:"previous_response_id"`
	Input              []item `json:"input"`
}

type interrupt struct {
	Type       string `json:"type"`
	ResponseID string `json:"response_id"`
	Mode       string `json:"mode"`
}

// items maps parts to input items. Text that the model wrote itself is output_text, all other is input_text.
func items(list []item, parts ...Part) []item {
	for _, p := range parts {
		kind := "input_text"
		if p.Role == Assistant {
			kind = "output_text"
		}
		list = append(list, item{Type: "message", Role: orElse(p.Role, User), Content: []content{{Type: kind, Text: p.Text}}})
	}
	return list
}

// encode writes v as one line of JSON. Code is full of <, > and &, which encoding/json would turn into six
// bytes each for the sake of HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // only strings, numbers and booleans come here
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// lifecycle decodes created, queued, in_progress, completed, failed and incomplete. Those frames echo the
// request's tools and settings, kilobytes of them; only what is named here is looked at.
type lifecycle struct {
	Response struct {
		ID          string     `json:"id"`
		Status      string     `json:"status"`
		Model       string     `json:"model"`
		ServiceTier string     `json:"service_tier"`
		Error       *wireError `json:"error"`
		Incomplete  *struct {
			Reason string `json:"reason"`
		} `json:"incomplete_details"`
		Usage *usage `json:"usage"`
	} `json:"response"`
}

// idOf is the id of the response that a frame tells of. Where it comes first in its object, as everywhere so far, it
// is read without the rest: to decode the kilobytes that created echoes was a quarter of what a superseded answer cost
// the reader. No string can hold the words looked for: its own quotes would be escaped.
func idOf(frame []byte) string {
	if _, rest, ok := bytes.Cut(frame, []byte(`"response":{"id":"`)); ok {
		if id, _, ok := bytes.Cut(rest, []byte(`"`)); ok && bytes.IndexByte(id, '\\') < 0 {
			return string(id)
		}
	}
	var l lifecycle
	_ = json.Unmarshal(frame, &l)
	return l.Response.ID
}

type usage struct {
	InputTokens  int `json:"input_tokens"`
	InputDetails struct {
		Cached     int `json:"cached_tokens"`
		CacheWrite int `json:"cache_write_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens  int `json:"output_tokens"`
	OutputDetails struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
}

func (u *usage) tokens() Usage {
	if u == nil {
		return Usage{}
	}
	return Usage{
		Input: u.InputTokens, Cached: u.InputDetails.Cached, CacheWrite: u.InputDetails.CacheWrite,
		Output: u.OutputTokens, Reasoning: u.OutputDetails.Reasoning,
	}
}

// output is decoded from a completed response only when it streamed no text at all: real endpoints leave
// it empty even though items were produced.
type output struct {
	Response struct {
		Output []struct {
			Type    string `json:"type"`
			Input   string `json:"input"`
			Content []struct {
				Type    string `json:"type"`
				Text    string `json:"text"`
				Refusal string `json:"refusal"`
			} `json:"content"`
		} `json:"output"`
	} `json:"response"`
}

func (o *output) text() (text, refusal string) {
	var t, r strings.Builder
	for _, it := range o.Response.Output {
		if it.Type == "custom_tool_call" {
			t.WriteString(it.Input)
		}
		for _, c := range it.Content {
			if c.Type == "output_text" {
				t.WriteString(c.Text)
			}
			r.WriteString(c.Refusal)
		}
	}
	return t.String(), r.String()
}

// delta decodes what the fast path declined.
type delta struct {
	Type     string `json:"type"`
	StreamID string `json:"stream_id"`
	Sequence *int   `json:"sequence_number"`
	Delta    string `json:"delta"`
}

// done decodes output_text.done, custom_tool_call_input.done and refusal.done: the whole text of an item.
type done struct {
	Text    *string `json:"text"`
	Input   *string `json:"input"`
	Refusal string  `json:"refusal"`
	place
}

// place is where an item's text stands in the output. Its zero value, an endpoint that does not say, is no place.
type place struct {
	Output  *int `json:"output_index"`
	Content *int `json:"content_index"`
}

func (p place) same(q place) bool {
	return p.Output != nil && q.Output != nil && *p.Output == *q.Output && seqOf(p.Content) == seqOf(q.Content)
}

// wireError is an error object. Code is a string or null at OpenAI, a number at some gateways.
type wireError struct {
	Type    string     `json:"type"`
	Code    looseText  `json:"code"`
	Message string     `json:"message"`
	Param   looseText  `json:"param"`
	Headers looseTexts `json:"headers"`
}

// errorEvent is an error frame in all three forms seen: nested (WebSocket), flat (SSE), and with the
// aliases that gateways send.
type errorEvent struct {
	Type       string     `json:"type"`
	Status     int        `json:"status"`
	StatusCode int        `json:"status_code"`
	Error      *wireError `json:"error"`
	Code       looseText  `json:"code"`
	Message    string     `json:"message"`
	Param      looseText  `json:"param"`
	Headers    looseTexts `json:"headers"`
}

// names tells whether the error is about this parameter.
func (e *errorEvent) names(param string) bool {
	return string(e.Param) == param || (e.Error != nil && string(e.Error.Param) == param)
}

func (e *errorEvent) failure() *failure {
	w := wireError{Code: e.Code, Message: e.Message, Param: e.Param, Headers: e.Headers}
	if e.Error != nil {
		w = *e.Error
		if w.Headers == nil {
			w.Headers = e.Headers
		}
	}
	return classify(orElse(e.Status, e.StatusCode), w, w.Headers.get)
}

type steerEvent struct {
	Steer struct {
		ID string `json:"id"`
	} `json:"steer"`
	Error *wireError `json:"error"`
}

type rateLimits struct {
	RateLimits struct {
		LimitReached bool `json:"limit_reached"`
		Primary      *struct {
			UsedPercent float64 `json:"used_percent"`
			ResetAfter  float64 `json:"reset_after_seconds"`
		} `json:"primary"`
	} `json:"rate_limits"`
}

// timing is cumulative over a logical turn of the endpoint; for a single response it splits their queue and
// their engine from our network.
type timing struct {
	Metrics struct {
		ResponseID string  `json:"response_id"`
		Queue      float64 `json:"engine_queue_max_ms"`
		TTFT       float64 `json:"first_sampled_message_ttft_ms"`
		PreInfer   float64 `json:"pre_inference_ms"`
		BetweenTok float64 `json:"websocket_output_text_delta_tbt_ms"`
	} `json:"timing_metrics"`
}

// looseText accepts a string, a number or null where a string is documented.
type looseText string

func (t *looseText) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	if s := string(b); s != "null" {
		*t = looseText(s)
	}
	return nil
}

// looseTexts is a header object whose values may be strings or numbers, under names of any case.
type looseTexts map[string]looseText

func (h looseTexts) get(name string) string {
	for k, v := range h {
		if strings.EqualFold(k, name) {
			return string(v)
		}
	}
	return ""
}
