package privacy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// HiddenError says that a text brings a character which a reader cannot see, or which reorders a line for the eye
// alone ("Trojan Source"): code can be hidden in such characters, or look like other code.
type HiddenError struct {
	Rune rune
	Line int // of the text, from 1
}

func (e *HiddenError) Error() string {
	return fmt.Sprintf("the answer holds an invisible character, U+%04X (%s) in its line %d, and was refused; such characters can make code look like other code. The setting privacy.invisible in the user file takes them",
		e.Rune, hiddenName(e.Rune), e.Line)
}

// Screen lets a stream of text pass as long as nobody can hide anything in it. It belongs to one goroutine. Nothing is
// held back but the bytes of a character that is not whole yet; plain text passes without a copy.
type Screen struct {
	own  map[rune]int // what may come back, and how often
	rtl  bool         // somebody writes from right to left here: marks of direction are orthography
	last rune         // before what comes next; 0 at the start
	tags int          // letters of a flag that are still allowed
	line int
	held string
}

// NewScreen begins a stream that replaces own: the hidden characters that are in it already may come again, each as
// often as it is there.
func NewScreen(own string) *Screen {
	s := &Screen{line: 1}
	if plain(own) {
		return s
	}
	for _, r := range own {
		s.rtl = s.rtl || rightToLeft(r)
	}
	probe := &Screen{rtl: s.rtl, line: 1}
	for _, r := range own {
		if probe.hides(r) {
			if s.own == nil {
				s.own = map[rune]int{}
			}
			s.own[r]++
		}
		probe.last = r
	}
	return s
}

// Push returns the part of text that may pass; the error is a *HiddenError, and nothing may follow it.
func (s *Screen) Push(text string) (string, error) {
	if s.held == "" && plain(text) {
		for i := range len(text) {
			if text[i] == '\n' {
				s.line++
			}
		}
		if text != "" {
			s.last, s.tags = rune(text[len(text)-1]), 0
		}
		return text, nil
	}
	text = s.held + text
	s.held = ""
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && n == 1 && !utf8.FullRuneInString(text[i:]) {
			s.held = text[i:]
			return text[:i], nil
		}
		if s.hides(r) {
			if s.own[r] == 0 {
				return text[:i], &HiddenError{r, s.line}
			}
			s.own[r]--
		}
		if r == '\n' {
			s.line++
		}
		s.rtl = s.rtl || rightToLeft(r)
		s.last = r
		i += n
	}
	return text, nil
}

// Rest returns what is held back at the end of the stream: the bytes of half a character.
func (s *Screen) Rest() string {
	rest := s.held
	s.held = ""
	return rest
}

// FindHidden returns the first character of text that a Screen of own would refuse, nil for none.
func FindHidden(own, text string) error {
	_, err := NewScreen(own).Push(text)
	return err
}

// plain reports whether a text has nothing but visible ASCII and the white space of programs.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7f || c < 0x20 && c != '\n' && c != '\t' && c != '\r' && c != '\f' {
			return false
		}
	}
	return true
}

// hides decides about one character behind s.last. What is orthography is let pass: joiners between letters of scripts
// that need them and in emoji, one variation selector behind what has variants, the tags of a flag, marks of direction
// where somebody writes from right to left.
func (s *Screen) hides(r rune) bool {
	tags := s.tags
	s.tags = 0
	switch {
	case r < 0x20:
		return r != '\n' && r != '\t' && r != '\r' && r != '\f'
	case r < 0x7f:
		return false
	case r <= 0x9f:
		return true // DEL and the second set of control characters
	case r < 0xad:
		return false
	case 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069:
		return true
	case r == 0x200e, r == 0x200f, r == 0x061c:
		return !s.rtl
	case r == 0x200c, r == 0x200d:
		return !(joins(s.last) || r == 0x200d && pictures(s.last))
	case r == 0x200b:
		return !unicode.In(s.last, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan)
	case 0xfe00 <= r && r <= 0xfe0f:
		keycap := r == 0xfe0f && (s.last >= '0' && s.last <= '9' || s.last == '#' || s.last == '*')
		return !keycap && !(s.last >= 0x80 && !selector(s.last) && (unicode.IsSymbol(s.last) || unicode.IsPunct(s.last) || unicode.Is(unicode.Han, s.last)))
	case 0xe0100 <= r && r <= 0xe01ef:
		return !unicode.Is(unicode.Han, s.last)
	case 0xe0000 <= r && r <= 0xe007f:
		// England's flag and its like: a black flag, at most six letters, and an end.
		if s.last == 0x1f3f4 {
			tags = 7
		}
		if tags == 0 || r < 0xe0020 {
			return true
		}
		s.tags = tags - 1
		return false
	case 0x180b <= r && r <= 0x180f:
		return !unicode.Is(unicode.Mongolian, s.last)
	}
	switch r {
	case 0xad, 0x34f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2028, 0x2029, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0x2065,
		0x206a, 0x206b, 0x206c, 0x206d, 0x206e, 0x206f, 0x3164, 0xfeff, 0xffa0, 0xfff9, 0xfffa, 0xfffb:
		return true
	}
	return 0x1bca0 <= r && r <= 0x1bca3 || 0x1d173 <= r && r <= 0x1d17a
}

func selector(r rune) bool { return 0xfe00 <= r && r <= 0xfe0f || 0xe0100 <= r && r <= 0xe01ef }

// pictures reports whether a joiner may stand behind r in an emoji.
func pictures(r rune) bool {
	return r == 0xfe0f || r >= 0x2190 && (unicode.Is(unicode.So, r) || unicode.Is(unicode.Sk, r) || unicode.Is(unicode.Sm, r))
}

// joins reports whether r belongs to a script in which joiners change how words are written.
func joins(r rune) bool {
	return unicode.In(r, unicode.Arabic, unicode.Syriac, unicode.Nko, unicode.Mongolian, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati,
		unicode.Oriya, unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Thaana)
}

func rightToLeft(r rune) bool {
	return r >= 0x590 && unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Samaritan, unicode.Mandaic)
}

// hiddenName says in words what a character is.
func hiddenName(r rune) string {
	if name, ok := map[rune]string{
		0xad: "soft hyphen", 0x61c: "Arabic letter mark", 0x200b: "zero width space", 0x200c: "zero width non-joiner", 0x200d: "zero width joiner",
		0x200e: "left-to-right mark", 0x200f: "right-to-left mark", 0x202a: "left-to-right embedding", 0x202b: "right-to-left embedding",
		0x202c: "pop directional formatting", 0x202d: "left-to-right override", 0x202e: "right-to-left override", 0x2066: "left-to-right isolate",
		0x2067: "right-to-left isolate", 0x2068: "first strong isolate", 0x2069: "pop directional isolate", 0x2060: "word joiner",
		0x2028: "line separator", 0x2029: "paragraph separator", 0xfeff: "byte order mark", 0x3164: "Hangul filler", 0x1b: "escape",
	}[r]; ok {
		return name
	}
	switch {
	case r < 0x20 || r >= 0x7f && r <= 0x9f:
		return "control character"
	case selector(r):
		return "variation selector"
	case 0xe0000 <= r && r <= 0xe007f:
		return "tag character"
	}
	return "invisible character"
}

// Visible makes a name fit to be shown and to stand in a line: characters that end lines, command terminals or hide
// are written as escapes, as in a\u000a.
func Visible(name string) string {
	s := Screen{line: 1}
	if plain(name) && !strings.ContainsAny(name, "\n\t\r\f") {
		return name
	}
	var b strings.Builder
	for _, r := range name {
		s.rtl = s.rtl || rightToLeft(r)
		if s.hides(r) || r < 0x20 {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
		s.last = r
	}
	return b.String()
}
