package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	systemkeyring "github.com/zalando/go-keyring"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("SPARK_TEST_PROGRAM") != "" { // this binary is the program, for tests that need a process of its own
		main()
	}
	if url := os.Getenv(bareVariable); url != "" {
		bareServer(url)
		return
	}
	if os.Getenv(checkerVariable) != "" {
		checker(os.Stdin, os.Stdout)
		return
	}
	systemkeyring.MockInit() // no test touches the keyring of whoever runs it
	goleak.VerifyTestMain(m)
}

// run runs the program with nothing on stdin.
func run(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = process{
		args: args, stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
		getenv: func(name string) string { return env[name] },
	}.run(t.Context())
	return code, out.String(), errs.String()
}

func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args           string
		code           int
		stdout, stderr string // what must be in them; "" means that they are empty
	}{
		{"--version", 0, "spark-lsp " + versionString() + "\n", ""},
		{"--help", 0, "--stdio", ""},
		{"--help", 0, "\n    spark-lsp --stdio\n", ""},
		{"demo --help", 0, "Play a session", ""},
		{"help", 0, "Usage: spark-lsp <command>", ""},
		{"help doctor", 0, "--base-url", ""},
		{"version", 0, "spark-lsp " + versionString() + "\n", ""},
		{"--http", 2, "", "--http: needs a value"},
		{"--nonsense", 2, "", "unknown flag --nonsense"},
		{"nonsense", 2, "", "nonsense"},
		{"--stdio --log-level loud", 2, "", "must be one of"},
		{"loopback --addr nowhere", 1, "", "nowhere"},
		{"loopback --addr 127.0.0.1:0 --script does-not-exist", 1, "", "does-not-exist"},
		{"--stdio --log does/not/exist", 1, "", "opening the log"},
	} {
		code, out, errs := run(t, nil, strings.Fields(tt.args)...)
		if code != tt.code {
			t.Errorf("%s: exit code %d, want %d (%s)", tt.args, code, tt.code, errs)
		}
		if !strings.Contains(out, tt.stdout) || (tt.stdout == "") != (out == "") {
			t.Errorf("%s: stdout %q", tt.args, out)
		}
		if !strings.Contains(errs, tt.stderr) || (tt.stderr == "") != (errs == "") {
			t.Errorf("%s: stderr %q", tt.args, errs)
		}
	}
}

// TestEditorGone: a closed stdin ends the program, at once and with a word on stderr.
func TestEditorGone(t *testing.T) {
	code, out, errs := run(t, map[string]string{"SPARK_PROVIDER": "offline"}, "--stdio")
	if code != 1 || out != "" || !strings.Contains(errs, "editor") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out, errs)
	}
}

func TestUserFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		os.Remove(file)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	if l, err := readUserFile(file, "/home/me"); l == nil || len(l) > 0 || err != nil {
		t.Errorf("a missing file: %v, %v", l, err)
	}
	write("model = \"m\"\napiKey = \"k\"\n[completion]\nmaxTokens = 7\n", 0o600)
	l, err := readUserFile(file, "/home/me")
	if err != nil || l["model"] != "m" || l["apiKey"] != "k" || l["completion.maxTokens"] != int64(7) {
		t.Errorf("%v, %v", l, err)
	}
	if runtime.GOOS != "windows" {
		write("model = \"m\"\napiKey = \"k\"\n", 0o644)
		l, err = readUserFile(file, "/home/me")
		if err == nil || !strings.Contains(err.Error(), "chmod 600") || l["apiKey"] != nil || l["model"] != "m" {
			t.Errorf("a file that others may read: %v, %v", l, err)
		}
	}
	write("[folders.\"~/x/**\"]\nenabled = false\n[folders.\"~other\"]\n", 0o644)
	l, err = readUserFile(file, "/home/me")
	if f, _ := l["folders"].(map[string]any); err != nil || f["/home/me/x/**"] == nil || f["~other"] == nil || len(f) != 2 {
		t.Errorf("folders: %v, %v", l, err)
	}
	// D24: the line that is wrong may hold the key, so it is not quoted.
	write("apiKey = \"secret-key\n", 0o600)
	if _, err = readUserFile(file, "/home/me"); err == nil || strings.Contains(err.Error(), "secret-key") || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a broken file: %v", err)
	}
}

func TestUserDirectories(t *testing.T) {
	env := func(kv map[string]string) func(string) string { return func(n string) string { return kv[n] } }
	if got := userFile(env(map[string]string{"SPARK_CONFIG": "/x/y.toml", "HOME": "/h"})); got != "/x/y.toml" {
		t.Errorf("SPARK_CONFIG: %s", got)
	}
	if got := userFile(env(nil)); got != "" {
		t.Errorf("no home: %q", got)
	}
	if runtime.GOOS != "linux" {
		t.Skip("the rest speaks of Linux")
	}
	for want, kv := range map[string]map[string]string{
		"/c/spark-lsp/config.toml":         {"XDG_CONFIG_HOME": "/c", "HOME": "/h"},
		"/h/.config/spark-lsp/config.toml": {"XDG_CONFIG_HOME": "relative", "HOME": "/h"},
	} {
		if got := userFile(env(kv)); got != want {
			t.Errorf("%v: %s", kv, got)
		}
	}
	if got := stateDir(env(map[string]string{"HOME": "/h"})); got != "/h/.local/state/spark-lsp" {
		t.Errorf("state: %s", got)
	}
}

// TestLoopbackCommand runs the model server as a user would, until it is told to stop.
func TestLoopbackCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := make(lines, 10)
	done := make(chan int, 1)
	go func() {
		done <- process{args: []string{"loopback", "--addr", "127.0.0.1:0"}, stdout: out, stderr: out, getenv: func(string) string { return "" }}.run(ctx)
	}()
	if line := <-out; !strings.HasPrefix(line, "listening on http://127.0.0.1:") || !strings.HasSuffix(line, "/v1\n") {
		t.Errorf("it says %q", line)
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// lines is a Writer that hands on what is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
