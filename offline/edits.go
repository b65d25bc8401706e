package offline

import (
	"cmp"
	"slices"
	"strings"
)

// Change is one edit that the user made: at byte Start, Old became New. In a list the oldest comes first, and
// each one refers to the text that the one before it left behind.
type Change struct {
	Start    int
	Old, New string
	Ours     bool // not the user's doing: it is no example
}

// Proposal is an edit that would repeat what the user did: the bytes [Start, End) of the text become New.
type Proposal struct {
	Start, End int
	New        string
	Examples   int // how often the user has made this edit, at least 2
}

const (
	reach        = 128 << 10 // bytes to either side of the latest edit in which places are looked for
	maxChanges   = 400       // keystrokes that are looked back
	maxContext   = 4         // tokens to either side by which a place must resemble the examples
	maxProposals = 50
	maxEdit      = 400 // bytes of an edit worth repeating
)

// RepeatedEdits returns where else in text the user's latest edit might be wanted, when the user has made
// the same edit of tokens at least twice: nearest below the latest one first, then from the top. It is the
// only next edit that the engine proposes, since it is the only one that it has grounds for.
//
// text is the text after all changes. A place is offered when the tokens replaced are the same, blanks included, and
// the tokens around are alike as far as the examples are alike; names in which the examples differ may
// differ there too. Nothing is offered inside of what was just edited, nor what would undo a recent edit.
func RepeatedEdits(path, language, text string, changes []Change) []Proposal {
	if len(changes) > maxChanges {
		changes = changes[len(changes)-maxChanges:]
	}
	regions := join(changes)
	if len(regions) < 2 {
		return nil
	}
	syn := syntaxOf(path, language)
	slices.SortFunc(regions, func(a, b region) int { return cmp.Compare(b.time, a.time) })
	var edits []tokenEdit
	var here region // of the latest one
	for _, r := range regions {
		if r.ours {
			continue
		}
		if e, ok := tokenise(syn, text, r); ok {
			if len(edits) == 0 {
				here = r
			}
			edits = append(edits, e)
		} else if len(edits) == 0 {
			return nil // what the user is at now is not an edit that can be repeated
		}
	}
	if len(edits) < 2 {
		return nil
	}
	latest := edits[0]
	examples := 1
	for _, e := range edits[1:] {
		switch {
		case e.old == latest.new && e.new == latest.old:
			return nil // to and fro: no direction to go on in
		case e.old == latest.old && e.new == latest.new && e.bare == latest.bare:
			latest.generalise(e)
			examples++
		}
	}
	if examples < 2 || !latest.specific(syn) {
		return nil
	}
	return latest.places(syn, text, here, regions, examples)
}

// region is a stretch [start, end) of the text that was old before the changes.
type region struct {
	start, end int
	old        string
	time       int  // index of the change that touched it last
	ours       bool // somebody else than the user had a hand in it
}

// join makes regions of changes, so that a word typed letter by letter is one.
func join(changes []Change) []region {
	var list []region // sorted, apart from each other
	for time, c := range changes {
		from, to := c.Start, c.Start+len(c.Old)
		i := 0
		for i < len(list) && list[i].end < from {
			i++
		}
		j := i
		for j < len(list) && list[j].start <= to {
			j++
		}
		merged := region{start: from, end: to, time: time, ours: c.Ours}
		var old strings.Builder
		at := from
		for _, r := range list[i:j] {
			if r.start > at {
				old.WriteString(c.Old[at-from : r.start-from])
			}
			old.WriteString(r.old)
			at = max(at, r.end)
			merged.start, merged.end = min(merged.start, r.start), max(merged.end, r.end)
			merged.ours = merged.ours || r.ours
		}
		if at < to {
			old.WriteString(c.Old[at-from:])
		}
		merged.old = old.String()
		shift := len(c.New) - len(c.Old)
		merged.end += shift
		rest := slices.Clone(list[j:])
		for k := range rest {
			rest[k].start += shift
			rest[k].end += shift
		}
		list = append(append(list[:i], merged), rest...)
	}
	return list
}

// piece is one token of a text.
type piece struct {
	text       string
	kind       kind
	start, end int
}

func tokensOf(syn *syntax, text string, offset int) []piece {
	var list []piece
	lx := lexer{syntax: syn, text: text}
	for lx.next() {
		list = append(list, piece{text[lx.start:lx.end], lx.kind, offset + lx.start, offset + lx.end})
	}
	return list
}

// tokenEdit is a change of whole tokens: between two tokens that stayed, old became new, blanks included.
type tokenEdit struct {
	old, new    string
	bare        bool // old and new begin and end with a token, the blanks around them do not matter
	time        int
	left, right []hint // tokens around, nearest first
}

// hint is what a token near a place must be.
type hint struct {
	text string // "" when only the kind counts
	kind kind
}

// tokenise widens a region to tokens.
func tokenise(syn *syntax, text string, r region) (tokenEdit, bool) {
	if r.end > len(text) || r.start > r.end {
		return tokenEdit{}, false // not the text after these changes
	}
	from := lineBefore(text, r.start, 1)
	to := lineAfter(text, r.end, 1)
	oldText := text[from:r.start] + r.old + text[r.end:to]
	newText := text[from:to]
	was, is := tokensOf(syn, oldText, 0), tokensOf(syn, newText, 0)
	head := 0
	for head < min(len(was), len(is)) && was[head].text == is[head].text && was[head].end <= r.start-from {
		head++
	}
	tail := 0
	for tail < min(len(was), len(is))-head && was[len(was)-1-tail].text == is[len(is)-1-tail].text &&
		is[len(is)-1-tail].start >= r.end-from {
		tail++
	}
	// The region may hold tokens that did not change.
	for head < min(len(was), len(is))-tail && was[head].text == is[head].text {
		head++
	}
	for tail < min(len(was), len(is))-head && was[len(was)-1-tail].text == is[len(is)-1-tail].text {
		tail++
	}
	if len(was) == head+tail && len(is) == head+tail {
		return tokenEdit{}, false // blanks or comments
	}
	e := tokenEdit{time: r.time}
	e.old, e.new = between(oldText, was, head, tail), between(newText, is, head, tail)
	if len(was) > head+tail && len(is) > head+tail {
		// One token for another: the blanks around are the place's own, unless they changed as well.
		before, after := was[head].start-gapStart(was, head), gapEnd(oldText, was, tail)-was[len(was)-1-tail].end
		if before <= len(e.new) && after <= len(e.new)-before && e.old[:before] == e.new[:before] && e.old[len(e.old)-after:] == e.new[len(e.new)-after:] {
			e.old, e.new, e.bare = e.old[before:len(e.old)-after], e.new[before:len(e.new)-after], true
		}
	}
	if e.old == e.new || len(e.old) > maxEdit || len(e.new) > maxEdit {
		return tokenEdit{}, false
	}
	for i := head - 1; i >= 0 && len(e.left) < maxContext && is[i].kind != newline; i-- {
		e.left = append(e.left, hint{is[i].text, is[i].kind})
	}
	for i := len(is) - tail; i < len(is) && len(e.right) < maxContext && is[i].kind != newline; i++ {
		e.right = append(e.right, hint{is[i].text, is[i].kind})
	}
	return e, true
}

// between returns the text from the end of the last token that stayed before to the start of the first one after.
func between(text string, list []piece, head, tail int) string {
	return text[gapStart(list, head):gapEnd(text, list, tail)]
}

func gapStart(list []piece, head int) int {
	if head == 0 {
		return 0
	}
	return list[head-1].end
}

func gapEnd(text string, list []piece, tail int) int {
	if tail == 0 {
		return len(text)
	}
	return list[len(list)-tail].start
}

// generalise keeps of the surroundings what another example has too.
func (e *tokenEdit) generalise(other tokenEdit) {
	e.left = common(e.left, other.left)
	e.right = common(e.right, other.right)
}

func common(a, b []hint) []hint {
	n := 0
	for n < min(len(a), len(b)) && a[n].kind == b[n].kind {
		if a[n].text != b[n].text {
			if a[n].kind == punct {
				break
			}
			a[n].text = ""
		}
		n++
	}
	return a[:n]
}

// specific reports whether the edit says enough to find its places, and drops the surroundings that it does
// not need: an edit of a name or a literal is known by that, a dot before it and the punctuation after it; any
// other one must hold on to a word and a second token around it.
func (e *tokenEdit) specific(syn *syntax) bool {
	for _, t := range tokensOf(syn, e.old, 0) {
		if t.kind == ident && len(t.text) > 1 && !keywords[t.text] || t.kind == literal && len(t.text) > 2 {
			e.left = firstIf(e.left, func(h hint) bool { return roleOf(h.text, h.kind) == selector })
			e.right = firstIf(e.right, func(h hint) bool { return h.kind == punct })
			return true
		}
	}
	words, marks := 0, 0
	for _, list := range [][]hint{e.left, e.right} {
		for _, h := range list {
			if h.text == "" {
				continue
			}
			if marks++; h.kind != punct {
				words++
			}
		}
	}
	return words > 0 && marks > 1
}

func firstIf(list []hint, want func(hint) bool) []hint {
	if len(list) > 0 && want(list[0]) {
		return list[:1]
	}
	return nil
}

// places finds where the edit fits that was made here last.
func (e *tokenEdit) places(syn *syntax, text string, here region, regions []region, examples int) []Proposal {
	from := lineBefore(text, max(0, here.start-reach), 0)
	to := lineAfter(text, min(len(text), here.end+reach), 0)
	list := tokensOf(syn, text[from:to], from)
	old := tokensOf(syn, e.old, 0)
	var found []Proposal
	for i := 0; i+len(old) <= len(list); i++ {
		if !e.fits(list, i, len(old)) {
			continue
		}
		start, end := from, to
		if i > 0 {
			start = list[i-1].end
		}
		if i+len(old) < len(list) {
			end = list[i+len(old)].start
		}
		if e.bare {
			start, end = list[i].start, list[i+len(old)-1].end
		}
		if text[start:end] != e.old || touches(regions, start, end) {
			continue
		}
		if len(found) > 0 && found[len(found)-1].End > start {
			continue
		}
		found = append(found, Proposal{start, end, e.new, examples})
	}
	// What lies below comes first, as one works downwards.
	below, _ := slices.BinarySearchFunc(found, here.start, func(p Proposal, at int) int { return cmp.Compare(p.Start, at) })
	found = append(slices.Clone(found[below:]), found[:below]...)
	return trimmed(found[:min(len(found), maxProposals)], e.old)
}

// trimmed leaves out the blanks that old and new have in common at the ends, so that the edit shown is the edit meant.
func trimmed(list []Proposal, old string) []Proposal {
	head, tail := 0, 0
	for i := range list {
		p := &list[i]
		if i == 0 {
			for head < min(len(old), len(p.New)) && old[head] == p.New[head] && isBlank(old[head]) {
				head++
			}
			for tail < min(len(old), len(p.New))-head && old[len(old)-1-tail] == p.New[len(p.New)-1-tail] && isBlank(old[len(old)-1-tail]) {
				tail++
			}
		}
		p.Start += head
		p.End -= tail
		p.New = p.New[head : len(p.New)-tail]
	}
	return list
}

func (e *tokenEdit) fits(list []piece, i, n int) bool {
	for k, h := range e.left {
		if i-1-k < 0 || !h.allows(list[i-1-k]) {
			return false
		}
	}
	for k, h := range e.right {
		if i+n+k >= len(list) || !h.allows(list[i+n+k]) {
			return false
		}
	}
	return true
}

func (h hint) allows(p piece) bool { return h.kind == p.kind && (h.text == "" || h.text == p.text) }

// touches reports whether [start, end) meets something that the user just edited.
func touches(regions []region, start, end int) bool {
	return slices.ContainsFunc(regions, func(r region) bool { return start <= r.end && r.start <= end })
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// lineBefore returns the start of the line that lies n lines above the one of i.
func lineBefore(text string, i, n int) int {
	for {
		i = strings.LastIndexByte(text[:i], '\n')
		if i < 0 {
			return 0
		}
		if n--; n < 0 {
			return i + 1
		}
	}
}

// lineAfter returns the end of the line that lies n lines below the one of i.
func lineAfter(text string, i, n int) int {
	for {
		k := strings.IndexByte(text[i:], '\n')
		if k < 0 {
			return len(text)
		}
		if n--; n < 0 {
			return i + k
		}
		i += k + 1
	}
}
