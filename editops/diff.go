package editops

import (
	"math"
	"sort"
	"strings"
)

// Diff returns the edits that turn old into new, for display and for repair where no history of the change is
// at hand. The edits are sorted, do not touch each other, and all refer to old. Every border lies between
// runes and outside a \r\n.
//
// Lines are matched first, by a shortest edit script, then words within the lines that differ. The result is
// deterministic. Time is O(N·D) for D differing lines, up to a bound of some ten milliseconds beyond which
// lines that are unique in both texts serve as anchors and minimality is lost.
func Diff(old, new string) []Edit {
	if old == new {
		return nil
	}
	var edits []Edit
	p, s := commonEnds(old, new)
	// Back to line borders, so that lines are compared whole.
	from := strings.LastIndexByte(old[:p], '\n') + 1
	if i := strings.IndexByte(old[len(old)-s:], '\n'); i >= 0 && s > 0 {
		s -= i + 1
	} else {
		s = 0
	}
	a, b := old[from:len(old)-s], new[from:len(new)-s]
	eachGap(splitLines(a), splitLines(b), diffBudget, func(x, y span) {
		wordEdits(a[x.from:x.to], b[y.from:y.to], from+x.from, &edits)
	})
	return edits
}

// span is a stretch of a text in bytes.
type span struct{ from, to int }

// gap is a stretch where two texts differ.
type gap struct{ a, b span }

// wordGapSize bounds the text, old and new together, that is compared by words; a bigger change is read as a whole.
const wordGapSize = 1 << 15

// wordEdits appends the edits that turn a into b, where a stands at offset at.
func wordEdits(a, b string, at int, edits *[]Edit) {
	if a == "" || b == "" || len(a)+len(b) > wordGapSize {
		appendTrimmed(a, b, at, edits)
		return
	}
	mark, kept := len(*edits), len(a)
	eachGap(splitWords(a), splitWords(b), diffBudget, func(x, y span) {
		kept -= x.to - x.from
		appendTrimmed(a[x.from:x.to], b[y.from:y.to], at+x.from, edits)
	})
	// Two lines of which only blanks and brackets agree have nothing to do with each other: crumbs of one in
	// the other read worse than both, and a later edit between them would land nowhere sensible.
	if n := len(*edits) - mark; n > 1 && 4*kept < max(len(a), len(b)) {
		*edits = (*edits)[:mark]
		appendTrimmed(a, b, at, edits)
	}
}

func appendTrimmed(a, b string, at int, edits *[]Edit) {
	p, s := commonEnds(a, b)
	if p+s < len(a) || p+s < len(b) {
		*edits = append(*edits, Edit{at + p, at + len(a) - s, b[p : len(b)-s]})
	}
}

// splitLines cuts a text behind each line end.
func splitLines(text string) []string {
	lines := make([]string, 0, 1+strings.Count(text, "\n"))
	for text != "" {
		content, end := cutLine(text)
		n := len(content) + len(end)
		lines = append(lines, text[:n])
		text = text[n:]
	}
	return lines
}

// splitWords cuts a text into words, runs of blanks, line ends and single other characters.
func splitWords(text string) []string {
	var words []string
	for i := 0; i < len(text); {
		j := i + 1
		switch kind := wordKind(text[i]); kind {
		case 'w', ' ':
			for j < len(text) && wordKind(text[j]) == kind {
				j++
			}
		case '\r':
			if j < len(text) && text[j] == '\n' {
				j++
			}
		}
		words = append(words, text[i:j])
		i = j
	}
	return words
}

// wordKind sorts bytes for splitWords. Everything beyond ASCII is part of a word, so no rune is cut.
func wordKind(c byte) byte {
	switch {
	case c >= 0x80, c == '_', '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		return 'w'
	case isBlank(c):
		return ' '
	}
	return c
}

// eachGap compares two sequences and calls gap, in order, for each maximal stretch where they differ, as byte
// spans of the concatenated tokens. budget bounds the search, see matcher.
func eachGap(a, b []string, budget int, gap func(x, y span)) {
	m := matcher{ids: make(map[string]int32, len(a)+len(b)), budget: budget}
	m.a, m.b = m.intern(a), m.intern(b)
	m.match(0, len(a), 0, len(b))
	i, j, x, y := 0, 0, 0, 0
	flush := func(p, q int) {
		from := [2]int{x, y}
		for ; i < p; i++ {
			x += len(a[i])
		}
		for ; j < q; j++ {
			y += len(b[j])
		}
		if x > from[0] || y > from[1] {
			gap(span{from[0], x}, span{from[1], y})
		}
	}
	for _, r := range m.runs {
		flush(r.a, r.b)
		for ; i < r.a+r.n; i++ {
			x += len(a[i])
			y += len(a[i])
		}
		j = r.b + r.n
	}
	flush(len(a), len(b))
}

// matcher finds the common subsequence of two sequences of interned tokens, as runs in order.
type matcher struct {
	ids  map[string]int32
	a, b []int32
	// budget is the number of steps that searches may still take. One search gives up after a quarter of it, so
	// that something is left for the stretches between the anchors.
	budget int
	runs   []run
	fw     []int // furthest reaching points, forwards and backwards; reused between calls
	bw     []int
}

// run says that a[r.a:r.a+n] equals b[r.b:r.b+n].
type run struct{ a, b, n int }

func (m *matcher) intern(tokens []string) []int32 {
	out := make([]int32, len(tokens))
	for i, t := range tokens {
		id, ok := m.ids[t]
		if !ok {
			id = int32(len(m.ids))
			m.ids[t] = id
		}
		out[i] = id
	}
	return out
}

func (m *matcher) add(a, b, n int) {
	if n == 0 {
		return
	}
	if k := len(m.runs) - 1; k >= 0 && m.runs[k].a+m.runs[k].n == a && m.runs[k].b+m.runs[k].n == b {
		m.runs[k].n += n
		return
	}
	m.runs = append(m.runs, run{a, b, n})
}

// match appends the runs of a[a0:a1] against b[b0:b1]: Myers' linear-space algorithm, divide and conquer
// around the middle of a shortest path.
func (m *matcher) match(a0, a1, b0, b1 int) {
	n := 0
	for a0+n < a1 && b0+n < b1 && m.a[a0+n] == m.b[b0+n] {
		n++
	}
	m.add(a0, b0, n)
	a0, b0 = a0+n, b0+n
	n = 0
	for a0 < a1-n && b0 < b1-n && m.a[a1-n-1] == m.b[b1-n-1] {
		n++
	}
	a1, b1 = a1-n, b1-n
	if a0 < a1 && b0 < b1 {
		if x, y, ok := m.middle(a0, a1, b0, b1); ok {
			m.match(a0, x, b0, y)
			m.match(x, a1, y, b1)
		} else {
			m.anchors(a0, a1, b0, b1)
		}
	}
	m.add(a1, b1, n)
}

// diffBudget is the number of steps, of some nanoseconds each, that Diff is ready for: enough for two thousand
// differing lines in a row.
const diffBudget = 1 << 24

// middle finds a point on a shortest path through the box by walking from both corners until they meet. It
// gives up when that takes more than its share of the budget.
func (m *matcher) middle(a0, a1, b0, b1 int) (x, y int, ok bool) {
	n, k := a1-a0, b1-b0
	limit := min((n+k+1)/2, int(math.Sqrt(float64(max(m.budget, 0)/4))))
	mid := limit + 1
	if size := 2*mid + 1; len(m.fw) < size {
		m.fw, m.bw = make([]int, size), make([]int, size)
	}
	// fw[mid+c] is the furthest x on diagonal x-y == c that d steps reach; bw the same from the far corner,
	// where everything is mirrored. lo and hi are the diagonals in use; those beyond the box are left out.
	fw, bw := m.fw, m.bw
	delta := n - k
	lo, hi := 0, 0
	for d := 0; d <= limit; d++ {
		m.budget -= 2*d + 2
		if d > 0 {
			if lo > -k {
				lo--
			} else {
				lo++
			}
			if hi < n {
				hi++
			} else {
				hi--
			}
		}
		for c := lo; c <= hi; c += 2 {
			x := furthest(fw, mid, c, d, n, k)
			if fw[mid+c] = x; x < 0 {
				continue
			}
			for x < n && x-c < k && m.a[a0+x] == m.b[b0+x-c] {
				x++
			}
			fw[mid+c] = x
			if o := delta - c; delta&1 != 0 && max(lo, -d+1) <= o && o <= min(hi, d-1) && x+bw[mid+o] >= n {
				return a0 + x, b0 + x - c, true
			}
		}
		for c := lo; c <= hi; c += 2 {
			x := furthest(bw, mid, c, d, n, k)
			if bw[mid+c] = x; x < 0 {
				continue
			}
			for x < n && x-c < k && m.a[a1-1-x] == m.b[b1-1-x+c] {
				x++
			}
			bw[mid+c] = x
			if o := delta - c; delta&1 == 0 && lo <= o && o <= hi && x+fw[mid+o] >= n {
				return a1 - x, b1 - x + c, true
			}
		}
	}
	return 0, 0, false
}

// unreachable marks a diagonal on which no path is left that stays in the box.
const unreachable = -1 << 40

// furthest is the best x on diagonal c after a step right or down from the neighbours that exist after d-1
// steps, within the n by k box.
func furthest(v []int, mid, c, d, n, k int) int {
	if d == 0 {
		return 0
	}
	x := unreachable
	if c-1 >= max(-(d-1), -k) {
		if r := v[mid+c-1]; r >= 0 && r < n {
			x = r + 1
		}
	}
	if c+1 <= min(d-1, n) {
		if r := v[mid+c+1]; r >= 0 && r-(c+1) < k {
			x = max(x, r)
		}
	}
	return x
}

// anchors splits a box that is too different for a shortest path at the tokens that are unique on both sides,
// in the longest increasing run of them. Without such tokens the box counts as wholly different.
func (m *matcher) anchors(a0, a1, b0, b1 int) {
	type place struct{ count, a, b int }
	seen := make(map[int32]place)
	for i := a0; i < a1; i++ {
		p := seen[m.a[i]]
		seen[m.a[i]] = place{p.count + 1, i, p.b}
	}
	for j := b0; j < b1; j++ {
		if p, ok := seen[m.b[j]]; ok {
			seen[m.b[j]] = place{p.count + 1<<32, p.a, j}
		}
	}
	// Patience: piles[k] is the smallest end in b of an increasing run of length k+1.
	var order []run
	var piles, before []int
	for i := a0; i < a1; i++ {
		p := seen[m.a[i]]
		if p.count != 1<<32+1 {
			continue
		}
		k := sort.Search(len(piles), func(k int) bool { return order[piles[k]].b >= p.b })
		prev := -1
		if k > 0 {
			prev = piles[k-1]
		}
		order, before = append(order, run{i, p.b, 1}), append(before, prev)
		if k == len(piles) {
			piles = append(piles, 0)
		}
		piles[k] = len(order) - 1
	}
	if len(piles) == 0 {
		return
	}
	chain := make([]run, len(piles))
	for k, at := len(piles)-1, piles[len(piles)-1]; k >= 0; k, at = k-1, before[at] {
		chain[k] = order[at]
	}
	i, j := a0, b0
	for _, r := range chain {
		m.match(i, r.a, j, r.b)
		m.add(r.a, r.b, 1)
		i, j = r.a+1, r.b+1
	}
	m.match(i, a1, j, b1)
}
