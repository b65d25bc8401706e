package delivery

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/editops"
)

// piece is a big text in which edits cost what they change, as in the real document store.
type piece struct {
	base Document
	set  editops.ChangeSet
}

func (p piece) Len() int              { return p.set.LenAfter() }
func (p piece) Slice(i, j int) string { return view(p).Slice(i, j) }

func (p piece) edit(e editops.Edit) piece {
	return piece{p.base, sound(p.set.Compose(sound(editops.NewChangeSet(p.Len(), e))))}
}

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "\treturn handle(ctx, request%d)\n", i)
	}
	return b.String()
}

// BenchmarkKeystroke is a keystroke far from the region, and one in it, while an edit is on its way, in documents
// whose size must not show.
func BenchmarkKeystroke(b *testing.B) {
	for _, size := range []int{100 << 10, 5 << 20} {
		text := lines(size / 32)
		for _, inside := range []bool{false, true} {
			b.Run(fmt.Sprintf("doc=%dKB/inside=%v", size>>10, inside), func(b *testing.B) {
				start := len(text) / 2
				start += strings.IndexByte(text[start:], '\n') + 1
				end := start + strings.LastIndexByte(text[start:start+8000], '\n') + 1
				begin := func() (*Machine, piece) {
					doc := piece{String(text), none(len(text))}
					m := New()
					id, err := m.Begin(doc, 1, start, end, Live)
					if err != nil {
						b.Fatal(err)
					}
					var edits []editops.Edit
					for i := range 50 { // every other line or so
						edits = append(edits, editops.Edit{Start: i * 66, End: i*66 + 3, New: "\tif"})
					}
					m.Push(id, edits, 0)
					m.Next()
					return m, doc
				}
				at := 100
				if inside {
					at = end - 10
				}
				m, doc := begin()
				v := int32(1)
				for b.Loop() {
					if v++; v%64 == 0 { // what one types in a second or ten, not a novel
						b.StopTimer()
						m, doc = begin()
						b.StartTimer()
					}
					e := editops.Edit{Start: at, End: at, New: "x"}
					doc = doc.edit(e)
					m.Changed([]editops.Edit{e}, doc, v)
				}
			})
		}
	}
}

// BenchmarkStream is a region of 20,000 tokens rewritten line by line, each edit sent, told of and answered: ns/op
// is for all of it, ns/line must not depend on the number of lines.
func BenchmarkStream(b *testing.B) {
	for _, n := range []int{200, 2000} {
		b.Run(fmt.Sprintf("lines=%d", n), func(b *testing.B) {
			text := lines(n)
			for b.Loop() {
				doc := text
				m := New()
				id, err := m.Begin(String(doc), 1, 0, len(text), Live)
				if err != nil {
					b.Fatal(err)
				}
				v := int32(1)
				at := 0
				for i, line := range strings.SplitAfter(text, "\n") {
					if line == "" {
						break
					}
					if i%3 != 0 {
						at += len(line)
						continue
					}
					m.Push(id, []editops.Edit{{Start: at, End: at + len(line), New: "a new line instead\n"}}, 0)
					at += len("a new line instead\n")
					s, ok := m.Next()
					if !ok {
						b.Fatal("nothing to send")
					}
					doc = doc[:s.Edit.Start] + s.Edit.New + doc[s.Edit.End:]
					v++
					m.Changed([]editops.Edit{s.Edit}, String(doc), v)
					m.Replied(true)
				}
				m.Finish(id)
				if m.State(id) != Done {
					b.Fatal(m.State(id), m.Reason(id))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n/3), "ns/edit")
		})
	}
}

// BenchmarkReplaceAll is a notification with 2,000 changes, as of a search and replace, while an edit is on its way.
func BenchmarkReplaceAll(b *testing.B) {
	text := lines(20_000)
	var edits []editops.Edit
	for i := range 2000 {
		at := i * 300
		edits = append(edits, editops.Edit{Start: at, End: at + 1, New: "z"})
	}
	doc := piece{String(text), sound(editops.FromSequential(len(text), edits))}
	for b.Loop() {
		m := New()
		id, err := m.Begin(String(text), 1, 300_000, 310_000, Live)
		if err != nil {
			b.Fatal(err)
		}
		m.Push(id, []editops.Edit{{Start: 0, End: 10, New: "new"}}, 0)
		m.Next()
		m.Changed(edits, doc, 2)
	}
}
