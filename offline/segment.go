package offline

import (
	"cmp"
	"slices"
	"sort"
	"sync/atomic"
)

// depth is how many tokens of context the index tells apart: order-9 n-grams, of which the mixture uses
// six and the copying of lines all.
const depth = 8

// segment is an immutable index of some files: their tokens one after another, and all positions sorted
// by the tokens that precede them, nearest first. The continuations of a context are then one range of
// sorted, a longer context is a part of the range of the shorter one, and merging two segments is one pass.
// It costs 9 bytes a token.
type segment struct {
	tokens []word
	gaps   []uint8  // blank before each token, see gapOf
	sorted []uint32 // positions in tokens; those of boundaries are left out
	files  []span   // by start
}

// span is one file's place in a segment: a boundary at start, then its tokens.
type span struct {
	start uint32
	file  *file
}

// file is one version of an indexed file. Segments share it; dead says that a newer version is elsewhere.
type file struct {
	path, dir string
	tokens    int
	dead      atomic.Bool
}

func newSegment(f *file, tokens []word, gaps []uint8) *segment {
	s := &segment{tokens: make([]word, 1, len(tokens)+1), gaps: make([]uint8, 1, len(tokens)+1), files: []span{{0, f}}}
	s.tokens = append(s.tokens, tokens...)
	s.gaps = append(s.gaps, gaps...)
	s.sorted = make([]uint32, len(tokens))
	for i := range s.sorted {
		s.sorted[i] = uint32(i + 1)
	}
	slices.SortFunc(s.sorted, func(a, b uint32) int { return compareContexts(s.tokens, int(a), s.tokens, int(b)) })
	return s
}

// compareContexts orders positions by what precedes them. Every file starts with a boundary, which ends
// the comparison: two files that began alike are alike.
func compareContexts(a []word, i int, b []word, j int) int {
	for range depth {
		i--
		j--
		if a[i] != b[j] {
			return cmp.Compare(a[i], b[j])
		}
		if a[i] == boundary {
			return 0
		}
	}
	return 0
}

// merge joins two segments and leaves dead files out.
func merge(a, b *segment) *segment {
	m := &segment{}
	moveA := m.take(a)
	moveB := m.take(b)
	m.sorted = make([]uint32, 0, len(m.tokens))
	i, j := 0, 0
	for {
		for i < len(a.sorted) && moveA.gone(a.sorted[i]) {
			i++
		}
		for j < len(b.sorted) && moveB.gone(b.sorted[j]) {
			j++
		}
		switch {
		case i == len(a.sorted) && j == len(b.sorted):
			return m
		case j == len(b.sorted) || i < len(a.sorted) && compareContexts(a.tokens, int(a.sorted[i]), b.tokens, int(b.sorted[j])) <= 0:
			m.sorted = append(m.sorted, moveA.to(a.sorted[i]))
			i++
		default:
			m.sorted = append(m.sorted, moveB.to(b.sorted[j]))
			j++
		}
	}
}

// move maps positions of a segment to those of the segment it was merged into.
type move struct {
	all   int     // when nothing died: the distance
	spans []int32 // else: for each position the distance, or left
}

const left = -1 << 31

func (m move) gone(p uint32) bool { return m.spans != nil && m.spans[p] == left }

func (m move) to(p uint32) uint32 {
	if m.spans != nil {
		return uint32(int32(p) + m.spans[p])
	}
	return uint32(int(p) + m.all)
}

// take appends the living files of s.
func (m *segment) take(s *segment) move {
	mv := move{all: len(m.tokens)}
	anyDead := slices.ContainsFunc(s.files, func(f span) bool { return f.file.dead.Load() })
	if anyDead {
		mv.spans = make([]int32, len(s.tokens))
	}
	for i, f := range s.files {
		end := len(s.tokens)
		if i+1 < len(s.files) {
			end = int(s.files[i+1].start)
		}
		// A file may die between the question above and this one. It is carried along then: a dead
		// file costs memory, not correctness.
		if anyDead {
			distance := int32(len(m.tokens)) - int32(f.start)
			if f.file.dead.Load() {
				distance = left
			}
			for p := int(f.start); p < end; p++ {
				mv.spans[p] = distance
			}
			if distance == left {
				continue
			}
		}
		m.files = append(m.files, span{uint32(len(m.tokens)), f.file})
		m.tokens = append(m.tokens, s.tokens[f.start:end]...)
		m.gaps = append(m.gaps, s.gaps[f.start:end]...)
	}
	return mv
}

// fileAt returns the file that holds a position.
func (s *segment) fileAt(p uint32) *file {
	i := sort.Search(len(s.files), func(i int) bool { return s.files[i].start > p })
	return s.files[i-1].file
}

// narrow returns the part of sorted[lo:hi], whose positions agree on the k-1 tokens before them, where the
// k-th token before is w.
func (s *segment) narrow(lo, hi, k int, w word) (int, int) {
	i := lo + sort.Search(hi-lo, func(i int) bool { return s.tokens[int(s.sorted[lo+i])-k] >= w })
	j := i + sort.Search(hi-i, func(j int) bool { return s.tokens[int(s.sorted[i+j])-k] > w })
	return i, j
}
