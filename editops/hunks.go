package editops

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// HunkOptions says what a HunkStream cannot see in the file.
type HunkOptions struct {
	Path    string // of the file; hunks for another one are refused. "" takes any name for this file's
	LineEnd string // for new lines where the file has no line end to copy, "" is "\n"
}

// HunkResult is what became of one hunk.
type HunkResult struct {
	Number int    // from 1, in the order of arrival
	Source string // as the model wrote it, to quote when it is asked for again; \n
	// Edits are what the hunk does to the engine text, which is the file with the hunks before this one; each
	// edit refers to the text that the one before it left. None for a hunk that changes nothing.
	Edits []Edit
	// Start and End are the bytes of the engine text, after the edits, that the hunk's context and new lines
	// take up.
	Start, End int
	Level      MatchLevel // how well the old side had to fit
	// Err is nil, or one of ErrHunk... with details. The hunk was not applied then, and no part of it was.
	Err error
}

// MatchLevel says how exactly the old side of a hunk was found in the file.
type MatchLevel int

const (
	MatchExact       MatchLevel = iota
	MatchTrailing               // but for blanks at the ends of lines
	MatchIndent                 // but for indentation, by the same amount in all lines; the new lines were moved with it
	MatchPunctuation            // but for typographic quotes, dashes and blanks
)

// Why a hunk was refused. Nothing is ever guessed: a hunk in the wrong place costs more than one asked for
// again.
var (
	ErrHunkNotFound  = errors.New("the old lines are not in the file")
	ErrHunkAmbiguous = errors.New("the old lines are in the file several times")
	ErrHunkElided    = errors.New("the new lines leave code out")
	ErrHunkOpen      = errors.New("the hunk is not complete")
	ErrHunkFile      = errors.New("the hunk is for another file")
	ErrHunkDone      = errors.New("the new lines are in the file already")
)

// HunkStream reads hunks off a reply while it arrives and applies each one when it is complete. Two formats are
// understood, mixed at will, with prose and fences between them:
//
//	@@ optional line above, or -12,3 +12,4 @@      <<<<<<< SEARCH line=12
//	 context                                       old lines
//	-old                                           =======
//	+new                                           new lines
//	                                               >>>>>>> REPLACE
//
// The first is V4A, with or without "*** Begin Patch" and "*** Update File: path" around it, or a unified diff;
// line numbers are hints at most. In the second the three markers may be longer than seven characters, all
// equally, so that they differ from what stands in the file (see SearchMarkers).
//
// A hunk is applied as a whole or not at all: an elision on its last line must not find the first ones applied.
// Its place is where its old side is found, by the levels of MatchLevel one after another: at the only place
// below the hunk before it, else at the only one in the file, else at the only one within 20 lines of the line
// number that the model gave, else at the only one in the block that the @@ line names.
//
// A stream that breaks off leaves the hunks that are complete: simply do not call Finish. A HunkStream belongs
// to one goroutine and one reply. Time is O(file) a hunk.
type HunkStream struct {
	opt    HunkOptions
	text   string // the engine text
	lines  []fileLine
	bottom int // line below the last applied hunk
	moved  []shift
	in     lineBuffer
	state  hunkState
	hunk   hunk
	other  string // the other file that the patch has come to, "" for none
	first  bool   // no line yet but blank ones
	number int
	done   map[string]bool // applied hunks, by their lines
	out    []HunkResult
}

type hunkState int

const (
	betweenHunks hunkState = iota
	inPatch                // in a V4A hunk
	inSearch               // in a SEARCH/REPLACE block
	afterPatch             // behind *** End Patch
)

// hunk is the hunk that is being read.
type hunk struct {
	source  []string
	ops     []hunkLine
	anchors []string // texts behind @@
	hint    int      // line number from 1, 0 for none
	atEnd   bool     // *** End of File
	marker  int      // length of the S/R markers
	block   []string // lines of a S/R block
}

// hunkLine is a line of a hunk: ' ' stays, '-' goes, '+' comes. bare says that it came without its first column.
type hunkLine struct {
	op   byte
	text string
	bare bool
}

// shift says that the lines from a line on have moved.
type shift struct{ from, by int }

// NewHunkStream starts to edit a file.
func NewHunkStream(file string, opt HunkOptions) *HunkStream {
	return &HunkStream{opt: opt, text: file, lines: readLines(file), first: true, done: map[string]bool{}}
}

// Push takes the next chunk of the reply and returns the hunks that it completes.
func (s *HunkStream) Push(chunk string) []HunkResult {
	s.out = nil
	s.in.push(chunk, s.line)
	return s.out
}

// Finish says that the reply is complete and returns the hunks that were still open.
func (s *HunkStream) Finish() []HunkResult {
	s.out = nil
	if l, ok := s.in.rest(); ok {
		s.line(l)
	}
	switch s.state {
	case inPatch:
		s.endPatchHunk()
	case inSearch:
		s.refuse(fmt.Errorf("%w: no >>>>>>> REPLACE", ErrHunkOpen))
	}
	s.state = afterPatch
	return s.out
}

// Text is the engine text: the file with all applied hunks.
func (s *HunkStream) Text() string { return s.text }

var (
	searchLine  = regexp.MustCompile(`^\s{0,3}(<{5,})\s*(?:SEARCH|ORIGINAL)\b\s*(?:@|line\s*[=:]?)?\s*(\d+)?`)
	replaceLine = regexp.MustCompile(`^\s{0,3}(>{5,})\s*(?:REPLACE|UPDATED)?\s*$`)
	patchLine   = regexp.MustCompile(`^\*\*\* (Begin Patch|End Patch|End of File|Update File:|Add File:|Delete File:|Move to:)\s*(.*)$`)
	rangeLine   = regexp.MustCompile(`^@@+ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@+\s?(.*)$`)
)

func (s *HunkStream) line(l string) {
	if s.state == inSearch {
		s.searchBlock(l)
		return
	}
	if m := searchLine.FindStringSubmatch(l); m != nil && s.state != afterPatch {
		s.endPatchHunk()
		s.begin(l)
		s.state = inSearch
		s.hunk.marker = len(m[1])
		s.hunk.hint, _ = strconv.Atoi(m[2])
		return
	}
	if m := patchLine.FindStringSubmatch(l); m != nil {
		s.patchHeader(m[1], strings.TrimSpace(m[2]))
		return
	}
	fence, _ := cutFence(l)
	switch {
	case s.state == afterPatch:
	case strings.HasPrefix(l, "@@"):
		s.patchStart(l)
	case s.state == inPatch && (l == "" || strings.IndexByte(" +-", l[0]) >= 0):
		s.patchLine(l, false)
	case s.state == inPatch && strings.HasPrefix(l, `\ No newline`):
	case s.state == inPatch && (fence != "" && !hasLine(s.lines, l) || strings.HasPrefix(l, "diff --git ")):
		s.endPatchHunk()
	case s.state == inPatch:
		s.patchLine(l, true)
	case s.first && strings.TrimSpace(l) != "" && strings.IndexByte(" +-", l[0]) >= 0 && !strings.HasPrefix(l, "--- ") && !strings.HasPrefix(l, "+++ "):
		s.begin("@@") // a patch that begins without its @@
		s.hunk.source = nil
		s.state = inPatch
		s.patchLine(l, false)
	}
	if !blank(l) && fence == "" {
		s.first = false
	}
}

// begin starts a hunk with its first line.
func (s *HunkStream) begin(l string) {
	s.hunk = hunk{source: []string{l}}
	s.first = false
}

func (s *HunkStream) patchHeader(word, arg string) {
	if word == "End of File" {
		if s.state == inPatch {
			s.hunk.atEnd = true
			s.endPatchHunk()
		}
		return
	}
	s.endPatchHunk()
	s.first = false
	switch word {
	case "Begin Patch":
		s.state = betweenHunks
	case "End Patch":
		s.state = afterPatch
	case "Update File:":
		s.state = betweenHunks
		if s.other = ""; !samePath(arg, s.opt.Path) {
			s.other = arg
		}
		s.begin("*** Update File: " + arg)
		s.state = inPatch
	default:
		s.begin("*** " + word + " " + arg)
		s.other = word + " " + arg
		s.refuse(fmt.Errorf("%w: %s", ErrHunkFile, s.other))
	}
}

// samePath says that a path in a patch may be that of the file: one is the end of the other.
func samePath(a, b string) bool {
	if a == "" || b == "" {
		return true
	}
	a, b = rooted(a), rooted(b)
	return strings.HasSuffix(a, b) || strings.HasSuffix(b, a)
}

// rooted is a path with one slash in front, and without what leads to where it is counted from.
func rooted(p string) string { return path.Clean("/" + strings.ReplaceAll(p, `\`, "/")) }

// patchStart handles an @@ line: a new hunk, or one more anchor of one that has no lines yet.
func (s *HunkStream) patchStart(l string) {
	if s.state != inPatch || len(s.hunk.ops) > 0 {
		s.endPatchHunk()
		s.begin(l)
		s.state = inPatch
	} else {
		s.hunk.source = append(s.hunk.source, l)
	}
	anchor := strings.TrimSpace(strings.Trim(l, "@"))
	if m := rangeLine.FindStringSubmatch(l); m != nil {
		s.hunk.hint, _ = strconv.Atoi(m[1])
		anchor = strings.TrimSpace(m[2])
	}
	if anchor != "" {
		s.hunk.anchors = append(s.hunk.anchors, anchor)
	}
}

// patchLine adds a line to a V4A hunk. A blank line is context, and so may be one without its first column,
// which the place must then confirm.
func (s *HunkStream) patchLine(l string, bare bool) {
	s.hunk.source = append(s.hunk.source, l)
	switch {
	case bare:
		s.hunk.ops = append(s.hunk.ops, hunkLine{' ', l, true})
	case l == "":
		s.hunk.ops = append(s.hunk.ops, hunkLine{' ', "", true})
	default:
		s.hunk.ops = append(s.hunk.ops, hunkLine{l[0], l[1:], false})
	}
}

func (s *HunkStream) endPatchHunk() {
	if s.state != inPatch {
		return
	}
	s.state = betweenHunks
	ops := s.hunk.ops
	for len(ops) > 0 && ops[len(ops)-1].bare && ops[len(ops)-1].text == "" {
		ops = ops[:len(ops)-1]
	}
	if len(ops) == 0 {
		return
	}
	if s.other != "" {
		s.refuse(fmt.Errorf("%w: %s", ErrHunkFile, s.other))
		return
	}
	tries := [][]hunkLine{ops}
	// Lines without their first column at the end may be prose behind the patch.
	tail := len(ops)
	for tail > 0 && ops[tail-1].bare {
		tail--
	}
	blanks := tail
	for blanks < len(ops) && ops[blanks].text == "" {
		blanks++
	}
	if tail > 0 && blanks < len(ops) {
		tries = append(tries, ops[:blanks], ops[:tail])
	}
	var err error
	for _, try := range tries {
		var p placement
		if p, err = s.place(try); err == nil {
			s.apply(try, p)
			return
		}
	}
	s.refuse(err)
}

// searchBlock handles a line of a SEARCH/REPLACE block.
func (s *HunkStream) searchBlock(l string) {
	s.hunk.source = append(s.hunk.source, l)
	if m := replaceLine.FindStringSubmatch(l); m != nil && len(m[1]) == s.hunk.marker && s.divided() {
		s.state = betweenHunks
		s.endSearchBlock()
		return
	}
	if m := searchLine.FindStringSubmatch(l); m != nil && len(m[1]) == s.hunk.marker {
		next := s.hunk.source[len(s.hunk.source)-1]
		s.hunk.source = s.hunk.source[:len(s.hunk.source)-1]
		s.refuse(fmt.Errorf("%w: another SEARCH before REPLACE", ErrHunkOpen))
		s.state = betweenHunks
		s.line(next)
		return
	}
	s.hunk.block = append(s.hunk.block, l)
}

func (s *HunkStream) isDivider(l string) bool {
	t := strings.TrimSpace(l)
	return len(t) == s.hunk.marker && strings.Trim(t, "=") == ""
}

func (s *HunkStream) divided() bool {
	for _, l := range s.hunk.block {
		if s.isDivider(l) {
			return true
		}
	}
	return false
}

// endSearchBlock applies a block. Where several lines could divide it, because the file contains such lines,
// the one is taken that gives a search text which the file has; if several do, none.
func (s *HunkStream) endSearchBlock() {
	if s.other != "" {
		s.refuse(fmt.Errorf("%w: %s", ErrHunkFile, s.other))
		return
	}
	var found []hunkLine
	var at placement
	var err error
	count := 0
	for i, l := range s.hunk.block {
		if !s.isDivider(l) || count > 1 {
			continue
		}
		ops := blockOps(s.hunk.block[:i], s.hunk.block[i+1:])
		p, e := s.place(ops)
		switch {
		case e == nil:
			if count++; count == 1 {
				found, at = ops, p
			}
		case err == nil || errors.Is(err, ErrHunkNotFound):
			err = e
		}
	}
	switch count {
	case 0:
		s.refuse(err)
	case 1:
		s.apply(found, at)
	default:
		s.refuse(fmt.Errorf("%w: several lines may be the divider; use longer markers", ErrHunkAmbiguous))
	}
}

// blockOps makes the lines of a hunk of two texts.
func blockOps(old, new []string) []hunkLine {
	var ops []hunkLine
	m := matcher{ids: map[string]int32{}, budget: diffBudget}
	m.a, m.b = m.intern(old), m.intern(new)
	m.match(0, len(old), 0, len(new))
	i, j := 0, 0
	until := func(a, b int) {
		for ; i < a; i++ {
			ops = append(ops, hunkLine{'-', old[i], false})
		}
		for ; j < b; j++ {
			ops = append(ops, hunkLine{'+', new[j], false})
		}
	}
	for _, r := range m.runs {
		until(r.a, r.b)
		for ; i < r.a+r.n; i, j = i+1, j+1 {
			ops = append(ops, hunkLine{' ', old[i], false})
		}
	}
	until(len(old), len(new))
	return ops
}

// SearchMarkers returns the three markers of a SEARCH/REPLACE block, without the words behind them, that no
// line of the file can be taken for: seven characters, or more where the file has such lines.
func SearchMarkers(file string) (search, divider, replace string) {
	n := 7
	for _, l := range readLines(file) {
		t := strings.TrimSpace(l.text)
		if t == "" || strings.IndexByte("<=>", t[0]) < 0 {
			continue
		}
		run := len(t) - len(strings.TrimLeft(t, t[:1]))
		if run >= n && (t[0] != '=' || run == len(t)) {
			n = run + 2
		}
	}
	return strings.Repeat("<", n), strings.Repeat("=", n), strings.Repeat(">", n)
}

func (s *HunkStream) refuse(err error) { s.report(HunkResult{Err: err}) }

func (s *HunkStream) report(r HunkResult) {
	s.number++
	r.Number = s.number
	r.Source = strings.Join(s.hunk.source, "\n") + "\n"
	s.out = append(s.out, r)
	s.hunk = hunk{}
}
