package server

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spark-lsp/spark-lsp/editops"
)

// TestRebase carries the edits that make model of base over to theirs.
func TestRebase(t *testing.T) {
	for name, tt := range map[string]struct {
		base, model, theirs, want string
		lost                      int
	}{
		"nothing happened":     {"a\nb\nc\n", "a\nB\nc\n", "a\nb\nc\n", "a\nB\nc\n", 0},
		"typed above":          {"a\nb\nc\nd\n", "a\nb\nc\nD\n", "x\na\nb\nc\nd\n", "x\na\nb\nc\nD\n", 0},
		"typed below":          {"a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nd\ny\n", "A\nb\nc\nd\ny\n", 0},
		"typed in it":          {"one\ntwo\nthree\n", "one\n2\nthree\n", "one\ntwo!\nthree\n", "one\ntwo!\nthree\n", 1},
		"deleted":              {"a\nbbb\nc\n", "a\nBBB\nc\n", "a\nc\n", "a\nc\n", 1},
		"one of two":           {"a\n1\n2\n3\n4\nb\n", "A\n1\n2\n3\n4\nB\n", "a\n1\n2\n3\n4\nb!\n", "A\n1\n2\n3\n4\nb!\n", 1},
		"one change of two":    {"a\n1\nb\n", "A\n1\nB\n", "a\n1\nb!\n", "a\n1\nb!\n", 1},
		"both append":          {"a\n", "a\nmodel\n", "a\nuser\n", "a\nuser\nmodel\n", 0},
		"both insert":          {"a\nb\n", "a\nmodel\nb\n", "a\nuser\nb\n", "a\nuser\nmodel\nb\n", 0},
		"typing a line's end":  {"a\n", "a\nmodel\n", "a\nus", "a\nus", 1},
		"a new file":           {"", "model\n", "", "model\n", 0},
		"a new file, and text": {"", "model\n", "user\n", "user\nmodel\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			fit, lost := rebase(tt.base, tt.theirs, editops.Diff(tt.base, tt.model))
			set, err := editops.NewChangeSet(len(tt.theirs), fit...)
			if err != nil {
				t.Fatal(err) // D15: sorted, apart, in the document
			}
			got, err := set.Apply(tt.theirs)
			if err != nil || got != tt.want || lost != tt.lost {
				t.Errorf("%q, %d lost (%v); want %q, %d", got, lost, err, tt.want, tt.lost)
			}
			if len(fit) > 0 && !landed(tt.theirs, fit, got) {
				t.Error("it is there, and not seen")
			}
			if len(fit) > 0 && landed(tt.theirs, fit, tt.theirs) {
				t.Error("it is seen, and not there")
			}
		})
	}
}

func TestWithin(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for _, d := range []string{"root/a", "out"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"root/away": "out", "root/nowhere": "gone", "root/here": "root/a"} {
		if err := os.Symlink(filepath.Join(dir, to), filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	for name, want := range map[string]bool{
		"root/a/x.go": true, "root/new/deep/x.go": true, "root/here/x.go": true, "root/..x.go": true,
		"root": false, "out/x.go": false, "rootx/x.go": false, "root/away/x.go": false, "root/nowhere/x.go": false, "root/nowhere": false,
	} {
		if got := within(root, filepath.Join(dir, name)); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
