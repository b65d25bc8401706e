package editops

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// A case is a text with the cursor "|" and, where the suggestion replaces more than nothing, its range in
// «»; the suggestion; then the user's edits, one after another, "start:end=text"; and what is left: the text
// with the cursor and range again, and New. "dead" is no suggestion. The cursor given to Interpolate is that
// of the wanted text, and -1 is tried as well where the case does not say "known".
func TestInterpolate(t *testing.T) {
	for _, c := range []struct{ name, before, new, edits, want, wantNew string }{
		{"nothing happened", "x = |", "foo()", "", "x = |", "foo()"},
		{"typed a prefix", "x = |", "foo()", "4:4=f 5:5=o", "x = «fo|»", "foo()"},
		{"typed several at once", "x = |", "foo()", "4:4=foo", "x = «foo|»", "foo()"},
		{"typed something else", "x = |", "foo()", "4:4=b", "dead", ""},
		{"typed all of it", "x = |", "foo", "4:4=foo", "dead", ""},
		{"a typo, taken back", "x = |", "foo()", "4:4=f 5:5=x 5:6=", "x = «f|»", "foo()"},
		{"D6 backspace within the typed", "x = |", "foo()", "4:4=foo 6:7=", "x = «fo|»", "foo()"},
		{"D6 backspace beyond the start", "x =|", "foo()", "2:3=", "x |", "=foo()"},
		{"D6 backspace beyond the start, typed again", "x =|", "foo()", "2:3= 2:2== 3:3=f", "x «=f|»", "=foo()"},
		{"backspace into the line above", "a⏎|", "foo()", "1:2=", "dead", ""},
		{"D4 range covers the word", "x = «foob|»", "foobar", "8:8=a", "x = «fooba|»", "foobar"},
		{"typed before the range", "x = «foob|»", "foobar", "4:4=z", "dead", ""},
		{"the editor completed the word", "x = fo|", "obar()", "4:6=foobar", "x = «foobar|»", "foobar()"},

		{"edit above", "a⏎x = |", "foo()", "0:0=bb⏎", "bb⏎a⏎x = |", "foo()"},
		{"edit below", "x = |⏎a", "foo()", "6:6=b", "x = |⏎ab", "foo()"},
		{"edit before, on the same line", "x = |", "foo()", "0:1=yy", "yy = |", "foo()"},
		{"backspace beyond the start after an edit of the line", "x =|", "foo()", "0:1=yy 3:4=", "yy |", "=foo()"},
		{"deleted what stands behind", "x = |yz", "foo()", "4:5=", "dead", ""},

		{"auto-closed, as one edit", "x = |", "foo(bar)", "4:4=foo 7:7=()", "x = «foo(|)»", "foo(bar)"},
		{"auto-closed, as two edits", "x = |", "foo(bar)", "4:4=foo( 8:8=)", "x = «foo(|)»", "foo(bar)"},
		{"auto-closed, typed on", "x = |", "foo(bar)", "4:4=foo() 8:8=b", "x = «foo(b|)»", "foo(bar)"},
		{"auto-closed quotes in brackets", "|", "f(\"a\")", "0:0=f() 2:2=\"\"", "«f(\"|\")»", "f(\"a\")"},
		{"auto-closed, then overtyped", "|", "f(a)+1", "0:0=f() 2:2=a 3:4=)", "«f(a)|»", "f(a)+1"},
		{"auto-closed, backspace takes both", "|", "f(a)", "0:0=f() 1:3=", "«f|»", "f(a)"},
		{"auto-closed, but the suggestion never closes", "|", "if (x", "0:0=if ()", "«if (|»)", "if (x"},
		{"known: the brackets are the user's", "|", "f(a)", "0:0=f()", "f()|", "dead"},
		{"closer that stood there is replaced", "f(|»)", "a)", "2:2=a", "f(«a|»)", "a)"},
		{"range over the closer", "f(«|)»", "ab)", "2:2=a", "f(«a|)»", "ab)"},
		{"range over the closer, nothing left", "f(«|)»", "a)", "2:2=a", "dead", ""},
		{"range over the closer, closer deleted", "f(«|)»", "a)", "2:3=", "f(|", "a)"},

		{"Enter with the indentation of the suggestion", "if x {|", "⏎\treturn⏎}", "6:6=⏎\t", "if x {«⏎\t|»", "⏎\treturn⏎}"},
		{"Enter with another indentation", "if x {|", "⏎\treturn⏎}", "6:6=⏎    ", "dead", ""},
		{"D14 multibyte", "é|", "汉字", "2:2=汉", "é«汉|»", "汉字"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, start, end, cursor := parseRange(unmark(c.before))
			s := NewSuggestion(text, start, end, cursor, unmark(c.new))
			edits := parseEdits(t, unmark(c.edits))
			for _, e := range edits {
				text = text[:e.Start] + e.New + text[e.End:]
			}
			if c.want == "dead" {
				if got, ok := Interpolate(s, edits, -1); ok {
					t.Errorf("alive: %q %+v", text, got)
				}
				return
			}
			wantText, start, end, cursor := parseRange(unmark(c.want))
			if text != wantText {
				t.Fatalf("the case is wrong: edits give %q", text)
			}
			cursors := []int{cursor, -1}
			if strings.HasPrefix(c.name, "known") {
				cursors = cursors[:1]
			}
			for _, at := range cursors {
				got, ok := Interpolate(s, edits, at)
				if c.wantNew == "dead" {
					if ok {
						t.Errorf("cursor %d: alive: %+v", at, got)
					}
					continue
				}
				if !ok || got.Start != start || got.End != end || got.Cursor != cursor || got.New != unmark(c.wantNew) {
					t.Errorf("cursor %d: %v, %d:%d cursor %d %q\nwant %d:%d cursor %d %q", at,
						ok, got.Start, got.End, got.Cursor, got.New, start, end, cursor, c.wantNew)
				}
			}
		})
	}
}

// parseRange reads a text with a cursor "|" and perhaps a range in «».
func parseRange(s string) (text string, start, end, cursor int) {
	start, end = -1, -1
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '«':
			start = b.Len()
		case '»':
			end = b.Len()
		case '|':
			cursor = b.Len()
		default:
			b.WriteRune(r)
		}
	}
	if start < 0 {
		start, end = cursor, cursor
	}
	return b.String(), start, end, cursor
}

func parseEdits(t *testing.T, s string) []Edit {
	t.Helper()
	var edits []Edit
	for s != "" {
		var e Edit
		place, rest, ok := strings.Cut(s, "=")
		from, to, ok2 := strings.Cut(place, ":")
		var err1, err2 error
		e.Start, err1 = strconv.Atoi(from)
		e.End, err2 = strconv.Atoi(to)
		if !ok || !ok2 || err1 != nil || err2 != nil {
			t.Fatalf("edits %q", s)
		}
		// Up to a blank with an edit behind it.
		s = ""
		for i := 0; i < len(rest); i++ {
			if rest[i] == ' ' && i+1 < len(rest) && rest[i+1] >= '0' && rest[i+1] <= '9' {
				rest, s = rest[:i], rest[i+1:]
			}
		}
		e.New = rest
		edits = append(edits, e)
	}
	return edits
}

// D6: whoever types along a suggestion, with backspaces in between, always sees the same text to come.
func TestD6TypeThrough(t *testing.T) {
	for k := range 5000 {
		rnd := rand.New(rand.NewPCG(5, uint64(k)))
		line := "  value := "
		const rest = "compute(汉字, \"x\")\n\treturn"
		tail := []string{"", "\nnext", ")\nnext"}[rnd.IntN(3)]
		text := "above\n" + line + tail
		start := len("above\n" + line)
		s := NewSuggestion(text, start, start, start, rest)
		want := text[:start] + rest + tail
		low := start - rnd.IntN(len(line))
		at := start
		var edits []Edit
		for range 40 {
			var e Edit
			if rnd.IntN(3) > 0 && at-start < len(rest)-4 {
				next := want[at:]
				n := 1
				for splits(next, n) {
					n++
				}
				e = Edit{at, at, next[:n]}
				at += n
			} else if at > low {
				n := 1
				for splits(want, at-n) {
					n++
				}
				e = Edit{at - n, at, ""}
				at -= n
			} else {
				continue
			}
			edits = append(edits, e)
			text = text[:e.Start] + e.New + text[e.End:]
			for _, cursor := range []int{at, -1} {
				got, ok := Interpolate(s, edits, cursor)
				if !ok {
					t.Fatalf("case %d: dead after %v in %q", k, edits, text)
				}
				if final := text[:got.Start] + got.New + text[got.End:]; final != want {
					t.Fatalf("case %d: leads to %q, not to %q", k, final, want)
				}
				if text[:got.Cursor]+got.Rest()+text[got.End:] != want {
					t.Fatalf("case %d: the rest %q at %d in %q", k, got.Rest(), got.Cursor, text)
				}
			}
			if rnd.IntN(10) == 0 { // carried step by step it is the same
				s2, ok := Interpolate(s, edits, at)
				if !ok {
					t.Fatal("dead")
				}
				s, edits = s2, nil
			}
		}
	}
}
