package server

import (
	"context"
	"encoding/json"
	"strings"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
)

// methodInput asks for words in a shell that announces it (see lsp.Client.SparkInput), as window/showMessageRequest asks
// for one of several answers. LSP has no word for it.
const methodInput = "spark/input"

// input is the parameters of spark/input.
type input struct {
	Title       string   `json:"title"`
	Placeholder string   `json:"placeholder"`
	Empty       string   `json:"empty,omitempty"`   // what no words mean; absent where there must be some
	Actions     []string `json:"actions,omitempty"` // what can be chosen instead of words
}

// inputs are what is asked for a command that takes an instruction and has none. Without words spark-lsp.retry has a
// meaning of its own, so it is only asked for by the key that means it.
var inputs = map[string]input{
	cmdEdit:     {Title: "Edit", Placeholder: "What to do here"},
	cmdSteer:    {Title: "Redirect the edit", Placeholder: "What to do instead"},
	cmdRetry:    {Title: "Again, but…", Placeholder: "What to do differently", Empty: "just again"},
	cmdDelegate: {Title: "Delegate a task", Placeholder: "What to do, in this file and others"},
}

// instructArgument is as much of those commands' arguments as matters here.
type instructArgument struct {
	URI         string          `json:"uri"`
	URIs        []string        `json:"uris"`
	Range       *protocol.Range `json:"range"`
	Instruction string          `json:"instruction"`
}

// instructed says which command spark-lsp.instruct means: the edit that is being written into the document is
// redirected, what was written at the range is gone on with, and anything else is a new edit. So one key does for all
// that is said in words.
func (s *Server) instructed(snap *lsp.Snapshot, raw json.RawMessage) (command string, arg json.RawMessage, err error) {
	var a instructArgument
	if len(raw) > 0 {
		if err := lsp.DecodeParams(raw, &a); err != nil {
			return "", nil, invalidParams("%s: the argument is {uri, range?, instruction?}: %v", cmdInstruct, err)
		}
	}
	command = cmdEdit
	if doc, ok := snap.Get(a.URI); ok {
		if s.streaming(doc.URI) {
			command = cmdSteer
		} else if a.Range != nil {
			at := place{doc: doc}
			at.start, at.end = doc.RangeToOffsets(*a.Range)
			if e, _ := s.hunkAt(at); e != nil {
				command, raw = cmdRetry, withMember(raw, "id", e.id)
			}
		}
	}
	return command, raw, nil
}

// withMember is a command's argument, an object that has been decoded before, with one member set.
func withMember(arg json.RawMessage, name string, value any) json.RawMessage {
	members := map[string]any{}
	if err := json.Unmarshal(arg, &members); err != nil {
		return arg
	}
	members[name] = value
	out, err := json.Marshal(members)
	if err != nil {
		panic(err) // what was JSON always marshals
	}
	return out
}

// hunkAt finds the latest ended edit of which a hunk has a line with a place, and the hunk's number. A hunk may be one
// character, and nobody puts the cursor there.
func (s *Server) hunkAt(at place) (*edit, int) {
	d := s.document(at.doc.URI)
	if d == nil {
		return nil, 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at, err := d.nowLocked(at)
	if err != nil {
		return nil, 0
	}
	lines := func(start, end int) (first, last int) {
		return d.doc.Text.LineAt(start), d.doc.Text.LineAt(max(start, end-1))
	}
	from, to := lines(at.start, at.end)
	for i := len(d.done) - 1; i >= 0; i-- {
		for n, h := range d.machine.Hunks(d.done[i].stream) {
			if first, last := lines(h.Start, h.End); first <= to && from <= last {
				return d.done[i], n
			}
		}
	}
	return nil, 0
}

// askForWords asks for the words that a command lacks, where the editor has a box for them, and runs it then. It reports
// whether it does. The command runs on the documents as they were when it was asked for, since its range speaks of
// those; what has happened to them since is reckoned with as always.
func (s *Server) askForWords(snap *lsp.Snapshot, command string, raw json.RawMessage) bool {
	var a instructArgument
	if !s.client.SparkInput || len(raw) > 0 && lsp.DecodeParams(raw, &a) != nil {
		return false
	}
	box, ok := inputs[command]
	if !ok || strings.TrimSpace(a.Instruction) != "" || a.URI == "" && len(a.URIs) == 0 {
		return false
	}
	var chosen []protocol.Command
	if doc, open := snap.Get(a.URI); open && box.Empty == "" {
		if commentFor(doc, a.Range).doc != nil {
			box.Empty = "what the spark: comment says"
		}
		if command == cmdEdit {
			chosen = s.instead(doc, a.Range)
			for _, c := range chosen {
				box.Actions = append(box.Actions, c.Title)
			}
		}
	}
	s.start(func(ctx context.Context) {
		var answer *struct {
			Instruction string `json:"instruction"`
			Action      *int   `json:"action"`
		}
		err := s.client.Call(ctx, methodInput, box, &answer)
		switch {
		case err != nil:
			s.log.Info("the editor did not ask for an instruction", zap.Error(err))
			return
		case answer == nil:
			return // they have thought better of it
		case answer.Action != nil && 0 <= *answer.Action && *answer.Action < len(chosen):
			c := chosen[*answer.Action]
			command, raw = c.Command, json.RawMessage(c.Arguments[0])
		default:
			raw = withMember(raw, "instruction", answer.Instruction)
		}
		if _, err := commands[command](s, snap, raw); err != nil {
			s.say(protocol.MessageTypeWarning, "spark-lsp: %v", err)
		}
	})
	return true
}

// instead are the menu's actions that can be chosen in the place of words: those that need none.
func (s *Server) instead(doc *lsp.Document, r *protocol.Range) []protocol.Command {
	if r == nil {
		r = &protocol.Range{}
	}
	var list []protocol.Command
	for _, e := range s.menu(doc, *r, nil, []protocol.CodeActionKind{protocol.CodeActionKindRefactor}) {
		if _, words := inputs[e.command.Command]; e.offered && (!words || e.command.Command == cmdRetry) {
			list = append(list, e.command)
		}
	}
	return list
}
