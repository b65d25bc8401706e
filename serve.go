package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/offline"
	"github.com/spark-lsp/spark-lsp/server"
	"github.com/spark-lsp/spark-lsp/settings"
)

// serve speaks LSP over the process's stdin and stdout until the editor ends the connection.
func (p process) serve(ctx context.Context, c *cli) error {
	log, closeLog, err := openLog(c, p.stderr)
	if err != nil {
		return err
	}
	defer closeLog()

	var warnings []string
	user, err := readUserFile(userFile(p.getenv))
	if err != nil {
		warnings = append(warnings, err.Error())
	}
	embedded := offline.New(offline.Options{})
	defer embedded.Close()
	s := server.New(server.Config{
		Version:     versionString(),
		Log:         log,
		UserFile:    user,
		Environment: settings.FromEnvironment(p.getenv),
		Warnings:    warnings,
		StateDir:    stateDir(p.getenv),
		Engine:      engine{embedded},
		PanicOnBug:  p.panicOnBug,
	})
	defer s.Close()

	err = lsp.Serve(ctx, p.stdin, p.stdout, s.Program())
	switch {
	case errors.Is(err, lsp.ErrExitWithoutShutdown):
		return fmt.Errorf("the editor ended the connection without a shutdown: %w", err)
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("serving the editor: %w", err)
	}
	return nil
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
