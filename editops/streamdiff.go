package editops

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// StreamOptions says what a StreamDiff cannot see in the old text.
type StreamOptions struct {
	// LineEnd ends new lines where the region has no line end to copy: "\n" (also when empty), "\r\n" or "\r".
	LineEnd string
	// Markdown says that code fences are part of the language, so that a leading fence is taken for wrapping
	// only when it names Markdown itself.
	Markdown bool
	// Verbatim takes the model's text as it is: no fence is dropped, no elision looked for, and the final line
	// end is the model's. It is for text that did not come out of a chat model, such as a formatter's.
	Verbatim bool
}

// StreamStats counts what a StreamDiff has done so far.
type StreamStats struct {
	Kept, Replaced, Inserted, Deleted int // lines
	BytesIn                           int // bytes of model text pushed
	BytesInserted, BytesDeleted       int // bytes in the emitted edits
	Edits, Hunks                      int
	FirstEdit                         int // BytesIn when the first edit was emitted; 0 before
	OldDone, OldLines                 int // lines of the old text passed, and in all
	Unfenced                          int // model lines dropped as fences or as prose behind the closing one
}

// Hunk is a run of changed lines, merged with its neighbours across fewer than three kept lines. Offsets are
// bytes; both ranges are whole lines.
type Hunk struct {
	OldStart, OldEnd int // in the old text
	Start, End       int // in the engine text
	Edits            int // number of emitted edits that belong to it
}

// hunkGap is the number of kept lines that separates two hunks: with fewer, a reader sees one change.
const hunkGap = 3

// ErrStreamDiff is the error of a StreamDiff that found one of its own edits wrong. The edit was not emitted,
// the ones before it were sound, and the rest of the old text stands: the caller stops and says so.
var ErrStreamDiff = errors.New("stream diff: internal check failed")

// ErrElided is the error of a StreamDiff whose model left code out ("// ... existing code ..."). The edits before
// that line stand, and so does the rest of the old text, which would have been deleted.
var ErrElided = errors.New("stream diff: the new text leaves code out")

// StreamDiff turns an old region and the growing text that is to replace it into edits, while the text
// arrives. The edits are append-only: none starts before the end of the one before it, and none touches a
// line that was kept. So whatever has been emitted at any moment is a prefix of the work, and a stream that
// breaks off leaves the rest of the old text as it was: simply do not call Finish.
//
// Offsets are bytes of the engine text, which is what the edits alone have made of the old text so far; each
// edit refers to the engine text that the one before it left. The old text has line ends of any kind (LF,
// CRLF, lone CR, mixed), perhaps a byte order mark and perhaps no final line end; the model's text has \n
// (see ModelText) and its other line ends are read as \n. Kept lines keep their bytes, new lines take the end
// of the line above, and the final line end stays as it was, present or absent.
//
// A StreamDiff belongs to one goroutine and one reply. Memory is O(old + new), time O(1) a byte.
type StreamDiff struct {
	old    string
	opt    StreamOptions
	noEnd  bool // the old text is not empty and its last line has no end
	filter *fenceFilter

	// The old text by lines, line n being its end.
	start  []int
	id     []int32          // content of each line, blanks apart
	intern map[string]int32 // content without blanks to id
	head   []int32          // by id: the first line at or below i with that content, lazily advanced
	below  []int32          // the next line below with the same content, else n

	// The model's text.
	in    lineBuffer
	lead  bool   // no line yet
	above string // the last line that is not blank
	pend  []newLine

	// The work.
	i        int    // first old line not decided about
	delta    int    // engine offset minus old offset, at i
	lastEnd  string // end of the line above i in the engine text, "" at the top
	pieces   []piece
	check    ledger
	hunks    []Hunk
	keptRun  int // lines kept since the last change
	stats    StreamStats
	emitted  int // edits returned to the caller
	finished bool
	elided   error // becomes err when the lines before are out
	err      error
}

// newLine is a complete line of the model without its end; id is that of the equal old lines, or -1.
type newLine struct {
	text string
	id   int32
}

type op int

const (
	opWait op = iota
	opKeep
	opReplace
	opInsert
)

// piece is an edit in the coordinates of the old text.
type piece struct {
	start, end int
	new        string
}

const bom = "\uFEFF"

// ModelText is the old text as a model is to see it: line ends are \n and the byte order mark is left out.
func ModelText(old string) string {
	old = strings.TrimPrefix(old, bom)
	if strings.IndexByte(old, '\r') < 0 {
		return old
	}
	return strings.ReplaceAll(strings.ReplaceAll(old, "\r\n", "\n"), "\r", "\n")
}

// NewStreamDiff starts a replacement of old. The region should begin and end at line borders; one that does
// not is treated as if it did, and what stands outside is not seen.
func NewStreamDiff(old string, opt StreamOptions) *StreamDiff {
	d := &StreamDiff{old: old, opt: opt, lead: true}
	if d.opt.LineEnd == "" {
		d.opt.LineEnd = "\n"
	}
	d.splitOld()
	d.check = ledger{old: old, valid: utf8.ValidString(old), seen: d.start[0]}
	d.stats.OldLines = d.lines()
	if !opt.Verbatim {
		first := ""
		for i := 0; i < d.lines() && strings.TrimSpace(first) == ""; i++ {
			first = d.content(i)
		}
		d.filter = newFenceFilter(first, opt.Markdown)
		d.filter.announce = !opt.Markdown // where text and fences may take turns
	}
	return d
}

func (d *StreamDiff) splitOld() {
	pos := 0
	if strings.HasPrefix(d.old, bom) {
		pos = len(bom)
	}
	n := 1 + strings.Count(d.old, "\n")
	d.start = make([]int, 0, n+1)
	d.id = make([]int32, 0, n)
	d.intern = make(map[string]int32, n)
	d.start = append(d.start, pos)
	for pos < len(d.old) {
		content, end := cutLine(d.old[pos:])
		loose := withoutBlanks(content)
		id, ok := d.intern[loose]
		if !ok {
			id = int32(len(d.intern))
			d.intern[loose] = id
		}
		d.id = append(d.id, id)
		pos += len(content) + len(end)
		d.start = append(d.start, pos)
		d.noEnd = end == ""
	}
	d.head = make([]int32, len(d.intern))
	d.below = make([]int32, len(d.id))
	for k := range d.head {
		d.head[k] = int32(len(d.id))
	}
	for i := len(d.id) - 1; i >= 0; i-- {
		d.below[i], d.head[d.id[i]] = d.head[d.id[i]], int32(i)
	}
}

// cutLine splits the first line off a text: its content and its end, which is "" at the end of the text.
func cutLine(text string) (content, end string) {
	i := strings.IndexAny(text, "\r\n") // one pass: looking for \n alone is quadratic in a file of lone \r
	switch {
	case i < 0:
		return text, ""
	case strings.HasPrefix(text[i:], "\r\n"):
		return text[:i], "\r\n"
	}
	return text[:i], text[i : i+1]
}

func (d *StreamDiff) lines() int { return len(d.id) }

func (d *StreamDiff) content(i int) string {
	line := d.old[d.start[i]:d.start[i+1]]
	return line[:len(line)-len(lineEnd(line))]
}

func (d *StreamDiff) end(i int) string { return lineEnd(d.old[d.start[i]:d.start[i+1]]) }

func lineEnd(line string) string {
	switch n := len(line); {
	case strings.HasSuffix(line, "\r\n"):
		return line[n-2:]
	case n > 0 && (line[n-1] == '\n' || line[n-1] == '\r'):
		return line[n-1:]
	}
	return ""
}

// Push takes the next chunk of the model's text, of any size and cut anywhere, and returns the edits that
// have become certain, often none. After an error (see Err) it returns nothing.
func (d *StreamDiff) Push(chunk string) []Edit {
	if d.finished || d.err != nil || chunk == "" {
		return nil
	}
	d.stats.BytesIn += len(chunk)
	d.in.push(chunk, d.line)
	return d.advance()
}

// advance emits what is certain, and stops for good behind it if the model has left code out.
func (d *StreamDiff) advance() []Edit {
	d.decide(false)
	edits := d.flush()
	if d.err == nil {
		d.err = d.elided
	}
	return edits
}

// line takes a complete line of the model.
func (d *StreamDiff) line(text string) {
	if d.lead {
		d.lead = false
		text = strings.TrimPrefix(text, bom)
	}
	if d.filter == nil {
		d.enqueue(text)
		return
	}
	for _, l := range d.filter.line(text) {
		d.enqueue(l)
	}
}

func (d *StreamDiff) enqueue(text string) {
	if d.elided != nil {
		return
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	id, ok := d.intern[withoutBlanks(text)]
	if !ok {
		id = -1
		if !d.opt.Verbatim && IsElision(text, d.above) {
			d.elided = fmt.Errorf("%w: %q", ErrElided, strings.TrimSpace(text))
			return
		}
	}
	if !blank(text) {
		d.above = text
	}
	d.pend = append(d.pend, newLine{text, id})
}

// Finish says that the model's text is complete and returns the remaining edits, among them the deletion of
// the old lines that the model left out.
func (d *StreamDiff) Finish() []Edit {
	if d.finished || d.err != nil {
		return nil
	}
	rest, unended := d.in.rest()
	if unended {
		d.line(rest)
	}
	if d.filter != nil {
		for _, l := range d.filter.finish() {
			d.enqueue(l)
		}
	}
	if d.elided != nil {
		return d.advance()
	}
	d.finished = true
	// An empty region has no final line end to keep.
	wantEnd := !d.noEnd
	if d.opt.Verbatim || d.lines() == 0 {
		wantEnd = !unended || d.filter != nil && d.filter.dropped > 0
	}
	d.decide(true)
	d.last(wantEnd)
	d.keptRun = hunkGap
	return d.flush()
}

// Text is the engine text: what the emitted edits have made of the old text.
func (d *StreamDiff) Text() string { return d.check.text() }

// Err is nil, or wraps ErrElided or, after an internal check has failed, ErrStreamDiff. From then on nothing is
// emitted.
func (d *StreamDiff) Err() error { return d.err }

// Stats reports progress.
func (d *StreamDiff) Stats() StreamStats {
	s := d.stats
	s.OldDone, s.Hunks = d.i, len(d.hunks)
	if d.filter != nil {
		s.Unfenced = d.filter.dropped
	}
	return s
}

// Hunks are the hunks so far, in order; the last one may still grow (see Settled). The slice is the caller's.
func (d *StreamDiff) Hunks() []Hunk { return append([]Hunk(nil), d.hunks...) }

// Settled is the engine offset up to which the text is final and its hunks are complete. An emitted edit
// belongs to a complete hunk when its number is below SettledEdits.
func (d *StreamDiff) Settled() int {
	if k := len(d.hunks) - 1; k >= 0 && d.keptRun < hunkGap {
		return d.hunks[k].Start
	}
	return d.start[d.i] + d.delta
}

// SettledEdits is the number of edits, counted over all of Push and Finish, that belong to complete hunks.
// A delivery by hunks sends just these.
func (d *StreamDiff) SettledEdits() int {
	n := d.stats.Edits
	if k := len(d.hunks) - 1; k >= 0 && d.keptRun < hunkGap {
		n -= d.hunks[k].Edits
	}
	return min(n, d.emitted)
}

// decide consumes the pending lines as far as they are certain. The last line of all is left to last.
func (d *StreamDiff) decide(final bool) {
	for len(d.pend) > 0 {
		// The last line has to be known as such when the old text has no final line end: its own end is then
		// not to be written, and an end once written is not taken back.
		if len(d.pend) == 1 && (final || d.noEnd) {
			return
		}
		o, j := d.next(final)
		if o == opWait {
			return
		}
		d.drop(j)
		l := d.pop()
		switch o {
		case opKeep:
			d.keep(l, d.endFor(l, d.end(d.i)))
		case opReplace:
			d.replace(l, d.endFor(l, d.end(d.i)))
		case opInsert:
			d.insert(l)
		}
	}
}

func (d *StreamDiff) pop() string {
	l := d.pend[0].text
	d.pend[0] = newLine{}
	d.pend = d.pend[1:]
	return l
}

// drop deletes the old lines [i, j). What follows it is written in the same flush, so that a client never
// sees a lone \r above melt with a \n below.
func (d *StreamDiff) drop(j int) {
	if j == d.i {
		return
	}
	d.change(j)
	d.edit(d.start[d.i], d.start[j], "")
	d.stats.Deleted += j - d.i
	d.i = j
	d.grow()
}

// keep leaves old line i in place. It writes only where line ends force it to: an end for a last line that
// had none, and \r\n for an empty line that would melt with the lone \r above it, now that the line between
// them is gone.
func (d *StreamDiff) keep(l, end string) {
	if end != d.end(d.i) {
		d.replace(l, end)
		return
	}
	d.i++
	d.wrote(l, end)
	d.keptRun++
	d.stats.Kept++
}

func (d *StreamDiff) replace(l, end string) {
	d.change(d.i + 1)
	was, own := d.content(d.i), d.end(d.i)
	start := d.start[d.i]
	p, s := commonEnds(was, l)
	switch {
	case own == end:
		d.words(start+p, was[p:len(was)-s], l[p:len(l)-s])
	case strings.HasSuffix(end, own) && was == l:
		d.edit(start+len(was), start+len(was), end[:len(end)-len(own)])
	default:
		d.edit(start+p, d.start[d.i+1], l[p:]+end)
	}
	d.i++
	d.wrote(l, end)
	d.stats.Replaced++
	d.grow()
}

// words replaces a stretch of a line by another, leaving in place the words that both have.
func (d *StreamDiff) words(at int, was, l string) {
	if len(was)+len(l) > maxWordDiff {
		d.edit(at, at+len(was), l)
		return
	}
	gaps := diffWords(was, l)
	for k := 0; k < len(gaps); k++ {
		g := gaps[k]
		for k+1 < len(gaps) && gaps[k+1].a.from-g.a.to < minKeptWords {
			k++
			g.a.to, g.b.to = gaps[k].a.to, gaps[k].b.to
		}
		a, b := was[g.a.from:g.a.to], l[g.b.from:g.b.to]
		p, s := commonEnds(a, b)
		d.edit(at+g.a.from+p, at+g.a.to-s, b[p:len(b)-s])
	}
}

func (d *StreamDiff) insert(l string) {
	d.change(d.i)
	end := d.endFor(l, d.neighbourEnd())
	d.edit(d.start[d.i], d.start[d.i], l+end)
	d.wrote(l, end)
	d.stats.Inserted++
	d.grow()
}

// last writes the last line of the model and takes away what is left of the old text.
func (d *StreamDiff) last(wantEnd bool) {
	n := d.lines()
	if len(d.pend) == 0 {
		d.drop(n)
		return
	}
	o, j := d.next(true)
	d.drop(j)
	l := d.pop()
	own := d.neighbourEnd()
	if o != opInsert && d.end(d.i) != "" {
		own = d.end(d.i)
	}
	end := ""
	if wantEnd {
		end = d.endFor(l, own)
	}
	switch {
	case o == opKeep && d.i == n-1 && end == d.end(d.i):
		d.keep(l, end)
		return
	case o == opReplace && d.i == n-1 && end == d.end(d.i):
		d.replace(l, end)
		return
	case o == opInsert && d.i == n:
		d.insertLast(l, end)
		return
	}
	start := d.start[d.i]
	text := l + end
	d.change(n)
	p, q := commonEnds(d.old[start:], text)
	d.edit(start+p, len(d.old)-q, text[p:len(text)-q])
	d.stats.Deleted += n - d.i
	switch o {
	case opKeep:
		d.stats.Kept++
		d.stats.Deleted--
	case opReplace:
		d.stats.Replaced++
		d.stats.Deleted--
	case opInsert:
		d.stats.Inserted++
	}
	d.i = n
	d.wrote(l, end)
	d.grow()
}

// insertLast appends the last line behind the last old one.
func (d *StreamDiff) insertLast(l, end string) {
	d.change(d.i)
	d.edit(d.start[d.i], d.start[d.i], l+end)
	d.wrote(l, end)
	d.stats.Inserted++
	d.grow()
}

// neighbourEnd is the line end for a line written before old line i: that of the line above, else below.
func (d *StreamDiff) neighbourEnd() string {
	if d.lastEnd != "" {
		return d.lastEnd
	}
	if d.i < d.lines() && d.end(d.i) != "" {
		return d.end(d.i)
	}
	if d.lines() > 0 && d.end(0) != "" {
		return d.end(0)
	}
	return d.opt.LineEnd
}

// endFor is the end of line l, written instead of old line i or before it, that should have the end wish.
// It is \r\n where the wish would make one line end of two: \r above an empty line that ends in \n, or such a
// line below a \r.
func (d *StreamDiff) endFor(l, wish string) string {
	if wish == "" {
		wish = d.neighbourEnd()
	}
	if wish == "\r" && d.i < d.lines() && d.old[d.start[d.i]] == '\n' || wish == "\n" && l == "" && d.lastEnd == "\r" {
		return "\r\n"
	}
	return wish
}

// wrote notes a decided line of the engine text, which ends where old line i begins.
func (d *StreamDiff) wrote(l, end string) {
	d.lastEnd = end
	d.check.decided = d.start[d.i]
	d.check.want = append(d.check.want, l...)
	if end != "" {
		d.check.want = append(d.check.want, '\n')
	}
}

// change notes that the old lines [i, j) are about to change, or with j == i that a line is to be inserted.
func (d *StreamDiff) change(j int) {
	at := d.start[d.i] + d.delta
	if len(d.hunks) == 0 || d.keptRun >= hunkGap {
		d.hunks = append(d.hunks, Hunk{OldStart: d.start[d.i], Start: at})
	}
	d.hunks[len(d.hunks)-1].OldEnd = d.start[j]
	d.keptRun = 0
}

// grow moves the end of the open hunk behind the change that has just been written.
func (d *StreamDiff) grow() { d.hunks[len(d.hunks)-1].End = d.start[d.i] + d.delta }

// edit records a replacement in old coordinates. Touching pieces of one flush become one edit, since a client
// pays for each.
func (d *StreamDiff) edit(start, end int, text string) {
	if start == end && text == "" {
		return
	}
	if start < d.check.decided && d.err == nil {
		d.err = fmt.Errorf("%w: edit at %d touches a line decided before %d", ErrStreamDiff, start, d.check.decided)
	}
	d.delta += len(text) - (end - start)
	d.stats.BytesDeleted += end - start
	d.stats.BytesInserted += len(text)
	if k := len(d.pieces) - 1; k >= 0 && d.pieces[k].end == start {
		d.pieces[k].end = end
		d.pieces[k].new += text
		return
	}
	d.pieces = append(d.pieces, piece{start, end, text})
	d.stats.Edits++
	d.hunks[len(d.hunks)-1].Edits++
}

// flush passes the recorded pieces through the check and returns them as edits of the engine text.
func (d *StreamDiff) flush() []Edit {
	var edits []Edit
	shift := len(d.check.out) - d.check.tail
	for _, p := range d.pieces {
		e := Edit{p.start + shift, p.end + shift, p.new}
		if d.err == nil {
			d.err = d.check.apply(e)
		}
		shift += len(p.new) - (p.end - p.start)
		edits = append(edits, e)
	}
	d.pieces = d.pieces[:0]
	if d.err == nil {
		d.err = d.check.verify(d.start[d.i] + d.delta)
	}
	if d.err == nil && d.finished && d.check.len() != d.check.seen {
		d.err = fmt.Errorf("%w: %d bytes left over", ErrStreamDiff, d.check.len()-d.check.seen)
	}
	if d.err != nil {
		return nil
	}
	d.emitted += len(edits)
	if len(edits) > 0 && d.stats.FirstEdit == 0 {
		d.stats.FirstEdit = d.stats.BytesIn
	}
	return edits
}

// next decides what becomes of the first pending line: the old lines [i, j) go, then the line is kept,
// replaces old line j, or is inserted before it. final says that no further line will come.
//
// Most lines are settled on sight. The two that wait are those where a wrong guess costs a deletion and an
// insertion of the same text: a line that occurs further down (is the stretch between deleted, or is this a
// new line like it?), and a line that resembles the next old one (is it changed, or is one put before it?).
func (d *StreamDiff) next(final bool) (o op, j int) {
	l, i := d.pend[0], d.i
	if i == d.lines() {
		return opInsert, i
	}
	if l.id == d.id[i] {
		return d.same(l, i), i
	}
	if o, j := d.jump(final); o != opInsert {
		return o, j
	}
	like := similarity(l.text, d.content(i))
	switch {
	case like < resembles:
		return opInsert, i
	case len(d.pend) > 1 && d.pend[1].id == d.id[i]:
		return opInsert, i
	case len(d.pend) > 1 || final || like >= surely:
		return opReplace, i
	}
	return opWait, i
}

// same is the step for a line that is old line i, blanks apart.
func (d *StreamDiff) same(l newLine, i int) op {
	if l.text == d.content(i) {
		return opKeep
	}
	return opReplace
}

// Thresholds for similarity. They and the numbers of jump were chosen on the real edits of TestRealEdits; the
// result hardly depends on them, but for resembles: with 0.5 the ratio of sums is 0.03 worse, with 0.3 edits
// leave crumbs of unrelated lines.
const (
	resembles = 0.4 // a line may be a changed version of another
	surely    = 0.6 // it is, without a look at the next line
)

// jump looks for the first pending line further down in the old text. It returns the step there (opKeep or
// opReplace), opWait, or opInsert if it is a new line.
//
// A wrong jump deletes text that the model has yet to write, so the evidence that is asked for grows with the
// length of the jump: lines that match in a row, those with letters in them counting most. What makes this
// necessary is code that repeats itself, such as the cases of a test, where a new one shares a dozen lines
// with one further down; in such files counting plain lines made the edits four times as big.
func (d *StreamDiff) jump(final bool) (op, int) {
	l, i, n := d.pend[0], d.i, d.lines()
	if l.id < 0 {
		return opInsert, i
	}
	j := int(d.head[l.id])
	for j < i {
		j = int(d.below[j])
	}
	d.head[l.id] = int32(j)
	unique := j < n && int(d.below[j]) == n
	short := weight(l.text) < weightLine
	wait := false
	for tries := 0; j < n && tries < maxJumpTries; tries, j = tries+1, int(d.below[j]) {
		if short && l.text != d.content(j) {
			continue // a "}" of another depth
		}
		need := jumpNeed(j - i)
		if !unique || short {
			need += weightLine
		}
		have, score := 0, 0
		for score < need && have < len(d.pend) && j+have < n && d.pend[have].id == d.id[j+have] {
			score += weight(d.pend[have].text)
			have++
		}
		if score >= need || final && have == len(d.pend) && j+have == n {
			return d.same(l, j), j
		}
		wait = wait || have == len(d.pend) && have < maxHeld
	}
	if wait && !final {
		return opWait, i
	}
	return opInsert, i
}

const (
	maxJumpTries = 4  // places that a line is looked for; the nearest is nearly always the one
	maxHeld      = 40 // lines; a bound for what a text of blank lines can hold back
)

// How much a line that matches proves.
const (
	weightBlank = 1
	weightShort = 2 // fewer than four letters and digits
	weightLine  = 4
)

func weight(line string) int {
	n := 0
	for _, r := range line {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			if n++; n == 4 {
				return weightLine
			}
		}
	}
	if line == "" {
		return weightBlank
	}
	return weightShort
}

// jumpNeed is the weight of matching lines that a jump over skip old lines needs.
func jumpNeed(skip int) int {
	switch {
	case skip <= 2:
		return weightShort
	case skip <= 8:
		return 2 * weightLine
	case skip <= 30:
		return 5 * weightLine
	case skip <= 100:
		return 9 * weightLine
	case skip <= 300:
		return 12 * weightLine
	}
	return 18 * weightLine
}

// Lines longer than maxWordDiff, old and new together, are compared by their ends only; and of two lines that
// have hardly a word in common it is not worth while to find the last one.
const (
	maxWordDiff    = 1 << 13
	wordDiffBudget = 1 << 17 // steps; see matcher
	minKeptWords   = 4       // bytes; a shorter stretch is not worth an edit on either side of it
)

// diffWords lists the stretches where two lines differ, by words.
func diffWords(a, b string) []gap {
	var gaps []gap
	eachGap(splitWords(a), splitWords(b), wordDiffBudget, func(x, y span) { gaps = append(gaps, gap{x, y}) })
	return gaps
}

// similarity is the share of the longer of two lines that is in the other one too, in the same order.
func similarity(a, b string) float64 {
	longer := max(len(a), len(b))
	p, s := commonEnds(a, b)
	kept := p + s
	if 2*kept < longer && len(a)+len(b) <= maxWordDiff {
		kept = len(a)
		for _, g := range diffWords(a, b) {
			kept -= g.a.to - g.a.from
		}
	}
	return float64(kept) / float64(longer)
}

// withoutBlanks is a line without its blanks, by which lines are told apart: a change of indentation leaves
// a line the same one.
func withoutBlanks(s string) string {
	if strings.IndexByte(s, ' ') < 0 && strings.IndexByte(s, '\t') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if !isBlank(s[i]) {
			b = append(b, s[i])
		}
	}
	return string(b)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// commonEnds is the length of the common prefix and of the common suffix of what is left of both texts; both
// borders lie between runes, and not inside a \r\n.
func commonEnds(a, b string) (prefix, suffix int) {
	prefix = commonPrefix(a, b)
	return prefix, commonSuffix(a[prefix:], b[prefix:])
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	p := 0
	for p < n && a[p] == b[p] {
		p++
	}
	for p > 0 && (splits(a, p) || splits(b, p)) {
		p--
	}
	return p
}

func commonSuffix(a, b string) int {
	n := min(len(a), len(b))
	s := 0
	for s < n && a[len(a)-1-s] == b[len(b)-1-s] {
		s++
	}
	for s > 0 && (splits(a, len(a)-s) || splits(b, len(b)-s)) {
		s--
	}
	return s
}

// splits says that offset i lies inside a UTF-8 sequence or between \r and \n. Bytes that are no UTF-8 have
// borders everywhere but before a continuation byte.
func splits(s string, i int) bool {
	if i <= 0 || i >= len(s) {
		return false
	}
	return !utf8.RuneStart(s[i]) || s[i] == '\n' && s[i-1] == '\r'
}

// ledger applies the emitted edits on its own, in the order and the coordinates in which a client does, and
// holds the result against the model's lines. It shares no arithmetic with the aligner, so that a slip there
// surfaces as an error and not as a wrong edit.
type ledger struct {
	old     string
	valid   bool   // old is UTF-8
	out     []byte // engine text up to the end of the last edit
	tail    int    // old offset from where the engine text is still the old text
	decided int    // old offset below which nothing may be edited any more
	want    []byte // the model's lines not yet verified, line ends \n
	seen    int    // engine offset up to which the text is verified
	cr      bool   // the last verified byte is \r
}

func (c *ledger) len() int { return len(c.out) + len(c.old) - c.tail }

func (c *ledger) text() string {
	var b strings.Builder
	b.Grow(c.len())
	b.Write(c.out)
	b.WriteString(c.old[c.tail:])
	return b.String()
}

func (c *ledger) apply(e Edit) error {
	if e.Start < len(c.out) || e.End < e.Start || e.End > c.len() {
		return fmt.Errorf("%w: edit %d:%d outside %d:%d", ErrStreamDiff, e.Start, e.End, len(c.out), c.len())
	}
	from, to := c.tail+e.Start-len(c.out), c.tail+e.End-len(c.out)
	// A border inside a rune or a line end cannot be named in positions. Bytes that are no UTF-8 have no better.
	if c.valid && (splits(c.old, from) || splits(c.old, to)) {
		return fmt.Errorf("%w: edit %d:%d splits a character", ErrStreamDiff, e.Start, e.End)
	}
	c.out = append(c.out, c.old[c.tail:from]...)
	c.out = append(c.out, e.New...)
	c.tail = to
	return nil
}

// verify holds the engine text up to the offset, which is a line border, against the model's lines.
func (c *ledger) verify(upTo int) error {
	if upTo < c.seen || upTo > c.len() || upTo < len(c.out) {
		return fmt.Errorf("%w: verified %d, decided %d of %d", ErrStreamDiff, c.seen, upTo, c.len())
	}
	want := c.want
	ok := true
	if c.seen < len(c.out) {
		want, ok = matchText(want, c.out[c.seen:], &c.cr)
		c.seen = len(c.out)
	}
	from, to := c.tail+c.seen-len(c.out), c.tail+upTo-len(c.out)
	if ok {
		want, ok = matchText(want, c.old[from:to], &c.cr)
	}
	melts := c.cr && to < len(c.old) && c.old[to] == '\n'
	if !ok || len(want) > 0 || melts {
		return fmt.Errorf("%w: the text before %d is not the model's", ErrStreamDiff, upTo)
	}
	c.seen = upTo
	c.want = c.want[:0]
	return nil
}

// matchText takes got, its line ends read as \n, off the front of want. cr says that the byte before got was \r.
func matchText[T string | []byte](want []byte, got T, cr *bool) ([]byte, bool) {
	for i := 0; i < len(got); i++ {
		b := got[i]
		if b == '\n' && *cr {
			*cr = false
			continue
		}
		if *cr = b == '\r'; *cr {
			b = '\n'
		}
		if len(want) == 0 || want[0] != b {
			return want, false
		}
		want = want[1:]
	}
	return want, true
}
