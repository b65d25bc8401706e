package loopback

import (
	"encoding/json"
	"strings"
	"time"
)

// itemKind is the type of an output item.
type itemKind string

const (
	message    itemKind = "message"
	refusal    itemKind = "refusal" // a message whose part is a refusal
	reasoning  itemKind = "reasoning"
	customTool itemKind = "custom_tool_call"
	function   itemKind = "function_call"
)

func (k itemKind) prefix() string {
	switch k {
	case reasoning:
		return "rs_"
	case customTool:
		return "ctc_"
	case function:
		return "fc_"
	}
	return "msg_"
}

// outputItem is one item of a response, from response.output_item.added to response.output_item.done.
type outputItem struct {
	kind   itemKind
	id     string
	name   string // of a tool
	index  int
	deltas int
	text   strings.Builder
}

// object is the item as added (status in_progress, nothing in it) or done.
func (it *outputItem) object(ascii, done bool) *object {
	status, text := "in_progress", ""
	if done {
		status, text = "completed", it.text.String()
	}
	typ := it.kind
	if typ == refusal {
		typ = message
	}
	o := newObject(ascii).str("id", it.id).str("type", string(typ)).str("status", status)
	switch it.kind {
	case message, refusal:
		o.str("role", "assistant")
		if done {
			o.raw("content", "["+string(it.part(ascii, text).bytes())+"]")
		} else {
			o.raw("content", "[]")
		}
	case reasoning:
		if done {
			o.raw("summary", "["+string(it.part(ascii, text).bytes())+"]")
		} else {
			o.raw("summary", "[]")
		}
	case customTool:
		o.str("call_id", "call_"+it.id).str("input", text).str("name", it.name)
	case function:
		o.str("arguments", text).str("call_id", "call_"+it.id).str("name", it.name)
	}
	return o
}

// part is the content part (or summary part) of an item.
func (it *outputItem) part(ascii bool, text string) *object {
	switch it.kind {
	case refusal:
		return newObject(ascii).str("type", "refusal").str("refusal", text)
	case reasoning:
		return newObject(ascii).str("type", "summary_text").str("text", text)
	}
	return newObject(ascii).str("type", "output_text").raw("annotations", "[]").raw("logprobs", "[]").str("text", text)
}

// responsesVoice speaks the Responses protocol, over a WebSocket and over SSE. With quiet set it writes no
// events and only the whole response at the end (stream:false).
type responsesVoice struct{ quiet bool }

func (v responsesVoice) created(x *Exchange) error {
	if v.quiet {
		return nil
	}
	if x.srv.opts.RateLimits && x.Transport == WebSocket {
		if err := x.out.event("codex.rate_limits", rateLimits()); err != nil {
			return err
		}
	}
	return v.lifecycle(x, "response.created", ending{status: "in_progress"})
}

func (v responsesVoice) queued(x *Exchange) error {
	if v.quiet {
		return nil
	}
	return v.lifecycle(x, "response.queued", ending{status: "queued"})
}

func (v responsesVoice) inProgress(x *Exchange) error {
	if v.quiet {
		return nil
	}
	return v.lifecycle(x, "response.in_progress", ending{status: "in_progress"})
}

func (v responsesVoice) delta(x *Exchange, kind itemKind, name, text string) error {
	if x.open == nil {
		if err := v.openItem(x, kind, name); err != nil {
			return err
		}
	}
	it := x.open
	it.deltas++
	it.text.WriteString(text)
	if v.quiet {
		return nil
	}
	if x.srv.opts.Noise && it.deltas%4 == 1 {
		if err := x.noise(); err != nil {
			return err
		}
	}
	o := newObject(x.srv.opts.EscapeASCII)
	switch kind {
	case message:
		o.str("type", "response.output_text.delta").int("content_index", 0).str("delta", text).str("item_id", it.id).raw("logprobs", "[]")
		x.obfuscate(o, text)
		o.int("output_index", it.index)
		return x.send("response.output_text.delta", o)
	case refusal:
		o.str("type", "response.refusal.delta").int("content_index", 0).str("delta", text).str("item_id", it.id).int("output_index", it.index)
		return x.send("response.refusal.delta", o)
	case reasoning:
		o.str("type", "response.reasoning_summary_text.delta").str("delta", text).str("item_id", it.id)
		x.obfuscate(o, text)
		o.int("output_index", it.index).int("summary_index", 0)
		return x.send("response.reasoning_summary_text.delta", o)
	case customTool:
		o.str("type", "response.custom_tool_call_input.delta").str("delta", text).str("item_id", it.id)
		x.obfuscate(o, text)
		o.int("output_index", it.index)
		return x.send("response.custom_tool_call_input.delta", o)
	default:
		o.str("type", "response.function_call_arguments.delta").str("delta", text).str("item_id", it.id)
		x.obfuscate(o, text)
		o.int("output_index", it.index)
		return x.send("response.function_call_arguments.delta", o)
	}
}

func (v responsesVoice) openItem(x *Exchange, kind itemKind, name string) error {
	it := &outputItem{kind: kind, name: name, id: x.srv.newID(kind.prefix()), index: len(x.items)}
	x.open = it
	if v.quiet {
		return nil
	}
	ascii := x.srv.opts.EscapeASCII
	o := newObject(ascii).str("type", "response.output_item.added").obj("item", it.object(ascii, false)).int("output_index", it.index)
	if err := x.send("response.output_item.added", o); err != nil {
		return err
	}
	switch kind {
	case message, refusal:
		return x.send("response.content_part.added", v.partEvent(x, "response.content_part.added", ""))
	case reasoning:
		return x.send("response.reasoning_summary_part.added", v.partEvent(x, "response.reasoning_summary_part.added", ""))
	}
	return nil
}

func (v responsesVoice) partEvent(x *Exchange, kind, text string) *object {
	it, ascii := x.open, x.srv.opts.EscapeASCII
	o := newObject(ascii).str("type", kind)
	if it.kind != reasoning {
		o.int("content_index", 0)
	}
	o.str("item_id", it.id).int("output_index", it.index).obj("part", it.part(ascii, text))
	if it.kind == reasoning {
		o.int("summary_index", 0)
	}
	return o
}

func (v responsesVoice) closeItem(x *Exchange) error {
	it := x.open
	defer func() { x.items, x.open = append(x.items, it), nil }()
	if v.quiet {
		return nil
	}
	ascii, text := x.srv.opts.EscapeASCII, it.text.String()
	var events []*object
	var kinds []string
	add := func(kind string, o *object) { kinds, events = append(kinds, kind), append(events, o) }
	switch it.kind {
	case message:
		add("response.output_text.done", newObject(ascii).str("type", "response.output_text.done").int("content_index", 0).
			str("item_id", it.id).raw("logprobs", "[]").int("output_index", it.index).str("text", text))
		add("response.content_part.done", v.partEvent(x, "response.content_part.done", text))
	case refusal:
		add("response.refusal.done", newObject(ascii).str("type", "response.refusal.done").int("content_index", 0).
			str("item_id", it.id).int("output_index", it.index).str("refusal", text))
		add("response.content_part.done", v.partEvent(x, "response.content_part.done", text))
	case reasoning:
		add("response.reasoning_summary_text.done", newObject(ascii).str("type", "response.reasoning_summary_text.done").
			str("item_id", it.id).int("output_index", it.index).int("summary_index", 0).str("text", text))
		add("response.reasoning_summary_part.done", v.partEvent(x, "response.reasoning_summary_part.done", text))
	case customTool:
		add("response.custom_tool_call_input.done", newObject(ascii).str("type", "response.custom_tool_call_input.done").
			str("input", text).str("item_id", it.id).int("output_index", it.index))
	case function:
		add("response.function_call_arguments.done", newObject(ascii).str("type", "response.function_call_arguments.done").
			str("arguments", text).str("item_id", it.id).str("name", it.name).int("output_index", it.index))
	}
	add("response.output_item.done", newObject(ascii).str("type", "response.output_item.done").
		obj("item", it.object(ascii, true)).int("output_index", it.index))
	for i, o := range events {
		if err := x.send(kinds[i], o); err != nil {
			return err
		}
	}
	return nil
}

func (v responsesVoice) end(x *Exchange, e ending) error {
	if v.quiet {
		body := x.response(e, true).bytes()
		return x.out.whole(200, map[string]string{"x-request-id": x.ID}, "application/json", body)
	}
	if x.srv.opts.Timing && x.Transport == WebSocket {
		if err := x.out.event("responsesapi.websocket_timing", x.timing()); err != nil {
			return err
		}
	}
	if err := v.lifecycle(x, "response."+e.status, e); err != nil {
		return err
	}
	if x.Transport == SSE && x.srv.opts.SSEDone {
		return x.out.raw([]byte("data: [DONE]\n\n"))
	}
	return nil
}

func (v responsesVoice) fail(x *Exchange, f *Failure) error {
	ascii := x.srv.opts.EscapeASCII
	if x.Transport == WebSocket {
		return x.out.event("error", f.frame(ascii, x.StreamID))
	}
	if !x.out.started() {
		return refuse(x.out, f)
	}
	// Amid an event stream the error is flat, unlike on a WebSocket.
	o := newObject(ascii).str("type", "error")
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
	return x.send("error", o)
}

// lifecycle writes an event that carries the whole response object.
func (v responsesVoice) lifecycle(x *Exchange, kind string, e ending) error {
	fill := x.srv.opts.FillOutput && (e.status == "completed" || e.status == "incomplete")
	o := newObject(x.srv.opts.EscapeASCII).str("type", kind).obj("response", x.response(e, fill))
	return x.send(kind, o)
}

// frame is the WebSocket's error event, which nests what SSE has flat.
func (f *Failure) frame(ascii bool, lane string) []byte {
	o := newObject(ascii).str("type", "error")
	if f.Status != 0 {
		key := "status"
		if f.StatusCode {
			key = "status_code"
		}
		o.int(key, f.Status)
	}
	if lane != "" {
		o.str("stream_id", lane)
	}
	inner := f.object(ascii)
	if len(f.Headers) > 0 && !f.TopHeaders {
		inner.any("headers", f.Headers)
	}
	o.obj("error", inner)
	if len(f.Headers) > 0 && f.TopHeaders {
		o.any("headers", f.Headers)
	}
	return o.bytes()
}

// send closes an event with its sequence number and the lane's name, and writes it.
func (x *Exchange) send(kind string, o *object) error {
	frame := x.seal(o)
	x.last = sentEvent{kind, frame}
	return x.out.event(kind, frame)
}

func (x *Exchange) seal(o *object) []byte {
	o.int("sequence_number", x.seq)
	x.seq++
	if x.StreamID != "" {
		o.str("stream_id", x.StreamID)
	}
	opts := &x.srv.opts
	if opts.Noise {
		o.bool("safety_buffering", false).any("x_future", map[string]any{"type": "response.completed", "delta": "not this", "list": []int{1}})
	}
	frame := o.bytes()
	if opts.ShuffleKeys {
		frame = shuffleKeys(frame)
	}
	return frame
}

// frame builds an event of any kind.
func (x *Exchange) frame(kind string, fields map[string]any) []byte {
	o := newObject(x.srv.opts.EscapeASCII).str("type", kind)
	for _, k := range sortedKeys(fields) {
		o.any(k, fields[k])
	}
	return x.seal(o)
}

// noise writes what a client must pass over: types it has never heard of, with and without a number.
func (x *Exchange) noise() error {
	if x.Dialect != Responses {
		return nil
	}
	for _, e := range []struct{ kind, frame string }{
		{"keepalive", `{"type":"keepalive"}`},
		{"codex.mystery", `{"type":"codex.mystery","delta":"not this","response":{"id":"resp_other","status":"completed"}}`},
	} {
		if err := x.out.event(e.kind, []byte(e.frame)); err != nil {
			return err
		}
	}
	return x.send("response.future_item.delta", newObject(false).str("type", "response.future_item.delta").str("delta", "not this"))
}

// obfuscate pads a delta so that its length on the wire tells nothing, unless the request declines.
func (x *Exchange) obfuscate(o *object, text string) {
	if so := x.create.StreamOptions; so != nil && so.IncludeObfuscation != nil && !*so.IncludeObfuscation {
		return
	}
	o.str("obfuscation", randomLetters(16-len(text)%16))
}

// response is the response object of lifecycle events: mostly an echo of the request's settings.
func (x *Exchange) response(e ending, fill bool) *object {
	r, opts := x.create, &x.srv.opts
	terminal := e.status == "completed" || e.status == "incomplete" || e.status == "failed"
	o := newObject(opts.EscapeASCII).str("id", x.ID).str("object", "response").int("created_at", int(x.arrived.Unix())).
		str("status", e.status).bool("background", false)
	if e.status == "completed" {
		o.int("completed_at", int(time.Now().Unix()))
	} else {
		o.raw("completed_at", "null")
	}
	if e.fault != nil {
		o.obj("error", newObject(opts.EscapeASCII).str("code", e.fault.Code).str("message", e.fault.Message))
	} else {
		o.raw("error", "null")
	}
	if e.reason != "" {
		o.obj("incomplete_details", newObject(opts.EscapeASCII).str("reason", e.reason))
	} else {
		o.raw("incomplete_details", "null")
	}
	o.raw("instructions", orJSON(r.Instructions, "null"))
	if x.MaxOutputTokens > 0 {
		o.int("max_output_tokens", x.MaxOutputTokens)
	} else {
		o.raw("max_output_tokens", "null")
	}
	o.str("model", x.servedModel())
	if fill {
		var b strings.Builder
		b.WriteByte('[')
		for i, it := range x.items {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(it.object(opts.EscapeASCII, true).bytes())
		}
		b.WriteByte(']')
		o.raw("output", b.String())
	} else {
		o.raw("output", "[]")
	}
	o.raw("parallel_tool_calls", orJSON(r.ParallelToolCalls, "true"))
	if x.PreviousResponseID != "" {
		o.str("previous_response_id", x.PreviousResponseID)
	} else {
		o.raw("previous_response_id", "null")
	}
	o.raw("prompt_cache_key", orJSON(r.PromptCacheKey, "null")).
		raw("reasoning", orJSON(r.Reasoning, `{"effort":"medium","summary":null}`))
	if terminal {
		o.str("service_tier", x.servedTier())
	} else {
		o.str("service_tier", "auto") // only the terminal event tells what was served
	}
	o.bool("store", x.Store).
		raw("temperature", orJSON(r.Temperature, "1.0")).
		raw("text", orJSON(r.Text, `{"format":{"type":"text"},"verbosity":"medium"}`)).
		raw("tool_choice", orJSON(r.ToolChoice, `"auto"`)).
		raw("tools", orJSON(r.Tools, "[]")).
		raw("top_p", orJSON(r.TopP, "0.98")).
		str("truncation", "disabled")
	if terminal {
		o.obj("usage", x.spend().object())
	} else {
		o.raw("usage", "null")
	}
	o.raw("user", "null").raw("metadata", orJSON(r.Metadata, "{}"))
	if pad := opts.EchoBytes - len(o.b); pad > 0 {
		// What the service echoes beyond the settings differs by account; its size is what matters.
		o.obj("tool_usage", newObject(false).str("note", strings.Repeat("echo ", pad/5)))
	}
	return o
}

func (x *Exchange) servedModel() string {
	switch {
	case x.model != "":
		return x.model
	case x.srv.opts.ServedModel != "":
		return x.srv.opts.ServedModel
	}
	return x.Model
}

func (x *Exchange) servedTier() string {
	switch {
	case x.tier != "":
		return x.tier
	case x.srv.opts.ServedTier != "":
		return x.srv.opts.ServedTier
	case x.ServiceTier != "" && x.ServiceTier != "auto":
		return x.ServiceTier
	}
	return "default"
}

func (u Usage) object() *object {
	return newObject(false).int("input_tokens", u.Input).
		obj("input_tokens_details", newObject(false).int("cache_write_tokens", u.CacheWrite).int("cached_tokens", u.Cached)).
		int("output_tokens", u.Output).
		obj("output_tokens_details", newObject(false).int("reasoning_tokens", u.Reasoning)).
		int("total_tokens", u.Input+u.Output)
}

// rateLimits is codex.rate_limits, which comes before response.created and belongs to no lane.
func rateLimits() []byte {
	return newObject(false).str("type", "codex.rate_limits").str("plan_type", "pro").
		raw("rate_limits", `{"allowed":true,"limit_reached":false,"primary":{"used_percent":12,"window_minutes":300,"reset_after_seconds":3600,"reset_at":1786725016},"secondary":null}`).
		raw("code_review_rate_limits", "null").raw("additional_rate_limits", "null").
		raw("credits", `{"has_credits":true,"unlimited":false,"balance":"0"}`).raw("promo", "null").bytes()
}

// timing is responsesapi.websocket_timing; what this server did not measure is null, as it often is on the
// real one.
func (x *Exchange) timing() []byte {
	now := time.Now()
	first := x.firstAt
	if first.IsZero() {
		first = now
	}
	m := newObject(false).str("timing_scope", "logical_turn").str("response_id", x.ID).
		int("pre_inference_ms", int(x.progressAt.Sub(x.arrived).Milliseconds())).
		int("engine_queue_max_ms", 0).raw("engine_service_ttft_total_ms", "null").raw("engine_iapi_ttft_total_ms", "null").
		int("websocket_output_text_delta_count", x.tokens).
		int("first_sampled_message_ttft_ms", int(first.Sub(x.progressAt).Milliseconds())).
		any("total_turn_time_s", now.Sub(x.arrived).Seconds()).int("num_sampled_tokens_total", x.tokens)
	return newObject(false).str("type", "responsesapi.websocket_timing").obj("timing_metrics", m).bytes()
}

func orJSON(v json.RawMessage, otherwise string) string {
	if len(v) == 0 {
		return otherwise
	}
	return string(v)
}
