//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// neovimPlugin is the way of Neovim's page that installs extension/nvim.
const neovimPlugin = "docs/editors/neovim.md plugin"

var neovimPluginTests = []editorTest{
	{"edit, reject and undo", pluginEdit},
	{"steer", pluginSteer},
	{"stop, retry, accept", pluginStop},
	{"help", pluginHelp},
	{"health", pluginHealth},
	{"lazy.nvim", pluginLazy},
}

// startPlugin follows the page to the letter, vim.pack and its clone included: Git is told to look for the address
// of the repository in this checkout.
func startPlugin(t *testing.T, run *editorRun, file string) *neovim {
	t.Helper()
	repository := filepath.Join(outlivedDir(t), "spark-lsp")
	if err := os.CopyFS(filepath.Join(repository, "extension", "nvim"), os.DirFS(filepath.Join("extension", "nvim"))); err != nil {
		t.Fatal(err)
	}
	config := "[url \"file://" + repository + "\"]\n\tinsteadOf = https://github.com/spark-lsp/spark-lsp\n[user]\n\tname = x\n\temail = x@example.com\n"
	if err := os.WriteFile(filepath.Join(run.home, ".gitconfig"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-q", "-m", "x"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = repository, run.env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	return startNeovim(t, run, neovimPlugin, file)
}

// spokenLines is how far an edit is, in the statusline: no more than that fits beside a file's name.
var spokenLines = regexp.MustCompile(`spark \d+ lines? +\d+:\d+`)

// pluginEdit gives an instruction for a range, while the statusline tells of it, takes the edit back, gives it for the
// block at the cursor, and undoes it.
func pluginEdit(t *testing.T, run *editorRun) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	want := replaceOnce(t, original, parseTime, parseTimeEdited)
	n := startPlugin(t, run, path)
	n.wantOnScreen("spark gpt-") // in the statusline, once the endpoint is there

	n.input("/^func ParseTime<CR>V/^}<CR>:Spark name the formats<CR>")
	answer := model.edit(parseTime, "name the formats")
	half := strings.Index(parseTimeEdited, "\treturn time.Time{}")
	goOn, wait := model.stream(answer, parseTimeEdited[:half], parseTimeEdited[half:])
	n.wantOnScreen("err := time.Parse(layout, text); err == nil {")
	waitFor(t, "the statusline to say so", func() bool { // how much, once the server has told
		screen := strings.Join(n.screen(), "\n")
		return strings.Contains(screen, "spark writes") || spokenLines.MatchString(screen)
	})
	goOn()
	wait()
	n.waitForEdit()
	wantText(t, "buffer after the edit", n.text(), want)
	n.wantOnScreen("spark gpt-")

	n.input(":SparkReject<CR>")
	wantText(t, "buffer after it was taken back", n.buffer(original), original)

	n.input("gg/^func ParseTime<CR>:Spark name the formats<CR>") // no range: the block at the cursor
	answer = model.edit(parseTime, "name the formats")
	model.must(answer.Text(parseTimeEdited))
	model.must(answer.Done())
	wantText(t, "buffer after another edit", n.buffer(want), want)
	n.input("u")
	wantText(t, "buffer after one u", n.buffer(original), original)
	n.wantNoComplaint()
	n.quit()
}

// pluginSteer says something else while the model writes: the same command, no range. Neither moves the cursor, and all of
// it is one step of undo. Afterwards it goes on with :SparkRetry and words.
func pluginSteer(t *testing.T, run *editorRun) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	n := startPlugin(t, run, path)

	n.input("/^func hasToken<CR>:Spark ask for the cheap thing first<CR>")
	answer := model.edit(hasToken, "ask for the cheap thing first")
	model.must(answer.Text(hasTokenEdited[:strings.Index(hasTokenEdited, "\t\tif b := ")]))
	n.wantOnScreen(hasTokenFirst)
	n.input("gg:Spark and say why at the end<CR>")
	answer = model.next("and say why at the end")
	model.must(answer.Text(hasTokenEdited))
	model.must(answer.Done())
	n.waitForEdit()
	want := replaceOnce(t, original, hasToken, hasTokenEdited)
	wantText(t, "buffer after the edit", n.buffer(want), want)
	if line, column := n.cursor(); line != 1 || column != 0 {
		t.Errorf("cursor at %d:%d, want it where it was", line, column)
	}

	n.input(":SparkRetry and shout<CR>")
	answer = model.next("and shout")
	louder := strings.ReplaceAll(hasTokenEdited, "// not there", "// NOT THERE")
	model.must(answer.Text(louder))
	model.must(answer.Done())
	want = replaceOnce(t, original, hasToken, louder)
	wantText(t, "buffer after another try", n.buffer(want), want)
	n.input("u")
	waitFor(t, "u to change the text", func() bool { return n.text() != want })
	wantText(t, "buffer after one u", n.text(), original)
	n.quit()
}

// pluginStop stops an edit in the middle, inserts what the model said after all, and accepts it: from then on there is
// nothing to take back.
func pluginStop(t *testing.T, run *editorRun) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	n := startPlugin(t, run, path)

	n.input(":%s/^func hasToken/& /e|s//&/e<CR>u") // any change: an untouched buffer has version 0
	n.input("gg/^func hasToken<CR>:Spark ask for the cheap thing first<CR>")
	answer := model.edit(hasToken, "ask for the cheap thing first")
	half := strings.Index(hasTokenEdited, "\t\tif b := ")
	model.must(answer.Text(hasTokenEdited[:half]))
	n.wantOnScreen(hasTokenFirst)
	n.input(":SparkStop<CR>")
	n.waitForEdit()
	first := replaceOnce(t, original, hasToken, replaceOnce(t, hasToken, `if len(token) > len(v) || token == "" {`, hasTokenFirst))
	wantText(t, "buffer after the stop", n.buffer(first), first)
	if outcome := answer.Outcome(); outcome == "completed" {
		t.Error("the model was let go on")
	}

	n.input(":SparkRetry<CR>")
	answer = model.edit(hasToken, "ask for the cheap thing first")
	model.must(answer.Text(hasTokenEdited))
	model.must(answer.Done())
	want := replaceOnce(t, original, hasToken, hasTokenEdited)
	wantText(t, "buffer after another try", n.buffer(want), want)
	offered := func() bool { return slices.Contains(n.actions(), "Take spark's edit back") }
	waitFor(t, "the end of the edit", offered)
	n.input(":SparkAccept<CR>")
	waitFor(t, "the edit to be accepted", func() bool { return !offered() })
	n.input(":SparkReject<CR>")
	n.input("ggO// typed<Esc>")
	want = "// typed\n" + want
	wantText(t, "buffer after it was accepted", n.buffer(want), want)
	n.quit()
}

// pluginHelp reads the help as a user does.
func pluginHelp(t *testing.T, run *editorRun) {
	run.offline()
	path, _ := run.file(t, "header.go")
	n := startPlugin(t, run, path)
	n.input(":helptags ALL<CR>:help :Spark<CR>:only<CR>")
	n.wantOnScreen("steers the edit that is being written into this buffer")
	n.wantNoComplaint()
	n.quit()
}

// pluginHealth asks :checkhealth, which says what serves and never asks for a key to go on.
func pluginHealth(t *testing.T, run *editorRun) {
	run.offline()
	path, _ := run.file(t, "header.go")
	n := startPlugin(t, run, path)
	n.wantOnScreen("spark offline")
	n.input(":checkhealth spark<CR>:only<CR>")
	n.wantOnScreen("spark serves 1 buffer")
	n.wantOnScreen("The embedded engine answers")
	n.wantOnScreen("ghost text is on")
	n.wantNoComplaint()
	n.quit()
}

// pluginLazy does what lazy.nvim does with the page's specification: it calls config with the clone's directory, when
// it has noted already which directories of 'runtimepath' it will look for plugins in.
func pluginLazy(t *testing.T, run *editorRun) {
	run.offline()
	path, _ := run.file(t, "header.go")
	n := startNeovim(t, run, "docs/editors/neovim.md", path)
	for _, b := range readPage(t, "docs/editors/neovim.md") {
		if !strings.Contains(b.text, "lazy = false") {
			continue
		}
		var commands int
		n.lua(&commands, `load('return ' .. ...)().config({ dir = select(2, ...) }); return vim.fn.exists(':Spark')`, b.text, mustGetwd(t))
		if commands != 2 { // a full match
			t.Errorf("with lazy.nvim there is no :Spark (%d)", commands)
		}
		n.quit()
		return
	}
	t.Fatal("the page has no specification for lazy.nvim")
}
