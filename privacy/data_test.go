package privacy

import (
	"strings"
	"testing"
)

// A file that holds values says what is secret by its names alone: its passwords are words.
func TestFilesOfValues(t *testing.T) {
	for _, c := range []struct{ file, line, secret string }{
		{"config.yaml", "  password: correct-horse-battery", "correct-horse-battery"},
		{"a/config.yml", "db_password: letmein # for now", "letmein"},
		{"config.yml", "  - secret: 'tiger'", "tiger"},
		{"application.properties", "spring.datasource.password=swordfish", "swordfish"},
		{"my.cnf", "password = canary_secret_42", "canary_secret_42"},
		{"settings.ini", "api_key = abcdef123456\r", "abcdef123456"},
		{"config.toml", `token = "canary-token-0001"`, "canary-token-0001"},
	} {
		m := NewMasker(MaskOptions{})
		if !Holds(c.file, "") {
			t.Errorf("%s is not taken for a file that holds values", c.file)
		}
		text := "first: 1\n" + c.line + "\nlast: 2\n"
		m.Learn(text, text)
		for name, passage := range map[string]string{"the line": c.line, "a passage": "a: 1\n" + c.line + "\n", "an edit added": "+" + c.line + "\n", "an edit took away": "-" + c.line + "\n"} {
			out := m.Mask(passage)
			if strings.Contains(out, c.secret) {
				t.Errorf("%s, %s: left as it is: %q", c.file, name, out)
			}
			if want := strings.Replace(passage, c.secret, "", 1); !strings.HasPrefix(out, want[:strings.Index(passage, c.secret)]) {
				t.Errorf("%s, %s: masked too much: %q", c.file, name, out)
			}
			if back := m.Unmask(out); back != passage {
				t.Errorf("%s, %s: came back as %q", c.file, name, back)
			}
		}
		// As it is typed, letter by letter; an earlier state is the one the Masker has learned.
		from := strings.Index(c.line, c.secret)
		for n := len(c.secret) / 2; n < len(c.secret); n++ {
			line := c.line[:from+n]
			before, _ := m.MaskAt("first: 1\n"+line, "\nlast: 2\n")
			if name := nameStrength(strings.Trim(line[:strings.IndexAny(line, ":=")], " -")); name == plausible && digits(line) == 0 {
				continue // what a token begins with may be anything
			}
			if strings.HasSuffix(before, c.secret[:n]) {
				t.Errorf("%s: typed as far as %q: left as it is", c.file, line)
			}
		}
	}
}

// What only says where a secret is, or that there is none, stays; and a program's own lines are not a file's of values.
func TestFilesOfValuesKeepTheirMeaning(t *testing.T) {
	for _, line := range []string{
		"password: ${DB_PASSWORD}", "password: {{ vault_password }}", "password: null", "password: required", "token: true",
		"  secret:", "auth: oauth2", "credentials: include", "key: node-modules", "id-token: write", "password: the user's own word", "secretName: my-tls", "password = <your password>", "tokens: 4096",
	} {
		m := NewMasker(MaskOptions{})
		m.Learn(line+"\n", line+"\n")
		if out := m.Mask(line); out != line {
			t.Errorf("%q became %q", line, out)
		}
	}
	m := NewMasker(MaskOptions{})
	m.Learn("password: correct-horse-battery\n", "password: correct-horse-battery\n")
	for _, line := range []string{"    password: Credential", "password := credential()", "def login(password: Credential): pass"} {
		if out := m.Mask(line); out != line {
			t.Errorf("a program's line %q became %q", line, out)
		}
	}
	for _, name := range []string{"main.go", "a.py", "a.ts", "yaml", "package.json"} {
		if Holds(name, "") {
			t.Errorf("%s is taken for a file that holds values", name)
		}
	}
}
