package editops

import (
	"reflect"
	"testing"
)

func TestSplitFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		reply string
		want  []FileReply
	}{
		"nothing":  {"", []FileReply{}},
		"no head":  {"@@\n-a\n+b\n", []FileReply{{"", false, "@@\n-a\n+b\n"}}},
		"envelope": {"*** Begin Patch\n*** Update File: a/b.go\n@@\n-a\n+b\n*** Add File: c.go\n+x\n*** End Patch\n", []FileReply{{"a/b.go", false, "@@\n-a\n+b\n"}, {"c.go", true, "+x\n"}}},
		"twice":    {"*** Update File: a\n1\n*** Update File: b\n2\n*** Update File: a\n3\n", []FileReply{{"a", false, "1\n3\n"}, {"b", false, "2\n"}}},
		"unified":  {"--- a/x.go\n+++ b/x.go\n@@ -1 +1 @@\n-a\n+b\n--- /dev/null\n+++ b/y.go\n@@ -0,0 +1 @@\n+n\n", []FileReply{{"x.go", false, "@@ -1 +1 @@\n-a\n+b\n"}, {"y.go", true, "@@ -0,0 +1 @@\n+n\n"}}},
		"deletion": {"*** Update File: a\n1\n*** Delete File: b\n", []FileReply{{"a", false, "1\n*** Delete File: b\n"}}},
		"prose":    {"Here it is:\n*** Update File: a\r\n1\r\n", []FileReply{{"", false, "Here it is:\n"}, {"a", false, "1\n"}}},
		"wrapped":  {"Here:\n```diff\n*** Begin Patch\n*** Add File: a\n+x\n*** End Patch\n```\nDone.\n", []FileReply{{"", false, "Here:\n```diff\n```\nDone.\n"}, {"a", true, "+x\n"}}},
		"a rule":   {"*** Update File: a\n<<<<<<< SEARCH\n--- x\n=======\n--- y\n>>>>>>> REPLACE\n", []FileReply{{"a", false, "<<<<<<< SEARCH\n--- x\n=======\n--- y\n>>>>>>> REPLACE\n"}}},
	} {
		if got := SplitFiles(tt.reply); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %#v", name, got)
		}
	}
}

func TestNewFileText(t *testing.T) {
	for body, want := range map[string]string{
		"":                               "",
		"+a\n+b\n":                       "a\nb\n",
		"@@ -0,0 +1,2 @@\n+a\n+\n+b":     "a\n\nb\n",
		"+a\n\n+b\n":                     "a\n\nb\n",
		"package a\n\nvar x = 1\n":       "package a\n\nvar x = 1\n",
		"```go\npackage a\n```\n":        "package a\n",
		"```\n+a\n```\n":                 "a\n",
		"+a\n+\n+b\n```\n\nDone.\n":      "a\n\nb\n",
		"\n\n+ indented\n":               " indented\n",
		"```go\npackage a\n```\nDone.\n": "package a\n",
	} {
		if got := NewFileText(body); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}
