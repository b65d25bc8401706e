package server

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
)

// contexts is what the server knows beyond the documents' own text, for prompts. It is filled in the background, after
// documents have changed, so that a keystroke only picks up what is there.
type contexts struct {
	edits  recentEdits
	tokens session.Counter

	mu    sync.Mutex // guards what follows
	notes map[string]note
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
	noteAge   = 10 * time.Second // after which it is looked at again
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
	if !ok || time.Since(n.read) > noteAge {
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

func (s *Server) readNotes(root, dir string) prompt.Snippet {
	rules := s.rulesFor(filepath.Join(root, "file"))
	for {
		for _, n := range noteNames {
			file := filepath.Join(dir, filepath.FromSlash(n))
			data, err := rules.Read(file, noteBytes)
			if err != nil || len(data) == 0 {
				continue
			}
			rel, err := filepath.Rel(root, file)
			if err != nil {
				continue
			}
			p := s.relativeTo(root, filepath.ToSlash(rel))
			return prompt.Snippet{Source: prompt.Notes, Path: p, Text: strings.ToValidUTF8(string(data), ""), Why: "the repository's instructions nearest to the file"}
		}
		if dir == root || dir == filepath.Dir(dir) {
			return prompt.Snippet{}
		}
		dir = filepath.Dir(dir)
	}
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
	mu      sync.Mutex       // guards what follows
	stable  []prompt.Snippet // rules, notes, definitions, similar passages: what refresh found last
	open    bool             // the document may be read: only then does anything of it stand in another's prompt
	busy    bool             // a refresh runs
	again   bool             // and another one is wanted behind it
	path    string           // as the model sees it; "" before the first refresh
	version int32            // that stable was found for
}

// refresh brings what is known for a document up to date, in the background: at once, and once more when it was asked
// for meanwhile.
func (s *Server) refresh(d *document) {
	d.context.mu.Lock()
	defer d.context.mu.Unlock()
	if d.context.busy {
		d.context.again = true
		return
	}
	d.context.busy = true
	s.start(func(ctx context.Context) {
		for {
			s.refreshNow(d)
			d.context.mu.Lock()
			again := d.context.again && ctx.Err() == nil
			d.context.again, d.context.busy = false, again
			d.context.mu.Unlock()
			if !again {
				return
			}
			t := time.NewTimer(refreshPause)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
			}
		}
	})
}

// refreshPause is the least time between two refreshes of a document, so that typing costs no core.
const refreshPause = 200 * time.Millisecond

// refreshNow finds what else a model should know of a document.
func (s *Server) refreshNow(d *document) {
	d.mu.Lock()
	doc := d.doc
	d.mu.Unlock()
	if doc == nil {
		return
	}
	began := time.Now()
	open := !s.secret(doc)
	var stable []prompt.Snippet
	if open {
		stable = s.findContext(doc, doc.Text.Len())
	}
	d.context.mu.Lock()
	d.context.open, d.context.stable, d.context.path, d.context.version = open, stable, s.relative(doc.URI), doc.Version
	d.context.mu.Unlock()
	s.log.Debug("context found", zap.Int("snippets", len(stable)), zap.Duration("took", time.Since(began)))
}

// findContext collects what stands in a prompt for a document besides its text and its history.
func (s *Server) findContext(doc *lsp.Document, at int) (list []prompt.Snippet) {
	if r := s.options().Rules; strings.TrimSpace(r) != "" {
		list = append(list, prompt.Snippet{Source: prompt.Rules, Text: r, Why: "the setting rules"})
	}
	if name, ok := doc.Path(); ok && s.options().ContextInstructions {
		if n, ok := s.notes(name); ok {
			list = append(list, n)
		}
	}
	return list
}
