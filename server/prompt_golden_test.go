package server

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/tools/txtar"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/related"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

var updatePrompts = flag.Bool("update", false, "write the golden prompts anew")

// TestGoldenPrompts: what the model reads in some fifty situations, each in one file that a person can review: prose, a
// workspace, what happens in it, and the prompt that comes of it. After a change that is meant:
//
//	go test ./server -run TestGoldenPrompts -update
//
// In a situation, ‸ is the cursor, and «» is a selection. The lines of "do" are
//
//	set KEY VALUE          a setting
//	open FILE              another document is opened
//	replace FILE OLD NEW   and edited; texts are in Go's quotes
//	warm                   the file's base is made now, as at a pause
//	complete               what is asked at the end; or
//	edit TEXT | action NAME
//
// Rules are not repeated in each file; placeholders of secrets are numbered, since each process has its own.
func TestGoldenPrompts(t *testing.T) {
	files, err := filepath.Glob("../testdata/prompts/*.txtar")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d situations, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newSituation(t, ar).play()
			last := len(ar.Files) - 1
			if last < 0 || ar.Files[last].Name != "want" {
				ar.Files = append(ar.Files, txtar.File{Name: "want"})
				last++
			}
			if *updatePrompts {
				ar.Files[last].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(ar.Files[last].Data); got != want {
				t.Errorf("%s: the prompt is another one; if that is meant, run: go test ./server -run TestGoldenPrompts -update\n--- got\n%s--- want\n%s", file, got, want)
			}
		})
	}
}

// deaf is an engine that knows nothing.
type deaf struct{}

func (deaf) Stream(context.Context, session.Request) iter.Seq2[session.Event, error] {
	return func(func(session.Event, error) bool) {}
}
func (deaf) AddFile(string, string, string)                          {}
func (deaf) RemoveFile(string)                                       {}
func (deaf) NextEdits(string, string, string, []PastEdit) []Proposal { return nil }

// situation is a server without an editor, over a workspace on disk.
type situation struct {
	t          *testing.T
	s          *Server
	root       string
	docs       *lsp.Documents
	version    int32
	do         []string
	file       string
	start, end int
	answered   string
}

func newSituation(t *testing.T, ar *txtar.Archive) *situation {
	g := &situation{t: t, root: t.TempDir(), docs: lsp.NewDocuments(lsp.UTF32)}
	layer := settings.Layer{"provider": "openai", "apiKey": "none"}
	for _, f := range ar.Files {
		text := string(f.Data)
		switch f.Name {
		case "want":
			continue
		case "do":
			for line := range strings.Lines(text) {
				if key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "set "), " "); ok && strings.HasPrefix(line, "set ") {
					layer[key] = value
					if n, err := strconv.Atoi(value); err == nil {
						layer[key] = n
					} else if b, err := strconv.ParseBool(value); err == nil {
						layer[key] = b
					}
					continue
				}
				g.do = append(g.do, strings.TrimSpace(line))
			}
			continue
		}
		text = strings.ReplaceAll(text, "␍\n", "\r\n")
		text = strings.TrimSuffix(text, "␄\n") // no final line end
		if i := strings.Index(text, "‸"); i >= 0 {
			text = strings.Replace(text, "‸", "", 1)
			g.file, g.start, g.end = f.Name, i, i
		} else if i := strings.Index(text, "«"); i >= 0 {
			j := strings.Index(text, "»") - len("«")
			text = strings.NewReplacer("«", "", "»", "").Replace(text)
			g.file, g.start, g.end = f.Name, i, j
		}
		name := filepath.Join(g.root, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g.s = New(Config{Log: zap.NewNop(), Engine: deaf{}, User: User{Settings: layer}, PanicOnBug: true})
	t.Cleanup(g.s.Close)
	g.s.client = &lsp.Client{Name: "golden"}
	g.s.roots = []string{g.root}
	g.s.indexWorkspace(t.Context(), g.s.roots)
	return g
}

func (g *situation) uri(file string) string {
	return lsp.PathToURI(filepath.Join(g.root, filepath.FromSlash(file)))
}

// doc is an open document; it is opened where it is not.
func (g *situation) doc(file string) *lsp.Document {
	if doc, ok := g.docs.Snapshot().Get(g.uri(file)); ok {
		return doc
	}
	data, err := os.ReadFile(filepath.Join(g.root, filepath.FromSlash(file)))
	if err != nil {
		g.t.Fatal(err)
	}
	language := related.LanguageOf(file)
	if language == "" {
		language = strings.TrimPrefix(filepath.Ext(file), ".")
	}
	g.version++
	c := g.docs.Open(g.uri(file), language, g.version, string(data))
	g.s.changed(c)
	g.s.document(c.After.URI).context.refresh()
	return c.After
}

func (g *situation) play() string {
	g.doc(g.file)
	for _, line := range g.do {
		g.step(line)
	}
	if g.answered == "" {
		g.step("complete")
	}
	return g.answered
}

func (g *situation) step(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "":
	case "open":
		g.doc(rest)
	case "replace":
		file, texts, _ := strings.Cut(rest, " ")
		old, tail := g.quoted(texts)
		new, _ := g.quoted(strings.TrimSpace(tail))
		g.replace(file, old, new)
	case "warm":
		doc := g.doc(g.file)
		c := &g.s.document(doc.URI).context
		c.at = g.start
		c.refresh()
		in := g.s.gather(doc, g.start, session.Completion)
		in.Context = c.stable
		c.base = prompt.NewBase(in, doc.Version)
	case "complete":
		doc := g.doc(g.file)
		c := &g.s.document(doc.URI).context
		c.at = g.start
		c.refresh()
		g.answered = g.show(prompt.Completion(g.s.gather(doc, g.start, session.Completion)))
	case "edit", "action":
		q := PromptQuestion{}
		if verb == "action" {
			q.Action = rest
		} else {
			q.Instruction, _ = g.quoted(rest)
		}
		p, _, err := g.s.explainAction(place{doc: g.doc(g.file), start: g.start, end: g.end}, q)
		if err != nil {
			g.t.Fatal(err)
		}
		g.answered = g.show(p)
	default:
		g.t.Fatalf("what is %q?", line)
	}
}

func (g *situation) quoted(s string) (text, rest string) {
	q, err := strconv.QuotedPrefix(s)
	if err != nil {
		g.t.Fatalf("%q: %v", s, err)
	}
	text, _ = strconv.Unquote(q)
	return text, s[len(q):]
}

func (g *situation) replace(file, old, new string) {
	doc := g.doc(file)
	at := strings.Index(doc.Text.String(), old)
	if at < 0 {
		g.t.Fatalf("%q is not in %s", old, file)
	}
	r := doc.OffsetsToRange(at, at+len(old))
	g.version++
	c, err := g.docs.Change(doc.URI, g.version, lsp.ContentChange{Range: &r, Text: new})
	if err != nil {
		g.t.Fatal(err)
	}
	g.s.changed(c)
	g.s.document(doc.URI).context.refresh()
	if file == g.file && at <= g.start {
		g.start += len(new) - len(old)
		g.end += len(new) - len(old)
	}
}

var placeholder = regexp.MustCompile(`SPARK_SECRET_[A-Z2-7]+`)

// show writes a prompt down: what is in it, then its messages.
func (g *situation) show(p prompt.Prompt) string {
	var b strings.Builder
	account := func(what string, list []prompt.Part) {
		for _, part := range list {
			where := ""
			if part.Path != "" {
				where = " " + part.Path
			}
			if part.Line > 0 {
				where += fmt.Sprintf(":%d", part.Line)
			}
			base := ""
			if part.Base {
				base = "base, "
			}
			fmt.Fprintf(&b, "%s %s%s (%s%d tokens): %s\n", what, part.Source, where, base, part.Tokens, part.Why)
		}
	}
	account("in ", p.Parts)
	account("cut", p.Cut)
	m := g.s.masker()
	names := map[string]string{}
	show := func(when string, list []session.Part) {
		for _, part := range list {
			text := part.Text
			if part.Role == session.Developer {
				first, _, _ := strings.Cut(text, "\n")
				text = first + " ...\n"
			}
			text = placeholder.ReplaceAllStringFunc(text, func(s string) string {
				if names[s] == "" {
					names[s] = fmt.Sprintf("(secret %d)", len(names)+1)
				}
				return names[s]
			})
			text = strings.ReplaceAll(text, "\r", "␍")
			fmt.Fprintf(&b, "\n==== %s, %s\n%s", when, part.Role, text)
			if !strings.HasSuffix(text, "\n") {
				b.WriteString("\n")
			}
		}
	}
	show("base", maskedParts(m, parts(p.Base)))
	show("input", maskedParts(m, parts(p.Input)))
	return strings.ReplaceAll(b.String(), g.root, "ROOT")
}
