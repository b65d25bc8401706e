package offline

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// The law: a document brought up to date keystroke by keystroke has the tokens of one lexed afresh.
func TestDocumentUpdateEqualsRebuild(t *testing.T) {
	pieces := []string{"a", "b", " ", "\n", "\n\n", "\t", "(", ")", "\"", "`", "/*", "*/", "//", "x.y", "if err != nil {\n", "}\n", "\r\n", "\r", "é", "汉", "'", "10", "some_name", "\\"}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		vocab := newVocabulary()
		text := strings.Repeat("func f(a int) {\n\treturn a + b // c\n}\n\n", r.IntN(4))
		d := &document{syntax: &goLike}
		d.update(source{text, ""}, vocab)
		for step := range 60 {
			i := r.IntN(len(text) + 1)
			j := min(len(text), i+r.IntN(4)*r.IntN(8))
			if r.IntN(2) == 0 {
				j = i
			}
			text = text[:i] + strings.Repeat(pieces[r.IntN(len(pieces))], r.IntN(3)) + text[j:]
			cursor := min(i, len(text))
			src := source{text[:cursor], text[cursor:]}
			d.update(src, vocab)
			fresh := &document{syntax: &goLike}
			fresh.rebuild(src, vocab)
			if got, want := dumpTokens(d), dumpTokens(fresh); got != want {
				t.Fatalf("seed %d step %d: %q\ngot  %s\nwant %s", seed, step, text, got, want)
			}
			for k := range d.tokens {
				if w := abstractOf(d.tokens, k, d.roles()); w != d.forms[k] {
					t.Fatalf("seed %d step %d: form of token %d is %d, want %d", seed, step, k, d.forms[k], w)
				}
			}
		}
	}
}

func dumpTokens(d *document) string {
	var b strings.Builder
	words := d.vocab.snapshot()
	for i, w := range d.tokens {
		fmt.Fprintf(&b, "%d:%d:%q ", d.starts[i]+int32(d.from), d.gaps[i], d.entry(words, w).text)
	}
	return b.String()
}

// In a large document only a window is kept, and it follows the cursor.
func TestDocumentWindow_D25(t *testing.T) {
	text := strings.Repeat("\tvalue := compute(first, second)\n", 40_000) // 1.2 MB
	d := &document{syntax: &goLike}
	vocab := newVocabulary()
	for _, cursor := range []int{0, 600_000, 600_010, 1_200_000, 30, 700_000} {
		d.update(source{text[:cursor], text[cursor:]}, vocab)
		if d.from > cursor || d.to < cursor || d.to-d.from > 2*(windowBefore+windowAfter) {
			t.Errorf("cursor %d: window %d to %d", cursor, d.from, d.to)
		}
		if len(d.tokens) > 60_000 {
			t.Errorf("%d tokens", len(d.tokens))
		}
		pl := d.at(place{})
		if n := len(pl.before); cursor > 1000 && n < 100 {
			t.Errorf("cursor %d: only %d tokens before it", cursor, n)
		}
	}
}

func TestSource(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		a := randomText(r)
		b := a[:r.IntN(len(a)+1)] + randomText(r)
		if r.IntN(2) == 0 {
			b = randomText(r) + a[r.IntN(len(a)+1):]
		}
		i, j := r.IntN(len(a)+1), r.IntN(len(b)+1)
		x, y := source{a[:i], a[i:]}, source{b[:j], b[j:]}
		head := 0
		for head < min(len(a), len(b)) && a[head] == b[head] {
			head++
		}
		if got := x.commonPrefix(y); got != head {
			t.Fatalf("prefix %d, want %d", got, head)
		}
		tail := 0
		for tail < min(len(a), len(b)) && a[len(a)-1-tail] == b[len(b)-1-tail] {
			tail++
		}
		if got := x.commonSuffix(y, 1<<30); got != tail {
			t.Fatalf("suffix %d, want %d", got, tail)
		}
	}
}

func randomText(r *rand.Rand) string {
	return strings.Repeat(string(rune('a'+r.IntN(2))), r.IntN(3)*r.IntN(5000)) + "b"
}

func TestPlace(t *testing.T) {
	words := func(d *document, list []word) (out []string) {
		for _, w := range list {
			out = append(out, d.entry(d.vocab.snapshot(), w).text)
		}
		return out
	}
	for _, c := range []struct {
		marked string
		before string // joined by blanks
		typed  string
		after  string
		open   opened
		line   int
	}{
		{"a := b\nfoo.Ba|r(x)\ny", " a := b \n foo .", "Ba", "\n y", inCode, 2},
		{"a := b\nfoo.|\ny", " a := b \n foo .", "", "\n y", inCode, 2},
		{"|", "", "", "", inCode, 0},
		{"x // com|\ny", " x", "", "\n y", inComment, 1},
		{"x /* a\nb|\n*/ y", " x", "", "", inComment, 1},
		{"x = \"ab|\ny", " x =", "", "\n y", inLiteral, 2},
		{"x = `a\nb|\nc` + y\nz", " x =", "", "\n z", inLiteral, 2},
		{"f(\"a\", `b`, |", ` f ( "a" , ` + "`b` ,", "", "", inCode, 6},
		{"a\n\n\nb|", " a \n", "b", "", inCode, 0},
	} {
		prefix, suffix, _ := strings.Cut(c.marked, "|")
		d := &document{syntax: &goLike}
		d.update(source{prefix, suffix}, newVocabulary())
		pl := d.at(place{})
		before, after := strings.Join(words(d, pl.before), " "), strings.Join(words(d, pl.after), " ")
		if before != c.before || pl.typed != c.typed || after != c.after || pl.open != c.open || pl.line != c.line {
			t.Errorf("%q: before %q typed %q after %q open %d line %d", c.marked, before, pl.typed, after, pl.open, pl.line)
		}
		if len(pl.before) != len(pl.forms) || len(pl.before) != len(pl.gaps) || len(pl.after) != len(pl.afterGaps) {
			t.Errorf("%q: parallel slices differ", c.marked)
		}
	}
}

func TestLexer(t *testing.T) {
	for _, c := range []struct{ path, text, want string }{
		{"a.go", "x := `a\nb` + 'c' /* d */ // e\ny", "x|:=|`a\nb`|+|'c'|\n|y"},
		{"a.py", "x = '''a\nb''' # c\ndef f(): pass", "x|=|'''a\nb'''|\n|def|f|(|)|:|pass"},
		{"a.rs", "fn f<'a>(x: &'a str) -> i32 {", "fn|f|<|'|a|>|(|x|:|&|'|a|str|)|->|i32|{"},
		{"a.css", ".my-class { color: red }", ".|my-class|{|color|:|red|}"},
		{"a.ts", "a?.b ?? `t${x}` !== 1.5e3", "a|?.|b|??|`t${x}`|!==|1.5e3"},
		{"a.md", "It's a *word*", "It|'|s|a|*|word|*"},
		{"a.go", "it's not closed", "it"},
		{"a.sql", "select a -- b\nfrom c", "select|a|\n|from|c"},
		{"a.go", "größe := 汉字_1", "größe|:=|汉字_1"},
	} {
		lx := lexer{syntax: syntaxOf(c.path, ""), text: c.text}
		var got []string
		for lx.next() {
			got = append(got, c.text[lx.start:lx.end])
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%s %q: %q, want %q", c.path, c.text, s, c.want)
		}
	}
}

func FuzzLexer(f *testing.F) {
	f.Add("x := `a", "go")
	f.Add("\"\\", "python")
	f.Add("\xff\xfe", "rust")
	f.Fuzz(func(t *testing.T, text, language string) {
		lx := lexer{syntax: syntaxOf("", language), text: text}
		last := 0
		for lx.next() {
			if lx.start < last || lx.end <= lx.start || lx.end > len(text) || lx.pos != lx.end {
				t.Fatalf("token [%d,%d) after %d", lx.start, lx.end, last)
			}
			last = lx.end
		}
	})
}
