package lsp

import (
	"fmt"
	"math"

	"go.lsp.dev/protocol"
)

// The parameters of text synchronisation are decoded into types of our own. Those of go.lsp.dev/protocol will not
// do: a change whose range is broken decodes there as the replacement of the whole document, and URIs lose
// the client's spelling.

type wireDocument struct {
	URI        *string  `json:"uri"`
	LanguageID string   `json:"languageId"`
	Version    *float64 `json:"version"`
	Text       *string  `json:"text"`
}

func (d wireDocument) version() int32 {
	if d.Version == nil || math.Abs(*d.Version) > math.MaxInt32 {
		return 0
	}
	return int32(*d.Version)
}

type wirePosition struct {
	Line      *float64 `json:"line"`
	Character *float64 `json:"character"`
}

// position accepts whole numbers in any notation. Numbers beyond 32 bits mean "beyond the end", which some
// clients send on purpose.
func (p *wirePosition) position() (protocol.Position, bool) {
	if p == nil || p.Line == nil || p.Character == nil {
		return protocol.Position{}, false
	}
	line, ok1 := wholeUint32(*p.Line)
	character, ok2 := wholeUint32(*p.Character)
	return protocol.Position{Line: line, Character: character}, ok1 && ok2
}

func wholeUint32(f float64) (uint32, bool) {
	if f < 0 || f != math.Trunc(f) {
		return 0, false
	}
	return uint32(min(f, math.MaxUint32)), true
}

func (s *server) didOpen(params []byte) error {
	var p struct {
		TextDocument wireDocument `json:"textDocument"`
	}
	if protocol.Unmarshal(params, &p) != nil || p.TextDocument.URI == nil || p.TextDocument.Text == nil {
		return errUndecodable
	}
	d := p.TextDocument
	s.changed(s.documents.Open(*d.URI, d.LanguageID, d.version(), *d.Text))
	return nil
}

func (s *server) didChange(params []byte) error {
	var p struct {
		TextDocument   wireDocument `json:"textDocument"`
		ContentChanges []struct {
			Range *struct {
				Start *wirePosition `json:"start"`
				End   *wirePosition `json:"end"`
			} `json:"range"`
			Text *string `json:"text"`
		} `json:"contentChanges"`
	}
	if protocol.Unmarshal(params, &p) != nil || p.TextDocument.URI == nil {
		return errUndecodable
	}
	changes := make([]ContentChange, len(p.ContentChanges))
	for i, c := range p.ContentChanges {
		if c.Text == nil {
			return fmt.Errorf("change %d has no text", i)
		}
		changes[i].Text = *c.Text
		if c.Range == nil {
			continue
		}
		start, ok1 := c.Range.Start.position()
		end, ok2 := c.Range.End.position()
		if !ok1 || !ok2 {
			return fmt.Errorf("change %d has a broken range", i)
		}
		changes[i].Range = &protocol.Range{Start: start, End: end}
	}
	c, err := s.documents.Change(*p.TextDocument.URI, p.TextDocument.version(), changes...)
	if err != nil {
		return err
	}
	s.changed(c)
	return nil
}

func (s *server) didClose(params []byte) error {
	var p struct {
		TextDocument wireDocument `json:"textDocument"`
	}
	if protocol.Unmarshal(params, &p) != nil || p.TextDocument.URI == nil {
		return errUndecodable
	}
	c, err := s.documents.Close(*p.TextDocument.URI)
	if err != nil {
		return err
	}
	s.changed(c)
	return nil
}

func (s *server) changed(c Change) {
	if s.p.Changed != nil {
		s.p.Changed(c)
	}
}
