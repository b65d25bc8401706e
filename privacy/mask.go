package privacy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A placeholder stands for a secret in what a model reads. It is a word that can stand in an identifier as well as in
// a string, of one length, so that a reader of a stream knows when it is whole. Models copy such words letter by letter.
const (
	placeholderHead   = "SPARK_SECRET_"
	placeholderTail   = 10 // letters of base32
	placeholderLength = len(placeholderHead) + placeholderTail
)

// Masker replaces secrets by placeholders on the way out and takes the placeholders out again on the way in. A secret
// has the same placeholder as long as the Masker lives, so that a prompt's prefix stays what it was; another
// Masker gives another. A value that was recognized once, for instance by its name, is masked wherever it
// stands from then on. All methods may be called from any goroutine. Nothing is ever written anywhere.
type Masker struct {
	key   [32]byte
	seed  maphash.Seed
	allow allowance
	seams []string

	given  atomic.Int64 // placeholders given out; as long as there are none, nothing comes back
	values sync.Map     // placeholder -> secret

	mu    sync.Mutex              // guards what follows
	names map[string]*name        // by secret
	clock int64                   // counts texts
	lines [2]map[uint64][]Finding // by the line's hash, the older half second
	texts map[uint64]masked       // large texts, by hash
	known known
	typed typed
	keys  map[string]strength // beginnings of lines, see learnKeys
}

// name is a secret's placeholder and when it was last used.
type name struct {
	placeholder string
	used        int64
}

// masked is a large text as it was masked, and what was known then.
type masked struct {
	text  string
	known int
}

// Caches are bounded: lines in each half, texts, and secrets.
const (
	maxLines   = 1 << 15
	maxTexts   = 64
	largeText  = 2 << 10 // bytes
	maxSecrets = 1 << 14
	maxKnown   = 1 << 10
)

// MaskOptions say what a Masker works on.
type MaskOptions struct {
	// Allow is let pass: rules by their name, and values, in which a star stands for anything.
	Allow []string
	// Seams are texts that a prompt puts into the middle of a line of the user's: what stands before and behind one is
	// looked at as one line too.
	Seams []string
}

// NewMasker returns a Masker that knows no secret yet.
func NewMasker(o MaskOptions) *Masker {
	m := &Masker{seed: maphash.MakeSeed(), allow: newAllowance(o.Allow), seams: o.Seams, names: map[string]*name{}, texts: map[uint64]masked{}}
	m.lines[0], m.lines[1] = map[uint64][]Finding{}, map[uint64][]Finding{}
	rand.Read(m.key[:]) // never fails
	return m
}

// Mask replaces the secrets in a text.
func (m *Masker) Mask(text string) string {
	if len(text) < 4 {
		return text
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock++
	if len(text) < largeText {
		return m.replace(text, m.find(text, -1))
	}
	h := maphash.String(m.seed, text)
	if t, ok := m.texts[h]; ok && t.known == m.knownLocked() && len(m.typed.list) == 0 {
		m.touch(t.text)
		return t.text
	}
	out := m.replace(text, m.find(text, -1))
	if len(m.texts) >= maxTexts {
		clear(m.texts)
	}
	m.texts[h] = masked{out, m.knownLocked()}
	return out
}

// MaskAt replaces the secrets in a text with a cursor in it. What is typed at the cursor may not be whole, so it is
// judged by how it begins. Parts of one secret on the two sides of the cursor have a placeholder each.
func (m *Masker) MaskAt(before, after string) (string, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock++
	text, cut := before+after, len(before)
	found := m.find(text, cut)
	if len(found) == 0 {
		return before, after
	}
	var left, right []Finding
	for _, f := range found {
		if f.Start < cut {
			left = append(left, Finding{f.Rule, f.Start, min(f.End, cut)})
		}
		if f.End > cut {
			right = append(right, Finding{f.Rule, max(f.Start, cut) - cut, f.End - cut})
		}
	}
	return m.replace(before, left), m.replace(after, right)
}

// Find returns the secrets that Mask would replace, in order and without overlaps. cursor is where the user is typing,
// or -1.
func (m *Masker) Find(text string, cursor int) []Finding {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(text, cursor)
}

// find is Find. m.mu is held.
func (m *Masker) find(text string, cut int) []Finding {
	d := theDetector()
	var found []Finding
	for at := 0; at <= len(text); {
		end := len(text)
		if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n
		}
		line := text[at:end]
		n := len(found)
		switch {
		case cut >= at && cut <= end:
			found = d.line(found, line, cut-at)
		case len(line) >= 4:
			found = append(found, m.line(d, line)...)
		}
		if len(m.keys) > 0 {
			found = m.data(found, line, cut-at)
		}
		for i := n; i < len(found); i++ {
			found[i].Start += at
			found[i].End += at
		}
		at = end + 1
	}
	found = blocks(found, text)
	for _, seam := range m.seams {
		found = across(d, found, text, seam)
	}
	found = placeholders(found, text)
	if cut >= 0 {
		m.typed.note(found, text, cut, m.clock)
	}
	found = slices.DeleteFunc(merge(found), func(f Finding) bool { return f.Start >= f.End || m.allow.lets(f, text) })
	for _, f := range found {
		if cut < f.Start || cut > f.End {
			m.known.learn(f.Rule, text[f.Start:f.End], m.clock)
		}
	}
	n := len(found)
	if m.known.count > 0 {
		found = m.known.find(found, text, m.clock)
	}
	if found = m.typed.find(found, text, m.clock); len(found) == n {
		return found
	}
	return slices.DeleteFunc(merge(found), func(f Finding) bool { return m.allow.lets(f, text) })
}

// across appends the two parts of each secret that a seam has cut in two.
func across(d *detector, found []Finding, text, seam string) []Finding {
	for at := 0; ; {
		i := strings.Index(text[at:], seam)
		if i < 0 {
			return found
		}
		left, right := at+i, at+i+len(seam)
		at = right
		from := strings.LastIndexByte(text[:left], '\n') + 1
		to := len(text)
		if n := strings.IndexByte(text[right:], '\n'); n >= 0 {
			to = right + n
		}
		for _, f := range d.line(nil, text[from:left]+text[right:to], -1) {
			if a, b := from+f.Start, right+from+f.End-left; a < left && b > right {
				found = append(found, Finding{f.Rule, a, left}, Finding{f.Rule, right, b})
			}
		}
	}
}

// Known counts the secrets that are masked wherever they stand. When it has grown, what was masked before may hold one.
func (m *Masker) Known() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.knownLocked()
}

// knownLocked is Known. m.mu is held.
func (m *Masker) knownLocked() int { return m.known.count + m.typed.count + len(m.keys) }

// Learn looks at a whole file for secrets that only their surroundings give away, so that they are masked where a prompt
// shows a passage without those: the lines of a key, and the values of a manifest. values is as much of it as is new and
// holds values and no program (see Holds), whole lines, "" for nothing: in those, what a name stands for is secret too.
func (m *Masker) Learn(text, values string) {
	found := blocks(nil, text)
	if len(found) == 0 && values == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock++
	for _, f := range found {
		if !m.allow.lets(f, text) {
			m.known.learn(f.Rule, text[f.Start:f.End], m.clock)
		}
	}
	m.learnKeys(values)
}

// line finds the secrets of a line that was not seen lately; all others are known. m.mu is held.
func (m *Masker) line(d *detector, line string) []Finding {
	h := maphash.String(m.seed, line)
	found, ok := m.lines[0][h]
	if ok {
		return found
	}
	if found, ok = m.lines[1][h]; !ok {
		found = d.line(nil, line, -1)
	}
	if len(m.lines[0]) >= maxLines {
		m.lines[1], m.lines[0] = m.lines[0], make(map[uint64][]Finding, maxLines/4)
	}
	m.lines[0][h] = found
	return found
}

// placeholders appends what looks like a placeholder in the user's own text: it is masked like a secret, so that it
// comes back as what it was.
func placeholders(found []Finding, text string) []Finding {
	for at := 0; ; {
		i := strings.Index(text[at:], placeholderHead)
		if i < 0 {
			return found
		}
		at += i
		if isPlaceholder(text[at:]) {
			found = append(found, Finding{"placeholder", at, at + placeholderLength})
			at += placeholderLength
			continue
		}
		at += len(placeholderHead)
	}
}

// isPlaceholder reports whether s begins with what has the form of a placeholder.
func isPlaceholder(s string) bool {
	return len(s) >= placeholderLength && strings.HasPrefix(s, placeholderHead) && inBase32(s[len(placeholderHead):placeholderLength])
}

func inBase32(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// replace puts placeholders in the place of findings. m.mu is held.
func (m *Masker) replace(text string, found []Finding) string {
	if len(found) == 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + len(found)*placeholderLength)
	at := 0
	for _, f := range found {
		b.WriteString(text[at:f.Start])
		b.WriteString(m.name(text[f.Start:f.End]))
		at = f.End
	}
	b.WriteString(text[at:])
	return b.String()
}

// name returns the placeholder of a secret. m.mu is held.
func (m *Masker) name(secret string) string {
	if n, ok := m.names[secret]; ok {
		n.used = m.clock
		return n.placeholder
	}
	if len(m.names) >= maxSecrets {
		m.forget()
	}
	secret = strings.Clone(secret)
	mac := hmac.New(sha256.New, m.key[:])
	mac.Write([]byte(secret))
	n := &name{placeholderHead + base32.StdEncoding.EncodeToString(mac.Sum(nil))[:placeholderTail], m.clock}
	m.names[secret] = n
	m.values.Store(n.placeholder, secret)
	m.given.Add(1)
	return n.placeholder
}

// touch keeps the placeholders of a text from being forgotten. m.mu is held.
func (m *Masker) touch(text string) {
	if m.given.Load() == 0 {
		return
	}
	for at := 0; ; {
		i := strings.Index(text[at:], placeholderHead)
		if i < 0 {
			return
		}
		at += i
		if isPlaceholder(text[at:]) {
			if v, ok := m.values.Load(text[at : at+placeholderLength]); ok {
				if n := m.names[v.(string)]; n != nil {
					n.used = m.clock
				}
			}
		}
		at += len(placeholderHead)
	}
}

// forget drops the secrets that no text has held for long: most of them are what somebody typed on the way to one.
// m.mu is held.
func (m *Masker) forget() {
	const lately = 1 << 12 // texts
	for secret, n := range m.names {
		if n.used < m.clock-lately {
			delete(m.names, secret)
			m.values.Delete(n.placeholder)
		}
	}
	clear(m.texts)
}

// allowance is what the user has declared to be no secret.
type allowance struct {
	rules  map[string]bool
	values []glob
}

func newAllowance(list []string) allowance {
	a := allowance{rules: map[string]bool{}}
	for _, s := range list {
		if s == "" {
			continue
		}
		if ruleNames()[s] {
			a.rules[s] = true
			continue
		}
		a.values = append(a.values, glob{text: literalButStars(s)})
	}
	return a
}

// literalButStars makes a glob of a value in which nothing but a star is special.
func literalButStars(s string) string {
	return strings.NewReplacer(`\`, `\\`, `?`, `\?`, `[`, `\[`).Replace(s)
}

func (a *allowance) lets(f Finding, text string) bool {
	if f.Rule == "placeholder" {
		return false
	}
	return a.rules[f.Rule] || slices.ContainsFunc(a.values, func(g glob) bool { return g.match(text[f.Start:f.End]) })
}

// ruleNames are the names of all rules.
var ruleNames = sync.OnceValue(func() map[string]bool {
	names := set("unfinished-token", "high-entropy", "secret-assignment", "password-assignment", "private-key", "kubernetes-secret", "seen-before")
	for _, r := range theDetector().rules {
		names[r.name] = true
	}
	return names
})
