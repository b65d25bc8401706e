package server

import (
	"context"
	"encoding/json"
	"path"
	"strings"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
)

// Next edits are asked for in the dialect of the clients that exist (sidekick.nvim, copilot-lsp.nvim), and by a name
// of our own with the same shape.
const (
	methodCopilotInlineEdit  = "textDocument/copilotInlineEdit"
	methodNextEdit           = "spark/nextEdit"
	methodNextEditDidReject  = "spark/nextEdit/didReject"
	methodDidShowInlineEdit  = "textDocument/didShowInlineEdit"
	methodDidShowCompletion  = "textDocument/didShowCompletion"
	methodDidPartiallyAccept = "textDocument/didPartiallyAcceptCompletion"
	methodDidFocus           = "textDocument/didFocus"
	methodCheckStatus        = "checkStatus"
)

type nextEditParams struct {
	TextDocument struct {
		URI string `json:"uri"`
	} `json:"textDocument"`
}

// nextEditList answers; Edits is never null, since copilot-lsp.nvim reads it without looking.
type nextEditList struct {
	Edits []nextEdit `json:"edits"`
}

type nextEdit struct {
	Text         string           `json:"text"`
	TextDocument versionedURI     `json:"textDocument"` // sidekick.nvim drops an edit for another version than its buffer's
	Range        protocol.Range   `json:"range"`
	Command      protocol.Command `json:"command"` // to be run when it was accepted
}

type versionedURI struct {
	URI     string `json:"uri"`
	Version int32  `json:"version"`
}

// nextEdit proposes the edit that the user may want to make next, somewhere in the document: at most one.
func (s *Server) nextEdit(_ context.Context, snap *lsp.Snapshot, p *nextEditParams) (any, error) {
	none := nextEditList{Edits: []nextEdit{}}
	doc, ok := snap.Get(p.TextDocument.URI)
	if !ok || !s.automatic(doc) {
		return none, nil
	}
	o, ok := s.proposeEdit(doc, false)
	if !ok {
		return none, nil
	}
	return nextEditOf(doc, o), nil
}

// proposeEdit asks for the next edit of a document; ok is false when there is none, also while an edit of ours is
// being written into it: whoever applied the proposal would collide with that.
func (s *Server) proposeEdit(doc *lsp.Document, byHand bool) (o offered, ok bool) {
	d := s.document(doc.URI)
	if d == nil || d.version() != doc.Version || s.editing(doc.URI) {
		return o, false
	}
	past := d.log.history()
	if len(past) < 2 {
		return o, false
	}
	list := s.cfg.Engine.NextEdits(s.relative(doc.URI), doc.LanguageID, doc.Text.String(), past)
	if d.version() != doc.Version {
		return o, false // the log is about another text already
	}
	if o, ok = d.log.choose(list, byHand); ok && o.fresh {
		s.tally.add(func(c *counts) { c.NextEditsShown++ })
	}
	return o, ok
}

func nextEditOf(doc *lsp.Document, o offered) nextEditList {
	return nextEditList{Edits: []nextEdit{{
		Text:         o.New,
		TextDocument: versionedURI{doc.URI, doc.Told},
		Range:        doc.OffsetsToRange(o.Start, o.End),
		Command:      didAccept(acceptArgument{URI: doc.URI, NextEdit: o.id}),
	}}}
}

// acceptArgument is the argument of spark-lsp.didAccept, and how a notification about an item names it.
type acceptArgument struct {
	URI        string `json:"uri"`
	Suggestion int    `json:"suggestion,omitempty"`
	NextEdit   int    `json:"nextEdit,omitempty"`
}

// itemParams is a notification about an item that an editor has been given.
type itemParams struct {
	Item struct {
		Command struct {
			Arguments []json.RawMessage `json:"arguments"`
		} `json:"command"`
	} `json:"item"`
	AcceptedLength int `json:"acceptedLength"` // UTF-16 units
}

// about is the item that a notification is about; of another server's items nothing is known.
func (p *itemParams) about() (a acceptArgument, ok bool) {
	if len(p.Item.Command.Arguments) == 0 || json.Unmarshal(p.Item.Command.Arguments[0], &a) != nil {
		return a, false
	}
	return a, a.URI != ""
}

// nextEditDidReject remembers that a proposal was not wanted: it is not made again, unless asked for by hand.
func (s *Server) nextEditDidReject(_ *lsp.Snapshot, p *itemParams) error {
	a, ok := p.about()
	if d := s.document(a.URI); ok && d != nil {
		d.log.reject(a.NextEdit)
	}
	return nil
}

// didFocus notes which document the user looks at: {textDocument: {uri}}, {uri} from Zed, {} for none.
func (s *Server) didFocus(_ *lsp.Snapshot, p *struct {
	URI          string `json:"uri"`
	TextDocument struct {
		URI string `json:"uri"`
	} `json:"textDocument"`
}) error {
	uri := strings.Clone(p.TextDocument.URI + p.URI)
	s.focus.Store(&uri)
	return nil
}

// focused is the URI of the document that a command without arguments means: the one that the user looks at, as far as
// the editor tells of it; most do not, and there it is the one that was typed in last.
func (s *Server) focused() string {
	for _, p := range []*string{s.focus.Load(), s.typed.Load()} {
		if p != nil && *p != "" {
			return *p
		}
	}
	return ""
}

// nextCommand answers with the next edit, for shells that show it. It serves those who ask by hand, so what was
// refused before may come again. Without arguments, as a command picker calls it, it says in a message what the next
// edit in the document in focus would be.
func (s *Server) nextCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	var a struct {
		URI string `json:"uri"`
	}
	if len(arg) > 0 {
		if err := lsp.DecodeParams(arg, &a); err != nil {
			return nil, invalidParams("%s: the argument is {uri}: %v", cmdNext, err)
		}
	}
	uri := a.URI
	if uri == "" {
		uri = s.focused()
	}
	doc, ok := snap.Get(uri)
	if !ok && a.URI != "" {
		return nil, invalidParams("%s: %s is not open", cmdNext, a.URI)
	}
	if !ok {
		s.say(protocol.MessageTypeInfo, "spark-lsp: nothing yet: make the same edit twice, and the next place follows")
		return nil, nil
	}
	o, ok := s.proposeEdit(doc, true)
	if !ok {
		s.say(protocol.MessageTypeInfo, "spark-lsp: no next edit; it takes the same edit made twice")
		return nextEditList{Edits: []nextEdit{}}, nil
	}
	if a.URI == "" {
		s.say(protocol.MessageTypeInfo, "spark-lsp: next edit at %s:%d, %s", path.Base(doc.URI), doc.Text.LineAt(o.Start)+1,
			describe(doc.Text.Slice(o.Start, o.End), o.New))
	}
	return nextEditOf(doc, o), nil
}

// describe is an edit in a few words.
func describe(old, new string) string {
	switch {
	case old == "":
		return "insert " + new
	case new == "":
		return "delete " + old
	}
	return old + " → " + new
}
