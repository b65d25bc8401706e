package server

import (
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
)

// TestHunkAnswer plays what a model writes for a file of hunks against what becomes of the file, and what is asked again.
func TestHunkAnswer(t *testing.T) {
	const file = "a\nb\nc\nb\nd\n"
	for name, tt := range map[string]struct {
		says  []string // one response each
		want  string
		again string // what the second request holds
		left  string
		err   error
	}{
		"one hunk":       {says: []string{"@@\n a\n-b\n+B\n"}, want: "a\nB\nc\nb\nd\n"},
		"two, upwards":   {says: []string{"@@\n-d\n+D\n@@\n-a\n+A\n"}, want: "A\nb\nc\nb\nD\n"},
		"search":         {says: []string{"<<<<<<< SEARCH\nc\n=======\nC\nCC\n>>>>>>> REPLACE\n"}, want: "a\nb\nC\nCC\nb\nd\n"},
		"nothing":        {says: []string{""}, want: file, err: errNoHunks},
		"prose":          {says: []string{"All is well."}, want: file, err: errNoHunks},
		"placed later":   {says: []string{"@@\n-b\n+B\n@@\n-d\n+D\n", "@@\n c\n-b\n+B\n"}, want: "a\nb\nc\nB\nD\n", again: "at lines 2, 4"},
		"never placed":   {says: []string{"@@\n-d\n+D\n@@\n-x\n+X\n", "@@\n-y\n+Y\n"}, want: "a\nb\nc\nb\nD\n", again: `no line "x"`, left: "1 change was left out"},
		"sent once more": {says: []string{"@@\n-x\n+X\n@@\n-d\n+D\n", "@@\n-a\n+A\n@@\n-d\n+D\n"}, want: "A\nb\nc\nb\nD\n", again: "1 hunk was applied; do not send it again"},
	} {
		t.Run(name, func(t *testing.T) {
			ans := &hunkAnswer{hunks: editops.NewHunkStream(file, editops.HunkOptions{})}
			text := file
			apply := func(edits []editops.Edit) {
				for _, e := range edits {
					text = text[:e.Start] + e.New + text[e.End:]
				}
			}
			for i, says := range tt.says {
				apply(ans.Push(says))
				apply(ans.Finish())
				again := ans.Again()
				if i == 0 && (again != "") != (tt.again != "") || i == 0 && !strings.Contains(again, tt.again) {
					t.Errorf("asked again: %q", again)
				}
				if i == 1 && again != "" {
					t.Errorf("asked a third time: %q", again)
				}
			}
			if text != tt.want || ans.Text() != tt.want || ans.Settled() <= len(text) {
				t.Errorf("%q, want %q", text, tt.want)
			}
			if ans.Err() != tt.err {
				t.Errorf("error %v", ans.Err())
			}
			if !strings.HasPrefix(ans.Left(), tt.left) || (ans.Left() == "") != (tt.left == "") {
				t.Errorf("left: %q", ans.Left())
			}
		})
	}
}

// TestRegionMarks: the lines round the region in the prompt do not come into the buffer, however the answer is cut.
func TestRegionMarks(t *testing.T) {
	const region = "\ta()\n\tb()\n"
	for says, want := range map[string]string{
		"\ta()\n\tc()\n":                                    "\ta()\n\tc()\n",
		"<region>\n\ta()\n\tc()\n</region>\n":               "\ta()\n\tc()\n",
		"<region>\n\ta()\n\tc()\n</region>":                 "\ta()\n\tc()\n",
		"<region>\r\n\ta()\n</region>\n\nI have removed b.": "\ta()\n",
		"\ta()\n\tc()\n</region>\n":                         "\ta()\n\tc()\n",
		"```go\n<region>\n\ta()\n</region>\n```\n":          "\ta()\n",
		"<region>\n<deleted/>\n</region>\n":                 "",
		"<region a>\n\tc()\n":                               "<region a>\n\tc()\n",
		"\ta()\n\tx(\"<region>\") // </region>\n":           "\ta()\n\tx(\"<region>\") // </region>\n",
		"\ta()\n<region>\n":                                 "\ta()\n<region>\n",
		"\ta()\n</reg\n":                                    "\ta()\n</reg\n",
	} {
		for size := 1; size <= len(says)+1; size++ {
			doc := lsp.NewDocuments(lsp.UTF8).Open("file:///a.go", "go", 1, region).After
			ans, text := newAnswer(prompt.Region, region, task{doc: doc}), region
			if size == 1 { // meant, where the instruction speaks of them
				meant := newAnswer(prompt.Region, "", task{doc: doc, instruction: "wrap it in <region>"})
				if edits := append(meant.Push("<region>\nx\n</region>\n"), meant.Finish()...); len(edits) == 0 || !strings.HasPrefix(edits[0].New, "<region>\n") {
					t.Errorf("what is meant is taken out: %v", edits)
				}
			}
			apply := func(edits []editops.Edit) {
				for _, e := range edits {
					text = text[:e.Start] + e.New + text[e.End:]
				}
			}
			for rest := says; rest != ""; rest = rest[min(size, len(rest)):] {
				apply(ans.Push(rest[:min(size, len(rest))]))
			}
			if apply(ans.Finish()); text != want || ans.Err() != nil {
				t.Errorf("%q in pieces of %d: %q, %v, want %q", says, size, text, ans.Err(), want)
				break
			}
		}
	}
}
