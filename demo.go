package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	_ "embed"

	"golang.org/x/term"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
	"github.com/spark-lsp/spark-lsp/session/loopback"
	"github.com/spark-lsp/spark-lsp/settings"
)

// demoCmd plays a session for a newcomer: the real program on pipes, a scripted editor in front of it, and what
// its user would see drawn here.
type demoCmd struct {
	Plain bool `help:"No colours and no moving text; this is also what happens when stdout is not a terminal."`
}

// demoFile is the file that the session is about.
//
//go:embed testdata/demo/words.go
var demoFile string

const (
	demoURI = "file:///demo/words.go"

	// demoWanted is what the user of the first scene wants to write, on the blank line above main.
	demoWanted = `// longest returns the longest word.
func longest(words []string) string {
	var longest string
	for _, word := range words {
		if len(word) > len(longest) {
			longest = word
		}
	}
	return longest
}
`
	demoInstruction = "return an error instead of panicking"

	// demoAnswer is what the scripted model says in the second scene, in place of readWords.
	demoAnswer = `func readWords(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var words []string
	scanner := bufio.NewScanner(f)
	scanner.Split(bufio.ScanWords)
	for scanner.Scan() {
		words = append(words, strings.ToLower(scanner.Text()))
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return words, nil
}
`
	demoRate   = 1000                   // tokens a second
	demoTTFT   = 60 * time.Millisecond  // until the scripted model's first token
	demoPause  = 45 * time.Millisecond  // between two keys, in a terminal
	demoGlance = 300 * time.Millisecond // until a suggestion is taken, in a terminal
	demoRead   = 2 * time.Second        // until the edit is asked for, in a terminal
)

func (d *demoCmd) Run(ctx context.Context, p process) error {
	s := screen{w: p.stdout}
	if f, ok := p.stdout.(*os.File); ok && !d.Plain && term.IsTerminal(int(f.Fd())) && p.getenv("TERM") != "dumb" {
		s.live = true
	}
	s.say("spark-lsp %s", versionString())
	if err := d.completions(ctx, p, &s); err != nil {
		return err
	}
	return d.edit(ctx, p, &s)
}

// completions is the first scene: somebody types a function into a file, with the embedded engine beside them.
func (d *demoCmd) completions(ctx context.Context, p process, s *screen) error {
	s.title("1. Completions without a model: no key, no network, the embedded engine")
	ed, end, err := startDemo(ctx, p, map[string]string{"SPARK_PROVIDER": "offline"})
	if err != nil {
		return err
	}
	defer end()
	if err := ed.Open(demoURI, "go", demoFile); err != nil {
		return err
	}
	// A blank line above main, and the cursor in it.
	at := strings.Index(demoFile, "func main()")
	if err := ed.Insert(demoURI, at, "\n"); err != nil {
		return err
	}
	if err := ed.SetCursor(demoURI, at); err != nil {
		return err
	}
	var took []time.Duration
	typed, given := 0, 0
	rest := demoWanted
	for rest != "" {
		key := rest[:1]
		if err := ed.Type(demoURI, key); err != nil {
			return err
		}
		rest = rest[1:]
		typed++
		s.typed(key)
		if key == "\n" {
			continue
		}
		began := time.Now()
		ghost, err := askGhost(ctx, ed)
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
		s.ghost(ghost)
		if s.live {
			if err := pause(ctx, demoPause); err != nil {
				return err
			}
		}
		// The user takes a suggestion that is right and worth a key; a wrong one is typed past.
		if len(ghost) > 1 && strings.HasPrefix(rest, ghost) {
			if s.live {
				if err := pause(ctx, demoGlance); err != nil {
					return err
				}
			}
			if err := ed.Type(demoURI, ghost); err != nil {
				return err
			}
			rest = rest[len(ghost):]
			given += len(ghost)
			s.accepted(ghost)
		}
	}
	slices.Sort(took)
	s.say("\n%d characters typed, %d of %d given by suggestions.", typed, given, typed+given)
	s.say("A suggestion took %s in the middle, %s at worst.", ms(took[len(took)/2]), ms(took[len(took)-1]))
	return nil
}

// edit is the second scene: a comment says what to do with a function, and the edit streams into the file.
func (d *demoCmd) edit(ctx context.Context, p process, s *screen) error {
	s.title("2. An edit that streams: the instruction is a comment above the code")
	env := map[string]string{}
	user := p.readUser(ctx) // what is wrong with it is the server's to say
	resolved, _ := settings.Resolve(settings.Layers{UserFile: user.Settings, Keys: user.Keys, Environment: settings.FromEnvironment(p.getenv)})
	if e := resolved.For(settings.Edit); e.Key != "" {
		s.say("The model is %s, through %s.", e.Model, e.BaseURL)
	} else {
		model := loopback.New(loopback.Options{
			TTFT: demoTTFT, TokensPerSecond: demoRate, Interrupt: true,
			Respond: func(x *loopback.Exchange) {
				if x.Text(demoAnswer) == nil {
					_ = x.Done()
				}
			},
		})
		if err := model.Start("127.0.0.1:0"); err != nil {
			return err
		}
		defer model.Close()
		env["SPARK_PROVIDER"], env["SPARK_BASE_URL"], env["SPARK_API_KEY"] = "openai", model.URL(), "demo"
		s.say("No key is set, so the model is a scripted one on this machine: it has one")
		s.say("answer, and says it at %d tokens a second after %s. Everything else is", demoRate, ms(demoTTFT))
		s.say("real. Set SPARK_API_KEY for a model that thinks.")
	}
	s.say("")
	ed, end, err := startDemo(ctx, p, env)
	if err != nil {
		return err
	}
	defer end()

	text := strings.Replace(demoFile, "func readWords", "// spark: "+demoInstruction+"\nfunc readWords", 1)
	if err := ed.Open(demoURI, "go", text); err != nil {
		return err
	}
	from := strings.Index(text, "// spark:")
	behind := text[strings.Index(text, "// topWords"):]
	region := func() string {
		now := ed.Text(demoURI)
		return strings.TrimRight(now[from:max(from, len(now)-len(behind))], "\n")
	}
	s.frame(region())
	if s.live {
		if err := pause(ctx, demoRead); err != nil {
			return err
		}
	}

	began := time.Now()
	arg := map[string]any{"uri": demoURI, "range": ed.Range(demoURI, from, from)}
	if err := ed.Call(ctx, "workspace/executeCommand", map[string]any{"command": "spark-lsp.edit", "arguments": []any{arg}}, nil); err != nil {
		return err
	}
	var first time.Duration
	ended := make(chan editor.Progress, 1)
	failed := make(chan error, 1)
	go func() {
		p, err := ed.WaitProgress(ctx, "end")
		if err != nil {
			failed <- err
			return
		}
		ended <- p
	}()
	edits := 0
	next, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // the end of the work ends the wait for another edit
		select {
		case p := <-ended:
			ended <- p
		case err := <-failed:
			failed <- err
		case <-next.Done():
		}
		cancel()
	}()
	for ed.WaitApplied(next, edits+1) == nil {
		edits++
		if edits == 1 {
			first = time.Since(began)
		}
		s.redraw(region())
	}
	select {
	case err := <-failed:
		return err
	case p := <-ended:
		whole := time.Since(began)
		s.redraw(region())
		if !s.live {
			s.say("becomes")
			s.frame(region())
		}
		s.say("")
		if first == 0 {
			return fmt.Errorf("the edit was not written: %s", p.Message)
		}
		s.say("That was: // spark: %s", demoInstruction)
		s.say("First edit on the screen after %s, all of it after %s, in %d edits;", ms(first), ms(whole), edits)
		s.say("%s.", p.Message)
		s.say("")
		s.say("Next: the README tells how to set up your editor.")
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// startDemo runs the program on pipes with the demo's editor in front of it. end closes both.
func startDemo(ctx context.Context, p process, env map[string]string) (ed *editor.Editor, end func(), err error) {
	return startEditor(ctx, p, env, editor.Options{
		Name: "spark-lsp demo", InitializationOptions: map[string]any{"spark": map[string]any{"delivery": "live"}},
	})
}

// startEditor runs the program on pipes with an editor in front of it. env goes before the process's own environment.
func startEditor(ctx context.Context, p process, env map[string]string, opts editor.Options) (*editor.Editor, func(), error) {
	toServer, fromEditor := io.Pipe()
	toEditor, fromServer := io.Pipe()
	program := p
	program.args, program.stdin, program.stdout = []string{"--stdio"}, toServer, fromServer
	program.getenv = func(name string) string {
		if v, ok := env[name]; ok {
			return v
		}
		return p.getenv(name)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		program.run(ctx)
	}()
	ed := editor.New(opts, toEditor, fromEditor)
	end := func() {
		if ed.Shutdown(ctx) == nil {
			_ = ed.Exit()
		}
		ed.HangUp()
		<-done
	}
	if _, err := ed.Start(ctx); err != nil {
		end()
		return nil, nil, fmt.Errorf("starting: %w", err)
	}
	return ed, end, nil
}

// askGhost asks for the suggestion at the cursor and returns what of it stands behind the cursor.
func askGhost(ctx context.Context, ed *editor.Editor) (string, error) {
	at := ed.Cursor(demoURI)
	var list struct {
		Items []struct {
			InsertText string          `json:"insertText"`
			Range      json.RawMessage `json:"range"`
		} `json:"items"`
	}
	var raw json.RawMessage
	err := ed.Call(ctx, "textDocument/inlineCompletion", map[string]any{
		"textDocument": map[string]any{"uri": demoURI}, "position": ed.Position(demoURI, at),
		"context": map[string]any{"triggerKind": 2},
	}, &raw)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return "", err
	}
	if len(list.Items) == 0 {
		return "", nil
	}
	var r struct {
		Start struct{ Line, Character uint32 }
	}
	if err := json.Unmarshal(list.Items[0].Range, &r); err != nil {
		return "", err
	}
	start := ed.Position(demoURI, at)
	start.Line, start.Character = r.Start.Line, r.Start.Character
	from, ok := ed.Offset(demoURI, start)
	if !ok || from > at {
		return "", errors.New("a suggestion for no place in the file")
	}
	typed := ed.Text(demoURI)[from:at]
	rest, ok := strings.CutPrefix(list.Items[0].InsertText, typed)
	if !ok {
		return "", nil
	}
	return rest, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// screen draws the demo. In a terminal text moves and has colours; elsewhere every line is written once.
type screen struct {
	w     io.Writer
	live  bool
	line  string // the line that is being typed
	drawn int    // lines of the frame on the screen
}

const (
	bold, dim, green, plain = "\x1b[1m", "\x1b[90m", "\x1b[32m", "\x1b[0m"
	clearLine               = "\r\x1b[K"
)

func (s *screen) say(format string, args ...any) { fmt.Fprintf(s.w, format+"\n", args...) }

func (s *screen) title(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.live {
		text = bold + text + plain
	}
	s.say("\n%s\n", text)
}

func (s *screen) typed(key string) {
	if key == "\n" {
		if s.live {
			fmt.Fprint(s.w, clearLine)
		}
		s.say("%s", s.line)
		s.line = ""
		return
	}
	s.line += key
	s.ghost("")
}

// ghost shows a suggestion behind the line as it stands.
func (s *screen) ghost(text string) {
	if s.live {
		text, _, _ = strings.Cut(text, "\n")
		fmt.Fprint(s.w, clearLine, s.line, dim, text, plain)
	}
}

// accepted shows what a suggestion gave. Where nothing can be coloured it stands in brackets.
func (s *screen) accepted(text string) {
	for i, part := range strings.Split(text, "\n") {
		if i > 0 {
			s.typed("\n")
		}
		if part == "" {
			continue
		}
		if s.live {
			s.line += green + part + plain
			s.ghost("")
		} else {
			s.line += "[" + part + "]"
		}
	}
}

// frame draws text that redraw will draw over.
func (s *screen) frame(text string) {
	lines := strings.Split(text, "\n")
	s.drawn = len(lines)
	for _, l := range lines {
		s.say("  %s", strings.ReplaceAll(l, "\t", "    "))
	}
}

func (s *screen) redraw(text string) {
	if s.live {
		fmt.Fprintf(s.w, "\x1b[%dA\x1b[J", s.drawn)
		s.frame(text)
	}
}
