package related

import (
	"hash/fnv"
	"slices"
	"strings"
)

// Words is the set of names that a text has, for comparing texts.
type Words []uint32 // sorted

// WordsOf is the set of a text's names. The commonest words of programming languages are not among them.
func WordsOf(text string) Words {
	var w Words
	for n := range identifiers(text) {
		if len(n) < 2 || common[n] {
			continue
		}
		h := fnv.New32a()
		h.Write([]byte(n))
		w = append(w, h.Sum32())
	}
	slices.Sort(w)
	return slices.Compact(w)
}

var common = set("if else for while do switch case break continue return func function def fn class struct interface type var let const " +
	"int string bool true false nil null None True False self this new import from package use pub public private static void in of is as and or not " +
	"err error the to it be end then with try catch except raise throw async await export default")

// Jaccard is how much of two sets together is in both, 0 to 1.
func Jaccard(a, b Words) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	both, i, j := 0, 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			both, i, j = both+1, i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return float64(both) / float64(len(a)+len(b)-both)
}

// Passages are the parts of a text, half overlapping, that may resemble a place elsewhere.
type Passages struct {
	lines []string
	words []Words // of the passage that begins at line n*passageStep
}

// A passage's lines, and from how many lines on the next one begins.
const (
	passageLines = 24
	passageStep  = 12
	maxPassages  = 400 // of one text
)

// PassagesOf cuts a text into passages.
func PassagesOf(text string) *Passages {
	p := &Passages{lines: splitLines(text)}
	for n := 0; n < len(p.lines) && len(p.words) < maxPassages; n += passageStep {
		p.words = append(p.words, WordsOf(strings.Join(p.lines[n:min(len(p.lines), n+passageLines)], "\n")))
		if n+passageLines >= len(p.lines) {
			break
		}
	}
	return p
}

// Passage is a part of a text that resembles a place.
type Passage struct {
	Line  int // from 1
	Text  string
	Score float64
}

// Best returns the passage that resembles words most; ok is false when none does. One that is nearly the same is a
// copy and tells nothing new.
func (p *Passages) Best(near Words) (best Passage, ok bool) {
	const least, copyOf = 0.12, 0.95
	at := -1
	for i, w := range p.words {
		if s := Jaccard(near, w); s > best.Score && s < copyOf {
			at, best.Score = i, s
		}
	}
	if best.Score < least {
		return best, false
	}
	from := at * passageStep
	to := min(len(p.lines), from+passageLines)
	for from < to && strings.TrimSpace(p.lines[from]) == "" {
		from++
	}
	for to > from && strings.TrimSpace(p.lines[to-1]) == "" {
		to--
	}
	best.Line, best.Text = from+1, strings.Join(p.lines[from:to], "\n")+"\n"
	return best, len(best.Text) < 6000
}

// Place is the part of a text that is compared with others' passages: the lines above a cursor, and a few below.
func Place(text string, cursor int) string {
	lo, hi := cursor, cursor
	for n := 0; n < 18 && lo > 0; n++ {
		lo = strings.LastIndexByte(text[:lo], '\n')
		if lo < 0 {
			lo = 0
		}
	}
	for n := 0; n < 6 && hi < len(text); n++ {
		i := strings.IndexByte(text[hi:], '\n')
		if i < 0 {
			hi = len(text)
			break
		}
		hi += i + 1
	}
	return text[max(lo, cursor-8<<10):min(hi, cursor+4<<10)]
}
