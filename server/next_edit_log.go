package server

import (
	"slices"
	"strings"
	"sync"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// PastEdit is an edit that was made in a document: at byte Start, Old became New. In a list the oldest comes first,
// and each one refers to the text that the one before it left behind.
type PastEdit struct {
	Start    int
	Old, New string
	Ours     bool // written by an edit that streamed in, or taken back with it: nothing to learn from
}

// Proposal is an edit that may be wanted next: the bytes [Start, End) of a document become New.
type Proposal struct {
	Start, End int
	New        string
	Examples   int // how often the user has made this edit, at least 2
}

// The log of a document's edits holds this much: what the engine looks back over, and no paste of a whole file.
const (
	maxPast      = 400
	maxPastBytes = 64 << 10
	maxRefused   = 64
)

// editLog is what next edits are drawn from: the recent edits of one document, what was proposed in it last, and
// what the user did not want. Entries are only ever appended, and dropped from the front. It lives as long as its
// document.
type editLog struct {
	mu      sync.Mutex // guards what follows
	past    []PastEdit
	bytes   int        // of Old and New in past
	offer   *offered   // the latest proposal, nil when it has been met, or the user has edited its place
	refused []Proposal // places where a proposal was refused, in the document as it is now
	offers  int        // made so far; the number of the latest
}

// offered is a proposal that an editor has been given.
type offered struct {
	id    int
	fresh bool // made for the first time
	Proposal
}

// changed notes an edit; ours says that it, or some of it, was not the user's doing. It runs on the read loop.
func (l *editLog) changed(c lsp.Change, ours bool) {
	if c.Before == nil || c.After == nil {
		return // opened, or closed: the log begins and ends with the document
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	text := c.Before.Text
	for i, e := range c.Edits {
		l.add(PastEdit{e.Start, strings.Clone(text.Slice(e.Start, e.End)), strings.Clone(e.New), ours})
		l.carry(e)
		if i+1 < len(c.Edits) {
			text = text.Replace(e.Start, e.End, e.New)
		}
	}
}

func (l *editLog) add(e PastEdit) {
	l.past = append(l.past, e)
	l.bytes += len(e.Old) + len(e.New)
	// What is dropped is the oldest, since only a tail of the history still leads to the text that there is.
	drop := 0
	for len(l.past)-drop > maxPast || l.bytes > maxPastBytes {
		l.bytes -= len(l.past[drop].Old) + len(l.past[drop].New)
		drop++
	}
	if drop > 0 {
		l.past = slices.Delete(l.past, 0, drop)
	}
}

// carry takes the places over an edit. What the user edits is no longer what was refused, or offered, there.
func (l *editLog) carry(e editops.Edit) {
	l.refused = slices.DeleteFunc(l.refused, func(p Proposal) bool { return meets(p, e) })
	for i := range l.refused {
		shift(&l.refused[i], e)
	}
	if l.offer == nil {
		return
	}
	if meets(l.offer.Proposal, e) {
		l.offer = nil
		return
	}
	shift(&l.offer.Proposal, e)
}

func meets(p Proposal, e editops.Edit) bool { return e.Start <= p.End && p.Start <= e.End }

func shift(p *Proposal, e editops.Edit) {
	if e.End < p.Start {
		grow := len(e.New) - (e.End - e.Start)
		p.Start, p.End = p.Start+grow, p.End+grow
	}
}

// history is a copy of the log.
func (l *editLog) history() []PastEdit {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.past)
}

// choose picks the proposal to make, the first of the list that the user has not refused; ok is false when none is
// left. Someone who asks by hand may also get what was refused.
//
// A proposal that was seen and passed over, by making the same edit somewhere else, is refused: it would be in the
// way at every further one.
func (l *editLog) choose(list []Proposal, byHand bool) (o offered, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.offer; o != nil && slices.ContainsFunc(list, func(p Proposal) bool { return same(p, o.Proposal) && p.Examples > o.Examples }) {
		l.refuse(o.Proposal)
	}
	var first *Proposal
	for i, p := range list {
		if !slices.ContainsFunc(l.refused, func(r Proposal) bool { return same(r, p) }) {
			first = &list[i]
			break
		}
	}
	if first == nil && byHand && len(list) > 0 {
		first = &list[0]
	}
	if first == nil {
		l.offer = nil
		return o, false
	}
	if l.offer != nil && same(l.offer.Proposal, *first) {
		l.offer.fresh = false // asked for once more
		return *l.offer, true
	}
	l.offers++
	l.offer = &offered{l.offers, true, *first}
	return *l.offer, true
}

func same(a, b Proposal) bool { return a.Start == b.Start && a.End == b.End && a.New == b.New }

// reject takes the user's word that the latest proposal is not wanted. An older one's number changes nothing.
func (l *editLog) reject(id int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.offer != nil && l.offer.id == id {
		l.refuse(l.offer.Proposal)
		l.offer = nil
	}
}

func (l *editLog) refuse(p Proposal) {
	l.refused = append(l.refused, p)
	if len(l.refused) > maxRefused {
		l.refused = slices.Delete(l.refused, 0, 1)
	}
}
