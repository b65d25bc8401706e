//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// editorSuite is an editor and what is tested in it. The budget is what that may take, the editor's unpacking included, on
// a machine that has other things to do; idle, it takes a fifth of that. All of them together leave CI's 30 minutes to the
// rest.
type editorSuite struct {
	name             string
	editor, variable string // what install.sh calls it, and what names one of the user's own
	budget           time.Duration
	tests            []editorTest
}

// editorSuites are those of TestEditors. The other tests in real editors have theirs beside them.
var editorSuites = []editorSuite{
	{"neovim", "neovim", "NVIM", 2 * time.Minute, neovimTests},
	{"neovim plugin", "neovim", "NVIM", time.Minute, neovimPluginTests},
	{"helix", "helix", "HX", 90 * time.Second, helixTests},
	{"kakoune", "kakoune", "KAK", time.Minute, kakouneTests},
	{"emacs", "emacs", "EMACS", 2 * time.Minute, emacsTests},
	{"zed", "", "", 30 * time.Second, zedTests},
}

// TestEditors drives real editors, started as a user starts them, against the real binary: what is asserted is the
// text in their buffers and on their screens. The model is a loopback server in the test's hands, so that a user's
// keys can be put between two words of its answer.
//
// The editors are unpacked by testdata/editors/install.sh, or named by NVIM, HX, KAK and EMACS. Where that cannot be done
// the tests are skipped; with CI=true they fail, unless SPARK_EDITORS=skip says that this is known.
func TestEditors(t *testing.T) { runEditorSuites(t, editorSuites) }

func runEditorSuites(t *testing.T, suites []editorSuite) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real editors")
	}
	if os.Getenv("SPARK_EDITORS") == "skip" {
		t.Skip("SPARK_EDITORS=skip")
	}
	binary := buildSpark(t)
	for _, suite := range suites {
		began := time.Now()
		for _, test := range suite.tests {
			t.Run(suite.name+"/"+test.name, func(t *testing.T) {
				if suite.editor == "emacs" && os.Getenv("CI") != "true" && os.Getenv("SPARK_EDITORS") != "all" && !isProgram(os.Getenv("EMACS")) {
					t.Skip("Emacs is more than 100 MB to fetch: SPARK_EDITORS=all does it, or EMACS names one")
				}
				test.run(t, newEditorRun(t, suite.editor, suite.variable, binary))
			})
		}
		took := time.Since(began).Round(time.Second / 10)
		t.Logf("the suite %s took %v of its %v", suite.name, took, suite.budget)
		if took > suite.budget {
			t.Errorf("which is more than it may take")
		}
	}
}

type editorTest struct {
	name string
	run  func(*testing.T, *editorRun)
}

// editorRun is what one test has on disk and in its environment before its editor starts. Each test has its own.
type editorRun struct {
	binary    string            // path of spark-lsp
	editor    string            // path of the editor's program
	paths     map[string]string // what install.sh says of the editor; empty for an editor of the user's own
	workspace string            // a copy of net/http, with the marker of a Git work tree
	home      string            // the user's home; holds the editor's configuration, as a page of docs/editors tells to write it
	serverLog string            // what spark-lsp logs
	env       []string          // the editor's whole environment, and so the server's
}

func newEditorRun(t *testing.T, editor, variable, binary string) *editorRun {
	t.Helper()
	paths := map[string]string{} // without an editor: the test plays its part
	if editor != "" {
		paths = findEditor(t, editor, variable)
	}
	home := outlivedDir(t)
	r := &editorRun{
		binary:    binary,
		editor:    paths[variable],
		paths:     paths,
		workspace: copyNetHTTP(t),
		home:      home,
		serverLog: filepath.Join(home, "spark-lsp.log"),
	}
	// Built up from nothing, so that no setting or key of whoever runs the test reaches the server.
	r.env = []string{
		"PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + home, "LANG=C.UTF-8", "TERM=xterm-256color", "COLORTERM=truecolor", "TMPDIR=" + outlivedDir(t),
		"XDG_RUNTIME_DIR=" + home, "NVIM_LOG_FILE=" + filepath.Join(home, "nvim.log"), "SPARK_LOG=" + r.serverLog,
	}
	for name, value := range paths {
		if name != variable {
			r.env = append(r.env, name+"="+value)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("server log:\n%s", tail(r.serverLog, 60))
		}
	})
	return r
}

// offline makes the server use the embedded engine.
func (r *editorRun) offline() { r.env = append(r.env, "SPARK_PROVIDER=offline") }

// editorModel is the model that a test drives by hand. It lives as long as its test.
type editorModel struct {
	t     *testing.T
	edits chan *loopback.Exchange
}

// outlivedDir is a directory for a test whose processes may live a moment longer than it does: a server writes its
// count of tokens when its editor has gone, which is after the test in the editor has ended.
func outlivedDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "spark-lsp-editors")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end := time.Now().Add(patience)
		for os.RemoveAll(dir) != nil {
			if time.Now().After(end) {
				t.Errorf("%s is still being written to", dir)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	return dir
}

// model starts a model and makes the server use it. Requests for a completion get an empty answer.
func (r *editorRun) model(t *testing.T) *editorModel {
	t.Helper()
	m := &editorModel{t: t, edits: make(chan *loopback.Exchange, 16)}
	r.serve(t, loopback.Options{Respond: func(x *loopback.Exchange) {
		if x.Job() == loopback.EditJob {
			m.edits <- x
			return
		}
		x.Done()
	}})
	return m
}

// serve starts a model server, which lives as long as the test, and makes the language server use it.
func (r *editorRun) serve(t *testing.T, options loopback.Options) *loopback.Server {
	t.Helper()
	server := loopback.New(options)
	if err := server.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	r.env = append(r.env, "SPARK_PROVIDER=openai", "SPARK_BASE_URL="+server.URL(), "SPARK_API_KEY=loopback")
	return server
}

// edit returns the next request for an edit, which must be for this region and carry this instruction.
func (m *editorModel) edit(region, instruction string) *loopback.Exchange {
	m.t.Helper()
	x := m.next(instruction)
	if got, _ := x.Region(); got != region {
		m.t.Errorf("region the model is asked to replace (-want +got):\n%s", cmp.Diff(region, got))
	}
	return x
}

// next returns the next request for an edit, which must carry this instruction: that of an edit which is steered asks for
// no region.
func (m *editorModel) next(instruction string) *loopback.Exchange {
	m.t.Helper()
	select {
	case x := <-m.edits:
		if !strings.Contains(x.Input, instruction) {
			m.t.Errorf("the model reads nothing of %q:\n%s", instruction, x.Input)
		}
		return x
	case <-time.After(patience):
		m.t.Fatalf("waited %v in vain for a request for an edit", patience)
		return nil
	}
}

// stream answers at a quick model's pace while the test goes on. It stops before rest until the test calls goOn;
// wait returns when the answer is at its end.
func (m *editorModel) stream(x *loopback.Exchange, text, rest string) (goOn, wait func()) {
	const tokensPerSecond = 300
	released, written := make(chan struct{}), make(chan error, 1)
	go func() {
		err := x.Pace(text, 0, tokensPerSecond)
		select {
		case <-released:
		case <-x.Cancelled(): // by the end of a test that has failed
		}
		written <- errors.Join(err, x.Pace(rest, 0, tokensPerSecond), x.Done())
	}()
	return func() { close(released) }, func() {
		m.t.Helper()
		select {
		case err := <-written:
			m.must(err)
		case <-time.After(patience):
			m.t.Fatalf("the server did not take the model's answer for %v", patience)
		}
	}
}

// must fails the test when a step of the model's answer could not be sent.
func (m *editorModel) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("the model's answer: %v", err)
	}
}

// loopback runs the program's own model server with a script, as somebody without a key does, and makes the
// language server use it.
func (r *editorRun) loopback(t *testing.T, script string) {
	t.Helper()
	path := filepath.Join(r.home, "answers.txtar")
	if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(r.binary, "loopback", "--addr", "127.0.0.1:0", "--script", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	var rest []byte
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		rest, _ = io.ReadAll(lines)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		killed := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		<-drained
		if err := cmd.Wait(); err != nil {
			t.Errorf("spark-lsp loopback, interrupted: %v", err)
		}
		killed.Stop()
		if t.Failed() {
			t.Logf("spark-lsp loopback says:\n%s%s%s", first, rest, &stderr)
		}
	})
	url, ok := strings.CutPrefix(strings.TrimSpace(first), "listening on ")
	if err != nil || !ok {
		t.Fatalf("spark-lsp loopback begins with %q (%v), not with its address", first, err)
	}
	r.env = append(r.env, "SPARK_PROVIDER=openai", "SPARK_BASE_URL="+url, "SPARK_API_KEY=loopback")
}

// file returns the path of a file of the workspace and its text as it was copied.
func (r *editorRun) file(t *testing.T, name string) (path, text string) {
	t.Helper()
	path = filepath.Join(r.workspace, name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(data)
}

// buildSpark builds the program into a directory that goes with t, and returns the path of the binary.
// SPARK_TEST_BINARY names one to test instead, such as a release's; its directory is searched for spark-lsp.
func buildSpark(t *testing.T) string {
	t.Helper()
	if named := os.Getenv("SPARK_TEST_BINARY"); named != "" {
		binary, err := filepath.Abs(named)
		if err != nil {
			t.Fatal(err)
		}
		return binary
	}
	binary := filepath.Join(t.TempDir(), "spark-lsp")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// findEditor returns the lines install.sh prints for an editor, by name. variable is the one that holds the
// program's path; if the environment has it, that editor is taken as it is.
func findEditor(t *testing.T, editor, variable string) map[string]string {
	t.Helper()
	if program := os.Getenv(variable); isProgram(program) {
		return map[string]string{variable: program}
	}
	paths, err := installEditor(editor)
	if err == nil {
		return paths
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() != cannotInstall {
		t.Fatal(err)
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%v\nwith CI=true a missing editor is a failure; SPARK_EDITORS=skip or %s=/path/of/it says otherwise", err, variable)
	}
	t.Skip(err)
	return nil
}

// isProgram tells a program from what else these variables hold: in Neovim's own terminal NVIM is a socket, and in
// Emacs's EMACS was "t".
func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// cannotInstall is the exit code of install.sh that says that this machine, not the script, is at fault.
const cannotInstall = 3

// The script's answer does not change while the tests run, and a failed attempt may have waited for a network.
var installed sync.Map // editor name -> func() (map[string]string, error)

func installEditor(editor string) (map[string]string, error) {
	once, _ := installed.LoadOrStore(editor, sync.OnceValues(func() (map[string]string, error) {
		script := filepath.Join("testdata", "editors", "install.sh")
		cmd := exec.Command("bash", script, editor)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w\n%s", script, editor, err, &stderr)
		}
		paths := map[string]string{}
		for line := range strings.Lines(string(out)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			paths[name] = value
		}
		return paths, nil
	}))
	return once.(func() (map[string]string, error))()
}

// What the tests edit: two functions of header.go, and what the model makes of them.
const (
	parseTime = `func ParseTime(text string) (t time.Time, err error) {
	for _, layout := range timeFormats {
		t, err = time.Parse(layout, text)
		if err == nil {
			return
		}
	}
	return
}
`
	// With a character outside the BMP, whose width differs in bytes, UTF-16 units, runes and columns.
	parseTimeEdited = `func ParseTime(text string) (time.Time, error) {
	for _, layout := range timeFormats { // 😀 in turn
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("http: no known time format")
}
`
	parseTimeComment = "// spark: return an error that names the formats"
)

var (
	hasToken = `func hasToken(v, token string) bool {
	if len(token) > len(v) || token == "" {
		return false
	}
	if v == token {
		return true
	}
	for sp := 0; sp <= len(v)-len(token); sp++ {
		// Check that first character is good.
		// The token is ASCII, so checking only a single byte
		// is sufficient. We skip this potential starting
		// position if both the first byte and its potential
		// ASCII uppercase equivalent (b|0x20) don't match.
		// False positives ('^' => '~') are caught by EqualFold.
		if b := v[sp]; b != token[0] && b|0x20 != token[0] {
			continue
		}
		// Check that start pos is on a valid token boundary.
		if sp > 0 && !isTokenBoundary(v[sp-1]) {
			continue
		}
		// Check that end pos is on a valid token boundary.
		if endPos := sp + len(token); endPos != len(v) && !isTokenBoundary(v[endPos]) {
			continue
		}
		if ascii.EqualFold(v[sp:sp+len(token)], token) {
			return true
		}
	}
	return false
}
`
	// Two hunks, far apart; the first has this line.
	hasTokenFirst  = `if token == "" || len(token) > len(v) {`
	hasTokenEdited = strings.NewReplacer(
		`if len(token) > len(v) || token == "" {`, hasTokenFirst,
		"	return false\n}\n", "	return false // not there\n}\n").Replace(hasToken)
	hasTokenComment = "// spark: ask for the cheap thing first"
)

// copyNetHTTP makes a workspace of the toolchain's net/http: a real package of a realistic size, which every
// machine that runs these tests has.
func copyNetHTTP(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "http")
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("go env GOROOT: %v", err)
	}
	pattern := filepath.Join(strings.TrimSpace(string(goroot)), "src", "net", "http", "*.go")
	sources, err := filepath.Glob(pattern)
	if err != nil || len(sources) == 0 {
		t.Fatalf("no files %s (%v)", pattern, err)
	}
	for _, marker := range []string{"objects", "refs"} {
		if err := os.MkdirAll(filepath.Join(dir, ".git", marker), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".git", "HEAD"), []byte("ref: refs/heads/main\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		data, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(source)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// patience is the longest wait for any single fact. A fact takes milliseconds; this is for a machine that is busy.
const patience = 15 * time.Second

// othersPatience is the same for another's server that reads its project first: seconds of work for a machine that has
// nothing else to do.
const othersPatience = time.Minute

// typingGap is the time between two keys where a test types at a user's pace.
const typingGap = 15 * time.Millisecond

// waitFor polls until ok reports true, and fails the test when patience runs out. Editors tell nobody when their
// screen has changed, so there is nothing better than to look again soon.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	waitWithin(t, patience, what, ok)
}

func waitWithin(t *testing.T, patience time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// wantText compares byte for byte.
func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("%s (-want +got):\n%s", what, cmp.Diff(strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")))
	}
}

// replaceOnce replaces the only occurrence of old in text. It fails the test when there is not exactly one, as in
// a toolchain whose net/http has changed there.
func replaceOnce(t *testing.T, text, old, new string) string {
	t.Helper()
	if n := strings.Count(text, old); n != 1 {
		t.Fatalf("the text to build upon occurs %d times, want once:\n%s", n, old)
	}
	return strings.Replace(text, old, new, 1)
}

// tail returns the last n lines of a file, long ones cut, or why it could not be read.
func tail(path string, n int) string {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		lines[i] = line[:min(len(line), 300)]
	}
	return strings.Join(lines, "\n")
}
