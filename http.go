package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spark-lsp/spark-lsp/server"
)

// completionsListener is where completions are served over HTTP, and to whom.
type completionsListener struct {
	net.Listener
	token string
	from  string // where a user finds the token
}

// serveHTTP serves completions over HTTP, without an editor, until ctx ends.
func (p process) serveHTTP(ctx context.Context, c *cli, addr string) error {
	l, err := p.listenHTTP(ctx, addr)
	if err != nil {
		return err
	}
	defer l.Close()
	s, done, err := p.newServer(c, nil)
	if err != nil {
		return err
	}
	defer done()
	for _, w := range s.StartAlone() {
		fmt.Fprintf(p.stderr, "spark-lsp: %s\n", w)
	}
	fmt.Fprintf(p.stderr, "spark-lsp: completions at http://%s/v1/completions, the API key is in %s\n", l.Addr(), l.from)
	stop := l.serve(s)
	<-ctx.Done()
	stop()
	return nil
}

// serve answers requests until stop is called, which waits for those that are being answered to let go.
func (l *completionsListener) serve(s *server.Server) (stop func()) {
	over, end := context.WithCancel(context.Background())
	h := &http.Server{
		Handler:           s.HTTP(l.token),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // it speaks of clients that break off
		BaseContext:       func(net.Listener) context.Context { return over },
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = h.Serve(l.Listener) // until stop
	}()
	return func() {
		end() // what is being answered is abandoned
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = h.Shutdown(ctx)
		_ = h.Close()
		<-served
	}
}

// listenHTTP opens the address, and finds or makes the token. It refuses to be reached from other machines: the token
// goes over the wire in the clear, and what comes back is the user's code.
func (p process) listenHTTP(ctx context.Context, addr string) (*completionsListener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, usageError{fmt.Errorf("--http takes an address and a port, for instance 127.0.0.1:7878; %q is neither", addr)}
	}
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, usageError{fmt.Errorf("--http serves this machine only, so that nobody else can ask: use 127.0.0.1, ::1 or localhost instead of %q", host)}
	}
	token, from, err := p.httpToken()
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serving completions over HTTP: %w", err)
	}
	return &completionsListener{l, token, from}, nil
}

// minToken is the least length of a token that somebody chose, in characters.
const minToken = 16

// httpToken is what a client must show: SPARK_HTTP_TOKEN, or one that is made once and kept in the state directory,
// since the editor's user enters it once.
func (p process) httpToken() (token, from string, err error) {
	if token := p.getenv("SPARK_HTTP_TOKEN"); token != "" {
		if len(token) < minToken {
			return "", "", fmt.Errorf("SPARK_HTTP_TOKEN is too easy to guess: it needs at least %d characters", minToken)
		}
		return token, "SPARK_HTTP_TOKEN", nil
	}
	dir := stateDir(p.getenv)
	if dir == "" {
		return "", "", errors.New("there is no home directory to keep a token in: set SPARK_HTTP_TOKEN")
	}
	file := filepath.Join(dir, "http-token")
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newToken(file)
	case err != nil:
		return "", "", fmt.Errorf("reading the token: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", "", fmt.Errorf("reading the token: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", "", fmt.Errorf("others may read the token; delete %s and a new one will be made", file)
	}
	if token = strings.TrimSpace(string(data)); len(token) < minToken {
		return "", "", fmt.Errorf("%s holds no token; delete it and a new one will be made", file)
	}
	return token, file, nil
}

func newToken(file string) (token, from string, err error) {
	token = rand.Text()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", "", fmt.Errorf("keeping the token: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", "", fmt.Errorf("keeping the token: %w", err)
	}
	_, err = f.WriteString(token + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return "", "", fmt.Errorf("keeping the token: %w", err)
	}
	return token, file, nil
}
