package prompt

import "strings"

// page is the unit, in lines, by which a window's far ends move: one that slid with every keystroke would defeat the
// endpoint's cache of prefixes. Pages above a place are counted from the document's start and pages below from its
// end, so that typing between them leaves both where they are.
const page = 10

// bytesPerToken bounds a window before its tokens are counted. Real text has at most about this many.
const bytesPerToken = 5

// around is the part of the text round [start, end) that a prompt shows: at most so many tokens more on each side,
// beginning and ending at the borders of pages. Where lines are longer than that, it begins and ends within one.
func (in *Input) around(start, end, before, after int) (lo, hi int) {
	lo, _ = in.before(start, before)
	hi, _ = in.behind(end, after)
	return lo, hi
}

// before is where a window above start begins, and the tokens in it. The page that start is in is estimated: it changes
// with each key, and to count it anew would cost more than all the rest. The others are the same each time, and a
// counter knows them.
func (in *Input) before(start, tokens int) (lo, used int) {
	t := in.Text
	first := lineAt(t, start)
	first -= first % page
	lo = t.LineStart(first)
	floor := start - tokens*bytesPerToken
	if lo >= floor {
		used = estimate(t.Slice(lo, start))
	}
	if lo < floor || used > tokens {
		lo = cutBefore(t, start, tokens)
		return lo, estimate(t.Slice(lo, start))
	}
	for first > 0 {
		first -= page
		next := t.LineStart(first)
		if next < floor {
			break
		}
		n := in.tokens(t.Slice(next, lo))
		if used+n > tokens {
			break
		}
		used += n
		lo = next
	}
	return lo, used
}

// behind is where a window below end ends, and the tokens in it.
func (in *Input) behind(end, tokens int) (hi, used int) {
	t := in.Text
	count := t.LineCount()
	border := func(n int) int { // where line n starts
		if n >= count {
			return t.Len()
		}
		return t.LineStart(n)
	}
	last := lineAt(t, end) + 1
	last += (count - last) % page
	hi = border(last)
	ceiling := end + tokens*bytesPerToken
	if hi <= ceiling {
		used = estimate(t.Slice(end, hi))
	}
	if hi > ceiling || used > tokens {
		hi = cutBehind(t, end, tokens)
		return hi, estimate(t.Slice(end, hi))
	}
	for last < count {
		next := border(last + page)
		if next > ceiling {
			break
		}
		n := in.tokens(t.Slice(hi, next))
		if used+n > tokens {
			break
		}
		used += n
		last += page
		hi = next
	}
	return hi, used
}

// step is by how many bytes a window moves where no line ends near.
const step = 1 << 10

// cutBefore is the start of a window in a text of long lines, at most three bytes a token before start.
func cutBefore(t Text, start, tokens int) int {
	before := 3 * tokens
	if start <= before {
		return 0
	}
	unit := min(step, max(before/4, 1))
	lo := min((start-before+unit-1)/unit*unit, start)
	head := t.Slice(lo, start)
	if i := strings.IndexByte(head, '\n'); i >= 0 && i < len(head)/2 {
		return lo + i + 1
	}
	head = lastRunes(head)
	return start - len(head) + wordStart(head)
}

// cutBehind is the end of such a window.
func cutBehind(t Text, end, tokens int) int {
	after := 3 * tokens
	if end+after >= t.Len() {
		return t.Len()
	}
	unit := min(step, max(after/4, 1))
	hi := max(end, (end+after)/unit*unit)
	tail := t.Slice(end, hi)
	if i := strings.LastIndexByte(tail, '\n'); i > len(tail)/2 {
		return end + i + 1
	}
	tail = firstRunes(tail)
	return end + wordEnd(tail)
}

// longWord is so much of a key, in bytes, that it is recognized as one without the rest.
const longWord = 256

// wordStart is where the first whole word of a text begins that was cut somewhere: half a key would not be recognized
// as one.
func wordStart(s string) int {
	for i := range min(len(s), longWord) {
		if endsWord(s[i]) {
			return i
		}
	}
	return 0
}

// wordEnd is where the last whole word of such a text ends.
func wordEnd(s string) int {
	for i := len(s) - 1; i >= max(0, len(s)-longWord); i-- {
		if endsWord(s[i]) {
			return i + 1 // behind all of a letter of another script: it was cut between letters
		}
	}
	return len(s)
}

// Whole is the beginning of a text, at most so many bytes and without half a word at its end.
func Whole(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = firstRunes(text[:most])
	return text[:wordEnd(text)]
}

func endsWord(c byte) bool { return c >= 0x80 || strings.IndexByte(" \t\r\n\"'`,;()[]{}<>", c) >= 0 }

// firstRunes and lastRunes cut a half UTF-8 sequence off the end, or off the start, of a slice that was made at
// an arbitrary byte.
func firstRunes(s string) string {
	return strings.ToValidUTF8(s, "")
}

func lastRunes(s string) string {
	for i := range min(len(s), 4) {
		if s[i]&0xC0 != 0x80 {
			return s[i:]
		}
	}
	return s
}
