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
	title   string
	kind    protocol.CodeActionKind
	command string
	// offered decides whether the action stands in the menu for this selection; a reason means it stands there
	// disabled, in editors that show such. Nil offers it always.
	offered func(s *Server, at place) (ok bool, reason string)
	// model says that the embedded engine cannot do it.
	model bool
}

// place is where the user opened the menu.
type place struct {
	doc        *lsp.Document
	start, end int // the selection, bytes
}

// actions is the whole menu, in the order in which it is shown.
var actions = []action{
	{
		title: "Edit with spark", kind: "refactor.rewrite.spark", command: cmdEdit, model: true,
		offered: func(s *Server, at place) (bool, string) {
			if s.client.SparkEdit { // the shell asks for the instruction
				return true, ""
			}
			if _, ok := commentIn(at); ok {
				return true, ""
			}
			return false, "write what you want into a comment in or above the selection: spark: return an error instead"
		},
	},
	{
		title: "Complete here", kind: "refactor.rewrite.spark", command: cmdComplete,
		offered: func(_ *Server, at place) (bool, string) { return !selects(at.doc.Text, at.start, at.end), "" },
	},
	{
		title: "Stop spark", kind: "refactor.rewrite.spark", command: cmdCancel,
		offered: func(s *Server, at place) (bool, string) {
			return s.editing(at.doc.URI), ""
		},
	},
	{title: "Accept spark's edit", kind: "refactor.rewrite.spark", command: cmdAccept, offered: afterEdit},
	{title: "Take spark's edit back", kind: "refactor.rewrite.spark", command: cmdReject, offered: afterEdit},
	{title: "Let spark try again", kind: "refactor.rewrite.spark", command: cmdRetry, offered: afterEdit, model: true},
	{
		title: "Insert the rest of spark's edit", kind: "refactor.rewrite.spark", command: cmdRest,
		offered: func(s *Server, at place) (bool, string) {
			_, rest := s.reviewable(at.doc.URI)
			return rest, ""
		},
	},
}

// afterEdit offers what can be done with an edit that has ended.
func afterEdit(s *Server, at place) (bool, string) {
	some, _ := s.reviewable(at.doc.URI)
	return some && !s.editing(at.doc.URI), ""
}

// commentIn finds the spark comment that a selection means.
func commentIn(at place) (prompt.Comment, bool) {
	first := at.doc.Text.LineAt(at.start)
	last := at.doc.Text.LineAt(max(at.start, at.end-1))
	return prompt.CommentAt(at.doc.Text, first, last)
}

func actionKinds() []protocol.CodeActionKind {
	var kinds []protocol.CodeActionKind
	for _, a := range actions {
		if !slices.Contains(kinds, a.kind) {
			kinds = append(kinds, a.kind)
		}
	}
	return kinds
}

// codeAction lists what can be done at a selection. It looks at nothing but the document and the settings.
func (s *Server) codeAction(_ context.Context, snap *lsp.Snapshot, p *protocol.CodeActionParams) (any, error) {
	list := []protocol.CommandOrCodeAction{}
	doc, ok := snap.Get(string(p.TextDocument.URI))
	if !ok || !s.optionsFor(doc).Enabled {
		return list, nil
	}
	at := place{doc: doc}
	at.start, at.end = doc.RangeToOffsets(p.Range)
	for _, a := range actions {
		if !wanted(a.kind, p.Context.Only) {
			continue
		}
		offered, reason := true, ""
		if a.offered != nil {
			offered, reason = a.offered(s, at)
		}
		if offered && a.model && !s.hasModel(session.Edit) {
			offered, reason = false, "the embedded engine follows no instructions; set SPARK_API_KEY, or run 'spark-lsp loopback' to try it"
		}
		if !offered && (reason == "" || !s.client.CodeActionDisabled) {
			continue
		}
		cmd := commandFor(a, doc, p.Range)
		if !s.client.CodeActionLiterals {
			if offered {
				list = append(list, &cmd)
			}
			continue
		}
		ca := &protocol.CodeAction{Title: a.title, Kind: &a.kind}
		if offered {
			ca.Command = cmd
		} else {
			ca.Disabled = protocol.CodeActionDisabled{Reason: reason}
		}
		if s.client.CodeActionTagLLM && a.model {
			ca.Tags = []protocol.CodeActionTag{protocol.CodeActionTagLLMGenerated}
		}
		list = append(list, ca)
	}
	return list, nil
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

func commandFor(a action, doc *lsp.Document, r protocol.Range) protocol.Command {
	arg, err := json.Marshal(editArgument{URI: doc.URI, Range: &r})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return protocol.Command{Title: a.title, Command: a.command, Arguments: []protocol.LSPAny{protocol.LSPAny(arg)}}
}
