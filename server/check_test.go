package server

import "testing"

func TestProblems(t *testing.T) {
	for _, tc := range []struct {
		language, before, after string
		problems                int
	}{
		{"go", "package a\n", "package a\n\nvar x = \"(\" // )\n", 0},
		{"go", "package a\n", "package a\n\nfunc f() {\n", 2},
		{"go", "package a\n", "package a\n\nvar x = = 1\n", 1},
		{"go", "package", "package\n\nvar x = = 1\n", 0}, // it did not parse before either
		{"python", "f()\n", "f(\n", 1},
		{"python", "f()\n", "f() # :)\n", 0},
		{"rust", "fn f<'a>() {}\n", "fn f<'a>(x: &'a str) {}\n", 0},
		{"javascript", "f()\n", "f(])\n", 1},
		{"javascript", "f(\n", "f(]\n", 0},
		{"json", "{}", "{\"a\":}", 1},
		{"markdown", "a", "a :)", 0},
	} {
		if got := problemsOf(tc.language, tc.before, tc.after); len(got) != tc.problems {
			t.Errorf("%s %q: %v", tc.language, tc.after, got)
		}
	}
}
