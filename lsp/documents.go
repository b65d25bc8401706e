package lsp

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
)

// Document is an open document as the client last described it. It is immutable; a change makes a new one
// that shares most of its text.
type Document struct {
	URI        string // the client's own spelling
	LanguageID string
	// Version rises with every change while the document is open. It is the client's own number where that does; a few
	// clients count from anew, or not at all.
	Version int32
	Told    int32 // the client's own number, for messages to it
	Mapper        // the text, and its coordinates on the wire

	key string
}

// Path returns the file that the document is, false for one that is no file (untitled:, a notebook cell).
func (d *Document) Path() (string, bool) { return URIToPath(d.URI) }

// String names the document. Without it, fmt would print the text, into a log for example.
func (d *Document) String() string { return fmt.Sprintf("%s@%d", d.URI, d.Version) }

// next is the version of the document after d that the client calls told. Whatever is carried from one version to
// another goes by their order: with a number that stays or falls, what was asked about an earlier text would be taken
// to be about this one, or this one to be long gone.
func (d *Document) next(told int32) int32 {
	if told > d.Version || d.Version == math.MaxInt32 {
		return told
	}
	return d.Version + 1
}

// Snapshot is an immutable set of open documents: what a request may know about the editor. The zero
// Snapshot is empty.
type Snapshot struct {
	docs []*Document // sorted by key
}

// Get returns the open document that uri names, in whatever spelling.
func (s *Snapshot) Get(uri string) (*Document, bool) {
	i, ok := s.find(uriKey(uri))
	if !ok {
		return nil, false
	}
	return s.docs[i], true
}

// All returns the open documents, ordered by URI.
func (s *Snapshot) All() iter.Seq[*Document] { return slices.Values(s.docs) }

// Len returns the number of open documents.
func (s *Snapshot) Len() int { return len(s.docs) }

func (s *Snapshot) find(key string) (int, bool) {
	return slices.BinarySearchFunc(s.docs, key, func(d *Document, key string) int {
		return strings.Compare(d.key, key)
	})
}

// with returns the snapshot with d in place of the document of the same key, or added.
func (s *Snapshot) with(d *Document) *Snapshot {
	i, ok := s.find(d.key)
	if ok {
		docs := slices.Clone(s.docs)
		docs[i] = d
		return &Snapshot{docs}
	}
	return &Snapshot{slices.Insert(slices.Clone(s.docs), i, d)}
}

func (s *Snapshot) without(key string) *Snapshot {
	i, ok := s.find(key)
	if !ok {
		return s
	}
	return &Snapshot{slices.Delete(slices.Clone(s.docs), i, i+1)}
}

// Change is one step of a document. Edits lead from the text of Before to that of After; they are sequential
// (each refers to the text that the one before it left), in byte offsets. Before is nil when the document was
// opened, After when it was closed; Edits are empty then. A document that the client opens a second time
// without closing it has both, and one edit.
type Change struct {
	Before, After *Document
	Edits         []editops.Edit
}

// Document returns After, or Before when the document was closed.
func (c Change) Document() *Document {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

// ErrNotOpen is why a change of a document that was never opened is refused.
var ErrNotOpen = errors.New("document is not open")

// Documents are the documents that the client has open. One goroutine at a time may change them (the read
// loop); anyone may take a Snapshot at any time, which costs an atomic load.
type Documents struct {
	encoding Encoding
	mu       sync.Mutex // serialises the changing methods
	snapshot atomic.Pointer[Snapshot]
}

// NewDocuments returns an empty set whose positions are counted in encoding.
func NewDocuments(encoding Encoding) *Documents {
	d := &Documents{encoding: encoding}
	d.snapshot.Store(&Snapshot{})
	return d
}

// Snapshot returns the documents as they are now.
func (d *Documents) Snapshot() *Snapshot { return d.snapshot.Load() }

// Open adds a document. Its strings are copied, since a decoded string may keep a whole message alive.
func (d *Documents) Open(uri, languageID string, version int32, text string) Change {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.snapshot.Load()
	after := &Document{
		URI:        strings.Clone(uri),
		LanguageID: strings.Clone(languageID),
		Version:    version,
		Told:       version,
		Mapper:     Mapper{NewText(strings.Clone(text)), d.encoding},
		key:        uriKey(uri),
	}
	c := Change{After: after}
	if i, ok := s.find(after.key); ok {
		c.Before = s.docs[i]
		c.Edits = wholeEdit(c.Before.Text.String(), after.Text.String())
		after.Version = c.Before.next(version)
	}
	d.snapshot.Store(s.with(after))
	return c
}

// ContentChange is one element of didChange: the replacement of a range, or of everything when Range is nil.
type ContentChange struct {
	Range *protocol.Range
	Text  string
}

// Change applies the changes of one didChange in order, each to the result of the one before. All of them
// count, or none: an error leaves the documents as they were. A range is clamped and turned round as Mapper
// does it; only a text of more than 2 GiB is refused besides ErrNotOpen.
func (d *Documents) Change(uri string, version int32, changes ...ContentChange) (Change, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.snapshot.Load()
	i, ok := s.find(uriKey(uri))
	if !ok {
		return Change{}, ErrNotOpen
	}
	c := Change{Before: s.docs[i], Edits: make([]editops.Edit, 0, len(changes))}
	m := c.Before.Mapper
	for _, change := range changes {
		if change.Range == nil {
			// The shortest edit that does it keeps whatever else is anchored in the text where it is.
			for _, e := range wholeEdit(m.Text.String(), change.Text) {
				m.Text = m.Text.Replace(e.Start, e.End, e.New)
				c.Edits = append(c.Edits, e)
			}
			continue
		}
		start, end := m.RangeToOffsets(*change.Range)
		if m.Text.Len()-(end-start) > math.MaxInt32-len(change.Text) {
			return Change{}, fmt.Errorf("text of more than %d bytes", math.MaxInt32)
		}
		e := editops.Edit{Start: start, End: end, New: strings.Clone(change.Text)}
		m.Text = m.Text.Replace(e.Start, e.End, e.New)
		c.Edits = append(c.Edits, e)
	}
	after := *c.Before
	after.Version, after.Told, after.Mapper = c.Before.next(version), version, m
	c.After = &after
	d.snapshot.Store(s.with(c.After))
	return c, nil
}

// Close removes a document.
func (d *Documents) Close(uri string) (Change, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.snapshot.Load()
	key := uriKey(uri)
	i, ok := s.find(key)
	if !ok {
		return Change{}, ErrNotOpen
	}
	c := Change{Before: s.docs[i]}
	d.snapshot.Store(s.without(key))
	return c, nil
}

// wholeEdit returns the one edit that turns before into after and leaves what is common at both ends alone,
// none when they are equal. It splits neither characters nor "\r\n".
func wholeEdit(before, after string) []editops.Edit {
	if before == after {
		return nil
	}
	n := min(len(before), len(after))
	head := 0
	for head < n && before[head] == after[head] {
		head++
	}
	for head > 0 && !(borderAt(before, head) && borderAt(after, head)) {
		head--
	}
	tail := 0
	for tail < n-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	for tail > 0 && !(borderAt(before, len(before)-tail) && borderAt(after, len(after)-tail)) {
		tail--
	}
	return []editops.Edit{{
		Start: head,
		End:   len(before) - tail,
		New:   strings.Clone(after[head : len(after)-tail]),
	}}
}

func borderAt(s string, i int) bool {
	return i == 0 || i == len(s) || cleanBorder(s[i-1], s[i])
}
