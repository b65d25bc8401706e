package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/BurntSushi/toml"

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

// readUserFile reads the user's settings. A missing file is an empty layer. The key in a file that others may
// read is refused, with the rest of the file in force.
func readUserFile(path string) (settings.Layer, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the user file: %w", err)
	}
	var m map[string]any
	if err := toml.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("the user file %s is not valid TOML: %w", path, redactTOML(err))
	}
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

// redactTOML keeps where a syntax error is and drops the line it quotes, which may hold the key.
func redactTOML(err error) error {
	var pe toml.ParseError
	if errors.As(err, &pe) {
		return fmt.Errorf("line %d: %s", pe.Position.Line, "syntax error")
	}
	return errors.New("syntax error")
}
