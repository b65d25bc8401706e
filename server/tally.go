package server

import (
	"sync"

	"github.com/spark-lsp/spark-lsp/lsp"
)

// counts is what became of suggestions. It is counted on this machine, shown by spark-lsp.status, and told nobody.
// Tokens are estimated at four bytes each, since an abandoned response never tells its usage.
type counts struct {
	Requests           int `json:"requests"` // of completions, to whatever answers
	Shown              int `json:"shown"`    // different suggestions given to the editor
	Accepted           int `json:"accepted"`
	Partly             int `json:"partly"`  // a word or a line was accepted, not all
	Ignored            int `json:"ignored"` // shown, and nothing of it accepted or typed
	AcceptedCharacters int `json:"acceptedCharacters"`
	Tokens             int `json:"tokens"`       // of all completions
	WastedTokens       int `json:"wastedTokens"` // of those that nobody accepted any of
	Prefetched         int `json:"prefetched"`   // continuations asked for before the editor asked
	PrefetchUsed       int `json:"prefetchUsed"`
	NextEditsShown     int `json:"nextEditsShown"`
	NextEditsAccepted  int `json:"nextEditsAccepted"`
}

// tally counts, and decides by what it has counted whether continuations are worth asking for unasked.
type tally struct {
	mu     sync.Mutex // guards what follows
	counts counts
	// spent is, by how early continuations were asked for, what they have cost lately, tokens. Each kind has an account
	// of its own: the one that nearly always pays is not to pay for the other.
	spent [speculated + 1]int
}

const (
	// prefetchCredit is how many tokens of continuations may come to nothing before no more are asked for.
	prefetchCredit = 512
	// prefetchAsks is what a continuation costs that is abandoned before it says a word: the model has read for it.
	prefetchAsks = 8
	// prefetchTokens bounds one continuation, tokens.
	prefetchTokens = 96
	// A continuation that was used pays for one and a half that were not; a suggestion that was accepted earns a few
	// tokens back, so that after a long while of bad luck another one is tried.
	acceptEarns = 8
)

func (t *tally) add(f func(c *counts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.counts)
}

func (t *tally) now() counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// mayPrefetch reports whether there is credit for another continuation so early.
func (t *tally) mayPrefetch(l lead) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return prefetchCredit-t.spent[l] >= prefetchTokens
}

// prefetched accounts for a continuation once it is known whether it was used.
func (t *tally) prefetched(l lead, tokens int, used bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if used {
		t.counts.PrefetchUsed++
		t.spent[l] = max(0, t.spent[l]-(tokens+prefetchAsks)*3/2)
		return
	}
	t.spent[l] += tokens + prefetchAsks
}

// accepted accounts for an accepted suggestion of so many characters.
func (t *tally) accepted(characters int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Accepted++
	t.counts.AcceptedCharacters += characters
	for l := range t.spent {
		t.spent[l] = max(0, t.spent[l]-acceptEarns)
	}
}

// tokens estimates the tokens of a text.
func tokens(bytes int) int { return (bytes + 3) / 4 }

// didShowCompletion is a client's word that an item is on the screen. Items count as shown when they are handed over,
// since most clients never say; so this adds nothing.
func (s *Server) didShowCompletion(*lsp.Snapshot, *itemParams) error { return nil }

// didPartiallyAccept is a client's word that the beginning of an item was accepted. How much is seen in the document.
func (s *Server) didPartiallyAccept(_ *lsp.Snapshot, p *itemParams) error {
	a, ok := p.about()
	if d := s.document(a.URI); ok && d != nil && p.AcceptedLength > 0 {
		d.suggester.partly(a.Suggestion)
	}
	return nil
}

// didShowInlineEdit is a client's word that a next edit is on the screen, which is not counted either.
func (s *Server) didShowInlineEdit(*lsp.Snapshot, *itemParams) error { return nil }
