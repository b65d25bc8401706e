package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	systemkeyring "github.com/zalando/go-keyring"

	"github.com/spark-lsp/spark-lsp/settings"
)

// keyring is where the system keeps secrets. Its calls may block while the user is asked to unlock it.
type keyring interface {
	Get(service, user string) (string, error)
	Set(service, user, secret string) error
	Delete(service, user string) error
}

// keyringService is the name under which our secrets stand there; the user of each is an endpoint's origin.
const keyringService = "spark-lsp"

// errNoKeyring is why a keyring cannot be used: there is none, or it does not answer.
var errNoKeyring = errors.New("no keyring answers here")

// systemKeyring is the real one: the Keychain, the Credential Manager, or whatever speaks the Secret Service protocol.
type systemKeyring struct{}

func (systemKeyring) Get(service, user string) (string, error) {
	return systemkeyring.Get(service, user)
}
func (systemKeyring) Set(service, user, secret string) error {
	return systemkeyring.Set(service, user, secret)
}
func (systemKeyring) Delete(service, user string) error { return systemkeyring.Delete(service, user) }

// storedKey is what keys.toml says of one endpoint's key: the key itself, or that the keyring has it. A keyring cannot
// be asked what it holds, and asking it for every endpoint would have every start of every user's editor unlock it.
type storedKey struct {
	Key   string `toml:"key,omitempty"`
	Store string `toml:"store,omitempty"` // "keyring", or "" for Key
}

// keysFile returns the path of keys.toml, "" when no directory is known. It lies beside config.toml and is not part of
// it: people keep that in repositories of dotfiles, and have comments in it.
func keysFile(getenv func(string) string) string {
	f := userFile(getenv)
	if f == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(f), "keys.toml")
}

// readKeysFile reads what is stored, by origin. A file that others may read is refused as a whole.
func readKeysFile(path string) (map[string]storedKey, error) {
	keys := map[string]storedKey{}
	if path == "" {
		return keys, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return keys, nil
	}
	if err != nil {
		return keys, fmt.Errorf("reading the stored keys: %w", err)
	}
	if err := privateToUser(path); err != nil {
		return keys, fmt.Errorf("the keys in %s are ignored: %w", path, err)
	}
	if err := toml.Unmarshal(data, &keys); err != nil {
		return map[string]storedKey{}, fmt.Errorf("%s is not valid TOML: %w", path, redactTOML(err))
	}
	return keys, nil
}

// privateToUser returns an error that says what to do when others may read a file.
func privateToUser(path string) error {
	if runtime.GOOS == "windows" {
		return nil // a profile's directory is closed to others there
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others may read the file; run: chmod 600 %s", path)
	}
	return nil
}

// writeKeysFile replaces keys.toml; without keys there is none.
func writeKeysFile(path string, keys map[string]storedKey) error {
	if path == "" {
		return errors.New("no configuration directory is known: set HOME, or SPARK_CONFIG")
	}
	if len(keys) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	var b bytes.Buffer
	b.WriteString("# Written by 'spark-lsp login' and 'spark-lsp logout'. Keep it to yourself.\n")
	if err := toml.NewEncoder(&b).Encode(keys); err != nil {
		return fmt.Errorf("encoding the keys: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // 0600 from the start
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("storing the key: %w", err)
	}
	return nil
}

// inKeyring reports whether fetching the keys will ask the keyring.
func inKeyring(stored map[string]storedKey) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(stored)), func(k storedKey) bool { return k.Store == "keyring" })
}

// fetchKeys returns the stored keys themselves, by origin. It waits for the keyring as long as ctx lets it; a key that
// could not be had is named in a warning.
func (p process) fetchKeys(ctx context.Context, stored map[string]storedKey) (keys map[string]string, warnings []string) {
	keys = map[string]string{}
	for _, origin := range slices.Sorted(maps.Keys(stored)) {
		k := stored[origin]
		if k.Store == "" {
			keys[origin] = k.Key
			continue
		}
		key, err := p.askKeyring(ctx, func(k keyring) (string, error) { return k.Get(keyringService, origin) })
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("the key for %s is not to be had from the system's keyring (%v); unlock it, or run 'spark-lsp login --file --base-url %s'", origin, err, origin))
			continue
		}
		keys[origin] = key
	}
	return keys, warnings
}

// keyringPatience is how long a command waits for the keyring. It includes the user's answer to "unlock?".
const keyringPatience = time.Minute

// askKeyring calls the keyring on a goroutine of its own, since none of its calls can be cancelled.
func (p process) askKeyring(ctx context.Context, call func(keyring) (string, error)) (string, error) {
	k := p.keyring
	if k == nil {
		k = systemKeyring{}
	}
	type answer struct {
		key string
		err error
	}
	done := make(chan answer, 1)
	go func() {
		key, err := call(k)
		done <- answer{key, err}
	}()
	ctx, cancel := context.WithTimeout(ctx, keyringPatience)
	defer cancel()
	select {
	case a := <-done:
		switch {
		case errors.Is(a.err, systemkeyring.ErrNotFound):
			return "", errors.New("it has none")
		case a.err != nil:
			return "", fmt.Errorf("%w: %w", errNoKeyring, a.err)
		}
		return a.key, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", errNoKeyring, ctx.Err())
	}
}

// checkKey says what is wrong with a text that is to be a key, without repeating it.
func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("there is no key to store")
	case len(key) > 8<<10:
		return errors.New("that is too long to be a key")
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("a key has no spaces, line breaks or special characters in it")
	}
	return nil
}

// endpointOf returns the endpoint that login and logout speak of: the flags' or the one in force.
func (p process) endpointOf(provider, baseURL string) (settings.Endpoint, error) {
	environment := settings.Layer{}
	if provider != "" {
		environment["provider"] = provider
	}
	if baseURL != "" {
		environment["baseURL"] = baseURL
	}
	layers := settings.Layers{Environment: environment}
	if provider == "" && baseURL == "" {
		layers.UserFile, layers.Environment = p.readUserFiles().settings, settings.FromEnvironment(p.getenv)
	}
	r, problems := settings.Resolve(layers)
	if len(problems) > 0 && len(environment) > 0 {
		return settings.Endpoint{}, usageError{errors.New(problems[0].Text)}
	}
	e := r.For(settings.Edit)
	if e.BaseURL == "" { // auto without a key, or offline: the key is for the day when that changes
		e.Provider, e.BaseURL = "openai", r.BaseURL
	}
	return e, nil
}
