//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// TestEditorsNeighbours is TestEditors for a buffer that another language's own server is in, too: gopls, which has
// all that the two could get into each other's way with. Both complete, both have actions, one reports what is wrong
// while the other writes, and both change the text.
func TestEditorsNeighbours(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real editors")
	}
	if os.Getenv("SPARK_EDITORS") == "skip" {
		t.Skip("SPARK_EDITORS=skip")
	}
	gopls := findGopls(t)
	beside := func(f func(*testing.T, *editorRun, string)) []editorTest {
		return []editorTest{{"gopls", func(t *testing.T, run *editorRun) { f(t, run, gopls) }}}
	}
	runEditorSuites(t, []editorSuite{
		{"neovim", "neovim", "NVIM", 2 * time.Minute, beside(neovimBesideGopls)},
		{"helix", "helix", "HX", 2 * time.Minute, beside(helixBesideGopls)},
	})
}

const (
	// goplsVersion is the newest that the Go of go.mod builds.
	goplsVersion = "v0.23.0"
	// goplsBudget is what building it may take the first time: it takes 80 s on two busy cores.
	goplsBudget = 4 * time.Minute
)

// findGopls returns the path of gopls: the one that GOPLS names, or one built from its public module, once for each
// user and version. Whatever is on PATH is not taken, since nobody would know which one the test has passed with.
func findGopls(t *testing.T) string {
	t.Helper()
	if named := os.Getenv("GOPLS"); isProgram(named) {
		return named
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(cache, "spark-lsp", "gopls-"+goplsVersion)
	program := filepath.Join(dir, "gopls")
	if isProgram(program) {
		return program
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// Built beside its place and moved there, so that another run never starts half of it.
	work, err := os.MkdirTemp(dir, "build")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	ctx, cancel := context.WithTimeout(t.Context(), goplsBudget)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "install", "golang.org/x/tools/gopls@"+goplsVersion)
	cmd.WaitDelay = time.Second // for the compilers that it has started
	cmd.Env = append(os.Environ(), "GOBIN="+work, "GOFLAGS=", "GOOS=", "GOARCH=")
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		t.Skipf("gopls %s was not built within %v; GOPLS names one that is", goplsVersion, goplsBudget)
	case err != nil && os.Getenv("CI") == "true":
		t.Fatalf("gopls %s cannot be built: %v\n%s", goplsVersion, err, out)
	case err != nil:
		t.Skipf("gopls %s cannot be built, and GOPLS names none: %v\n%s", goplsVersion, err, out)
	}
	if err := os.Rename(filepath.Join(work, "gopls"), program); err != nil {
		t.Fatal(err)
	}
	return program
}

// A small module: net/http, which the other tests edit, is no module outside of its toolchain.
const (
	shopTotal = `func total(prices []int, tax int) int {
	sum := 0
	for _, p := range prices {
		sum += p
	}
	if sum > 100 {
		println("much")
	}
	return sum + tax
}
`
	// Two hunks, far apart. The first alone does not compile, and the second is not formatted.
	shopTotalFirst  = `func total(prices []int, levy int) int {`
	shopTotalEdited = shopTotalFirst + `
	sum := 0
	for _, p := range prices {
		sum += p
	}
	if sum > 100 {
		println("much")
	}
	return   sum+levy
}
`
	shopTotalFormatted = shopTotalFirst + `
	sum := 0
	for _, p := range prices {
		sum += p
	}
	if sum > 100 {
		println("much")
	}
	return sum + levy
}
`
	shopComment = "// spark: tax is a levy"
	shopHead    = `package main

import "strings"

`
	shopShout = `
func shout(s string) string {
	return strings.ToUpper(s)
}
`
	shopMain = `package main

func main() {
	println(shout("total"), total([]int{1, 2}, 3))
}
`
)

// goModule makes the workspace a module of two files, lets gopls be found as "gopls", and returns their paths.
func (r *editorRun) goModule(t *testing.T, gopls string) (shop, main string) {
	t.Helper()
	r.workspace = filepath.Join(t.TempDir(), "shop")
	shop, main = filepath.Join(r.workspace, "shop.go"), filepath.Join(r.workspace, "main.go")
	for name, text := range map[string]string{
		filepath.Join(r.workspace, ".git", "HEAD"): "ref: refs/heads/main\n",
		filepath.Join(r.workspace, "go.mod"):       "module example.com/shop\n\ngo 1.24\n",
		shop:                                       shopHead + shopTotal + shopShout,
		main:                                       shopMain,
		// gopls sends nothing, and leaves nothing behind that would write after it has ended.
		filepath.Join(r.home, ".config", "go", "telemetry", "mode"): "off\n",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	r.env[0] = "PATH=" + filepath.Dir(r.binary) + string(os.PathListSeparator) + filepath.Dir(gopls) + string(os.PathListSeparator) + os.Getenv("PATH")
	r.env = append(r.env, "GOTOOLCHAIN=local", "GOPROXY=off", "GOFLAGS=-mod=mod")
	return shop, main
}

// neighbourModel goes on behind some texts, and hands all else to the test.
func (r *editorRun) neighbourModel(t *testing.T, answers map[string]string) *editorModel {
	t.Helper()
	m := &editorModel{t: t, edits: make(chan *loopback.Exchange, 16)}
	r.serve(t, loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) {
		if x.Job() == loopback.CompletionJob {
			goesOn(x, answers)
			return
		}
		m.edits <- x
	}})
	return m
}

// neovimBesideGopls follows the page of the plugin, with gopls beside it.
func neovimBesideGopls(t *testing.T, run *editorRun, gopls string) {
	path, main := run.goModule(t, gopls)
	model := run.neighbourModel(t, map[string]string{"cost := ": "total(nil, 1) + 2"})
	n := startPlugin(t, run, path)
	n.lua(nil, `
		vim.lsp.config('gopls', { cmd = { 'gopls' }, filetypes = { 'go' }, root_markers = { 'go.mod' } })
		vim.lsp.enable('gopls')`)
	waitWithin(t, othersPatience, "gopls to have read the module", func() bool {
		return n.ask(`local c = vim.lsp.get_clients({ name = 'gopls', bufnr = 0 })[1]
			local r = c and c.initialized and c:request_sync('textDocument/documentSymbol', { textDocument = { uri = vim.uri_from_bufnr(0) } }, 10000)
			return r and r.result and #r.result == 2 or false`)
	})
	reports := func(message string) func() bool {
		return func() bool {
			return n.ask(`for _, d in ipairs(vim.diagnostic.get(0)) do
				if d.message:find((...), 1, true) then return true end
			end
			return false`, message)
		}
	}

	// The ghost text is ours, and stays while gopls reports that the line is none yet.
	text := shopHead + shopTotal + shopShout
	n.input("/strings.ToUpper<CR>Ocost := ")
	waitFor(t, "our ghost text", func() bool { return n.ghost() == "total(nil, 1) + 2" })
	waitFor(t, "gopls to report the unfinished line", reports("expected"))
	if ghost := n.ghost(); ghost != "total(nil, 1) + 2" {
		t.Errorf("with a report of gopls's the ghost text is %q", ghost)
	}
	n.input("<Tab>")
	text = replaceOnce(t, text, "\treturn strings", "\tcost := total(nil, 1) + 2\n\treturn strings")
	wantText(t, "buffer with our text", n.buffer(text), text)

	// The menu of completions is gopls's; ours are not in it a second time.
	n.input("<Esc>oshou<C-x><C-o>")
	var words []string
	waitFor(t, "gopls's items", func() bool {
		n.lua(&words, `return vim.tbl_map(function(item) return item.word end, vim.fn.complete_info({ 'items' }).items)`)
		return slices.Contains(words, "shout")
	})
	n.input("<C-e><Esc>:d<CR>")
	wantText(t, "buffer without the line", n.buffer(text), text)

	// The menu of actions is of both: gopls would remove what it reports, and we would fix it.
	n.input("gg/cost :=<CR>")
	waitFor(t, "gopls to report what nobody uses", reports("declared and not used: cost"))
	var titles []string
	waitFor(t, "the menu of both", func() bool {
		titles = n.menu("")
		return slices.Contains(titles, "Remove variable cost") && slices.Contains(titles, "Fix with spark: declared and not used: cost")
	})
	if slices.Sort(titles); len(slices.Compact(slices.Clone(titles))) < len(titles) {
		t.Errorf("something is there twice: %q", titles)
	}
	n.menu("Remove variable cost")
	text = replaceOnce(t, text, "\tcost := total", "\t_ = total")
	wantText(t, "buffer after gopls's action", n.buffer(text), text)

	// While we write, gopls reports on what is half written; the user types elsewhere, so both are told of that too.
	n.input("gg/^func total<CR>V/^}<CR>:Spark tax is a levy<CR>")
	answer := model.edit(shopTotal, "tax is a levy")
	half := strings.Index(shopTotalEdited, "\treturn")
	goOn, wait := model.stream(answer, shopTotalEdited[:half], shopTotalEdited[half:])
	waitFor(t, "gopls to report on the half of it", reports("undefined: tax"))
	n.typeSlowly("Govar typed = 1<Esc>")
	goOn()
	wait()
	text = replaceOnce(t, text, shopTotal, shopTotalEdited) + "var typed = 1\n"
	wantText(t, "buffer after our edit", n.buffer(text), text)
	waitFor(t, "the end of our edit", func() bool { return slices.Contains(n.menu(""), "Accept spark's edit") })
	waitFor(t, "gopls to report nothing of it any more", func() bool { return !reports("undefined: tax")() })

	// Then gopls formats what we wrote, and renames it, in another file too.
	n.lua(nil, `vim.lsp.buf.format()`)
	text = strings.NewReplacer(shopTotalEdited, shopTotalFormatted, "var typed", "\nvar typed").Replace(text)
	wantText(t, "buffer formatted by gopls", n.buffer(text), text)
	n.input("gg/total<CR>")
	n.lua(nil, `vim.lsp.buf.rename('sumUp')`)
	text = strings.ReplaceAll(text, "total(", "sumUp(")
	wantText(t, "buffer after gopls's renaming", n.buffer(text), text)
	n.input(":hide edit " + main + "<CR>")
	renamed := strings.Replace(shopMain, "total(", "sumUp(", 1)
	wantText(t, "the other file after the renaming", n.buffer(renamed), renamed)
	n.input(":hide edit " + path + "<CR>")
	wantText(t, "buffer once more", n.buffer(text), text)

	// We know the text that gopls has made of it, and what we write next comes where it is meant for.
	const shout = "func shout(s string) string {\n\t_ = sumUp(nil, 1) + 2\n\treturn strings.ToUpper(s)\n}\n"
	n.input("gg/^func shout<CR>V/^}<CR>:Spark drop the sum<CR>")
	answer = model.edit(shout, "drop the sum")
	model.must(answer.Text(strings.TrimPrefix(shopShout, "\n")))
	model.must(answer.Done())
	text = replaceOnce(t, text, shout, strings.TrimPrefix(shopShout, "\n"))
	wantText(t, "buffer after our next edit", n.buffer(text), text)
	n.input("u")
	text = replaceOnce(t, text, strings.TrimPrefix(shopShout, "\n"), shout)
	wantText(t, "buffer after one u", n.buffer(text), text)
	n.wantNoComplaint()
	n.quit()
}

// ask runs code that returns a boolean.
func (n *neovim) ask(code string, args ...any) (yes bool) {
	n.t.Helper()
	n.lua(&yes, code, args...)
	return yes
}

// menu returns what vim.lsp.buf.code_action offers at the cursor, and chooses an entry of it unless that is "".
func (n *neovim) menu(choice string) (titles []string) {
	n.t.Helper()
	n.lua(nil, `
		local choice = ...
		menu_titles = nil
		vim.ui.select = function(items, _, done)
			menu_titles = vim.tbl_map(function(item) return item.action.title end, items)
			for _, item in ipairs(items) do
				if item.action.title == choice then return done(item) end
			end
		end
		vim.lsp.buf.code_action()`, choice)
	waitFor(n.t, "the menu", func() bool { return n.ask(`return menu_titles ~= nil`) })
	n.lua(&titles, `return menu_titles`)
	if choice != "" && !slices.Contains(titles, choice) {
		n.t.Fatalf("no %q among %q", choice, titles)
	}
	return titles
}

// helixBesideGopls follows Helix's page, whose list of servers has gopls before us.
func helixBesideGopls(t *testing.T, run *editorRun, gopls string) {
	path, main := run.goModule(t, gopls)
	model := run.neighbourModel(t, map[string]string{"cost := strings.ToTi": "tle(s)+\"!\""})
	h := startHelix(t, run, path)
	h.wantInLog(`"target":"https://pkg.go.dev/strings"`, 1) // gopls has read the module

	// gopls's items come although ours are none, and quicker.
	h.input("/strings.ToUpper\rO")
	h.typeSlowly("cost := strings.To")
	h.wantOnScreen("ToTitleSpecial ")
	h.input("Ti")
	h.leaveInsertMode()
	// One popup with the items of both. Ours is not formatted.
	h.input("i")
	h.wantOnScreen("ToTitle(s)+\"!\" ")
	h.wantOnScreen("ToTitleSpecial ")
	h.input(ctrlN)
	h.wantOnScreen("cost := strings.ToTitle()")
	h.input(ctrlN)
	h.wantOnScreen("cost := strings.ToTitle(s)+\"!\"")
	h.input("\r")
	h.leaveInsertMode()
	text := replaceOnce(t, shopHead+shopTotal+shopShout, "\treturn strings", "\tcost := strings.ToTitle(s) + \"!\"\n\treturn strings")
	wantText(t, "file with our text, formatted by gopls", h.write(text), text)

	// The menu of actions is of both, and what gopls reports we fix.
	h.input("gg/cost\r")
	h.wantOnScreen("declared and not used: cost")
	h.input(" a")
	h.wantOnScreen("Add test for shout")
	h.wantOnScreen("Fix with spark: declared and not used: cost")
	h.input("\x1b")
	waitFor(t, "the menu to close", func() bool { return !strings.Contains(h.screen(), "Add test for shout") })
	h.pick("Fix with spark: declared and not used: cost")
	answer := model.next("declared and not used: cost")
	model.must(answer.Text("@@\n-\tcost := strings.ToTitle(s) + \"!\"\n-\treturn strings.ToUpper(s)\n+\treturn strings.ToTitle(s) + \"!\"\n"))
	model.must(answer.Done())
	h.waitForSpark(1)
	text = shopHead + shopTotal + strings.Replace(shopShout, "ToUpper(s)", "ToTitle(s) + \"!\"", 1)
	wantText(t, "file without what gopls reported", h.write(text), text)

	// While we write, gopls reports on what is half written. It formats the whole when that is saved.
	h.input("gg/^func total\r")
	h.input("O" + shopComment)
	h.leaveInsertMode()
	h.pick("Edit with spark")
	answer = model.edit(shopTotal, "tax is a levy")
	half := strings.Index(shopTotalEdited, "\treturn")
	goOn, wait := model.stream(answer, shopTotalEdited[:half], shopTotalEdited[half:])
	h.wantInLog("undefined: tax", 1)
	h.typeSlowly("geovar typed = 1")
	h.leaveInsertMode()
	goOn()
	wait()
	h.waitForSpark(2)
	text = replaceOnce(t, text, shopTotal, shopTotalFormatted) + "\nvar typed = 1\n"
	wantText(t, "file with our edit, formatted by gopls", h.write(text), text)

	// What gopls renames, here and in another file, we know; and what we write next comes where it is meant for.
	h.input("gg/total\r")
	h.input(" r")
	h.wantOnScreen("rename-to:")
	h.input("\x15sumUp\r")
	h.wantOnScreen("func sumUp(")
	text = strings.ReplaceAll(text, "total(", "sumUp(")
	wantText(t, "file after gopls's renaming", h.write(text), text)
	renamed := strings.ReplaceAll(shopTotalFormatted, "total(", "sumUp(")
	h.input("gg/^func sumUp\r")
	h.input("O" + shopComment)
	h.leaveInsertMode()
	h.pick("Edit with spark")
	answer = model.edit(renamed, "tax is a levy")
	model.must(answer.Text(strings.Replace(renamed, "much", "too much", 1)))
	model.must(answer.Done())
	h.waitForSpark(3)
	text = replaceOnce(t, text, "much", "too much")
	wantText(t, "file after our next edit", h.write(text), text)
	h.input(":open " + main + "\r")
	h.wantOnScreen("sumUp([]int")
	h.input(":qa!\r")
}

// waitForSpark is waitForEdit beside a server that has progress of its own to tell of.
func (h *helix) waitForSpark(n int) {
	h.t.Helper()
	waitFor(h.t, "the end of our edit", func() bool {
		data, _ := os.ReadFile(h.log)
		ends := 0
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, " spark <- ") && strings.Contains(line, `"kind":"end"`) {
				ends++
			}
		}
		return ends >= n
	})
}
