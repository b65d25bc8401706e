//go:build unix

package main

import (
	"strings"
	"testing"
	"time"
)

// TestEditorSteer redirects an edit in real Neovim, while it is being written: with a comment, which is all that an
// editor without a box of ours has.
func TestEditorSteer(t *testing.T) {
	runEditorSuites(t, []editorSuite{
		{"neovim", "neovim", "NVIM", 30 * time.Second, []editorTest{{"steer", neovimSteer}}},
	})
}

func neovimSteer(t *testing.T, run *editorRun) {
	model := run.model(t)
	path, original := run.file(t, "header.go")
	commented := replaceOnce(t, original, parseTime, parseTimeComment+"\n"+parseTime)
	redirected := strings.ReplaceAll(parseTimeEdited, "layout", "format")
	want := replaceOnce(t, original, parseTime, redirected)
	n := startNeovim(t, run, neovimLive, path)

	n.input(":set formatoptions= noautoindent indentexpr=<CR>/^func ParseTime<CR>O" + parseTimeComment + "<Esc>")
	waitFor(t, "the comment", func() bool { return n.text() == commented && n.mode() == "n" })
	n.editWithSpark()
	first := model.edit(parseTime, "return an error that names the formats")
	half := strings.Index(parseTimeEdited, "\treturn time.Time{}")
	model.must(first.Text(parseTimeEdited[:half]))
	n.wantOnScreen("err := time.Parse(layout, text); err == nil {")

	n.input("/err := time.Parse(layout<CR>O// spark: no, say format and not layout")
	waitFor(t, "the second comment", func() bool { return strings.Contains(n.text(), "say format and not layout") })
	n.input("<CR><Esc>")
	second := model.next("no, say format and not layout")
	model.must(second.Text(redirected))
	model.must(second.Done())
	wantText(t, "buffer after the redirection", n.buffer(want), want)
	n.wantNoComplaint()
	n.quit()
}
