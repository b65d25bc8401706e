package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// TestCrashDump_D24: the real program, with a key from the environment and one more that a running request carries, is
// killed so that it writes what all its goroutines are doing. The key is in none of that, nor in what others see of the
// process, nor in the log of a refused connection.
func TestCrashDump_D24(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	bin := filepath.Join(t.TempDir(), "spark-lsp")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, refused := range []bool{false, true} {
		const key = "sk-kanarienvogel0123456789"
		opts := loopback.Options{Respond: func(x *loopback.Exchange) { _ = x.InProgress() }, Key: key}
		if refused {
			opts.Upgrade = func(int, *http.Request) loopback.Upgrade {
				return loopback.Upgrade{Status: 401, Body: `{"error":{"message":"no such key: ` + key + `"}}`}
			}
		}
		model := loopback.New(opts)
		if err := model.Start("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		log := filepath.Join(t.TempDir(), "log")
		cmd := exec.Command(bin, "--stdio", "--log", log, "--log-level", "debug")
		cmd.Env = []string{"SPARK_API_KEY=" + key, "SPARK_PROVIDER=openai", "SPARK_BASE_URL=" + model.URL(), "XDG_STATE_HOME=" + t.TempDir(), "XDG_CONFIG_HOME=" + t.TempDir(),
			"HOME=" + t.TempDir(), "GOTRACEBACK=all"}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ed := editor.New(editor.Options{Name: "helix"}, out, in)
		if _, err := ed.Start(ctx); err != nil {
			t.Fatal(err)
		}
		const uri = "file:///a.go"
		if err := ed.Open(uri, "go", "package a\n\nvar x = "); err != nil {
			t.Fatal(err)
		}
		if err := ed.SetCursor(uri, len(ed.Text(uri))); err != nil {
			t.Fatal(err)
		}
		if _, err := ed.CallAsync("textDocument/inlineCompletion", map[string]any{"textDocument": map[string]any{"uri": uri},
			"position": ed.Position(uri, ed.Cursor(uri)), "context": map[string]any{"triggerKind": 1}}); err != nil {
			t.Fatal(err)
		}
		if refused {
			err = model.Wait(ctx, func(st loopback.Stats) bool { return st.Upgrades > 0 })
		} else {
			_, err = model.WaitExchange(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		seen, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		ed.HangUp()
		model.Close()
		cancel()
		dump := stderr.String()
		if !strings.Contains(dump, "goroutine ") {
			t.Errorf("no dump: %.300s", dump)
		}
		written, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"the arguments": string(seen), "the dump": dump, "the log": string(written)} {
			if strings.Contains(text, "kanarienvogel") {
				t.Errorf("the key is in %s: %s", name, text)
			}
		}
	}
}
