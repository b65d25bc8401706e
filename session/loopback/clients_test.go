package loopback

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clientsDir holds the official clients, each with its own lock file.
const clientsDir = "../../testdata/clients"

// run runs a command and returns what it wrote.
func run(t *testing.T, dir, url string, command ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	// A workspace or a vendor setting of the product is not the client's, and the checkout stays as it is.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "SPARK_LOOPBACK_URL="+url)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// clientServers are the servers that each client is pointed at: the one that the command runs, and one whose
// frames have everything in them that the real service may add.
func clientServers(t *testing.T) map[string]*Server {
	return map[string]*Server{
		"plain":   start(t, Options{Interrupt: true, Steer: true}),
		"dressed": start(t, Options{Interrupt: true, Steer: true, FillOutput: true, RateLimits: true, Timing: true, ShuffleKeys: true, EscapeASCII: true}),
	}
}

// unreachable tells whether a package manager failed for want of its registry, which is no fault of ours.
func unreachable(out string) bool {
	for _, sign := range []string{
		"dial tcp", "no such host", "i/o timeout", "connection refused", "TLS handshake timeout", "proxyconnect", "GOPROXY=off", // go
		"ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "ENOTCACHED", // npm
	} {
		if strings.Contains(out, sign) {
			return true
		}
	}
	return false
}

func TestOfficialGoClient(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: building the official Go client takes up to two minutes")
	}
	bin := filepath.Join(t.TempDir(), "client.exe")
	out, err := run(t, filepath.Join(clientsDir, "openai-go"), "", "go", "build", "-o", bin, ".")
	if err != nil {
		if unreachable(out) {
			t.Skipf("the modules of the official Go client cannot be had: %s", out)
		}
		t.Fatalf("build: %v\n%s", err, out)
	}
	for name, s := range clientServers(t) {
		t.Run(name, func(t *testing.T) {
			out, err := run(t, ".", s.URL(), bin)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Log(out)
		})
	}
}

func TestOfficialNPMClient(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the official npm client is installed from the registry")
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); errors.Is(err, exec.ErrNotFound) {
			t.Skipf("%s is not installed", tool)
		}
	}
	// npm works on a copy, so that the checkout stays as it is and tests of several checkouts do not meet.
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "index.mjs"} {
		b, err := os.ReadFile(filepath.Join(clientsDir, "openai-npm", name))
		ok(t, err)
		ok(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	out, err := run(t, dir, "", "npm", "ci", "--no-audit", "--no-fund")
	if err != nil {
		if unreachable(out) {
			t.Skipf("the official npm client cannot be had: %s", out)
		}
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	for name, s := range clientServers(t) {
		t.Run(name, func(t *testing.T) {
			out, err := run(t, dir, s.URL(), "node", "index.mjs")
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Log(out)
		})
	}
}

// The lock file names no registry, so that every installation takes the one it is configured for.
func TestLockFileNamesNoRegistry(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(clientsDir, "openai-npm", "package-lock.json"))
	ok(t, err)
	if strings.Contains(string(b), "://") || strings.Contains(string(b), `"resolved"`) {
		t.Error("package-lock.json names a registry; make it with npm install --omit-lockfile-registry-resolved")
	}
}
