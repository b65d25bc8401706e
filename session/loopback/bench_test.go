package loopback

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// drain is a client that throws away what it gets at the level of TCP, so that the server's cost is what is
// measured.
func drain(b *testing.B, s *Server, create string) {
	b.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL(), "http")+"/responses", http.Header{"Authorization": {"Bearer x"}})
	ok(b, err)
	ok(b, ws.WriteMessage(websocket.TextMessage, []byte(create)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, ws.NetConn())
	}()
	b.Cleanup(func() {
		ws.Close()
		<-done
	})
}

// BenchmarkDelta is what one delta costs the server, to the system call that sends it.
func BenchmarkDelta(b *testing.B) {
	for _, obfuscation := range []string{"true", "false"} {
		b.Run("obfuscation="+obfuscation, func(b *testing.B) {
			s := start(b, Options{Respond: Manual})
			drain(b, s, `{"type":"response.create","model":"m","stream_options":{"include_obfuscation":`+obfuscation+`}}`)
			x := exchange(b, s)
			b.ReportAllocs()
			for b.Loop() {
				_ = x.Delta(" token")
			}
		})
	}
}

// BenchmarkPacing32 is 32 streams of 1,000 tokens per second each, for a second a time: how late the last token
// of a second is, and what share of a core the whole process (server, and clients that only drain) takes.
func BenchmarkPacing32(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("CPU time is read from the process's accounting")
	}
	text := strings.Repeat(" token", 1000)
	finished := make(chan *Exchange, 32)
	s := start(b, Options{Respond: Answer{Text: text, Rate: 1000}.Respond, Finished: func(x *Exchange) { finished <- x }})
	for b.Loop() {
		before, begin := cpuTime(b), time.Now()
		for range 32 {
			drain(b, s, `{"type":"response.create","model":"m","stream_options":{"include_obfuscation":false}}`)
		}
		var late time.Duration
		for range 32 {
			x := <-finished
			late = max(late, x.endedAt.Sub(x.progressAt)-999*time.Millisecond)
		}
		wall := time.Since(begin)
		b.ReportMetric(float64(late.Microseconds())/1000, "ms-late")
		b.ReportMetric(float64(cpuTime(b)-before)/float64(wall), "cores")
	}
}
