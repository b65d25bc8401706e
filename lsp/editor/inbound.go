package editor

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
)

// Handle answers calls of the server for method by f, instead of what the editor does by itself. f runs on a
// goroutine of its own and may use the editor. A *jsonrpc2.Error goes out with its code.
func (e *Editor) Handle(method string, f func(params json.RawMessage) (any, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.handlers[method] = f
}

// OnChoose answers the showMessageRequests to come; see Options.Choose.
func (e *Editor) OnChoose(f func(message string, actions []string) string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.choose = f
}

// SetSettings replaces what workspace/configuration answers, and tells the server that they have changed, with
// null as content, so that it has to ask.
func (e *Editor) SetSettings(settings map[string]any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settings = settings
	return e.sendParams(protocol.MethodWorkspaceDidChangeConfiguration, map[string]any{"settings": nil})
}

// notified handles a notification of the server. Called with mu held.
func (e *Editor) notified(m Message) {
	p, ok := readProgress(m)
	if !ok || p.Kind == "" {
		return
	}
	state, token := e.progress[string(p.Token)], string(p.Token)
	switch {
	case state == "":
		e.violate("progress %s for the token %s, which nobody has created", p.Kind, token)
	case state == "ended":
		e.violate("progress %s after the end of %s", p.Kind, token)
	case p.Kind == "begin" && state != "created":
		e.violate("progress %s begins twice", token)
	case p.Kind != "begin" && state != "begun":
		e.violate("progress %s of %s before its begin", p.Kind, token)
	}
	switch p.Kind {
	case "begin":
		e.progress[token] = "begun"
	case "end":
		e.progress[token] = "ended"
	}
}

// called handles a call of the server. Called with mu held.
func (e *Editor) called(m Message) {
	if f := e.handlers[m.Method]; f != nil {
		go e.answerBy(m, func() (any, error) { return f(m.Params) })
		return
	}
	switch m.Method {
	case protocol.MethodWorkspaceApplyEdit:
		e.edits++
		if e.holdEdits {
			e.heldEdits = append(e.heldEdits, m)
			return
		}
		e.applyEdit(m)
	case protocol.MethodWindowWorkDoneProgressCreate:
		var p struct{ Token json.RawMessage }
		if json.Unmarshal(m.Params, &p) != nil || p.Token == nil {
			e.violate("workDoneProgress/create without a token")
		}
		if e.progress[string(p.Token)] != "" {
			e.violate("the progress token %s is created twice", p.Token)
		}
		e.progress[string(p.Token)] = "created"
		e.reply(m, nil, nil)
	case protocol.MethodWorkspaceConfiguration:
		var p struct {
			Items []struct{ Section, ScopeURI string }
		}
		_ = json.Unmarshal(m.Params, &p)
		values := make([]any, len(p.Items))
		for i, item := range p.Items {
			settings, ok := e.opts.FolderSettings[item.ScopeURI]
			if !ok {
				settings = e.settings
			}
			values[i] = lookup(settings, item.Section)
		}
		e.reply(m, values, nil)
	case protocol.MethodWindowShowMessageRequest:
		choose := e.choose
		go e.answerBy(m, func() (any, error) { return chosen(m.Params, choose), nil })
	case protocol.MethodWindowShowDocument:
		e.reply(m, map[string]bool{"success": true}, nil)
	case protocol.MethodClientRegisterCapability, protocol.MethodClientUnregisterCapability,
		protocol.MethodWorkspaceCodeLensRefresh:
		e.reply(m, nil, nil)
	case protocol.MethodWorkspaceWorkspaceFolders:
		e.reply(m, nil, nil)
	default:
		e.reply(m, nil, jsonrpc2.NewError(jsonrpc2.MethodNotFound, "method not found: "+m.Method))
	}
}

// answerBy answers a call by f, without the lock.
func (e *Editor) answerBy(m Message, f func() (any, error)) {
	result, err := f()
	var wire *jsonrpc2.Error
	if err != nil {
		var ok bool
		if wire, ok = err.(*jsonrpc2.Error); !ok { //nolint:errorlint // only as it is
			wire = jsonrpc2.NewError(jsonrpc2.InternalError, err.Error())
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reply(m, result, wire)
}

// reply answers a call. Called with mu held.
func (e *Editor) reply(m Message, result any, failure *jsonrpc2.Error) {
	r := Message{Kind: Response, ID: m.ID, Method: m.Method, Err: failure}
	if failure == nil {
		raw, err := protocol.Marshal(result)
		if err != nil {
			r.Err = jsonrpc2.NewError(jsonrpc2.InternalError, err.Error())
		}
		r.Result = raw
	}
	if e.holdReplies && m.Method == protocol.MethodWorkspaceApplyEdit {
		e.heldReplies = append(e.heldReplies, r)
		return
	}
	_ = e.send(r)
}

func lookup(settings map[string]any, section string) any {
	var v any = settings
	if section == "" {
		return v
	}
	for _, name := range strings.Split(section, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func chosen(params json.RawMessage, choose func(string, []string) string) any {
	var p struct {
		Message string
		Actions []struct{ Title string }
	}
	if choose == nil || json.Unmarshal(params, &p) != nil {
		return nil
	}
	titles := make([]string, len(p.Actions))
	for i, a := range p.Actions {
		titles[i] = a.Title
	}
	if title := choose(p.Message, titles); slices.Contains(titles, title) {
		return map[string]string{"title": title}
	}
	return nil
}

// documentEdit is the part of a WorkspaceEdit that concerns one document.
type documentEdit struct {
	uri     string
	version *int32
	edits   []protocol.TextEdit
	create  bool // the file is created, and there are no edits
}

// applyEdit treats a workspace/applyEdit: checks it, asks the policy, applies, tells of the changes, answers; in
// this order, as real editors do. Called with mu held.
func (e *Editor) applyEdit(m Message) {
	label, docs, ok := readWorkspaceEdit(m.Params)
	if !ok {
		e.violate("an edit that is none: %s", m.Params)
		e.reply(m, nil, jsonrpc2.NewError(jsonrpc2.InvalidParams, "not an edit"))
		return
	}
	in := Incoming{Label: label}
	created := map[string]bool{}
	for _, d := range docs {
		b := e.buffers[d.uri]
		doc := IncomingDocument{URI: d.uri, Open: b != nil, Version: d.version, Edits: len(d.edits)}
		_, onDisk := e.onDisk(d.uri)
		switch {
		case d.create && (b != nil || onDisk):
			e.violate("%s is to be created and exists", d.uri)
		case d.create:
			created[d.uri] = true
		case b != nil:
			doc.Buffer = b.version
		case !onDisk && !created[d.uri]:
			e.violate("an edit of %s, which is not open and no file", d.uri)
		case d.version != nil:
			e.violate("an edit of version %d of %s, which is not open", *d.version, d.uri)
		}
		in.Documents = append(in.Documents, doc)
		e.check(b, d)
	}
	v := e.policy(in)
	if v.How != Drop {
		for _, d := range docs {
			b := e.buffers[d.uri]
			if b == nil {
				// What is changed and not open is opened, as Neovim, Helix and VS Code do it.
				text, _ := e.onDisk(d.uri)
				b, _ = e.open(d.uri, "", text) // a connection that has ended is noticed when it is read
			}
			if !d.create {
				e.apply(b, d, v.How)
			}
		}
		e.applied++
		_ = e.synced()
	}
	if v.Err != nil {
		e.reply(m, nil, v.Err)
		return
	}
	result := map[string]any{"applied": v.Applied}
	if v.Reason != "" {
		result["failureReason"] = v.Reason
		result["failedChange"] = 0
	}
	e.reply(m, result, nil)
}

// check looks for what an editor might crash on (D15): edits that are inverted, that lie outside the text
// that the server knows, or that overlap.
func (e *Editor) check(b *buffer, d documentEdit) {
	type span struct{ start, end protocol.Position }
	spans := make([]span, 0, len(d.edits))
	for _, t := range d.edits {
		if before(t.Range.End, t.Range.Start) {
			e.violate("an inverted range in an edit of %s: %v", d.uri, t.Range)
		}
		spans = append(spans, span{t.Range.Start, t.Range.End})
		if b == nil || d.version != nil && *d.version != b.told.version {
			continue // the text of that version is not at hand
		}
		for _, p := range []protocol.Position{t.Range.Start, t.Range.End} {
			if _, ok := offsetAt(b.told.text, e.encoding, p); !ok {
				e.violate("an edit of %s at %d:%d, where the document of version %d has no place",
					d.uri, p.Line, p.Character, b.told.version)
			}
		}
	}
	slices.SortStableFunc(spans, func(a, b span) int {
		if before(a.start, b.start) {
			return -1
		}
		if before(b.start, a.start) {
			return 1
		}
		return 0
	})
	for i := 1; i < len(spans); i++ {
		if before(spans[i].start, spans[i-1].end) {
			e.violate("overlapping edits of %s: %v and %v", d.uri, spans[i-1], spans[i])
		}
	}
}

func before(a, b protocol.Position) bool {
	return a.Line < b.Line || a.Line == b.Line && a.Character < b.Character
}

// apply makes one undo step of the edits of a document, from the last to the first, so that none moves
// another. Edits at one place keep their order.
func (e *Editor) apply(b *buffer, d documentEdit, how How) {
	text, since := b.text, []step(nil)
	if how == Rebase && d.version != nil && *d.version != b.version {
		text, since = b.at(*d.version)
	}
	edits := make([]editops.Edit, 0, len(d.edits))
	for _, t := range d.edits {
		start, _ := offsetAt(text, e.encoding, t.Range.Start)
		end, _ := offsetAt(text, e.encoding, t.Range.End)
		if end < start {
			start, end = end, start
		}
		for _, s := range since {
			start, end = s.move(start), s.move(end)
		}
		edits = append(edits, editops.Edit{Start: start, End: max(start, end), New: t.NewText})
	}
	slices.SortStableFunc(edits, func(a, b editops.Edit) int { return cmp.Compare(a.Start, b.Start) })
	slices.Reverse(edits)
	for i, edit := range edits {
		edit.End = max(edit.Start, min(edit.End, len(b.text)))
		e.change(b, edit, i > 0)
	}
	if len(edits) > 0 {
		b.steps++
	}
}

// at returns the buffer's text of an earlier version and the steps that were made since, oldest first.
func (b *buffer) at(version int32) (string, []step) {
	text, i := b.text, len(b.history)
	for i > 0 && b.history[i-1].version >= version {
		i--
		s := b.history[i]
		text = text[:s.Start] + s.old + text[s.Start+len(s.New):]
	}
	return text, b.history[i:]
}

// move returns where a place is after the step. A place in what was replaced goes to its end.
func (s step) move(offset int) int {
	switch {
	case offset < s.Start:
		return offset
	case offset >= s.End:
		return offset + len(s.New) - (s.End - s.Start)
	default:
		return s.Start + len(s.New)
	}
}

// onDisk is the text of a file that is not open.
func (e *Editor) onDisk(uri string) (string, bool) {
	if e.opts.ReadFile == nil {
		return "", false
	}
	return e.opts.ReadFile(uri)
}

// readWorkspaceEdit reads both forms of a WorkspaceEdit. Snippets, and file operations other than the creation of a
// file, are more than this editor can do.
func readWorkspaceEdit(params json.RawMessage) (label string, docs []documentEdit, ok bool) {
	var p struct {
		Label string `json:"label"`
		Edit  struct {
			Changes         map[string][]wireEdit `json:"changes"`
			DocumentChanges []struct {
				Kind, URI    string
				TextDocument *struct {
					URI     string `json:"uri"`
					Version *int32 `json:"version"`
				} `json:"textDocument"`
				Edits []wireEdit `json:"edits"`
			} `json:"documentChanges"`
		} `json:"edit"`
	}
	if json.Unmarshal(params, &p) != nil {
		return "", nil, false
	}
	for _, c := range p.Edit.DocumentChanges {
		if c.Kind == "create" {
			docs = append(docs, documentEdit{uri: c.URI, create: true})
			continue
		}
		if c.TextDocument == nil {
			return "", nil, false
		}
		edits, ok := textEdits(c.Edits)
		if !ok {
			return "", nil, false
		}
		docs = append(docs, documentEdit{uri: c.TextDocument.URI, version: c.TextDocument.Version, edits: edits})
	}
	if p.Edit.DocumentChanges == nil {
		for uri, list := range p.Edit.Changes {
			edits, ok := textEdits(list)
			if !ok {
				return "", nil, false
			}
			docs = append(docs, documentEdit{uri: uri, edits: edits})
		}
		slices.SortFunc(docs, func(a, b documentEdit) int { return strings.Compare(a.uri, b.uri) })
	}
	return p.Label, docs, true
}

type wireEdit struct {
	Range   *protocol.Range `json:"range"`
	NewText *string         `json:"newText"`
}

func textEdits(list []wireEdit) ([]protocol.TextEdit, bool) {
	edits := make([]protocol.TextEdit, 0, len(list))
	for _, w := range list {
		if w.Range == nil || w.NewText == nil {
			return nil, false
		}
		edits = append(edits, protocol.TextEdit{Range: *w.Range, NewText: *w.NewText})
	}
	return edits, true
}
