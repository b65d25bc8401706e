package prompt

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

//go:embed templates/delegate.txt
var delegateRules string

// Assignment is a larger task that a model carries out in the background: it reads files by asking for them, and proposes
// changes of several.
type Assignment struct {
	Instruction string
	Files       []File   // what the user has named
	Paths       []string // of other files there are
	More        int      // paths that are left out
}

// DelegateBase is the base of every such task.
func DelegateBase(syntax HunkSyntax) []Message {
	changes := patchFilesRules
	if syntax == SearchReplace {
		changes = searchFilesRules
	}
	// The format alone: what else those rules say is of an answer that is changes from its first line to its last.
	if i := strings.Index(changes, "Begin the changes"); i >= 0 {
		changes = changes[i:]
	}
	changes, _, _ = strings.Cut(changes, "If nothing needs")
	return rules(delegateRules + strings.TrimSpace(changes) + "\n")
}

// Delegate renders the request that begins a task.
func Delegate(t Assignment, syntax HunkSyntax) Prompt {
	var b strings.Builder
	files(&b, t.Files)
	if len(t.Paths) > 0 {
		b.WriteString("Other files:\n")
		for _, p := range t.Paths {
			b.WriteString(quietPath(p) + "\n")
		}
		if t.More > 0 {
			fmt.Fprintf(&b, "(and %d more)\n", t.More)
		}
		b.WriteByte('\n')
	}
	b.WriteString("Task: " + strings.TrimSpace(t.Instruction) + "\n")
	return Prompt{Base: DelegateBase(syntax), Input: []Message{{User, b.String()}}}
}

// Answered is what a model gets that has asked for files: their text, and why there is none of the others. last says
// that it gets no more.
func Answered(list []File, refused []string, last bool) Message {
	var b strings.Builder
	files(&b, list)
	for _, r := range refused {
		b.WriteString(r + "\n")
	}
	if last {
		b.WriteString("No more files can be read. Answer with the summary and the changes now.\n")
	}
	return Message{User, b.String()}
}

// Redirected is what a model reads that is told something new while it works on a task.
func Redirected(instruction string) Message {
	return Message{User, "The user has something to say about this task: " + strings.TrimSpace(instruction) +
		"\n\nBegin your answer anew: files to read, or the summary and all of the changes.\n"}
}

func files(b *strings.Builder, list []File) {
	for _, f := range list {
		b.WriteString("File: " + quietPath(f.Path) + "\n\n" + ended(modelText(f.Text)) + "\n")
	}
}

var readLine = regexp.MustCompile(`(?m)^\*\*\* Read File:[ \t]*(\S.*?)[ \t]*$`)

// FilesWanted are the paths that an answer asks for, each once; none when it holds changes.
func FilesWanted(answer string) []string {
	if strings.Contains(answer, "*** Update File:") || strings.Contains(answer, "*** Add File:") {
		return nil
	}
	var paths []string
	seen := map[string]bool{}
	for _, m := range readLine.FindAllStringSubmatch(answer, -1) {
		if !seen[m[1]] {
			seen[m[1]] = true
			paths = append(paths, m[1])
		}
	}
	return paths
}
