package server

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
)

// TestDelegateAlone: of a file outside of every workspace folder nothing that lies beside it is read for a model, unless
// the user has named it too; in a folder it is.
func TestDelegateAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"note.go", "named.go", "diary.go"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("package "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []bool{false, true} {
		s := New(Config{Log: zap.NewNop(), Engine: deaf{}, PanicOnBug: true})
		defer s.Close()
		if folder {
			s.roots = []string{dir}
		}
		home := filepath.Join(dir, "note.go")
		d := &delegation{s: s, home: home, given: []string{home, filepath.Join(dir, "named.go")}, known: map[string]string{}}
		for name, want := range map[string]bool{"note.go": true, "named.go": true, "diary.go": folder} {
			if text, err := d.read(name); (err == nil) != want || want && text != "package "+name+"\n" {
				t.Errorf("in a folder: %v; %s: %q, %v", folder, name, text, err)
			}
		}
		if d.alone() == folder {
			t.Errorf("in a folder: %v, alone: %v", folder, d.alone())
		}
	}
}
