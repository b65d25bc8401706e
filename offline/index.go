package offline

import (
	"path"
	"strings"
	"sync"
	"sync/atomic"
)

// index is the project's text: a few segments of growing size, published as a whole. Writers make new
// segments and swap the state; a question reads the state once and never waits.
type index struct {
	state atomic.Pointer[state]

	mu     sync.Mutex       // one writer at a time
	files  map[string]*file // guarded by mu: the living version of each path
	alive  int              // guarded by mu: tokens of living files
	closed bool             // guarded by mu
}

// state is what one question sees: segments, longest first, and the vocabulary that numbers their words.
type state struct {
	vocab    *vocabulary
	segments []*segment
}

func newIndex() *index {
	x := &index{files: map[string]*file{}}
	x.state.Store(&state{vocab: newVocabulary()})
	return x
}

// maxFileTokens bounds what one file adds. Longer files are data.
const maxFileTokens = 200_000

// scan is what a lexer makes of a text.
type scan struct {
	texts []string
	kinds []kind
	words []word
	gaps  []uint8
}

// add makes text the current version of a path.
func (x *index) add(name, language, text string) {
	syn := syntaxOf(name, language)
	var sc scan
	sc.texts = make([]string, 0, len(text)/4)
	lx := lexer{syntax: syn, text: text}
	last := 0
	for len(sc.texts) < maxFileTokens && lx.next() {
		if lx.kind == newline && (len(sc.kinds) == 0 || sc.kinds[len(sc.kinds)-1] == newline) {
			last = lx.end
			continue
		}
		sc.texts = append(sc.texts, lx.text[lx.start:lx.end])
		sc.kinds = append(sc.kinds, lx.kind)
		sc.words = append(sc.words, reserved(lx.kind, lx.end-lx.start))
		sc.gaps = append(sc.gaps, gapOf(lx.kind, text[last:lx.start]))
		last = lx.end
	}

	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return
	}
	x.state.Load().vocab.intern(sc.texts, sc.kinds, sc.words)
	f := &file{path: name, dir: path.Dir(name), tokens: len(sc.words)}
	x.drop(name)
	x.files[name] = f
	x.alive += f.tokens
	words := x.state.Load().vocab.snapshot()
	x.publish(newSegment(f, sc.words, sc.gaps, func(w word) role { return words[w].role }))
}

// reserved returns the word of tokens that have no text of their own in the vocabulary, else boundary.
func reserved(k kind, size int) word {
	switch {
	case k == newline:
		return lineEnd
	case size > maxKept:
		return longText
	}
	return boundary
}

func (x *index) remove(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.drop(name) {
		x.publish(nil)
	}
}

func (x *index) drop(name string) bool {
	old := x.files[name]
	if old == nil {
		return false
	}
	old.dead.Store(true)
	x.alive -= old.tokens
	delete(x.files, name)
	return true
}

// publish appends a segment and merges from the end while neighbours are of like size, so that there are
// at most log2(tokens) segments and a token is merged as often at most. When more is dead than alive, all
// is merged into one and the vocabulary is made anew.
func (x *index) publish(s *segment) {
	old := x.state.Load()
	list := append([]*segment(nil), old.segments...)
	if s != nil && len(s.sorted) > 0 {
		list = append(list, s)
	}
	total := 0
	for _, s := range list {
		total += len(s.sorted)
	}
	squeeze := total > 2*x.alive+1000
	for n := len(list); n > 1 && (squeeze || len(list[n-2].sorted) < 2*len(list[n-1].sorted)); n = len(list) {
		list = append(list[:n-2:n-2], merge(list[n-2], list[n-1]))
	}
	next := &state{vocab: old.vocab, segments: list}
	if squeeze && len(list) == 1 {
		all := merge(list[0], &segment{})
		next.segments = []*segment{all}
		next.vocab = old.vocab.renumber(all.tokens, all.forms)
	}
	x.state.Store(next)
}

// gapOf encodes the blank between two tokens of a line: 0 for none, 1 to 127 spaces, 128 plus the number of
// tabs. A comment between them counts as one space. A line end has none: blanks before it are nobody's wish.
func gapOf(k kind, blank string) uint8 {
	if blank == "" || k == newline {
		return 0
	}
	blank = blank[strings.LastIndexAny(blank, "\r\n")+1:]
	for _, c := range []byte{' ', '\t'} {
		if strings.Count(blank, string(c)) == len(blank) {
			n := min(len(blank), 127)
			if c == '\t' {
				n += 128
			}
			return uint8(n)
		}
	}
	return 1
}

// writeGap is the inverse of gapOf.
func writeGap(b *strings.Builder, gap uint8) {
	c := byte(' ')
	if gap >= 128 {
		c, gap = '\t', gap-128
	}
	for range gap {
		b.WriteByte(c)
	}
}

// close forgets everything, for good.
func (x *index) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	x.files, x.alive = nil, 0
	x.state.Store(&state{vocab: newVocabulary()})
}
