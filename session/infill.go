package session

import "encoding/json"

// infillRequest is llama.cpp's POST /infill; the server puts the model's own tokens in.
type infillRequest struct {
	Prefix      string        `json:"input_prefix"`
	Suffix      string        `json:"input_suffix"`
	Extra       []infillExtra `json:"input_extra"`
	Prompt      string        `json:"prompt"`
	NPredict    int           `json:"n_predict,omitempty"`
	Stream      bool          `json:"stream"`
	Temperature float64       `json:"temperature"`
	CachePrompt bool          `json:"cache_prompt"`
}

type infillExtra struct {
	Filename string `json:"filename"`
	Text     string `json:"text"`
}

func infillBody(q *question) (any, *failure) {
	if f := fimless(q); f != nil {
		return nil, f
	}
	prefix, suffix, extra := q.req.FIM.Window()
	b := infillRequest{Prefix: prefix, Suffix: suffix, Extra: []infillExtra{}, NPredict: q.frame.MaxOutputTokens, Stream: true, CachePrompt: true}
	for _, f := range extra {
		b.Extra = append(b.Extra, infillExtra{f.Path, f.Text})
	}
	return b, nil
}

func infillReader(r *response) func([]byte) (Served, bool) {
	return func(data []byte) (Served, bool) {
		if data == nil {
			return Served{}, false
		}
		var e struct {
			Content   string     `json:"content"`
			Stop      bool       `json:"stop"`
			StopType  string     `json:"stop_type"`
			Model     string     `json:"model"`
			Cached    int        `json:"tokens_cached"`
			Evaluated int        `json:"tokens_evaluated"`
			Predicted int        `json:"tokens_predicted"`
			Error     *wireError `json:"error"`
		}
		if json.Unmarshal(data, &e) != nil {
			r.touch()
			return Served{}, false
		}
		if e.Error != nil {
			r.fail(classify(0, *e.Error, nil))
			return Served{}, true
		}
		r.begin("")
		over := e.Content != "" && !r.push(e.Content, -1)
		r.touch()
		if !e.Stop || over {
			return Served{}, over
		}
		ev := Event{Reason: Complete, Model: e.Model, Usage: Usage{Input: e.Evaluated, Cached: min(e.Cached, e.Evaluated), Output: e.Predicted}}
		if e.StopType == "limit" {
			ev.Reason = Truncated
		}
		r.complete(ev)
		return Served{Model: e.Model, Usage: ev.Usage}, true
	}
}
