package offline

import (
	"math"
	"math/bits"
	"path"
	"sync"
)

const (
	maxLevel   = 7    // context lengths 0 to maxLevel are told apart, in tokens
	manySample = 192  // continuations looked at for one context length in one segment; a longer range is sampled evenly
	fewSample  = 48   // the same, for the tokens inside a proposed line
	recentPast = 1024 // tokens above and
	recentNext = 256  // below the cursor that count without any context
)

// The places that counts come from.
const (
	fromDocument = iota // contexts of words in the open document
	fromProject         // contexts of words in the workspace
	fromForms           // abstract contexts in the workspace
	fromOwnForms        // abstract contexts in the open document
	sources
)

// farthestFirst is the order in which sources are heard, so that the document has the last word.
var farthestFirst = [sources]int{fromForms, fromProject, fromOwnForms, fromDocument}

// candidate is a token that may come next.
type candidate struct {
	word     word
	class    uint8                          // 0: punctuation, keyword, literal; 1: a member, after a dot; 2: any other name
	variable bool                           // may stand for an unseen name of a form
	counts   [sources][maxLevel + 1]float32 // by length of the context that it followed, and once summed up of longer ones too
	last     int32                          // tokens since it was used last above the cursor; 0 for not lately
	alike    int32                          // the same, after a token of the same shape as the one before the cursor
	p        float64
}

// mixer collects candidates for one question. It is reused by later ones; nothing in it outlives a question
// but its buffers.
type mixer struct {
	place  place
	copier copier

	list   []candidate
	table  []int32 // open addressing over list, index+1; its size is a power of two
	keep   func(word) bool
	roles  func(word) role
	shapes func(word) shape
	sample int

	total    [sources][maxLevel + 1]float32
	distinct [sources][maxLevel + 1]float32
	unseen   [sources][maxLevel + 1]float32 // how often a name not used shortly before followed, for the forms
	context  []word                         // of the question, nearest first
}

var mixers = sync.Pool{New: func() any { return &mixer{table: make([]int32, 1<<10)} }}

// mix fills m.list with what may follow pl.before, each with its probability; those for which keep is false
// are left out as if they had never been seen. The probabilities sum up to about one.
func (m *mixer) mix(st *state, name string, pl *place, keep func(word) bool) {
	words := st.vocab.snapshot()
	m.roles, m.shapes, m.keep = rolesOf(words), shapesOf(words), keep
	m.list = m.list[:0]
	clear(m.table)
	m.total, m.distinct, m.unseen = [sources][maxLevel + 1]float32{}, [sources][maxLevel + 1]float32{}, [sources][maxLevel + 1]float32{}
	m.scanDocument(pl)
	m.scanForms(pl)
	m.searchProject(st, name, pl)
	m.sumUp(pl)
	m.blend(&learned)
}

// at returns the candidate for w, made on first sight.
func (m *mixer) at(w word) *candidate {
	mask := uint32(len(m.table) - 1)
	for i := uint32(w) * 0x9e3779b1 >> 7 & mask; ; i = (i + 1) & mask {
		switch k := m.table[i]; {
		case k == 0:
			if len(m.list)*2 >= len(m.table) {
				m.grow()
				return m.at(w)
			}
			m.list = append(m.list, candidate{word: w})
			m.table[i] = int32(len(m.list))
			return &m.list[len(m.list)-1]
		case m.list[k-1].word == w:
			return &m.list[k-1]
		}
	}
}

func (m *mixer) grow() {
	m.table = make([]int32, 2*len(m.table))
	mask := uint32(len(m.table) - 1)
	for k, c := range m.list {
		i := uint32(c.word) * 0x9e3779b1 >> 7 & mask
		for m.table[i] != 0 {
			i = (i + 1) & mask
		}
		m.table[i] = int32(k + 1)
	}
}

func (m *mixer) count(src, level int, w word, weight float32) {
	if m.keep == nil || m.keep(w) {
		m.at(w).counts[src][level] += weight
	}
}

// recency is what a use in the document counts, by its distance from the cursor in tokens: 2 at the cursor, 1.5 at 300 tokens.
func recency(distance int) float32 { return 1 + 300/(300+float32(distance)) }

// scanDocument counts the continuations of the cursor's context in the open document. The window is short
// enough to look at all of it: 20,000 comparisons of one number, some ten microseconds, and nothing to keep up to date.
func (m *mixer) scanDocument(pl *place) {
	before, after := pl.before, pl.after
	n := len(before)
	last := before[n-1]
	for j := 1; j < n; j++ {
		if before[j-1] == last {
			m.count(fromDocument, sharedContext(before, j, before, n, maxLevel), before[j], recency(n-j))
		}
	}
	for j := 1; j < len(after); j++ {
		if after[j-1] == last {
			m.count(fromDocument, sharedContext(after, j, before, n, maxLevel), after[j], recency(j))
		}
	}
	here := m.shapes(last)
	past := recentPast
	if m.sample > 0 {
		past /= 4
	}
	for j := n - 1; j >= max(1, n-past); j-- {
		if m.keep != nil && !m.keep(before[j]) {
			continue
		}
		c := m.at(before[j])
		c.counts[fromDocument][0] += recency(n - j)
		if c.last == 0 {
			c.last = int32(n - j)
		}
		if c.alike == 0 && m.shapes(before[j-1]) == here {
			c.alike = int32(n - j)
		}
	}
	for j := range min(len(after), recentNext) {
		m.count(fromDocument, 0, after[j], recency(j))
	}
}

// sharedContext counts how many tokens before a[i] equal those before b[j], up to a boundary or limit.
func sharedContext(a []word, i int, b []word, j, limit int) int {
	level := 0
	for level < limit && i > level && j > level && a[i-1-level] == b[j-1-level] && a[i-1-level] != boundary {
		level++
	}
	return level
}

// scanForms counts the continuations of the abstract context in the open document.
func (m *mixer) scanForms(pl *place) {
	forms := pl.forms
	n := len(forms)
	if n < 2 {
		return
	}
	last := forms[n-1]
	for j := 2; j < n; j++ {
		if forms[j-1] != last || forms[j-2] != forms[n-2] {
			continue
		}
		if level := sharedContext(forms, j, forms, n, maxLevel); level >= 2 {
			m.countForm(fromOwnForms, level, forms[j], pl.before, recency(n-j))
		}
	}
	below := pl.afterForms
	for j := 2; j < len(below); j++ {
		if below[j-1] != last || below[j-2] != forms[n-2] {
			continue
		}
		if level := sharedContext(below, j, forms, n, maxLevel); level >= 2 {
			m.countForm(fromOwnForms, level, below[j], pl.before, recency(j))
		}
	}
}

// countForm counts the word that a form means at the end of before.
func (m *mixer) countForm(src, level int, form word, before []word, weight float32) {
	switch {
	case form == unseen:
		m.unseen[src][level] += weight
		return
	case form > unseen && form < localWord:
		back := int(form - unseen)
		if back >= len(before) {
			return
		}
		form = before[len(before)-back]
	}
	m.count(src, level, form, weight)
}

// searchProject counts the continuations of the cursor's context in the workspace.
func (m *mixer) searchProject(st *state, name string, pl *place) {
	dir := path.Dir(name)
	for _, src := range [...]int{fromProject, fromForms} {
		tokens, shortest := pl.before, 1
		if src == fromForms {
			tokens, shortest = pl.forms, 2 // one abstract token says next to nothing
		}
		m.context = nearest(m.context[:0], tokens, maxLevel)
		for _, s := range st.segments {
			list, sorted := s.tokens, s.sorted
			if src == fromForms {
				list, sorted = s.forms, s.byForm
			}
			sample := manySample
			if m.sample > 0 {
				sample = m.sample
			}
			eachPlace(list, sorted, m.context, shortest, sample, func(p uint32, level, step int) bool {
				weight := float32(step)
				if step == 1 {
					f := s.fileAt(p)
					if f.dead.Load() || f.path == name {
						return true
					}
					if f.dir == dir {
						weight = 3 // the nested cache: the nearer directory counts more
					}
				}
				if src == fromForms {
					m.countForm(src, level, s.forms[p], pl.before, weight)
				} else {
					m.count(src, level, s.tokens[p], weight)
				}
				return true
			})
		}
	}
}

// nearest appends the last tokens in reverse, up to a boundary.
func nearest(to, tokens []word, limit int) []word {
	for k := 1; k <= limit && k <= len(tokens); k++ {
		w := tokens[len(tokens)-k]
		to = append(to, w)
		if w == boundary {
			break
		}
	}
	return to
}

// eachPlace visits positions whose preceding tokens agree with context (nearest first), those that agree
// longest first and each once, with the length of the agreement. Of a length with many places it visits about sample, each
// of which then stands for step.
func eachPlace(tokens []word, sorted []uint32, context []word, shortest, sample int, visit func(p uint32, level, step int) bool) {
	var lo, hi [depth + 1]int
	hi[0] = len(sorted)
	level := 0
	for level < len(context) && level < depth {
		w := context[level]
		if w >= localWord {
			break
		}
		i, j := narrow(tokens, sorted, lo[level], hi[level], level+1, w)
		if i == j {
			break
		}
		level++
		lo[level], hi[level] = i, j
	}
	innerLo, innerHi := hi[level], hi[level]
	for k := level; k >= shortest; k-- {
		step := max(1, (hi[k]-lo[k]-(innerHi-innerLo))/sample)
		for i := lo[k]; i < hi[k]; i += step {
			if i >= innerLo && i < innerHi {
				if i = innerHi; i >= hi[k] {
					break
				}
			}
			if !visit(sorted[i], k, step) {
				return
			}
		}
		innerLo, innerHi = lo[k], hi[k]
	}
}

// sumUp makes each count include those of longer contexts.
func (m *mixer) sumUp(pl *place) {
	afterDot := m.shapes(pl.before[len(pl.before)-1]) == dotShape
	for i := range m.list {
		c := &m.list[i]
		for s := range sources {
			for k := maxLevel - 1; k > 0; k-- {
				c.counts[s][k] += c.counts[s][k+1]
			}
			for k := range maxLevel + 1 {
				if c.counts[s][k] > 0 {
					m.total[s][k] += c.counts[s][k]
					m.distinct[s][k]++
				}
			}
		}
		c.variable = m.roles(c.word) == variable
		switch {
		case m.shapes(c.word) != nameShape:
			c.class = 0
		case afterDot:
			c.class = 1
		default:
			c.class = 2
		}
	}
	for s := range sources {
		for k := maxLevel - 1; k > 0; k-- {
			m.unseen[s][k] += m.unseen[s][k+1]
		}
	}
}

// blend turns counts into probabilities. From no context to the longest, at each length the farthest source
// first, each step moves the estimate towards what was counted there: the more, the more was counted and the
// less it varies (the escape of Witten and Bell with learned pseudo-counts; a fixed share as in
// Jelinek-Mercer's 0.5 was 2 points of MRR worse). At the end, names gain or lose by when they were used last.
func (m *mixer) blend(t *mixture) {
	for i := range m.list {
		m.list[i].p = 1e-6
	}
	for k := range maxLevel + 1 {
		for _, s := range farthestFirst {
			n, distinct := float64(m.total[s][k]), float64(m.distinct[s][k])
			perName := 0.0
			if u := float64(m.unseen[s][k]); u > 0 {
				// "Some other name": shared out among the names as they stand.
				n, distinct = n+u, distinct+1
				names := 0.0
				for i := range m.list {
					if m.list[i].variable {
						names += m.list[i].p
					}
				}
				if names > 0 {
					perName = u / n / names
				}
			}
			if n == 0 {
				continue
			}
			belief := n / (n + t.perDistinct[s][k]*distinct + t.once[s][k])
			for i := range m.list {
				c := &m.list[i]
				share := float64(c.counts[s][k]) / n
				if c.variable {
					share += c.p * perName
				}
				c.p += belief * (share - c.p)
			}
		}
	}
	sum := 0.0
	for i := range m.list {
		c := &m.list[i]
		c.p *= math.Exp(t.last[c.class][octave(c.last)] + t.alike[c.class][octave(c.alike)])
		sum += c.p
	}
	for i := range m.list {
		m.list[i].p /= sum
	}
}

func octave(distance int32) int { return min(bits.Len32(uint32(distance)), octaves-1) }

// probability of one word; a word that nothing brought up has next to none.
func (m *mixer) probability(w word) float64 {
	for i := range m.list {
		if m.list[i].word == w {
			return m.list[i].p
		}
	}
	return 1e-6
}
