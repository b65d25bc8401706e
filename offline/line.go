package offline

import (
	"cmp"
	"math"
	"path"
	"slices"
)

// maxLine is the longest rest of a line that is copied, in tokens.
const maxLine = 40

// copied is a rest of a line that stands somewhere behind a context like the cursor's.
type copied struct {
	words []word  // without the line end
	gaps  []uint8 // the blank before each
	votes float64 // of the places where it stands
	level int     // the longest context that it followed
	count int     // of places
}

// copier collects them for one question.
type copier struct {
	list  []copied
	votes float64
	level int
}

// vote counts a place. A context one token longer is worth four shorter ones.
func (c *copier) vote(words []word, gaps []uint8, level int, weight float64) {
	if len(words) == 0 {
		return
	}
	weight *= float64(int(1) << (2 * level))
	c.votes += weight
	c.level = max(c.level, level)
	for i := range c.list {
		if l := &c.list[i]; slices.Equal(l.words, words) {
			l.votes += weight
			l.level = max(l.level, level)
			l.count++
			return
		}
	}
	c.list = append(c.list, copied{words, gaps, weight, level, 1})
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

const (
	shortestCopy = 2  // tokens that a place must share with the cursor
	manyPlaces   = 64 // places looked at for one context length in one segment
)

// find collects the rests of lines behind the longest contexts that the cursor shares with other places.
func (c *copier) find(st *state, name string, pl *place) {
	clear(c.list)
	c.list, c.votes, c.level = c.list[:0], 0, 0
	before, after := pl.before, pl.after
	n := len(before)
	last := before[n-1]
	for j := n - 1; j > 0; j-- {
		if before[j-1] != last {
			continue
		}
		if level := sharedContext(before, j, before, n, depth); level >= shortestCopy {
			if end, ok := restOfLine(before, j); ok {
				c.vote(before[j:end], pl.gaps[j:end], level, 3)
			}
		}
	}
	for j := 1; j < len(after); j++ {
		if after[j-1] != last {
			continue
		}
		if level := sharedContext(after, j, before, n, depth); level >= shortestCopy {
			if end, ok := restOfLine(after, j); ok {
				c.vote(after[j:end], pl.afterGaps[j:end], level, 3)
			}
		}
	}
	dir := path.Dir(name)
	var buf [depth]word
	context := nearest(buf[:0], before, depth)
	for _, s := range st.segments {
		places := 0
		eachPlace(s.tokens, s.sorted, context, shortestCopy, manyPlaces, func(p uint32, level, _ int) bool {
			// What follows much shorter contexts has no say beside what follows the longest.
			if places >= manyPlaces || level < c.level-2 {
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
			if end, ok := restOfLine(s.tokens, int(p)); ok {
				c.vote(s.tokens[p:end], s.gaps[p:end], level, weight)
			}
			return true
		})
	}
}

const (
	contenders = 3   // lines that the mixture compares
	maxMixes   = 8   // contexts that it is asked about for them, which bounds the time of a question
	unasked    = .85 // what a token counts that it was not asked about: the later ones of a long line are easy
)

// line proposes the rest of the cursor's line: of the lines with most votes the one that is most likely
// right, with that likelihood. It asks the mixture about each token of them, so it leaves out early what cannot reach
// floor any more; with floor 0 it always gives its best.
func (m *mixer) line(st *state, name string, pl *place, floor float64) (best copied, confidence float64) {
	c := &m.copier
	c.find(st, name, pl)
	slices.SortFunc(c.list, func(a, b copied) int { return cmp.Compare(b.votes, a.votes) })
	list := c.list[:min(len(c.list), contenders)]
	var p [contenders]float64
	group := make([]int, 0, contenders)
	for i := range list {
		p[i] = 1
		if c.confidence(i, 1) >= floor {
			group = append(group, i)
		} else {
			p[i] = 0
		}
	}
	m.sample = fewSample
	defer func() { m.sample = 0 }()
	mixes := 0
	var walk func(group []int, at int)
	walk = func(group []int, at int) {
		if mixes++; mixes > maxMixes {
			for _, g := range group {
				p[g] *= math.Pow(unasked, float64(len(list[g].words)-at+1))
			}
			return
		}
		m.mix(st, name, pl, nil)
		for _, g := range group {
			w := lineEnd
			if at < len(list[g].words) {
				w = list[g].words[at]
			}
			p[g] *= m.probability(w)
		}
		// Lines that go on alike share their contexts.
		for len(group) > 0 {
			g := group[0]
			var same, others []int
			for _, h := range group {
				switch {
				case at >= len(list[h].words): // at its end
				case c.confidence(h, p[h]) < floor:
					p[h] = 0
				case at < len(list[g].words) && list[h].words[at] == list[g].words[at]:
					same = append(same, h)
				default:
					others = append(others, h)
				}
			}
			if len(same) > 0 {
				n := len(pl.before)
				pl.push(list[g].words[at], list[g].gaps[at], m.roles)
				walk(same, at+1)
				pl.cut(n)
			}
			group = others
		}
	}
	if len(group) > 0 {
		walk(group, 0)
	}
	for i := range list {
		if q := c.confidence(i, p[i]); p[i] > 0 && q > confidence {
			best, confidence = list[i], q
		}
	}
	if floor == 0 && confidence == 0 && len(list) > 0 {
		return list[0], .01
	}
	if confidence < floor {
		return copied{}, 0
	}
	return best, confidence
}

// confidence is how likely the i-th line is right, when p is the product of what the mixture said to its tokens so far.
func (c *copier) confidence(i int, p float64) float64 {
	l, w := c.list[i], &lineWeights
	z := w.once + w.logP*math.Log(max(p, 1e-9)) + w.logShare*math.Log(l.votes/c.votes) + w.level*float64(l.level)/depth +
		w.logCount*math.Log(float64(l.count)) + w.logLength*math.Log(float64(len(l.words)))
	if i == 0 {
		z += w.first
	}
	return 1 / (1 + math.Exp(-z))
}
