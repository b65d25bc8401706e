package session

import "encoding/json"

// chatRequest is POST /chat/completions, as Cerebras, Groq, vLLM and most others serve it.
type chatRequest struct {
	Model           string        `json:"model"`
	Messages        []chatMessage `json:"messages"`
	Stream          bool          `json:"stream"`
	StreamOptions   *chatOptions  `json:"stream_options,omitempty"`
	MaxTokens       int           `json:"max_tokens,omitempty"`
	MaxCompletion   int           `json:"max_completion_tokens,omitempty"`
	ReasoningEffort string        `json:"reasoning_effort,omitempty"`
	ServiceTier     string        `json:"service_tier,omitempty"`
}

type chatOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func chatBody(q *question) (any, *failure) {
	c := chatRequest{Model: q.frame.Model, Stream: true, ServiceTier: q.frame.ServiceTier, MaxTokens: q.frame.MaxOutputTokens}
	if q.frame.StreamOptions != nil {
		c.StreamOptions = &chatOptions{IncludeUsage: true}
	}
	if q.without["max_tokens"] { // reasoning models of OpenAI take only the newer name
		c.MaxTokens, c.MaxCompletion = 0, q.frame.MaxOutputTokens
	}
	if q.frame.Reasoning != nil && !q.without["reasoning_effort"] {
		c.ReasoningEffort = q.frame.Reasoning.Effort
	}
	for _, p := range q.messages() {
		role := string(orElse(p.Role, User))
		if p.Role == Developer {
			role = "system" // "developer" is known to fewer servers
		}
		c.Messages = append(c.Messages, chatMessage{role, p.Text})
	}
	return c, nil
}

// choices is a chunk of every stream that has "choices": chat, and plain completions, whose text stands
// beside delta.
type choices struct {
	ID      string `json:"id"`
	Model   string `json:"model"`
	Choices []struct {
		Text  string `json:"text"`
		Delta struct {
			Content string `json:"content"`
			Refusal string `json:"refusal"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Prompt        int `json:"prompt_tokens"`
		Completion    int `json:"completion_tokens"`
		PromptDetails struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		CompletionDetails struct {
			Reasoning int `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
		CacheHit int `json:"prompt_cache_hit_tokens"` // DeepSeek
	} `json:"usage"`
	ServiceTier string     `json:"service_tier"`
	Error       *wireError `json:"error"`
}

// choicesReader reads chunks until [DONE], or the end of the body after a finish_reason: the usage comes in
// a chunk of its own after that.
func choicesReader(r *response) func([]byte) (Served, bool) {
	var ev Event
	var served Served
	return func(data []byte) (Served, bool) {
		if data == nil {
			if ev.Reason == "" {
				return served, false
			}
			ev.Usage, ev.Model, ev.Tier = served.Usage, served.Model, served.Tier
			r.complete(ev)
			return served, true
		}
		var c choices
		if json.Unmarshal(data, &c) != nil {
			r.touch()
			return served, false
		}
		if c.Error != nil {
			r.fail(classify(0, *c.Error, nil))
			return served, true
		}
		r.begin(c.ID)
		served.Model, served.Tier = orElse(c.Model, served.Model), orElse(c.ServiceTier, served.Tier)
		if u := c.Usage; u != nil {
			served.Usage = Usage{Input: u.Prompt, Output: u.Completion, Reasoning: u.CompletionDetails.Reasoning,
				Cached: orElse(u.PromptDetails.Cached, u.CacheHit)}
		}
		r.touch()
		if len(c.Choices) == 0 {
			return served, false
		}
		ch := c.Choices[0]
		if text := ch.Delta.Content + ch.Text; text != "" && !r.push(text, -1) {
			return served, true
		}
		r.refuse(ch.Delta.Refusal)
		switch ch.FinishReason {
		case "":
		case "length":
			ev.Reason = Truncated
		case "content_filter":
			ev.Reason = Filtered
		case "error": // Mistral
			r.fail(fail(RetryNow, again, nil, "the endpoint failed"))
			return served, true
		default: // stop, eos, tool_calls
			ev.Reason = Complete
		}
		return served, false
	}
}
