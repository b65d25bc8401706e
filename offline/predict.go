package offline

import (
	"path"
	"sync"
)

const (
	order     = 6   // n-gram order of the mixture: contexts of up to 5 tokens, and deeper ones as "more than 5"
	maxLevel  = 7   // context lengths 0..maxLevel are told apart
	sampled   = 192 // continuations looked at for one context length in one segment; a longer range is sampled evenly
	recentMin = 1024
)

// The places that counts come from, nearest first.
const (
	fromDocument = iota
	fromProject
	sources
)

// candidate is a token that may come next.
type candidate struct {
	word   word
	counts [sources][maxLevel + 1]float32 // by length of the context that it followed
	p      float64
}

// mixer collects candidates for one question. It is reused; nothing in it outlives the question.
type mixer struct {
	list  []candidate
	table []int32 // open addressing over list, index+1; a power of two
	keep  func(word) bool

	total    [sources][maxLevel + 1]float32
	distinct [sources][maxLevel + 1]float32
	matched  [sources]int // longest context seen
	buf      []word
	copier   copier
}

var mixers = sync.Pool{New: func() any { return &mixer{table: make([]int32, 1<<10)} }}

func (m *mixer) reset(keep func(word) bool) {
	m.list = m.list[:0]
	clear(m.table)
	m.keep = keep
	m.total = [sources][maxLevel + 1]float32{}
	m.distinct = m.total
	m.matched = [sources]int{}
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
	if m.keep != nil && !m.keep(w) {
		return
	}
	m.at(w).counts[src][level] += weight
}

// tuning are the few numbers of the mixture. They were chosen on packages that the quality test does not use.
type tuning struct {
	doc, project [maxLevel + 1]float64 // pseudo-counts per distinct continuation: how slowly a level is believed
	sameDir      float32               // extra weight of a match in the document's directory
	recency      float64               // tokens after which a use in the document counts half as extra
	recent       float32               // extra weight of a use just now
}

var tuned = tuning{
	doc:     [maxLevel + 1]float64{8, 1, .7, .5, .4, .3, .3, .3},
	project: [maxLevel + 1]float64{8, 1, .8, .6, .5, .4, .4, .4},
	sameDir: 2,
	recency: 300,
	recent:  1,
}

// mix fills m.list with what may follow before, each with its probability.
func (m *mixer) mix(st *state, name string, before, after []word, keep func(word) bool) {
	m.reset(keep)
	m.document(before, after)
	m.project(st, name, before)
	m.blend()
}

// document counts the continuations of the cursor's context in the open document.
func (m *mixer) document(before, after []word) {
	n := len(before)
	last := before[n-1]
	for j := 1; j < n; j++ {
		if before[j-1] != last {
			continue
		}
		level := 1
		for level < maxLevel && before[j-1-level] == before[n-1-level] && before[j-1-level] != boundary {
			level++
		}
		m.count(fromDocument, level, before[j], m.weight(n-j))
		m.matched[fromDocument] = max(m.matched[fromDocument], level)
	}
	for j := 1; j < len(after); j++ {
		if after[j-1] != last {
			continue
		}
		level := 1
		for level < maxLevel && j-1-level >= 0 && after[j-1-level] == before[n-1-level] {
			level++
		}
		m.count(fromDocument, level, after[j], m.weight(j))
		m.matched[fromDocument] = max(m.matched[fromDocument], level)
	}
	for j := max(1, n-recentMin); j < n; j++ {
		m.count(fromDocument, 0, before[j], m.weight(n-j))
	}
	for j := range min(len(after), recentMin/4) {
		m.count(fromDocument, 0, after[j], m.weight(j))
	}
}

func (m *mixer) weight(distance int) float32 {
	return 1 + tuned.recent*float32(tuned.recency/(tuned.recency+float64(distance)))
}

// project counts the continuations of the cursor's context in the workspace.
func (m *mixer) project(st *state, name string, before []word) {
	dir := path.Dir(name)
	n := len(before)
	for _, s := range st.segments {
		var lo, hi [maxLevel + 1]int
		hi[0] = len(s.sorted)
		level := 0
		for level < maxLevel {
			w := before[n-1-level]
			if w >= localWord {
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
		m.matched[fromProject] = max(m.matched[fromProject], level)
		// From the longest context outwards, so that each continuation is counted at its own length.
		for k := level; k > 0; k-- {
			innerLo, innerHi := hi[k], hi[k]
			if k < level {
				innerLo, innerHi = lo[k+1], hi[k+1]
			}
			size := hi[k] - lo[k] - (innerHi - innerLo)
			if size == 0 {
				continue
			}
			step := max(1, size/sampled)
			near := step == 1
			for i := lo[k]; i < hi[k]; i += step {
				if i >= innerLo && i < innerHi {
					i = innerHi
					if i >= hi[k] {
						break
					}
				}
				p := s.sorted[i]
				weight := float32(step)
				if near {
					f := s.fileAt(p)
					if f.dead.Load() || f.path == name {
						continue
					}
					if f.dir == dir {
						weight += tuned.sameDir
					}
				}
				m.count(fromProject, k, s.tokens[p], weight)
			}
		}
	}
}

// blend turns counts into probabilities: from the shortest context to the longest, at each length first the
// project and then the document, each step moves the estimate towards what was counted there by the more, the more was
// counted and the less it varies (Witten and Bell's escape).
func (m *mixer) blend() {
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
		c.p = 1e-6
	}
	for k := range maxLevel + 1 {
		for _, s := range [...]int{fromProject, fromDocument} {
			n := float64(m.total[s][k])
			if n == 0 {
				continue
			}
			slow := tuned.doc[k]
			if s == fromProject {
				slow = tuned.project[k]
			}
			belief := n / (n + slow*float64(m.distinct[s][k]))
			for i := range m.list {
				c := &m.list[i]
				c.p = (1-belief)*c.p + belief*float64(c.counts[s][k])/n
			}
		}
	}
}
