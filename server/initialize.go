package server

import (
	"context"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
)

// initialize reads what the editor is and says what this server can do. It runs on the read loop, so nothing in
// it waits.
func (s *Server) initialize(_ context.Context, client *lsp.Client, p *protocol.InitializeParams) (*protocol.InitializeResult, error) {
	s.client = client
	s.mu.Lock()
	s.roots = client.Folders
	s.editor.told = editorLayer(client.InitializationOptions)
	s.mu.Unlock()
	s.resolve()
	s.log.Info("initialize", zap.String("editor", client.Name), zap.String("editorVersion", client.Version), zap.String("encoding", string(client.Encoding)))

	no := false
	caps := protocol.ServerCapabilities{
		// Resolve is refused on purpose: Helix freezes while it waits for it (editors.md 0.1).
		CodeActionProvider: &protocol.CodeActionOptions{
			CodeActionKinds: s.actionKinds(),
			ResolveProvider: &no,
		},
		ExecuteCommandProvider: protocol.ExecuteCommandOptions{Commands: commandNames()},
	}
	if client.CodeLens {
		caps.CodeLensProvider = &protocol.CodeLensOptions{ResolveProvider: &no}
	}
	if client.InlineCompletion {
		caps.InlineCompletionProvider = protocol.Boolean(true)
	} else {
		// The popup is the stand-in for ghost text; with both, an editor would show each suggestion twice.
		caps.CompletionProvider = &protocol.CompletionOptions{TriggerCharacters: popupTriggers(client.Name, s.mayComplete())}
	}
	return &protocol.InitializeResult{
		Capabilities: caps,
		ServerInfo:   protocol.ServerInfo{Name: "spark-lsp", Version: protocol.NewOptional(s.cfg.Version)},
	}, nil
}

// initialized starts what may take time: the session is dialled and warmed, the workspace is read for the
// embedded engine, the editor is asked for its settings. It runs on the read loop and must not wait itself.
func (s *Server) initialized(context.Context) {
	s.chooseModels()
	s.tellActivity(0)
	s.start(s.notifyStatus)
	s.start(func(ctx context.Context) {
		s.fetchConfiguration(ctx)
		s.readyOnce.Do(func() { close(s.ready) })
		s.tellWarnings(ctx)
		s.rememberEditor()
	})
	s.mu.Lock()
	roots := s.roots
	s.mu.Unlock()
	s.start(func(ctx context.Context) { s.indexWorkspace(ctx, roots) })
	s.start(s.keepUsage)
	s.start(s.watchFiles)
	s.watchUser()
}

// StartAlone readies a Server that no editor will greet, for HTTP. It returns what is wrong with the settings, a
// sentence each. There is nobody to be asked for consent, and no workspace: nothing but what a request brings is known.
func (s *Server) StartAlone() (warnings []string) {
	s.client = lsp.Nobody()
	s.resolve()
	s.chooseModels()
	s.start(s.keepUsage)
	s.watchUser()
	s.readyOnce.Do(func() { close(s.ready) })
	s.mu.Lock()
	defer s.mu.Unlock()
	warnings, s.warnings = s.warnings, nil
	return warnings
}

// didChangeWorkspaceFolders keeps the list of roots, and reads the new ones.
func (s *Server) didChangeWorkspaceFolders(_ *lsp.Snapshot, p *protocol.DidChangeWorkspaceFoldersParams) error {
	var added, removed []string
	s.mu.Lock()
	for _, f := range p.Event.Removed {
		path, _ := lsp.URIToPath(string(f.URI))
		removed = append(removed, path)
		for i, r := range s.roots {
			if r == path {
				s.roots = append(append([]string{}, s.roots[:i]...), s.roots[i+1:]...)
				break
			}
		}
	}
	for _, f := range p.Event.Added {
		if path, ok := lsp.URIToPath(string(f.URI)); ok {
			added = append(added, path)
		}
	}
	s.roots = append(append([]string{}, s.roots...), added...)
	s.mu.Unlock()
	s.start(s.fetchConfiguration) // which may differ in the new ones
	s.start(func(ctx context.Context) {
		for _, root := range removed {
			s.forgetWorkspace(root)
		}
		s.indexWorkspace(ctx, added)
	})
	return nil
}
