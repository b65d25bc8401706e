package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/related"
	"github.com/spark-lsp/spark-lsp/session"
)

// contexts is what the server knows beyond the documents' own text, for prompts. It is filled in the background, after
// documents have changed, so that a keystroke only picks up what is there. It lives as long as the server.
type contexts struct {
	edits  recentEdits
	index  related.Index
	tokens session.Counter
	warmth warmth

	mu    sync.Mutex          // guards what follows
	notes map[string]note     // by directory
	heads map[string]gitState // by workspace folder
}

// note is a repository's instructions as they hold in one directory.
type note struct {
	snippet prompt.Snippet // Text "" where there are none
	read    time.Time
}

// noteNames are the files in which a repository tells a model how to work in it. The nearest directory that has one
// wins, and in it the first of these.
var noteNames = []string{"AGENTS.md", ".github/copilot-instructions.md", "CLAUDE.md", ".cursorrules"}

const (
	noteBytes = 16 << 10         // of such a file, at most
	staleNote = 10 * time.Second // after which it is looked at again
)

// notes returns the instructions that the repository has for a file. It reads files, through the privacy rules.
func (s *Server) notes(name string) (prompt.Snippet, bool) {
	root, ok := s.folderOf(name)
	if !ok {
		return prompt.Snippet{}, false // outside of every workspace nobody has put them there for us
	}
	dir := filepath.Dir(name)
	c := &s.contexts
	c.mu.Lock()
	n, ok := c.notes[dir]
	c.mu.Unlock()
	if !ok || time.Since(n.read) > staleNote {
		n = note{s.readNotes(root, dir), time.Now()}
		c.mu.Lock()
		if c.notes == nil || len(c.notes) > 1000 {
			c.notes = map[string]note{}
		}
		c.notes[dir] = n
		c.mu.Unlock()
	}
	return n.snippet, n.snippet.Text != ""
}

// forgetNotes lets the repositories' instructions be read anew.
func (c *contexts) forgetNotes() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.notes)
}

func (s *Server) readNotes(root, dir string) prompt.Snippet {
	rules := s.rulesFor(filepath.Join(root, "file"))
	for {
		for _, n := range noteNames {
			file := filepath.Join(dir, filepath.FromSlash(n))
			data, err := rules.Read(file, noteBytes+1)
			if err != nil || len(data) == 0 {
				continue
			}
			rel, err := filepath.Rel(root, file)
			if err != nil {
				continue
			}
			return prompt.Snippet{
				Source: prompt.Notes, Path: s.relativeTo(root, filepath.ToSlash(rel)),
				Text: prompt.Whole(strings.ToValidUTF8(string(data), ""), noteBytes), Why: "the repository's instructions nearest to the file",
			}
		}
		if dir == root || dir == filepath.Dir(dir) {
			return prompt.Snippet{}
		}
		dir = filepath.Dir(dir)
	}
}

// gitState is what is known of a folder's repository.
type gitState struct {
	branch string
	read   time.Time
}

// branch is the name of the branch that is checked out in a workspace folder, "" where that is not plain to see. Only
// the file that says so is read: git itself would run what the repository's configuration names.
func (s *Server) branch(root string) string {
	c := &s.contexts
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.heads[root]; ok && time.Since(h.read) < staleNote {
		return h.branch
	}
	name := ""
	file := filepath.Join(root, ".git", "HEAD")
	if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() && info.Size() < 1<<10 {
		if data, err := os.ReadFile(file); err == nil {
			ref, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "ref: refs/heads/")
			if ok && !strings.ContainsAny(ref, "\n\r\x00") {
				name = strings.ToValidUTF8(ref, "")
			}
		}
	}
	if c.heads == nil {
		c.heads = map[string]gitState{}
	}
	c.heads[root] = gitState{name, time.Now()}
	return name
}

// folderOf is the workspace folder that holds a file.
func (s *Server) folderOf(name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, root := range s.roots {
		if rel, err := filepath.Rel(root, name); err == nil && filepath.IsLocal(rel) {
			return root, true
		}
	}
	return "", false
}

// docContext is what is known beyond its text for one open document. It lives as long as the document.
type docContext struct {
	s *Server
	d *document

	wake   chan struct{} // capacity 1: something has changed
	closed chan struct{} // closed with the document

	mu       sync.Mutex        // guards what follows
	begun    bool              // follow runs
	active   bool              // it was edited, or something was asked in it: worth keeping warm
	at       int               // where somebody works in it, bytes
	lastKey  time.Time         // when it changed last
	stable   []prompt.Snippet  // rules, notes, definitions, similar passages: what was found last
	readable bool              // only then does anything of it stand in another document's prompt
	path     string            // as the model sees it
	passages *related.Passages // nil while it is not readable
	base     *prompt.Base      // in force, nil for none
	sent     []session.Part    // base as it left this machine
	renewed  time.Time         // when a base was made last
}

const (
	// refreshPause is the least time between two looks at what else a document needs, so that typing costs no core.
	refreshPause = 200 * time.Millisecond
	// similarFrom bounds the open documents that are searched for similar passages, the latest edited first.
	similarFrom = 20
	// maxPassageText is the size in bytes up to which a document is searched.
	maxPassageText = 256 << 10
)

func (c *docContext) init(s *Server, d *document) {
	c.s, c.d = s, d
	c.wake, c.closed = make(chan struct{}, 1), make(chan struct{})
}

// changed notes a change of the document. It runs on the read loop.
func (c *docContext) changed(ch lsp.Change) {
	if ch.After == nil {
		close(c.closed)
		c.mu.Lock()
		c.readable = false
		c.mu.Unlock()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastKey = time.Now()
	if ch.Before == nil {
		c.base = nil
	} else if n := len(ch.Edits); n > 0 {
		c.active = true
		c.at = ch.Edits[n-1].Start + len(ch.Edits[n-1].New)
	}
	c.wakeLocked()
}

// asked notes where something is asked for.
func (c *docContext) asked(doc *lsp.Document, at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	moved := !c.active || at < c.at-farAway || at > c.at+farAway
	c.active = true
	if c.at = at; moved {
		c.wakeLocked()
	}
}

// farAway is a distance in bytes over which other definitions may matter.
const farAway = 1 << 10

// wakeLocked lets follow look at the document anew. c.mu is held.
func (c *docContext) wakeLocked() {
	if !c.begun {
		if !c.s.hasModel(session.Completion) && !c.s.hasModel(session.Edit) {
			return // the embedded engine looks for itself
		}
		c.begun = true
		c.s.start(c.follow)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// follow keeps what is known for the document up to date, until it is closed.
func (c *docContext) follow(ctx context.Context) {
	quiet := time.NewTimer(time.Hour)
	defer quiet.Stop()
	pace := time.NewTimer(0)
	defer pace.Stop()
	for {
		select {
		case <-pace.C:
		case <-c.closed:
			return
		case <-ctx.Done():
			return
		}
		select {
		case <-c.wake:
			c.refresh()
			quiet.Reset(c.untilQuiet())
		case <-quiet.C:
			if left := c.untilQuiet(); left > 0 {
				quiet.Reset(left)
			} else {
				c.learn()
				c.renew(ctx)
			}
		case <-c.closed:
			return
		case <-ctx.Done():
			return
		}
		pace.Reset(refreshPause)
	}
}

// refresh finds what else a model should know of the document.
func (c *docContext) refresh() {
	s, d := c.s, c.d
	d.mu.Lock()
	doc := d.doc
	d.mu.Unlock()
	if doc == nil {
		return
	}
	began := time.Now()
	c.mu.Lock()
	at := min(c.at, doc.Text.Len())
	c.mu.Unlock()
	path := s.relative(doc.URI)
	var stable []prompt.Snippet
	readable := !s.secret(doc) && doc.URI != fimURI // of which nobody knows what file it is
	if readable {
		stable = s.findContext(doc, at, session.Completion)
	}
	c.mu.Lock()
	c.readable, c.path, c.stable = readable, path, stable
	known := c.passages != nil
	if !readable {
		c.passages = nil
	}
	c.mu.Unlock()
	switch {
	case !readable:
		s.contexts.index.Remove(path)
	case !known:
		c.learn()
	}
	s.log.Debug("context: found", zap.String("for", path), zap.Int("snippets", len(stable)), zap.Duration("took", time.Since(began)))
}

// learn makes the document's text known to the others: what it defines, and its passages. That takes some
// milliseconds for a large one, so it is not done while somebody types in it, but at the pauses.
func (c *docContext) learn() {
	c.d.mu.Lock()
	doc := c.d.doc
	c.d.mu.Unlock()
	c.mu.Lock()
	readable, path := c.readable, c.path
	c.mu.Unlock()
	if doc == nil || !readable || doc.Text.Len() > maxPassageText {
		return
	}
	text := doc.Text.String()
	c.s.contexts.index.Add(path, doc.LanguageID, text)
	passages := related.PassagesOf(text)
	c.mu.Lock()
	c.passages = passages
	c.mu.Unlock()
}

// findContext collects what stands in a prompt about a place of a document besides its text and the edits. It takes
// milliseconds, and reads files.
func (s *Server) findContext(doc *lsp.Document, at int, job session.Job) (list []prompt.Snippet) {
	o := s.optionsFor(doc)
	if strings.TrimSpace(o.Rules) != "" {
		list = append(list, prompt.Snippet{Source: prompt.Rules, Text: o.Rules, Why: "the setting rules"})
	}
	if name, ok := doc.Path(); ok && o.ContextInstructions {
		if n, ok := s.notes(name); ok {
			list = append(list, n)
		}
		if root, ok := s.folderOf(name); ok && job != session.Completion {
			if b := s.branch(root); b != "" {
				list = append(list, prompt.Snippet{Source: prompt.Git, Text: "The branch is " + b + ".", Why: "the branch that is checked out"})
			}
		}
	}
	if o.ContextDefinitions {
		list = append(list, s.definitions(doc, at, job)...)
	}
	if o.ContextSimilar {
		list = append(list, s.similar(doc, at)...)
	}
	return list
}

// definitions are what other files define that may be wanted at a place.
func (s *Server) definitions(doc *lsp.Document, at int, job session.Job) (list []prompt.Snippet) {
	most := 60
	if job != session.Completion {
		most = 250
	}
	lo, hi := max(0, at-maxPassageText), min(doc.Text.Len(), at+maxPassageText)
	q := related.Query{Path: s.relative(doc.URI), Language: doc.LanguageID, Text: doc.Text.Slice(lo, hi), Cursor: at - lo, Open: map[string]bool{}}
	for _, c := range s.openContexts() {
		q.Open[c.path] = true
	}
	for _, f := range s.contexts.index.Definitions(q, most) {
		list = append(list, prompt.Snippet{Source: prompt.Definitions, Path: f.Path, Line: f.Line, Text: f.Text, Why: f.Why})
	}
	return list
}

// openContext is what is known of an open document that may be read.
type openContext struct {
	uri, path string
	passages  *related.Passages
	lastKey   time.Time
}

// openContexts lists the open documents that may be read, the latest edited first.
func (s *Server) openContexts() (list []openContext) {
	for _, d := range s.documents() {
		c := &d.context
		c.mu.Lock()
		if c.readable {
			list = append(list, openContext{d.uri, c.path, c.passages, c.lastKey})
		}
		c.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b openContext) int { return b.lastKey.Compare(a.lastKey) })
	return list
}

// similar are the passages of other open documents that resemble a place, at most one of each document.
func (s *Server) similar(doc *lsp.Document, at int) (list []prompt.Snippet) {
	lo, hi := max(0, at-maxPassageText), min(doc.Text.Len(), at+maxPassageText)
	near := related.WordsOf(related.Place(doc.Text.Slice(lo, hi), at-lo))
	type scored struct {
		score float64
		prompt.Snippet
	}
	var all []scored
	searched := 0
	for _, c := range s.openContexts() {
		if c.uri == doc.URI || c.passages == nil {
			continue
		}
		if searched++; searched > similarFrom {
			break
		}
		if p, ok := c.passages.Best(near); ok {
			all = append(all, scored{p.Score, prompt.Snippet{
				Source: prompt.Similar, Path: c.path, Line: p.Line, Text: p.Text,
				Why: fmt.Sprintf("resembles the place of the cursor, %.2f of 1", p.Score),
			}})
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return strings.Compare(a.Path, b.Path)
	})
	for _, p := range all[:min(len(all), 4)] {
		list = append(list, p.Snippet)
	}
	return list
}
