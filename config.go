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
	if _, ok := layer["apiKey"]; ok {
		if err := privateToUser(path); err != nil {
			delete(layer, "apiKey")
			return layer, fmt.Errorf("apiKey in %s is ignored: %w", path, err)
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

// userFiles is what the user's own files say. The keys are those of keys.toml; the keyring has not been asked.
type userFiles struct {
	settings settings.Layer // nil: config.toml cannot be read
	keys     map[string]storedKey
	warnings []string
}

func (p process) readUserFiles() userFiles {
	var u userFiles
	var err error
	if u.settings, err = readUserFile(userFile(p.getenv), homeDir(p.getenv)); err != nil {
		u.warnings = append(u.warnings, err.Error())
	}
	if u.keys, err = readKeysFile(keysFile(p.getenv)); err != nil {
		u.warnings = append(u.warnings, err.Error())
	}
	return u
}

// readUser reads the user's files, and fetches the keys, wherever they are. It may wait for the user to unlock the
// keyring.
func (p process) readUser(ctx context.Context) server.User {
	f := p.readUserFiles()
	keys, warnings := p.fetchKeys(ctx, f.keys)
	return server.User{Settings: f.settings, Keys: keys, Warnings: append(f.warnings, warnings...)}
}

// readUserAtOnce is readUser for somebody who cannot wait: keys that are in the keyring follow, see watchUser.
func (p process) readUserAtOnce() server.User {
	f := p.readUserFiles()
	u := server.User{Settings: f.settings, Keys: map[string]string{}, KeysFollow: inKeyring(f.keys), Warnings: f.warnings}
	for origin, k := range f.keys {
		u.Keys[origin] = k.Key
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
	if inKeyring(p.readUserFiles().keys) {
		changed(p.readUser(ctx))
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
			changed(p.readUser(ctx))
		}
		before = now
	}
}

// fingerprint tells one state of the user's files from another: config.toml and keys.toml.
type fingerprint [2]struct {
	changed time.Time
	size    int64
	mode    fs.FileMode // chmod 600 lets a key in
}

func (p process) fingerprint() (f fingerprint) {
	for i, path := range []string{userFile(p.getenv), keysFile(p.getenv)} {
		if info, err := os.Stat(path); err == nil {
			f[i].changed, f[i].size, f[i].mode = info.ModTime(), info.Size(), info.Mode()
		}
	}
	return f
}
