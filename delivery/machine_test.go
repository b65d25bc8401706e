package delivery

import (
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/editops"
)

// buffer is the text of an editor that syncs at once.
type buffer struct {
	m       *Machine
	text    string
	version int32
}

func (b *buffer) change(edits ...editops.Edit) {
	for _, e := range edits {
		b.text = b.text[:e.Start] + e.New + b.text[e.End:]
	}
	b.version++
	b.m.Changed(edits, String(b.text), b.version)
}

// typed makes the user type text behind the first occurrence of mark.
func (b *buffer) typed(mark, text string) {
	at := strings.Index(b.text, mark) + len(mark)
	b.change(editops.Edit{Start: at, End: at, New: text})
}

// drain applies what the machine sends until it has nothing more to send.
func (b *buffer) drain() (sent []editops.Edit) {
	for {
		s, ok := b.m.Next()
		if !ok {
			return sent
		}
		sent = append(sent, s.Edit)
		if s.Version == b.version {
			b.change(s.Edit)
		}
		b.m.Replied(s.Version == b.version-1)
	}
}

func rewrite(t *testing.T, text string, start, end int, mode Mode) (*buffer, StreamID) {
	t.Helper()
	b := &buffer{m: New(), text: text, version: 1}
	id, err := b.m.Begin(String(text), 1, start, end, mode)
	if err != nil {
		t.Fatal(err)
	}
	return b, id
}

func want(t *testing.T, b *buffer, id StreamID, text string, state State) {
	t.Helper()
	if b.text != text || b.m.State(id) != state {
		t.Errorf("got %q, %v (%s), want %q, %v", b.text, b.m.State(id), b.m.Reason(id), text, state)
	}
}

func TestDelivers(t *testing.T) {
	b, id := rewrite(t, "a\nb\nc\nd\n", 2, 6, Live)
	b.m.Push(id, []editops.Edit{{Start: 0, End: 2, New: "B\n"}}, 0)
	b.drain()
	want(t, b, id, "a\nB\nc\nd\n", Streaming)
	b.m.Push(id, []editops.Edit{{Start: 4, End: 4, New: "x\n"}}, 0)
	b.m.Finish(id)
	b.drain()
	want(t, b, id, "a\nB\nc\nx\nd\n", Done)
	edits, err := b.m.Reject(id, -1)
	if err != nil || len(edits) != 2 {
		t.Fatal(edits, err)
	}
}

func TestUserElsewhere(t *testing.T) {
	b, id := rewrite(t, "top\na\nb\nend\n", 4, 8, Live)
	b.m.Push(id, []editops.Edit{{Start: 0, End: 2, New: "A\n"}}, 0)
	send, ok := b.m.Next()
	if !ok || send.Version != 1 {
		t.Fatal(send, ok)
	}
	b.typed("to", "O") // overtakes the edit
	b.m.Replied(false)
	b.m.Finish(id)
	b.drain()
	want(t, b, id, "toOp\nA\nb\nend\n", Done)
	if s := b.m.Stats(id); s.Sent != 2 || s.Resent != 1 || s.Refused != 1 {
		t.Errorf("%+v", s)
	}
}

func TestPausesWhereTheUserTypes(t *testing.T) {
	b, id := rewrite(t, "a\nb\nc\n", 0, 6, Live)
	b.m.Push(id, []editops.Edit{{Start: 0, End: 1, New: "AAA"}}, 0)
	b.drain()
	b.typed("AA", "!")
	b.m.Push(id, []editops.Edit{{Start: 4, End: 5, New: "BBB"}}, 0)
	b.m.Finish(id)
	b.drain()
	want(t, b, id, "AA!A\nb\nc\n", Paused)
	if rest := b.m.Rest(id); len(rest) != 1 || rest[0] != (editops.Edit{Start: 5, End: 6, New: "BBB"}) {
		t.Errorf("rest %v", rest)
	}
	if err := b.m.Resume(id); err != nil {
		t.Fatal(err)
	}
	b.drain()
	want(t, b, id, "AA!A\nBBB\nc\n", Done)
}

func TestUndoEnds(t *testing.T) {
	b, id := rewrite(t, "a\nb\n", 0, 4, Live)
	b.m.Push(id, []editops.Edit{{Start: 0, End: 1, New: "AAA"}}, 0)
	b.drain()
	b.change(editops.Edit{Start: 0, End: 3, New: "a"})
	want(t, b, id, "a\nb\n", Undone)
	if h := b.m.Hunks(id); len(h) != 0 {
		t.Errorf("hunks %v", h)
	}
}
