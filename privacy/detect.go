package privacy

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Finding is a secret that was found in a text.
type Finding struct {
	Rule       string // by its name in docs/privacy.md; settings allow by it
	Start, End int    // bytes of the text
}

// rule recognizes one kind of secret by its shape, within a line.
type rule struct {
	name     string
	expr     string
	keywords []string // lower case, three letters or more: the expression is tried where one of them stands
	entropy  float64  // bits per byte that the secret must exceed
	group    int      // of the expression; 0 is the first that matched, or all of it

	accept func(secret string) bool // nil accepts every one
}

// ownRules are for what gitleaks leaves to its rule for any assignment, or does not know.
var ownRules = []rule{
	{name: "url-credentials", keywords: []string{"://"}, expr: `[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'"<>{}$%]*:([^\s@/'"<>{}$]{3,})@`,
		accept: func(s string) bool { return isSecret(certain, s, true) }},
	{name: "authorization-header", keywords: []string{"bearer", "basic ", "authorization"}, entropy: 3,
		expr: `(?i)\b(?:bearer|basic|token)\s+([a-z0-9._~+/-]{12,}={0,2})`, accept: func(s string) bool { return digits(s) >= 2 || changes(s) >= 0.3 }},
	{name: "curl-user", keywords: []string{"curl"}, expr: `\bcurl\b.*?\s(?:-u|--user)[ =]?['"]?[^\s'":]+:([^\s'"]{3,})`},
	{name: "password-hash", keywords: []string{"$2a$", "$2b$", "$2y$", "$apr1$", "$1$", "$5$", "$6$", "$argon2", "$scrypt$", "pbkdf2"},
		expr: `\$(?:2[aby]\$\d\d\$[./A-Za-z0-9]{40,}|(?:apr1|1|5|6)\$[^\s:'"]{20,}|argon2\w*\$[^\s:'"]{20,}|scrypt\$[^\s:'"]{20,})|pbkdf2[\w:-]*\$[^\s:'"]{20,}`},
	{name: "signed-url", keywords: []string{"sig=", "signature="}, entropy: 3, expr: `(?i)[?&;](?:sig|x-amz-signature|x-goog-signature|signature)=([a-z0-9%+/=_-]{24,})`},
	{name: "prefixed-token", entropy: 3, accept: func(s string) bool { return changes(s) >= 0.08 }, keywords: []string{"sk-", "sk_", "gsk_", "csk-", "xai-", "r8_", "figd_", "tskey-", "whsec_", "sbp_", "sb_secret_", "dckr_pat_",
		"gocspx-", "ya29.", "atatt3", "nfp_", "tvly-", "fw_", "ctp_", "rnd_", "vercel_", "supabase_", "sl.", "key-", "nrak-", "glpat-", "xoxb-", "xoxp-", "xoxe", "npm_", "ghp_", "github_pat_"},
		expr: `(?:^|[^0-9A-Za-z])((?:sk[-_]|gsk_|csk-|xai-|r8_|figd_|tskey-|whsec_|sbp_|sb_secret_|dckr_pat_|GOCSPX-|ya29\.|ATATT3|nfp_|tvly-|fw_|ctp_|rnd_|vercel_|supabase_|sl\.|key-|NRAK-|glpat-|xox[a-z]{1,2}[-.]|npm_|ghp_|github_pat_)[A-Za-z0-9_.+/=-]*[0-9][A-Za-z0-9_.+/=-]{15,})`},
	{name: "telegram-bot-token", keywords: []string{":aa"}, expr: `(?:^|[^0-9A-Za-z])([0-9]{8,10}:AA[\w-]{32,33})`},
	{name: "discord-bot-token", expr: `[MNO][A-Za-z\d_-]{23,25}\.[\w-]{6}\.[\w-]{27,38}`, entropy: 4},
	{name: "mailchimp-key", keywords: []string{"-us1", "-us2", "-us3", "-us4", "-us5", "-us6", "-us7", "-us8", "-us9"}, expr: `(?:^|[^0-9A-Za-z])([0-9a-f]{32}-us\d{1,2})`},
	{name: "firebase-key", keywords: []string{":apa91b"}, expr: `AAAA[A-Za-z0-9_-]{7}:APA91b[A-Za-z0-9_-]{100,}`},
}

// maxLine is how much of a line an expression sees at once, in bytes. A line of ten megabytes is looked at round each
// keyword.
const maxLine = 4 << 10

// beforeKeyword is how far in front of its keyword a secret may begin, in bytes.
const beforeKeyword = 160

// maxRules bounds their number, so that what is remembered of a line stays on the stack.
const maxRules = 320

// detector finds secrets in lines. It is immutable; its expressions are compiled when they are first needed, since
// all of them would take 40 ms.
type detector struct {
	rules   []compiled
	grams   [1 << 10]uint64          // a bit for each hash of three letters with which a keyword begins
	words   map[uint32][]keywordRule // by that hash
	onRuns  []int                    // rules without a keyword; they are tried on long words only
	assigns int                      // the number that stands for a name that may hold a secret, in words
}

type compiled struct {
	rule
	re func() *regexp.Regexp
}

type keywordRule struct {
	word string
	rule int
}

var theDetector = sync.OnceValue(newDetector)

func newDetector() *detector {
	d := &detector{words: map[uint32][]keywordRule{}}
	for _, r := range slices.Concat(gitleaksRules, ownRules) {
		n := len(d.rules)
		d.rules = append(d.rules, compiled{r, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(r.expr) })})
		for _, w := range r.keywords {
			d.add(w, n)
		}
		if len(r.keywords) == 0 {
			d.onRuns = append(d.onRuns, n)
		}
	}
	d.assigns = len(d.rules)
	for _, w := range nameParts {
		d.add(w, d.assigns)
	}
	return d
}

func (d *detector) add(word string, rule int) {
	g := gram(word[0], word[1], word[2])
	d.grams[g>>6] |= 1 << (g & 63)
	d.words[g] = append(d.words[g], keywordRule{word, rule})
}

// gram hashes three letters, without regard to case.
func gram(a, b, c byte) uint32 {
	return (uint32(folded[a])<<10 ^ uint32(folded[b])<<5 ^ uint32(folded[c])) & (1<<16 - 1)
}

// folded makes ASCII letters small.
var folded = func() (t [256]byte) {
	for i := range t {
		t[i] = lower(byte(i))
	}
	return t
}()

func hasFoldedPrefix(s, small string) bool {
	if len(s) < len(small) {
		return false
	}
	for i := range len(small) {
		if folded[s[i]] != small[i] {
			return false
		}
	}
	return true
}

// line appends the secrets of one line, in order and without overlaps. cut is where in the line the user is typing,
// or -1: what stands there is not finished and is judged by how it begins.
func (d *detector) line(found []Finding, line string, cut int) []Finding {
	if len(line) < 4 {
		return found
	}
	from := len(found)
	var seen [maxRules]int32 // by rule: how far the line has been looked at
	for i := 0; i+2 < len(line); i++ {
		g := gram(line[i], line[i+1], line[i+2])
		if d.grams[g>>6]&(1<<(g&63)) == 0 {
			continue
		}
		for _, k := range d.words[g] {
			if int(seen[k.rule]) > i || !hasFoldedPrefix(line[i:], k.word) {
				continue
			}
			if k.rule == d.assigns {
				seen[k.rule] = math.MaxInt32
				found = assignments(found, line, cut)
				continue
			}
			lo, hi := max(0, i-beforeKeyword), min(len(line), i+maxLine)
			if len(line) <= maxLine {
				lo, hi = 0, len(line)
			}
			found = d.match(found, k.rule, line, lo, hi)
			// What begins near the end of a window is seen whole in the next one.
			if seen[k.rule] = int32(hi - maxLine/4); hi == len(line) {
				seen[k.rule] = math.MaxInt32
			}
		}
	}
	found = d.runs(found, line, cut)
	if f, ok := typedInURL(line, cut); ok {
		found = append(found, f)
	}
	return found[:from+len(merge(found[from:]))]
}

func (d *detector) match(found []Finding, n int, line string, lo, hi int) []Finding {
	r := &d.rules[n]
	for _, m := range r.re().FindAllStringSubmatchIndex(line[lo:hi], -1) {
		g := r.group
		if g == 0 {
			for i := 1; i < len(m)/2; i++ {
				if m[2*i] >= 0 && m[2*i+1] > m[2*i] {
					g = i
					break
				}
			}
		}
		start, end := lo+m[2*g], lo+m[2*g+1]
		if start < end && (r.entropy == 0 || entropy(line[start:end]) > r.entropy) && (r.accept == nil || r.accept(line[start:end])) {
			found = append(found, Finding{r.name, start, end})
		}
	}
	return found
}

// runs looks at the long words of a line: those that look like nothing a person would write, and those that begin
// like a token and stand where the user is typing.
func (d *detector) runs(found []Finding, line string, cut int) []Finding {
	const shortest = 26
	for i := 0; i < len(line); {
		if !inRun[line[i]] {
			i++
			continue
		}
		start := i
		for i < len(line) && inRun[line[i]] {
			i++
		}
		run := line[start:i]
		if n := strings.IndexByte(run, '='); n >= 0 && strings.Trim(run[n:], "=") != "" {
			i = start + n + 1 // NAME=value
			run = run[:n]
		}
		typing := cut >= 0 && start <= cut && cut <= i
		if half(run) || typing && (beginsToken(run, cut-start) || cut > start && opensSecret(line[:start])) {
			found = append(found, Finding{"unfinished-token", start, start + len(run)})
			continue
		}
		if len(run) < shortest {
			continue
		}
		for _, n := range d.onRuns {
			found = d.match(found, n, line, start, min(start+len(run)+1, len(line)))
		}
		if looksRandom(run) && !isDigest(line[:start], run) {
			found = append(found, Finding{"high-entropy", start, start + len(run)})
		}
	}
	return found
}

// inRun says which bytes a word consists of that may be a key.
var inRun = func() (t [256]bool) {
	for c := range t {
		b := byte(c)
		t[c] = 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("+/=_-.~", b) >= 0
	}
	return t
}()

// tokenPrefixes are how keys begin that are recognized while they are being typed, when most of them is not there.
var tokenPrefixes = []string{
	"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "sk-", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_",
	"AKIA", "ASIA", "xoxb-", "xoxp-", "xoxa-", "xoxe", "xapp-", "AIza", "eyJ", "npm_", "pypi-", "SG.", "hf_", "dop_v1_", "shpat_", "shpss_", "lin_api_", "ntn_",
	"pplx-", "AGE-SECRET-KEY-", "ya29.", "dapi", "gsk_", "csk-", "xai-", "tskey-", "whsec_", "sbp_", "dckr_pat_", "GOCSPX-", "ATATT3", "figd_", "hvs.", "PMAK-", "rubygems_",
	"sq0atp-", "EAAA", "glsa_", "glc_", "pul-", "sntrys_", "sntryu_", "ops_",
}

// half reports whether a word is what somebody has typed of a token before they paused: it begins like one, and goes
// on like nothing else.
func half(run string) bool {
	if len(run) < 10 {
		return false
	}
	for _, p := range tokenPrefixes {
		if rest, ok := strings.CutPrefix(run, p); ok && len(rest) >= 7 && (digits(rest) > 0 && changes(rest) >= 0.25 || changes(rest) >= 0.4) {
			return true
		}
	}
	return false
}

// beginsToken reports whether a word in which the cursor stands may become a key: it begins like one, or is long
// and random already.
func beginsToken(run string, cursor int) bool {
	for _, p := range tokenPrefixes {
		if cursor > len(p) && strings.HasPrefix(run, p) {
			return true
		}
	}
	// Half a random word shows less than a whole one, so less is asked of it.
	return len(run) >= 16 && changes(run) >= 0.35 && digits(run) >= 3
}

// opensSecret reports whether what stands in front of a word promises that it is a secret, whatever it looks like so far.
func opensSecret(before string) bool {
	before = before[max(0, len(before)-maxLine):]
	for _, scheme := range []string{"bearer ", "basic "} {
		if n := len(before) - len(scheme); n >= 0 && hasFoldedPrefix(before[n:], scheme) && hasFold(before, "authorization") {
			return true
		}
	}
	return false
}

// typedInURL finds the password in which somebody types: scheme://user:pass, before the "@" is there. Digits alone are a
// port.
func typedInURL(line string, cut int) (f Finding, ok bool) {
	if cut < 0 {
		return f, false
	}
	before := line[:cut]
	i := strings.LastIndex(before, "://")
	if i < 0 || cut-i > 300 {
		return f, false
	}
	colon := strings.IndexByte(before[i+3:], ':')
	if colon < 0 {
		return f, false
	}
	start, end := i+3+colon+1, cut
	const stops = " \t\"'`@/<>{}"
	for end < len(line) && strings.IndexByte(stops, line[end]) < 0 {
		end++
	}
	value := line[start:end]
	if strings.ContainsAny(before[i+3:], stops) || strings.Trim(value, "0123456789") == "" {
		return f, false
	}
	return Finding{"unfinished-token", start, end}, true
}

func hasFold(s, small string) bool {
	for i := range len(s) {
		if folded[s[i]] == small[0] && hasFoldedPrefix(s[i:], small) {
			return true
		}
	}
	return false
}

// isDigest reports whether a random word is a checksum by what stands in front of it. Checksums are public, and files are
// full of them.
func isDigest(before, run string) bool {
	for _, p := range []string{"sha1-", "sha256-", "sha384-", "sha512-"} {
		if strings.HasPrefix(run, p) {
			return true
		}
	}
	return strings.HasSuffix(before, "h1:") || strings.HasSuffix(before, "sha256:") || strings.HasSuffix(before, "sha512:")
}

// looksRandom reports whether a word looks like base64 of something random. Words of people, also joined and in
// camel case, change between small letters, capitals and digits at every fourth place or less; random ones at two of three.
// Hexadecimal words are not counted: most of them are commits and checksums.
func looksRandom(s string) bool {
	if len(s) < 32 {
		return false
	}
	small, capital := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z':
			small++
		case 'A' <= c && c <= 'Z':
			capital++
		}
	}
	return small >= 2 && capital >= 2 && digits(s) >= 2 && changes(s) >= 0.4 && entropy(s[:min(len(s), 256)]) >= 4
}

func digits(s string) (n int) {
	for i := range len(s) {
		if '0' <= s[i] && s[i] <= '9' {
			n++
		}
	}
	return n
}

// changes is at which part of the places of s a letter, a capital or a digit follows one of the others.
func changes(s string) float64 {
	class := func(c byte) int {
		switch {
		case 'a' <= c && c <= 'z':
			return 1
		case 'A' <= c && c <= 'Z':
			return 2
		case '0' <= c && c <= '9':
			return 3
		}
		return 0
	}
	n := 0
	for i := 1; i < len(s); i++ {
		if a, b := class(s[i-1]), class(s[i]); a != b && a != 0 && b != 0 {
			n++
		}
	}
	return float64(n) / float64(max(len(s)-1, 1))
}

// entropy is Shannon's, in bits per byte.
func entropy(s string) float64 {
	var count [256]int
	for i := range len(s) {
		count[s[i]]++
	}
	e := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(s))
			e -= p * math.Log2(p)
		}
	}
	return e
}

// general are the rules that say less about a secret than any other.
var general = set("secret-assignment", "password-assignment", "high-entropy", "unfinished-token", "prefixed-token", "seen-before")

// merge sorts findings and makes those that overlap one. It has the name of the rule that says most: that of a kind of
// key, else the one that found most of it.
func merge(found []Finding) []Finding {
	if len(found) < 2 {
		return found
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(a.Start-b.Start, b.End-a.End)
	})
	out := found[:1]
	for _, f := range found[1:] {
		last := &out[len(out)-1]
		if f.Start >= last.End {
			out = append(out, f)
			continue
		}
		if general[last.Rule] && (!general[f.Rule] || f.End-f.Start > last.End-last.Start) {
			last.Rule = f.Rule
		}
		last.End = max(last.End, f.End)
	}
	return out
}
