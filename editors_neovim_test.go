//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var neovimTests = []editorTest{
	{"the page's Lua", neovimPage},
	{"ghost text", neovimGhostText},
	{"ghost text typed along", neovimTypedAlong},
	{"edit", func(t *testing.T, run *editorRun) { neovimEdit(t, run, neovimPlain) }},
	{"edit live", func(t *testing.T, run *editorRun) { neovimEdit(t, run, neovimLive) }},
	{"edit by spark-lsp loopback", neovimLoopback},
	{"typing", func(t *testing.T, run *editorRun) { neovimTyping(t, run, neovimPlain) }},
	{"typing live", func(t *testing.T, run *editorRun) { neovimTyping(t, run, neovimLive) }},
	{"twenty edits", func(t *testing.T, run *editorRun) { neovimTwentyEdits(t, run, neovimPlain, "auto") }},
	{"twenty edits hunks", func(t *testing.T, run *editorRun) { neovimTwentyEdits(t, run, neovimPlain, "hunks") }},
	{"twenty edits live", func(t *testing.T, run *editorRun) { neovimTwentyEdits(t, run, neovimLive, "auto") }},
}

// The configurations, each as a user finds it.
const (
	neovimPlain = "README.md"              // nothing but the server and a key for ghost text
	neovimLive  = "docs/editors/neovim.md" // with what an edit needs to arrive while the model writes
)

// neovimPage compiles what the pages say in Lua and no other test runs, and what is meant for nvim-lspconfig. A table
// alone is a plugin's specification.
func neovimPage(t *testing.T, run *editorRun) {
	run.offline()
	path, _ := run.file(t, "header.go")
	n := startNeovim(t, run, neovimLive, path)
	for _, page := range pages(t) {
		for _, b := range readPage(t, page) {
			if b.language != "lua" {
				continue
			}
			text := b.text
			if strings.HasPrefix(text, "{") {
				text = "return " + text
			}
			var wrong string
			if n.lua(&wrong, `return select(2, loadstring(...)) or ''`, text); wrong != "" {
				t.Errorf("%s:%d: %s", page, b.line, wrong)
			}
		}
	}
	upstream, err := filepath.Abs(filepath.Join("extension", "upstream", "nvim-lspconfig", "lsp", "spark_lsp.lua"))
	if err != nil {
		t.Fatal(err)
	}
	var command []string
	n.lua(&command, `return dofile(...).cmd`, upstream)
	checkCommand(t, command)
	n.quit()
}

// neovimTypedAlong (D4) takes a ghost text of which the first letters have been typed since it appeared, before Neovim asks
// anew: 0.12.4 itself would leave them behind it.
func neovimTypedAlong(t *testing.T, run *editorRun) {
	run.offline()
	path, original := run.file(t, "client.go")
	n := startNeovim(t, run, neovimLive, path)

	const typed = "var key = CanonicalHeader"
	n.input("Go" + typed)
	waitFor(t, "ghost text", func() bool { return n.ghost() == "Key" })
	n.input("Ke<Tab>") // one piece of input: nothing comes between
	want := original + typed + "Key\n"
	wantText(t, "buffer after <Tab>", n.buffer(want), want)
	n.wantCursor(strings.Count(want, "\n"), len(typed+"Key")+1)
	n.wantNoComplaint()
	n.quit()
}

func neovimGhostText(t *testing.T, run *editorRun) {
	run.offline()
	path, original := run.file(t, "client.go")
	n := startNeovim(t, run, neovimPlain, path)

	// A new line at the end of the file, in which the name of a function of this package is begun.
	const typed = "var key = CanonicalHeader"
	n.input("Go" + typed)
	var ghost string
	waitFor(t, "ghost text", func() bool { ghost = n.ghost(); return ghost != "" })
	if !strings.HasPrefix(ghost, "Key") {
		t.Errorf("ghost text %q does not go on with the identifier", ghost)
	}
	shown, _, _ := strings.Cut(ghost, "\n")
	n.wantOnScreen(typed + shown)
	wantText(t, "buffer with ghost text", n.text(), original+typed+"\n")

	n.input("<Tab>")
	want := original + typed + ghost + "\n"
	waitFor(t, "the ghost text to be gone", func() bool { return n.text() == want || n.ghost() == "" })
	wantText(t, "buffer after <Tab>", n.text(), want)
	n.quit()
}

// neovimEdit lets a comment be carried out, and takes it back.
func neovimEdit(t *testing.T, run *editorRun, config string) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	commented := replaceOnce(t, original, parseTime, parseTimeComment+"\n"+parseTime)
	want := replaceOnce(t, original, parseTime, parseTimeEdited)
	n := startNeovim(t, run, config, path)

	n.input("/^func ParseTime<CR>O" + parseTimeComment + "<Esc>")
	waitFor(t, "the comment", func() bool { return n.text() == commented && n.mode() == "n" })
	n.editWithSpark()
	answer := model.edit(parseTime, "return an error that names the formats")
	half := strings.Index(parseTimeEdited, "\treturn time.Time{}")
	goOn, wait := model.stream(answer, parseTimeEdited[:half], parseTimeEdited[half:])
	if config == neovimLive {
		// The model is not at its end, and will not be before this is seen.
		n.wantOnScreen("err := time.Parse(layout, text); err == nil {")
	}
	goOn()
	wait()
	n.waitForEdit()
	wantText(t, "buffer after the edit", n.text(), want)

	n.input("u")
	waitFor(t, "u to change the text", func() bool { return n.text() != want })
	wantText(t, "buffer after one u", n.text(), commented)
	n.quit()
}

// neovimLoopback is the try-out without a key: two processes, and nothing of the test between them.
func neovimLoopback(t *testing.T, run *editorRun) {
	run.loopback(t, "-- reply job=edit match=\"names the formats\" rate=1000 --\n"+parseTimeEdited)
	path, original := run.file(t, "header.go")
	n := startNeovim(t, run, neovimPlain, path)

	n.input("/^func ParseTime<CR>O" + parseTimeComment + "<Esc>")
	n.wantOnScreen(parseTimeComment)
	n.editWithSpark()
	n.waitForEdit()
	wantText(t, "buffer after the edit", n.text(), replaceOnce(t, original, parseTime, parseTimeEdited))
	n.quit()
}

// neovimTyping goes on typing, above the edit and then below it, while the model writes.
func neovimTyping(t *testing.T, run *editorRun, config string) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	n := startNeovim(t, run, config, path)

	n.input("/^func hasToken<CR>O" + hasTokenComment + "<Esc>")
	n.wantOnScreen(hasTokenComment)
	n.editWithSpark()
	answer := model.edit(hasToken, "ask for the cheap thing first")
	half := strings.Index(hasTokenEdited, "\t\tif ascii.EqualFold")
	goOn, wait := model.stream(answer, hasTokenEdited[:half], hasTokenEdited[half:])
	const above, below = "var typedAbove int", "var typedBelow = \"1\""
	n.typeSlowly("gg/^package http<CR>o")
	n.typeSlowly(above + "<CR>" + above + "2<Esc>")
	if config == neovimLive {
		waitFor(t, "what is written so far", func() bool { return strings.Contains(n.text(), hasTokenFirst) })
	}
	goOn()
	n.typeSlowly("Go" + below)
	wait()
	n.typeSlowly(" + \"2\"")
	n.waitForEdit()
	want := replaceOnce(t, original, hasToken, hasTokenEdited)
	want = replaceOnce(t, want, "\npackage http\n", "\npackage http\n"+above+"\n"+above+"2\n") + below + " + \"2\"\n"
	waitFor(t, "the last key", func() bool { return strings.HasSuffix(n.text(), " + \"2\"\n") })
	wantText(t, "buffer after the edit", n.text(), want)
	if mode := n.mode(); mode != "i" {
		t.Errorf("mode %q, want insert mode to go on", mode)
	}
	if line, column := n.cursor(); line != strings.Count(want, "\n") || column != len(below+" + \"2\"") {
		t.Errorf("cursor at %d:%d, want the end of the line being typed", line, column)
	}

	// What the server believes of the text is seen by the next edit.
	n.input("<Esc>gg/^func ParseTime<CR>O" + parseTimeComment + "<Esc>")
	n.wantOnScreen(parseTimeComment)
	n.editWithSpark()
	answer = model.edit(parseTime, "return an error that names the formats")
	model.must(answer.Text(parseTimeEdited))
	model.must(answer.Done())
	n.waitForEdit()
	wantText(t, "buffer after another edit", n.text(), replaceOnce(t, want, parseTime, parseTimeEdited))
	n.quit()
}

// neovimTwentyEdits also streams to a configuration that is not meant for it: Neovim then tells of keys only every
// 150 ms, and drops the edits that these overtake.
func neovimTwentyEdits(t *testing.T, run *editorRun, config, delivery string) {
	run.env = append(run.env, "SPARK_DELIVERY="+delivery)
	streams := config == neovimLive || delivery != "auto"
	twentyEdits(t, run, streams, func(path string) typingEditor { return startNeovim(t, run, config, path) })
}

// neovim is a headless Neovim at the other end of testdata/editors/bridge.lua. It corresponds to one process, which
// ends with the test. Its methods fail the test when Neovim does not answer in time, and when it waits for a key at
// a prompt ("Press ENTER"), which no test here wants.
type neovim struct {
	t       *testing.T
	stdin   io.Writer
	answers chan []byte // one line each; closed when the bridge has ended
}

// startNeovim opens a file with the configuration of a page and returns when the server has attached.
func startNeovim(t *testing.T, run *editorRun, config, file string) *neovim {
	t.Helper()
	run.follow(t, config)
	scripts, err := filepath.Abs(filepath.Join("testdata", "editors"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(run.editor, "-l", filepath.Join(scripts, "bridge.lua"),
		"--cmd", "luafile "+filepath.Join(scripts, "neovim-watch.lua"), "-i", "NONE", file)
	cmd.Dir, cmd.Env = run.workspace, run.env
	cmd.Stderr = os.Stderr
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
	n := &neovim{t: t, stdin: stdin, answers: make(chan []byte)}
	done := make(chan struct{})
	go func() {
		defer close(n.answers)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			select {
			case n.answers <- append([]byte(nil), lines.Bytes()...):
			case <-done:
			}
		}
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Neovim's log:\n%s", tail(filepath.Join(run.home, ".local", "state", "nvim", "lsp.log"), 20))
		}
		close(done)
		stdin.Close() // ends the bridge, and with it the child
		ended := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			t.Errorf("Neovim did not end by itself: %v", err)
		}
		ended.Stop()
	})

	var recent bool
	if n.lua(&recent, `return vim.fn.has('nvim-0.12') == 1`); !recent {
		t.Fatalf("%s is older than Neovim 0.12", run.editor)
	}
	waitFor(t, "the server to attach", func() bool {
		var attached bool
		n.lua(&attached, `return spark_watch.attached`)
		return attached
	})
	return n
}

// call makes one API call; its result is decoded into result unless that is nil.
func (n *neovim) call(result any, method string, params ...any) {
	n.t.Helper()
	if params == nil {
		params = []any{}
	}
	line, err := json.Marshal(map[string]any{"method": method, "params": params})
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.stdin.Write(append(line, '\n')); err != nil {
		n.t.Fatalf("%s: %v", method, err)
	}
	select {
	case line, ok := <-n.answers:
		if !ok {
			n.t.Fatalf("%s: Neovim has ended", method)
		}
		var answer struct {
			Result json.RawMessage
			Error  string
		}
		if err := json.Unmarshal(line, &answer); err != nil {
			n.t.Fatalf("%s: %v in %s", method, err, line)
		}
		if answer.Error != "" {
			n.t.Fatalf("%s: %s", method, answer.Error)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				n.t.Fatalf("%s: %v in %s", method, err, line)
			}
		}
	case <-time.After(patience):
		n.t.Fatalf("%s: no answer for %v", method, patience)
	}
}

// lua runs code in Neovim. A prompt is looked for first, because Neovim answers no such call while it shows one.
func (n *neovim) lua(result any, code string, args ...any) {
	n.t.Helper()
	n.mode()
	if args == nil {
		args = []any{}
	}
	n.call(result, "nvim_exec_lua", code, args)
}

// input types keys as a user does, in Neovim's notation. It returns before they have been worked off.
func (n *neovim) input(keys string) {
	n.t.Helper()
	n.call(nil, "nvim_input", keys)
}

// typeSlowly types like a quick typist, one key after another.
func (n *neovim) typeSlowly(keys string) {
	n.t.Helper()
	for keys != "" {
		size := 1
		if end := strings.IndexByte(keys, '>'); keys[0] == '<' && end > 0 {
			size = end + 1
		}
		n.input(keys[:size])
		keys = keys[size:]
		time.Sleep(typingGap)
	}
}

// mode returns the mode's short name ("n", "i").
func (n *neovim) mode() string {
	n.t.Helper()
	var mode struct {
		Mode     string
		Blocking bool
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		n.call(&mode, "nvim_get_mode")
		// A first half of a command, like g, blocks too, but goes on when the rest of the keys is read.
		if !mode.Blocking {
			return mode.Mode
		}
		if mode.Mode == "r" || mode.Mode == "rm" || mode.Mode == "r?" || time.Now().After(deadline) {
			n.t.Fatalf("Neovim waits for a key (mode %q)", mode.Mode)
		}
	}
}

// text returns the buffer as it would be written.
func (n *neovim) text() string {
	n.t.Helper()
	var lines []string
	n.lua(&lines, `return vim.api.nvim_buf_get_lines(0, 0, -1, true)`)
	return strings.Join(lines, "\n") + "\n"
}

// cursor returns the cursor's line, from 1, and column, in bytes from 0.
func (n *neovim) cursor() (line, column int) {
	n.t.Helper()
	var at [2]int
	n.lua(&at, `return vim.api.nvim_win_get_cursor(0)`)
	return at[0], at[1]
}

// ghost returns the text Neovim shows ahead of the cursor, or "".
func (n *neovim) ghost() string {
	n.t.Helper()
	var lines []string
	n.lua(&lines, `
		local lines = {}
		local namespace = vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion']
		if not namespace then return lines end
		local function add(chunks)
			local s = ''
			for _, chunk in ipairs(chunks or {}) do s = s .. chunk[1] end
			table.insert(lines, s)
		end
		for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
			add(mark[4].virt_text)
			for _, line in ipairs(mark[4].virt_lines or {}) do add(line) end
		end
		return lines`)
	return strings.Join(lines, "\n")
}

// screen returns the screen's lines, virtual text included, without trailing blanks.
func (n *neovim) screen() []string {
	n.t.Helper()
	var lines []string
	n.lua(&lines, `
		vim.cmd.redraw()
		local lines = {}
		for row = 1, vim.o.lines do
			local line = {}
			for column = 1, vim.o.columns do table.insert(line, vim.fn.screenstring(row, column)) end
			table.insert(lines, (table.concat(line):gsub('%s+$', '')))
		end
		return lines`)
	return lines
}

// wantOnScreen waits until some line of the screen contains text.
func (n *neovim) wantOnScreen(text string) {
	n.t.Helper()
	text = strings.ReplaceAll(text, "\t", strings.Repeat(" ", 8))
	var screen []string
	n.t.Cleanup(func() {
		if n.t.Failed() {
			n.t.Logf("screen:\n%s", strings.Join(screen, "\n"))
		}
	})
	waitFor(n.t, fmt.Sprintf("%q on the screen", text), func() bool {
		screen = n.screen()
		return strings.Contains(strings.Join(screen, "\n"), text)
	})
}

// editWithSpark runs the code action at the cursor, as the user's key mapping does.
func (n *neovim) editWithSpark() {
	n.t.Helper()
	n.lua(nil, `
		spark_watch.progress = {}
		vim.lsp.buf.code_action({ apply = true, filter = function(action) return action.title == 'Edit with spark' end })`)
}

// actions returns the titles of what the menu offers at the cursor.
func (n *neovim) actions() (titles []string) {
	n.t.Helper()
	n.lua(&titles, `
		local client = vim.lsp.get_clients({ bufnr = 0 })[1]
		local params = vim.lsp.util.make_range_params(0, client.offset_encoding)
		params.context = { diagnostics = {} }
		local titles = {}
		local answer = client:request_sync('textDocument/codeAction', params, 10000, 0)
		for _, action in ipairs(answer and answer.result or {}) do table.insert(titles, action.title) end
		return titles`)
	return titles
}

// waitForEdit returns when the server has said that the edit begun last is at its end.
func (n *neovim) waitForEdit() {
	n.t.Helper()
	waitFor(n.t, "the edit's end", func() bool {
		var kinds []string
		n.lua(&kinds, `return spark_watch.progress`)
		return len(kinds) > 0 && kinds[len(kinds)-1] == "end"
	})
}

// ended reports whether the server has said that its n-th edit, from 1, is at its end.
func (n *neovim) ended(nth int) bool {
	n.t.Helper()
	var ended int
	n.lua(&ended, `return spark_watch.ended`)
	return ended >= nth
}

func (n *neovim) press(key string) {
	n.t.Helper()
	switch key {
	case "\r":
		key = "<CR>"
	case "<":
		key = "<lt>"
	}
	n.input(key)
}

func (n *neovim) lastLine() string { return "G" }

func (n *neovim) leaveInsertMode() {
	n.t.Helper()
	n.input("<Esc>")
	waitFor(n.t, "normal mode", func() bool { return n.mode() == "n" })
}

// buffer returns the buffer's text when that is want, or else after patience.
func (n *neovim) buffer(want string) string {
	n.t.Helper()
	text := n.text()
	for deadline := time.Now().Add(patience); text != want && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		text = n.text()
	}
	return text
}

// replies counts the edits that have changed the buffer, and those that have not.
func (n *neovim) replies() (applied, other int) {
	n.t.Helper()
	var counts [2]int
	n.lua(&counts, `return { spark_watch.applied, spark_watch.dropped }`)
	return counts[0], counts[1]
}

// wantCursor waits until what was typed has been worked off: the cursor is there, in insert mode.
func (n *neovim) wantCursor(line, column int) {
	n.t.Helper()
	waitFor(n.t, fmt.Sprintf("insert mode at %d:%d", line, column), func() bool {
		mode := n.mode()
		atLine, atColumn := n.cursor()
		return mode == "i" && atLine == line && atColumn == column-1
	})
}

// wantNoComplaint reads all that Neovim has said. That an edit came too late it says in print, and that is no error.
func (n *neovim) wantNoComplaint() {
	n.t.Helper()
	var said struct{ Error, Messages string }
	n.lua(&said, `return { Error = vim.v.errmsg, Messages = vim.api.nvim_exec2('messages', { output = true }).output }`)
	if said.Error != "" {
		n.t.Errorf("Neovim's last error is %q", said.Error)
	}
	for line := range strings.Lines(said.Messages) {
		if !strings.HasSuffix(strings.TrimSpace(line), "newer than edits.") && regexp.MustCompile(`(?i)error|E[0-9]+:|spark`).MatchString(line) {
			n.t.Errorf("Neovim says %q", line)
		}
	}
}

// quit closes Neovim as a user does, without writing.
func (n *neovim) quit() {
	n.t.Helper()
	if mode := n.mode(); mode != "n" {
		n.input("<Esc>")
	}
	n.input(":qa!<CR>")
}
