package main

import (
	"context"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

type loopbackCmd struct {
	Addr   string `default:"127.0.0.1:8917" placeholder:"HOST:PORT" help:"Where to listen; port 0 takes a free one."`
	Script string `placeholder:"FILE" help:"Answers, as a txtar file; without it an edit gets comments that repeat what was asked for, slowly enough to watch, stop and redirect."`
}

func (l *loopbackCmd) Run(ctx context.Context, p process) error {
	return loopback.Main(ctx, l.Addr, l.Script, p.stdout, p.stderr)
}
