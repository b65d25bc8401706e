package editops

import (
	"strings"
	"unicode"
)

// StopReason says why a completion should end.
type StopReason int

const (
	StopNot        StopReason = iota
	StopLine                  // the place has room for one line, and that is complete
	StopBelow                 // the text repeats what follows the cursor
	StopScope                 // it leaves the block that the cursor is in
	StopRepetition            // it goes round in circles
	StopCap                   // it is as long as was asked for
)

func (r StopReason) String() string {
	return [...]string{"not", "line", "below", "scope", "repetition", "cap"}[r]
}

// Stopper watches a completion while it streams and says when no more of it is wanted, so that the model can be
// stopped: what it would write from there on is what the rule "stops" of CleanCompletion cuts off.
//
// It judges whenever a line is complete, from the beginning, since a later line may show how an earlier one is
// to be read (fences, another indentation); beyond judgeAlways lines it does so at growing intervals, which
// keeps the time for a long text in proportion to it. A Stopper belongs to one goroutine and one answer.
type Stopper struct {
	p      *place
	text   strings.Builder
	lines  int // complete ones
	judged int // bytes of text when last judged
	reason StopReason
}

const judgeAlways = 40 // lines

// NewStopper starts to watch a completion between prefix and suffix.
func NewStopper(prefix, suffix string, opt CleanOptions) *Stopper {
	return &Stopper{p: newPlace(prefix, suffix, opt)}
}

// Push takes the next chunk, of any size, and says whether to stop. Once it has, it goes on saying so.
func (s *Stopper) Push(chunk string) StopReason {
	if s.reason != StopNot {
		return s.reason
	}
	s.text.WriteString(chunk)
	ends := strings.Count(chunk, "\n")
	s.lines += ends
	size, grown := s.text.Len(), s.text.Len()-s.judged
	endless := grown > max(1<<10, size/4) // a line without an end
	full := s.p.opt.MaxBytes > 0 && size > s.p.opt.MaxBytes && size-len(chunk) <= s.p.opt.MaxBytes
	switch {
	case endless || full:
	case ends == 0 || s.lines > judgeAlways && 4*grown < size:
		return StopNot
	}
	s.judged = size
	text := s.text.String()
	if !endless && !full {
		text = text[:strings.LastIndexByte(text, '\n')+1]
	}
	text = ModelText(text)
	if !endless && !full && leadInOpen(s.p, text) {
		return StopNot
	}
	for _, f := range []func(*place, string) string{cutControlTokens, cutLeadIn, trimBlankBefore, fitIndentation} {
		text = f(s.p, text)
	}
	_, s.reason = findStop(s.p, text)
	return s.reason
}

// Clean is CleanCompletion of a text between the same prefix and suffix, which are looked at only once.
func (s *Stopper) Clean(text string) (Completion, bool) { return s.p.clean(text) }

// Text is all that was pushed; CleanCompletion cuts it where the Stopper wanted to stop.
func (s *Stopper) Text() string { return s.text.String() }

func cutAtStop(p *place, text string) string {
	cut, _ := findStop(p, text)
	return text[:cut]
}

// findStop returns the length of the text that is wanted and why no more of it is, or StopNot.
func findStop(p *place, text string) (int, StopReason) {
	limit := len(text)
	reason := StopNot
	if n := p.opt.MaxBytes; n > 0 && limit > n {
		limit, reason = runeBorder(text, n), StopCap
	}
	first, end := cutLine(text)
	if end != "" && !p.many {
		return min(limit, len(first)), StopLine
	}
	whole := p.line + first
	base := p.indent.width(leading(whole))
	// The block that the user has opened ends the completion when it ends.
	opened := opens(p.line) && blank(first)
	seen := repetition{above: p.above}
	var below belowMatch
	for at, i := 0, 0; at < limit; i++ {
		line, end := cutLine(text[at:])
		next := at + len(line) + len(end)
		before := max(0, at-1)
		if p.opt.MaxLines > 0 && i >= p.opt.MaxLines {
			return before, StopCap
		}
		if i > 0 && !blank(line) {
			if cut, ok := leavesScope(p, text, at, base, &opened); ok {
				return cut, StopScope
			}
		}
		full := line
		if i == 0 {
			full = whole
		}
		if i > 0 || blank(p.line) {
			if from, ok := below.line(p, full, before); ok {
				return from, StopBelow
			}
		}
		if cut, ok := seen.line(full, at+len(line)); ok {
			return cut, StopRepetition
		}
		if n := repeatedTail(line); n >= 0 {
			return at + n, StopRepetition
		}
		at = next
	}
	return limit, reason
}

// leavesScope judges the line at offset at, which is not the first one and not blank. It returns where the text
// is to be cut if the line ends or leaves the block that the cursor is in.
//
// The indentation decides, not brackets: it needs no parser, holds for languages without brackets, and strings
// and comments do not confuse it.
func leavesScope(p *place, text string, at, base int, opened *bool) (int, bool) {
	line, _ := cutLine(text[at:])
	w := p.indent.width(leading(line))
	body := strings.TrimLeft(line, " \t")
	closes := strings.ContainsRune(")]}", rune(body[0])) || closersOnly(line)
	switch {
	case w > base:
		return 0, false
	case *opened && w == base && closes:
		if opens(line) {
			return 0, false // } else {
		}
		return at + len(line), true
	case *opened && (w < base || !sameLevel(body)):
		return max(0, at-1), true
	case w < base:
		// The line that closes the block belongs to the text if nothing below closes it.
		if closes && (len(p.below) == 0 || p.indent.width(leading(p.below[0])) < w) {
			return at + len(line), true
		}
		return max(0, at-1), true
	case w == 0 && declaration.MatchString(line) && strings.HasSuffix(text[:at], "\n\n") && !blank(text[:at]):
		return max(0, at-1), true // the next function
	}
	return 0, false
}

// belowMatch looks for the lines that follow the cursor.
type belowMatch struct {
	n     int // lines matched in a row
	from  int
	proof int
}

// enoughProof is the number of letters and digits in lines equal to those below that shows that the text has
// arrived there. Lines that the text above has, too, prove nothing: in Go every third line is "return err".
const enoughProof = 20

func (m *belowMatch) line(p *place, line string, before int) (from int, ok bool) {
	if blank(line) {
		return 0, false
	}
	line = strings.TrimRight(line, " \t")
	if m.n >= len(p.below) || strings.TrimRight(p.below[m.n], " \t") != line {
		*m = belowMatch{}
		if len(p.below) == 0 || strings.TrimRight(p.below[0], " \t") != line {
			return 0, false
		}
	}
	if m.n == 0 {
		m.from = before
	}
	m.n++
	if !strings.Contains(p.prefix, "\n"+line+"\n") {
		for _, r := range line {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				m.proof++
			}
		}
	}
	return m.from, m.proof >= enoughProof
}

// repetition notices that lines, or blocks of up to eight lines, come three times in a row.
type repetition struct {
	above string // where the file repeats a line by itself, the text may
	lines []string
	ends  []int
}

const (
	maxPeriod  = 8
	sameShort  = 8 // times that a line of less than four letters and digits may stand
	sameBlocks = 3
)

func (r *repetition) line(line string, end int) (cut int, ok bool) {
	r.lines, r.ends = append(r.lines, line), append(r.ends, end)
	n := len(r.lines)
	for period := 1; period <= maxPeriod && period*sameBlocks <= n; period++ {
		times := sameBlocks
		proof := 0
		for _, l := range r.lines[n-period:] {
			proof = max(proof, weight(l))
		}
		if proof < weightLine {
			times = sameShort
		}
		if times*period > n {
			continue
		}
		same := true
		for i := n - period; same && i > n-times*period; i-- {
			same = r.lines[i-1] == r.lines[i-1+period]
		}
		if same && proof > weightBlank && line != r.above {
			return r.ends[n-(times-1)*period-1], true
		}
	}
	return 0, false
}

// repeatedTail looks for a stretch of a line that stands there six times in a row (four from ten bytes up) at
// its end, and returns the end of the first one, or -1. The stretch has four letters, so that rules of dashes
// and tables of zeros pass.
func repeatedTail(line string) int {
	for period := 4; period <= 60 && period*4 <= len(line); period++ {
		times := 6
		if period >= 10 {
			times = 4
		}
		from := len(line) - times*period
		if from < 0 || line[from:len(line)-period] != line[from+period:] || letters(line[len(line)-period:]) < 4 {
			continue
		}
		for from > 0 && line[from-1] == line[from-1+period] {
			from--
		}
		return runeBorder(line, from+period)
	}
	return -1
}
