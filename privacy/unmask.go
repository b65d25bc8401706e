package privacy

import "strings"

// Unmasker takes placeholders out of one stream of text. Only what can still become a placeholder is held back, so
// text without any passes as it is, without a copy. It belongs to one goroutine.
type Unmasker struct {
	m    *Masker
	held string
}

// Unmasker begins a stream.
func (m *Masker) Unmasker() Unmasker { return Unmasker{m: m} }

// Unmask takes the placeholders out of a whole text.
func (m *Masker) Unmask(text string) string {
	u := m.Unmasker()
	return u.Push(text) + u.Rest()
}

// Push takes the next piece and returns what is certain.
func (u *Unmasker) Push(text string) string {
	if u.m.given.Load() == 0 {
		return text
	}
	if u.held != "" {
		text = u.held + text
		u.held = ""
	}
	i := strings.Index(text, placeholderHead)
	if i < 0 {
		n := beginning(text)
		u.held = text[len(text)-n:]
		return text[:len(text)-n]
	}
	var b strings.Builder
	for {
		b.WriteString(text[:i])
		text = text[i:]
		if len(text) < placeholderLength {
			if inBase32(text[len(placeholderHead):]) {
				u.held = text
				return b.String()
			}
			b.WriteString(placeholderHead)
			text = text[len(placeholderHead):]
		} else if secret, ok := u.m.values.Load(text[:placeholderLength]); ok {
			b.WriteString(secret.(string))
			text = text[placeholderLength:]
		} else {
			b.WriteString(placeholderHead)
			text = text[len(placeholderHead):]
		}
		if i = strings.Index(text, placeholderHead); i < 0 {
			n := beginning(text)
			u.held = text[len(text)-n:]
			b.WriteString(text[:len(text)-n])
			return b.String()
		}
	}
}

// Rest returns what is still held back, at the end of the stream.
func (u *Unmasker) Rest() string {
	rest := u.held
	u.held = ""
	return rest
}

// beginning is how many bytes at the end of s can be the beginning of a placeholder.
func beginning(s string) int {
	for n := min(len(placeholderHead)-1, len(s)); n > 0; n-- {
		if s[len(s)-n] == placeholderHead[0] && strings.HasSuffix(s, placeholderHead[:n]) {
			return n
		}
	}
	return 0
}
