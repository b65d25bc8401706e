package editor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/textproto"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
)

// Options say who the editor is. The zero value is a modern editor that can do everything and offers utf-8
// and utf-16.
type Options struct {
	Name, Version string   // clientInfo; no name sends none
	Encodings     []string // general.positionEncodings, best first; nil means utf-8, utf-16; empty sends none
	Folders       []string // URIs of workspace folders
	ProcessID     int      // 0 sends null

	// InitializationOptions is sent as it is; nil sends none.
	InitializationOptions any
	// Capabilities are merged into the editor's own, object by object; a nil value removes a member.
	Capabilities map[string]any
	// Params, when set, is sent as the parameters of initialize instead of all the above (a captured
	// editor's). Only ProcessID still replaces its processId.
	Params json.RawMessage

	// Settings answers workspace/configuration: a section "spark.delivery" is looked up member by member.
	Settings map[string]any
	// FolderSettings answers it for a scope: the settings of the folder with that URI. A folder that is not here has
	// the general ones.
	FolderSettings map[string]map[string]any
	// Policy treats edits from the server; nil means Strict.
	Policy ApplyPolicy
	// Choose answers window/showMessageRequest with one of the actions, or "" for none; nil chooses none.
	// It runs on a goroutine of its own and may block.
	Choose func(message string, actions []string) string

	// ReadFile returns the text of a file that is not open; nil knows none. An edit of such a file opens it.
	ReadFile func(uri string) (text string, ok bool)

	// VersionPerSync counts versions as Emacs does, by what was sent; otherwise every change counts, as in
	// Neovim and VS Code.
	VersionPerSync bool
	// FirstVersion is the version in didOpen. Neovim sends 0.
	FirstVersion int32

	// Observe is called with every message, in order, before anything else happens with it. It must not
	// call the editor.
	Observe func(Message)
}

// Editor is one running editor with one server. Its methods are safe for concurrent use.
type Editor struct {
	opts Options
	out  *queue
	done chan struct{} // closed when the server's output has ended

	mu       sync.Mutex // guards all below
	changed  *sync.Cond // anything below has changed
	changes  int        // how often
	encoding string
	buffers  map[string]*buffer
	policy   ApplyPolicy
	choose   func(string, []string) string
	settings map[string]any
	handlers map[string]func(json.RawMessage) (any, error)
	hold     bool // didChange is held back

	holdEdits   bool      // edits of the server are held back
	heldEdits   []Message // in order
	holdReplies bool      // answers to them are
	heldReplies []Message

	pending    map[int64]*Pending // calls of ours
	lastID     int64
	log        []Message
	cursors    map[string]int // how far each kind of Wait has read the log
	progress   map[string]string
	edits      int // workspace/applyEdit requests received
	applied    int // of those, applied to a buffer
	violations []string
	ended      error // why the server's output has ended; nil while it has not
	greeted    bool  // initialize has been answered
}

// New starts an editor that reads the server's messages from r and writes its own to w. It ends when r does.
// HangUp closes w, if it is an io.Closer.
func New(o Options, r io.Reader, w io.Writer) *Editor {
	e := &Editor{
		opts:     o,
		out:      newQueue(w),
		done:     make(chan struct{}),
		encoding: "utf-16",
		buffers:  make(map[string]*buffer),
		policy:   o.Policy,
		choose:   o.Choose,
		settings: maps.Clone(o.Settings),
		handlers: make(map[string]func(json.RawMessage) (any, error)),
		pending:  make(map[int64]*Pending),
		cursors:  make(map[string]int),
		progress: make(map[string]string),
	}
	if e.policy == nil {
		e.policy = Strict
	}
	e.changed = sync.NewCond(&e.mu)
	go e.read(bufio.NewReader(r))
	return e
}

// Initialize sends initialize and takes over the encoding that the server picked.
func (e *Editor) Initialize(ctx context.Context) (*protocol.InitializeResult, error) {
	var result protocol.InitializeResult
	if err := e.Call(ctx, protocol.MethodInitialize, e.initializeParams(), &result); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if picked := string(result.Capabilities.PositionEncoding); picked != "" {
		e.encoding = picked
		if !slices.Contains(append(e.offered(), "utf-16"), picked) {
			e.violate("the server picked the encoding %q, which was not offered", picked)
		}
	}
	return &result, nil
}

// Initialized sends initialized.
func (e *Editor) Initialized() error { return e.Notify(protocol.MethodInitialized, struct{}{}) }

// Start is Initialize and Initialized.
func (e *Editor) Start(ctx context.Context) (*protocol.InitializeResult, error) {
	result, err := e.Initialize(ctx)
	if err != nil {
		return nil, err
	}
	return result, e.Initialized()
}

// Shutdown sends shutdown and waits for the answer.
func (e *Editor) Shutdown(ctx context.Context) error {
	return e.Call(ctx, protocol.MethodShutdown, nil, nil)
}

// Exit sends exit.
func (e *Editor) Exit() error { return e.Notify(protocol.MethodExit, nil) }

// HangUp closes the pipe to the server once everything sent so far is written, as the death of an editor
// does. It waits for neither.
func (e *Editor) HangUp() { e.out.close() }

// Done is closed when the server's output has ended.
func (e *Editor) Done() <-chan struct{} { return e.done }

// Encoding is the position encoding in use.
func (e *Editor) Encoding() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.encoding
}

func (e *Editor) offered() []string {
	if len(e.opts.Params) > 0 {
		var p protocol.InitializeParams
		if protocol.Unmarshal(e.opts.Params, &p) != nil || p.Capabilities.General == nil {
			return nil
		}
		var list []string
		for _, k := range p.Capabilities.General.PositionEncodings {
			list = append(list, string(k))
		}
		return list
	}
	if e.opts.Encodings == nil {
		return []string{"utf-8", "utf-16"}
	}
	return slices.Clone(e.opts.Encodings)
}

func (e *Editor) initializeParams() any {
	var pid any
	if e.opts.ProcessID != 0 {
		pid = e.opts.ProcessID
	}
	if len(e.opts.Params) > 0 {
		var p map[string]json.RawMessage
		if json.Unmarshal(e.opts.Params, &p) != nil {
			return e.opts.Params
		}
		p["processId"], _ = json.Marshal(pid)
		return p
	}
	o := e.opts
	p := map[string]any{"processId": pid, "rootUri": nil, "capabilities": merge(capabilities(e.offered()), o.Capabilities)}
	if o.Name != "" {
		p["clientInfo"] = map[string]any{"name": o.Name, "version": o.Version}
	}
	if o.InitializationOptions != nil {
		p["initializationOptions"] = o.InitializationOptions
	}
	if len(o.Folders) > 0 {
		var list []any
		for _, f := range o.Folders {
			list = append(list, map[string]any{"uri": f, "name": f})
		}
		p["rootUri"], p["workspaceFolders"] = o.Folders[0], list
	}
	return p
}

// capabilities are those of an editor that can do everything that spark-lsp knows of.
func capabilities(encodings []string) map[string]any {
	type m = map[string]any
	general := m{}
	if len(encodings) > 0 {
		general["positionEncodings"] = encodings
	}
	return m{
		"general": general,
		"textDocument": m{
			"synchronization":  m{"didSave": true},
			"inlineCompletion": m{},
			"completion":       m{"completionItem": m{"snippetSupport": true, "insertReplaceSupport": true}},
			"codeAction": m{
				"codeActionLiteralSupport": m{"codeActionKind": m{"valueSet": []string{"", "quickfix", "refactor", "source"}}},
				"isPreferredSupport":       true,
				"disabledSupport":          true,
				"dataSupport":              true,
				"resolveSupport":           m{"properties": []string{"edit", "command"}},
				"tagSupport":               m{"valueSet": []int{1}},
			},
			"codeLens": m{},
		},
		"window": m{"workDoneProgress": true, "showDocument": m{"support": true}},
		"workspace": m{
			"applyEdit":             true,
			"configuration":         true,
			"workspaceFolders":      true,
			"workspaceEdit":         m{"documentChanges": true, "changeAnnotationSupport": m{}, "resourceOperations": []string{"create"}, "metadataSupport": true},
			"didChangeWatchedFiles": m{"dynamicRegistration": true},
			"codeLens":              m{"refreshSupport": true},
		},
	}
}

func merge(into, from map[string]any) map[string]any {
	for k, v := range from {
		inner, ok1 := into[k].(map[string]any)
		outer, ok2 := v.(map[string]any)
		switch {
		case v == nil:
			delete(into, k)
		case ok1 && ok2:
			merge(inner, outer)
		default:
			into[k] = v
		}
	}
	return into
}

// Pending is a call that the server has not answered yet, or that Wait has not asked about.
type Pending struct {
	e      *Editor
	id     int64
	method string

	answered bool // guarded by e.mu, as the rest
	result   json.RawMessage
	err      error
}

// Call calls the server and waits for the answer, which is decoded into result (nil discards it). The
// server's refusal is a *jsonrpc2.Error. When ctx ends first, the call is cancelled as a user would.
func (e *Editor) Call(ctx context.Context, method string, params, result any) error {
	p, err := e.CallAsync(method, params)
	if err != nil {
		return err
	}
	return p.Wait(ctx, result)
}

// CallAsync calls the server and does not wait. Changes that are held back are sent before it, as editors do.
func (e *Editor) CallAsync(method string, params any) (*Pending, error) {
	raw, err := encodeParams(params)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.flush(); err != nil {
		return nil, err
	}
	if bytes.Contains(raw, []byte(`"workDoneToken"`)) {
		var t struct {
			Token json.RawMessage `json:"workDoneToken"`
		}
		if json.Unmarshal(raw, &t) == nil && t.Token != nil {
			e.progress[string(t.Token)] = "created"
		}
	}
	e.lastID++
	p := &Pending{e: e, id: e.lastID, method: method}
	e.pending[p.id] = p
	return p, e.send(Message{Kind: Call, ID: strconv.FormatInt(p.id, 10), Method: method, Params: raw})
}

// ID is the id of the call on the wire.
func (p *Pending) ID() int64 { return p.id }

// Cancel asks the server to cancel the call. It must be answered all the same.
func (p *Pending) Cancel() error {
	return p.e.Notify(protocol.MethodCancelRequest, map[string]int64{"id": p.id})
}

// Wait waits for the answer and decodes it into result (nil discards it). When ctx ends first it cancels the
// call, and returns ctx's error.
func (p *Pending) Wait(ctx context.Context, result any) error {
	if err := p.e.wait(ctx, "the answer to "+p.method, func() bool { return p.answered }); err != nil {
		if ctx.Err() != nil {
			_ = p.Cancel()
		}
		return err
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.method, p.err)
	}
	if result == nil || len(p.result) == 0 || string(p.result) == "null" {
		return nil
	}
	if raw, ok := result.(*json.RawMessage); ok {
		*raw = p.result
		return nil
	}
	if err := protocol.Unmarshal(p.result, result); err != nil {
		return fmt.Errorf("%s: decoding the answer: %w", p.method, err)
	}
	return nil
}

// Answered reports whether the answer has come.
func (p *Pending) Answered() bool {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	return p.answered
}

// Notify sends a notification.
func (e *Editor) Notify(method string, params any) error {
	raw, err := encodeParams(params)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.send(Message{Kind: Notification, Method: method, Params: raw})
}

// RawSend sends bytes as they are, header and all, to see what a server makes of them.
func (e *Editor) RawSend(b []byte) error { return e.out.write(b) }

// Frame puts the header before a body, for RawSend.
func Frame(body string) []byte {
	return fmt.Appendf(nil, "Content-Length: %d\r\n\r\n%s", len(body), body)
}

func encodeParams(params any) (json.RawMessage, error) {
	switch p := params.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		return p, nil
	}
	return protocol.Marshal(params)
}

// send logs and queues a message. Called with mu held, so that the log has the order of the wire.
func (e *Editor) send(m Message) error {
	m.Sent = true
	e.record(m)
	body, err := m.encode()
	if err != nil {
		return err
	}
	return e.out.write(Frame(string(body)))
}

// read is the editor's read loop.
func (e *Editor) read(r *bufio.Reader) {
	defer close(e.done)
	for {
		body, err := readFrame(r)
		if err != nil {
			e.mu.Lock()
			defer e.mu.Unlock()
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
				e.violate("the server's output: %v", err)
			}
			e.ended = err
			e.out.close()
			e.happened()
			return
		}
		e.receive(body)
	}
}

func readFrame(r *bufio.Reader) ([]byte, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	header, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	n, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil || n <= 0 {
		return nil, fmt.Errorf("header: Content-Length %q", header.Get("Content-Length"))
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return body, nil
}

// receive handles one message of the server.
func (e *Editor) receive(body []byte) {
	m, err := decodeMessage(body)
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.happened()
	if err != nil {
		e.violate("not a message: %v: %s", err, body)
		return
	}
	e.record(m)
	switch m.Kind {
	case Response:
		e.answer(m)
	case Notification:
		e.notified(m)
	case Call:
		if !e.greeted && m.Method != protocol.MethodWindowShowMessageRequest {
			e.violate("%s before initialize was answered", m.Method)
		}
		e.called(m)
	}
}

func (e *Editor) answer(m Message) {
	id, err := strconv.ParseInt(m.ID, 10, 64)
	p := e.pending[id]
	if err != nil || p == nil {
		// Answers to what RawSend sent are no violation, and cannot be told from answers to nothing; the log
		// has them.
		return
	}
	delete(e.pending, id)
	if p.method == protocol.MethodInitialize && m.Err == nil {
		e.greeted = true
	}
	p.answered, p.result = true, m.Result
	if m.Err != nil {
		p.err = m.Err
	}
}

func (e *Editor) violate(format string, args ...any) {
	e.violations = append(e.violations, fmt.Sprintf(format, args...))
}

// Violations are what the server did that the protocol forbids.
func (e *Editor) Violations() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.violations)
}

// queue writes to the server on a goroutine of its own, so that an editor, which also reads, never waits for
// a server that waits for it.
type queue struct {
	w    io.Writer
	mu   sync.Mutex
	cond *sync.Cond
	buf  bytes.Buffer
	end  bool
	err  error
}

func newQueue(w io.Writer) *queue {
	q := &queue{w: w}
	q.cond = sync.NewCond(&q.mu)
	go q.run()
	return q
}

func (q *queue) write(b []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	if q.end {
		return io.ErrClosedPipe
	}
	q.buf.Write(b)
	q.cond.Signal()
	return nil
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end = true
	q.cond.Signal()
}

func (q *queue) run() {
	defer func() {
		if c, ok := q.w.(io.Closer); ok {
			c.Close() //nolint:errcheck // the server sees the end or has gone
		}
	}()
	for {
		q.mu.Lock()
		for q.buf.Len() == 0 && !q.end {
			q.cond.Wait()
		}
		b := bytes.Clone(q.buf.Bytes())
		q.buf.Reset()
		q.mu.Unlock()
		if len(b) == 0 {
			return
		}
		if _, err := q.w.Write(b); err != nil {
			q.mu.Lock()
			q.err = err
			q.mu.Unlock()
			return
		}
	}
}

// Kind tells messages apart.
type Kind string

const (
	Call         Kind = "call"
	Notification Kind = "notification"
	Response     Kind = "response"
)

// Message is one message of the log.
type Message struct {
	Seq    int // from 0, over both directions
	Time   time.Time
	Sent   bool // by the editor; otherwise received
	Kind   Kind
	ID     string // of a call or response, as JSON
	Method string // of a call or notification, and of the editor's own response the call's
	Params json.RawMessage
	Result json.RawMessage
	Err    *jsonrpc2.Error
}

// String is one line of a log: an arrow, what it is, and the start of its content.
func (m Message) String() string {
	arrow := "<-"
	if m.Sent {
		arrow = "->"
	}
	content := string(m.Params)
	switch {
	case m.Err != nil:
		content = fmt.Sprintf("error %d: %s", m.Err.Code, m.Err.Message)
	case m.Kind == Response:
		content = string(m.Result)
	}
	if len(content) > 200 {
		content = content[:200] + "…"
	}
	return fmt.Sprintf("%s %s %s %s %s", arrow, m.Kind, m.ID, m.Method, content)
}

type envelope struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

func (m Message) encode() ([]byte, error) {
	v := envelope{Version: "2.0", Method: m.Method, Params: m.Params, Result: m.Result}
	if m.ID != "" {
		v.ID = json.RawMessage(m.ID)
	}
	if m.Kind == Response {
		v.Method = "" // known to the log, not to the wire
	}
	if m.Err != nil {
		v.Error = fmt.Appendf(nil, `{"code":%d,"message":%s}`, m.Err.Code, quote(m.Err.Message))
		v.Result = nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func quote(s string) []byte {
	b, _ := json.Marshal(s)
	return b
}

func decodeMessage(body []byte) (Message, error) {
	var v envelope
	if err := json.Unmarshal(body, &v); err != nil {
		return Message{}, err
	}
	m := Message{ID: string(v.ID), Method: v.Method, Params: v.Params, Result: v.Result}
	if v.Version != "2.0" {
		return m, fmt.Errorf("jsonrpc is %q", v.Version)
	}
	switch {
	case v.Method != "" && v.ID != nil:
		m.Kind = Call
	case v.Method != "":
		m.Kind = Notification
	case v.ID == nil:
		return m, errors.New("neither method nor id")
	default:
		m.Kind = Response
		if (v.Error == nil) == (v.Result == nil) {
			return m, errors.New("a response has either a result or an error")
		}
		if v.Error != nil {
			var f struct {
				Code    jsonrpc2.Code
				Message string
				Data    json.RawMessage
			}
			if err := json.Unmarshal(v.Error, &f); err != nil {
				return m, err
			}
			m.Err = &jsonrpc2.Error{Code: f.Code, Message: f.Message, Data: jsonrpc2.RawMessage(f.Data)}
		}
	}
	return m, nil
}
