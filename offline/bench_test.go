package offline

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session"
)

// toolchain returns Go files of the toolchain that runs the test, until they make about 1.5 million tokens.
func toolchain(tb testing.TB) (names []string, texts map[string]string) {
	tb.Helper()
	root := filepath.Join(runtime.GOROOT(), "src")
	texts = map[string]string{}
	tokens := 0
	_ = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".go" {
			return nil
		}
		if tokens > 1_500_000 {
			return fs.SkipAll
		}
		data, err := os.ReadFile(file)
		if err != nil || len(data) > 512<<10 {
			return nil
		}
		rel, _ := filepath.Rel(root, file)
		rel = filepath.ToSlash(rel)
		names = append(names, rel)
		texts[rel] = string(data)
		lx := lexer{syntax: &goLike, text: string(data)}
		for lx.next() {
			tokens++
		}
		return nil
	})
	if tokens < 1_000_000 {
		tb.Skipf("skipped: the toolchain's source is not here (%d tokens)", tokens)
	}
	return names, texts
}

func heapMB() float64 {
	runtime.GC()
	runtime.GC()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return float64(ms.HeapAlloc) / (1 << 20)
}

func (x *index) tokens() (n int) {
	for _, s := range x.state.Load().segments {
		n += len(s.sorted)
	}
	return n
}

// BenchmarkIndex builds the index of 1.5 million tokens: aims are 3 s and 64 MB.
func BenchmarkIndex(b *testing.B) {
	names, texts := toolchain(b)
	for b.Loop() {
		before := heapMB()
		e := New(Options{})
		start := time.Now()
		for _, name := range names {
			e.AddFile(name, "go", texts[name])
		}
		took := time.Since(start)
		b.ReportMetric(took.Seconds(), "s/index")
		b.ReportMetric(heapMB()-before, "MB/index")
		b.ReportMetric(float64(e.index.tokens()), "tokens")
		e.Close()
	}
}

// BenchmarkAddFile is a save while everything else is indexed.
func BenchmarkAddFile(b *testing.B) {
	names, texts := toolchain(b)
	e := New(Options{})
	defer e.Close()
	for _, name := range names {
		e.AddFile(name, "go", texts[name])
	}
	const name = "net/http/server.go"
	text := strings.Repeat(serverGo, 40)
	var all []time.Duration
	for b.Loop() {
		start := time.Now()
		e.AddFile(name, "go", text)
		all = append(all, time.Since(start))
	}
	report(b, all)
}

func report(b *testing.B, all []time.Duration) {
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "µs-p99")
}

// BenchmarkKeystroke types a file that is not in the index, a key a question, with 1.5 million tokens
// indexed: the aim is 2 ms at the 99th percentile. In "1 MB" the same happens in the middle of a large document.
func BenchmarkKeystroke(b *testing.B) {
	names, texts := toolchain(b)
	const typed = "bufio/bufio.go"
	text := texts[typed]
	e := New(Options{})
	defer e.Close()
	for _, name := range names {
		if name != typed {
			e.AddFile(name, "go", texts[name])
		}
	}
	var other strings.Builder
	for _, name := range names {
		if other.Len() < 1<<19 && name != typed {
			other.WriteString(texts[name])
		}
	}
	for _, c := range []struct{ name, above, below string }{{"20KB", "", ""}, {"1MB", other.String(), other.String()}} {
		for _, explicit := range []bool{false, true} {
			name := c.name + "/automatic"
			if explicit {
				name = c.name + "/explicit"
			}
			b.Run(name, func(b *testing.B) {
				prefixes := make([]string, 0, 1000)
				doc := c.above + text
				for i := len(c.above) + len(text)/3; len(prefixes) < 1000; i++ {
					line := strings.TrimSpace(doc[strings.LastIndexByte(doc[:i], '\n')+1 : i])
					if line != "" && !strings.HasPrefix(line, "/") { // in a comment there is nothing to do
						prefixes = append(prefixes, doc[:i])
					}
				}
				var all []time.Duration
				i := 0
				for b.Loop() {
					prefix := prefixes[i%len(prefixes)]
					i++
					start := time.Now()
					for _, err := range e.Stream(context.Background(), session.Request{Job: session.Completion, Explicit: explicit,
						FIM: session.FIM{Path: typed, Language: "go", Prefix: prefix, Suffix: c.below}}) {
						if err != nil {
							b.Fatal(err)
						}
					}
					all = append(all, time.Since(start))
				}
				report(b, all)
			})
		}
	}
}

// The memory promise does not depend on how busy the machine is, so it is a test.
func TestIndexMemory_D23(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	names, texts := toolchain(t)
	before := heapMB()
	e := New(Options{})
	defer e.Close()
	start := time.Now()
	for _, name := range names {
		e.AddFile(name, "go", texts[name])
	}
	took := time.Since(start)
	used := heapMB() - before
	n := e.index.tokens()
	t.Logf("%d tokens in %d files: %v, %.1f MB, %d words, %d segments", n, len(names), took, used, len(e.index.state.Load().vocab.snapshot()), len(e.index.state.Load().segments))
	if used > 64 {
		t.Errorf("%.1f MB for %d tokens, promised 64", used, n)
	}
	runtime.KeepAlive(texts)
}
