package session

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// Frames as the wire showed them (wire.md 1.5), and the spellings that must not take the fast path.
var deltaFrames = []string{
	`{"type":"response.output_text.delta","content_index":0,"delta":"...","item_id":"msg_1","logprobs":[],"obfuscation":"mmhqVcC0mvJE7f","output_index":1,"sequence_number":6,"safety_buffering":false}`,
	`{"type":"response.custom_tool_call_input.delta","delta":".exec","item_id":"ctc_1","obfuscation":"z0HVC851CDF","output_index":1,"sequence_number":10,"stream_id":"r3"}`,
	`{"stream_id":"r14","sequence_number":0,"delta":"if err != nil {\n\treturn \"\\\"\"","type":"response.output_text.delta"}`,
	`{"type":"response.output_text.delta","delta":"é汉🍋\ud83c\udf4b\u00e9\ud83c x\udf4b\/\b\f\r"}`,
	`{"type":"response.output_text.delta","delta":""}`,
}

var oddFrames = []string{
	`{"type":"response.output_text.delta","delta":"a","delta":"b"}`,
	`{"type": "response.output_text.delta","delta":"a"}`,
	`{"type":"response.output_text.delta","Delta":"a"}`,
	`{"type":"response.output_text.delta","delta":"\x"}`,
	`{"type":"response.output_text.delta","delta":"\ud8"}`,
	"{\"type\":\"response.output_text.delta\",\"delta\":\"\xff\"}",
	"{\"type\":\"response.output_text.delta\",\"delta\":\"a\nb\"}",
	`{"type":"response.output_text.delta","delta":"a","sequence_number":01}`,
	`{"type":"response.output_text.delta","delta":"a","sequence_number":1e3}`,
	`{"type":"response.output_text.delta","delta":"a","sequence_number":99999999999999999999}`,
	`{"type":"response.output_text.delta","delta":"a","sequence_number":-1}`,
	`{"type":"response.output_text.delta","delta":"a"`,
	`{"type":"response.output_text.delta","delta":"a"}}`,
	`{"type":"response.output_text.delta","delta":"a",}`,
	`{"type":"response.output_text.delta","delta":null}`,
	`{"type":"response.output_text.delta","delta":{"a":1}}`,
	`{"type":"response.output_text.delta"}`,
	`{"type":"response.output_text.delta","delta":"a","x":"\u0041"}`,
	`{}`, `{"a"`, `{"a":`, `{"a":}`, `{"a":[`, `{"a":[}`, `{"type":"`, `{`, ``, `[]`, `null`,
}

func TestScanTakesRealDeltas(t *testing.T) {
	for _, f := range deltaFrames {
		sc, ok := scan([]byte(f))
		if !ok || !sc.flat || !sc.kind.delta() {
			t.Errorf("not on the fast path: %s", f)
		}
		checkScan(t, []byte(f))
	}
	for _, f := range oddFrames {
		if sc, ok := scan([]byte(f)); ok && sc.flat && sc.kind.delta() {
			t.Errorf("on the fast path: %s", f)
		}
		checkScan(t, []byte(f))
	}
}

// Lifecycle frames are routed without looking into what they echo.
func TestScanSkipsNested(t *testing.T) {
	f := `{"type":"response.completed","response":{"id":"resp_1","tools":[{"a":"}]\""}],"usage":{}},"sequence_number":91,"stream_id":"r1","x":[1,{"y":[]}]}`
	sc, ok := scan([]byte(f))
	if !ok || sc.flat || sc.kind != kindCompleted || string(sc.stream) != "r1" || sc.seq != 91 {
		t.Errorf("%+v, %v", sc, ok)
	}
}

// checkScan is the law: a flat frame that scan accepts means the same to encoding/json.
func checkScan(t *testing.T, frame []byte) {
	t.Helper()
	before := bytes.Clone(frame)
	sc, ok := scan(frame)
	if !bytes.Equal(frame, before) {
		t.Fatalf("scan has changed its input")
	}
	if !ok || !sc.flat {
		return
	}
	var d struct {
		Type   string  `json:"type"`
		Stream string  `json:"stream_id"`
		Seq    *int    `json:"sequence_number"`
		Delta  *string `json:"delta"`
	}
	if err := json.Unmarshal(frame, &d); err != nil {
		t.Fatalf("scan took what is not JSON (%v): %q", err, frame)
	}
	if k := kindOf([]byte(d.Type)); k != sc.kind {
		t.Errorf("kind %v, want %v: %q", sc.kind, k, frame)
	}
	if d.Stream != string(sc.stream) {
		t.Errorf("stream %q, want %q: %q", sc.stream, d.Stream, frame)
	}
	if seqOf(d.Seq) != sc.seq {
		t.Errorf("sequence %d, want %d: %q", sc.seq, seqOf(d.Seq), frame)
	}
	if sc.kind.delta() {
		if d.Delta == nil {
			t.Fatalf("a delta without one: %q", frame)
		}
		if got := string(sc.appendText(nil)); got != *d.Delta {
			t.Errorf("delta %q, want %q: %q", got, *d.Delta, frame)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range append(deltaFrames, oddFrames...) {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"type":"error","status":400,"stream_id":"edit-7","error":{"type":"x","code":"y"}}`))
	f.Fuzz(func(t *testing.T, frame []byte) { checkScan(t, frame) })
}

// FuzzDeltaText aims at the escapes: the frame around is always good.
func FuzzDeltaText(f *testing.F) {
	f.Add(`a\ud83c\udf4bb`)
	f.Add(`\ud83c\u0041\n`)
	f.Add("é\xff")
	f.Fuzz(func(t *testing.T, text string) {
		checkScan(t, []byte(`{"type":"response.output_text.delta","delta":"`+text+`","sequence_number":1}`))
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Skip()
		}
		checkScan(t, []byte(`{"type":"response.output_text.delta","delta":`+string(quoted)+`}`))
	})
}

// BenchmarkDelta is what one delta of 230 bytes costs from frame to text.
func BenchmarkDelta(b *testing.B) {
	frame := []byte(`{"type":"response.output_text.delta","content_index":0,"delta":" return nil, err\n","item_id":"msg_0a1b2c3d4e5f60718293a4b5c6d7e8f90011223344556677","logprobs":[],"output_index":1,"sequence_number":642,"stream_id":"r11"}`)
	b.Run("fast", func(b *testing.B) {
		text := make([]byte, 0, 1<<16)
		b.SetBytes(int64(len(frame)))
		b.ReportAllocs()
		for b.Loop() {
			sc, ok := scan(frame)
			if !ok {
				b.Fatal("not on the fast path")
			}
			if len(text) > 1<<15 {
				text = text[:0]
			}
			text = sc.appendText(text)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(frame)))
		b.ReportAllocs()
		for b.Loop() {
			var d delta
			if err := json.Unmarshal(frame, &d); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestFastPathAllocatesNothing(t *testing.T) {
	frame := []byte(deltaFrames[2])
	text := make([]byte, 0, 1<<10)
	if n := testing.AllocsPerRun(100, func() {
		sc, _ := scan(frame)
		text = sc.appendText(text[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if !strings.HasPrefix(string(text), "if err != nil {\n\t") {
		t.Errorf("%q", text)
	}
}
