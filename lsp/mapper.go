package lsp

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"go.lsp.dev/protocol"
)

// Encoding is the unit in which the protocol counts columns.
type Encoding string

const (
	UTF8  Encoding = "utf-8"  // bytes
	UTF16 Encoding = "utf-16" // what every client must know, and the default
	UTF32 Encoding = "utf-32" // characters (Unicode scalar values)
)

// negotiate picks the encoding that costs us least among those that the client offers. A client that offers
// none, or none that we know, speaks utf-16.
func negotiate(offered []protocol.PositionEncodingKind) Encoding {
	best := UTF16
	for _, o := range offered {
		switch Encoding(o) {
		case UTF8:
			return UTF8
		case UTF32:
			// Not better than utf-16 for us, but it is what Emacs keeps its text in.
			if !offers(offered, UTF16) {
				best = UTF32
			}
		}
	}
	return best
}

func offers(offered []protocol.PositionEncodingKind, e Encoding) bool {
	for _, o := range offered {
		if Encoding(o) == e {
			return true
		}
	}
	return false
}

// Mapper converts between byte offsets and the lines and columns of the wire. No conversion fails: a column
// beyond the end of its line means the end of that line, a line beyond the last one the end of the text, as
// the protocol has it; and no result ever lies inside a character, inside a surrogate pair or between "\r"
// and "\n" (it moves back to the start of what it would split).
//
// The zero Encoding means UTF16. A Mapper is immutable and may be copied.
type Mapper struct {
	Text     *Text
	Encoding Encoding
}

// String says how long the text is. Without it, fmt would print the text.
func (m Mapper) String() string { return fmt.Sprintf("%d bytes in %s", m.Text.Len(), m.Encoding) }

// PositionToOffset returns the byte offset of p.
func (m Mapper) PositionToOffset(p protocol.Position) int {
	t := m.Text
	if int64(p.Line) > int64(t.size.breaks) {
		return t.Len()
	}
	start := t.LineStart(int(p.Line))
	if p.Character == 0 || start == t.Len() {
		return start
	}

	// Most lines lie within the chunk in which they start.
	k := t.chunkAt(start)
	c := &t.chunks[k]
	rest := c.s[start-int(c.at.bytes):]
	if end := breakIndex(rest); end >= 0 {
		return start + m.unitsToBytes(rest[:end], int64(p.Character))
	}
	if int64(p.Character) <= int64(m.units(sizeOf(rest))) {
		return start + m.unitsToBytes(rest, int64(p.Character))
	}

	// A long line: jump to the chunk by the sums, and look only into that one.
	end := t.LineEnd(int(p.Line))
	target := int64(m.units(t.markAt(start))) + int64(p.Character)
	if int64(m.units(t.markAt(end))) <= target {
		return end
	}
	k = sort.Search(len(t.chunks), func(k int) bool { return int64(m.units(t.chunks[k].at)) > target }) - 1
	c = &t.chunks[k]
	return int(c.at.bytes) + m.unitsToBytes(c.s, target-int64(m.units(c.at)))
}

// OffsetToPosition returns the position of a byte offset, which is clamped to the text.
func (m Mapper) OffsetToPosition(offset int) protocol.Position {
	t := m.Text
	offset = t.floor(offset)
	line := t.LineAt(offset)
	start := t.LineStart(line)
	var units int
	if offset-start <= chunkMax {
		units = m.count(t.Slice(start, offset))
	} else {
		units = int(m.units(t.markAt(offset)) - m.units(t.markAt(start)))
	}
	return protocol.Position{Line: uint32(line), Character: uint32(units)}
}

// RangeToOffsets returns the bytes [start, end) of r. An inverted range is turned round.
func (m Mapper) RangeToOffsets(r protocol.Range) (start, end int) {
	start, end = m.PositionToOffset(r.Start), m.PositionToOffset(r.End)
	if start > end {
		return end, start
	}
	return start, end
}

// OffsetsToRange returns the range of the bytes [start, end); an inverted pair is turned round.
func (m Mapper) OffsetsToRange(start, end int) protocol.Range {
	if start > end {
		start, end = end, start
	}
	return protocol.Range{Start: m.OffsetToPosition(start), End: m.OffsetToPosition(end)}
}

// floor clamps offset to the text and moves it back to the nearest place that splits neither a character
// nor a "\r\n".
func (t *Text) floor(offset int) int {
	if offset <= 0 {
		return 0
	}
	if offset >= t.Len() {
		return t.Len()
	}
	c := &t.chunks[t.chunkAt(offset)]
	p := offset - int(c.at.bytes)
	if p == 0 {
		return offset // borders of chunks are clean
	}
	if c.s[p-1] == '\r' && c.s[p] == '\n' {
		return offset - 1
	}
	if !utf8.RuneStart(c.s[p]) {
		for i := p - 1; i >= 0 && i > p-utf8.UTFMax; i-- {
			if utf8.RuneStart(c.s[i]) {
				if _, n := utf8.DecodeRuneInString(c.s[i:]); i+n > p {
					return int(c.at.bytes) + i
				}
				break // p is not part of a valid sequence, so it is a character of its own
			}
		}
	}
	return offset
}

// units picks the coordinate of the encoding.
func (m Mapper) units(at mark) int32 {
	switch m.Encoding {
	case UTF8:
		return at.bytes
	case UTF32:
		return at.runes
	default:
		return at.utf16
	}
}

// count returns the units of s, which holds whole characters.
func (m Mapper) count(s string) int {
	if m.Encoding == UTF8 || isASCII(s) {
		return len(s)
	}
	units, runes := countUnits(s)
	if m.Encoding == UTF32 {
		return runes
	}
	return units
}

// unitsToBytes returns the length in bytes of the first n units of s, at most all of it, and never ends
// inside a character.
func (m Mapper) unitsToBytes(s string, n int64) int {
	if m.Encoding == UTF8 {
		if n >= int64(len(s)) {
			return len(s)
		}
		i := int(n)
		for back := 0; back < utf8.UTFMax && i > 0 && !utf8.RuneStart(s[i]); back++ {
			i--
		}
		if _, size := utf8.DecodeRuneInString(s[i:]); i+size <= int(n) {
			return int(n) // stray continuation bytes are characters of their own
		}
		return i
	}
	if n < int64(len(s)) && isASCII(s[:n]) {
		return int(n)
	}
	for i, r := range s {
		width := int64(1)
		if r > 0xFFFF && m.Encoding != UTF32 {
			width = 2
		}
		if n < width {
			return i
		}
		n -= width
	}
	return len(s)
}

// breakIndex returns the index of the first line end in s, -1 for none.
func breakIndex(s string) int {
	end := strings.IndexByte(s, '\n')
	if end >= 0 {
		s = s[:end]
	}
	if cr := strings.IndexByte(s, '\r'); cr >= 0 {
		return cr
	}
	return end
}
