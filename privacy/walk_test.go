package privacy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var longAgo = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func walked(t *testing.T, rules *Rules, limits Limits) ([]string, Summary) {
	t.Helper()
	var got []string
	sum, err := rules.Walk(t.Context(), limits, func(rel string, data []byte) bool {
		if strings.Contains(string(data), "canary") {
			t.Errorf("%s was read", rel)
		}
		got = append(got, rel)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, sum
}

func TestWalk_D22(t *testing.T) {
	noUserConfig(t)
	outside := tree(t, map[string]string{"x.go": "canary"})
	root := tree(t, map[string]string{
		".gitignore": "ignored/\n*.log\n", "ignored/x.go": "canary", "y.log": "canary", "sub/.aiignore": "no.go", "sub/no.go": "canary",
		".env": "canary", ".git/config": "canary", "node_modules/m/x.js": "canary", "bin": "\x00canary", "latin1.txt": "caf\xe9 canary",
		"app.min.js": "canary", "package-lock.json": "canary", "wide.js": "canary" + strings.Repeat("x;", 4000), "huge.go": "canary" + strings.Repeat("x\n", 4000),
		"main.go": "package main", "sub/deep/er/x.go": "package er", "sub/a.py": "é = 1", "empty.go": "",
	})
	_ = os.Symlink(outside, filepath.Join(root, "linkdir"))
	_ = os.Symlink(filepath.Join(outside, "x.go"), filepath.Join(root, "link.go"))
	got, sum := walked(t, NewRules(root), Limits{FileBytes: 6000})
	want := []string{".gitignore", "empty.go", "main.go", "sub/.aiignore", "sub/a.py", "sub/deep/er/x.go"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if sum.Files != len(want) || sum.Cut || sum.Ignored == 0 || sum.Skipped == 0 {
		t.Errorf("%+v", sum)
	}
}

// The walk and Ignored are two ways to one answer.
func TestWalkAgreesWithIgnored(t *testing.T) {
	noUserConfig(t)
	files := map[string]string{".gitignore": "*.a\n!/d1/x.a\nd2/*\n!d2/k.b\n", "d1/.gitignore": "x.b\n", ".sparkignore": "d3/**/z.c\n"}
	for i := range 4 {
		for _, n := range []string{"x.a", "x.b", "k.b", "z.c", "e/z.c", "e/f/z.c", ".env", "prod.pem"} {
			files[fmt.Sprintf("d%d/%s", i, n)] = "text"
		}
	}
	for _, opts := range [][]Option{nil, {Allow("d2/", "!d2/x.a"), Deny("k.b")}} {
		rules := NewRules(tree(t, files), opts...)
		got, _ := walked(t, rules, Limits{})
		for name := range files {
			if ignored, why := rules.Ignored(name, false); ignored == slices.Contains(got, name) {
				t.Errorf("%s: ignored %v (%s), walked %v", name, ignored, why, !ignored)
			}
		}
	}
}

func TestWalkIsBounded(t *testing.T) {
	noUserConfig(t)
	files := map[string]string{}
	for i := range 50 {
		files[fmt.Sprintf("d%d/f.go", i)] = strings.Repeat("x\n", 50)
	}
	rules := NewRules(tree(t, files))
	if got, sum := walked(t, rules, Limits{Files: 7}); len(got) != 7 || !sum.Cut {
		t.Errorf("files: %d %+v", len(got), sum)
	}
	if got, sum := walked(t, rules, Limits{Bytes: 1050}); len(got) != 10 || !sum.Cut {
		t.Errorf("bytes: %d %+v", len(got), sum)
	}
	n := 0
	if _, err := rules.Walk(t.Context(), Limits{}, func(string, []byte) bool { n++; return n < 3 }); err != nil || n != 3 {
		t.Errorf("stop: %d %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	_, err := rules.Walk(ctx, Limits{}, func(string, []byte) bool { n++; cancel(); return true })
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("cancel: %d %v", n, err)
	}
	if sum, err := NewRules(filepath.Join(t.TempDir(), "gone")).Walk(t.Context(), Limits{}, nil); err != nil || sum.Files != 0 {
		t.Error(sum, err)
	}
}

// The kernel's files say that they are regular and empty, and reading some waits for ever.
func TestKernelFilesAreNotRead(t *testing.T) {
	dir, err := os.OpenRoot("/proc")
	if err != nil {
		t.Skip(err)
	}
	defer dir.Close()
	if info, err := dir.Lstat("kmsg"); err != nil || info.Size() != 0 {
		t.Skip("no kernel log here")
	}
	if data, err := readRegular(dir, "kmsg", 0); err != nil || len(data) > 0 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}
