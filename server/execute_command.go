package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
)

// The commands of the contract. Extension commands are spark.*: an id may be registered once per editor.
const (
	cmdInstruct  = "spark-lsp.instruct"
	cmdEdit      = "spark-lsp.edit"
	cmdAction    = "spark-lsp.action"
	cmdComplete  = "spark-lsp.complete"
	cmdRepeat    = "spark-lsp.repeat"
	cmdSteer     = "spark-lsp.steer"
	cmdDelegate  = "spark-lsp.delegate"
	cmdCandidate = "spark-lsp.candidate"
	cmdCancel    = "spark-lsp.cancel"
	cmdAccept    = "spark-lsp.accept"
	cmdReject    = "spark-lsp.reject"
	cmdRetry     = "spark-lsp.retry"
	cmdRest      = "spark-lsp.rest"
	cmdNext      = "spark-lsp.next"
	cmdToggle    = "spark-lsp.toggle"
	cmdStatus    = "spark-lsp.status"
	cmdDidAccept = "spark-lsp.didAccept"
)

// commands is every command but spark-lsp.instruct, which means one of them. Each answers at once, since Emacs waits for
// the answer with everything, and each copes with no arguments at all, since Helix's and Zed's command pickers send none.
var commands = map[string]func(s *Server, snap *lsp.Snapshot, arg json.RawMessage) (any, error){
	cmdEdit:      (*Server).editCommand,
	cmdAction:    (*Server).actionCommand,
	cmdComplete:  (*Server).completeCommand,
	cmdRepeat:    (*Server).repeatCommand,
	cmdSteer:     (*Server).steerCommand,
	cmdDelegate:  (*Server).delegateCommand,
	cmdCandidate: (*Server).candidateCommand,
	cmdCancel:    (*Server).cancelCommand,
	cmdAccept:    (*Server).acceptCommand,
	cmdReject:    (*Server).rejectCommand,
	cmdRetry:     (*Server).retryCommand,
	cmdRest:      (*Server).restCommand,
	cmdNext:      (*Server).nextCommand,
	cmdToggle:    (*Server).toggleCommand,
	cmdStatus:    (*Server).statusCommand,
	cmdDidAccept: (*Server).didAcceptCommand,
}

func commandNames() []string {
	names := []string{cmdInstruct}
	for name := range commands {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *Server) executeCommand(_ context.Context, snap *lsp.Snapshot, p *protocol.ExecuteCommandParams) (any, error) {
	command := p.Command
	var arg json.RawMessage
	if len(p.Arguments) > 0 {
		arg = slices.Clone(json.RawMessage(p.Arguments[0])) // it may wait for words
	}
	byKey := command == cmdInstruct
	if byKey {
		var err error
		if command, arg, err = s.instructed(snap, arg); err != nil {
			return nil, err
		}
	}
	run, ok := commands[command]
	if !ok {
		return nil, invalidParams("unknown command %q", p.Command)
	}
	if (byKey || command != cmdRetry) && s.askForWords(snap, command, arg) {
		return nil, nil
	}
	return run(s, snap, arg)
}

func invalidParams(format string, args ...any) error {
	return &jsonrpc2.Error{Code: jsonrpc2.InvalidParams, Message: fmt.Sprintf(format, args...)}
}

// say shows a sentence to the user without making the caller wait for it.
func (s *Server) say(kind protocol.MessageType, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.start(func(ctx context.Context) { s.client.ShowMessage(ctx, kind, text) })
}

// cancelCommand stops the edit with the given number, the edits of one document, or, without an argument, all.
func (s *Server) cancelCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	var a struct {
		ID  int    `json:"id"`
		URI string `json:"uri"`
	}
	if len(arg) > 0 {
		if err := lsp.DecodeParams(arg, &a); err != nil {
			return nil, invalidParams("%s: the argument is {id?, uri?}: %v", cmdCancel, err)
		}
	}
	uri := a.URI
	if doc, ok := snap.Get(uri); ok {
		uri = doc.URI
	}
	s.stopEdits(func(e *edit) bool {
		return (a.ID == 0 || a.ID == e.id) && (uri == "" || uri == e.uri)
	})
	return nil, nil
}

// toggleCommand pauses automatic completions, and resumes them.
func (s *Server) toggleCommand(*lsp.Snapshot, json.RawMessage) (any, error) {
	paused := !s.paused.Load()
	s.paused.Store(paused)
	word := "resumed"
	if paused {
		word = "paused"
	}
	s.tellActivity(0)
	s.start(s.notifyStatus)
	s.say(protocol.MessageTypeInfo, "spark-lsp: automatic completions %s", word)
	return nil, nil
}
