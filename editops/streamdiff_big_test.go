package editops

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
)

// big makes a text of about size bytes that looks like code, and a version of it with an edit every so many
// lines. The seed is part of the name of what it measures.
func big(seed uint64, size, every int) (old, model string) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	word := func() string { return vocabularyBig[rnd.IntN(len(vocabularyBig))] }
	var a, b strings.Builder
	for line := 0; a.Len() < size; line++ {
		l := strings.Repeat("\t", rnd.IntN(4)) + word() + "." + word() + "(" + word() + ", " + fmt.Sprint(rnd.IntN(5000)) + ")\n"
		if rnd.IntN(8) == 0 {
			l = []string{"}\n", "\n", "\t}\n", "\treturn nil\n"}[rnd.IntN(4)]
		}
		a.WriteString(l)
		switch {
		case line%every > 0:
			b.WriteString(l)
		case rnd.IntN(3) == 0: // deleted
		case rnd.IntN(2) == 0:
			b.WriteString(strings.Replace(l, "(", "("+word()+", ", 1))
		default:
			b.WriteString(word() + "(" + word() + ")\n" + l)
		}
	}
	return a.String(), b.String()
}

var vocabularyBig = strings.Fields("alpha beta gamma delta request response handler buffer offset length index value error context session stream")

var bigTexts = []struct {
	name  string
	texts func() (old, model string)
}{
	{"300KB", func() (string, string) { return big(1, 300<<10, 40) }},
	{"300KB/every line", func() (string, string) { return big(2, 300<<10, 1) }},
	{"300KB/unrelated", func() (string, string) {
		old, _ := big(3, 300<<10, 40)
		model, _ := big(4, 200<<10, 40)
		return old, model
	}},
	{"100k lines", func() (string, string) { return big(5, 3<<20, 100) }},
	{"100k equal lines", func() (string, string) { return strings.Repeat("}\n", 100000), strings.Repeat("}\n\n", 60000) }},
	{"100k two lines", func() (string, string) {
		return strings.Repeat("foo()\nbar()\n", 50000), strings.Repeat("bar()\nbar()\nfoo()\n", 33000)
	}},
	{"100k lines, lone CR", func() (string, string) {
		old, model := big(8, 3<<20, 100)
		return strings.ReplaceAll(old, "\n", "\r"), model
	}},
	{"20k token region", func() (string, string) { return big(6, 80000, 5) }},
	{"5MB line", func() (string, string) {
		l := strings.Repeat("0123456789", 5<<20/10)
		return l + "\n", l[:1000] + "x" + l[1000:] + "\n"
	}},
	{"5MB line, no model", func() (string, string) { return strings.Repeat("0123456789", 5<<20/10) + "\n", "short\n" }},
	{"long lines", func() (string, string) {
		old, model := big(7, 300<<10, 3)
		join := func(s string) string { // 3.5 KB a line
			lines := strings.SplitAfter(s, "\n")
			for i := range lines {
				if i%110 > 0 {
					lines[i] = strings.Replace(lines[i], "\n", " ", 1)
				}
			}
			return strings.Join(lines, "")
		}
		return join(old), join(model)
	}},
}

// stream pushes the model's text token by token and returns the time of each push, New first and Finish last.
func stream(tb testing.TB, old, model string) (*StreamDiff, []time.Duration) {
	times := make([]time.Duration, 0, len(model)/bytesPerToken+3)
	began := time.Now()
	d := NewStreamDiff(old, StreamOptions{})
	times = append(times, time.Since(began))
	for i := 0; i < len(model); i += bytesPerToken {
		began := time.Now()
		d.Push(model[i:min(i+bytesPerToken, len(model))])
		times = append(times, time.Since(began))
	}
	began = time.Now()
	d.Finish()
	times = append(times, time.Since(began))
	if err := d.Err(); err != nil {
		tb.Fatal(err)
	}
	if got := ModelText(d.Text()); got != expected(old, model) {
		tb.Fatalf("%d bytes instead of %d", len(got), len(expected(old, model)))
	}
	return d, times
}

// D25: big inputs cost a fixed time a token and memory in proportion, and no push takes longer than a frame
// has room for. A push that another process interrupts is told from a slow one by repetition.
func TestD25StreamDiff(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("times are not taken with -short, and mean nothing under the race detector")
	}
	for _, c := range bigTexts {
		t.Run(c.name, func(t *testing.T) {
			old, model := c.texts()
			var best []time.Duration
			for round := range 3 {
				_, times := stream(t, old, model)
				if round == 0 {
					best = times
				}
				for i, d := range times {
					best[i] = min(best[i], d)
				}
			}
			var sum, worst time.Duration
			for _, d := range best {
				sum += d
			}
			for _, d := range best[1 : len(best)-1] {
				worst = max(worst, d)
			}
			perToken := sum / time.Duration(tokens(len(old)+len(model)))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			d, _ := stream(t, old, model)
			runtime.GC()
			runtime.ReadMemStats(&after)
			held := float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / float64(len(old)+len(model))
			runtime.KeepAlive(d)
			t.Logf("%d KB, %d KB new: start %v, %v a token, slowest push %v, finish %v, %.1f bytes held a byte", len(old)>>10, len(model)>>10,
				best[0], perToken, worst, best[len(best)-1], held)
			limit := 5 * time.Millisecond
			if len(old) > 1<<20 {
				limit = 50 * time.Millisecond // the push that completes a line of 5 MB reads it, once
			}
			if worst > limit {
				t.Errorf("slowest push %v, limit %v", worst, limit)
			}
			if perToken > 10*time.Microsecond {
				t.Errorf("%v a token", perToken)
			}
			if held > 16 {
				t.Errorf("%.1f bytes held for each of the texts", held)
			}
		})
	}
}

func BenchmarkStreamDiff(b *testing.B) {
	for _, c := range bigTexts {
		old, model := c.texts()
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				stream(b, old, model)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(tokens(len(model))), "ns/token")
		})
	}
}
