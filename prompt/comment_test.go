package prompt

import (
	"strings"
	"testing"
)

// lines is a document of \n lines for tests.
type lines string

func (d lines) starts() []int {
	s := []int{0}
	for i := range len(d) {
		if d[i] == '\n' {
			s = append(s, i+1)
		}
	}
	return s
}
func (d lines) Len() int              { return len(d) }
func (d lines) Slice(i, j int) string { return string(d[i:j]) }
func (d lines) LineCount() int        { return len(d.starts()) }
func (d lines) LineStart(n int) int   { return d.starts()[n] }
func (d lines) LineEnd(n int) int {
	if s := d.starts(); n+1 < len(s) {
		return s[n+1] - 1
	}
	return len(d)
}

func TestParseComment(t *testing.T) {
	for line, want := range map[string]string{
		"// spark: return an error":        "return an error",
		"\t//spark: tabs":                  "tabs",
		"# spark: in python":               "in python",
		"-- Spark: in Lua":                 "in Lua",
		"/* spark: in C */":                "in C",
		" * spark: in a doc block":         "", // by itself it is not known to be in one
		"/* spark: goes on":                "",
		"<!-- spark: goes on":              "",
		"--[[ spark: in Lua ]]":            "in Lua",
		"<!-- spark: in HTML -->":          "in HTML",
		"{/* spark: in JSX */}":            "in JSX",
		"; spark: in Lisp":                 "in Lisp",
		";;; spark: in Emacs Lisp":         "in Emacs Lisp",
		"% spark: in TeX":                  "in TeX",
		"(* spark: in OCaml *)":            "in OCaml",
		"{- spark: in Haskell -}":          "in Haskell",
		"' spark: in Basic":                "in Basic",
		"REM spark: in batch":              "in batch",
		"! spark: in Fortran":              "in Fortran",
		"\" spark: in Vim":                 "in Vim",
		"/// spark: in Rust docs":          "in Rust docs",
		"x := 1 // spark: trailing":        "",
		"// sparkle: another word":         "",
		"// spark:":                        "",
		"spark: not a comment":             "",
		"// see spark: not at the start":   "",
		"// spark: http://a/*b*/ stays":    "http://a/*b*/ stays",
		"\"spark: a string, not a comment": "a string, not a comment", // Vim's comment sign; harmless elsewhere
	} {
		got, ok := ParseComment(line)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", line, got, ok, want)
		}
	}
}

func TestCommentAt(t *testing.T) {
	const doc = "a\n// spark: one\n// spark: two\nb\n\nc\n"
	for _, tt := range []struct {
		first, last int
		want        string
	}{
		{0, 0, ""}, {1, 1, "one\ntwo"}, {2, 2, "one\ntwo"}, {3, 3, "one\ntwo"}, {0, 4, "one\ntwo"}, {4, 4, ""}, {5, 99, ""}, {99, 99, ""},
	} {
		c, _ := CommentAt(lines(doc), tt.first, tt.last)
		if c.Instruction != tt.want {
			t.Errorf("lines %d-%d: %q, want %q", tt.first, tt.last, c.Instruction, tt.want)
		}
		if tt.want != "" && doc[c.Start:c.End] != "// spark: one\n// spark: two\n" {
			t.Errorf("range %q", doc[c.Start:c.End])
		}
	}
}

// TestBlockComment: what is removed is between « and »; ‸ stands on the lines from which the comment is found.
func TestBlockComment(t *testing.T) {
	for name, tt := range map[string]struct{ marked, want string }{
		"C":                      {"«/*‸\n * spark: two‸\n */‸\n»‸int f;\nint g;\n", "two"},
		"several lines":          {"x\n«/* spark: make it‸\n   faster */‸\n»‸int f;\n", "make it\nfaster"},
		"bare":                   {"«/*\nspark: two‸\n\nand three\n*/\n»‸int f;\n", "two\nand three"},
		"HTML":                   {"«<!--\n  spark: two‸\n-->\n»‸<p>\n", "two"},
		"Lua":                    {"«--[[\nspark: two‸\n]]\n»‸local x\n", "two"},
		"prose stays":            {"/**\n * Adds.\n« * spark: two‸\n» */\n‸int f;\n", "two"},
		"no instruction":         {"/*‸\n * Adds.‸\n */\n‸int f;\n", ""},
		"closed above":           {"/* a */\n‸x * y\n", ""},
		"code behind the end":    {"/*\n * spark: two‸\n */ int f;\n", ""},
		"never closed":           {"/*\n * spark: two‸\nint f;\n", ""},
		"two lines further down": {"/*\n * spark: two\n */\n\n‸int f;\n", ""},
	} {
		clean := strings.NewReplacer("«", "", "»", "", "‸", "")
		doc := clean.Replace(tt.marked)
		wantStart := len(clean.Replace(tt.marked[:max(0, strings.Index(tt.marked, "«"))]))
		wantEnd := len(clean.Replace(tt.marked[:max(0, strings.Index(tt.marked, "»"))]))
		for i, line := range strings.Split(tt.marked, "\n") {
			if !strings.Contains(line, "‸") {
				continue
			}
			c, ok := CommentAt(lines(doc), i, i)
			if ok != (tt.want != "") || c.Instruction != tt.want {
				t.Errorf("%s, line %d: %q, %v; want %q", name, i, c.Instruction, ok, tt.want)
			} else if ok && (c.Start != wantStart || c.End != wantEnd) {
				t.Errorf("%s, line %d: removes %q, want %q", name, i, doc[c.Start:c.End], doc[wantStart:wantEnd])
			}
		}
	}
}

// TestBlockBelow: the block is between « and »; the search starts at the document's first byte.
func TestBlockBelow(t *testing.T) {
	for name, marked := range map[string]string{
		"a Go function":        "\n«func f() {\n\tif x {\n\t\ty()\n\t}\n}\n»\nfunc g() {}\n",
		"a long signature":     "«func f(\n\ta int,\n) error {\n\treturn nil\n}\n»var x int\n",
		"a one-line statement": "«\tx := 1\n»\ty := 2\n",
		"if with else":         "«if a {\n\tb\n} else {\n\tc\n}\n»d\n",
		"a Python function":    "«def f(x):\n    if x:\n        return 1\n\n    return 2\n»\nprint(f(1))\n",
		"a Ruby method":        "«def f\n  1\nend\n»puts f\n",
		"a shell block":        "«if true; then\n  echo\nelse\n  false\nfi\n»echo\n",
		"brace on its own":     "«void f()\n{\n\treturn;\n}\n»int x;\n",
		"no final newline":     "«func f() {\n\tg()\n}»",
		"JSON":                 "  «\"a\": {\n    \"b\": 1\n  },\n»  \"c\": 2\n",
	} {
		start, end := strings.Index(marked, "«"), strings.Index(marked, "»")-len("«")
		doc := strings.NewReplacer("«", "", "»", "").Replace(marked)
		if name == "JSON" { // whole lines: the indentation belongs to the block
			start = 0
		}
		gotStart, gotEnd, ok := BlockBelow(lines(doc), 0)
		if !ok || gotStart != start || gotEnd != end {
			t.Errorf("%s: %q, want %q", name, doc[gotStart:gotEnd], doc[start:end])
		}
	}
	if _, _, ok := BlockBelow(lines("\n  \n"), 0); ok {
		t.Error("an empty document has no block")
	}
}
