package lsp

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"
)

const (
	// outboxBound is how many bytes may wait for a client that does not read before goroutines of
	// requests have to wait too.
	outboxBound = 4 << 20
	// outboxLimit is the same for the read loop, which must go on reading for as long as memory allows:
	// if it waited for the client to read while the client waited for it to read, neither would ever move.
	outboxLimit = 16 * outboxBound
)

// TryWriter is an output that can take what there is room for at once. Serve writes what is short to such a one
// without a further goroutine.
type TryWriter interface {
	// TryWrite writes as much of p as it can without waiting, and says how much that was.
	TryWrite(p []byte) int
}

// outbox is the queue between all who write frames and the one goroutine that hands them to the client.
// Frames leave in the order in which Write was called, whole, and as many at once as have piled up.
//
// A client that keeps up has the room for a frame when it is written, so where out can tell, nobody is woken for it:
// that costs more than the writing.
type outbox struct {
	out  io.Writer
	try  TryWriter   // out, nil where it is none
	fail func(error) // told once, from run, when the client cannot be written to any more

	mu      sync.Mutex // guards all below
	filled  sync.Cond  // pending or closed has changed
	writing bool       // run is handing over what it has taken
	pending []byte     // frames that run has not taken yet
	apart   bool       // see keepApart
	answers []int      // with apart: where in pending each answer ends
	spare   []byte     // the buffer that run took last, for reuse
	room    chan struct{}
	closed  bool
	err     error

	done chan struct{} // closed when run has ended
}

func newOutbox(out io.Writer, fail func(error)) *outbox {
	o := &outbox{out: out, fail: fail, room: make(chan struct{}), done: make(chan struct{})}
	o.filled.L = &o.mu
	o.try, _ = out.(TryWriter)
	return o
}

// answerPause is how long nothing follows an answer that is kept apart: an Emacs that waits for it has read it by then.
const answerPause = 40 * time.Millisecond

// keepApart makes every answer the last frame that the client can read at a time. lsp-mode throws away what it has read
// together with an answer that it waits for (lsp-request leaves the loop over the messages by throw): the edit, or the
// question where to show progress, that a command's answer is followed by. There is no word from it to wait for.
func (o *outbox) keepApart() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.apart = true
}

// isAnswer reports whether a frame is an answer to a request of the client.
func isAnswer(frame []byte) bool {
	_, body, _ := bytes.Cut(frame, []byte("\r\n\r\n"))
	return !bytes.Contains(body[:min(len(body), 80)], []byte(`"method":`))
}

// wait blocks while limit or more bytes are pending. It ends with ctx's error, or with the error that broke
// the outbox.
func (o *outbox) wait(ctx context.Context, limit int) error {
	for {
		o.mu.Lock()
		err, full, room := o.err, len(o.pending) >= limit, o.room
		if err == nil && o.closed {
			err = ErrClosed
		}
		o.mu.Unlock()
		if err != nil || !full {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Write queues p, which is one or more whole frames. It never blocks; whoever may block calls wait first.
func (o *outbox) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	if o.closed {
		return 0, ErrClosed
	}
	n := 0
	if o.try != nil && !o.apart && !o.writing && len(o.pending) == 0 && len(p) <= tryBytes {
		if n = o.try.TryWrite(p); n == len(p) {
			return n, nil
		}
	}
	o.pending = append(o.pending, p[n:]...)
	if o.apart && isAnswer(p) {
		o.answers = append(o.answers, len(o.pending))
	}
	o.filled.Signal()
	return len(p), nil
}

// tryBytes is how long a frame may be, in bytes, to be written at once: a lock is held meanwhile.
const tryBytes = 16 << 10

// run hands frames over until close was called and all are written, or until a write fails.
func (o *outbox) run() {
	defer close(o.done)
	for {
		o.mu.Lock()
		for len(o.pending) == 0 && !o.closed {
			o.filled.Wait()
		}
		batch := o.pending
		if len(batch) == 0 {
			o.mu.Unlock()
			return
		}
		o.pending, o.spare = o.spare[:0], nil
		answered := len(o.answers) > 0
		if answered {
			end := o.answers[0]
			o.pending = append(o.pending, batch[end:]...)
			batch, o.answers = batch[:end], o.answers[1:]
			for i := range o.answers {
				o.answers[i] -= end
			}
		}
		o.makeRoom()
		o.writing = true
		o.mu.Unlock()

		_, err := o.out.Write(batch)
		if answered && err == nil {
			time.Sleep(answerPause)
		}

		o.mu.Lock()
		o.writing = false
		if cap(batch) <= 1<<20 { // one long message must not occupy its memory for ever
			o.spare = batch[:0]
		}
		if err != nil {
			o.err, o.pending = err, nil
			o.makeRoom()
			o.mu.Unlock()
			o.fail(err)
			return
		}
		o.mu.Unlock()
	}
}

// makeRoom wakes all who wait. Called with mu held.
func (o *outbox) makeRoom() {
	close(o.room)
	o.room = make(chan struct{})
}

// close lets run end once everything queued so far is written, and releases all who wait.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.makeRoom()
	o.filled.Signal()
}
