package lsp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.lsp.dev/protocol"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// initialized is what came of one initialize over the wire.
type initialized struct {
	client  *Client
	params  *protocol.InitializeParams
	dropped []string
}

// initializeOverWire runs a session whose initialize has these parameters, and fails unless it is answered with a
// result and the session goes on.
func initializeOverWire(t *testing.T, params string) initialized {
	t.Helper()
	var got initialized
	core, logs := observer.New(zapcore.WarnLevel)
	out, err := serveScript(t, Program{
		PanicOnBug: true,
		Log:        zap.New(core),
		Initialize: func(_ context.Context, c *Client, p *protocol.InitializeParams) (*protocol.InitializeResult, error) {
			got.client, got.params = c, p
			return &protocol.InitializeResult{}, nil
		},
	}, `{"jsonrpc":"2.0","id":"first","method":"initialize","params":`+params+`}`)
	if err != nil || !strings.Contains(out, `"id":"first","result":{"capabilities":{`) || !strings.Contains(out, `"id":"last","result":null`) {
		t.Fatalf("%s: %v: %s", params, err, out)
	}
	for _, e := range logs.FilterMessageSnippet("initialize").All() {
		for _, part := range e.ContextMap()["parts"].([]any) {
			got.dropped = append(got.dropped, part.(string))
		}
	}
	return got
}

// One odd member costs only itself: all that stands beside it in each of these is understood.
func TestOddInitialize(t *testing.T) {
	const beside = `"clientInfo":{"name":"Odd","version":"7"},"workspaceFolders":[{"uri":"file:///w","name":"w"}]`
	usual := func(c *Client) bool {
		return c.Name == "Odd" && c.Version == "7" && slices.Equal(c.Folders, []string{"/w"})
	}
	capabilities := func(c string) string { return `{` + beside + `,"capabilities":` + c + `}` }
	folders := func(members string) string {
		return `{"clientInfo":{"name":"Odd","version":"7"},"capabilities":{},` + members + `}`
	}
	in := func(paths ...string) func(*Client) bool {
		return func(c *Client) bool { return c.Name == "Odd" && slices.Equal(c.Folders, paths) }
	}
	for _, test := range []struct {
		params  string
		dropped string // joined by spaces
		check   func(*Client) bool
	}{
		{`{` + beside + `,"trace":null}`, "trace", usual},
		{`{` + beside + `,"trace":7}`, "trace", usual},
		{`{` + beside + `,"trace":"loud"}`, "", usual},
		{`{` + beside + `,"locale":7,"workDoneToken":1.5}`, "locale workDoneToken", usual},
		{`{"clientInfo":{"name":null,"version":"7"},"capabilities":{}}`, "clientInfo.name", func(c *Client) bool {
			return c.Name == "" && c.Version == "7"
		}},
		{`{"clientInfo":"Odd 7","rootUri":"file:///w"}`, "clientInfo", func(c *Client) bool {
			return c.Name == "" && slices.Equal(c.Folders, []string{"/w"})
		}},
		{fmt.Sprintf(`{%s,"processId":%d.0}`, beside, os.Getpid()), "", func(c *Client) bool {
			return usual(c) && c.ProcessID == os.Getpid()
		}},
		{`{` + beside + `,"processId":1.5}`, "processId", func(c *Client) bool { return usual(c) && c.ProcessID == 0 }},
		{`{` + beside + `,"processId":4294967296}`, "processId", func(c *Client) bool { return usual(c) && c.ProcessID == 0 }},
		{`{` + beside + `,"processId":-1}`, "", func(c *Client) bool { return usual(c) && c.ProcessID == 0 }},
		{`{` + beside + `,"processId":"1"}`, "processId", func(c *Client) bool { return usual(c) && c.ProcessID == 0 }},
		{`{` + beside + `}`, "", usual},
		{capabilities(`null`), "", usual},
		{capabilities(`[]`), "capabilities", usual},
		{capabilities(`true`), "capabilities", usual},
		{capabilities(`{"textDocument":{"inlineCompletion":true,"codeLens":{}}}`), "capabilities.textDocument.inlineCompletion", func(c *Client) bool {
			return usual(c) && !c.InlineCompletion && c.CodeLens
		}},
		{capabilities(`{"textDocument":{"inlineCompletion":{"dynamicRegistration":"x"}}}`), "capabilities.textDocument.inlineCompletion.dynamicRegistration", func(c *Client) bool {
			return usual(c) && c.InlineCompletion
		}},
		{capabilities(`{"textDocument":{"codeAction":{"dataSupport":{},"disabledSupport":true,"resolveSupport":{"properties":["edit",null,3]}}}}`), "capabilities.textDocument.codeAction.dataSupport capabilities.textDocument.codeAction.resolveSupport.properties[1] capabilities.textDocument.codeAction.resolveSupport.properties[2]", func(c *Client) bool {
			return usual(c) && c.CodeActionDisabled && c.CodeActionResolve
		}},
		{capabilities(`{"workspace":{"applyEdit":true,"workspaceEdit":{"failureHandling":null,"documentChanges":true}}}`), "capabilities.workspace.workspaceEdit.failureHandling", func(c *Client) bool {
			return usual(c) && c.AppliesEdits && c.DocumentChanges
		}},
		{capabilities(`{"workspace":{"workspaceEdit":{"failureHandling":"later","resourceOperations":["swap"],"documentChanges":true}}}`), "", func(c *Client) bool {
			return usual(c) && c.DocumentChanges
		}},
		{capabilities(`{"workspace":{"applyEdit":true,"workspaceEdit":{"documentChanges":"yes","snippetEditSupport":true}}}`), "capabilities.workspace.workspaceEdit.documentChanges", func(c *Client) bool {
			return usual(c) && c.AppliesEdits && !c.DocumentChanges && c.SnippetEdits
		}},
		{capabilities(`{"general":{"positionEncodings":["ebcdic",null,"utf-32"]}}`), "capabilities.general.positionEncodings[1]", func(c *Client) bool {
			return usual(c) && c.Encoding == UTF32
		}},
		{capabilities(`{"general":{"positionEncodings":"utf-8"}}`), "capabilities.general.positionEncodings", func(c *Client) bool {
			return usual(c) && c.Encoding == UTF16
		}},
		{capabilities(`{"general":{"staleRequestSupport":7},"experimental":{"sparkEdit":1}}`), "capabilities.general.staleRequestSupport", func(c *Client) bool {
			return usual(c) && c.SparkEdit
		}},
		{`{` + beside + `,"trace":null,"initializationOptions":{"<a>":[1.50,null]}}`, "trace", func(c *Client) bool {
			return usual(c) && string(c.InitializationOptions) == `{"<a>":[1.50,null]}`
		}},

		{folders(`"rootUri":""`), "rootUri", in()},
		{folders(`"rootUri":"file://"`), "rootUri", in()},
		{folders(`"rootUri":"not a URI"`), "rootUri", in()},
		{folders(`"rootUri":"not a scheme: x"`), "rootUri", in()},
		{folders(`"rootUri":7,"rootPath":"/old"`), "rootUri", in("/old")},
		{folders(`"rootUri":"","rootPath":"/old"`), "rootUri", in("/old")},
		{folders(`"rootUri":null,"rootPath":7`), "rootPath", in()},
		{folders(`"rootPath":"x"`), "", in()},
		{folders(`"rootUri":"/a b"`), "", in("/a b")},
		{folders(`"rootUri":"file:///"`), "", in("/")}, // it says so
		{folders(`"rootUri":"untitled:x"`), "", in()},
		{folders(`"workspaceFolders":true,"rootUri":"file:///r"`), "workspaceFolders", in("/r")},
		{folders(`"workspaceFolders":{"uri":"file:///a"},"rootUri":"file:///r"`), "workspaceFolders", in("/r")},
		{folders(`"workspaceFolders":["file:///a"],"rootUri":"file:///r"`), "workspaceFolders[0]", in("/r")},
		{folders(`"workspaceFolders":[{"uri":""},{"uri":"file:///b","name":null},{"uri":7,"name":"c"},null]`), "workspaceFolders[0].uri workspaceFolders[1].name workspaceFolders[2].uri", in("/b")},
		{folders(`"workspaceFolders":[{"uri":"","name":"x"}],"rootUri":"file:///r"`), "workspaceFolders[0].uri", in("/r")},
		{`null`, "", func(c *Client) bool { return c.Encoding == UTF16 }},
	} {
		got := initializeOverWire(t, test.params)
		if !test.check(got.client) {
			t.Errorf("%s: %+v", test.params, got.client)
		}
		if dropped := strings.Join(got.dropped, " "); dropped != test.dropped {
			t.Errorf("%s: dropped %q, want %q", test.params, dropped, test.dropped)
		}
	}
}

// Nothing is taken out of what real editors send, and the Program sees all of it.
func TestRealInitializeStaysWhole(t *testing.T) {
	for name, raw := range captured(t) {
		var want protocol.InitializeParams
		if err := protocol.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if t := want.Capabilities.TextDocument; t.InlineCompletion == nil && saysInlineCompletion(raw) { // lsp-mode's null
			want.Capabilities.TextDocument.InlineCompletion = &protocol.InlineCompletionClientCapabilities{}
		}
		got, dropped, err := decodeInitialize(raw)
		if err != nil || len(dropped) > 0 {
			t.Errorf("%s: dropped %q, %v", name, dropped, err)
		}
		unexported := cmp.Exporter(func(reflect.Type) bool { return true })
		if diff := cmp.Diff(&want, got, unexported); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}

		// With one odd member, all the rest comes out the same.
		odd := bytes.Replace(raw, []byte("{"), []byte(`{"locale":[],`), 1)
		got, dropped, err = decodeInitialize(odd)
		if err != nil || !slices.Equal(dropped, []string{"locale"}) {
			t.Errorf("%s: dropped %q, %v", name, dropped, err)
		}
		ignore := cmp.Options{cmpopts.IgnoreUnexported(Client{}), cmpopts.EquateEmpty()}
		if diff := cmp.Diff(newClient(&want), newClient(got), ignore); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// captured are the parameters that real editors sent, without processes and locales.
func captured(t testing.TB) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	files, err := filepath.Glob(filepath.Join("testdata", "initialize", "*.json"))
	if err != nil || len(files) != 5 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			t.Fatal(err)
		}
		delete(members, "processId") // it may be that of something else here
		delete(members, "locale")
		if all[filepath.Base(file)], err = json.Marshal(members); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// Whatever members of a real initialize are replaced by, it is answered.
func TestDamagedInitialize(t *testing.T) {
	// Each member by two of the odd values, others in each editor's: what comes out is as if the member were not there, or is whole.
	turn := 0
	for name, raw := range captured(t) {
		for i := range countMembers(decodeTree(t, raw)) {
			without := decodeTree(t, raw)
			damage(without, map[int]any{i: removed{}})
			want, ok := strictInitialize(encodeTree(t, without))
			if !ok {
				t.Fatalf("%s: does not decode without member %d", name, i)
			}
			for range 2 {
				odd := oddValues()[turn%len(oddValues())]
				turn++
				tree := decodeTree(t, raw)
				damage(tree, map[int]any{i: odd})
				params := encodeTree(t, tree)
				got, dropped := checkDamaged(t, name, params)
				if len(dropped) > 1 || len(dropped) == 1 && !reflect.DeepEqual(got, want) {
					t.Fatalf("%s: dropped %q of %s", name, dropped, params)
				}
			}
		}
	}
	// Many at once, over the wire.
	random := rand.New(rand.NewPCG(1, 2))
	for name, raw := range captured(t) {
		n := countMembers(decodeTree(t, raw))
		for range 60 {
			replaced := make(map[int]any)
			for range 1 + random.IntN(12) {
				replaced[random.IntN(n)] = oddValues()[random.IntN(len(oddValues()))]
			}
			tree := decodeTree(t, raw)
			damage(tree, replaced)
			params := encodeTree(t, tree)
			checkDamaged(t, name, params)
			initializeOverWire(t, string(params))
		}
	}
}

// checkDamaged checks that the parameters decode, and that something is dropped exactly when it has to be.
func checkDamaged(t *testing.T, name string, params []byte) (*protocol.InitializeParams, []string) {
	t.Helper()
	p, dropped, err := decodeInitialize(params)
	if err != nil || p == nil || slices.Contains(dropped, "") {
		t.Fatalf("%s: dropped %q, %v: %s", name, dropped, err, params)
	}
	if _, ok := strictInitialize(params); ok != (len(dropped) == 0) {
		t.Fatalf("%s: dropped %q of %s", name, dropped, params)
	}
	newClient(p)
	return p, dropped
}

// FuzzInitialize decodes any object as the parameters of initialize.
func FuzzInitialize(f *testing.F) {
	for _, raw := range captured(f) {
		f.Add(raw)
	}
	f.Add([]byte(`{"trace":null,"processId":1e999,"workspaceFolders":[{"uri":"\ud800"}],"capabilities":{"textDocument":[[[{}]]]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if trimmed := bytes.TrimSpace(raw); !json.Valid(raw) || trimmed[0] != '{' {
			return
		}
		p, dropped, err := decodeInitialize(raw)
		if err != nil || p == nil || slices.Contains(dropped, "") {
			t.Fatalf("dropped %q, %v", dropped, err)
		}
		newClient(p)
	})
}

func oddValues() []any {
	return []any{nil, true, "x", 1.5, []any{}, map[string]any{}}
}

func decodeTree(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

func encodeTree(t *testing.T, tree any) []byte {
	t.Helper()
	raw, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func countMembers(tree any) int {
	n := 0
	walk(tree, func(any) (any, bool) { n++; return nil, false })
	return n
}

// damage replaces members and elements by their number in the order of walk.
func damage(tree any, replaced map[int]any) {
	n := -1
	walk(tree, func(any) (any, bool) {
		n++
		v, ok := replaced[n]
		return v, ok
	})
}

// removed in the place of a member of an object or an element of an array takes it away.
type removed struct{}

func isRemoved(v any) bool { _, ok := v.(removed); return ok }

// walk visits the members and elements of a tree, and puts what f returns in its place.
func walk(tree any, f func(any) (any, bool)) {
	visit := func(v any, set func(any)) {
		if odd, ok := f(v); ok {
			set(odd)
			return
		}
		walk(v, f)
	}
	switch tree := tree.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(tree)) {
			visit(tree[name], func(v any) { tree[name] = v })
			if isRemoved(tree[name]) {
				delete(tree, name)
			} else if list, ok := tree[name].([]any); ok { // no list of lists occurs
				tree[name] = slices.DeleteFunc(list, isRemoved)
			}
		}
	case []any:
		for i, v := range tree[:min(len(tree), 2)] { // the others are like them, and there are hundreds
			visit(v, func(v any) { tree[i] = v })
		}
	}
}
