package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

const httpToken = "token-of-the-test"

// fimServer is `spark-lsp --http` without an editor.
type fimServer struct {
	t     *testing.T
	url   string
	model *loopback.Server
}

// newFIMServer starts the program with a model that answers with respond; without one the embedded engine answers.
func newFIMServer(t *testing.T, respond func(*loopback.Exchange)) *fimServer {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t, goleak.IgnoreCurrent()) })
	f := &fimServer{t: t}
	env := map[string]string{"SPARK_PROVIDER": "offline", "SPARK_HTTP_TOKEN": httpToken, "XDG_STATE_HOME": t.TempDir()}
	if respond != nil {
		f.model = loopback.New(loopback.Options{Respond: respond, Interrupt: true})
		if err := f.model.Start("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		env["SPARK_PROVIDER"], env["SPARK_BASE_URL"], env["SPARK_API_KEY"] = "openai", f.model.URL(), "key-of-the-test"
	}
	ctx, cancel := context.WithCancel(context.Background())
	said, errs := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- process{args: []string{"--http", "127.0.0.1:0"}, stdin: strings.NewReader(""), stdout: io.Discard, stderr: errs,
			getenv: func(name string) string { return env[name] }, panicOnBug: true}.run(ctx)
		errs.Close()
	}()
	lines := bufio.NewReader(said)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if f.url = regexp.MustCompile(`http://[^ ]+/v1/`).FindString(line); f.url == "" || strings.Contains(line, httpToken) {
		t.Fatalf("it says %q", line)
	}
	rest := make(chan struct{})
	go func() {
		defer close(rest)
		io.Copy(io.Discard, lines)
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("exit code %d", code)
		}
		<-rest
		if f.model != nil {
			f.model.Close()
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return f
}

// post sends a request as Zed does and returns the answer.
func (f *fimServer) post(body string, change func(*http.Request)) (status int, answer string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.url+"completions", strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+httpToken)
	if change != nil {
		change(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

// fill asks for a completion in one of the forms that clients use and returns the text.
func (f *fimServer) fill(request map[string]any) string {
	f.t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		f.t.Fatal(err)
	}
	status, answer := f.post(string(body), nil)
	var r struct {
		ID, Object, Model string
		Created           int64
		Choices           []struct {
			Text   string
			Finish string `json:"finish_reason"`
		}
		Usage *struct{ PromptTokens, CompletionTokens, TotalTokens int }
	}
	if err := json.Unmarshal([]byte(answer), &r); err != nil || status != http.StatusOK || len(r.Choices) != 1 {
		f.t.Fatalf("%d %s", status, answer)
	}
	// Zed refuses an answer without any of these.
	if r.ID == "" || r.Object != "text_completion" || r.Model == "" || r.Created == 0 || r.Usage == nil || r.Choices[0].Finish != "stop" {
		f.t.Errorf("the answer is not complete: %s", answer)
	}
	return r.Choices[0].Text
}

// zed is a request as Zed's provider open_ai_compatible_api sends it with prompt_format qwen.
func zed(prefix, suffix string) map[string]any {
	return map[string]any{
		"model": "spark", "prompt": "<|fim_prefix|>" + prefix + "<|fim_suffix|>" + suffix + "<|fim_middle|>", "max_tokens": 64,
		"stop": []string{"<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"},
	}
}

// TestHTTPTypeThrough: a client that sends everything with every key gets the same pipeline as an editor: what is typed
// along with costs no request, also when the client's window moves along; a bracket that the client's editor has closed
// is not doubled (D1); and the model sees the text round the cursor.
func TestHTTPTypeThrough(t *testing.T) {
	f := newFIMServer(t, func(x *loopback.Exchange) {
		if !strings.HasSuffix(beforeCursor(x), "total := ") {
			t.Errorf("the model sees %q before the cursor", beforeCursor(x))
		}
		for _, tok := range loopback.Tokens("sum(price, tax)") {
			_ = x.Delta(tok)
		}
		_ = x.Done()
	})
	prefix, suffix := "package a\n\nfunc f() {\n\ttotal := ", "\n}\n"
	if got := f.fill(zed(prefix, suffix)); got != "sum(price, tax)" {
		t.Fatalf("got %q", got)
	}
	for _, c := range []struct{ prefix, suffix, want string }{
		{prefix + "sum", suffix, "(price, tax)"},
		{prefix + "sum(", ")" + suffix, "price, tax"}, // auto-closed
		{"\nfunc f() {\n\ttotal := sum(pr", ")" + suffix + "\nfunc g() {}\n", "ice, tax"},
		{prefix + "su", suffix, "m(price, tax)"},
	} {
		if got := f.fill(zed(c.prefix, c.suffix)); got != c.want {
			t.Errorf("behind %q: %q, want %q", lastPart(c.prefix), got, c.want)
		}
	}
	if n := f.model.Stats().Exchanges; n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestHTTPForms: every way in which clients write prefix and suffix is understood, with the embedded engine answering.
func TestHTTPForms(t *testing.T) {
	f := newFIMServer(t, nil)
	p, s := "customerAddress := lookup(1)\nsecond := custo", "\n"
	for _, prompt := range []string{
		"<|fim_prefix|>" + p + "<|fim_suffix|>" + s + "<|fim_middle|>",
		"<fim_prefix>" + p + "<fim_suffix>" + s + "<fim_middle>",
		"<｜fim▁begin｜>" + p + "<｜fim▁hole｜>" + s + "<｜fim▁end｜>",
		"<|code_prefix|>" + p + "<|code_suffix|>" + s + "<|code_middle|>",
		"<PRE> " + p + " <SUF>" + s + " <MID>",
		"[SUFFIX]" + s + "[PREFIX]" + p,
		p,
	} {
		if got := f.fill(map[string]any{"model": "m", "prompt": prompt}); got != "merAddress" {
			t.Errorf("%q: %q", prompt, got)
		}
	}
	if got := f.fill(map[string]any{"prompt": []string{p}, "suffix": s, "stop": "Add", "max_tokens": 7, "temperature": 0.1}); got != "mer" {
		t.Errorf("prompt, suffix and stop: %q", got)
	}
	if got := f.fill(map[string]any{"prompt": "", "suffix": ""}); got != "" {
		t.Errorf("nothing to go on: %q", got)
	}
	if got := f.fill(map[string]any{"prompt": p + "\r", "suffix": "\n"}); got != "" {
		t.Errorf("between the two halves of a line end: %q", got)
	}
	status, answer := f.post(`{"prompt":"`+strings.ReplaceAll(p, "\n", `\n`)+`"}`, func(r *http.Request) { r.Header.Set("Authorization", "bearer  "+httpToken) })
	if status != 200 || !strings.Contains(answer, "merAddress") {
		t.Errorf("a scheme in small letters: %d %s", status, answer)
	}
}

// TestHTTPStream: who asks for a stream gets the lines that are there, and then the rest; a superseded request ends
// empty, and its response is abandoned.
func TestHTTPStream(t *testing.T) {
	exchanges := make(chan *loopback.Exchange, 4)
	f := newFIMServer(t, func(x *loopback.Exchange) {
		_ = x.InProgress()
		exchanges <- x
		select {
		case <-x.Cancelled():
		case <-x.Ended():
		}
	})
	body := func(prefix string, stream bool) string {
		data, _ := json.Marshal(map[string]any{"prompt": prefix, "suffix": "\n}\n", "stream": stream})
		return string(data)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"completions", strings.NewReader(body("func f() {\n\t", true)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+httpToken)
	answered := make(chan *http.Response)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
		}
		answered <- res
	}()
	x := <-exchanges
	_ = x.Delta("a()\n\tb()\n\tc(")
	res := <-answered
	if res == nil {
		t.FailNow()
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	lines := bufio.NewScanner(res.Body)
	next := func() string { return nextText(lines) }
	if got := next(); got != "a()\n\tb()" {
		t.Errorf("first %q", got)
	}
	_ = x.Delta("1)")
	_ = x.Done()
	for _, want := range []string{"\n\tc(1)", "", "[DONE]", "the end"} {
		if got := next(); got != want {
			t.Errorf("then %q, want %q", got, want)
		}
	}

	first := make(chan string)
	go func() {
		_, answer := f.post(body("x := ", false), nil)
		first <- answer
	}()
	old := <-exchanges
	second := make(chan string)
	go func() {
		_, answer := f.post(body("other(", false), nil)
		second <- answer
	}()
	<-old.Cancelled()
	if got := <-first; !strings.Contains(got, `"text":""`) {
		t.Errorf("superseded: %s", got)
	}
	x = <-exchanges
	_ = x.Delta("1)")
	_ = x.Done()
	if got := <-second; !strings.Contains(got, `"text":"1)"`) {
		t.Errorf("the newest: %s", got)
	}
}

// nextText is what the next event of a stream holds, or the words in it that are no event.
func nextText(lines *bufio.Scanner) string {
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var e struct{ Choices []struct{ Text string } }
			if json.Unmarshal([]byte(data), &e) == nil && len(e.Choices) == 1 {
				return e.Choices[0].Text
			}
			return data
		}
	}
	return "the end"
}

// TestHTTPStreamLeft (D19): who leaves a stream in the middle leaves the model's response too. A text to stop at counts
// also where it comes in two parts.
func TestHTTPStreamLeft(t *testing.T) {
	exchanges := make(chan *loopback.Exchange, 4)
	f := newFIMServer(t, func(x *loopback.Exchange) {
		_ = x.InProgress()
		exchanges <- x
		select {
		case <-x.Cancelled():
		case <-x.Ended():
		}
	})
	stream := func(ctx context.Context, prefix string) chan *bufio.Scanner {
		data, err := json.Marshal(map[string]any{"prompt": prefix, "suffix": "\n}\n", "stream": true, "stop": []string{")\n\tc"}})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"completions", strings.NewReader(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+httpToken)
		answered := make(chan *bufio.Scanner, 1)
		go func() {
			defer close(answered)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { res.Body.Close() })
			answered <- bufio.NewScanner(res.Body)
		}()
		return answered
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	answered := stream(ctx, "func g() {\n\t")
	x := <-exchanges
	_ = x.Delta("a()\n\tb()\n")
	lines := <-answered
	if lines == nil {
		t.FailNow()
	}
	if got := nextText(lines); got != "a()\n\tb()" {
		t.Errorf("first %q", got)
	}
	leave()
	select {
	case <-x.Cancelled():
	case <-x.Ended():
		t.Error("the response ended by itself")
	case <-time.After(5 * time.Second): // a response that is silent for 10 s is left in any case
		t.Error("the model was not told")
	}

	answered = stream(t.Context(), "func g() {\n\tx()\n\t")
	x = <-exchanges
	_ = x.Delta("d()\n\tb()\n")
	if lines = <-answered; lines == nil {
		t.FailNow()
	}
	if got := nextText(lines); got != "d()\n\tb()" {
		t.Errorf("first %q", got)
	}
	_ = x.Delta("\tc()\n\te()\n")
	_ = x.Done()
	for _, want := range []string{"", "[DONE]", "the end"} { // the stop is complete with the second part
		if got := nextText(lines); got != want {
			t.Errorf("then %q, want %q", got, want)
		}
	}
}

// TestHTTPRefuses: nobody who is not meant is served, and nothing is said that helps them.
func TestHTTPRefuses(t *testing.T) {
	f := newFIMServer(t, nil)
	for name, c := range map[string]struct {
		body   string
		change func(*http.Request)
		status int
		says   string
	}{
		"no token":          {`{"prompt":"a"}`, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "bearer token"},
		"another token":     {`{"prompt":"a"}`, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+httpToken+"x") }, 401, "bearer token"},
		"a rebound name":    {`{"prompt":"a"}`, func(r *http.Request) { r.Host = "attacker.example:80" }, 403, "Host"},
		"another machine":   {`{"prompt":"a"}`, func(r *http.Request) { r.Host = "192.168.1.2:80" }, 403, "Host"},
		"a web page":        {`{"prompt":"a"}`, func(r *http.Request) { r.Header.Set("Origin", "https://attacker.example") }, 403, "web pages"},
		"a page of nowhere": {`{"prompt":"a"}`, func(r *http.Request) { r.Header.Set("Origin", "null") }, 403, "web pages"},
		"no JSON":           {`prompt`, nil, 400, "JSON"},
		"no prompt":         {`{"messages":[]}`, nil, 400, "JSON"},
		"null":              {`null`, nil, 400, "JSON"},
		"two prompts":       {`{"prompt":["a","b"]}`, nil, 400, "JSON"},
		"tokens":            {`{"prompt":[1,2]}`, nil, 400, "JSON"},
		"too much":          {`{"prompt":"` + strings.Repeat("a", 5<<20) + `"}`, nil, 413, "4 MB"},
		"another method":    {``, func(r *http.Request) { r.Method = http.MethodGet }, 405, ""},
		"another path":      {`{}`, func(r *http.Request) { r.URL.Path = "/v1/embeddings" }, 404, ""},
	} {
		status, answer := f.post(c.body, c.change)
		if status != c.status || !strings.Contains(answer, c.says) || strings.Contains(answer, httpToken) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"models", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+httpToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if data, _ := io.ReadAll(res.Body); !strings.Contains(string(data), `"id":"offline"`) {
		t.Errorf("models: %s", data)
	}
}

// TestHTTPAddress: other addresses than this machine's are refused in words, with the exit code of a wrong command line.
func TestHTTPAddress(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	env := map[string]string{"SPARK_PROVIDER": "offline", "SPARK_HTTP_TOKEN": httpToken}
	for addr, want := range map[string]struct {
		code int
		says string
	}{
		"0.0.0.0:0":           {2, "this machine only"},
		":0":                  {2, "this machine only"},
		"[::]:0":              {2, "this machine only"},
		"192.168.0.1:8080":    {2, "this machine only"},
		"example.com:80":      {2, "this machine only"},
		"8080":                {2, "an address and a port"},
		busy.Addr().String():  {1, "address already in use"},
		"--stdio 0.0.0.0:808": {2, "this machine only"},
	} {
		args := append([]string{"--http"}, strings.Fields(addr)...)
		if alone, ok := strings.CutPrefix(addr, "--stdio "); ok {
			args = []string{"--stdio", "--http", alone}
		}
		code, _, errs := run(t, env, args...)
		if code != want.code || !strings.Contains(errs, want.says) {
			t.Errorf("%s: exit code %d, %s", addr, code, errs)
		}
	}
}

// TestHTTPToken: a token is made once, readable by its user only, and is the same the next time.
func TestHTTPToken(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"XDG_STATE_HOME": dir}
	p := process{getenv: func(name string) string { return env[name] }}
	first, file, err := p.httpToken()
	if err != nil || len(first) < minToken || file != filepath.Join(dir, "spark-lsp", "http-token") {
		t.Fatalf("%q, %q, %v", first, file, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	if second, _, err := p.httpToken(); second != first || err != nil {
		t.Errorf("the second time: %q, %v", second, err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.httpToken(); err == nil || !strings.Contains(err.Error(), "others may read") {
		t.Errorf("readable by others: %v", err)
	}
	env["SPARK_HTTP_TOKEN"] = "short"
	if _, _, err := p.httpToken(); err == nil || !strings.Contains(err.Error(), "at least 16") || strings.Contains(err.Error(), "short") {
		t.Errorf("too short: %v", err)
	}
	delete(env, "SPARK_HTTP_TOKEN")
	delete(env, "XDG_STATE_HOME")
	if _, _, err := p.httpToken(); err == nil || !strings.Contains(err.Error(), "SPARK_HTTP_TOKEN") {
		t.Errorf("nowhere to keep it: %v", err)
	}
}

// TestHTTPBesideAnEditor: one process serves both. The editor's ghost text and the client's text are suggested side by
// side, and neither disturbs the other; what is wrong with the address is told in the editor, which works all the same.
func TestHTTPBesideAnEditor(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	answer := func(x *loopback.Exchange) {
		_ = x.Delta("of(" + strings.TrimSpace(beforeCursor(x)) + ")")
		_ = x.Done()
	}
	r := newRigArgs(t, t.Context(), loopback.Options{Respond: answer, Interrupt: true}, map[string]string{"SPARK_HTTP_TOKEN": httpToken}, "--http", addr)
	defer r.end()
	defer http.DefaultClient.CloseIdleConnections()
	uri := "file:///both/a.go"
	if err := r.ed.Open(uri, "go", "x = "); err != nil {
		t.Fatal(err)
	}
	if err := r.ed.SetCursor(uri, 4); err != nil {
		t.Fatal(err)
	}
	f := &fimServer{t: t, url: "http://" + addr + "/v1/", model: r.model}
	for _, tt := range []struct{ client, want string }{{"y = ", "of(y =)"}, {"y = o", "f(y =)"}} {
		p, err := ask(r.ed, uri)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.fill(zed(tt.client, "\n")); got != tt.want {
			t.Errorf("the client got %q, want %q", got, tt.want)
		}
		if got := accepted(t, r.ed, uri, p); got != "x = of(x =)" {
			t.Errorf("the editor got %q", got)
		}
	}
	if n := r.model.Stats().Exchanges; n != 2 {
		t.Errorf("%d requests for two places", n)
	}

	second := newRigArgs(t, t.Context(), loopback.Options{Respond: answer, Interrupt: true}, map[string]string{"SPARK_HTTP_TOKEN": httpToken}, "--http", addr)
	defer second.end()
	if _, err := second.ed.WaitMessage(t.Context(), "serving completions over HTTP"); err != nil {
		t.Error(err)
	}
}
