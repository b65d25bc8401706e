package lsp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
	"go.uber.org/zap"
)

// How a connection ends, other than by shutdown and exit.
var (
	// ErrExitWithoutShutdown: the client sent exit without shutdown; the process exits with 1.
	ErrExitWithoutShutdown = errors.New("exit without shutdown")
	// ErrClientGone: the client closed its end, stopped reading, or died, without shutdown.
	ErrClientGone = errors.New("the editor has gone")
	// ErrClosed is what calls to the client return once the connection has ended.
	ErrClosed = errors.New("the connection to the editor has ended")
)

// ErrContentModified is what a request returns when its document has moved on so far that the answer would be
// wrong. It reaches the client as -32801.
var ErrContentModified error = protocol.ErrContentModified

// RequestFunc answers one call of the client on a goroutine of its own. snap is the documents as of the
// call's arrival. ctx ends when the client cancels the call or the connection ends. params is raw JSON, nil
// when absent, and stays valid.
//
// A context.Canceled in the error reaches the client as RequestCancelled (-32800), a *jsonrpc2.Error with its
// own code, anything else as RequestFailed (-32803). A nil result is sent as null.
type RequestFunc func(ctx context.Context, snap *Snapshot, params []byte) (any, error)

// NotificationFunc handles one notification on the read loop, in the order of the wire. It must be quick, must
// never wait for the client, and must not keep params, which are reused. The text of its error is logged, so
// it must not quote documents.
type NotificationFunc func(snap *Snapshot, params []byte) error

// Call makes a RequestFunc of a function with typed parameters, decoded as DecodeParams does it. Parameters that
// do not decode are answered with InvalidParams. Decoded strings may keep the whole message alive; clone what is kept for long.
func Call[P any](f func(context.Context, *Snapshot, *P) (any, error)) RequestFunc {
	return func(ctx context.Context, snap *Snapshot, params []byte) (any, error) {
		var p P
		if err := DecodeParams(params, &p); err != nil {
			return nil, jsonrpc2.Errorf(jsonrpc2.InvalidParams, "invalid params: %v", err)
		}
		return f(ctx, snap, &p)
	}
}

// Notify makes a NotificationFunc of a function with typed parameters, as lenient as Call. Unlike raw params, the decoded ones
// may be kept (clone strings that are kept for long: they hold the whole message).
func Notify[P any](f func(*Snapshot, *P) error) NotificationFunc {
	return func(snap *Snapshot, params []byte) error {
		var p P
		if decodeParams(params, &p) != nil {
			return errUndecodable // anything more exact might quote a document
		}
		return f(snap, &p)
	}
}

// Program is what a server supplies. The functions may be nil, the tables too.
//
// The lifecycle (initialize, initialized, shutdown, exit), $/cancelRequest, and didOpen, didChange and
// didClose of text documents belong to this package and must not be in the tables.
type Program struct {
	// Initialize answers initialize. PositionEncoding and TextDocumentSync of the result are filled in by
	// Serve. The client may be sent notifications already, but not be called: its messages wait until
	// initialize is answered. ctx lives as long as the connection.
	Initialize func(context.Context, *Client, *protocol.InitializeParams) (*protocol.InitializeResult, error)

	// Initialized runs on the read loop. Whatever calls the client (workspace/configuration, registrations)
	// must start a goroutine: the answer is read by the loop that would be waiting for it. ctx lives as
	// long as the connection.
	Initialized func(ctx context.Context)

	// Changed runs on the read loop, in the order of the wire, after Documents has advanced.
	Changed func(Change)

	Requests      map[string]RequestFunc
	Notifications map[string]NotificationFunc

	// Shutdown runs once, however the connection ends: when the client asks for shutdown, exits without
	// it, closes its end, or dies. Calls may still be running. Serve waits for it as long as for them.
	Shutdown func()

	Log *zap.Logger // nil logs nothing

	// PanicOnBug makes a panic of a handler end the connection and panic again from Serve, for tests.
	// Otherwise it is logged, a call is answered with InternalError, and the connection goes on.
	PanicOnBug bool
}

// grace is how long Serve waits, after the end of the connection, for handlers and Shutdown; flushing is
// how long it then waits for a client to read what is left, at the least: what the former have not used of their time
// is for that too.
const (
	grace    = 800 * time.Millisecond
	flushing = 100 * time.Millisecond
)

// Serve speaks LSP over in and out until the connection ends, and returns nil if it ended with shutdown and
// exit. Otherwise the error says why: ErrExitWithoutShutdown, ErrClientGone (wrapped), ctx's cause, or what
// broke the stream.
//
// It owns in and out: whichever is an io.Closer is closed at the end, since nothing else interrupts a
// blocked read. When the connection ends, the contexts of all handlers end; Serve returns within a second even if
// handlers do not, and leaves no goroutine behind if they do.
func Serve(ctx context.Context, in io.Reader, out io.Writer, p Program) error {
	for _, method := range []string{
		protocol.MethodInitialize, protocol.MethodInitialized, protocol.MethodShutdown, protocol.MethodExit,
		protocol.MethodCancelRequest, protocol.MethodTextDocumentDidOpen, protocol.MethodTextDocumentDidChange,
		protocol.MethodTextDocumentDidClose,
	} {
		if p.Requests[method] != nil || p.Notifications[method] != nil {
			return fmt.Errorf("lsp: %s is not for the program to handle", method)
		}
	}
	s := newServer(ctx, in, out, p)
	go s.out.run()
	// The connection's context never ends: jsonrpc2 hands it to writes, and answers must still go out
	// while the program's own context is ending.
	s.conn.Go(context.WithoutCancel(ctx), s.handle)

	for {
		select {
		case pid := <-s.process:
			s.watchProcess(pid)
			continue
		case <-s.over:
		case <-ctx.Done():
			s.end(context.Cause(ctx))
		}
		return s.finish(in, out)
	}
}

// server is one connection, from its first byte to its last.
type server struct {
	p      Program
	log    *zap.Logger
	root   context.Context // parent of every handler's context; ends with the connection
	cancel context.CancelFunc
	conn   jsonrpc2.Conn
	stream *stream
	out    *outbox
	calls  calls

	// Owned by the read loop. documents and client are set by initialize before it is answered, and the loop
	// waits for that answer before it looks at them.
	phase     phase
	documents *Documents
	client    *Client
	ready     atomic.Bool // initialize has succeeded

	once   sync.Once
	over   chan struct{} // closed when the connection has ended
	result error         // why; set before over is closed

	process      chan int       // the client's, once known
	background   sync.WaitGroup // goroutines that end with root; Serve alone adds to it
	shutdownOnce sync.Once

	bugMu sync.Mutex
	bug   any // the first panic, with PanicOnBug
}

// phase is where the connection stands in the protocol's lifecycle.
type phase int

const (
	fresh        phase = iota
	initializing       // initialize has been received and not yet answered
	running
	down // shutdown has been received
)

func newServer(ctx context.Context, in io.Reader, out io.Writer, p Program) *server {
	if p.Log == nil {
		p.Log = zap.NewNop()
	}
	s := &server{p: p, log: p.Log, over: make(chan struct{}), process: make(chan int, 1)}
	s.root, s.cancel = context.WithCancel(ctx)
	s.out = newOutbox(out, func(err error) { s.end(fmt.Errorf("%w: %w", ErrClientGone, err)) })
	s.stream = newStream(in, s.out, s.log, s.inputEnded)
	s.stream.bug = s.recovered
	s.conn = jsonrpc2.NewConn(s.stream, jsonrpc2.WithCodec(codec{}))
	return s
}

// codec is the protocol package's own, which it does not export: it knows the protocol's unions.
type codec struct{}

func (codec) Marshal(v any) ([]byte, error) {
	if raw, ok := v.(jsonrpc2.RawMessage); ok {
		if raw == nil {
			return []byte("null"), nil
		}
		return raw, nil
	}
	return protocol.Marshal(v)
}

func (codec) Unmarshal(data []byte, v any) error {
	if raw, ok := v.(*jsonrpc2.RawMessage); ok {
		*raw = append((*raw)[:0:0], data...)
		return nil
	}
	return protocol.Unmarshal(data, v)
}

// end ends the connection with result; only the first call counts. It never blocks.
func (s *server) end(result error) {
	s.once.Do(func() {
		s.result = result
		s.cancel()
		close(s.over)
	})
}

// inputEnded is called when nothing more can be read.
func (s *server) inputEnded(err error) {
	if s.stream.stopped.Load() {
		return // after exit, which knew what it meant
	}
	switch {
	case s.phase == down && errors.Is(err, io.EOF):
		s.end(nil) // some clients hang up after shutdown
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		s.end(fmt.Errorf("%w: its output ended", ErrClientGone))
	default:
		s.end(fmt.Errorf("reading from the editor: %w", err))
	}
}

// finish waits for what is under way, as long as that is reasonable, and returns the connection's result.
func (s *server) finish(in io.Reader, out io.Writer) error {
	began := time.Now()
	deadline := time.After(grace)
	ended := make(chan struct{})
	go func() {
		s.shutdown()
		s.background.Wait()
		<-s.conn.Done()
		close(ended)
	}()
	closeAside(in)
	select {
	case <-ended:
	case <-deadline:
		s.log.Warn("handlers are still running after the end of the connection")
	}
	s.out.close()
	select {
	case <-s.out.done:
	case <-time.After(grace + flushing - time.Since(began)):
	}
	closeAside(out)

	s.bugMu.Lock()
	defer s.bugMu.Unlock()
	if s.bug != nil {
		panic(s.bug)
	}
	return s.result
}

// closeAside closes v if it can be closed, on a goroutine of its own, because closing a file that is being
// read blocks on some systems.
func closeAside(v any) {
	if c, ok := v.(io.Closer); ok {
		go c.Close() //nolint:errcheck // nothing is left to be done about it
	}
}

// shutdown runs the program's Shutdown, once.
func (s *server) shutdown() {
	s.shutdownOnce.Do(func() {
		if s.p.Shutdown == nil {
			return
		}
		defer s.recovered(protocol.MethodShutdown, nil)
		s.p.Shutdown()
	})
}

// handle is the connection's handler. It runs on the read loop until it returns or calls Async.
func (s *server) handle(ctx context.Context, req *jsonrpc2.Request) (any, error) {
	if req.IsCall() {
		return s.call(ctx, req)
	}
	s.notification(req.Method(), req.Params())
	return nil, nil // an error would end the connection
}

// call routes a call on the read loop, where the snapshot is taken, and runs it off the loop. Every call goes
// Async, even one that only fails: one that returned on the loop could not be cancelled safely.
func (s *server) call(ctx context.Context, req *jsonrpc2.Request) (any, error) {
	s.awaitInitialize()
	s.stream.expect()
	run, err := s.route(req.Method())
	own, done := s.calls.begin(s.root, req.ID())
	defer done()
	hooks := s.stream.hook(ctx)
	jsonrpc2.Async(ctx)
	switch {
	case err != nil:
		return nil, err
	case own.Err() != nil && s.root.Err() == nil: // cancelled while it was still on its way here
		return nil, wireError(own.Err())
	}
	// Method and params are borrowed before Async and owned from here on.
	return s.run(context.WithValue(own, hooksKey{}, hooks), req.Method(), req.Params(), run)
}

// AfterAnswer makes f run on a goroutine of its own once the answer to a call is on its way, so that whatever
// f sends comes behind it. ctx is the context of the call's RequestFunc, which has ended by the time f runs.
//
// It is for commands that are answered at once and go on in the background: Emacs waits for the answer and
// tells of no change meanwhile, so an edit that overtook the answer would meet a text that nobody knows.
func AfterAnswer(ctx context.Context, f func()) {
	if h, ok := ctx.Value(hooksKey{}).(*hooks); ok {
		h.add(f)
		return
	}
	go f()
}

// run calls f and turns whatever comes out of it into an answer.
func (s *server) run(ctx context.Context, method string, params []byte, f bound) (answer any, err error) {
	defer s.recovered(method, func() {
		answer, err = nil, jsonrpc2.NewError(jsonrpc2.InternalError, "internal error in "+method)
	})
	result, err := f(ctx, params)
	if err != nil {
		return nil, wireError(err)
	}
	// Encoded here rather than by the connection, so that an encoder's panic is caught too.
	raw, err := codec{}.Marshal(result)
	if err != nil {
		s.log.Error("result does not encode", zap.String("method", method), zap.Error(err))
		return nil, jsonrpc2.NewError(jsonrpc2.InternalError, "the result does not encode")
	}
	return jsonrpc2.RawMessage(raw), nil
}

// bound is a RequestFunc that has its snapshot.
type bound func(ctx context.Context, params []byte) (any, error)

// route finds what answers a call in the current phase, and binds it to the documents as of now.
func (s *server) route(method string) (bound, error) {
	switch {
	case s.root.Err() != nil:
		return nil, wireError(ErrClosed)
	case method == protocol.MethodInitialize:
		if s.phase != fresh {
			return nil, jsonrpc2.NewError(jsonrpc2.InvalidRequest, "initialize was already answered")
		}
		s.phase = initializing
		return s.initialize, nil
	case s.phase == fresh:
		return nil, jsonrpc2.NewError(jsonrpc2.ServerNotInitialized, "initialize has not been answered yet")
	case s.phase == down:
		return nil, jsonrpc2.NewError(jsonrpc2.InvalidRequest, "the server is shutting down")
	case method == protocol.MethodShutdown:
		s.phase = down
		return func(context.Context, []byte) (any, error) { s.shutdown(); return nil, nil }, nil
	}
	f := s.p.Requests[method]
	if f == nil {
		return nil, jsonrpc2.NewError(jsonrpc2.MethodNotFound, "method not found")
	}
	snap := s.documents.Snapshot()
	return func(ctx context.Context, params []byte) (any, error) { return f(ctx, snap, params) }, nil
}

// initialize answers initialize. The read loop waits for the answer before it looks at any other call or
// notification, so it need not be careful about what the loop owns.
func (s *server) initialize(_ context.Context, raw []byte) (any, error) {
	params, dropped, err := decodeInitialize(raw)
	if err != nil {
		return nil, jsonrpc2.Errorf(jsonrpc2.InvalidParams, "invalid params: %v", err)
	}
	if len(dropped) > 0 {
		// Names of the protocol's, no values; a few are enough to find the bug in the client.
		s.log.Warn("parts of initialize are not understood and taken as absent", zap.Strings("parts", dropped[:min(len(dropped), 16)]))
	}
	client := newClient(params)
	client.root, client.conn, client.stream = s.root, s.conn, s.stream
	if client.Name == "emacs" { // lsp-mode; Eglot has a name of its own
		s.out.keepApart()
	}
	result := &protocol.InitializeResult{}
	if s.p.Initialize != nil {
		// The context is the connection's: what Initialize starts outlives the call.
		if result, err = s.p.Initialize(s.root, client, params); err != nil {
			return nil, err
		}
	}
	result.Capabilities.PositionEncoding = protocol.PositionEncodingKind(client.Encoding)
	yes, incremental := true, protocol.TextDocumentSyncKindIncremental
	result.Capabilities.TextDocumentSync = &protocol.TextDocumentSyncOptions{
		OpenClose: &yes,
		Change:    &incremental,
		Save:      protocol.Boolean(true),
	}
	s.client = client
	s.documents = NewDocuments(client.Encoding)
	if s.mayWatch(client.ProcessID) {
		select {
		case s.process <- client.ProcessID:
		default:
		}
	}
	s.ready.Store(true)
	return result, nil
}

// awaitInitialize holds the read loop until initialize has been answered, for clients that do not wait for
// the answer.
func (s *server) awaitInitialize() {
	if s.phase != initializing {
		return
	}
	select {
	case <-s.stream.allAnswered():
	case <-s.root.Done():
	}
	s.phase = fresh
	if s.ready.Load() {
		s.phase = running
	}
}

// notification handles one notification on the read loop. Nothing that happens in it ends the connection.
func (s *server) notification(method string, params []byte) {
	switch method {
	case protocol.MethodExit:
		s.stream.stopped.Store(true)
		if s.phase == down {
			s.end(nil)
		} else {
			s.end(ErrExitWithoutShutdown)
		}
		return
	case protocol.MethodCancelRequest:
		s.calls.cancelRequest(params)
		return
	}
	s.awaitInitialize()
	if s.phase != running || s.root.Err() != nil {
		s.log.Debug("notification outside of the session is ignored")
		return
	}
	s.stream.onReadLoop(method, func() {
		if err := s.notify(method, params); err != nil {
			s.log.Error("notification failed", zap.String("method", method), zap.Error(err))
		}
	})
}

func (s *server) notify(method string, params []byte) error {
	switch method {
	case protocol.MethodInitialized:
		if s.p.Initialized != nil {
			s.p.Initialized(s.root)
		}
	case protocol.MethodTextDocumentDidOpen:
		return s.didOpen(params)
	case protocol.MethodTextDocumentDidChange:
		return s.didChange(params)
	case protocol.MethodTextDocumentDidClose:
		return s.didClose(params)
	default:
		f := s.p.Notifications[method]
		if f == nil {
			s.log.Debug("unknown notification is ignored", zap.String("method", method))
			return nil
		}
		return f(s.documents.Snapshot(), params)
	}
	return nil
}

// recovered is deferred round everything of the program's: it turns a panic into a log entry and calls
// after, or, with PanicOnBug, ends the connection and keeps the panic for Serve.
func (s *server) recovered(method string, after func()) {
	v := recover()
	if v == nil {
		return
	}
	if after != nil {
		after()
	}
	// The value of a panic may quote a document; its type and the stack do not.
	what := fmt.Sprintf("%T", v)
	if e, ok := v.(interface{ RuntimeError() }); ok {
		what = fmt.Sprint(e)
	}
	s.log.Error("panic", zap.String("method", method), zap.String("what", what), zap.ByteString("stack", debug.Stack()))
	if s.p.PanicOnBug {
		s.bugMu.Lock()
		if s.bug == nil {
			s.bug = fmt.Sprintf("%s: %v\n%s", method, v, debug.Stack())
		}
		s.bugMu.Unlock()
		s.end(errors.New("a handler panicked"))
	}
}

// wireError gives every error the code by which the client knows it. Codes of errors that are none of the
// protocol's would go out as 0.
func wireError(err error) *jsonrpc2.Error {
	var wire *jsonrpc2.Error
	code := jsonrpc2.Code(protocol.LSPErrorCodesRequestFailed)
	var data jsonrpc2.RawMessage
	switch {
	case errors.As(err, &wire) && wire.Code != 0:
		code, data = wire.Code, wire.Data
	case errors.Is(err, context.Canceled), errors.Is(err, ErrClosed):
		code = protocol.CodeRequestCancelled
	}
	return &jsonrpc2.Error{Code: code, Message: err.Error(), Data: data}
}
