package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/related"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

// PromptQuestion asks what would be sent for a place in a file.
type PromptQuestion struct {
	Root, File   string // the workspace folder, and a file in it, as absolute paths
	Line, Column int    // from 1; Column 0 is the end of the line. Columns count characters.
	Action       string // a code action's name; "" is a completion, or an edit where there is an instruction
	Instruction  string
}

// PromptAnswer is what would be sent, and why.
type PromptAnswer struct {
	Place    string // file, line and column, as the model sees the path
	What     string // "a completion", or the action
	Provider string
	Model    string
	URL      string
	FIM      bool   // the model fills in the middle: Input is its prefix, suffix and the pieces of other files
	Ignored  string // why nothing of the file is sent unasked; "" where it is

	Base, Input []session.Part // as they would leave this machine: secrets are placeholders
	Parts, Cut  []prompt.Part
	Secrets     map[string]int // masked, by the rule that found them

	Warnings []string // what is wrong with the settings, a sentence each
}

// ExplainPrompt answers what would be sent to a model now, for a Server that serves no editor and is asked nothing else.
// It goes the way of a real request up to the door, and sends nothing.
func (s *Server) ExplainPrompt(ctx context.Context, q PromptQuestion) (a PromptAnswer, err error) {
	s.client = &lsp.Client{Name: "spark-lsp prompt"}
	s.roots = []string{q.Root}
	s.resolve() // as an editor's initialize does: what the user says of folders counts here too
	s.mu.Lock()
	a.Warnings, s.warnings = s.warnings, nil
	s.mu.Unlock()
	rules := s.rulesFor(q.File)
	if ignored, reason := rules.Ignored(q.File, false); ignored {
		a.Ignored = reason
	}
	data, err := os.ReadFile(q.File) // the user has named it
	if err != nil {
		return a, err
	}
	_, err = rules.Walk(ctx, privacy.DefaultLimits, func(rel string, data []byte) bool {
		s.contexts.index.Add(rel, "", string(data))
		return true
	})
	if err != nil {
		return a, err
	}
	language := related.LanguageOf(q.File)
	if language == "" {
		language = strings.TrimPrefix(filepath.Ext(q.File), ".")
	}
	change := lsp.NewDocuments(lsp.UTF32).Open(lsp.PathToURI(q.File), language, 1, string(data))
	s.changed(change)
	doc := change.After
	if q.Line < 1 || q.Line > doc.Text.LineCount() {
		return a, fmt.Errorf("%s has %d lines", q.File, doc.Text.LineCount())
	}
	at := doc.Text.LineStart(q.Line - 1)
	end := doc.Text.LineEnd(q.Line - 1)
	line := []rune(doc.Text.Slice(at, end))
	if q.Column == 0 || q.Column > len(line)+1 {
		q.Column = len(line) + 1
	}
	at += len(string(line[:q.Column-1]))
	a.Place = fmt.Sprintf("%s:%d:%d", s.relative(doc.URI), q.Line, q.Column)

	job := session.Edit
	var p prompt.Prompt
	var fim session.FIM
	switch {
	case q.Action == "" && q.Instruction == "" || q.Action == "complete":
		job = session.Completion
		a.What = "a completion"
		p, fim = s.explainCompletion(doc, at)
	default:
		p, a.What, err = s.explainAction(place{doc: doc, start: at, end: at}, q)
		if err != nil {
			return a, err
		}
	}
	e := s.options().For(settings.Job(job))
	a.Provider, a.Model, a.URL = e.Provider, e.Model, e.BaseURL
	a.Parts, a.Cut = p.Parts, p.Cut
	g := &gate{s: s, fim: dialects[e.Provider].FillsIn()}
	m := s.masker()
	s.learnDocuments(m)
	req := g.masked(m, session.Request{Base: parts(p.Base), Input: parts(p.Input), FIM: fim})
	a.Base, a.Input, a.Secrets = req.Base, req.Input, map[string]int{}
	before := slices.Concat(parts(p.Base), parts(p.Input))
	if g.fim {
		a.FIM = true
		prefix, suffix, extra := req.FIM.Window()
		for _, f := range extra {
			a.Input = append(a.Input, session.Part{Role: session.Role(f.Path), Text: f.Text})
		}
		a.Input = append(a.Input, session.Part{Role: "prefix", Text: prefix}, session.Part{Role: "suffix", Text: suffix})
		a.Parts, a.Cut = nil, nil // they are of a prompt that is made of messages
	}
	if m != nil {
		for _, part := range before {
			head, tail, _ := strings.Cut(part.Text, prompt.CursorMark)
			for _, f := range m.Find(head+tail, len(head)) {
				a.Secrets[f.Rule]++
			}
		}
	}
	return a, nil
}

// explainCompletion is the prompt of a completion as the first key after a pause sends it: the file's base is in force
// where the endpoint can hold one.
func (s *Server) explainCompletion(doc *lsp.Document, at int) (prompt.Prompt, session.FIM) {
	o := s.optionsFor(doc)
	d := s.document(doc.URI)
	stable := s.findContext(doc, at, session.Completion)
	d.context.mu.Lock()
	d.context.stable = stable
	d.context.mu.Unlock()
	in := s.gather(doc, at, session.Completion)
	if o.ContextSnapshot && o.For(settings.Completion).Provider == "openai" {
		in.Base = prompt.NewBase(in, doc.Version)
	}
	return prompt.Completion(in), fimOf(doc, at, in)
}

// explainAction is the prompt of a code action, or of an edit by an instruction.
func (s *Server) explainAction(at place, q PromptQuestion) (p prompt.Prompt, what string, err error) {
	if q.Action == "" || q.Action == "edit" {
		t, err := editTask(at, q.Instruction)
		if err != nil {
			return p, "", err
		}
		return s.editPrompt(t), "an edit", nil
	}
	row, ok := s.findAction(q.Action, at.doc)
	if !ok || !row.model {
		return p, "", fmt.Errorf("there is no action %q; there are %s", q.Action, strings.Join(append([]string{"complete", "edit"}, prompt.ActionNames()...), ", "))
	}
	what = "the action " + row.name
	start, end := row.region(at)
	switch row.format {
	case prompt.Explanation:
		in := s.gather(at.doc, start, session.Edit)
		in.Start, in.End = start, end
		in.Instruction, err = s.instruction(at.doc, row, prompt.ActionInput{})
		return prompt.Explain(in), what, err
	case prompt.Files:
		file, _ := at.doc.Path()
		tests, ok := testsOf(at.doc.LanguageID, s.rootOf(file), file, s.exists)
		if !ok {
			return p, "", errors.New("where tests of this file belong is not known")
		}
		in := prompt.ActionInput{Place: prompt.PlaceOf(at.doc.Text, start, end), TestFile: s.relative(lsp.PathToURI(tests))}
		p, _, err = s.testsPrompt(at.doc, start, end, row, &in, tests)
		return p, what, err
	}
	t, err := s.actionTask(at, row, nil)
	if err != nil {
		return p, "", err
	}
	return s.editPrompt(t), what, nil
}
