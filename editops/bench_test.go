package editops

import (
	"strings"
	"testing"
)

func BenchmarkDiff(b *testing.B) {
	for _, c := range []struct {
		name        string
		seed        uint64
		size, every int
	}{{"8KB", 11, 8 << 10, 40}, {"1MB few changes", 12, 1 << 20, 2000}, {"1MB many changes", 13, 1 << 20, 10}, {"1MB every line", 14, 1 << 20, 1}} {
		old, new := big(c.seed, c.size, c.every)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Diff(old, new)
			}
		})
	}
}

func BenchmarkInterpolate(b *testing.B) {
	text, _ := big(15, 1<<20, 40)
	at := len(text) / 2
	s := NewSuggestion(text, at, at, at, "compute(a, b)\n\treturn c")
	var edits []Edit
	for i, r := range "compute(" {
		edits = append(edits, Edit{at + i, at + i, string(r)})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Interpolate(s, edits, -1); !ok {
			b.Fatal("dead")
		}
	}
}

func BenchmarkCleanCompletion(b *testing.B) {
	text, _ := big(16, 1<<20, 40)
	lines := strings.SplitAfter(text, "\n")
	prefix, suffix := strings.Join(lines[:10000], "")+"\tif x {", "\n"+strings.Join(lines[10000:], "")
	b.ReportAllocs()
	for b.Loop() {
		CleanCompletion(prefix, suffix, "\n\t\talpha.beta(gamma, 1)\n\t\treturn nil\n\t}\n\tmore()\n", CleanOptions{})
	}
}

func BenchmarkStopper(b *testing.B) {
	text, _ := big(17, 1<<14, 40)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		s := NewStopper("x {", "", CleanOptions{Lines: LinesMany})
		for i := 0; i < len(text) && s.Push(text[i:min(i+4, len(text))]) == StopNot; i += 4 {
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(1, n)), "ns/token")
}

func BenchmarkHunks(b *testing.B) {
	for _, c := range []struct {
		name        string
		seed        uint64
		size, every int
	}{{"8KB", 18, 8 << 10, 60}, {"300KB", 19, 300 << 10, 300}} {
		old, new := big(c.seed, c.size, c.every)
		reply, _ := writeHunks(old, new, 3, false)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			hunks := 0
			for b.Loop() {
				s := NewHunkStream(old, HunkOptions{})
				for i := 0; i < len(reply); i += 4 {
					hunks += len(s.Push(reply[i:min(i+4, len(reply))]))
				}
				hunks += len(s.Finish())
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(hunks), "µs/hunk")
		})
	}
}
