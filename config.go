package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/spark-lsp/spark-lsp/server"
	"github.com/spark-lsp/spark-lsp/settings"
)

// userFile returns the path of the user's configuration file, "" when no home directory is known.
// SPARK_CONFIG overrides it; otherwise it is config.toml in $XDG_CONFIG_HOME/spark-lsp, with the usual places of
// macOS (~/Library/Application Support) and Windows (%AppData%) where XDG_CONFIG_HOME is not set.
func userFile(getenv func(string) string) string {
	if f := getenv("SPARK_CONFIG"); f != "" {
		return f
	}
	dir := userDir(getenv, "XDG_CONFIG_HOME", ".config", "AppData")
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "config.toml")
}

// stateDir returns the directory for the little that outlives a process (consents given), "" when unknown.
func stateDir(getenv func(string) string) string {
	return userDir(getenv, "XDG_STATE_HOME", filepath.Join(".local", "state"), "LocalAppData")
}

func userDir(getenv func(string) string, xdg, unix, windows string) string {
	if d := getenv(xdg); filepath.IsAbs(d) {
		return filepath.Join(d, "spark-lsp")
	}
	switch runtime.GOOS {
	case "windows":
		if d := getenv(windows); d != "" {
			return filepath.Join(d, "spark-lsp")
		}
		return ""
	case "darwin":
		if h := getenv("HOME"); h != "" {
			return filepath.Join(h, "Library", "Application Support", "spark-lsp")
		}
		return ""
	}
	if h := getenv("HOME"); h != "" {
		return filepath.Join(h, unix, "spark-lsp")
	}
	return ""
}

// readUserFile reads the user's settings. A missing file is an empty layer; a nil one means that it cannot be read.
// The key in a file that others may read is refused, with the rest of the file in force.
func readUserFile(path, home string) (settings.Layer, error) {
	if path == "" {
		return settings.Layer{}, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return settings.Layer{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the user file: %w", err)
	}
	var m map[string]any
	if err := toml.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("the user file %s is not valid TOML: %w", path, redactTOML(err))
	}
	expandHome(m["folders"], home)
	layer := settings.Flatten(m)
	if _, ok := layer["apiKey"]; ok && runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("reading the user file: %w", err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			delete(layer, "apiKey")
			return layer, fmt.Errorf("apiKey in %s is ignored because others may read the file; run: chmod 600 %s", path, path)
		}
	}
	return layer, nil
}

// expandHome writes the home directory for "~" in the keys of a table of folders.
func expandHome(folders any, home string) {
	table, ok := folders.(map[string]any)
	if !ok || home == "" {
		return
	}
	for pattern, v := range maps.Clone(table) {
		if rest, ok := strings.CutPrefix(pattern, "~"); ok && (rest == "" || rest[0] == '/' || rest[0] == filepath.Separator) {
			delete(table, pattern)
			table[filepath.ToSlash(home)+rest] = v
		}
	}
}

// homeDir returns the user's home directory, "" when it is not known.
func homeDir(getenv func(string) string) string {
	if runtime.GOOS == "windows" {
		return getenv("USERPROFILE")
	}
	return getenv("HOME")
}

// redactTOML keeps where a syntax error is and drops the line it quotes, which may hold the key.
func redactTOML(err error) error {
	var pe toml.ParseError
	if errors.As(err, &pe) {
		return fmt.Errorf("line %d: %s", pe.Position.Line, "syntax error")
	}
	return errors.New("syntax error")
}

// readUser reads what the user's own files say.
func (p process) readUser() server.User {
	layer, err := readUserFile(userFile(p.getenv), homeDir(p.getenv))
	u := server.User{Settings: layer}
	if err != nil {
		u.Warnings = []string{err.Error()}
	}
	return u
}

// userFileInterval is how often the user's files are looked at, and how long a change must have settled before it is
// read: an editor that writes in place has half a file on disk for a moment.
const userFileInterval = time.Second

// watchUser calls changed after each change of the user's files, until ctx ends. It looks at them now and then, at the
// cost of a stat or two, where a watcher of the file system would have to be told of directories that do not exist yet
// and of where a symbolic link from a repository of dotfiles leads, and sees nothing on some network homes.
func (p process) watchUser(ctx context.Context, since fingerprint, changed func(server.User)) {
	interval := p.userFileInterval
	if interval == 0 {
		interval = userFileInterval
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	before := since
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := p.fingerprint()
		if now == before && now != since {
			since = now
			changed(p.readUser())
		}
		before = now
	}
}

// fingerprint tells one state of the user's files from another.
type fingerprint struct {
	changed time.Time
	size    int64
	mode    fs.FileMode // chmod 600 lets a key in
}

func (p process) fingerprint() fingerprint {
	info, err := os.Stat(userFile(p.getenv))
	if err != nil {
		return fingerprint{}
	}
	return fingerprint{info.ModTime(), info.Size(), info.Mode()}
}
