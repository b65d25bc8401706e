package prompt

import (
	_ "embed"
	"strings"
)

// Format is how a model is asked to write its answer down. It follows the scope of the request: what it costs in
// tokens, and when the first change is certain, was measured on real edits.
type Format int

const (
	Region Format = iota // the text that replaces a region, nothing else: no token is spent on a format
	Hunks                // changes of one file, each with the lines that show where
)

// HunkSyntax is how hunks are written. Models write well what they were trained on, and little else.
type HunkSyntax int

const (
	Patch         HunkSyntax = iota // "@@", then lines with " ", "-" or "+" in front
	SearchReplace                   // "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"
)

// HunkSyntaxFor is the syntax that a model of that name was trained on: patches for the GPT and Codex family, search
// and replace for all others.
func HunkSyntaxFor(model string) HunkSyntax {
	model = strings.ToLower(model)
	if strings.Contains(model, "gpt") || strings.Contains(model, "codex") {
		return Patch
	}
	return SearchReplace
}

//go:embed templates/hunks-patch.txt
var patchRules string

//go:embed templates/hunks-search.txt
var searchRules string

// HunksBase is the base of every edit of a file in hunks.
func HunksBase(syntax HunkSyntax) []Message {
	if syntax == SearchReplace {
		return rules(searchRules)
	}
	return rules(patchRules)
}

// EditHunks renders a request for changes of a file by an instruction. Start and End are where it is wanted; changes
// may come anywhere in what is shown.
func EditHunks(in Input, syntax HunkSyntax) Prompt {
	return instruct(in, HunksBase(syntax), func(w *writer) {
		start, end := in.around(in.Start, in.End, aroundHunks, aroundHunks)
		w.header()
		w.document(Around, "the part of the file that may be changed", start, end)
	})
}
