package lsp

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.lsp.dev/jsonrpc2"
	"go.uber.org/zap"
)

// stream stands between jsonrpc2.NewStream, which frames, and jsonrpc2.Conn, for which any frame that it
// does not understand ends the connection. Frames are decoded here; a bad one is answered and skipped.
//
// It also knows what the connection does not tell: which calls of the client still wait for an answer, and
// when the client has gone.
type stream struct {
	frames framer // over the client's input and the outbox
	out    *outbox
	log    *zap.Logger
	ended  func(error) // told when the client's input has ended, io.EOF for a clean end
	// bug is deferred round what is the program's: it recovers a panic.
	bug func(what string, after func())

	inOrder inOrder

	stopped atomic.Bool // after exit: nothing is read any more
	onLoop  atomic.Bool // something of the program's runs on the read loop

	mu       sync.Mutex
	awaited  int           // calls of the client without an answer
	answered chan struct{} // closed when awaited returns to 0; nil while it is 0
	hooked   map[context.Context]*hooks
}

// framer is what jsonrpc2.NewStream returns. Its two methods beyond jsonrpc2.Stream are not part of that
// interface, yet exported; a test notices should a later version drop them.
type framer interface {
	jsonrpc2.Stream
	ReadFrame(context.Context) ([]byte, int64, error)
	WriteFrame(context.Context, []byte) (int64, error)
}

// pipe makes the io.ReadWriteCloser that NewStream wants. Nobody closes through it: Serve closes the ends
// itself, when it is safe to block.
type pipe struct {
	io.Reader
	io.Writer
}

func (pipe) Close() error { return nil }

func newStream(in io.Reader, out *outbox, log *zap.Logger, ended func(error)) *stream {
	return &stream{
		frames: jsonrpc2.NewStream(pipe{in, out}).(framer),
		out:    out,
		log:    log,
		ended:  ended,
	}
}

// lastAnswers is how long the connection stays up after the client's last message for the answers to calls
// that have been cancelled by it.
const lastAnswers = 500 * time.Millisecond

// Read implements jsonrpc2.Stream. It returns an error only when there is nothing more to read.
func (s *stream) Read(ctx context.Context) (jsonrpc2.Message, int64, error) {
	for {
		err := io.EOF
		if !s.stopped.Load() {
			var frame []byte
			var n int64
			if frame, n, err = s.frames.ReadFrame(ctx); err == nil {
				msg := s.decode(frame)
				if msg == nil {
					continue
				}
				if f := s.inOrder.answer(msg); f != nil {
					s.onReadLoop("the answer to an edit", f)
					continue
				}
				return msg, n, nil
			}
		}
		// After an error the connection refuses to write. Hold it back until the calls that are being
		// cancelled have had their answers, for a client that closes only its writing end.
		s.ended(err)
		s.waitAnswered(lastAnswers)
		return nil, 0, err
	}
}

// onReadLoop runs f, which is the program's, on the read loop: a panic of it stays there, and what it sends
// does not wait for the client.
func (s *stream) onReadLoop(what string, f func()) {
	s.onLoop.Store(true)
	defer s.onLoop.Store(false)
	defer s.bug(what, nil)
	f()
}

// Write implements jsonrpc2.Stream. ctx bounds only the wait for a client that does not read; a message is
// sent whole or not at all.
func (s *stream) Write(ctx context.Context, msg jsonrpc2.Message) (int64, error) {
	if ctx.Value(outgoing{}) == nil {
		defer s.answer(ctx)
	}
	limit := outboxBound
	if s.onLoop.Load() {
		limit = outboxLimit
	}
	if err := s.out.wait(ctx, limit); err != nil {
		return 0, err
	}
	return s.frames.Write(context.WithoutCancel(ctx), msg)
}

// writeFrame sends a message of ours that the connection knows nothing of, by the rules of Write.
func (s *stream) writeFrame(ctx context.Context, body []byte) error {
	limit := outboxBound
	if s.onLoop.Load() {
		limit = outboxLimit
	}
	if err := s.out.wait(ctx, limit); err != nil {
		return err
	}
	_, err := s.frames.WriteFrame(context.WithoutCancel(ctx), body)
	return err
}

// Close implements jsonrpc2.Stream. The connection calls it with a lock held.
func (s *stream) Close() error {
	s.stopped.Store(true)
	return nil
}

// outgoing marks the context of a message that Client sends, as opposed to the answer to a call.
type outgoing struct{}

// expect counts a call of the client that must be answered.
func (s *stream) expect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.awaited++; s.answered == nil {
		s.answered = make(chan struct{})
	}
}

// answer counts an answer. ctx is the connection's own of the call.
func (s *stream) answer(ctx context.Context) {
	s.mu.Lock()
	h := s.hooked[ctx]
	delete(s.hooked, ctx)
	if s.awaited > 0 {
		if s.awaited--; s.awaited == 0 {
			close(s.answered)
			s.answered = nil
		}
	}
	s.mu.Unlock()
	if h != nil {
		h.run()
	}
}

// hook returns where AfterAnswer puts what is to run after the answer to the call whose context, of the
// connection's own, is ctx. The connection hands the same context to Write with the answer.
func (s *stream) hook(ctx context.Context) *hooks {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hooked == nil {
		s.hooked = make(map[context.Context]*hooks)
	}
	h := &hooks{}
	s.hooked[ctx] = h
	return h
}

// hooks are what AfterAnswer has collected for one call.
type hooks struct {
	mu   sync.Mutex
	list []func()
	ran  bool
}

type hooksKey struct{}

func (h *hooks) add(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ran {
		go f()
		return
	}
	h.list = append(h.list, f)
}

func (h *hooks) run() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ran = true
	for _, f := range h.list {
		go f()
	}
	h.list = nil
}

// allAnswered returns a channel that is closed once no call waits for its answer.
func (s *stream) allAnswered() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answered == nil {
		return closedChan
	}
	return s.answered
}

var closedChan = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (s *stream) waitAnswered(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-s.allAnswered():
	case <-timer.C:
	}
}

// decode returns the message in frame, or nil after having dealt with a frame that holds none.
func (s *stream) decode(frame []byte) jsonrpc2.Message {
	msg, err := jsonrpc2.DecodeMessage(frame)
	if err == nil {
		return msg
	}
	body := bytes.TrimSpace(frame)
	var m struct {
		ID     json.RawMessage `json:"id"`
		Method json.RawMessage `json:"method"`
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	switch {
	case len(body) > 0 && body[0] == '[' && json.Valid(body):
		s.refuse(nil, jsonrpc2.InvalidRequest, "batches are not part of the language server protocol", len(frame))
	case json.Unmarshal(body, &m) != nil:
		if json.Valid(body) {
			s.refuse(nil, jsonrpc2.InvalidRequest, "not a request object", len(frame))
			break
		}
		s.refuse(nil, jsonrpc2.ParseError, "not JSON", len(frame))
	case m.Method == nil:
		if r := lenientResponse(m.ID, m.Result, m.Error); r != nil {
			return r
		}
		s.log.Error("unreadable response skipped", zap.Int("bytes", len(frame)))
	default:
		s.refuse(m.ID, jsonrpc2.InvalidRequest, "not a JSON-RPC 2.0 request", len(frame))
	}
	return nil
}

// lenientResponse reads responses that break the letter of JSON-RPC but are clear: {"id":1} from clients whose
// serialiser drops undefined results, and "error":null beside a result. A call of ours would wait for ever
// otherwise.
func lenientResponse(id, result, failure json.RawMessage) jsonrpc2.Message {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil {
		return nil // we count our calls, so no call of ours waits for it
	}
	if failure != nil && string(failure) != "null" {
		var e struct {
			Code    float64 `json:"code"`
			Message string  `json:"message"`
		}
		if json.Unmarshal(failure, &e) != nil || e.Message == "" {
			e.Message = "the client answered with an error of unknown form"
		}
		code := jsonrpc2.UnknownError
		if e.Code == float64(int32(e.Code)) && e.Code != 0 {
			code = jsonrpc2.Code(e.Code)
		}
		return jsonrpc2.NewResponse(jsonrpc2.NewNumberID(n), nil, jsonrpc2.NewError(code, e.Message))
	}
	return jsonrpc2.NewResponse(jsonrpc2.NewNumberID(n), jsonrpc2.RawMessage(result), nil)
}

// refuse answers a frame that holds no message. An id that is a string or any number is sent back as it was
// written, so that the client's call does not wait for ever.
func (s *stream) refuse(id json.RawMessage, code jsonrpc2.Code, reason string, size int) {
	s.log.Error("unreadable message skipped", zap.String("reason", reason), zap.Int("bytes", size))
	if len(id) == 0 || id[0] != '"' && id[0] != '-' && (id[0] < '0' || id[0] > '9') {
		id = json.RawMessage("null")
	}
	body, err := json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   any             `json:"error"`
	}{"2.0", id, struct {
		Code    jsonrpc2.Code `json:"code"`
		Message string        `json:"message"`
	}{code, reason}})
	if err != nil {
		return
	}
	if s.out.wait(context.Background(), outboxLimit) == nil {
		_, _ = s.frames.WriteFrame(context.Background(), body)
	}
}
