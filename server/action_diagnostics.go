package server

import (
	"fmt"
	"strings"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
)

// diagnosis is a diagnostic as a menu's entry carries it to the command: the editor may have other ones by then.
type diagnosis struct {
	Line    uint32         `json:"line"`
	Message string         `json:"message"`
	Origin  string         `json:"origin,omitempty"`
	Related []relatedPlace `json:"related,omitempty"`
}

type relatedPlace struct {
	URI     string `json:"uri"`
	Line    uint32 `json:"line"`
	Message string `json:"message"`
}

// What a menu's entry carries is bounded: compilers can say a lot, and editors send it back.
const (
	maxTitle       = 60 // characters of a message in a title
	maxDiagnostics = 20
	maxRelated     = 5
	maxMessage     = 2000 // bytes
)

// eachDiagnostic makes an entry of every diagnostic at a place.
func eachDiagnostic(_ *Server, at place) []choice {
	var list []choice
	for i, d := range clonedDiagnostics(at.diagnostics) {
		if i == maxDiagnostics {
			break
		}
		list = append(list, choice{"Fix with spark: " + titleOf(message(d)), []protocol.Diagnostic{d}})
	}
	return list
}

// allDiagnostics makes one entry of several diagnostics.
func allDiagnostics(_ *Server, at place) []choice {
	if len(at.diagnostics) < 2 {
		return nil
	}
	all := clonedDiagnostics(at.diagnostics)
	all = all[:min(len(all), maxDiagnostics)]
	return []choice{{fmt.Sprintf("Fix all %d with spark", len(all)), all}}
}

// clonedDiagnostics are diagnostics that do not share memory with the request that brought them.
func clonedDiagnostics(list []protocol.Diagnostic) []protocol.Diagnostic {
	raw, err := protocol.Marshal(list)
	if err != nil {
		return nil
	}
	var out []protocol.Diagnostic
	if protocol.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}

// titleOf is a message in one short line.
func titleOf(message string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	line = strings.Join(strings.Fields(line), " ")
	if r := []rune(line); len(r) > maxTitle {
		line = strings.TrimSpace(string(r[:maxTitle])) + "…"
	}
	return line
}

func message(d protocol.Diagnostic) string {
	switch m := d.Message.(type) {
	case protocol.String:
		return string(m)
	case *protocol.MarkupContent:
		return m.Value
	}
	return ""
}

// diagnoses are diagnostics for a command's argument.
func diagnoses(list []protocol.Diagnostic) []diagnosis {
	var out []diagnosis
	for _, d := range list {
		text := message(d)
		if len(text) > maxMessage {
			text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
		}
		o := diagnosis{Line: d.Range.Start.Line, Message: text}
		o.Origin, _ = d.Source.Get()
		switch code := d.Code.(type) {
		case protocol.String:
			o.Origin = strings.TrimSpace(o.Origin + " " + string(code))
		case protocol.Integer:
			o.Origin = strings.TrimSpace(fmt.Sprintf("%s %d", o.Origin, code))
		}
		for i, r := range d.RelatedInformation {
			if i == maxRelated {
				break
			}
			o.Related = append(o.Related, relatedPlace{string(r.Location.URI), r.Location.Range.Start.Line, r.Message})
		}
		out = append(out, o)
	}
	return out
}

// reported are diagnoses of a document as the model reads of them, with the lines that they speak of.
func (s *Server) reported(snap *lsp.Snapshot, doc *lsp.Document, list []diagnosis) []prompt.Diagnostic {
	var out []prompt.Diagnostic
	for _, d := range list {
		p := prompt.Diagnostic{
			Line: int(d.Line) + 1, Text: prompt.LineText(doc.Text, int(d.Line)),
			Message: strings.TrimSpace(d.Message), Origin: d.Origin,
		}
		for _, r := range d.Related {
			about := prompt.Related{Where: fmt.Sprintf("%s:%d", s.relative(r.URI), r.Line+1), Message: strings.TrimSpace(r.Message)}
			if other, ok := snap.Get(r.URI); ok && (other == doc || !s.secret(other)) {
				about.Text = prompt.LineText(other.Text, int(r.Line))
			}
			p.Related = append(p.Related, about)
		}
		out = append(out, p)
	}
	return out
}
