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
// It costs 17 bytes a token.
type segment struct {
	tokens []word
	gaps   []uint8  // blank before each token, see gapOf
	sorted []uint32 // positions in tokens; those of boundaries are left out
	forms  []word   // the abstract form of each token
	byForm []uint32 // the positions again, sorted by the forms that precede them
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

func newSegment(f *file, tokens []word, gaps []uint8, roles func(word) role) *segment {
	s := &segment{tokens: make([]word, 1, len(tokens)+1), gaps: make([]uint8, 1, len(tokens)+1), files: []span{{0, f}}}
	s.tokens = append(s.tokens, tokens...)
	s.gaps = append(s.gaps, gaps...)
	s.sorted = make([]uint32, len(tokens))
	for i := range s.sorted {
		s.sorted[i] = uint32(i + 1)
	}
	s.byForm = slices.Clone(s.sorted)
	s.forms = make([]word, len(s.tokens))
	for i := range s.forms {
		s.forms[i] = abstractOf(s.tokens, i, roles)
	}
	slices.SortFunc(s.sorted, func(a, b uint32) int { return compareContexts(s.tokens, int(a), s.tokens, int(b)) })
	slices.SortFunc(s.byForm, func(a, b uint32) int { return compareContexts(s.forms, int(a), s.forms, int(b)) })
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
	m.sorted = mergeSorted(a.tokens, a.sorted, moveA, b.tokens, b.sorted, moveB)
	m.byForm = mergeSorted(a.forms, a.byForm, moveA, b.forms, b.byForm, moveB)
	return m
}

func mergeSorted(tokensA []word, a []uint32, moveA move, tokensB []word, b []uint32, moveB move) []uint32 {
	out := make([]uint32, 0, len(a)+len(b))
	i, j := 0, 0
	for {
		for i < len(a) && moveA.gone(a[i]) {
			i++
		}
		for j < len(b) && moveB.gone(b[j]) {
			j++
		}
		switch {
		case i == len(a) && j == len(b):
			return out
		case j == len(b) || i < len(a) && compareContexts(tokensA, int(a[i]), tokensB, int(b[j])) <= 0:
			out = append(out, moveA.to(a[i]))
			i++
		default:
			out = append(out, moveB.to(b[j]))
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
		m.forms = append(m.forms, s.forms[f.start:end]...)
	}
	return mv
}

// fileAt returns the file that holds a position.
func (s *segment) fileAt(p uint32) *file {
	i := sort.Search(len(s.files), func(i int) bool { return s.files[i].start > p })
	return s.files[i-1].file
}

// narrow returns the part of sorted[lo:hi], positions that agree on the k-1 tokens before them, where the
// k-th token before is w.
func narrow(tokens []word, sorted []uint32, lo, hi, k int, w word) (int, int) {
	i := lo + sort.Search(hi-lo, func(i int) bool { return tokens[int(sorted[lo+i])-k] >= w })
	j := i + sort.Search(hi-i, func(j int) bool { return tokens[int(sorted[i+j])-k] > w })
	return i, j
}
