//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

var kakouneTests = []editorTest{
	{"the page's servers", kakouneServers},
}

// kakouneServers lets Kakoune itself read the page's configuration. kakoune-lsp is in no package of Debian's: what stands
// in its place declares the option that servers are put into, and tells of a buffer's file type as it does.
func kakouneServers(t *testing.T, run *editorRun) {
	run.follow(t, "docs/editors/kakoune.md")
	bin := filepath.Join(run.home, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	const standIn = `#!/bin/sh
cat <<'END'
declare-option str lsp_servers
define-command lsp-enable %{
	hook global WinSetOption filetype=(.+) %{
		set-option -add buffer lsp_servers %{
			[gopls]
			root_globs = ["go.mod"]
		}
		trigger-user-hook "LSPDefaultConfig=%val{hook_param_capture_1}"
	}
}
END
`
	if err := os.WriteFile(filepath.Join(bin, "kak-lsp"), []byte(standIn), 0o755); err != nil {
		t.Fatal(err)
	}
	path, _ := run.file(t, "header.go")
	cmd := exec.Command(run.editor, path)
	cmd.Dir = run.workspace
	cmd.Env = append(run.env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	screen := vt10x.New(vt10x.WithSize(100, 24), vt10x.WithWriter(terminal))
	var reading sync.WaitGroup
	reading.Go(func() {
		for input := bufio.NewReader(terminal); screen.Parse(input) == nil; {
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("screen:\n%s", screen.String())
		}
		killed := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		cmd.Process.Signal(syscall.SIGHUP)
		cmd.Wait()
		killed.Stop()
		terminal.Close()
		reading.Wait()
	})
	waitFor(t, "the first screen", func() bool { return strings.Contains(screen.String(), "header.go 1:1") })
	out := filepath.Join(run.home, "servers.toml")
	if _, err := terminal.WriteString(":echo -to-file " + out + " %opt{lsp_servers}\r"); err != nil {
		t.Fatal(err)
	}
	var servers map[string]struct {
		Command  string
		Args     []string
		Root     []string `toml:"root_globs"`
		Section  string   `toml:"settings_section"`
		Settings map[string]map[string]any
	}
	waitFor(t, "the servers of a Go file", func() bool {
		_, err := toml.DecodeFile(out, &servers)
		return err == nil && len(servers) > 0
	})
	if _, ok := servers["gopls"]; !ok || len(servers) != 2 {
		t.Errorf("spark does not stand beside the language's own server: %v", servers)
	}
	ours := servers["spark-lsp"]
	checkCommand(t, append([]string{ours.Command}, ours.Args...))
	if len(ours.Root) == 0 || ours.Settings[ours.Section]["delivery"] != "final" {
		t.Errorf("spark's server is %+v", ours)
	}
	if _, err := terminal.WriteString(":quit!\r"); err != nil {
		t.Fatal(err)
	}
}
