package offline

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// play makes changes: each is "old→new" at the first "«old»"-free occurrence given by index n of old in the text.
type step struct {
	n        int // which occurrence of old, from 0
	old, new string
	keys     bool // letter by letter
}

func play(t *testing.T, text string, steps []step) (string, []Change) {
	t.Helper()
	var list []Change
	apply := func(at int, old, new string) {
		if text[at:at+len(old)] != old {
			t.Fatalf("no %q at %d", old, at)
		}
		text = text[:at] + new + text[at+len(old):]
		list = append(list, Change{at, old, new, false})
	}
	for _, s := range steps {
		at := -1
		for range s.n + 1 {
			k := strings.Index(text[at+1:], s.old)
			if k < 0 {
				t.Fatalf("%q not found", s.old)
			}
			at += 1 + k
		}
		if !s.keys {
			apply(at, s.old, s.new)
			continue
		}
		for i := len(s.old); i > 0; i-- {
			apply(at+i-1, s.old[i-1:i], "")
		}
		for i := range len(s.new) {
			apply(at+i, "", s.new[i:i+1])
		}
	}
	return text, list
}

func accept(text string, list []Proposal) string {
	var b strings.Builder
	byStart := map[int]Proposal{}
	for _, p := range list {
		byStart[p.Start] = p
	}
	for i := 0; i <= len(text); {
		if p, ok := byStart[i]; ok {
			delete(byStart, i)
			b.WriteString(p.New)
			if i = p.End; p.End > p.Start {
				continue
			}
		}
		if i < len(text) {
			b.WriteByte(text[i])
		}
		i++
	}
	return b.String()
}

func TestRepeatedEdits(t *testing.T) {
	for _, c := range []struct {
		name, text string
		steps      []step
		want       string // after all proposals are accepted; "" for none offered
	}{
		{"a name changed twice", "foo(a)\nfoo(b)\nx := foo(c)\nfood()\n// foo\n", []step{{0, "foo", "bar", true}, {0, "foo", "bar", true}},
			"bar(a)\nbar(b)\nx := bar(c)\nfood()\n// foo\n"},
		{"once is no pattern", "foo(a)\nfoo(b)\nfoo(c)\n", []step{{0, "foo", "bar", true}}, ""},
		{"an argument added", "f(ctx, a)\nrun(one)\nrun(two)\nrun(three)\nwalk(four)\n", []step{{0, "run(", "run(ctx, ", false}, {1, "run(", "run(ctx, ", false}},
			"f(ctx, a)\nrun(ctx, one)\nrun(ctx, two)\nrun(ctx, three)\nwalk(four)\n"},
		{"an argument added behind another", "run(one)\nrun(two)\nrun(three)\nrun(a, b)\n", []step{{0, "one", "one, nil", true}, {0, "two", "two, nil", true}},
			"run(one, nil)\nrun(two, nil)\nrun(three, nil)\nrun(a, b)\n"},
		{"a call taken away", "x(must(a))\ny(must(b))\nz(must(c))\n", []step{{0, "must", "", false}, {0, "must", "", false}}, "x((a))\ny((b))\nz((c))\n"},
		{"a literal", `a("x")` + "\n" + `b("x")` + "\n" + `c("x")` + "\n", []step{{0, `"x"`, `"y"`, false}, {0, `"x"`, `"y"`, false}},
			`a("y")` + "\n" + `b("y")` + "\n" + `c("y")` + "\n"},
		{"to and fro", "foo(a)\nfoo(b)\nfoo(c)\n", []step{{0, "foo", "bar", false}, {0, "foo", "bar", false}, {0, "bar(a", "foo(a", false}}, ""},
		{"D12: undoing both", "foo(a)\nfoo(b)\nfoo(c)\n", []step{{0, "foo", "bar", false}, {0, "foo", "bar", false}, {0, "bar", "foo", false}, {0, "bar", "foo", false}}, ""},
		{"blanks only", "a  b\na  b\na  b\n", []step{{0, "  ", " ", false}, {0, "  ", " ", false}}, ""},
		{"punctuation without words", "a, b, c\nd, e, f\n", []step{{0, ",", ";", false}, {1, ",", ";", false}}, ""},
		{"different edits", "foo(a)\nfoo(b)\nfoo(c)\n", []step{{0, "foo", "bar", false}, {0, "foo", "baz", false}}, ""},
		{"the latest edit is another", "foo(a)\nfoo(b)\nfoo(c)\nq\n", []step{{0, "foo", "bar", false}, {0, "foo", "bar", false}, {0, "q", "r", false}}, ""},
	} {
		text, changes := play(t, c.text, c.steps)
		list := RepeatedEdits("x.go", "go", text, changes)
		got := ""
		if len(list) > 0 {
			got = accept(text, list)
		}
		if got != c.want {
			t.Errorf("%s: %+v\ngot  %q\nwant %q", c.name, list, got, c.want)
		}
	}
}

func TestRepeatedEditsBelowFirst(t *testing.T) {
	text, changes := play(t, "foo(a)\nfoo(b)\nfoo(c)\nfoo(d)\nfoo(e)\n", []step{{1, "foo", "bar", true}, {1, "foo", "bar", true}})
	list := RepeatedEdits("x.go", "go", text, changes)
	if len(list) != 3 || text[list[0].Start:list[0].End+3] != "foo(d)" || list[2].Start != 0 || list[0].Examples != 2 {
		t.Fatalf("%+v in %q", list, text)
	}
}

// Whatever the changes are, join must keep: the text with every region put back is the text before.
func TestJoinedRegionsRestoreTheText(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 9))
		before := "the quick brown fox jumps over the lazy dog"
		text := before
		var changes []Change
		for range r.IntN(12) {
			i := r.IntN(len(text) + 1)
			j := min(len(text), i+r.IntN(6))
			c := Change{i, text[i:j], "ABCDEFGH"[:r.IntN(5)], false}
			text = text[:i] + c.New + text[j:]
			changes = append(changes, c)
		}
		restored := text
		regions := join(changes)
		for k := len(regions) - 1; k >= 0; k-- {
			g := regions[k]
			if k > 0 && regions[k-1].end >= g.start {
				t.Fatalf("seed %d: regions touch: %+v", seed, regions)
			}
			restored = restored[:g.start] + g.old + restored[g.end:]
		}
		if restored != before {
			t.Fatalf("seed %d: %q", seed, restored)
		}
		list := RepeatedEdits("x.go", "go", text, changes)
		for _, p := range list {
			if p.Start < 0 || p.End > len(text) || p.Start > p.End {
				t.Fatalf("seed %d: %+v", seed, p)
			}
		}
	}
}

// Changes that do not belong to the text must not be trusted, nor crash.
func TestRepeatedEditsForeignChanges(t *testing.T) {
	if list := RepeatedEdits("x.go", "go", "a", []Change{{90, "b", "c", false}, {200, "b", "c", false}}); list != nil {
		t.Errorf("%+v", list)
	}
}

// What streamed in is no example, also where it looks like one, and nothing is proposed inside of it. The user's own
// examples count as before.
func TestRepeatedEditsAreTheUsers(t *testing.T) {
	text := "a = fetch(1)\nb = fetch(2)\nc = fetch(3)\nd = fetch(4)\ne = fetch(5)\n"
	after, changes := play(t, text, []step{{0, "fetch", "load", false}, {0, "fetch", "load", true}})
	if got := RepeatedEdits("a.py", "python", after, changes); len(got) != 3 {
		t.Fatalf("made twice by the user: %+v", got)
	}
	for i := range changes {
		mixed := slices.Clone(changes)
		mixed[i].Ours = true
		if got := RepeatedEdits("a.py", "python", after, mixed); len(got) != 0 {
			t.Errorf("change %d is not the user's: %+v", i, got)
		}
	}
	after, changes = play(t, text, []step{{0, "fetch", "load", false}, {0, "fetch", "load", true}, {1, "fetch", "load", false}})
	changes[len(changes)-1].Ours = true // the fourth line, by a stream
	got := RepeatedEdits("a.py", "python", after, changes)
	if len(got) != 2 || got[0].Start != strings.Index(after, "fetch(3)") || got[1].Start != strings.Index(after, "fetch(5)") || got[0].Examples != 2 {
		t.Errorf("beside one of ours: %+v", got)
	}
}
