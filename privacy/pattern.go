package privacy

import "strings"

// pattern is one line of an ignore file.
type pattern struct {
	line    int    // 1-based, for the reason given to a person
	text    string // as written
	negated bool   // "!": a match lets the path in again
	dirOnly bool   // a trailing slash: matches directories only
	name    bool   // no slash but a trailing one: matches the last element at any depth
	literal string // for paths: the part before the first special character, compared first
	glob    glob   // name: the whole pattern; paths: what follows literal
}

// parsePatterns reads an ignore file the way git does: a byte order mark and carriage returns are dropped,
// "#" comments, trailing blanks go unless escaped, a NUL ends its line.
func parsePatterns(data string, fold bool) []pattern {
	data = strings.TrimPrefix(data, "\uFEFF")
	var list []pattern
	n := 0
	for line := range strings.SplitSeq(data, "\n") {
		n++
		line = strings.TrimSuffix(line, "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		line, _, _ = strings.Cut(line, "\x00")
		p := pattern{line: n, text: trimBlanks(line)}
		s := p.text
		if s, p.negated = strings.CutPrefix(s, "!"); s == "" {
			continue
		}
		s, p.dirOnly = strings.CutSuffix(s, "/")
		p.name = !strings.Contains(s, "/")
		if !p.name {
			special := strings.IndexAny(s, `*?[\`)
			if special < 0 {
				special = len(s)
			}
			// git cuts the literal part off before it looks at stars, so "a/b**/c" reads its stars as
			// standing alone. Odd, but it is what the user's git does with the same file.
			p.literal, s = strings.TrimPrefix(s[:special], "/"), s[special:]
		}
		p.glob = glob{text: s, plain: !strings.ContainsAny(s, `*?[\`), pathNames: !p.name, fold: fold}
		list = append(list, p)
	}
	return list
}

// trimBlanks removes trailing spaces that no backslash protects.
func trimBlanks(s string) string {
	end := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			if i++; i == len(s) {
				return s
			}
			end = i + 1
		} else if s[i] != ' ' {
			end = i + 1
		}
	}
	return s[:end]
}

// matches reports whether the pattern is about this one path (not about something above or below it).
// rel is slash-separated and relative to the directory of the ignore file.
func (p *pattern) matches(rel string, isDir bool) bool {
	if p.dirOnly && !isDir {
		return false
	}
	if p.name {
		return p.glob.match(rel[strings.LastIndexByte(rel, '/')+1:])
	}
	if len(rel) < len(p.literal) || !p.glob.equal(p.literal, rel[:len(p.literal)]) {
		return false
	}
	return p.glob.match(rel[len(p.literal):])
}

// lastMatch returns the pattern that decides about rel, or nil: the last one that matches wins.
func lastMatch(list []pattern, rel string, isDir bool) *pattern {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].matches(rel, isDir) {
			return &list[i]
		}
	}
	return nil
}
