package session

// deepseekRequest is POST /completions of DeepSeek's beta base URL, where "suffix" fills the middle. Only
// their models without thinking take it.
type deepseekRequest struct {
	Model     string `json:"model"`
	Prompt    string `json:"prompt"`
	Suffix    string `json:"suffix"`
	MaxTokens int    `json:"max_tokens,omitempty"`
	Stream    bool   `json:"stream"`
}

func deepseekBody(q *question) (any, *failure) {
	if f := fimless(q); f != nil {
		return nil, f
	}
	prefix, suffix, _ := q.req.FIM.Window()
	return deepseekRequest{Model: q.frame.Model, Prompt: prefix, Suffix: suffix, MaxTokens: q.frame.MaxOutputTokens, Stream: true}, nil
}
