package lsp

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
)

// salvage returns what is left of raw when all that does not decode is taken out: of an object the members, of
// an array the elements, as deep down as possible, so that one odd value costs only itself. Whole numbers in
// an odd notation (123.0) are rewritten instead. dropped holds the paths of what was taken out, as in
// "capabilities.general.positionEncodings[1]", the first always one that has no smaller part to blame; the
// path "" means that nothing is left.
//
// decodes is asked about excerpts of raw, each a single value with all that is around it taken away. Asking the
// decoder was preferred to types of our own for everything that might be odd, since it needs no knowledge of
// the protocol and cannot fall behind it.
func salvage(raw []byte, decodes func([]byte) bool) (kept []byte, dropped []string) {
	s := salvager{decodes: decodes}
	kept, _ = s.keep(bytes.TrimSpace(raw), spot{})
	return kept, s.dropped
}

type salvager struct {
	decodes func([]byte) bool
	dropped []string
}

// spot is where a value stands: all that is around it, and the path to it.
type spot struct {
	before, after []byte
	path          string
}

func (p spot) with(value []byte) []byte { return slices.Concat(p.before, value, p.after) }

func (p spot) member(name string, quoted []byte) spot {
	path := name
	if p.path != "" {
		path = p.path + "." + name
	}
	return spot{
		before: slices.Concat(p.before, []byte{'{'}, quoted, []byte{':'}),
		after:  slices.Concat([]byte{'}'}, p.after),
		path:   path,
	}
}

func (p spot) element(i int) spot {
	return spot{
		before: slices.Concat(p.before, []byte{'['}),
		after:  slices.Concat([]byte{']'}, p.after),
		path:   p.path + "[" + strconv.Itoa(i) + "]",
	}
}

// keep returns what is left of the value at p, and false if that is nothing.
func (s *salvager) keep(value []byte, p spot) ([]byte, bool) {
	if s.decodes(p.with(value)) {
		return value, true
	}
	if rest, ok := s.part(value, p); ok && s.decodes(p.with(rest)) {
		return rest, true
	}
	s.dropped = append(s.dropped, p.path)
	return nil, false
}

// part returns what is left of a value that does not decode as a whole.
func (s *salvager) part(value []byte, p spot) ([]byte, bool) {
	if len(value) == 0 {
		return nil, false
	}
	switch value[0] {
	case '{':
		var members map[string]json.RawMessage
		// Where not even {} is welcome, the members are not to blame.
		if json.Unmarshal(value, &members) != nil || !s.decodes(p.with([]byte("{}"))) {
			return nil, false
		}
		var parts [][]byte
		for _, name := range slices.Sorted(maps.Keys(members)) {
			quoted, err := json.Marshal(name)
			if err != nil {
				continue
			}
			if rest, ok := s.keep(members[name], p.member(name, quoted)); ok {
				parts = append(parts, slices.Concat(quoted, []byte{':'}, rest))
			}
		}
		return slices.Concat([]byte{'{'}, bytes.Join(parts, []byte{','}), []byte{'}'}), true
	case '[':
		var elements []json.RawMessage
		if json.Unmarshal(value, &elements) != nil || !s.decodes(p.with([]byte("[]"))) {
			return nil, false
		}
		var parts [][]byte
		for i, element := range elements {
			if rest, ok := s.keep(element, p.element(i)); ok {
				parts = append(parts, rest)
			}
		}
		return slices.Concat([]byte{'['}, bytes.Join(parts, []byte{','}), []byte{']'}), true
	default:
		f, err := strconv.ParseFloat(string(value), 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return nil, false
		}
		return strconv.AppendInt(nil, int64(f), 10), true
	}
}
