package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// checkerVariable makes of the test binary a language server that knows one problem.
const checkerVariable = "SPARK_TEST_CHECKER"

// checker is a language server that reports undefinedName wherever it stands, as another server of the user's would.
// It speaks just enough of the protocol for that.
func checker(in io.Reader, out io.Writer) {
	say := func(message map[string]any) {
		message["jsonrpc"] = "2.0"
		body, err := json.Marshal(message)
		if err == nil {
			fmt.Fprintf(out, "Content-Length: %d\r\n\r\n%s", len(body), body)
		}
	}
	r := bufio.NewReader(in)
	for {
		length := 0
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line = strings.TrimSpace(line); line == "" {
				break
			}
			if n, ok := strings.CutPrefix(line, "Content-Length: "); ok {
				length, _ = strconv.Atoi(n)
			}
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		var m struct {
			ID     any
			Method string
			Params struct {
				TextDocument   struct{ URI, Text string }
				ContentChanges []struct{ Text string }
			}
		}
		if json.Unmarshal(body, &m) != nil {
			return
		}
		switch m.Method {
		case "exit":
			return
		case "initialize":
			say(map[string]any{"id": m.ID, "result": map[string]any{"capabilities": map[string]any{"textDocumentSync": 1}}})
		case "textDocument/didOpen", "textDocument/didChange":
			text := m.Params.TextDocument.Text
			for _, c := range m.Params.ContentChanges {
				text = c.Text
			}
			problems := []any{}
			for row, line := range strings.Split(text, "\n") {
				if at := strings.Index(line, "undefinedName"); at >= 0 {
					problems = append(problems, map[string]any{
						"range": map[string]any{
							"start": map[string]any{"line": row, "character": at},
							"end":   map[string]any{"line": row, "character": at + len("undefinedName")},
						},
						"severity": 1, "source": "checker", "message": "undefined: undefinedName",
					})
				}
			}
			say(map[string]any{"method": "textDocument/publishDiagnostics", "params": map[string]any{
				"uri": m.Params.TextDocument.URI, "diagnostics": problems,
			}})
		default:
			if m.ID != nil && m.Method != "" {
				say(map[string]any{"id": m.ID, "result": nil})
			}
		}
	}
}
