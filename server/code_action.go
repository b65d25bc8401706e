package server

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// action is one row of the menu. An action is a title and a command; nothing is computed for it before it is
// chosen, because editors wait for the menu (Helix freezes, Neovim waits for every server).
type action struct {
	title string
	kind  protocol.CodeActionKind
	// name is that of its instruction, prompt/templates/actions/NAME.txt, and of its scenario; "" for rows that run a
	// command of their own.
	name    string
	command string // "" for rows that have a name
	// offered decides whether the action stands in the menu for this selection; a reason means it stands there
	// disabled, in editors that show such. Nil offers it always.
	offered func(s *Server, at place) (ok bool, reason string)
	// choices are the row's entries where there is one for each of something; nil makes one entry of the row.
	choices func(s *Server, at place) []choice
	// about is what the instruction speaks of. Nil is the selection, or else the statement or block at the cursor.
	about  func(at place) (start, end int)
	format prompt.Format
	model  bool // the embedded engine cannot do it
}

// choice is one entry of a row.
type choice struct {
	title       string
	diagnostics []protocol.Diagnostic
}

// place is where the user opened the menu.
type place struct {
	doc         *lsp.Document
	start, end  int                   // the selection, bytes
	diagnostics []protocol.Diagnostic // there; only the menu has them
}

const (
	kindFix     protocol.CodeActionKind = "quickfix.spark"
	kindRewrite protocol.CodeActionKind = "refactor.rewrite.spark"
	kindExtract protocol.CodeActionKind = "refactor.extract.spark"
	kindExplain protocol.CodeActionKind = "spark.explain" // of no kind that a menu of refactorings asks for
)

// actions is the whole menu, in the order in which it is shown: what is wrong here, what the user has just written a
// comment for, what is under way or just over, and what is wanted now and then. A plain cursor sees few of them: most
// need a selection, or the first line of a declaration, or something that is left to be done.
var actions = []action{
	{title: "Fix with spark", name: "fix", kind: kindFix, choices: eachDiagnostic, format: prompt.Hunks, model: true},
	{title: "Fix all with spark", name: "fix-all", kind: kindFix, choices: allDiagnostics, format: prompt.Hunks, model: true},
	{
		title: "Edit with spark", kind: kindRewrite, command: cmdEdit, model: true,
		offered: func(s *Server, at place) (bool, string) {
			if s.client.SparkInput { // the shell asks for the instruction
				return true, ""
			}
			if _, ok := commentIn(at); ok {
				return true, ""
			}
			return false, "write what you want into a comment first, such as: spark: return an error"
		},
	},
	{
		title: "Stop spark", kind: kindRewrite, command: cmdCancel,
		offered: func(s *Server, at place) (bool, string) { return s.editing(at.doc.URI), "" },
	},
	{title: "Accept spark's edit", kind: kindRewrite, command: cmdAccept, offered: afterEdit},
	{title: "Take spark's edit back", kind: kindRewrite, command: cmdReject, offered: afterEdit},
	{title: "Let spark try again", kind: kindRewrite, command: cmdRetry, offered: afterEdit, model: true},
	{
		title: "Show the next candidate", kind: kindRewrite, command: cmdCandidate,
		offered: func(s *Server, at place) (bool, string) {
			_, ok := s.others(at.doc.URI)
			return ok && !s.streaming(at.doc.URI), ""
		},
	},
	{
		title: "Insert the rest of spark's edit", kind: kindRewrite, command: cmdRest,
		offered: func(s *Server, at place) (bool, string) {
			_, rest := s.reviewable(at.doc.URI)
			return rest, ""
		},
	},
	{
		title: "Redirect spark", kind: kindRewrite, command: cmdSteer, model: true,
		offered: func(s *Server, at place) (bool, string) {
			return s.streaming(at.doc.URI) && (s.client.SparkInput || commentFor(at.doc, nil).doc != nil), ""
		},
	},
	{
		title: "Delegate with spark", kind: kindRewrite, command: cmdDelegate, model: true,
		offered: func(s *Server, at place) (bool, string) {
			_, ok := commentIn(at)
			return ok || s.client.SparkInput, ""
		},
	},
	{
		title: "Complete here", kind: kindRewrite, command: cmdComplete,
		offered: func(_ *Server, at place) (bool, string) { return !selects(at.doc.Text, at.start, at.end), "" },
	},
	{
		title: "Do what the comments ask with spark", name: "comments", kind: kindRewrite, offered: moreComments,
		about: allComments, format: prompt.Hunks, model: true,
	},
	{
		title: "Implement with spark", name: "implement", kind: kindRewrite, offered: atStub,
		about: stub, format: prompt.Hunks, model: true,
	},
	{title: "Simplify with spark", name: "simplify", kind: kindRewrite, offered: selectedCode, model: true},
	{title: "Handle errors with spark", name: "errors", kind: kindRewrite, offered: selectedCode, format: prompt.Hunks, model: true},
	{title: "Add types with spark", name: "types", kind: kindRewrite, offered: typesOptional, model: true},
	{title: "Rename for clarity with spark", name: "rename", kind: kindRewrite, offered: selectedCode, model: true},
	{title: "Extract function with spark", name: "extract", kind: kindExtract, offered: severalStatements, format: prompt.Hunks, model: true},
	{title: "Proofread with spark", name: "proofread", kind: kindRewrite, offered: selectedProse, model: true},
	{
		title: "Document with spark", name: "document", kind: kindRewrite, offered: undocumented,
		about: declaration, format: prompt.Hunks, model: true,
	},
	{
		title: "Write tests with spark", name: "tests", kind: kindRewrite, offered: testable,
		about: declaration, format: prompt.Files, model: true,
	},
	{title: "Repeat my last edit", kind: kindRewrite, command: cmdRepeat, choices: repeatable},
	{title: "Explain with spark", name: "explain", kind: kindExplain, about: declaration, format: prompt.Explanation, model: true},
}

// afterEdit offers what can be done with an edit that has ended.
func afterEdit(s *Server, at place) (bool, string) {
	some, _ := s.reviewable(at.doc.URI)
	return some && !s.streaming(at.doc.URI), ""
}

// commentIn finds the spark comment that a selection means.
func commentIn(at place) (prompt.Comment, bool) {
	first := at.doc.Text.LineAt(at.start)
	last := at.doc.Text.LineAt(max(at.start, at.end-1))
	return prompt.CommentAt(at.doc.Text, first, last)
}

// actionKinds are the kinds that there may be, so that an editor asks at all: those of the table, and the user's own.
func (s *Server) actionKinds() []protocol.CodeActionKind {
	var kinds []protocol.CodeActionKind
	add := func(k protocol.CodeActionKind) {
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	for _, a := range actions {
		add(a.kind)
	}
	for _, u := range s.options().Actions {
		add(protocol.CodeActionKind(u.Kind))
	}
	return kinds
}

// codeAction lists what can be done at a selection.
func (s *Server) codeAction(_ context.Context, snap *lsp.Snapshot, p *protocol.CodeActionParams) (any, error) {
	list := []protocol.CommandOrCodeAction{}
	var disabled []protocol.CommandOrCodeAction // at the end: the number that is pressed without reading does something
	doc, ok := snap.Get(string(p.TextDocument.URI))
	if !ok {
		return list, nil
	}
	for _, e := range s.menu(doc, p.Range, p.Context.Diagnostics, p.Context.Only) {
		switch {
		case !e.offered && !s.client.CodeActionDisabled:
		case s.client.CodeActionLiterals:
			ca := &protocol.CodeAction{Title: e.command.Title, Kind: &e.kind, Diagnostics: e.diagnostics}
			if s.client.CodeActionTagLLM && e.model {
				ca.Tags = []protocol.CodeActionTag{protocol.CodeActionTagLLMGenerated}
			}
			if e.offered {
				ca.Command = e.command
				list = append(list, ca)
			} else {
				ca.Disabled = protocol.CodeActionDisabled{Reason: e.reason}
				disabled = append(disabled, ca)
			}
		case e.offered:
			list = append(list, &e.command)
		}
	}
	return append(list, disabled...), nil
}

// entry is one entry of the menu as it is shown.
type entry struct {
	action
	choice
	command protocol.Command
	offered bool
	reason  string // why it is not
}

// menu is what can be done at a selection, and what cannot, where there is a reason for it. It looks at nothing but the
// document and the settings.
func (s *Server) menu(doc *lsp.Document, r protocol.Range, diagnostics []protocol.Diagnostic, only []protocol.CodeActionKind) []entry {
	if !s.optionsFor(doc).Enabled {
		return nil
	}
	at := place{doc: doc, diagnostics: diagnostics}
	at.start, at.end = doc.RangeToOffsets(r)
	var list []entry
	for _, a := range append(slices.Clone(actions), s.userActions(doc)...) {
		if !wanted(a.kind, only) {
			continue
		}
		choices := []choice{{title: a.title}}
		if a.choices != nil {
			choices = a.choices(s, at)
		}
		offered, reason := true, ""
		if a.offered != nil {
			offered, reason = a.offered(s, at)
		}
		if offered && a.model {
			reason = s.deaf(session.Edit)
			offered = reason == ""
		}
		if !offered && reason == "" {
			continue
		}
		for _, c := range choices {
			list = append(list, entry{action: a, choice: c, command: a.commandFor(c, doc, r), offered: offered, reason: reason})
		}
	}
	return list
}

// wanted reports whether a kind is asked for: kinds are a tree, and "refactor" asks for "refactor.rewrite" too.
func wanted(kind protocol.CodeActionKind, only []protocol.CodeActionKind) bool {
	if len(only) == 0 {
		return true
	}
	return slices.ContainsFunc(only, func(o protocol.CodeActionKind) bool {
		return o == "" || o == kind || strings.HasPrefix(string(kind), string(o)+".")
	})
}

// commandFor is what a menu's entry runs.
func (a action) commandFor(c choice, doc *lsp.Document, r protocol.Range) protocol.Command {
	var arg any = editArgument{URI: doc.URI, Range: &r}
	command := a.command
	if a.name != "" {
		command, arg = cmdAction, actionArgument{Action: a.name, URI: doc.URI, Range: &r, Diagnostics: diagnoses(c.diagnostics)}
	}
	raw, err := json.Marshal(arg)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return protocol.Command{Title: c.title, Command: command, Arguments: []protocol.LSPAny{protocol.LSPAny(raw)}}
}
