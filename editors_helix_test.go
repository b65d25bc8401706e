//go:build unix

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

var helixTests = []editorTest{
	{"completion", helixCompletion},
	{"edit", helixEdit},
	{"stop, take back, accept", helixReview},
	{"next edit", helixNextEdit},
	{"health", helixHealth},
	{"typing", helixTyping},
	{"twenty edits", helixTwentyEdits},
}

func helixCompletion(t *testing.T, run *editorRun) {
	run.offline()
	path, original := run.file(t, "client.go")
	h := startHelix(t, run, path)

	const typed = "var key = CanonicalHeader"
	h.input("geo" + typed)
	h.wantOnScreen("CanonicalHeaderKey") // In the popup: the file's own is far above.
	h.input(ctrlN)
	h.wantOnScreen("var key = CanonicalHeaderKey")
	h.input("\r")
	h.leaveInsertMode()
	wantText(t, "file after accepting the item", h.write(original+typed+"Key\n"), original+typed+"Key\n")
	h.quit()
}

// helixEdit lets a comment be carried out, and takes it back.
func helixEdit(t *testing.T, run *editorRun) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	commented := replaceOnce(t, original, hasToken, hasTokenComment+"\n"+hasToken)
	want := replaceOnce(t, original, hasToken, hasTokenEdited)
	h := startHelix(t, run, path)

	h.input("/^func hasToken\r")
	h.input("O" + hasTokenComment)
	h.leaveInsertMode()
	h.editWithSpark()
	answer := model.edit(hasToken, "ask for the cheap thing first")
	half := strings.Index(hasTokenEdited, "\t\tif b := ")
	goOn, wait := model.stream(answer, hasTokenEdited[:half], hasTokenEdited[half:])
	// The model is not at its end, and will not be before this is seen.
	h.wantOnScreen(hasTokenFirst)
	goOn()
	wait()
	h.waitForEdit(1)
	wantText(t, "file after the edit", h.write(want), want)

	// Helix makes each piece of an edit an undo step: one for a hunk. The comment goes with the first.
	h.input("uu")
	wantText(t, "file after two u", h.write(commented), commented)
	if n := h.inLog(`"method":"workspace/executeCommand"`); n != 1 {
		t.Errorf("%d commands were executed, want 1: writing a file asks for code actions too", n)
	}
	h.quit()
}

// helixReview stops an edit from the menu while the status line tells of it, takes it back, lets it be made anew, and
// accepts it: then there is nothing to take back any more.
func helixReview(t *testing.T, run *editorRun) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	commented := replaceOnce(t, original, hasToken, hasTokenComment+"\n"+hasToken)
	stopped := replaceOnce(t, original, hasToken, replaceOnce(t, hasToken, `if len(token) > len(v) || token == "" {`, hasTokenFirst))
	want := replaceOnce(t, original, hasToken, hasTokenEdited)
	h := startHelix(t, run, path)

	h.input("/^func hasToken\r")
	h.input("O" + hasTokenComment)
	h.leaveInsertMode()
	h.editWithSpark()
	answer := model.edit(hasToken, "ask for the cheap thing first")
	goOn, _ := model.stream(answer, hasTokenEdited[:strings.Index(hasTokenEdited, "\t\tif b := ")], "")
	h.wantOnScreen(hasTokenFirst)
	h.wantOnScreen("spark: spark: ") // the server's name, and what it calls its work
	h.pick("Stop spark")
	h.waitForEdit(1)
	goOn() // into the void
	wantText(t, "file after the stop", h.write(stopped), stopped)
	h.pick("Take spark's edit back")
	h.wantOnScreen(hasTokenComment)
	wantText(t, "file after it was taken back", h.write(commented), commented)

	h.input("gg/^func hasToken\r;") // a cursor, and no selection
	h.editWithSpark()
	answer = model.edit(hasToken, "ask for the cheap thing first")
	model.must(answer.Text(hasTokenEdited))
	model.must(answer.Done())
	h.waitForEdit(2)
	wantText(t, "file after another edit", h.write(want), want)
	h.pick("Accept spark's edit")
	closed := func() bool { return !strings.Contains(h.screen(), "Explain with spark") }
	waitFor(t, "the menu to close", closed)
	waitFor(t, "a menu without a way back", func() bool {
		h.input(" a")
		h.wantOnScreen("Explain with spark")
		accepted := !strings.Contains(h.screen(), "Take spark's edit back")
		h.input("\x1b")
		waitFor(t, "the menu to close", closed)
		return accepted
	})
	h.quit()
}

// helixNextEdit makes the same change twice and asks by name for the next place, as Helix's list of commands does: with
// no arguments.
func helixNextEdit(t *testing.T, run *editorRun) {
	run.offline()
	path := filepath.Join(run.workspace, "next.go")
	original := "package http\n\nvar a = fetch(1)\nvar b = fetch(2)\nvar c = fetch(3)\n"
	if err := os.WriteFile(path, []byte(original), 0o644); err != nil {
		t.Fatal(err)
	}
	h := startHelix(t, run, path)
	for range 2 {
		h.input("/fetch\rcload")
		h.leaveInsertMode()
	}
	h.input(":lsp-workspace-command spark-lsp.next\r")
	h.wantOnScreen("next edit at next.go:5, fetch → load")
	h.quit()
}

// helixHealth asks Helix what the page tells to ask.
func helixHealth(t *testing.T, run *editorRun) {
	run.follow(t, helixPage)
	cmd := exec.Command(run.editor, "--health", "go")
	cmd.Env = run.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !regexp.MustCompile(`✓\S* spark: .*` + regexp.QuoteMeta(run.binary)).Match(out) {
		t.Errorf("no tick for spark-lsp:\n%s", out)
	}
}

// helixTyping goes on typing, above the edit and then below it, while the model writes.
func helixTyping(t *testing.T, run *editorRun) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	h := startHelix(t, run, path)

	h.input("/^func hasToken\r")
	h.input("O" + hasTokenComment)
	h.leaveInsertMode()
	h.editWithSpark()
	answer := model.edit(hasToken, "ask for the cheap thing first")
	half := strings.Index(hasTokenEdited, "\t\tif ascii.EqualFold")
	goOn, wait := model.stream(answer, hasTokenEdited[:half], hasTokenEdited[half:])
	const above, below = "var typedAbove int", "var typedBelow = 1"
	h.typeSlowly("gg/^package http\r")
	h.typeSlowly("o" + above + "\r" + above + "2")
	h.leaveInsertMode()
	h.input("/^func hasToken\r") // to look at it
	h.wantOnScreen(hasTokenFirst)
	goOn()
	h.typeSlowly("geo" + below)
	wait()
	h.typeSlowly(" + 2")
	h.waitForEdit(1)
	h.leaveInsertMode()
	want := replaceOnce(t, original, hasToken, hasTokenEdited)
	want = replaceOnce(t, want, "\npackage http\n", "\npackage http\n"+above+"\n"+above+"2\n") + below + " + 2\n"
	wantText(t, "file after the edit", h.write(want), want)

	// What the server believes of the text is seen by the next edit.
	h.input("gg/^func ParseTime\r")
	h.input("O" + parseTimeComment)
	h.leaveInsertMode()
	h.editWithSpark()
	answer = model.edit(parseTime, "return an error that names the formats")
	model.must(answer.Text(parseTimeEdited))
	model.must(answer.Done())
	h.waitForEdit(2)
	want = replaceOnce(t, want, parseTime, parseTimeEdited)
	wantText(t, "file after another edit", h.write(want), want)
	h.quit()
}

func helixTwentyEdits(t *testing.T, run *editorRun) {
	twentyEdits(t, run, true, func(path string) typingEditor { return startHelix(t, run, path) })
}

const ctrlN = "\x0e"

// helix is a Helix in a terminal of its own. It corresponds to one process, which ends with the test. Its methods
// fail the test when what they wait for does not come.
type helix struct {
	t        *testing.T
	file     string
	log      string // what hx -v --log writes: each message from and to the server
	pty      *os.File
	terminal vt10x.Terminal
}

const helixPage = "docs/editors/helix.md"

// startHelix opens a file with the configuration of Helix's page and returns when the server has been told of it.
func startHelix(t *testing.T, run *editorRun, file string) *helix {
	t.Helper()
	run.follow(t, helixPage)

	h := &helix{t: t, file: file, log: filepath.Join(run.home, "helix.log")}
	cmd := exec.Command(run.editor, "-v", "--log", h.log, file)
	cmd.Dir, cmd.Env = run.workspace, run.env
	var err error
	if h.pty, err = pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120}); err != nil {
		t.Fatal(err)
	}
	// It answers what Helix asks its terminal at the start.
	h.terminal = vt10x.New(vt10x.WithSize(120, 40), vt10x.WithWriter(h.pty))
	var reading sync.WaitGroup
	reading.Go(func() {
		// Not Write: a rune that ends in the next piece would be lost.
		for input := bufio.NewReader(h.pty); h.terminal.Parse(input) == nil; {
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("screen:\n%s\nHelix's log:\n%s", h.screen(), tail(h.log, 40))
		}
		// The terminal goes away, and Helix with it, if it has not been quit before.
		killed := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		cmd.Process.Signal(syscall.SIGHUP)
		cmd.Wait()
		killed.Stop()
		h.pty.Close()
		reading.Wait()
	})
	waitFor(t, "the first screen", func() bool { return strings.Contains(h.screen(), " NOR ") })
	h.wantInLog(`spark -> {"jsonrpc":"2.0","method":"textDocument/didOpen"`, 1) // another server may have been told before
	return h
}

// input types bytes as a terminal sends them. It returns before they have been worked off.
func (h *helix) input(keys string) {
	h.t.Helper()
	if _, err := h.pty.WriteString(keys); err != nil {
		h.t.Fatal(err)
	}
}

// typeSlowly types like a quick typist, one key after another.
func (h *helix) typeSlowly(keys string) {
	h.t.Helper()
	for _, key := range keys {
		h.input(string(key))
		time.Sleep(typingGap)
	}
}

// screen returns what the terminal shows.
func (h *helix) screen() string { return h.terminal.String() }

// wantOnScreen waits until the screen contains text.
func (h *helix) wantOnScreen(text string) {
	h.t.Helper()
	waitFor(h.t, text+" on the screen", func() bool { return strings.Contains(h.screen(), text) })
}

// wantInLog waits until text has occurred n times in the messages between Helix and the server.
func (h *helix) wantInLog(text string, n int) {
	h.t.Helper()
	waitFor(h.t, text+" in Helix's log", func() bool { return h.inLog(text) >= n })
}

func (h *helix) inLog(text string) int {
	data, _ := os.ReadFile(h.log) // Not there until Helix writes to it.
	return strings.Count(string(data), text)
}

// leaveInsertMode presses Escape and waits, since Escape and a following key in one read are one key with Alt.
func (h *helix) leaveInsertMode() {
	h.t.Helper()
	h.wantOnScreen(" INS ")
	h.input("\x1b")
	h.wantOnScreen(" NOR ")
}

// editWithSpark picks the code action from the menu, where it is the first and selected.
func (h *helix) editWithSpark() {
	h.t.Helper()
	const command = `"command":"spark-lsp.edit"},"id"`
	before := h.inLog(command)
	h.input(" a")
	h.wantOnScreen("Edit with spark")
	h.input("\r")
	h.wantInLog(command, before+1)
}

// pick chooses an entry of the menu of code actions by moving down from the first one, which is selected.
func (h *helix) pick(title string) {
	h.t.Helper()
	h.input(" a")
	h.wantOnScreen(title)
	const selected = 0xffffff // the ground of the selected entry in Helix's own theme
	h.terminal.Lock()
	columns, rows := h.terminal.Size()
	row, column := -1, 0
	for y := range rows {
		line := make([]rune, columns)
		for x := range line {
			line[x] = h.terminal.Cell(x, y).Char
		}
		if at := strings.Index(string(line), title); at >= 0 {
			row, column = y, len([]rune(string(line)[:at]))
		}
	}
	first := row
	for first > 0 && h.terminal.Cell(column, first).BG != selected {
		first--
	}
	h.terminal.Unlock()
	if row < 0 || h.terminal.Cell(column, first).BG != selected {
		h.t.Fatalf("no menu with %q and a selected entry above it", title)
	}
	h.input(strings.Repeat(ctrlN, row-first) + "\r")
}

// waitForEdit returns when the server has said that its n-th edit, from 1, is at its end.
func (h *helix) waitForEdit(n int) {
	h.t.Helper()
	h.wantInLog(`"kind":"end"`, n)
}

func (h *helix) ended(n int) bool { return h.inLog(`"kind":"end"`) >= n }

func (h *helix) press(key string) { h.t.Helper(); h.input(key) }

func (h *helix) lastLine() string { return "ge" }

func (h *helix) buffer(want string) string { h.t.Helper(); return h.write(want) }

// replies counts the answers to workspace/applyEdit.
func (h *helix) replies() (applied, other int) {
	return h.inLog(`"applied":true`), h.inLog(`"applied":false`)
}

// wantCursor waits until the status line says that the cursor is there, in insert mode.
func (h *helix) wantCursor(line, column int) {
	h.t.Helper()
	status := regexp.MustCompile(fmt.Sprintf(`(?m)^ INS .* %d:%d *$`, line, column))
	waitFor(h.t, status.String()+" on the screen", func() bool { return status.MatchString(h.screen()) })
}

// wantNoComplaint looks at the line below the status line, which a key wipes: nothing stands there, or that a file
// was written, or how far an edit is.
func (h *helix) wantNoComplaint() {
	h.t.Helper()
	last := ""
	// A command does its work before Helix takes its line off the screen.
	waitFor(h.t, "the end of the command line on the screen", func() bool {
		rows := strings.Split(strings.TrimRight(h.screen(), "\n"), "\n")
		last = strings.TrimSpace(rows[len(rows)-1])
		return !strings.HasPrefix(last, ":")
	})
	if last != "" && !strings.Contains(last, " written, ") && !strings.HasPrefix(last, "spark: spark: ") {
		h.t.Errorf("Helix says %q", last)
	}
	if n := h.inLog(`"method":"window/showMessage"`); n != 0 {
		h.t.Errorf("the server showed %d messages", n)
	}
}

// write writes the buffer, and returns the text of the file when that is want or patience is at its end.
func (h *helix) write(want string) string {
	h.t.Helper()
	h.input(":w!\r")
	var text string
	for deadline := time.Now().Add(patience); text != want && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		data, _ := os.ReadFile(h.file) // For a moment there is none: Helix moves it away and writes it anew.
		text = string(data)
	}
	return text
}

// quit closes Helix as a user does, without writing.
func (h *helix) quit() {
	h.t.Helper()
	h.input(":q!\r")
}
