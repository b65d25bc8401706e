//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// startIn is startChild with a workspace, an editor's process and a log.
func startIn(t *testing.T, binary, root string, editor int, log string, env ...string) *child {
	t.Helper()
	c := spawnChild(t, binary, []string{"--stdio", "--log", log}, env...)
	pid := "null"
	if editor != 0 {
		pid = fmt.Sprint(editor)
	}
	c.call("initialize", fmt.Sprintf(`{"processId":%s,"rootUri":"%s","capabilities":{"general":{"positionEncodings":["utf-8"]},"textDocument":{"inlineCompletion":{}}}}`, pid, lsp.PathToURI(root)))
	c.answer()
	c.notify("initialized", `{}`)
	return c
}

// waitLog waits until a log has a line with text, and returns the line.
func waitLog(t *testing.T, log, text string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		data, _ := os.ReadFile(log)
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, text) {
				return line
			}
		}
	}
	t.Fatalf("%q is not in the log", text)
	return ""
}

// TestD23Memory: a process with an index of 1.5 million tokens stays below 200 MB, also while it answers.
func TestD23Memory(t *testing.T) {
	if testing.Short() {
		t.Skip("indexes 7 MB of code")
	}
	root, size := t.TempDir(), 0
	src := filepath.Join(runtime.GOROOT(), "src")
	err := filepath.WalkDir(src, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".go" {
			return nil
		}
		data, err := os.ReadFile(file)
		if err != nil || len(data) > 512<<10 {
			return nil
		}
		rel, _ := filepath.Rel(src, file)
		to := filepath.Join(root, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if size += len(data); size > 8<<20 { // the toolchain's code has five bytes a token
			return fs.SkipAll
		}
		return os.WriteFile(to, data, 0o644)
	})
	if err != nil || size < 8<<20 {
		t.Skipf("the toolchain's source is not here (%d bytes, %v)", size, err)
	}
	log := filepath.Join(t.TempDir(), "log")
	c := startIn(t, buildSpark(t), root, 0, log, "SPARK_PROVIDER=offline")
	defer c.end()
	summary := waitLog(t, log, "workspace read")
	text, line := benchDocument(t, 64<<10)
	uri := lsp.PathToURI(filepath.Join(root, "a.go"))
	c.open(uri, text)
	peak := 0
	for i := range 200 {
		c.key(uri, line, i%60, string(rune('a'+i%20)))
		c.answer()
		peak = max(peak, residentKB(c.cmd.Process.Pid))
	}
	t.Logf("%d MB; %s", peak>>10, summary)
	if peak == 0 || peak > 200<<10 {
		t.Errorf("%d MB are resident", peak>>10)
	}
}

// TestD23EditorKilled: an editor that is killed leaves no server behind for longer than two seconds, also when somebody
// else holds the pipes open and nothing can be read from them that would tell.
func TestD23EditorKilled(t *testing.T) {
	binary := buildSpark(t)
	var took []time.Duration
	for range 3 { // a machine that is busy with other tests may make one try slow
		editor := exec.Command("sleep", "60")
		if err := editor.Start(); err != nil {
			t.Fatal(err)
		}
		c := startIn(t, binary, t.TempDir(), editor.Process.Pid, filepath.Join(t.TempDir(), "log"), "SPARK_PROVIDER=offline")
		c.open("file:///a.go", "package a\n")
		killed := time.Now()
		if err := editor.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = editor.Wait()
		stuck := time.AfterFunc(20*time.Second, func() { c.cmd.Process.Kill() })
		_ = c.cmd.Wait() // while the pipe that we hold is open
		stuck.Stop()
		took = append(took, time.Since(killed))
		c.in.Close()
	}
	t.Logf("gone after %v", took)
	if slices.Min(took) > 2*time.Second || slices.Max(took) > 10*time.Second {
		t.Errorf("gone after %v", took)
	}
}

// TestD23Typing: an hour of typing, as fast as it is answered, leaves the process as large as a minute of it, and with
// as many goroutines.
func TestD23Typing(t *testing.T) {
	if testing.Short() {
		t.Skip("types 9,000 keys")
	}
	model := loopback.New(loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) {
		_ = x.Delta("answer(1)\n")
		_ = x.Done()
	}})
	if err := model.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	binary, root := buildSpark(t), t.TempDir()
	const hour = 9000 // keys: two and a half a second, which is a quick typist's hour with its pauses
	type measure struct{ resident, goroutines int }
	// After some keys it is measured, and ended by the signal that makes it tell its goroutines.
	after := func(keys int) (m measure) {
		c := startIn(t, binary, root, 0, filepath.Join(t.TempDir(), "log"), "SPARK_PROVIDER=openai", "SPARK_API_KEY=bench", "SPARK_BASE_URL="+model.URL())
		text, line := benchDocument(t, 32<<10)
		uri := lsp.PathToURI(filepath.Join(root, "a.go"))
		c.open(uri, text)
		for i := range keys {
			c.key(uri, line, i%60, string(rune('b'+i%20)))
			c.answer()
			if i%60 == 59 { // the line is deleted and typed anew, saved now and then
				c.version++
				c.notify("textDocument/didChange", fmt.Sprintf(`{"textDocument":{"uri":"%s","version":%d},"contentChanges":[{"range":{"start":{"line":%d,"character":0},"end":{"line":%d,"character":60}},"text":""}]}`, uri, c.version, line, line))
				c.notify("textDocument/didSave", fmt.Sprintf(`{"textDocument":{"uri":"%s"}}`, uri))
			}
		}
		m.resident = residentKB(c.cmd.Process.Pid)
		c.call("workspace/executeCommand", `{"command":"spark-lsp.status"}`)
		var status struct{ Result json.RawMessage }
		if err := json.Unmarshal(c.answer().body, &status); err != nil || len(status.Result) == 0 {
			t.Errorf("after %d keys it does not answer: %v", keys, err)
		}
		if err := c.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
			t.Fatal(err)
		}
		_ = c.cmd.Wait()
		m.goroutines = strings.Count(c.said.String(), "\ngoroutine ")
		return m
	}
	minute, whole := after(300), after(hour)
	t.Logf("after a minute %+v, after an hour %+v", minute, whole)
	if whole.resident > minute.resident+24<<10 {
		t.Errorf("it has grown from %d to %d MB", minute.resident>>10, whole.resident>>10)
	}
	if minute.goroutines == 0 || whole.goroutines > minute.goroutines+5 {
		t.Errorf("it has %d goroutines, not %d", whole.goroutines, minute.goroutines)
	}
}
