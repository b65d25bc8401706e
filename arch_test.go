package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/spark-lsp/spark-lsp"

type room struct {
	name     string   // relative to the module; "." is main
	internal []string // packages of ours it may import
	external []string // prefixes of modules it may import; the standard library is always allowed
	why      string
}

// rooms are the packages of this repository: what each may import of the others and of third parties, and why.
// A package that is not here fails the test: a new room must earn its place, with a row.
var rooms = []room{
	{".", []string{"server", "offline", "prompt", "settings", "privacy", "lsp", "lsp/editor", "session", "session/loopback", "internal/quiet"},
		[]string{"github.com/alecthomas/kong", "github.com/BurntSushi/toml", "github.com/zalando/go-keyring", "go.uber.org/zap", "golang.org/x/term"},
		"main ties the rooms together: flags, files, the demo. Logic belongs behind one of the doors it opens."},
	{"server", []string{"lsp", "delivery", "prompt", "related", "session", "settings", "privacy", "editops"},
		[]string{"go.lsp.dev/", "go.uber.org/zap"},
		"the program may use every room, but not the embedded engine: that is a Model like any other and comes in from main."},
	{"lsp", []string{"editops"}, []string{"go.lsp.dev/", "go.uber.org/zap", "golang.org/x/sys"},
		"the edge knows the protocol and nothing of models, so that both can change alone."},
	{"lsp/editor", []string{"lsp", "editops"}, []string{"go.lsp.dev/"},
		"the scripted editor stands at the other end of the wire; it shares positions and text with the edge, and nothing else."},
	{"delivery", []string{"editops"}, nil,
		"pure: 100,000 simulated runs must cost seconds, so there is no protocol, clock or goroutine in it."},
	{"editops", nil, nil,
		"pure: text in, edits out; the standard library is enough, and nothing else may creep into the innermost room."},
	{"prompt", nil, nil,
		"pure: a golden prompt is a function of strings, so prompts can be reviewed without an editor or a model."},
	{"related", nil, nil,
		"pure: what is found for a place is a function of texts, so that how well it is found can be measured on any module."},
	{"settings", nil, nil,
		"options are declared once and known by all; a dependency here would be everybody's."},
	{"privacy", nil, []string{"github.com/go-git/go-git/v5/plumbing/format/"},
		"the gate must be easy to audit: one library of its subject at most. The rules for secrets are data, made from gitleaks' by privacy/gen.go."},
	{"privacy/canary", nil, nil,
		"secrets made for tests: what they look like must not be learned from the code that has to find them."},
	{"offline", []string{"session"}, nil,
		"the embedded engine answers the session's Request with the session's Events, and needs nothing else."},
	{"session", []string{"internal/quiet"}, []string{"github.com/gorilla/websocket", "github.com/tiktoken-go/tokenizer"},
		"the model's side knows neither editors nor prompts; only here is a socket opened to it."},
	{"internal/corpus", nil, nil,
		"tests measure on public modules, which they must not keep copies of; nothing but tests imports it."},
	{"internal/quiet", nil, []string{"golang.org/x/sys"},
		"the two ends of the program are read and written in one way, which is the system's business and nobody else's."},
	{"session/loopback", nil, []string{"github.com/gorilla/websocket", "golang.org/x/tools/txtar"},
		"the scripted model is an independent reading of the protocol: sharing the session's structs would hide our mistakes from us."},
}

type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Doc        string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Doc", "./...").Output()
	if err != nil {
		var ee *exec.ExitError
		if errors.As(err, &ee) {
			t.Fatalf("go list: %v\n%s", err, ee.Stderr)
		}
		t.Fatal(err)
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// TestImportDirections holds the house: which room may open which door.
func TestImportDirections(t *testing.T) {
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "" {
			name = "."
		}
		i := slices.IndexFunc(rooms, func(r room) bool { return r.name == name })
		if i < 0 {
			t.Errorf("package %s has no row in rooms: say here what it may import, and why it must exist", name)
			continue
		}
		room := rooms[i]
		for _, imp := range p.Imports {
			if rest, ours := strings.CutPrefix(imp, module+"/"); ours {
				if !slices.Contains(room.internal, rest) {
					t.Errorf("%s imports %s, but may only import %v: %s", name, rest, room.internal, room.why)
				}
				continue
			}
			if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
				continue // standard library
			}
			if !slices.ContainsFunc(room.external, func(prefix string) bool { return strings.HasPrefix(imp, prefix) }) {
				t.Errorf("%s imports %s, but may only import %v: %s", name, imp, room.external, room.why)
			}
		}
	}
}

// TestPackageServerSendsThroughTheGate holds that in server a session is opened and closed in models.go and asked in
// gate.go, and named nowhere else: what is sent past the gate is sent unmasked. Answers come through answerOf, which
// is there too: what comes past it is not looked at.
func TestPackageServerSendsThroughTheGate(t *testing.T) {
	fset := token.NewFileSet()
	files, err := filepath.Glob("server/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	asked := false
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(name)
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 2 && base != "gate.go" {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Stream" {
					t.Errorf("%s: range over s.answerOf(ctx, model, req, own)", fset.Position(call.Pos()))
				}
			}
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			where := fset.Position(sel.Pos())
			switch x := sel.X.(type) {
			case *ast.Ident:
				if x.Name == "session" && (sel.Sel.Name == "Session" || sel.Sel.Name == "Open") && base != "models.go" && base != "gate.go" {
					t.Errorf("%s: session.%s: ask s.model(job), the door behind the gate", where, sel.Sel.Name)
				}
			case *ast.SelectorExpr:
				if x.Sel.Name == "models" && sel.Sel.Name == "session" {
					asked = asked || base == "gate.go"
					if base != "gate.go" {
						t.Errorf("%s: %s.session: ask s.model(job), the door behind the gate", where, x.Sel.Name)
					}
				}
			}
			return true
		})
	}
	if !asked {
		t.Error("gate.go asks no session: does this test still look at the right names?")
	}
}

// TestPackageSentences: a newcomer should know a room by its first sentence.
func TestPackageSentences(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.Doc == "" {
			t.Errorf("package %s has no doc comment", p.ImportPath)
		}
	}
}

// TestNoInit: registration at start-up cannot be seen from the place that uses it; a table can.
func TestNoInit(t *testing.T) {
	fset := token.NewFileSet()
	for _, p := range listPackages(t) {
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, path.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s has an init function; use a table that its reader can see", fset.Position(fn.Pos()))
				}
			}
		}
	}
}
