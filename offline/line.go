package offline

import (
	"cmp"
	"math"
	"path"
	"slices"
)

// maxLine is the longest rest of a line that is copied, in tokens.
const maxLine = 40

// likeness says by what a place resembles the cursor.
type likeness int

const (
	byWords likeness = iota // the same tokens precede it
	byForms                 // the same abstract forms do: the line is copied with the names at hand
	likenesses
)

// support is what speaks for a line.
type support struct {
	votes float64 // of the places where it stands
	level int     // the longest context that it followed
}

// copied is a rest of a line that stands somewhere behind a context like the cursor's.
type copied struct {
	words   []word  // without the line end
	gaps    []uint8 // the blank before each
	support [likenesses]support
	nearest int // tokens to the nearest place in the document; 0 for none

	// While lines are compared:
	x     [lineFeatures]float64
	asked int     // how many of its tokens, and at last its end, the mixture was asked about
	logP  float64 // what it said to them
	score float64 // of a list, the exponentials of the scores are the odds
}

// copier collects them for one question.
type copier struct {
	list  []copied
	total [likenesses]support // of all; level is the longest
	words []word              // where the words of translated lines are kept
}

// vote counts a place. A context one token longer is worth four shorter ones.
func (c *copier) vote(by likeness, words []word, gaps []uint8, level int, weight float64, distance int) {
	if len(words) == 0 {
		return
	}
	weight *= float64(int(1) << (2 * level))
	c.total[by].votes += weight
	c.total[by].level = max(c.total[by].level, level)
	k := slices.IndexFunc(c.list, func(l copied) bool { return slices.Equal(l.words, words) })
	if k < 0 {
		k = len(c.list)
		c.list = append(c.list, copied{words: words, gaps: gaps})
	}
	l := &c.list[k]
	s := &l.support[by]
	s.votes += weight
	s.level = max(s.level, level)
	if distance > 0 && (l.nearest == 0 || distance < l.nearest) {
		l.nearest = distance
	}
}

// restOfLine returns where the line of tokens[i] ends. ok is false when it is too long, does not end, or
// holds a literal that was not kept.
func restOfLine(tokens []word, i int) (end int, ok bool) {
	for end = i; end < len(tokens) && end-i <= maxLine; end++ {
		switch tokens[end] {
		case lineEnd:
			return end, true
		case boundary, longText:
			return 0, false
		}
	}
	return 0, false
}

// translate puts the names at hand into tokens[i:end], by their forms. The words live until the next question.
func (c *copier) translate(pl *place, roles func(word) role, tokens, forms []word, i, end int) []word {
	n, from := len(pl.before), len(c.words)
	for k := i; k < end; k++ {
		w := tokens[k]
		if f := forms[k]; f > unseen && f < localWord {
			if at := n + k - i - int(f-unseen); at >= n {
				w = c.words[from+at-n]
			} else if at > 0 && roles(pl.before[at]) == variable {
				w = pl.before[at]
			}
		}
		c.words = append(c.words, w)
	}
	return c.words[from:len(c.words):len(c.words)]
}

const manyPlaces = 64 // places looked at for one context length in one segment

// shortestCopy is how many tokens a place must share with the cursor.
var shortestCopy = [likenesses]int{byWords: 2, byForms: 3}

// find collects the rests of lines behind the longest contexts that the cursor shares with other places.
func (c *copier) find(st *state, name string, pl *place, roles func(word) role) {
	clear(c.list)
	c.list, c.total, c.words = c.list[:0], [likenesses]support{}, c.words[:0]
	dir := path.Dir(name)
	for by := range likenesses {
		context, after := pl.before, pl.after
		if by == byForms {
			context, after = pl.forms, pl.afterForms
		}
		n := len(context)
		if n < shortestCopy[by] {
			continue
		}
		copyLine := func(tokens, forms []word, gaps []uint8, i, level int, weight float64, distance int) {
			end, ok := restOfLine(tokens, i)
			if !ok {
				return
			}
			words := tokens[i:end]
			if by == byForms {
				words = c.translate(pl, roles, tokens, forms, i, end)
			}
			c.vote(by, words, gaps[i:end], level, weight, distance)
		}
		last, second := context[n-1], context[n-2]
		for j := n - 1; j > 1; j-- {
			if context[j-1] == last && context[j-2] == second {
				if level := sharedContext(context, j, context, n, depth); level >= shortestCopy[by] {
					copyLine(pl.before, pl.forms, pl.gaps, j, level, 3*float64(recency(n-j)), n-j)
				}
			}
		}
		for j := 2; j < len(after); j++ {
			if after[j-1] == last && after[j-2] == second {
				if level := sharedContext(after, j, context, n, depth); level >= shortestCopy[by] {
					copyLine(pl.after, pl.afterForms, pl.afterGaps, j, level, 3*float64(recency(j)), j)
				}
			}
		}
		var buf [depth]word
		near := nearest(buf[:0], context, depth)
		for _, s := range st.segments {
			list, sorted := s.tokens, s.sorted
			if by == byForms {
				list, sorted = s.forms, s.byForm
			}
			places := 0
			eachPlace(list, sorted, near, shortestCopy[by], manyPlaces, func(p uint32, level, _ int) bool {
				// What follows much shorter contexts has no say beside what follows the longest.
				if places >= manyPlaces || level < c.total[by].level-2 {
					return false
				}
				f := s.fileAt(p)
				if f.dead.Load() || f.path == name {
					return true
				}
				places++
				weight := 1.0
				if f.dir == dir {
					weight = 2
				}
				copyLine(s.tokens, s.forms, s.gaps, int(p), level, weight, 0)
				return true
			})
		}
	}
}

const (
	contenders = 12 // lines that the mixture compares
	maxMixes   = 8  // contexts that it is asked about for them, which bounds the time of a question; 200 were no better
)

// logUnasked is what a token counts that the mixture was not asked about: the later ones of a line are easy.
var logUnasked = math.Log(.85)

// What is known of a proposed line.
const (
	lineLikely   = iota // the logarithm of its probability, by the mixture
	lineLong            // the logarithm of its length
	lineLong2           // the square of that
	lineOver            // brackets that it closes without the line having opened them
	lineLeft            // whether it leaves one open
	lineOpens           // whether it ends in one
	lineNear            // whether it stands in the document
	lineFar             // the logarithm of how far off
	lineByWords         // the first of what speaks for it by words
	lineByForms  = lineByWords + supports
	lineFeatures = lineByForms + supports
)

// What speaks for a line by words, or by forms.
const (
	stands    = iota // whether there is such a place at all
	share            // the logarithm of their share of the votes
	deep             // the longest context
	shareDeep        // the product of both
	supports
)

type weights [lineFeatures]float64

func (w *weights) of(x *[lineFeatures]float64) (sum float64) {
	for i := range w {
		sum += w[i] * x[i]
	}
	return sum
}

// describe finds out what is known of the lines before the mixture is asked.
func (c *copier) describe(pl *place, words []entry) {
	bracket := func(w word) int {
		if w < localWord {
			switch words[w].text {
			case "(", "[", "{":
				return 1
			case ")", "]", "}":
				return -1
			}
		}
		return 0
	}
	before := 0 // brackets that the line has opened so far
	for _, w := range pl.before[len(pl.before)-pl.line:] {
		before = max(0, before+bracket(w))
	}
	for i := range c.list {
		l := &c.list[i]
		l.asked, l.logP = 0, 0
		x := &l.x
		*x = [lineFeatures]float64{}
		x[lineLong] = math.Log(float64(len(l.words)))
		x[lineLong2] = x[lineLong] * x[lineLong]
		open := before
		for _, w := range l.words {
			if open += bracket(w); open < 0 {
				open = 0
				x[lineOver]++
			}
		}
		if open > 0 {
			x[lineLeft] = 1
		}
		if bracket(l.words[len(l.words)-1]) > 0 {
			x[lineOpens] = 1
		}
		if l.nearest > 0 {
			x[lineNear], x[lineFar] = 1, math.Log(float64(l.nearest))
		}
		for by, s := range l.support {
			if s.votes > 0 {
				y := x[lineByWords+by*supports:]
				y[stands], y[share], y[deep] = 1, math.Log(s.votes/c.total[by].votes), float64(s.level)/depth
				y[shareDeep] = y[share] * y[deep]
			}
		}
		l.rate()
	}
}

func (l *copied) rate() {
	l.x[lineLikely] = l.logP + float64(len(l.words)+1-l.asked)*logUnasked
	l.score = lineWeights.of(&l.x)
}

// line proposes the rest of the cursor's line: of the lines found the one that is most likely right, with that
// likelihood. It asks the mixture about the tokens of the one that leads, until that one leads to its end; it gives
// up when none can reach floor any more. With floor 0 it always gives its best.
func (m *mixer) line(st *state, name string, pl *place, floor float64) (best copied, confidence float64) {
	c := &m.copier
	words := st.vocab.snapshot()
	m.roles = rolesOf(words)
	c.find(st, name, pl, m.roles)
	c.describe(pl, words)
	byScore := func(a, b copied) int { return cmp.Compare(b.score, a.score) }
	slices.SortFunc(c.list, byScore)
	list := c.list[:min(len(c.list), contenders)]
	m.sample = fewSample
	defer func() { m.sample = 0 }()
	n := len(pl.before)
	for range maxMixes {
		if !slices.ContainsFunc(list, func(l copied) bool { return l.hope() >= floor }) {
			return copied{}, 0
		}
		leader := slices.MinFunc(list, byScore)
		at := leader.asked
		if at > len(leader.words) {
			break
		}
		for k := range at {
			pl.push(leader.words[k], leader.gaps[k], m.roles)
		}
		m.mix(st, name, pl, nil)
		pl.cut(n)
		for i := range list {
			// Lines that go on alike share their contexts.
			l := &list[i]
			if l.asked != at || len(l.words) < at || !slices.Equal(l.words[:at], leader.words[:at]) {
				continue
			}
			w := lineEnd
			if at < len(l.words) {
				w = l.words[at]
			}
			l.logP += math.Log(m.probability(w))
			l.asked++
			l.rate()
		}
	}
	slices.SortFunc(list, byScore)
	if p := certainty(list); p > 0 && p >= floor {
		return list[0], p
	}
	return copied{}, 0
}

// certainty is how likely the first of a sorted list of lines is right.
func certainty(list []copied) float64 {
	if len(list) == 0 {
		return 0
	}
	odds := 0.0
	for i := range list {
		odds += math.Exp(list[i].score - list[0].score)
	}
	return logistic(confident.once - confident.logShare*math.Log(odds) + confident.x.of(&list[0].x))
}

// hope is the most that certainty may come to, if the rest of the line is certain and no other line is any good.
func (l *copied) hope() float64 {
	x := l.x
	x[lineLikely] = l.logP
	return logistic(confident.once + confident.x.of(&x))
}

func logistic(z float64) float64 { return 1 / (1 + math.Exp(-z)) }
