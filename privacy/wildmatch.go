package privacy

import "strings"

// glob is one pattern in the language of gitignore(5), without its "!", leading and trailing slash.
//
// Why own code: the matchers that can be had disagree with git where it matters for a gate.
// go-git's (v5.19) reads "/foo" and "!foo" as prefixes, so that "*", "!/foo/" lets foo/secret through, takes
// the first place a "**" could end instead of trying all, knows no "[!a]" and no character classes, and
// lets "foo/**" match foo itself; git-pkgs/gitignore (v1.1.0) shares the prefix reading and takes an open
// bracket as a letter. The test TestRulesAgreeWithGit asks git itself.
type glob struct {
	text      string
	plain     bool // known to hold no special character
	pathNames bool // "*", "?" and brackets stop at a slash, "**" does not
	fold      bool // ASCII letters of either case are equal
}

// match reports whether all of name matches. It costs at most some len(text)*len(name) steps whatever the
// pattern is: patterns come from the workspace, and one like a*a*a*a*b must not hold a keystroke up.
func (g glob) match(name string) bool {
	if g.plain {
		return g.equal(g.text, name)
	}
	m := wildMatch{glob: g, name: name}
	return m.at(0, 0)
}

func (g glob) equal(a, b string) bool {
	if !g.fold {
		return a == b
	}
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// wildMatch is one run of a glob over a name. failed remembers, for the stars that begin at an offset of the
// pattern, the range of offsets in the name from where they are known to lead nowhere. A star that failed
// from t has tried all that it could from any later place before its end, so no place is tried twice.
type wildMatch struct {
	glob
	name   string
	failed map[int][2]int
}

func (m *wildMatch) at(p, t int) bool {
	for p < len(m.text) {
		c := m.text[p]
		if c == '*' {
			return m.star(p, t)
		}
		if t == len(m.name) {
			return false
		}
		ch := m.name[t]
		switch c {
		case '?':
			if m.pathNames && ch == '/' {
				return false
			}
			p++
		case '[':
			next, ok := m.bracket(p, ch)
			if !ok {
				return false
			}
			p = next
		case '\\':
			// A backslash at the very end escapes nothing and matches nothing, as in git.
			if p+1 == len(m.text) || !m.same(m.text[p+1], ch) {
				return false
			}
			p += 2
		default:
			if !m.same(c, ch) {
				return false
			}
			p++
		}
		t++
	}
	return t == len(m.name)
}

// star handles a run of stars that begins at start. Two or more of them cross slashes only when they stand
// alone between slashes (or at an end); otherwise they are one star.
func (m *wildMatch) star(start, t int) bool {
	p := start
	for p < len(m.text) && m.text[p] == '*' {
		p++
	}
	if known, ok := m.failed[start]; ok && known[0] <= t && t <= known[1] {
		return false
	}
	rest := m.text[p:]
	cross := !m.pathNames
	if m.pathNames && p-start >= 2 {
		alone := start == 0 || m.text[start-1] == '/'
		cross = alone && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, `\/`))
		if cross && rest != "" && rest[0] == '/' && m.at(p+1, t) {
			return true // "**/" may also stand for nothing
		}
	}
	if !strings.ContainsAny(rest, `*?[\`) {
		// "*.pem", the usual case: only one place is left where the star can end.
		end := len(m.name) - len(rest)
		return end >= t && m.equal(rest, m.name[end:]) && (cross || strings.IndexByte(m.name[t:end], '/') < 0)
	}
	for end := t; ; end++ {
		if m.at(p, end) {
			return true
		}
		if end == len(m.name) || !cross && m.name[end] == '/' {
			if m.failed == nil {
				m.failed = map[int][2]int{}
			}
			m.failed[start] = [2]int{t, end}
			return false
		}
	}
}

func (m *wildMatch) same(a, b byte) bool {
	return a == b || m.fold && lower(a) == lower(b)
}

// bracket matches ch against the bracket expression at p and returns where the pattern goes on. An
// expression that never closes, or names an unknown class, matches nothing.
func (m *wildMatch) bracket(p int, ch byte) (next int, ok bool) {
	if m.pathNames && ch == '/' {
		return 0, false
	}
	s := m.text
	p++
	negated := p < len(s) && (s[p] == '!' || s[p] == '^')
	if negated {
		p++
	}
	matched := false
	low := -1 // the character that a following "-" may start a range from
	for first := true; ; first = false {
		if p >= len(s) {
			return 0, false
		}
		c := s[p]
		switch {
		case c == ']' && !first:
			return p + 1, matched != negated
		case c == '-' && low >= 0 && p+1 < len(s) && s[p+1] != ']':
			p++
			if s[p] == '\\' {
				if p++; p >= len(s) {
					return 0, false
				}
			}
			matched = matched || m.inRange(byte(low), s[p], ch)
			low = -1
			p++
		case c == '[' && p+1 < len(s) && s[p+1] == ':':
			end := strings.IndexByte(s[p+2:], ']')
			if end < 0 {
				return 0, false
			}
			name := s[p+2 : p+2+end]
			if !strings.HasSuffix(name, ":") {
				// Not a class after all: the bracket is a letter of the set.
				matched = matched || ch == '['
				low = '['
				p++
				break
			}
			in, known := m.inClass(strings.TrimSuffix(name, ":"), ch)
			if !known {
				return 0, false
			}
			matched = matched || in
			low = -1
			p += 2 + end + 1
		default:
			if c == '\\' {
				if p++; p >= len(s) {
					return 0, false
				}
				c = s[p]
			}
			matched = matched || m.same(c, ch)
			low = int(c)
			p++
		}
	}
}

func (m *wildMatch) inRange(low, high, ch byte) bool {
	in := func(c byte) bool { return low <= c && c <= high }
	return in(ch) || m.fold && (in(lower(ch)) || in(upper(ch)))
}

func (m *wildMatch) inClass(name string, c byte) (in, known bool) {
	isLower := 'a' <= c && c <= 'z'
	isUpper := 'A' <= c && c <= 'Z'
	isDigit := '0' <= c && c <= '9'
	graph := 0x20 < c && c < 0x7f
	switch name {
	case "alnum":
		return isLower || isUpper || isDigit, true
	case "alpha":
		return isLower || isUpper, true
	case "blank":
		return c == ' ' || c == '\t', true
	case "cntrl":
		return c < 0x20 || c == 0x7f, true
	case "digit":
		return isDigit, true
	case "graph":
		return graph, true
	case "lower":
		return isLower || m.fold && isUpper, true
	case "print":
		return graph || c == ' ', true
	case "punct":
		return graph && !isLower && !isUpper && !isDigit, true
	case "space":
		return c == ' ' || '\t' <= c && c <= '\r', true
	case "upper":
		return isUpper || m.fold && isLower, true
	case "xdigit":
		return isDigit || 'a' <= lower(c) && lower(c) <= 'f', true
	}
	return false, false
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}
