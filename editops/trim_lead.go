package editops

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// controlToken matches the markup of fill-in-the-middle and chat models. <| and |> with a name between them is
// no operator of any language, and the words in angle brackets are no elements.
var controlToken = regexp.MustCompile(`<\|[a-z0-9_▁]+\|>|<｜[^｜\n]{1,40}｜>|</?s>|<(?:fim_prefix|fim_suffix|fim_middle|fim_pad|file_sep|repo_name|filename|PRE|SUF|MID|EOT|CURSOR)>`)

// cutControlTokens drops such markup from the beginning and everything from the first one further on. Markup
// that the file itself contains is the file's subject.
func cutControlTokens(p *place, text string) string {
	for {
		at := controlToken.FindStringIndex(text)
		if at == nil {
			return text
		}
		token := text[at[0]:at[1]]
		switch {
		case strings.Contains(p.prefix, token) || strings.Contains(p.suffix, token):
			return text
		case blank(text[:at[0]]):
			text = text[at[1]:]
		default:
			return text[:at[0]]
		}
	}
}

// cutLeadIn drops what a model says before it comes to the point: prose and fences, the name of the file, and
// text that stands before the cursor already (D3).
func cutLeadIn(p *place, text string) string {
	if !p.opt.Markdown {
		text = cutFenced(p, text)
		text = cutPathLine(text)
	}
	return cutEcho(p, text)
}

var prose = regexp.MustCompile(`(?i)^\s*(here('s| is| are)|sure\b|certainly\b|of course\b|okay\b|below is|the (complete|completed|completion|missing|following|code|updated)\b|to complete\b|i('ll| will|'ve| have)\b|this (is|completes|code)\b|you can\b)`)

// cutFenced takes the code out of an answer in the manner of a chat: prose, a fence, the code, a fence, prose.
// Prose without a fence is one line that ends in a colon.
func cutFenced(p *place, text string) string {
	lines := strings.Split(text, "\n")
	first := 0
	for first < len(lines)-1 && blank(lines[first]) {
		first++
	}
	if fence, _ := cutFence(lines[first]); fence == "" {
		if !prose.MatchString(lines[first]) {
			return cutClosingFence(p, text, lines)
		}
		open := slices.IndexFunc(lines, func(l string) bool { fence, _ := cutFence(l); return fence != "" })
		if open < 0 || open > first+5 {
			if strings.HasSuffix(strings.TrimSpace(lines[first]), ":") && blank(p.line) && !comment(p.above) {
				return strings.TrimLeft(strings.Join(lines[first+1:], "\n"), "\n")
			}
			return text
		}
		lines = lines[open:]
	}
	f := newFenceFilter("", false)
	var body []string
	for _, l := range lines {
		body = append(body, f.line(l)...)
	}
	return strings.Join(append(body, f.finish()...), "\n")
}

// cutClosingFence cuts at a fence that closes one which only the model's template has opened.
func cutClosingFence(p *place, text string, lines []string) string {
	at := 0
	for _, l := range lines {
		if strings.HasPrefix(l, "```") && blank(strings.Trim(l, "`")) && !strings.Contains(p.prefix, "```") {
			return text[:max(0, at-1)]
		}
		at += len(l) + 1
	}
	return text
}

// leadInOpen says that a text, of which more is to come, is nothing but lead-in so far, so that it cannot be
// judged yet.
func leadInOpen(p *place, text string) bool {
	got := strings.TrimLeft(text, " \t")
	if blank(got) {
		return true
	}
	if !p.opt.Markdown && prose.MatchString(strings.TrimLeft(text, "\n")) && strings.Count(text, "\n") < 6 && !strings.Contains(text, "\n```") {
		return true
	}
	start := len(p.prefix) - len(p.line)
	for k := 1; k <= echoLines && start > 0; k++ {
		start = strings.LastIndexByte(p.prefix[:start-1], '\n') + 1
		if tail := strings.TrimLeft(p.prefix[start:], " \t"); strings.HasPrefix(tail, got) && letters(tail) >= 6 {
			return true
		}
	}
	return false
}

var pathLine = regexp.MustCompile(`^\s*(//|#|--|<!--|/\*|;)\s*(Path|File|Filename):\s*\S+\s*(-->|\*/)?\s*\n`)

// cutPathLine drops the comment with the file's name that prompts put above a snippet and models repeat.
func cutPathLine(text string) string { return text[len(pathLine.FindString(text)):] }

// comment says that a line is one.
func comment(line string) bool {
	t := strings.TrimSpace(line)
	for _, mark := range []string{"//", "#", "*", "/*", "--", "<!--", "\"\"\"", "'''", ";;", "%"} {
		if strings.HasPrefix(t, mark) {
			return true
		}
	}
	return strings.Contains(line, "// ") || strings.Contains(line, " # ")
}

// echoLines is the number of whole lines above the cursor that an answer may begin with.
const echoLines = 8

// cutEcho drops the beginning of a text that repeats what stands before the cursor: lines above, the cursor's
// line, the word at the cursor, the operator before it.
func cutEcho(p *place, text string) string {
	tail := p.line
	start := len(p.prefix) - len(p.line)
	echo := 0
	if n := echoOf(p.line, text); n > 0 && (letters(p.line) >= 2 || indentedAs(p.line, text)) {
		echo = n
	}
	proof := 0
	for k := 1; k <= echoLines && start > 0; k++ {
		start = strings.LastIndexByte(p.prefix[:start-1], '\n') + 1
		tail = p.prefix[start:]
		first, _ := cutLine(tail)
		proof += letters(first)
		if n := echoOf(tail, text); n > 0 && proof >= 6 {
			echo = n
		}
	}
	if echo > 0 {
		return text[echo:]
	}
	return cutDoubledToken(p, text)
}

// indentedAs says that a text begins with a line's own indentation, which nothing that belongs into the middle of that
// line does: so the line is repeated, however short what follows the indentation is.
func indentedAs(line, text string) bool {
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	return indent != "" && !blank(line) && strings.HasPrefix(text, indent) && len(strings.TrimLeft(text, " \t")) == len(text)-len(indent)
}

// echoOf is the length of the beginning of text that repeats tail; leading blanks do not count, nor do blanks
// at the end of tail.
func echoOf(tail, text string) int {
	want := strings.TrimLeft(tail, " \t")
	got := strings.TrimLeft(text, " \t")
	if want != "" && strings.HasPrefix(got, want) {
		return len(text) - len(got) + len(want)
	}
	if i := strings.LastIndexByte(want, '\n'); i < 0 || !blank(want[i:]) {
		want = strings.TrimRight(want, " \t")
	} else {
		want = want[:i+1]
	}
	if want == "" || !strings.HasPrefix(got, want) {
		return 0
	}
	return len(text) - len(got) + len(want)
}

func letters(s string) int {
	n := 0
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

// cutDoubledToken drops a word or an operator at the beginning that is the last one before the cursor.
func cutDoubledToken(p *place, text string) string {
	word := p.line[len(p.line)-len(trailingWord(p.line)):]
	if r, _ := utf8.DecodeRuneInString(word); len(word) >= 2 && (unicode.IsLetter(r) || r == '_') && strings.HasPrefix(text, word) {
		return text[len(word):]
	}
	line := strings.TrimRight(p.line, " \t")
	if line == p.line {
		return text
	}
	for _, op := range []string{":=", "=>", "->", "+=", "-=", "==", "!=", "&&", "||", "=", ":"} {
		if strings.HasSuffix(line, op) && strings.HasPrefix(strings.TrimLeft(text, " "), op+" ") {
			return strings.TrimLeft(text, " ")[len(op)+1:]
		}
	}
	return text
}

// trailingWord is the identifier that a text ends with.
func trailingWord(s string) string {
	i := strings.LastIndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	if i < 0 {
		return s
	}
	_, n := utf8.DecodeRuneInString(s[i:])
	return s[i+n:]
}
