package offline

import (
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/session"
)

// answer is a completion with how sure the engine is that it is what the user will write, 0 to 1.
type answer struct {
	text       string
	confidence float64
}

// thresholds below which the engine keeps silent unless it was asked by hand.
const (
	nameThreshold = 0.5
	lineThreshold = 0.55
	minTyped      = 2 // letters of a name before it is finished unasked
)

// complete answers one question about a document that is up to date.
func (m *mixer) complete(st *state, d *document, name string, explicit bool) answer {
	suffix := d.text.suffix
	if suffix != "" && isWordByte(suffix[0]) {
		return answer{} // in the middle of a name
	}
	rest := suffix
	if i := strings.IndexAny(rest, "\r\n"); i >= 0 {
		rest = rest[:i]
	}
	rest = strings.TrimSpace(rest)
	pl := &m.place
	*pl = d.at(*pl)
	words := st.vocab.snapshot()

	if pl.open != inCode {
		if !explicit || len(pl.typed) < 1 {
			return answer{}
		}
	}
	var out strings.Builder
	confidence := 1.0
	if pl.typed != "" {
		if len(pl.typed) < minTyped && !explicit {
			return answer{}
		}
		whole, p := m.finish(st, d, name, pl, words)
		if p == 0 || p < nameThreshold && !explicit {
			return answer{}
		}
		out.WriteString(d.entry(words, whole).text[len(pl.typed):])
		confidence = p
		if pl.open != inCode || !onlyClosers(rest) {
			return answer{out.String(), confidence}.orNothing()
		}
		pl.push(whole, 0, m.roles)
		pl.blank = false
	} else if !onlyClosers(rest) {
		return answer{}
	}
	floor := lineThreshold / confidence
	if explicit && out.Len() == 0 {
		floor = 0
	}
	line, p := m.line(st, name, pl, floor)
	if p == 0 {
		return answer{out.String(), confidence}.orNothing()
	}
	for i, w := range line.words {
		if i > 0 || !pl.blank {
			writeGap(&out, line.gaps[i])
		}
		out.WriteString(d.entry(words, w).text)
	}
	text := cutClosers(out.String(), rest)
	return answer{text, confidence * p}.orNothing()
}

func (a answer) orNothing() answer {
	if a.text == "" {
		return answer{}
	}
	return a
}

// finish ranks the names that begin with what is typed; the typed text itself is one of them when it is a word
// already. p is the share of the best one, 0 when there is none.
func (m *mixer) finish(st *state, d *document, name string, pl *place, words []entry) (best word, p float64) {
	keep := func(w word) bool {
		if w < firstWord {
			return false
		}
		e := d.entry(words, w)
		return e.kind == ident && strings.HasPrefix(e.text, pl.typed)
	}
	// Asked for all tokens and filtered afterwards: asked for these alone, the counts of a rare context would
	// look surer than they are (4 points of top-1 worse).
	m.mix(st, name, pl, nil)
	m.filter(keep)
	if len(m.list) == 0 {
		m.mix(st, name, pl, keep)
		m.remember(pl, keep)
	}
	sum := 0.0
	top := -1
	for i := range m.list {
		sum += m.list[i].p
		if top < 0 || m.list[i].p > m.list[top].p {
			top = i
		}
	}
	if top < 0 {
		return 0, 0
	}
	return m.list[top].word, m.list[top].p / sum
}

func (m *mixer) filter(keep func(word) bool) {
	m.list = slices.DeleteFunc(m.list, func(c candidate) bool { return !keep(c.word) })
}

// remember adds the names of the whole window that no context brought up.
func (m *mixer) remember(pl *place, keep func(word) bool) {
	if len(m.list) > 0 {
		return
	}
	n := len(pl.before)
	for j := n - 1; j > 0; j-- {
		if keep(pl.before[j]) {
			m.at(pl.before[j]).p += float64(recency(n - j))
		}
	}
	for j, w := range pl.after {
		if keep(w) {
			m.at(w).p += float64(recency(j))
		}
	}
}

// onlyClosers reports whether what follows the cursor on its line is nothing but closing brackets, quotes and
// the punctuation after them, so that a completion may go up to it.
func onlyClosers(rest string) bool {
	return strings.Trim(rest, ")>}]\"'`:{;, ") == ""
}

// cutClosers removes from the end of text what already follows the cursor.
func cutClosers(text, rest string) string {
	if rest == "" {
		return text
	}
	if cut, ok := strings.CutSuffix(text, rest); ok {
		return cut
	}
	// Closers that the editor put in by itself close brackets that the text before the cursor opened. The text may
	// bring its own pairs, but must not close one more.
	if i := unmatched(text); i >= 0 {
		return strings.TrimRight(text[:i], " \t")
	}
	return text
}

// unmatched returns the offset of the first closing bracket that text does not open itself, or -1.
func unmatched(text string) int {
	var open []byte
	for i := range len(text) {
		switch c := text[i]; c {
		case '(', '[', '{':
			open = append(open, c)
		case ')', ']', '}':
			if len(open) == 0 {
				return i
			}
			open = open[:len(open)-1]
		}
	}
	return -1
}

// ask is the whole way of a request that the engine can answer.
func (e *Engine) ask(fim session.FIM, explicit bool) answer {
	text := source{fim.Prefix, fim.Suffix}
	if cursor := len(fim.Prefix); !explicit && cursor-text.lineStart(cursor, longestLine) == longestLine {
		return answer{} // no hand wrote that line, and a file of it would have to be lexed anew for each key
	}
	st := e.index.state.Load()
	d := e.checkOut(fim)
	defer e.checkIn(d)
	d.update(text, st.vocab)
	m := mixers.Get().(*mixer)
	defer mixers.Put(m)
	return m.complete(st, &d.document, fim.Path, explicit)
}
