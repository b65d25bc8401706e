package session

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata/dialects")

var fimRequest = Request{
	Job: Completion, Base: []Part{{Developer, "You complete code."}}, Input: user("fill <here>"),
	FIM: FIM{
		Path: "add.go", Language: "go", Prefix: "func add(a, b int) int {\n\t", Suffix: "\n}\n",
		Extra: []File{{Path: "doc.go", Text: "// Package calc adds."}},
	},
	MaxOutputTokens: 64,
}

// Each dialect's golden file tells a story of one request: what is sent for fimRequest, what a real server
// answers, and what the caller of Stream sees of it.
func TestDialectsGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/dialects/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var answerType string
			var frames []byte
			golden := map[string]string{}
			cfg := Config{Transport: HTTP, Key: "sk-test-0123456789"}
			for _, f := range ar.Files {
				switch name, rest, _ := strings.Cut(f.Name, " "); name {
				case "config":
					for _, line := range strings.Split(strings.TrimSpace(string(f.Data)), "\n") {
						key, value, _ := strings.Cut(line, " ")
						switch key {
						case "dialect":
							cfg.Dialect = Dialect(value)
						case "model":
							cfg.Model = value
						case "tier":
							cfg.ServiceTier = value
						case "effort":
							cfg.ReasoningEffort = value
						case "verbosity":
							cfg.Verbosity = value
						default:
							t.Fatalf("config %q", line)
						}
					}
				case "response":
					answerType, frames = rest, f.Data
				default:
					golden[f.Name] = string(f.Data)
				}
			}
			var sent string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost {
					return
				}
				body, _ := io.ReadAll(r.Body)
				var pretty bytes.Buffer
				e := json.Indent(&pretty, body, "", "  ")
				if e != nil {
					t.Error(e)
				}
				sent = fmt.Sprintf("POST %s\n%s\n", r.URL.Path, pretty.String())
				if auth := r.Header.Get("Authorization"); auth != "Bearer "+cfg.Key {
					t.Errorf("authorization %q", auth)
				}
				w.Header().Set("Content-Type", answerType)
				_, _ = w.Write(frames)
			}))
			defer srv.Close()
			cfg.URL = srv.URL + "/v1"
			s := Open(cfg)
			defer s.Close()
			var seen strings.Builder
			for ev, err := range s.Stream(within(t), fimRequest) {
				switch {
				case err != nil:
					fmt.Fprintf(&seen, "error %v\n", err)
				case ev.Kind == Started:
					seen.WriteString("started\n")
				case ev.Kind == Delta:
					fmt.Fprintf(&seen, "text %q\n", ev.Text)
				case ev.Kind == Done:
					fmt.Fprintf(&seen, "done %s, model %s, tier %q, %+v\n", ev.Reason, ev.Model, ev.Tier, ev.Usage)
				}
			}
			// Deltas may or may not have coalesced.
			got := map[string]string{"request": sent, "want": strings.ReplaceAll(seen.String(), "\"\ntext \"", "")}
			if *update {
				kept := ar.Files[:0]
				for _, f := range ar.Files {
					if _, ok := got[f.Name]; !ok {
						kept = append(kept, f)
					}
				}
				ar.Files = append(kept, txtar.File{Name: "request", Data: []byte(got["request"])}, txtar.File{Name: "want", Data: []byte(got["want"])})
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for name, text := range got {
				if golden[name] != text {
					t.Errorf("%s: %s is\n%s\nwant\n%s\n(go test ./session -run Golden -update rewrites it)", file, name, text, golden[name])
				}
			}
		})
	}
}

// The same dialects against a server that was written from the same page by somebody else.
func TestDialectsAgainstLoopback(t *testing.T) {
	for _, d := range []Dialect{Responses, Chat, Infill, Ollama, Mistral, DeepSeek, Completions} {
		t.Run(string(d), func(t *testing.T) {
			srv := serve(t, loopback.Options{RejectSuffix: true, Respond: func(x *loopback.Exchange) {
				_ = x.Text(good)
				_ = x.Done()
			}})
			s := open(t, srv, func(c *Config) {
				c.Dialect, c.Transport, c.Model = d, HTTP, "qwen-coder"
				if d == DeepSeek {
					c.URL = srv.Root() + "/beta"
				}
			})
			a := ask(within(t), s, fimRequest)
			a.want(t, good, Complete)
			if a.starts != 1 {
				t.Errorf("%d starts", a.starts)
			}
		})
	}
}

func TestDialectFaults(t *testing.T) {
	for _, d := range []Dialect{Chat, Infill, Ollama, Mistral, DeepSeek, Completions} {
		for _, f := range []fault{
			{name: "401", play: first(func(x *loopback.Exchange) { _ = x.Error(401, "invalid_api_key", "no", nil) }), kind: Reauthenticate},
			{name: "500", play: first(func(x *loopback.Exchange) { _ = x.Error(500, "server_error", "oops", nil) }), text: good},
			{name: "429", play: first(func(x *loopback.Exchange) {
				_ = x.Error(429, "rate_limit_exceeded", "slow", map[string]string{"Retry-After": "600"})
			}), kind: RetryAfter},
			{name: "drop before", play: first(func(x *loopback.Exchange) { x.Drop() }), text: good},
			{name: "drop amid", play: partial(func(x *loopback.Exchange) { x.Drop() }), text: half, kind: Interruption},
			{name: "length", play: partial(func(x *loopback.Exchange) { _ = x.Incomplete("max_output_tokens") }), text: half, end: Truncated},
			{name: "split", play: first(func(x *loopback.Exchange) { x.Split(true); proper(x) }), text: good},
		} {
			t.Run(string(d)+" "+f.name, func(t *testing.T) {
				t.Parallel()
				n := 0
				srv := serve(t, loopback.Options{Respond: func(x *loopback.Exchange) { n++; f.play(x, n) }})
				s := open(t, srv, func(c *Config) {
					c.Timeouts = short()
					c.Dialect, c.Transport, c.Model = d, HTTP, "qwen-coder"
					if d == DeepSeek {
						c.URL = srv.Root() + "/beta"
					}
				})
				a := ask(within(t), s, fimRequest)
				if f.kind != "" {
					a.fails(t, f.kind)
					if a.text != f.text {
						t.Errorf("text %q", a.text)
					}
					return
				}
				a.want(t, f.text, orElse(f.end, Complete))
			})
		}
	}
}

func TestInstructionsNeedAModelThatFollowsThem(t *testing.T) {
	srv := serve(t, loopback.Options{})
	s := open(t, srv, func(c *Config) { c.Dialect = Infill })
	ask(within(t), s, Request{Job: Edit, Input: user("rename it")}).fails(t, Unsupported)
	if _, err := s.Steer(within(t), Handle{}, user("x")); err == nil {
		t.Error("steered")
	}
	s = open(t, srv, func(c *Config) { c.Dialect, c.Model = Completions, "gpt-unknown" })
	ask(within(t), s, fimRequest).fails(t, Unsupported)
}

// The prompt begins at the same place from one keystroke to the next, or the server's cache of it is lost.
func TestFIMWindowIsStable(t *testing.T) {
	text := strings.Repeat("some line of code, é\n", 3000)
	starts := map[int]bool{}
	for i := range 200 {
		f := FIM{Prefix: text[:30_000+i], Suffix: text}
		prefix, suffix, _ := f.Window()
		if len(prefix) > fimPrefix || len(suffix) > fimSuffix || len(prefix) < fimPrefix-2*fimStep {
			t.Fatalf("%d, %d bytes", len(prefix), len(suffix))
		}
		starts[len(f.Prefix)-len(prefix)] = true
	}
	if len(starts) > 2 {
		t.Errorf("the prompt began at %d places over 200 keystrokes", len(starts))
	}
	f := FIM{Prefix: strings.Repeat("é", 20_000), Suffix: strings.Repeat("é", 20_000)}
	if p, s, _ := f.Window(); strings.ContainsRune(p+s, '\uFFFD') || strings.Trim(p+s, "é") != "" {
		t.Error("cut inside a character")
	}
}

func TestTooLongBeforeSending(t *testing.T) {
	srv := serve(t, loopback.Options{})
	s := open(t, srv, nil)
	long := strings.Repeat("word ", 200_000)
	e := ask(within(t), s, Request{Job: Edit, Input: user(long)}).fails(t, TooLong)
	if !strings.Contains(e.Message, "200") || !strings.Contains(e.Message, "123904") {
		t.Errorf("without the numbers: %v", e)
	}
	if n := srv.Stats().Frames; n != 0 {
		t.Errorf("%d frames were sent", n)
	}
	// More bytes than the window has tokens, but not more tokens.
	if a := ask(within(t), s, Request{Job: Edit, Input: user(long[:300_000])}); a.err != nil {
		t.Error(a.err)
	}
}
