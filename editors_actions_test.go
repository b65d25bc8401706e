//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// editorAction is one action of the menu, as somebody chooses it in an editor.
type editorAction struct {
	title  string
	at     string // the beginning of the line that the cursor is put on
	lines  int    // that are selected from there on; 0 leaves a cursor
	match  string // what the model reads
	answer string
	old    string // what becomes new in the buffer
	new    string
	hunks  int // that arrive as edits of their own, in an editor that takes them one by one
}

// actionsFile is what the actions are tried on, one after the other.
const actionsFile = `package http

import "fmt"

func broken() {
	fmt.Println(undefinedName)
}

func clumsy(a bool) bool {
	if a == true {
		return true
	}
	return false
}

func stub() int {
	panic("not implemented")
}

func long() {
	fmt.Println("one")
	fmt.Println("two")
}

// spark: make it 10
var limit = 3

// far
// from
// here

// spark: say it in capitals
var word = "no"
`

var editorActions = []editorAction{
	{
		title: "Fix with spark: undefined: undefinedName", at: "fmt.Println(und", lines: 1, match: "undefined: undefinedName (checker)",
		answer: "@@\n-import \"fmt\"\n+import (\n+\t\"fmt\"\n+\t\"os\"\n+)\n@@\n func broken() {\n-\tfmt.Println(undefinedName)\n+\tfmt.Println(os.Args)\n }\n",
		old:    "import \"fmt\"\n\nfunc broken() {\n\tfmt.Println(undefinedName)\n", new: "import (\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc broken() {\n\tfmt.Println(os.Args)\n",
		hunks: 2,
	},
	{
		title: "Simplify with spark", at: "func clumsy", lines: 6, match: "Make the region simpler",
		answer: "func clumsy(a bool) bool {\n\treturn a\n}\n",
		old:    "\tif a == true {\n\t\treturn true\n\t}\n\treturn false\n", new: "\treturn a\n", hunks: 1,
	},
	{
		title: "Implement with spark", at: "func stub", match: "Implement what is only declared",
		answer: "@@\n func stub() int {\n-\tpanic(\"not implemented\")\n+\treturn 42\n }\n",
		old:    "\tpanic(\"not implemented\")\n", new: "\treturn 42\n", hunks: 1,
	},
	{
		title: "Document with spark", at: "func long", match: "Write the documentation",
		answer: "@@\n+// long says two things.\n func long() {\n",
		old:    "func long() {\n", new: "// long says two things.\nfunc long() {\n", hunks: 1,
	},
	{
		title: "Extract function with spark", at: "fmt.Println(\"one", lines: 2, match: "into a function of its own",
		answer: "@@\n func long() {\n-\tfmt.Println(\"one\")\n-\tfmt.Println(\"two\")\n+\tsay()\n }\n+\n+func say() {\n+\tfmt.Println(\"one\")\n+\tfmt.Println(\"two\")\n+}\n",
		old:    "\tfmt.Println(\"one\")\n\tfmt.Println(\"two\")\n}\n", new: "\tsay()\n}\n\nfunc say() {\n\tfmt.Println(\"one\")\n\tfmt.Println(\"two\")\n}\n", hunks: 1,
	},
	{
		title: "Do what the comments ask with spark", at: "// from", match: "Carry out every instruction",
		answer: "@@\n-// spark: make it 10\n-var limit = 3\n+var limit = 10\n@@\n-// spark: say it in capitals\n-var word = \"no\"\n+var word = \"NO\"\n",
		old:    "// spark: make it 10\nvar limit = 3\n\n// far\n// from\n// here\n\n// spark: say it in capitals\nvar word = \"no\"\n",
		new:    "var limit = 10\n\n// far\n// from\n// here\n\nvar word = \"NO\"\n", hunks: 2,
	},
}

const (
	testsTitle   = "Write tests with spark"
	testsAnswer  = "*** Add File: actions_test.go\n+package http\n+\n+func ExampleStub() {}\n"
	testsText    = "package http\n\nfunc ExampleStub() {}\n"
	explainTitle = "Explain with spark"
	explainText  = "It is what one calls when two things are to be said."
)

// TestEditorActions goes through the code actions in real Neovim and real Helix, with a scripted model and a second
// server that reports a problem.
func TestEditorActions(t *testing.T) {
	runEditorSuites(t, []editorSuite{
		{"neovim", "neovim", "NVIM", time.Minute, []editorTest{{"actions", neovimActions}}},
		{"helix", "helix", "HX", time.Minute, []editorTest{{"actions", helixActions}}},
	})
}

// actions prepares a run: the file, a model that knows the answers, and a gopls that is the checker below.
func (r *editorRun) actions(t *testing.T) (file string) {
	t.Helper()
	server := loopback.New(loopback.Options{Respond: func(x *loopback.Exchange) {
		for _, a := range editorActions {
			if strings.Contains(x.Input, a.match) {
				x.Text(a.answer)
			}
		}
		switch {
		case strings.Contains(x.Input, "Write tests for"):
			x.Text(testsAnswer)
		case strings.Contains(x.Input, "Explain the region"):
			x.Text(explainText)
		}
		x.Done()
	}})
	if err := server.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tools := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n%s=1 exec %s\n", checkerVariable, self)
	if err := os.WriteFile(filepath.Join(tools, "gopls"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r.env[0] = strings.Replace(r.env[0], "PATH=", "PATH="+tools+string(os.PathListSeparator), 1)
	r.env = append(r.env, "SPARK_PROVIDER=openai", "SPARK_BASE_URL="+server.URL(), "SPARK_API_KEY=loopback")
	file = filepath.Join(r.workspace, "actions.go")
	if err := os.WriteFile(file, []byte(actionsFile), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func neovimActions(t *testing.T, run *editorRun) {
	file := run.actions(t)
	n := startPlugin(t, run, file)
	n.lua(nil, `vim.lsp.start({ name = 'gopls', cmd = { 'gopls' }, root_dir = vim.fn.getcwd() })`)
	waitFor(t, "the checker's problem", func() bool {
		var count int
		n.lua(&count, `return #vim.diagnostic.get(0)`)
		return count > 0
	})
	text := actionsFile
	for _, a := range editorActions {
		before := n.endings()
		n.put(a.at, a.lines)
		n.choose(a.title)
		waitFor(t, a.title+" to end", func() bool { return n.endings() > before })
		text = replaceOnce(t, text, a.old, a.new)
		wantText(t, "buffer after "+a.title, n.buffer(text), text)
		if a.lines > 0 {
			n.input("<Esc>")
		}
	}
	// D11: two hunks above and below the cursor, and it is still in its line.
	if line, _ := n.cursor(); !strings.HasPrefix(strings.Split(text, "\n")[line-1], "// from") {
		t.Errorf("the cursor is in line %d, %q", line, strings.Split(text, "\n")[line-1])
	}
	// D8: it is one step of undo, whatever the number of its hunks.
	n.input("u")
	undone := replaceOnce(t, text, editorActions[len(editorActions)-1].new, editorActions[len(editorActions)-1].old)
	wantText(t, "buffer after one u", n.buffer(undone), undone)

	// Neovim asks its user whether the file may be created.
	n.put("func stub", 0)
	n.lua(nil, `vim.fn.confirm = function(question) spark_asked = question; return 1 end`)
	n.choose(testsTitle)
	waitFor(t, "the tests", func() bool {
		var lines []string
		n.lua(&lines, `
			local buffer = vim.fn.bufnr('actions_test.go')
			return buffer > 0 and vim.api.nvim_buf_get_lines(buffer, 0, -1, true) or {}`)
		return strings.Join(lines, "\n")+"\n" == testsText
	})
	var asked string
	if n.lua(&asked, `return spark_asked or ''`); asked == "" {
		t.Error("Neovim was not told to ask")
	}

	n.put("func long", 0)
	n.choose(explainTitle)
	n.wantOnScreen(explainText)
	n.wantOnScreen("# actions.go:")
	n.quit()
}

// put puts the cursor on the first line that begins so, blanks apart, or selects lines from there on.
func (n *neovim) put(at string, lines int) {
	n.t.Helper()
	n.lua(nil, `
		local at, lines = ...
		for row, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, true)) do
			if vim.startswith(vim.trim(line), at) then
				vim.api.nvim_win_set_cursor(0, { row, #line:match('^%s*') })
				if lines > 0 then vim.cmd.normal({ 'V' .. string.rep('j', lines - 1), bang = true }) end
				return
			end
		end
		error('no line ' .. at)`, at, lines)
}

// choose runs the code action of a title.
func (n *neovim) choose(title string) {
	n.t.Helper()
	n.lua(nil, `
		local title = ...
		vim.lsp.buf.code_action({ apply = true, filter = function(action) return action.title == title end })`, title)
}

// endings counts the edits and jobs that the server has said are at their end.
func (n *neovim) endings() int {
	n.t.Helper()
	var ended int
	n.lua(&ended, `return spark_watch.ended`)
	return ended
}

func helixActions(t *testing.T, run *editorRun) {
	file := run.actions(t)
	h := startHelix(t, run, file)
	h.wantInLog(`"method":"textDocument/publishDiagnostics"`, 1)
	h.wantOnScreen("●") // in the gutter: Helix knows of the problem
	text, edits, ended := actionsFile, 0, 0
	for _, a := range editorActions {
		h.put(a.at, a.lines)
		h.choose(a.title)
		ended++
		h.waitForEdit(ended)
		text = replaceOnce(t, text, a.old, a.new)
		wantText(t, "file after "+a.title, h.write(text), text)
		// D8: every edit is a step of undo here, and there are no more of them than hunks.
		edits += a.hunks
		if applied, other := h.replies(); applied > edits || other > 0 {
			t.Errorf("%s: %d edits were applied and %d were not, for %d hunks", a.title, applied, other, edits)
		}
	}
	// D11: the cursor is still in its line.
	h.input("ATAIL")
	h.leaveInsertMode()
	typed := replaceOnce(t, text, "// from\n", "// fromTAIL\n")
	wantText(t, "file after typing at the cursor", h.write(typed), typed)
	h.input("u")

	// Helix knows no questions about edits, so it shows the server's.
	h.put("func stub", 0)
	h.choose(testsTitle)
	h.wantOnScreen("Go ahead")
	h.input("\r")
	h.waitForEdit(ended + 1)
	waitFor(t, "the test file", func() bool {
		_, err := os.Stat(filepath.Join(run.workspace, "actions_test.go"))
		return err == nil
	})

	h.put("func long", 0)
	h.choose(explainTitle)
	h.wantOnScreen(explainText)
	h.input(":qa!\r")
}

// put puts the cursor on the first line that begins so, blanks apart, or selects lines from there on.
func (h *helix) put(at string, lines int) {
	h.t.Helper()
	escaped := strings.NewReplacer("(", `\(`, `"`, `\"`, ".", `\.`).Replace(at)
	h.input("gg/^\\s*" + escaped + "\r")
	h.input("gs")
	if lines > 0 {
		h.input(strconv.Itoa(lines) + "x")
	}
}

// choose picks a code action from the menu, in which the first is selected.
func (h *helix) choose(title string) {
	h.t.Helper()
	const command = `"method":"workspace/executeCommand"`
	before := h.inLog(command)
	h.input(" a")
	h.wantOnScreen(title)
	for range h.rowsAbove(title) {
		h.input(ctrlN)
	}
	h.input("\r")
	h.wantInLog(command, before+1)
}

// rowsAbove counts the menu's rows above one: those that begin in its column, with one of our titles.
func (h *helix) rowsAbove(title string) (count int) {
	rows := strings.Split(h.screen(), "\n")
	for y := range rows {
		before, _, found := strings.Cut(rows[y], title)
		if !found {
			continue
		}
		column := len([]rune(before))
		for y--; y >= 0; y-- {
			row := []rune(rows[y])
			if len(row) <= column {
				break
			}
			text := string(row[column:])
			if _, cell, _ := strings.Cut(text, " with spark"); cell == "" && !strings.HasPrefix(text, "Complete here") && !strings.Contains(text, "spark") {
				break
			}
			count++
		}
		return count
	}
	return 0
}
