package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// rig is the whole program with an editor and a model, in one process.
type rig struct {
	ed    *editor.Editor
	model *loopback.Server
	end   func()
}

func newRig(b testing.TB, ctx context.Context, respond func(*loopback.Exchange)) rig {
	b.Helper()
	return newRigWith(b, ctx, loopback.Options{Respond: respond, Interrupt: true})
}

// newRigWith is newRig with a model of any kind. One that refuses WebSockets is not waited for.
func newRigWith(b testing.TB, ctx context.Context, opts loopback.Options) rig {
	b.Helper()
	return newRigArgs(b, ctx, opts, nil)
}

// newRigArgs is newRigWith with more in the environment and on the command line.
func newRigArgs(b testing.TB, ctx context.Context, opts loopback.Options, more map[string]string, args ...string) rig {
	b.Helper()
	model := loopback.New(opts)
	if err := model.Start("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	env := map[string]string{"SPARK_PROVIDER": "openai", "SPARK_BASE_URL": model.URL(), "SPARK_API_KEY": "bench", "XDG_STATE_HOME": b.TempDir()}
	maps.Copy(env, more)
	toServer, fromEditor := io.Pipe()
	toEditor, fromServer := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		process{
			args: append([]string{"--stdio"}, args...), stdin: toServer, stdout: fromServer, stderr: io.Discard,
			getenv: func(name string) string { return env[name] },
		}.run(ctx)
	}()
	ed := editor.New(editor.Options{Name: "helix"}, toEditor, fromEditor)
	if _, err := ed.Start(ctx); err != nil {
		b.Fatal(err)
	}
	if opts.Upgrade == nil {
		if err := model.WaitWarm(ctx, 2); err != nil {
			b.Fatal(err)
		}
	}
	return rig{ed, model, func() {
		_ = ed.Shutdown(ctx)
		_ = ed.Exit()
		ed.HangUp()
		<-done
		model.Close()
	}}
}

// BenchmarkKeystroke is one key and one completion through the whole program over pipes and a real socket: from the
// key to the request on the model's side, and to the answer, with a model that answers at once.
func BenchmarkKeystroke(b *testing.B) {
	for _, size := range []int{8 << 10, 60 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			ctx := b.Context()
			arrived := make(chan time.Time, 1)
			r := newRig(b, ctx, func(x *loopback.Exchange) {
				arrived <- time.Now()
				_ = x.Delta("answer(1)")
				_ = x.Done()
			})
			defer r.end()
			uri := "file:///bench/a.go"
			line := "\tvalue := compute(1, 2, 3) // a line of code\n"
			text := "package a\n\nfunc f() {\n" + strings.Repeat(line, size/len(line)/2)
			at := len(text)
			text += "\n" + strings.Repeat(line, size/len(line)/2) + "}\n"
			open := func() {
				if err := r.ed.Open(uri, "go", text); err != nil {
					b.Fatal(err)
				}
				if err := r.ed.SetCursor(uri, at); err != nil {
					b.Fatal(err)
				}
			}
			open()
			var wire, whole []time.Duration
			for i := 0; b.Loop(); i++ {
				began := time.Now()
				// Never what was suggested, so that each key is a request.
				if err := r.ed.Type(uri, string(rune('b'+i%20))); err != nil {
					b.Fatal(err)
				}
				err := r.ed.Call(ctx, protocol.MethodTextDocumentInlineCompletion, map[string]any{
					"textDocument": map[string]any{"uri": uri}, "position": r.ed.Position(uri, r.ed.Cursor(uri)),
					"context": map[string]any{"triggerKind": 2},
				}, nil)
				if err != nil {
					b.Fatal(err)
				}
				whole = append(whole, time.Since(began))
				wire = append(wire, (<-arrived).Sub(began))
				if i%60 == 59 { // a line of a sane length; opened anew, or what was suggested would come back to life
					b.StopTimer()
					if err := r.ed.Close(uri); err != nil {
						b.Fatal(err)
					}
					open()
					b.StartTimer()
				}
			}
			report(b, "wire", wire)
			report(b, "answer", whole)
		})
	}
}

func report(b *testing.B, what string, d []time.Duration) {
	slices.Sort(d)
	b.ReportMetric(float64(d[len(d)/2].Microseconds())/1000, what+"-p50-ms")
	b.ReportMetric(float64(d[len(d)*99/100].Microseconds())/1000, what+"-p99-ms")
}

// BenchmarkStart is the time from the start of the real binary to the answer to initialize, and the memory that is
// resident then.
func BenchmarkStart(b *testing.B) {
	bin := filepath.Join(b.TempDir(), "spark-lsp")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	var took []time.Duration
	var resident []int
	for b.Loop() {
		cmd := exec.Command(bin, "--stdio")
		cmd.Env = []string{"HOME=" + b.TempDir(), "SPARK_PROVIDER=offline"}
		in, err := cmd.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		ed := editor.New(editor.Options{Name: "helix"}, out, in)
		if _, err := ed.Initialize(b.Context()); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		resident = append(resident, residentKB(cmd.Process.Pid))
		if err := ed.Shutdown(b.Context()); err != nil {
			b.Fatal(err)
		}
		_ = ed.Exit()
		ed.HangUp()
		<-ed.Done()
		_ = cmd.Wait()
	}
	report(b, "initialize", took)
	slices.Sort(resident)
	b.ReportMetric(float64(resident[len(resident)/2])/1024, "resident-MB")
	if info, err := os.Stat(bin); err == nil {
		b.ReportMetric(float64(info.Size())/(1<<20), "binary-MB")
	}
}

// residentKB is VmRSS of a process on Linux, and 0 elsewhere.
func residentKB(pid int) int {
	if runtime.GOOS != "linux" {
		return 0
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	kb, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return kb
}
