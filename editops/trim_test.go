package editops

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// after is the buffer with a completion accepted, given the buffer with the cursor at "|"; "dropped" if there
// is no completion.
func after(buffer string, c Completion) string {
	if c.Text == "" {
		return "dropped"
	}
	prefix, suffix, _ := strings.Cut(buffer, "|")
	return prefix + "«" + c.Text + "»" + suffix[c.ReplaceAfter:]
}

// Each rule by itself, where it fires and where it must not. A case is a buffer with the cursor at "|", what the
// model says, and the buffer with the completion accepted, inserted text in «».
func TestCleanRules(t *testing.T) {
	const (
		fires = true
		not   = false
	)
	cases := []struct {
		rule               string
		fires              bool
		buffer, text, want string
		opt                CleanOptions
	}{
		{"control tokens", fires, "x|", " = 1<|endoftext|>foo", "x« = 1»", CleanOptions{}},
		{"control tokens", fires, "x|", "<|fim_middle|> = 1", "x« = 1»", CleanOptions{}},
		{"control tokens", fires, "x|", " = 1</s>", "x« = 1»", CleanOptions{}},
		{"control tokens", not, "x|", " = f <| a |> g", "x« = f <| a |> g»", CleanOptions{}},
		{"control tokens", not, "// </s> ends it⏎x|", " = \"</s>\"", "// </s> ends it⏎x« = \"</s>\"»", CleanOptions{}},
		{"control tokens", not, "x|", "<span></span>", "x«<span></span>»", CleanOptions{}},

		{"lead-in", fires, "x = |", "```go⏎1⏎```", "x = «1»", CleanOptions{}},
		{"lead-in", fires, "x = |", "Here is the code:⏎⏎```go⏎1⏎```⏎It is one.", "x = «1»", CleanOptions{}},
		{"lead-in", fires, "|", "Sure, this does it:⏎foo()", "«foo()»", CleanOptions{}},
		{"lead-in", fires, "|", "// Path: a/b.go⏎foo()", "«foo()»", CleanOptions{}},
		{"lead-in", fires, "|", "foo()⏎```⏎Hope it helps", "«foo()»", CleanOptions{}},
		{"lead-in", fires, "const x = |", "const x = 1", "const x = «1»", CleanOptions{}},
		{"lead-in", fires, "⇥const x = |", "const x = 1", "⇥const x = «1»", CleanOptions{}},
		{"lead-in", fires, "func f() {⏎⇥a := 1⏎⇥|", "func f() {⏎⇥a := 1⏎⇥b := 2", "func f() {⏎⇥a := 1⏎⇥«b := 2»", CleanOptions{}},
		{"lead-in", fires, "return fo|", "foo(bar)", "return fo«o(bar)»", CleanOptions{}},
		{"lead-in", fires, "x = |", "= 1", "x = «1»", CleanOptions{}},
		{"lead-in", fires, "⇥r|", "⇥return x", "⇥r«eturn x»", CleanOptions{}},
		{"lead-in", fires, "⇥⇥} |", "⇥⇥} else {", "⇥⇥} «else {»", CleanOptions{}},
		{"lead-in", fires, "/**⏎ *|", " * Adds.", "/**⏎ *« Adds.»", CleanOptions{}},
		{"lead-in", not, "⇥x|", " x", "⇥x« x»", CleanOptions{}},
		{"lead-in", not, "⇥}|", "}", "⇥}«}»", CleanOptions{}},
		{"lead-in", not, "x =|", "= 1", "x =«= 1»", CleanOptions{}},
		{"lead-in", not, "# Title⏎|", "```go⏎x⏎```", "# Title⏎«```go⏎x⏎```»", CleanOptions{Markdown: true}},
		{"lead-in", not, "/* a list:⏎|", "Here is one:⏎two", "/* a list:⏎«Here is one:⏎two»", CleanOptions{}},
		{"lead-in", not, "}⏎|", "}⏎", "}⏎«}⏎»", CleanOptions{}},
		{"lead-in", not, "  0, |", "0, 0", "  0, «0, 0»", CleanOptions{}},
		{"lead-in", not, "ba|", "nana", "ba«nana»", CleanOptions{}},

		{"blank before", fires, "x = |", " 1", "x = «1»", CleanOptions{}},
		{"blank before", not, "x =|", " 1", "x =« 1»", CleanOptions{}},
		{"blank before", not, "⇥|", "⇥foo", "⇥«⇥foo»", CleanOptions{}},
		{"blank before", not, "name:  |", "  \"x\"", "name:  «  \"x\"»", CleanOptions{}},

		{"indentation", fires, "func f() {⏎⇥|", "    foo()⏎    bar()", "func f() {⏎⇥«foo()⏎⇥bar()»", CleanOptions{}},
		{"indentation", fires, "def f():⏎    a = 1⏎    |", "    b = 2", "def f():⏎    a = 1⏎    «b = 2»", CleanOptions{}},
		{"indentation", fires, "class A:⏎    def f(self):|", "⏎    return 1", "class A:⏎    def f(self):«⏎        return 1»", CleanOptions{}},
		{"indentation", fires, "func f() {⏎⇥if x {|", "⇥⇥foo()", "func f() {⏎⇥if x {«⏎⇥⇥foo()»", CleanOptions{}},
		{"indentation", fires, "class A:⏎  def f(self):⏎|", "return 1", "class A:⏎  def f(self):⏎«    return 1»", CleanOptions{}},
		{"indentation", fires, "a⏎b⏎|", "if x {⏎    y⏎}", "a⏎b⏎«if x {⏎⇥y⏎}»", CleanOptions{Indent: "\t"}},
		{"indentation", not, "def f():⏎    a = 1⏎|", "    b = 2", "def f():⏎    a = 1⏎«    b = 2»", CleanOptions{}},
		{"indentation", not, "def f():⏎    if x:⏎  |", "      b = 2", "def f():⏎    if x:⏎  «      b = 2»", CleanOptions{}},
		{"indentation", not, "func f() {⏎⇥switch x {|", "⏎⇥case 1:⏎⇥⇥foo()", "func f() {⏎⇥switch x {«⏎⇥case 1:⏎⇥⇥foo()»", CleanOptions{}},
		{"indentation", not, "⇥a⏎⇥s := `|", "⏎  two⏎  blanks`", "⇥a⏎⇥s := `«⏎⇥two⏎⇥blanks`»", CleanOptions{}},

		{"single line", fires, "x := f(|", "a, b)⏎y := 2", "x := f(«a, b)»", CleanOptions{Lines: LinesOne}},
		{"single line", fires, "x := |", "1⏎y := 2", "x := «1»", CleanOptions{}},
		{"single line", not, "if x {|", "⏎⇥y()⏎}", "if x {«⏎⇥y()⏎}»", CleanOptions{}},
		{"single line", not, "x := |", "1⏎y := 2", "x := «1⏎y := 2»", CleanOptions{Lines: LinesMany}},

		{"stops", fires, "func f() {⏎⇥if x {|⏎⇥}⏎}", "⏎⇥⇥y()⏎⇥}⏎⇥z()⏎}", "func f() {⏎⇥if x {«⏎⇥⇥y()⏎⇥}»⏎⇥}⏎}", CleanOptions{}},
		{"stops", fires, "func f() {⏎⇥|⏎}", "a()⏎}⏎⏎func g() {⏎}", "func f() {⏎⇥«a()»⏎}", CleanOptions{}},
		{"stops", fires, "func f() {⏎⇥|", "a()⏎}⏎⏎func g() {⏎}", "func f() {⏎⇥«a()⏎}»", CleanOptions{}},
		{"stops", fires, "|", "type a int⏎⏎func g() {⏎}", "«type a int⏎»", CleanOptions{}},
		{"stops", fires, "⇥|⏎⇥thisIsTheNextStatement(a)⏎⇥x()", "a()⏎⇥thisIsTheNextStatement(a)⏎⇥y()", "⇥«a()»⏎⇥thisIsTheNextStatement(a)⏎⇥x()", CleanOptions{}},
		{"stops", fires, "⇥|", "work(a)⏎⇥work(a)⏎⇥work(a)⏎⇥work(a)", "⇥«work(a)»", CleanOptions{}},
		{"stops", fires, "⇥|", "first()⏎⇥two()⏎⇥first()⏎⇥two()⏎⇥first()⏎⇥two()", "⇥«first()⏎⇥two()»", CleanOptions{}},
		{"stops", fires, "x = |", "word word word word word word word", "x = «word »", CleanOptions{}},
		{"stops", fires, "⇥|", "a()⏎⇥b()⏎⇥c()", "⇥«a()⏎⇥b()»", CleanOptions{MaxLines: 2}},
		{"stops", fires, "|", "héllo", "«h»", CleanOptions{MaxBytes: 2}},
		{"stops", not, "if x {|", "⏎⇥a()⏎} else {⏎⇥b()⏎}", "if x {«⏎⇥a()⏎} else {⏎⇥b()⏎}»", CleanOptions{}},
		{"stops", not, "⇥|", "if a {⏎⇥⇥x()⏎⇥}⏎⇥if b {⏎⇥⇥x()⏎⇥}⏎⇥if c {⏎⇥⇥x()⏎⇥}", "⇥«if a {⏎⇥⇥x()⏎⇥}⏎⇥if b {⏎⇥⇥x()⏎⇥}⏎⇥if c {⏎⇥⇥x()⏎⇥}»", CleanOptions{}},
		{"stops", not, "⇥|", "}⏎⇥}⏎⇥}⏎⇥}", "⇥«}⏎⇥}⏎⇥}⏎⇥}»", CleanOptions{}},
		{"stops", not, "|", "------------------------------", "«------------------------------»", CleanOptions{Markdown: true}},
		{"stops", not, "⇥|", "0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,", "⇥«0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,»", CleanOptions{}},
		{"stops", not, "⇥y, err := g()⏎⇥if err != nil {⏎⇥⇥return err⏎⇥}⏎⇥|⏎⇥if err != nil {⏎⇥⇥return err⏎⇥}",
			"x, err := f()⏎⇥if err != nil {⏎⇥⇥return err⏎⇥}⏎⇥z, err := h(x)",
			"⇥y, err := g()⏎⇥if err != nil {⏎⇥⇥return err⏎⇥}⏎⇥«x, err := f()⏎⇥if err != nil {⏎⇥⇥return err⏎⇥}⏎⇥z, err := h(x)»⏎⇥if err != nil {⏎⇥⇥return err⏎⇥}", CleanOptions{}},

		{"text below", fires, "⇥|⏎⇥}⏎}", "body()⏎⇥}⏎}", "⇥«body()»⏎⇥}⏎}", CleanOptions{}},
		{"text below", fires, "|⏎foo()", "foo()", "dropped", CleanOptions{}},
		{"text below", fires, "x|⏎⏎foo()⏎bar()", " = 1⏎foo()⏎ba", "x« = 1»⏎⏎foo()⏎bar()", CleanOptions{}},
		{"text below", fires, "if a {⏎⇥|⏎} else {", "b()⏎}", "if a {⏎⇥«b()»⏎} else {", CleanOptions{}},
		{"text below", not, "⇥|⏎}", "if x {⏎⇥⇥y()⏎⇥}", "⇥«if x {⏎⇥⇥y()⏎⇥}»⏎}", CleanOptions{}},
		{"text below", not, "call(x)⏎|⏎call(x)", "call(x)", "call(x)⏎«call(x)»⏎call(x)", CleanOptions{}},
		{"text below", not, "|⏎foobar()", "foo()", "«foo()»⏎foobar()", CleanOptions{}},

		{"rest of line", fires, "foo(|)", "bar)", "foo(«bar»)", CleanOptions{}},
		{"rest of line", fires, "foo(|)", "bar) {", "foo(«bar) {»", CleanOptions{}},
		{"rest of line", fires, "foo(|)", "bar))", "foo(«bar)»", CleanOptions{}},
		{"rest of line", fires, "foo(|, b)", "a, b)", "foo(«a», b)", CleanOptions{}},
		{"rest of line", fires, "foo(|, b)", "a)", "foo(«a», b)", CleanOptions{}},
		{"rest of line", fires, "a |b c", "x⏎y", "dropped", CleanOptions{}},
		{"rest of line", fires, "a |b c", "x b c⏎y", "a «x »b c", CleanOptions{}},
		{"rest of line", not, "foo(|)", "g(x)", "foo(«g(x)»)", CleanOptions{}},
		{"rest of line", not, "foo(|)", "func() {⏎⇥x()⏎}", "foo(«func() {⏎⇥x()⏎}»)", CleanOptions{}},
		{"rest of line", not, "if (a|) {", " && (b)", "if (a« && (b)») {", CleanOptions{}},
		{"rest of line", not, "if (a|b) {", ") && (", "if (a«) && (»b) {", CleanOptions{}},
		{"rest of line", not, "Vec<|>", "Option<u8>", "Vec<«Option<u8>»>", CleanOptions{}},
		{"rest of line", not, "foo(|", "bar)", "foo(«bar)»", CleanOptions{}},

		{"blank behind", fires, "x|", " = 1  ⏎⏎", "x« = 1»", CleanOptions{}},
		{"blank behind", fires, "f(| )", "a ", "f(«a» )", CleanOptions{}},
		{"blank behind", not, "|foo()", "bar()⏎", "«bar()⏎»foo()", CleanOptions{}},

		{"too little", fires, "x|", "  ⏎", "dropped", CleanOptions{}},
		{"too little", fires, "x|", " //", "dropped", CleanOptions{}},
		{"too little", fires, "x|", "ab", "dropped", CleanOptions{MinChars: 4}},
		{"too little", not, "x = |", "1", "x = «1»", CleanOptions{}},
		{"too little", not, "x|", " // a", "x« // a»", CleanOptions{}},

		{"line ends", fires, "x {|␍⏎}", "⏎  y", "x {«␍⏎  y»␍⏎}", CleanOptions{}},
		{"line ends", not, "x {|⏎}", "⏎  y", "x {«⏎  y»⏎}", CleanOptions{}},
	}
	covered := map[string]int{}
	for _, c := range cases {
		i := slices.IndexFunc(cleanRules, func(r cleanRule) bool { return r.name == c.rule })
		if i < 0 {
			t.Errorf("no rule %q", c.rule)
			continue
		}
		buffer, text, want := unmarkTabs(c.buffer), unmarkTabs(c.text), unmarkTabs(c.want)
		prefix, suffix, _ := strings.Cut(buffer, "|")
		got := cleanRules[i].apply(newPlace(prefix, suffix, c.opt), Completion{Text: text})
		if s := after(buffer, got); s != want {
			t.Errorf("%s: %s + %q\ngot  %q\nwant %q", c.rule, c.buffer, text, s, want)
		}
		if changed := got != (Completion{Text: text}); changed != c.fires && c.text != "⏎  two⏎  blanks`" {
			t.Errorf("%s: %s: fires %v, want %v", c.rule, c.buffer, changed, c.fires)
		}
		if c.fires {
			covered[c.rule] |= 1
		} else {
			covered[c.rule] |= 2
		}
	}
	for _, r := range cleanRules {
		if covered[r.name] != 3 {
			t.Errorf("the rule %q needs a case where it fires and one where it must not", r.name)
		}
	}
}

func unmarkTabs(s string) string { return strings.ReplaceAll(unmark(s), "⇥", "\t") }

// D1: with and without an editor that closes brackets and quotes, whether the model closes them or not, and
// whatever it goes on with.
func TestD1ClosedOnce(t *testing.T) {
	for _, pair := range []string{"()", "[]", "{}", "\"\"", "''", "``"} {
		open, shut := pair[:1], pair[1:]
		for _, c := range []struct{ rest, text, want string }{
			{shut, "bar", "foo" + open + "bar" + shut},
			{shut, "bar" + shut, "foo" + open + "bar" + shut},
			{shut, "bar" + shut + ";", "foo" + open + "bar" + shut + ";"},
			{shut + ";", "bar" + shut + ";", "foo" + open + "bar" + shut + ";"},
			{shut + ";", "bar" + shut, "foo" + open + "bar" + shut + ";"},
			{shut + ")", "bar" + shut, "foo" + open + "bar" + shut + ")"},
			{"", "bar" + shut, "foo" + open + "bar" + shut},
			{"", "bar", "foo" + open + "bar"},
		} {
			checkClean(t, "foo"+open+"|"+c.rest, c.text, c.want)
		}
	}
	checkClean(t, "<Foo |/>", "a={b} />", "<Foo a={b} />")
	checkClean(t, "<Foo |", "a={b} />", "<Foo a={b} />")
	checkClean(t, "<Foo |/>", "a={b}", "<Foo a={b}/>")
	checkClean(t, "f(g(|))", "x))", "f(g(x))")
	checkClean(t, "f(g(|))", "x), y)", "f(g(x), y)")
	checkClean(t, "f(g(|))", "x), y", "f(g(x), y)")
	checkClean(t, "f([|])", "1, 2]", "f([1, 2])")
	checkClean(t, "print(\"|\")", "hello\")", "print(\"hello\")")
	checkClean(t, "print(\"|\")", "it's\")", "print(\"it's\")")
	checkClean(t, "const f = () => {|}", "\n  return 1\n}", "const f = () => {\n  return 1\n}")
	checkClean(t, "app.get(\"/\", () => {|})", "\n  x()\n})", "app.get(\"/\", () => {\n  x()\n})")
}

func checkClean(t *testing.T, buffer, text, want string) {
	t.Helper()
	prefix, suffix, _ := strings.Cut(buffer, "|")
	c, ok := CleanCompletion(prefix, suffix, text, CleanOptions{Lines: LinesMany})
	got := prefix + c.Text + suffix[c.ReplaceAfter:]
	if !ok || got != want {
		t.Errorf("%s + %q: %v\ngot  %q\nwant %q", buffer, text, ok, got, want)
	}
}

// D18: the same tokens with the cursor at the left margin, in the middle of the indentation and behind it, and
// the model continuing there or beginning the line anew.
func TestD18Indentation(t *testing.T) {
	for _, c := range []struct{ name, before, body, after string }{
		{"Python", "class A:\n    def f(self, x):\n        y = x\n", "        if y:\n            return 1\n        return 2", "\n"},
		{"Go", "func f(x int) int {\n\tfor i := range x {\n\t\tg(i)\n", "\t\tif h(i) {\n\t\t\tbreak\n\t\t}", "\n\t}\n}\n"},
		{"Makefile", "all: a b\n\techo one\n", "\techo two\n\techo three", "\n\nclean:\n\trm -f a b\n"},
	} {
		indent := leading(c.body)
		for at := 0; at <= len(indent); at++ {
			for _, anew := range []bool{false, true} {
				text := c.body[at:]
				if anew {
					text = c.body
				}
				got, ok := CleanCompletion(c.before+indent[:at], c.after, text, CleanOptions{})
				if want := c.before + c.body + c.after; !ok || c.before+indent[:at]+got.Text+c.after != want {
					t.Errorf("%s at column %d, anew %v: %q", c.name, at, anew, got.Text)
				}
			}
		}
	}
}

func TestMultiline(t *testing.T) {
	for buffer, want := range map[string]bool{
		"|":                  true,
		"  |":                true,
		"a⏎|⏎b":              true,
		"if x {|":            true,
		"if x { |":           true,
		"f(|":                true,
		"x = [|":             true,
		"def f():|":          true,
		"x => |":             true,
		"if [ -f a ]; then|": true,
		"while true; do|":    true,
		"try:|␍⏎x":           true,
		"x = 1|":             false,
		"f(|)":               false,
		"if x {| // y":       false,
		"undo|":              false,
		"|x":                 false,
	} {
		prefix, suffix, _ := strings.Cut(unmark(buffer), "|")
		if got := Multiline(prefix, suffix); got != want {
			t.Errorf("%q: %v", buffer, got)
		}
	}
}

func TestStopper(t *testing.T) {
	for _, c := range []struct {
		buffer, text string
		opt          CleanOptions
		want         StopReason
		pushed       string // when it stops
	}{
		{"x = |", "1⏎y = 2⏎", CleanOptions{}, StopLine, "1⏎"},
		{"func f() {⏎⇥|⏎}", "a()⏎⇥b()⏎}⏎⏎func g() {⏎}⏎", CleanOptions{}, StopScope, "a()⏎⇥b()⏎}⏎"},
		{"⇥|⏎⇥thisIsTheNextStatement(a)", "a()⏎⇥thisIsTheNextStatement(a)⏎⇥y()⏎", CleanOptions{}, StopBelow, "a()⏎⇥thisIsTheNextStatement(a)⏎"},
		{"⇥|", "work(a)⏎⇥work(a)⏎⇥work(a)⏎⇥work(a)⏎", CleanOptions{}, StopRepetition, "work(a)⏎⇥work(a)⏎⇥work(a)⏎"},
		{"⇥|", "a()⏎⇥b()⏎⇥c()⏎⇥d()⏎", CleanOptions{MaxLines: 2}, StopCap, "a()⏎⇥b()⏎⇥c()⏎"},
		{"func f() {⏎⇥if x {|", "```go⏎⇥⇥a()⏎⇥}⏎```⏎", CleanOptions{}, StopScope, "```go⏎⇥⇥a()⏎⇥}⏎"},
		{"class A:⏎    def f(self):|", "⏎    return 1⏎    pass⏎", CleanOptions{}, StopNot, ""},
		{"func f() {⏎⇥|", "if a {⏎⇥⇥b()⏎⇥}⏎⇥c()⏎", CleanOptions{}, StopNot, ""},
	} {
		prefix, suffix, _ := strings.Cut(unmarkTabs(c.buffer), "|")
		s := NewStopper(prefix, suffix, c.opt)
		text := unmarkTabs(c.text)
		got, pushed := StopNot, ""
		for i := 0; i < len(text) && got == StopNot; i++ {
			if got = s.Push(text[i : i+1]); got != StopNot {
				pushed = text[:i+1]
			}
		}
		if got != c.want || pushed != unmarkTabs(c.pushed) {
			t.Errorf("%s: stops for %q after %q, want %q after %q", c.buffer, got, pushed, c.want, c.pushed)
		}
		if s.Push("more") != got {
			t.Errorf("%s: goes on", c.buffer)
		}
	}
}

// A text without an end, on one line or on many, costs time in proportion.
func TestStopperBounded(t *testing.T) {
	for name, line := range map[string]string{"one line": "abcdefghij", "lines": "line of its own %d\n"} {
		s := NewStopper("x = ", "", CleanOptions{Lines: LinesMany})
		n := 0
		for i := range 20000 {
			chunk := line
			if strings.Contains(line, "%") {
				chunk = fmt.Sprintf(line, i*7919)
			}
			s.Push(chunk)
			n += len(chunk)
		}
		if len(s.Text()) > n {
			t.Errorf("%s: %d bytes of %d", name, len(s.Text()), n)
		}
	}
}
