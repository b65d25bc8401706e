package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/spark-lsp/spark-lsp/settings"
)

type loginCmd struct {
	Provider string `placeholder:"NAME" help:"Whose key it is: openai, mistral, deepseek, ...; the usual address of the provider is meant."`
	BaseURL  string `placeholder:"URL" help:"The endpoint that the key is for. Without this or --provider, the one in force."`
	File     bool   `help:"Store the key in a file that only you can read, not in the system's keyring."`
}

// Run stores a key for one endpoint. It is typed at a prompt or comes from stdin; as an argument it would be in
// everybody's process list and in the shell's history.
func (l *loginCmd) Run(ctx context.Context, p process) error {
	e, err := p.endpointOf(l.Provider, l.BaseURL)
	if err != nil {
		return err
	}
	origin := settings.Origin(e.BaseURL)
	key, err := p.readKey(ctx, "Key for "+origin+": ")
	if err != nil {
		return err
	}
	if err := checkKey(key); err != nil {
		return err
	}
	file := keysFile(p.getenv)
	stored, err := readKeysFile(file)
	if err != nil {
		return err
	}
	entry := storedKey{Key: key}
	if !l.File {
		patience := time.AfterFunc(2*time.Second, func() { fmt.Fprintln(p.stderr, "Waiting for the system's keyring: is it asking to be unlocked?") })
		defer patience.Stop()
		_, err := p.askKeyring(ctx, func(k keyring) (string, error) { return "", k.Set(keyringService, origin, key) })
		switch {
		case err == nil:
			entry = storedKey{Store: "keyring"}
		case ctx.Err() != nil:
			return errors.New("no key was stored")
		default:
			fmt.Fprintf(p.stderr, "spark-lsp: the system's keyring cannot be used (%s); the key goes into a file instead\n", strings.ReplaceAll(err.Error(), key, "[key]"))
		}
	} else if stored[origin].Store == "keyring" {
		p.forgetInKeyring(ctx, origin)
	}
	stored[origin] = entry
	if err := writeKeysFile(file, stored); err != nil {
		return err
	}
	if entry.Store == "keyring" {
		fmt.Fprintf(p.stdout, "The key for %s is in the system's keyring.\n", origin)
	} else {
		fmt.Fprintf(p.stdout, "The key for %s is in %s, readable by you alone.\n", origin, file)
	}
	if strings.HasPrefix(origin, "http://") && !e.Loopback() {
		fmt.Fprintf(p.stdout, "Mind that %s is not encrypted: everybody on the way can read the key.\n", origin)
	}
	p.sayWhatIsInForce(ctx, origin, e)
	return nil
}

// sayWhatIsInForce tells why a key that was stored just now may not be the one that is used.
func (p process) sayWhatIsInForce(ctx context.Context, origin string, e settings.Endpoint) {
	user := p.readUser(ctx)
	r, _ := settings.Resolve(settings.Layers{UserFile: user.Settings, Keys: user.Keys, Environment: settings.FromEnvironment(p.getenv)})
	now := r.For(settings.Edit)
	switch {
	case settings.Origin(now.BaseURL) != origin:
		fmt.Fprintf(p.stdout, "It is not used yet: set provider = %q and baseURL = %q in %s, or SPARK_PROVIDER and SPARK_BASE_URL.\n", e.Provider, e.BaseURL, userFile(p.getenv))
	case now.Key != "" && now.KeyFrom != settings.Login:
		fmt.Fprintf(p.stdout, "Mind that the key of the %s counts before it.\n", now.KeyFrom)
	default:
		fmt.Fprintln(p.stdout, "Editors that run take it at once. 'spark-lsp doctor' tries it.")
	}
}

type logoutCmd struct {
	Provider string `placeholder:"NAME" help:"Whose key is to be forgotten."`
	BaseURL  string `placeholder:"URL" help:"The endpoint whose key is to be forgotten. Without this or --provider, the one in force."`
	All      bool   `help:"Forget all keys."`
}

// Run forgets keys that login stored, wherever they are.
func (l *logoutCmd) Run(ctx context.Context, p process) error {
	file := keysFile(p.getenv)
	stored, err := readKeysFile(file)
	if err != nil {
		return err
	}
	var origins []string
	if l.All {
		for origin := range stored {
			origins = append(origins, origin)
		}
	} else {
		e, err := p.endpointOf(l.Provider, l.BaseURL)
		if err != nil {
			return err
		}
		origin := settings.Origin(e.BaseURL)
		if _, ok := stored[origin]; !ok {
			return fmt.Errorf("no key is stored for %s", origin)
		}
		origins = []string{origin}
	}
	for _, origin := range origins {
		if stored[origin].Store == "keyring" {
			p.forgetInKeyring(ctx, origin)
		}
		delete(stored, origin)
		fmt.Fprintf(p.stdout, "The key for %s is forgotten.\n", origin)
	}
	if len(origins) == 0 {
		fmt.Fprintln(p.stdout, "No key is stored.")
	}
	return writeKeysFile(file, stored)
}

func (p process) forgetInKeyring(ctx context.Context, origin string) {
	if _, err := p.askKeyring(ctx, func(k keyring) (string, error) { return "", k.Delete(keyringService, origin) }); err != nil {
		fmt.Fprintf(p.stderr, "spark-lsp: the system's keyring still has the key for %s: %v\n", origin, err)
	}
}

// readKey reads a key from a terminal without showing it, else all of stdin.
func (p process) readKey(ctx context.Context, prompt string) (string, error) {
	f, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		data, err := io.ReadAll(io.LimitReader(p.stdin, 16<<10))
		if err != nil {
			return "", fmt.Errorf("reading the key from stdin: %w", err)
		}
		return strings.TrimSpace(string(data)), nil
	}
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("reading the key: %w", err)
	}
	fmt.Fprint(p.stderr, prompt)
	defer fmt.Fprintln(p.stderr)
	type answer struct {
		key []byte
		err error
	}
	done := make(chan answer, 1)
	go func() {
		key, err := term.ReadPassword(fd)
		done <- answer{key, err}
	}()
	select {
	case a := <-done:
		if a.err != nil {
			return "", fmt.Errorf("reading the key: %w", a.err)
		}
		return strings.TrimSpace(string(a.key)), nil
	case <-ctx.Done(): // Ctrl-C: the terminal shows again what is typed into it
		return "", errors.Join(errors.New("no key was stored"), term.Restore(fd, before))
	}
}
