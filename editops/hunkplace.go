package editops

import (
	"errors"
	"fmt"
	"strings"
)

// fileLine is a line of the engine text.
type fileLine struct {
	start int
	text  string // without its end
}

func readLines(text string) []fileLine {
	var lines []fileLine
	pos := len(text) - len(strings.TrimPrefix(text, bom))
	for pos < len(text) {
		l, end := cutLine(text[pos:])
		lines = append(lines, fileLine{pos, l})
		pos += len(l) + len(end)
	}
	return lines
}

// placement is where a hunk's old side was found.
type placement struct {
	line  int // first line, from 0
	n     int // number of lines
	level MatchLevel
	fit   indentFit
}

// hintReach is how far from the line number that a model gave its hunk may be.
const hintReach = 20

// place finds the one place of a hunk, or says why there is none.
func (s *HunkStream) place(ops []hunkLine) (placement, error) {
	var old, new []string
	for _, o := range ops {
		if o.op != '+' {
			old = append(old, o.text)
		}
		if o.op != '-' {
			new = append(new, o.text)
		}
	}
	if err := elided(ops, s.lines); err != nil {
		return placement{}, err
	}
	if allBlank(old) {
		return s.placeInsertion(len(old))
	}
	// A hunk without context below its new lines is found again where it was applied.
	if s.done[opsKey(ops)] && len(s.find(new, MatchExact)) > 0 {
		return placement{}, ErrHunkDone
	}
	for level := MatchExact; level <= MatchPunctuation; level++ {
		found := s.find(old, level)
		if len(found) == 0 {
			continue
		}
		if p, ok := s.choose(found); ok {
			return p, nil
		}
		return placement{}, fmt.Errorf("%w: %d places, at lines %s", ErrHunkAmbiguous, len(found), lineNumbers(found))
	}
	if len(new) > 0 && !allBlank(new) && len(s.find(new, MatchTrailing)) == 1 {
		return placement{}, ErrHunkDone
	}
	return placement{}, s.nearMiss(old)
}

func opsKey(ops []hunkLine) string {
	var b strings.Builder
	for _, o := range ops {
		b.WriteByte(o.op)
		b.WriteString(o.text)
		b.WriteByte('\n')
	}
	return b.String()
}

func allBlank(lines []string) bool {
	for _, l := range lines {
		if !blank(l) {
			return false
		}
	}
	return true
}

// placeInsertion finds the place of new lines that come without old ones: an empty file, the end of the file if
// the hunk says so, or the line below the one that its @@ names.
func (s *HunkStream) placeInsertion(blanks int) (placement, error) {
	switch {
	case blanks > 0:
		return placement{}, fmt.Errorf("%w: blank lines alone show no place", ErrHunkAmbiguous)
	case len(s.lines) == 0:
		return placement{}, nil
	case s.hunk.atEnd:
		return placement{line: len(s.lines)}, nil
	}
	return placement{}, fmt.Errorf("%w: new lines without context", ErrHunkNotFound)
}

// find lists the places of lines in the file.
func (s *HunkStream) find(old []string, level MatchLevel) []placement {
	var found []placement
	key := 0 // compare a line with something on it first
	for blank(old[key]) {
		key++
	}
	for at := 0; at+len(old) <= len(s.lines); at++ {
		if !sameAt(s.lines[at+key].text, old[key], level) {
			continue
		}
		ok := true
		for k := 0; ok && k < len(old); k++ {
			ok = k == key || sameAt(s.lines[at+k].text, old[k], level)
		}
		p := placement{line: at, n: len(old), level: level}
		if ok && level == MatchIndent {
			p.fit, ok = fitIndent(s.lines[at:at+len(old)], old)
		}
		if ok {
			found = append(found, p)
		}
	}
	return found
}

func sameAt(file, old string, level MatchLevel) bool {
	switch level {
	case MatchExact:
		return file == old
	case MatchTrailing:
		return strings.TrimRight(file, " \t") == strings.TrimRight(old, " \t")
	case MatchIndent:
		return strings.Trim(file, " \t") == strings.Trim(old, " \t")
	}
	return plain(file) == plain(old)
}

var plainPunctuation = strings.NewReplacer(
	"‘", "'", "’", "'", "‚", "'", "‛", "'", "“", "\"", "”", "\"", "„", "\"", "‟", "\"",
	"‐", "-", "‑", "-", "‒", "-", "–", "-", "—", "-", "―", "-", "−", "-", "…", "...",
	"\u00a0", " ", "\u2002", " ", "\u2003", " ", "\u2009", " ", "\u202f", " ", "\u3000", " ",
)

// plain is a line without blanks at its end and with ASCII punctuation.
func plain(l string) string { return strings.TrimRight(plainPunctuation.Replace(l), " \t") }

// choose picks the place of a hunk among those found, if there is but one that counts.
func (s *HunkStream) choose(found []placement) (placement, bool) {
	only := func(keep func(placement) bool) (p placement, n int) {
		for _, f := range found {
			if keep(f) {
				p = f
				n++
			}
		}
		return p, n
	}
	if s.hunk.atEnd {
		if p, n := only(func(p placement) bool { return p.line+p.n == len(s.lines) }); n == 1 {
			return p, true
		}
	}
	if p, n := only(func(p placement) bool { return p.line >= s.bottom }); n == 1 {
		return p, true
	}
	if len(found) == 1 {
		return found[0], true
	}
	if s.hunk.hint > 0 {
		at := s.now(s.hunk.hint - 1)
		if p, n := only(func(p placement) bool { return p.line >= at-hintReach && p.line <= at+hintReach }); n == 1 {
			return p, true
		}
	}
	if from, to, ok := s.anchored(); ok {
		if p, n := only(func(p placement) bool { return p.line >= from && p.line < to }); n == 1 {
			return p, true
		}
	}
	return placement{}, false
}

// now is where a line of the file as the model saw it stands now.
func (s *HunkStream) now(line int) int {
	at := line
	for _, m := range s.moved {
		if m.from <= at {
			at += m.by
		}
	}
	return at
}

// anchored returns the lines of the block that the @@ lines name, the last one inside the others: the line that
// is named and what is indented deeper below it.
func (s *HunkStream) anchored() (from, to int, ok bool) {
	from, to = 0, len(s.lines)
	for _, a := range s.hunk.anchors {
		at, count := -1, 0
		for i := from; i < to; i++ {
			if t := strings.TrimSpace(s.lines[i].text); t == a || strings.HasPrefix(t, a) {
				at = i
				count++
			}
		}
		if count != 1 {
			return 0, 0, false
		}
		indent := len(leading(s.lines[at].text))
		end := at + 1
		for end < to && (blank(s.lines[end].text) || len(leading(s.lines[end].text)) > indent || closersFirst(strings.TrimLeft(s.lines[end].text, " \t")[:1])) {
			end++
		}
		from, to = at, end
	}
	return from, to, len(s.hunk.anchors) > 0
}

// nearMiss says what a model should know about a hunk that was not found: the first old line that the file
// does not have at all.
func (s *HunkStream) nearMiss(old []string) error {
	for _, l := range old {
		if !blank(l) && len(s.find([]string{l}, MatchPunctuation)) == 0 && len(s.find([]string{l}, MatchIndent)) == 0 {
			return fmt.Errorf("%w: there is no line %q", ErrHunkNotFound, strings.TrimSpace(l))
		}
	}
	return fmt.Errorf("%w together and in this order", ErrHunkNotFound)
}

func lineNumbers(found []placement) string {
	var b strings.Builder
	for i, p := range found {
		if i == 5 {
			b.WriteString(", …")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, p.line+1)
	}
	return b.String()
}

// elided refuses hunks whose new lines, or whose old ones, stand for code that is not written out.
func elided(ops []hunkLine, file []fileLine) error {
	above := ""
	for _, o := range ops {
		if o.op != '-' && IsElision(o.text, above) && !hasLine(file, o.text) {
			return fmt.Errorf("%w: %q", ErrHunkElided, strings.TrimSpace(o.text))
		}
		if !blank(o.text) {
			above = o.text
		}
	}
	return nil
}

func hasLine(file []fileLine, line string) bool {
	for _, l := range file {
		if strings.TrimSpace(l.text) == strings.TrimSpace(line) {
			return true
		}
	}
	return false
}

// indentFit turns the indentation of a hunk into that of the file: first other characters, then more or less
// of it.
type indentFit struct {
	convert  func(blanks string) string // nil for none
	add, cut string                     // one of them is ""
}

func (f indentFit) line(l string) string {
	if blank(l) {
		return l
	}
	w := leading(l)
	body := l[len(w):]
	if f.convert != nil {
		w = f.convert(w)
	}
	if rest, ok := strings.CutPrefix(w, f.cut); ok {
		w = rest
	} else {
		w = ""
	}
	return f.add + w + body
}

// conversions are the ways in which models write indentation in other characters.
var conversions = []func(string) string{
	nil,
	spacesToTabs(4), spacesToTabs(2), spacesToTabs(8),
	tabsToSpaces(4), tabsToSpaces(2), tabsToSpaces(8),
}

func spacesToTabs(n int) func(string) string {
	return func(w string) string {
		return strings.ReplaceAll(w, strings.Repeat(" ", n), "\t")
	}
}

func tabsToSpaces(n int) func(string) string {
	return func(w string) string {
		return strings.ReplaceAll(w, "\t", strings.Repeat(" ", n))
	}
}

// fitIndent finds the one change of indentation that makes the old lines those of the file.
func fitIndent(file []fileLine, old []string) (indentFit, bool) {
	for _, convert := range conversions {
		fit, ok := indentFit{convert: convert}, true
		set := false
		for k := 0; ok && k < len(old); k++ {
			if blank(old[k]) {
				continue
			}
			have, w := leading(file[k].text), leading(old[k])
			if convert != nil {
				w = convert(w)
			}
			if !set {
				set = true
				if add, found := strings.CutSuffix(have, w); found {
					fit.add = add
				} else if cut, found := strings.CutSuffix(w, have); found {
					fit.cut = cut
				} else {
					ok = false
				}
			}
			rest, found := strings.CutPrefix(w, fit.cut)
			ok = ok && found && have == fit.add+rest
		}
		if ok {
			return fit, true
		}
	}
	return indentFit{}, false
}

var errHunkCheck = errors.New("internal check failed")

// apply makes the edits of a hunk that has its place. The lines that stay are the file's, byte by byte; how the
// others get their line ends, and how little is written, is StreamDiff's work, whose guarantee holds here too.
func (s *HunkStream) apply(ops []hunkLine, p placement) {
	start, end := len(s.text), len(s.text)
	if p.line < len(s.lines) {
		start = s.lines[p.line].start
	}
	if p.line+p.n < len(s.lines) {
		end = s.lines[p.line+p.n].start
	}
	at := p.line
	var now []string
	for _, o := range ops {
		switch o.op {
		case ' ':
			now = append(now, s.lines[at].text)
			at++
		case '-':
			at++
		case '+':
			l := o.text
			if p.level == MatchIndent {
				l = p.fit.line(l)
			}
			now = append(now, l)
		}
	}
	n := p.n
	if n == 0 && p.line > 0 {
		// An insertion at the end: the last line takes part, so that it gets an end if it has none.
		start = s.lines[p.line-1].start
		now = append([]string{s.lines[p.line-1].text}, now...)
		n = 1
	}
	old := s.text[start:end]
	new := strings.Join(now, "\n")
	if len(now) > 0 && (old == "" || lineEnd(old) != "") {
		new += "\n"
	}
	d := NewStreamDiff(old, StreamOptions{Verbatim: true, LineEnd: s.lineEndAt(p.line)})
	d.Push(new)
	d.Finish()
	if err := d.Err(); err != nil {
		s.refuse(err)
		return
	}
	text := s.text[:start] + d.Text() + s.text[end:]
	lines := readLines(text)
	grown := len(now) - n
	if got := ModelText(d.Text()); got != new || len(lines) != len(s.lines)+grown {
		s.refuse(fmt.Errorf("%w: %d bytes instead of %d", errHunkCheck, len(got), len(new)))
		return
	}
	// The whole hunk is there, so its edits need not be those of a stream that could not look ahead: a line that changed
	// below one that went is not written anew, and what somebody types in it meanwhile stays in its place (D10).
	edits := Diff(old, d.Text())
	delta := 0
	for i, e := range edits { // each on the text that the one before it left
		edits[i].Start += start + delta
		edits[i].End += start + delta
		delta += len(e.New) - (e.End - e.Start)
	}
	s.text, s.lines = text, lines
	s.moved = append(s.moved, shift{p.line, grown})
	s.bottom = p.line + p.n + grown
	s.done[opsKey(ops)] = true
	s.report(HunkResult{Edits: edits, Start: start, End: start + len(d.Text()), Level: p.level})
}

// lineEndAt is the line end around a line, for a region that has none itself.
func (s *HunkStream) lineEndAt(line int) string {
	for i := min(line, len(s.lines)) - 1; i >= 0; i-- {
		if _, end := cutLine(s.text[s.lines[i].start:]); end != "" {
			return end
		}
	}
	if len(s.lines) > 0 {
		if _, end := cutLine(s.text[s.lines[0].start:]); end != "" {
			return end
		}
	}
	return s.opt.LineEnd
}
