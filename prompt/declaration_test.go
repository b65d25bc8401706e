package prompt

import (
	"strings"
	"testing"
)

// TestDeclarationAt: the declaration is between « and »; it is found from each line that ends in ‸.
func TestDeclarationAt(t *testing.T) {
	for name, marked := range map[string]string{
		"Go function":       "package a\n\n«func f(a int) int {‸\n\tif a {\n\t\treturn 1‸\n\t}\n\treturn 2‸\n}‸\n»\nvar x int\n",
		"Go method":         "«func (t *T) f() {\n\tx()‸\n}\n»",
		"Go type":           "«type T struct {\n\ta int‸\n}\n»",
		"Go long signature": "«func f(\n\ta int,\n) error {\n\treturn nil‸\n}\n»",
		"Python method":     "class A:\n«    def f(self):‸\n        if a:\n            return 1‸\n\n        return 2‸\n»\n    def g(self):\n        pass\n",
		"Java method":       "class A {\n«  public int f(int a) {\n    for (;;) {\n      g();‸\n    }\n  }\n»}\n",
		"C":                 "«static int f(int a) {\n\treturn 1;‸\n}\n»",
		"arrow":             "«export const f = (a) => {\n  return 1‸\n}\n»",
		"TypeScript":        "«export async function f(a: number): Promise<void> {\n  await g()‸\n}\n»",
		"Rust":              "impl A {\n«    pub fn f(&self) -> u32 {\n        1‸\n    }\n»}\n",
		"none":              "x := 1‸\n",
		"a statement":       "if x {\n\ty()‸\n}\n",
		"between":           "func f() {\n}\n‸\nfunc g() {\n}\n",
	} {
		clean := strings.NewReplacer("«", "", "»", "", "‸", "")
		doc := lines(clean.Replace(marked))
		from, to := strings.Index(marked, "«"), strings.Index(marked, "»")
		for i, line := range strings.Split(marked, "\n") {
			if !strings.Contains(line, "‸") {
				continue
			}
			decl, ok := DeclarationAt(doc, i)
			if ok != (from >= 0) {
				t.Errorf("%s, line %d: %v, %q", name, i, ok, doc[decl.Start:decl.End])
				continue
			}
			if ok && (decl.Start != len(clean.Replace(marked[:from])) || decl.End != len(clean.Replace(marked[:to]))) {
				t.Errorf("%s, line %d: %q", name, i, doc[decl.Start:decl.End])
			}
		}
	}
}

func TestDocumented(t *testing.T) {
	for doc, want := range map[string]bool{
		"// F does.\nfunc F() {\n}\n":                 true,
		"\nfunc F() {\n}\n":                           false,
		"x := 1\nfunc F() {\n}\n":                     false,
		"// spark: do it\nfunc F() {\n}\n":            false,
		"/** F. */\n@Override\npublic int f() {\n}\n": true,
		"def f():\n    \"\"\"Does.\"\"\"\n    x()\n":  true,
		"def f():\n    x()\n":                         false,
		"# f does\ndef f():\n    x()\n":               true,
		"#[inline]\nfn f() {\n}\n":                    false,
	} {
		n := strings.Count(doc[:strings.IndexAny(doc, "(")], "\n")
		decl, ok := DeclarationAt(lines(doc), n)
		if !ok || Documented(lines(doc), decl) != want {
			t.Errorf("%q: %v, %v", doc, ok, !want)
		}
	}
}

// TestStub: what waits to be implemented is between « and »; the cursor is on the line with ‸.
func TestStub(t *testing.T) {
	for name, marked := range map[string]string{
		"panic":        "«func f() int {\n\tpanic(\"not implemented\")‸\n}\n»",
		"empty":        "«func f() {‸\n}\n»",
		"one line":     "«func f() {}‸\n»",
		"todo in body": "«func f() int {‸\n\t// TODO: count\n\treturn 0\n}\n»",
		"pass":         "«def f(x):‸\n    pass\n»",
		"docstring":    "«def f(x):‸\n    \"\"\"Does.\"\"\"\n    raise NotImplementedError\n»",
		"Rust":         "«fn f() -> u32 {\n    todo!()‸\n}\n»",
		"TypeScript":   "«function f(): number {\n  throw new Error('Not implemented')‸\n}\n»",
		"a todo":       "func f() {\n\tx()\n«\t// TODO: and y‸\n»\tz()\n}\n",
		"assertion":    "«var _ io.Reader = (*T)(nil)‸\n»\ntype T struct {\n\ta int\n}\n",
		"implements":   "«class A implements B {‸\n  x = 1;\n}\n»",
		"impl for":     "«impl Iterator for A {‸\n    type Item = u32;\n}\n»",
		"code":         "func f() int {‸\n\treturn g()\n}\n",
		"returns":      "func f() error {‸\n\treturn nil\n}\n",
		"a struct":     "type T struct {‸\n\ta int\n}\n",
		"an if":        "func f() {\n\tx()\n\tif a {‸\n\t}\n}\n",
	} {
		clean := strings.NewReplacer("«", "", "»", "", "‸", "")
		doc := lines(clean.Replace(marked))
		n := strings.Count(marked[:strings.Index(marked, "‸")], "\n")
		start, end, ok := Stub(doc, n)
		from, to := strings.Index(marked, "«"), strings.Index(marked, "»")
		if ok != (from >= 0) {
			t.Errorf("%s: %v, %q", name, ok, doc[start:end])
		} else if ok && (start != len(clean.Replace(marked[:from])) || end != len(clean.Replace(marked[:to]))) {
			t.Errorf("%s: %q", name, doc[start:end])
		}
	}
}

func TestStatements(t *testing.T) {
	for doc, want := range map[string]int{
		"\ta := 1\n\tb := 2\n":                        2,
		"\tif a {\n\t\tb()\n\t}\n\tc()\n":             2,
		"\tif a {\n\t\tb()\n\t} else {\n\t\tc\n\t}\n": 1,
		"a := 1\nb := 2\n":                            0,
		"\ta()\n}\n":                                  0,
		"\t// one\n\t*p = 1\n\n\tb()\n":               2,
		"":                                            0,
	} {
		if got := Statements(lines(doc), 0, len(doc)); got != want {
			t.Errorf("%q: %d, want %d", doc, got, want)
		}
	}
}

func TestComments(t *testing.T) {
	const doc = "// spark: one\n// spark: more\na\n\n/*\n * spark: two\n */\nb // spark: no\n# spark: three\n"
	var got []string
	for _, c := range Comments(lines(doc)) {
		got = append(got, c.Instruction)
	}
	if want := "one\nmore|two|three"; strings.Join(got, "|") != want {
		t.Errorf("%q, want %q", strings.Join(got, "|"), want)
	}
}
