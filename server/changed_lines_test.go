package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What is learned of a file's names is kept, so each line of its text must have been in the text before or be among
// the changed ones, and those must be whole.
func TestChangedLines(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	for i := range 60 { // longer than what is compared at once
		fmt.Fprintf(&b, "name_%d: %d\n", i%7, i)
	}
	old := b.String()
	for range 3000 {
		from := rng.IntN(len(old) + 1)
		to := from + rng.IntN(min(40, len(old)-from)+1)
		now := old[:from] + []string{"", "x", "\n", "password: tiger\n", "\npin: 1234", "name_1: 8\n"}[rng.IntN(6)] + old[to:]
		changed := changedLines(old, now)
		lines := strings.Split(now, "\n")
		known := append(strings.Split(old, "\n"), strings.Split(changed, "\n")...)
		for _, line := range lines {
			if !slices.Contains(known, line) {
				t.Fatalf("[%d,%d): %q is not in %q", from, to, line, changed)
			}
		}
		for line := range strings.SplitSeq(changed, "\n") {
			if !slices.Contains(lines, line) {
				t.Fatalf("[%d,%d): %q is no whole line", from, to, line)
			}
		}
		if len(changed) > 200 {
			t.Fatalf("[%d,%d): %d bytes are said to have changed", from, to, len(changed))
		}
		old = now
		if len(old) < 400 {
			old = b.String()
		}
	}
	if got := changedLines("a: 1", "a: 1"); got != "a: 1" && got != "" {
		t.Errorf("of the same text %q", got)
	}
}

// BenchmarkChangedLines is a key in the middle of a configuration file as large as is looked at for each key.
func BenchmarkChangedLines(b *testing.B) {
	old := strings.Repeat("  password: tiger\n", largeDocument/18)
	now := old[:len(old)/2] + "x" + old[len(old)/2:]
	b.SetBytes(int64(len(now)))
	for b.Loop() {
		changedLines(old, now)
	}
}
