package prompt

import (
	"regexp"
	"strings"
)

// Declaration is a function, a type or the like, as far as lines and indentation tell.
type Declaration struct {
	Start, End int // bytes, whole lines
	Line       int // of its first line, from 0
}

// These rules look at single lines and at indentation. They need no parser for each language; where they are wrong, an
// action is offered too much or too little, and the user can select what is meant.
var (
	declarator = regexp.MustCompile(`^\s*(?:(?:export|default|public|private|protected|internal|static|async|abstract|final|sealed|override|open|unsafe|extern|inline|virtual|const|partial|suspend|data|local|pub(?:\([^)]*\))?)\s+)*` +
		`(?:func|def|class|interface|struct|enum|trait|impl|fn|type|module|function|record|namespace|protocol|object|sub|method|fun)\b`)
	// A method or function of C's descendants: a name, parentheses, and a brace at the end of the line.
	methodLine = regexp.MustCompile(`^\s*[\w<>\[\],.*&:?~@ \t]*\b([A-Za-z_]\w*)\s*\([^;{}]*\)[^;{}()]*\{\s*\}?\s*$`)
	arrowLine  = regexp.MustCompile(`^\s*(?:export\s+)?(?:const|let|var)\s+\w+.*=>\s*\{?\s*$`)
	control    = regexp.MustCompile(`^\s*(?:\}\s*)?(?:if|else|for|while|switch|catch|try|with|using|lock|do|return|match|when|select|synchronized|elif|unless|foreach|case)\b`)
)

// maxHead bounds how much of a line is looked at, in bytes: what declares something says so at once, and the menu must
// not wait for a line of megabytes.
const maxHead = 1000

// headOf is the beginning of line n.
func headOf(d Lines, n int) string {
	start, end := d.LineStart(n), d.LineEnd(n)
	return d.Slice(start, min(end, start+maxHead))
}

func declares(line string) bool {
	if control.MatchString(line) {
		return false
	}
	return declarator.MatchString(line) || methodLine.MatchString(line) || arrowLine.MatchString(line)
}

// DeclarationOn finds the declaration whose first line is n. It costs less than to look for the one around.
func DeclarationOn(d Lines, n int) (Declaration, bool) {
	if !declares(headOf(d, n)) {
		return Declaration{}, false
	}
	start, end, ok := BlockBelow(d, d.LineStart(n))
	return Declaration{start, end, n}, ok
}

// DeclarationAt finds the innermost declaration that line n belongs to.
func DeclarationAt(d Lines, n int) (Declaration, bool) {
	indent := 1 << 30
	for m := n; m >= 0 && n-m < maxBlockLines; m-- {
		line := headOf(d, m)
		if strings.TrimSpace(line) == "" {
			continue
		}
		in := indentOf(line)
		if in >= indent {
			continue
		}
		if indent = in; closesBlock(line) {
			indent++ // what it closes may be opened at the same indentation
		}
		if !declares(line) {
			continue
		}
		start, end, ok := BlockBelow(d, d.LineStart(m))
		if ok && d.LineStart(n) < end {
			return Declaration{start, end, m}, true
		}
	}
	return Declaration{}, false
}

var commentLine = regexp.MustCompile(`^(//|/\*|\*(?:[ */]|$)|#[^!\[]|#$|--|;|"""|'''|%|<!--|\(\*|\{-)`)

// Documented reports whether a comment stands directly above a declaration, or a string directly below its first
// line, as in Python. Attributes between the comment and the declaration do not matter.
func Documented(d Lines, decl Declaration) bool {
	for m := decl.Line - 1; m >= 0; m-- {
		line := strings.TrimSpace(headOf(d, m))
		if strings.HasPrefix(line, "@") || strings.HasPrefix(line, "#[") {
			continue
		}
		if commentLine.MatchString(line) {
			if _, ours := ParseComment(line); !ours {
				return true
			}
		}
		break
	}
	for m := decl.Line + 1; m < d.LineCount() && d.LineStart(m) < decl.End; m++ {
		if line := strings.TrimSpace(headOf(d, m)); line != "" {
			return strings.HasPrefix(line, `"""`) || strings.HasPrefix(line, "'''")
		}
	}
	return false
}

var (
	stubLine = regexp.MustCompile(`(?i)panic\((["'` + "`" + `])[^)]*(todo|implement)|\btodo\b|\bfixme\b|todo!\(|unimplemented!\(|NotImplemented|UnsupportedOperationException|^pass$|^\.\.\.$|throw new Error\(["'` + "`" + `][^)]*implement`)
	zeroLine = regexp.MustCompile(`^(?:return\b[\s(]*(?:nil|null|None|undefined|0|false|False|""|'')?[\s)]*(?:,\s*(?:nil|null|None|0|false))*;?|[)}\]]+[;,]?|end)$`)
	// What names an interface that is to be satisfied: Go's assertion, and declarations that say so.
	satisfies = regexp.MustCompile(`^\s*var\s+_\s+[\w.\[\]]+\s*=|^\s*impl\b.*\bfor\b|\bimplements\b`)
	todoLine  = regexp.MustCompile(`^\s*(?://|#|--|/\*|\*|;|<!--).*\b(?:TODO|FIXME)\b`)
)

// Stub is what at line n waits to be implemented: a declaration with nothing in its body but what says so, an interface
// that is named, or the line of a TODO.
func Stub(d Lines, n int) (start, end int, ok bool) {
	line := headOf(d, n)
	decl, in := DeclarationAt(d, n)
	switch {
	case in && isStub(d, decl):
		return decl.Start, decl.End, true
	case satisfies.MatchString(line):
		if in && decl.Line == n {
			return decl.Start, decl.End, true
		}
		return d.LineStart(n), nextStart(d, n), true
	case todoLine.MatchString(line):
		return d.LineStart(n), nextStart(d, n), true
	}
	return 0, 0, false
}

// isStub reports whether a declaration has a body in which nothing happens yet.
func isStub(d Lines, decl Declaration) bool {
	head := strings.TrimSpace(headOf(d, decl.Line))
	if strings.HasSuffix(head, "{}") || strings.HasSuffix(head, "{ }") {
		return methodLine.MatchString(head) || strings.Contains(head, "(")
	}
	said, lines := false, 0
	for m := decl.Line + 1; m < d.LineCount() && d.LineStart(m) < decl.End; m++ {
		line := strings.TrimSpace(headOf(d, m))
		switch {
		case line == "" || line == "{" || strings.HasPrefix(line, `"""`):
		case stubLine.MatchString(line):
			said = true
		case zeroLine.MatchString(line):
			if strings.HasPrefix(line, "return") {
				lines++
			}
		default:
			return false
		}
	}
	opened := strings.HasSuffix(head, "{") && strings.Contains(head, "(")
	return said || opened && lines == 0 && decl.End > nextStart(d, decl.Line)
}

// Statements counts the statements that begin in the bytes [start, end) at the indentation of the first of them: what
// could stand in a function of its own. Lines that close a block begin none.
func Statements(d Lines, start, end int) int {
	count, base := 0, -1
	for n := lineAt(d, start); n < d.LineCount() && d.LineStart(n) < end; n++ {
		line := headOf(d, n)
		s := strings.TrimSpace(line)
		if s == "" || commentLine.MatchString(s) {
			continue
		}
		in := indentOf(line)
		if base < 0 {
			if base = in; base == 0 {
				return 0 // not inside of anything
			}
		}
		switch {
		case in < base:
			return 0
		case in == base && !closesBlock(line):
			count++
		}
	}
	return count
}
