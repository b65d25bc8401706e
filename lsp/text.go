package lsp

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"
)

// Text is an immutable text: a list of chunks that successive versions share. Replacing a few bytes copies
// one chunk of about 16 KB and the list, so that an edit costs microseconds in a file of 1 MB and of 10 MB
// alike, and every earlier version stays valid for whoever still reads it.
//
// Lines end at "\n", "\r\n" and lone "\r", as the protocol has it; a text of n line ends has n+1 lines.
// Offsets and lengths are bytes. A Text is safe for concurrent use. It may hold any bytes; an invalid UTF-8
// byte counts as one character of one unit in every encoding.
//
// Rejected: a piece table (looking up a line depends on the history of edits), a gap buffer (snapshots are
// copies), one flat string with a line table (14 ms for a keystroke in 10 MB).
type Text struct {
	// chunks are not empty and their borders are clean: no chunk ends in "\r" before one that starts with
	// "\n", and none starts inside a UTF-8 sequence. Hence whatever is counted per chunk adds up.
	chunks []chunk
	size   mark

	flatten sync.Once
	flat    string
}

// chunk is a piece of a Text and where it begins.
type chunk struct {
	s  string
	at mark
}

// mark is a place in a Text in all the coordinates that ever need to be looked up. The fields are 32 bits
// wide because the list of chunks is copied with every edit; a Text is limited to 2 GiB, and the framing to
// half of that.
type mark struct {
	bytes  int32
	breaks int32 // line ends before the place
	utf16  int32 // UTF-16 units before it
	runes  int32
}

func (m mark) plus(o mark) mark {
	return mark{m.bytes + o.bytes, m.breaks + o.breaks, m.utf16 + o.utf16, m.runes + o.runes}
}

func (m mark) minus(o mark) mark {
	return mark{m.bytes - o.bytes, m.breaks - o.breaks, m.utf16 - o.utf16, m.runes - o.runes}
}

const (
	chunkAim = 16 << 10 // what a chunk is cut to
	chunkMax = 32 << 10 // what it may grow to by typing
	chunkMin = 4 << 10  // what it may shrink to before it is joined with a neighbour
)

// NewText returns the text s. It keeps s; the caller clones it first when s is part of something larger.
func NewText(s string) *Text {
	if len(s) > math.MaxInt32 {
		panic(fmt.Sprintf("lsp: text of %d bytes", len(s)))
	}
	t := &Text{chunks: appendChunks(make([]chunk, 0, len(s)/chunkAim+1), s), flat: s}
	t.flatten.Do(func() {})
	t.size = place(t.chunks, mark{})
	return t
}

// appendChunks cuts s into chunks with clean borders. Their marks are relative until measure has run: at is
// the size of the chunk itself.
func appendChunks(dst []chunk, s string) []chunk {
	for len(s) > chunkMax {
		n := cleanCut(s, chunkAim)
		dst = append(dst, chunk{s[:n], sizeOf(s[:n])})
		s = s[n:]
	}
	if s != "" {
		dst = append(dst, chunk{s, sizeOf(s)})
	}
	return dst
}

// cleanCut returns the last clean border in s at or before n. In binary rubbish without one nearby it is n,
// which is still exact: more than three continuation bytes in a row belong to no character.
func cleanCut(s string, n int) int {
	for i := n; i > n-utf8.UTFMax; i-- {
		if cleanBorder(s[i-1], s[i]) {
			return i
		}
	}
	return n
}

// cleanBorder reports whether two adjacent bytes may come to lie in different chunks.
func cleanBorder(before, after byte) bool {
	return utf8.RuneStart(after) && (before != '\r' || after != '\n')
}

// place turns the relative marks of chunks into absolute ones, the first of them at at, and returns where
// they end.
func place(chunks []chunk, at mark) mark {
	for i := range chunks {
		size := chunks[i].at
		chunks[i].at = at
		at = at.plus(size)
	}
	return at
}

func sizeOf(s string) mark {
	n := int32(len(s))
	m := mark{bytes: n, breaks: int32(countBreaks(s))}
	if isASCII(s) {
		m.utf16, m.runes = n, n
		return m
	}
	units, runes := countUnits(s)
	m.utf16, m.runes = int32(units), int32(runes)
	return m
}

// Len returns the length in bytes.
func (t *Text) Len() int { return int(t.size.bytes) }

// LineCount returns the number of lines, at least 1. A text that ends in a line end has an empty last line.
func (t *Text) LineCount() int { return int(t.size.breaks) + 1 }

// String returns the whole text as one string. The first call on an edited text copies all of it (about
// 0.1 ms for 1 MB); later calls return the same string.
func (t *Text) String() string {
	t.flatten.Do(func() {
		if len(t.chunks) == 1 {
			t.flat = t.chunks[0].s
			return
		}
		t.flat = t.join(0, t.Len())
	})
	return t.flat
}

// Slice returns the bytes [i, j). It panics when they are out of range, as slicing a string does. It does
// not flatten the text, and copies only when the range crosses a chunk's border.
func (t *Text) Slice(i, j int) string {
	if i < 0 || j < i || j > t.Len() {
		panic(fmt.Sprintf("lsp: slice [%d:%d] of a text of %d bytes", i, j, t.Len()))
	}
	if i == j {
		return ""
	}
	c := &t.chunks[t.chunkAt(i)]
	if start := int(c.at.bytes); j <= start+len(c.s) {
		return c.s[i-start : j-start]
	}
	return t.join(i, j)
}

func (t *Text) join(i, j int) string {
	var b strings.Builder
	b.Grow(j - i)
	for k := t.chunkAt(i); k < len(t.chunks) && i < j; k++ {
		c := &t.chunks[k]
		start := int(c.at.bytes)
		end := min(j, start+len(c.s))
		b.WriteString(c.s[i-start : end-start])
		i = end
	}
	return b.String()
}

// LineStart returns the offset at which line n (from 0) begins. A line beyond the last one begins at the end
// of the text; a negative one at 0.
func (t *Text) LineStart(n int) int {
	if n <= 0 {
		return 0
	}
	_, end := t.lineBreak(n)
	return end
}

// LineEnd returns the offset at which the content of line n ends, before its line end.
func (t *Text) LineEnd(n int) int {
	if n < 0 {
		n = 0
	}
	start, _ := t.lineBreak(n + 1)
	return start
}

// Line returns the content of line n without its line end.
func (t *Text) Line(n int) string {
	return t.Slice(t.LineStart(n), t.LineEnd(n))
}

// LineAt returns the line that the byte at offset belongs to. A line end belongs to the line that it ends.
// An offset beyond the text is on the last line.
func (t *Text) LineAt(offset int) int {
	if offset <= 0 || len(t.chunks) == 0 {
		return 0
	}
	if offset >= t.Len() {
		return int(t.size.breaks)
	}
	k := t.chunkAt(offset)
	c := &t.chunks[k]
	p := offset - int(c.at.bytes)
	if !t.loneCR(k) {
		return int(c.at.breaks) + strings.Count(c.s[:p], "\n")
	}
	return int(c.at.breaks) + countBreaks(c.s[:p]) - cutsCRLF(c.s, p)
}

// loneCR reports whether chunk k has a line end other than "\n" and "\r\n". Most have none, and then counting
// is a matter of "\n" alone, which the standard library does many bytes at a time.
func (t *Text) loneCR(k int) bool {
	c := &t.chunks[k]
	return strings.Count(c.s, "\n") != int(t.endOf(k).breaks-c.at.breaks)
}

// lineBreak returns where the n-th line end (from 1) starts and ends; both are the text's length when there
// are fewer.
func (t *Text) lineBreak(n int) (start, end int) {
	if n > int(t.size.breaks) {
		return t.Len(), t.Len()
	}
	// The chunk that holds it is the last one with fewer than n line ends before it.
	k := sort.Search(len(t.chunks), func(k int) bool { return int(t.chunks[k].at.breaks) >= n }) - 1
	c := &t.chunks[k]
	start, end = findBreak(c.s, n-int(c.at.breaks), t.loneCR(k))
	return start + int(c.at.bytes), end + int(c.at.bytes)
}

// chunkAt returns the index of the chunk that holds the byte at offset; the last chunk for the text's end,
// 0 for an empty text.
func (t *Text) chunkAt(offset int) int {
	return max(0, sort.Search(len(t.chunks), func(k int) bool { return int(t.chunks[k].at.bytes) > offset })-1)
}

// markAt measures the text before offset, which is clamped to the text. A "\r" just before offset counts as
// a line end unless a "\n" follows it.
func (t *Text) markAt(offset int) mark {
	if offset <= 0 || len(t.chunks) == 0 {
		return mark{}
	}
	if offset >= t.Len() {
		return t.size
	}
	c := &t.chunks[t.chunkAt(offset)]
	p := offset - int(c.at.bytes)
	m := sizeOf(c.s[:p])
	m.breaks -= int32(cutsCRLF(c.s, p))
	return c.at.plus(m)
}

// cutsCRLF returns 1 when p lies between the two bytes of a "\r\n" of s, else 0.
func cutsCRLF(s string, p int) int {
	if p > 0 && p < len(s) && s[p-1] == '\r' && s[p] == '\n' {
		return 1
	}
	return 0
}

// Replace returns the text with the bytes [start, end) replaced by s, which it keeps. It panics when the
// range is not in the text, as slicing does.
func (t *Text) Replace(start, end int, s string) *Text {
	if start < 0 || end < start || end > t.Len() {
		panic(fmt.Sprintf("lsp: replace [%d:%d] of a text of %d bytes", start, end, t.Len()))
	}
	if t.Len()-(end-start) > math.MaxInt32-len(s) {
		panic(fmt.Sprintf("lsp: text grows by %d bytes beyond 2 GiB", len(s)))
	}
	if len(t.chunks) == 0 {
		return NewText(s)
	}

	// Chunks first..last are rewritten as head + s + tail.
	first, last := t.chunkAt(start), t.chunkAt(max(start, end-1))
	head := t.chunks[first].s[:start-int(t.chunks[first].at.bytes)]
	tail := t.chunks[last].s[end-int(t.chunks[last].at.bytes):]

	// Neighbours are drawn in where a border would no longer be clean, and where too little would be left.
	size := len(head) + len(s) + len(tail)
	for first > 0 {
		before := t.chunks[first-1].s
		if size >= chunkMin && cleanBorder(before[len(before)-1], firstByte(head, s, tail)) {
			break
		}
		if size == 0 && last+1 < len(t.chunks) && cleanBorder(before[len(before)-1], t.chunks[last+1].s[0]) {
			break
		}
		first--
		head = before + head
		size += len(before)
	}
	for size > 0 && last+1 < len(t.chunks) {
		after := t.chunks[last+1].s
		if size >= chunkMin && cleanBorder(lastByte(head, s, tail), after[0]) {
			break
		}
		last++
		tail += after
		size += len(after)
	}

	list := make([]chunk, 0, len(t.chunks)-(last-first+1)+size/chunkAim+1)
	list = append(list, t.chunks[:first]...)
	if size > 0 && size <= chunkMax && end-start <= chunkMin && len(s) <= chunkMin {
		list = append(list, chunk{head + s + tail, t.resize(first, last, head, t.Slice(start, end), s, tail)})
	} else {
		list = appendChunks(list, head+s+tail)
	}
	fresh := len(list)
	list = append(list, t.chunks[last+1:]...)

	// The new chunks carry their sizes and are summed up; the ones behind them only move.
	at := place(list[first:fresh], t.chunks[first].at)
	move := at.minus(t.endOf(last))
	if move != (mark{}) {
		for i := fresh; i < len(list); i++ {
			list[i].at = list[i].at.plus(move)
		}
	}
	return &Text{chunks: list, size: t.size.plus(move)}
}

// endOf returns where chunk k ends.
func (t *Text) endOf(k int) mark {
	if k+1 < len(t.chunks) {
		return t.chunks[k+1].at
	}
	return t.size
}

// resize returns the size of head + s + tail, which replaces head + old + tail in chunks first..last, without
// counting more than what changes: in a text with other than ASCII, counting is the larger part of an edit.
// Sizes add up over clean borders, so the nearest ones round the edit are where counting may begin and end.
func (t *Text) resize(first, last int, head, old, s, tail string) mark {
	i := len(head) - 1
	for i > 0 && !cleanBorder(head[i-1], head[i]) {
		i--
	}
	i = max(i, 0)
	j := 1
	for j < len(tail) && !cleanBorder(tail[j-1], tail[j]) {
		j++
	}
	j = min(j, len(tail))
	was := t.endOf(last).minus(t.chunks[first].at)
	return was.plus(sizeOf(head[i:] + s + tail[:j])).minus(sizeOf(head[i:] + old + tail[:j]))
}

func firstByte(parts ...string) byte {
	for _, s := range parts {
		if s != "" {
			return s[0]
		}
	}
	return 0
}

func lastByte(parts ...string) byte {
	for i := len(parts) - 1; i >= 0; i-- {
		if s := parts[i]; s != "" {
			return s[len(s)-1]
		}
	}
	return 0
}

// countBreaks counts the line ends of s.
func countBreaks(s string) int {
	n := strings.Count(s, "\n")
	for i := strings.IndexByte(s, '\r'); i >= 0; {
		if i+1 == len(s) || s[i+1] != '\n' {
			n++
		}
		next := strings.IndexByte(s[i+1:], '\r')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return n
}

// findBreak returns where the n-th line end of s (from 1) starts and ends. s has at least n.
func findBreak(s string, n int, loneCR bool) (start, end int) {
	if !loneCR {
		i := indexNth(s, '\n', n)
		if i > 0 && s[i-1] == '\r' {
			return i - 1, i + 1
		}
		return i, i + 1
	}
	for i := 0; i < len(s); i++ {
		end := i + 1
		switch {
		case s[i] == '\r' && end < len(s) && s[end] == '\n':
			end++
		case s[i] != '\r' && s[i] != '\n':
			continue
		}
		if n--; n == 0 {
			return i, end
		}
		i = end - 1
	}
	return len(s), len(s)
}

// indexNth returns the index of the n-th b in s (from 1), of which s has at least n. It halves by counting, so
// that short lines cost no more than long ones.
func indexNth(s string, b byte, n int) int {
	at := 0
	for len(s) > 256 {
		half := len(s) / 2
		if m := strings.Count(s[:half], string(rune(b))); m >= n {
			s = s[:half]
		} else {
			n -= m
			at += half
			s = s[half:]
		}
	}
	for i := range len(s) {
		if s[i] == b {
			if n--; n == 0 {
				return at + i
			}
		}
	}
	return at + len(s)
}

// countUnits counts the UTF-16 units and the characters of s. Invalid bytes count one each. Text is mostly
// ASCII even where it is not all ASCII, hence the leaps.
func countUnits(s string) (units, runes int) {
	for len(s) > 0 {
		if len(s) >= 8 && isASCII8(s) {
			runes += 8
			s = s[8:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		if r > 0xFFFF {
			units++
		}
		runes++
		s = s[n:]
	}
	return units + runes, runes
}

func isASCII(s string) bool {
	for len(s) >= 8 {
		if !isASCII8(s) {
			return false
		}
		s = s[8:]
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isASCII8 looks at the first eight bytes of s, which the compiler loads at once.
func isASCII8(s string) bool {
	_ = s[7]
	word := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	return word&0x8080808080808080 == 0
}
