package server

import (
	"context"
	"strings"
	"sync"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// fimURI names the document that clients without LSP complete in. It is no file: nothing is known of it but its text.
const fimURI = "fim:completion"

// fim makes a document of what clients send that know no LSP: a prefix and a suffix, anew with every key. As a document
// that changes, it goes the same way as an editor's: what was suggested is typed along with and costs no request, a
// response in flight is joined, one at most is alive, and what leaves this machine passes the same gate.
//
// There is one document for all such clients of this process, since nothing tells one from another; where the text is
// mostly another one it is opened anew.
type fim struct {
	mu      sync.Mutex // guards what follows, and keeps the changes in order
	docs    *lsp.Documents
	version int32
}

// fimDocument is the document for a prefix and a suffix.
func (s *Server) fimDocument(prefix, suffix string) *lsp.Document {
	f := &s.fim
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.docs == nil {
		f.docs = lsp.NewDocuments(lsp.UTF8)
	}
	text := prefix + suffix
	before, open := f.docs.Snapshot().Get(fimURI)
	if open && before.Text.String() == text {
		return before
	}
	f.version++
	var edits []editops.Edit
	if open {
		// Also the window that the client sends moves along with the cursor; so it is not just one edit.
		edits = editops.Diff(before.Text.String(), text)
		changed := 0
		for _, e := range edits {
			changed += e.End - e.Start + len(e.New)
		}
		if changed > fimOther+len(text)/2 {
			if c, err := f.docs.Close(fimURI); err == nil {
				s.changed(c)
			}
			open = false
		}
	}
	if !open {
		c := f.docs.Open(fimURI, "", f.version, text)
		s.changed(c)
		return c.After
	}
	changes := make([]lsp.ContentChange, 0, len(edits))
	for i := len(edits) - 1; i >= 0; i-- { // from the end, since all refer to the text before
		r := before.OffsetsToRange(edits[i].Start, edits[i].End)
		changes = append(changes, lsp.ContentChange{Range: &r, Text: edits[i].New})
	}
	c, err := f.docs.Change(fimURI, f.version, changes...)
	if err != nil {
		panic(err) // it is open, and far from 2 GiB
	}
	s.changed(c)
	return c.After
}

// fimOther is how many bytes of a text may change, beside half of it, before it is taken for another file.
const fimOther = 512

// fill answers with what belongs between a prefix and a suffix, "" for nothing. more waits until the model has said all
// and returns what has come since, "" for nothing; it is nil where there is nothing to wait for. A request that another
// one has superseded is answered with nothing.
func (s *Server) fill(ctx context.Context, prefix, suffix string) (text string, more func() string, err error) {
	if strings.HasSuffix(prefix, "\r") && strings.HasPrefix(suffix, "\n") {
		return "", nil, nil // whatever is inserted there tears a line end apart
	}
	doc := s.fimDocument(prefix, suffix)
	at := len(prefix)
	sg, err := s.suggest(ctx, doc, at, automatic)
	if err != nil || sg == nil {
		return "", nil, err
	}
	text = sg.inserted(doc.Text, at)
	d := s.document(fimURI)
	if d == nil || text == "" {
		return text, nil, nil
	}
	return text, func() string {
		if !d.suggester.ends(ctx, sg.number) {
			return ""
		}
		whole, ok := d.suggester.as(sg.number, doc, at)
		if !ok {
			return ""
		}
		rest, extends := strings.CutPrefix(whole.inserted(doc.Text, at), text)
		if !extends {
			return "" // what was said cannot be taken back
		}
		return rest
	}, nil
}

// as is what a suggestion is by now, for a place in a document.
func (g *suggester) as(number int, doc *lsp.Document, cursor int) (*shown, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cur == nil || g.cur.number != number {
		return nil, false
	}
	item, a := g.cur.alive(doc, cursor)
	if a != live {
		return nil, false
	}
	return &shown{item.Edit(), item.Cursor, number}, true
}

// inserted is a suggestion for clients that can do nothing but insert at the cursor; "" where that does not say it. A
// bracket behind the cursor that the suggestion replaces by the same is left where it is.
func (sg *shown) inserted(t *lsp.Text, cursor int) string {
	e := sg.atCursor(t)
	if e.Start != cursor {
		return ""
	}
	text, ok := strings.CutSuffix(e.New, t.Slice(e.Start, e.End))
	if !ok {
		return ""
	}
	return text
}

// A fimFormat is how a model's own training wants prefix and suffix written into one prompt; clients that are set up
// for that model send it so, and nothing but this tells the two apart.
type fimFormat struct {
	prefix, suffix, middle string
	suffixFirst            bool
}

// fimFormats are the formats that Zed, llama.vim's relatives and editors' plugins send.
var fimFormats = []fimFormat{
	{prefix: "<|fim_prefix|>", suffix: "<|fim_suffix|>", middle: "<|fim_middle|>"},    // Qwen, CodeGemma
	{prefix: "<fim_prefix>", suffix: "<fim_suffix>", middle: "<fim_middle>"},          // StarCoder
	{prefix: "<｜fim▁begin｜>", suffix: "<｜fim▁hole｜>", middle: "<｜fim▁end｜>"},          // DeepSeek
	{prefix: "<|code_prefix|>", suffix: "<|code_suffix|>", middle: "<|code_middle|>"}, // GLM
	{prefix: "<PRE> ", suffix: " <SUF>", middle: " <MID>"},                            // Code Llama
	{prefix: "[PREFIX]", suffix: "[SUFFIX]", suffixFirst: true},                       // Codestral
}

// splitFIM finds prefix and suffix in a prompt. A prompt in none of the formats is all prefix.
func splitFIM(prompt string) (prefix, suffix string) {
	for _, f := range fimFormats {
		first, second := f.prefix, f.suffix
		if f.suffixFirst {
			first, second = second, first
		}
		body, begins := strings.CutPrefix(prompt, first)
		body, ends := strings.CutSuffix(body, f.middle)
		a, b, ok := strings.Cut(body, second)
		if !begins || !ends || !ok {
			continue
		}
		if f.suffixFirst {
			return b, a
		}
		return a, b
	}
	return prompt, ""
}
