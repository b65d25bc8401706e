package editops

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spark-lsp/spark-lsp/internal/corpus"
)

// The corpus is real edits that nobody wrote for this test: files that differ between two versions of public
// packages. They are fetched by the ordinary clients, into the module cache and a folder of the user's cache,
// and never stored in the repository.
var corpusSources = []struct{ client, name, before, after string }{
	{"go", "golang.org/x/tools", "v0.51.0", "v0.52.0"},
	{"go", "golang.org/x/tools", "v0.50.0", "v0.51.0"},
	{"go", "go.uber.org/zap", "v1.26.0", "v1.27.0"},
	{"go", "go.uber.org/zap", "v1.27.0", "v1.28.0"},
	{"go", "golang.org/x/net", "v0.57.0", "v0.61.0"},
	{"go", "golang.org/x/crypto", "v0.56.0", "v0.58.0"},
	{"go", "github.com/spf13/cobra", "v1.8.1", "v1.9.1"},
	{"npm", "zod", "4.5.4", "4.6.0"},
	{"npm", "rxjs", "7.5.7", "7.8.2"},
	{"npm", "date-fns", "4.1.0", "4.2.0"},
	{"npm", "vscode-languageserver-protocol", "3.17.5", "3.18.0"},
	{"npm", "vscode-languageclient", "9.0.1", "10.0.0"},
}

// edited is one file in two versions.
type edited struct{ name, lang, before, after string }

var corpusLangs = map[string]string{
	".go": "Go", ".ts": "TypeScript", ".tsx": "TypeScript", ".js": "JavaScript", ".md": "Markdown", ".json": "JSON",
	".yml": "YAML", ".yaml": "YAML", ".css": "CSS", ".html": "HTML", ".txt": "text", ".py": "Python", ".sh": "shell", ".s": "assembly",
}

const (
	corpusPerSource = 150     // pairs of one language from one source
	corpusFileSize  = 1 << 18 // bytes
)

// realEdits returns the corpus, or skips the test when too little of it can be had.
func realEdits(tb testing.TB) []edited {
	tb.Helper()
	if testing.Short() || raceDetector {
		tb.Skip("real edits are left out with -short, and under the race detector, which takes ten times as long")
	}
	all, failed := loadCorpus()
	for _, f := range failed {
		tb.Log(f)
	}
	langs := map[string]bool{}
	for _, e := range all {
		langs[e.lang] = true
	}
	if len(all) < 500 || len(langs) < 4 {
		tb.Skipf("NO CORPUS: only %d real edits in %d languages can be had here (network, go and npm are needed)", len(all), len(langs))
	}
	return all
}

// loadCorpus fetches the corpus once a run. It also says which packages are missing.
var loadCorpus = sync.OnceValues(func() (all []edited, failed []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for _, s := range corpusSources {
		before, err := fetch(ctx, s.client, s.name, s.before)
		var after string
		if err == nil {
			after, err = fetch(ctx, s.client, s.name, s.after)
		}
		if err == nil {
			var pairs []edited
			if pairs, err = readPairs(s.name, before, after); err == nil {
				all = append(all, pairs...)
			}
		}
		if err != nil {
			failed = append(failed, fmt.Sprintf("without %s: %v", s.name, err))
		}
	}
	return all, failed
})

// fetch returns the folder that holds a version of a package.
func fetch(ctx context.Context, client, name, version string) (string, error) {
	if client == "go" {
		return corpus.Go(ctx, name, version)
	}
	return corpus.NPM(ctx, name, version)
}

// readPairs lists the files that are in both folders and differ. The same change in many files, which packages
// of generated code are full of, counts once.
func readPairs(source, before, after string) ([]edited, error) {
	byLang := map[string][]edited{}
	seen := map[string]bool{}
	err := filepath.WalkDir(after, func(file string, d fs.DirEntry, err error) error {
		lang := corpusLangs[filepath.Ext(file)]
		if err != nil || d.IsDir() || lang == "" {
			return err
		}
		rel, err := filepath.Rel(after, file)
		if err != nil {
			return err
		}
		a, errA := os.ReadFile(filepath.Join(before, rel))
		b, errB := os.ReadFile(file)
		if errA != nil || errB != nil || bytes.Equal(a, b) || max(len(a), len(b)) > corpusFileSize {
			return nil
		}
		old, new := string(a), string(b)
		if !utf8.ValidString(old) || !utf8.ValidString(new) || len(old) > 100*(1+strings.Count(old, "\n")) {
			return nil // binary or minified
		}
		p, s := commonEnds(old, new)
		change := old[p:len(old)-s] + "\x00" + new[p:len(new)-s]
		if seen[change] {
			return nil
		}
		seen[change] = true
		byLang[lang] = append(byLang[lang], edited{source + "/" + filepath.ToSlash(rel), lang, old, new})
		return nil
	})
	var all []edited
	for _, pairs := range byLang {
		if n := len(pairs); n > corpusPerSource {
			for i := range corpusPerSource {
				pairs[i] = pairs[i*n/corpusPerSource]
			}
			pairs = pairs[:corpusPerSource]
		}
		all = append(all, pairs...)
	}
	slices.SortFunc(all, func(a, b edited) int { return strings.Compare(a.name, b.name) })
	return all, err
}
