package editops

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A case is one line: old text, the model's text, the edits. "⏎" is \n, "␍" is \r, "·" separates edits, and an
// edit is start:end=text in bytes of the engine text. The model's text is pushed byte by byte, so that the
// edits come as early and as finely as they can.
func TestStreamDiff(t *testing.T) {
	for _, c := range []struct{ name, old, model, want string }{
		{"equal", "a⏎b⏎", "a⏎b⏎", ""},
		{"insert", "a⏎b⏎", "a⏎x⏎b⏎", "2:2=x⏎"},
		{"insert at top", "a⏎", "x⏎a⏎", "0:0=x⏎"},
		{"append", "a⏎", "a⏎x⏎", "2:2=x⏎"},
		{"delete", "a⏎b⏎c⏎", "a⏎c⏎", "2:4="},
		{"delete the end", "a⏎b⏎c⏎", "a⏎", "2:6="},
		{"delete everything", "a⏎b⏎", "", "0:4="},
		{"replace by a like line: the middle only", "x := foo(1)⏎", "x := foo(2)⏎", "9:10=2"},
		{"like line, but the old one follows", "total := foo(1)⏎", "count := bar(1)⏎total := foo(1)⏎", "0:0=count := bar(1)⏎"},
		{"like line, and another follows", "total := foo(1)⏎z⏎", "count := bar(1)⏎z⏎", "0:5=count·9:12=bar"},
		{"indent", "a⏎", "\ta⏎", "0:0=\t"},
		{"blank line stays a blank line", "a⏎⏎b⏎", "a⏎⏎b⏎", ""},
		{"jump needs one line when short", "a⏎b⏎c⏎dddd⏎", "a⏎dddd⏎", "2:6="},
		{"brace below is not jumped to at once", "a⏎b⏎}⏎c⏎}⏎", "a⏎x⏎}⏎b⏎}⏎c⏎}⏎", "2:2=x⏎·4:4=}⏎"},

		{"D13 CRLF kept and copied", "a␍⏎b␍⏎", "a⏎x⏎b⏎", "3:3=x␍⏎"},
		{"D13 CRLF from the model", "a⏎b⏎", "a␍⏎x␍⏎b␍⏎", "2:2=x⏎"},
		{"D13 lone CR", "a␍b␍", "a⏎x⏎b⏎", "2:2=x␍"},
		{"D13 mixed: the line above decides", "a␍⏎b⏎c⏎", "a⏎x⏎b⏎y⏎c⏎", "3:3=x␍⏎·8:8=y⏎"},
		{"D13 replaced line keeps its own end", "a⏎call(1)␍⏎", "a⏎call(2)⏎", "7:8=2"},
		{"D13 no final line end kept", "a⏎b", "a⏎b⏎", ""},
		{"D13 final line end kept", "a⏎b⏎", "a⏎b", ""},
		{"D13 continued behind the last line", "a⏎b", "a⏎b⏎c⏎", "3:3=⏎·4:4=c"},
		{"D13 continued, CRLF", "a␍⏎b", "a⏎b⏎c", "4:4=␍⏎c"},
		{"D13 last line gone, none has an end", "a⏎b", "a⏎", "1:3="},
		{"D13 all replaced, no end", "a⏎b", "x⏎", "0:3=x"},
		{"D13 CR above, LF below: no melting", "a␍b⏎⏎", "a⏎⏎", "2:5=␍⏎"},
		{"D13 CR copied above an empty LF line", "a␍b⏎⏎c⏎", "a⏎b⏎⏎c⏎", ""},
		{"BOM stays outside", "\uFEFFa⏎", "b⏎", "3:3=b⏎·5:7="},
		{"BOM from the model is dropped", "\uFEFFa⏎", "\uFEFFa⏎", ""},
		{"empty region takes the text as it is", "", "a⏎", "0:0=a⏎"},
		{"empty region, no end", "", "a", "0:0=a"},

		{"fence", "a⏎", "```go⏎a⏎```⏎", ""},
		{"fence without final line end", "a⏎", "```go⏎b⏎```", "0:0=b⏎·2:4="},
		{"fence never closed", "a⏎", "```⏎a⏎c⏎", "2:2=c⏎"},
		{"prose behind the fence", "a⏎", "```⏎a⏎```⏎⏎I kept a.⏎", ""},
		{"prose that announces the fence", "a⏎", "Here it is:⏎⏎```⏎b⏎```⏎", "0:0=b⏎·2:4="},
		{"a line that announces nothing", "a⏎", "if x:⏎  a⏎", "0:0=if x:⏎  "},
		{"fences within the fence", "a⏎", "```md⏎a⏎```go⏎x⏎```⏎b⏎```⏎", "2:2=```go⏎·8:8=x⏎·10:10=```⏎·14:14=b⏎"},
		{"bare fences within the fence", "a⏎", "```md⏎a⏎```⏎x⏎```⏎```⏎", "2:2=```⏎x⏎```⏎"},
		{"longer fence", "a⏎", "````md⏎a⏎```⏎x⏎````⏎", "2:2=```⏎·6:6=x⏎"},
		{"a region that starts with a fence", "```go⏎a⏎```⏎", "```go⏎b⏎```⏎", "6:6=b⏎·8:10="},
		{"fence only inside", "a⏎", "a⏎```⏎b⏎```⏎", "2:2=```⏎·6:6=b⏎·8:8=```⏎"},

		{"D14 never inside a rune", "f(é)⏎", "f(è)⏎", "2:4=è"},
		{"D14 equal lead bytes are no common prefix", "x = \"汉字\"⏎", "x = \"汊字\"⏎", "5:8=汊"},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, model := unmark(c.old), unmark(c.model)
			d := NewStreamDiff(old, StreamOptions{})
			var got []string
			text := old
			note := func(edits []Edit) {
				for _, e := range edits {
					got = append(got, fmt.Sprintf("%d:%d=%s", e.Start, e.End, mark(e.New)))
					text = text[:e.Start] + e.New + text[e.End:]
				}
			}
			for i := range len(model) {
				note(d.Push(model[i : i+1]))
			}
			note(d.Finish())
			if d.Err() != nil {
				t.Fatal(d.Err())
			}
			if s := strings.Join(got, "·"); s != c.want {
				t.Errorf("got  %s\nwant %s\ntext %q", s, c.want, text)
			}
			if text != d.Text() {
				t.Errorf("applied %q, Text %q", text, d.Text())
			}
		})
	}
}

func mark(s string) string   { return strings.NewReplacer("\n", "⏎", "\r", "␍").Replace(s) }
func unmark(s string) string { return strings.NewReplacer("⏎", "\n", "␍", "\r").Replace(s) }

// replay pushes the model's text in random chunks and holds every edit against the contract: append-only,
// inside the region, character borders, engine text as promised. It returns the final text.
func replay(t testing.TB, old, model string, opt StreamOptions, rnd *rand.Rand, chunk int) (*StreamDiff, string) {
	t.Helper()
	d, text := replayAny(t, old, model, opt, rnd, chunk)
	if err := d.Err(); err != nil {
		t.Fatalf("%v\nold %q\nmodel %q\ntext %q", err, old, model, text)
	}
	return d, text
}

// replayAny is replay for texts that may leave code out.
func replayAny(t testing.TB, old, model string, opt StreamOptions, rnd *rand.Rand, chunk int) (*StreamDiff, string) {
	t.Helper()
	d := NewStreamDiff(old, opt)
	text, low := old, 0
	edits := 0
	settled := 0
	apply := func(es []Edit) {
		for _, e := range es {
			if e.Start < low || e.End < e.Start || e.End > len(text) {
				t.Fatalf("edit %+v below %d or beyond %d\nold %q\nmodel %q", e, low, len(text), old, model)
			}
			for _, at := range []int{e.Start, e.End} {
				if at > 0 && at < len(text) && utf8.ValidString(text) && (!utf8.RuneStart(text[at]) || text[at-1] == '\r' && text[at] == '\n') {
					t.Fatalf("edit %+v splits a character of %q", e, text)
				}
			}
			text = text[:e.Start] + e.New + text[e.End:]
			low = e.Start + len(e.New)
			edits++
		}
		if d.Settled() < settled || d.SettledEdits() > edits {
			t.Fatalf("settled %d after %d, edits %d of %d", d.Settled(), settled, d.SettledEdits(), edits)
		}
		settled = d.Settled()
	}
	for rest := model; rest != ""; {
		n := min(len(rest), 1+rnd.IntN(chunk))
		apply(d.Push(rest[:n]))
		rest = rest[n:]
	}
	if rest := text[low:]; !strings.HasSuffix(old, rest) {
		t.Fatalf("interrupted: %q is no rest of the old text %q", rest, old)
	}
	apply(d.Finish())
	if err := d.Err(); err != nil && !errors.Is(err, ErrElided) {
		t.Fatalf("%v\nold %q\nmodel %q\ntext %q", err, old, model, text)
	}
	if text != d.Text() {
		t.Fatalf("Text %q\napplied %q", d.Text(), text)
	}
	if d.Err() != nil {
		return d, text
	}
	if d.SettledEdits() != edits || d.Settled() != len(text) {
		t.Fatalf("finished but settled %d of %d, edits %d of %d", d.Settled(), len(text), d.SettledEdits(), edits)
	}
	return d, text
}

// expected is the contract for the final text, line ends apart: the model's text, its final line end that of
// the old text unless that was empty.
func expected(old, model string) string {
	old, model = ModelText(old), strings.ToValidUTF8(ModelText(model), "\uFFFD")
	if old == "" || model == "" {
		return model
	}
	model = strings.TrimSuffix(model, "\n")
	if strings.HasSuffix(old, "\n") {
		model += "\n"
	}
	return model
}

func TestStreamDiffRandom(t *testing.T) {
	const seed, rounds = 1, 60000
	for k := range rounds {
		rnd := rand.New(rand.NewPCG(seed, uint64(k)))
		end := []string{"\n", "\r\n", "\r", "mixed"}[rnd.IntN(4)]
		old := randomText(rnd)
		model := mutate(rnd, old)
		if rnd.IntN(20) == 0 {
			model = randomText(rnd)
		}
		real := withEnds(rnd, old, end)
		if rnd.IntN(8) == 0 {
			real = "\uFEFF" + real
		}
		_, got := replay(t, real, model, StreamOptions{}, rnd, 1+rnd.IntN(30))
		want := expected(real, model)
		if ModelText(got) != want {
			t.Fatalf("seed %d/%d\nold   %q\nmodel %q\ngot   %q\nwant  %q", seed, k, real, model, got, want)
		}
		if strings.HasPrefix(real, "\uFEFF") != strings.HasPrefix(got, "\uFEFF") {
			t.Fatalf("seed %d/%d: the byte order mark changed", seed, k)
		}
		if end != "mixed" && strings.ContainsAny(real, "\r\n") {
			if exact := strings.ReplaceAll(want, "\n", end); strings.TrimPrefix(got, "\uFEFF") != exact {
				t.Fatalf("seed %d/%d: D13 %q\ngot  %q\nwant %q", seed, k, end, got, exact)
			}
		}
	}
}

var vocabulary = []string{"", "", "}", "\t}", "  ", "foo(a)", "foo(b)", "\tfoo(a)", "return nil", "汉字 = 1", "汉子 = 1", "🍋🍊", "🍋🍋", "x", "y", "func main() {", "é", "è"}

func randomText(rnd *rand.Rand) string {
	var b strings.Builder
	for range rnd.IntN(14) {
		b.WriteString(vocabulary[rnd.IntN(len(vocabulary))])
		b.WriteByte('\n')
	}
	s := b.String()
	if rnd.IntN(4) == 0 {
		s = strings.TrimSuffix(s, "\n")
	}
	return s
}

func mutate(rnd *rand.Rand, text string) string {
	lines := strings.SplitAfter(text, "\n")
	for range rnd.IntN(5) {
		i := rnd.IntN(len(lines))
		switch rnd.IntN(5) {
		case 0:
			lines = append(lines[:i], lines[min(len(lines), i+1+rnd.IntN(4)):]...)
		case 1, 2:
			lines = append(lines[:i], append([]string{vocabulary[rnd.IntN(len(vocabulary))] + "\n"}, lines[i:]...)...)
		case 3:
			lines[i] = strings.Replace(lines[i], "a", "bb", 1)
		case 4:
			lines[i] = "\t" + lines[i]
		}
		if len(lines) == 0 {
			lines = []string{""}
		}
	}
	s := strings.Join(lines, "")
	if rnd.IntN(4) == 0 {
		s = strings.TrimSuffix(s, "\n")
	}
	return s
}

// withEnds gives the text's lines another end, or each a random one.
func withEnds(rnd *rand.Rand, text, end string) string {
	var b strings.Builder
	for _, l := range strings.SplitAfter(text, "\n") {
		body, found := strings.CutSuffix(l, "\n")
		b.WriteString(body)
		switch {
		case !found:
		case end != "mixed":
			b.WriteString(end)
		case rnd.IntN(2) == 0:
			b.WriteString("\r\n")
		// A lone \r before a \n would be another text.
		case strings.HasSuffix(b.String(), "\r") && body == "":
			b.WriteString("\r")
		default:
			b.WriteString([]string{"\n", "\r"}[rnd.IntN(2)])
		}
	}
	return b.String()
}

// The run-time guarantee: an aligner that slips emits an error, not an edit.
func TestStreamDiffCheck(t *testing.T) {
	for name, slip := range map[string]func(d *StreamDiff){
		"wrong offset":        func(d *StreamDiff) { d.check.tail++ },
		"wrong text":          func(d *StreamDiff) { d.check.want = append(d.check.want, 'x') },
		"lost count":          func(d *StreamDiff) { d.delta++ },
		"touches a kept line": func(d *StreamDiff) { d.check.decided = len(d.old) },
		"takes back an edit":  func(d *StreamDiff) { d.check.out = append(d.check.out, "zzzzzzzz"...) },
	} {
		t.Run(name, func(t *testing.T) {
			d := NewStreamDiff("a\nb\nc\nd\n", StreamOptions{})
			d.Push("a\n")
			slip(d)
			edits := d.Push("x\nb\ny\nb\n")
			edits = append(edits, d.Finish()...)
			if !errors.Is(d.Err(), ErrStreamDiff) {
				t.Errorf("no error; edits %v, text %q", edits, d.Text())
			}
			if more := d.Push("e\n"); more != nil {
				t.Errorf("edits after the error: %v", more)
			}
		})
	}
}

// A model that leaves code out does not delete it.
func TestStreamDiffElision(t *testing.T) {
	const old = "a\nb\nc\n// ... and the rest of the code\nd\n"
	d := NewStreamDiff(old, StreamOptions{})
	edits := d.Push("a\nx\nb\n")
	edits = append(edits, d.Push("  // ... existing code ...\ny\n")...)
	edits = append(edits, d.Finish()...)
	if !errors.Is(d.Err(), ErrElided) || d.Text() != "a\nx\nb\nc\n// ... and the rest of the code\nd\n" || len(edits) != 1 {
		t.Errorf("%v %v %q", d.Err(), edits, d.Text())
	}
	if d := NewStreamDiff(old, StreamOptions{}); d.Push(old) != nil || d.Finish() != nil || d.Err() != nil {
		t.Errorf("a line that the old text has: %v", d.Err())
	}
	if d := NewStreamDiff(old, StreamOptions{Verbatim: true}); len(d.Push("// ... existing code ...\n")) != 1 || d.Err() != nil {
		t.Errorf("verbatim: %v", d.Err())
	}
}

func TestStreamDiffHunks(t *testing.T) {
	const old = "a\nb\nc\nd\ne\nf\ng\nh\n"
	d := NewStreamDiff(old, StreamOptions{})
	for _, c := range []struct {
		push           string
		settled, edits int
		hunks          int
	}{
		{"a\n", 2, 0, 0},
		{"X\n", 2, 0, 1},    // open: starts at 2
		{"b\nc\n", 2, 0, 1}, // two kept lines do not close it
		{"d\n", 10, 1, 1},   // three do
		{"e\nY\n", 12, 1, 2},
		{"f\n", 12, 1, 2},
		{"Z\n", 12, 1, 2}, // merged across one kept line
	} {
		d.Push(c.push)
		if s := d.Stats(); d.Settled() != c.settled || d.SettledEdits() != c.edits || s.Hunks != c.hunks {
			t.Fatalf("after %q: settled %d, edits %d, hunks %d; want %v", c.push, d.Settled(), d.SettledEdits(), s.Hunks, c)
		}
	}
	d.Finish()
	want := []Hunk{{2, 2, 2, 4, 1}, {10, 16, 12, 18, 3}}
	if got := d.Hunks(); !slices.Equal(got, want) {
		t.Errorf("hunks %v, want %v", got, want)
	}
	for _, h := range want {
		t.Logf("%q -> %q", old[h.OldStart:h.OldEnd], d.Text()[h.Start:h.End])
	}
	if d.Text() != "a\nX\nb\nc\nd\ne\nY\nf\nZ\n" {
		t.Errorf("text %q", d.Text())
	}
	s := d.Stats()
	if s.Kept != 6 || s.Inserted != 3 || s.Deleted != 2 || s.OldDone != 8 || s.FirstEdit != 4 {
		t.Errorf("stats %+v", s)
	}
}
