package prompt

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCompletionShowsTheCursor(t *testing.T) {
	doc := "package a\r\n\r\nfunc f() {\r\n\t\r\n}\r\n"
	p := Completion(Input{Path: "a.go", Language: "go", Text: String(doc), Cursor: strings.Index(doc, "\t") + 1})
	want := "File: a.go (go)\n\npackage a\n\nfunc f() {\n\t<|cursor|>\n}\n"
	if len(p.Input) != 1 || p.Input[0].Text != want {
		t.Errorf("%q, want %q", p.Input[0].Text, want)
	}
}

func TestEditShowsTheRegionOnItsOwnLines(t *testing.T) {
	doc := "a\nb\nc"
	for _, tt := range []struct {
		start, end int
		want       string
	}{
		{2, 4, "a\n<region>\nb\n</region>\nc\n"},
		{4, 5, "a\nb\n<region>\nc\n</region>\n"},
		{2, 2, "a\n<region>\n</region>\nb\nc\n"},
	} {
		p := Edit(Input{Path: "a", Text: String(doc), Start: tt.start, End: tt.end, Instruction: " do it\n"})
		if got := p.Input[0].Text; got != "File: a\n\n"+tt.want+"\nInstruction: do it\n" {
			t.Errorf("%v: %q", tt, got)
		}
	}
}

// TestWindow: whatever the text and wherever the cursor, a window is valid UTF-8, holds the cursor, stays within
// its budget, and does not move with every keystroke.
func TestWindow(t *testing.T) {
	long := strings.Repeat("汉字 and words in one line 🍋 ", 2000)
	many := strings.Repeat("a line of text, éàü\n", 3000)
	for name, doc := range map[string]string{"one line": long, "many lines": many} {
		last := -1
		moves := 0
		for cursor := 20000; cursor < 24000; cursor++ {
			if !utf8.RuneStart(doc[cursor]) {
				continue
			}
			lo, hi := window(String(doc), cursor, cursor, 6<<10, 2<<10)
			if lo > cursor || hi < cursor || cursor-lo > 6<<10 || hi-cursor > 2<<10 || cursor-lo < 4<<10 {
				t.Fatalf("%s: window [%d,%d) at %d", name, lo, hi, cursor)
			}
			if !utf8.ValidString(doc[lo:hi]) {
				t.Fatalf("%s: window [%d,%d) splits a character", name, lo, hi)
			}
			if lo != last {
				moves++
				last = lo
			}
		}
		if moves > 6 {
			t.Errorf("%s: the window's start moved %d times in 4000 bytes of typing", name, moves)
		}
	}
}
