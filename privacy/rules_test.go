package privacy

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// tree writes files (slash-separated name -> content; a name ending in "/" is a directory).
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		put(t, root, name, text)
	}
	return root
}

func put(t testing.TB, root, name, text string) {
	t.Helper()
	full := filepath.Join(root, filepath.FromSlash(name))
	if strings.HasSuffix(name, "/") {
		if err := os.MkdirAll(full, 0o755); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// noUserConfig keeps the excludes of whoever runs the tests out of them.
func noUserConfig(t testing.TB) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "xdg"))
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
}

func git(t testing.TB, dir, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

func needGit(t testing.TB) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("skipped: git is not installed, and it is the judge of this test")
	}
}

// gitSays returns which of the paths git ignores by its patterns alone.
func gitSays(t testing.TB, root string, paths []string) map[string]bool {
	t.Helper()
	said := map[string]bool{}
	for _, p := range strings.Split(git(t, root, strings.Join(paths, "\x00")+"\x00", "check-ignore", "--no-index", "-z", "--stdin"), "\x00") {
		said[p] = true
	}
	return said
}

var (
	randomNames    = []string{"a", "b", "foo", "bar", "foobar", "a.c", "b.c", "x y", "[x]", "A", "Foo", "#z", "!q", "a*", "ab\\c"}
	randomPatterns = []string{
		"a", "foo", "*.c", "f*", "*o", "?", "??", "**", "*", "***", "a**", "**b", "f**r", "[ab]", "[!a]", "[^a]*", "[a-f]oo", "[]x]",
		"[[:alpha:]]", "[[:upper:]]*", "[[:nope:]]", "[[:alpha]", "[a", "a[", "[\\]x]", "[--0]", "[a-]", "\\a", "\\*", "a\\*", "a\\", "\\!q", "\\#z", "#z", "x\\ y", "x y", "a ", "a\\ ", "\\[x\\]", "[[]x]",
		"ab\\\\c", "A", "!", "", "x?y", "[A-Z]*",
	}
)

// randomLine makes a line of an ignore file, biased to what implementations get wrong.
func randomLine(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(4) == 0 {
		b.WriteByte('!')
	}
	if r.IntN(4) == 0 {
		b.WriteByte('/')
	}
	for i, n := 0, 1+r.IntN(3); i < n; i++ {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(randomPatterns[r.IntN(len(randomPatterns))])
	}
	switch r.IntN(6) {
	case 0, 1:
		b.WriteByte('/')
	case 2:
		b.WriteString([]string{" ", "  ", "\r", " \r", "\t", "//"}[r.IntN(6)])
	}
	return b.String()
}

// The law: without the other kinds and the built-in list, Ignored is what git check-ignore says.
func TestRulesAgreeWithGit(t *testing.T) {
	needGit(t)
	if runtime.GOOS == "windows" {
		t.Skip("skipped: the names that this test makes cannot exist on Windows")
	}
	noUserConfig(t)
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	questions, ignoredCount := 0, 0
	for round := range rounds {
		seed := uint64(round) + 1
		r := rand.New(rand.NewPCG(seed, 7))
		root := t.TempDir()
		git(t, root, "", "init", "-q")
		var paths []string
		seen := map[string]bool{}
		var dirs []string
		for range 40 {
			parts := []string{}
			for range 1 + r.IntN(4) {
				parts = append(parts, randomNames[r.IntN(len(randomNames))])
			}
			p := strings.Join(parts, "/")
			full := filepath.Join(root, p)
			if r.IntN(5) == 0 {
				if os.MkdirAll(full, 0o755) != nil {
					continue
				}
			} else {
				if os.MkdirAll(filepath.Dir(full), 0o755) != nil {
					continue
				}
				if _, err := os.Lstat(full); err == nil || os.WriteFile(full, nil, 0o644) != nil {
					continue
				}
			}
			for q := p; q != "."; q = filepath.Dir(q) {
				if !seen[q] {
					seen[q] = true
					paths = append(paths, q)
					if info, _ := os.Stat(filepath.Join(root, q)); info.IsDir() {
						dirs = append(dirs, q)
					}
				}
			}
		}
		write := func(file string, n int) {
			var text strings.Builder
			if r.IntN(5) == 0 {
				text.WriteString("\uFEFF")
			}
			for range n {
				text.WriteString(randomLine(r) + "\n")
			}
			put(t, root, file, text.String())
		}
		write(".gitignore", 1+r.IntN(6))
		write(".git/info/exclude", r.IntN(3))
		for _, d := range dirs {
			if r.IntN(3) == 0 {
				write(d+"/.gitignore", 1+r.IntN(3))
			}
		}
		rules := NewRules(root)
		rules.shut = nil
		said := gitSays(t, root, paths)
		for _, p := range paths {
			info, _ := os.Stat(filepath.Join(root, p))
			got, why := rules.Ignored(p, info.IsDir())
			questions++
			if got {
				ignoredCount++
			}
			if got != said[p] {
				t.Errorf("seed %d: %q (directory %v): ignored %v (%s), git says %v\n%s", seed, p, info.IsDir(), got, why, said[p],
					git(t, root, p+"\x00", "check-ignore", "--no-index", "-z", "--stdin", "-v", "-n"))
			}
		}
	}
	t.Logf("%d questions, %d ignored", questions, ignoredCount)
	if ignoredCount == 0 || ignoredCount == questions {
		t.Error("the random rules decide nothing; the test proves nothing")
	}
}

func FuzzIgnoreMatching(f *testing.F) {
	needGit(f)
	noUserConfig(f)
	for _, s := range []string{"*\n!/foo/", "abc/**\n!abc/keep", "**/a/b", "a**b/c", "[!a]oo", "a/b**/c", "x\\ ", "[", "foo/*\n!foo/x"} {
		f.Add(s, "abc/keep")
		f.Add(s, "foo/x/a/b")
	}
	f.Fuzz(func(t *testing.T, lines, name string) {
		name = filepath.ToSlash(filepath.Clean(name))
		if len(lines) > 1000 || len(name) > 100 || !filepath.IsLocal(name) || strings.ContainsAny(name, "\x00\n") || strings.HasPrefix(strings.ToLower(name), ".git") {
			t.Skip()
		}
		// The least that git takes for a repository, made by hand since a process for each input is slow enough.
		root := tree(t, map[string]string{".gitignore": lines, ".git/HEAD": "ref: refs/heads/main\n", ".git/objects/": "", ".git/refs/": ""})
		full := filepath.Join(root, filepath.FromSlash(name))
		if os.MkdirAll(filepath.Dir(full), 0o755) != nil || os.WriteFile(full, nil, 0o644) != nil {
			t.Skip()
		}
		rules := NewRules(root)
		rules.shut = nil
		got, why := rules.Ignored(name, false)
		if said := gitSays(t, root, []string{name})[name]; got != said {
			t.Fatalf("%q under %q: ignored %v (%s), git says %v", name, lines, got, why, said)
		}
	})
}

func TestRulesReasons(t *testing.T) {
	noUserConfig(t)
	root := tree(t, map[string]string{
		".gitignore": "*.log\n!keep.log\n", "sub/.gitignore": "!*.log\nown.txt\n", ".aiignore": "private/\n", "sub/.cursorignore": "deep.go\n",
		".sparkignore": "a.go", ".copilotignore": "b.go", ".continueignore": "c.go", "x/": "",
	})
	rules := NewRules(root, Deny("denied/"), Allow("granted.pem"))
	for _, c := range []struct {
		path   string
		dir    bool
		reason string // part of it; "" for open
	}{
		{"main.go", false, ""},
		{"x.log", false, ".gitignore:1"},
		{"keep.log", false, ""},
		{"sub/x.log", false, ""},
		{"sub/own.txt", false, "sub/.gitignore:2"},
		{"private", true, ".aiignore:1"},
		{"private/x/y.go", false, ".aiignore:1"},
		{"sub/deep.go", false, "sub/.cursorignore:1"},
		{"x/a.go", false, ".sparkignore:1"},
		{"x/b.go", false, ".copilotignore:1"},
		{"x/c.go", false, ".continueignore:1"},
		{"denied/x", false, "settings"},
		{"granted.pem", false, ""},
		{"other.pem", false, "secrets"},
		{"", false, ""}, {".", true, ""},
		{"../x", false, "outside"}, {"x/../../y", false, "outside"}, {"/etc/passwd", false, "outside"}, {"a\x00b", false, "outside"},
		{"x/../sub/own.txt", false, "sub/.gitignore:2"},
		{".git", true, "secrets"}, {".git/config", false, "secrets"}, {"sub/.GIT/config", false, "secrets"},
	} {
		ignored, reason := rules.Ignored(c.path, c.dir)
		if ignored != (c.reason != "") || !strings.Contains(reason, c.reason) {
			t.Errorf("%q: ignored %v, %q; want %q", c.path, ignored, reason, c.reason)
		}
	}
}

func TestBuiltin_D22(t *testing.T) {
	noUserConfig(t)
	rules := NewRules(t.TempDir())
	closed := `.env .env.local .ENV .Env.Production prod.env server.pem SERVER.PEM tls.key id_rsa id_rsa.bak id_ed25519 id_work .npmrc .netrc .aws/credentials
		a/.aws/config .ssh/known_hosts kubeconfig kubeconfig.yaml prod.kubeconfig .kube/config terraform.tfstate terraform.tfstate.backup prod.tfvars
		store.jks app.keystore vault.kdbx cert.p12 cert.pfx .pypirc .git-credentials .htpasswd .docker/config.json credentials.json my-service-account-1.json
		.env. .env:: .env::$DATA secrets.yaml .terraform/x a:b/.env deep/down/.env.d/x`
	open := `main.go id_map.go id_rules_test.py env.go environment.ts .env.example .env.sample pem.go keys.go monkey.c secrets.go tfstate.go kube/config.go
		docs/aws.md id_tables/x.go docker/config.json`
	for _, p := range strings.Fields(closed) {
		if ignored, _ := rules.Ignored(p, false); !ignored {
			t.Errorf("%s is open", p)
		}
	}
	for _, p := range strings.Fields(open) {
		if ignored, why := rules.Ignored(p, false); ignored {
			t.Errorf("%s is closed: %s", p, why)
		}
	}
}

func TestSymbolicLinksDoNotGetAround_D22(t *testing.T) {
	noUserConfig(t)
	outside := tree(t, map[string]string{"secret.txt": "canary", "dir/x.go": "canary"})
	root := tree(t, map[string]string{".gitignore": "hidden/\n", "hidden/x.go": "canary", ".env": "canary", "plain.go": "package p"})
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Skipf("skipped: no symbolic links here: %v", err)
		}
	}
	link(filepath.Join(outside, "secret.txt"), "a.go")
	link(filepath.Join(outside, "dir"), "d")
	link("hidden", "h")
	link(".env", "env.go")
	link("env.go", "twice.go")
	link("plain.go", "ok.go")
	link("nowhere", "dangling.go")
	link("loop.go", "loop.go")
	rules := NewRules(root)
	for _, p := range []string{"a.go", "d/x.go", "d/new.go", "h/x.go", "h/new.go", "env.go", "twice.go", "dangling.go", "loop.go", "d/../.env"} {
		if ignored, why := rules.Ignored(p, false); !ignored {
			t.Errorf("%s is open", p)
		} else if _, err := rules.Read(p, 0); !errors.Is(err, ErrIgnored) {
			t.Errorf("Read(%s) = %v (%s)", p, err, why)
		}
	}
	if data, err := rules.Read("ok.go", 7); err != nil || string(data) != "package" {
		t.Errorf("a link inside the workspace: %q, %v", data, err)
	}
	if ignored, why := NewRules(filepath.Join(root)).Ignored(filepath.Join(root, "plain.go"), false); ignored {
		t.Error(why)
	}
	// The workspace itself may be reached by a link.
	other := filepath.Join(t.TempDir(), "ws")
	if err := os.Symlink(root, other); err != nil {
		t.Fatal(err)
	}
	viaLink := NewRules(other)
	for name, want := range map[string]bool{filepath.Join(other, "plain.go"): false, filepath.Join(root, "plain.go"): false, filepath.Join(other, ".env"): true} {
		if got, why := viaLink.Ignored(name, false); got != want {
			t.Errorf("%s: %v %s", name, got, why)
		}
	}
}

func TestRulesFoldCaseWhereTheFileSystemDoes(t *testing.T) {
	noUserConfig(t)
	rules := NewRules(tree(t, map[string]string{".gitignore": "Secret/*.Txt\n"}))
	rules.fold = true // what NewRules finds out on macOS and Windows
	for _, p := range []string{"secret/a.txt", "SECRET/A.TXT"} {
		if ignored, _ := rules.Ignored(p, false); !ignored {
			t.Errorf("%s is open", p)
		}
	}
}

func TestRulesNoticeChanges(t *testing.T) {
	noUserConfig(t)
	root := tree(t, map[string]string{"a/b.go": ""})
	rules := NewRules(root)
	check := func(want bool) {
		t.Helper()
		if got, why := rules.Ignored("a/b.go", false); got != want {
			t.Fatalf("ignored %v (%s), want %v", got, why, want)
		}
	}
	check(false)
	put(t, root, "a/.aiignore", "b.go")
	check(true)
	put(t, root, "a/.aiignore", "c.go") // the same size, within the same tick of the clock
	check(false)
	put(t, root, "a/.aiignore", "b.go")
	check(true)
	if err := os.Remove(filepath.Join(root, "a", ".aiignore")); err != nil {
		t.Fatal(err)
	}
	check(false)
}

func TestRepositoryAboveTheWorkspaceAndUserExcludes(t *testing.T) {
	noUserConfig(t)
	home, _ := os.UserHomeDir()
	put(t, home, ".gitconfig", "[core]\n\texcludesFile = ~/my ignores\n")
	put(t, home, "my ignores", "*.mine\n")
	top := tree(t, map[string]string{
		".git/HEAD": "x", ".git/info/exclude": "*.excluded\n", ".gitignore": "/ws/gen/\n*.up\n", "ws/gen/x.go": "", "ws/x.go": "",
		".git/worktrees/w/commondir": "../..\n",
	})
	linked := tree(t, map[string]string{".git": "gitdir: " + filepath.Join(top, ".git", "worktrees", "w") + "\n"})
	for _, c := range []struct {
		root, path string
		want       bool
	}{
		{filepath.Join(top, "ws"), "gen/x.go", true}, {filepath.Join(top, "ws"), "a.up", true}, {filepath.Join(top, "ws"), "a.excluded", true},
		{filepath.Join(top, "ws"), "b.mine", true}, {filepath.Join(top, "ws"), "x.go", false},
		{linked, "a.excluded", true}, {linked, "a.up", false},
	} {
		if got, why := NewRules(c.root).Ignored(c.path, false); got != c.want {
			t.Errorf("%s in %s: %v %s", c.path, filepath.Base(c.root), got, why)
		}
	}
}

func TestHostilePatternsAreCheap(t *testing.T) {
	long := strings.Repeat("a", 2000)
	for _, p := range []string{strings.Repeat("a*", 40) + "b", strings.Repeat("**/", 60) + "b", strings.Repeat("*[!b]", 40) + "b"} {
		for _, g := range []glob{{text: p}, {text: p, pathNames: true}} {
			if g.match(long) {
				t.Error(p)
			}
		}
	}
}

func BenchmarkIgnored(b *testing.B) {
	noUserConfig(b)
	root := tree(b, map[string]string{".git/HEAD": "", ".gitignore": strings.Repeat("*.log\nbuild/\n/dist\nfoo/**/bar\n", 20), "a/b/c/d/e.go": ""})
	rules := NewRules(root)
	old := filepath.Join(root, ".gitignore")
	for _, d := range []string{"a/b/c/d", "a/b/c", "a/b", "a", ""} {
		if err := os.Chtimes(filepath.Join(root, d), longAgo, longAgo); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.Chtimes(old, longAgo, longAgo); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if ignored, why := rules.Ignored("a/b/c/d/e.go", false); ignored {
			b.Fatal(why)
		}
	}
}

func ExampleRules_Ignored() {
	root, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(root)
	_, why := NewRules(root).Ignored("config/.env.local", false)
	fmt.Println(why)
	// Output: files like ".env.*" hold secrets and are never read
}

// TestOff: what is switched off is closed whatever is allowed, by every name of the root, for the walk and for one file.
func TestOff(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a/x.go", "b/x.go"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte("package x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(root, link); err != nil {
		t.Skip(err)
	}
	r := NewRules(link, Allow("*"), Off(func(path string) bool { return strings.HasPrefix(path, filepath.Join(link, "a")) }))
	for name, want := range map[string]bool{"a/x.go": true, "b/x.go": false, filepath.Join(root, "a", "x.go"): true, filepath.Join(link, "b", "x.go"): false} {
		if closed, why := r.Ignored(name, false); closed != want {
			t.Errorf("%s: closed %v (%s)", name, closed, why)
		}
	}
	var walked []string
	sum, err := r.Walk(t.Context(), DefaultLimits, func(rel string, _ []byte) bool { walked = append(walked, rel); return true })
	if err != nil || len(walked) != 1 || walked[0] != "b/x.go" || sum.Ignored != 1 {
		t.Errorf("%v, %+v, %v", walked, sum, err)
	}
}
