// Package prompt turns what the editor knows into what the model reads: messages, in an order that keeps what
// rarely changes in front, so that a warmed base can stand for it. It knows strings and byte offsets, neither
// editor nor model, and sends nothing.
package prompt

import (
	_ "embed"
	"fmt"
	"strings"
)

// Role is the author of a Message, in the words of the Responses API.
type Role string

const (
	Developer Role = "developer"
	User      Role = "user"
)

// Message is one message of a prompt.
type Message struct {
	Role Role
	Text string
}

// Prompt is what the model reads for one request. Base is the same for many requests and is worth warming; Input is
// what belongs to this request alone.
type Prompt struct {
	Base  []Message
	Input []Message

	Parts []Part // what is in it, in the order in which it stands there
	Cut   []Part // what did not fit its budget
}

// Input is what is known at the moment of a request. Text is the whole document; offsets are bytes in it.
type Input struct {
	Path     string // slash-separated, relative to the workspace, or the file's name
	Language string // LSP language id
	Text     Text
	Cursor   int // completion: where text is wanted

	Start, End  int    // edit: the region that the answer replaces
	Instruction string // edit: what the user wants, in their words

	Context []Snippet // what else may help; see Snippet for the order
	Base    *Base     // completion: the file's own base, nil where none is in force
	// Count counts tokens. Without one they are estimated.
	Count func(text string) int
	// ContextTokens bounds what other files and instructions add, tokens; 0 is defaultContextTokens.
	ContextTokens int
}

// Text is the document as the prompt reads it: never whole when it is large.
type Text = Lines

// CursorMark stands where completed text will be inserted; region lines stand alone on their lines. The model
// is told about both; they are kept out of the document's own text by not being plausible in it.
const (
	CursorMark  = "<|cursor|>"
	RegionOpen  = "<region>"
	RegionClose = "</region>"
)

// Seams are the marks, with the line ends that come with them, that may stand in the middle of a line of the document:
// a region is what the user has selected, byte for byte.
func Seams() []string {
	return []string{"\n" + RegionOpen + "\n", "\n" + RegionClose + "\n"}
}

//go:embed templates/completion.txt
var completionRules string

//go:embed templates/edit.txt
var editRules string

//go:embed templates/sections.txt
var sectionRules string

// rules is the message that a prompt begins with: what is wanted, and how to read the sections.
func rules(task string) []Message { return []Message{{Developer, task + sectionRules}} }

// CompletionBase is what every completion begins with; a session warms it before the first keystroke.
func CompletionBase() []Message { return rules(completionRules) }

// EditBase is the base of every edit of a region.
func EditBase() []Message { return rules(editRules) }

// Base is what the completions of one file have in common for a while: the rules, the stable context, and a
// snapshot of the file. It never changes: another one takes its place.
type Base struct {
	Messages []Message
	Version  int32 // of the document in it
	From, To int   // bytes of that version that the snapshot shows
	Tokens   int

	length     int // of that version, bytes
	parts, cut []Part
	held       map[string]bool
}

// NewBase makes a file's base from what is known now. version is the document's.
func NewBase(in Input, version int32) *Base {
	w := &writer{in: &in, base: true}
	w.context(true, 0, nil)
	// Half of it above the cursor; but what one side has no use for, the other gets.
	from, used := in.before(in.Cursor, snapshotTokens/2)
	to, used := in.behind(in.Cursor, snapshotTokens-used)
	if to == in.Text.Len() {
		from, _ = in.before(in.Cursor, snapshotTokens-used)
	}
	text := modelText(in.Text.Slice(from, to))
	tag := elementFor("file", text)
	fmt.Fprintf(&w.b, "<%s path=%q version=\"%d\" lines=\"%d-%d\">\n", tag, in.Path, version, lineAt(in.Text, from)+1, lineAt(in.Text, max(from, to-1))+1)
	w.add(Part{Source: Snapshot, Path: in.Path, Why: fmt.Sprintf("the file at version %d", version), Tokens: in.tokens(text)}, text)
	w.line()
	fmt.Fprintf(&w.b, "</%s>\n", tag)

	b := &Base{Messages: append(CompletionBase(), Message{User, w.b.String()}), Version: version, From: from, To: to, length: in.Text.Len(), held: map[string]bool{}}
	b.parts, b.cut = append(in.taskParts(CompletionBase()), w.parts...), w.cut
	for _, s := range in.Context {
		b.held[s.key()] = true
	}
	for _, c := range b.cut { // what did not fit may be wanted elsewhere in the file
		for _, s := range in.Context {
			if s.Source == c.Source && s.Path == c.Path && s.Line == c.Line {
				delete(b.held, s.key())
			}
		}
	}
	for _, p := range b.parts {
		b.Tokens += p.Tokens
	}
	return b
}

// Fill is how much of the room that a request has for what was edited since the snapshot is taken, 0 to 1. Above 1
// the base cannot stand in front of the request: the edits do not fit, or the cursor is where the snapshot does not
// show the file. A nil Base cannot either.
func (b *Base) Fill(in Input) float64 {
	if b == nil || in.Cursor < b.From || in.Cursor > b.To+in.Text.Len()-b.length {
		return 2
	}
	used := 0
	for _, s := range in.Context {
		if s.Source == Edits && s.Since {
			used += in.tokens(s.Text)
		}
	}
	return float64(used) / float64(in.sinceLimit())
}

// sinceLimit bounds the edits since a snapshot. They are needed to read it, so a base serves only while all of them
// fit.
func (in *Input) sinceLimit() int {
	for _, b := range budgets {
		if b.source == Edits {
			return b.tokens[completion]
		}
	}
	return 0
}

// taskParts accounts for the rules that a prompt begins with.
func (in *Input) taskParts(base []Message) (list []Part) {
	for _, m := range base {
		list = append(list, Part{Source: Task, Why: "what kind of answer is wanted", Tokens: in.tokens(m.Text), Base: true})
	}
	return list
}

// Completion renders a request for text at the cursor.
func Completion(in Input) Prompt {
	w := &writer{in: &in, kind: completion}
	p := Prompt{Base: CompletionBase()}
	above, below := farAbove, farBelow
	if in.Base != nil {
		above, below = nearAbove, nearBelow
	}
	behind := in.Text.LineEnd(lineAt(in.Text, in.Cursor)) // behind the cursor's line
	long := behind-in.Cursor > bytesPerToken*below
	if long {
		behind = cutBehind(in.Text, in.Cursor, below)
	}
	start, tokensAbove := in.before(in.Cursor, above)
	end, tokensBelow := in.behind(behind, below)
	w.b.Grow(end - start + 1<<10)
	if in.Base != nil {
		p.Base = in.Base.Messages
		p.Parts, p.Cut = append(p.Parts, in.Base.parts...), append(p.Cut, in.Base.cut...)
		w.context(true, freshTokens, in.Base.held)
	} else {
		p.Parts = in.taskParts(CompletionBase())
		w.context(true, 0, nil)
	}
	if next := in.Text.Slice(behind, end); !long && strings.TrimSpace(next) != "" {
		text := strings.TrimPrefix(modelText(next), "\n")
		tag := elementFor("below", text)
		fmt.Fprintf(&w.b, "<%s>\n", tag)
		w.add(Part{Source: Below, Path: in.Path, Why: "what follows the cursor's line", Tokens: tokensBelow}, text)
		w.line()
		fmt.Fprintf(&w.b, "</%s>\n", tag)
	}
	in.Context = notShown(in.Context, start, end)
	w.context(false, 0, nil)
	w.header()
	text := modelText(in.Text.Slice(start, in.Cursor))
	w.add(Part{Source: Above, Path: in.Path, Line: lineAt(in.Text, start) + 1, Why: "what stands before the cursor", Tokens: tokensAbove}, text)
	w.b.WriteString(CursorMark)
	w.b.WriteString(modelText(in.Text.Slice(in.Cursor, min(behind, end))))
	p.Input = []Message{{User, w.b.String()}}
	p.Parts, p.Cut = append(p.Parts, w.parts...), append(p.Cut, w.cut...)
	return p
}

// notShown leaves out the edits that only added what the window shows anyway: most of what somebody types.
func notShown(list []Snippet, start, end int) []Snippet {
	var out []Snippet
	for i, s := range list {
		shown := s.Source == Edits && s.Since && start <= s.Start && s.End <= end && !strings.HasPrefix(s.Text, "-")
		if shown && out == nil {
			out = append(make([]Snippet, 0, len(list)), list[:i]...)
		}
		if !shown && out != nil {
			out = append(out, s)
		}
	}
	if out == nil {
		return list
	}
	return out
}

// Edit renders a request for the replacement of a region by an instruction.
func Edit(in Input) Prompt {
	return instruct(in, EditBase(), func(w *writer) { w.region(in) })
}

// region writes the document with the region between its lines.
func (w *writer) region(in Input) {
	start, end := in.around(in.Start, in.End, aroundEdit, aroundEdit)
	w.header()
	w.document(Around, "what stands above the region", start, in.Start)
	w.b.WriteString(RegionOpen + "\n")
	w.document(Selection, "the region that the request is about", in.Start, in.End)
	w.b.WriteString(RegionClose + "\n")
	w.document(Around, "what stands below the region", in.End, end)
}

// instruct puts a request by an instruction together, whatever the format of its answer: base says what that is, and
// file writes the document's part of the request.
func instruct(in Input, base []Message, file func(w *writer)) Prompt {
	w := &writer{in: &in, kind: editing}
	w.context(true, 0, nil)
	w.context(false, 0, nil)
	file(w)
	text := strings.TrimSpace(in.Instruction)
	w.b.WriteString("\nInstruction: ")
	w.add(Part{Source: Request, Why: "what the user wants", Tokens: in.tokens(text)}, text)
	w.b.WriteByte('\n')
	return Prompt{Base: base, Input: []Message{{User, w.b.String()}}, Parts: append(in.taskParts(base), w.parts...), Cut: w.cut}
}

// document writes a part of the document, and ends its last line.
func (w *writer) document(source Source, why string, from, to int) {
	in := w.in
	text := modelText(in.Text.Slice(from, to))
	if text == "" {
		return
	}
	w.add(Part{Source: source, Path: in.Path, Line: lineAt(in.Text, from) + 1, Why: why, Tokens: in.tokens(text)}, text)
	w.line()
}

// line ends a line that is not ended.
func (w *writer) line() {
	if s := w.b.String(); s != "" && !strings.HasSuffix(s, "\n") {
		w.b.WriteByte('\n')
	}
}

func (w *writer) header() {
	in := w.in
	w.b.WriteString("File: ")
	w.b.WriteString(quietPath(in.Path))
	if in.Language != "" {
		w.b.WriteString(" (")
		w.b.WriteString(in.Language)
		w.b.WriteString(")")
	}
	w.b.WriteString("\n\n")
}

// modelText is the document's text as a model reads it: its line ends are the document's business.
func modelText(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// String is a Text that is one string. Its lines are looked for each time, so it is for small texts and tests.
type String string

func (s String) Len() int              { return len(s) }
func (s String) Slice(i, j int) string { return string(s[i:j]) }
func (s String) LineCount() int        { return strings.Count(string(s), "\n") + 1 }

func (s String) LineStart(n int) int {
	at := 0
	for range n {
		at += strings.IndexByte(string(s[at:]), '\n') + 1
	}
	return at
}

func (s String) LineEnd(n int) int {
	start := s.LineStart(n)
	end := len(s)
	if i := strings.IndexByte(string(s[start:]), '\n'); i >= 0 {
		end = start + i
	}
	if end > start && s[end-1] == '\r' {
		end--
	}
	return end
}
