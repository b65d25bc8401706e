package offline

import "path"

// maxLine is the longest rest of a line that is copied, in tokens.
const maxLine = 40

// copied is a rest of a line that stands somewhere after a context like the cursor's.
type copied struct {
	words []word // without the line end
	gaps  []uint8
	score float64 // votes of the places where it stands
	level int     // the longest context that it followed
	count int
}

// copier finds them. It belongs to one question.
type copier struct {
	list  []copied
	votes float64
	level int
}

func (c *copier) reset() {
	clear(c.list)
	c.list, c.votes, c.level = c.list[:0], 0, 0
}

// vote counts a place. A context one token longer is worth several shorter ones.
func (c *copier) vote(words []word, gaps []uint8, level int, weight float64) {
	if len(words) == 0 {
		return
	}
	for range level {
		weight *= 4
	}
	c.votes += weight
	c.level = max(c.level, level)
	for i := range c.list {
		if l := &c.list[i]; sameWords(l.words, words) {
			l.score += weight
			l.level = max(l.level, level)
			l.count++
			return
		}
	}
	c.list = append(c.list, copied{words, gaps, weight, level, 1})
}

func sameWords(a, b []word) bool {
	if len(a) != len(b) {
		return false
	}
	for i, w := range a {
		if b[i] != w {
			return false
		}
	}
	return true
}

// restOfLine returns the tokens from i to the line end, or nothing when the line is too long, does not end,
// or holds a literal that was not kept.
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

// maxPlaces bounds the places looked at in one segment.
const maxPlaces = 64

// find collects the rests of lines behind the longest contexts that the cursor shares with other places.
// The words of the document keep their gaps in docGaps, which is parallel to before[1:].
func (c *copier) find(st *state, name string, before []word, docGaps []uint8, after []word, afterGaps []uint8) {
	c.reset()
	n := len(before)
	last := before[n-1]
	for j := n - 1; j > 0; j-- {
		if before[j-1] != last {
			continue
		}
		level := 1
		for level < depth && before[j-1-level] == before[n-1-level] && before[j-1-level] != boundary {
			level++
		}
		if level < 2 {
			continue
		}
		if end, ok := restOfLine(before, j); ok {
			c.vote(before[j:end], docGaps[j-1:end-1], level, 3)
		}
	}
	for j := 1; j < len(after); j++ {
		if after[j-1] != last {
			continue
		}
		level := 1
		for level < depth && j-1-level >= 0 && after[j-1-level] == before[n-1-level] {
			level++
		}
		if level < 2 {
			continue
		}
		if end, ok := restOfLine(after, j); ok {
			c.vote(after[j:end], afterGaps[j:end], level, 3)
		}
	}
	dir := path.Dir(name)
	for _, s := range st.segments {
		var lo, hi [depth + 1]int
		hi[0] = len(s.sorted)
		level := 0
		for level < depth {
			w := before[n-1-level]
			if w >= localWord || w == boundary && level == 0 {
				break
			}
			i, j := s.narrow(lo[level], hi[level], level+1, w)
			if i == j {
				break
			}
			level++
			lo[level], hi[level] = i, j
			if w == boundary {
				break
			}
		}
		places := 0
		for k := level; k >= 2 && places < maxPlaces && k >= c.level-2; k-- {
			innerLo, innerHi := hi[k], hi[k]
			if k < level {
				innerLo, innerHi = lo[k+1], hi[k+1]
			}
			step := max(1, (hi[k]-lo[k]-(innerHi-innerLo))/maxPlaces)
			for i := lo[k]; i < hi[k]; i += step {
				if i >= innerLo && i < innerHi {
					i = innerHi
					if i >= hi[k] {
						break
					}
				}
				p := int(s.sorted[i])
				f := s.fileAt(uint32(p))
				if f.dead.Load() || f.path == name {
					continue
				}
				places++
				weight := 1.0
				if f.dir == dir {
					weight = 2
				}
				if end, ok := restOfLine(s.tokens, p); ok {
					c.vote(s.tokens[p:end], s.gaps[p:end], k, weight)
				}
			}
		}
	}
}

// best returns the rest of a line with the most votes.
func (c *copier) best() *copied {
	var best *copied
	for i := range c.list {
		if best == nil || c.list[i].score > best.score {
			best = &c.list[i]
		}
	}
	return best
}
