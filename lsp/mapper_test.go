package lsp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
)

var encodings = []Encoding{UTF8, UTF16, UTF32}

// width is the number of units of a character, by definition.
func (e Encoding) width(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	switch e {
	case UTF8:
		return n
	case UTF32:
		return 1
	default:
		return utf16.RuneLen(r)
	}
}

// offset is PositionToOffset by definition: walk the line.
func (n naive) offset(e Encoding, p protocol.Position) int {
	spans := n.lines()
	if int64(p.Line) >= int64(len(spans)) {
		return len(n)
	}
	span := spans[p.Line]
	at, units := span[0], 0
	for at < span[1] {
		w := e.width(string(n[at:span[1]]))
		if int64(units+w) > int64(p.Character) {
			break
		}
		units += w
		_, size := utf8.DecodeRuneInString(string(n[at:span[1]]))
		at += size
	}
	return at
}

// positions yields every place in the text where a cursor may stand, with its positions.
func (n naive) positions(e Encoding, yield func(offset int, p protocol.Position)) {
	for line, span := range n.lines() {
		units := 0
		for at := span[0]; ; {
			yield(at, protocol.Position{Line: uint32(line), Character: uint32(units)})
			if at >= span[1] {
				break
			}
			units += e.width(string(n[at:span[1]]))
			_, size := utf8.DecodeRuneInString(string(n[at:span[1]]))
			at += size
		}
	}
}

// D14: each awkward character before the cursor, in each encoding, leads to the same byte and back.
func TestD14Columns(t *testing.T) {
	for _, before := range []string{"", "a", "é", "汉", "🍋", "👩‍👩‍👧", "\t", "\ufeff", "e\u0301"} {
		for _, e := range encodings {
			text := "x\n" + before + "cursor\r\nlast\rlone"
			m := Mapper{NewText(text), e}
			units := 0
			for i := range before {
				units += e.width(before[i:])
			}
			p := protocol.Position{Line: 1, Character: uint32(units)}
			if got, want := m.PositionToOffset(p), 2+len(before); got != want {
				t.Errorf("%s: %q: offset %d, want %d", e, before, got, want)
			}
			if got := m.OffsetToPosition(2 + len(before)); got != p {
				t.Errorf("%s: %q: position %v, want %v", e, before, got, p)
			}
		}
	}
}

func TestD14RoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pieces := append(append([]string{}, letters...), rubbish...)
	for _, size := range []int{0, 1, 50, 3000} {
		for range 20 {
			text := randomText(r, pieces, size)
			for _, e := range encodings {
				m := Mapper{NewText(text), e}
				naive(text).positions(e, func(offset int, p protocol.Position) {
					if got := m.OffsetToPosition(offset); got != p {
						t.Fatalf("%s: offset %d is %v, want %v in %q", e, offset, got, p, text)
					}
					if got := m.PositionToOffset(p); got != offset {
						t.Fatalf("%s: %v is offset %d, want %d in %q", e, p, got, offset, text)
					}
				})
			}
		}
	}
}

// D14: bad positions are clamped, and never lie within a character, a surrogate pair or a line end.
func TestD14Clamped(t *testing.T) {
	for _, tt := range []struct {
		text            string
		line, character uint32
		utf8, utf16, u3 int
	}{
		{"ab\ncd", 0, 3, 2, 2, 2},
		{"ab\r\ncd", 0, 3, 2, 2, 2}, // not between \r and \n
		{"ab\rcd", 0, 9, 2, 2, 2},
		{"ab\ncd", 1, 9, 5, 5, 5},
		{"ab\ncd", 2, 0, 5, 5, 5},
		{"ab\ncd\n", 2, 0, 6, 6, 6},
		{"ab", 7, 7, 2, 2, 2},
		{"ab", math.MaxUint32, math.MaxUint32, 2, 2, 2},
		{"", 0, 1, 0, 0, 0},
		{"🍋b", 0, 1, 0, 0, 4}, // utf-16: within the surrogate pair; utf-8: within the sequence
		{"🍋b", 0, 2, 0, 4, 5},
		{"🍋b", 0, 3, 0, 5, 5},
		{"汉b", 0, 2, 0, 4, 4},
		{"\xffb", 0, 1, 1, 1, 1},
		{"\x80\x80b", 0, 1, 1, 1, 1},
	} {
		for i, want := range []int{tt.utf8, tt.utf16, tt.u3} {
			m := Mapper{NewText(tt.text), encodings[i]}
			p := protocol.Position{Line: tt.line, Character: tt.character}
			if got := m.PositionToOffset(p); got != want {
				t.Errorf("%s: %v in %q is offset %d, want %d", encodings[i], p, tt.text, got, want)
			}
		}
	}
	m := Mapper{NewText("a🍋\r\nb"), UTF16}
	for offset, want := range map[int]protocol.Position{
		-1: {}, 2: {Character: 1}, 4: {Character: 1}, 6: {Character: 3}, 5: {Character: 3}, 99: {Line: 1, Character: 1},
	} {
		if got := m.OffsetToPosition(offset); got != want {
			t.Errorf("offset %d is %v, want %v", offset, got, want)
		}
	}
}

// D15: an inverted range is turned round, whatever it says.
func TestD15InvertedRange(t *testing.T) {
	m := Mapper{NewText("one\ntwo\n"), UTF16}
	start, end := m.RangeToOffsets(protocol.Range{
		Start: protocol.Position{Line: 9, Character: 9},
		End:   protocol.Position{Line: 0, Character: 1},
	})
	if start != 1 || end != 8 {
		t.Errorf("[%d, %d)", start, end)
	}
	if r := m.OffsetsToRange(5, 1); r.Start.Line != 0 || r.End.Line != 1 {
		t.Errorf("%v", r)
	}
}

// D15: no edit leaves that a client might crash on.
func TestD15OutgoingEdits(t *testing.T) {
	m := Mapper{NewText("one 🍋\r\ntwo\n"), UTF16}
	for _, bad := range [][]editops.Edit{
		{{Start: 3, End: 1}},
		{{Start: -1, End: 1}},
		{{Start: 0, End: 99}},
		{{Start: 0, End: 3}, {Start: 2, End: 4}},
		{{Start: 4, End: 4}, {Start: 0, End: 1}},
		{{Start: 5, End: 8}}, // within the lemon
		{{Start: 9, End: 9}}, // within the line end
	} {
		if edits, err := m.TextEdits(bad...); err == nil {
			t.Errorf("%v became %v", bad, edits)
		}
	}
	good := []editops.Edit{{Start: 0, End: 3, New: "1"}, {Start: 3, End: 3, New: "!"}, {Start: 8, End: 10, New: "\n"}}
	edits, err := m.TextEdits(good...)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(edits); got != "[{{{0 0} {0 3}} 1} {{{0 3} {0 3}} !} {{{0 6} {1 0}} \n}]" {
		t.Errorf("%s", got)
	}
}

func TestMapperAgreesWithNaive(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 5))
		pieces := letters
		if seed%2 == 1 {
			pieces = append([]string{"🍋", "汉", "a", "bcd"}, rubbish...) // one long line
		}
		text := randomText(r, pieces, 80_000)
		for _, e := range encodings {
			m := Mapper{NewText(text), e}
			n := naive(text)
			spans := n.lines()
			for range 80 {
				line := r.IntN(len(spans) + 1)
				length := 3
				if line < len(spans) {
					length = spans[line][1] - spans[line][0] + 3
				}
				p := protocol.Position{Line: uint32(line), Character: uint32(r.IntN(length))}
				if got, want := m.PositionToOffset(p), n.offset(e, p); got != want {
					t.Fatalf("%s: %v is offset %d, want %d", e, p, got, want)
				}
				offset := r.IntN(len(text) + 1)
				back := m.PositionToOffset(m.OffsetToPosition(offset))
				if floor := m.Text.floor(offset); back != floor || floor > offset {
					t.Fatalf("%s: offset %d came back as %d, its floor is %d", e, offset, back, floor)
				}
			}
		}
	}
}

// D25: one line of 5 MB with characters beyond the BMP in it.
func TestD25LongLine(t *testing.T) {
	text := strings.Repeat("0123456789🍋汉é", 5<<20/19)
	for _, e := range encodings {
		m := Mapper{NewText(text), e}
		perUnit := e.width("🍋") + e.width("汉") + e.width("é") + 10
		for _, i := range []int{0, 1, 77_777, 5<<20/19 - 1} {
			p := protocol.Position{Character: uint32(i * perUnit)}
			if got := m.PositionToOffset(p); got != i*19 {
				t.Errorf("%s: %d is at %d, want %d", e, p.Character, got, i*19)
			}
			if got := m.OffsetToPosition(i * 19); got != p {
				t.Errorf("%s: %v, want %v", e, got, p)
			}
		}
	}
}

func TestNegotiate(t *testing.T) {
	for offered, want := range map[string]Encoding{
		"":                    UTF16,
		"utf-16":              UTF16,
		"utf-8 utf-16 utf-32": UTF8, // Neovim
		"utf-8 utf-32 utf-16": UTF8, // Helix
		"utf-32 utf-8 utf-16": UTF8, // Emacs
		"utf-16 utf-32":       UTF16,
		"utf-32":              UTF32,
		"utf-7":               UTF16,
	} {
		var list []protocol.PositionEncodingKind
		for _, k := range strings.Fields(offered) {
			list = append(list, protocol.PositionEncodingKind(k))
		}
		if got := negotiate(list); got != want {
			t.Errorf("%q: %s, want %s", offered, got, want)
		}
	}
}
