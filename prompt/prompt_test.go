package prompt

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCompletionShowsTheCursor(t *testing.T) {
	doc := "package a\r\n\r\nfunc f() {\r\n\t\r\n}\r\n"
	p := Completion(Input{Path: "a.go", Language: "go", Text: String(doc), Cursor: strings.Index(doc, "\t") + 1})
	want := "<below>\n}\n</below>\nFile: a.go (go)\n\npackage a\n\nfunc f() {\n\t<|cursor|>"
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

// texts are documents with many lines, and with one.
var texts = map[string]string{
	"one line":   strings.Repeat("汉字 and words in one line 🍋 ", 2000),
	"many lines": strings.Repeat("a line of text, éàü\n", 3000),
	"long lines": strings.Repeat(strings.Repeat("words ", 500)+"\n", 20),
}

// TestWindow: whatever the text and wherever the cursor, a window is valid UTF-8, holds the cursor, stays within
// its budget, and does not move with every keystroke.
func TestWindow(t *testing.T) {
	for name, doc := range texts {
		in := Input{Text: String(doc)}
		last, moves := -1, 0
		for cursor := 20000; cursor < 22000; cursor++ {
			if !utf8.RuneStart(doc[cursor]) {
				continue
			}
			lo, hi := in.around(cursor, cursor, farAbove, farBelow)
			if lo > cursor || hi < cursor || in.tokens(doc[lo:cursor]) > farAbove || in.tokens(doc[cursor:hi]) > farBelow || in.tokens(doc[lo:cursor]) < farAbove/3 {
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
		if moves > 12 {
			t.Errorf("%s: the window's start moved %d times in 2000 bytes of typing", name, moves)
		}
	}
}

// TestWindowsStand: what is typed in the middle moves neither the start of what is shown above nor the end of what
// is shown below, line after line.
func TestWindowsStand(t *testing.T) {
	const above, below = 40, 33
	var doc strings.Builder
	for i := range above {
		fmt.Fprintf(&doc, "above %d\n", i)
	}
	at := doc.Len()
	for i := range below {
		fmt.Fprintf(&doc, "below %d\n", i)
	}
	heads, tails := map[string]bool{}, map[string]bool{}
	text := doc.String()
	for range 9 {
		in := Input{Text: String(text)}
		lo, hi := in.around(at, at, 150, 100)
		heads[firstLine(text[lo:])] = true
		lines := strings.Split(strings.TrimSuffix(text[:hi], "\n"), "\n")
		tails[lines[len(lines)-1]] = true
		text = text[:at] + "typed\n" + text[at:]
		at += len("typed\n")
	}
	if len(heads) != 1 || len(tails) != 1 {
		t.Errorf("windows begin with %v and end with %v while nine lines are typed", heads, tails)
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// A window that begins or ends within a line does so between words: half a key would not be recognized as one.
func TestWindowCutsNoWord(t *testing.T) {
	const key = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
	text := strings.Repeat(`{"key":"`+key+`","n":1},`, 4000)
	for at := len(text)/2 - 100; at < len(text)/2+100; at++ {
		if text[at-1] != '}' && text[at-1] != ',' {
			continue
		}
		for _, tokens := range []int{100, 333, 1000} {
			in := Input{Text: String(text), Count: func(s string) int { return len(s) / 4 }}
			lo, hi := in.around(at, at, tokens, tokens)
			shown := strings.ReplaceAll(text[lo:hi], key, "")
			for i := 0; i+8 <= len(key); i++ {
				if strings.Contains(shown, key[i:i+8]) {
					t.Fatalf("at %d: %q of a key is shown", at, key[i:i+8])
				}
			}
		}
	}
}
