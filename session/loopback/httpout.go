package loopback

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// route answers everything that is not an upgrade.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	type endpoint struct {
		method  string
		dialect Dialect // "" is served by every server
		strict  bool    // asks for a bearer token even when no key is set
		serve   func(*Server, http.ResponseWriter, *http.Request)
	}
	table := map[string]endpoint{
		"/v1/responses":        {http.MethodPost, Responses, true, (*Server).postResponses},
		"/v1/chat/completions": {http.MethodPost, Chat, false, (*Server).postChat},
		"/v1/completions":      {http.MethodPost, Completions, false, (*Server).postCompletions},
		"/v1/fim/completions":  {http.MethodPost, Mistral, true, (*Server).postMistral},
		"/beta/completions":    {http.MethodPost, DeepSeek, true, (*Server).postDeepSeek},
		"/infill":              {http.MethodPost, Infill, false, (*Server).postInfill},
		"/health":              {http.MethodGet, Infill, false, (*Server).getHealth},
		"/props":               {http.MethodGet, Infill, false, (*Server).getProps},
		"/api/generate":        {http.MethodPost, Ollama, false, (*Server).postOllama},
		"/api/tags":            {http.MethodGet, Ollama, false, (*Server).getTags},
		"/api/version":         {http.MethodGet, Ollama, false, (*Server).getVersion},
		"/v1/models":           {http.MethodGet, "", false, (*Server).getModels},
	}
	e, ok := table[r.URL.Path]
	if !ok || e.dialect != "" && !s.serves(e.dialect) {
		s.refused(w, &Failure{Status: 404, Type: "invalid_request_error", Message: "Invalid URL (" + r.Method + " " + r.URL.Path + ")"})
		return
	}
	if r.Method != e.method {
		w.Header().Set("Allow", e.method)
		s.refused(w, &Failure{Status: 405, Type: "invalid_request_error", Message: "Not allowed to " + r.Method + " on " + r.URL.Path + "."})
		return
	}
	if f := s.authorize(r, e.strict); f != nil {
		s.refused(w, f)
		return
	}
	e.serve(s, w, r)
}

func (s *Server) refused(w http.ResponseWriter, f *Failure) {
	s.note(func(st *Stats) { st.Refused++ })
	writeFailure(w, f)
}

// writeFailure answers with the error object of the OpenAI endpoints.
func writeFailure(w http.ResponseWriter, f *Failure) {
	for k, v := range f.Headers {
		w.Header().Set(k, v)
	}
	w.Header().Set("Content-Type", "application/json")
	status := f.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
	_, _ = w.Write(newObject(false).obj("error", f.object(false)).bytes())
}

// refuse is writeFailure for an exchange.
func refuse(o outlet, f *Failure) error {
	status := f.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	return o.whole(status, f.Headers, "application/json", newObject(false).obj("error", f.object(false)).bytes())
}

// readBody reads a POST's JSON object into v.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, v any) ([]byte, bool) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.opts.MaxFrame)))
	s.note(func(st *Stats) { st.BytesIn += int64(len(raw)) })
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		s.refused(w, &Failure{Status: 413, Type: "invalid_request_error", Message: "The request is too large."})
		return nil, false
	case err != nil:
		return nil, false
	}
	if err := json.Unmarshal(raw, v); err != nil {
		s.refused(w, badRequest("invalid_json", "", "We could not parse the JSON body of your request."))
		return nil, false
	}
	return raw, true
}

// postResponses is POST /v1/responses.
func (s *Server) postResponses(w http.ResponseWriter, r *http.Request) {
	var any json.RawMessage
	raw, ok := s.readBody(w, r, &any)
	if !ok {
		return
	}
	req, fault := parseCreate(raw)
	if fault == nil && len(req.StreamID) > 0 {
		fault = badRequest("unknown_parameter", "stream_id", "Unknown parameter: 'stream_id'.")
	}
	if fault == nil && req.PreviousResponseID != nil && s.opts.RejectPrevious {
		fault = badRequest("unsupported_parameter", "previous_response_id", "Unsupported parameter: previous_response_id")
	}
	if fault != nil {
		s.refused(w, fault)
		return
	}
	x := s.newExchange(req, raw)
	if x.PreviousResponseID != "" {
		if x.parent = s.recall(x.PreviousResponseID); x.parent == nil {
			fault = previousNotFound(x.PreviousResponseID)
		}
	}
	x.voice = responsesVoice{quiet: !req.Stream}
	x.Transport = SSE
	if !req.Stream {
		x.Transport = JSON
	}
	s.exchange(w, r, x, &httpOutlet{contentType: "text/event-stream", named: true}, fault)
}

// exchange runs an HTTP exchange to its end. It is the handler's goroutine: when it returns, net/http ends the
// body, or cuts the connection when the exchange was dropped.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request, x *Exchange, out *httpOutlet, fault *Failure) {
	out.w, out.over, out.ctl = w, make(chan struct{}), http.NewResponseController(w)
	x.Method, x.Path, x.Header, x.out = r.Method, r.URL.Path, r.Header.Clone(), out
	out.header = map[string]string{"x-request-id": "req_" + s.newID("")}
	s.start(x, fault)
	select {
	case <-out.over:
	case <-r.Context().Done():
		x.gone("gone")
	case <-s.quit:
		out.drop()
		x.gone("gone")
	}
	if out.shut() {
		panic(http.ErrAbortHandler)
	}
}

// httpOutlet carries an exchange over an HTTP response.
type httpOutlet struct {
	contentType string
	named       bool // "event:" lines before the data
	lines       bool // no SSE framing: one JSON object a line
	header      map[string]string

	w    http.ResponseWriter
	ctl  *http.ResponseController
	over chan struct{}
	once sync.Once

	mu        sync.Mutex
	begun     bool // the status line is out
	closed    bool // the handler has returned
	cut       bool
	splitting bool
	holding   bool
	held      []byte
}

// end lets the handler return; what was written, or held back, is complete.
func (o *httpOutlet) end() {
	o.hold(false)
	o.once.Do(func() { close(o.over) })
}

// shut forbids further writes and tells whether the connection is to be cut.
func (o *httpOutlet) shut() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return o.cut
}

func (o *httpOutlet) drop() {
	o.mu.Lock()
	o.cut = true
	o.mu.Unlock()
	o.end()
}

func (o *httpOutlet) close(int, string) { o.drop() }
func (o *httpOutlet) freeze()           {}

func (o *httpOutlet) started() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.begun
}

func (o *httpOutlet) split(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.splitting = on
}

func (o *httpOutlet) hold(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.holding = on
	if !on && len(o.held) > 0 {
		b := o.held
		o.held = nil
		_ = o.put(b)
	}
}

func (o *httpOutlet) event(kind string, frame []byte) error {
	b := make([]byte, 0, len(frame)+len(kind)+24)
	if o.lines {
		return o.raw(append(append(b, frame...), '\n'))
	}
	if o.named {
		b = append(append(append(b, "event: "...), kind...), '\n')
	}
	b = append(append(b, "data: "...), frame...)
	return o.raw(append(b, "\n\n"...))
}

func (o *httpOutlet) binary(b []byte) error { return o.raw(b) }

func (o *httpOutlet) raw(b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.cut {
		return ErrGone
	}
	o.begin(http.StatusOK, nil, o.contentType)
	if o.holding {
		o.held = append(o.held, b...)
		return nil
	}
	return o.put(b)
}

// put writes and flushes. It runs with mu held.
func (o *httpOutlet) put(b []byte) error {
	if o.closed || o.cut {
		return ErrGone
	}
	step := len(b)
	if o.splitting {
		step = 1
	}
	for piece := range slices.Chunk(b, max(step, 1)) {
		if _, err := o.w.Write(piece); err != nil {
			return err
		}
		if err := o.ctl.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (o *httpOutlet) whole(status int, header map[string]string, contentType string, body []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.cut {
		return ErrGone
	}
	if o.begun {
		return errors.New("loopback: the status line is out already")
	}
	o.begin(status, header, contentType)
	return o.put(body)
}

func (o *httpOutlet) begin(status int, header map[string]string, contentType string) {
	if o.begun {
		return
	}
	o.begun = true
	h := o.w.Header()
	for k, v := range o.header {
		h.Set(k, v)
	}
	for k, v := range header {
		h.Set(k, v)
	}
	h.Set("Content-Type", contentType)
	if strings.HasPrefix(contentType, "text/event-stream") {
		h.Set("Cache-Control", "no-cache")
	}
	o.w.WriteHeader(status)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
