package loopback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"
	"time"
)

// Main runs a server on addr until ctx ends: the command spark-lsp loopback. With a scriptPath the answers
// come from that file (ParseScript), without from Rehearse. It writes "listening on URL" to stdout once it is
// ready, and a line for each request when it has ended, without any text of prompt or answer; to stderr it
// says how an editor finds it. Its error is one for a person; nil when ctx has ended.
func Main(ctx context.Context, addr, scriptPath string, stdout, stderr io.Writer) error {
	respond := Rehearse
	if scriptPath != "" {
		data, err := os.ReadFile(scriptPath)
		if err != nil {
			return err
		}
		if respond, err = ParseScript(scriptPath, data); err != nil {
			return err
		}
	}
	var mu sync.Mutex // lines of concurrent requests do not mix
	s := New(Options{
		ErrorLog: log.New(stderr, "", 0),
		Respond:  respond, Interrupt: true, Steer: true,
		Finished: func(x *Exchange) {
			mu.Lock()
			defer mu.Unlock()
			_, _ = fmt.Fprintln(stdout, x.Summary())
		},
	})
	mu.Lock() // nothing comes before the first line
	err := s.Start(addr)
	if err == nil {
		_, err = fmt.Fprintf(stdout, "listening on %s\n", s.URL())
		_, _ = fmt.Fprintf(stderr, "An editor uses it when started with SPARK_PROVIDER=openai SPARK_BASE_URL=%s; Ctrl-C ends it.\n", s.URL())
	}
	mu.Unlock()
	if err != nil {
		return errors.Join(err, s.Close())
	}
	<-ctx.Done()
	return s.Close()
}

// Summary is one line about an exchange, without any text of prompt or answer: number, way, dialect, job,
// model, sizes, times, outcome.
func (x *Exchange) Summary() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "#%d %s", x.N, x.Transport)
	if x.Conn > 0 {
		fmt.Fprintf(&b, " conn=%d", x.Conn)
	}
	if x.StreamID != "" {
		fmt.Fprintf(&b, " lane=%s", x.StreamID)
	}
	if x.Dialect != Responses {
		fmt.Fprintf(&b, " dialect=%s", x.Dialect)
	}
	job := string(x.Job())
	if !x.Generate {
		job = "warm-up"
	}
	fmt.Fprintf(&b, " job=%s model=%q in=%dB", job, x.Model, len(x.Body))
	if x.parent != nil {
		fmt.Fprintf(&b, " base=%dB", x.parent.size())
	}
	fmt.Fprintf(&b, " out=%dtok", x.tokens)
	if !x.firstAt.IsZero() {
		fmt.Fprintf(&b, " first=%s", ms(x.firstAt.Sub(x.arrived)))
	}
	if !x.endedAt.IsZero() {
		fmt.Fprintf(&b, " total=%s", ms(x.endedAt.Sub(x.arrived)))
	}
	outcome := x.outcome
	if outcome == "" {
		outcome = "running"
	}
	b.WriteString(" " + outcome)
	return b.String()
}

func ms(d time.Duration) string {
	return fmt.Sprintf("%.1fms", float64(d.Microseconds())/1000)
}
