//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var emacsTests = []editorTest{
	{"eglot", func(t *testing.T, run *editorRun) { emacsActions(t, run, emacsEglot) }},
	{"lsp-mode", func(t *testing.T, run *editorRun) { emacsActions(t, run, emacsLSPMode) }},
	{"ghost text", emacsGhostText},
}

// The two ways of Emacs's page.
const (
	emacsEglot   = "docs/editors/emacs.md eglot"
	emacsLSPMode = "docs/editors/emacs.md lsp-mode"
)

// emacsActions lets a comment be carried out, undoes it, asks again, stops in the middle, takes that back, and chooses an
// action for a selection. Eglot is
// the client that waits with everything for an answer, and that sends changes only when it is idle. lsp-mode loses
// what it reads in one piece with an answer that it waits for, on a busy machine also the question where to show progress;
// so its progress is not looked at.
func emacsActions(t *testing.T, run *editorRun, page string) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	commented := replaceOnce(t, original, hasToken, hasTokenComment+"\n"+hasToken)
	want := replaceOnce(t, original, hasToken, hasTokenEdited)
	e := startEmacs(t, run, page, path)

	e.eval(nil, "bridge-insert-above", "func hasToken", hasTokenComment)
	e.act("Edit with spark")
	answer := model.edit(hasToken, "ask for the cheap thing first")
	model.must(answer.Text(hasTokenEdited))
	model.must(answer.Done())
	if page == emacsEglot {
		e.waitForEdit(1)
	}
	e.eval(nil, "bridge-find-p", "Accept spark's edit") // which is offered when the edit has ended
	wantText(t, "buffer after the edit", e.buffer(want), want)
	e.eval(nil, "bridge-undo")
	wantText(t, "buffer after one undo", e.buffer(commented), commented)

	e.act("Edit with spark")
	answer = model.edit(hasToken, "ask for the cheap thing first")
	first := replaceOnce(t, original, hasToken, replaceOnce(t, hasToken,
		`if len(token) > len(v) || token == "" {`, hasTokenFirst))
	written := len(hasTokenEdited) / 2
	model.must(answer.Text(hasTokenEdited[:written]))
	wantText(t, "buffer while the model writes", e.buffer(first), first)
	if actions := e.actions(); !slices.Contains(actions, "Stop spark") {
		t.Errorf("no way to stop among %q", actions)
	}
	e.act("Stop spark")
	if page == emacsEglot {
		e.waitForEdit(2)
	}
	wantText(t, "buffer after the stop", e.buffer(first), first)
	e.act("Take spark's edit back")
	wantText(t, "buffer after it was taken back", e.buffer(commented), commented)

	e.eval(nil, "bridge-select", "func ParseTime", strings.Count(parseTime, "\n"))
	e.act("Simplify with spark")
	answer = model.edit(parseTime, "simpler")
	model.must(answer.Text(parseTimeEdited))
	model.must(answer.Done())
	want = replaceOnce(t, commented, parseTime, parseTimeEdited)
	wantText(t, "buffer after an action on a selection", e.buffer(want), want)
	e.quit()
}

// emacsGhostText is lsp-mode's, which alone has any.
func emacsGhostText(t *testing.T, run *editorRun) {
	run.offline()
	path, original := run.file(t, "client.go")
	e := startEmacs(t, run, emacsLSPMode, path)

	const typed = "var key = CanonicalHeader"
	e.form(nil, `(progn (goto-char (point-max)) (insert `+strconv.Quote(typed)+`) t)`)
	var shown string
	e.form(&shown, `(progn
		(lsp-inline-completion-display)
		(bridge-wait "ghost text" #'lsp-inline-completion--active-p)
		(substring-no-properties (or (overlay-get lsp-inline-completion--overlay 'after-string) (overlay-get lsp-inline-completion--overlay 'before-string) "")))`)
	if shown != "Key" {
		t.Errorf("ghost text is %q", shown)
	}
	e.form(nil, `(progn (lsp-inline-completion-accept) t)`)
	want := original + typed + "Key"
	wantText(t, "buffer after accepting it", e.buffer(want), want)
	e.quit()
}

// emacs is an Emacs without a screen at the other end of testdata/editors/emacs-bridge.el. It corresponds to one
// process, which ends with the test. Its methods fail the test when Emacs does not answer in time.
type emacs struct {
	t       *testing.T
	stdin   io.WriteCloser
	answers chan []byte // one line each; closed when Emacs has ended
}

// startEmacs opens a file with the configuration of a page and returns when the server has been started.
func startEmacs(t *testing.T, run *editorRun, page, file string) *emacs {
	t.Helper()
	run.follow(t, page)
	var args []string
	if dump := run.paths["EMACS_DUMP"]; dump != "" {
		args = append(args, "--dump-file="+dump)
	}
	// An unpacked Emacs has no compiler at hand for what it would compile on the way.
	args = append(args, "-Q", "--batch", "--eval", "(setq native-comp-jit-compilation nil native-comp-enable-subr-trampolines nil)")
	packages, err := filepath.Glob(filepath.Join(run.paths["EMACS_ELPA"], "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, directory := range packages { // what package-install adds
		args = append(args, "-L", directory)
	}
	bridge, err := filepath.Abs(filepath.Join("testdata", "editors", "emacs-bridge.el"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(run.editor, append(args, "-l", filepath.Join(run.home, ".emacs.d", "init.el"), "-l", bridge, file)...)
	cmd.Dir, cmd.Env = run.workspace, run.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e := &emacs{t: t, stdin: stdin, answers: make(chan []byte)}
	done := make(chan struct{})
	go func() {
		defer close(e.answers)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			select {
			case e.answers <- append([]byte(nil), lines.Bytes()...):
			case <-done:
			}
		}
	}()
	t.Cleanup(func() {
		close(done)
		stdin.Close() // ends the bridge
		killed := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			t.Errorf("Emacs: %v", err)
		}
		killed.Stop()
		if t.Failed() {
			t.Logf("Emacs says:\n%s", &stderr)
		}
	})
	e.eval(nil, "bridge-start")
	return e
}

// form evaluates a form, which stands on one line then; its value is decoded into result unless that is nil.
func (e *emacs) form(result any, form string) {
	e.t.Helper()
	if _, err := io.WriteString(e.stdin, string(bytes.ReplaceAll([]byte(form), []byte("\n"), []byte(" ")))+"\n"); err != nil {
		e.t.Fatalf("%s: %v", form, err)
	}
	select {
	case line, ok := <-e.answers:
		if !ok {
			e.t.Fatalf("%s: Emacs has ended", form)
		}
		var answer struct {
			Result json.RawMessage
			Error  string
		}
		if err := json.Unmarshal(line, &answer); err != nil {
			e.t.Fatalf("%s: %v in %s", form, err, line)
		}
		if answer.Error != "" {
			e.t.Fatalf("%s: %s", form, answer.Error)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				e.t.Fatalf("%s: %v in %s", form, err, line)
			}
		}
	case <-time.After(2 * patience): // the bridge itself waits for patience
		e.t.Fatalf("%s: no answer", form)
	}
}

// eval calls a function of the bridge with texts or numbers.
func (e *emacs) eval(result any, function string, args ...any) {
	e.t.Helper()
	form := "(" + function
	for _, arg := range args {
		encoded, err := json.Marshal(arg) // which Emacs reads as its own
		if err != nil {
			e.t.Fatal(err)
		}
		form += " " + string(encoded)
	}
	e.form(result, form+")")
}

func (e *emacs) act(title string) { e.t.Helper(); e.eval(nil, "bridge-act", title) }

func (e *emacs) actions() (titles []string) {
	e.t.Helper()
	e.eval(&titles, "bridge-actions")
	return titles
}

// waitForEdit returns when the server has said that its n-th edit, from 1, is at its end.
func (e *emacs) waitForEdit(n int) {
	e.t.Helper()
	e.form(nil, `(progn (bridge-wait "the edit's end" (lambda () (>= bridge-ended `+strconv.Itoa(n)+`))) t)`)
}

// buffer returns the buffer's text when that is want, or else after patience.
func (e *emacs) buffer(want string) (text string) {
	e.t.Helper()
	e.eval(&text, "bridge-wait-text", want)
	return text
}

// quit leaves Emacs as C-x C-c does, which takes its servers along.
func (e *emacs) quit() {
	e.t.Helper()
	if _, err := io.WriteString(e.stdin, "(kill-emacs 0)\n"); err != nil {
		e.t.Fatal(err)
	}
	select {
	case line, ok := <-e.answers:
		if ok {
			e.t.Errorf("Emacs says %q instead of leaving", line)
		}
	case <-time.After(patience):
		e.t.Errorf("Emacs did not leave for %v", patience)
	}
}
