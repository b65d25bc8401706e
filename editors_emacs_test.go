//go:build unix

package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var emacsTests = []editorTest{
	{"edit", emacsEdit},
}

// emacsEdit lets eglot carry out a comment. It is the client that waits with everything for an answer, and that
// sends changes only when it is idle.
func emacsEdit(t *testing.T, run *editorRun) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	ended := startEmacs(t, run, path, "func ParseTime", parseTimeComment)

	answer := model.edit(parseTime, "return an error that names the formats")
	model.must(answer.Text(parseTimeEdited))
	model.must(answer.Done())
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatalf("Emacs did not end for %v", patience)
	}
	_, text := run.file(t, "header.go")
	wantText(t, "file after the edit", text, replaceOnce(t, original, parseTime, parseTimeEdited))
}

// startEmacs runs testdata/editors/eglot.el. The channel it returns is closed when Emacs has ended, as it should.
func startEmacs(t *testing.T, run *editorRun, file, before, comment string) <-chan struct{} {
	t.Helper()
	var args []string
	if dump := run.paths["EMACS_DUMP"]; dump != "" {
		args = append(args, "--dump-file="+dump)
	}
	args = append(args, "-Q", "--batch", "-l", filepath.Join("testdata", "editors", "eglot.el"), "--", file, before, comment, run.serverLog)
	cmd := exec.Command(run.editor, args...)
	cmd.Env = run.env
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := cmd.Wait(); err != nil {
			t.Errorf("Emacs: %v", err)
		}
	}()
	t.Cleanup(func() {
		killed := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		<-ended
		killed.Stop()
		if t.Failed() {
			t.Logf("Emacs says:\n%s", &output)
		}
	})
	return ended
}
