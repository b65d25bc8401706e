package delivery

import (
	"unicode/utf8"

	"github.com/spark-lsp/spark-lsp/editops"
)

// maxTable bounds the comparison of two short texts by runes, in cells.
const maxTable = 1 << 16

// difference is what turns old into new, in edits against old. editops.Diff compares by lines and words, for a
// reader; here a keystroke in a word of the stream's must not count as a new word, since that word would no more be
// the stream's. So short texts that have something in common are compared by runes.
func difference(old, new string) []editops.Edit {
	whole := trim(String(old), editops.Edit{End: len(old), New: new})
	if whole.Start == whole.End && whole.New == "" {
		return nil
	}
	if edits, ok := byRunes(old, whole); ok {
		return edits
	}
	var edits []editops.Edit
	for _, e := range editops.Diff(old, new) {
		if fine, ok := byRunes(old, e); ok {
			edits = append(edits, fine...)
		} else {
			edits = append(edits, e)
		}
	}
	return edits
}

// weight is how many bytes edits delete and insert.
func weight(edits []editops.Edit) int {
	n := 0
	for _, e := range edits {
		n += e.End - e.Start + len(e.New)
	}
	return n
}

// table holds, for each pair of runes of two texts, how many bytes the longest common subsequence of what begins
// with them has. A \r\n counts as one rune.
type table struct {
	a, b []int // offsets of the runes, and the length
	same []int32
}

func (t *table) at(i, j int) int32 { return t.same[i*len(t.b)+j] }

// compare is the table of two texts that are short enough for it.
func compare(x, y string) (*table, bool) {
	if x == "" || y == "" || len(x) > maxTable || len(y) > maxTable {
		return nil, false
	}
	t := &table{a: runeStarts(x), b: runeStarts(y)}
	if len(t.a)*len(t.b) > maxTable {
		return nil, false
	}
	t.same = make([]int32, len(t.a)*len(t.b))
	for i := len(t.a) - 2; i >= 0; i-- {
		for j := len(t.b) - 2; j >= 0; j-- {
			best := max(t.at(i+1, j), t.at(i, j+1))
			if r := x[t.a[i]:t.a[i+1]]; r == y[t.b[j]:t.b[j+1]] {
				best = max(best, t.at(i+1, j+1)+int32(len(r)))
			}
			t.same[i*len(t.b)+j] = best
		}
	}
	return t, true
}

// common is how many bytes x and y have in common, in order.
func common(x, y string) (int, bool) {
	t, ok := compare(x, y)
	if !ok {
		return 0, false
	}
	return int(t.at(0, 0)), true
}

// distance is how many bytes must at least be deleted and inserted to turn old into new; for long texts, about.
func distance(old, new string) int {
	e := trim(String(old), editops.Edit{End: len(old), New: new})
	if e.Start == e.End || e.New == "" {
		return e.End - e.Start + len(e.New)
	}
	if n, ok := common(old[e.Start:e.End], e.New); ok {
		return e.End - e.Start + len(e.New) - 2*n
	}
	return weight(difference(old, new))
}

// byRunes takes the edit e of text apart into a shortest edit script by runes; ok is false when it is not worth it.
func byRunes(text string, e editops.Edit) (edits []editops.Edit, ok bool) {
	old, new := text[e.Start:e.End], e.New
	t, ok := compare(old, new)
	if !ok || 2*int(t.at(0, 0)) < min(len(old), len(new)) {
		return nil, false
	}
	i, j, from, to := 0, 0, 0, 0
	flush := func() {
		if from < i || to < j {
			edits = append(edits, editops.Edit{Start: e.Start + t.a[from], End: e.Start + t.a[i], New: new[t.b[to]:t.b[j]]})
		}
	}
	for i < len(t.a)-1 && j < len(t.b)-1 {
		r := old[t.a[i]:t.a[i+1]]
		switch {
		case r == new[t.b[j]:t.b[j+1]] && t.at(i, j) == t.at(i+1, j+1)+int32(len(r)):
			flush()
			i, j = i+1, j+1
			from, to = i, j
		case t.at(i+1, j) >= t.at(i, j+1):
			i++
		default:
			j++
		}
	}
	i, j = len(t.a)-1, len(t.b)-1
	flush()
	return edits, true
}

// runeStarts are the offsets at which the runes of s begin, and its length.
func runeStarts(s string) []int {
	var at []int
	for i := 0; i < len(s); {
		at = append(at, i)
		_, n := utf8.DecodeRuneInString(s[i:])
		if s[i] == '\r' && i+1 < len(s) && s[i+1] == '\n' {
			n = 2
		}
		i += n
	}
	return append(at, len(s))
}
