package related_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/spark-lsp/spark-lsp/internal/corpus"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/related"
	"github.com/spark-lsp/spark-lsp/session"
)

// recallModules are public modules, pinned.
var recallModules = []struct {
	language, name, version string
	fetch                   func(ctx context.Context, name, version string) (string, error)
	extensions              []string
	least                   float64 // percent that must be found at 2,000 tokens; a little below what is
}{
	{"Go", "golang.org/x/tools", "v0.52.0", corpus.Go, []string{".go"}, 55},
	{"Go", "go.uber.org/zap", "v1.28.0", corpus.Go, []string{".go"}, 70},
	{"TypeScript", "viem", "2.57.20", corpus.NPM, []string{".ts"}, 45},
	{"Python", "node-gyp", "11.0.0", corpus.NPM, []string{".py"}, 70},
	{"C++", "re2", "1.21.4", corpus.NPM, []string{".cc", ".h"}, 68},
}

// TestRecall: somebody has written a file up to the end of a line. Is what the next line uses of other files defined in
// the prompt? Beside it stands a baseline that has nothing but recency, in its most favourable form: the files that
// matter (those of the package, and those that are imported) are the ones that were open last, in any order, and
// they fill the same budget.
//
// For Go the judge is the compiler's own parser; for the others it is the outline, so that what that overlooks is not
// asked for.
func TestRecall(t *testing.T) {
	if testing.Short() {
		t.Skip("left out with -short")
	}
	var counter session.Counter
	w := &strings.Builder{}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "module\tnames wanted\tat 2,000 tokens\trecency\tat 8,000 tokens\trecency\tms p50\tp99\t")
	for _, m := range recallModules {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		dir, err := m.fetch(ctx, m.name, m.version)
		cancel()
		if err != nil {
			t.Logf("skipped: %s cannot be had: %v", m.name, err)
			continue
		}
		texts := readModule(t, dir, m.extensions)
		r := recallOf(t, texts, &counter)
		fmt.Fprintf(tab, "%s %s\t%d\t%.1f %%\t%.1f %%\t%.1f %%\t%.1f %%\t%.2f\t%.2f\t\n", m.language, m.name, r.wanted,
			r.percent(r.found[0]), r.percent(r.recent[0]), r.percent(r.found[1]), r.percent(r.recent[1]), r.ms(0.5), r.ms(0.99))
		if got := r.percent(r.found[0]); got < m.least || r.found[0] <= r.recent[0] {
			t.Errorf("%s: %.1f %% of %d names found at 2,000 tokens, recency %.1f %%", m.name, got, r.wanted, r.percent(r.recent[0]))
		}
	}
	tab.Flush()
	t.Logf("is what the next line uses defined in the prompt:\n%s", w)
}

func readModule(t *testing.T, dir string, extensions []string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains(extensions, filepath.Ext(file)) || strings.HasSuffix(file, ".d.ts") || strings.Contains(file, "testdata") {
			return err
		}
		data, err := os.ReadFile(file)
		if err == nil && len(data) < 512<<10 {
			rel, _ := filepath.Rel(dir, file)
			texts[filepath.ToSlash(rel)] = string(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

type recall struct {
	wanted        int
	found, recent [2]int // at 2,000 and 8,000 tokens
	took          []time.Duration
}

func (r *recall) percent(n int) float64 { return 100 * float64(n) / float64(max(r.wanted, 1)) }

func (r *recall) ms(q float64) float64 {
	if len(r.took) == 0 {
		return 0
	}
	slices.Sort(r.took)
	return float64(r.took[int(q*float64(len(r.took)-1))].Microseconds()) / 1000
}

const recallPlaces = 400 // in each module

func recallOf(t *testing.T, texts map[string]string, counter *session.Counter) *recall {
	x := &related.Index{}
	definers := map[string]map[string]bool{} // by name: the files that define it
	var names []string
	for p := range texts {
		names = append(names, p)
	}
	slices.Sort(names)
	for _, p := range names {
		x.Add(p, "", texts[p])
		for _, n := range defined(p, texts[p]) {
			if definers[n] == nil {
				definers[n] = map[string]bool{}
			}
			definers[n][p] = true
		}
	}
	r := &recall{}
	rnd := rand.New(rand.NewPCG(11, 17))
	for tries := 0; tries < 40*recallPlaces && len(r.took) < recallPlaces; tries++ {
		p := names[rnd.IntN(len(names))]
		lines := strings.SplitAfter(texts[p], "\n")
		if len(lines) < 20 || strings.Contains(texts[p][:min(len(texts[p]), 600)], "DO NOT EDIT") {
			continue
		}
		at := 10 + rnd.IntN(len(lines)-12)
		next := lines[at]
		if strings.TrimSpace(next) == "" || comment(next) {
			continue
		}
		prefix := strings.Join(lines[:at], "")
		want := map[string]bool{}
		for _, n := range words(next) {
			if d := definers[n]; len(n) > 3 && len(d) > 0 && len(d) <= 3 && !d[p] && inReach(p, n, d) {
				want[n] = true
			}
		}
		if len(want) == 0 {
			continue
		}
		x.Add(p, "", prefix) // what is not written is not known
		began := time.Now()
		found := x.Definitions(related.Query{Path: p, Text: prefix, Cursor: len(prefix)}, 250)
		r.took = append(r.took, time.Since(began))
		var list []prompt.Snippet
		for _, f := range found {
			list = append(list, prompt.Snippet{Source: prompt.Definitions, Path: f.Path, Line: f.Line, Text: f.Text})
		}
		for i, tokens := range []int{2000, 8000} {
			pr := prompt.Completion(prompt.Input{Path: p, Text: prompt.String(""), Context: list, Count: counter.Count, ContextTokens: tokens})
			in := map[[2]any]bool{}
			for _, part := range pr.Parts {
				if part.Source == prompt.Definitions {
					in[[2]any{part.Path, part.Line}] = true
				}
			}
			for n := range want {
				for _, f := range found {
					if in[[2]any{f.Path, f.Line}] && definers[n][f.Path] && slices.Contains(words(f.Text), n) {
						r.found[i]++
						break
					}
				}
			}
			recent := recency(p, prefix, texts, names, tokens, counter, rnd)
			for n := range want {
				for f, text := range recent {
					if definers[n][f] && slices.Contains(defined(f, text), n) {
						r.recent[i]++
						break
					}
				}
			}
		}
		r.wanted += len(want)
		x.Add(p, "", texts[p])
	}
	return r
}

// inReach reports whether a name in a file can be one of those that others define: in Go a small letter keeps it in its
// package. Where several languages' rules would be needed, the name's being rare must do.
func inReach(p, name string, definers map[string]bool) bool {
	if !strings.HasSuffix(p, ".go") || ast.IsExported(name) {
		return true
	}
	for d := range definers {
		if path.Dir(d) == path.Dir(p) {
			return true
		}
	}
	return false
}

// recency is as much of the files that matter as fits, in any order: by file, its beginning.
func recency(p, prefix string, texts map[string]string, names []string, tokens int, counter *session.Counter, rnd *rand.Rand) map[string]string {
	var open []string
	for _, n := range names {
		stem := strings.TrimSuffix(path.Base(n), path.Ext(n))
		imported := len(stem) > 3 && strings.Contains(prefix, "/"+stem) || path.Dir(n) != "." && strings.Contains(prefix, path.Dir(n)+"\"")
		if n != p && (path.Dir(n) == path.Dir(p) || imported) {
			open = append(open, n)
		}
	}
	rnd.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	out := map[string]string{}
	for _, n := range open {
		text := texts[n]
		c := counter.Count(text)
		if c > tokens {
			text, c = text[:len(text)*tokens/c], tokens
		}
		out[n] = text
		if tokens -= c; tokens <= 0 {
			break
		}
	}
	return out
}

// defined are the names that a file defines.
func defined(p, text string) (names []string) {
	if !strings.HasSuffix(p, ".go") {
		for _, d := range related.Outline(related.LanguageOf(p), text) {
			names = append(names, d.Name)
		}
		return names
	}
	f, _ := parser.ParseFile(token.NewFileSet(), p, text, parser.SkipObjectResolution)
	if f == nil {
		return nil
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names = append(names, d.Name.Name)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					names = append(names, s.Name.Name)
				case *ast.ValueSpec:
					for _, n := range s.Names {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return r != '_' && r != '$' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func comment(line string) bool {
	s := strings.TrimSpace(line)
	return strings.HasPrefix(s, "//") || strings.HasPrefix(s, "#") || strings.HasPrefix(s, "*") || strings.HasPrefix(s, "/*")
}
