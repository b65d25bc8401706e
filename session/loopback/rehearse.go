package loopback

import (
	"fmt"
	"regexp"
	"strings"
)

const (
	rehearsalSeconds = 6  // of an answer, whatever its length: time to see it, and to type what is to be done instead
	rehearsalEvery   = 4  // lines from comment to comment: hunks of a diff stay apart where 3 kept lines lie between them
	rehearsalWidth   = 48 // characters of an instruction that are repeated
)

// Rehearse answers somebody who tries an editor's set-up without a model. An edit is the region with comments in it
// that repeat what was asked for, at a pace at which one sees it stream and can stop or redirect it; the comments of
// an edit before it go. A completion in a line that has something in it is nothing: the comment of Canned, which answers
// all else, would stand behind every word.
func Rehearse(x *Exchange) {
	switch job := x.Job(); {
	case job == CompletionJob && inLine(x):
		_ = x.Done()
		return
	case job != EditJob:
		Canned(x)
		return
	}
	text := rehearsal(x)
	if x.Pace(text, 0, float64(len(Tokens(text)))/rehearsalSeconds) == nil {
		_ = x.Done()
	}
}

// inLine reports whether something stands in the cursor's line.
func inLine(x *Exchange) bool {
	before, behind := x.Prefix, x.Suffix
	for _, text := range []string{x.FullInput(), x.Input} { // the new input counts before what was warmed, see Job
		if at := strings.LastIndex(text, CursorMark); at >= 0 {
			before, behind = text[:at], text[at+len(CursorMark):]
		}
	}
	behind, _, _ = strings.Cut(behind, "\n")
	return strings.TrimSpace(before[strings.LastIndex(before, "\n")+1:]+behind) != ""
}

// rehearsed is a line that a rehearsal has written.
var rehearsed = regexp.MustCompile(`^\s*\S+ loopback \d+: `)

func rehearsal(x *Exchange) string {
	region, _ := x.Region()
	mark := comment(region, x.FullInput())
	said := instruction(x)
	var b strings.Builder
	n, since := 0, rehearsalEvery
	for line := range strings.Lines(region) {
		if rehearsed.MatchString(line) {
			continue
		}
		if since >= rehearsalEvery && strings.TrimSpace(line) != "" {
			n++
			since = 0
			indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
			eol := "\n"
			if strings.HasSuffix(line, "\r\n") {
				eol = "\r\n"
			}
			b.WriteString(indent + strings.Replace(mark, Name, fmt.Sprintf("loopback %d: %s", n, said), 1) + eol)
		}
		b.WriteString(line)
		since++
	}
	if n == 0 { // an empty region
		return cannedText(x) + b.String()
	}
	return b.String()
}

// instruction is the beginning of what the user has asked for last, in one line.
func instruction(x *Exchange) string {
	const mark = "\nInstruction: "
	for _, text := range []string{x.Input, x.FullInput()} {
		at := strings.LastIndex(text, mark)
		if at < 0 {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimSpace(text[at+len(mark):]), "\n")
		if r := []rune(first); len(r) > rehearsalWidth {
			first = string(r[:rehearsalWidth]) + "…"
		}
		return first
	}
	return "as you wish"
}
