package server

import (
	"strings"
	"unicode"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

const (
	// reversalWindow is how far from the cursor, in bytes, a deletion may be that a completion could take back.
	reversalWindow = 4 << 10
	// reversalLetters is how many characters that are not blank must have been deleted, at least: whoever deletes
	// less corrects a typo, and may well want the word.
	reversalLetters = 4
	// maxReversal is the share of a completion that may take back what the user has just done.
	maxReversal = 0.5
)

// removal is what the user has deleted round a place, and nothing typed since.
type removal struct {
	from        int    // where the window begins in the document
	before, now string // the window's text then and now
}

// justDeleted finds out of a document's history whether the user's last act was to delete something near a place;
// nil when it was not. Deleting ends with the first character that is typed: then a suggestion may be what is wanted
// instead.
func justDeleted(doc *lsp.Document, at int, past []PastEdit) *removal {
	d := &removal{from: max(0, at-reversalWindow)}
	d.now = doc.Text.Slice(d.from, min(doc.Text.Len(), at+reversalWindow))
	d.before = d.now
	deleted := 0
	for i := len(past) - 1; i >= 0; i-- {
		e := past[i]
		start := e.Start - d.from
		old, typed := differing(e.Old, e.New)
		if e.Ours || strings.TrimSpace(typed) != "" || start < 0 || start+len(e.New) > len(d.before) || d.before[start:start+len(e.New)] != e.New {
			break
		}
		d.before = d.before[:start] + e.Old + d.before[start+len(e.New):]
		deleted += letters(old)
	}
	if deleted < reversalLetters {
		return nil
	}
	return d
}

// differing is what of two texts is between what they begin with and what they end with in common. An editor that undoes
// an accepted item puts back the word that it replaced, beginning and all.
func differing(a, b string) (string, string) {
	head, tail := inCommon(a, b)
	return a[head : len(a)-tail], b[head : len(b)-tail]
}

// undoneBy reports whether a completion mostly brings back what was deleted (D12).
func (d *removal) undoneBy(item editops.Suggestion) bool {
	if d == nil || item.Start < d.from || item.End-d.from > len(d.now) {
		return false
	}
	after := d.now[:item.Start-d.from] + item.New + d.now[item.End-d.from:]
	return editops.ReversalRatio(d.before, d.now, after) >= maxReversal
}

// letters counts the characters of a text that are not blank.
func letters(s string) int {
	n := 0
	for _, r := range s {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}
