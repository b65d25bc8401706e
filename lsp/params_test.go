package lsp

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

// Positions as numbers of any size mean the same in a request, a notification and an argument of a command.
func TestPositionsBeyondTheEnd(t *testing.T) {
	seen := make(chan protocol.Position, 1)
	r := start(t, Program{
		Requests: map[string]RequestFunc{
			"completion": Call(func(_ context.Context, _ *Snapshot, p *protocol.CompletionParams) (any, error) {
				return p.Position, nil
			}),
			"inlineCompletion": Call(func(_ context.Context, _ *Snapshot, p *protocol.InlineCompletionParams) (any, error) {
				return p.Position, nil
			}),
			"codeAction": Call(func(_ context.Context, _ *Snapshot, p *protocol.CodeActionParams) (any, error) {
				return p.Range.End, nil
			}),
			"command": func(_ context.Context, _ *Snapshot, raw []byte) (any, error) {
				var a struct {
					URI   string          `json:"uri"`
					Range *protocol.Range `json:"range,omitempty"`
				}
				if err := DecodeParams(raw, &a); err != nil {
					return nil, err
				}
				return a.Range.End, nil
			},
		},
		Notifications: map[string]NotificationFunc{
			"notice": Notify(func(_ *Snapshot, p *protocol.TextDocumentPositionParams) error {
				seen <- p.Position
				return nil
			}),
		},
	}, editor.Options{})
	for number, want := range map[string]uint32{
		"7":                      7,
		"2147483648":             2147483648,
		"4294967295":             math.MaxUint32,
		"4294967296":             math.MaxUint32,
		"9007199254740991":       math.MaxUint32,
		"1.7976931348623157e308": math.MaxUint32,
		"1e999":                  math.MaxUint32,
		"-1":                     0,
		"-9007199254740991":      0,
		"-0":                     0,
		"3.0":                    3,
		"3e2":                    300,
	} {
		for _, at := range []struct {
			json string
			want protocol.Position
		}{
			{`{"line":` + number + `,"character":4}`, protocol.Position{Line: want, Character: 4}},
			{`{"line":4,"character":` + number + `}`, protocol.Position{Line: 4, Character: want}},
			{`{ "character" : ` + number + ` , "line" : ` + number + ` }`, protocol.Position{Line: want, Character: want}},
		} {
			document := `"textDocument":{"uri":"` + file + `"}`
			span := `"range":{"start":{"line":0,"character":0},"end":` + at.json + `}`
			for method, params := range map[string]string{
				"completion":       `{` + document + `,"position":` + at.json + `}`,
				"inlineCompletion": `{` + document + `,"position":` + at.json + `,"context":{"triggerKind":1}}`,
				"codeAction":       `{` + document + `,` + span + `,"context":{"diagnostics":[{` + span + `,"message":"\"line\":-1"}]}}`,
				"command":          `{"uri":"` + file + `",` + span + `}`,
			} {
				var got protocol.Position
				if err := r.Call(r.ctx, method, json.RawMessage(params), &got); err != nil || got != at.want {
					t.Errorf("%s %s: %v, %v", method, params, got, err)
				}
			}
			r.Notify("notice", json.RawMessage(`{`+document+`,"position":`+at.json+`}`))
			r.alive()
			select {
			case got := <-seen:
				if got != at.want {
					t.Errorf("notification of %s: %v", at.json, got)
				}
			default:
				t.Errorf("notification of %s did not arrive", at.json)
			}
		}
	}
}

func TestClampPositions(t *testing.T) {
	for raw, want := range map[string]string{
		`{"line":-1}`: `{"line":0}`,
		`[{"line":-1},{"a":[{"character":1e10}]}]`:   `[{"line":0},{"a":[{"character":4294967295}]}]`,
		`{"line":{"x":-1,"line":-2},"y":-3}`:         `{"line":{"x":-1,"line":0},"y":-3}`,
		`{"line":[-1],"character":-2}`:               `{"line":[-1],"character":0}`,
		`{"\u006cine":-1}`:                           `{"\u006cine":0}`,
		`{"a":"line","b":-1,"c":"{\"line\":-1}"}`:    "",
		`{"line":1.5}`:                               "",
		`{"line":"-1","character":null}`:             "",
		`{"line":4294967295,"character":0,"x":1e99}`: "",
		`-1`: "", `[-1]`: "", `"line"`: "", ``: "", `{"line":`: "", `]`: "",
	} {
		got, changed := clampPositions([]byte(raw))
		if changed != (want != "") || changed && string(got) != want || !changed && string(got) != raw {
			t.Errorf("%s: %s, %v", raw, got, changed)
		}
	}
}

// Errors are in the client's words.
func TestDecodeParamsErrors(t *testing.T) {
	type argument struct {
		URI   string          `json:"uri"`
		Range *protocol.Range `json:"range,omitempty"`
		Hunks []int           `json:"hunks"`
	}
	for raw, want := range map[string]string{
		`{"uri":7}`: "uri does not decode",
		`{"uri":"a","range":{"start":{"line":1.5,"character":0}}}`: "range.start.line does not decode",
		`{"range":{"end":{"line":"x"}}}`:                           "range.end.line does not decode",
		`{"range":true,"uri":"a"}`:                                 "range does not decode",
		`{"hunks":[1,"x"]}`:                                        "hunks[1] does not decode",
		`[]`:                                                       "parameters do not decode",
		`"x"`:                                                      "parameters do not decode",
		``:                                                         "parameters do not decode",
		`{"uri":`:                                                  "parameters do not decode",
	} {
		var a argument
		if err := DecodeParams([]byte(raw), &a); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
	if err := DecodeParams([]byte(`{}`), argument{}); err != errUndecodable {
		t.Errorf("no pointer: %v", err)
	}
	if err := DecodeParams([]byte(`{}`), nil); err != errUndecodable {
		t.Errorf("nil: %v", err)
	}

	r := start(t, Program{Requests: map[string]RequestFunc{
		"hover": Call(func(context.Context, *Snapshot, *protocol.HoverParams) (any, error) { return nil, nil }),
		"edit":  Call(func(context.Context, *Snapshot, *argument) (any, error) { return nil, nil }),
	}}, editor.Options{})
	for _, params := range []string{`[]`, `7`, ``, `{"textDocument":{"uri":7},"uri":7}`, `{"position":{"line":1.5},"range":{"start":7}}`} {
		for _, method := range []string{"hover", "edit"} {
			_, err := r.call(method, params)
			requireCode(t, err, jsonrpc2.InvalidParams)
			for _, word := range []string{"Go ", "protocol", "struct", "json", "argument", "int"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("%s %s: %v", method, params, err)
				}
			}
		}
	}
}

// The usual parameters are decoded once, and cost nothing but that.
func TestDecodeParamsFastPath(t *testing.T) {
	raw := fmt.Appendf(nil, `{"textDocument":{"uri":%q},"position":{"line":1,"character":2}}`, file)
	var p protocol.HoverParams
	plain := testing.AllocsPerRun(100, func() { _ = protocol.Unmarshal(raw, &p) })
	if lenient := testing.AllocsPerRun(100, func() { _ = DecodeParams(raw, &p) }); lenient > plain {
		t.Errorf("%v allocations instead of %v", lenient, plain)
	}
}
