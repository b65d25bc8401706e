package privacy

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/privacy/canary"
)

// leaked returns eight bytes of a secret that stand in text.
func leaked(text string, c canary.Canary) string {
	for _, s := range c.Secret {
		if len(s) < 8 {
			continue
		}
		for i := 0; i+8 <= len(s); i++ {
			if strings.Contains(text, s[i:i+8]) {
				return s[i : i+8]
			}
		}
	}
	return ""
}

// Every kind is found, for many values, alone and between other lines, and comes back as it was.
func TestMaskFindsEveryKind_D22(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	missed := map[string]int{}
	example := map[string]string{}
	for range 60 {
		m := NewMasker(MaskOptions{})
		for _, c := range canary.Plant(rng) {
			text := "func f() {\n" + c.Text + "\n}\n"
			out := m.Mask(text)
			if s := leaked(out, c); s != "" {
				missed[c.Kind]++
				example[c.Kind] = c.Text + " -> " + out
			}
			if back := m.Unmask(out); back != text {
				t.Fatalf("%s came back as\n%s\nwant\n%s", c.Kind, back, text)
			}
		}
	}
	for kind, n := range missed {
		t.Errorf("%s: %d of 60 got out, for instance %s", kind, n, example[kind])
	}
	if len(canary.Plant(rng)) < 60 {
		t.Error("fewer than 60 kinds")
	}
}

// What people write every day is not masked: the sources of this program, and lines that speak of secrets without
// holding one.
func TestMaskLetsCodeBe(t *testing.T) {
	m := NewMasker(MaskOptions{})
	for _, line := range []string{
		`password := os.Getenv("DB_PASSWORD")`, `if password == "" {`, `token, err := lexer.Next()`, `key := strings.ToLower(name)`, `Password string ` + "`json:\"password\"`",
		`type="password" placeholder="Your password"`, `'password' => 'required|string',`, `primary_key = "user_id"`, `cacheKey := "user:" + id`, `maxTokens: 4096,`,
		`tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased")`, `foreign_key: "orders_2024_id"`, `API_KEY=${API_KEY}`, `api_key: {{ .Values.apiKey }}`, `export TOKEN=$(cat token)`,
		`	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"`, `github.com/gorilla/websocket v1.5.3 h1:saDtZ6Pbx/0u+bgYQ3q96pZgCzfhKXGPqt7kZ72aNNg=`,
		`commit 1f8c9fe8b5d1e1f8c9fe8b5d1e1f8c9fe8b5d1e0`, `FROM alpine@sha256:c5b1261d6d3e43071626931fc004f70149baeba2c8ec672bd4f27761f8e1ad6b`,
		`integrity: sha512-oC7XZyZtGjgVtYSYsR2L6TkO1K0R5vYk7jZ1pF2Jx8cX1p3w2m0Tg8h5nQ9oZ0Xc==`, `import { AuthenticationServiceClientFactoryImplementation2 } from "./auth"`,
		`func TestPasswordHashingWithALongNameThatNobodyEverFinishesReading2024(t *testing.T)`, `https://example.com/users/1234567890/repos?page=2&per_page=100`,
		`x-request-id: 550e8400-e29b-41d4-a716-446655440000`, `secret, err := client.GetSecret(ctx, name)`, `<input type="password" name="password">`, `keyboard = "qwerty1234567890"`,
		`auth: authMiddleware2,`, `pass`, `bypass = "127.0.0.1"`, `key = 1`, `for key, value := range m {`, `token.Pos(0x1234567)`, `credentials: "same-origin",`, `author = "jane.doe1990"`,
	} {
		if found := m.Find(line, -1); len(found) > 0 {
			t.Errorf("%s: %s: %q", line, found[0].Rule, line[found[0].Start:found[0].End])
		}
	}
	files, err := filepath.Glob("../*/*.go")
	if err != nil || len(files) < 50 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "canary") || strings.HasSuffix(name, "gitleaks.go") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range NewMasker(MaskOptions{}).Find(string(data), -1) {
			t.Errorf("%s: %s: %q", name, f.Rule, data[f.Start:f.End])
		}
	}
}

// bare are the kinds that nothing gives away before most of them is there: no name, no beginning of their own.
var bare = map[string]bool{"slack-webhook": true, "huggingface": true, "mailgun": true, "mailchimp": true, "twilio": true, "telegram": true, "vault": true,
	"newrelic": true, "azure-sas": true, "bcrypt": true, "shadow": true, "random": true}

// Typing a secret shows no part of it, whichever letter the cursor is behind.
func TestMaskWhileTyping_D22(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range canary.Plant(rng) {
		if strings.Contains(c.Text, "BEGIN") || c.Kind == "kubernetes" {
			continue
		}
		leaks := 0
		secret := c.Secret[len(c.Secret)-1]
		from := strings.LastIndex(c.Text, secret)
		m := NewMasker(MaskOptions{})
		for n := 8; n <= len(secret); n++ {
			cut := from + n
			for _, after := range []string{"", c.Text[from+len(secret):]} {
				b, a := m.MaskAt("x := 1\n"+c.Text[:cut], after+"\ny := 2\n")
				if s := leaked(b+"|"+a, canary.Canary{Secret: []string{secret}}); s != "" {
					leaks++
				}
				if back := m.Unmask(b) + "|" + m.Unmask(a); back != "x := 1\n"+c.Text[:cut]+"|"+after+"\ny := 2\n" {
					t.Fatalf("%s came back as %q", c.Kind, back)
				}
			}
		}
		if leaks > 0 && !bare[c.Kind] {
			t.Errorf("%s: something of it got out %d times while it was typed", c.Kind, leaks)
		}
		// In the middle of the whole secret, nothing of either half.
		for n := range len(secret) + 1 {
			b, a := m.MaskAt(c.Text[:from+n], c.Text[from+n:])
			if s := leaked(b+"|"+a, canary.Canary{Secret: []string{secret}}); s != "" {
				t.Errorf("%s: cursor behind %d letters: %q in %q|%q", c.Kind, n, s, b, a)
				break
			}
		}
	}
}

func TestUnmask(t *testing.T) {
	m := NewMasker(MaskOptions{})
	secret := "ghp_" + strings.Repeat("a1B2c3D4e5", 4)[:36]
	out := m.Mask("x = " + secret + "\n")
	p := strings.TrimSuffix(strings.TrimPrefix(out, "x = "), "\n")
	if len(p) != placeholderLength || m.Mask("y: "+secret) != "y: "+p {
		t.Fatalf("placeholder %q", out)
	}
	text := "a" + p + "S" + p + p + "SPARK_SECRET_ SPARK_SECRET_AAAAAAAAAA SPARK_SECRET_abc SPARK_" + p + "!" + p[:20]
	want := "a" + secret + "S" + secret + secret + "SPARK_SECRET_ SPARK_SECRET_AAAAAAAAAA SPARK_SECRET_abc SPARK_" + secret + "!" + p[:20]
	for size := 1; size <= len(text); size++ {
		u := m.Unmasker()
		var got strings.Builder
		for i := 0; i < len(text); i += size {
			got.WriteString(u.Push(text[i:min(i+size, len(text))]))
			if len(u.held) >= placeholderLength {
				t.Fatalf("%q is held back", u.held)
			}
		}
		got.WriteString(u.Rest())
		if got.String() != want {
			t.Fatalf("in pieces of %d: %q, want %q", size, got.String(), want)
		}
	}
}

// A file that holds a placeholder of ours, by whatever accident, keeps it.
func TestMaskKeepsLiteralPlaceholders(t *testing.T) {
	m := NewMasker(MaskOptions{})
	secret := `password = "` + "hunter2" + `xyz9"`
	p := m.Mask(secret)
	text := "see " + p + "\nand " + secret
	out := m.Mask(text)
	if strings.Contains(out, p) && strings.Count(out, p) > 1 || m.Unmask(out) != text {
		t.Errorf("%q came back as %q", text, m.Unmask(out))
	}
}

func TestMaskAllow(t *testing.T) {
	text := `password = "hunter2xyz9" ` + "\n" + `api_key = "k3j4h5g6f7d8s9a0k3j4"`
	for _, c := range []struct {
		allow []string
		rules string
	}{
		{nil, "password-assignment secret-assignment"},
		{[]string{"hunter2xyz9"}, "secret-assignment"},
		{[]string{"hunter*", ""}, "secret-assignment"},
		{[]string{"secret-assignment"}, "password-assignment"},
		{[]string{"unter"}, "password-assignment secret-assignment"},
	} {
		var rules []string
		for _, f := range NewMasker(MaskOptions{Allow: c.allow}).Find(text, -1) {
			rules = append(rules, f.Rule)
		}
		if got := strings.Join(rules, " "); got != c.rules {
			t.Errorf("allow %q: %s, want %s", c.allow, got, c.rules)
		}
	}
}

// What gave itself away once is masked where nothing gives it away.
func TestMaskSeenBefore(t *testing.T) {
	m := NewMasker(MaskOptions{})
	m.Mask(`password = "hunter2xyz9"`)
	if out := m.Mask("login(hunter2xyz9)"); strings.Contains(out, "hunter") {
		t.Error(out)
	}
}

// What a variable of the environment is set to is a value, also where it reads like a name.
func TestMaskEnvironment(t *testing.T) {
	for line, masked := range map[string]bool{
		"DB_PASSWORD=correcthorse":             true,
		"DB_PASSWORD=verysecretvalue1":         true,
		"export PGPASSWORD=correcthorse":       true,
		"      - MYSQL_PASSWORD=correcthorse":  true, // docker-compose.yml
		"+DB_PASSWORD=correcthorse":            true, // a diff
		"ENV ADMIN_PASSWORD=correcthorse":      true,
		"DB_PASSWORD=$OTHER":                   false,
		"DB_PASSWORD=DEFAULT_PASSWORD":         false,
		"DB_PASSWORD=getpass()":                false,
		"DB_PASSWORD=config.database":          false,
		"DB_PASSWORD=password":                 false,
		"DB_PASSWORD=changeme":                 false,
		"PASS=true":                            false,
		"x.password=other":                     false,
		"connect(password=password_of_theirs)": false,
		"var PASSWORD=otherThing":              false,
	} {
		if got := NewMasker(MaskOptions{}).Mask(line) != line; got != masked {
			t.Errorf("%q is masked: %v", line, got)
		}
	}
}

// A mark that a prompt puts into the middle of a line does not hide what it cuts in two; one between lines of a key
// stays where it is.
func TestMaskAcrossSeams(t *testing.T) {
	m := NewMasker(MaskOptions{Seams: []string{"\n<region>\n", "\n</region>\n"}})
	text := "x := \"ghp_a1B2c3D4\n<region>\ne5F6g7H8i9J0k1L2m3N4o5P6q7R8\"\n</region>\n"
	out := m.Mask(text)
	if strings.Contains(out, "e5F6") || strings.Contains(out, "a1B2") || strings.Count(out, "region>") != 2 || m.Unmask(out) != text {
		t.Errorf("%s", out)
	}
	var key []string
	for _, c := range canary.Plant(rand.New(rand.NewPCG(9, 9))) {
		if c.Kind == "openssh" {
			key = strings.Split(c.Text, "\n")
		}
	}
	text = strings.Join(key[:4], "\n") + "\n<region>\n" + strings.Join(key[4:6], "\n") + "\n</region>\n" + strings.Join(key[6:], "\n")
	out = m.Mask(text)
	if strings.Count(out, "\n<region>\n") != 1 || strings.Count(out, "\n</region>\n") != 1 || strings.Count(out, "SPARK_SECRET_") != 7 || m.Unmask(out) != text {
		t.Errorf("%s", out)
	}
}

// What is remembered is bounded, also when one text has more than there is room for.
func TestMaskRemembersSoMuch(t *testing.T) {
	m := NewMasker(MaskOptions{})
	rng := rand.New(rand.NewPCG(10, 10))
	for range 16 {
		var b strings.Builder
		for _, c := range canary.Plant(rng) {
			b.WriteString(c.Text + "\n")
		}
		text := b.String()
		if out := m.Mask(text); m.Unmask(out) != text {
			t.Fatal("it did not come back")
		}
	}
	if n := len(m.known.all); n > maxKnown || n < maxKnown/4 {
		t.Errorf("%d are remembered", n)
	}
	var b strings.Builder
	for i := range 3 * maxKnown {
		fmt.Fprintf(&b, "password%d = \"hunter%dx%d\"\n", i, i, i*i)
	}
	text := b.String()
	before := m.Known()
	if out := m.Mask(text); strings.Contains(out, "hunter") || m.Unmask(out) != text {
		t.Error("more than is remembered is not masked")
	}
	if m.Known()-before > maxKnown || len(m.known.all) > maxKnown {
		t.Errorf("%d were added, %d are remembered", m.Known()-before, len(m.known.all))
	}
}

func FuzzMask(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, c := range canary.Plant(rng) {
		f.Add(c.Text, uint8(3), uint16(10))
	}
	f.Add("SPARK_SECRET_AAAAAAAAAA S SPARK_SPARK_SECRET_", uint8(1), uint16(4))
	f.Fuzz(func(t *testing.T, text string, size uint8, cut uint16) {
		m := NewMasker(MaskOptions{})
		out := m.Mask(text)
		u := m.Unmasker()
		var back strings.Builder
		for i, n := 0, int(size%32)+1; i < len(out); i += n {
			back.WriteString(u.Push(out[i:min(i+n, len(out))]))
		}
		back.WriteString(u.Rest())
		if back.String() != text {
			t.Fatalf("%q -> %q -> %q", text, out, back.String())
		}
		at := int(cut) % (len(text) + 1)
		a, b := m.MaskAt(text[:at], text[at:])
		if m.Unmask(a) != text[:at] || m.Unmask(b) != text[at:] {
			t.Fatalf("%q|%q -> %q|%q", text[:at], text[at:], a, b)
		}
		last := 0
		for _, f := range m.Find(text, at) {
			if f.Start < last || f.End <= f.Start || f.End > len(text) {
				t.Fatalf("%q: %+v", text, f)
			}
			last = f.End
		}
	})
}
