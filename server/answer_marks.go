package server

import (
	"strings"

	"github.com/spark-lsp/spark-lsp/prompt"
)

// regionMarks takes out of an answer the lines with which the prompt marks the region: models repeat them although they
// are told not to. What comes behind the closing one is talk. A piece is held back only while it may become such a line.
type regionMarks struct {
	off  bool // the document or the instruction speaks of them: they may be meant
	line bool // within a line that is none
	said bool // a line of text has begun
	over bool // behind the closing one
	held string
}

func speaksOfRegions(text string) bool {
	return strings.Contains(text, prompt.RegionOpen) || strings.Contains(text, prompt.RegionClose)
}

// push returns what of the next piece is known to be text.
func (m *regionMarks) push(text string) string {
	if m.off || text == "" {
		return text
	}
	var out strings.Builder
	for text != "" && !m.over {
		end := strings.IndexByte(text, '\n') + 1
		piece := text
		if end > 0 {
			piece = text[:end]
		}
		text = text[len(piece):]
		if !m.line {
			m.held += piece
			if end == 0 && m.mayMark() {
				break // more of this line decides
			}
			if piece, m.held = m.held, ""; m.marks(piece) {
				continue
			}
			word := strings.TrimSpace(piece)
			m.said = m.said || word != "" && !strings.HasPrefix(word, "`") // a fence may go round them
		}
		out.WriteString(piece)
		m.line = end == 0
	}
	return out.String()
}

// mayMark says that the line that has begun may become a mark.
func (m *regionMarks) mayMark() bool {
	word := strings.TrimSpace(m.held)
	return strings.HasPrefix(prompt.RegionClose, word) || !m.said && strings.HasPrefix(prompt.RegionOpen, word)
}

// marks says that a line is a mark.
func (m *regionMarks) marks(line string) bool {
	switch strings.TrimSpace(line) {
	case prompt.RegionOpen:
		return !m.said
	case prompt.RegionClose:
		m.over = true
		return true
	}
	return false
}

// rest returns what is held and is text after all, at the end.
func (m *regionMarks) rest() string {
	line := m.held
	m.held = ""
	if m.over || m.marks(line) {
		return ""
	}
	return line
}
