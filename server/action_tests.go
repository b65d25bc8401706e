package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

// testsOf says where the tests of a file belong, by the convention of its language: the places in which they may be
// already, and the one that is made where none of them is. Both may be the file itself. root is the workspace folder,
// exists looks for a file or directory.
func testsOf(language, root, file string, exists func(string) bool) (found string, ok bool) {
	dir, base := filepath.Dir(file), filepath.Base(file)
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	var places []string // the last is made
	switch language {
	case "go":
		places = []string{filepath.Join(dir, stem+"_test.go")}
	case "rust":
		places = []string{file} // mod tests
	case "python":
		name := "test_" + base
		places = []string{
			filepath.Join(dir, name), filepath.Join(dir, stem+"_test.py"), filepath.Join(dir, "tests", name),
			filepath.Join(root, "tests", name), filepath.Join(root, "test", name),
		}
		made := filepath.Join(dir, name)
		for _, tests := range []string{filepath.Join(root, "tests"), filepath.Join(dir, "tests")} {
			if exists(tests) {
				made = filepath.Join(tests, name)
				break
			}
		}
		places = append(places, made)
	case "typescript", "typescriptreact", "javascript", "javascriptreact":
		for _, in := range []string{dir, filepath.Join(dir, "__tests__"), filepath.Join(root, "test"), filepath.Join(root, "tests")} {
			places = append(places, filepath.Join(in, stem+".test"+ext), filepath.Join(in, stem+".spec"+ext))
		}
		made := filepath.Join(dir, stem+".test"+ext)
		if exists(filepath.Join(dir, "__tests__")) {
			made = filepath.Join(dir, "__tests__", stem+".test"+ext)
		}
		places = append(places, made)
	case "java":
		name := stem + "Test.java"
		main := string(filepath.Separator) + filepath.Join("src", "main", "java") + string(filepath.Separator)
		if i := strings.LastIndex(dir+string(filepath.Separator), main); i >= 0 {
			test := string(filepath.Separator) + filepath.Join("src", "test", "java") + string(filepath.Separator)
			places = append(places, filepath.Join(dir[:i]+test+(dir + string(filepath.Separator))[i+len(main):], name))
		} else {
			places = append(places, filepath.Join(dir, name))
		}
	default:
		return "", false
	}
	if i := slices.IndexFunc(places, exists); i >= 0 {
		return places[i], true
	}
	return places[len(places)-1], true
}

// isTest reports whether a file holds tests by its name.
func isTest(file string) bool {
	base := filepath.Base(file)
	stem := strings.TrimSuffix(base, filepath.Ext(base))
	for _, end := range []string{"_test", ".test", ".spec", "Test", "Tests"} {
		if strings.HasSuffix(stem, end) {
			return true
		}
	}
	return strings.HasPrefix(stem, "test_") || stem == "conftest"
}

// testable offers tests for a selection, and on the first line of a declaration.
func testable(s *Server, at place) (bool, string) {
	file, ok := at.doc.Path()
	if !ok || isTest(file) {
		return false, ""
	}
	if _, ok := testsOf(at.doc.LanguageID, "", file, func(string) bool { return false }); !ok {
		return false, ""
	}
	if selects(at.doc.Text, at.start, at.end) {
		return selected(s, at)
	}
	_, ok = prompt.DeclarationOn(at.doc.Text, at.doc.Text.LineAt(at.start))
	return ok, ""
}

// writeTests writes tests for what is selected into the file where they belong. In Rust that is the file itself, and
// the tests stream into it; any other is proposed, since it may be new, or not open.
func (s *Server) writeTests(at place, a action) error {
	doc := at.doc
	file, ok := doc.Path()
	if !ok {
		return invalidParams("%s is no file", doc.URI)
	}
	tests, ok := testsOf(doc.LanguageID, s.rootOf(file), file, s.exists)
	if !ok {
		return invalidParams("where tests of %s belong is not known", doc.LanguageID)
	}
	if err := s.mayChange(file, lsp.PathToURI(tests)); err != nil {
		s.say(protocol.MessageTypeWarning, "spark-lsp: %v", err)
		return nil
	}
	start, end := a.region(at)
	in := prompt.ActionInput{Place: prompt.PlaceOf(doc.Text, start, end), TestFile: s.relative(lsp.PathToURI(tests))}
	if tests == file {
		in.TestExists = true
		return s.startTask(at, func(at place) (task, error) {
			start, end := a.region(at)
			in.Place = prompt.PlaceOf(at.doc.Text, start, end)
			instruction, err := s.instruction(at.doc, a, in)
			return task{doc: at.doc, text: at.doc.Text, end: at.doc.Text.Len(), seen: [2]int{start, end}, instruction: instruction, title: a.title, format: prompt.Hunks}, err
		})
	}
	s.startJob(doc.URI, a.title, func(ctx context.Context, r *editReport) (string, error) {
		p, old, err := s.testsPrompt(doc, start, end, a, &in, tests)
		if err != nil {
			return "", err
		}
		text, err := s.listen(ctx, p, maxTestTokens, doc.URI, r, nil)
		if err != nil {
			return "", err
		}
		f, left := readFileReply(text, in.TestFile, old, !in.TestExists)
		f.uri = s.uriOf(tests)
		if len(f.edits) == 0 {
			if len(left) == 0 {
				left = []string{errNoHunks.Error()}
			}
			return "", errors.New(strings.Join(left, "; "))
		}
		v := s.propose(ctx, proposal{title: a.title, home: file, files: []proposedFile{f}})
		v.left = append(left, v.left...)
		switch {
		case v.err != nil:
			return "", errors.New(v.String())
		case len(v.left) > 0:
			s.say(protocol.MessageTypeWarning, "spark-lsp: %s: %s", in.TestFile, v)
		}
		return "done: " + in.TestFile, nil
	})
	return nil
}

// testsPrompt is what the model reads that is to write tests into another file, and what that file holds.
func (s *Server) testsPrompt(doc *lsp.Document, start, end int, a action, in *prompt.ActionInput, tests string) (p prompt.Prompt, old string, err error) {
	old, err = s.textOf(tests)
	if in.TestExists = err == nil; err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, "", fmt.Errorf("%s cannot be read: %w", in.TestFile, err)
	}
	instruction, err := s.instruction(doc, a, *in)
	if err != nil {
		return p, "", err
	}
	input := s.gather(doc, start, session.Edit)
	input.Start, input.End, input.Instruction = start, end, instruction
	others := []prompt.File{{Path: in.TestFile, Text: old, New: !in.TestExists}}
	return prompt.EditFiles(input, others, s.hunkSyntax()), old, nil
}

// maxTestTokens bounds the answer to a request for tests.
const maxTestTokens = 8000

// readFileReply reads what a reply says of one file whose text is old; what it says of others is left out, and told.
func readFileReply(reply, name, old string, isNew bool) (f proposedFile, left []string) {
	f = proposedFile{base: old, new: isNew}
	text := old
	parts := editops.SplitFiles(reply)
	headed := slices.ContainsFunc(parts, func(p editops.FileReply) bool { return p.Path != "" })
	for _, part := range parts {
		switch {
		case part.Path == "" && (isNew && headed || strings.TrimSpace(part.Body) == ""): // prose, if anything
			continue
		case part.Path != "" && path.Base(part.Path) != path.Base(name):
			left = append(left, "changes to "+part.Path+" were left out")
			continue
		case isNew:
			text += editops.NewFileText(part.Body)
			continue
		case part.New: // the model takes it for new; what it wrote would replace the file
			left = append(left, name+" exists, and the model wrote it anew")
			continue
		}
		ans := &hunkAnswer{hunks: editops.NewHunkStream(text, editops.HunkOptions{})}
		ans.Push(part.Body)
		ans.Finish()
		text = ans.Text()
		if words := ans.Left(); words != "" {
			left = append(left, words)
		}
	}
	f.edits = editops.Diff(old, text)
	return f, left
}

// exists reports whether there is a file or directory, in the editor or on disk.
func (s *Server) exists(name string) bool {
	if s.document(s.uriOf(name)) != nil {
		return true
	}
	_, err := os.Lstat(name)
	return err == nil
}

// uriOf is the URI of a file: as the editor spells it, if it has it open.
func (s *Server) uriOf(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := range s.docs {
		if p, ok := lsp.URIToPath(u); ok && p == name {
			return u
		}
	}
	return lsp.PathToURI(name)
}

// textOf is the text of a file: the editor's, if it is open, else what is on disk.
func (s *Server) textOf(name string) (string, error) {
	if d := s.document(s.uriOf(name)); d != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.doc.Text.String(), nil
	}
	return s.readFile(name)
}

// hunkSyntax is how the model that answers edits writes hunks.
func (s *Server) hunkSyntax() prompt.HunkSyntax {
	return prompt.HunkSyntaxFor(s.options().For(settings.Edit).Model)
}
