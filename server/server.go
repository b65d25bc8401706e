// Package server is the program: what each message of an editor means. One file a request; the pipeline is
// gather -> prompt -> model stream -> change sets -> editor. It decides; the rooms it uses (lsp, delivery,
// prompt, session, settings, privacy) each know only their own side.
package server

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/privacy"
	"github.com/spark-lsp/spark-lsp/settings"
)

// Config is what a Server needs from its surroundings. It is read once by New.
type Config struct {
	Version string
	Log     *zap.Logger // never nil

	// User is what the user's own files say at the start. WatchUser, where there is one, says from initialized until
	// its context ends what they say after each change.
	User      User
	WatchUser func(ctx context.Context, changed func(User))
	// Environment is the settings' layer between them and the editor's.
	Environment settings.Layer
	// Warnings are problems met before the editor was there. They are shown once.
	Warnings []string
	// StateDir is where consents are remembered between processes; "" remembers them for this process only.
	StateDir string

	// Engine is the embedded engine. The Server feeds it and asks it; main owns and closes it.
	Engine Engine

	// PanicOnBug lets a handler's panic end the process instead of being logged and answered. Tests set it.
	PanicOnBug bool
}

// User is what the user's own files say.
type User struct {
	// Settings is nil when they cannot be read: what was in force stays.
	Settings settings.Layer
	// Keys are the stored ones, each for one endpoint, by settings.Origin; "" is one that is not here yet. They appear in
	// no log and no message.
	Keys map[string]string
	// KeysFollow says that more of them are still being fetched. Until they are here, no endpoint is asked without one.
	KeysFollow bool
	// Warnings are what is wrong with the files as such, for people. Each is shown once.
	Warnings []string
}

// Server serves one editor, from initialize to the end of its connection. Create it with New, hand Program to
// lsp.Serve, and call Close when Serve has returned.
type Server struct {
	cfg Config
	log *zap.Logger

	// root ends all work of this server. Every context that outlives a handler derives from it.
	root context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	client *lsp.Client // set by initialize, which comes before everything that uses it

	resolved atomic.Pointer[settings.Resolved]
	scopes   atomic.Pointer[scopes] // nil: nothing differs from folder to folder
	paused   atomic.Bool            // spark-lsp.toggle

	countsFromZero atomic.Bool // see invoked
	tally          tally
	firstText      atomic.Int64           // how long the model takes to its first text, nanoseconds; 0 before it is known
	focus          atomic.Pointer[string] // URI of the document in focus, nil or "" when unknown
	typed          atomic.Pointer[string] // URI of the document that the user changed last
	activity       activity

	models   models
	contexts contexts
	shards   shards
	masks    masks
	closures *closures
	consents *consents
	usage    *usage

	fim       fim
	ready     chan struct{} // closed when the settings are known and the models chosen
	readyOnce sync.Once

	fetching sync.Mutex // held while the editor is asked for its settings
	choosing sync.Mutex // held while sessions are made to fit the settings in force
	indexing sync.Mutex // held while the workspace is walked

	mu         sync.Mutex // guards what follows
	user       User
	editor     editorSettings
	docs       map[string]*document // by URI as the editor opened them; only open documents
	edits      map[int]*edit        // running edits by number
	lastEdit   int
	ended      ending                     // how the latest edit ended
	roots      []string                   // workspace folders as paths
	indexed    map[string]map[string]bool // by root: the names under which the embedded engine knows its files
	rules      map[string]*privacy.Rules  // by directory
	rulesAsked string                     // the patterns of the settings that rules were made with
	problems   map[problemSource][]string
	warnings   []string // problems that have not been shown yet
	// scratchDir holds files that are shown to the user; "" before there is one.
	scratchDir string
}

// New makes a Server. It starts nothing: the first work begins with the editor's initialize.
func New(cfg Config) *Server {
	s := &Server{
		cfg:      cfg,
		log:      cfg.Log,
		docs:     map[string]*document{},
		edits:    map[int]*edit{},
		user:     cfg.User,
		editor:   editorSettings{asked: settings.Layer{}, folders: map[string]settings.Layer{}},
		indexed:  map[string]map[string]bool{},
		rules:    map[string]*privacy.Rules{},
		ready:    make(chan struct{}),
		problems: map[problemSource][]string{},
		shards:   newShards(),
		closures: newClosures(),
		consents: openConsents(cfg.StateDir),
		usage:    newUsage(cfg.StateDir, time.Now),
	}
	s.root, s.stop = context.WithCancel(context.Background())
	// What is wrong with the settings is told when the editor's are known too, since they may put it right.
	r, _ := settings.Resolve(settings.Layers{UserFile: cfg.User.Settings, Keys: cfg.User.Keys, Environment: cfg.Environment})
	s.resolved.Store(r)
	s.log = s.maskedLog(cfg.Log)
	s.problemsLocked(inUserFiles, cfg.User.Warnings)
	s.problemsLocked(atStart, cfg.Warnings)
	return s
}

// Program is what lsp.Serve runs: every message this server understands, on one screen.
func (s *Server) Program() lsp.Program {
	return lsp.Program{
		Initialize:  s.initialize,
		Initialized: s.initialized,
		Changed:     s.changed,
		Shutdown:    s.stop,
		Requests: map[string]lsp.RequestFunc{
			protocol.MethodTextDocumentInlineCompletion: lsp.Call(s.inlineCompletion),
			protocol.MethodTextDocumentCompletion:       lsp.Call(s.completion),
			protocol.MethodTextDocumentCodeAction:       lsp.Call(s.codeAction),
			protocol.MethodTextDocumentCodeLens:         lsp.Call(s.codeLens),
			protocol.MethodWorkspaceExecuteCommand:      lsp.Call(s.executeCommand),
			methodEditResolve:                           lsp.Call(s.editResolve),
			methodNextEdit:                              lsp.Call(s.nextEdit),
			methodCopilotInlineEdit:                     lsp.Call(s.nextEdit),
			methodCheckStatus:                           lsp.Call(s.checkStatus),
		},
		Notifications: map[string]lsp.NotificationFunc{
			protocol.MethodWorkspaceDidChangeConfiguration:    lsp.Notify(s.didChangeConfiguration),
			protocol.MethodWorkspaceDidChangeWorkspaceFolders: lsp.Notify(s.didChangeWorkspaceFolders),
			protocol.MethodTextDocumentDidSave:                lsp.Notify(s.didSave),
			protocol.MethodWorkspaceDidChangeWatchedFiles:     lsp.Notify(s.didChangeWatchedFiles),
			protocol.MethodWindowWorkDoneProgressCancel:       lsp.Notify(s.progressCancel),
			methodEditAck:            lsp.Notify(s.editAck),
			methodEditCancel:         lsp.Notify(s.editCancel),
			methodNextEditDidReject:  lsp.Notify(s.nextEditDidReject),
			methodDidFocus:           lsp.Notify(s.didFocus),
			methodDidShowCompletion:  lsp.Notify(s.didShowCompletion),
			methodDidPartiallyAccept: lsp.Notify(s.didPartiallyAccept),
			methodDidShowInlineEdit:  lsp.Notify(s.didShowInlineEdit),
		},
		Log:        s.log,
		PanicOnBug: s.cfg.PanicOnBug,
	}
}

// closing is how long Close waits: what then still runs reads a file that does not answer, on a network's disk perhaps,
// and nothing but the end of the process ends that.
const closing = time.Second

// Close ends everything the server started and waits for it, for a second at most. The editor's connection is gone by
// then.
func (s *Server) Close() {
	s.stop()
	s.models.close()
	ended := make(chan struct{})
	go func() {
		s.work.Wait()
		close(ended)
	}()
	t := time.NewTimer(closing)
	defer t.Stop()
	select {
	case <-ended:
	case <-t.C:
		s.log.Warn("work in the background does not end")
	}
	if s.scratchDir != "" {
		_ = os.RemoveAll(s.scratchDir)
	}
	if err := s.usage.flush(); err != nil {
		s.log.Warn("tokens not counted", zap.Error(err))
	}
}

// start runs f on a goroutine that Close waits for. f returns soon after its context ends.
func (s *Server) start(f func(ctx context.Context)) {
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer s.guard("background work")
		f(s.root)
	}()
}

// guard keeps one feature's bug from ending the editor's connection; in tests the same bug panics. Only the type of
// what was thrown is logged: the words may quote a document.
func (s *Server) guard(what string) {
	if s.cfg.PanicOnBug {
		return
	}
	if p := recover(); p != nil {
		s.log.Error("a bug in spark-lsp", zap.String("in", what), zap.String("panic", fmt.Sprintf("%T", p)), zap.Stack("stack"))
	}
}
