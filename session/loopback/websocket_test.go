package loopback

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func kinds(all []event) []string {
	var out []string
	for _, e := range all {
		out = append(out, e.kind())
	}
	return out
}

func TestEventOrderAndSequence(t *testing.T) {
	s := start(t, Options{Respond: Manual, RateLimits: true, Timing: true})
	w := dial(t, s)
	w.create(`"input":"hi","service_tier":"ultrafast"`)
	x := exchange(t, s)
	if x.Input != "hi" || x.Transport != WebSocket || x.ServiceTier != "ultrafast" || x.Conn != 1 || x.Store || !x.Generate || x.Model != "m" {
		t.Errorf("exchange: %+v", x)
	}
	ok(t, x.Queued())
	ok(t, x.Reasoning("hm"))
	ok(t, x.Delta("a"))
	ok(t, x.Delta("b"))
	ok(t, x.ToolDelta("edit", "x"))
	ok(t, x.FunctionDelta("f", "{}"))
	ok(t, x.Refusal("no"))
	ok(t, x.Done())
	all := w.through()
	want := []string{
		"codex.rate_limits", "response.created", "response.queued", "response.in_progress",
		"response.output_item.added", "response.reasoning_summary_part.added", "response.reasoning_summary_text.delta",
		"response.reasoning_summary_text.done", "response.reasoning_summary_part.done", "response.output_item.done",
		"response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.delta",
		"response.output_text.done", "response.content_part.done", "response.output_item.done",
		"response.output_item.added", "response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "response.output_item.done",
		"response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done",
		"response.output_item.added", "response.content_part.added", "response.refusal.delta", "response.refusal.done", "response.content_part.done", "response.output_item.done",
		"responsesapi.websocket_timing", "response.completed",
	}
	if got := strings.Join(kinds(all), "\n"); got != strings.Join(want, "\n") {
		t.Fatalf("order:\n%s", got)
	}
	seq, index := 0, -1
	for _, e := range all {
		if !strings.HasPrefix(e.kind(), "response.") {
			if _, ok := e["sequence_number"]; ok {
				t.Errorf("%s has a sequence number", e.kind())
			}
			continue
		}
		if e["sequence_number"] != float64(seq) {
			t.Errorf("%s: sequence_number %v, want %d", e.kind(), e["sequence_number"], seq)
		}
		seq++
		if e.kind() == "response.output_item.added" {
			index++
		}
		if i, ok := e["output_index"]; ok && i != float64(index) {
			t.Errorf("%s: output_index %v, want %d", e.kind(), i, index)
		}
		if _, ok := e["stream_id"]; ok {
			t.Errorf("%s: the unnamed lane has a stream_id", e.kind())
		}
	}
	if got := all[31].str("timing_metrics", "response_id"); got != x.ID {
		t.Errorf("timing of %q, want %q", got, x.ID)
	}
	// The next response counts from 0 again.
	w.create(`"input":"again"`)
	ok(t, exchange(t, s).Done())
	if e := w.through()[1]; e["sequence_number"] != 0.0 {
		t.Errorf("second response begins with %v", e)
	}
}

func TestLifecycleEventsEcho(t *testing.T) {
	for _, fill := range []bool{false, true} {
		s := start(t, Options{Respond: Answer{Text: "hello"}.Respond, FillOutput: fill})
		w := dial(t, s)
		w.create(`"input":"hi","service_tier":"ultrafast","tools":[{"type":"custom","name":"edit"}],"instructions":"be <brief>","stream":true,"client_metadata":{"a":"b"},"no_such_field":[1]`)
		all := w.through()
		created, last := all[0], all[len(all)-1]
		for _, e := range []event{created, all[1], last} {
			if got := e.str("response", "instructions"); got != "be <brief>" {
				t.Errorf("%s echoes instructions %q", e.kind(), got)
			}
			if tools, _ := e.at("response", "tools").([]any); len(tools) != 1 {
				t.Errorf("%s echoes tools %v", e.kind(), tools)
			}
			if n := len(must(json.Marshal(e))); n < 2000 {
				t.Errorf("%s is %d bytes, want kilobytes", e.kind(), n)
			}
			if got := e.str("response", "status"); got != "in_progress" && e.kind() != "response.completed" {
				t.Errorf("%s: status %q", e.kind(), got)
			}
		}
		if got := created.str("response", "service_tier"); got != "auto" {
			t.Errorf("created says tier %q", got)
		}
		if got := last.str("response", "service_tier"); got != "ultrafast" {
			t.Errorf("completed says tier %q", got)
		}
		if created.at("response", "usage") != nil || last.at("response", "usage", "output_tokens") != 1.0 {
			t.Errorf("usage: %v, then %v", created.at("response", "usage"), last.at("response", "usage"))
		}
		output, _ := last.at("response", "output").([]any)
		if fill != (len(output) == 1) {
			t.Errorf("filled %v: output %v", fill, output)
		}
	}
}

func TestServedTierAndModel(t *testing.T) {
	s := start(t, Options{Respond: Manual, ServedTier: "default"})
	w := dial(t, s)
	w.create(`"service_tier":"ultrafast"`)
	x := exchange(t, s)
	ok(t, x.Complete(Usage{Input: 10, Cached: 7, CacheWrite: 1, Output: 3, Reasoning: 2}))
	_, last := w.answer()
	if got := last.str("response", "service_tier"); got != "default" {
		t.Errorf("tier %q", got)
	}
	for path, want := range map[string]float64{"input_tokens": 10, "output_tokens": 3, "total_tokens": 13} {
		if got := last.at("response", "usage", path); got != want {
			t.Errorf("%s %v, want %v", path, got, want)
		}
	}
	if got := last.at("response", "usage", "input_tokens_details", "cached_tokens"); got != 7.0 {
		t.Errorf("cached %v", got)
	}
	w.create(`"service_tier":"ultrafast"`)
	x = exchange(t, s)
	x.Serve("m-2", "fast")
	ok(t, x.Done())
	if _, last := w.answer(); last.str("response", "service_tier") != "fast" || last.str("response", "model") != "m-2" {
		t.Errorf("served %v", last)
	}
}

func TestObfuscation(t *testing.T) {
	s := start(t, Options{Respond: Answer{Text: "hello"}.Respond})
	w := dial(t, s)
	for fields, want := range map[string]bool{``: true, `"stream_options":{"include_obfuscation":true}`: true, `"stream_options":{"include_obfuscation":false}`: false} {
		w.create(fields)
		for _, e := range w.through() {
			if e.kind() == "response.output_text.delta" && (e.str("obfuscation") != "") != want {
				t.Errorf("%s: %v", fields, e)
			}
		}
	}
}

func TestWarmUp(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	w := dial(t, s)
	w.create(`"generate":false,"stream_id":"base","input":[{"type":"message","role":"developer","content":[{"type":"input_text","text":"rules"}]}]`)
	all := w.through()
	if got := fmt.Sprint(kinds(all)); got != "[response.created response.in_progress response.completed]" {
		t.Errorf("events %v", got)
	}
	last := all[2]
	if out, _ := last.at("response", "output").([]any); len(out) != 0 || last.at("response", "usage", "output_tokens") != 0.0 {
		t.Errorf("a warm-up has output: %v", last)
	}
	base := last.str("response", "id")
	ok(t, s.WaitWarm(within(t), 1))
	// prompt_cache_options.prewarm is a warm-up too.
	w.create(`"prompt_cache_options":{"prewarm":true}`)
	w.answer()
	ok(t, s.WaitWarm(within(t), 2))
	if n := s.Stats().Exchanges; n != 0 {
		t.Errorf("%d exchanges generate, want none", n)
	}
	// Many forks of one base, one after the other and at once.
	for i := range 3 {
		w.create(fmt.Sprintf(`"stream_id":"edit-%d","previous_response_id":%q,"input":"question %d"`, i, base, i))
	}
	for range 3 {
		x := exchange(t, s)
		want := "rules\n" + x.Input
		if x.FullInput() != want || !strings.HasPrefix(x.Input, "question") {
			t.Errorf("full input %q, want %q", x.FullInput(), want)
		}
		ok(t, x.Done())
	}
	for range 3 {
		w.answer2(t)
	}
}

// answer2 reads to the next terminal event of any lane.
func (w *wire) answer2(t *testing.T) event {
	t.Helper()
	for {
		if e := w.next(); e.terminal() {
			if e.kind() != "response.completed" {
				t.Fatalf("ended in %v", e)
			}
			return e
		}
	}
}

func TestContinuationCarriesOutputNotInstructions(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	w := dial(t, s)
	w.create(`"input":"one","instructions":"be brief"`)
	x := exchange(t, s)
	ok(t, x.Text("1\n"))
	ok(t, x.Done())
	_, last := w.answer()
	w.create(`"input":"two","previous_response_id":"` + last.str("response", "id") + `"`)
	x = exchange(t, s)
	if x.FullInput() != "one\n1\ntwo" || x.Instructions != "" || x.PreviousResponseID == "" {
		t.Errorf("full input %q, instructions %q", x.FullInput(), x.Instructions)
	}
	ok(t, x.Done())
	if _, last := w.answer(); last.at("response", "usage", "input_tokens_details", "cached_tokens") == 0.0 {
		t.Error("nothing is cached in a continuation")
	}
}

func TestUnknownPreviousResponse(t *testing.T) {
	s := start(t, Options{})
	w := dial(t, s)
	w.create(`"previous_response_id":"resp_abc"`)
	e := w.wantError("previous_response_not_found")
	want := map[string]any{"type": "error", "status": 400.0, "error": map[string]any{
		"type": "invalid_request_error", "code": "previous_response_not_found",
		"message": "Previous response with id 'resp_abc' not found.", "param": "previous_response_id"}}
	if got, want := string(must(json.Marshal(e))), string(must(json.Marshal(want))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.create(`"stream_id":"edit-7","previous_response_id":"resp_abc"`)
	if e := w.wantError("previous_response_not_found"); e.str("stream_id") != "edit-7" {
		t.Errorf("the error of a named lane: %v", e)
	}
	// The socket lives on, and full input goes through.
	w.create(`"input":"everything"`)
	w.answer()
}

func TestLaneKeepsOnlyItsLatest(t *testing.T) {
	s := start(t, Options{})
	w := dial(t, s)
	first := w.warm("base", "1")
	second := w.warm("base", "2") // a new chain on the lane
	w.create(`"stream_id":"a","previous_response_id":"` + first + `"`)
	w.wantError("previous_response_not_found")
	w.create(`"stream_id":"a","previous_response_id":"` + second + `"`)
	w.answer()
	// Another connection knows neither.
	o := dial(t, s)
	o.create(`"previous_response_id":"` + second + `"`)
	o.wantError("previous_response_not_found")
}

func TestStoredResponsesOutliveTheLane(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	w := dial(t, s)
	w.send(`{"type":"response.create","model":"m","input":"kept"}`) // store is true by default
	x := exchange(t, s)
	ok(t, x.Done())
	_, last := w.answer()
	id := last.str("response", "id")
	w.warm("", "over it")
	o := dial(t, s)
	o.create(`"previous_response_id":"` + id + `","input":"more"`)
	x = exchange(t, s)
	if x.FullInput() != "kept\nmore" {
		t.Errorf("full input %q", x.FullInput())
	}
	ok(t, x.Done())
	o.answer()
}

func TestSameLaneFailureEvicts(t *testing.T) {
	for _, how := range []Fault{Error500, Error429, FailedMid, ErrorMid} {
		t.Run(string(how), func(t *testing.T) {
			s := start(t, Options{Respond: Answer{Text: "hello you", Fault: how}.Respond})
			w := dial(t, s)
			base := w.warm("base", "rules")
			// A failed fork on another lane keeps the base,
			w.create(`"stream_id":"edit","previous_response_id":"` + base + `"`)
			w.through()
			if got := s.Conns()[0].Latest("base"); got != base {
				t.Errorf("after a failed fork the base lane has %q, want %q", got, base)
			}
			// a failed continuation on its own lane evicts it.
			w.create(`"stream_id":"base","previous_response_id":"` + base + `"`)
			all := w.through()
			w.create(`"stream_id":"edit","previous_response_id":"` + base + `"`)
			w.wantError("previous_response_not_found")
			// and what failed cannot be continued from.
			if id := all[0].str("response", "id"); id != "" {
				w.create(`"stream_id":"base","previous_response_id":"` + id + `"`)
				w.wantError("previous_response_not_found")
			}
		})
	}
}

func TestFailureOfANewChainKeepsTheLatest(t *testing.T) {
	s := start(t, Options{Respond: Answer{Fault: Error500}.Respond})
	w := dial(t, s)
	base := w.warm("base", "rules")
	w.create(`"stream_id":"base"`)
	w.through()
	if got := s.Conns()[0].Latest("base"); got != base {
		t.Errorf("the lane has %q, want %q", got, base)
	}
}

// The fork race: with store:false the source lane's next create takes the base away from a fork that has not
// had its response.in_progress.
func TestForkRace(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	w := dial(t, s)
	base := w.warm("base", "rules")
	w.create(`"stream_id":"late","previous_response_id":"` + base + `"`)
	late := exchange(t, s)
	w.create(`"stream_id":"early","previous_response_id":"` + base + `"`)
	early := exchange(t, s)
	ok(t, early.InProgress())
	w.create(`"stream_id":"base","previous_response_id":"` + base + `"`)
	source := exchange(t, s)
	if err := late.Delta("x"); err == nil {
		t.Error("the late fork went on although its source had")
	}
	ok(t, early.Delta("x"))
	ok(t, early.Done())
	ok(t, source.Done())
	ends := map[string]event{}
	for range 3 {
		for {
			if e := w.next(); e.terminal() {
				ends[e.str("stream_id")] = e
				break
			}
		}
	}
	if ends["late"].str("error", "code") != "previous_response_not_found" || ends["early"].kind() != "response.completed" || ends["base"].kind() != "response.completed" {
		t.Errorf("ends: %v", ends)
	}
}

func TestEvictOnDemand(t *testing.T) {
	s := start(t, Options{})
	w := dial(t, s)
	base := w.warm("base", "rules")
	s.Conns()[0].Evict(base)
	w.create(`"stream_id":"a","previous_response_id":"` + base + `"`)
	w.wantError("previous_response_not_found")
	base = w.warm("base", "rules")
	s.Conns()[0].Evict("")
	w.create(`"stream_id":"a","previous_response_id":"` + base + `"`)
	w.wantError("previous_response_not_found")
}

func TestLanesRunConcurrentlyAndAreFIFO(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	w := dial(t, s)
	w.create(`"stream_id":"a","input":"a1"`)
	w.create(`"stream_id":"a","input":"a2"`)
	w.create(`"stream_id":"b","input":"b1"`)
	a1, b1 := exchange(t, s), exchange(t, s)
	if a1.Input != "a1" || b1.Input != "b1" {
		t.Fatalf("begun: %q, %q", a1.Input, b1.Input)
	}
	waitFor(t, s, func(st Stats) bool { return st.Queued == 1 && st.InFlight == 2 })
	ok(t, b1.Delta("b"))
	ok(t, a1.Delta("a"))
	ok(t, b1.Done())
	ok(t, a1.Done())
	a2 := exchange(t, s)
	if a2.Input != "a2" {
		t.Fatalf("then %q", a2.Input)
	}
	ok(t, a2.Done())
	seen := map[string]int{}
	for range 3 {
		e := w.answer2(t)
		seen[e.str("stream_id")]++
	}
	if seen["a"] != 2 || seen["b"] != 1 {
		t.Errorf("terminals by lane: %v", seen)
	}
}

func TestNamedLaneLabelsEverything(t *testing.T) {
	s := start(t, Options{Respond: Answer{Text: "hello"}.Respond, RateLimits: true, Timing: true})
	w := dial(t, s)
	w.create(`"stream_id":"edit-7"`)
	for _, e := range w.through() {
		_, labelled := e["stream_id"]
		if strings.HasPrefix(e.kind(), "response.") != labelled {
			t.Errorf("%s: labelled %v", e.kind(), labelled)
		}
	}
}

func TestSixteenInFlight(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	w := dial(t, s)
	for i := range 20 {
		w.create(fmt.Sprintf(`"stream_id":"l%d","input":"%d"`, i, i))
	}
	var running []*Exchange
	for range MaxInFlight {
		running = append(running, exchange(t, s))
	}
	waitFor(t, s, func(st Stats) bool { return st.Frames == 20 && st.Queued == 4 })
	if st := s.Stats(); st.InFlight != MaxInFlight {
		t.Errorf("in flight: %+v", st)
	}
	for i := range 20 {
		ok(t, running[i].Done())
		if len(running) < 20 {
			x := exchange(t, s)
			if x.Input != fmt.Sprint(len(running)) {
				t.Errorf("got %q, want %d: the queue is in the order of arrival", x.Input, len(running))
			}
			running = append(running, x)
		}
	}
	for range 20 {
		w.answer2(t)
	}
	if st := s.Stats(); st.MaxInFlight != MaxInFlight {
		t.Errorf("most in flight: %d", st.MaxInFlight)
	}
}

func TestThirtyTwoNames(t *testing.T) {
	s := start(t, Options{})
	w := dial(t, s)
	for i := range 32 {
		w.warm(fmt.Sprintf("lane.%d_x-", i), "")
	}
	w.create(`"stream_id":"one-too-many"`)
	e := w.wantError("websocket_stream_limit_reached")
	if got := e.str("error", "message"); got != "This WebSocket connection has reached its maximum number of distinct stream IDs (32). Reuse an existing stream_id or open a new WebSocket connection." {
		t.Errorf("message %q", got)
	}
	if e.str("stream_id") != "one-too-many" {
		t.Errorf("label: %v", e)
	}
	w.warm("lane.0_x-", "") // known names go on,
	w.warm("", "")          // and the unnamed lane does not count
	dial(t, s).warm("one-too-many", "")
}

func TestStreamIDSyntax(t *testing.T) {
	s := start(t, Options{})
	w := dial(t, s)
	for _, bad := range []string{`""`, `"a b"`, `"ü"`, `"a/b"`, `7`, `{}`, `"` + strings.Repeat("x", 257) + `"`, `"a\n"`} {
		w.create(`"stream_id":` + bad)
		e := w.wantError("invalid_stream_id")
		if e["status"] != 400.0 || e.str("stream_id") != "" || e.str("error", "message") != "The 'stream_id' field must be a non-empty string with at most 256 characters and may only contain letters, numbers, underscores, hyphens, and periods." {
			t.Errorf("%s: %v", bad, e)
		}
	}
	for _, good := range []string{"A-z_0.9", strings.Repeat("x", 256)} {
		w.warm(good, "")
	}
	w.create(`"stream_id":null`)
	w.answer()
}

func TestBadCreates(t *testing.T) {
	s := start(t, Options{})
	w := dial(t, s)
	for frame, code := range map[string]string{
		`{"type":"response.create"}`:                                   "missing_required_parameter",
		`{"type":"response.create","model":7}`:                         "invalid_type",
		`{"type":"response.create","model":"m","input":7}`:             "invalid_type",
		`{"type":"response.create","model":"m","background":true}`:     "unsupported_parameter",
		`{"type":"response.create","model":"m","max_output_tokens":0}`: "integer_below_min_value",
		`{"type":"response.append"}`:                                   "invalid_value",
		`{"type":"response.cancel"}`:                                   "invalid_value",
		`{}`:                                                           "invalid_value",
		`{"type":7}`:                                                   "invalid_json",
		`[]`:                                                           "invalid_json",
		`{"type":"response.create",`:                                   "invalid_json",
	} {
		w.send(frame)
		if e := w.wantError(code); e["status"] != 400.0 {
			t.Errorf("%s: %v", frame, e)
		}
	}
	w.create("") // and the socket lives
	w.answer()
	if n := s.Stats().Refused; n != 11 {
		t.Errorf("refused %d", n)
	}
}

func TestMaxOutputTokens(t *testing.T) {
	s := start(t, Options{Respond: Answer{Text: "one two three four five"}.Respond})
	w := dial(t, s)
	w.create(`"max_output_tokens":2`)
	all := w.through()
	last := all[len(all)-1]
	if last.kind() != "response.incomplete" || last.str("response", "incomplete_details", "reason") != "max_output_tokens" || deltas(all) != "one two" {
		t.Errorf("%q, then %v", deltas(all), last)
	}
}

func TestAgeLimit(t *testing.T) {
	t.Run("on an idle connection, by the clock", func(t *testing.T) {
		s := start(t, Options{AgeLimit: 20 * time.Millisecond})
		w := dial(t, s)
		e := w.wantError("websocket_connection_limit_reached")
		if e["status"] != 400.0 || e.str("stream_id") != "" {
			t.Errorf("%v", e)
		}
		w.create(`"stream_id":"a"`)
		if e := w.wantError("websocket_connection_limit_reached"); e.str("stream_id") != "a" {
			t.Errorf("%v", e)
		}
	})
	t.Run("amid a response, which ends", func(t *testing.T) {
		s := start(t, Options{Respond: Answer{Text: "hello you", Fault: AgeMid}.Respond})
		w := dial(t, s)
		w.create(`"stream_id":"a"`)
		all := w.through()
		last := all[len(all)-1]
		if last.str("error", "message") != "Responses websocket connection limit reached (60 minutes). Create a new websocket connection to continue." {
			t.Fatalf("%v", last)
		}
		rest, _ := w.answer()
		if deltas(all)+rest != "hello you" {
			t.Errorf("text %q", deltas(all)+rest)
		}
	})
	t.Run("amid a response, which is cut", func(t *testing.T) {
		s := start(t, Options{Respond: Manual, AgeClose: true})
		w := dial(t, s)
		w.create("")
		x := exchange(t, s)
		ok(t, x.Delta("x"))
		s.Conns()[0].ReachAge()
		w.wantClose(websocket.CloseNormalClosure)
		closed(t, "cancelled", x.Cancelled())
	})
}

func TestInterrupt(t *testing.T) {
	s := start(t, Options{Respond: Manual, Interrupt: true})
	w := dial(t, s)
	base := w.warm("base", "rules")
	w.create(`"stream_id":"a","previous_response_id":"` + base + `","input":"q"`)
	w.create(`"stream_id":"a","input":"behind"`)
	x := exchange(t, s)
	ok(t, x.Reasoning("hm"))
	ok(t, x.EndItem())
	ok(t, x.Delta("partial"))
	for e := w.next(); e.kind() != "response.output_text.delta"; e = w.next() {
	}
	w.send(`{"type":"response.interrupt","response_id":"` + x.ID + `","mode":"discard_partial_items"}`)
	accepted, item, last := w.want("response.interrupt.accepted"), w.want("response.output_item.interrupted"), w.want("response.incomplete")
	if accepted.str("response_id") != x.ID || item["output_index"] != 1.0 || item.str("response_id") != x.ID {
		t.Errorf("%v %v", accepted, item)
	}
	if last.str("response", "incomplete_details", "reason") != "interrupted" || last.at("response", "usage", "output_tokens") != 2.0 || last.str("stream_id") != "a" {
		t.Errorf("%v", last)
	}
	closed(t, "cancelled", x.Cancelled())
	if err := x.Delta("late"); err != ErrInterrupted {
		t.Errorf("a step after the interrupt: %v", err)
	}
	if x.Outcome() != "incomplete: interrupted" {
		t.Errorf("outcome %q", x.Outcome())
	}
	// The lane goes on, and the interrupted response can be continued from, without its partial item.
	ok(t, exchange(t, s).Incomplete("content_filter"))
	w.through()
	w.create(`"stream_id":"b","input":"r"`)
	y := exchange(t, s)
	ok(t, y.Delta("partial"))
	for e := w.next(); e.kind() != "response.output_text.delta"; e = w.next() {
	}
	w.send(`{"type":"response.interrupt","response_id":"` + y.ID + `","mode":"discard_partial_items"}`)
	w.through()
	w.create(`"stream_id":"b","previous_response_id":"` + y.ID + `","input":"go on"`)
	z := exchange(t, s)
	if z.FullInput() != "r\ngo on" {
		t.Errorf("full input %q", z.FullInput())
	}
	ok(t, z.Done())
	w.through()
	// One that has just ended is no error, and the socket is as it was.
	w.send(`{"type":"response.interrupt","response_id":"` + z.ID + `","mode":"discard_partial_items"}`)
	w.send(`{"type":"response.interrupt","response_id":"resp_other","mode":"discard_partial_items"}`)
	w.wantError("response_not_found")
	w.send(`{"type":"response.interrupt","response_id":"resp_other"}`)
	w.wantError("invalid_request")
	if n := s.Stats().Interrupts; n != 5 {
		t.Errorf("%d interrupts", n)
	}
}

func TestInterruptUnknown(t *testing.T) {
	frame := `{"type":"response.interrupt","response_id":"resp_1","mode":"discard_partial_items"}`
	t.Run("error", func(t *testing.T) {
		w := dial(t, start(t, Options{}))
		w.send(frame)
		w.wantError("invalid_value")
		w.send(`{"type":"response.steer","previous_response_id":"resp_1","input":"x"}`)
		w.wantError("invalid_value")
		w.create("")
		w.answer()
	})
	t.Run("silence", func(t *testing.T) {
		w := dial(t, start(t, Options{Unknown: IgnoreUnknown}))
		w.send(frame)
		w.create("")
		w.want("response.created")
	})
	t.Run("close", func(t *testing.T) {
		w := dial(t, start(t, Options{Unknown: CloseUnknown}))
		w.send(frame)
		w.wantClose(websocket.ClosePolicyViolation)
	})
}

func TestSteer(t *testing.T) {
	s := start(t, Options{Respond: Manual, Steer: true})
	w := dial(t, s)
	steer := func(id, input string) {
		w.send(`{"type":"response.steer","previous_response_id":"` + id + `","input":` + input + `}`)
	}
	failed := func(code string) event {
		t.Helper()
		e := w.want("response.steer.failed")
		if e.str("error", "code") != code || e.str("error", "type") != "invalid_request_error" || e.at("steer", "input") == nil {
			t.Errorf("%v, want %s", e, code)
		}
		return e
	}
	steer("resp_none", `"x"`)
	failed("response_not_found")

	w.create(`"stream_id":"a","input":"one","service_tier":"fast"`)
	x := exchange(t, s)
	ok(t, x.Delta("1"))
	for e := w.next(); e.kind() != "response.output_text.delta"; e = w.next() {
	}
	steer(x.ID, `[{"role":"developer","content":"x"}]`)
	failed("invalid_input")
	steer(x.ID, `""`)
	failed("invalid_input")
	steer(x.ID, `"use a map"`)
	e := w.want("response.steer.accepted")
	if e.str("steer", "previous_response_id") != x.ID || e.str("steer", "id") == "" || e.str("stream_id") != "a" {
		t.Errorf("%v", e)
	}
	steer(x.ID, `[{"role":"user","content":[{"type":"input_text","text":"and a test"}]}]`)
	w.want("response.steer.accepted")
	if got := x.Steers(); len(got) != 2 || got[0].Input != "use a map" {
		t.Errorf("steers %+v", got)
	}
	// It is no cancel: the item is finished first.
	ok(t, x.Delta("2"))
	ok(t, x.Done())
	all := w.through()
	last := all[len(all)-1]
	if last.kind() != "response.incomplete" || last.str("response", "incomplete_details", "reason") != "steered" || deltas(all) != "2" {
		t.Errorf("%v", last)
	}
	next := exchange(t, s)
	if next.Input != "use a map\nand a test" || next.PreviousResponseID != x.ID || next.FullInput() != "one\n12\nuse a map\nand a test" || next.StreamID != "a" || next.ServiceTier != "fast" {
		t.Errorf("successor: %q %q %q", next.Input, next.FullInput(), next.StreamID)
	}
	ok(t, next.Delta("3"))
	ok(t, next.Done())
	if text, last := w.answer(); text != "3" || last.str("response", "previous_response_id") != x.ID {
		t.Errorf("%q %v", text, last)
	}
	steer(next.ID, `"too late"`)
	failed("response_already_completed")

	// A steer that a tool call keeps waiting is pending, one that cannot be applied fails: each has one end.
	w.create("")
	x = exchange(t, s)
	ok(t, x.ToolDelta("edit", "x"))
	for e := w.next(); e.kind() != "response.custom_tool_call_input.delta"; e = w.next() {
	}
	steer(x.ID, `"later"`)
	w.want("response.steer.accepted")
	ok(t, x.Done())
	w.answer2(t)
	if e := w.want("response.steer.pending"); e.str("reason") != "waiting_for_required_input" {
		t.Errorf("%v", e)
	}
	w.create("")
	x = exchange(t, s)
	ok(t, x.Created())
	w.want("response.created")
	for range maxSteers {
		steer(x.ID, `"x"`)
		w.want("response.steer.accepted")
	}
	steer(x.ID, `"one too many"`)
	failed("too_many_pending_steers")
	ok(t, x.FailSteers("successor_creation_failed", "No."))
	for range maxSteers {
		failed("successor_creation_failed")
	}
	steer(x.ID, `"x"`)
	w.want("response.steer.accepted")
	ok(t, x.Failed("server_error", "x"))
	w.through()
	failed("successor_creation_failed")
}

func TestWithoutLanes(t *testing.T) {
	s := start(t, Options{Respond: Manual, NoLanes: true})
	w := dial(t, s)
	w.create(`"stream_id":"a","input":"1"`)
	w.create(`"stream_id":"b","input":"2"`)
	x := exchange(t, s)
	ok(t, x.Delta("1"))
	waitFor(t, s, func(st Stats) bool { return st.InFlight == 1 && st.Queued == 1 })
	ok(t, x.Done())
	for _, e := range w.through() {
		if _, ok := e["stream_id"]; ok {
			t.Fatalf("labelled: %v", e)
		}
	}
	ok(t, exchange(t, s).Done())
	w.answer()
	// A continuation uses up its base: there is one latest response for the whole connection.
	if s.Conns()[0].Latest("") == "" || s.Conns()[0].Latest("a") != "" {
		t.Error("lanes exist")
	}
}

func TestRejectLanes(t *testing.T) {
	w := dial(t, start(t, Options{RejectLanes: true}))
	w.create(`"stream_id":"a"`)
	if e := w.wantError("unknown_parameter"); e.str("stream_id") != "" {
		t.Errorf("%v", e)
	}
	w.create("")
	w.answer()
}

func TestErrorShapes(t *testing.T) {
	cases := map[Fault]func(e event) bool{
		Error429:        func(e event) bool { return e["status"] == 429.0 && e.str("error", "headers", "retry-after") == "2" },
		ErrorNoStatus:   func(e event) bool { return e["status"] == nil && e["status_code"] == nil },
		ErrorStatusCode: func(e event) bool { return e["status"] == nil && e["status_code"] == 429.0 },
		ErrorTopHeaders: func(e event) bool { return e.str("headers", "retry-after") == "2" && e.at("error", "headers") == nil },
		Error503:        func(e event) bool { return e.str("error", "code") == "server_is_overloaded" && e["status"] == 503.0 },
		NotFound:        func(e event) bool { return e.str("error", "code") == "previous_response_not_found" },
	}
	for f, good := range cases {
		s := start(t, Options{Respond: Answer{Fault: f, RetryAfter: 1500 * time.Millisecond}.Respond})
		w := dial(t, s)
		w.create("")
		e := w.want("error")
		if !good(e) {
			t.Errorf("%s: %v", f, e)
		}
		if _, ok := e["sequence_number"]; ok {
			t.Errorf("%s: has a sequence number", f)
		}
		if f == Error429 && !strings.HasSuffix(e.str("error", "message"), "Please try again in 1.5s.") {
			t.Errorf("%s: %v", f, e)
		}
	}
}

func TestUpgradeRefusals(t *testing.T) {
	for _, status := range []int{401, 403, 404, 405, 426, 429, 500, 503} {
		s := start(t, Options{Upgrade: func(n int, _ *http.Request) Upgrade {
			if n == 1 {
				return Upgrade{Status: status, Header: http.Header{"Retry-After": {"1"}}}
			}
			return Upgrade{}
		}})
		_, resp, err := websocket.DefaultDialer.Dial("ws"+s.URL()[4:]+"/responses", http.Header{"Authorization": {"Bearer x"}})
		if err == nil || resp.StatusCode != status || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("%d: %v %v", status, resp, err)
		}
		dial(t, s).warm("", "") // the second attempt is accepted
		if st := s.Stats(); st.Upgrades != 2 || st.Conns != 1 {
			t.Errorf("stats %+v", st)
		}
	}
}

func TestBearer(t *testing.T) {
	for _, c := range []struct {
		opts   Options
		header string
		status int
	}{
		{Options{}, "", 401},
		{Options{}, "Bearer ", 401},
		{Options{}, "Basic abc", 401},
		{Options{}, "Bearer any", 101},
		{Options{Key: "k"}, "Bearer any", 401},
		{Options{Key: "k"}, "Bearer k", 101},
		{Options{Anonymous: true}, "", 101},
	} {
		s := start(t, c.opts)
		h := http.Header{}
		if c.header != "" {
			h.Set("Authorization", c.header)
		}
		ws, resp, err := websocket.DefaultDialer.Dial("ws"+s.URL()[4:]+"/responses", h)
		if err == nil {
			ws.Close()
		}
		if resp == nil || resp.StatusCode != c.status {
			t.Errorf("%+v: %v %v", c, resp, err)
		}
	}
}

func TestUpgradeHangs(t *testing.T) {
	s := start(t, Options{Upgrade: func(int, *http.Request) Upgrade { return Upgrade{Hang: true} }})
	d := websocket.Dialer{HandshakeTimeout: 20 * time.Millisecond}
	if _, _, err := d.Dial("ws"+s.URL()[4:]+"/responses", http.Header{"Authorization": {"Bearer x"}}); err == nil {
		t.Error("the handshake was answered")
	}
}

func TestSilent(t *testing.T) {
	s := start(t, Options{Upgrade: func(int, *http.Request) Upgrade { return Upgrade{Silent: true} }})
	w := dial(t, s)
	pong := make(chan struct{})
	w.ws.SetPongHandler(func(string) error { close(pong); return nil })
	w.create("")
	ok(t, w.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)))
	go func() { _, _, _ = w.ws.ReadMessage() }()
	closed(t, "pong", pong)
	waitFor(t, s, func(st Stats) bool { return st.Frames == 1 && st.Pings == 1 })
	if st := s.Stats(); st.Queued != 0 || st.InFlight != 0 {
		t.Errorf("%+v", st)
	}
}

func TestNoPong(t *testing.T) {
	s := start(t, Options{Upgrade: func(int, *http.Request) Upgrade { return Upgrade{NoPong: true} }})
	w := dial(t, s)
	w.ws.SetPongHandler(func(string) error { t.Error("a pong"); return nil })
	ok(t, w.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)))
	waitFor(t, s, func(st Stats) bool { return st.Pings == 1 })
	w.warm("", "") // everything else works
}

func TestServerPings(t *testing.T) {
	deaf := dial(t, start(t, Options{PingEvery: 5 * time.Millisecond, PongTimeout: 10 * time.Millisecond}))
	deaf.ws.SetPingHandler(func(string) error { return nil })
	deaf.wantClose(websocket.CloseInternalServerErr)

	s := start(t, Options{PingEvery: 5 * time.Millisecond})
	alive := dial(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _, _ = alive.ws.ReadMessage() // answers pings
	}()
	waitFor(t, s, func(st Stats) bool { return st.Pongs > 3 && st.Open == 1 })
	alive.ws.Close()
	closed(t, "the reader", done)
}

func TestFramesAndBytesAreSeen(t *testing.T) {
	s := start(t, Options{})
	w := dial(t, s)
	w.warm("base", "rules")
	ok(t, s.WaitWarm(within(t), 1)) // the last write has returned
	c := s.Conns()[0]
	frames := c.Frames()
	if len(frames) != 1 || !strings.Contains(string(frames[0]), `"rules"`) {
		t.Errorf("frames %s", frames)
	}
	in, out := c.Bytes()
	if in < int64(len(frames[0])) || out < 3*2048 || s.Stats().BytesIn != int64(len(frames[0])) {
		t.Errorf("bytes %d in, %d out; %+v", in, out, s.Stats())
	}
	if got := s.Seen(); len(got) != 1 || got[0].Generate || got[0].Input != "rules" {
		t.Errorf("seen %+v", got)
	}
}

func TestLargestFrame(t *testing.T) {
	if New(Options{}).opts.MaxFrame != 16<<20 {
		t.Error("the limit is not the service's")
	}
	const limit = 1 << 20 // of the same code; sixteen take seconds under the race detector
	s := start(t, Options{MaxFrame: limit})
	w := dial(t, s)
	head, tail := `{"type":"response.create","model":"m","generate":false,"input":"`, `"}`
	w.send(head + strings.Repeat("x", limit-len(head)-len(tail)) + tail)
	w.answer()
	// A write may fail when the server has hung up before the end of the frame; the close frame arrives anyway.
	_ = w.ws.WriteMessage(websocket.TextMessage, []byte(head+strings.Repeat("x", limit)+tail))
	w.wantClose(websocket.CloseMessageTooBig)
}

// A close frame arrives although the client goes on sending: the socket is not reset over unread data.
func TestCloseFrameAmidUpload(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	w := dial(t, s)
	w.create("")
	x := exchange(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		frame := []byte(`{"type":"keepalive","pad":"` + strings.Repeat("x", 1<<20) + `"}`)
		for range 50 {
			if w.ws.WriteMessage(websocket.TextMessage, frame) != nil {
				return
			}
		}
	}()
	x.Close(websocket.CloseInternalServerErr)
	w.wantClose(websocket.CloseInternalServerErr)
	w.ws.Close()
	closed(t, "the writer", done)
}

func TestBinaryFromClient(t *testing.T) {
	w := dial(t, start(t, Options{}))
	ok(t, w.ws.WriteMessage(websocket.BinaryMessage, []byte{1}))
	w.wantClose(websocket.CloseUnsupportedData)
}

func TestDeflate(t *testing.T) {
	for _, on := range []bool{false, true} {
		s := start(t, Options{Deflate: on, Respond: Answer{Text: "hello"}.Respond})
		d := &websocket.Dialer{EnableCompression: true}
		ws, resp, err := d.Dial("ws"+s.URL()[4:]+"/responses", http.Header{"Authorization": {"Bearer x"}})
		ok(t, err)
		if got := strings.HasPrefix(resp.Header.Get("Sec-Websocket-Extensions"), "permessage-deflate"); got != on {
			t.Errorf("deflate %v: negotiated %v", on, got)
		}
		w := &wire{t, ws}
		w.create("")
		if text, _ := w.answer(); text != "hello" {
			t.Errorf("text %q", text)
		}
		ws.Close()
	}
}

func TestNoOpenAIModelHeader(t *testing.T) {
	s := start(t, Options{Header: http.Header{"X-Ratelimit-Remaining-Requests": {"7"}}})
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+s.URL()[4:]+"/responses", http.Header{"Authorization": {"Bearer x"}})
	ok(t, err)
	defer ws.Close()
	if resp.Header.Get("Openai-Model") != "" || resp.Header.Get("X-Ratelimit-Remaining-Requests") != "7" {
		t.Errorf("headers %v", resp.Header)
	}
}

func TestHoldCoalesces(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	w := dial(t, s)
	w.create("")
	x := exchange(t, s)
	x.Hold(true)
	_, before := s.Conns()[0].Bytes()
	ok(t, x.Text("hello you there"))
	ok(t, x.Done())
	if _, after := s.Conns()[0].Bytes(); after != before {
		t.Errorf("%d bytes went out", after-before)
	}
	x.Hold(false)
	if text, _ := w.answer(); text != "hello you there" {
		t.Errorf("text %q", text)
	}
}

func TestShuffledEscapedNoisyFrames(t *testing.T) {
	text := "naïve 🦜 \"quoted\" <tag> & \\ \t\u2028 end\r\n"
	s := start(t, Options{Respond: Answer{Text: text}.Respond, ShuffleKeys: true, EscapeASCII: true, Noise: true})
	w := dial(t, s)
	w.create("")
	all := w.through()
	if got := deltas(all); got != text {
		t.Errorf("text %q", got)
	}
	unknown := 0
	for _, e := range all {
		if e.kind() == "response.future_item.delta" || e.kind() == "codex.mystery" || e.kind() == "keepalive" {
			unknown++
		}
	}
	if unknown < 3 {
		t.Errorf("%d unknown events in %v", unknown, kinds(all))
	}
}

func TestPace(t *testing.T) {
	const rate, ttft = 2000.0, 20 * time.Millisecond
	s := start(t, Options{TokensPerSecond: rate, TTFT: ttft, Respond: Answer{Text: strings.Repeat("word ", 100)}.Respond})
	w := dial(t, s)
	begin := time.Now()
	w.create("")
	w.answer()
	// Not earlier than the schedule; how much later is the machine's affair.
	if got, least := time.Since(begin), ttft+time.Duration(99/rate*float64(time.Second)); got < least {
		t.Errorf("took %v, want at least %v", got, least)
	}
}

func TestWarmHookAndDelay(t *testing.T) {
	s := start(t, Options{Warm: func(x *Exchange) {
		if x.N == 1 {
			x.Drop()
			return
		}
		_ = x.Done()
	}})
	w := dial(t, s)
	w.create(`"generate":false`)
	w.wantClose(websocket.CloseAbnormalClosure)
	dial(t, s).warm("", "")
	ok(t, s.WaitWarm(within(t), 1))
	slow := start(t, Options{WarmDelay: time.Millisecond})
	dial(t, slow).warm("", "")
}

func TestClientGone(t *testing.T) {
	s := start(t, Options{Respond: Manual})
	w := dial(t, s)
	w.create(`"stream_id":"a"`)
	w.create(`"stream_id":"a"`)
	w.create(`"stream_id":"b"`)
	x, y := exchange(t, s), exchange(t, s)
	w.ws.Close()
	closed(t, "a", x.Cancelled())
	closed(t, "b", y.Ended())
	if err := x.Delta("x"); err != ErrGone {
		t.Errorf("a step without a client: %v", err)
	}
	waitFor(t, s, func(st Stats) bool { return st.Open == 0 && st.Queued == 0 && st.InFlight == 0 })
}
