package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/lsp/editor"
	"github.com/spark-lsp/spark-lsp/privacy/canary"
	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// sentTo is everything that a model has received: each connection's headers and frames, each request's body.
func sentTo(model *loopback.Server) (sent []string) {
	for _, c := range model.Conns() {
		sent = append(sent, fmt.Sprint(c.Header))
		for _, frame := range c.Frames() {
			sent = append(sent, string(frame))
		}
	}
	for _, x := range model.Seen() {
		sent = append(sent, string(x.Body), x.FullInput())
	}
	return sent
}

// aviary knows every eight letters in a row of the secrets that were planted, and every sixteen of the hexadecimal ones.
type aviary map[string]string // to where it was planted

const beak = 8

func (a aviary) add(where string, list ...canary.Canary) {
	for _, c := range list {
		for _, s := range c.Secret {
			// Eight digits in a row stand in any log; sixteen of a key do not.
			n := beak
			if strings.Trim(s, "0123456789abcdef") == "" {
				n = 2 * beak
			}
			for i := 0; i+n <= len(s); i++ {
				a[s[i:i+n]] = where + ", " + c.Kind
			}
		}
	}
}

// hears returns the first piece of a planted secret in text.
func (a aviary) hears(text string) (piece, where string) {
	for _, n := range []int{beak, 2 * beak} {
		for i := 0; i+n <= len(text); i++ {
			if where, ok := a[text[i:i+n]]; ok {
				return text[i : i+n], where
			}
		}
	}
	return "", ""
}

// parrot is a model that says back what it was told: the region that it should replace with a line more, or the
// placeholders that it has read, in pieces of all sizes.
type parrot struct {
	mu   sync.Mutex
	rng  *rand.Rand
	told []string
}

func (p *parrot) respond(x *loopback.Exchange) {
	p.mu.Lock()
	p.told = append(p.told, string(x.Body), x.FullInput())
	size := 1 + p.rng.IntN(30)
	p.mu.Unlock()
	answer := ""
	switch x.Job() {
	case loopback.EditJob:
		region, _ := x.Region()
		answer = region + "// parrot\n"
	default:
		if words := placeholder.FindAllString(x.FullInput(), -1); len(words) > 0 {
			answer = "say(\"" + words[len(words)-1] + "\")"
		}
	}
	_ = x.InProgress()
	for len(answer) > 0 {
		n := min(size, len(answer))
		_ = x.Delta(answer[:n])
		answer = answer[n:]
	}
	_ = x.Done()
}

// TestCanaries_D22 plays a long random session in a workspace full of secrets of some eighty kinds: in files that are
// ignored, in a .env and a key file, in open tabs, in what is pasted, typed and selected, in the staged diff, in the
// repository's instructions, in instructions of the user and in names of files. No eight letters of any leave, nor do they
// stand in a log at the level debug, and what comes back is whole.
func TestCanaries_D22(t *testing.T) {
	for _, provider := range []string{"openai", "completions"} {
		t.Run(provider, func(t *testing.T) {
			steps := 250
			if testing.Short() {
				steps = 80
			}
			canaries(t, provider, seed(t), steps)
		})
	}
}

// seed is SPARK_SEED, a number, or "random" for another one each time: how what was found so far was found.
func seed(t *testing.T) uint64 {
	s := os.Getenv("SPARK_SEED")
	switch s {
	case "":
		return 22
	case "random":
		return uint64(time.Now().UnixNano())
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func canaries(t *testing.T, provider string, seed uint64, steps int) {
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 22))
	root, planted := t.TempDir(), aviary{}
	plant := func(where string) []canary.Canary {
		list := canary.Plant(rng)
		planted.add(where, list...)
		return list
	}
	lines := func(list []canary.Canary) string {
		var b strings.Builder
		for _, c := range list {
			b.WriteString(c.Text + "\n")
		}
		return b.String()
	}
	files := map[string]string{
		".gitignore": "ignored/\n*.local\n", ".aiignore": "private.py\n",
		"AGENTS.md": "# How to work here\nUse short names.\n" + lines(plant("AGENTS.md")),
		"staged.go": "package a\n\n",
	}
	for _, name := range []string{".env", ".env.production", ".npmrc", "id_rsa", "server.pem", "ignored/x.go", "conf.local", "private.py", "prod.tfvars", ".aws/credentials", ".git-credentials"} {
		files[name] = lines(plant(name))
	}
	named := canary.Plant(rng)
	for _, c := range named {
		if c.Kind == "github-app" || c.Kind == "shopify" || c.Kind == "digitalocean" {
			planted.add("a name", c)
			files["backup_"+c.Text+".go"] = "package a\n"
		}
	}
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("git: %v: %s", err, out)
		}
	}
	git("init", "-q")
	git("add", "staged.go")
	git("commit", "-q", "-m", "a")
	if err := os.WriteFile(filepath.Join(root, "staged.go"), []byte("package a\n\n"+lines(plant("the staged diff"))), 0o644); err != nil {
		t.Fatal(err)
	}
	git("add", "staged.go")

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	bird := &parrot{rng: rand.New(rand.NewPCG(seed, 23))}
	model := loopback.New(loopback.Options{Respond: bird.respond, Interrupt: true})
	if err := model.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	logFile := filepath.Join(t.TempDir(), "log")
	env := map[string]string{"SPARK_PROVIDER": provider, "SPARK_MODEL": "qwen2.5-coder", "SPARK_BASE_URL": model.URL(), "SPARK_API_KEY": "nothing-special", "XDG_STATE_HOME": t.TempDir(), "XDG_CONFIG_HOME": t.TempDir()}
	toServer, fromEditor := io.Pipe()
	toEditor, fromServer := io.Pipe()
	var stderr strings.Builder
	exit := make(chan int, 1)
	go func() {
		exit <- process{
			args: []string{"--stdio", "--log", logFile, "--log-level", "debug"}, getenv: func(name string) string { return env[name] },
			stdin: toServer, stdout: fromServer, stderr: &stderr, panicOnBug: true,
		}.run(ctx)
	}()
	ed := editor.New(editor.Options{Name: "helix", Folders: []string{lsp.PathToURI(root)}}, toEditor, fromEditor)
	ed.OnChoose(func(message string, actions []string) string { return "No" })
	if _, err := ed.Start(ctx); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	var tabs []string
	open := func(name, language, text string) {
		uri := lsp.PathToURI(filepath.Join(root, filepath.FromSlash(name)))
		must(ed.Open(uri, language, text))
		tabs = append(tabs, uri)
	}
	code := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "func f%d(x int) int {\n\tif x > %d {\n\t\treturn x\n\t}\n\treturn f%d(x + 1)\n}\n\n", i, i, i)
		}
		return b.String()
	}
	main := plant("an open tab")
	open("main.go", "go", "package a\n\n"+code(10)+lines(main[:len(main)/2])+code(10))
	open("other.py", "python", code(3)+lines(main[len(main)/2:])+code(3))
	open("config.yaml", "yaml", "a: 1\n"+lines(plant("another open tab"))+"b: 2\n")
	words := canary.PlantValues(rng)
	planted.add("a file of values", words...)
	open("application.yml", "yaml", "a: 1\n"+lines(words)+"b: 2\n")
	open(".env", "shellscript", files[".env"])
	open("ignored/x.go", "go", files["ignored/x.go"])
	for name := range files {
		if strings.HasPrefix(name, "backup_") {
			open(name, "go", "package a\n\nvar x = 1\n")
		}
	}
	typed := map[string]bool{"env-password": true, "github-pat": true, "openai": true, "aws-secret": true, "go-password": true, "json": true, "stripe-live": true, "basic-auth": true, "url": true}

	uri := tabs[0]
	complete := func(kind int) {
		p, err := ed.CallAsync(protocol.MethodTextDocumentInlineCompletion, map[string]any{
			"textDocument": map[string]any{"uri": uri}, "position": ed.Position(uri, ed.Cursor(uri)), "context": map[string]any{"triggerKind": kind},
		})
		must(err)
		if rng.IntN(4) > 0 {
			_ = p.Wait(ctx, nil) // superseded and cancelled ones are errors
		}
	}
	edited := 0
	for range steps {
		if rng.IntN(6) == 0 {
			uri = tabs[rng.IntN(len(tabs))]
		}
		text := ed.Text(uri)
		switch rng.IntN(12) {
		case 0, 1: // pasted
			c := plant("what was pasted")[rng.IntN(80)]
			at := strings.LastIndexByte(text[:rng.IntN(len(text)+1)], '\n') + 1
			must(ed.SetCursor(uri, at))
			must(ed.Insert(uri, at, c.Text+"\n"))
			complete(2)
		case 2: // typed, with a completion at every key
			for _, c := range plant("what was typed") {
				if !typed[c.Kind] || rng.IntN(4) > 0 {
					continue
				}
				at := strings.LastIndexByte(text[:rng.IntN(len(text)+1)], '\n') + 1
				must(ed.SetCursor(uri, at))
				must(ed.Type(uri, "\n"))
				must(ed.SetCursor(uri, at))
				for _, r := range c.Text {
					must(ed.Type(uri, string(r)))
					complete(2)
				}
				break
			}
		case 3: // an edit of some lines; the instruction has a secret too
			from := strings.LastIndexByte(text[:rng.IntN(len(text)+1)], '\n') + 1
			to := from
			for range 1 + rng.IntN(12) {
				if i := strings.IndexByte(text[to:], '\n'); i >= 0 {
					to += i + 1
				}
			}
			said := plant("an instruction")[rng.IntN(80)]
			if to == from {
				continue
			}
			must(ed.Call(ctx, protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": "spark-lsp.edit", "arguments": []any{map[string]any{
				"uri": uri, "range": ed.Range(uri, from, to), "instruction": "use " + said.Text}}}, nil))
			if provider != "openai" || strings.HasSuffix(uri, "/.env") || strings.Contains(uri, "ignored") {
				continue // no instructions, or the user says no
			}
			want := text[:to] + "// parrot\n" + text[to:]
			_, err := ed.WaitProgress(ctx, "end")
			must(err)
			if got := ed.Text(uri); got != want {
				i := 0
				for i < min(len(got), len(want)) && got[i] == want[i] {
					i++
				}
				t.Fatalf("an answer did not come back whole: lines %d to %d:\n%s\ngot  ...%.300q\nwant ...%.300q", strings.Count(text[:from], "\n"), strings.Count(text[:to], "\n"),
					text[from:to], got[max(0, i-100):], want[max(0, i-100):])
			}
			edited++
		case 4:
			must(ed.Save(uri))
		case 5: // the cursor within a secret
			at := rng.IntN(len(text) + 1)
			for at < len(text) && text[at]&0xC0 == 0x80 {
				at++
			}
			must(ed.SetCursor(uri, at))
			complete(1 + rng.IntN(2))
		case 6:
			_ = ed.Call(ctx, "textDocument/copilotInlineEdit", map[string]any{
				"textDocument": map[string]any{"uri": uri, "version": ed.Version(uri)}, "position": ed.Position(uri, ed.Cursor(uri))}, nil)
		case 7:
			var list []protocol.CodeAction
			must(ed.Call(ctx, protocol.MethodTextDocumentCodeAction, map[string]any{"textDocument": map[string]any{"uri": uri},
				"range": ed.Range(uri, ed.Cursor(uri), ed.Cursor(uri)), "context": map[string]any{"diagnostics": []any{}}}, &list))
		default:
			at := rng.IntN(len(text) + 1)
			for at < len(text) && text[at]&0xC0 == 0x80 {
				at++
			}
			line := strings.IndexByte(text[at:], '\n')
			if line >= 0 {
				at += line
			}
			must(ed.SetCursor(uri, at))
			for _, r := range []string{"\n", "x", " ", "=", " "} {
				must(ed.Type(uri, r))
				complete(2)
			}
		}
	}
	must(ed.Shutdown(ctx))
	must(ed.Exit())
	<-exit
	ed.HangUp()
	sent := append(sentTo(model), bird.told...)
	model.Close()

	bytes := 0
	for _, s := range sent {
		bytes += len(s)
		if piece, where := planted.hears(s); piece != "" {
			at := strings.Index(s, piece)
			t.Fatalf("%q of %s left: ...%s...", piece, where, s[max(0, at-300):min(len(s), at+100)])
		}
	}
	log, err := os.ReadFile(logFile)
	must(err)
	for line := range strings.Lines(string(log) + stderr.String()) {
		if piece, where := planted.hears(line); piece != "" {
			t.Fatalf("%q of %s is in the log: %s", piece, where, line)
		}
	}
	if strings.Contains(string(log), "return f") || strings.Contains(string(log), "if x > ") {
		t.Error("there is code in the log")
	}
	if len(bird.told) == 0 || !strings.Contains(strings.Join(bird.told, ""), "SPARK_SECRET_") || provider == "openai" && edited == 0 {
		t.Error("nothing was asked that had anything to hide")
	}
	t.Logf("%d requests, %d edits, %d bytes sent, %d pieces of secrets, %d bytes of log", len(bird.told)/2, edited, bytes, len(planted), len(log))
}
