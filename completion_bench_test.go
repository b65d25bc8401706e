package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// beforeCursor is the part of the cursor's line that stands before it, as a completion's prompt shows it.
func beforeCursor(x *loopback.Exchange) string {
	text, _, _ := strings.Cut(x.FullInput()[strings.LastIndex(x.FullInput()[:strings.LastIndex(x.FullInput(), loopback.CursorMark)], "\n")+1:], loopback.CursorMark)
	return text
}

// watched is what the model's side sees of a burst.
type watched struct {
	mu        sync.Mutex
	live, top int
	requests  atomic.Int64
}

func (w *watched) begin() {
	w.requests.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live++
	// The old response's goroutine may get to run a moment after the new one's: what counts is who is still alive then.
	time.AfterFunc(2*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.top = max(w.top, w.live)
	})
}

func (w *watched) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live--
}

// burst is what is typed: a person's speed, some lines of code, Enter and all.
const burst = `total := price*quantity + shipping(order, customer.Address)
	if total > limit {
		return 0, fmt.Errorf("order %d exceeds the limit of %d", order.ID, limit)
	}
	notify(customer, total)
	return total, nil // cents`

// BenchmarkBurst types two hundred characters at the real binary, one every 30 ms, each asking and cancelling the one
// before, with a model that takes 60 ms to its first word. In "foreseen" the model would write the rest of the line; in
// "often" it is wrong about every third; in "unforeseen" always. Reported are the time to the first text, the share of
// keys that had a right text behind them, the most responses that were alive at once, requests and bytes, the CPU time
// of a burst, and the time from the last key to its answer beyond what the model takes.
func BenchmarkBurst(b *testing.B) {
	const ttft = 60 * time.Millisecond
	const every = 30 * time.Millisecond
	spark := filepath.Join(b.TempDir(), "spark-lsp")
	if out, err := exec.Command("go", "build", "-o", spark, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	// rest is what is still to be typed of the line that a prompt ends in.
	rest := func(x *loopback.Exchange) string {
		before := x.FullInput()
		before = before[:strings.LastIndex(before, loopback.CursorMark)]
		for n := len(burst); n >= 0; n-- {
			if strings.HasSuffix(before, burst[:n]) {
				line, _, _ := strings.Cut(burst[n:], "\n")
				return line
			}
		}
		return ""
	}
	for _, c := range []struct {
		name  string
		wrong func(rest string) bool
	}{
		{"foreseen", func(string) bool { return false }},
		{"often", func(rest string) bool { return len(rest)%3 == 0 }},
		{"unforeseen", func(string) bool { return true }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var w watched
			var mu sync.Mutex
			var began, said time.Time // of the newest exchange
			model := loopback.New(loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) {
				w.begin()
				defer w.end()
				mu.Lock()
				began = time.Now()
				mu.Unlock()
				_ = x.InProgress() // an id to interrupt it by
				answer := rest(x)
				if c.wrong(answer) {
					answer = "§"
				}
				select {
				case <-time.After(ttft):
				case <-x.Cancelled():
					return
				}
				mu.Lock()
				said = time.Now()
				mu.Unlock()
				_ = x.Delta(answer + "\n")
				_ = x.Done()
			}})
			if err := model.Start("127.0.0.1:0"); err != nil {
				b.Fatal(err)
			}
			defer model.Close()
			p := startChild(b, spark, "SPARK_PROVIDER=openai", "SPARK_API_KEY=bench", "SPARK_BASE_URL="+model.URL())
			defer p.end()
			if err := model.WaitWarm(b.Context(), 2); err != nil {
				b.Fatal(err)
			}
			text, line := benchDocument(b, 8<<10)
			at := 0
			for range line {
				at += strings.IndexByte(text[at:], '\n') + 1
			}
			text = text[:at] + "\t" + text[at:]
			var firsts, beyond, cpu []time.Duration
			keys, right := 0, 0
			sent := model.Stats().BytesIn
			for i := 0; b.Loop(); i++ {
				uri := fmt.Sprintf("file:///burst/%d.go", i)
				p.open(uri, text)
				busy := cpuTime(p.cmd.Process.Pid)
				start := time.Now()
				var first time.Duration
				last, row, column := 0, line, 1
				answers := map[int]childAnswer{}
				take := func(a childAnswer) {
					var m struct{ ID int }
					if err := json.Unmarshal(a.body, &m); err != nil {
						b.Fatal(err)
					}
					answers[m.ID] = a
					if text := insertText(a.body); text != "" && text != "§" {
						right++
						if first == 0 {
							first = a.at.Sub(start)
						}
					}
				}
				var lastKey time.Time
				for k, char := range strings.Split(burst, "") {
					for due := time.After(time.Until(start.Add(time.Duration(k) * every))); due != nil; { // the typist is the clock here
						select {
						case a := <-p.answers:
							take(a)
						case <-due:
							due = nil
						}
					}
					if last > 0 {
						p.notify("$/cancelRequest", fmt.Sprintf(`{"id":%d}`, last))
					}
					lastKey = time.Now()
					last = p.key(uri, row, column, char)
					if column++; char == "\n" {
						row, column = row+1, 0
					}
					keys++
				}
				for answers[last].body == nil {
					take(p.answer())
				}
				cpu = append(cpu, cpuTime(p.cmd.Process.Pid)-busy)
				firsts = append(firsts, first)
				mu.Lock()
				models := max(0, said.Sub(lastKey)) // what of the time since the last key was the model's
				if began.After(lastKey) {
					models = said.Sub(began)
				}
				mu.Unlock()
				beyond = append(beyond, answers[last].at.Sub(lastKey)-models)
				p.notify("textDocument/didClose", `{"textDocument":{"uri":"`+uri+`"}}`)
			}
			slices.Sort(firsts)
			slices.Sort(beyond)
			slices.Sort(cpu)
			ms := func(d []time.Duration) float64 { return float64(d[len(d)/2].Microseconds()) / 1000 }
			b.ReportMetric(ms(firsts), "first-text-ms")
			b.ReportMetric(ms(beyond), "beyond-model-ms")
			b.ReportMetric(ms(cpu), "cpu-ms")
			b.ReportMetric(float64(right)/float64(keys), "texts/key")
			b.ReportMetric(float64(w.top), "live-responses")
			b.ReportMetric(float64(w.requests.Load())/float64(keys), "requests/key")
			b.ReportMetric(float64(model.Stats().BytesIn-sent)/max(1, float64(w.requests.Load())), "bytes/request")
		})
	}
}

// insertText is the text of an answer's only item, "" for none.
func insertText(body []byte) string {
	var m struct {
		Result struct {
			Items []struct {
				InsertText string `json:"insertText"`
			} `json:"items"`
		} `json:"result"`
	}
	if json.Unmarshal(body, &m) != nil || len(m.Result.Items) == 0 {
		return ""
	}
	return m.Result.Items[0].InsertText
}

// cpuTime is how long a process has been running on a processor on Linux, and 0 elsewhere.
func cpuTime(pid int) (total time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range threads {
		if data, err := os.ReadFile(name); err == nil {
			var ns int64
			fmt.Sscan(string(data), &ns)
			total += time.Duration(ns)
		}
	}
	return total
}
