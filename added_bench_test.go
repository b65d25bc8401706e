package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// child is a server as a process of its own, and as little of an editor as can be: what it sends is made before the
// clock runs, and what it receives is looked at afterwards. So what is measured is the server.
type child struct {
	b       testing.TB
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan childAnswer
	said    bytes.Buffer // on stderr, until it has ended
	lastID  int
	version int
}

type childAnswer struct {
	at   time.Time
	body []byte
}

// startChild starts a server for an editor without a workspace.
func startChild(b testing.TB, path string, env ...string) *child {
	b.Helper()
	c := spawnChild(b, path, []string{"--stdio"}, env...)
	c.call("initialize", `{"processId":null,"rootUri":null,"capabilities":{"general":{"positionEncodings":["utf-8"]},"textDocument":{"inlineCompletion":{}}}}`)
	c.answer()
	c.notify("initialized", `{}`)
	return c
}

// spawnChild starts a server, and greets it not.
func spawnChild(b testing.TB, path string, args []string, env ...string) *child {
	b.Helper()
	c := &child{b: b, cmd: exec.Command(path, args...), answers: make(chan childAnswer, 1024)}
	c.cmd.Stderr = &c.said
	c.cmd.Env = append([]string{"HOME=" + b.TempDir()}, env...)
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(c.answers)
		r := bufio.NewReader(out)
		for {
			body, err := readLSPFrame(r)
			if err != nil {
				return
			}
			if !bytes.Contains(body, []byte(`"method"`)) {
				c.answers <- childAnswer{time.Now(), body}
			}
		}
	}()
	return c
}

// end shuts the server down, as an editor does.
func (c *child) end() {
	c.call("shutdown", "null")
	c.answer()
	c.notify("exit", "null")
	c.in.Close()
	_ = c.cmd.Wait()
}

func (c *child) notify(method, params string) {
	c.write(`{"jsonrpc":"2.0","method":"` + method + `","params":` + params + `}`)
}

// call sends a request and returns its number.
func (c *child) call(method, params string) int {
	c.lastID++
	c.write(`{"jsonrpc":"2.0","id":` + strconv.Itoa(c.lastID) + `,"method":"` + method + `","params":` + params + `}`)
	return c.lastID
}

func (c *child) write(body string) {
	if _, err := io.WriteString(c.in, "Content-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body); err != nil {
		c.b.Fatal(err)
	}
}

// answer waits for the next answer.
func (c *child) answer() childAnswer {
	a, ok := <-c.answers
	if !ok {
		c.b.Fatal("the server has gone")
	}
	return a
}

func (c *child) open(uri, text string) {
	c.version = 1
	quoted, _ := json.Marshal(text)
	c.notify("textDocument/didOpen", `{"textDocument":{"uri":"`+uri+`","languageId":"go","version":1,"text":`+string(quoted)+`}}`)
}

// key types a character and asks for a completion behind it.
func (c *child) key(uri string, line, column int, char string) int {
	c.version++
	quoted, _ := json.Marshal(char)
	c.notify("textDocument/didChange", fmt.Sprintf(`{"textDocument":{"uri":"%s","version":%d},"contentChanges":[{"range":{"start":{"line":%d,"character":%d},"end":{"line":%d,"character":%d}},"text":%s}]}`,
		uri, c.version, line, column, line, column, quoted))
	if char == "\n" {
		line, column = line+1, -1
	}
	return c.call("textDocument/inlineCompletion", fmt.Sprintf(`{"textDocument":{"uri":"%s"},"position":{"line":%d,"character":%d},"context":{"triggerKind":2}}`, uri, line, column+1))
}

func readLSPFrame(r *bufio.Reader) ([]byte, error) {
	n := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		if length, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			if n, err = strconv.Atoi(length); err != nil {
				return nil, err
			}
		}
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return body, err
}

// bareVariable makes the test's own binary a bareServer for the model at its address.
const bareVariable = "SPARK_TEST_BARE_SERVER"

// bareServer is what one cannot do with less: it keeps the document, sends what stands round the cursor over one warm
// WebSocket, as much as the program under test and in the same shape, and answers with what comes back. It has no queue,
// no cache, no judgement.
func bareServer(modelURL string) {
	conn, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(modelURL, "http")+"/responses", http.Header{"Authorization": {"Bearer bench"}})
	if err != nil {
		panic(err)
	}
	res.Body.Close()
	in := bufio.NewReader(os.Stdin)
	var text string
	offset := func(line, character int) int {
		at := 0
		for range line {
			at += strings.IndexByte(text[at:], '\n') + 1
		}
		return at + character
	}
	answer := func(id json.RawMessage, result any) {
		body, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "result": result})
		fmt.Printf("Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	type position struct{ Line, Character int }
	for {
		body, err := readLSPFrame(in)
		if err != nil {
			return
		}
		var m struct {
			ID     json.RawMessage
			Method string
			Params struct {
				TextDocument   struct{ Text string }
				Position       position
				ContentChanges []struct {
					Range struct{ Start, End position }
					Text  string
				}
			}
		}
		if err := json.Unmarshal(body, &m); err != nil {
			panic(err)
		}
		switch m.Method {
		case "initialize":
			answer(m.ID, map[string]any{"capabilities": map[string]any{"inlineCompletionProvider": true, "textDocumentSync": 2}})
		case "shutdown":
			answer(m.ID, nil)
		case "textDocument/didOpen":
			text = m.Params.TextDocument.Text
		case "textDocument/didChange":
			for _, c := range m.Params.ContentChanges {
				text = text[:offset(c.Range.Start.Line, c.Range.Start.Character)] + c.Text + text[offset(c.Range.End.Line, c.Range.End.Character):]
			}
		case "textDocument/inlineCompletion":
			at := offset(m.Params.Position.Line, m.Params.Position.Character)
			prompt := "Complete at the mark.\n" + text[max(0, at-4800):at] + loopback.CursorMark + text[at:min(len(text), at+2300)]
			if err := conn.WriteJSON(map[string]any{
				"type": "response.create", "model": "bench", "store": false, "max_output_tokens": 64,
				"input": []any{map[string]any{"type": "message", "role": "user", "content": []any{map[string]any{"type": "input_text", "text": prompt}}}},
			}); err != nil {
				panic(err)
			}
			said, ended := "", false
			for !ended {
				var e struct{ Type, Delta string }
				if err := conn.ReadJSON(&e); err != nil {
					panic(err)
				}
				switch e.Type {
				case "response.output_text.delta":
					if said += e.Delta; strings.HasSuffix(said, "\n") {
						answer(m.ID, map[string]any{"items": []any{map[string]any{"insertText": strings.TrimSuffix(said, "\n")}}})
					}
				case "response.completed":
					ended = true
				}
			}
		}
	}
}

// benchDocument is a document of about size bytes of real code, and the number of a blank line in its middle.
func benchDocument(b testing.TB, size int) (text string, line int) {
	b.Helper()
	files, err := filepath.Glob("*/*.go")
	if err != nil || len(files) == 0 {
		b.Fatal(err)
	}
	var code strings.Builder
	for i := 0; code.Len() < size; i++ {
		data, err := os.ReadFile(files[i%len(files)])
		if err != nil {
			b.Fatal(err)
		}
		code.Write(data)
	}
	text = code.String()[:size]
	at := size/2 + strings.Index(text[size/2:], "\n\n") + 1
	return text, strings.Count(text[:at], "\n")
}

// BenchmarkAdded is what a completion costs beyond the model: from the key to the request on the wire, and from the
// last word that is needed to the answer, with the real binary over its stdin and stdout, a hundred keys one at a
// time. The bare server in the same run, on the same document, shows what of it is pipes, sockets and the machine.
func BenchmarkAdded(b *testing.B) {
	spark := filepath.Join(b.TempDir(), "spark-lsp")
	if out, err := exec.Command("go", "build", "-o", spark, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	bare, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	type moment struct{ asked, said time.Time }
	moments := make(chan moment, 1)
	model := loopback.New(loopback.Options{Interrupt: true, Respond: func(x *loopback.Exchange) {
		m := moment{asked: time.Now()}
		_ = x.InProgress()
		m.said = time.Now()
		_ = x.Delta("answer(1)\n")
		_ = x.Done()
		moments <- m
	}})
	if err := model.Start("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	defer model.Close()
	type program struct {
		name  string
		size  int
		child *child
		uri   string
		text  string
		line  int
		added []time.Duration
		wire  []time.Duration // of added, until the request was there
		bytes int64
	}
	env := []string{"SPARK_PROVIDER=openai", "SPARK_API_KEY=bench", "SPARK_BASE_URL=" + model.URL(), bareVariable + "=" + model.URL()}
	programs := []*program{{name: "bare", size: 8 << 10}, {name: "spark", size: 8 << 10}, {name: "spark-1MB", size: 1 << 20}}
	for i, p := range programs {
		path := spark
		if p.name == "bare" {
			path = bare
		}
		p.child = startChild(b, path, env...)
		defer p.child.end()
		if p.name != "bare" {
			if err := model.WaitWarm(b.Context(), 2*i); err != nil {
				b.Fatal(err)
			}
		}
		p.uri = "file:///bench/" + p.name + ".go"
		p.text, p.line = benchDocument(b, p.size)
		p.child.open(p.uri, p.text)
	}
	round := func(p *program, key int) {
		sent := model.Stats().BytesIn
		began := time.Now()
		p.child.key(p.uri, p.line, key%60, string(rune('b'+key%20)))
		m := <-moments
		a := p.child.answer()
		if !bytes.Contains(a.body, []byte("answer(1)")) {
			b.Fatalf("%s: %s", p.name, a.body)
		}
		p.added = append(p.added, m.asked.Sub(began)+a.at.Sub(m.said))
		p.wire = append(p.wire, m.asked.Sub(began))
		p.bytes += model.Stats().BytesIn - sent
		if key%60 == 59 { // a line of a sane length, and nothing that was suggested comes back to life
			p.child.notify("textDocument/didClose", `{"textDocument":{"uri":"`+p.uri+`"}}`)
			p.child.open(p.uri, p.text)
		}
	}
	for key := range 20 { // caches, heaps and the measured round trip settle
		for _, p := range programs {
			round(p, key)
		}
	}
	for _, p := range programs {
		p.added, p.wire, p.bytes = nil, nil, 0
	}
	for key := 20; b.Loop(); key++ {
		for _, p := range programs { // in turn, so that the machine's moods meet all alike
			round(p, key)
		}
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	at := func(p *program, percent int) time.Duration { return p.added[len(p.added)*percent/100] }
	for _, p := range programs {
		slices.Sort(p.added)
		slices.Sort(p.wire)
		b.ReportMetric(ms(p.wire[len(p.wire)/2]), p.name+"-wire-p50-ms")
		b.ReportMetric(ms(at(p, 50)), p.name+"-p50-ms")
		b.ReportMetric(ms(at(p, 99)), p.name+"-p99-ms")
		b.ReportMetric(float64(p.bytes)/float64(len(p.added)), p.name+"-bytes/req")
	}
	b.ReportMetric(ms(at(programs[1], 50))/ms(at(programs[0], 50)), "p50-ratio")
	b.ReportMetric(ms(at(programs[1], 99))/ms(at(programs[0], 99)), "p99-ratio")
	b.ReportMetric(ms(at(programs[2], 50))/ms(at(programs[1], 50)), "1MB-ratio")
}
