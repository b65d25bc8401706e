package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// bigSource is a real Go file of at least n bytes: files of this repository, one behind the other.
func bigSource(t testing.TB, n int) string {
	t.Helper()
	files, err := filepath.Glob("session/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if b.WriteString(line); b.Len() >= n {
				return b.String()
			}
		}
	}
	t.Fatalf("there are only %d bytes of source", b.Len())
	return ""
}

// warmRig is an editor with a file in which somebody types, and a model that says nothing and remembers what it was
// asked.
type warmRig struct {
	rig
	t       testing.TB
	ctx     context.Context
	uri     string
	noWS    atomic.Bool // from now on the model refuses WebSockets
	mu      sync.Mutex
	asked   []*loopback.Exchange
	arrived time.Time // of the latest
}

func newWarmRig(t testing.TB, text string, at int) *warmRig {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	w := &warmRig{t: t, ctx: ctx, uri: "file:///replay/big.go"}
	w.rig = newRigWith(t, ctx, loopback.Options{
		Interrupt: true,
		Respond: func(x *loopback.Exchange) {
			w.mu.Lock()
			w.asked, w.arrived = append(w.asked, x), time.Now()
			w.mu.Unlock()
			_ = x.Done()
		},
		Upgrade: func(int, *http.Request) (u loopback.Upgrade) {
			if w.noWS.Load() {
				u.Status = http.StatusUpgradeRequired
			}
			return u
		},
	})
	t.Cleanup(w.end)
	if err := w.model.WaitWarm(ctx, 2); err != nil {
		t.Fatal(err)
	}
	if err := w.ed.Open(w.uri, "go", text); err != nil {
		t.Fatal(err)
	}
	if err := w.ed.SetCursor(w.uri, at); err != nil {
		t.Fatal(err)
	}
	return w
}

// ask asks for a completion and returns the request that the model got.
func (w *warmRig) ask(kind int) *loopback.Exchange {
	w.t.Helper()
	err := w.ed.Call(w.ctx, protocol.MethodTextDocumentInlineCompletion, map[string]any{
		"textDocument": map[string]any{"uri": w.uri}, "position": w.ed.Position(w.uri, w.ed.Cursor(w.uri)),
		"context": map[string]any{"triggerKind": kind},
	}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.asked) == 0 {
		w.t.Fatal("the model was not asked")
	}
	return w.asked[len(w.asked)-1]
}

func (w *warmRig) typed(s string) *loopback.Exchange {
	w.t.Helper()
	if err := w.ed.Type(w.uri, s); err != nil {
		w.t.Fatal(err)
	}
	return w.ask(2)
}

// warm types a key, and further ones until the file's base is in force.
func (w *warmRig) warm() *loopback.Exchange {
	w.t.Helper()
	before := w.model.Warmups()
	w.typed("v")
	if err := w.model.WaitWarm(w.ctx, before+1); err != nil {
		w.t.Fatal(err)
	}
	for {
		if x := w.typed("w"); strings.Contains(x.FullInput(), "<file path=") {
			return x
		}
	}
}

// BenchmarkWarmKeystroke is a key in a file that is kept ready at the endpoint, and one in a file that is not: from the
// key to the request on the model's side, and its bytes.
func BenchmarkWarmKeystroke(b *testing.B) {
	for _, kb := range []int{8, 60} {
		text := bigSource(b, kb<<10)
		at := strings.Index(text[len(text)/2:], "\n}\n") + len(text)/2 + 1
		for _, warm := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dKB/warm=%v", kb, warm), func(b *testing.B) {
				w := newWarmRig(b, text[:at]+"\n"+text[at:], at)
				if warm {
					w.warm()
				}
				var wire []time.Duration
				bytes := 0
				for i := 0; b.Loop(); i++ {
					began := time.Now()
					if i%60 == 59 { // a line of a sane length
						if err := w.ed.Delete(w.uri, w.ed.Cursor(w.uri)-60, w.ed.Cursor(w.uri)); err != nil {
							b.Fatal(err)
						}
					}
					x := w.typed(string(rune('a' + i%26)))
					w.mu.Lock()
					arrived := w.arrived
					w.mu.Unlock()
					wire = append(wire, arrived.Sub(began))
					bytes += len(x.Body)
				}
				report(b, "wire", wire)
				b.ReportMetric(float64(bytes)/float64(len(wire)), "bytes/key")
			})
		}
	}
}

// TestFullAndIncremental: what the model reads is the same whether a warmed base stands for the file or everything is
// sent anew over HTTP; and a key in a file of 60 KB costs a twentieth of it on the wire.
func TestFullAndIncremental(t *testing.T) {
	text := bigSource(t, 60<<10)
	at := strings.Index(text[len(text)/2:], "\n}\n") + len(text)/2 + 1
	w := newWarmRig(t, text[:at]+"\n"+text[at:], at)
	x := w.warm()
	for range 10 {
		x = w.typed("x")
	}
	if x.Socket() == nil {
		t.Fatal("the request came by HTTP")
	}
	incremental, full := len(x.Body), x.FullInput()
	if !strings.Contains(full, text[:2000]) || !strings.Contains(full, text[len(text)-2000:]) {
		t.Error("the model does not see the whole file")
	}
	if want := strings.Repeat("x", 10) + "<|cursor|>"; !strings.HasSuffix(strings.TrimSpace(full), want) {
		t.Errorf("the prompt ends with %q, and not with %s", full[len(full)-200:], want)
	}

	w.noWS.Store(true)
	for _, c := range w.model.Conns() {
		c.Drop()
	}
	y := w.ask(1) // at the same place, by hand
	if y == x || y.Socket() != nil {
		t.Fatal("the second request did not come by HTTP")
	}
	if y.FullInput() != full {
		t.Errorf("over HTTP the model reads something else:\n%s\n--- and over the warm socket:\n%s", y.FullInput(), full)
	}
	if a, b := cacheKeyOf(t, x), cacheKeyOf(t, y); a != b || strings.Contains(a, "big") {
		t.Errorf("the endpoint's cache of the file is asked for under %q and %q", a, b)
	}
	t.Logf("a key in a file of %d bytes: %d bytes on the warm socket, %d over HTTP", len(text), incremental, len(y.Body))
	if 20*incremental > len(y.Body) {
		t.Errorf("%d bytes for a key, of %d", incremental, len(y.Body))
	}
}

// cacheKeyOf is the prompt_cache_key of a request.
func cacheKeyOf(t *testing.T, x *loopback.Exchange) string {
	t.Helper()
	var body struct {
		Key string `json:"prompt_cache_key"`
	}
	if err := json.Unmarshal(x.Body, &body); err != nil || body.Key == "" {
		t.Errorf("no prompt_cache_key: %v", err)
	}
	return body.Key
}
