package prompt

import (
	"fmt"
	"slices"
	"strings"
)

// Source says where a part of a prompt comes from. It is the name under which `spark-lsp prompt`, the log and the
// settings speak of it.
type Source string

const (
	Task        Source = "task"        // ours: what kind of answer is wanted
	Rules       Source = "rules"       // the user's own (setting rules)
	Notes       Source = "notes"       // the repository's own instructions: AGENTS.md and its like. Data, never orders.
	Git         Source = "git"         // the branch
	Definitions Source = "definitions" // of what is named near the cursor, from other files
	Similar     Source = "similar"     // passages of other open documents that resemble the place
	Snapshot    Source = "snapshot"    // the document as it was when its base was made
	Below       Source = "below"       // the document behind the cursor's line
	Edits       Source = "edits"       // what was edited lately, the oldest first
	Above       Source = "above"       // the document up to the cursor
	Around      Source = "around"      // the document round the region of an edit
	Selection   Source = "selection"   // the region of an edit
	Request     Source = "request"     // the user's instruction, with what the editor's checkers report
)

// Snippet is one piece of context that may help. Of one Source the most useful comes first (of Edits, the oldest):
// what does not fit the budget is left out from the other end.
type Snippet struct {
	Source Source
	Path   string // the file it is from, slash-separated, relative to the workspace; "" when there is none
	Line   int    // where it begins there, from 1; 0 when that means nothing
	Text   string
	Why    string // for a person: "defines parseHeader, named at the cursor"

	// Of an edit in the document itself: where its result stands in Input.Text, bytes, and whether it was made after
	// the snapshot, which says the wrong thing without it.
	Start, End int
	Since      bool
}

// kind says which of the budgets is in force.
type kind uint8

const (
	completion kind = iota
	editing
)

// budget bounds what one source gives to a prompt. Neighbours share: what a source leaves unused of its part goes to
// those below it in the table.
type budget struct {
	source Source
	tag    string // the element it is written in
	tokens [2]int // for a completion, for everything else
	stable bool   // it can stand in a warmed base
	whole  bool   // a piece that does not fit is left out; others are shortened at the end of a line
}

// budgets is the one table of what a prompt may hold, in the order in which it stands there: what changes least comes
// first, so that a warmed base and an endpoint's cache of prefixes cover as much as they can. The sum of the
// stable ones is what Input.ContextTokens stands for.
var budgets = []budget{
	{Rules, "rules", [2]int{300, 800}, true, false},
	{Notes, "notes", [2]int{400, 1600}, true, false},
	{Git, "git", [2]int{20, 100}, true, false},
	{Definitions, "definitions", [2]int{780, 3500}, true, true},
	{Similar, "similar", [2]int{500, 2000}, true, true},
	{Edits, "edits", [2]int{500, 1200}, false, true},
}

// Tokens of the document itself. With a snapshot in the base a completion's windows are small, because they are all
// that a keystroke sends.
const (
	snapshotTokens = 20_000
	nearAbove      = 350
	nearBelow      = 150
	farAbove       = 1800
	farBelow       = 600
	aroundEdit     = 6000
	aroundHunks    = 24_000 // changes can only come in what is shown
	freshTokens    = 250    // definitions and similar passages that a base does not hold yet
)

// defaultContextTokens are how many tokens of other files and of instructions a prompt holds: a completion, and
// anything else.
var defaultContextTokens = [2]int{2000, 8000}

// Part is an entry of the account of a prompt: what is in it, or was left out, and why.
type Part struct {
	Source Source
	Path   string
	Line   int
	Why    string
	Tokens int  // of its text, without what frames it
	Base   bool // it stands in the base
}

// tokens counts with the Input's counter.
func (in *Input) tokens(s string) int {
	if in.Count == nil {
		return estimate(s)
	}
	return in.Count(s)
}

// estimate is on the safe side: code has three to four bytes a token.
func estimate(s string) int { return (len(s) + 2) / 3 }

// limit is a source's own budget.
func (in *Input) limit(b budget, k kind) int {
	n := b.tokens[k]
	want := in.ContextTokens
	if !b.stable || want == 0 {
		return n
	}
	return n * want / defaultContextTokens[k]
}

// writer puts one prompt together and keeps the account of it.
type writer struct {
	in    *Input
	kind  kind
	b     strings.Builder // of the message in the making
	base  bool            // that message belongs to the base
	parts []Part
	cut   []Part
}

// add writes text and accounts for it.
func (w *writer) add(p Part, text string) {
	w.b.WriteString(text)
	p.Base = w.base
	w.parts = append(w.parts, p)
}

// context writes what the sources have to say: those that are stable, or the others. It is how every kind of
// prompt gets its context. room, unless 0, bounds all of it together; held is what the model knows already.
func (w *writer) context(stable bool, room int, held map[string]bool) {
	spare := 0
	for _, b := range budgets {
		if b.stable != stable {
			continue
		}
		limit := w.in.limit(b, w.kind)
		if stable {
			limit += spare
		}
		if room > 0 {
			limit = min(limit, room)
		}
		chosen, used := w.choose(b, limit, held)
		w.section(b, chosen)
		spare = limit - used
		if room > 0 {
			if room -= used; room <= 0 {
				return
			}
		}
	}
}

// sized is a snippet that was chosen, and its tokens.
type sized struct {
	Snippet
	tokens int
}

// choose takes what fits of one source, and accounts for what does not. used is the sum of the tokens.
func (w *writer) choose(b budget, limit int, held map[string]bool) (chosen []sized, used int) {
	list := w.in.Context
	if b.source == Edits {
		list = slices.Clone(list)
		slices.Reverse(list) // the latest have the first claim
	}
	for _, s := range list {
		if s.Source != b.source || s.Text == "" || held[s.key()] {
			continue
		}
		n := w.in.tokens(s.Text)
		part := Part{Source: s.Source, Path: s.Path, Line: s.Line, Why: s.Why, Tokens: n}
		if used+n > limit {
			if b.whole || limit-used < leastPiece {
				w.cut = append(w.cut, part)
				continue
			}
			all := n
			s.Text, n = w.in.shorten(s.Text, limit-used)
			part.Tokens = all - n
			part.Why = strings.TrimPrefix(part.Why+"; its end", "; ")
			w.cut = append(w.cut, part)
		}
		used += n
		chosen = append(chosen, sized{s, n})
	}
	switch b.source {
	case Edits:
		slices.Reverse(chosen) // and stand last
	case Definitions, Similar:
		// In the order of files, not of worth: a new favourite must not move all that stands behind it.
		slices.SortStableFunc(chosen, func(a, b sized) int {
			if c := strings.Compare(a.Path, b.Path); c != 0 {
				return c
			}
			return a.Line - b.Line
		})
	}
	return chosen, used
}

// leastPiece is the room, in tokens, below which a text is left out rather than shortened.
const leastPiece = 40

// section writes one source. Definitions of one file share an element, and so do all edits.
func (w *writer) section(b budget, chosen []sized) {
	for len(chosen) > 0 {
		first, n := chosen[0], 1
		for n < len(chosen) && (b.source == Edits || b.source == Definitions && chosen[n].Path == first.Path) {
			n++
		}
		texts := make([]string, n)
		for i, s := range chosen[:n] {
			text := cleanMarks(modelText(s.Text))
			if !strings.HasSuffix(text, "\n") {
				text += "\n"
			}
			if b.source == Edits {
				text = title(s.Snippet) + "\n" + text
			}
			texts[i] = text
		}
		tag := elementFor(b.tag, strings.Join(texts, ""))
		if first.Path != "" && b.source != Edits {
			fmt.Fprintf(&w.b, "<%s path=%q>\n", tag, first.Path)
		} else {
			fmt.Fprintf(&w.b, "<%s>\n", tag)
		}
		for i, s := range chosen[:n] {
			w.add(Part{Source: s.Source, Path: s.Path, Line: s.Line, Why: s.Why, Tokens: s.tokens}, texts[i])
		}
		fmt.Fprintf(&w.b, "</%s>\n", tag)
		chosen = chosen[n:]
	}
}

// key tells two snippets apart, for what a base holds.
func (s *Snippet) key() string {
	return string(s.Source) + "\x00" + s.Path + "\x00" + s.Text
}

// title names the place of an edit.
func title(s Snippet) string {
	if s.Line > 0 {
		return fmt.Sprintf("--- %s:%d", quietPath(s.Path), s.Line)
	}
	return "--- " + quietPath(s.Path)
}

// quietPath is a path on one line: a file's name may hold any byte.
func quietPath(p string) string {
	if q := fmt.Sprintf("%q", p); q[1:len(q)-1] != p {
		return q
	}
	return p
}

// elementFor is a tag that a text can neither open nor close: what another file says must not pass for something of ours.
func elementFor(tag, text string) string {
	t := tag
	used := func(t string) bool {
		return strings.Contains(text, "</"+t+">") || strings.Contains(text, "<"+t+">") || strings.Contains(text, "<"+t+" ")
	}
	for n := 2; used(t); n++ {
		t = fmt.Sprintf("%s%d", tag, n)
	}
	return t
}

// cleanMarks keeps our marks out of the text of others, where they would point at the wrong place.
func cleanMarks(s string) string {
	if strings.Contains(s, CursorMark) {
		s = strings.ReplaceAll(s, CursorMark, "<| cursor |>")
	}
	return s
}

// shorten keeps the beginning of a text, whole lines of at most so many tokens.
func (in *Input) shorten(text string, most int) (string, int) {
	lines := strings.SplitAfter(text, "\n")
	used, n := 0, 0
	for _, l := range lines {
		t := in.tokens(l)
		if used+t > most {
			break
		}
		used += t
		n += len(l)
	}
	if n == 0 { // one line is too much
		return Whole(text, 2*most), most
	}
	return text[:n], used
}
