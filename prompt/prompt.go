// Package prompt turns what the editor knows into what the model reads: messages, in an order that keeps what
// rarely changes in front, so that a warmed base can stand for it. It knows strings and byte offsets, neither
// editor nor model, and sends nothing.
package prompt

import (
	_ "embed"
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

// Prompt is what the model reads for one request. Base is the same for every request of its kind in a file and
// is worth warming; Input is what belongs to this request alone.
type Prompt struct {
	Base  []Message
	Input []Message
}

// Input is what is known at the moment of a request. Text is the whole document; offsets are bytes in it.
type Input struct {
	Path     string // slash-separated, relative to the workspace, or the file's name
	Language string // LSP language id
	Text     Text
	Cursor   int // completion: where text is wanted

	Start, End  int    // edit: the region that the answer replaces
	Instruction string // edit: what the user wants, in their words
}

// Text is the document as the prompt reads it: never whole when it is large.
type Text interface {
	Len() int
	Slice(i, j int) string
}

// CursorMark stands where completed text will be inserted; region lines stand alone on their lines. The model
// is told about both; they are kept out of the document's own text by not being plausible in it.
const (
	CursorMark  = "<|cursor|>"
	regionOpen  = "<region>"
	regionClose = "</region>"
)

// Windows, in bytes. A completion reads little, because it is asked for at every pause; an edit reads the file.
const (
	completionBefore = 6 << 10
	completionAfter  = 2 << 10
	editAround       = 24 << 10
)

//go:embed templates/completion.txt
var completionRules string

//go:embed templates/edit.txt
var editRules string

// CompletionBase is the base of every completion; it is what a session warms before the first keystroke.
func CompletionBase() []Message { return []Message{{Developer, completionRules}} }

// EditBase is the base of every edit of a region.
func EditBase() []Message { return []Message{{Developer, editRules}} }

// Completion renders a request for text at the cursor.
func Completion(in Input) Prompt {
	start, end := window(in.Text, in.Cursor, in.Cursor, completionBefore, completionAfter)
	var b strings.Builder
	header(&b, in)
	b.WriteString(modelText(in.Text.Slice(start, in.Cursor)))
	b.WriteString(CursorMark)
	b.WriteString(modelText(in.Text.Slice(in.Cursor, end)))
	return Prompt{Base: CompletionBase(), Input: []Message{{User, b.String()}}}
}

// Edit renders a request for the replacement of a region by an instruction. Region and window hold whole lines.
func Edit(in Input) Prompt {
	start, end := window(in.Text, in.Start, in.End, editAround, editAround)
	var b strings.Builder
	header(&b, in)
	line := func(s string) {
		b.WriteString(s)
		if s != "" && !strings.HasSuffix(s, "\n") {
			b.WriteByte('\n')
		}
	}
	line(modelText(in.Text.Slice(start, in.Start)))
	line(regionOpen)
	line(modelText(in.Text.Slice(in.Start, in.End)))
	line(regionClose)
	line(modelText(in.Text.Slice(in.End, end)))
	b.WriteString("\nInstruction: ")
	b.WriteString(strings.TrimSpace(in.Instruction))
	b.WriteByte('\n')
	return Prompt{Base: EditBase(), Input: []Message{{User, b.String()}}}
}

func header(b *strings.Builder, in Input) {
	b.WriteString("File: ")
	b.WriteString(in.Path)
	if in.Language != "" {
		b.WriteString(" (")
		b.WriteString(in.Language)
		b.WriteString(")")
	}
	b.WriteString("\n\n")
}

// page is the unit, in bytes, to which a window's far ends are snapped before they move on to a line's start:
// a window that slid with every keystroke would defeat the endpoint's prompt cache.
const page = 1 << 10

// window returns the part of the text round [start, end) that a prompt shows: at most before and after bytes
// more, beginning and ending at line borders where there are any.
func window(t Text, start, end, before, after int) (int, int) {
	lo := 0
	if start > before {
		lo = (start - before + page - 1) / page * page
		lo = min(lo, start)
		head := t.Slice(lo, start)
		if i := strings.IndexByte(head, '\n'); i >= 0 {
			lo += i + 1
		} else {
			lo = start - len(lastRunes(head))
		}
	}
	hi := t.Len()
	if end+after < hi {
		hi = max(end, (end+after)/page*page)
		tail := t.Slice(end, hi)
		if i := strings.LastIndexByte(tail, '\n'); i >= 0 {
			hi = end + i + 1
		} else {
			hi = end + len(firstRunes(tail))
		}
	}
	return lo, hi
}

// firstRunes and lastRunes cut a half UTF-8 sequence off the end, or off the start, of a slice that was made at
// an arbitrary byte.
func firstRunes(s string) string {
	return strings.ToValidUTF8(s, "")
}

func lastRunes(s string) string {
	for i := range min(len(s), 4) {
		if s[i]&0xC0 != 0x80 {
			return s[i:]
		}
	}
	return s
}

// modelText is the document's text as a model reads it: its line ends are the document's business.
func modelText(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// String is a Text that is one string.
type String string

func (s String) Len() int              { return len(s) }
func (s String) Slice(i, j int) string { return string(s[i:j]) }
