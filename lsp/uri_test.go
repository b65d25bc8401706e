package lsp

import "testing"

func TestURIToPath(t *testing.T) {
	for _, tt := range []struct {
		uri     string
		windows bool
		path    string // "" for none
	}{
		{"file:///a/b.go", false, "/a/b.go"},
		{"file:///a%20b/%C3%A9.go", false, "/a b/é.go"},
		{"file:///a b/é.go", false, "/a b/é.go"},
		{"FILE:///a", false, "/a"},
		{"file:/a", false, "/a"},
		{"file://localhost/a", false, "/a"},
		{"file://host/a", false, ""},
		{"file:///a#b?c", false, "/a#b?c"},
		{"file:///a%zz", false, "/a%zz"},
		{"file:///a%00b", false, ""},
		{"file:///", false, "/"},
		{"file://", false, ""},
		{"file:a", false, ""},
		{"untitled:Untitled-1", false, ""},
		{"vscode-notebook-cell:/a.ipynb#x", false, ""},
		{"/a/b", false, ""},
		{"", false, ""},
		{"file:///c%3A/a%20b.go", true, `C:\a b.go`},
		{"file:///c:/a", true, `C:\a`},
		{"file:///C:/a/", true, `C:\a\`},
		{"file://server/share/a%20b", true, `\\server\share\a b`},
		{"file:///a", true, `\a`},
	} {
		path, ok := uriToPath(tt.uri, tt.windows)
		if path != tt.path && ok || ok != (tt.path != "") {
			t.Errorf("%q (windows %v): %q, %v; want %q", tt.uri, tt.windows, path, ok, tt.path)
		}
	}
}

func TestPathToURI(t *testing.T) {
	for _, tt := range []struct {
		path    string
		windows bool
		uri     string
	}{
		{"/a/b.go", false, "file:///a/b.go"},
		{"/a b/é#?%.go", false, "file:///a%20b/%C3%A9%23%3F%25.go"},
		{`/a\b`, false, "file:///a%5Cb"},
		{"/c:/a", false, "file:///c%3A/a"},
		{`C:\a b\c.go`, true, "file:///C:/a%20b/c.go"},
		{`\\server\share\a`, true, "file://server/share/a"},
	} {
		u := pathToURI(tt.path, tt.windows)
		if u != tt.uri {
			t.Errorf("%q (windows %v): %q, want %q", tt.path, tt.windows, u, tt.uri)
		}
		if back, ok := uriToPath(u, tt.windows); !ok || back != tt.path {
			t.Errorf("%q came back as %q", tt.path, back)
		}
	}
}

func TestURIKey(t *testing.T) {
	for _, same := range [][]string{
		{"file:///c%3A/x%20y.go", "file:///C:/x y.go", "file:///c:/x%20y.go", "file:///C%3a/x%20y.go"},
		{"file:///%C3%BC", "file:///ü"},
		{"untitled:Untitled 1", "untitled:Untitled%201"},
		{"file:///a%zz"},
		{"jdt://contents/x.class?=a/%5C/b", "jdt://contents/x.class?%3Da%2F%5C%2Fb"},
	} {
		for _, u := range same {
			key := uriKey(u)
			if key != uriKey(same[0]) {
				t.Errorf("%q and %q differ", u, same[0])
			}
			if uriKey(key) != key {
				t.Errorf("the key of %q is not its own key: %q, %q", u, key, uriKey(key))
			}
		}
	}
	if uriKey("file:///a/B.go") == uriKey("file:///a/b.go") {
		t.Error("case is ignored")
	}
}
