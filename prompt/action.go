package prompt

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"
)

//go:embed templates/actions
var actionFiles embed.FS

// actionTexts are the instructions of the code actions, one file each.
var actionTexts = template.Must(template.New("").Option("missingkey=error").ParseFS(actionFiles, "templates/actions/*"))

// ActionInput is what the instruction of a code action may speak of, beside the document.
type ActionInput struct {
	Place       Place
	Diagnostics []Diagnostic // what is to be fixed
	Comments    []Noted      // spark comments to be carried out
	TestFile    string       // where tests belong, as a path of the workspace
	TestExists  bool         // it does
}

// Place says in words what a request is about, where the answer may change more than that. Lines count from 1; the zero
// Place says nothing.
type Place struct {
	First, Last         int
	FirstText, LastText string
}

// Diagnostic is a problem that another server reports. Line counts from 1, Text is that line.
type Diagnostic struct {
	Line    int
	Text    string
	Message string
	Origin  string // who says so, and under which code
	Related []Related
}

// Related is a place that a diagnostic refers to.
type Related struct {
	Where   string // path and line
	Text    string // that line, "" when it is not at hand
	Message string
}

// Noted is a spark comment with the line that it stands in, from 1.
type Noted struct {
	Line        int
	Instruction string
}

// Action returns the instruction of a code action, for Input.Instruction.
func Action(name string, in ActionInput) (string, error) {
	var b strings.Builder
	if err := actionTexts.ExecuteTemplate(&b, name+".txt", in); err != nil {
		return "", fmt.Errorf("the instruction of %s: %w", name, err)
	}
	return strings.TrimSpace(b.String()), nil
}

// UserAction returns the instruction of an action of the user's own, together with the problems that it is to fix.
func UserAction(instruction string, in ActionInput) (string, error) {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(instruction))
	for i, d := range in.Diagnostics {
		if i == 0 {
			b.WriteString("\n\nReported here:\n")
		}
		if err := actionTexts.ExecuteTemplate(&b, "diagnostic", d); err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(b.String()), nil
}

// ActionNames are the code actions that have an instruction, sorted.
func ActionNames() []string {
	var names []string
	for _, t := range actionTexts.Templates() {
		if name, ok := strings.CutSuffix(t.Name(), ".txt"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// String is a place in words: "lines 12 to 30, from `func f() {` to `}`".
func (p Place) String() string {
	switch {
	case p.First == 0:
		return "the whole file"
	case p.First == p.Last:
		return fmt.Sprintf("line %d, `%s`", p.First, p.FirstText)
	}
	return fmt.Sprintf("lines %d to %d, from `%s` to `%s`", p.First, p.Last, p.FirstText, p.LastText)
}

// PlaceOf is the place of the bytes [start, end) of a document, without blank lines at its ends.
func PlaceOf(d Lines, start, end int) Place {
	first, last := lineAt(d, start), lineAt(d, max(start, end-1))
	for first < last && strings.TrimSpace(lineText(d, first)) == "" {
		first++
	}
	for first < last && strings.TrimSpace(lineText(d, last)) == "" {
		last--
	}
	return Place{first + 1, last + 1, quotable(lineText(d, first)), quotable(lineText(d, last))}
}

// LineText is line n, from 0, as it is quoted to a model.
func LineText(d Lines, n int) string {
	if n < 0 || n >= d.LineCount() {
		return ""
	}
	return quotable(lineText(d, n))
}

// maxQuote bounds a quoted line, in bytes. It is there to be recognised, not to be read.
const maxQuote = 120

func quotable(line string) string {
	line = strings.TrimSpace(line)
	if len(line) > maxQuote {
		line = firstRunes(line[:maxQuote]) + "…"
	}
	return line
}
