package session

import (
	"encoding/json"
	"strings"
)

// ollamaRequest is POST /api/generate. With a suffix Ollama fills the middle by the model's own template.
type ollamaRequest struct {
	Model     string        `json:"model"`
	Prompt    string        `json:"prompt"`
	Suffix    string        `json:"suffix"`
	Stream    bool          `json:"stream"`
	Raw       bool          `json:"raw"`
	Think     bool          `json:"think"`
	KeepAlive string        `json:"keep_alive"`
	Options   ollamaOptions `json:"options"`
}

type ollamaOptions struct {
	NumPredict  int     `json:"num_predict,omitempty"`
	Temperature float64 `json:"temperature"`
	NumCtx      int     `json:"num_ctx"`
}

func ollamaBody(q *question) (any, *failure) {
	if f := fimless(q); f != nil {
		return nil, f
	}
	prefix, suffix, _ := q.req.FIM.Window()
	if suffix == "" {
		suffix = "\n" // without a suffix Ollama would not fill in but chat
	}
	return ollamaRequest{
		Model: q.frame.Model, Prompt: prefix, Suffix: suffix, Stream: true,
		KeepAlive: "30m", // loading the model again would cost seconds
		Options:   ollamaOptions{NumPredict: q.frame.MaxOutputTokens, NumCtx: 8192},
	}, nil
}

func ollamaReader(r *response) func([]byte) (Served, bool) {
	return func(data []byte) (Served, bool) {
		if data == nil {
			return Served{}, false
		}
		var e struct {
			Model      string `json:"model"`
			Response   string `json:"response"`
			Done       bool   `json:"done"`
			DoneReason string `json:"done_reason"`
			Prompt     int    `json:"prompt_eval_count"`
			Eval       int    `json:"eval_count"`
			Error      string `json:"error"`
		}
		if json.Unmarshal(data, &e) != nil {
			r.touch()
			return Served{}, false
		}
		if e.Error != "" {
			status := 0
			if strings.Contains(e.Error, "not found") {
				status = 404
			}
			r.fail(classify(status, wireError{Message: e.Error}, nil))
			return Served{}, true
		}
		r.begin("")
		over := e.Response != "" && !r.push(e.Response, -1)
		r.touch()
		if !e.Done || over {
			return Served{}, over
		}
		ev := Event{Reason: Complete, Model: e.Model, Usage: Usage{Input: e.Prompt, Output: e.Eval}}
		if e.DoneReason == "length" {
			ev.Reason = Truncated
		}
		r.complete(ev)
		return Served{Model: e.Model, Usage: ev.Usage}, true
	}
}
