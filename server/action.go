package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/settings"
)

// actionArgument is the argument of spark-lsp.action.
type actionArgument struct {
	Action      string          `json:"action"`
	URI         string          `json:"uri"`
	Range       *protocol.Range `json:"range,omitempty"`
	Diagnostics []diagnosis     `json:"diagnostics,omitempty"` // what is to be fixed
}

// userPrefix begins the names of the user's own actions, which their titles go on with.
const userPrefix = "user/"

// userActions are the rows that the user's settings add for a document. One that fixes is there where something is
// wrong.
func (s *Server) userActions(doc *lsp.Document) []action {
	var rows []action
	for _, u := range s.optionsFor(doc).Actions {
		if !u.For(doc.LanguageID) {
			continue
		}
		a := action{title: u.Title, name: userPrefix + u.Title, kind: protocol.CodeActionKind(u.Kind), model: true}
		if strings.HasPrefix(u.Kind, "quickfix") {
			a.format = prompt.Hunks
			a.choices = func(_ *Server, at place) []choice {
				if len(at.diagnostics) == 0 {
					return nil
				}
				return []choice{{u.Title, clonedDiagnostics(at.diagnostics)}}
			}
		}
		rows = append(rows, a)
	}
	return rows
}

// findAction returns the row of a name.
func (s *Server) findAction(name string, doc *lsp.Document) (action, bool) {
	rows := append(slices.Clone(actions), s.userActions(doc)...)
	i := slices.IndexFunc(rows, func(a action) bool { return a.name == name })
	if name == "" || i < 0 {
		return action{}, false
	}
	return rows[i], true
}

// actionCommand carries out an action of the menu. It answers at once.
func (s *Server) actionCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	var a actionArgument
	if len(arg) > 0 {
		if err := lsp.DecodeParams(arg, &a); err != nil {
			return nil, invalidParams("%s: the argument is {action, uri, range, diagnostics?}: %v", cmdAction, err)
		}
	}
	if a.URI == "" {
		s.say(protocol.MessageTypeInfo, "spark-lsp: choose from the code actions of a selection")
		return nil, nil
	}
	doc, ok := snap.Get(a.URI)
	if !ok {
		return nil, invalidParams("%s: %s is not open", cmdAction, a.URI)
	}
	if !s.optionsFor(doc).Enabled {
		s.say(protocol.MessageTypeInfo, "spark-lsp: switched off by the setting \"enabled\"")
		return nil, nil
	}
	row, ok := s.findAction(a.Action, doc)
	if !ok {
		return nil, invalidParams("%s: there is no action %q", cmdAction, a.Action)
	}
	at := place{doc: doc}
	if a.Range != nil {
		at.start, at.end = doc.RangeToOffsets(*a.Range)
	}
	problems := s.reported(snap, doc, a.Diagnostics)
	switch row.format {
	case prompt.Explanation:
		return nil, s.explain(at, row)
	case prompt.Files:
		return nil, s.writeTests(at, row)
	}
	return nil, s.startTask(at, func(at place) (task, error) { return s.actionTask(at, row, problems) })
}

// errNoComments is what a person is told who has all comments carried out where there are none.
var errNoComments = errors.New("no spark: comment stands in this file")

// errNothingReported is what a person is told who has something fixed without saying what: a key of theirs can run the
// command where nothing is wrong.
var errNothingReported = errors.New("nothing is reported here that could be fixed")

// actionTask is what an action means at a place: the region, or the file, and the instruction.
func (s *Server) actionTask(at place, a action, problems []prompt.Diagnostic) (task, error) {
	start, end := a.region(at)
	in := prompt.ActionInput{Place: prompt.PlaceOf(at.doc.Text, start, end), Diagnostics: problems}
	for _, c := range comments(at.doc) {
		in.Comments = append(in.Comments, prompt.Noted{Line: at.doc.Text.LineAt(c.Start) + 1, Instruction: c.Instruction})
	}
	if a.name == "comments" && len(in.Comments) == 0 {
		return task{}, errNoComments
	}
	if (a.name == "fix" || a.name == "fix-all") && len(problems) == 0 {
		return task{}, errNothingReported
	}
	instruction, err := s.instruction(at.doc, a, in)
	if err != nil {
		return task{}, err
	}
	t := task{doc: at.doc, text: at.doc.Text, start: start, end: end, seen: [2]int{start, end}, instruction: instruction, title: a.title, format: a.format}
	if u, ok := s.userAction(at.doc, a.name); ok {
		t.sources = u.Context
	}
	if a.format == prompt.Hunks {
		t.start, t.end = 0, at.doc.Text.Len()
	}
	return t, nil
}

// instruction is what the model is told of an action: its template, or the user's words.
func (s *Server) instruction(doc *lsp.Document, a action, in prompt.ActionInput) (string, error) {
	if !strings.HasPrefix(a.name, userPrefix) {
		return prompt.Action(a.name, in)
	}
	u, ok := s.userAction(doc, a.name)
	if !ok {
		return "", fmt.Errorf("the settings have no action %q any more", a.title)
	}
	return prompt.UserAction(u.Instruction, in)
}

// userAction is the user's own action of a name.
func (s *Server) userAction(doc *lsp.Document, name string) (settings.Action, bool) {
	title, ok := strings.CutPrefix(name, userPrefix)
	list := s.optionsFor(doc).Actions
	i := slices.IndexFunc(list, func(u settings.Action) bool { return u.Title == title })
	if !ok || i < 0 {
		return settings.Action{}, false
	}
	return list[i], true
}

// only keeps the context of some sources; none means all.
func only(list []prompt.Snippet, sources []string) []prompt.Snippet {
	if len(sources) == 0 {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(c prompt.Snippet) bool { return !slices.Contains(sources, string(c.Source)) })
}

// region is what an action is about: whole lines, unless the user has selected less.
func (a action) region(at place) (start, end int) {
	switch {
	case a.about != nil:
		return a.about(at)
	case selects(at.doc.Text, at.start, at.end):
		return at.start, at.end
	}
	return statement(at)
}

// statement is the statement or block at a cursor.
func statement(at place) (start, end int) {
	n := at.doc.Text.LineAt(at.start)
	from := at.doc.Text.LineStart(n)
	if start, end, ok := prompt.BlockBelow(at.doc.Text, from); ok {
		return start, end
	}
	return from, lineBehind(at.doc.Text, n)
}

// declaration is the selection, or else the declaration round the cursor.
func declaration(at place) (start, end int) {
	if selects(at.doc.Text, at.start, at.end) {
		return at.start, at.end
	}
	if d, ok := prompt.DeclarationAt(at.doc.Text, at.doc.Text.LineAt(at.start)); ok {
		return d.Start, d.End
	}
	return statement(at)
}

// stub is what waits to be implemented at a place.
func stub(at place) (start, end int) {
	if selects(at.doc.Text, at.start, at.end) {
		return at.start, at.end
	}
	if start, end, ok := prompt.Stub(at.doc.Text, at.doc.Text.LineAt(at.start)); ok {
		return start, end
	}
	return statement(at)
}

// comments are the spark comments of a document.
func comments(doc *lsp.Document) []prompt.Comment { return prompt.Comments(doc.Text) }

// allComments is from the first comment to the last.
func allComments(at place) (start, end int) {
	list := comments(at.doc)
	if len(list) == 0 {
		return 0, at.doc.Text.Len()
	}
	return list[0].Start, list[len(list)-1].End
}

// moreComments offers to carry out all comments where there are more than the one that "Edit with spark" means here.
func moreComments(_ *Server, at place) (bool, string) {
	n := len(comments(at.doc))
	if _, here := commentIn(at); here {
		n--
	}
	return n > 0, ""
}

// selected offers what is about a selection with something in it.
func selected(_ *Server, at place) (bool, string) {
	return selects(at.doc.Text, at.start, at.end) && strings.TrimSpace(at.doc.Text.Slice(at.start, at.end)) != "", ""
}

// prose are the languages of which code actions have nothing to say.
var prose = []string{"markdown", "plaintext", "restructuredtext", "asciidoc", "latex", "tex", "org", "typst", "gitcommit", "git-commit", "text", "mail"}

// selectedCode offers what is about a selection of code.
func selectedCode(s *Server, at place) (bool, string) {
	if slices.Contains(prose, at.doc.LanguageID) {
		return false, ""
	}
	return selected(s, at)
}

// selectedProse offers what is about a selection of prose.
func selectedProse(s *Server, at place) (bool, string) {
	if !slices.Contains(prose, at.doc.LanguageID) {
		return false, ""
	}
	return selected(s, at)
}

// optionalTypes are the languages with types that one may write or leave out.
var optionalTypes = []string{"python", "typescript", "typescriptreact", "php", "dart", "groovy"}

func typesOptional(s *Server, at place) (bool, string) {
	if !slices.Contains(optionalTypes, at.doc.LanguageID) {
		return false, ""
	}
	return selected(s, at)
}

func severalStatements(_ *Server, at place) (bool, string) {
	return prompt.Statements(at.doc.Text, at.start, at.end) > 1, ""
}

func atStub(_ *Server, at place) (bool, string) {
	if selects(at.doc.Text, at.start, at.end) {
		return false, ""
	}
	_, _, ok := prompt.Stub(at.doc.Text, at.doc.Text.LineAt(at.start))
	return ok, ""
}

// undocumented offers documentation on the first line of a declaration that has none, and for a selection that begins
// with one.
func undocumented(_ *Server, at place) (bool, string) {
	d, ok := prompt.DeclarationOn(at.doc.Text, at.doc.Text.LineAt(at.start))
	return ok && !prompt.Documented(at.doc.Text, d), ""
}
