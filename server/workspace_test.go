package server

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.lsp.dev/protocol"
	"go.lsp.dev/uri"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
	"github.com/spark-lsp/spark-lsp/settings"
)

// shelf is an engine that keeps what it is given.
type shelf struct {
	deaf
	mu    sync.Mutex
	files map[string]string // guarded by mu
}

func (e *shelf) AddFile(name, _, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.files[name] = text
}

func (e *shelf) RemoveFile(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.files, name)
}

// TestIndexFollowsTheDisk: the embedded engine knows of each file what stands on the disk, whatever the editor says has
// happened to it and in whatever order, and nothing of what must not be read any more.
func TestIndexFollowsTheDisk(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old.go", "package old")
	write("gone.go", "package gone")
	engine := &shelf{files: map[string]string{}}
	s := New(Config{Log: zap.NewNop(), Engine: engine, User: User{Settings: settings.Layer{"provider": "offline"}}, PanicOnBug: true})
	defer s.Close()
	s.client, s.roots = &lsp.Client{Name: "test"}, []string{root}
	s.indexWorkspace(t.Context(), s.roots)
	told := func(kind protocol.FileChangeType, names ...string) {
		p := &protocol.DidChangeWatchedFilesParams{}
		for _, name := range names {
			p.Changes = append(p.Changes, protocol.FileEvent{Type: kind, URI: uri.URI(lsp.PathToURI(filepath.Join(root, name)))})
		}
		if err := s.didChangeWatchedFiles(nil, p); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, files map[string]string) {
		t.Helper()
		s.work.Wait()
		engine.mu.Lock()
		defer engine.mu.Unlock()
		for name, text := range files {
			if engine.files[name] != text {
				t.Errorf("%s: %s is %q, want %q", what, name, engine.files[name], text)
			}
		}
		for name := range engine.files {
			if _, ok := files[name]; !ok && !strings.HasPrefix(name, ".") {
				t.Errorf("%s: %s is still known", what, name)
			}
		}
	}
	want("the walk", map[string]string{"old.go": "package old", "gone.go": "package gone"})

	write("old.go", "package changed")
	write("new.go", "package new")
	if err := os.Remove(filepath.Join(root, "gone.go")); err != nil {
		t.Fatal(err)
	}
	told(protocol.FileChangeTypeChanged, "old.go")
	told(protocol.FileChangeTypeCreated, "new.go")
	told(protocol.FileChangeTypeDeleted, "gone.go")
	now := map[string]string{"old.go": "package changed", "new.go": "package new"}
	want("each told of", now)

	told(protocol.FileChangeTypeDeleted, "new.go")
	want("a deletion that is overtaken by its file's return", now)
	told(protocol.FileChangeTypeCreated, "gone.go")
	want("a creation that is overtaken by its file's deletion", now)

	write("old.go", strings.Repeat("x", int(privacy.DefaultLimits.FileBytes)+1))
	told(protocol.FileChangeTypeChanged, "old.go")
	delete(now, "old.go")
	want("what has become too long is not known as it was", now)

	write("old.go", "package changed")
	told(protocol.FileChangeTypeChanged, "old.go")
	now["old.go"] = "package changed"
	want("short again", now)
	write("old.go", "package\x00")
	told(protocol.FileChangeTypeChanged, "old.go")
	delete(now, "old.go")
	want("what has become no text", now)

	if err := os.Mkdir(filepath.Join(root, "node_modules"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("node_modules/x.js", "x")
	write("package-lock.json", "{}")
	told(protocol.FileChangeTypeCreated, "node_modules/x.js", "package-lock.json")
	want("what no walk would have shown", now)

	write(".aiignore", "new.go\n")
	told(protocol.FileChangeTypeCreated, ".aiignore")
	s.work.Wait()
	want("a file closed that only an event had told of", map[string]string{})

	write(".aiignore", "")
	told(protocol.FileChangeTypeChanged, ".aiignore")
	s.work.Wait()
	want("and opened again", map[string]string{"new.go": "package new"})

	s.forgetWorkspace(root)
	want("the folder is closed", map[string]string{})
}
