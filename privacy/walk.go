package privacy

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits bound a walk. A zero field takes the value of [DefaultLimits].
type Limits struct {
	Files     int   // files handed to the callback
	FileBytes int64 // a larger file is skipped
	Bytes     int64 // of all files handed to the callback
}

// DefaultLimits hold a project of 1.5 million tokens with room to spare.
var DefaultLimits = Limits{Files: 20_000, FileBytes: 512 << 10, Bytes: 64 << 20}

// maxEntries bounds the directory entries that a walk looks at, as a multiple of Limits.Files, so that a
// directory of ten million ignored files costs no minutes either.
const maxEntries = 20

// Summary says what a walk saw.
type Summary struct {
	Files   int   // handed to the callback
	Bytes   int64 // of those
	Ignored int   // files and directories that the rules closed
	Skipped int   // binary, too large, generated, unreadable, not regular
	Cut     bool  // a limit ended the walk before the workspace did
}

// noise are directories of other people's code and of caches. Nothing in them is secret, so a document there
// that the user opens is served; the walk only does not go in of its own accord.
var noise = map[string]bool{
	"node_modules": true, "bower_components": true, "__pycache__": true, ".venv": true, "venv": true,
	".tox": true, ".mypy_cache": true, ".gradle": true, ".idea": true, ".vs": true, ".hg": true, ".svn": true, ".jj": true,
}

// Walk visits the text files of the workspace that may be read, nearest to the root first, so that a limit
// cuts off the depths. For each it calls visit with the slash-separated path relative to the root and the
// content, which visit may keep; visit returns false to end the walk. Symbolic links are never followed.
// Binary files, files larger than the limit, lock files and minified ones are skipped.
//
// The error is the context's; what cannot be read is skipped and counted.
func (r *Rules) Walk(ctx context.Context, limits Limits, visit func(rel string, data []byte) bool) (Summary, error) {
	if limits.Files == 0 {
		limits.Files = DefaultLimits.Files
	}
	if limits.FileBytes == 0 {
		limits.FileBytes = DefaultLimits.FileBytes
	}
	if limits.Bytes == 0 {
		limits.Bytes = DefaultLimits.Bytes
	}
	var sum Summary
	root, err := os.OpenRoot(r.root)
	if err != nil {
		return sum, ctx.Err() // no such directory: an empty workspace
	}
	defer root.Close()

	type dir struct {
		rel  string
		lv   levels
		open bool // an Allow pattern let it in, and with it what lies below
	}
	entries := 0
	for queue := []dir{{rel: ".", lv: r.levelsAtRoot()}}; len(queue) > 0; queue = queue[1:] {
		d := queue[0]
		list := readDir(root, d.rel)
		for _, e := range list {
			if err := ctx.Err(); err != nil {
				return sum, err
			}
			if entries++; entries > maxEntries*limits.Files {
				sum.Cut = true
				return sum, nil
			}
			rel := path.Join(d.rel, e.Name())
			if e.IsDir() {
				if noise[e.Name()] {
					sum.Skipped++
				} else if open := r.allowed(rel, true, d.open); r.switchedOff(rel) || !open && r.closed(rel, true, &d.lv) {
					sum.Ignored++
				} else {
					lv := d.lv
					r.addDir(&lv, path.Join(filepath.ToSlash(r.root), rel))
					queue = append(queue, dir{rel, lv, open})
				}
				continue
			}
			if !e.Type().IsRegular() || generatedName(e.Name()) {
				sum.Skipped++
				continue
			}
			if r.switchedOff(rel) || !r.allowed(rel, false, d.open) && r.closed(rel, false, &d.lv) {
				sum.Ignored++
				continue
			}
			if info, err := e.Info(); err != nil || info.Size() > limits.FileBytes {
				sum.Skipped++
				continue
			}
			data, err := readRegular(root, rel, limits.FileBytes+1)
			if err != nil || int64(len(data)) > limits.FileBytes || !sourceText(data) {
				sum.Skipped++
				continue
			}
			if sum.Files == limits.Files || sum.Bytes+int64(len(data)) > limits.Bytes {
				sum.Cut = true
				return sum, nil
			}
			sum.Files++
			sum.Bytes += int64(len(data))
			if !visit(rel, data) {
				return sum, nil
			}
		}
	}
	return sum, nil
}

// readDir lists a directory in the order of names.
func readDir(root *os.Root, rel string) []fs.DirEntry {
	f, err := root.Open(filepath.FromSlash(rel))
	if err != nil {
		return nil
	}
	defer f.Close()
	list, _ := f.ReadDir(-1)
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}

var lockFiles = map[string]bool{
	"package-lock.json": true, "npm-shrinkwrap.json": true, "yarn.lock": true, "pnpm-lock.yaml": true, "bun.lock": true,
	"go.sum": true, "go.work.sum": true, "Cargo.lock": true, "Gemfile.lock": true, "composer.lock": true, "poetry.lock": true,
	"uv.lock": true, "Pipfile.lock": true, "flake.lock": true, "Podfile.lock": true, "mix.lock": true,
}

// generatedName tells by the name alone that no person wrote or reads a file.
func generatedName(name string) bool {
	if lockFiles[name] {
		return true
	}
	for _, end := range []string{".min.js", ".min.css", ".bundle.js", ".map", ".svg", ".snap", ".ipynb"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// ReadSource reads one file as Walk would have shown it. The error is there when Walk would have passed it over: a file that is
// closed, generated or somebody else's, longer than limit bytes, or no text.
func (r *Rules) ReadSource(name string, limit int64) ([]byte, error) {
	rel, ok := r.relative(name)
	parts := strings.Split(rel, "/")
	last := len(parts) - 1
	if !ok || generatedName(parts[last]) || slices.ContainsFunc(parts[:last], func(dir string) bool { return noise[dir] }) {
		return nil, errNoSource
	}
	data, err := r.Read(name, limit+1)
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > limit || !sourceText(data):
		return nil, errNoSource
	}
	return data, nil
}

var errNoSource = errors.New("no source that somebody wrote")

// sourceText reports whether data looks like text written by people: UTF-8 without control characters in
// its first 8 KB, and lines as people break them. git, too, calls binary what has a NUL in its first 8,000 bytes.
func sourceText(data []byte) bool {
	head := data[:min(len(data), 8<<10)]
	for _, c := range head {
		if c < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != '\v' && c != 0x1b {
			return false
		}
	}
	for i := 0; i < utf8.UTFMax && !utf8.Valid(head); i++ {
		head = head[:max(len(head)-1, 0)] // the cut may have split a character
	}
	if !utf8.Valid(head) {
		return false
	}
	const longLine = 300 // bytes on average; handwritten files stay below 60, minified ones are in the thousands
	return len(data) < 2048 || len(data)/(bytes.Count(data, []byte{'\n'})+1) < longLine
}
