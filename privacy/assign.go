package privacy

import "strings"

// nameParts are the letters that a name has which may hold a secret; a line without any of them is not looked at
// for assignments.
var nameParts = []string{"pass", "pwd", "secret", "token", "key", "cred", "auth", "passwd", "dsn", "pin"}

// strength is how much a name says about its value.
type strength uint8

const (
	harmless  strength = iota
	plausible          // a token, a key: secret when the value looks random
	certain            // a password: secret when the value is one at all
)

// assignments appends the values in a line that are given to a name which says that they are secret: name = "value",
// "name": "value", <name>value</name>, --name value, set("NAME", "value"), with everything that languages put between.
func assignments(found []Finding, line string, cut int) []Finding {
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case '=', ':', '>', '(', ',', ' ', '\t':
			// Only the last sign of "=>" and ":=" is followed by the value.
			if i+1 < len(line) && (line[i+1] == '=' || line[i+1] == '>' && c != '>' || line[i+1] == ':') {
				continue
			}
			s := nameBefore(line, i)
			if s == harmless {
				continue
			}
			start, end, quoted := valueAfter(line, i)
			if start > end || start == len(line) && cut != start {
				continue
			}
			value := line[start:end]
			quoted = quoted || c == '=' && start == i+1 && inEnvironment(line[:i]) && !strings.ContainsAny(value, "([")
			if c == ',' && digits(value) == 0 {
				continue // a list of names
			}
			typing := cut >= 0 && start <= cut && cut <= end
			if typing && unfinished(s, value, quoted) || isSecret(s, value, quoted) {
				name := "secret-assignment"
				if s == certain {
					name = "password-assignment"
				}
				if start < end {
					found = append(found, Finding{name, start, end})
					i = end - 1
				}
			}
		}
	}
	return found
}

// inEnvironment reports whether a line that begins so sets a variable of the environment, NAME=value: what follows is the
// value itself, although no quotes say so.
func inEnvironment(before string) bool {
	i := strings.LastIndexAny(before, " \t") + 1
	name := before[i:]
	if i == 0 {
		name = strings.TrimLeft(name, "+-") // of a diff
	}
	switch strings.TrimLeft(before[:i], "+- \t") {
	case "", "export ", "set ", "ENV ", "ARG ":
	default:
		return false
	}
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// nameBefore judges the name in front of the sign at i.
func nameBefore(line string, i int) strength {
	c := line[i]
	j := i
	for j > 0 && strings.IndexByte(" \t:=!?+|~<>*&", line[j-1]) >= 0 {
		j--
	}
	if c == ' ' || c == '\t' {
		// "--password x", "password x" of a .netrc, PASSWORD 'x' of SQL. The space must be the only sign.
		if j != i || i+1 == len(line) {
			return harmless
		}
	}
	closing := byte(0)
	for j > 0 && strings.IndexByte("\"'`]\\", line[j-1]) >= 0 {
		if line[j-1] != '\\' && line[j-1] != ']' {
			closing = line[j-1]
		}
		j--
	}
	end := j
	for j > 0 && (isWord(line[j-1]) || line[j-1] == '-' || line[j-1] == '.' || line[j-1] == '$') {
		j--
	}
	if j == end {
		return harmless
	}
	if name := line[j:end]; name == "PWD" || name == "PASS" && c == ':' {
		return harmless // the working directory, and the word of a test's result
	}
	s := nameStrength(line[j:end])
	switch c {
	case ',':
		if closing == 0 || i+1 == len(line) { // Setenv("DB_PASSWORD", "x"), and not f(key, value)
			return harmless
		}
	case '(':
		if closing != 0 {
			return harmless
		}
	case '>':
		if closing != 0 || j == 0 || strings.IndexByte("<-=", line[j-1]) < 0 && !strings.Contains(line[:j], "<") {
			if !strings.HasSuffix(line[:i], "=") && !strings.HasSuffix(line[:i], "-") {
				return harmless
			}
		}
	case ' ', '\t':
		rest := strings.TrimLeft(line[i:], " \t")
		switch {
		case s == harmless || rest == "":
			return harmless
		case j >= 2 && line[j:j+1] == "-" || strings.HasPrefix(line[j:end], "--"):
			return s
		case s == certain && (rest[0] == '"' || rest[0] == '\''):
			return s
		case strings.Contains(line, "login ") || strings.Contains(line, "machine "):
			return s
		case strings.TrimSpace(line[:j]) == "" && s == certain:
			return s // a line of a .netrc
		}
		return harmless
	}
	if s != harmless || c == '(' || c == ',' || c == '>' {
		return s
	}
	// password: string = "x", String password = "x", let password: &str = "x": the name stands before a type.
	k := j
	for k > 0 && strings.IndexByte(" \t:*&[]", line[k-1]) >= 0 {
		k--
	}
	if k == j {
		return harmless
	}
	end = k
	for k > 0 && isWord(line[k-1]) {
		k--
	}
	return nameStrength(line[k:end])
}

func isWord(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// valueAfter finds the value behind the sign at i.
func valueAfter(line string, i int) (start, end int, quoted bool) {
	k := i + 1
	for k < len(line) && strings.IndexByte(" \t=>:(", line[k]) >= 0 {
		k++
	}
	// Strings have prefixes: b"", r"", @"", &"".
	for n := 0; n < 2 && k+1 < len(line) && strings.IndexByte("bBrRfFuUL@&$", line[k]) >= 0 && strings.IndexByte("\"'`", line[k+1]) >= 0; n++ {
		k++
	}
	escaped := strings.HasPrefix(line[k:], `\"`) || strings.HasPrefix(line[k:], `\'`)
	if escaped {
		k++
	}
	if k < len(line) && strings.IndexByte("\"'`", line[k]) >= 0 {
		q := line[k]
		k++
		if !escaped && strings.HasPrefix(line[k:], string([]byte{q, q})) {
			k += 2 // """
		}
		for e := k; e < len(line); e++ {
			switch {
			case escaped && line[e] == '\\' && e+1 < len(line) && line[e+1] == q:
				return k, e, true
			case !escaped && line[e] == '\\':
				e++
			case line[e] == q && !escaped:
				return k, e, true
			}
		}
		return k, len(line), true
	}
	e := k
	for e < len(line) && strings.IndexByte(" \t\r,;)}]<>\"'`&", line[e]) < 0 {
		e++
	}
	if i := strings.IndexByte(line[k:e], '('); i > 0 && strings.IndexByte("\"'`", at(line, k+i+1)) >= 0 {
		return valueAfter(line, k+i) // bytes.fromhex("6794")
	}
	return k, e, false
}

// at is s[i], and a space behind the end.
func at(s string, i int) byte {
	if i < len(s) {
		return s[i]
	}
	return ' '
}

// nameStrength judges a name by its last words: what a dbPassword is, a passwordLabel is not.
func nameStrength(name string) strength {
	var buf [8]string
	words := splitWords(buf[:0], name)
	for len(words) > 0 {
		last := strings.TrimRight(words[len(words)-1], "0123456789")
		if last != "" && !trailing[last] {
			words[len(words)-1] = last
			break
		}
		words = words[:len(words)-1]
	}
	if len(words) == 0 {
		return harmless
	}
	last := words[len(words)-1]
	before := ""
	if len(words) > 1 {
		before = words[len(words)-2]
	}
	switch {
	case certainNames[last]:
		return certain
	case last == "key" || last == "keys":
		if before != "" && !keyOf[before] {
			return harmless
		}
		return plausible
	case plausibleNames[last]:
		return plausible
	}
	for _, end := range []string{"password", "passwd", "passphrase", "passcode", "secret", "pwd"} {
		if strings.HasSuffix(last, end) {
			return certain
		}
	}
	for _, end := range []string{"token", "apikey", "secretkey", "accesskey", "privatekey", "authkey", "credential", "credentials"} {
		if strings.HasSuffix(last, end) {
			return plausible
		}
	}
	return harmless
}

var (
	certainNames = set("password", "passwd", "pwd", "pass", "passphrase", "passcode", "secret", "secrets", "pw", "psw", "pword", "pgpassword", "pin")
	// trailing are words behind the one that counts.
	trailing = set("value", "val", "prod", "production", "dev", "test", "testing", "live", "staging", "local", "old", "new", "current", "default", "base", "b64", "base64",
		"str", "string", "raw", "plain", "env", "bytes", "hex", "primary", "secondary", "backup", "v")
	plausibleNames = set("token", "tokens", "apikey", "credential", "credentials", "cred", "creds", "auth", "bearer", "jwt", "dsn", "pat", "authtoken")
	// keyOf are the words that make a key a secret one. A primary, public, cache or sort key is none.
	keyOf = set("api", "access", "private", "secret", "signing", "sign", "encryption", "encrypt", "decryption", "master", "auth", "account", "service", "license", "licence",
		"shared", "aes", "hmac", "jwt", "client", "consumer", "app", "application", "sas", "storage", "crypt", "crypto", "cipher", "deploy", "webhook", "admin", "root", "server",
		"session", "ssh", "rsa", "user", "my", "the", "x", "openai", "anthropic", "stripe", "aws", "google", "azure", "github", "write", "read", "ingest", "project", "integration")
)

// states are what is said of passwords in code without one being there.
var states = set("required", "optional", "disabled", "enabled", "hidden", "default", "example", "unknown", "invalid", "missing", "current", "confirm", "number", "boolean",
	"object", "visible", "masked", "redacted", "removed", "undefined", "plaintext", "encrypted", "changeme", "update", "create", "delete", "forgot", "expired", "wrong", "correct")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// splitWords takes a name apart at underscores, hyphens, dots and humps, in small letters.
func splitWords(words []string, name string) []string {
	start := 0
	flush := func(end int) {
		if end > start {
			words = append(words, strings.ToLower(name[start:end]))
		}
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case !isWord(c) || c == '_':
			flush(i)
			start = i + 1
		case 'A' <= c && c <= 'Z' && i > start:
			prev := name[i-1]
			small := i+1 < len(name) && 'a' <= name[i+1] && name[i+1] <= 'z'
			if 'a' <= prev && prev <= 'z' || '0' <= prev && prev <= '9' || small && 'A' <= prev && prev <= 'Z' {
				flush(i)
				start = i
			}
		}
	}
	flush(len(name))
	return words
}

// isSecret judges a whole value.
func isSecret(s strength, value string, quoted bool) bool {
	if len(value) < 4 || isReference(value, quoted) {
		return false
	}
	letters, digit, special, space := 0, 0, 0, 0
	for i := range len(value) {
		switch c := value[i]; {
		case 'a' <= lower(c) && lower(c) <= 'z':
			letters++
		case '0' <= c && c <= '9':
			digit++
		case c == ' ':
			space++
		case strings.IndexByte("_-.", c) < 0:
			special++
		}
	}
	if s == certain {
		switch {
		case namesItself(value):
			return false
		case space > 0:
			return quoted && len(value) >= 16 && digit+special > 0 && len(value) < 100 // a sentence is a message
		case digit > 0 && letters+special > 0 && len(value) >= 5:
			return true
		case special > 0 && len(value) >= 6:
			return true
		case digit == len(value):
			return quoted || len(value) >= 6
		default:
			return quoted && len(value) >= 6 && !strings.ContainsAny(value, "_-.") && !states[strings.ToLower(value)]
		}
	}
	switch {
	case space > 0:
		return false
	case len(value) >= 16 && digit >= 4 && letters >= 1 && strings.Trim(value, "0123456789abcdefABCDEF-") == "":
		return true
	case len(value) >= 20 && letters+digit > len(value)/2 && entropy(value) >= 3.5 && (digit >= 2 && changes(value) >= 0.12 || changes(value) >= 0.3):
		return true
	case len(value) >= 8 && digit >= 2 && letters >= 2 && entropy(value) >= 2.7 && changes(value) >= 0.25:
		return true
	}
	return false
}

// unfinished judges a value in which the user is typing.
func unfinished(s strength, value string, quoted bool) bool {
	if value == "" || isReference(value, quoted) || strings.Contains(value, " ") {
		return false
	}
	if s == certain {
		return quoted || digits(value) > 0
	}
	return digits(value) >= 1 && len(value) >= 4
}

// isReference reports whether a value only says where the secret is: ${TOKEN}, os.Getenv("TOKEN"), <your key>.
func isReference(v string, quoted bool) bool {
	switch {
	case v[0] == '$' && (len(v) > 1 && (v[1] == '{' || v[1] == '(' || isWord(v[1]) && !('0' <= v[1] && v[1] <= '9'))) && !strings.HasPrefix(v, "$apr"),
		v[0] == '<', v[0] == '[', v[0] == '%' && len(v) < 4,
		strings.Contains(v, "{{"), strings.Contains(v, "${"), strings.HasPrefix(v, "{"), strings.HasPrefix(v, "#{"):
		return true
	}
	if strings.Count(v, v[:1]) == len(v) {
		return true // ******, xxxxxx
	}
	if quoted {
		return false
	}
	if strings.ContainsAny(v, "([") {
		return true // a call
	}
	// A name, or a path of names: config.password, self.key2.
	first := true
	for i := range len(v) {
		switch c := v[i]; {
		case c == '.' || c == ':':
			first = true
		case first && '0' <= c && c <= '9', !isWord(c):
			return false
		default:
			first = false
		}
	}
	// A single word with digits may be a name or a value; a value is more random.
	return strings.ContainsAny(v, ".:") || digits(v) == 0 || changes(v) < 0.1
}

// namesItself reports whether a value speaks of secrets in words, as labels and names of fields do.
func namesItself(v string) bool {
	v = strings.ToLower(v)
	for _, w := range []string{"password", "passwd", "passphrase", "secret", "required", "string", "token"} {
		if strings.Contains(v, w) && digits(v) == 0 {
			return true
		}
	}
	return false
}
