package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

// What a delegated task may read. It goes on without anybody watching, and every byte is paid for.
const (
	delegateRounds = 8         // answers, the one with the changes included
	delegateFiles  = 60        // files in all
	delegateBytes  = 400 << 10 // of them
	delegatePaths  = 300       // that it is told of
)

// delegateArgument is the argument of spark-lsp.delegate. URIs are files or directories; the first one is where the
// task belongs. Without an instruction a spark comment in Range, or the first one of the first document, gives it.
type delegateArgument struct {
	Instruction string          `json:"instruction,omitempty"`
	URIs        []string        `json:"uris,omitempty"`
	URI         string          `json:"uri,omitempty"` // of the menu
	Range       *protocol.Range `json:"range,omitempty"`
}

// delegation is a task that the deep model works on in the background. It lives from the command to the proposal.
type delegation struct {
	s     *Server
	task  string
	home  string   // path of the file, or of the directory, where it belongs
	given []string // paths that the user has named, home first
	model Model
	base  []session.Part
	// comment is where the task stands in the home document, if it does; the change takes it away. The model does not
	// see it.
	comment place

	mu     sync.Mutex // guards what follows
	handle session.Handle
	turns  []session.Part // told by Steer, and not yet begun by the model
	queued []session.Part // for behind the present answer, since it has not begun
	over   bool           // there is none any more: the proposal is made

	// The goroutine that works on it has the rest to itself.
	input []session.Part
	known map[string]string // texts that the model has read, by path
	bytes int
}

// delegateCommand starts a task in the background. It answers at once.
func (s *Server) delegateCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	var a delegateArgument
	if len(arg) > 0 {
		if err := lsp.DecodeParams(arg, &a); err != nil {
			return nil, invalidParams("%s: the argument is {instruction?, uris?}: %v", cmdDelegate, err)
		}
	}
	if a.URI != "" && len(a.URIs) == 0 {
		a.URIs = []string{a.URI}
	}
	if len(a.URIs) == 0 {
		s.say(protocol.MessageTypeInfo, "spark-lsp: choose \"Delegate with spark\" from the code actions of a spark: comment")
		return nil, nil
	}
	d := &delegation{s: s, task: strings.TrimSpace(a.Instruction), known: map[string]string{}}
	var files []string
	for _, u := range a.URIs {
		doc, open := snap.Get(u)
		if open {
			u = doc.URI
			if !s.optionsFor(doc).Enabled {
				s.say(protocol.MessageTypeInfo, "spark-lsp: switched off by the setting \"enabled\"")
				return nil, nil
			}
		}
		name, ok := lsp.URIToPath(u)
		if !ok {
			return nil, invalidParams("%s: %s is no file", cmdDelegate, u)
		}
		if open && d.task == "" {
			if at := commentFor(doc, a.Range); at.doc != nil {
				c, _ := commentIn(at)
				d.task, d.comment = c.Instruction, place{doc: doc, start: c.Start, end: c.End}
			}
		}
		files = append(files, name)
	}
	if d.task == "" {
		s.say(protocol.MessageTypeWarning, "spark-lsp: %v", errNoInstruction)
		return nil, nil
	}
	if why := s.deaf(session.Deep); why != "" {
		s.say(protocol.MessageTypeWarning, "spark-lsp: %s", why)
		return nil, nil
	}
	d.home, d.given = files[0], files
	home := s.uriOf(d.home)
	begin := func(release func()) error {
		s.beginJob(home, "Delegate: "+shorten(d.task), release, func(ctx context.Context, r *editReport) (string, error) {
			d.model = s.model(session.Deep)
			s.mu.Lock()
			r.e.delegation = d
			s.mu.Unlock()
			return d.work(ctx, files, r)
		})
		return nil
	}
	if doc := s.latest(home); doc != nil {
		return nil, s.consented(doc, session.Deep, begin)
	}
	return nil, begin(nil)
}

// work asks until there are changes, and proposes them.
func (d *delegation) work(ctx context.Context, names []string, r *editReport) (word string, err error) {
	s := d.s
	t := prompt.Assignment{Instruction: d.task}
	var named, refused []string
	if !d.alone() {
		t.Paths, t.More = s.pathsIn(ctx, d.root())
	}
	for _, name := range names {
		rel := d.relative(name)
		if text, err := d.read(rel); err == nil {
			t.Files = append(t.Files, prompt.File{Path: rel, Text: text})
		} else {
			// A directory: its files are named first.
			named = append(named, rel)
			if !errors.Is(err, errDirectory) {
				refused = append(refused, err.Error())
			}
		}
	}
	if len(t.Files) == 0 && len(refused) > 0 {
		return "", errors.New(strings.Join(refused, "; "))
	}
	t.Paths = nearest(t.Paths, t.Files, named)
	if len(t.Paths) > delegatePaths {
		t.More += len(t.Paths) - delegatePaths
		t.Paths = t.Paths[:delegatePaths]
	}
	p := prompt.Delegate(t, prompt.HunkSyntaxFor(s.options().For(settings.Deep).Model))
	d.base, d.input = parts(p.Base), parts(p.Input)
	for round := 1; ; round++ {
		answer, err := d.ask(ctx, r)
		if err != nil {
			return "", err
		}
		d.mu.Lock()
		told := d.queued
		d.queued = nil
		d.over = len(told) == 0 && len(prompt.FilesWanted(answer)) == 0
		d.mu.Unlock()
		if d.over {
			return d.propose(ctx, answer)
		}
		var wanted []string
		for _, name := range prompt.FilesWanted(answer) {
			if name = d.named(name); !slices.Contains(wanted, name) {
				wanted = append(wanted, name)
			}
		}
		if round == delegateRounds {
			return "", errors.New("the model went on reading and proposed no change")
		}
		var list []prompt.File
		var no []string
		for _, name := range wanted {
			if text, err := d.read(name); errors.Is(err, errDirectory) {
				no = append(no, name+" is a directory")
			} else if err != nil {
				no = append(no, err.Error())
			} else {
				list = append(list, prompt.File{Path: name, Text: text})
			}
		}
		r.progress.tell(fmt.Sprintf("read %s", counted(len(d.known), "file", "files")))
		m := prompt.Answered(list, no, round == delegateRounds-1)
		d.input = append(d.input, session.Part{Role: session.Assistant, Text: answer})
		if len(wanted) > 0 {
			d.input = append(d.input, parts([]prompt.Message{m})...)
		}
		d.input = append(d.input, told...)
	}
}

func (d *delegation) root() string {
	if d.isDir(d.home) {
		return d.s.rootOf(filepath.Join(d.home, "x"))
	}
	return d.s.rootOf(d.home)
}

func (d *delegation) isDir(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.IsDir()
}

func (d *delegation) relative(name string) string {
	if rel, err := filepath.Rel(d.root(), name); err == nil && filepath.IsLocal(rel) {
		return privacy.Visible(filepath.ToSlash(rel))
	}
	return name
}

// errDirectory is what cannot be read at once.
var errDirectory = errors.New("a directory")

// read is the text of a file of the workspace, for the model: the editor's where it is open. What the rules close is
// not read, and no question is asked: nobody is watching.
func (d *delegation) read(rel string) (string, error) {
	if text, ok := d.known[rel]; ok {
		return text, nil
	}
	name := d.pathOf(rel)
	uri := d.s.uriOf(name)
	// The model may have named anything, and to look for a path outside is a question to the disk, or on Windows to
	// whoever's server the path names.
	if inside, err := filepath.Rel(d.root(), name); err == nil && filepath.IsLocal(inside) && d.isDir(name) {
		return "", errDirectory
	}
	if err := d.s.mayChange(d.inHome(), uri); err != nil && !(name == d.home && d.s.closures.allowed(uri)) {
		return "", errors.New(strings.ReplaceAll(err.Error(), name, rel)) // where the workspace is concerns no model
	}
	if len(d.known) >= delegateFiles {
		return "", fmt.Errorf("%s cannot be read: these are %d files already", rel, delegateFiles)
	}
	var text string
	if doc := d.s.latest(uri); doc != nil {
		if closed, why := d.s.closed(doc); closed && !d.s.closures.allowed(uri) {
			return "", fmt.Errorf("%s cannot be read: %s", rel, why)
		}
		text = doc.Text.String()
		if d.comment.doc != nil && d.comment.doc.URI == doc.URI && d.comment.doc.Version == doc.Version {
			text = text[:d.comment.start] + text[d.comment.end:]
		}
	} else {
		if d.alone() && !slices.Contains(d.given, name) {
			return "", fmt.Errorf("%s lies outside of the workspace", rel)
		}
		read, err := d.s.readFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("%s does not exist", rel)
		case err != nil:
			return "", fmt.Errorf("%s cannot be read: %w", rel, err)
		}
		text = read
	}
	if d.bytes += len(text); d.bytes > delegateBytes {
		d.bytes -= len(text)
		return "", fmt.Errorf("%s cannot be read: it would be more than %d KB in all", rel, delegateBytes>>10)
	}
	d.known[rel] = text
	return text, nil
}

// alone reports whether the task belongs to a file outside of every workspace folder: that it was opened says nothing of
// what lies beside it, which may be all that the user has.
func (d *delegation) alone() bool {
	_, in := d.s.folderOf(d.home)
	return !in && !d.isDir(d.home)
}

// inHome is a path in the directory where the task belongs, for those who ask for a file.
func (d *delegation) inHome() string {
	if d.isDir(d.home) {
		return filepath.Join(d.home, "x")
	}
	return d.home
}

// pathsIn are the files of a workspace that may be read, as far as they are wanted, and how many more there are.
func (s *Server) pathsIn(ctx context.Context, root string) (paths []string, more int) {
	_, err := s.rulesFor(filepath.Join(root, "x")).Walk(ctx, privacy.Limits{}, func(rel string, _ []byte) bool {
		paths = append(paths, privacy.Visible(rel))
		return len(paths) < 20*delegatePaths
	})
	if err != nil {
		return nil, 0
	}
	return paths, 0
}

// nearest puts the files of the directories that were named first, then those beside the files that were; what is
// shown whole is left out.
func nearest(paths []string, shown []prompt.File, dirs []string) []string {
	for _, f := range shown {
		dirs = append(dirs, filepath.ToSlash(filepath.Dir(f.Path)))
	}
	rank := func(p string) int {
		for i, dir := range dirs {
			if dir == "." && !strings.Contains(p, "/") || strings.HasPrefix(p, dir+"/") {
				return i
			}
		}
		return len(dirs)
	}
	paths = slices.DeleteFunc(paths, func(p string) bool {
		return slices.ContainsFunc(shown, func(f prompt.File) bool { return f.Path == p })
	})
	slices.SortStableFunc(paths, func(a, b string) int { return rank(a) - rank(b) })
	return paths
}

// ask takes one answer of the model's. Told something meanwhile, the model begins it anew.
func (d *delegation) ask(ctx context.Context, r *editReport) (string, error) {
	var own strings.Builder
	for _, text := range d.known {
		own.WriteString(text)
	}
	var b strings.Builder
	req := session.Request{Job: session.Deep, Base: d.base, Input: slices.Clip(d.input), Explicit: true, CacheKey: d.s.uriOf(d.home), Trace: r.trace()}
	defer func() {
		d.mu.Lock()
		d.handle = session.Handle{}
		d.mu.Unlock()
	}()
	for ev, err := range d.s.answerOf(ctx, d.model, req, own.String()) {
		if err != nil {
			return "", err
		}
		switch ev.Kind {
		case session.Started:
			d.mu.Lock()
			turns := d.turns
			d.handle, d.turns = ev.Response, nil
			d.mu.Unlock()
			if len(turns) > 0 {
				if b.Len() > 0 {
					d.input = append(d.input, session.Part{Role: session.Assistant, Text: b.String()})
				}
				d.input = append(d.input, turns...)
				b.Reset()
			}
		case session.Delta:
			b.WriteString(ev.Text)
			r.text(ev.Text)
		case session.Done:
			r.tokens += ev.Usage.Output
			if ev.Reason != session.Complete {
				return "", fmt.Errorf("the model stopped early (%s)", ev.Reason)
			}
			return b.String(), nil
		}
	}
	return "", errSilent
}

// steer tells the model something while it works. Where the endpoint can, it is applied behind the present step.
func (d *delegation) steer(instruction string) (session.Outcome, error) {
	model, ok := d.model.(Steerer)
	if !ok {
		return session.SteerRefused, errors.New("this model cannot be redirected")
	}
	words := parts([]prompt.Message{prompt.Redirected(instruction)})
	d.mu.Lock()
	handle := d.handle
	switch {
	case d.over:
		d.mu.Unlock()
		return session.SteerRefused, errors.New("the task is done; what it proposes waits for your word")
	case handle == (session.Handle{}):
		d.queued = append(d.queued, words...)
		d.mu.Unlock()
		return session.SteerQueued, nil
	}
	d.turns = append(d.turns, words...)
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(d.s.root, steerPatience)
	defer cancel()
	out, err := model.Steer(ctx, handle, words)
	if out == session.SteerRefused {
		d.mu.Lock()
		d.turns = slices.DeleteFunc(d.turns, func(p session.Part) bool { return p == words[0] })
		d.mu.Unlock()
	}
	return out, err
}

// propose shows what was proposed, in words, and brings it to the editor when the user agrees. What they have changed
// in the meantime stays as they have it.
func (d *delegation) propose(ctx context.Context, answer string) (word string, err error) {
	s := d.s
	p := proposal{title: shorten(d.task), home: d.inHome(), agreed: true}
	var left []string
	summary := ""
	seen := map[string]bool{}
	for _, part := range editops.SplitFiles(answer) {
		rel := d.named(part.Path)
		switch {
		case part.Path == "":
			summary = strings.TrimSpace(part.Body)
			continue
		case seen[rel]:
			continue // what is said of a file is read at once
		}
		seen[rel] = true
		uri := s.uriOf(d.pathOf(rel))
		if err := s.mayChange(p.home, uri); err != nil {
			left = append(left, err.Error())
			continue
		}
		base, err := d.read(rel)
		isNew := part.New && err != nil
		if err != nil && !isNew {
			left = append(left, err.Error())
			continue
		}
		if isNew {
			base = ""
		}
		f, words := readFileReply(d.saidOf(answer, rel), rel, base, isNew)
		left = append(left, words...)
		f.uri = uri
		if d.comment.doc != nil && d.comment.doc.URI == uri { // the comment goes with the change
			after := base
			if set, err := editops.NewChangeSet(len(base), f.edits...); err == nil {
				after, _ = set.Apply(base)
			}
			f.base = d.comment.doc.Text.String()
			f.edits = editops.Diff(f.base, after)
		}
		if len(f.edits) > 0 {
			p.files = append(p.files, f)
		}
	}
	if len(p.files) == 0 {
		words := append([]string{errNoHunks.Error()}, left...)
		if summary != "" {
			words = append([]string{summary}, left...)
		}
		return "", errors.New(strings.Join(words, "; "))
	}
	var names []string
	for _, f := range p.files {
		names = append(names, s.relative(f.uri))
	}
	slices.Sort(names)
	lines := strings.Split(summary, "\n")
	for i := range lines {
		lines[i] = privacy.Visible(lines[i])
	}
	question := fmt.Sprintf("spark-lsp: %s\n\n%s would change: %s", strings.Join(lines, "\n"), shorten(d.task), strings.Join(names, ", "))
	if !s.agreed(ctx, question) {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "you said no, and nothing was changed", nil
	}
	v := s.propose(ctx, p)
	v.left = append(left, v.left...)
	if v.err != nil {
		return "", errors.New(v.String())
	}
	if len(v.left) > 0 {
		s.say(protocol.MessageTypeWarning, "spark-lsp: %s", v)
	}
	return "done: " + v.String(), nil
}

// named is a path that the model has written, as what is known goes by: models write one file's in more than one way.
func (d *delegation) named(path string) string {
	name := filepath.Clean(filepath.FromSlash(path))
	if rel, err := filepath.Rel(d.root(), name); err == nil && filepath.IsAbs(name) && filepath.IsLocal(rel) {
		name = rel
	}
	return filepath.ToSlash(name)
}

// pathOf is where a file is that is named so.
func (d *delegation) pathOf(rel string) string {
	name := filepath.FromSlash(rel)
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(d.root(), name)
}

// saidOf is what an answer says of one file.
func (d *delegation) saidOf(answer, rel string) string {
	var b strings.Builder
	for _, part := range editops.SplitFiles(answer) {
		if part.Path != "" && d.named(part.Path) == rel {
			head := "*** Update File: "
			if part.New {
				head = "*** Add File: "
			}
			b.WriteString(head + rel + "\n" + part.Body)
		}
	}
	return b.String()
}
