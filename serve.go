package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/spark-lsp/spark-lsp/internal/quiet"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/offline"
	"github.com/spark-lsp/spark-lsp/server"
	"github.com/spark-lsp/spark-lsp/settings"
)

// serve speaks LSP over the process's stdin and stdout until the editor ends the connection. With an address it serves
// completions over HTTP too, for as long.
func (p process) serve(ctx context.Context, c *cli, httpAddr string) error {
	var warnings []string
	var l *completionsListener
	if httpAddr != "" {
		var err error
		var usage usageError
		if l, err = p.listenHTTP(ctx, httpAddr); errors.As(err, &usage) {
			return err
		} else if err != nil {
			warnings = append(warnings, err.Error()) // another editor's process may serve there already
		} else {
			defer l.Close()
		}
	}
	s, done, err := p.newServer(c, warnings)
	if err != nil {
		return err
	}
	defer done()
	if l != nil {
		defer l.serve(s)()
	}

	in, out := p.stdin, p.stdout
	if f, asBefore := quiet.Open(in); f != nil {
		defer asBefore()
		in = f
	}
	if f, asBefore := quiet.Open(out); f != nil {
		defer asBefore()
		out = f
	}
	err = lsp.Serve(ctx, in, out, s.Program())
	switch {
	case errors.Is(err, lsp.ErrExitWithoutShutdown):
		return fmt.Errorf("the editor ended the connection without a shutdown: %w", err)
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("serving the editor: %w", err)
	}
	return nil
}

// newServer makes the program of the user's settings and this process's surroundings. done ends it.
func (p process) newServer(c *cli, warnings []string) (s *server.Server, done func(), err error) {
	log, closeLog, err := openLog(c, p.stderr)
	if err != nil {
		return nil, nil, err
	}
	since := p.fingerprint() // before the files are read, so that no change is lost
	embedded := offline.New(offline.Options{})
	s = server.New(server.Config{
		Version:     versionString(),
		Log:         log,
		User:        p.readUserAtOnce(),
		WatchUser:   func(ctx context.Context, changed func(server.User)) { p.watchUser(ctx, since, changed) },
		Environment: settings.FromEnvironment(p.getenv),
		Warnings:    warnings,
		StateDir:    stateDir(p.getenv),
		Engine:      engine{embedded},
		PanicOnBug:  p.panicOnBug,
	})
	return s, func() {
		s.Close()
		embedded.Close()
		closeLog()
	}, nil
}

// openLog opens the log. Without --log only errors are written, to stderr, because Neovim and Helix show
// everything on stderr as an error.
func openLog(c *cli, stderr io.Writer) (*zap.Logger, func(), error) {
	var level zapcore.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, nil, err
	}
	w, closeFile := stderr, func() {}
	if c.Log != "" {
		f, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("opening the log: %w", err)
		}
		w, closeFile = f, func() { f.Close() }
	} else if level < zapcore.ErrorLevel {
		level = zapcore.ErrorLevel
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(enc), zapcore.Lock(zapcore.AddSync(w)), level)
	return zap.New(core), closeFile, nil
}
