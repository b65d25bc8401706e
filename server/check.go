package server

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"strings"
)

// problemsOf says what is wrong with a document that an edit has made, and was not before: brackets that do not
// balance, and what the language's own parser says, where there is one in the standard library. It runs nothing.
func problemsOf(language, before, after string) (problems []string) {
	if unbalanced(language, before) == "" {
		if b := unbalanced(language, after); b != "" {
			problems = append(problems, b)
		}
	}
	parses := map[string]func(text string) error{
		"go": func(text string) error {
			_, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
			return err
		},
		"json": func(text string) error { return json.Unmarshal([]byte(text), new(any)) },
	}[language]
	if parses == nil || parses(before) != nil {
		return problems
	}
	if err := parses(after); err != nil {
		problems = append(problems, err.Error())
	}
	return problems
}

// textQuotes are the languages in which single quotes hold whole texts.
var textQuotes = map[string]bool{
	"python": true, "javascript": true, "javascriptreact": true, "typescript": true, "typescriptreact": true,
	"ruby": true, "php": true, "shellscript": true, "lua": true, "sql": true, "css": true, "html": true,
}

// character says that s begins with one character in single quotes; Rust's lifetimes do not.
func character(s string) bool {
	end := strings.IndexByte(s[1:], '\'')
	return end > 0 && (end <= 4 && !strings.ContainsAny(s[1:1+end], ",> )") || s[1] == '\\')
}

// unbalanced says which brackets of a text do not match, "" when all do. Strings and comments to the end of the line are
// passed over where they are plain to see; in prose nothing is looked at.
func unbalanced(language, text string) string {
	switch language {
	case "markdown", "plaintext", "":
		return ""
	}
	var open []byte
	closes := map[byte]byte{')': '(', ']': '[', '}': '{'}
	for line := range strings.Lines(text) {
		var quote byte
		for i := 0; i < len(line); i++ {
			c := line[i]
			switch {
			case quote != 0:
				if c == '\\' && quote != '`' {
					i++
				} else if c == quote {
					quote = 0
				}
			case c == '"' || c == '`' || c == '\'' && (textQuotes[language] || character(line[i:])):
				quote = c
			case strings.HasPrefix(line[i:], "//") || c == '#' && (language == "python" || language == "shellscript" || language == "ruby"):
				i = len(line)
			case c == '(' || c == '[' || c == '{':
				open = append(open, c)
			case closes[c] != 0:
				if len(open) == 0 || open[len(open)-1] != closes[c] {
					return "a " + string(c) + " closes nothing"
				}
				open = open[:len(open)-1]
			}
		}
	}
	if len(open) > 0 {
		return "a " + string(open[len(open)-1]) + " is never closed"
	}
	return ""
}
