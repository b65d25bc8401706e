package editops

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"equal", "a⏎", "a⏎", ""},
		{"from nothing", "", "a⏎b", "0:0=a⏎b"},
		{"to nothing", "a⏎b", "", "0:3="},
		{"insert a line", "a⏎b⏎", "a⏎x⏎b⏎", "2:2=x⏎"},
		{"delete a line", "a⏎x⏎b⏎", "a⏎b⏎", "2:4="},
		{"two words in a line", "let foo = bar(1, two, 3);⏎", "let fox = bar(1, six, 3);⏎", "6:7=x·17:20=six"},
		{"word trimmed at the middle", "call(alpha)⏎", "call(alphabet)⏎", "10:10=bet"},
		{"nothing in common: one edit", "if (a) { b }⏎", "return { x, y, zz, www }⏎", "0:10=return { x, y, zz, www"},
		{"D14 whole runes", "é⏎", "è⏎", "0:2=è"},
		{"D13 CRLF is one end", "a␍⏎b⏎", "a⏎b⏎", "1:3=⏎"},
		{"D13 lone CR", "a␍b␍", "a␍x␍b␍", "2:2=x␍"},
		{"moved line", "a⏎b⏎c⏎", "b⏎c⏎a⏎", "0:2=·6:6=a⏎"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			edits := Diff(unmark(c.old), unmark(c.new))
			for _, e := range edits {
				got = append(got, fmt.Sprintf("%d:%d=%s", e.Start, e.End, mark(e.New)))
			}
			if text := applyAll(t, unmark(c.old), edits); text != unmark(c.new) {
				t.Errorf("text %q", text)
			}
			if s := strings.Join(got, "·"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

// applyAll applies edits that all refer to text, and checks that they are sorted and apart.
func applyAll(t testing.TB, text string, edits []Edit) string {
	t.Helper()
	var b strings.Builder
	at := 0
	for i, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(text) || i > 0 && e.Start == at {
			t.Fatalf("edits %v of %q: number %d is out of order, touching or outside", edits, text, i)
		}
		if splits(text, e.Start) || splits(text, e.End) {
			t.Fatalf("edit %+v splits a character of %q", e, text)
		}
		b.WriteString(text[at:e.Start])
		b.WriteString(e.New)
		at = e.End
	}
	b.WriteString(text[at:])
	return b.String()
}

func TestDiffRandom(t *testing.T) {
	const seed = 2
	for k := range 40000 {
		rnd := rand.New(rand.NewPCG(seed, uint64(k)))
		old := randomText(rnd)
		new := mutate(rnd, old)
		if rnd.IntN(4) == 0 {
			new = randomText(rnd)
		}
		end := []string{"\n", "\r\n", "mixed"}[rnd.IntN(3)]
		old, new = withEnds(rnd, old, end), withEnds(rnd, new, end)
		if got := applyAll(t, old, Diff(old, new)); got != new {
			t.Fatalf("seed %d/%d\nold %q\nnew %q\ngot %q", seed, k, old, new, got)
		}
	}
}

// The matcher finds a longest common subsequence, whose length dynamic programming gives as well.
func TestMatcherIsMinimal(t *testing.T) {
	for k := range 20000 {
		rnd := rand.New(rand.NewPCG(3, uint64(k)))
		letters := 1 + rnd.IntN(6)
		seq := func() []string {
			s := make([]string, rnd.IntN(24))
			for i := range s {
				s[i] = string(rune('a' + rnd.IntN(letters)))
			}
			return s
		}
		a, b := seq(), seq()
		same := len(a)
		eachGap(a, b, diffBudget, func(x, y span) { same -= x.to - x.from })
		row := make([]int, len(b)+1)
		for _, x := range a {
			diag := 0
			for j, y := range b {
				next := row[j+1]
				if x == y {
					row[j+1] = diag + 1
				} else {
					row[j+1] = max(row[j+1], row[j])
				}
				diag = next
			}
		}
		if same != row[len(b)] {
			t.Fatalf("case %d: matched %d of %d\n%v\n%v", k, same, row[len(b)], a, b)
		}
	}
}

// Texts beyond the budget still come out right, and the unique lines are found.
func TestDiffAnchors(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	var a, b strings.Builder
	for i := range 6000 {
		fmt.Fprintf(&a, "old %d\n", rnd.IntN(1<<30))
		fmt.Fprintf(&b, "new %d\n", rnd.IntN(1<<30))
		if i%500 == 0 {
			fmt.Fprintf(&a, "anchor %d\n", i)
			fmt.Fprintf(&b, "anchor %d\n", i)
		}
	}
	old, new := a.String(), b.String()
	edits := Diff(old, new)
	if got := applyAll(t, old, edits); got != new {
		t.Fatal("wrong text")
	}
	if want := 6000/500 + 1; len(edits) != want {
		t.Errorf("%d edits, want one for each of %d stretches between anchors", len(edits), want)
	}
}
