//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"

	"github.com/spark-lsp/spark-lsp/settings"
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

// pages are the pages that tell how an editor is set up. docs/editors/vscode.md, which writes no file, is among them.
func pages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join("docs", "editors", "*.md"))
	if err != nil || len(list) < 8 {
		t.Fatalf("%d pages in docs/editors: %v", len(list), err)
	}
	return append(list, "README.md")
}

// TestEditorPages reads what no editor at hand can run: each block is what its fence says it is, the program is started
// by flags that it has, and every setting is one that exists. What an editor at hand can run, TestEditors runs.
func TestEditorPages(t *testing.T) {
	for _, page := range pages(t) {
		for _, b := range readPage(t, page) {
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(page), b.line), func(t *testing.T) { checkBlock(t, b) })
		}
	}
}

func checkBlock(t *testing.T, b block) {
	var value map[string]any
	switch b.language {
	case "json":
		if err := json.Unmarshal([]byte(b.text), &value); err != nil {
			t.Fatal(err)
		}
	case "toml":
		if err := toml.Unmarshal([]byte(b.text), &value); err != nil {
			t.Fatal(err)
		}
	case "kak":
		_, servers, found := strings.Cut(b.text, "lsp_servers %{\n")
		servers, _, closed := strings.Cut(servers, "}\n")
		if !found || !closed {
			t.Fatal("no servers are set")
		}
		if err := toml.Unmarshal([]byte(servers), &value); err != nil {
			t.Fatal(err)
		}
	case "sh":
		for line := range strings.Lines(b.text) {
			if words := strings.Fields(line); words[0] == "spark-lsp" {
				checkCommand(t, words)
			}
		}
		return
	case "lua", "elisp", "go", "": // an editor reads the first two
		return
	default:
		t.Fatalf("a block of %q is not checked by anything", b.language)
	}
	walk(value, func(key string, v any) {
		switch {
		case key == "command" && v == "spark-lsp":
			checkCommand(t, []string{"spark-lsp"})
		case key == "args":
			checkCommand(t, append([]string{"spark-lsp"}, texts(t, v)...))
		case key == "command" && len(value) > 0:
			if list, ok := v.([]any); ok {
				checkCommand(t, texts(t, list))
			}
		case key == "programArgs":
			for _, line := range v.(map[string]any) {
				checkCommand(t, strings.Fields(line.(string)))
			}
		case key == "config" || key == "settings" || key == "initialization_options":
			options, ok := v.(map[string]any)["spark"].(map[string]any)
			if !ok {
				t.Errorf("%s has no settings of spark", key)
			}
			if _, problems := settings.Resolve(settings.Layers{Editor: options}); len(problems) > 0 {
				t.Errorf("%s: %v", key, problems)
			}
		}
	})
}

// walk visits the members of an object and of what is in it.
func walk(v any, visit func(key string, v any)) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			visit(key, member)
			walk(member, visit)
		}
	case []map[string]any:
		for _, member := range v {
			walk(member, visit)
		}
	case []any:
		for _, member := range v {
			walk(member, visit)
		}
	}
}

func texts(t *testing.T, v any) (list []string) {
	t.Helper()
	for _, word := range v.([]any) {
		list = append(list, word.(string))
	}
	return list
}

// checkCommand parses a command line as the program would.
func checkCommand(t *testing.T, words []string) {
	t.Helper()
	if strings.TrimSuffix(words[0], ".exe") != "spark-lsp" {
		return // another server's
	}
	for i, word := range words { // what a reader's shell takes for a comment
		if word == "#" {
			words = words[:i]
		}
	}
	parser, err := kong.New(&cli{}, kong.Vars{"version": ""}, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(words[1:]); err != nil {
		t.Errorf("%q: %v", words, err)
	}
}
