package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced piece of a page. What stands behind the language on the fence's first line is seen by nobody who
// reads the page, and tells a test what to do with it: the file that a reader is told to put it into, and, where the page
// has several ways, which one it belongs to.
//
//	```lua ~/.config/nvim/init.lua plugin
type block struct {
	page, language string
	file           string // "~/..." or ""
	way            string // "" is the way that a page begins with
	line           int    // of the fence, from 1
	text           string
}

var fence = regexp.MustCompile("^(\\s*)(```+)\\s*(.*?)\\s*$")

// readPage returns a page's blocks, in order.
func readPage(t *testing.T, page string) []block {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(page))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	open, indent := "", ""
	for i, line := range strings.Split(string(data), "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open == "" && m != nil:
			open, indent = m[2], m[1]
			b := block{page: page, line: i + 1}
			for i, word := range strings.Fields(m[3]) {
				switch {
				case i == 0:
					b.language = word
				case strings.HasPrefix(word, "~/"):
					b.file = word
				default:
					b.way = word
				}
			}
			blocks = append(blocks, b)
		case open != "" && m != nil && m[2] == open && m[3] == "":
			open = ""
		case open != "":
			blocks[len(blocks)-1].text += strings.TrimPrefix(line, indent) + "\n"
		}
	}
	if open != "" {
		t.Fatalf("%s: the last fence is not closed", page)
	}
	return blocks
}

// follow does what a page tells its reader to do: it writes each block of one way into the file that the page names,
// below the test's home. place is the page's path, and behind a blank the way. Blocks for one file go one below the other.
func (r *editorRun) follow(t *testing.T, place string) {
	t.Helper()
	page, way, _ := strings.Cut(place, " ")
	files := map[string]string{}
	for _, b := range readPage(t, page) {
		if b.file != "" && b.way == way {
			files[b.file] += b.text
		}
	}
	if len(files) == 0 {
		t.Fatalf("%s has nothing to follow", place)
	}
	for name, text := range files {
		path := filepath.Join(r.home, filepath.FromSlash(strings.TrimPrefix(name, "~/")))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
