package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
	"go.lsp.dev/uri"
)

// Client is the editor at the other end of a connection: what it said about itself in initialize, and the
// calls that we make to it. It corresponds to one initialize and lives as long as the connection.
//
// The fields are read-only. All methods are safe for concurrent use. None that waits for an answer may be
// called on the read loop (Program.Initialized, Changed, a NotificationFunc), which is what reads the
// answer: start a goroutine. Once the connection has ended they return ErrClosed at once.
type Client struct {
	Name     string // clientInfo.name, "" when the client does not say (Kate)
	Version  string // clientInfo.version
	Encoding Encoding

	// ProcessID is the client's process, 0 when unknown. Serve watches it already.
	ProcessID int
	// Folders are the workspace's roots as paths: the workspace folders, else the root of older clients.
	// Empty for a file outside of any workspace.
	Folders []string
	// InitializationOptions is raw JSON, nil when absent or null. It is settings, and not to be logged.
	InitializationOptions []byte

	InlineCompletion bool // textDocument/inlineCompletion

	Snippets      bool // snippet syntax in completion items; for inline completions no client says
	InsertReplace bool // InsertReplaceEdit in completion items

	CodeActionLiterals bool // CodeAction as the answer to codeAction; otherwise commands only
	CodeActionDisabled bool // CodeAction.disabled
	CodeActionResolve  bool // codeAction/resolve can supply the edit
	CodeActionTagLLM   bool // CodeAction.tags with LLMGenerated
	CodeLens           bool
	CodeLensRefresh    bool // workspace/codeLens/refresh

	// AppliesEdits: workspace/applyEdit is announced. Kate handles it without saying so.
	AppliesEdits bool
	// DocumentChanges: edits with document versions are understood. Neovim does without saying so.
	DocumentChanges   bool
	ChangeAnnotations bool // edits that ask for confirmation
	CreatesFiles      bool // edits that create files
	SnippetEdits      bool // snippets in workspace edits
	EditMetadata      bool // ApplyWorkspaceEditParams.metadata

	WorkDoneProgress       bool // progress that we create
	ShowDocument           bool // window/showDocument
	HasConfiguration       bool // workspace/configuration
	WorkspaceFolders       bool // workspace/didChangeWorkspaceFolders
	DidChangeWatchedFiles  bool // can be registered dynamically, the only way there is
	DidChangeConfiguration bool // can be registered dynamically
	TextDocumentContent    bool // virtual documents of ours

	// SparkEdit: edits may be streamed with spark/edit notifications (experimental.sparkEdit of the client).
	SparkEdit bool
	// SparkStatus: spark/status is wanted, by a client that may have no other message of ours (experimental.sparkStatus).
	SparkStatus bool
	// SparkExplain: spark/explain notifications are understood (experimental.sparkExplain).
	SparkExplain bool
	// SparkInput: spark/input requests are answered (experimental.sparkInput).
	SparkInput bool
	// InlineCompletionRefresh: spark/inlineCompletion/refresh is understood (experimental.sparkInlineCompletionRefresh).
	InlineCompletionRefresh bool

	conn   jsonrpc2.Conn
	stream *stream
	root   context.Context
	tokens atomic.Int64 // progress tokens made so far
}

// newClient reads what the client says about itself. Whatever is missing is not supported; whatever could not be
// understood is missing, see decodeInitialize.
func newClient(p *protocol.InitializeParams) *Client {
	c := &Client{Name: p.ClientInfo.Name, Encoding: UTF16}
	c.Version, _ = p.ClientInfo.Version.Get()
	if p.ProcessID != nil && *p.ProcessID > 0 {
		c.ProcessID = int(*p.ProcessID)
	}
	c.Folders = folders(p)
	if o := p.InitializationOptions; len(o) > 0 && string(o) != "null" {
		c.InitializationOptions = slices.Clone(o)
	}

	if g := p.Capabilities.General; g != nil {
		c.Encoding = negotiate(g.PositionEncodings)
	}
	if t := p.Capabilities.TextDocument; t != nil {
		c.InlineCompletion = t.InlineCompletion != nil
		c.CodeLens = t.CodeLens != nil
		if t.Completion != nil && t.Completion.CompletionItem != nil {
			c.Snippets = is(t.Completion.CompletionItem.SnippetSupport)
			c.InsertReplace = is(t.Completion.CompletionItem.InsertReplaceSupport)
		}
		if a := t.CodeAction; a != nil {
			c.CodeActionLiterals = a.CodeActionLiteralSupport.CodeActionKind.ValueSet != nil
			c.CodeActionDisabled = is(a.DisabledSupport)
			c.CodeActionResolve = slices.Contains(a.ResolveSupport.Properties, "edit")
			c.CodeActionTagLLM = slices.Contains(a.TagSupport.ValueSet, protocol.CodeActionTagLLMGenerated)
		}
	}
	if w := p.Capabilities.Workspace; w != nil {
		c.AppliesEdits = is(w.ApplyEdit)
		c.HasConfiguration = is(w.Configuration)
		c.WorkspaceFolders = is(w.WorkspaceFolders)
		c.TextDocumentContent = w.TextDocumentContent != nil
		c.CodeLensRefresh = w.CodeLens != nil && is(w.CodeLens.RefreshSupport)
		c.DidChangeWatchedFiles = w.DidChangeWatchedFiles != nil && is(w.DidChangeWatchedFiles.DynamicRegistration)
		c.DidChangeConfiguration = w.DidChangeConfiguration != nil && is(w.DidChangeConfiguration.DynamicRegistration)
		if e := w.WorkspaceEdit; e != nil {
			c.DocumentChanges = is(e.DocumentChanges)
			c.ChangeAnnotations = e.ChangeAnnotationSupport != nil
			c.CreatesFiles = slices.Contains(e.ResourceOperations, protocol.ResourceOperationKindCreate)
			c.SnippetEdits = is(e.SnippetEditSupport)
			c.EditMetadata = is(e.MetadataSupport)
		}
	}
	// Neovim up to 0.12.4 at least announces everything about edits but this.
	c.DocumentChanges = c.DocumentChanges || c.Name == "Neovim"
	if w := p.Capabilities.Window; w != nil {
		c.WorkDoneProgress = is(w.WorkDoneProgress)
		c.ShowDocument = w.ShowDocument != nil && w.ShowDocument.Support
	}
	c.SparkEdit = announces(p.Capabilities.Experimental, "sparkEdit")
	c.SparkStatus = c.SparkEdit || announces(p.Capabilities.Experimental, "sparkStatus")
	c.SparkExplain = announces(p.Capabilities.Experimental, "sparkExplain")
	c.SparkInput = announces(p.Capabilities.Experimental, "sparkInput")
	c.InlineCompletionRefresh = announces(p.Capabilities.Experimental, "sparkInlineCompletionRefresh")
	return c
}

func is(b *bool) bool { return b != nil && *b }

// folders returns the workspace's roots. A client without any sends null, or, as Helix, an empty list beside
// a rootPath that is merely the directory it was started in.
func folders(p *protocol.InitializeParams) []string {
	var uris []string
	if list, ok := p.WorkspaceFolders.Get(); ok {
		for _, f := range list {
			if f.URI != "" { // what is left of a folder that was not understood
				uris = append(uris, string(f.URI))
			}
		}
	}
	if len(uris) == 0 && p.RootURI != nil {
		uris = append(uris, string(*p.RootURI))
	}
	var paths []string
	for _, u := range uris {
		if path, ok := URIToPath(u); ok && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	_, knowsFolders := p.WorkspaceFolders.Get()
	if root, ok := p.RootPath.Get(); ok && filepath.IsAbs(root) && len(uris) == 0 && !knowsFolders {
		paths = append(paths, root)
	}
	return paths
}

// Nobody is the client of a program that serves no editor. It supports nothing, and everything that is asked of it
// returns ErrClosed.
func Nobody() *Client {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	return &Client{Encoding: UTF8, root: gone}
}

// announces reports whether a member of experimental is there: a number (the version of what it stands for) or true.
func announces(experimental []byte, member string) bool {
	var e map[string]json.RawMessage
	if len(experimental) == 0 || json.Unmarshal(experimental, &e) != nil {
		return false
	}
	var version float64
	return string(e[member]) == "true" || json.Unmarshal(e[member], &version) == nil && version >= 1
}

// Call calls method on the client and decodes its answer into result, which may be nil. When ctx ends first the
// client is told so by $/cancelRequest, and ctx's error is returned. The client's own refusal is a
// *jsonrpc2.Error in the chain.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.root.Err() != nil {
		return fmt.Errorf("%s: %w", method, ErrClosed)
	}
	own, cancel := context.WithCancel(context.WithValue(ctx, outgoing{}, true))
	defer cancel()
	defer context.AfterFunc(c.root, cancel)()
	id, err := c.conn.Call(own, method, params, result)
	var refusal *jsonrpc2.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return fmt.Errorf("%s: %w", method, err)
	case ctx.Err() != nil && c.root.Err() == nil:
		if n, ok := id.Number(); ok {
			_ = c.Notify(context.Background(), protocol.MethodCancelRequest, jsonrpc2.RawMessage(fmt.Sprintf(`{"id":%d}`, n)))
		}
		return ctx.Err()
	default:
		return c.failed(method, err)
	}
}

// Notify sends a notification. It does not wait for the client to read it, unless so much is waiting
// already that memory is at stake; then, off the read loop, it waits until the client reads or ctx ends. A ctx that
// has ended already does not keep the notification from being sent.
func (c *Client) Notify(ctx context.Context, method string, params any) error {
	if c.conn == nil { // Nobody
		return fmt.Errorf("%s: %w", method, ErrClosed)
	}
	if err := c.conn.Notify(context.WithValue(ctx, outgoing{}, true), method, params); err != nil {
		return c.failed(method, err)
	}
	return nil
}

// failed names an error, and gives those that come from the end of the connection one name.
func (c *Client) failed(method string, err error) error {
	if c.root.Err() != nil || errors.Is(err, jsonrpc2.ErrClientClosing) || errors.Is(err, jsonrpc2.ErrServerClosing) {
		err = ErrClosed
	}
	return fmt.Errorf("%s: %w", method, err)
}

// Configuration asks for the client's settings of a section and returns them as raw JSON, nil when it has
// none.
func (c *Client) Configuration(ctx context.Context, section string) ([]byte, error) {
	all, err := c.ConfigurationIn(ctx, section, nil)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// ConfigurationIn asks for a section as it holds in general and, in the same call, in each of some folders, which are
// given as paths. Raw JSON comes back in that order; nil where the client has nothing to say, also of a folder that
// it leaves out.
func (c *Client) ConfigurationIn(ctx context.Context, section string, folders []string) ([][]byte, error) {
	params := &protocol.ConfigurationParams{Items: []protocol.ConfigurationItem{{Section: &section}}}
	for _, f := range folders {
		scope := uri.File(f)
		params.Items = append(params.Items, protocol.ConfigurationItem{Section: &section, ScopeURI: &scope})
	}
	var items []protocol.LSPAny
	if err := c.Call(ctx, protocol.MethodWorkspaceConfiguration, params, &items); err != nil {
		return nil, err
	}
	out := make([][]byte, len(params.Items))
	for i, item := range items[:min(len(items), len(out))] {
		if string(item) != "null" {
			out[i] = item
		}
	}
	return out, nil
}

// RegisterCapability registers capabilities dynamically.
func (c *Client) RegisterCapability(ctx context.Context, registrations ...protocol.Registration) error {
	params := &protocol.RegistrationParams{Registrations: registrations}
	return c.Call(ctx, protocol.MethodClientRegisterCapability, params, nil)
}

// ShowMessage shows text to the user.
func (c *Client) ShowMessage(ctx context.Context, kind protocol.MessageType, text string) error {
	return c.Notify(ctx, protocol.MethodWindowShowMessage, &protocol.ShowMessageParams{Type: kind, Message: text})
}

// LogMessage writes text to the client's log.
func (c *Client) LogMessage(ctx context.Context, kind protocol.MessageType, text string) error {
	return c.Notify(ctx, protocol.MethodWindowLogMessage, &protocol.LogMessageParams{Type: kind, Message: text})
}

// ShowMessageRequest shows text with actions to choose from, and returns the chosen one, "" for none. It
// waits for the user, so ctx had better end some time.
func (c *Client) ShowMessageRequest(ctx context.Context, kind protocol.MessageType, text string, actions ...string) (string, error) {
	params := &protocol.ShowMessageRequestParams{Type: kind, Message: text}
	for _, a := range actions {
		params.Actions = append(params.Actions, protocol.MessageActionItem{Title: a})
	}
	var chosen *protocol.MessageActionItem
	if err := c.Call(ctx, protocol.MethodWindowShowMessageRequest, params, &chosen); err != nil || chosen == nil {
		return "", err
	}
	return chosen.Title, nil
}

// OpenDocumentBeside asks the client to show a document without taking the focus from the one that the user is in.
func (c *Client) OpenDocumentBeside(ctx context.Context, u string) (bool, error) {
	focus := false
	params := &protocol.ShowDocumentParams{URI: uri.URI(u), TakeFocus: &focus}
	var result protocol.ShowDocumentResult
	err := c.Call(ctx, protocol.MethodWindowShowDocument, params, &result)
	return result.Success, err
}

// OpenDocument asks the client to show a document or, with external, to hand a URI to the system (a web page).
// It reports whether the client did.
func (c *Client) OpenDocument(ctx context.Context, u string, external bool) (bool, error) {
	params := &protocol.ShowDocumentParams{URI: uri.URI(u), External: &external}
	var result protocol.ShowDocumentResult
	err := c.Call(ctx, protocol.MethodWindowShowDocument, params, &result)
	return result.Success, err
}
