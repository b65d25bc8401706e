package editops

import (
	"regexp"
	"strings"
)

// FileReply is what a reply says of one file: hunks for a HunkStream, or the text of a new file.
type FileReply struct {
	Path string // as the model wrote it; "" for what stands above the first header and behind the patch
	New  bool
	Body string
}

var (
	fileHeader = regexp.MustCompile(`^\*\*\* (Update|Add) File:\s*(.+?)\s*$`)
	gitNew     = regexp.MustCompile(`^\+\+\+ (?:b/)?(.+?)\s*$`)
)

// SplitFiles takes a reply for several files apart, at lines "*** Update File: path" and "*** Add File: path", or at the
// "---" and "+++" of a unified diff. Whatever else heads a file, a deletion or a move, stays in the body above it, where
// HunkStream refuses it. Parts for one file are joined.
func SplitFiles(reply string) []FileReply {
	var list []FileReply
	add := func(path string, isNew bool) *FileReply {
		for i := range list {
			if list[i].Path == path && list[i].New == isNew {
				return &list[i]
			}
		}
		list = append(list, FileReply{Path: path, New: isNew})
		return &list[len(list)-1]
	}
	lines := strings.SplitAfter(strings.ReplaceAll(reply, "\r\n", "\n"), "\n")
	at := add("", false)
	for i := 0; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], "\n")
		if m := fileHeader.FindStringSubmatch(line); m != nil {
			at = add(m[2], m[1] == "Add")
			continue
		}
		if strings.HasPrefix(line, "--- ") && i+1 < len(lines) {
			if m := gitNew.FindStringSubmatch(strings.TrimRight(lines[i+1], "\n")); m != nil && m[1] != "/dev/null" {
				at = add(m[1], strings.HasPrefix(line, "--- /dev/null"))
				i++
				continue
			}
		}
		switch line {
		case "*** Begin Patch":
			continue
		case "*** End Patch":
			at = add("", false) // what follows is about the whole
			continue
		}
		at.Body += lines[i]
	}
	if strings.TrimSpace(list[0].Body) == "" {
		list = list[1:]
	}
	return list
}

// NewFileText is the text of a new file from what a reply says of it: lines with a "+" in front, or, from models that
// leave it out, the lines as they are, without a fence around them. It ends with a line end, unless it is empty.
func NewFileText(body string) string {
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	plus := true
	var text []string
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l, "+"); ok {
			text = append(text, rest)
			continue
		}
		if strings.HasPrefix(l, "@@") && len(text) == 0 || strings.TrimSpace(l) == "" {
			if len(text) > 0 {
				text = append(text, "")
			}
			continue
		}
		if fence, _ := cutFence(l); fence != "" {
			if len(text) > 0 {
				break // it closes one that was opened above the file's header; prose may follow
			}
			continue
		}
		plus = false
		break
	}
	if !plus {
		f := newFenceFilter("", false)
		text = text[:0]
		for _, l := range lines {
			text = append(text, f.line(l)...)
		}
		text = append(text, f.finish()...)
	}
	s := strings.TrimRight(strings.Join(text, "\n"), "\n")
	s = strings.TrimLeft(s, "\n")
	if s == "" {
		return ""
	}
	return s + "\n"
}
