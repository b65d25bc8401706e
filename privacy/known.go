package privacy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// known are secrets that are masked wherever they stand, because something gave them away once.
type known struct {
	count int // grows with every secret that is added, and never falls: it tells that something has changed
	grams [1 << 10]uint64
	words map[string][]*knownSecret // by their first shortKnown bytes
	all   map[string]*knownSecret
}

type knownSecret struct {
	text string
	seen int64 // Masker.clock
}

// shortKnown is how much of a secret's beginning is masked where not all of it is there: an older state of a file shows
// what was typed by then. Bytes; shorter secrets are masked only where they are recognized.
const shortKnown = 8

// learn remembers a secret that is long and strange enough not to be a word of the program too.
func (k *known) learn(rule, secret string, clock int64) {
	if rule == "placeholder" || rule == "unfinished-token" || len(secret) < shortKnown || len(secret) > 4<<10 ||
		digits(secret) == 0 && len(secret) < 20 && !strings.ContainsAny(secret, "!@#$%^&*+/?") {
		return
	}
	if s := k.all[secret]; s != nil {
		s.seen = clock
		return
	}
	if len(k.all) >= maxKnown && !k.forget(clock) {
		return // all of them are in use: what is recognized by itself still is
	}
	if k.all == nil {
		k.words, k.all = map[string][]*knownSecret{}, map[string]*knownSecret{}
	}
	k.count++
	k.put(&knownSecret{strings.Clone(secret), clock})
}

func (k *known) put(s *knownSecret) {
	k.all[s.text] = s
	g := gram(s.text[0], s.text[1], s.text[2])
	k.grams[g>>6] |= 1 << (g & 63)
	k.words[s.text[:shortKnown]] = append(k.words[s.text[:shortKnown]], s)
}

// forget drops the half that was not seen for longest, and reports whether there is room now.
func (k *known) forget(clock int64) bool {
	const lately = 64 // texts
	list := slices.SortedFunc(maps.Values(k.all), func(a, b *knownSecret) int { return cmp.Compare(b.seen, a.seen) })
	keep := list[:len(list)/2]
	for _, s := range list[len(list)/2:] {
		if s.seen > clock-lately {
			keep = append(keep, s)
		}
	}
	if len(keep) == len(list) {
		return false
	}
	k.grams = [1 << 10]uint64{}
	clear(k.words)
	clear(k.all)
	for _, s := range keep {
		k.put(s)
	}
	return true
}

// common is how many bytes a and b begin with that are the same.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func (k *known) find(found []Finding, text string, clock int64) []Finding {
	for i := 0; i+shortKnown <= len(text); i++ {
		g := gram(text[i], text[i+1], text[i+2])
		if k.grams[g>>6]&(1<<(g&63)) == 0 {
			continue
		}
		for _, s := range k.words[text[i:i+shortKnown]] {
			n := common(text[i:], s.text)
			if n == len(s.text) || (i == 0 || !isWord(text[i-1])) && digits(s.text[:n]) > 0 {
				s.seen = clock
				found = append(found, Finding{"seen-before", i, i + n})
			}
		}
	}
	return found
}

// typed are the latest states of secrets that somebody types: other parts of a prompt, such as the latest edits, show
// them without the cursor that gives them away.
type typed struct {
	count int
	list  []typedState
}

type typedState struct {
	text string
	at   int64 // Masker.clock
}

const (
	maxTyped     = 64
	shortTyped   = 5   // bytes: less is found in any text
	typedForLong = 500 // texts
)

// note remembers what was found at the cursor.
func (t *typed) note(found []Finding, text string, cut int, clock int64) {
	for _, f := range found {
		if f.Start > cut || f.End < cut || f.End-f.Start < shortTyped || f.End-f.Start > 4<<10 || f.Rule == "placeholder" {
			continue
		}
		s := text[f.Start:f.End]
		if slices.ContainsFunc(t.list, func(o typedState) bool { return o.text == s }) {
			continue
		}
		if len(t.list) >= maxTyped {
			t.list = t.list[1:]
		}
		t.list = slices.DeleteFunc(t.list, func(o typedState) bool { return strings.HasPrefix(s, o.text) }) // it is found as the beginning of this one
		t.list = append(t.list, typedState{strings.Clone(s), clock})
		t.count++
	}
}

func (t *typed) find(found []Finding, text string, clock int64) []Finding {
	for len(t.list) > 0 && t.list[0].at < clock-typedForLong {
		t.list = t.list[1:]
	}
	for _, s := range t.list {
		for at := 0; ; {
			i := strings.Index(text[at:], s.text[:shortTyped])
			if i < 0 {
				break
			}
			at += i
			n := common(text[at:], s.text)
			if at == 0 || !isWord(text[at-1]) {
				found = append(found, Finding{"unfinished-token", at, at + n})
			}
			at += n
		}
	}
	return found
}
