package offline

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// word is the number of a token's text in the vocabulary. The first few are reserved; numbers from
// localWord up belong to one document (see document.local).
type word uint32

const (
	boundary word = iota // the edge of a file: no context reaches over it
	lineEnd              // every newline token
	longText             // every literal too long to keep; never completed
	firstWord

	localWord word = 1 << 31
)

// maxKept is the longest token text that is kept, in bytes. Longer ones are tables and messages: they
// would fill the vocabulary and are never what someone is about to type.
const maxKept = 64

// vocabulary numbers the texts of tokens. It only grows; the index makes a new one when it
// leaves dead files behind.
type vocabulary struct {
	mu    sync.RWMutex
	ids   map[string]word // guarded by mu
	words []entry         // guarded by mu; entries never change, so a copy of the slice may be read without
}

// entry is one text with what candidates are filtered by, so that no string needs to be looked at.
type entry struct {
	text  string
	kind  kind
	role  role
	shape shape
}

// newVocabulary knows brackets, operators and keywords from the start: before any file is indexed they must not pass for
// names of the document's own.
func newVocabulary() *vocabulary {
	v := &vocabulary{ids: map[string]word{}}
	v.words = []entry{boundary: {}, lineEnd: {text: "\n", kind: newline}, longText: {kind: literal}}
	for _, text := range strings.Split("!#%&()*+,-./:;<=>?@[]^{|}~", "") {
		v.add(text, punct)
	}
	for _, list := range operators {
		for _, text := range list {
			v.add(text, punct)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(keywords)) {
		v.add(text, ident)
	}
	return v
}

// add returns the number of a text, a new one when it has none. The caller holds mu.
func (v *vocabulary) add(text string, k kind) word {
	w, ok := v.ids[text]
	if !ok {
		text = strings.Clone(text) // a whole file must not stay alive for a word of it
		w = word(len(v.words))
		v.words = append(v.words, entry{text, k, roleOf(text, k), shapeOf(text, k)})
		v.ids[text] = w
	}
	return w
}

// snapshot returns the entries known now.
func (v *vocabulary) snapshot() []entry {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.words
}

func (v *vocabulary) find(text string) (word, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	w, ok := v.ids[text]
	return w, ok
}

// intern numbers a file's tokens. The lock is held for reading while known words are looked up, and for
// writing only to add what is new, so a question never waits for a whole file.
func (v *vocabulary) intern(texts []string, kinds []kind, out []word) {
	const batch = 512
	var missing []int
	for from := 0; from < len(texts); from += batch {
		to := min(from+batch, len(texts))
		missing = missing[:0]
		v.mu.RLock()
		for i := from; i < to; i++ {
			if out[i] != boundary {
				continue
			}
			if w, ok := v.ids[texts[i]]; ok {
				out[i] = w
			} else {
				missing = append(missing, i)
			}
		}
		v.mu.RUnlock()
		if len(missing) == 0 {
			continue
		}
		v.mu.Lock()
		for _, i := range missing {
			out[i] = v.add(texts[i], kinds[i])
		}
		v.mu.Unlock()
	}
}

// renumber makes a vocabulary of the words that are used and puts the new numbers in their place. The order
// of the numbers stays, and with it the order of the segment they are in.
func (v *vocabulary) renumber(tokens, forms []word) *vocabulary {
	words := v.snapshot()
	numbers := make([]word, len(words))
	for _, w := range tokens {
		numbers[w] = 1
	}
	n := newVocabulary()
	for w := range n.words {
		numbers[w] = word(w) + 1
	}
	for w := len(n.words); w < len(words); w++ {
		if numbers[w] != 0 {
			numbers[w] = word(len(n.words)) + 1
			n.ids[words[w].text] = word(len(n.words))
			n.words = append(n.words, words[w])
		}
	}
	for _, list := range [][]word{tokens, forms} {
		for i, w := range list {
			if w >= firstWord && w < unseen {
				list[i] = numbers[w] - 1
			}
		}
	}
	return n
}
