package offline

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spark-lsp/spark-lsp/session"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// check holds the index to what a naive reading of the living files says.
func (x *index) check(t *testing.T, want map[string]string) {
	t.Helper()
	st := x.state.Load()
	words := st.vocab.snapshot()
	got := map[string]string{}
	for _, s := range st.segments {
		if len(s.tokens) != len(s.gaps) || len(s.tokens) != len(s.forms) || len(s.sorted) != len(s.byForm) {
			t.Fatal("parallel slices differ")
		}
		for i, f := range s.files {
			end := len(s.tokens)
			if i+1 < len(s.files) {
				end = int(s.files[i+1].start)
			}
			if f.file.dead.Load() {
				continue
			}
			var b strings.Builder
			for p := int(f.start) + 1; p < end; p++ {
				b.WriteString(words[s.tokens[p]].text + " ")
				if s.fileAt(uint32(p)) != f.file {
					t.Fatalf("position %d of %s is said to be in %s", p, f.file.path, s.fileAt(uint32(p)).path)
				}
			}
			got[f.file.path] += b.String()
		}
		for _, order := range []struct {
			list   []word
			sorted []uint32
		}{{s.tokens, s.sorted}, {s.forms, s.byForm}} {
			if !slices.IsSortedFunc(order.sorted, func(a, b uint32) int { return compareContexts(order.list, int(a), order.list, int(b)) }) {
				t.Fatal("a segment is not sorted")
			}
			seen := slices.Sorted(slices.Values(order.sorted))
			if len(slices.Compact(seen)) != len(s.tokens)-len(s.files) {
				t.Fatalf("%d positions for %d tokens in %d files", len(seen), len(s.tokens), len(s.files))
			}
		}
	}
	for name, text := range want {
		if text != "" && got[name] != text+" " {
			t.Fatalf("%s: %q, want %q", name, got[name], text)
		}
		delete(got, name)
	}
	for name, text := range got {
		if text != "" {
			t.Fatalf("%s is still there", name)
		}
	}
}

func TestIndexChurn(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	x := newIndex()
	want := map[string]string{}
	for i := range 600 {
		name := fmt.Sprintf("d%d/f%d.txt", r.IntN(3), r.IntN(20))
		if r.IntN(4) == 0 {
			x.remove(name)
			delete(want, name)
		} else {
			words := make([]string, r.IntN(60))
			for k := range words {
				words[k] = fmt.Sprintf("w%d", r.IntN(30)+i)
			}
			want[name] = strings.Join(words, " ")
			x.add(name, "", want[name])
		}
		if i%20 == 0 {
			x.check(t, want)
		}
	}
	x.check(t, want)
	st := x.state.Load()
	if n := len(st.segments); n > 14 {
		t.Errorf("%d segments", n)
	}
	// 600 generations of words were seen, those of some 15 to 60 files are alive: the dead ones must go.
	living := map[string]bool{}
	for _, text := range want {
		for _, w := range strings.Fields(text) {
			living[w] = true
		}
	}
	if n := len(st.vocab.snapshot()); n > 4*len(living)+2000 {
		t.Errorf("%d words kept for %d", n, len(living))
	}
}

// An hour of typing and saving must not make the engine grow.
func TestEngineDoesNotGrow_D23(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	e := New(Options{})
	defer e.Close()
	for i := range 50 {
		e.AddFile(fmt.Sprintf("p/f%d.go", i), "go", strings.ReplaceAll(serverGo, "handle", fmt.Sprintf("handle%d", i)))
	}
	text := strings.Repeat(serverGo, 20)
	heap := func() uint64 {
		runtime.GC()
		var ms runtime.MemStats
		runtime.ReadMemStats(&ms)
		return ms.HeapAlloc
	}
	type_ := func(n, salt int) {
		prefix := text
		for i := range n {
			prefix += string(rune('a' + (i*7+salt)%26))
			if i%9 == 0 {
				prefix += " "
			}
			if len(prefix) > len(text)+2000 {
				prefix = text
			}
			ask(t, e, "p/open.go", prefix+"|", false)
			if i%100 == 0 {
				e.AddFile("p/open.go", "go", prefix)
			}
		}
	}
	type_(2000, 0)
	before := heap()
	type_(12000, 3)
	if after := heap(); after > before+before/4+2<<20 {
		t.Errorf("heap grew from %d to %d KB", before>>10, after>>10)
	}
}

func TestConcurrentUse(t *testing.T) {
	e := New(Options{Documents: 3})
	e.AddFile("server.go", "go", serverGo)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 300 {
			name := fmt.Sprintf("d/f%d.go", i%40)
			if i%7 == 0 {
				e.RemoveFile(name)
				continue
			}
			e.AddFile(name, "go", strings.ReplaceAll(serverGo, "handle", fmt.Sprintf("handle%d", i)))
		}
	})
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				prefix := serverGo[:(i*37+g*11)%len(serverGo)]
				for ev, err := range e.Stream(t.Context(), session.Request{Job: session.Completion, Explicit: i%2 == 0,
					FIM: session.FIM{Path: fmt.Sprintf("d/f%d.go", g%5), Prefix: prefix, Suffix: serverGo[len(prefix):]}}) {
					if err != nil {
						t.Error(err)
					}
					if ev.Kind == session.Delta && ev.Text == "" {
						t.Error("an empty delta")
					}
				}
			}
		})
	}
	wg.Wait()
	e.Close()
	if text, _ := ask(t, e, "x.go", serverGo+"fmt.Fprin|", true); !strings.HasPrefix(text, "tln") {
		t.Errorf("after Close the document itself is still known, got %q", text)
	}
	e.AddFile("late.go", "go", serverGo)
	if n := len(e.index.state.Load().segments); n != 0 {
		t.Errorf("a closed engine took a file: %d segments", n)
	}
}

// Leaving the loop after any event is fine and ends the answer.
func TestStreamIsLeftEarly(t *testing.T) {
	e := New(Options{})
	defer e.Close()
	e.AddFile("server.go", "go", serverGo)
	for stop := range 3 {
		n := 0
		for range e.Stream(t.Context(), session.Request{Job: session.Completion, FIM: session.FIM{Path: "x.go", Prefix: "package x\n\nfunc f(w http.Re"}}) {
			if n++; n > stop {
				break
			}
		}
		if n != stop+1 {
			t.Errorf("stop %d: %d events", stop, n)
		}
	}
}

func TestClosingBrackets_D1(t *testing.T) {
	e := New(Options{})
	defer e.Close()
	for range 5 {
		e.AddFile("a.go", "go", "package a\n\nfunc f() {\n\tlog.Printf(\"%d\", compute(first, second))\n\tlog.Printf(\"%d\", compute(first, second))\n}\n")
	}
	for _, c := range []struct{ marked, want string }{
		{"package b\n\nfunc g() {\n\tlog.Printf(\"%d\", compute(|", "first, second))"},
		{"package b\n\nfunc g() {\n\tlog.Printf(\"%d\", compute(|)", "first, second)"},
		{"package b\n\nfunc g() {\n\tlog.Printf(\"%d\", compute(|))", "first, second"},
		{"package b\n\nfunc g() {\n\tlog.Printf(\"%d\", compute(first, second|", "))"},
		{"package b\n\nfunc g() {\n\tlog.Printf(\"%d\", compute(first, second|))", ""},
	} {
		if got, p := ask(t, e, "b.go", c.marked, true); got != c.want {
			t.Errorf("%q: %q (%.2f), want %q", c.marked, got, p, c.want)
		}
	}
}
