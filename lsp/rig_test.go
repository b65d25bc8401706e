package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

// rig is a server made of a Program, and an editor that talks to it over pipes.
type rig struct {
	*editor.Editor
	t      *testing.T
	ctx    context.Context
	client *Client // once initialize was answered
	logs   *observer.ObservedLogs
	result chan error // what Serve returned
	in     *io.PipeWriter
}

const file = "file:///w/a.go"

// patience is how long a fact may take to come about; only failures ever wait for it.
const patience = 20 * time.Second

// connect starts a server and an editor that has not said anything yet.
func connect(t *testing.T, p Program, o editor.Options) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience) // t.Context ends before cleanups run
	t.Cleanup(cancel)
	core, logs := observer.New(zapcore.DebugLevel)
	r := &rig{t: t, ctx: ctx, logs: logs, result: make(chan error, 1)}
	p.Log = zap.New(core)
	initialize := p.Initialize
	p.Initialize = func(ctx context.Context, c *Client, params *protocol.InitializeParams) (*protocol.InitializeResult, error) {
		r.client = c
		if initialize != nil {
			return initialize(ctx, c, params)
		}
		return &protocol.InitializeResult{}, nil
	}
	sr, ew := io.Pipe()
	er, sw := io.Pipe()
	r.in = ew
	go func() { r.result <- Serve(ctx, sr, sw, p) }()
	r.Editor = editor.New(o, er, ew)
	t.Cleanup(func() {
		r.HangUp()
		<-r.Done() // Serve closes its output when it returns
	})
	return r
}

// start connects and initializes. The session is ended properly when the test ends, which must find it alive.
func start(t *testing.T, p Program, o editor.Options) *rig {
	t.Helper()
	r := connect(t, p, o)
	if _, err := r.Start(r.ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		r.end()
		for _, v := range r.Violations() {
			t.Errorf("violation: %s", v)
		}
	})
	return r
}

// end ends the session properly, and is how tests make sure that it was alive.
func (r *rig) end() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		r.t.Fatalf("the connection is not alive: %v", err)
	}
	if err := r.Exit(); err != nil {
		r.t.Fatal(err)
	}
	if err := r.wait(); err != nil {
		r.t.Fatalf("Serve: %v", err)
	}
}

// wait returns what Serve returns.
func (r *rig) wait() error {
	r.t.Helper()
	select {
	case err := <-r.result:
		r.result <- err
		return err
	case <-time.After(patience):
		r.t.Fatal("Serve does not return")
		return nil
	}
}

// call calls the server and returns the raw answer.
func (r *rig) call(method, params string) (string, error) {
	r.t.Helper()
	var result json.RawMessage
	var p any
	if params != "" {
		p = json.RawMessage(params)
	}
	err := r.Call(r.ctx, method, p, &result)
	return string(result), err
}

// requireCode checks that err is the server's refusal with that code.
func requireCode(t *testing.T, err error, want jsonrpc2.Code) {
	t.Helper()
	var wire *jsonrpc2.Error
	if !errors.As(err, &wire) || wire.Code != want {
		t.Fatalf("error %v (%+v), want code %d", err, wire, want)
	}
}

// alive checks that the server still answers, and that it has handled everything sent before.
func (r *rig) alive() {
	r.t.Helper()
	if _, err := r.call("test/echo", `"ping"`); err != nil {
		var wire *jsonrpc2.Error
		if !errors.As(err, &wire) || wire.Code != jsonrpc2.MethodNotFound {
			r.t.Fatalf("the connection is not alive: %v", err)
		}
	}
}

// text is the server's text of the file as a call sees it. The Program needs textRequest for it.
func (r *rig) text() string {
	r.t.Helper()
	var s string
	if err := r.Call(r.ctx, "test/text", json.RawMessage(`{}`), &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// textRequest answers test/text with the text of the file.
func textRequest(_ context.Context, snap *Snapshot, _ []byte) (any, error) {
	d, ok := snap.Get(file)
	if !ok {
		return nil, errors.New("not open")
	}
	return d.Text.String(), nil
}

// messages returns the texts of the log entries at a level.
func (r *rig) messages(level zapcore.Level) []string {
	var list []string
	for _, e := range r.logs.FilterLevelExact(level).All() {
		list = append(list, e.Message)
	}
	return list
}
