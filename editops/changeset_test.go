package editops

import (
	"errors"
	"math/rand"
	"strings"
	"testing"
)

// set reads the one-line notation: =2 +"x" -3.
func set(t testing.TB, s string) ChangeSet {
	t.Helper()
	c, err := ParseChangeSet(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChangeSetNormal(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, ``},
		{`=0`, ``},
		{`=3`, `=3`},
		{`=1 =2`, `=3`},
		{`-2 +"x" =1`, `+"x" -2 =1`},
		{`-1 +"x" -1 +"y"`, `+"xy" -2`},
		{`+"" =2 -0`, `=2`},
		{`=1 +"a" +"b\n" +"\"" =1`, `=1 +"ab\n\"" =1`},
	} {
		if got := set(t, c.in).String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.in, got, c.want)
		}
	}
	for _, bad := range []string{`2`, `=`, `=x`, `=-1`, `+x`, `+"x`, `*2`, `=1=2`, `=99999999999999999999`, `=9999999999999`} {
		if c, err := ParseChangeSet(bad); err == nil {
			t.Errorf("%s: read as %s", bad, c)
		}
	}
}

func TestChangeSetCompose(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{`=2`, `=1 +"x" =1`, `=1 +"x" =1`},
		{`=1 +"abc" =1`, `=2 -1 =2`, `=1 +"ac" =1`},
		{`=1 +"abc" =1`, `=1 -3 =1`, `=2`},
		{`-2 =2`, `+"x" =2`, `+"x" -2 =2`},
		{`-2 =2`, `=1 -1`, `-2 =1 -1`},
		{`+"ab"`, `=1 +"x" =1`, `+"axb"`},
		{`=1 +"ab" -2 =1`, `-4`, `-4`},
	} {
		got, err := set(t, c.a).Compose(set(t, c.b))
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != c.want {
			t.Errorf("(%s).Compose(%s): got %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

func TestChangeSetMap(t *testing.T) {
	for _, c := range []struct{ a, over, after, before string }{
		{`=1 +"x" =1`, `=1 +"yy" =1`, `=3 +"x" =1`, `=1 +"x" =3`},
		{`-4`, `=1 +"u" =3`, `-1 =1 -3`, `-1 =1 -3`}, // a deletion leaves what another put into it
		{`-4`, `=1 -2 =1`, `-2`, `-2`},
		{`=1 -2 =1`, `-4`, ``, ``},
		{`=2 +"x" =2`, `=1 +"u" -2 =1`, `=2 +"x" =1`, `=2 +"x" =1`},
		{`+"x" -2 =1`, `+"u" -2 =1`, `=1 +"x" =1`, `+"x" =2`},
	} {
		for before, want := range map[bool]string{false: c.after, true: c.before} {
			got, err := set(t, c.a).Map(set(t, c.over), before)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != want {
				t.Errorf("(%s).Map(%s, %v): got %s, want %s", c.a, c.over, before, got, want)
			}
		}
	}
}

func TestChangeSetMapOffset(t *testing.T) {
	for _, c := range []struct {
		set           string
		before, after []int // where 0, 1, 2, ... come to stand
	}{
		{`=3`, []int{0, 1, 2, 3}, []int{0, 1, 2, 3}},
		{`=1 +"xy" =1`, []int{0, 1, 4}, []int{0, 3, 4}},
		{`=1 -2 =1`, []int{0, 1, 1, 1, 2}, []int{0, 1, 1, 1, 2}},
		{`=1 +"xyz" -2 =1`, []int{0, 1, 1, 4, 5}, []int{0, 4, 4, 4, 5}},
	} {
		s := set(t, c.set)
		for pos := range c.before {
			if got := s.MapOffset(pos, -1); got != c.before[pos] {
				t.Errorf("(%s).MapOffset(%d, -1) = %d, want %d", c.set, pos, got, c.before[pos])
			}
			if got := s.MapOffset(pos, 1); got != c.after[pos] {
				t.Errorf("(%s).MapOffset(%d, 1) = %d, want %d", c.set, pos, got, c.after[pos])
			}
		}
	}
}

func TestChangeSetRefuses(t *testing.T) {
	a := set(t, `=2 +"x"`)
	if _, err := a.Apply("abc"); !errors.Is(err, ErrLength) {
		t.Errorf("Apply: %v", err)
	}
	if _, err := a.Invert("abc"); !errors.Is(err, ErrLength) {
		t.Errorf("Invert: %v", err)
	}
	if _, err := a.Compose(a); !errors.Is(err, ErrLength) {
		t.Errorf("Compose: %v", err)
	}
	if _, err := a.Map(set(t, `=3`), true); !errors.Is(err, ErrLength) {
		t.Errorf("Map: %v", err)
	}
	for _, edits := range [][]Edit{{{2, 1, ""}}, {{-1, 0, ""}}, {{0, 4, ""}}, {{1, 2, ""}, {1, 2, ""}}, {{2, 3, ""}, {0, 1, ""}}} {
		if _, err := NewChangeSet(3, edits...); !errors.Is(err, ErrEdit) {
			t.Errorf("NewChangeSet(3, %v): %v", edits, err)
		}
	}
	if _, err := FromSequential(1, []Edit{{0, 1, ""}, {0, 1, ""}}); !errors.Is(err, ErrEdit) {
		t.Errorf("FromSequential: %v", err)
	}
}

func must(c ChangeSet, err error) ChangeSet {
	if err != nil {
		panic(err)
	}
	return c
}

// randomChange is a change of a text of n bytes; its insertions are drawn from letters.
func randomChange(rnd *rand.Rand, n int, letters string) ChangeSet {
	var b builder
	for n > 0 || rnd.Intn(3) > 0 {
		k := min(n, 1+rnd.Intn(4))
		switch rnd.Intn(3) {
		case 0:
			b.keep(k)
			n -= k
		case 1:
			b.remove(k)
			n -= k
		default:
			at := rnd.Intn(len(letters))
			b.insert(letters[at : at+1+rnd.Intn(min(3, len(letters)-at))])
		}
	}
	return b.done()
}

// checkNormal fails unless c is as the type's comment says.
func checkNormal(t *testing.T, c ChangeSet) {
	t.Helper()
	last, delta := -1, 0
	for _, e := range c.edits {
		if e.Start <= last || e.End < e.Start || e.End > c.length || e.Start == e.End && e.New == "" {
			t.Fatalf("not normal: %#v", c)
		}
		last = e.End
		delta += len(e.New) - (e.End - e.Start)
	}
	if delta != c.delta {
		t.Fatalf("wrong delta: %#v", c)
	}
}

// checkLaws checks the laws in ChangeSet's comment, and those of MapOffset, for two changes of text.
func checkLaws(t *testing.T, text string, a, b ChangeSet) {
	t.Helper()
	ba, ab := must(b.Map(a, false)), must(a.Map(b, true))
	left, right := must(a.Compose(ba)), must(b.Compose(ab))
	for _, c := range []ChangeSet{a, b, ba, ab, left, right} {
		checkNormal(t, c)
	}
	if !left.Equal(right) {
		t.Fatalf("TP1: a %s, b %s\nb.Map(a) %s, a.Map(b) %s\na then b: %s\nb then a: %s", a, b, ba, ab, left, right)
	}
	one, err := a.Apply(text)
	if err != nil {
		t.Fatal(err)
	}
	two, err := ba.Apply(one)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := left.Apply(text); got != two {
		t.Fatalf("Compose: a %s, then %s: %q, composed %q", a, ba, two, got)
	}
	inv := must(a.Invert(text))
	checkNormal(t, inv)
	if back, _ := inv.Apply(one); back != text {
		t.Fatalf("Invert: a %s on %q comes back as %q", a, text, back)
	}
	if parsed, err := ParseChangeSet(a.String()); err != nil || !parsed.Equal(a) {
		t.Fatalf("notation: %s is read as %s (%v)", a, parsed, err)
	}
	if again := must(NewChangeSet(a.LenBefore(), a.Edits()...)); !again.Equal(a) {
		t.Fatalf("Edits: %s, made again %s", a, again)
	}
	var low, high int
	for pos := 0; pos <= len(text); pos++ {
		l, h := a.MapOffset(pos, -1), a.MapOffset(pos, 1)
		if l > h || l < low || h < high || h > a.LenAfter() {
			t.Fatalf("MapOffset(%d) of %s: %d and %d, behind %d and %d", pos, a, l, h, low, high)
		}
		low, high = l, h
		// Where a deletes nothing round pos, it is where an insertion there is mapped to.
		here := must(NewChangeSet(len(text), Edit{pos, pos, "!"}))
		if at := must(here.Map(a, false)).edits[0].Start; at != h {
			t.Fatalf("MapOffset(%d, 1) of %s = %d, an insertion lands at %d", pos, a, h, at)
		}
	}
}

func TestChangeSetLaws(t *testing.T) {
	runs := 300_000
	if testing.Short() {
		runs = 20_000
	}
	const seed = 1
	rnd := rand.New(rand.NewSource(seed))
	text := strings.Repeat("0123456789", 4)
	for i := 0; i < runs && !t.Failed(); i++ {
		n := rnd.Intn(16)
		checkLaws(t, text[:n], randomChange(rnd, n, "abcdefgh"), randomChange(rnd, n, "ABCDEFGH"))
	}
}

func FuzzChangeSet(f *testing.F) {
	f.Add("hello", `=1 +"x" -2 =2`, `-5 +"yy"`)
	f.Add("", `+"x"`, `+"y"`)
	f.Add("abcd", `-4`, `=1 +"u" =3`)
	f.Fuzz(func(t *testing.T, text, x, y string) {
		a, errA := ParseChangeSet(x)
		b, errB := ParseChangeSet(y)
		if errA != nil || errB != nil || a.LenBefore() != len(text) || b.LenBefore() != len(text) || len(text) > 200 {
			return
		}
		checkLaws(t, text, a, b)
	})
}

// BenchmarkChangeSet maps and composes a keystroke with what a stream has pending, in a document whose size
// must not show.
func BenchmarkChangeSet(b *testing.B) {
	const length = 5 << 20
	var edits []Edit
	for i := range 20 {
		edits = append(edits, Edit{1000 + i*100, 1000 + i*100 + 40, "another text altogether\n"})
	}
	pending := must(NewChangeSet(length, edits...))
	key := must(NewChangeSet(length, Edit{1500, 1500, "x"}))
	for b.Loop() {
		mapped := must(pending.Map(key, false))
		must(key.Compose(mapped))
	}
}
