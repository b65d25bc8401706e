package server

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

// TestBaseIsDue: when a file's base is made anew.
func TestBaseIsDue(t *testing.T) {
	const long = time.Hour
	for name, tt := range map[string]struct {
		state baseState
		want  bool
	}{
		"none yet":                     {baseState{true, long, long, 2}, true},
		"nobody works in it":           {baseState{false, long, long, 2}, false},
		"in the middle of a burst":     {baseState{true, quietTime - 1, long, 2}, false},
		"just renewed":                 {baseState{true, long, leastAge - 1, 2}, false},
		"little was edited since":      {baseState{true, long, long, 0.4}, false},
		"half of the room is taken":    {baseState{true, long, long, 0.6}, true},
		"the cursor has left its part": {baseState{true, long, long, 2}, true},
	} {
		if got := tt.state.due(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestWarmthIsCapped: the tokens of an hour, and the number of files.
func TestWarmthIsCapped(t *testing.T) {
	var w warmth
	now := time.Now()
	if !w.afford(600, 1000, now) || w.afford(600, 1000, now.Add(time.Minute)) || !w.afford(400, 1000, now.Add(time.Minute)) {
		t.Error("an hour's tokens are not what was set")
	}
	if !w.afford(600, 1000, now.Add(time.Hour+time.Second)) {
		t.Error("what was spent more than an hour ago still counts")
	}
	if w.afford(1, 0, now.Add(3*time.Hour)) {
		t.Error("0 tokens an hour are not none")
	}
	docs := make([]docContext, mostWarm+1)
	for i := range docs[:mostWarm] {
		if out := w.holds(&docs[i]); out != nil {
			t.Fatalf("file %d pushes another out", i)
		}
	}
	w.holds(&docs[0]) // renewed, so it is not the oldest any more
	if out := w.holds(&docs[mostWarm]); out != &docs[1] {
		t.Error("not the file that was warmed first had to go")
	}
}

// TestBaseGoesOutOfForce: a base whose text would leave this machine otherwise now, or stands for more than it may, does
// not go on standing in front of requests.
func TestBaseGoesOutOfForce(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(root, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	helper := write("helper.py", "def helper_of_mine(x):\n    pass\n")
	s := New(Config{Log: zap.NewNop(), Engine: deaf{}, User: User{Settings: settings.Layer{"provider": "openai", "apiKey": "none"}}, PanicOnBug: true})
	defer s.Close()
	s.client, s.roots = &lsp.Client{Name: "test"}, []string{root}
	s.indexWorkspace(t.Context(), s.roots)
	docs := lsp.NewDocuments(lsp.UTF8)
	text := "from helper import helper_of_mine\nvalue = 's3cr3t-that-nobody-knows'\n\n"
	c := docs.Open(lsp.PathToURI(write("a.py", text)), "python", 1, text)
	s.changed(c)
	d := s.document(c.After.URI)
	d.context.at = len(text)
	d.context.refresh()
	in := s.gather(c.After, len(text), session.Completion)
	base := prompt.NewBase(in, 1)
	d.context.base = base
	if !strings.Contains(base.Messages[1].Text, "helper_of_mine(x)") {
		t.Fatalf("the base is without the definition:\n%s", base.Messages[1].Text)
	}
	sent := maskedParts(s.masker(), parts(base.Messages))
	if got := s.fillOf(base, sent, c.After, in); got > 0.5 {
		t.Errorf("nothing has changed, and %.1f of its room is taken", got)
	}
	s.masker().Mask("password = 's3cr3t-that-nobody-knows'\n") // from now on it is known
	if got := s.fillOf(base, sent, c.After, in); got <= 1 {
		t.Errorf("a secret of it has become known, and %.1f of its room is taken", got)
	}

	// The file that the definition is from is closed.
	write(".aiignore", filepath.Base(helper)+"\n")
	s.ignoreFileChanged(filepath.Join(root, ".aiignore"))
	if s.gather(c.After, len(text), session.Completion).Base != nil {
		t.Error("the base with a definition of a file that was closed since is still in force")
	}
	// A walk that comes later than the one in the background finds what that leaves.
	s.indexWorkspace(context.Background(), s.roots)
	s.indexWorkspace(context.Background(), s.roots)
	d.context.refresh()
	for _, sn := range s.gather(c.After, len(text), session.Completion).Context {
		if sn.Source == prompt.Definitions {
			t.Errorf("a closed file still defines: %+v", sn)
		}
	}
}

// TestContextSettingsHoldAtOnce: what the settings take out of prompts is out of the next one, also where a base is in
// force that was made before, or that has to be read with what was edited since.
func TestContextSettingsHoldAtOnce(t *testing.T) {
	user := User{Settings: settings.Layer{"provider": "offline", "context.edits": false}}
	s := New(Config{Log: zap.NewNop(), Engine: deaf{}, User: user, PanicOnBug: true})
	defer s.Close()
	s.client, s.roots = &lsp.Client{Name: "test"}, []string{t.TempDir()}
	docs := lsp.NewDocuments(lsp.UTF8)
	type openDoc struct {
		uri     string
		version int32
	}
	open := func(name string) openDoc {
		o := openDoc{lsp.PathToURI(filepath.Join(s.roots[0], name)), 1}
		s.changed(docs.Open(o.uri, "python", o.version, "one\ntwo\n"))
		s.document(o.uri).context.refresh()
		return o
	}
	write := func(o *openDoc, text string) *lsp.Document {
		o.version++
		c, err := docs.Change(o.uri, o.version, lsp.ContentChange{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		s.changed(c)
		return c.After
	}
	a, b := open("a.py"), open("b.py")
	write(&a, "before\ntwo\n")
	write(&b, "elsewhere\ntwo\n")
	doc := write(&a, "before\nsnapshot\n")
	c := &s.document(a.uri).context
	s.contexts.edits.seal(a.uri)
	base := prompt.NewBase(s.gather(doc, 0, session.Completion), doc.Version)
	c.mu.Lock()
	c.base = base
	c.mu.Unlock()
	doc = write(&a, "before\nsince\n")
	in := s.gather(doc, 0, session.Completion)
	if in.Base != base {
		t.Fatal("the base does not serve")
	}
	if got := shownEdits(in.Context); got != "a.py:2 since=true\n-snapshot\n+since\n" {
		t.Errorf("context.edits is off, and the prompt tells\n%s", got)
	}
	user.Settings = settings.Layer{"provider": "offline", "context.instructions": false}
	s.userChanged(user)
	if s.gather(doc, 0, session.Completion).Base != nil {
		t.Error("a base with the repository's instructions is in force after they were switched off")
	}
}
