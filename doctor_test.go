package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
	"github.com/spark-lsp/spark-lsp/server"
	"github.com/spark-lsp/spark-lsp/session/loopback"
)

const doctorKey = "sk-doctor-0123456789abcdef-tail"

// TestDoctor: every fault on the way is told apart, with what to do; the key is in none of it (D24).
func TestDoctor(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(".aiignore", []byte("*.secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := func(o loopback.Options) *loopback.Server {
		t.Helper()
		srv := loopback.New(o)
		if err := srv.Start("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { srv.Close() })
		return srv
	}
	status := func(n int) func(int, *http.Request) loopback.Upgrade {
		return func(int, *http.Request) loopback.Upgrade { return loopback.Upgrade{Status: n} }
	}
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer refusing.Close()
	proxy := func(*http.Request) (*url.URL, error) {
		return url.Parse(strings.Replace(refusing.URL, "http://", "http://me:proxy-password@", 1))
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html>Welcome</html>")
	}))
	defer page.Close()
	broke := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":{"message":"You exceeded your current quota.","code":"insufficient_quota"}}`)
	}))
	defer broke.Close()
	well := serve(loopback.Options{Key: doctorKey, ServedTier: "default"})
	plain := serve(loopback.Options{})
	secure := serve(loopback.Options{TLS: selfSigned(t)})

	for _, tt := range []struct {
		name  string
		env   map[string]string
		proxy func(*http.Request) (*url.URL, error)
		args  string
		code  int
		want  []string
		never []string
	}{
		{name: "nothing is set up", code: 0, want: []string{
			"provider                   auto  (default)", "nothing leaves this machine", "for edits: 'spark-lsp login'", "embedded engine            completes identifiers",
			".aiignore", "none has started this program yet", "What to do",
		}, never: []string{"✗", "Endpoint for"}},
		{name: "all is well", env: map[string]string{"SPARK_BASE_URL": well.URL()}, code: 0, want: []string{
			"Endpoint for completions, edits, larger tasks: openai at " + well.URL(), "…tail, 31 characters  (environment)",
			"connection                 127.0.0.1:", "WebSocket                  opened", "warm-up                    connected and primed",
			"bytes sent", "accepted", "first text", "over a WebSocket", "ultrafast was asked for, default served",
		}, never: []string{"✗", "spark-lsp login"}},
		{name: "an address and nothing else", env: map[string]string{"SPARK_BASE_URL": plain.URL(), "SPARK_API_KEY": ""}, code: 0, want: []string{"! baseURL", "nothing says that " + plain.URL() + " is to be asked", "set provider as well"}, never: []string{"✗"}},
		{name: "another endpoint", args: "--provider ollama --model qwen --base-url " + plain.Root(), code: 0, want: []string{"provider                   ollama  (command line)", "ollama at " + plain.Root(), "by qwen"}},
		{name: "nothing that costs", env: map[string]string{"SPARK_BASE_URL": well.URL()}, args: "--free", code: 0, want: []string{"WebSocket                  opened"}, never: []string{"warm-up"}},
		{name: "two models, one of them unknown", env: map[string]string{"SPARK_BASE_URL": serve(loopback.Options{Respond: func(x *loopback.Exchange) {
			if x.Model == "none" {
				_ = x.Error(404, "model_not_found", "The model 'none' does not exist", nil)
				return
			}
			loopback.Canned(x)
		}}).URL(), "SPARK_EDIT_MODEL": "none"}, code: 1, want: []string{"✗ answer", "The model 'none' does not exist", "'spark-lsp models' lists what is served", "served                     by gpt-6.1-sol"}},
		{name: "the key is refused", env: map[string]string{"SPARK_BASE_URL": well.URL(), "SPARK_API_KEY": "sk-another-0123456789"}, code: 1, want: []string{"✗ key", "401 Unauthorized", "spark-lsp login --base-url " + well.URL()}, never: []string{"warm-up"}},
		{name: "a key in the address", env: map[string]string{"SPARK_BASE_URL": well.URL() + "?key=in-the-query"}, args: "--free --provider offline", code: 1, want: []string{"✗ baseURL", "must not contain a query"}, never: []string{"in-the-query"}},
		{name: "no WebSocket", env: map[string]string{"SPARK_BASE_URL": serve(loopback.Options{Upgrade: status(426)}).URL()}, code: 0, want: []string{"! WebSocket", "426 Upgrade Required", "first text", "over HTTP"}},
		{name: "HTTP is wanted", env: map[string]string{"SPARK_BASE_URL": plain.URL(), "SPARK_TRANSPORT": "http"}, code: 0, want: []string{"HTTP                       answers 200 OK", "over HTTP", "transport                  http  (environment)"}},
		{name: "Ollama", env: map[string]string{"SPARK_PROVIDER": "ollama", "SPARK_BASE_URL": plain.Root(), "SPARK_MODEL": "qwen"}, code: 0, want: []string{"ollama at " + plain.Root(), "first text", "! edits ", "none: ollama only completes code", "set edit.provider to chat", "set deep.provider to chat"}, never: []string{"completion.provider"}},
		{name: "a web page", env: map[string]string{"SPARK_BASE_URL": page.URL + "/v1"}, code: 1, want: []string{"✗ answer", "a web page answers there, and no model", "is provider right for this endpoint, and baseURL whole (…/v1)?"}},
		{name: "an account with nothing left", env: map[string]string{"SPARK_BASE_URL": broke.URL + "/v1"}, code: 1, want: []string{"✗", "You exceeded your current quota", "see its billing page"}, never: []string{"spark-lsp login", "rate limit"}},
		{name: "unknown authority", env: map[string]string{"SPARK_BASE_URL": secure.URL()}, code: 1, want: []string{"✗ TLS", "SSL_CERT_FILE"}},
		{name: "no TLS there", env: map[string]string{"SPARK_BASE_URL": strings.Replace(plain.URL(), "http", "https", 1)}, code: 1, want: []string{"✗ TLS", "write http:// in baseURL"}},
		{name: "the proxy refuses", env: map[string]string{"SPARK_BASE_URL": "https://api.example/v1"}, proxy: proxy, code: 1, want: []string{
			"proxy                      through 127.0.0.1:", "✗ tunnel", "407", "http://user:password@127.0.0.1:",
		}, never: []string{"proxy-password"}},
		{name: "no such name", env: map[string]string{"SPARK_BASE_URL": "https://nobody.invalid/v1"}, code: 1, want: []string{"✗ name", "nobody.invalid cannot be found", "HTTPS_PROXY", "embedded engine            completes"}},
		{name: "nobody there", env: map[string]string{"SPARK_BASE_URL": "http://127.0.0.1:1/v1"}, code: 1, want: []string{"✗ connection", "start the model's server"}},
		{name: "a key that may not go there", env: map[string]string{"SPARK_PROVIDER": "openai", "SPARK_DEEP_BASE_URL": "https://nobody.invalid/v1", "SPARK_API_KEY": "", "SPARK_BASE_URL": well.URL()}, code: 1, want: []string{"! key", "spark-lsp login --base-url https://nobody.invalid/v1"}},
		{name: "wrong settings", env: map[string]string{"SPARK_PROVIDER": "ofline"}, code: 1, want: []string{"✗ provider", `"ofline" is not one of auto`, "docs/settings.md"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := map[string]string{}
			if tt.env != nil {
				env["SPARK_API_KEY"] = doctorKey
			}
			for k, v := range tt.env {
				env[k] = v
			}
			h := newHome(t, env)
			p, out, errs := h.process("", append([]string{"doctor"}, strings.Fields(tt.args)...)...)
			p.proxy = tt.proxy
			if code := p.run(t.Context()); code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, errs)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q", want)
				}
			}
			for _, never := range append(tt.never, doctorKey, "another-0123456789") {
				if strings.Contains(out.String()+errs.String(), never) {
					t.Errorf("it says %q", never)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// TestDoctorKnowsTheLastEditor, and where each setting comes from, without a path of the workspace.
func TestDoctorKnowsTheLastEditor(t *testing.T) {
	t.Chdir(t.TempDir())
	h := newHome(t, map[string]string{"SPARK_PROVIDER": "offline"})
	h.write("config.toml", "delivery = \"final\"\n[completion]\nmaxTokens = 50\n", 0o644)
	if code, said := h.run("mistral-key", "login", "--provider", "mistral"); code != 0 {
		t.Fatal(said)
	}
	seen := 0
	visit := func(name, options string) {
		t.Helper()
		p, _, _ := h.process("")
		ed, end, err := startEditor(t.Context(), p, nil, editor.Options{Name: name, InitializationOptions: json.RawMessage(options)})
		if err != nil {
			t.Fatal(err)
		}
		for seen++; len(server.SeenEditors(stateDir(p.getenv))) < seen; { // a call there and back stands for the tick of a clock
			if err := ed.Call(t.Context(), protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": "spark-lsp.didAccept"}, nil); err != nil {
				t.Fatal(err)
			}
		}
		end()
	}
	visit("first", `{"spark":{"baseURL":"https://x.example/v1"}}`)
	if code, said := h.run("", "doctor"); code != 0 || !strings.Contains(said, "it sets                  baseURL") || !strings.Contains(said, "examines the endpoint that the editor names") {
		t.Errorf("exit code %d, %s", code, said)
	}
	visit("second", `{"spark":{"delivery":"live"}}`)
	code, said := h.run("", "doctor")
	for _, want := range []string{
		"delivery                   final  (user file)", "completion.maxTokens       50  (user file)", "provider                   offline  (environment)",
		"stored key                 https://api.mistral.ai: …, 11 characters",
		"editor                     second, 0s ago; positions in utf-", "editor                     first, 0s ago", "it can", "InlineCompletion", "it sets                  delivery",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q", want)
		}
	}
	if code != 0 || strings.Contains(said, "mistral-key") {
		t.Errorf("exit code %d", code)
	}
	if t.Failed() {
		t.Log(said)
	}

	if strings.Contains(said, "x.example") || strings.Contains(said, "its endpoint") {
		t.Error("it says more of the first editor than it should")
	}
	p, out, _ := h.process("", "doctor", "--json")
	code = p.run(t.Context())
	var list []finding
	if err := json.Unmarshal(out.Bytes(), &list); err != nil || code != 0 || len(list) < 10 {
		t.Errorf("exit code %d, %d findings, %v: %s", code, len(list), err, out)
	}
}

// TestEnvironmentsProxyD20: HTTPS_PROXY is what a company gives its people, and a certificate authority of its own. Both
// are honoured for the WebSocket and for HTTP, by the real program in a process of its own, since the environment of a
// process is read once.
func TestEnvironmentsProxyD20(t *testing.T) {
	conf := selfSigned(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conf.Certificates[0].Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	model := loopback.New(loopback.Options{TLS: conf, Key: doctorKey})
	if err := model.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	var tunnels atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := strings.Cut(basic(r.Header.Get("Proxy-Authorization")), ":")
		if r.Method != http.MethodConnect || user != "me" || password != "proxy-password" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer up.Close()
		tunnels.Add(1)
		w.WriteHeader(http.StatusOK)
		down, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer down.Close()
		go func() { _, _ = io.Copy(up, rw); up.Close() }()
		_, _ = io.Copy(down, up)
	}))
	defer proxy.Close()
	for transport, want := range map[string]string{"websocket": "over a WebSocket", "http": "over HTTP", "auto": "over a WebSocket"} {
		tunnels.Store(0)
		cmd := exec.CommandContext(t.Context(), os.Args[0], "doctor")
		cmd.Env = append(os.Environ(), "SPARK_TEST_PROGRAM=1",
			"HTTPS_PROXY="+strings.Replace(proxy.URL, "http://", "http://me:proxy-password@", 1), "NO_PROXY=", "SSL_CERT_FILE="+ca,
			"HOME="+t.TempDir(), "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "SPARK_API_KEY="+doctorKey, "SPARK_TRANSPORT="+transport,
			"SPARK_BASE_URL="+strings.Replace(model.URL(), "127.0.0.1", "0.0.0.0", 1)) // no proxy is asked about what looks like this machine
		out, err := cmd.CombinedOutput()
		said := string(out)
		if err != nil || !strings.Contains(said, want) || !strings.Contains(said, "proxy                      through 127.0.0.1:") || tunnels.Load() < 2 {
			t.Errorf("%s: %v, %d tunnels\n%s", transport, err, tunnels.Load(), said)
		}
		if strings.Contains(said, "proxy-password") || strings.Contains(said, doctorKey) {
			t.Errorf("D24: %s", said)
		}
	}
}

// basic decodes the credentials of a proxy's client.
func basic(header string) string {
	data, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(header, "Basic "))
	return string(data)
}

// selfSigned is a certificate that no system trusts.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nobody"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4zero}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
