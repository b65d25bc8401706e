package server

import (
	"slices"
	"strings"
	"sync"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
)

// recentEdits is what was edited lately in all open documents, in the order in which it happened: the cheapest and the
// best sign of what comes next. It is append-only, so that in a prompt it only grows at its end; only the latest
// stretch still changes while somebody types on in it. It lives as long as the server.
type recentEdits struct {
	mu   sync.Mutex // guards what follows
	list []*stretch
	// lost is, by document, the latest version whose stretches are not all in the list any more.
	lost map[string]int32
}

// stretch is a part of a document that was edited in one go: each edit touched or adjoined the lines of those before.
type stretch struct {
	uri         string
	before      *lsp.Text // the document as it was
	from, to    int       // what was edited of before, bytes
	after       *lsp.Text // the document when the last edit of the stretch had been made
	start, end  int       // what has become of it, bytes of after
	began       int32     // the version of before
	version     int32     // of after
	place       [2]int    // where that stands in the document as it is now
	sealed      bool      // it is finished
	shown       bool      // snippet is made
	short       bool      // it says less than what happened
	snippet     prompt.Snippet
	placeIsGone bool // later edits reach into it
}

const (
	maxStretches = 64
	// What a prompt shows of one stretch, lines and bytes of a line.
	maxStretchLines = 40
	maxStretchLine  = 400
)

// changed notes what happened to a document. It runs on the read loop.
func (r *recentEdits) changed(c lsp.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	uri := c.Document().URI
	if c.Before == nil || c.After == nil { // what was edited in a document that is closed may go on elsewhere
		for _, st := range r.list {
			st.sealed = st.sealed || st.uri == uri
		}
		if c.After != nil {
			r.list = slices.DeleteFunc(r.list, func(st *stretch) bool { return st.uri == uri }) // versions begin anew
			delete(r.lost, uri)
		}
		return
	}
	start, end, grown := 0, 0, 0
	switch len(c.Edits) {
	case 0:
		return
	case 1:
		e := c.Edits[0]
		start, end, grown = e.Start, e.End, len(e.New)-(e.End-e.Start)
	default: // several cursors, a rename: one stretch
		set, err := editops.FromSequential(c.Before.Text.Len(), c.Edits)
		if err != nil {
			return
		}
		var ok bool
		if start, end, ok = set.Hull(); !ok {
			return
		}
		grown = c.After.Text.Len() - c.Before.Text.Len()
	}
	var last *stretch
	if n := len(r.list); n > 0 && r.list[n-1].uri == uri && !r.list[n-1].sealed {
		last = r.list[n-1]
	}
	if last == nil || !adjoins(c.Before.Text, last, start, end) {
		if last != nil {
			last.sealed = true
		} else if n := len(r.list); n > 0 {
			r.list[n-1].sealed = true
		}
		last = &stretch{uri: uri, began: c.Before.Version, before: c.Before.Text, from: start, to: end, start: start, end: start}
		last.end = end
		r.list = append(r.list, last)
		if len(r.list) > maxStretches {
			if r.lost == nil {
				r.lost = map[string]int32{}
			}
			r.lost[r.list[0].uri] = r.list[0].version
			r.list = slices.Delete(r.list, 0, 1)
		}
	}
	if start < last.start {
		last.from -= last.start - start
		last.start = start
	}
	if end > last.end {
		last.to += end - last.end
		last.end = end
	}
	last.end += grown
	last.after, last.version, last.shown = c.After.Text, c.After.Version, false
	last.place = [2]int{last.start, last.end}
	for _, st := range r.list {
		if st == last || st.uri != uri || st.placeIsGone {
			continue
		}
		switch {
		case end <= st.place[0]:
			st.place[0], st.place[1] = st.place[0]+grown, st.place[1]+grown
		case start >= st.place[1]:
		default:
			st.placeIsGone = true
		}
	}
}

// adjoins reports whether an edit of a text goes on with a stretch: on the same lines, or on the next.
func adjoins(t *lsp.Text, st *stretch, start, end int) bool {
	return t.LineAt(start) <= t.LineAt(st.end)+1 && t.LineAt(end)+1 >= t.LineAt(st.start)
}

// seal ends the stretch that a document is being edited in: a snapshot of the document is made, and the edits from now
// on are told as changes of that.
func (r *recentEdits) seal(uri string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.list); n > 0 && r.list[n-1].uri == uri {
		r.list[n-1].sealed = true
	}
}

// snippets is what a prompt for a document may say of the log, the oldest first. Edits of the document after version
// since are marked as such; complete says whether all of them are known. Of other documents, and from before, come
// the latest few of those that allowed lets through.
func (r *recentEdits) snippets(uri string, since int32, allowed func(uri string) (path string, ok bool)) (list []prompt.Snippet, complete bool) {
	const others = 6
	r.mu.Lock()
	defer r.mu.Unlock()
	complete = r.lost[uri] <= since
	n := 0
	for _, st := range slices.Backward(r.list) {
		after := st.uri == uri && st.version > since
		if !after && n >= others {
			continue
		}
		path, ok := allowed(st.uri)
		if !ok {
			continue
		}
		if !st.shown {
			st.snippet, st.short = st.render()
			st.shown = true
		}
		// One that goes on over that version does not say what became of the text of then.
		complete = complete && !(after && (st.short || st.began < since))
		s := st.snippet
		if s.Text == "" && !after {
			continue
		}
		if !after {
			n++
		}
		s.Path, s.Since = path, after
		if st.uri == uri && !st.placeIsGone {
			s.Start, s.End = st.place[0], st.place[1]
		} else {
			s.Start, s.End = -1, -1
		}
		list = append(list, s)
	}
	slices.Reverse(list)
	return list, complete
}

// render shows a stretch as lines that went and lines that came.
func (st *stretch) render() (snippet prompt.Snippet, short bool) {
	lines := func(t *lsp.Text, from, to int) []string {
		a, b := t.LineAt(from), t.LineAt(to)
		var list []string
		for n := a; n <= b; n++ {
			if n-a == maxStretchLines {
				short = true
				break
			}
			line := t.Line(n)
			if len(line) > maxStretchLine {
				line = prompt.Whole(line, maxStretchLine) + "…"
				short = true
			}
			list = append(list, line)
		}
		return list
	}
	old, new := lines(st.before, st.from, st.to), lines(st.after, st.start, st.end)
	at := st.after.LineAt(st.start)
	for len(old) > 0 && len(new) > 0 && old[0] == new[0] {
		old, new, at = old[1:], new[1:], at+1
	}
	for len(old) > 0 && len(new) > 0 && old[len(old)-1] == new[len(new)-1] {
		old, new = old[:len(old)-1], new[:len(new)-1]
	}
	var b strings.Builder
	for _, l := range old {
		b.WriteString("-" + l + "\n")
	}
	for _, l := range new {
		b.WriteString("+" + l + "\n")
	}
	return prompt.Snippet{Source: prompt.Edits, Line: at + 1, Text: b.String(), Why: "edited lately"}, short
}
