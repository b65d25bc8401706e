package prompt

import (
	_ "embed"
	"strings"
)

// Format is how a model is asked to write its answer down. It follows the scope of the request: what it costs in
// tokens, and when the first change is certain, was measured on real edits.
type Format int

const (
	Region      Format = iota // the text that replaces a region, nothing else: no token is spent on a format
	Hunks                     // changes of one file, each with the lines that show where
	Files                     // changes of several files, in hunks, and new files
	Explanation               // no change: Markdown about a region
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

//go:embed templates/files-patch.txt
var patchFilesRules string

//go:embed templates/files-search.txt
var searchFilesRules string

//go:embed templates/explain.txt
var explainRules string

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

// File is another file that a request is about. A new one has no text yet.
type File struct {
	Path, Text string
	New        bool
}

// EditFiles renders a request for changes of several files by an instruction. Start and End are where in the document
// it is wanted; others are what else may be changed, and are shown whole.
func EditFiles(in Input, others []File, syntax HunkSyntax) Prompt {
	base := rules(patchFilesRules)
	if syntax == SearchReplace {
		base = rules(searchFilesRules)
	}
	return instruct(in, base, func(w *writer) {
		for _, f := range others {
			w.other(f)
		}
		start, end := in.around(in.Start, in.End, aroundHunks, aroundHunks)
		w.header()
		w.document(Around, "the part of the file that may be changed", start, end)
	})
}

// other writes another file.
func (w *writer) other(f File) {
	w.b.WriteString("File: " + quietPath(f.Path))
	if f.New {
		w.b.WriteString(" (does not exist yet)\n\n")
		return
	}
	w.b.WriteString("\n\n")
	text := modelText(f.Text)
	w.add(Part{Source: Around, Path: f.Path, Line: 1, Why: "a file that may be changed", Tokens: w.in.tokens(text)}, text)
	w.line()
	w.b.WriteByte('\n')
}

// Explain renders a request for an explanation of a region.
func Explain(in Input) Prompt {
	return instruct(in, rules(explainRules), func(w *writer) { w.region(in) })
}
