package loopback

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const sample = `An edit that gets louder, then one that breaks off; everything else is quiet.
-- reply job=edit match="(?i)loud er?" times=1 rate=100000 ttft=1ms --
	fmt.Println("HELLO")
-- reply job=edit fault=drop-mid --
one two three four
-- reply job=completion chomp --
x + 1
-- reply match=limit fault=error-429 retry-after=1500ms --
-- reply model=other tool=edit chomp --
tool text
-- reply dialect=chat --
chat text
`

func TestScript(t *testing.T) {
	respond, err := ParseScript("s.txtar", []byte(sample))
	ok(t, err)
	s := start(t, Options{Respond: respond})
	w := dial(t, s)
	ask := func(input string) string {
		w.create(`"input":` + fmt.Sprintf("%q", input))
		text, _ := w.answer()
		return text
	}
	if got := ask("make it loud e\n<region>\nx\n</region>\n"); got != "\tfmt.Println(\"HELLO\")\n" {
		t.Errorf("edit: %q", got)
	}
	if got := ask("a<|cursor|>b"); got != "x + 1" {
		t.Errorf("completion: %q", got)
	}
	if got := ask("hello"); !strings.Contains(got, Name) {
		t.Errorf("no rule fits: %q", got)
	}
	w.create(`"input":"the limit"`)
	if e := w.wantError("rate_limit_exceeded"); e.str("error", "headers", "retry-after") != "2" {
		t.Errorf("%v", e)
	}
	w.send(`{"type":"response.create","model":"other"}`)
	if last := w.through(); !strings.Contains(fmt.Sprint(kinds(last)), "custom_tool_call_input.delta") {
		t.Errorf("tool: %v", kinds(last))
	}
	resp := post(t, within(t), s.URL()+"/chat/completions", `{"model":"m","messages":[]}`)
	if b := body(t, resp); !strings.Contains(b, `"content":"chat text\n"`) {
		t.Errorf("chat: %s", b)
	}
	// The first rule is used up.
	w.create(`"input":"make it LOUD e\n<region>\nx\n</region>\n"`)
	w.wantClose(websocket.CloseAbnormalClosure)
}

func TestScriptErrors(t *testing.T) {
	for script, want := range map[string]string{
		"":                      `s:1: no section`,
		"only prose\n":          `s:1: no section`,
		"prose\n-- answer --\n": `s:2: section "answer": a rule begins with the word reply`,
		"-- reply --\nx\n\n-- reply colour=red --\n":              `s:4: attribute colour=red: there is no such attribute`,
		"-- reply match=( --\n":                                   `s:1: attribute match=(: error parsing regexp`,
		"-- reply match=\"a b --\n":                               `s:1: attribute match: the quote is not closed`,
		"-- reply match=\"\\d\" --\n":                             `s:1: attribute match: the quote is not closed, or a backslash in it is no escape`,
		"-- reply match=\"a\"b --\n":                              `text right behind the closing quote`,
		"-- reply times=0 --\n":                                   `times=0: wants a number from 1`,
		"-- reply rate=fast --\n":                                 `wants tokens per second`,
		"-- reply rate=NaN --\n":                                  `wants tokens per second`,
		"-- reply ttft=40 --\n":                                   `wants a duration such as 40ms`,
		"-- reply job=deep --\n":                                  `the jobs are completion, edit and other`,
		"-- reply dialect=x --\n":                                 `the dialects are`,
		"-- reply fault=oops --\n":                                `the faults are drop-before, `,
		"-- reply job --\n":                                       `attribute "job" has no value`,
		"-- reply chomp=1 --\n":                                   `chomp takes no value`,
		"-- reply job=edit job=edit --\n":                         `job is given twice`,
		"-- reply x=1 --\r\nbody\r\n-- reply y=1 --\r\n":          "s:3: attribute y=1",
		"one\n-- not a section\n-- reply\n --\n-- reply z=1 --\n": "s:5: attribute z=1",
	} {
		_, err := ParseScript("s", []byte(script))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", script, err, want)
		}
	}
}

func TestCanned(t *testing.T) {
	region := func(s string) string {
		return "rules <region> not a line\n<region>\nexample\n</region>\n<region>\n" + s + "</region>\n"
	}
	for _, c := range []struct{ input, want string }{
		{region("\tx := 1\n\ty := 2\n"), "\t// spark loopback model\n\tx := 1\n\ty := 2\n"},
		{region("    # sum\n    x = 1\n"), "    # spark loopback model\n    # sum\n    x = 1\n"},
		{"file: src/a.py\n" + region("x = 1\n"), "# spark loopback model\nx = 1\n"},
		{"a.go, b.lua\n" + region("-- ok\nx = 1\n"), "-- spark loopback model\n-- ok\nx = 1\n"},
		{region("x\r\ny\r\n"), "// spark loopback model\r\nx\r\ny\r\n"},
		{region(""), "// spark loopback model\n"},
		{"main.go\nfunc f() {<|cursor|>}", "// spark loopback model"},
		{"style.css\n<|cursor|>", "/* spark loopback model */"},
		{"</region>\n<region>\n", "This is the spark loopback model. It has no weights and says this to everything.\n"},
	} {
		x := &Exchange{Dialect: Responses, Input: c.input}
		if got := cannedText(x); got != c.want {
			t.Errorf("%q:\ngot  %q\nwant %q", c.input, got, c.want)
		}
	}
	// The new input counts before what was warmed.
	x := &Exchange{Dialect: Responses, Input: "a<|cursor|>b", parent: &memory{input: region("x\n")}}
	if x.Job() != CompletionJob {
		t.Errorf("job %s", x.Job())
	}
	x.Input = "go on"
	if r, ok := x.Region(); x.Job() != EditJob || r != "x\n" || !ok {
		t.Errorf("job %s, region %q", x.Job(), r)
	}
}

func TestRehearsalIsNoNuisance(t *testing.T) {
	for input, want := range map[string]bool{
		"f(<|cursor|>)\n":       true,
		"f()<|cursor|>\nnext\n": true,
		"f()\n\t<|cursor|>":     false,
		"<|cursor|>\nf()\n":     false,
	} {
		if got := inLine(&Exchange{Dialect: Responses, Input: input, parent: &memory{input: "example: a<|cursor|>b"}}); got != want {
			t.Errorf("%q: %v", input, got)
		}
	}
	if !inLine(&Exchange{Dialect: Infill, Prefix: "f(", Suffix: ")\n"}) || inLine(&Exchange{Dialect: Infill, Prefix: "f()\n", Suffix: "\n}"}) {
		t.Error("fill-in-the-middle")
	}
}

// TestRehearsal has an edit, what a redirection makes of it, and a file whose comments end.
func TestRehearsal(t *testing.T) {
	body := "func f() {\n\ta()\n\n\tb()\n\tc()\n}\n"
	first := "// loopback 1: do it\nfunc f() {\n\ta()\n\n\tb()\n\t// loopback 2: do it\n\tc()\n}\n"
	asked := "a.go\n<region>\n" + body + "</region>\n\nInstruction: do it\nand more\n"
	for _, c := range []struct{ input, before, want string }{
		{asked, "", first},
		{"The region reads so:\n<region>\n" + first + "</region>\n\nInstruction: no, so\n", asked, strings.ReplaceAll(first, "do it", "no, so")},
		{"Do it in another way.\n<region>\n" + first + "</region>\n", asked, first},
		{"a.css\n<region>\r\nb {}\r\n</region>\r\n\nInstruction: " + strings.Repeat("ä", 60), "", "/* loopback 1: " + strings.Repeat("ä", 48) + "… */\r\nb {}\r\n"},
		{"a.go\n<region>\n</region>\n\nInstruction: do it\n", "", "// spark loopback model\n"},
	} {
		x := &Exchange{Dialect: Responses, Input: c.input}
		if c.before != "" {
			x.parent = &memory{input: c.before}
		}
		if got := rehearsal(x); got != c.want {
			t.Errorf("%q:\ngot  %q\nwant %q", c.input, got, c.want)
		}
	}
}

func TestMainServes(t *testing.T) {
	script := filepath.Join(t.TempDir(), "s.txtar")
	ok(t, os.WriteFile(script, []byte("-- reply match=secret --\nanswer of the script\n"), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	r, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Main(ctx, "127.0.0.1:0", script, out, io.Discard)
		out.Close()
	}()
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatal("no line")
	}
	m := regexp.MustCompile(`^listening on (http://127\.0\.0\.1:\d+/v1)$`).FindStringSubmatch(lines.Text())
	if m == nil {
		t.Fatalf("first line %q", lines.Text())
	}
	got := make(chan string, 1)
	go func() {
		resp := post(t, within(t), m[1]+"/responses", `{"model":"m","input":"a secret","stream":true}`)
		all, _ := events(t, resp.Body)
		got <- deltas(all)
	}()
	if !lines.Scan() {
		t.Fatal("no line for the request")
	}
	line := lines.Text()
	if !regexp.MustCompile(`^#1 sse job=other model="m" in=\d+B out=\d+tok first=[\d.]+ms total=[\d.]+ms completed$`).MatchString(line) || strings.Contains(line, "secret") {
		t.Errorf("line %q", line)
	}
	if text := <-got; text != "answer of the script\n" {
		t.Errorf("text %q", text)
	}
	cancel()
	select {
	case err := <-done:
		ok(t, err)
	case <-time.After(patience):
		t.Fatal("Main does not end")
	}
}

func TestMainErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.txtar")
	ok(t, os.WriteFile(bad, []byte("nothing\n"), 0o600))
	for _, c := range []struct{ addr, script, want string }{
		{"127.0.0.1:0", bad, "bad.txtar:1: no section"},
		{"127.0.0.1:0", bad + "x", "no such file"},
		{"0.0.0.0:0", "", "not a loopback address"},
	} {
		if err := Main(t.Context(), c.addr, c.script, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
