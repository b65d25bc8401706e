package loopback

import (
	"regexp"
	"strings"
)

// Name is what the canned answers say of themselves.
const Name = "spark loopback model"

// Job is what a request seems to be for, by the marks in it.
type Job string

const (
	CompletionJob Job = "completion" // text at <|cursor|>, or any fill-in-the-middle request
	EditJob       Job = "edit"       // a replacement for the lines between <region> and </region>
	OtherJob      Job = "other"
)

// CursorMark is where a completion is asked for, in a prompt made of messages.
const CursorMark = "<|cursor|>"

// Job looks for the marks in the new input first, and then in all that the model reads: rules and examples
// in a warmed base may hold both marks.
func (x *Exchange) Job() Job {
	switch x.Dialect {
	case Infill, Ollama, Mistral, DeepSeek, Completions:
		return CompletionJob
	}
	for _, text := range []string{x.Input, x.FullInput()} {
		if _, ok := region(text); ok {
			return EditJob
		}
		if strings.Contains(text, CursorMark) {
			return CompletionJob
		}
	}
	return OtherJob
}

// Region is the text that an edit request asks to replace: the lines strictly between the last pair of a
// line <region> and a line </region>, line ends included.
func (x *Exchange) Region() (string, bool) {
	if r, ok := region(x.Input); ok {
		return r, true
	}
	return region(x.FullInput())
}

func region(text string) (string, bool) {
	lines := strings.SplitAfter(text, "\n")
	end := -1
	for i := len(lines) - 1; i >= 0; i-- {
		switch strings.TrimRight(lines[i], "\r\n") {
		case "</region>":
			if end < 0 {
				end = i
			}
		case "<region>":
			if end >= 0 {
				return strings.Join(lines[i+1:end], ""), true
			}
		}
	}
	return "", false
}

// Canned answers without a script: a comment that names the loopback model at a cursor, the same comment
// above the region of an edit (which is otherwise unchanged), and a sentence for anything else.
func Canned(x *Exchange) {
	if x.Text(cannedText(x)) == nil {
		_ = x.Done()
	}
}

func cannedText(x *Exchange) string {
	switch x.Job() {
	case EditJob:
		old, _ := x.Region()
		first, _, _ := strings.Cut(old, "\n")
		indent := first[:len(first)-len(strings.TrimLeft(first, " \t"))]
		eol := "\n"
		if strings.HasSuffix(first, "\r") {
			eol = "\r\n"
		}
		return indent + comment(old, x.FullInput()) + eol + old
	case CompletionJob:
		return comment(x.Prefix+x.Suffix, x.FullInput())
	}
	return "This is the " + Name + ". It has no weights and says this to everything.\n"
}

// comment is the canned comment in the comment syntax of the text: the one that most comment lines of code
// use, else the one of the last file name in what the model reads, else that of the C family. All of it is a
// guess, since nothing says which language a prompt is in.
func comment(code, input string) string {
	marks := []struct{ open, close string }{{"//", ""}, {"#", ""}, {"--", ""}, {";", ""}, {"%", ""}, {"<!--", " -->"}, {"/*", " */"}}
	best, most := 0, 0
	for i, m := range marks {
		n := 0
		for line := range strings.Lines(code) {
			// "#include" and "--flag" are no comments: a mark wants a space behind it.
			if strings.HasPrefix(strings.TrimLeft(line, " \t"), m.open+" ") {
				n++
			}
		}
		if n > most {
			best, most = i, n
		}
	}
	if most > 0 {
		return marks[best].open + " " + Name + marks[best].close
	}
	names := fileName.FindAllStringSubmatch(input, -1)
	if len(names) > 0 {
		switch names[len(names)-1][1] {
		case "py", "rb", "sh", "toml", "yaml", "yml", "pl", "r", "ex", "nix":
			return "# " + Name
		case "lua", "sql", "hs", "elm", "adb":
			return "-- " + Name
		case "el", "lisp", "clj", "scm", "asm":
			return "; " + Name
		case "tex", "erl":
			return "% " + Name
		case "html", "xml", "md", "vue":
			return "<!-- " + Name + " -->"
		case "css":
			return "/* " + Name + " */"
		}
	}
	return "// " + Name
}

// fileName finds names of source files; the group is the extension.
var fileName = regexp.MustCompile(`[\w-]\.(go|c|h|cc|cpp|rs|js|jsx|ts|tsx|java|kt|swift|zig|cs|php|scala|dart|py|rb|sh|toml|yaml|yml|pl|r|ex|nix|lua|sql|hs|elm|adb|el|lisp|clj|scm|asm|tex|erl|html|xml|md|vue|css)\b`)
