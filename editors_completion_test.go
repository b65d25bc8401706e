//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// TestEditorsCompletions is TestEditors for what is completed by a model, and for what stands beside us: another
// server in the same buffer, and the plugin that shows next edits.
func TestEditorsCompletions(t *testing.T) {
	runEditorSuites(t, []editorSuite{
		{"neovim", "neovim", "NVIM", 90 * time.Second, []editorTest{
			{"ghost text", neovimModelGhost},
			{"next edit", neovimNextEdit},
			{"sidekick.nvim", neovimSidekick},
			{"beside tsserver", neovimBesideTSServer},
		}},
		{"helix", "helix", "HX", time.Minute, []editorTest{
			{"item", helixModelItem},
			{"complete here", helixCompleteHere},
		}},
	})
}

// completes makes the server use a model that knows what goes on behind some texts, by what they end with, and has
// nothing to say elsewhere.
func (r *editorRun) completes(t *testing.T, answers map[string]string) *loopback.Server {
	t.Helper()
	return r.serve(t, loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) { goesOn(x, answers) }})
}

// goesOn answers a request for a completion with what goes on behind the text before its cursor.
func goesOn(x *loopback.Exchange, answers map[string]string) {
	for end, answer := range answers {
		if strings.HasSuffix(beforeCursor(x), end) {
			for _, token := range loopback.Tokens(answer) {
				_ = x.Delta(token)
			}
		}
	}
	_ = x.Done()
}

// neovimModelGhost sees the text of a model, types along with it, takes a word of it and then all, and takes that back
// in one step.
func neovimModelGhost(t *testing.T, run *editorRun) {
	const answer = "zqprice * quantity + shipping"
	model := run.completes(t, map[string]string{"var zqtotal = ": answer, "var zqtotal = " + answer: "", "func double(n int) int {": "\n\treturn n * 2\n}"})
	path, original := run.file(t, "client.go")
	n := startNeovim(t, run, neovimPlain, path)
	n.lua(nil, `vim.keymap.set('i', '<C-l>', function()
		vim.lsp.inline_completion.get({ on_accept = function(item)
			item.insert_text, item.command = item.insert_text:match('^%s*%S+'), nil
			local _, _, row, col = item.range:to_extmark() -- as docs/editors/neovim.md has it, for 0.12.4
			local cursor = vim.api.nvim_win_get_cursor(0)
			if cursor[2] > col then vim.api.nvim_buf_set_text(0, row, col, row, cursor[2], {}) end
			return item
		end })
	end)`)

	n.input("Govar zqtotal = ")
	waitFor(t, "ghost text", func() bool { return n.ghost() == answer })
	n.wantOnScreen("var zqtotal = " + answer)
	asked := model.Stats().Exchanges
	n.input("z")
	waitFor(t, "the rest of it", func() bool { return n.ghost() == answer[1:] || n.ghost() == answer })
	n.input("q")
	waitFor(t, "the rest of it, typed along", func() bool { return strings.HasSuffix(answer, n.ghost()) && n.ghost() != "" })
	n.wantOnScreen("var zqtotal = " + answer)
	if now := model.Stats().Exchanges; now != asked {
		t.Errorf("%d requests while typing along", now-asked)
	}
	wantText(t, "buffer typed along", n.text(), original+"var zqtotal = zq\n")

	n.input("<C-l>")
	wantText(t, "buffer with a word of it", n.buffer(original+"var zqtotal = zqprice\n"), original+"var zqtotal = zqprice\n")
	waitFor(t, "the rest of it, behind the word", func() bool { // and no more what was shown in front of it
		return strings.Contains(n.ghost(), "* quantity + shipping") && !strings.Contains(n.ghost(), "price")
	})
	n.input("<Tab>")
	want := original + "var zqtotal = " + answer + "\n"
	wantText(t, "buffer with all of it", n.buffer(want), want)
	if now := model.Stats().Exchanges; now > asked+1 { // what may come behind it is asked for ahead
		t.Errorf("%d requests for a text that was there", now-asked)
	}

	// Several lines, taken at once and taken back at once.
	n.input("<Esc>ofunc double(n int) int {<Esc>")
	begun := want + "func double(n int) int {\n"
	wantText(t, "buffer before the function", n.buffer(begun), begun)
	n.input("A")
	waitFor(t, "ghost text of several lines", func() bool { return strings.Count(n.ghost(), "\n") >= 2 })
	n.input("<Tab>")
	whole := want + "func double(n int) int {\n\treturn n * 2\n}\n"
	wantText(t, "buffer with the function", n.buffer(whole), whole)
	n.input("<Esc>u")
	wantText(t, "buffer after one u", n.buffer(begun), begun)

	var status struct {
		Completions struct{ Accepted, Partly, AcceptedCharacters int }
	}
	n.lua(&status, `return vim.lsp.get_clients({ name = 'spark' })[1]:request_sync('workspace/executeCommand', { command = 'spark-lsp.status' }, 5000).result`)
	if got := status.Completions; got.Accepted != 2 || got.AcceptedCharacters < len(answer)-len("zq") {
		t.Errorf("counted: %+v", got)
	}
	n.quit()
}

// sameEditTwice makes the same change at two places of a new file, by hand.
const sameEditTwice = "/fetch<CR>cwload<Esc>/fetch<CR>cwload<Esc>"

func nextEditFile(t *testing.T, run *editorRun) (path, twice, thrice string) {
	t.Helper()
	text := "package http\n\nvar a = fetch(1)\nvar b = fetch(2)\nvar c = fetch(3)\n"
	path = filepath.Join(run.workspace, "next.go")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path, strings.Replace(text, "fetch", "load", 2), strings.ReplaceAll(text, "fetch", "load")
}

// neovimNextEdit sends what sidekick.nvim sends, and does with the answer what it does: an edit for another version than
// the buffer's is dropped, the command is run when the edit was applied.
func neovimNextEdit(t *testing.T, run *editorRun) {
	run.offline()
	path, twice, thrice := nextEditFile(t, run)
	n := startNeovim(t, run, neovimPlain, path)
	n.lua(nil, `
		next_edit = function()
			local buf = vim.api.nvim_get_current_buf()
			local client = vim.lsp.get_clients({ bufnr = buf })[1]
			client:notify('textDocument/didFocus', { textDocument = { uri = vim.uri_from_bufnr(buf) } })
			local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
			params.textDocument.version = vim.lsp.util.buf_versions[buf]
			params.context = { triggerKind = 2 }
			local answer = client:request_sync('textDocument/copilotInlineEdit', params, 5000, buf)
			local edit = answer.result.edits[1]
			if not edit or edit.textDocument.version ~= vim.lsp.util.buf_versions[buf] then return 'none' end
			vim.lsp.util.apply_text_edits({ { range = edit.range, newText = edit.text } }, buf, client.offset_encoding)
			client:exec_cmd(edit.command, { bufnr = buf })
			return edit.text
		end`)
	n.input(sameEditTwice)
	wantText(t, "buffer with the same edit made twice", n.buffer(twice), twice)
	var got string
	if n.lua(&got, `return next_edit()`); got != "load" {
		t.Errorf("the next edit is %q", got)
	}
	wantText(t, "buffer with the next edit", n.text(), thrice)
	if n.lua(&got, `return next_edit()`); got != "none" {
		t.Errorf("and then %q", got)
	}
	n.wantNoComplaint()
	n.quit()
}

// neovimSidekick lets the plugin itself show the next edit and take it.
func neovimSidekick(t *testing.T, run *editorRun) {
	plugin := os.Getenv("SIDEKICK")
	if plugin == "" {
		t.Skip("git clone https://github.com/folke/sidekick.nvim, and name it: SIDEKICK=DIRECTORY")
	}
	run.offline()
	path, twice, thrice := nextEditFile(t, run)
	n := startNeovim(t, run, neovimPlain, path)
	n.lua(nil, `
		vim.opt.runtimepath:append(...)
		require('sidekick').setup()
		vim.lsp.config('spark_copilot', vim.lsp.config.spark)
		vim.lsp.enable('spark', false)
		vim.lsp.enable('spark_copilot')`, plugin)
	waitFor(t, "the server under its other name", func() bool {
		var there bool
		n.lua(&there, `return #vim.lsp.get_clients({ name = 'spark_copilot', bufnr = 0 }) == 1`)
		return there
	})
	n.lua(nil, `require('sidekick.nes').enable()`)
	n.input(sameEditTwice)
	wantText(t, "buffer with the same edit made twice", n.buffer(twice), twice)
	waitFor(t, "sidekick to have the next edit", func() bool {
		var has bool
		n.lua(&has, `return require('sidekick.nes').have()`)
		return has
	})
	waitFor(t, "the next edit on the screen", func() bool { // in the third line, beside what it replaces
		for _, line := range n.screen() {
			if strings.Contains(line, "var c = ") && strings.Contains(line, "load") {
				return true
			}
		}
		return false
	})
	n.lua(nil, `require('sidekick').nes_jump_or_apply()`)
	waitFor(t, "the cursor at the edit", func() bool { line, _ := n.cursor(); return line == 5 })
	n.lua(nil, `require('sidekick').nes_jump_or_apply()`)
	wantText(t, "buffer with the next edit", n.buffer(thrice), thrice)
	if !n.ask(`local status = require('sidekick.status').get(); return status ~= nil and status.kind == 'Normal'`) {
		t.Error("sidekick does not know that all is well")
	}
	n.wantNoComplaint()
	n.quit()
}

// tsServer is where TypeScript's language server is: the one that its users have beside us.
func tsServer(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(cache, "spark-lsp", "typescript-language-server-5.1.3")
	cli := filepath.Join(dir, "node_modules", "typescript-language-server", "lib", "cli.mjs")
	if _, err := os.Stat(cli); err == nil {
		return cli
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("npm", "install", "--no-audit", "--no-fund", "--prefix", dir, "typescript-language-server@5.1.3", "typescript@5.9.3").CombinedOutput()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("TypeScript's language server cannot be installed: %v\n%s", err, out)
		}
		t.Skipf("TypeScript's language server cannot be installed: %v", err)
	}
	return cli
}

// neovimBesideTSServer has two servers in one buffer: the menu has the actions of both, completion is tsserver's, and
// the ghost text is ours.
func neovimBesideTSServer(t *testing.T, run *editorRun) {
	cli := tsServer(t)
	run.completes(t, map[string]string{"const sum = ": "price * quantity;"})
	path := filepath.Join(run.workspace, "sum.ts")
	text := "const price = 1;\nconst quantity = 2;\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	n := startNeovim(t, run, neovimPlain, path)
	n.lua(nil, `-- It looks for no types on the network, and is one process, which is enough for one file.
		vim.lsp.config('ts', { cmd = { 'node', (...), '--stdio' }, filetypes = { 'typescript' }, root_markers = { '.git' },
			init_options = { disableAutomaticTypingAcquisition = true, tsserver = { useSyntaxServer = 'never' } } })
		vim.lsp.enable('ts')`, cli)
	waitFor(t, "both servers", func() bool {
		var ready int
		n.lua(&ready, `local n = 0
			for _, c in ipairs(vim.lsp.get_clients({ bufnr = 0 })) do if c.initialized then n = n + 1 end end
			return n`)
		return ready == 2
	})

	n.lua(nil, `warm = false
		local c = vim.lsp.get_clients({ name = 'ts' })[1]
		c:request('textDocument/documentSymbol', { textDocument = { uri = vim.uri_from_bufnr(0) } }, function() warm = true end)`)
	waitWithin(t, othersPatience, "tsserver to have read its project", func() bool { var warm bool; n.lua(&warm, `return warm`); return warm })

	n.input("Goconst sum = ")
	waitFor(t, "our ghost text", func() bool { return n.ghost() == "price * quantity;" })
	n.input("<Tab>")
	want := text + "const sum = price * quantity;\n"
	wantText(t, "buffer with our text", n.buffer(want), want)

	n.input("<CR>quan<Esc>")
	want += "quan\n"
	wantText(t, "buffer with the beginning of a name", n.buffer(want), want)
	n.lua(nil, `
		labels, completers = {}, {}
		for _, c in ipairs(vim.lsp.get_clients({ bufnr = 0, method = 'textDocument/completion' })) do
			table.insert(completers, c.name)
			c:request('textDocument/completion', vim.lsp.util.make_position_params(0, c.offset_encoding), function(_, answer)
				labels = vim.tbl_map(function(item) return item.label end, (answer or {}).items or answer or {})
			end)
		end`)
	var completers, labels []string
	waitFor(t, "tsserver's items", func() bool { n.lua(&labels, `return labels`); return len(labels) > 0 })
	if n.lua(&completers, `return completers`); fmt.Sprint(completers) != "[ts]" || !slices.Contains(labels, "quantity") {
		t.Errorf("completed by %q, %d items", completers, len(labels))
	}
	n.input("gg0")
	n.lua(nil, `
		titles = {}
		vim.ui.select = function(items) titles = vim.tbl_map(function(item) return item.action.title end, items) end
		vim.lsp.buf.code_action()`)
	var titles []string
	waitFor(t, "the menu", func() bool { n.lua(&titles, `return titles`); return len(titles) > 0 })
	ours, theirs := 0, 0
	for _, title := range titles {
		switch title {
		case "Complete here":
			ours++
		case "Move to a new file":
			theirs++
		}
	}
	if ours != 1 || theirs != 1 {
		t.Errorf("the menu: %q", titles)
	}
	n.quit()
}

// helixModelItem sees the text of a model in the popup, sees it previewed, and takes it.
func helixModelItem(t *testing.T, run *editorRun) {
	// A name that the embedded engine knows nothing of: it answers for a model that a busy machine makes slow.
	run.completes(t, map[string]string{"var total = zq": "price * quantity", "func double(n int) int {": "\n\treturn n * 2\n}"})
	path, original := run.file(t, "client.go")
	h := startHelix(t, run, path)

	h.input("geovar total = zq")
	h.wantOnScreen("zqprice * quantity")
	h.input(ctrlN)
	h.wantOnScreen("var total = zqprice * quantity")
	h.input("\r")
	h.leaveInsertMode()
	want := original + "var total = zqprice * quantity\n"
	wantText(t, "file after accepting the item", h.write(want), want)
	h.input("u")
	typed := original + "var total = zq\n"
	wantText(t, "file after one u", h.write(typed), typed)
	h.quit()
}

// helixCompleteHere has a completion of several lines inserted by the code action, and takes it back in one step.
func helixCompleteHere(t *testing.T, run *editorRun) {
	run.completes(t, map[string]string{"func double(n int) int {": "\n\treturn n * 2\n}"})
	path, original := run.file(t, "client.go")
	h := startHelix(t, run, path)

	h.input("geofunc double(n int) int {\x1b[3~") // without the bracket that Helix has closed
	h.leaveInsertMode()
	begun := original + "func double(n int) int {\n"
	wantText(t, "file before", h.write(begun), begun)
	h.input(" a")
	h.wantOnScreen("Complete here")
	h.input("\r")
	h.wantOnScreen("return n * 2")
	want := original + "func double(n int) int {\n\treturn n * 2\n}\n"
	wantText(t, "file with the completion", h.write(want), want)
	h.input("u")
	wantText(t, "file after one u", h.write(begun), begun)
	h.quit()
}
