package related

import (
	"iter"
	"slices"
	"strings"
)

// Definition is something that a file defines for others to use.
type Definition struct {
	Name  string
	Owner string // the type that it belongs to, "" for none
	Line  int    // from 1
	Type  bool   // it is a type: a class, an interface, a struct
	Text  string // its signature, or of a type what it consists of, whole lines
}

// What an outline looks at, and shows.
const (
	maxFile      = 512 << 10 // bytes
	maxLine      = 600       // bytes; longer lines are nobody's handwriting
	maxSignature = 6         // lines
	maxBody      = 24        // lines of a type
	maxText      = 1600      // bytes of either
)

// Outline lists what a text defines, in its order. language is LSP's id; of one that is not known by its rules, what
// looks like a definition in most languages is listed.
func Outline(language, text string) []Definition {
	if len(text) > maxFile {
		text = text[:maxFile]
	}
	o := outliner{lines: splitLines(text), family: familyOf(language)}
	o.run()
	return o.found
}

// family is a group of languages that are outlined by the same rules.
type family uint8

const (
	generic family = iota
	golang
	script // TypeScript and JavaScript
	python
	rust
	jvm // Java, Kotlin, C#, Scala, Swift, PHP, Dart
	cfamily
	ruby
)

func familyOf(language string) family {
	switch language {
	case "go":
		return golang
	case "typescript", "typescriptreact", "javascript", "javascriptreact", "vue", "svelte":
		return script
	case "python":
		return python
	case "rust":
		return rust
	case "java", "kotlin", "csharp", "scala", "swift", "php", "dart":
		return jvm
	case "c", "cpp", "objective-c", "objective-cpp", "cuda-cpp":
		return cfamily
	case "ruby", "elixir", "lua", "julia", "crystal":
		return ruby
	}
	return generic
}

// LanguageOf guesses LSP's id from a file's name, "" when the name says nothing.
func LanguageOf(path string) string {
	ext := path[strings.LastIndexByte(path, '.')+1:]
	switch ext {
	case "go", "java", "swift", "php", "dart", "lua", "c", "vue", "svelte", "scala":
		return ext
	case "ts", "mts", "cts":
		return "typescript"
	case "tsx":
		return "typescriptreact"
	case "js", "mjs", "cjs":
		return "javascript"
	case "jsx":
		return "javascriptreact"
	case "py", "pyi":
		return "python"
	case "rs":
		return "rust"
	case "kt", "kts":
		return "kotlin"
	case "cs":
		return "csharp"
	case "cc", "cpp", "cxx", "h", "hh", "hpp", "hxx", "inl":
		return "cpp"
	case "rb":
		return "ruby"
	case "ex", "exs":
		return "elixir"
	case "jl":
		return "julia"
	}
	return ""
}

func splitLines(text string) []string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return lines
}

// scope is a type in whose lines the outliner is.
type scope struct {
	indent int
	name   string
}

type outliner struct {
	lines  []string
	family family
	found  []Definition
	scopes []scope
	group  string // Go: the keyword of the group of declarations that the outliner is in
}

func (o *outliner) run() {
	comment := false // in a block comment
	for n, line := range o.lines {
		trimmed := strings.TrimLeft(line, " \t")
		if trimmed == "" || len(line) > maxLine {
			continue
		}
		if comment {
			comment = !strings.Contains(trimmed, "*/")
			continue
		}
		if strings.HasPrefix(trimmed, "/*") {
			comment = !strings.Contains(trimmed, "*/")
			continue
		}
		if strings.HasPrefix(trimmed, "//") || trimmed[0] == '*' || trimmed[0] == '#' && o.family != cfamily && o.family != rust {
			continue
		}
		indent := indentOf(line)
		for len(o.scopes) > 0 && indent <= o.scopes[len(o.scopes)-1].indent && !closer(trimmed) {
			o.scopes = o.scopes[:len(o.scopes)-1]
		}
		if o.family == golang {
			o.goLine(n, indent, trimmed)
			continue
		}
		o.line(n, indent, trimmed)
	}
}

// closer reports whether a line only closes or opens what stands above it: "}", "{", ") {".
func closer(trimmed string) bool { return strings.ContainsRune("})]{", rune(trimmed[0])) }

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

// goLine knows gofmt: what a package declares begins in the first column, or one tab deep in a group.
func (o *outliner) goLine(n, indent int, s string) {
	if indent > 0 {
		if o.group != "" && indent == 8 && !strings.HasPrefix(o.lines[n], "\t\t") {
			if name := word(s); name != "" {
				o.add(n, name, "", o.group == "type")
			}
		}
		return
	}
	if o.group != "" && s[0] == ')' {
		o.group = ""
		return
	}
	key := word(s)
	rest := strings.TrimLeft(s[len(key):], " ")
	switch key {
	case "func":
		owner := ""
		if strings.HasPrefix(rest, "(") {
			end := strings.IndexByte(rest, ')')
			if end < 0 {
				return
			}
			receiver := rest[1:end]
			if i := strings.IndexByte(receiver, '['); i >= 0 {
				receiver = receiver[:i]
			}
			receiver = strings.TrimSpace(receiver)
			owner = receiver[strings.LastIndexAny(receiver, " *")+1:]
			rest = strings.TrimLeft(rest[end+1:], " ")
		}
		if name := word(rest); name != "" {
			o.add(n, name, owner, false)
		}
	case "type", "var", "const":
		if strings.HasPrefix(rest, "(") {
			o.group = key
		} else if name := word(rest); name != "" {
			o.add(n, name, "", key == "type")
		}
	}
}

// modifiers stand before the word that says what is declared.
var modifiers = set("export default declare async public private protected internal static final abstract override sealed partial " +
	"readonly open data inline virtual extern unsafe pub const constexpr explicit friend mut local suspend lateinit native synchronized " +
	"transient volatile required fileprivate noexcept implicit lazy case")

// typeWords declare a type, funcWords a function, valueWords a value.
var (
	typeWords  = set("class interface struct enum trait type union record object protocol typedef module namespace mod impl extension defmodule concept")
	funcWords  = set("func function def fn fun defp macro_rules! sub proc method get set")
	valueWords = set("const let var val static using #define")
	notNames   = set("if for while switch return else catch do try throw new delete case default await yield sizeof assert elif except with in is not and or match when unless until super this self import from package use using namespace goto print synchronized constructor")
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// line outlines a line of a language in which a keyword declares, or a name before a parenthesis in a type.
func (o *outliner) line(n, indent int, s string) {
	owner := ""
	if len(o.scopes) > 0 {
		owner = o.scopes[len(o.scopes)-1].name
	}
	if owner == "" && indent > 0 && (o.family == script || o.family == rust || o.family == cfamily) && indent > 8 {
		return // within a function
	}
	rest := s
	if strings.HasPrefix(rest, "@") { // an annotation on the same line
		if i := strings.IndexByte(rest, ' '); i > 0 && !strings.Contains(rest[:i], "(") {
			rest = strings.TrimLeft(rest[i:], " ")
		}
	}
	for {
		w := word(rest)
		if w == "" || !modifiers[w] {
			break
		}
		next := rest[len(w):]
		if strings.HasPrefix(next, "(") { // pub(crate)
			if i := strings.IndexByte(next, ')'); i >= 0 {
				next = next[i+1:]
			}
		}
		if !strings.HasPrefix(next, " ") {
			break
		}
		after := strings.TrimLeft(next, " ")
		if (w == "const" && o.family != jvm && o.family != cfamily || w == "static" && o.family == rust) && !declares(word(after)) && !modifiers[word(after)] {
			break // it declares itself
		}
		rest = after
	}
	key := word(rest)
	if strings.HasPrefix(rest, "#define") {
		key = "#define"
	}
	name := ""
	if len(key) < len(rest) && (rest[len(key)] == ' ' || rest[len(key)] == '*') {
		name = word(strings.TrimLeft(rest[len(key):], " *"))
	}
	switch {
	case key == "impl": // impl<T> Trait for Type
		target := rest[len("impl"):]
		if i := strings.Index(target, " for "); i >= 0 {
			target = target[i+len(" for "):]
		} else if strings.HasPrefix(target, "<") {
			target = target[strings.IndexByte(target, '>')+1:]
		}
		o.scopes = append(o.scopes, scope{indent, word(strings.TrimLeft(target, " &"))})
	case name == "":
		o.member(n, indent, rest, owner)
	case key == "get" || key == "set":
		if owner != "" {
			o.add(n, name, owner, false)
		}
	case typeWords[key] && o.family == cfamily && key != "typedef" && strings.Contains(rest, "("): // struct point *f(
		o.member(n, indent, rest, owner)
	case typeWords[key]:
		if o.family == cfamily && strings.HasSuffix(s, ";") && key != "typedef" && !strings.Contains(s, "{") {
			return // declared, defined elsewhere
		}
		if key == "typedef" || key == "type" && o.family != script && o.family != rust && o.family != generic {
			words := slices.Collect(identifiers(s))
			if len(words) > 1 {
				name = words[len(words)-1]
			}
		}
		if key == "enum" && (name == "class" || name == "struct") {
			words := slices.Collect(identifiers(rest))
			if len(words) > 2 {
				name = words[2]
			}
		}
		if key == "namespace" {
			return // its name alone says nothing
		}
		o.add(n, name, "", key != "mod" && key != "module" && key != "defmodule")
		if key != "typedef" {
			o.scopes = append(o.scopes, scope{indent, name})
		}
	case funcWords[key]:
		if o.family == ruby && strings.Contains(rest, "def self.") {
			name = word(rest[strings.Index(rest, "def self.")+len("def self."):])
		}
		o.add(n, name, owner, false)
	case valueWords[key]:
		if indent == 0 && (key != "using" || o.family == cfamily && strings.Contains(rest, "=")) {
			o.add(n, name, owner, false)
		}
	default:
		o.member(n, indent, rest, owner)
	}
}

func declares(w string) bool { return typeWords[w] || funcWords[w] || valueWords[w] }

// member outlines a function that no keyword declares: a method of a class, or C's functions.
func (o *outliner) member(n, indent int, s, owner string) {
	if o.family == python || o.family == ruby || o.family == rust || o.family == generic {
		return
	}
	if owner == "" && !(o.family == cfamily && indent == 0) {
		return
	}
	open := strings.IndexByte(s, '(')
	if open <= 0 || strings.ContainsAny(s[:open], "=\"'") {
		if owner != "" && open < 0 && o.family == script { // a property: name: Type;
			return
		}
		if open <= 0 {
			return
		}
		if i := strings.IndexAny(s[:open], "=\"'"); i >= 0 {
			return
		}
	}
	head := s[:open]
	if i := strings.IndexByte(head, '<'); i > 0 && strings.HasSuffix(head, ">") && (o.family == script || o.family == jvm) {
		head = head[:i] // name<T>(
	}
	start := len(head)
	for start > 0 && isWord(head[start-1]) {
		start--
	}
	name := head[start:]
	first := word(s)
	if name == "" || notNames[name] || notNames[first] || name[0] >= '0' && name[0] <= '9' {
		return
	}
	if o.family == cfamily {
		before := strings.TrimRight(head[:start], " ")
		if i := strings.LastIndex(before, "::"); i >= 0 && i == len(before)-2 { // Type::method
			owner = word(before[lastStart(before[:i]):i])
			before = before[:lastStart(before[:i])]
		}
		if before == "" && owner == "" || strings.HasSuffix(s, ";") && owner == "" && before == "" {
			return
		}
	} else if strings.HasSuffix(s, ";") && !strings.Contains(s, ":") && o.family == script {
		return // a call
	} else if strings.ContainsAny(head[:start], ".") || o.family == jvm && strings.TrimSpace(head[:start]) == "" && name != owner {
		return
	}
	o.add(n, name, owner, false)
}

func lastStart(s string) int {
	i := len(s)
	for i > 0 && isWord(s[i-1]) {
		i--
	}
	return i
}

// add lists what line n defines.
func (o *outliner) add(n int, name, owner string, isType bool) {
	if len(name) < 2 || name == "main" || name == "init" && o.family == golang {
		return
	}
	end := n + 1
	base := indentOf(o.lines[n])
	var text string
	if isType {
		text = o.body(n, base)
	} else {
		depth := parens(o.lines[n])
		for end < len(o.lines) && end-n < maxSignature && depth > 0 {
			depth += parens(o.lines[end])
			end++
		}
	}
	if !isType {
		text = strings.TrimRight(strings.Join(o.lines[n:end], "\n"), " {\t")
	}
	if len(text) > maxText {
		text = text[:strings.LastIndexByte(text[:maxText], '\n')] // the first line is shorter
	}
	o.found = append(o.found, Definition{strings.Clone(name), strings.Clone(owner), n + 1, isType, strings.Clone(text) + "\n"})
}

// body is what a type consists of: its own lines, and those one step deeper without the bodies of what they begin.
func (o *outliner) body(n, base int) string {
	first := strings.TrimRight(o.lines[n], " \t")
	open := strings.HasSuffix(first, "{") || strings.HasSuffix(first, ":") || o.family != golang && !strings.HasSuffix(first, ";") && !strings.HasSuffix(first, "}")
	if !open {
		return first
	}
	kept := []string{first}
	step := 0 // the indentation of members
	for i := n + 1; i < len(o.lines) && i < n+20*maxBody && len(kept) < maxBody; i++ {
		l := strings.TrimRight(o.lines[i], " \t")
		t := strings.TrimLeft(l, " \t")
		if t == "" {
			continue
		}
		if o.family == cfamily && strings.HasSuffix(t, ":") {
			continue // public:
		}
		indent := indentOf(l)
		if indent <= base {
			if t[0] == '{' && len(kept) == 1 {
				kept = append(kept, l)
				continue
			}
			if t[0] == '}' || t[0] == ')' {
				kept = append(kept, l)
			}
			break
		}
		if step == 0 {
			step = indent
		}
		if indent > step && o.family != golang || strings.Trim(t, "{}();,") == "" {
			continue
		}
		kept = append(kept, strings.TrimRight(l, " {"))
	}
	return strings.Join(kept, "\n")
}

func parens(line string) int { return strings.Count(line, "(") - strings.Count(line, ")") }

// word is the identifier that s begins with.
func word(s string) string {
	i := 0
	for i < len(s) && isWord(s[i]) {
		i++
	}
	if i < len(s) && s[i] == '!' && s[:i] == "macro_rules" {
		i++
	}
	return s[:i]
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

// identifiers are the names in a text, in order, each as often as it stands there.
func identifiers(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i < len(s); {
			if !isWord(s[i]) {
				i++
				continue
			}
			j := i
			for j < len(s) && isWord(s[j]) {
				j++
			}
			if (s[i] < '0' || s[i] > '9') && !yield(s[i:j]) {
				return
			}
			i = j
		}
	}
}
