package loopback

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// plainVoice is a dialect without lifecycle events: pieces of text, an end, and nothing else. The functions
// build the dialect's objects; with stream false only whole is used.
type plainVoice struct {
	stream bool
	first  func(x *Exchange) []byte             // before the first piece, nil for none
	piece  func(x *Exchange, t string) []byte   // one piece of text
	last   func(x *Exchange, e ending) [][]byte // the end of the stream
	whole  func(x *Exchange, e ending) []byte   // everything at once
	marker bool                                 // "data: [DONE]" at the end
	refuse func(f *Failure) []byte              // body of an error, nil for the OpenAI shape
}

func (v *plainVoice) created(*Exchange) error { return nil }
func (v *plainVoice) queued(*Exchange) error  { return nil }

func (v *plainVoice) inProgress(x *Exchange) error {
	if !v.stream || v.first == nil {
		return nil
	}
	return v.emit(x, v.first(x))
}

func (v *plainVoice) delta(x *Exchange, kind itemKind, name, text string) error {
	if x.open == nil {
		x.open = &outputItem{kind: kind, name: name, index: len(x.items)}
	}
	x.open.deltas++
	x.open.text.WriteString(text)
	if !v.stream || kind == reasoning {
		return nil
	}
	return v.emit(x, v.piece(x, text))
}

func (v *plainVoice) closeItem(x *Exchange) error {
	x.items, x.open = append(x.items, x.open), nil
	return nil
}

func (v *plainVoice) end(x *Exchange, e ending) error {
	if e.fault != nil {
		return v.fail(x, e.fault)
	}
	if !v.stream {
		return x.out.whole(http.StatusOK, nil, "application/json", v.whole(x, e))
	}
	for _, frame := range v.last(x, e) {
		if err := v.emit(x, frame); err != nil {
			return err
		}
	}
	if v.marker {
		return x.out.raw([]byte("data: [DONE]\n\n"))
	}
	return nil
}

func (v *plainVoice) fail(x *Exchange, f *Failure) error {
	body := newObject(false).obj("error", f.object(false)).bytes()
	if v.refuse != nil {
		body = v.refuse(f)
	}
	if x.out.started() {
		return v.emit(x, body)
	}
	status := f.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	return x.out.whole(status, f.Headers, "application/json", body)
}

func (v *plainVoice) emit(x *Exchange, frame []byte) error {
	x.last = sentEvent{frame: frame}
	return x.out.event("", frame)
}

// finishReason is how chat and completions say why the text ends.
func (e ending) finishReason() string {
	switch e.reason {
	case "":
		return "stop"
	case "max_output_tokens":
		return "length"
	}
	return e.reason
}

// plain makes the exchange of a dialect without lanes and serves it.
func (s *Server) plain(w http.ResponseWriter, r *http.Request, x *Exchange, v *plainVoice) {
	x.create = &createRequest{Model: x.Model} // settings to echo: none
	x.voice = v
	out := &httpOutlet{contentType: "text/event-stream"}
	switch {
	case !v.stream:
		x.Transport = JSON
	case x.Dialect == Ollama:
		x.Transport = NDJSON
		out.contentType, out.lines = "application/x-ndjson", true
	default:
		x.Transport = SSE
	}
	s.exchange(w, r, x, out, nil)
}

// fimRequest is the union of the fields of the fill-in-the-middle endpoints and of chat.
type fimRequest struct {
	Model    string          `json:"model"`
	Messages json.RawMessage `json:"messages"`
	Prompt   json.RawMessage `json:"prompt"`
	Suffix   *string         `json:"suffix"`
	Stream   *bool           `json:"stream"`

	MaxTokens           int `json:"max_tokens"`
	MaxCompletionTokens int `json:"max_completion_tokens"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`

	// llama.cpp
	InputPrefix string `json:"input_prefix"`
	InputSuffix string `json:"input_suffix"`
	InputExtra  []struct {
		Filename string `json:"filename"`
		Text     string `json:"text"`
	} `json:"input_extra"`
	NPredict int `json:"n_predict"`

	// Ollama
	Options struct {
		NumPredict int `json:"num_predict"`
	} `json:"options"`
}

func (r *fimRequest) streams(otherwise bool) bool {
	if r.Stream == nil {
		return otherwise
	}
	return *r.Stream
}

// exchangeFIM begins an exchange from what all of them share.
func (s *Server) exchangeFIM(d Dialect, idPrefix string, r *fimRequest, raw []byte) *Exchange {
	x := s.blankExchange(raw)
	x.Dialect, x.ID, x.Model = d, s.newID(idPrefix), r.Model
	x.Prefix, _ = inputText(r.Prompt)
	if r.Suffix != nil {
		x.Suffix = *r.Suffix
	}
	x.Input = x.Prefix
	x.MaxOutputTokens = max(r.MaxTokens, r.MaxCompletionTokens, r.NPredict, r.Options.NumPredict, 0)
	return x
}

// postChat is POST /v1/chat/completions.
func (s *Server) postChat(w http.ResponseWriter, r *http.Request) {
	var req fimRequest
	raw, ok := s.readBody(w, r, &req)
	if !ok {
		return
	}
	text, err := inputText(req.Messages)
	if req.Model == "" || len(req.Messages) == 0 || err != nil {
		s.refused(w, badRequest("missing_required_parameter", "messages", "A chat completion needs 'model' and 'messages'."))
		return
	}
	x := s.exchangeFIM(Chat, "chatcmpl-", &req, raw)
	x.Input, x.Prefix = text, ""
	s.plain(w, r, x, chatVoice(&req, "chat.completion", req.streams(false)))
}

// postMistral is POST /v1/fim/completions, whose answers are shaped like chat.
func (s *Server) postMistral(w http.ResponseWriter, r *http.Request) {
	var req fimRequest
	raw, ok := s.readBody(w, r, &req)
	if !ok {
		return
	}
	if req.Model == "" || len(req.Prompt) == 0 {
		s.refused(w, &Failure{Status: 422, Type: "invalid_request_error", Message: "Field required: model, prompt"})
		return
	}
	x := s.exchangeFIM(Mistral, "cmpl-", &req, raw)
	req.StreamOptions.IncludeUsage = true // Mistral always says
	s.plain(w, r, x, chatVoice(&req, "chat.completion", req.streams(false)))
}

func chatVoice(req *fimRequest, kind string, stream bool) *plainVoice {
	chunk := func(x *Exchange, delta *object, reason string) *object {
		choice := newObject(false).int("index", 0).obj("delta", delta)
		if reason == "" {
			choice.raw("finish_reason", "null")
		} else {
			choice.str("finish_reason", reason)
		}
		return x.chatObject(kind+".chunk").raw("choices", "["+string(choice.bytes())+"]")
	}
	return &plainVoice{
		stream: stream, marker: true,
		first: func(x *Exchange) []byte {
			return chunk(x, newObject(false).str("role", "assistant").str("content", ""), "").bytes()
		},
		piece: func(x *Exchange, t string) []byte {
			return chunk(x, newObject(x.srv.opts.EscapeASCII).str("content", t), "").bytes()
		},
		last: func(x *Exchange, e ending) [][]byte {
			final := chunk(x, newObject(false), e.finishReason())
			if !req.StreamOptions.IncludeUsage {
				return [][]byte{final.bytes()}
			}
			if x.Dialect == Mistral {
				return [][]byte{final.obj("usage", x.spend().chatObject()).bytes()}
			}
			return [][]byte{final.bytes(), x.chatObject(kind+".chunk").raw("choices", "[]").obj("usage", x.spend().chatObject()).bytes()}
		},
		whole: func(x *Exchange, e ending) []byte {
			msg := newObject(false).str("role", "assistant").str("content", x.answer.String())
			choice := newObject(false).int("index", 0).obj("message", msg).str("finish_reason", e.finishReason())
			return x.chatObject(kind).raw("choices", "["+string(choice.bytes())+"]").obj("usage", x.spend().chatObject()).bytes()
		},
	}
}

func (x *Exchange) chatObject(kind string) *object {
	return newObject(x.srv.opts.EscapeASCII).str("id", x.ID).str("object", kind).int("created", int(x.arrived.Unix())).str("model", x.servedModel())
}

func (u Usage) chatObject() *object {
	return newObject(false).int("prompt_tokens", u.Input).int("completion_tokens", u.Output).int("total_tokens", u.Input+u.Output).
		obj("prompt_tokens_details", newObject(false).int("cached_tokens", u.Cached))
}

// postCompletions is POST /v1/completions: vLLM, SGLang and others, with raw fill-in-the-middle tokens in the
// prompt or with a suffix.
func (s *Server) postCompletions(w http.ResponseWriter, r *http.Request) {
	s.completions(w, r, Completions)
}

// postDeepSeek is POST /beta/completions.
func (s *Server) postDeepSeek(w http.ResponseWriter, r *http.Request) { s.completions(w, r, DeepSeek) }

func (s *Server) completions(w http.ResponseWriter, r *http.Request, d Dialect) {
	var req fimRequest
	raw, ok := s.readBody(w, r, &req)
	if !ok {
		return
	}
	switch {
	case req.Model == "" || len(req.Prompt) == 0:
		s.refused(w, badRequest("missing_required_parameter", "prompt", "A completion needs 'model' and 'prompt'."))
		return
	case req.Suffix != nil && s.opts.RejectSuffix && d == Completions:
		s.refused(w, &Failure{Status: 400, Type: "BadRequestError", Message: "suffix is not currently supported"})
		return
	}
	choice := func(text, reason string) string {
		c := newObject(s.opts.EscapeASCII).int("index", 0).str("text", text).raw("logprobs", "null")
		if reason == "" {
			c.raw("finish_reason", "null")
		} else {
			c.str("finish_reason", reason)
		}
		return "[" + string(c.bytes()) + "]"
	}
	s.plain(w, r, s.exchangeFIM(d, "cmpl-", &req, raw), &plainVoice{
		stream: req.streams(false), marker: true,
		piece: func(x *Exchange, t string) []byte {
			return x.chatObject("text_completion").raw("choices", choice(t, "")).bytes()
		},
		last: func(x *Exchange, e ending) [][]byte {
			frames := [][]byte{x.chatObject("text_completion").raw("choices", choice("", e.finishReason())).bytes()}
			if req.StreamOptions.IncludeUsage {
				frames = append(frames, x.chatObject("text_completion").raw("choices", "[]").obj("usage", x.spend().chatObject()).bytes())
			}
			return frames
		},
		whole: func(x *Exchange, e ending) []byte {
			return x.chatObject("text_completion").raw("choices", choice(x.answer.String(), e.finishReason())).
				obj("usage", x.spend().chatObject()).bytes()
		},
	})
}

// postInfill is llama.cpp's POST /infill.
func (s *Server) postInfill(w http.ResponseWriter, r *http.Request) {
	var req fimRequest
	raw, ok := s.readBody(w, r, &req)
	if !ok {
		return
	}
	x := s.exchangeFIM(Infill, "infill-", &req, raw)
	after, _ := inputText(req.Prompt) // text after the mid token
	x.Prefix, x.Suffix = req.InputPrefix+after, req.InputSuffix
	var b strings.Builder
	for _, extra := range req.InputExtra {
		appendLine(&b, extra.Text)
	}
	appendLine(&b, x.Prefix)
	x.Input = b.String()
	last := func(x *Exchange, e ending, text string) []byte {
		u := x.spend()
		stop := "eos"
		if e.reason == "max_output_tokens" {
			stop = "limit"
		}
		return newObject(s.opts.EscapeASCII).str("content", text).raw("tokens", "[]").bool("stop", true).str("stop_type", stop).
			str("stopping_word", "").int("tokens_predicted", u.Output).int("tokens_evaluated", u.Input).int("tokens_cached", u.Cached).
			bool("truncated", false).obj("timings", newObject(false).int("predicted_n", u.Output).any("predicted_ms", x.sinceFirst().Seconds()*1000)).bytes()
	}
	s.plain(w, r, x, &plainVoice{
		stream: req.streams(false),
		piece: func(x *Exchange, t string) []byte {
			return newObject(s.opts.EscapeASCII).str("content", t).raw("tokens", "[]").bool("stop", false).bytes()
		},
		last:  func(x *Exchange, e ending) [][]byte { return [][]byte{last(x, e, "")} },
		whole: func(x *Exchange, e ending) []byte { return last(x, e, x.answer.String()) },
		refuse: func(f *Failure) []byte {
			return newObject(false).obj("error", newObject(false).int("code", f.Status).str("message", f.Message).str("type", f.kind())).bytes()
		},
	})
}

// sinceFirst runs with mu held.
func (x *Exchange) sinceFirst() time.Duration {
	if x.firstAt.IsZero() {
		return 0
	}
	return time.Since(x.firstAt)
}

// postOllama is Ollama's POST /api/generate, which streams lines unless told otherwise.
func (s *Server) postOllama(w http.ResponseWriter, r *http.Request) {
	var req fimRequest
	raw, ok := s.readBody(w, r, &req)
	if !ok {
		return
	}
	fault := func(f *Failure) []byte { return newObject(false).str("error", f.Message).bytes() }
	if req.Model == "" {
		s.note(func(st *Stats) { st.Refused++ })
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(fault(&Failure{Message: "model is required"}))
		return
	}
	line := func(x *Exchange, text string, done bool) *object {
		return newObject(s.opts.EscapeASCII).str("model", x.servedModel()).str("created_at", time.Now().UTC().Format(time.RFC3339Nano)).
			str("response", text).bool("done", done)
	}
	last := func(x *Exchange, e ending, text string) []byte {
		u := x.spend()
		return line(x, text, true).str("done_reason", e.finishReason()).
			int("total_duration", int(time.Since(x.arrived))).int("load_duration", 0).
			int("prompt_eval_count", u.Input).int("prompt_eval_duration", int(x.progressAt.Sub(x.arrived))).
			int("eval_count", u.Output).int("eval_duration", int(x.sinceFirst())).bytes()
	}
	s.plain(w, r, s.exchangeFIM(Ollama, "ollama-", &req, raw), &plainVoice{
		stream: req.streams(true),
		piece:  func(x *Exchange, t string) []byte { return line(x, t, false).bytes() },
		last:   func(x *Exchange, e ending) [][]byte { return [][]byte{last(x, e, "")} },
		whole:  func(x *Exchange, e ending) []byte { return last(x, e, x.answer.String()) },
		refuse: fault,
	})
}

func (s *Server) models() []string {
	if s.opts.Models == nil {
		return []string{"loopback"}
	}
	return s.opts.Models
}

func (s *Server) getModels(w http.ResponseWriter, _ *http.Request) {
	data := []any{}
	for _, m := range s.models() {
		data = append(data, map[string]any{"id": m, "object": "model", "created": 0, "owned_by": "loopback"})
	}
	writeJSON(w, map[string]any{"object": "list", "data": data})
}

func (s *Server) getTags(w http.ResponseWriter, _ *http.Request) {
	models := []any{}
	for _, m := range s.models() {
		models = append(models, map[string]any{"name": m, "model": m, "modified_at": "2026-01-01T00:00:00Z", "size": 0, "digest": "",
			"details": map[string]any{"format": "gguf", "family": "loopback", "parameter_size": "0B", "quantization_level": "F16"}})
	}
	writeJSON(w, map[string]any{"models": models})
}

func (s *Server) getVersion(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"version": "0.17.4"})
}

func (s *Server) getHealth(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"status": "ok"})
}

func (s *Server) getProps(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"total_slots": 1, "model_path": s.models()[0], "chat_template": "",
		"default_generation_settings": map[string]any{"n_ctx": 32768}, "build_info": "loopback"})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
