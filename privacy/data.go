package privacy

import (
	"path"
	"strings"
)

// Holds reports whether a file holds values and no program, by its name or by the language that the editor calls it: what
// stands behind "password:" in it is the password itself, while in a program it may be a type, or the name of a variable.
// JSON is not among them: its quotes say as much, and many of its files hold what people are to read.
func Holds(name, language string) bool {
	if dataLanguages[language] {
		return true
	}
	base := strings.ToLower(path.Base(name))
	return dataFiles[path.Ext(base)] || dataFiles[base]
}

var (
	dataLanguages = set("yaml", "dockercompose", "helm", "ansible", "ini", "properties", "java-properties", "dotenv", "toml", "conf", "cfg", "dosini", "jproperties")
	dataFiles     = set(".yaml", ".yml", ".ini", ".cfg", ".cnf", ".conf", ".config", ".properties", ".toml", ".env", ".tfvars", ".npmrc", ".pypirc", ".my.cnf", ".pgpass")
)

// maxKeys bounds the keys that a Masker remembers.
const maxKeys = 1 << 12

// learnKeys remembers which names files with values give secrets to: the whole beginning of a line, up to the sign. It is
// the name that is remembered, and not the value, so that a value counts from its first letter on, in every state that
// the latest edits show, wherever a prompt shows the line.
func (m *Masker) learnKeys(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		sign, s := dataKey(line)
		if s == harmless || m.keys[line[:sign]] != harmless || len(m.keys) >= maxKeys {
			continue
		}
		if m.keys == nil {
			m.keys = map[string]strength{}
		}
		m.keys[strings.Clone(line[:sign])] = s
	}
}

// dataKey is where the sign of a line is that gives a value to a name, and how much that name says of it.
func dataKey(line string) (sign int, s strength) {
	sign = strings.IndexAny(line, ":=")
	if sign < 1 || sign > 128 {
		return 0, harmless
	}
	name := strings.TrimLeft(strings.Trim(line[:sign], "\"' \t"), "- \t\"'")
	if name == "" || strings.ContainsAny(name, " \t(){}[];,<>#/") {
		return 0, harmless
	}
	return sign, nameStrength(name)
}

// data appends the value of a line whose name was learned. cut is where the user is typing in it, or negative.
func (m *Masker) data(found []Finding, line string, cut int) []Finding {
	sign := strings.IndexAny(line, ":=")
	if sign < 1 {
		return found
	}
	s := m.keys[line[:sign]]
	if s == harmless && strings.IndexByte("+- ", line[0]) >= 0 {
		s = m.keys[line[1:sign]] // of a diff
	}
	if s == harmless {
		return found
	}
	start, end := sign+1, len(line)
	if i := strings.Index(line[start:], " #"); i >= 0 {
		end = start + i
	}
	const around = " \t\r\"',;"
	start += len(line[start:end]) - len(strings.TrimLeft(line[start:end], around))
	end = start + len(strings.TrimRight(line[start:end], around))
	value := line[start:end]
	typing := cut >= start && cut <= end
	if value == "" || isReference(value, true) || strings.IndexByte("!&*|>@", value[0]) >= 0 || strings.ContainsAny(value, " \t") || states[strings.ToLower(value)] || absent[strings.ToLower(value)] || namesItself(value) {
		return found
	}
	switch {
	case s == certain && (typing || len(value) >= 4):
		return append(found, Finding{"password-assignment", start, end})
	case s == plausible && digits(value) >= 1 && (typing && len(value) >= 4 || len(value) >= 8 && digits(value) >= 2) && !strings.Contains(value, "://"):
		return append(found, Finding{"secret-assignment", start, end})
	}
	return found
}

// absent are values that say that there is none, or of what kind it is.
var absent = set("true", "false", "yes", "no", "on", "off", "null", "none", "nil", "undef", "empty", "auto", "str", "text", "int", "integer", "prompt", "ask", "stdin", "file", "never", "always", "write", "read",
	"inherit", "basic", "digest", "oauth", "oauth2", "bearer", "write-only", "read-only")
