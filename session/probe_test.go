package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// Whatever an endpoint does with a response.interrupt that it does not know, it is asked at most a few
// times, and no answer suffers from it.
func TestInterruptIsProbed(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options loopback.Options
		want    Support
	}{
		{"known", loopback.Options{Interrupt: true}, Yes},
		{"error", loopback.Options{Unknown: loopback.RefuseUnknown}, No},
		{"silence", loopback.Options{Unknown: loopback.IgnoreUnknown}, No},
		{"close", loopback.Options{Unknown: loopback.CloseUnknown}, No},
		{"known, no lanes", loopback.Options{Interrupt: true, NoLanes: true}, Yes},
		{"error, no lanes", loopback.Options{NoLanes: true}, No},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.options.Respond = func(x *loopback.Exchange) {
				if x.Input == "leave" {
					_ = x.Delta("a")
					return
				}
				echo(x)
			}
			srv := serve(t, tc.options)
			s := open(t, srv, func(c *Config) { c.Timeouts = short() })
			ctx := within(t)
			known := func() Support {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.interrupt
			}
			for i := 0; known() == Unknown; i++ {
				if i > 200 {
					t.Fatal("never settled")
				}
				if i < 4 {
					begin(t, s, ctx, Request{Job: Completion, Input: user("leave")}).stop()
				} else {
					time.Sleep(5 * time.Millisecond) // the probe's time-out runs
				}
				in := fmt.Sprint("q", i)
				ask(ctx, s, Request{Job: Edit, Input: user(in)}).want(t, in, Complete)
			}
			if known() != tc.want {
				t.Errorf("taken for %v", known())
			}
			for range 3 {
				begin(t, s, ctx, Request{Job: Completion, Input: user("leave")}).stop()
				ask(ctx, s, Request{Job: Edit, Input: user("more")}).want(t, "more", Complete)
			}
			sent := 0
			for _, c := range srv.Conns() {
				for _, f := range c.Frames() {
					if string(f[:28]) == `{"type":"response.interrupt"` {
						sent++
					}
				}
			}
			if tc.want == No && sent > 3 {
				t.Errorf("asked %d times", sent)
			}
		})
	}
}

// FuzzReceive feeds frames to a socket with running responses: nothing that an endpoint sends may panic the
// reader, which would end the program.
func FuzzReceive(f *testing.F) {
	for _, s := range append(deltaFrames, oddFrames...) {
		f.Add(s, s)
	}
	f.Add(`{"type":"response.created","response":{"id":"r"},"stream_id":"r0","sequence_number":0}`,
		`{"type":"response.output_text.delta","delta":"x","stream_id":"r0","sequence_number":1}`)
	f.Add(`{"type":"response.created","response":{"id":"r"}}`, `{"type":"response.completed","response":{"id":"r","output":[{"content":[{"type":"output_text","text":"t"}]}]}}`)
	f.Add(`{"type":"response.created","response":null}`, `{"type":"response.incomplete","response":{"incomplete_details":{"reason":"interrupted"}}}`)
	f.Add(`{"type":"error","status":429,"error":{"code":5,"headers":{"retry-after":1}},"stream_id":"r0"}`, `{"type":"error","error":null}`)
	f.Add(`{"type":"codex.rate_limits","rate_limits":{"limit_reached":true,"primary":{"reset_after_seconds":1e300}}}`, `{"type":"responsesapi.websocket_timing","timing_metrics":{"response_id":""}}`)
	f.Add(`{"type":"response.output_text.done","text":"x","output_index":0}`, `{"type":"response.steer.failed","error":{}}`)
	f.Fuzz(func(t *testing.T, one, two string) {
		s := prepare(Config{URL: "http://127.0.0.1:1", Transport: HTTP})
		defer s.Close()
		k := &socket{s: s, out: make(chan outgoing, 64), quit: make(chan struct{}), check: make(chan struct{}, 1),
			lanes: map[string]*lane{}, bases: map[*base]*lane{}, warming: map[*base]chan struct{}{}}
		s.mu.Lock()
		k.dead = true // nothing is sent
		var all []*response
		for _, name := range []string{"r0", "r1", ""} {
			l, r := k.laneNamed(name), newResponse(1<<20, nil, Handle{1})
			s.placeLocked(l, r, Edit)
			k.fifo = append(k.fifo, l)
			all = append(all, r)
		}
		s.mu.Unlock()
		for range 2 {
			k.receive([]byte(one))
			k.receive([]byte(two))
		}
		for _, r := range all {
			if r.read > len(r.text) || r.item > len(r.text) || r.base > len(r.text) {
				t.Errorf("offsets %d, %d, %d of %d", r.read, r.item, r.base, len(r.text))
			}
			r.leave()
		}
	})
}
