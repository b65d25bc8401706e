package editops

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Completion is a suggestion at the cursor that is fit to be shown.
type Completion struct {
	Text string // to insert; its line ends are the file's
	// ReplaceAfter is the number of bytes behind the cursor, on its line, that Text replaces: closing brackets
	// that the editor put there and that Text brings itself.
	ReplaceAfter int
}

// LineMode says whether a completion may have several lines.
type LineMode int

const (
	LinesAuto LineMode = iota // as Multiline decides
	LinesOne
	LinesMany
)

// CleanOptions is what prefix and suffix do not tell. The zero value is a good default.
type CleanOptions struct {
	Lines    LineMode
	MaxLines int    // of a completion; 0 is no limit
	MaxBytes int    // likewise
	MinChars int    // a completion with fewer characters that are not blank is dropped; 0 is 1
	Indent   string // one level of indentation where the file has none of its own, "" leaves it
	Markdown bool   // prose and fences are part of the language
}

// CleanCompletion turns what a model answered into what may be shown between prefix and suffix, the texts
// before and behind the cursor. It reports false when nothing is left. The text may be complete or broken off
// anywhere.
//
// The work is done by the rules below, in their order: what is not code goes first, then what stands in the
// file already, then what runs on beyond the place, and at last what does not fit the rest of the line.
func CleanCompletion(prefix, suffix, text string, opt CleanOptions) (Completion, bool) {
	return newPlace(prefix, suffix, opt).clean(text)
}

func (p *place) clean(text string) (Completion, bool) {
	c := Completion{Text: ModelText(text)}
	for _, r := range cleanRules {
		if c = r.apply(p, c); c.Text == "" {
			return Completion{}, false
		}
	}
	return c, true
}

// A cleanRule makes a completion better or empties it. Rules are pure, and know nothing of each other but
// their order.
type cleanRule struct {
	name     string
	prevents string
	apply    func(p *place, c Completion) Completion
}

// cleanRules is the whole of the post-processing. Each has a case in TestCleanRules where it fires and one
// where it must not.
//
// Two rules of other tools are left out, since undamaged code breaks them too often: near-equal lines do not
// count as repetition or as duplicates (tables and switches are made of them), and a blank line ends nothing
// by itself (functions have paragraphs).
var cleanRules = []cleanRule{
	{"control tokens", "a model's own markup in the buffer", onText(cutControlTokens)},
	{"lead-in", "fences, prose and what stands before the cursor already (D3)", onText(cutLeadIn)},
	{"blank before", "two blanks where the line ends in one", onText(trimBlankBefore)},
	{"indentation", "tabs for spaces, and a block at another depth than its place (D18)", onText(fitIndentation)},
	{"single line", "lines that the place has no room for", onText(cutToLine)},
	{"stops", "running on: into the text below, out of the block, in circles, beyond the limits", onText(cutAtStop)},
	{"text below", "lines that follow already (D2)", onText(cutTextBelow)},
	{"rest of line", "brackets and quotes that the editor closed already (D1), garbage in mid-line", fitRestOfLine},
	{"blank behind", "blank lines and blanks at the end", onText(trimBlankBehind)},
	{"too little", "noise", onText(dropTooLittle)},
	{"line ends", "\\n in a \\r\\n file (D13)", onText(fitLineEnds)},
}

// onText makes a rule of a function that touches the text only.
func onText(f func(p *place, text string) string) func(*place, Completion) Completion {
	return func(p *place, c Completion) Completion {
		c.Text = f(p, c.Text)
		return c
	}
}

// place is the surroundings of the cursor, line ends \n.
type place struct {
	opt    CleanOptions
	prefix string // at most placeWindow bytes
	suffix string
	line   string   // the cursor's line before the cursor
	rest   string   // and behind it
	above  string   // the last line above that is not blank
	below  []string // the lines below, blank ones left out, at most belowLines
	end    string   // the file's line end here
	many   bool     // several lines are allowed
	indent indentStyle
}

const (
	placeWindow = 1 << 14 // bytes on either side; what lies beyond says nothing about the cursor's line
	belowLines  = 24
)

func newPlace(prefix, suffix string, opt CleanOptions) *place {
	end := "\n"
	if i := strings.IndexAny(suffix, "\r\n"); i >= 0 {
		_, end = cutLine(suffix)
	} else if i := strings.LastIndexAny(prefix, "\r\n"); i >= 0 {
		end = lineEnd(prefix[:i+1])
	}
	if cut := len(prefix) - placeWindow; cut > 0 {
		for splits(prefix, cut) {
			cut++
		}
		prefix = prefix[cut:]
	}
	if cut := placeWindow; cut < len(suffix) {
		for splits(suffix, cut) {
			cut--
		}
		suffix = suffix[:cut]
	}
	p := &place{opt: opt, prefix: ModelText(prefix), suffix: ModelText(suffix), end: end}
	before := strings.Split(p.prefix, "\n")
	p.line = before[len(before)-1]
	for i := len(before) - 2; i >= 0 && p.above == ""; i-- {
		if !blank(before[i]) {
			p.above = before[i]
		}
	}
	behind := strings.Split(p.suffix, "\n")
	p.rest = behind[0]
	for _, l := range behind[1:] {
		if len(p.below) == belowLines {
			break
		}
		if !blank(l) {
			p.below = append(p.below, l)
		}
	}
	p.many = opt.Lines == LinesMany || opt.Lines == LinesAuto && Multiline(prefix, suffix)
	p.indent = findIndentStyle(p.line, before, behind[1:], opt.Indent)
	return p
}

// Multiline says whether a completion between prefix and suffix should have several lines: the rest of the
// line is blank, and the line is, too, or opens a block or a list. Someone who has just accepted a completion
// gets several lines in any case, which the caller knows (LinesMany).
func Multiline(prefix, suffix string) bool {
	rest, _ := cutLine(suffix)
	line := prefix[strings.LastIndexAny(prefix, "\r\n")+1:]
	return blank(rest) && (blank(line) || opens(line))
}

// opens says that a line opens a block or a list that goes on below.
func opens(line string) bool {
	line = strings.TrimRight(line, " \t")
	if line == "" {
		return false
	}
	switch line[len(line)-1] {
	case '{', '(', '[', ':':
		return true
	}
	if strings.HasSuffix(line, "=>") || strings.HasSuffix(line, "->") {
		return true
	}
	word := line[strings.LastIndexFunc(line, func(r rune) bool { return !unicode.IsLetter(r) })+1:]
	return word == "then" || word == "do" || word == "else" || word == "begin"
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// closersOnly says that a line consists of what closes a block: brackets, perhaps with punctuation, or end.
func closersOnly(line string) bool {
	t := strings.TrimSpace(line)
	return t != "" && (strings.Trim(t, ")]}>;,") == "" || t == "end" || t == "fi" || t == "done" || t == "esac")
}

func trimBlankBefore(p *place, text string) string {
	body := strings.TrimRight(p.line, " \t")
	rest := strings.TrimLeft(text, " \t")
	if body == "" || len(body) != len(p.line)-1 || len(rest) != len(text)-1 {
		return text // more than one blank on either side is a table's
	}
	return rest
}

func trimBlankBehind(p *place, text string) string {
	if blank(p.rest) {
		return strings.TrimRight(text, " \t\n")
	}
	if p.rest[0] == ' ' || p.rest[0] == '\t' {
		return strings.TrimRight(text, " \t")
	}
	return text
}

func cutToLine(p *place, text string) string {
	if p.many {
		return text
	}
	text, _, _ = strings.Cut(text, "\n")
	return text
}

func dropTooLittle(p *place, text string) string {
	n := 0
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	switch strings.TrimSpace(text) {
	case "//", "#", "--", "/*", "/* */", "/**/", "<!-- -->", "\"\"\"\"\"\"":
		return "" // a comment that says nothing
	}
	if n < max(1, p.opt.MinChars) {
		return ""
	}
	return text
}

func fitLineEnds(p *place, text string) string {
	if p.end == "\n" {
		return text
	}
	return strings.ReplaceAll(text, "\n", p.end)
}

// runeBorder moves an offset back to the border of a rune.
func runeBorder(s string, i int) int {
	for i > 0 && i < len(s) && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}
