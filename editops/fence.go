package editops

import "strings"

// fenceFilter drops the code fence that a chat model may wrap its answer in, together with the blank lines
// before it, one line of prose that announces it ("Here is the code:"), and the prose behind it. It works line by
// line and holds lines back only while it must: leading blank ones, such an announcement, and what follows a fence
// that may be the closing one. Fences within the text are told from the
// closing one by counting.
type fenceFilter struct {
	state    fenceState
	fence    string // the opening fence's characters
	inner    bool   // a fence within the text is open
	markdown bool
	announce bool   // the first line may announce the fence
	first    string // of the old version
	held     []string
	dropped  int // lines
}

type fenceState int

const (
	fenceLead fenceState = iota // no line yet but blank ones
	fencePass                   // not fenced: everything passes
	fenceBody                   // behind the opening fence
	fenceTail                   // behind what may be the closing fence; held starts with it
)

// newFenceFilter makes a filter for a text whose old version starts with the line first (blank lines apart).
// A text that itself starts with a fence passes untouched.
func newFenceFilter(first string, markdown bool) *fenceFilter {
	f := &fenceFilter{markdown: markdown, first: first}
	if fence, _ := cutFence(first); fence != "" {
		f.state = fencePass
	}
	return f
}

// cutFence splits a line that opens or closes a fence into its fence characters and its info string. The fence
// is "" for other lines. Indented ones count up to three blanks, as in CommonMark.
func cutFence(line string) (fence, info string) {
	t := strings.TrimLeft(line, " ")
	if len(line)-len(t) > 3 || len(t) < 3 || t[0] != '`' && t[0] != '~' {
		return "", ""
	}
	n := 1
	for n < len(t) && t[n] == t[0] {
		n++
	}
	info = strings.TrimSpace(t[n:])
	if n < 3 || t[0] == '`' && strings.Contains(info, "`") {
		return "", ""
	}
	return t[:n], info
}

// line takes the next line and returns those that are text.
func (f *fenceFilter) line(text string) []string {
	switch f.state {
	case fenceLead:
		if strings.TrimSpace(text) == "" {
			f.held = append(f.held, text)
			return nil
		}
		if fence, info := cutFence(text); fence != "" && f.wraps(info) {
			f.dropped += len(f.held) + 1
			f.held = nil
			f.fence, f.state = fence, fenceBody
			return nil
		}
		// No other first line is held back: it would be seen later, in every answer. One that the old version has
		// is code, as Python's are that end so.
		if f.announce && strings.HasSuffix(strings.TrimSpace(text), ":") && text != f.first {
			f.announce = false
			f.held = append(f.held, text)
			return nil
		}
		f.state = fencePass
		return f.release(text)
	case fenceBody:
		fence, info := f.cut(text)
		switch {
		case fence == "":
		case f.inner:
			f.inner = info != ""
		case info != "":
			f.inner = true
		default:
			f.held = append(f.held, text)
			f.state = fenceTail
			return nil
		}
	case fenceTail:
		fence, _ := f.cut(text)
		if fence == "" {
			f.held = append(f.held, text)
			return nil
		}
		// Another fence: the held one opened a block of the text, and this one closes it.
		f.state = fenceBody
		return f.release(text)
	}
	return []string{text}
}

// cut is cutFence for a fence that could close the opening one.
func (f *fenceFilter) cut(line string) (fence, info string) {
	fence, info = cutFence(line)
	if !strings.HasPrefix(fence, f.fence) {
		return "", ""
	}
	return fence, info
}

// wraps says that an opening fence with this info string is wrapping, not text.
func (f *fenceFilter) wraps(info string) bool {
	if !f.markdown {
		return true
	}
	switch strings.ToLower(info) {
	case "markdown", "md", "mdx":
		return true
	}
	return false
}

func (f *fenceFilter) release(text string) []string {
	lines := append(f.held, text)
	f.held = nil
	return lines
}

// finish returns the lines still held that are text after all.
func (f *fenceFilter) finish() []string {
	lines := f.held
	f.held = nil
	if f.state == fenceTail {
		f.dropped += len(lines)
		return nil
	}
	return lines
}
