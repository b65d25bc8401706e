package prompt

import "strings"

// Comment is an instruction that the user wrote into the document: "// spark: return an error instead".
type Comment struct {
	Start, End  int // bytes of the whole comment lines, line ends included
	Instruction string
	Indent      string // white space before the comment
}

// openers are the ways a line comment, or a comment that ends on its line, begins in the languages people
// write. A longer opener stands before its own prefix.
var openers = []string{"<!--", "{/*", "/**", "/*", "///", "//", "--[[", "--", "(*", "{-", "{{/*", "<%#", "#", ";;", ";", "%", "'", "\"", "!", "REM ", "rem ", "*", ".."}

// closers end a comment on its own line.
var closers = []string{"-->", "*/}", "*/}}", "*/", "]]", "*)", "-}", "%>"}

// ParseComment reads one line and returns the instruction of a spark comment in it. The line may hold
// nothing but the comment: a trailing comment behind code would leave unclear what its removal means.
func ParseComment(line string) (instruction string, ok bool) {
	s := strings.TrimSpace(line)
	body, found := "", false
	for _, o := range openers {
		if rest, cut := strings.CutPrefix(s, o); cut {
			body, found = rest, true
			break
		}
	}
	if !found {
		return "", false
	}
	body = strings.TrimLeft(body, "/#;*-!% \t")
	if len(body) < len("spark:") || !strings.EqualFold(body[:len("spark:")], "spark:") {
		return "", false
	}
	body = strings.TrimSpace(body[len("spark:"):])
	for _, c := range closers {
		if rest, cut := strings.CutSuffix(body, c); cut {
			body = strings.TrimSpace(rest)
			break
		}
	}
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

// CommentAt finds the spark comment that a selection means: the first one inside lines [first, last], else one on
// the line directly above. Consecutive spark comments are one instruction.
func CommentAt(d Lines, first, last int) (Comment, bool) {
	for n := max(first, 0); n <= last && n < d.LineCount(); n++ {
		if c, ok := commentFrom(d, n); ok {
			return c, true
		}
	}
	n := first - 1
	if n < 0 || n >= d.LineCount() {
		return Comment{}, false
	}
	if _, ok := ParseComment(lineText(d, n)); !ok {
		return Comment{}, false
	}
	return commentFrom(d, n)
}

// commentFrom reads the run of spark comments that line n belongs to.
func commentFrom(d Lines, n int) (Comment, bool) {
	line := lineText(d, n)
	text, ok := ParseComment(line)
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
	return Comment{
		Start:       d.LineStart(top),
		End:         nextStart(d, bottom),
		Instruction: strings.Join(parts, "\n"),
		Indent:      line[:len(line)-len(strings.TrimLeft(line, " \t"))],
	}, true
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
