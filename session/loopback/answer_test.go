package loopback

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// seen is what a client of a WebSocket gets to see of one answer.
type seen struct {
	text     string
	terminal string // type of the first terminal event, "" when there was none
	reason   string // its reason or code
	extra    int    // events after it
	end      string // how the connection was left: open, closed CODE, bad frame, binary
}

// look reads until the connection ends, or, when it stays open, until the server has nothing more to say.
func look(w *wire, s *Server) seen {
	var got seen
	for {
		e, err := w.read()
		var ce *websocket.CloseError
		switch {
		case errors.As(err, &ce):
			got.end = "closed " + map[int]string{1000: "1000", 1009: "1009", 1011: "1011", 1006: "1006"}[ce.Code]
			return got
		case err != nil && strings.Contains(err.Error(), "frame "):
			got.end = "bad frame"
			continue
		case err != nil:
			got.end = "closed 1006"
			return got
		}
		switch {
		case e.kind() == "MARK":
			if got.end == "" {
				got.end = "open"
			}
			return got
		case e.kind() == "BINARY":
			got.end = "binary"
		case got.terminal != "":
			got.extra++
		case e.kind() == "response.output_text.delta":
			got.text += e.str("delta")
		case e.terminal():
			got.terminal = e.kind()
			got.reason = e.str("response", "incomplete_details", "reason") + e.str("response", "error", "code") + e.str("error", "code")
		}
	}
}

// Every fault, as a client sees it. A fault that is missing here fails the test.
func TestFaultsOnAWebSocket(t *testing.T) {
	const text, half = "one two three four", "one two"
	want := map[Fault]seen{
		None: {text: text, terminal: "response.completed", end: "open"},

		DropBefore:   {end: "closed 1006"},
		DropCreated:  {end: "closed 1006"},
		DropMid:      {text: half, end: "closed 1006"},
		DropEnd:      {text: text, end: "closed 1006"},
		Close1000:    {text: half, end: "closed 1000"},
		Close1009:    {text: half, end: "closed 1009"},
		Close1011:    {text: half, end: "closed 1011"},
		HalfOpenMid:  {}, // see TestHalfOpen
		StallBefore:  {end: "open"},
		StallCreated: {end: "open"},
		StallMid:     {text: half, end: "open"},
		StallEnd:     {text: text, end: "open"},

		Error400:        {terminal: "error", reason: "invalid_value", end: "open"},
		Error401:        {terminal: "error", reason: "invalid_api_key", end: "open"},
		Error403:        {terminal: "error", reason: "unsupported_country_region_territory", end: "open"},
		Error404:        {terminal: "error", reason: "model_not_found", end: "open"},
		Error429:        {terminal: "error", reason: "rate_limit_exceeded", end: "open"},
		Error500:        {terminal: "error", reason: "server_error", end: "open"},
		Error503:        {terminal: "error", reason: "server_is_overloaded", end: "open"},
		ErrorMid:        {text: half, terminal: "error", reason: "server_error", end: "open"},
		ErrorNoStatus:   {terminal: "error", reason: "rate_limit_exceeded", end: "open"},
		ErrorStatusCode: {terminal: "error", reason: "rate_limit_exceeded", end: "open"},
		ErrorTopHeaders: {terminal: "error", reason: "rate_limit_exceeded", end: "open"},
		NotFound:        {terminal: "error", reason: "previous_response_not_found", end: "open"},
		TooLong:         {terminal: "error", reason: "context_length_exceeded", end: "open"},
		FailedBefore:    {terminal: "response.failed", reason: "server_error", end: "open"},
		FailedMid:       {text: half, terminal: "response.failed", reason: "server_error", end: "open"},
		Filtered:        {text: half, terminal: "response.incomplete", reason: "content_filter", end: "open"},
		CutShort:        {text: half, terminal: "response.incomplete", reason: "max_output_tokens", end: "open"},
		AgeMid:          {text: half, terminal: "error", reason: "websocket_connection_limit_reached", extra: 6, end: "open"},

		SplitWrites:    {text: text, terminal: "response.completed", end: "open"},
		Coalesced:      {text: text, terminal: "response.completed", end: "open"},
		Noisy:          {text: text, terminal: "response.completed", end: "open"},
		Huge:           {text: text, terminal: "response.completed", end: "open"},
		QueuedFirst:    {text: text, terminal: "response.completed", end: "open"},
		TwiceTerminal:  {text: text, terminal: "response.completed", extra: 1, end: "open"},
		LateDelta:      {text: text, terminal: "response.completed", extra: 1, end: "open"},
		Empty:          {terminal: "response.completed", end: "open"},
		EvictsBase:     {text: text, terminal: "response.completed", end: "open"},
		ReasoningFirst: {text: text, terminal: "response.completed", end: "open"},

		WrongSequence: {text: text, terminal: "response.completed", end: "open"},
		BadUTF8:       {text: text, terminal: "response.completed", end: "open"}, // encoding/json reads over it
		BadJSON:       {text: text, terminal: "response.completed", end: "bad frame"},
		BinaryMid:     {text: text, terminal: "response.completed", end: "binary"},
	}
	if len(want) != len(Faults())+1 {
		t.Errorf("%d faults are described, there are %d", len(want)-1, len(Faults()))
	}
	for f, want := range want {
		if f == HalfOpenMid {
			continue
		}
		t.Run(string(f), func(t *testing.T) {
			returned := make(chan struct{})
			s := start(t, Options{MaxFrame: 1 << 20, Respond: func(x *Exchange) {
				defer close(returned)
				Answer{Text: text, Fault: f}.Respond(x)
				_ = x.Socket().Raw(`{"type":"MARK"}`) // on a connection that is no more it says so
			}})
			w := dial(t, s)
			w.create(`"stream_options":{"include_obfuscation":false}`)
			if got := look(w, s); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			closed(t, "Respond", returned)
		})
	}
}

// The same faults over SSE: no hang, and a body that is cut only where the fault cuts it.
func TestFaultsOverSSE(t *testing.T) {
	cut := map[Fault]bool{DropBefore: true, DropCreated: true, DropMid: true, DropEnd: true, Close1000: true, Close1009: true, Close1011: true}
	stall := map[Fault]bool{HalfOpenMid: true, StallBefore: true, StallCreated: true, StallMid: true, StallEnd: true}
	for _, f := range Faults() {
		if stall[f] || f == BinaryMid {
			continue
		}
		t.Run(string(f), func(t *testing.T) {
			s := start(t, Options{Respond: Answer{Text: "one two three four", Fault: f}.Respond, MaxFrame: 1 << 20})
			req := strings.NewReader(`{"model":"m","stream":true}`)
			r := must(newRequest(within(t), s.URL()+"/responses", req))
			resp, err := web(t).Do(r)
			if f == DropBefore && err != nil {
				return
			}
			ok(t, err)
			defer resp.Body.Close()
			if resp.StatusCode != 200 {
				if !strings.HasPrefix(string(f), "error-") && f != NotFound && f != TooLong {
					t.Errorf("status %d", resp.StatusCode)
				}
				return
			}
			all, err := events(t, resp.Body)
			if (err != nil) != (cut[f] || f == BadJSON) {
				t.Errorf("the body ends with %v after %v", err, kinds(all))
			}
			if whole := map[Fault]bool{SplitWrites: true, Coalesced: true, Noisy: true, Huge: true, QueuedFirst: true, TwiceTerminal: true,
				EvictsBase: true, ReasoningFirst: true, WrongSequence: true, BadUTF8: true, AgeMid: true, DropEnd: true}; whole[f] && deltas(all) != "one two three four" {
				t.Errorf("text %q", deltas(all))
			}
			if f == TwiceTerminal && kinds(all)[len(all)-2] != "response.completed" {
				t.Errorf("%v", kinds(all))
			}
		})
	}
}

func TestStallsEndWithTheClient(t *testing.T) {
	for _, f := range []Fault{StallBefore, StallCreated, StallMid, StallEnd, HalfOpenMid} {
		s := start(t, Options{Respond: Answer{Text: "one two", Fault: f}.Respond})
		w := dial(t, s)
		w.create("")
		x := exchange(t, s)
		if f == HalfOpenMid {
			continue // the server does not notice; Close ends it
		}
		w.ws.Close()
		closed(t, string(f), x.Ended())
	}
}

func TestHalfOpen(t *testing.T) {
	s := start(t, Options{Respond: Answer{Text: "one two three four", Fault: HalfOpenMid}.Respond, Interrupt: true})
	w := dial(t, s)
	w.ws.SetPongHandler(func(string) error { t.Error("a pong"); return nil })
	w.create("")
	x := exchange(t, s)
	text := ""
	for text != "one two" {
		if e := w.next(); e.kind() == "response.output_text.delta" {
			text += e.str("delta")
		}
	}
	// Nothing is answered from now on: neither frame nor ping. Both are sent, since the peer does not know.
	waitFor(t, s, func(Stats) bool { return s.Conns()[0].link.frozen.Load() })
	w.send(`{"type":"response.interrupt","response_id":"` + x.ID + `","mode":"discard_partial_items"}`)
	ok(t, w.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)))
	_ = w.ws.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	if _, b, err := w.ws.ReadMessage(); err == nil {
		t.Errorf("got %s", b)
	}
	if st := s.Stats(); st.Interrupts != 0 || st.Pings != 0 {
		t.Errorf("the frozen end has read: %+v", st)
	}
}

func TestSplitWritesAreSplit(t *testing.T) {
	s := start(t, Options{Upgrade: nil, Respond: Answer{Text: "hi", Fault: SplitWrites}.Respond})
	w := dial(t, s)
	w.create("")
	if text, _ := w.answer(); text != "hi" {
		t.Errorf("%q", text)
	}
	x := exchange(t, s)
	closed(t, "ended", x.Ended())
	l := newLink(&countingConn{})
	l.splitting.Store(true)
	n, err := l.Write([]byte("hello"))
	if c := l.Conn.(*countingConn); n != 5 || err != nil || c.writes != 5 {
		t.Errorf("%d bytes in %d writes, %v", n, c.writes, err)
	}
}

func TestToolAnswer(t *testing.T) {
	s := start(t, Options{Respond: Answer{Text: "one two", Tool: "edit"}.Respond})
	w := dial(t, s)
	w.create("")
	text := ""
	for _, e := range w.through() {
		switch e.kind() {
		case "response.custom_tool_call_input.delta":
			text += e.str("delta")
		case "response.output_item.done":
			if e.str("item", "name") != "edit" || e.str("item", "input") != "one two" {
				t.Errorf("%v", e)
			}
		}
	}
	if text != "one two" {
		t.Errorf("%q", text)
	}
}

func TestTokens(t *testing.T) {
	for _, text := range []string{
		"", "a", "hello world", "\tif err != nil {\n\t\treturn err\n\t}\n", "αβγδεζηθικλμνξοπρστυφχψω", "🦜🦜🦜🦜🦜🦜", "a\r\nb\r\n\r\n",
		strings.Repeat("x", 100), "  \n  \n", "\xff\xfe broken \xe2\x82",
	} {
		tokens := Tokens(text)
		if got := strings.Join(tokens, ""); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
		for _, tok := range tokens {
			if tok == "" || len(tok) > 12 {
				t.Errorf("%q has the token %q", text, tok)
			}
		}
	}
	if got := strings.Join(Tokens("return a, b\n"), "|"); got != "return| a,| b|\n" {
		t.Errorf("%s", got)
	}
}
