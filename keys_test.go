package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	systemkeyring "github.com/zalando/go-keyring"
	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// fakeKeyring is a keyring of one test.
type fakeKeyring struct {
	mu     sync.Mutex
	keys   map[string]string
	broken error
	locked chan struct{} // not nil: Get waits until it is closed, as for a user who is asked to unlock it
}

func (f *fakeKeyring) do(what func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return f.broken
	}
	if f.keys == nil {
		f.keys = map[string]string{}
	}
	what()
	return nil
}

func (f *fakeKeyring) Set(service, user, secret string) error {
	return f.do(func() { f.keys[service+" "+user] = secret })
}

func (f *fakeKeyring) Delete(service, user string) error {
	return f.do(func() { delete(f.keys, service+" "+user) })
}

func (f *fakeKeyring) Get(service, user string) (key string, err error) {
	if f.locked != nil {
		<-f.locked
	}
	if err := f.do(func() { key = f.keys[service+" "+user] }); err != nil {
		return "", err
	}
	if key == "" {
		return "", systemkeyring.ErrNotFound
	}
	return key, nil
}

// home is a user with a home directory of their own.
type home struct {
	t    *testing.T
	env  map[string]string
	ring *fakeKeyring
}

func newHome(t *testing.T, env map[string]string) *home {
	h := &home{t: t, env: map[string]string{"XDG_CONFIG_HOME": t.TempDir(), "XDG_STATE_HOME": t.TempDir()}, ring: &fakeKeyring{}}
	for k, v := range env {
		h.env[k] = v
	}
	return h
}

func (h *home) process(stdin string, args ...string) (process, *bytes.Buffer, *bytes.Buffer) {
	var out, errs bytes.Buffer
	return process{
		args: args, stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs, keyring: h.ring,
		getenv: func(name string) string { return h.env[name] }, panicOnBug: true, userFileInterval: 5 * time.Millisecond,
	}, &out, &errs
}

// run runs a command and returns all that it says.
func (h *home) run(stdin string, args ...string) (code int, said string) {
	h.t.Helper()
	p, out, errs := h.process(stdin, args...)
	code = p.run(h.t.Context())
	return code, out.String() + errs.String()
}

func (h *home) config(name string) string {
	return filepath.Join(h.env["XDG_CONFIG_HOME"], "spark-lsp", name)
}

// write writes a file of the configuration directory.
func (h *home) write(name, text string, mode os.FileMode) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.config(name)), 0o700); err != nil {
		h.t.Fatal(err)
	}
	os.Remove(h.config(name))
	if err := os.WriteFile(h.config(name), []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
}

const loginKey = "login-key-5e1f"

func TestLoginAndLogout(t *testing.T) {
	h := newHome(t, nil)
	says := func(code int, want, stdin string, args ...string) {
		t.Helper()
		got, said := h.run(stdin, args...)
		if got != code || !strings.Contains(said, want) {
			t.Errorf("%v: exit code %d, %q; want %q", args, got, said, want)
		}
		if strings.Contains(said, loginKey) {
			t.Errorf("D24: %v says the key: %q", args, said)
		}
	}
	says(0, "The key for https://api.openai.com is in the system's keyring.\nEditors that run take it at once", loginKey+"\n", "login")
	says(0, "It is not used yet: set provider = \"mistral\"", "mk", "login", "--provider", "mistral")
	if len(h.ring.keys) != 2 || h.ring.keys["spark-lsp https://api.openai.com"] != loginKey {
		t.Errorf("the keyring has %v", h.ring.keys)
	}
	file, err := os.ReadFile(h.config("keys.toml"))
	if err != nil || bytes.Contains(file, []byte(loginKey)) {
		t.Errorf("keys.toml: %s, %v", file, err)
	}
	says(0, "is in "+h.config("keys.toml"), loginKey, "login", "--file")
	if info, err := os.Stat(h.config("keys.toml")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("keys.toml: %v, %v", info.Mode(), err)
	}
	if len(h.ring.keys) != 1 {
		t.Errorf("the keyring still has %v", h.ring.keys)
	}
	says(0, "Mind that http://far.example is not encrypted", "k", "login", "--base-url", "http://far.example/v1")
	says(1, "no key is stored for https://else.example", "", "logout", "--base-url", "https://else.example/v1")
	says(0, "The key for https://api.openai.com is forgotten.\n", "", "logout")
	says(0, "The key for https://api.mistral.ai is forgotten.\n", "", "logout", "--all")
	says(0, "No key is stored.", "", "logout", "--all")
	if _, err := os.Stat(h.config("keys.toml")); !errors.Is(err, os.ErrNotExist) || len(h.ring.keys) != 0 {
		t.Errorf("keys.toml is still there (%v), the keyring has %v", err, h.ring.keys)
	}

	says(1, "there is no key to store", " \n", "login")
	says(1, "a key has no spaces", loginKey+" "+loginKey, "login")
	says(1, "a key has no spaces", loginKey+"\r\nX-Other: header", "login")
	says(1, "too long", strings.Repeat(loginKey, 1000), "login")
	says(2, `"mistrall" is not one of`, loginKey, "login", "--provider", "mistrall")
	says(2, "not an http or https address", loginKey, "login", "--base-url", "api.mistral.ai")
	says(2, "unexpected argument", "", "login", "the-key-as-an-argument")
	says(2, "unknown flag", "", "login", "--key=x")
}

// TestSystemKeyring goes through the library, whose keyring is a mock in tests.
func TestSystemKeyring(t *testing.T) {
	h := newHome(t, nil)
	run := func(stdin string, args ...string) string {
		t.Helper()
		p, out, errs := h.process(stdin, args...)
		p.keyring = nil // the system's
		if code := p.run(t.Context()); code != 0 {
			t.Errorf("%v: exit code %d: %s", args, code, errs)
		}
		return out.String()
	}
	origin := "https://" + strings.ToLower(t.Name()) + ".example"
	if said := run(loginKey, "login", "--base-url", origin+"/v1"); !strings.Contains(said, "in the system's keyring") {
		t.Error(said)
	}
	if key, err := systemkeyring.Get("spark-lsp", origin); key != loginKey || err != nil {
		t.Errorf("%q, %v", key, err)
	}
	if said := run("", "doctor", "--free"); !strings.Contains(said, "stored key                 "+origin+": …, 14 characters") {
		t.Error(said)
	}
	run("", "logout", "--all")
	if _, err := systemkeyring.Get("spark-lsp", origin); !errors.Is(err, systemkeyring.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
}

// TestLoginWithoutKeyring: a machine without one, as servers and containers are.
func TestLoginWithoutKeyring(t *testing.T) {
	h := newHome(t, map[string]string{"SPARK_API_KEY": "ek"})
	h.ring.broken = fmt.Errorf("cannot store %s: org.freedesktop.secrets was not provided by any .service files", loginKey)
	code, said := h.run(loginKey, "login")
	if code != 0 || !strings.Contains(said, "the key goes into a file instead") || !strings.Contains(said, "readable by you alone") || strings.Contains(said, loginKey) ||
		!strings.Contains(said, "the key of the environment counts before it") {
		t.Errorf("exit code %d, %q", code, said)
	}
	keys, err := readKeysFile(h.config("keys.toml"))
	if err != nil || keys["https://api.openai.com"] != (storedKey{Key: loginKey}) {
		t.Errorf("%v, %v", keys, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(h.config("keys.toml"), 0o640); err != nil {
		t.Fatal(err)
	}
	if keys, err := readKeysFile(h.config("keys.toml")); err == nil || !strings.Contains(err.Error(), "chmod 600") || len(keys) > 0 {
		t.Errorf("a file that others may read: %v, %v", keys, err)
	}
	if code, said = h.run(loginKey, "login"); code != 1 || !strings.Contains(said, "chmod 600") {
		t.Errorf("exit code %d, %q", code, said)
	}
}

// TestLoginReachesARunningEditor: nothing is restarted, whether the key is in a file, in a keyring that has to be
// unlocked first (until then the endpoint is not asked without a key, which would refuse us), or in a config.toml that
// others could read until somebody did as they were told.
func TestLoginReachesARunningEditor(t *testing.T) {
	for _, where := range []string{"keyring", "file", "locked keyring", "chmod"} {
		t.Run(where, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			model := loopback.New(loopback.Options{Key: loginKey})
			if err := model.Start("127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
			defer model.Close()
			// An address of this machine that does not look like one: there, keys count.
			h := newHome(t, map[string]string{"SPARK_BASE_URL": strings.Replace(model.URL(), "127.0.0.1", "0.0.0.0", 1)})
			login := []string{"login"}
			if where == "file" {
				login = append(login, "--file")
			}
			if where == "locked keyring" {
				if code, said := h.run(loginKey, login...); code != 0 {
					t.Fatal(said)
				}
				h.ring.locked = make(chan struct{})
			}
			if where == "chmod" {
				if runtime.GOOS == "windows" {
					t.Skip("a profile's directory is closed to others there")
				}
				h.write("config.toml", fmt.Sprintf("apiKey = %q\nbaseURL = %q\n", loginKey, h.env["SPARK_BASE_URL"]), 0o644)
			}
			p, _, errs := h.process("")
			ed, end, err := startDemo(ctx, p, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer end()
			if where == "chmod" {
				if _, err := ed.WaitMessage(ctx, "run: chmod 600 "+h.config("config.toml")); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(h.config("config.toml"), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if where == "locked keyring" {
				if st := model.Stats(); st.Upgrades+st.Requests > 0 {
					t.Errorf("the endpoint was asked before there was a key: %+v", st)
				}
				close(h.ring.locked)
			} else if code, said := h.run(loginKey, login...); code != 0 {
				t.Fatal(said)
			}
			if err := model.WaitConns(ctx, 1); err != nil {
				t.Errorf("%v: %+v %s", err, model.Stats(), errs)
			}
			if st := model.Stats(); st.Upgrades != st.Conns || st.Refused > 0 {
				t.Errorf("the endpoint refused somebody: %+v", st)
			}
		})
	}
}

// TestKeyIsNowhereD24: an endpoint that refuses a key and repeats it in its answer, at every level of the log. The key is
// in no log, on no stream and in nothing that the editor is told; what other users of the machine see of a process is
// its arguments, and no key is ever one.
func TestKeyIsNowhereD24(t *testing.T) {
	for _, level := range []string{"debug", "info", "warn", "error"} {
		t.Run(level, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			refused := fmt.Sprintf(`{"error":{"code":"invalid_api_key","message":"Incorrect API key provided: %s, bearer %s"}}`, loginKey, loginKey)
			model := loopback.New(loopback.Options{Key: "another", Upgrade: func(int, *http.Request) loopback.Upgrade {
				return loopback.Upgrade{Status: 401, Body: refused, Header: http.Header{"X-Echo": {loginKey}}}
			}})
			if err := model.Start("127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
			defer model.Close()
			log := filepath.Join(t.TempDir(), "log")
			h := newHome(t, map[string]string{
				"SPARK_BASE_URL": strings.Replace(model.URL(), "127.0.0.1", "0.0.0.0", 1), "SPARK_PROVIDER": "openai", "SPARK_LOG": log, "SPARK_LOG_LEVEL": level,
			})
			if code, said := h.run(loginKey, "login", "--file"); code != 0 {
				t.Fatal(said)
			}
			p, _, errs := h.process("")
			ed, end, err := startDemo(ctx, p, nil)
			if err != nil {
				t.Fatal(err)
			}
			const uri = "file:///a.go"
			if err := ed.Open(uri, "go", "package a\n\n// spark: two\nvar x = 1\n"); err != nil {
				t.Fatal(err)
			}
			if err := ed.Call(ctx, protocol.MethodWorkspaceExecuteCommand, map[string]any{
				"command": "spark-lsp.edit", "arguments": []any{map[string]any{"uri": uri, "instruction": "two"}},
			}, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := ed.WaitMessage(ctx, "[key]"); err != nil {
				t.Error(err)
			}
			end()
			written, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			everything := string(written) + errs.String()
			for _, m := range ed.Log() {
				everything += fmt.Sprintf("%s %s %v\n", m.Params, m.Result, m.Err)
			}
			if strings.Contains(everything, loginKey) || !strings.Contains(everything, "Incorrect API key provided: [key]") {
				t.Errorf("D24: %s", everything)
			}
		})
	}
}
