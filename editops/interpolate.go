package editops

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Suggestion replaces a stretch of text around the cursor. It is a value, anchored in one text; Interpolate
// carries it into later texts. Offsets are bytes of that text.
type Suggestion struct {
	Start, End int // what New replaces; covers the cursor
	Cursor     int // where the user is, Start <= Cursor <= End
	New        string

	line string // the text of the cursor's line before Start
	old  string // the text that New replaces
}

// NewSuggestion anchors a suggestion in text. The offsets are clamped to it, and to each other.
func NewSuggestion(text string, start, end, cursor int, new string) Suggestion {
	start = min(max(start, 0), len(text))
	end = min(max(end, start), len(text))
	cursor = min(max(cursor, start), end)
	line := text[:start]
	line = line[strings.LastIndexAny(line, "\r\n")+1:]
	return Suggestion{start, end, cursor, new, strings.Clone(line), strings.Clone(text[start:end])}
}

// Edit is the suggestion as an edit of the text that it is anchored in.
func (s Suggestion) Edit() Edit { return Edit{s.Start, s.End, s.New} }

// Rest is what the user has not typed yet: New without the text between Start and the cursor.
func (s Suggestion) Rest() string { return s.New[len(s.old)-(s.End-s.Cursor):] }

// Interpolate carries a suggestion over edits that were made since to the text that it is anchored in, each
// in terms of the text before it. It reports false when the suggestion is dead: the user typed something
// else, typed all of it, or changed what stands behind it.
//
// The result always leads to the text that the suggestion led to, and depends only on what the edits amount
// to. So a suggestion survives what the user types of it and every backspace, also one beyond the place where
// it began; a typo kills it only until the typo is gone, as long as the caller keeps the original and all
// edits. Closing brackets and quotes that the editor adds while the user types the opening ones are absorbed.
// An edit elsewhere shifts it.
//
// cursor is the place of the cursor after the edits, or -1 where it is unknown; then it is behind the longest
// stretch of text that the suggestion begins with.
func Interpolate(s Suggestion, edits []Edit, cursor int) (Suggestion, bool) {
	region := append(make([]byte, 0, 256), s.old...) // of bytes: each edit would copy a string, and there are hundreds
	tail := s.Cursor                                 // where the old text behind the cursor begins; the user types before it
	for _, e := range edits {
		if e.Start < 0 || e.End < e.Start {
			return Suggestion{}, false
		}
		grow := len(e.New) - (e.End - e.Start)
		switch {
		case e.Start > s.End:
			continue
		case e.End < s.Start:
			if e.Start < s.Start-len(s.line) && e.End > s.Start-len(s.line) {
				return Suggestion{}, false // it joined the line to another
			}
			if e.Start >= s.Start-len(s.line) {
				at := e.Start - (s.Start - len(s.line))
				s.line = s.line[:at] + e.New + s.line[at+e.End-e.Start:]
				s.line = s.line[strings.LastIndexAny(s.line, "\r\n")+1:]
			}
			s.Start, s.End, tail = s.Start+grow, s.End+grow, tail+grow
			continue
		case e.End > s.End:
			return Suggestion{}, false
		}
		if e.Start < s.Start {
			// Backspace beyond the start: the suggestion now has to bring that text too.
			more := s.Start - e.Start
			if more > len(s.line) {
				return Suggestion{}, false
			}
			gone := s.line[len(s.line)-more:]
			s.line = s.line[:len(s.line)-more]
			s.Start -= more
			s.New = gone + s.New
			region = slices.Insert(region, 0, []byte(gone)...)
		}
		at := e.Start - s.Start
		region = slices.Replace(region, at, at+e.End-e.Start, []byte(e.New)...)
		if e.End <= tail {
			tail += grow
		} else {
			tail = e.Start + len(e.New)
		}
		s.End += grow
	}
	now := string(region)
	typed := commonPrefix(now[:tail-s.Start], s.New)
	if cursor >= 0 {
		if cursor < s.Start || cursor > s.End || !strings.HasPrefix(s.New, now[:cursor-s.Start]) {
			return Suggestion{}, false
		}
		typed = cursor - s.Start
	}
	s.Cursor = s.Start + typed
	s.old = now
	if added := now[typed:max(typed, tail-s.Start)]; added != "" {
		switch {
		case !closers(added):
			return Suggestion{}, false
		case subsequence(added, s.New[typed:]):
		case tail == s.End:
			// The suggestion leaves the bracket open; the one that the editor put there stays.
			s.End, s.old = s.Cursor, now[:typed]
		default:
			return Suggestion{}, false
		}
	}
	if s.old == s.New {
		return Suggestion{}, false
	}
	return s, true
}

// closers says that a text consists of what editors add by themselves behind the cursor.
func closers(s string) bool {
	return strings.Trim(s, ")]}>\"'`") == ""
}

// subsequence says that the runes of s occur in t in the same order.
func subsequence(s, t string) bool {
	for _, r := range s {
		i := strings.IndexRune(t, r)
		if i < 0 {
			return false
		}
		t = t[i+utf8.RuneLen(r):]
	}
	return true
}
