package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.lsp.dev/protocol"
	"go.lsp.dev/uri"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
)

// proposal is a change of one or more files that goes to the editor as one WorkspaceEdit. Nothing of it is written by
// us, ever: what the editor cannot do is said to be so, and not done. Its edits refer to texts that may be old by the
// time it goes out; it is carried over to what the files are then.
//
// A proposal serves one call of propose.
type proposal struct {
	title string
	home  string // path of the file from which it was asked for; what lies outside of its workspace is refused
	files []proposedFile
	// agreed says that the user has been asked already.
	agreed bool
}

// proposedFile is what a proposal does to one file.
type proposedFile struct {
	uri   string
	base  string         // the text that edits refer to, as the editor holds it: without a byte order mark
	edits []editops.Edit // sorted, not overlapping
	new   bool           // the file is created; its text is what edits make of ""
}

// verdict is what became of a proposal.
type verdict struct {
	files int      // that were changed or created
	left  []string // what was not done, and why, a sentence without a full stop each
	err   error    // why nothing was done; nil when files > 0
}

// String is a verdict in words for a person.
func (v verdict) String() string {
	var words []string
	switch {
	case v.err != nil:
		words = append(words, v.err.Error())
	case v.files > 0:
		words = append(words, counted(v.files, "file", "files")+" changed")
	default:
		words = append(words, "nothing was changed")
	}
	return strings.Join(append(words, v.left...), "; ")
}

// The ends that a proposal can have without having been applied.
var (
	errNotTaken   = errors.New("the editor did not take the change, and nothing was changed")
	errDeclined   = errors.New("you said no, and nothing was changed")
	errNoneFits   = errors.New("nothing of the change fits what the files are now")
	errNoProposal = errors.New("nothing was proposed")
)

// propose brings a proposal to the editor and waits until it is there, was declined or was refused. The user may be
// asked, so it can take as long as they do; the end of ctx ends the wait.
//
// While it is on its way no edit begins in the documents that it changes, and it waits for those that run: an editor
// must not get two changes of one document at a time.
func (s *Server) propose(ctx context.Context, p proposal) verdict {
	var v verdict
	files := p.files[:0:0]
	for _, f := range p.files {
		if err := s.mayChange(p.home, f.uri); err != nil {
			v.left = append(v.left, err.Error())
			continue
		}
		files = append(files, f)
	}
	p.files = s.confirmed(ctx, p, files, &v)
	if len(p.files) == 0 {
		v.err = errNoProposal
		return v
	}
	release, err := s.holdDocuments(ctx, p.files)
	if err != nil {
		v.err = err
		return v
	}
	defer release()
	confirmed := p.agreed
	for range bringTries {
		batch, left := s.place(p)
		if len(batch) == 0 {
			v.left = append(v.left, left...)
			v.err = errNoneFits
			return v
		}
		question := batch.question(s)
		if question != "" && !confirmed && !s.client.ChangeAnnotations {
			if !s.agreed(ctx, question) {
				v.err = errDeclined
				return v
			}
			confirmed = true
			continue // the user took their time: look at the files again
		}
		params, err := s.workspaceEdit(p, batch)
		if err != nil {
			v.err = err
			return v
		}
		result, err := s.client.ApplyWorkspaceEdit(ctx, params)
		if err != nil {
			s.log.Info("the editor refused an edit", zap.Error(err))
		}
		refused := err != nil || !result.Applied
		there, moved := s.awaitBatch(ctx, batch, refused, question != "" && s.client.ChangeAnnotations)
		switch {
		case there:
			v.files, v.left = len(batch), append(v.left, left...)
			return v
		case ctx.Err() != nil:
			v.err = ctx.Err()
			return v
		case !moved: // refused as it is, by the user or by the editor: the same again would be too
			v.err = errNotTaken
			if reason := refusal(result); reason != "" {
				v.err = fmt.Errorf("%w: %s", errNotTaken, reason)
			}
			return v
		}
	}
	v.err = errNotTaken
	return v
}

func refusal(r *protocol.ApplyWorkspaceEditResult) string {
	if r == nil || r.FailureReason == nil {
		return ""
	}
	return *r.FailureReason
}

// mayChange says why a proposal must not touch a file; nil when it may. The model has named the file, so nothing is
// taken on trust: it lies in the workspace, links resolved, and is not one that must not even be read.
func (s *Server) mayChange(home, u string) error {
	name, ok := lsp.URIToPath(u)
	if !ok {
		return fmt.Errorf("%s is no file", u)
	}
	shown := s.relative(u)
	root := s.rootOf(home)
	if !within(root, name) {
		return fmt.Errorf("%s lies outside of the workspace and is left as it is", name)
	}
	if ignored, reason := s.rulesFor(name).Ignored(name, false); ignored {
		return fmt.Errorf("%s is left as it is: %s", shown, reason)
	}
	return nil
}

// rootOf is the workspace folder that holds a file, or else the file's own directory.
func (s *Server) rootOf(name string) string {
	if root, ok := s.folderOf(name); ok {
		return root
	}
	return filepath.Dir(name)
}

// within reports whether name lies below root, also when the links on the way to it are followed. What does not exist
// yet lies where the directory above it does.
func within(root, name string) bool {
	rel, err := filepath.Rel(root, name)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return false
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) // a workspace that is not on this disk has no links here
	}
	for dir := name; ; dir = filepath.Dir(dir) {
		if at, err := filepath.EvalSymlinks(dir); err == nil {
			rel, err := filepath.Rel(real, at)
			return err == nil && filepath.IsLocal(rel)
		}
		if _, err := os.Lstat(dir); err == nil || dir == filepath.Dir(dir) {
			return false // a link into nothing
		}
	}
}

// holdDocuments waits until no edit is being written into any of the open files, and keeps new ones out until release
// is called.
func (s *Server) holdDocuments(ctx context.Context, files []proposedFile) (release func(), err error) {
	for {
		var held []*document
		var busy <-chan struct{}
		for _, f := range files {
			d := s.document(f.uri)
			if d == nil {
				continue
			}
			d.mu.Lock()
			if d.bringing || d.machine.Busy() {
				busy = d.moved
				d.mu.Unlock()
				break
			}
			d.bringing = true
			d.mu.Unlock()
			held = append(held, d)
		}
		release = func() {
			for _, d := range held {
				d.mu.Lock()
				d.bringing = false
				d.moveLocked()
				d.mu.Unlock()
			}
		}
		if busy == nil {
			return release, nil
		}
		release()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// placedFile is a proposedFile carried over to what the file is now.
type placedFile struct {
	proposedFile
	lsp.Mapper                // the file's text now; of a new file, ""
	open       *lsp.Document  // nil for a file that is not open
	edits      []editops.Edit // on Mapper's text
}

type batch []placedFile

// place carries a proposal over to the files as they are now. left says what no longer fits, or cannot be done in this
// editor.
func (s *Server) place(p proposal) (list batch, left []string) {
	for _, f := range p.files {
		name := s.relative(f.uri)
		now := placedFile{proposedFile: f}
		if d := s.document(f.uri); d != nil {
			d.mu.Lock()
			now.open = d.doc
			d.mu.Unlock()
			now.Mapper = now.open.Mapper
		} else {
			file, _ := lsp.URIToPath(f.uri)
			text, err := s.readFile(file)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				if !f.new {
					left = append(left, name+" has gone")
					continue
				}
			case err != nil:
				left = append(left, fmt.Sprintf("%s cannot be read: %v", name, err))
				continue
			case f.new:
				left = append(left, name+" has been created meanwhile")
				continue
			}
			now.Mapper = lsp.Mapper{Text: lsp.NewText(text), Encoding: s.client.Encoding}
		}
		if f.new && now.open == nil && !(s.client.DocumentChanges && s.client.CreatesFiles) {
			left = append(left, fmt.Sprintf("this editor lets no server create files: save an empty %s, open it, and ask again", name))
			continue
		}
		text := now.Text.String()
		if f.new && now.open != nil && text != "" {
			left = append(left, name+" has been written meanwhile")
			continue
		}
		var lost int
		now.edits, lost = rebase(f.base, text, f.edits)
		if lost > 0 {
			left = append(left, fmt.Sprintf("%s in %s no longer fit%s what you wrote there",
				counted(lost, "change", "changes"), name, pick(lost, "s", "")))
		}
		if len(now.edits) > 0 {
			list = append(list, now)
		}
	}
	return list, left
}

// readFile reads a file that is not open as the editor would, if it may be read.
func (s *Server) readFile(name string) (string, error) {
	if _, err := os.Lstat(name); err != nil {
		return "", err
	}
	data, err := s.rulesFor(name).Read(name, privacy.DefaultLimits.FileBytes)
	text := strings.TrimPrefix(string(data), "\uFEFF")
	if m := s.masker(); m != nil {
		values := ""
		if privacy.Holds(name, "") {
			values = text
		}
		m.Learn(text, values)
	}
	return text, err
}

// question is what a user is asked who does not see the change before it is made: about files that are new or not
// open. "" when there are none.
func (b batch) question(s *Server) string {
	var creates, changes []string
	for _, f := range b {
		switch {
		case f.open != nil:
		case f.new:
			creates = append(creates, s.relative(f.uri))
		default:
			changes = append(changes, s.relative(f.uri))
		}
	}
	var parts []string
	if len(creates) > 0 {
		parts = append(parts, "create "+strings.Join(creates, ", "))
	}
	if len(changes) > 0 {
		parts = append(parts, "change "+strings.Join(changes, ", ")+", which "+pick(len(changes), "is", "are")+" not open")
	}
	if len(parts) == 0 {
		return ""
	}
	return "spark-lsp would " + strings.Join(parts, " and ")
}

// The answers to a question about a proposal.
const (
	answerApply  = "Go ahead"
	answerCancel = "Change nothing"
)

// agreed asks the user. An editor that knows no questions is no reason to refuse what the user has asked for.
func (s *Server) agreed(ctx context.Context, question string) bool {
	answer, err := s.client.ShowMessageRequest(ctx, protocol.MessageTypeInfo, question, answerApply, answerCancel)
	if err != nil {
		return ctx.Err() == nil && !errors.Is(err, lsp.ErrClosed)
	}
	return answer == answerApply
}

// The annotations by which an editor asks before it goes on.
const (
	annotationNew    protocol.ChangeAnnotationIdentifier = "spark.new"
	annotationClosed protocol.ChangeAnnotationIdentifier = "spark.closed"
)

// workspaceEdit is a batch as the client understands it: with versions, file operations and annotations where it does,
// else as plain changes.
func (s *Server) workspaceEdit(p proposal, list batch) (*protocol.ApplyWorkspaceEditParams, error) {
	yes, no := true, false
	params := &protocol.ApplyWorkspaceEditParams{}
	if profile := s.profile(); profile.Label && profile.Name != "live" { // there a label is the number of an edit
		label := "spark: " + p.title
		params.Label = &label
	}
	if s.client.EditMetadata && len(list) > 1 {
		params.Metadata = &protocol.WorkspaceEditMetadata{IsRefactoring: &yes}
	}
	annotate := func(id protocol.ChangeAnnotationIdentifier, label string) protocol.ChangeAnnotationIdentifier {
		if !s.client.ChangeAnnotations {
			return ""
		}
		if params.Edit.ChangeAnnotations == nil {
			params.Edit.ChangeAnnotations = map[protocol.ChangeAnnotationIdentifier]protocol.ChangeAnnotation{}
		}
		params.Edit.ChangeAnnotations[id] = protocol.ChangeAnnotation{Label: label, NeedsConfirmation: &yes, Description: &p.title}
		return id
	}
	// Neovim empties a file that it is to create and that exists, unless it may be ignored; then it creates none before
	// the user writes it, which is better still. And it takes the end of the last line for a line more, since its
	// buffers consist of lines.
	neovim := s.client.Name == "Neovim"
	for _, f := range list {
		edits, err := f.TextEdits(f.edits...)
		if err != nil {
			return nil, err
		}
		if neovim && f.new && f.open == nil {
			last := &edits[len(edits)-1]
			last.NewText = strings.TrimSuffix(last.NewText, "\n")
		}
		u := uri.URI(f.uri) // not parsed: the client compares it with its own spelling
		if !s.client.DocumentChanges {
			if params.Edit.Changes == nil {
				params.Edit.Changes = map[uri.URI][]protocol.TextEdit{}
			}
			params.Edit.Changes[u] = edits
			continue
		}
		change := &protocol.TextDocumentEdit{}
		change.TextDocument.URI = u
		var id protocol.ChangeAnnotationIdentifier
		switch {
		case f.open != nil:
			change.TextDocument.Version = &f.open.Told
		case f.new:
			id = annotate(annotationNew, "Create files")
			create := &protocol.CreateFile{Kind: "create", URI: u, Options: &protocol.CreateFileOptions{Overwrite: &no, IgnoreIfExists: &neovim}}
			create.ResourceOperation.Kind, create.AnnotationID = "create", id
			params.Edit.DocumentChanges = append(params.Edit.DocumentChanges, create)
		default:
			id = annotate(annotationClosed, "Change files that are not open")
		}
		for i := range edits {
			if id != "" {
				change.Edits = append(change.Edits, &protocol.AnnotatedTextEdit{TextEdit: edits[i], AnnotationID: id})
			} else {
				change.Edits = append(change.Edits, &edits[i])
			}
		}
		params.Edit.DocumentChanges = append(params.Edit.DocumentChanges, change)
	}
	return params, nil
}

// awaitBatch waits until a batch that was sent is in the open documents that it changes. Of the others, and of editors
// that answer with the truth, the answer is all there is. moved says that some open document has changed since, so that
// it makes sense to send again what is not there. asked says that a refusal may be the user's, who was shown the change.
func (s *Server) awaitBatch(ctx context.Context, list batch, refused, asked bool) (there, moved bool) {
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for {
		there, open := true, false
		moved = false
		var change <-chan struct{}
		for _, f := range list {
			if f.open == nil {
				continue
			}
			open = true
			d := s.document(f.uri)
			if d == nil { // closed meanwhile
				continue
			}
			d.mu.Lock()
			now, ch := d.doc, d.moved
			d.mu.Unlock()
			if now.Version != f.open.Version {
				moved = true
			}
			if now.Version == f.open.Version || !landed(f.Text.String(), f.edits, now.Text.String()) {
				there, change = false, ch
			}
		}
		switch {
		case !open:
			return !refused, false
		case there && (moved || !refused):
			return true, moved
		case refused && (moved || asked):
			return false, moved
		case moved && s.profile().DropsStale:
			return false, true
		}
		select {
		case <-change:
		case <-timer.C:
			return false, false
		case <-ctx.Done():
			return false, false
		}
	}
}

// landed reports whether now, a later version of base, has edits of base in it: at least one that nobody has touched
// since.
func landed(base string, edits []editops.Edit, now string) bool {
	set, err := editops.NewChangeSet(len(base), edits...)
	if err != nil {
		return false
	}
	target, err := set.Apply(base)
	if err != nil {
		return false
	}
	since := editops.Diff(target, now)
	for _, e := range edits {
		from := set.MapOffset(e.Start, -1)
		to := from + len(e.New)
		if !slices.ContainsFunc(since, func(u editops.Edit) bool { return u.Start <= to && from <= u.End }) {
			return true
		}
	}
	return false
}

// rebase carries edits of base, sorted and not overlapping, over to now, a later version of the same text. Edits with
// fewer than three lines between them are one change, which goes over as a whole or not at all; lost counts the changes
// whose place was changed by somebody else.
func rebase(base, now string, edits []editops.Edit) (fit []editops.Edit, lost int) {
	if base == now {
		return edits, 0
	}
	theirs := editops.Diff(base, now)
	set, err := editops.NewChangeSet(len(base), theirs...)
	if err != nil {
		return nil, len(edits)
	}
	for len(edits) > 0 {
		n := 1
		for n < len(edits) && strings.Count(base[edits[n-1].End:edits[n].Start], "\n") < 3 {
			n++
		}
		change := edits[:n]
		edits = edits[n:]
		if slices.ContainsFunc(theirs, func(u editops.Edit) bool { return collide(base, change, u) }) {
			lost++
			continue
		}
		for _, e := range change {
			// New lines come behind what was added at the same place.
			e.Start, e.End = set.MapOffset(e.Start, 1), set.MapOffset(e.End, 1)
			fit = append(fit, e)
		}
	}
	return fit, lost
}

// collide reports whether somebody's edit meets a change. Whole new lines at one place do not meet: both are wanted.
func collide(base string, change []editops.Edit, u editops.Edit) bool {
	from, to := change[0].Start, change[len(change)-1].End
	if u.End < from || to < u.Start {
		return false
	}
	lineStart := from == 0 || base[from-1] == '\n'
	return !(from == to && u.Start == u.End && lineStart && strings.HasSuffix(u.New, "\n"))
}
