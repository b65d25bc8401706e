package offline

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is the class of a token. The lexer is one for all languages: it must agree with itself, not with a
// compiler, and it must survive a text that is being typed.
type kind uint8

const (
	newline kind = iota + 1 // a run of line ends, with the blank lines and comments between them
	ident
	number
	literal // a string or character literal, with its quotes
	punct   // an operator or bracket, by longest match
)

// syntax is what the lexer needs to know of a language.
type syntax struct {
	line   []string    // start a comment to the end of the line
	block  [][2]string // comments with an end
	quotes string      // each starts a literal that ends on its line
	raw    []string    // each starts and ends a literal that may span lines; tried before quotes
	dashes bool        // "-" is part of a name (CSS, Lisp, shell options)
	prose  bool        // text for people: no literals, no operators worth joining
}

var (
	cLike  = syntax{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: `"'`}
	goLike = syntax{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: `"'`, raw: []string{"`"}}
	// In Rust an apostrophe starts a lifetime more often than a character.
	rustLike  = syntax{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: `"`}
	pyLike    = syntax{line: []string{"#"}, quotes: `"'`, raw: []string{`"""`, "'''"}}
	hashLike  = syntax{line: []string{"#"}, quotes: `"'`}
	sqlLike   = syntax{line: []string{"--"}, block: [][2]string{{"/*", "*/"}}, quotes: `"'`}
	luaLike   = syntax{line: []string{"--"}, block: [][2]string{{"--[[", "]]"}}, quotes: `"'`}
	lispLike  = syntax{line: []string{";"}, quotes: `"`, dashes: true}
	cssLike   = syntax{line: nil, block: [][2]string{{"/*", "*/"}}, quotes: `"'`, dashes: true}
	sassLike  = syntax{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: `"'`, dashes: true}
	xmlLike   = syntax{block: [][2]string{{"<!--", "-->"}}, quotes: `"`, dashes: true}
	phpLike   = syntax{line: []string{"//", "#"}, block: [][2]string{{"/*", "*/"}}, quotes: `"'`}
	texLike   = syntax{line: []string{"%"}, prose: true}
	proseLike = syntax{prose: true}
)

// byLanguage maps LSP language ids, which are also good names for extensions.
var byLanguage = map[string]*syntax{
	"c": &cLike, "cpp": &cLike, "csharp": &cLike, "java": &cLike, "objective-c": &cLike, "dart": &cLike, "proto": &cLike, "proto3": &cLike, "zig": &cLike,
	"go": &goLike, "javascript": &goLike, "javascriptreact": &goLike, "typescript": &goLike, "typescriptreact": &goLike, "kotlin": &cLike,
	"scala": &cLike, "swift": &cLike, "vue": &goLike, "svelte": &goLike, "groovy": &cLike, "json": &cLike, "jsonc": &cLike,
	"rust": &rustLike, "python": &pyLike, "starlark": &pyLike, "ruby": &hashLike, "shellscript": &hashLike, "perl": &hashLike, "r": &hashLike, "yaml": &hashLike,
	"toml": &hashLike, "makefile": &hashLike, "dockerfile": &hashLike, "elixir": &pyLike, "julia": &pyLike, "nix": &hashLike, "terraform": &hashLike, "graphql": &pyLike,
	"sql": &sqlLike, "haskell": &sqlLike, "lua": &luaLike, "clojure": &lispLike, "lisp": &lispLike, "scheme": &lispLike, "css": &cssLike, "scss": &sassLike, "less": &sassLike,
	"html": &xmlLike, "xml": &xmlLike, "php": &phpLike, "latex": &texLike, "tex": &texLike, "markdown": &proseLike, "plaintext": &proseLike, "text": &proseLike, "git-commit": &proseLike,
}

var byExtension = map[string]string{
	"h": "c", "cc": "cpp", "cxx": "cpp", "hpp": "cpp", "hh": "cpp", "cs": "csharp", "m": "objective-c", "mm": "objective-c",
	"js": "javascript", "mjs": "javascript", "cjs": "javascript", "jsx": "javascript", "ts": "typescript", "mts": "typescript", "cts": "typescript", "tsx": "typescript",
	"kt": "kotlin", "kts": "kotlin", "sc": "scala", "rs": "rust", "py": "python", "pyi": "python", "bzl": "starlark", "rb": "ruby", "sh": "shellscript", "bash": "shellscript",
	"zsh": "shellscript", "pl": "perl", "pm": "perl", "yml": "yaml", "mk": "makefile", "ex": "elixir", "exs": "elixir", "jl": "julia", "tf": "terraform", "hcl": "terraform",
	"hs": "haskell", "clj": "clojure", "el": "lisp", "scm": "scheme", "htm": "html", "md": "markdown", "txt": "plaintext", "gql": "graphql",
}

// syntaxOf finds a file's syntax by the language id, else by the path's extension. What is unknown is read
// like C with "#" comments left alone, which is right for most brackets-and-semicolons languages.
func syntaxOf(path, language string) *syntax {
	if s := byLanguage[language]; s != nil {
		return s
	}
	ext := strings.ToLower(path[strings.LastIndexAny(path, "./")+1:])
	if s := byLanguage[ext]; s != nil {
		return s
	}
	if s := byLanguage[byExtension[ext]]; s != nil {
		return s
	}
	return &cLike
}

// operators of more than one character, by their first byte; the longest is tried first.
var operators = func() (table [128][]string) {
	for op := range strings.FieldsSeq("<<= >>= ... === !== ** **= ??= &&= ||= ..= <=> := == != <= >= && || ++ -- += -= *= /= %= &= |= ^= << >> -> => :: ?? ?. .. |> </ /> </") {
		list := &table[op[0]]
		at := 0
		for at < len(*list) && len((*list)[at]) >= len(op) {
			at++
		}
		*list = append((*list)[:at], append([]string{op}, (*list)[at:]...)...)
	}
	return table
}()

// lexer walks over a text. After next returns false, open says whether the text ended inside a comment or a literal.
type lexer struct {
	*syntax
	text string
	pos  int
	open opened

	// The token found last.
	kind       kind
	start, end int
}

type opened uint8

const (
	inCode opened = iota
	inComment
	inLiteral
)

// next finds the next token. Comments and blanks are passed over; runs of line ends count as one.
func (l *lexer) next() bool {
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		switch {
		case c == '\n' || c == '\r':
			l.kind, l.start = newline, l.pos
			l.pos++
			l.end = l.pos
			return true
		case c == ' ' || c == '\t' || c == '\f' || c == '\v':
			l.pos++
		case isWordStart(c):
			l.word()
			return true
		case '0' <= c && c <= '9':
			l.number()
			return true
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(l.text[l.pos:])
			if unicode.IsLetter(r) {
				l.word()
				return true
			}
			if unicode.IsSpace(r) {
				l.pos += size
				continue
			}
			l.token(punct, size)
			return true
		default:
			if l.comment() {
				continue
			}
			if l.pos == len(l.text) {
				return false
			}
			if l.literal(c) {
				return true
			}
			if l.open != inCode {
				return false
			}
			size := 1
			if c < 128 && !l.prose {
				for _, op := range operators[c] {
					if strings.HasPrefix(l.text[l.pos:], op) {
						size = len(op)
						break
					}
				}
			}
			l.token(punct, size)
			return true
		}
	}
	return false
}

func (l *lexer) token(k kind, size int) {
	l.kind, l.start = k, l.pos
	l.pos += size
	l.end = l.pos
}

func isWordStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '$'
}

func isWordByte(c byte) bool { return isWordStart(c) || '0' <= c && c <= '9' }

func (l *lexer) word() {
	i := l.pos
	for i < len(l.text) {
		c := l.text[i]
		if isWordByte(c) || c == '-' && l.dashes && i > l.pos {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			break
		}
		r, size := utf8.DecodeRuneInString(l.text[i:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) {
			break
		}
		i += size
	}
	l.token(ident, i-l.pos)
}

func (l *lexer) number() {
	i := l.pos
	for i < len(l.text) {
		c := l.text[i]
		if !isWordByte(c) && !(c == '.' && i+1 < len(l.text) && '0' <= l.text[i+1] && l.text[i+1] <= '9') {
			break
		}
		i++
	}
	l.token(number, i-l.pos)
}

// comment passes over a comment that starts here. One without an end reaches to the end of the text.
func (l *lexer) comment() bool {
	rest := l.text[l.pos:]
	for _, b := range l.block {
		if strings.HasPrefix(rest, b[0]) {
			end := strings.Index(rest[len(b[0]):], b[1])
			if end < 0 {
				l.pos, l.open = len(l.text), inComment
			} else {
				l.pos += len(b[0]) + end + len(b[1])
			}
			return true
		}
	}
	for _, s := range l.line {
		if strings.HasPrefix(rest, s) {
			end := strings.IndexAny(rest, "\r\n")
			if end < 0 {
				l.pos, l.open = len(l.text), inComment
			} else {
				l.pos += end
			}
			return true
		}
	}
	return false
}

// literal takes a literal that starts here. A quote without its partner is a mere character, unless the text
// ends first: then the cursor is inside the literal, and open says so.
func (l *lexer) literal(c byte) bool {
	if l.prose {
		return false
	}
	rest := l.text[l.pos:]
	for _, q := range l.raw {
		if strings.HasPrefix(rest, q) {
			end := strings.Index(rest[len(q):], q)
			if end < 0 {
				l.open = inLiteral
				return false
			}
			l.token(literal, 2*len(q)+end)
			return true
		}
	}
	if strings.IndexByte(l.quotes, c) < 0 {
		return false
	}
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case c:
			l.token(literal, i+1)
			return true
		case '\n', '\r':
			return false
		}
	}
	l.open = inLiteral
	return false
}
