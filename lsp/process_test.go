package lsp

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

// D23: the client's process dies while something else holds its pipes open.
func TestD23ClientProcessDies(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "LSP_TEST_HELPER=wait")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	r := connect(t, Program{}, editor.Options{ProcessID: child.Process.Pid})
	if _, err := r.Start(r.ctx); err != nil {
		t.Fatal(err)
	}
	r.alive()
	stdin.Close()
	child.Wait()
	begun := time.Now()
	if err := r.wait(); !errors.Is(err, ErrClientGone) {
		t.Fatalf("%v", err)
	}
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
}

// A process number from another namespace must not end the session at once.
func TestForeignProcessID(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "LSP_TEST_HELPER=wait")
	if err := child.Run(); err != nil { // stdin is empty, so it ends
		t.Fatal(err)
	}
	r := start(t, Program{}, editor.Options{ProcessID: child.Process.Pid})
	r.alive()
	// The watcher is a goroutine of its own; a call there and back stands for the tick of a clock.
	for r.logs.FilterMessageSnippet("not watched").Len() == 0 && r.ctx.Err() == nil {
		r.alive()
	}
	if n := r.logs.FilterMessageSnippet("not watched").Len(); n != 1 {
		t.Errorf("%d log entries", n)
	}
}

func TestProcessAlive(t *testing.T) {
	if !processAlive(os.Getpid()) || !processAlive(os.Getppid()) {
		t.Error("living processes are not alive")
	}
}
