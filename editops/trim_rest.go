package editops

import "strings"

// cutTextBelow drops the lines at the end of a text that follow the cursor already (D2), and all of it when
// nothing else is left. The last line may be unfinished, or the beginning of the line below.
func cutTextBelow(p *place, text string) string {
	if len(p.below) == 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	at := 0
	for i, l := range lines {
		full := l
		if i == 0 {
			full = p.line + l
		}
		// The file itself repeats that line.
		again := weight(full) == weightLine && strings.TrimRight(full, " \t") == strings.TrimRight(p.above, " \t")
		if !blank(full) && !again && (i > 0 || blank(p.rest)) && repeatsBelow(p, full, lines[i+1:]) {
			return text[:max(0, at-1)]
		}
		at += len(l) + 1
	}
	return text
}

// repeatsBelow says that a line and all that follow it are the lines below the cursor, blank lines apart.
func repeatsBelow(p *place, first string, others []string) bool {
	k := 0
	match := func(l string, last bool) bool {
		l = strings.TrimRight(l, " \t")
		if k == len(p.below) {
			return false
		}
		below := strings.TrimRight(p.below[k], " \t")
		k++
		if l == below {
			return true
		}
		// "}" above "} else {", or a line that broke off.
		return last && strings.HasPrefix(below, l) && (closersOnly(l) || k > 1 || letters(l) >= enoughProof)
	}
	last := len(others) - 1
	for last >= 0 && blank(others[last]) {
		last--
	}
	if !match(first, last < 0) {
		return false
	}
	for i := 0; i <= last; i++ {
		if !blank(others[i]) && !match(others[i], i == last) {
			return false
		}
	}
	return true
}

// fitRestOfLine makes a text and what stands behind the cursor on its line one line: an editor closes brackets
// and quotes as soon as they are opened, and models close them as well (D1).
func fitRestOfLine(p *place, c Completion) Completion {
	if blank(p.rest) {
		return c
	}
	rest := strings.TrimRight(p.rest, " \t")
	text := strings.TrimRight(c.Text, " \t\n")
	if first, _, more := strings.Cut(text, "\n"); more && !closersFirst(rest) {
		// A text of several lines would tear the line apart, unless the rest of it ends the first one.
		if !strings.HasSuffix(first, rest) {
			return Completion{}
		}
		text = first
	}
	quote := openQuote(p.line, rest)
	found, left := closing(quote, text, rest[0] == '>')
	needed, _ := closing(quote, rest, rest[0] == '>')
	if body, ok := strings.CutSuffix(text, rest); ok && len(needed) == len(found) && (len(found) == 0 || found[0].at >= len(body)) {
		return Completion{Text: body}
	}
	// What the text closes stands behind the cursor already, bracket by bracket.
	n := 0
	for n < len(rest) && n < len(found) && rest[n] == found[n].char {
		n++
	}
	c.ReplaceAfter = n
	if strings.HasPrefix(rest, "/>") && strings.HasSuffix(text, "/>") {
		c.ReplaceAfter = 2
	}
	if n == len(found) || len(left) >= len(found)-n {
		return c // nothing closed beyond that, or opened again: ") && ("
	}
	if n < len(rest) {
		c.Text = text[:found[n].at] // the rest of the line closes it
		return c
	}
	open := unclosed(p.prefix)
	for j := n; j < len(found); j++ {
		k := len(open) - 1 - j
		wanted := k >= 0 && open[k] == found[j].char &&
			(len(p.below) == 0 || strings.TrimLeft(p.below[0], " \t")[0] != found[j].char)
		if !wanted {
			c.Text = text[:found[j].at]
			break
		}
	}
	return c
}

// closersFirst says that a rest of a line consists of closing brackets, quotes and punctuation.
func closersFirst(rest string) bool {
	return strings.Trim(rest, ")]}>\"'`:;,{ \t") == "" || strings.HasPrefix(rest, "/>")
}

// closer is a closing bracket or quote in a text whose opening one is not in it.
type closer struct {
	char byte
	at   int
}

// closing lists the brackets and quotes that a text closes but does not open, and the closing ones of those that
// it leaves open. The text begins inside a string if quote is not 0; angle says that <> are brackets here.
func closing(quote byte, text string, angle bool) (found []closer, open []byte) {
	i := 0
	if quote != 0 {
		if end := endOfString(text, 0, quote); end >= 0 {
			found = append(found, closer{quote, end})
			i = end + 1
		}
	}
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '\'' || c == '`':
			if end := endOfString(text, i+1, c); end >= 0 {
				i = end
			}
		case c == '(' || c == '[' || c == '{':
			open = append(open, c+1+c/'[') // ( to ), [ to ], { to }
		case c == '<' && angle:
			open = append(open, '>')
		case c == ')' || c == ']' || c == '}' || c == '>' && angle && (i == 0 || strings.IndexByte("-=", text[i-1]) < 0):
			if n := len(open) - 1; n >= 0 {
				open = open[:n]
			} else {
				found = append(found, closer{c, i})
			}
		case strings.HasPrefix(text[i:], "// "):
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				n = len(text) - i
			}
			i += n
		}
	}
	return found, open
}

// unclosed lists the closing brackets that a text still needs, outermost first.
func unclosed(text string) []byte {
	var open []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'', '`':
			if end := endOfString(text, i+1, c); end >= 0 {
				i = end
			}
		case '(', '[', '{':
			open = append(open, c+1+c/'[')
		case ')', ']', '}':
			if n := len(open) - 1; n >= 0 && open[n] == c {
				open = open[:n]
			}
		}
	}
	return open
}

// openQuote is the quote that is open at the end of a line that goes on with rest, or 0.
func openQuote(line, rest string) byte {
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case '"', '\'', '`':
			end := endOfString(line, i+1, c)
			if end < 0 {
				if c == '\'' && trailingWord(line[:i]) != "" && rest[0] != c {
					continue // an apostrophe
				}
				return c
			}
			i = end
		}
	}
	return 0
}

// endOfString is the offset of the quote that ends a string whose inside begins at i, or -1. Strings in single
// and double quotes end with the line.
func endOfString(s string, i int, quote byte) int {
	for ; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote != '`':
			i++
		case s[i] == quote:
			return i
		case s[i] == '\n' && quote != '`':
			return -1
		}
	}
	return -1
}
