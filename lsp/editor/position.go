package editor

import (
	"strings"
	"unicode/utf8"

	"go.lsp.dev/protocol"
)

// Positions are counted here in the plainest way there is, from the definition: this is the other opinion
// about what package lsp does cleverly.

// offsetAt returns the byte offset of p in text; false when the text has no such place.
func offsetAt(text, encoding string, p protocol.Position) (int, bool) {
	start := 0
	for line := uint32(0); line < p.Line; line++ {
		_, next, ok := lineEnd(text, start)
		if !ok {
			return len(text), false
		}
		start = next
	}
	end, _, _ := lineEnd(text, start)
	units := 0
	for i, r := range text[start:end] {
		if units == int(p.Character) {
			return start + i, true
		}
		if units > int(p.Character) {
			return start + i, false // inside a character
		}
		units += width(text[start+i:], r, encoding)
	}
	return end, units == int(p.Character)
}

// positionAt returns the position of a byte offset, which lies on the border of a character.
func positionAt(text, encoding string, offset int) protocol.Position {
	var p protocol.Position
	start := 0
	for {
		_, next, ok := lineEnd(text, start)
		if !ok || next > offset {
			break
		}
		start = next
		p.Line++
	}
	for i, r := range text[start:offset] {
		p.Character += uint32(width(text[start+i:], r, encoding))
	}
	return p
}

// lineEnd returns where the content of the line that starts at start ends and where the next line starts;
// false when it is the last line.
func lineEnd(text string, start int) (end, next int, ok bool) {
	i := strings.IndexAny(text[start:], "\r\n")
	if i < 0 {
		return len(text), len(text), false
	}
	end = start + i
	if strings.HasPrefix(text[end:], "\r\n") {
		return end, end + 2, true
	}
	return end, end + 1, true
}

func width(s string, r rune, encoding string) int {
	switch {
	case encoding == "utf-8":
		_, n := utf8.DecodeRuneInString(s)
		return n
	case encoding == "utf-16" && r > 0xFFFF:
		return 2
	}
	return 1
}
