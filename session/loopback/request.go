package loopback

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// createRequest is response.create, or the body of POST /v1/responses, as far as this server reads it.
// Unknown fields are tolerated, stream:true included.
type createRequest struct {
	Model              string          `json:"model"`
	Input              json.RawMessage `json:"input"`
	Instructions       json.RawMessage `json:"instructions"` // a string or null
	PreviousResponseID *string         `json:"previous_response_id"`
	StreamID           json.RawMessage `json:"stream_id"`
	Generate           *bool           `json:"generate"`
	Store              *bool           `json:"store"`
	Stream             bool            `json:"stream"`
	Background         bool            `json:"background"`
	ServiceTier        string          `json:"service_tier"`
	MaxOutputTokens    *int            `json:"max_output_tokens"`
	StreamOptions      *struct {
		IncludeObfuscation *bool `json:"include_obfuscation"`
	} `json:"stream_options"`
	PromptCacheOptions *struct {
		Prewarm bool `json:"prewarm"`
	} `json:"prompt_cache_options"`

	// Echoed in lifecycle events as they came.
	PromptCacheKey    json.RawMessage `json:"prompt_cache_key"`
	ParallelToolCalls json.RawMessage `json:"parallel_tool_calls"`
	Reasoning         json.RawMessage `json:"reasoning"`
	Text              json.RawMessage `json:"text"`
	Tools             json.RawMessage `json:"tools"`
	ToolChoice        json.RawMessage `json:"tool_choice"`
	Temperature       json.RawMessage `json:"temperature"`
	TopP              json.RawMessage `json:"top_p"`
	Metadata          json.RawMessage `json:"metadata"`

	text string // of Input, by parseCreate
}

func (r *createRequest) generates() bool {
	if r.PromptCacheOptions != nil && r.PromptCacheOptions.Prewarm {
		return false
	}
	return r.Generate == nil || *r.Generate
}

// streamName is a stream_id as the service accepts it.
var streamName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,256}$`)

// parseCreate reads a create request and refuses what the service refuses whatever its state is.
func parseCreate(raw []byte) (*createRequest, *Failure) {
	var r createRequest
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, badRequest("invalid_type", "", fmt.Sprintf("Invalid request: %v.", err))
	}
	switch {
	case r.Model == "":
		return nil, badRequest("missing_required_parameter", "model", "Missing required parameter: 'model'.")
	case r.Background:
		return nil, badRequest("unsupported_parameter", "background", "Unsupported parameter: 'background' is not supported with this transport.")
	case r.MaxOutputTokens != nil && *r.MaxOutputTokens < 1:
		return nil, badRequest("integer_below_min_value", "max_output_tokens", "Invalid 'max_output_tokens': integer below minimum value.")
	}
	var err error
	if r.text, err = inputText(r.Input); err != nil {
		return nil, badRequest("invalid_type", "input", err.Error())
	}
	return &r, nil
}

// lane reads stream_id: absent (or null) is the unnamed lane.
func (r *createRequest) lane() (string, *Failure) {
	if len(r.StreamID) == 0 || string(r.StreamID) == "null" {
		return "", nil
	}
	var name string
	if json.Unmarshal(r.StreamID, &name) != nil || !streamName.MatchString(name) {
		return "", badRequest("invalid_stream_id", "stream_id", "The 'stream_id' field must be a non-empty string with at most 256 characters and may only contain letters, numbers, underscores, hyphens, and periods.")
	}
	return name, nil
}

// inputItem is one item of an input list, as far as its text goes.
type inputItem struct {
	Type    string          `json:"type"`
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Output  json.RawMessage `json:"output"` // of a tool call
	Input   string          `json:"input"`
}

// inputText joins the text of an input: a string, or a list of items whose contents are strings or parts.
// Every item and part begins on a line of its own.
func inputText(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, nil
	}
	var items []inputItem
	if err := json.Unmarshal(raw, &items); err != nil {
		return "", fmt.Errorf("Invalid type for 'input': expected a string or an array of items.") //nolint:staticcheck // the service's own sentence
	}
	var b strings.Builder
	for _, it := range items {
		for _, content := range []json.RawMessage{it.Content, it.Output} {
			texts, err := contentTexts(content)
			if err != nil {
				return "", err
			}
			for _, t := range texts {
				appendLine(&b, t)
			}
		}
		if it.Input != "" {
			appendLine(&b, it.Input)
		}
	}
	return b.String(), nil
}

func contentTexts(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return []string{s}, nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, fmt.Errorf("Invalid type for 'content': expected a string or an array of parts.") //nolint:staticcheck // the service's own sentence
	}
	var texts []string
	for _, p := range parts {
		texts = append(texts, p.Text)
	}
	return texts, nil
}

// appendLine adds t, which begins a line of its own; t keeps its own end.
func appendLine(b *strings.Builder, t string) {
	if t == "" {
		return
	}
	if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
		b.WriteByte('\n')
	}
	b.WriteString(t)
}

// Failure is an error as an endpoint reports it, before it is put into the shape of a transport.
type Failure struct {
	Status  int               // HTTP status; 0 leaves it out (WebSocket) or is 500 (HTTP)
	Type    string            // "" follows from Status
	Code    string            // for instance previous_response_not_found
	Message string            // for a person
	Param   string            // the field at fault, "" for none
	Headers map[string]string // retry-after and others

	StatusCode bool // WebSocket: the status goes out as "status_code", an alias that is seen in the wild
	TopHeaders bool // WebSocket: headers stand beside "error", not inside it
}

func badRequest(code, param, message string) *Failure {
	return &Failure{Status: 400, Type: "invalid_request_error", Code: code, Param: param, Message: message}
}

func previousNotFound(id string) *Failure {
	return badRequest("previous_response_not_found", "previous_response_id", "Previous response with id '"+id+"' not found.")
}

func (f *Failure) kind() string {
	switch {
	case f.Type != "":
		return f.Type
	case f.Status == 401 || f.Status == 403:
		return "authentication_error"
	case f.Status == 429:
		return "rate_limit_error"
	case f.Status >= 400 && f.Status < 500:
		return "invalid_request_error"
	}
	return "server_error"
}

// object is the error object that every transport nests in its own way.
func (f *Failure) object(ascii bool) *object {
	o := newObject(ascii).str("type", f.kind())
	if f.Code == "" {
		o.raw("code", "null")
	} else {
		o.str("code", f.Code)
	}
	o.str("message", f.Message)
	if f.Param == "" {
		o.raw("param", "null")
	} else {
		o.str("param", f.Param)
	}
	return o
}
