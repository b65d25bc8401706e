package server

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spark-lsp/spark-lsp/delivery"
	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
)

// While an edit streams, a new spark comment redirects it. It counts when the cursor leaves its line: before that the
// user is still finding the words. Whose words they are is asked of the document's machine, since a model may write such
// a comment too.

// instructedLocked looks at a change of the document for such a comment and says which edit it redirects, and how; nil
// for none. own says that the change is an edit of ours. d.mu is held, and d.doc is the document after the change.
func (d *document) instructedLocked(c lsp.Change, own bool) (*edit, *turn) {
	if c.Before == nil || len(d.steerableLocked()) == 0 {
		d.comment = place{}
		return nil, nil
	}
	if d.comment.doc != nil {
		at, err := d.nowLocked(d.comment)
		if err != nil {
			at = place{}
		}
		d.comment = at
	}
	left := false
	text := d.doc.Text
	for i, e := range c.Edits {
		from, to := e.Start, e.Start+len(e.New)
		for _, later := range c.Edits[i+1:] {
			if by := len(later.New) - (later.End - later.Start); later.Start < from {
				from, to = from+by, to+by
			}
		}
		from, to = min(max(from, 0), text.Len()), min(max(to, 0), text.Len())
		first, last := text.LineAt(from), text.LineAt(to)
		if d.comment.doc == nil {
			if n, ok := d.freshComment(c.Before, e, first, last); ok {
				d.comment = place{doc: d.doc, start: text.LineStart(n), end: text.LineStart(n)}
			}
		}
		if d.comment.doc != nil {
			n := text.LineAt(d.comment.start)
			left = left || !own && (first != n || last != n) // where one of ours is among them, nobody knows who left
		}
	}
	if !left || d.comment.doc == nil {
		return nil, nil
	}
	at := d.comment
	d.comment = place{}
	words, ok := commentLine(at)
	if !ok {
		return nil, nil // deleted again
	}
	at.end = lineBehind(at.doc.Text, at.doc.Text.LineAt(at.start))
	return d.nearestLocked(at), &turn{instruction: words, comment: at}
}

// commentLine is the instruction of the spark comment on a place's first line. Unlike elsewhere, one line is one
// comment: the line below may be the comment that began the edit, which the model has not come to yet.
func commentLine(at place) (instruction string, ok bool) {
	n := at.doc.Text.LineAt(at.start)
	return prompt.ParseComment(at.doc.Text.Slice(at.doc.Text.LineStart(n), at.doc.Text.LineEnd(n)))
}

// maxPasted bounds the lines of one change that are looked at for a comment.
const maxPasted = 100

// freshComment finds a spark comment on a line that the change e of before has touched, that the user has typed and
// that was none before. Lines are those of the document now. d.mu is held.
func (d *document) freshComment(before *lsp.Document, e editops.Edit, first, last int) (line int, ok bool) {
	old := before.Text.LineAt(min(e.Start, before.Text.Len()))
	_, was := prompt.ParseComment(before.Text.Slice(before.Text.LineStart(old), before.Text.LineEnd(old)))
	for n := first; n <= min(last, first+maxPasted); n++ {
		start, s := d.doc.Text.LineStart(n), d.doc.Text.Slice(d.doc.Text.LineStart(n), d.doc.Text.LineEnd(n))
		if _, is := prompt.ParseComment(s); !is {
			continue
		}
		word := start + strings.Index(strings.ToLower(s), "spark:")
		inside := slices.ContainsFunc(d.steerableLocked(), func(e *edit) bool {
			from, to := d.machine.Region(e.stream)
			return from <= word && word < to
		})
		// In a region the machine knows who has typed what; elsewhere a comment is new where there was none.
		if d.machine.Typed(word) && (inside || n > first || !was) {
			return n, true
		}
	}
	return 0, false
}

// steerableLocked are the edits that a comment may redirect: those that run, and one that has paused because somebody
// types where it was writing, perhaps this very comment. d.mu is held.
func (d *document) steerableLocked() []*edit {
	list := slices.Collect(maps.Values(d.running))
	if n := len(d.done); n > 0 && d.machine.State(d.done[n-1].stream) == delivery.Paused {
		list = append(list, d.done[n-1])
	}
	return list
}

// nearestLocked is the edit that a comment speaks to: the one in whose region it stands, or next to it, else the only
// one. d.mu is held.
func (d *document) nearestLocked(at place) *edit {
	list := d.steerableLocked()
	for _, e := range list {
		if start, end := d.machine.Region(e.stream); start <= at.end && at.start <= end {
			return e
		}
	}
	if len(list) == 1 {
		return list[0]
	}
	return nil
}

// removeComments takes comments away that were instructions and stand outside of the region, where the edit itself
// does not reach. What stands there now is looked at again: the user may have made something else of it.
func (s *Server) removeComments(d *document, spent []place) {
	for _, c := range spent {
		words, ok := commentLine(c)
		if !ok {
			continue
		}
		find := func() ([]editops.Edit, error) {
			at, err := d.nowLocked(c)
			if err != nil || at.start == at.end {
				return nil, nil
			}
			if now, ok := commentLine(at); !ok || now != words || at.doc.Text.LineStart(at.doc.Text.LineAt(at.start)) != at.start {
				return nil, nil
			}
			return []editops.Edit{{Start: at.start, End: at.end}}, nil
		}
		d.mu.Lock()
		edits, _ := find()
		busy := d.bringing || d.machine.Busy()
		d.mu.Unlock()
		if len(edits) > 0 && !busy {
			s.start(func(ctx context.Context) { s.bring(ctx, d, find) })
		}
	}
}
