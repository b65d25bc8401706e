package session

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// elsewhere starts the server that answers bench questions in a process of its own, so that the CPU time
// measured here is the session's alone. The question says how many tokens at what rate.
func elsewhere(b testing.TB) string {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "SPARK_TEST_SERVER=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// testServer is that process: it serves until its input ends.
func testServer() {
	srv := loopback.New(loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) {
		n, rate, _ := strings.Cut(x.Input[strings.LastIndexByte(x.Input, '\n')+1:], "@")
		count, _ := strconv.Atoi(n)
		perSecond, _ := strconv.ParseFloat(rate, 64)
		_ = x.Pace(strings.Repeat(" token", count), 0, perSecond)
		_ = x.Done()
	}})
	if err := srv.Start("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(srv.URL())
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	_ = srv.Close()
	os.Exit(0)
}

// BenchmarkSupersede is the time from the moment the caller leaves one answer to the moment the frame of
// the next request has been handed to the socket; ns/added is what leaving cost, against a request after
// which nothing runs.
func BenchmarkSupersede(b *testing.B) {
	for _, mode := range []struct {
		name      string
		interrupt Support
	}{{"interrupt", Yes}, {"drain", No}} {
		b.Run(mode.name, func(b *testing.B) {
			srv := serve(b, loopback.Options{Interrupt: mode.interrupt == Yes, Respond: func(x *loopback.Exchange) {
				_ = x.Delta("x")
				select {
				case <-x.Cancelled():
				case <-time.After(5 * time.Millisecond):
					_ = x.Done()
				}
			}})
			s := open(b, srv, func(c *Config) { c.Interrupt, c.Lanes = mode.interrupt, Yes })
			ctx := context.Background()
			if err := s.Warm(ctx, Completion, rules); err != nil {
				b.Fatal(err)
			}
			sent := make(chan time.Time, 64)
			req := Request{Job: Completion, Base: rules, Input: user("x"), Trace: &Trace{Sent: func(int) { sent <- time.Now() }}}
			idle := func() time.Duration {
				began := time.Now()
				n := begin(b, s, ctx, req)
				d := (<-sent).Sub(began)
				for {
					if _, _, ok := n.next(); !ok {
						return d
					}
				}
			}
			var quiet, busy time.Duration
			cur := begin(b, s, ctx, req)
			<-sent
			rounds := 0
			for b.Loop() {
				rounds++
				began := time.Now()
				cur.stop()
				cur = begin(b, s, ctx, req)
				busy += (<-sent).Sub(began)
			}
			cur.stop()
			const base = 200
			for range base {
				quiet += idle()
			}
			per := float64(busy) / float64(rounds)
			b.ReportMetric(per, "ns/next-frame")
			b.ReportMetric(max(per-float64(quiet)/base, 0), "ns/added")
		})
	}
}

// BenchmarkStreams32 runs 32 streams of 1,000 tok/s over one session and reports how much of one core they
// take, and what one core could carry at that price.
func BenchmarkStreams32(b *testing.B) {
	url := elsewhere(b)
	s := Open(Config{URL: url, Key: "k", Model: "m", Lanes: Yes})
	defer s.Close()
	ctx := context.Background()
	run := func(streams, tokens int, rate string) (deltas int64, cpu, wall time.Duration) {
		var n atomic.Int64
		before, began := cpuTime(), time.Now()
		var wg sync.WaitGroup
		for range streams {
			wg.Go(func() {
				for ev, err := range s.Stream(ctx, Request{Job: Edit, Input: user(fmt.Sprint(tokens, "@", rate)),
					MaxOutputTokens: tokens + 1, Trace: &Trace{Delta: func(int) { n.Add(1) }}}) {
					if err != nil {
						b.Error(err)
					}
					_ = ev
				}
			})
		}
		wg.Wait()
		return n.Load(), cpuTime() - before, time.Since(began)
	}
	run(32, 10, "0") // dials what is needed
	b.ResetTimer()
	for b.Loop() {
		deltas, cpu, wall := run(32, 2000, "1000")
		b.ReportMetric(float64(cpu)/float64(wall)*100, "%core")
		b.ReportMetric(float64(deltas)/wall.Seconds(), "tok/s")
		b.ReportMetric(float64(cpu.Nanoseconds())/float64(deltas), "cpu-ns/tok")
		flat, flatCPU, _ := run(32, 4000, "0")
		b.ReportMetric(float64(flat)/flatCPU.Seconds(), "tok/core-s")
	}
}

// BenchmarkSteer is the way of a redirection from the call to its frame on the wire, and to the first text that has
// read it; of the latter the model (a loopback one that answers at once) is a part.
func BenchmarkSteer(b *testing.B) {
	srv := serve(b, loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) {
		if strings.Contains(x.Input, "use a map") {
			_ = x.Text("m := map[string]int{}")
			_ = x.Done()
			return
		}
		_ = x.Delta(strings.Repeat("kept text\n", 50))
		<-x.Cancelled()
	}})
	s := open(b, srv, nil)
	ctx := context.Background()
	if err := s.Warm(ctx, Edit, rules); err != nil {
		b.Fatal(err)
	}
	input := user(strings.Repeat("func f() {}\n", 400))
	var wire, text []time.Duration
	for b.Loop() {
		sent := make(chan time.Time, 4)
		var steered time.Time
		var h Handle
		for ev, err := range s.Stream(ctx, Request{Job: Edit, Base: rules, Input: input, Trace: &Trace{Sent: func(int) { sent <- time.Now() }}}) {
			if err != nil {
				b.Fatal(err)
			}
			switch {
			case ev.Kind == Started:
				h = ev.Response
			case ev.Kind == Delta && steered.IsZero():
				<-sent
				steered = time.Now()
				if out, err := s.Steer(ctx, h, user("no, use a map")); out != SteerApplied {
					b.Fatal(out, err)
				}
				wire = append(wire, (<-sent).Sub(steered))
			case ev.Kind == Delta:
				text = append(text, time.Since(steered))
			}
		}
	}
	for name, d := range map[string][]time.Duration{"µs-to-wire": wire, "µs-to-text": text} {
		slices.Sort(d)
		b.ReportMetric(float64(d[len(d)/2].Nanoseconds())/1e3, name+"-p50")
		b.ReportMetric(float64(d[len(d)*99/100].Nanoseconds())/1e3, name+"-p99")
	}
}
