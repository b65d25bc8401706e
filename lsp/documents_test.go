package lsp

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"
)

func TestSnapshot(t *testing.T) {
	docs := NewDocuments(UTF8)
	empty := docs.Snapshot()
	docs.Open("file:///b", "go", 1, "b")
	docs.Open("file:///a", "go", 1, "a")
	docs.Open("untitled:c", "go", 1, "c")
	three := docs.Snapshot()
	if _, err := docs.Change("file:///B", 2, ContentChange{Text: "x"}); !errors.Is(err, ErrNotOpen) {
		t.Errorf("%v", err)
	}
	docs.Change("file:///b", 2, ContentChange{Text: "bb"})
	docs.Close("file:///a")
	if _, err := docs.Close("file:///a"); !errors.Is(err, ErrNotOpen) {
		t.Errorf("%v", err)
	}
	list := func(s *Snapshot) (names string) {
		for d := range s.All() {
			names += fmt.Sprintf("%s@%d=%s ", d.URI, d.Version, d.Text)
		}
		return names
	}
	for _, tt := range []struct {
		s    *Snapshot
		want string
	}{
		{empty, ""},
		{three, "file:///a@1=a file:///b@1=b untitled:c@1=c "},
		{docs.Snapshot(), "file:///b@2=bb untitled:c@1=c "},
		{&Snapshot{}, ""},
	} {
		if got := list(tt.s); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
	if d, ok := three.Get("file:///%61"); !ok || d.URI != "file:///a" {
		t.Errorf("%v", ok)
	}
}

// Documents must not print themselves: they end up in logs.
func TestDocumentDoesNotPrintItself(t *testing.T) {
	d := NewDocuments(UTF8).Open(file, "go", 1, "secret").After
	if s := fmt.Sprintf("%v %+v %v %+v %v", d, d, *d, d.Mapper, Change{After: d}); strings.Contains(s, "secret") {
		t.Errorf("%s", s)
	}
}

// Readers take snapshots and flatten texts while the loop goes on.
func TestSnapshotsWhileChanging(t *testing.T) {
	docs := NewDocuments(UTF16)
	docs.Open(file, "go", 0, strings.Repeat("a line\r\n", 20_000))
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, _ := docs.Snapshot().Get(file)
				if n := len(d.Text.String()); n != d.Text.Len() {
					t.Errorf("%d of %d bytes", n, d.Text.Len())
				}
			}
		})
	}
	for i := range int32(500) {
		docs.Change(file, i, ContentChange{Range: &protocol.Range{}, Text: "é"})
	}
	close(stop)
	group.Wait()
}

// FuzzDidChange sends changes as JSON through the whole path and compares with the plainest model: a string
// that is cut and glued. A large pad blows the text up beyond one chunk.
func FuzzDidChange(f *testing.F) {
	f.Add("one\ntwo\r\nthree\rfour", uint8(0), uint8(1), []byte{0, 1, 0, 2, 1, 5})
	f.Add("a🍋b\r\n汉é\n", uint8(200), uint8(0), []byte{1, 1, 9, 9, 2, 3, 0, 2, 0, 0, 7, 0})
	f.Add("\r\n\r\n", uint8(255), uint8(2), []byte{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 200, 1})
	f.Add("", uint8(3), uint8(1), []byte{255, 255, 255, 255, 0, 0})
	f.Fuzz(func(t *testing.T, text string, pad, enc uint8, ops []byte) {
		if !utf8.ValidString(text) || len(text) > 300 {
			return // JSON is UTF-8; invalid bytes are for TestTextRandomEdits
		}
		if pad >= 192 { // beyond one chunk, a quarter of the time, since it is slow
			text += strings.Repeat(text+strings.Repeat("x", int(pad)), int(pad))
		}
		if len(text) > chunkMax+chunkAim {
			text = strings.ToValidUTF8(text[:chunkMax+chunkAim], "")
		}
		encoding := encodings[int(enc)%3]
		var last Change
		s := &server{documents: NewDocuments(encoding), log: zap.NewNop()}
		s.p.Changed = func(c Change) { last = c }
		open, _ := json.Marshal(map[string]any{"textDocument": map[string]any{"uri": file, "version": 0, "text": text}})
		if err := s.didOpen(open); err != nil {
			t.Fatal(err)
		}

		want := naive(text)
		for version := 1; len(ops) > 0 && version < 12; version++ {
			// One notification of up to three changes.
			var changes []any
			for n := int(ops[0]) % 3; n >= 0 && len(ops) >= 6; n-- {
				op := ops[:6]
				ops = ops[6:]
				insert := letters[int(op[5])%len(letters)]
				if op[0]%16 == 15 {
					want = naive(insert + string(want[want.offset(encoding, position(op[1], op[2], want)):]))
					changes = append(changes, map[string]any{"text": string(want)})
					continue
				}
				from, to := position(op[1], op[2], want), position(op[3], op[4], want)
				if op[0]%4 < 2 { // mostly small edits
					to = protocol.Position{Line: from.Line, Character: from.Character + uint32(op[4]%8)}
				}
				start, end := want.offset(encoding, from), want.offset(encoding, to)
				if start > end {
					start, end = end, start
				}
				want = want[:start] + naive(insert) + want[end:]
				changes = append(changes, map[string]any{"range": map[string]any{"start": from, "end": to}, "text": insert})
			}
			if len(changes) == 0 {
				break
			}
			raw, _ := json.Marshal(map[string]any{
				"textDocument":   map[string]any{"uri": file, "version": version},
				"contentChanges": changes,
			})
			if err := s.didChange(raw); err != nil {
				t.Fatal(err)
			}
			if last.After.Version != int32(version) || last.Document() != last.After {
				t.Fatalf("version %d, want %d", last.After.Version, version)
			}
			requireText(t, last.After.Text, string(want))
			replayed := last.Before.Text.String()
			for _, e := range last.Edits {
				replayed = replayed[:e.Start] + e.New + replayed[e.End:]
			}
			if replayed != string(want) {
				t.Fatalf("the edits do not lead from one text to the other")
			}
		}
	})
}

// position makes a position of two bytes, in the text mostly, now and then beyond it.
func position(line, character uint8, text naive) protocol.Position {
	if line == 255 {
		return protocol.Position{Line: 1 << 31, Character: uint32(character)}
	}
	n := len(text.lines())
	p := protocol.Position{Line: uint32(int(line) * (n + 1) / 254), Character: uint32(character)}
	if character == 255 {
		p.Character = 1 << 31
	}
	return p
}

// D25: a keystroke in a big document is far from being felt. The bound is generous, since tests run on busy
// machines; BenchmarkDidChange has the numbers.
func TestD25DidChangeIsQuick(t *testing.T) {
	for name, text := range map[string]string{
		"100,000 lines": strings.Repeat("a line of some forty characters, or so\n", 100_000),
		"5 MB line":     strings.Repeat("0123456789 größer 🍋 ", 5<<20/23),
		"10 MB":         source(10 << 20),
	} {
		soon(t, name+": the slowest of twenty", 5*time.Millisecond, func() time.Duration {
			docs := NewDocuments(UTF16)
			doc := docs.Open(file, "go", 0, text).After
			times := make([]time.Duration, 200)
			for i := range times {
				at := doc.OffsetToPosition(len(text) / len(times) * i)
				begun := time.Now()
				if _, err := docs.Change(file, int32(i), ContentChange{Range: &protocol.Range{Start: at, End: at}, Text: "é"}); err != nil {
					t.Fatal(err)
				}
				times[i] = time.Since(begun)
			}
			slices.Sort(times)
			return times[len(times)*95/100]
		})
	}
}

// soon fails the test unless one of a few tries takes no longer than limit. What makes the program slow makes all of them
// slow; what made one of them slow may be the machine, which has other things to do.
func soon(t *testing.T, what string, limit time.Duration, try func() time.Duration) {
	t.Helper()
	var took []time.Duration
	for range 5 {
		d := try()
		if d <= limit {
			return
		}
		took = append(took, d)
	}
	t.Errorf("%s took %v, want %v", what, took, limit)
}

func TestWholeEdit(t *testing.T) {
	for _, tt := range []struct {
		before, after string
		want          string
	}{
		{"abc", "abc", "[]"},
		{"", "x", "[{0 0 x}]"},
		{"abc", "", "[{0 3 }]"},
		{"abc", "axc", "[{1 2 x}]"},
		{"aa", "aaa", "[{2 2 a}]"},
		{"é", "è", "[{0 2 è}]"},          // not half a character
		{"a\r\nb", "a\nb", "[{1 3 \n}]"}, // not half a line end
		{"a\rb", "a\r\nb", "[{1 2 \r\n}]"},
		{"🍋", "🍊", "[{0 4 🍊}]"},
	} {
		if got := fmt.Sprint(wholeEdit(tt.before, tt.after)); got != tt.want {
			t.Errorf("%q to %q: %q, want %q", tt.before, tt.after, got, tt.want)
		}
	}
	// All pairs of short texts of awkward pieces.
	pieces := []string{"", "a", "\r", "\n", "\r\n", "é", "è", "🍋"}
	var texts []string
	for _, a := range pieces {
		for _, b := range pieces {
			for _, c := range pieces {
				texts = append(texts, a+b+c)
			}
		}
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	for _, before := range texts {
		text := NewText(before)
		for _, after := range texts {
			got := before
			for _, e := range wholeEdit(before, after) {
				if text.floor(e.Start) != e.Start || text.floor(e.End) != e.End {
					t.Fatalf("%q to %q: %v splits something", before, after, e)
				}
				got = got[:e.Start] + e.New + got[e.End:]
			}
			if got != after {
				t.Fatalf("%q to %q: %q", before, after, got)
			}
		}
	}
}

// Version orders the texts of an open document also where the client's numbers do not; the client hears its own.
func TestVersionRises(t *testing.T) {
	docs := NewDocuments(UTF8)
	d := docs.Open(file, "go", 5, "a").After
	for _, told := range []int32{6, 6, 2, 0, -1, 100, 7} {
		before := d
		c, err := docs.Change(file, told, ContentChange{Text: fmt.Sprint("text ", told, d.Version)})
		if err != nil {
			t.Fatal(err)
		}
		if d = c.After; d.Version <= before.Version || d.Told != told || told > before.Version && d.Version != told {
			t.Errorf("%d after %d: version %d, told %d", told, before.Version, d.Version, d.Told)
		}
	}
	if again := docs.Open(file, "go", 1, "b").After; again.Version <= d.Version || again.Told != 1 {
		t.Errorf("opened again: version %d, told %d", again.Version, again.Told)
	}
	docs.Close(file)
	if d := docs.Open(file, "go", 1, "c").After; d.Version != 1 {
		t.Errorf("opened after it was closed: version %d", d.Version)
	}
}
