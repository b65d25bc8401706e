package session

// mistralRequest is POST /fim/completions (Codestral). Its answer streams in the shape of a chat.
type mistralRequest struct {
	Model       string  `json:"model"`
	Prompt      string  `json:"prompt"`
	Suffix      string  `json:"suffix"`
	MaxTokens   int     `json:"max_tokens,omitempty"`
	Temperature float64 `json:"temperature"`
	Stream      bool    `json:"stream"`
}

func mistralBody(q *question) (any, *failure) {
	if f := fimless(q); f != nil {
		return nil, f
	}
	prefix, suffix, _ := q.req.FIM.Window()
	return mistralRequest{Model: q.frame.Model, Prompt: prefix, Suffix: suffix, MaxTokens: q.frame.MaxOutputTokens, Stream: true}, nil
}
