package offline

import (
	"context"
	"iter"
	"sync"

	"github.com/spark-lsp/spark-lsp/session"
)

// Options are what the engine may be told. The zero value is the default.
type Options struct {
	Documents int // open documents remembered between requests; 0 means 16
}

// Engine is one index of one workspace and the documents open in it. It starts no goroutine: AddFile and
// RemoveFile work on the caller's, Stream on the consumer's. All methods may be called at the same time.
type Engine struct {
	index *index
	limit int

	mu     sync.Mutex
	docs   []*openDocument // guarded by mu, the one used last at the end
	closed bool            // guarded by mu
}

// openDocument is lent to one request at a time.
type openDocument struct {
	document
	path, language string
}

// New makes an engine that knows nothing yet.
func New(opts Options) *Engine {
	if opts.Documents == 0 {
		opts.Documents = 16
	}
	return &Engine{index: newIndex(), limit: opts.Documents}
}

// AddFile makes text the indexed version of a file; path is slash-separated and relative to the workspace,
// as in session.FIM. language is the LSP language id, or "" to go by the path. The engine keeps none of
// text. It takes milliseconds and may take longer when the index reorganises itself, so call it in the background.
func (e *Engine) AddFile(path, language, text string) { e.index.add(path, language, text) }

// RemoveFile forgets a file. A path that is not known is no error.
func (e *Engine) RemoveFile(path string) {
	e.index.remove(path)
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, d := range e.docs {
		if d.path == path {
			e.docs = append(e.docs[:i:i], e.docs[i+1:]...)
			return
		}
	}
}

// Stream answers a session.Completion from Request.FIM: a Started event with the confidence, a Delta with the text when there is one, and
// Done. Without Request.Explicit it is silent unless it is fairly sure. For other jobs it yields a
// *session.Error of kind Unsupported. It never waits for the index.
func (e *Engine) Stream(ctx context.Context, req session.Request) iter.Seq2[session.Event, error] {
	return func(yield func(session.Event, error) bool) {
		if req.Job != session.Completion {
			// Short: beside its client's name Neovim has 68 columns before it asks for a key.
			yield(session.Event{}, &session.Error{Kind: session.Unsupported,
				Message: "this needs a model; see 'spark-lsp doctor'"})
			return
		}
		if err := ctx.Err(); err != nil {
			yield(session.Event{}, err)
			return
		}
		a := e.ask(req.FIM, req.Explicit)
		if !yield(session.Event{Kind: session.Started, Confidence: a.confidence}, nil) {
			return
		}
		if a.text != "" && !yield(session.Event{Kind: session.Delta, Text: a.text}, nil) {
			return
		}
		yield(session.Event{Kind: session.Done, Reason: session.Complete, Model: "offline"}, nil)
	}
}

// Close lets go of the index and the documents. Requests that come later find nothing.
func (e *Engine) Close() {
	e.mu.Lock()
	e.docs, e.closed = nil, true
	e.mu.Unlock()
	e.index.close()
}

// checkOut lends the remembered document of a path, or a new one when there is none or it is lent already: two
// questions about one file at once are rare (one of them is superseded), and waiting would be worse than
// lexing its window again.
func (e *Engine) checkOut(fim session.FIM) *openDocument {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, d := range e.docs {
		if d.path == fim.Path && d.language == fim.Language {
			e.docs = append(e.docs[:i:i], e.docs[i+1:]...)
			return d
		}
	}
	return &openDocument{path: fim.Path, language: fim.Language, document: document{syntax: syntaxOf(fim.Path, fim.Language)}}
}

func (e *Engine) checkIn(d *openDocument) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || d.path == "" {
		return
	}
	for i, other := range e.docs {
		if other.path == d.path {
			e.docs = append(e.docs[:i:i], e.docs[i+1:]...)
			break
		}
	}
	if len(e.docs) >= e.limit {
		e.docs = append(e.docs[:0:0], e.docs[1:]...)
	}
	e.docs = append(e.docs, d)
}
