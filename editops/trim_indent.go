package editops

import (
	"regexp"
	"strings"
)

// indentStyle is how a file indents, seen around the cursor.
type indentStyle struct {
	unit string // one level: "\t", or some spaces; "" where nothing is indented and nobody says
	pure bool   // no line around indents in another way
}

// findIndentStyle reads the style off the cursor's line and those above and below; fallback is for a file without
// indentation.
func findIndentStyle(line string, above, below []string, fallback string) indentStyle {
	tabs, spaces := 0, 0
	steps := map[int]int{}
	if line != "" && blank(line) { // what the editor put there
		if line[0] == '\t' {
			tabs++
		} else {
			spaces++
		}
	}
	for _, lines := range [][]string{above, below} {
		last := 0
		for _, l := range lines {
			if blank(l) {
				continue
			}
			w := leading(l)
			switch {
			case strings.HasPrefix(w, "\t"):
				tabs++
			case len(w) > 1 && !strings.HasPrefix(l[len(w):], "*"):
				spaces++
				if d := len(w) - last; d > 1 {
					steps[d]++
				}
			}
			last = len(w)
		}
	}
	switch {
	case tabs == 0 && spaces == 0:
		return indentStyle{fallback, true}
	case tabs >= spaces:
		return indentStyle{"\t", spaces == 0}
	}
	unit, best := 4, 0
	for _, d := range []int{2, 4, 8, 3} {
		if steps[d] > best {
			unit, best = d, steps[d]
		}
	}
	return indentStyle{strings.Repeat(" ", unit), tabs == 0}
}

// leading is the blanks that a line starts with.
func leading(line string) string {
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}

// width is the width of leading blanks in columns, a tab being as wide as a level.
func (s indentStyle) width(blanks string) int {
	level := max(len(s.unit), 1)
	if s.unit == "\t" || s.unit == "" {
		level = 4
	}
	n := 0
	for i := range len(blanks) {
		if blanks[i] == '\t' {
			n += level - n%level
		} else {
			n++
		}
	}
	return n
}

// levelWidth is the width of one level.
func (s indentStyle) levelWidth() int { return s.width(s.unit) }

// blanks is indentation of that width.
func (s indentStyle) blanks(width int) string {
	if s.unit == "\t" {
		return strings.Repeat("\t", width/4) + strings.Repeat(" ", width%4)
	}
	return strings.Repeat(" ", max(0, width))
}

// fitIndentation gives a text the indentation that its place asks for (D18). It makes a change only where the
// text is wrong on its face: other characters than the file's, the cursor's own indentation repeated, or a
// block that is no deeper than the line that opens it.
func fitIndentation(p *place, text string) string {
	text = convertIndentation(p, text)
	text = breakBehindOpener(p, text)
	text = fitFirstLine(p, text)
	return shiftBlock(p, text)
}

// convertIndentation writes the text's indentation in the characters of the file, where the cursor's line or
// the one above shows them and the text uses none of them.
func convertIndentation(p *place, text string) string {
	here := leading(p.line)
	if here == "" {
		here = leading(p.above)
	}
	tabs := p.indent.unit == "\t"
	if p.indent.unit == "" || here != "" && strings.HasPrefix(here, "\t") != tabs || here == "" && !p.indent.pure {
		return text
	}
	lines := strings.Split(text, "\n")
	from := 1
	if blank(p.line) {
		from = 0
	}
	level := 0 // what the model takes for a level: the smallest indentation by spaces
	for _, l := range lines[min(from, len(lines)):] {
		w := leading(l)
		switch {
		case blank(l) || strings.HasPrefix(l[len(w):], "*"):
		case strings.HasPrefix(w, "\t"):
			if tabs {
				return text
			}
		case len(w) > 1:
			if !tabs {
				return text
			}
			if level == 0 || len(w) < level {
				level = len(w)
			}
		}
	}
	switch {
	case level > 4 && level%4 == 0:
		level = 4
	case level > 4 && level%2 == 0:
		level = 2
	}
	for i := from; i < len(lines); i++ {
		w := leading(lines[i])
		body := lines[i][len(w):]
		switch {
		case tabs && level > 0 && !strings.HasPrefix(body, "*"):
			lines[i] = strings.Repeat("\t", len(w)/level) + strings.Repeat(" ", len(w)%level) + body
		case !tabs && strings.HasPrefix(w, "\t"):
			lines[i] = strings.ReplaceAll(w, "\t", p.indent.unit) + body
		}
	}
	return strings.Join(lines, "\n")
}

// breakBehindOpener puts a line break before a text that a model wrote as the lines below a line that opens a
// block: it is indented like one.
func breakBehindOpener(p *place, text string) string {
	first, _ := cutLine(text)
	if w := leading(first); p.many && opens(p.line) && blank(p.rest) && !blank(first) && p.indent.unit != "" &&
		p.indent.width(w) >= p.indent.width(leading(p.line))+p.indent.levelWidth() {
		return "\n" + text
	}
	return text
}

// fitFirstLine drops indentation that stands before the cursor already, and brings what is missing below a
// line that opens a block.
func fitFirstLine(p *place, text string) string {
	first, _ := cutLine(text)
	if !blank(p.line) || blank(first) {
		return text
	}
	w := leading(first)
	body := text[len(w):]
	above := p.indent.width(leading(p.above))
	want := above
	outer := closersFirst(body[:1]) || sameLevel(body)
	deeper := p.above != "" && opens(p.above) && !outer
	if deeper {
		want += p.indent.levelWidth()
	} else if outer && !opens(p.above) {
		want -= p.indent.levelWidth()
	}
	goesOn := p.indent.width(p.line + w)
	again := -1
	if p.line != "" && strings.HasPrefix(w, p.line) {
		again = p.indent.width(w)
	}
	next := -1
	for _, l := range strings.Split(text, "\n")[1:] {
		if !blank(l) {
			next = p.indent.width(leading(l))
			break
		}
	}
	score := func(width int) int {
		switch width {
		case -1:
			return -1
		case want:
			return 2
		case next:
			return 1
		}
		return 0
	}
	switch {
	case score(again) > score(goesOn), again >= 0 && goesOn > want && score(goesOn) == 0:
		return w[len(p.line):] + body
	case deeper && goesOn <= above && p.indent.unit != "" && (next < 0 || next >= want):
		return p.indent.blanks(want-p.indent.width(p.line)) + body
	}
	return text
}

// sameLevel says that a line stands at the level of the line that opens the block, in some styles.
func sameLevel(body string) bool {
	for _, word := range []string{"case ", "default:", "public:", "private:", "protected:", "when ", "else", "except", "finally", "rescue", "ensure"} {
		if strings.HasPrefix(body, word) {
			return true
		}
	}
	return false
}

// shiftBlock moves the lines below the first one, when they begin a block and are no deeper than the line that
// opens it: the model has forgotten how deep the place is.
func shiftBlock(p *place, text string) string {
	shift := blockShift(p, text)
	if shift == 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i := 1; i < len(lines); i++ {
		if !blank(lines[i]) {
			w := leading(lines[i])
			lines[i] = p.indent.blanks(p.indent.width(w)+shift) + lines[i][len(w):]
		}
	}
	return strings.Join(lines, "\n")
}

// blockShift is the number of columns that shiftBlock moves the lines by.
func blockShift(p *place, text string) int {
	first, end := cutLine(text)
	if end == "" || p.indent.unit == "" {
		return 0
	}
	base := p.indent.width(leading(p.line + first))
	for i, l := range strings.Split(text[len(first)+1:], "\n") {
		if blank(l) {
			continue
		}
		w := p.indent.width(leading(l))
		switch {
		case closersFirst(strings.TrimLeft(l, " \t")[:1]) || strings.TrimSpace(l) == strings.TrimSpace(p.line+first):
			return 0
		case opens(p.line + first):
			if w > base || sameLevel(strings.TrimLeft(l, " \t")) {
				return 0
			}
			return base + p.indent.levelWidth() - w
		case i == 0 && blank(p.line) && leading(first) == "" && w == 0 && !declaration.MatchString(l):
			return base // the next statement, at the left margin
		}
		return 0
	}
	return 0
}

// declaration matches a line that stands at the left margin by right.
var declaration = regexp.MustCompile(`^(func|type|var|const|import|package|def|class|async|export|function|interface|enum|struct|impl|fn|pub|mod|use|public|private|protected|static|module|namespace|let|@|#|//|/\*)`)
