package prompt

import "strings"

// Comment is an instruction that the user wrote into the document: "// spark: return an error instead".
type Comment struct {
	Start, End  int // bytes of the whole comment lines, line ends included: what the edit removes
	Below       int // where what it speaks of may begin: behind the end of the comment that it stands in
	Instruction string
}

// lineOpeners begin comments that end with their line, in the languages people write. A longer one stands before its
// own prefix.
var lineOpeners = []string{"///", "//", "--", "#", ";", "%", "'", "\"", "!", "REM ", "rem ", ".."}

// blockDelimiters begin and end comments that may have several lines.
var blockDelimiters = [][2]string{
	{"<!--", "-->"}, {"{{/*", "*/}}"}, {"{/*", "*/}"}, {"/*", "*/"}, {"--[[", "]]"}, {"(*", "*)"}, {"{-", "-}"}, {"<%#", "%>"}, {"<#", "#>"},
}

// ParseComment reads one line and returns the instruction of a spark comment in it. The line may hold
// nothing but the comment: a trailing comment behind code would leave unclear what its removal means.
func ParseComment(line string) (instruction string, ok bool) {
	s := strings.TrimSpace(line)
	for _, b := range blockDelimiters {
		if body, found := strings.CutPrefix(s, b[0]); found {
			if body, found = strings.CutSuffix(body, b[1]); found {
				return sparkText(body)
			}
			if b[0] != "--[[" { // which also begins with Lua's line comment
				return "", false // it goes on below
			}
		}
	}
	for _, o := range lineOpeners {
		if body, found := strings.CutPrefix(s, o); found {
			return sparkText(body)
		}
	}
	return "", false
}

// sparkText returns what follows "spark:" at the start of a comment's text.
func sparkText(body string) (string, bool) {
	body = strings.TrimLeft(body, "/#;*-!% \t")
	if len(body) < len("spark:") || !strings.EqualFold(body[:len("spark:")], "spark:") {
		return "", false
	}
	body = strings.TrimSpace(body[len("spark:"):])
	return body, body != ""
}

// Lines is a document cut into lines, for the pure parts that look for comments and blocks.
type Lines interface {
	LineCount() int
	LineStart(n int) int // byte offset of line n's first byte
	LineEnd(n int) int   // byte offset behind line n's text, before its line end
	Slice(i, j int) string
	Len() int
}

func lineText(d Lines, n int) string { return d.Slice(d.LineStart(n), d.LineEnd(n)) }

// nextStart is where line n+1 starts: behind line n's line end.
func nextStart(d Lines, n int) int {
	if n+1 < d.LineCount() {
		return d.LineStart(n + 1)
	}
	return d.Len()
}

// CommentAt finds the spark comment that a selection means: the first one that a line of [first, last] belongs to,
// else the one directly above. Consecutive spark comments are one instruction.
func CommentAt(d Lines, first, last int) (Comment, bool) {
	// The menu asks this at every place, and mostly there is none far and wide.
	from, to := max(first-maxCommentLines, 0), min(last+maxCommentLines, d.LineCount()-1)
	if from <= to && nextSpark(d.Slice(d.LineStart(from), d.LineEnd(to)), 0) < 0 {
		return Comment{}, false
	}
	for n := max(first-1, 0); n <= last && n < d.LineCount(); n++ {
		c, ok := lineComment(d, n)
		if !ok {
			c, ok = blockComment(d, n)
		}
		if ok && (n >= first || c.Below == d.LineStart(first)) {
			return c, true
		}
	}
	return Comment{}, false
}

// Comments are all spark comments of a document, in its order. It is asked for with every menu, so only the lines that
// say "spark:" are looked at.
func Comments(d Lines) []Comment {
	var list []Comment
	text := d.Slice(0, d.Len())
	for at := nextSpark(text, 0); at >= 0; at = nextSpark(text, at+1) {
		n := lineAt(d, at)
		if c, ok := CommentAt(d, n, n); ok && (len(list) == 0 || c.Start >= list[len(list)-1].End) {
			list = append(list, c)
		}
	}
	return list
}

// nextSpark is the offset of the next "spark:" at or behind from, -1 for none.
func nextSpark(text string, from int) int {
	for at := from; at < len(text); at++ {
		i := strings.IndexByte(text[at:], ':')
		if i < 0 {
			return -1
		}
		at += i
		if start := at - len("spark"); start >= from && strings.EqualFold(text[start:at], "spark") {
			return start
		}
	}
	return -1
}

// lineComment reads the run of one-line spark comments that line n belongs to.
func lineComment(d Lines, n int) (Comment, bool) {
	text, ok := ParseComment(lineText(d, n))
	if !ok {
		return Comment{}, false
	}
	parts := []string{text}
	top, bottom := n, n
	for top > 0 {
		t, ok := ParseComment(lineText(d, top-1))
		if !ok {
			break
		}
		top--
		parts = append([]string{t}, parts...)
	}
	for bottom+1 < d.LineCount() {
		t, ok := ParseComment(lineText(d, bottom+1))
		if !ok {
			break
		}
		bottom++
		parts = append(parts, t)
	}
	end := nextStart(d, bottom)
	return Comment{Start: d.LineStart(top), End: end, Below: end, Instruction: strings.Join(parts, "\n")}, true
}

// maxCommentLines bounds how far the ends of a comment are looked for.
const maxCommentLines = 100

// blockComment reads the comment of several lines that line n belongs to, when an instruction stands in it. If nothing
// else does, the whole comment is the instruction; otherwise only the lines from "spark:" on that are no prose of
// their own, which is the one line that says so.
func blockComment(d Lines, n int) (Comment, bool) {
	for _, delim := range blockDelimiters {
		top := n
		for ; top >= 0 && n-top < maxCommentLines; top-- {
			line := strings.TrimSpace(lineText(d, top))
			if strings.HasPrefix(line, delim[0]) && !strings.Contains(line[len(delim[0]):], delim[1]) {
				break
			}
			if top < n && strings.Contains(line, delim[1]) {
				top = -1 // closed above n
			}
		}
		if top < 0 || n-top >= maxCommentLines {
			continue
		}
		bottom := top + 1
		for bottom < d.LineCount() && bottom-top < maxCommentLines && !strings.Contains(lineText(d, bottom), delim[1]) {
			bottom++
		}
		if bottom >= d.LineCount() || bottom-top >= maxCommentLines || bottom < n {
			continue
		}
		last := strings.TrimSpace(lineText(d, bottom))
		if !strings.HasSuffix(last, delim[1]) {
			continue // code stands behind the comment on its last line
		}
		var parts []string
		said, other := -1, false // the line that says "spark:"; whether something stands above it
		for m := top; m <= bottom; m++ {
			text := strings.TrimSpace(lineText(d, m))
			if m == top {
				text = strings.TrimPrefix(text, delim[0])
			}
			if m == bottom {
				text = strings.TrimSuffix(text, delim[1])
			}
			text = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(text), "*"))
			switch instruction, ok := sparkText(text); {
			case text == "":
			case ok && said < 0:
				said = m
				parts = append(parts, instruction)
			case said < 0:
				other = true
			default:
				parts = append(parts, text)
			}
		}
		if said < 0 {
			continue
		}
		c := Comment{Start: d.LineStart(top), End: nextStart(d, bottom), Below: nextStart(d, bottom), Instruction: strings.Join(parts, "\n")}
		if other {
			if said == top || said == bottom {
				continue // its line holds a delimiter too, which must stay
			}
			c.Start, c.End, c.Instruction = d.LineStart(said), nextStart(d, said), parts[0]
		}
		return c, true
	}
	return Comment{}, false
}

// maxBlockLines bounds the region that a comment without a selection stands for.
const maxBlockLines = 200

// BlockBelow returns the bytes of the statement or indented block that begins at the first line with text at or
// below offset from: that line, all lines indented deeper, and the line that closes the block. It is what a
// spark comment without a selection speaks of.
func BlockBelow(d Lines, from int) (start, end int, ok bool) {
	n := lineAt(d, from)
	for n < d.LineCount() && strings.TrimSpace(lineText(d, n)) == "" {
		n++
	}
	if n >= d.LineCount() {
		return 0, 0, false
	}
	first, last := n, n
	base := indentOf(lineText(d, n))
	opened := strings.Count(lineText(d, n), "(") > strings.Count(lineText(d, n), ")")
	for m := n + 1; m < d.LineCount() && m-first < maxBlockLines; m++ {
		s := lineText(d, m)
		if strings.TrimSpace(s) == "" {
			continue
		}
		in := indentOf(s)
		if in > base {
			last = m
			continue
		}
		if in == base && (last > first || opened || endsOpen(lineText(d, first)) || strings.TrimSpace(s) == "{") && closesBlock(s) {
			last = m
			if endsOpen(s) { // "} else {" and ") {" go on
				continue
			}
		}
		break
	}
	return d.LineStart(first), nextStart(d, last), true
}

// closesBlock reports whether a line at the block's own indentation belongs to it.
func closesBlock(line string) bool {
	s := strings.TrimSpace(line)
	if s == "" {
		return false
	}
	if strings.ContainsRune(")]}", rune(s[0])) {
		return true
	}
	for _, w := range []string{"end", "else", "elif", "elsif", "except", "finally", "catch", "rescue", "ensure", "fi", "done", "esac", "then", "do", "endif", "{"} {
		if rest, ok := strings.CutPrefix(s, w); ok && (rest == "" || !isWord(rest[0])) {
			return true
		}
	}
	return false
}

// endsOpen reports whether a block goes on below this line.
func endsOpen(line string) bool {
	s := strings.TrimSpace(line)
	if s == "" {
		return false
	}
	switch s[len(s)-1] {
	case '{', '(', '[', ':', ',', '=', '\\':
		return true
	}
	for _, w := range []string{"then", "do", "else", "begin"} {
		if s == w || strings.HasSuffix(s, " "+w) {
			return true
		}
	}
	for _, w := range []string{"def ", "class ", "module ", "if ", "unless ", "while ", "function "} {
		if strings.HasPrefix(s, w) {
			return true
		}
	}
	return false
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

// indentOf is the width of a line's leading white space, a tab counting to the next multiple of 8.
func indentOf(line string) int {
	w := 0
	for i := range len(line) {
		switch line[i] {
		case ' ':
			w++
		case '\t':
			w += 8 - w%8
		default:
			return w
		}
	}
	return w
}

// lineAt returns the line that holds a byte offset.
func lineAt(d Lines, off int) int {
	if d, ok := d.(interface{ LineAt(offset int) int }); ok { // it knows faster
		return d.LineAt(off)
	}
	lo, hi := 0, d.LineCount()
	for lo+1 < hi {
		mid := (lo + hi) / 2
		if d.LineStart(mid) <= off {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
