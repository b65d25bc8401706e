package offline

import "strings"

// Window is how much of an open document is looked at, in bytes before and after the cursor. It is some
// 20,000 tokens, four times the cache that the literature found enough, and a document of 1 MB costs no
// more than one of 80 KB.
const (
	windowBefore = 64 << 10
	windowAfter  = 16 << 10

	longestLine = 8 << 10 // bytes of the cursor's line that are looked at; a longer one gets no automatic answer
)

// source is a document's text in two parts, as a request brings it: joining them would copy a megabyte for a keystroke.
type source struct{ prefix, suffix string }

func (s source) len() int { return len(s.prefix) + len(s.suffix) }

func (s source) slice(i, j int) string {
	n := len(s.prefix)
	switch {
	case j <= n:
		return s.prefix[i:j]
	case i >= n:
		return s.suffix[i-n : j-n]
	}
	return s.prefix[i:] + s.suffix[:j-n]
}

// lineStart returns the start of the line that holds i, looking back at most limit bytes.
func (s source) lineStart(i, limit int) int {
	floor := max(0, i-limit)
	for i > floor {
		var c byte
		if i <= len(s.prefix) {
			c = s.prefix[i-1]
		} else {
			c = s.suffix[i-1-len(s.prefix)]
		}
		if c == '\n' || c == '\r' {
			break
		}
		i--
	}
	return i
}

// commonPrefix returns how many bytes two texts have in common from the start.
func (s source) commonPrefix(t source) int {
	n := min(s.len(), t.len())
	const step = 4 << 10
	for i := 0; i < n; {
		j := min(i+step, n)
		// A piece ends where one of the parts ends, so that slice never copies.
		for _, cut := range []int{len(s.prefix), len(t.prefix)} {
			if i < cut && cut < j {
				j = cut
			}
		}
		if a, b := s.slice(i, j), t.slice(i, j); a != b {
			for k := range len(a) {
				if a[k] != b[k] {
					return i + k
				}
			}
		}
		i = j
	}
	return n
}

// commonSuffix returns how many bytes two texts have in common at the end, at most limit.
func (s source) commonSuffix(t source, limit int) int {
	n := min(s.len(), t.len(), limit)
	const step = 4 << 10
	for k := 0; k < n; {
		j := min(k+step, n)
		for _, cut := range []int{len(s.suffix), len(t.suffix)} {
			if k < cut && cut < j {
				j = cut
			}
		}
		a, b := s.slice(s.len()-j, s.len()-k), t.slice(t.len()-j, t.len()-k)
		if a != b {
			for i := range len(a) {
				if a[len(a)-1-i] != b[len(b)-1-i] {
					return k + i
				}
			}
		}
		k = j
	}
	return n
}

// document is what the engine remembers of one open file: the tokens of a window of its text. It is
// brought up to date by the difference to the text seen last, a line or two for a keystroke.
// The engine guards it; a document is used by one question at a time.
type document struct {
	syntax *syntax
	vocab  *vocabulary
	text   source
	from   int // the window is text[from:to]
	to     int

	tokens []word
	forms  []word  // the abstract form of each token
	starts []int32 // relative to from
	gaps   []uint8
	local  []entry         // words that the vocabulary does not know: tokens[i] - localWord is an index
	ids    map[string]word // of local
	known  int             // the size of the vocabulary when local was checked against it last
}

// maxLocal bounds the words of one document's own. Half-typed names pile up there.
const maxLocal = 16 << 10

// update makes the document's tokens those of text round its cursor.
func (d *document) update(text source, vocab *vocabulary) {
	cursor := len(text.prefix)
	if d.vocab != vocab || d.tokens == nil || len(d.local) > maxLocal {
		d.rebuild(text, vocab)
		return
	}
	d.adopt()
	old := d.text
	head := old.commonPrefix(text)
	if head == old.len() && head == text.len() {
		d.text = text
	} else {
		tail := old.commonSuffix(text, min(old.len(), text.len())-head)
		if !d.splice(text, head, old.len()-tail, text.len()-tail) {
			d.rebuild(text, vocab)
			return
		}
	}
	// The window follows the cursor when there is text that it should show and does not.
	if d.from > 0 && cursor-d.from < windowBefore/4 || d.to < text.len() && d.to-cursor < windowAfter/4 || cursor < d.from ||
		d.to-d.from > 2*(windowBefore+windowAfter) {
		d.rebuild(text, vocab)
	}
}

// rebuild lexes a window round the cursor from scratch: about a millisecond.
func (d *document) rebuild(text source, vocab *vocabulary) {
	cursor := len(text.prefix)
	d.text, d.vocab = text, vocab
	d.from = text.lineStart(max(0, cursor-windowBefore), 4<<10)
	d.to = text.lineStart(min(text.len(), cursor+windowAfter), 4<<10)
	if text.len()-d.to < windowAfter {
		d.to = text.len()
	}
	d.to = max(d.to, cursor)
	d.local, d.ids = nil, map[string]word{}
	d.known = len(vocab.snapshot())
	part := d.scan(text.slice(d.from, d.to), 0, false)
	d.tokens, d.starts, d.gaps = part.words, part.starts, part.gaps
	if d.tokens == nil {
		d.tokens = []word{}
	}
	d.forms = make([]word, len(d.tokens))
	d.abstract(0, len(d.tokens))
}

// abstract brings the forms of tokens[i:j] up to date.
func (d *document) abstract(i, j int) {
	roles := d.roles()
	for ; i < j; i++ {
		d.forms[i] = abstractOf(d.tokens, i, roles)
	}
}

func (d *document) roles() func(word) role {
	return rolesOf(d.vocab.snapshot())
}

// adopt renumbers local words that have meanwhile become known to the project.
func (d *document) adopt() {
	if len(d.local) == 0 {
		return
	}
	if n := len(d.vocab.snapshot()); n == d.known {
		return
	} else {
		d.known = n
	}
	numbers := map[word]word{}
	for i, e := range d.local {
		if w, ok := d.vocab.find(e.text); ok {
			numbers[localWord+word(i)] = w
			d.ids[e.text] = w
		}
	}
	if len(numbers) == 0 {
		return
	}
	for _, list := range [][]word{d.tokens, d.forms} {
		for i, w := range list {
			if w >= localWord {
				if n, ok := numbers[w]; ok {
					list[i] = n
				}
			}
		}
	}
}

// pieces are tokens with their places.
type pieces struct {
	words  []word
	starts []int32
	gaps   []uint8
	open   opened
}

// scan lexes a part of the window. base is added to the starts. afterLine says that a newline token
// comes before the part, so that another one would be its double.
func (d *document) scan(part string, base int32, afterLine bool) pieces {
	p := pieces{}
	lx := lexer{syntax: d.syntax, text: part}
	last := 0
	for lx.next() {
		if lx.kind == newline && (afterLine || base == 0 && len(p.words) == 0) {
			last = lx.end
			continue
		}
		afterLine = lx.kind == newline
		text := part[lx.start:lx.end]
		w := reserved(lx.kind, len(text))
		if w == boundary {
			w = d.number(text, lx.kind)
		}
		p.words = append(p.words, w)
		p.starts = append(p.starts, base+int32(lx.start))
		p.gaps = append(p.gaps, gapOf(lx.kind, part[last:lx.start]))
		last = lx.end
	}
	p.open = lx.open
	return p
}

func (d *document) number(text string, k kind) word {
	if w, ok := d.ids[text]; ok {
		return w
	}
	w, ok := d.vocab.find(text)
	if !ok {
		w = localWord + word(len(d.local))
		text = strings.Clone(text)
		d.local = append(d.local, entry{text, k, roleOf(text, k), shapeOf(text, k)})
		d.ids[text] = w
	}
	return w
}

// splice replaces what stands for old[head:oldEnd] by what text[head:newEnd] says. It begins at a line end
// before the change, where the lexer is surely in code, and goes on until it meets a line end that it knows
// from before. It reports false when the window is lost.
func (d *document) splice(text source, head, oldEnd, newEnd int) bool {
	shift := newEnd - oldEnd
	switch {
	case oldEnd < d.from:
		d.text = text
		d.from += shift
		d.to += shift
		return true
	case head > d.to:
		d.text = text
		return true
	case head < d.from || oldEnd > d.to:
		return false
	}
	// The last newline token that begins before the line of the change. A line end that touches the change is
	// not trusted: its run may have been split.
	first := d.lastLine(int32(head-d.from) - 1)
	begin := int32(0)
	if first > 0 {
		begin = d.starts[first]
	}
	limit := d.to + shift
	// Look for a meeting point in growing steps: usually the next line does.
	for reach := newEnd + 256; ; reach += 4 * (reach - newEnd) {
		stop := min(reach, limit)
		part := d.scan(text.slice(d.from+int(begin), stop), begin, false)
		if stop < limit {
			i, j, ok := d.meet(part, int32(newEnd-d.from), int32(shift))
			if !ok {
				continue
			}
			d.replace(first, j, pieces{words: part.words[:i], starts: part.starts[:i], gaps: part.gaps[:i]}, int32(shift))
		} else {
			d.replace(first, len(d.tokens), part, 0)
		}
		d.text = text
		d.to = limit
		return true
	}
}

// meet finds the first newline token of part behind the change that was a newline token at the same place
// before, and is not the last token (whose run may go on). i and j are its indices in part and in the document.
func (d *document) meet(part pieces, newEnd, shift int32) (i, j int, ok bool) {
	for i = range len(part.words) - 1 {
		if part.words[i] != lineEnd || part.starts[i] < newEnd {
			continue
		}
		j = d.search(part.starts[i] - shift)
		if j < len(d.tokens) && d.tokens[j] == lineEnd && d.starts[j] == part.starts[i]-shift {
			return i, j, true
		}
	}
	return 0, 0, false
}

func (d *document) replace(first, last int, p pieces, shift int32) {
	for i := last; i < len(d.starts); i++ {
		d.starts[i] += shift
	}
	d.tokens = replaceSlice(d.tokens, first, last, p.words)
	d.starts = replaceSlice(d.starts, first, last, p.starts)
	d.gaps = replaceSlice(d.gaps, first, last, p.gaps)
	d.forms = replaceSlice(d.forms, first, last, p.words)
	// A name's form looks maxBack tokens back, and one more for the dot.
	d.abstract(first, min(first+len(p.words)+maxBack+1, len(d.tokens)))
}

func replaceSlice[T any](s []T, i, j int, with []T) []T {
	if len(with) == j-i {
		copy(s[i:j], with)
		return s
	}
	tail := len(s) - j
	if grow := len(with) - (j - i); grow > 0 {
		s = append(s, make([]T, grow)...)
		copy(s[i+len(with):], s[j:j+tail])
	} else {
		copy(s[i+len(with):], s[j:])
		s = s[:i+len(with)+tail]
	}
	copy(s[i:], with)
	return s
}

// search returns the index of the first token that starts at or after offset (relative to the window).
func (d *document) search(offset int32) int {
	lo, hi := 0, len(d.starts)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if d.starts[m] < offset {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// lastLine returns the index of the last newline token that starts before offset, or 0.
func (d *document) lastLine(offset int32) int {
	i := d.search(offset) - 1
	for i > 0 && d.tokens[i] != lineEnd {
		i--
	}
	return max(i, 0)
}

// text of a word, wherever it is numbered.
func (d *document) entry(words []entry, w word) entry {
	if w >= localWord {
		return d.local[w-localWord]
	}
	return words[w]
}

// place is the cursor among the tokens.
type place struct {
	before     []word  // the tokens before the one that is being typed, oldest first; the first one is a boundary
	forms      []word  // their abstract forms
	gaps       []uint8 // and the blanks before them
	after      []word  // the tokens of the lines below, nearest first
	afterForms []word
	afterGaps  []uint8
	typed      string // the part of a name that stands directly before the cursor; "" when none
	open       opened // whether the cursor is in a comment or a literal
	line       int    // how many tokens at the end of before stand on the cursor's line
	blank      bool   // a blank (or a line start) stands between the last token and the cursor or typed
}

// at finds the cursor of the text given to update. The line of the cursor is lexed as if the text ended
// there, for what follows the cursor must not change what stands before it.
func (d *document) at(reuse place) place {
	cursor := len(d.text.prefix)
	rel := int32(cursor - d.from)
	lineFrom := d.text.lineStart(cursor, 4<<10) - d.from
	first := d.lastLine(int32(lineFrom))
	begin := int32(0)
	if first > 0 {
		begin = d.starts[first]
	}
	if rel-begin > longestLine {
		// The state of the lexer that far into a line, or a comment, is a guess anyway.
		first = d.search(rel - longestLine)
		if begin = rel; first < len(d.starts) {
			begin = min(rel, d.starts[first])
		}
	}
	part := d.scan(d.text.slice(d.from+int(begin), cursor), begin, false)
	pl := place{open: part.open, blank: true}
	n := len(part.words)
	lastEnd := begin
	if n > 0 {
		text := d.text.slice(d.from+int(part.starts[n-1]), cursor)
		lx := lexer{syntax: d.syntax, text: text}
		lx.next()
		lastEnd = part.starts[n-1] + int32(lx.end)
		if lx.kind == ident && lastEnd == rel {
			pl.typed = text
			n--
			lastEnd = part.starts[n]
			pl.blank = part.gaps[n] > 0 || n == 0 || part.words[n-1] == lineEnd
		} else {
			pl.blank = lastEnd < rel || part.words[n-1] == lineEnd
		}
	}
	buf := append(append(append(reuse.before[:0], boundary), d.tokens[:first]...), part.words[:n]...)
	pl.before = buf
	pl.gaps = append(append(append(reuse.gaps[:0], 0), d.gaps[:first]...), part.gaps[:n]...)
	pl.forms = append(append(reuse.forms[:0], boundary), d.forms[:first]...)
	roles := d.roles()
	for i := len(pl.forms); i < len(buf); i++ {
		pl.forms = append(pl.forms, abstractOf(buf, i, roles))
	}
	for pl.line < len(buf) && buf[len(buf)-1-pl.line] != lineEnd && buf[len(buf)-1-pl.line] != boundary {
		pl.line++
	}
	// What follows begins at the first line end behind the cursor.
	i := d.search(rel)
	for i < len(d.tokens) && d.tokens[i] != lineEnd {
		i++
	}
	pl.after, pl.afterForms, pl.afterGaps = d.tokens[i:], d.forms[i:], d.gaps[i:]
	return pl
}

// push adds a token at the cursor, as if it had been typed.
func (pl *place) push(w word, gap uint8, roles func(word) role) {
	pl.before = append(pl.before, w)
	pl.gaps = append(pl.gaps, gap)
	pl.forms = append(pl.forms, abstractOf(pl.before, len(pl.before)-1, roles))
	pl.line++
}

// cut takes back what was pushed since before had n tokens.
func (pl *place) cut(n int) {
	pl.line -= len(pl.before) - n
	pl.before, pl.gaps, pl.forms = pl.before[:n], pl.gaps[:n], pl.forms[:n]
}
