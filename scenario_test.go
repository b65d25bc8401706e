package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
	"go.uber.org/goleak"
	"golang.org/x/tools/txtar"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/lsp/editor"
	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// A scenario is a whole session in one text file: prose first, then documents, then a script with three voices. The
// program is the real one (process.run), the editor a real LSP client on its pipes, the model a real server on a
// loopback socket. Each line either does something or waits for a fact; nothing sleeps.
//
// One speaks at a time: before the model says something, the program has read all that the editor had said. Otherwise a
// script would be about who is quicker, and an editor that does not look at versions (Kate) would put an edit in a wrong
// place on a slow day. The other way round a script has to want a fact between the model's line and the editor's: what
// the program makes of the former is its own affair.
//
//	-- config --                 optional, a setting a line
//	editor NAME                  helix (the default), neovim, or any other clientInfo.name
//	initialize NAME              an editor's own: the parameters in lsp/testdata/initialize/NAME-initialize.json, and its manners
//	noinline                     an editor without textDocument/inlineCompletion (helix in real life)
//	encoding utf-16              the encodings that the editor offers
//	provider offline             SPARK_PROVIDER; openai is the default
//	env NAME=VALUE
//	init JSON                    initializationOptions
//	crlf FILE, cr FILE, nofinalnewline FILE     what a txtar file cannot hold
//	shell                        the editor applies spark/edit/delta, as our own shells do
//	announces NAME               capabilities.experimental.NAME of docs/extensions.md
//	status 401                   the endpoint refuses every connection so
//	steers                       the endpoint knows response.steer
//	uninterruptible              the endpoint does not know response.interrupt
//	disk                         the documents are files of a workspace, too
//	lacks NAME                   the editor has no workspaceEdit.NAME
//	nodocuments                  the editor has no window/showDocument
//	noprogress                   the editor shows no progress
//	remote                       the endpoint is not recognised as one on this machine
//	folder NAME JSON             a workspace folder, and the editor's settings for it
//	-- config.toml --            the user's file
//	-- NAME --                   a document; ‸ marks the cursor
//	-- want/NAME --              its text at the end
//	-- script --
//
//	editor open FILE | close FILE | type TEXT | backspace N | undo | save
//	editor replace OLD NEW | settext OLD NEW               the latter sends the whole document
//	editor at TEXT | after TEXT | select FROM TO           moves the cursor, or selects
//	editor inline auto|invoked as NAME | popup [again] as NAME     asks for a completion
//	editor cancel NAME | accept NAME
//	editor next as NAME [METHOD] | take NAME | pass NAME    asks for a next edit, accepts it, or says that it is not wanted
//	editor actions [KIND] | choose TITLE | edit INSTRUCTION | command NAME [JSON] [error CODE]
//	editor delegate INSTRUCTION [FILE...]                  hands a larger task over
//	editor steer INSTRUCTION | retry INSTRUCTION           redirects the edit at the selection, or asks for it again
//	editor instruct [INSTRUCTION]                          whichever of edit, steer and retry the selection means
//	editor notify METHOD JSON | request METHOD JSON [error CODE] | raw TEXT
//	editor problem TEXT MESSAGE [FILE TEXT MESSAGE]         another server's diagnostic at TEXT, and a place that it refers to
//	editor lens N TITLE                                    runs the command of the Nth code lens
//	editor policy refuse N | drop N                        what the editor does with the next N edits
//	editor answer TITLE                                    to the question that was wanted last; to spark/input, words or TITLE
//	editor config TEXT                                     the user's file is replaced, as editors do it
//	editor settings JSON                                   what workspace/configuration answers from now on, all of it
//	model  warm N | connections N | quiet
//	model  expect completion|edit|other [TEXT...] [as NAME]      waits for the next request, and accepts it (response.created)
//	model  silent completion|edit [TEXT...] [as NAME]      the same, without a word
//	model  say [NAME] TEXT ({secret} is the first placeholder in the prompt) | done [NAME] | drop [NAME] | fail [NAME] CODE MESSAGE
//	model  reads NAME                                      prompt/testdata/golden/actions/NAME.txt, all of it
//	model  unread TEXT                                     nothing that was sent to the model holds it
//	model  sends TEXT | omits TEXT                         the last request's own input, without what it continues from
//	model  limit SECONDS                                   the endpoint tells of a rate limit that is reached
//	model  cancelled [NAME] | forked [NAME] | tokens N | asked MODEL TIER
//	want   item NAME [starts] TEXT | popup NAME TEXT | none NAME [JSON] (the answer) | answer NAME | error NAME CODE
//	want   next NAME LINE TEXT | nonext NAME | counted FIELD N (of spark-lsp.status)
//	want   action TITLE | disabled TITLE REASON | noaction TITLE | menu TITLES (all, with " | " between)
//	want   message TEXT | question TEXT | progress KIND [TEXT] | status PROVIDER | tokens | received METHOD [TEXT]
//	want   cursor BEFORE AFTER | never METHOD
//	want   outcome applied|queued|refused [REASON]         of the last redirection
//	want   contains FILE TEXT (now) | written FILE TEXT (waits) | edits at most|at least N | refusals N | drops N | nowhere TEXT | logged TEXT
//
// Texts are in Go's double quotes.
//
// With -slow 300ms every line waits that long first, and all scripts play at once: one that fails takes for granted that
// it is quicker than something in the program.
func TestScenarios(t *testing.T) {
	root := filepath.Join("testdata", "scenarios")
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".txtar" {
			return err
		}
		name := strings.TrimSuffix(filepath.ToSlash(file[len(root)+1:]), ".txtar")
		t.Run(name, func(t *testing.T) {
			if *slow > 0 {
				t.Parallel()
			}
			playScenario(t, file)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

const scenarioTimeout = 20 * time.Second

var slow = flag.Duration("slow", 0, "how long each line of a scenario waits")

// scenarioKey must never be seen in any message or log (D24).
const scenarioKey = "scenario-key-7f3a"

// stage is a scenario while it is played.
type stage struct {
	t       *testing.T
	ctx     context.Context
	ed      *editor.Editor
	model   *loopback.Server
	logFile string
	config  string // the user's file

	dir   string            // the workspace on disk, "" for none
	files map[string]string // what the editor opens, marks removed
	mark  map[string]int    // where the cursor is in them
	uri   string            // the current document
	sel   [2]int            // the selection in it; both ends are the cursor when there is none

	requests  map[string]*editor.Pending
	actions   []protocol.CodeAction
	problems  []problem
	exchanges map[string]*loopback.Exchange
	current   *loopback.Exchange
	policy    *countingPolicy
	steered   steered

	asked  chan *question // by the program
	open   []*question    // those that are not answered yet
	wanted *question      // the one that was wanted last
	heard  int            // how many messages the editor had sent when the program had last read all of them
}

// question is one that the editor shows until it is answered.
type question struct {
	method string
	text   string
	titles []string
	words  bool // any others will do, too
	answer chan string
}

// steered is the answer of spark-lsp.steer.
type steered struct {
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

func playScenario(t *testing.T, file string) {
	if *slow == 0 { // else there are the others' goroutines, too
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	}
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), scenarioTimeout+60**slow)
	defer cancel()

	s := &stage{
		t: t, ctx: ctx, logFile: filepath.Join(t.TempDir(), "log"), config: filepath.Join(t.TempDir(), "spark-lsp", "config.toml"),
		files: map[string]string{}, mark: map[string]int{},
		requests: map[string]*editor.Pending{}, exchanges: map[string]*loopback.Exchange{},
		asked: make(chan *question), policy: &countingPolicy{then: editor.Strict},
	}
	env := map[string]string{"SPARK_PROVIDER": "openai", "SPARK_API_KEY": scenarioKey, "XDG_STATE_HOME": t.TempDir(), "XDG_CONFIG_HOME": filepath.Dir(filepath.Dir(s.config))}
	opts := editor.Options{Name: "helix", Encodings: []string{"utf-8", "utf-16", "utf-32"}, Policy: s.policy.apply, Choose: s.choose}
	lo := loopback.Options{Respond: loopback.Manual, Interrupt: true, Key: scenarioKey}
	remote, shell := false, false
	var script string
	want := map[string]string{}
	lacks := map[string]any{}     // of workspaceEdit
	announced := map[string]any{} // of experimental
	ends := map[string]func(string) string{}
	for _, f := range ar.Files {
		data := string(f.Data)
		switch name, isWant := strings.CutPrefix(f.Name, "want/"); {
		case f.Name == "config":
			for _, line := range strings.Split(strings.TrimSpace(data), "\n") {
				key, arg, _ := strings.Cut(line, " ")
				switch key {
				case "editor":
					opts.Name = arg
					if arg == "neovim" {
						opts.Name = "Neovim"
					}
				case "initialize":
					s.beEditor(&opts, arg)
				case "noinline":
					opts.Capabilities = map[string]any{"textDocument": map[string]any{"inlineCompletion": nil}}
				case "encoding":
					opts.Encodings = strings.Fields(arg)
				case "provider":
					env["SPARK_PROVIDER"] = arg
				case "env":
					k, v, _ := strings.Cut(arg, "=")
					env[k] = v
				case "init":
					opts.InitializationOptions = json.RawMessage(arg)
				case "status":
					status := number(t, arg)
					lo.Upgrade = func(int, *http.Request) loopback.Upgrade { return loopback.Upgrade{Status: status} }
					lo.Key = "another key"
				case "folder":
					name, text, _ := strings.Cut(arg, " ")
					var folder map[string]any
					if err := json.Unmarshal([]byte(text), &folder); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
					opts.Folders = append(opts.Folders, s.uriOf(name))
					if opts.FolderSettings == nil {
						opts.FolderSettings = map[string]map[string]any{}
					}
					opts.FolderSettings[s.uriOf(name)] = map[string]any{"spark": folder}
				case "disk":
					s.dir = t.TempDir()
					opts.Folders = append(opts.Folders, lsp.PathToURI(s.dir))
					opts.ReadFile = readFile
				case "lacks":
					lacks[arg] = nil
					opts.Capabilities = map[string]any{"workspace": map[string]any{"workspaceEdit": lacks}}
				case "nodocuments":
					opts.Capabilities = map[string]any{"window": map[string]any{"showDocument": nil}}
				case "noprogress":
					opts.Capabilities = map[string]any{"window": map[string]any{"workDoneProgress": nil}}
				case "steers":
					lo.Steer = true
				case "uninterruptible":
					lo.Interrupt = false
				case "remote":
					remote = true
				case "shell":
					shell = true
					announced["sparkEdit"] = 1
					opts.Capabilities = map[string]any{"experimental": announced}
				case "announces":
					announced[arg] = 1
					opts.Capabilities = map[string]any{"experimental": announced}
				case "crlf":
					ends[arg] = func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
				case "cr":
					ends[arg] = func(s string) string { return strings.ReplaceAll(s, "\n", "\r") }
				case "nofinalnewline":
					ends[arg] = func(s string) string { return strings.TrimSuffix(s, "\n") }
				default:
					t.Fatalf("%s: unknown config %q", file, line)
				}
			}
		case f.Name == "config.toml":
			s.writeConfig(data)
		case f.Name == "script":
			script = data
		case isWant:
			want[name] = data
		default:
			s.mark[f.Name] = max(strings.Index(data, "‸"), 0)
			s.files[f.Name] = strings.Replace(data, "‸", "", 1)
		}
	}
	for name, f := range ends {
		s.mark[name] = len(f(s.files[name][:s.mark[name]]))
		s.files[name] = f(s.files[name])
		if w, ok := want[name]; ok {
			want[name] = f(w)
		}
	}

	if s.dir != "" {
		for name, text := range s.files {
			file := filepath.Join(s.dir, filepath.FromSlash(name))
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.model = loopback.New(lo)
	if err := s.model.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer s.model.Close()
	if env["SPARK_BASE_URL"] == "" {
		env["SPARK_BASE_URL"] = s.model.URL()
	}
	if remote { // an address of this machine that does not look like one
		env["SPARK_BASE_URL"] = strings.Replace(s.model.URL(), "127.0.0.1", "0.0.0.0", 1)
	}

	toServer, fromEditor := io.Pipe()
	toEditor, fromServer := io.Pipe()
	var stderr bytes.Buffer
	exit := make(chan int, 1)
	go func() {
		p := process{
			args:   []string{"--stdio", "--log", s.logFile, "--log-level", "debug"},
			getenv: func(name string) string { return env[name] },
			stdin:  toServer, stdout: fromServer, stderr: &stderr, panicOnBug: true,
			userFileInterval: 5 * time.Millisecond,
		}
		exit <- p.run(context.WithoutCancel(ctx))
	}()
	if opts.Params != nil && opts.InitializationOptions != nil {
		opts.Params = withMember(t, opts.Params, "initializationOptions", opts.InitializationOptions)
	}
	s.ed = editor.New(opts, toEditor, fromEditor)
	s.ed.Handle("spark/input", s.input)
	if _, err := s.ed.Start(ctx); err != nil {
		t.Fatalf("starting: %v", err)
	}

	if shell {
		go s.applyDeltas()
	}
	// Line numbers are those of the file, so that a failure can be clicked.
	first := bytes.Count(raw[:bytes.Index(raw, []byte("-- script --"))], []byte("\n")) + 2
	for i, line := range strings.Split(strings.TrimRight(script, "\n"), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		time.Sleep(*slow)
		if err := s.line(line); err != nil {
			t.Errorf("%s:%d: %s\n%v", file, first+i, line, err)
			s.dump()
			break
		}
	}
	if !t.Failed() {
		for name, text := range want {
			if err := s.ed.WaitText(ctx, s.uriOf(name), text); err != nil {
				t.Errorf("%s: the text of %s at the end: %v", file, name, err)
				s.dump()
			}
		}
	}
	for _, v := range s.ed.Violations() {
		t.Errorf("%s: the server broke the protocol: %s", file, v)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.ed.Shutdown(ctx); err != nil {
		t.Errorf("%s: shutdown: %v", file, err)
	}
	s.ed.Exit()
	select {
	case code := <-exit:
		if code != 0 {
			t.Errorf("%s: exit code %d: %s", file, code, &stderr)
		}
	case <-ctx.Done():
		t.Errorf("%s: the program did not end", file)
	}
	s.ed.HangUp()
	<-s.ed.Done()
	if err := s.nowhere(scenarioKey); err != nil {
		t.Errorf("%s: D24: %v", file, err)
	}
}

// manners are what captured editors do that their initialize does not say.
var manners = map[string]struct {
	policy         editor.ApplyPolicy
	versionPerSync bool
	firstVersion   int32
}{
	"nvim":     {policy: editor.Neovim},
	"helix":    {policy: editor.Strict},
	"eglot":    {policy: editor.Eglot, versionPerSync: true},
	"lsp-mode": {policy: editor.Strict},
	"kate":     {policy: editor.Kakoune},
}

// beEditor makes the editor one that was captured.
func (s *stage) beEditor(o *editor.Options, name string) {
	s.t.Helper()
	m, ok := manners[name]
	if !ok {
		s.t.Fatalf("nothing is known of the manners of %s", name)
	}
	params, err := os.ReadFile(filepath.Join("lsp", "testdata", "initialize", name+"-initialize.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	o.Params, o.VersionPerSync, o.FirstVersion, s.policy.then = params, m.versionPerSync, m.firstVersion, m.policy
}

// withMember replaces a member of a JSON object.
func withMember(t *testing.T, object json.RawMessage, name string, value any) json.RawMessage {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(object, &members); err != nil {
		t.Fatal(err)
	}
	members[name] = value
	out, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// writeConfig puts a new file in the place of the user's, as editors do that write atomically.
func (s *stage) writeConfig(text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.config), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.config+"~", []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.config+"~", s.config); err != nil {
		s.t.Fatal(err)
	}
}

// uriOf is the URI of one of the scenario's documents.
func (s *stage) uriOf(name string) string {
	if s.dir != "" {
		return lsp.PathToURI(filepath.Join(s.dir, filepath.FromSlash(name)))
	}
	return "file:///scenario/" + name
}

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%q is not a number", s)
	}
	return n
}

// dump shows both wires' last messages and the log.
func (s *stage) dump() {
	log, _ := os.ReadFile(s.logFile)
	var b strings.Builder
	list := s.ed.Log()
	for _, m := range list[max(0, len(list)-25):] {
		fmt.Fprintf(&b, "\t%v\n", m)
	}
	s.t.Logf("the wire to the editor:\n%s\nthe log:\n%s", &b, log)
}

// nowhere looks for a text in everything that the editor saw and in the log.
func (s *stage) nowhere(text string) error {
	for _, m := range s.ed.Log() {
		if strings.Contains(fmt.Sprintf("%s%s%v", m.Params, m.Result, m.Err), text) {
			return fmt.Errorf("%q in %v", text, m)
		}
	}
	log, err := os.ReadFile(s.logFile)
	if err != nil {
		return err
	}
	if bytes.Contains(log, []byte(text)) {
		return fmt.Errorf("%q in the log", text)
	}
	return nil
}

// words splits a line. Quoted texts are unquoted; a word that begins with { or [ takes the rest of the line.
func words(line string) ([]string, error) {
	var out []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		switch line[0] {
		case '"':
			q, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", line, err)
			}
			text, err := strconv.Unquote(q)
			if err != nil {
				return nil, err
			}
			out, line = append(out, text), line[len(q):]
		case '{', '[':
			json, rest, found := strings.Cut(line, " error ")
			out = append(out, strings.TrimSpace(json))
			if found {
				out = append(out, "error", strings.TrimSpace(rest))
			}
			return out, nil
		default:
			word, rest, _ := strings.Cut(line, " ")
			out, line = append(out, word), rest
		}
	}
	return out, nil
}

func (s *stage) line(line string) error {
	w, err := words(line)
	if err != nil {
		return err
	}
	if len(w) < 2 {
		return errors.New("a line is: voice verb arguments")
	}
	w = append(w, "", "", "", "", "") // missing arguments are empty
	switch w[0] {
	case "editor":
		return s.editor(w[1], w[2:])
	case "model":
		if err := s.hear(); err != nil {
			return err
		}
		return s.modelSays(w[1], w[2:])
	case "want":
		return s.want(w[1], w[2:])
	}
	return fmt.Errorf("no such voice: %s", w[0])
}

// named takes "as NAME" out of arguments.
func named(args []string) (string, []string) {
	if i := slices.Index(args, "as"); i >= 0 {
		return args[i+1], slices.Delete(slices.Clone(args), i, i+2)
	}
	return "", args
}

func (s *stage) find(text string) (int, error) {
	i := strings.Index(s.ed.Text(s.uri), text)
	if i < 0 {
		return 0, fmt.Errorf("%q is not in the buffer", text)
	}
	return i, nil
}

// selection is its range. Edits may have made the buffer shorter than where it was.
func (s *stage) selection() protocol.Range {
	n := len(s.ed.Text(s.uri))
	return s.ed.Range(s.uri, min(s.sel[0], n), min(s.sel[1], n))
}

func (s *stage) moveTo(start, end int) error {
	s.sel = [2]int{start, end}
	return s.ed.SetCursor(s.uri, end)
}

func (s *stage) editor(verb string, args []string) error {
	switch verb {
	case "open":
		text, ok := s.files[args[0]]
		if !ok {
			return fmt.Errorf("no document %q", args[0])
		}
		s.uri = s.uriOf(args[0])
		language := map[string]string{".go": "go", ".py": "python", ".js": "javascript", ".sh": "shellscript", ".md": "markdown", ".ts": "typescript", ".rs": "rust", ".java": "java"}[path.Ext(args[0])]
		if err := s.ed.Open(s.uri, language, text); err != nil {
			return err
		}
		return s.moveTo(s.mark[args[0]], s.mark[args[0]])
	case "close":
		return s.ed.Close(s.uriOf(args[0]))
	case "type":
		return s.ed.Type(s.uri, args[0])
	case "save":
		return s.ed.Save(s.uri)
	case "replace", "settext":
		at, err := s.find(args[0])
		if err != nil {
			return err
		}
		if verb == "replace" {
			return s.ed.Replace(s.uri, at, at+len(args[0]), args[1])
		}
		return s.ed.SetText(s.uri, strings.Replace(s.ed.Text(s.uri), args[0], args[1], 1))
	case "problem": // TEXT MESSAGE [FILE TEXT MESSAGE]
		p := problem{uri: s.uri, text: args[0], message: args[1]}
		if args[2] != "" {
			uri := s.uriOf(args[2])
			at := strings.Index(s.ed.Text(uri), args[3])
			if at < 0 {
				return fmt.Errorf("%q is not in %s", args[3], args[2])
			}
			p.related = []any{map[string]any{"location": map[string]any{"uri": uri, "range": s.ed.Range(uri, at, at+len(args[3]))}, "message": args[4]}}
		}
		s.problems = append(s.problems, p)
		return nil
	case "lens":
		var list []protocol.CodeLens
		if err := s.ed.Call(s.ctx, protocol.MethodTextDocumentCodeLens, map[string]any{"textDocument": map[string]any{"uri": s.uri}}, &list); err != nil {
			return err
		}
		n := number(s.t, args[0])
		if n >= len(list) || list[n].Command.Title != args[1] {
			return fmt.Errorf("the lenses are %+v", list)
		}
		return s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, &protocol.ExecuteCommandParams{Command: list[n].Command.Command, Arguments: list[n].Command.Arguments}, nil)
	case "undo":
		_, err := s.ed.Undo(s.uri)
		return err
	case "backspace":
		n, at := number(s.t, args[0]), s.ed.Cursor(s.uri)
		return s.ed.Delete(s.uri, at-n, at)
	case "at", "after":
		i, err := s.find(args[0])
		if err != nil {
			return err
		}
		if verb == "after" {
			i += len(args[0])
		}
		return s.moveTo(i, i)
	case "select":
		from, err := s.find(args[0])
		if err != nil {
			return err
		}
		to := strings.Index(s.ed.Text(s.uri)[from:], args[1])
		if to < 0 {
			return fmt.Errorf("%q is not below %q", args[1], args[0])
		}
		return s.moveTo(from, from+to+len(args[1]))
	case "inline", "popup":
		name, args := named(args)
		at := s.ed.Cursor(s.uri)
		params := map[string]any{"textDocument": map[string]any{"uri": s.uri}, "position": s.ed.Position(s.uri, at)}
		method, kind := protocol.MethodTextDocumentInlineCompletion, 2
		if args[0] == "invoked" {
			kind = 1
		}
		if verb == "popup" {
			method, kind = protocol.MethodTextDocumentCompletion, 1
			if args[0] == "again" {
				kind = 3 // as the list was incomplete
			}
		}
		params["context"] = map[string]any{"triggerKind": kind}
		p, err := s.ed.CallAsync(method, params)
		s.requests[name] = p
		return err
	case "next":
		name, args := named(args)
		method := args[0]
		if method == "" {
			method = "textDocument/copilotInlineEdit"
		}
		p, err := s.ed.CallAsync(method, map[string]any{
			"textDocument": map[string]any{"uri": s.uri, "version": s.ed.Version(s.uri)},
			"position":     s.ed.Position(s.uri, s.ed.Cursor(s.uri)),
		})
		s.requests[name] = p
		return err
	case "take", "pass":
		e, ok, err := s.nextEdit(args[0])
		if err != nil || !ok {
			return fmt.Errorf("there is no next edit: %v", err)
		}
		if verb == "pass" {
			return s.ed.Notify("spark/nextEdit/didReject", map[string]any{"item": e})
		}
		start, ok1 := s.ed.Offset(s.uri, e.Range.Start)
		end, ok2 := s.ed.Offset(s.uri, e.Range.End)
		if !ok1 || !ok2 {
			return fmt.Errorf("the range %v is not in the buffer", e.Range)
		}
		if err := s.ed.Replace(s.uri, start, end, e.Text); err != nil {
			return err
		}
		return s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, &protocol.ExecuteCommandParams{Command: e.Command.Command, Arguments: e.Command.Arguments}, nil)
	case "cancel":
		return s.requests[args[0]].Cancel()
	case "accept":
		return s.accept(args[0])
	case "actions":
		return s.listActions(args[0])
	case "choose":
		if err := s.listActions(""); err != nil {
			return err
		}
		for _, a := range s.actions {
			if a.Title == args[0] && a.Disabled.Reason == "" {
				return s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, &protocol.ExecuteCommandParams{Command: a.Command.Command, Arguments: a.Command.Arguments}, nil)
			}
		}
		return fmt.Errorf("no action %q among %v", args[0], titles(s.actions))
	case "edit":
		arg := map[string]any{"uri": s.uri, "range": s.selection()}
		if args[0] != "" {
			arg["instruction"] = args[0]
		}
		return s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": "spark-lsp.edit", "arguments": []any{arg}}, nil)
	case "delegate":
		uris := []string{s.uri}
		for _, name := range args[1:] {
			if name != "" {
				uris = append(uris, s.uriOf(name))
			}
		}
		arg := map[string]any{"instruction": args[0], "uris": uris}
		return s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": "spark-lsp.delegate", "arguments": []any{arg}}, nil)
	case "instruct", "steer", "retry":
		arg := map[string]any{"uri": s.uri, "range": s.selection()}
		if args[0] != "" {
			arg["instruction"] = args[0]
		}
		s.steered = steered{}
		return s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": "spark-lsp." + verb, "arguments": []any{arg}}, &s.steered)
	case "command":
		params := map[string]any{"command": args[0]}
		code := ""
		if args[1] == "error" {
			code = args[2]
		} else if args[1] != "" {
			params["arguments"] = []any{json.RawMessage(args[1])}
			if args[2] == "error" {
				code = args[3]
			}
		}
		return wantCode(s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, params, nil), code)
	case "config":
		s.writeConfig(args[0])
		return nil
	case "settings":
		var all map[string]any
		if err := json.Unmarshal([]byte(args[0]), &all); err != nil {
			return err
		}
		return s.ed.SetSettings(all)
	case "notify":
		return s.ed.Notify(args[0], json.RawMessage(args[1]))
	case "request":
		code := ""
		if args[2] == "error" {
			code = args[3]
		}
		return wantCode(s.ed.Call(s.ctx, args[0], json.RawMessage(args[1]), nil), code)
	case "raw":
		s.heard = -1 // it is in no log
		return s.ed.RawSend(editor.Frame(strings.TrimSpace(strings.Join(args, " "))))
	case "policy":
		return s.policy.set(args[0], number(s.t, args[1]))
	case "answer":
		return s.answerQuestion(args[0])
	}
	return fmt.Errorf("the editor cannot %s", verb)
}

func wantCode(err error, code string) error {
	if code == "" {
		return err
	}
	var e *jsonrpc2.Error
	if !errors.As(err, &e) || strconv.Itoa(int(e.Code)) != code {
		return fmt.Errorf("answered with %v, want error %s", err, code)
	}
	return nil
}

func titles(list []protocol.CodeAction) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.Title)
	}
	return out
}

// listActions asks for the actions at the selection, of one kind or, with "", of all.
func (s *stage) listActions(kind string) error {
	s.actions = nil
	context := map[string]any{"diagnostics": s.problemsHere()}
	if kind != "" {
		context["only"] = []string{kind}
	}
	return s.ed.Call(s.ctx, protocol.MethodTextDocumentCodeAction, map[string]any{
		"textDocument": map[string]any{"uri": s.uri},
		"range":        s.selection(),
		"context":      context,
	}, &s.actions)
}

// problem is a diagnostic that an editor shows: of another server, since ours reports none.
type problem struct {
	uri, text, message string
	related            []any
}

// problemsHere are the diagnostics that the selection touches, as an editor sends them.
func (s *stage) problemsHere() []any {
	list := []any{}
	for _, p := range s.problems {
		at := strings.Index(s.ed.Text(p.uri), p.text)
		if p.uri != s.uri || at < 0 || at > s.sel[1] || at+len(p.text) < s.sel[0] {
			continue
		}
		list = append(list, map[string]any{
			"range": s.ed.Range(p.uri, at, at+len(p.text)), "severity": 1, "source": "compiler", "code": "E1",
			"message": p.message, "relatedInformation": p.related,
		})
	}
	return list
}

// readFile is what is on disk.
func readFile(uri string) (string, bool) {
	name, ok := lsp.URIToPath(uri)
	if !ok {
		return "", false
	}
	data, err := os.ReadFile(name)
	return string(data), err == nil
}

var update = flag.Bool("update", false, "write the golden prompts in prompt/testdata/golden anew")

// golden compares all that the model reads with a file that a person can review.
func golden(file, got string) error {
	if *update {
		return errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	if err == nil && string(want) != got {
		err = fmt.Errorf("the model reads something else (-want +got):\n%s", cmp.Diff(string(want), got))
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n-update writes it anew", file, err)
	}
	return nil
}

// applyDeltas is what a shell of ours does: apply on the version that a delta names and on no other, and say so.
// It ends with the connection.
func (s *stage) applyDeltas() {
	for {
		m, err := s.ed.WaitReceived(context.Background(), "spark/edit/delta")
		if err != nil {
			return
		}
		var d struct {
			ID, Seq int
			URI     string
			Version int32
			Edits   []protocol.TextEdit
		}
		if err := json.Unmarshal(m.Params, &d); err != nil || len(d.Edits) != 1 {
			s.t.Errorf("delta %s: %v", m.Params, err)
			return
		}
		start, ok1 := s.ed.Offset(d.URI, d.Edits[0].Range.Start)
		end, ok2 := s.ed.Offset(d.URI, d.Edits[0].Range.End)
		applied := ok1 && ok2 && s.ed.Version(d.URI) == d.Version && s.policy.apply(editor.Incoming{}).Applied
		if applied {
			_ = s.ed.Replace(d.URI, start, end, d.Edits[0].NewText)
		}
		_ = s.ed.Notify("spark/edit/ack", map[string]any{"id": d.ID, "seq": d.Seq, "applied": applied})
	}
}

// countingPolicy treats the next few edits of the server badly, and the rest as then says.
type countingPolicy struct {
	then  editor.ApplyPolicy
	bad   editor.ApplyPolicy
	left  atomic.Int64
	count atomic.Int64
}

func (p *countingPolicy) set(how string, n int) error {
	switch how {
	case "refuse":
		p.bad = editor.Refuse
	case "drop":
		p.bad = editor.Liar
	default:
		return fmt.Errorf("no policy %q", how)
	}
	p.left.Store(int64(n))
	return nil
}

func (p *countingPolicy) apply(in editor.Incoming) editor.Verdict {
	if p.left.Add(-1) < 0 {
		return p.then(in)
	}
	p.count.Add(1)
	return p.bad(in)
}

// insertion is what an item of either kind does to the buffer.
type insertion struct {
	text  string
	start int
	end   int
	cmd   protocol.Command
}

// answer waits for a completion's answer. ok is false when it has no item.
func (s *stage) answer(name string) (item insertion, ok bool, err error) {
	p := s.requests[name]
	if p == nil {
		return item, false, fmt.Errorf("no request %q", name)
	}
	var list struct {
		Items []struct {
			InsertText string
			Range      protocol.Range
			TextEdit   *protocol.TextEdit
			Command    protocol.Command

			InsertTextFormat int
			FilterText       string
		}
	}
	var raw json.RawMessage
	if err := p.Wait(s.ctx, &raw); err != nil || raw == nil {
		return item, false, err
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return item, false, err
	}
	if len(list.Items) == 0 {
		return item, false, nil
	}
	it := list.Items[0]
	item.text, item.cmd = it.InsertText, it.Command
	r := it.Range
	if it.TextEdit != nil {
		item.text, r = it.TextEdit.NewText, it.TextEdit.Range
		if it.InsertTextFormat == int(protocol.InsertTextFormatSnippet) {
			return item, true, errors.New("the item is a snippet")
		}
	}
	var ok1, ok2 bool
	item.start, ok1 = s.ed.Offset(s.uri, r.Start)
	item.end, ok2 = s.ed.Offset(s.uri, r.End)
	if !ok1 || !ok2 || item.start > item.end || r.Start.Line != r.End.Line {
		return item, true, fmt.Errorf("the item's range %v is not one of a line of the buffer", r)
	}
	if typed := s.ed.Text(s.uri)[item.start:max(item.start, s.ed.Cursor(s.uri))]; it.TextEdit != nil && !strings.HasPrefix(it.FilterText, typed) {
		return item, true, fmt.Errorf("the filter text %q does not begin with what is typed, %q", it.FilterText, typed)
	}
	return item, true, nil
}

// nextEdit is a next edit as the dialect's clients read it.
type nextEdit struct {
	Text         string `json:"text"`
	TextDocument struct {
		URI     string `json:"uri"`
		Version int32  `json:"version"`
	} `json:"textDocument"`
	Range   protocol.Range   `json:"range"`
	Command protocol.Command `json:"command"`
}

// nextEdit waits for the answer to a request for a next edit. ok is false when it proposes nothing.
func (s *stage) nextEdit(name string) (e nextEdit, ok bool, err error) {
	p := s.requests[name]
	if p == nil {
		return e, false, fmt.Errorf("no request %q", name)
	}
	var raw json.RawMessage
	if err := p.Wait(s.ctx, &raw); err != nil {
		return e, false, err
	}
	var list struct {
		Edits []nextEdit `json:"edits"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return e, false, err
	}
	if list.Edits == nil {
		return e, false, fmt.Errorf("the edits are not a list: %s", raw)
	}
	if len(list.Edits) == 0 {
		return e, false, nil
	}
	return list.Edits[0], true, nil
}

func (s *stage) accept(name string) error {
	item, ok, err := s.answer(name)
	if err != nil || !ok {
		return fmt.Errorf("nothing to accept: %v", err)
	}
	if err := s.ed.Replace(s.uri, item.start, item.end, item.text); err != nil {
		return err
	}
	if err := s.ed.SetCursor(s.uri, item.start+len(item.text)); err != nil {
		return err
	}
	return s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, &protocol.ExecuteCommandParams{Command: item.cmd.Command, Arguments: item.cmd.Arguments}, nil)
}

// sent are the messages of the editor's that f is about, all with nil.
func (s *stage) sent(f func(editor.Message) bool) int {
	n := 0
	for _, m := range s.ed.Log() {
		if m.Sent && (f == nil || f(m)) {
			n++
		}
	}
	return n
}

// hear waits until the program has read what the editor has sent: it reads in order, so the answer to one more request
// proves it. No program knows this one.
func (s *stage) hear() error {
	sent := s.sent(nil)
	if sent == s.heard {
		return nil
	}
	s.heard = sent + 1 // with the request; what the editor sends of itself meanwhile is for the next time
	return wantCode(s.ed.Call(s.ctx, "$/scenario/heard", nil, nil), strconv.Itoa(int(jsonrpc2.MethodNotFound)))
}

// choose shows a question until the script answers it.
func (s *stage) choose(text string, titles []string) string {
	return s.put(&question{method: protocol.MethodWindowShowMessageRequest, text: text, titles: titles})
}

// put keeps a question open until the script answers it.
func (s *stage) put(q *question) string {
	q.answer = make(chan string, 1)
	select {
	case s.asked <- q:
	case <-s.ctx.Done():
		return ""
	}
	select {
	case title := <-q.answer:
		return title
	case <-s.ctx.Done():
		return ""
	}
}

// wantQuestion waits until a question with that text is open, and not answered yet.
func (s *stage) wantQuestion(text string) error {
	for {
		i := slices.IndexFunc(s.open, func(q *question) bool { return strings.Contains(q.text, text) })
		if i >= 0 {
			s.wanted = s.open[i]
			return nil
		}
		select {
		case q := <-s.asked:
			s.open = append(s.open, q)
		case <-s.ctx.Done():
			return errors.New("no such question is open")
		}
	}
}

// answerQuestion answers the question that was wanted last, or else the first one, and waits until the answer is on its
// way.
func (s *stage) answerQuestion(title string) error {
	if !slices.Contains(s.open, s.wanted) {
		if err := s.wantQuestion(""); err != nil {
			return err
		}
	}
	q := s.wanted
	i := slices.Index(s.open, q)
	if !q.words && !slices.Contains(q.titles, title) {
		return fmt.Errorf("the question offers %q", q.titles)
	}
	s.open = slices.Delete(s.open, i, i+1)
	answer := func(m editor.Message) bool {
		return m.Kind == editor.Response && m.Method == q.method
	}
	before := s.sent(answer)
	q.answer <- title
	return s.ed.WaitFor(s.ctx, "the answer to be sent", func() bool { return s.sent(answer) > before })
}

// input answers spark/input: one of its actions, or else words.
func (s *stage) input(params json.RawMessage) (any, error) {
	var p struct {
		Title   string   `json:"title"`
		Actions []string `json:"actions"`
	}
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, err
	}
	answer := s.put(&question{method: "spark/input", text: p.Title, titles: p.Actions, words: true})
	if n := slices.Index(p.Actions, answer); n >= 0 {
		return map[string]int{"action": n}, nil
	}
	return map[string]string{"instruction": answer}, nil
}

// exchange returns the exchange that a model line speaks of: by name when its first argument is one.
// placeholder is what a model reads in a secret's place.
var placeholder = regexp.MustCompile(`SPARK_SECRET_[A-Z2-7]{10}`)

func (s *stage) exchange(args []string) (*loopback.Exchange, []string, error) {
	if x, ok := s.exchanges[args[0]]; ok {
		return x, args[1:], nil
	}
	if s.current == nil {
		return nil, nil, errors.New("no request has been expected yet")
	}
	return s.current, args, nil
}

func (s *stage) modelSays(verb string, args []string) error {
	switch verb {
	case "warm":
		return s.model.WaitWarm(s.ctx, number(s.t, args[0]))
	case "connections":
		if n := number(s.t, args[0]); s.model.Stats().Conns != n {
			return fmt.Errorf("%d connections were made", s.model.Stats().Conns)
		}
		return nil
	case "quiet":
		// Answers that have come back prove that nothing more was asked for before them.
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		if x, err := s.model.WaitExchange(ctx); err == nil {
			return fmt.Errorf("the model was asked once more: %s", x.Summary())
		}
		return nil
	case "expect", "silent":
		name, args := named(args)
		x, err := s.model.WaitExchange(s.ctx)
		if err != nil {
			return err
		}
		s.current = x
		if name != "" {
			s.exchanges[name] = x
		}
		if string(x.Job()) != args[0] {
			return fmt.Errorf("the request is for %s: %s", x.Job(), x.FullInput())
		}
		for _, text := range args[1:] {
			if !strings.Contains(x.FullInput(), text) {
				return fmt.Errorf("%q is not in the prompt:\n%s", text, x.FullInput())
			}
		}
		if verb == "expect" {
			return x.InProgress()
		}
		return nil
	case "unread":
		for _, sent := range sentTo(s.model) {
			if strings.Contains(sent, args[0]) {
				return fmt.Errorf("%q was sent to the model: %s", args[0], sent)
			}
		}
		return nil
	case "sends", "omits":
		if strings.Contains(s.current.Input, args[0]) != (verb == "sends") {
			return fmt.Errorf("the request says\n%s", s.current.Input)
		}
		return nil
	case "limit":
		return s.model.Conns()[0].Raw(fmt.Sprintf(`{"type":"codex.rate_limits","rate_limits":{"allowed":false,"limit_reached":true,"primary":{"used_percent":100,"window_minutes":1,"reset_after_seconds":%s}}}`, args[0]))
	case "asked":
		if s.current.Model != args[0] || s.current.ServiceTier != args[1] {
			return fmt.Errorf("the request is for model %s, tier %s", s.current.Model, s.current.ServiceTier)
		}
		return nil
	case "reads":
		file := filepath.Join("prompt", "testdata", "golden", "actions", args[0]+".txt")
		return golden(file, s.current.FullInput())
	case "tokens":
		if n := number(s.t, args[0]); s.current.MaxOutputTokens != n {
			return fmt.Errorf("max_output_tokens is %d", s.current.MaxOutputTokens)
		}
		return nil
	}
	x, args, err := s.exchange(args)
	if err != nil {
		return err
	}
	switch verb {
	case "say":
		text := args[0]
		if strings.Contains(text, "{secret}") {
			text = strings.ReplaceAll(text, "{secret}", placeholder.FindString(x.FullInput()))
		}
		return x.Delta(text)
	case "done":
		return x.Done()
	case "drop":
		x.Drop()
		return nil
	case "fail":
		return x.Failed(args[0], args[1])
	case "cancelled":
		select {
		case <-x.Cancelled():
			return nil
		case <-s.ctx.Done():
			return errors.New("the request was not abandoned")
		}
	case "forked":
		if x.PreviousResponseID == "" {
			return errors.New("the request does not continue from a warm base")
		}
		return nil
	}
	return fmt.Errorf("the model cannot %s", verb)
}

func (s *stage) want(verb string, args []string) error {
	switch verb {
	case "item", "popup":
		item, ok, err := s.answer(args[0])
		if err != nil || !ok {
			return fmt.Errorf("no item: %v", err)
		}
		if args[1] == "starts" {
			if !strings.HasPrefix(item.text, args[2]) {
				return fmt.Errorf("the item is %q", item.text)
			}
		} else if item.text != args[1] {
			return fmt.Errorf("the item is %q", item.text)
		}
		return nil
	case "none":
		item, ok, err := s.answer(args[0])
		if err != nil || ok {
			return fmt.Errorf("answered with item %q, error %v", item.text, err)
		}
		var raw json.RawMessage
		if err := s.requests[args[0]].Wait(s.ctx, &raw); args[1] != "" && string(raw) != args[1] {
			return fmt.Errorf("answered with %s, error %v", raw, err)
		}
		return nil
	case "answer":
		_, _, err := s.answer(args[0])
		return err
	case "next":
		e, ok, err := s.nextEdit(args[0])
		switch {
		case err != nil || !ok:
			return fmt.Errorf("there is no next edit: %v", err)
		case int(e.Range.Start.Line)+1 != number(s.t, args[1]) || e.Text != args[2]:
			return fmt.Errorf("the next edit is %+v", e)
		case e.TextDocument.URI != s.uri || e.TextDocument.Version != s.ed.Version(s.uri):
			return fmt.Errorf("the next edit is for %+v", e.TextDocument)
		}
		return nil
	case "nonext":
		e, ok, err := s.nextEdit(args[0])
		if err != nil || ok {
			return fmt.Errorf("answered with %+v, error %v", e, err)
		}
		return nil
	case "counted":
		var st struct {
			Completions map[string]int `json:"completions"`
		}
		if err := s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": "spark-lsp.status"}, &st); err != nil {
			return err
		}
		if n, ok := st.Completions[args[0]]; !ok || n != number(s.t, args[1]) {
			return fmt.Errorf("counted %v", st.Completions)
		}
		return nil
	case "error":
		return wantCode(s.requests[args[0]].Wait(s.ctx, nil), args[1])
	case "action", "disabled":
		for _, a := range s.actions {
			if a.Title == args[0] && (a.Disabled.Reason != "") == (verb == "disabled") && strings.Contains(a.Disabled.Reason, args[1]) {
				return nil
			}
		}
		return fmt.Errorf("the actions are %+v", s.actions)
	case "noaction":
		for _, a := range s.actions {
			if a.Title == args[0] {
				return fmt.Errorf("it is there, %q", a.Disabled.Reason)
			}
		}
		return nil
	case "menu":
		if got := strings.Join(titles(s.actions), " | "); got != args[0] {
			return fmt.Errorf("the actions are %q", got)
		}
		return nil
	case "message":
		_, err := s.ed.WaitMessage(s.ctx, args[0])
		return err
	case "received":
		for last := []byte("nothing"); ; { // what comes often comes with something else first
			m, err := s.ed.WaitReceived(s.ctx, args[0])
			if err != nil {
				return fmt.Errorf("%w; the last one was %s", err, last)
			}
			if last = m.Params; bytes.Contains(last, []byte(args[1])) {
				return nil
			}
		}
	case "question":
		return s.wantQuestion(args[0])
	case "progress":
		p, err := s.ed.WaitProgress(s.ctx, args[0])
		for err == nil && args[0] == "report" && !strings.Contains(p.Message, args[1]) { // of what comes in between, some is left out
			p, err = s.ed.WaitProgress(s.ctx, args[0])
		}
		if err == nil && !strings.Contains(p.Title+p.Message, args[1]) {
			return fmt.Errorf("the progress says %q", p.Title+p.Message)
		}
		return err
	case "status", "tokens":
		for {
			var st struct {
				Provider string `json:"provider"`
				Tokens   int    `json:"tokensToday"`
			}
			if err := s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": "spark-lsp.status"}, &st); err != nil {
				return err
			}
			if verb == "status" && st.Provider == args[0] || verb == "tokens" && st.Tokens > 0 {
				return nil
			}
		}
	case "written":
		return s.ed.WaitTextFunc(s.ctx, s.uriOf(args[0]), func(text string) bool { return strings.Contains(text, args[1]) })
	case "cursor":
		text, at := s.ed.Text(s.uri), s.ed.Cursor(s.uri)
		if !strings.HasSuffix(text[:at], args[0]) || !strings.HasPrefix(text[at:], args[1]) {
			return fmt.Errorf("the cursor is between %q and %q", text[max(0, at-10):at], text[at:min(len(text), at+10)])
		}
		return nil
	case "never":
		for _, m := range s.ed.Log() {
			if !m.Sent && m.Method == args[0] {
				return fmt.Errorf("received %v", m)
			}
		}
		return nil
	case "outcome":
		if s.steered.Outcome != args[0] || !strings.Contains(s.steered.Reason, args[1]) {
			return fmt.Errorf("the outcome is %+v", s.steered)
		}
		return nil
	case "contains":
		if text := s.ed.Text(s.uriOf(args[0])); !strings.Contains(text, args[1]) {
			return fmt.Errorf("the text is %q", text)
		}
		return nil
	case "edits": // at most N, at least N
		if args[1] == "least" {
			return s.ed.WaitApplied(s.ctx, number(s.t, args[2]))
		}
		if n := s.ed.UndoSteps(s.uri); n > number(s.t, args[2]) {
			return fmt.Errorf("%d edits were applied", n)
		}
		return nil
	case "refusals", "drops":
		n := number(s.t, args[0])
		return s.ed.WaitFor(s.ctx, verb, func() bool { return s.policy.count.Load() >= int64(n) })
	case "logged":
		// A call there and back stands for the tick of a clock.
		for {
			log, err := os.ReadFile(s.logFile)
			if err != nil || bytes.Contains(log, []byte(args[0])) {
				return err
			}
			if err := s.ed.Call(s.ctx, protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": "spark-lsp.didAccept"}, nil); err != nil {
				return err
			}
		}
	case "nowhere":
		return s.nowhere(args[0])
	}
	return fmt.Errorf("cannot want %s", verb)
}
