package session

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
)

// protocol is one dialect over HTTP: where it asks, what it asks, and how it reads an answer. The lines of
// protocols are the whole list.
type protocol struct {
	path   string // of a request, below the base URL
	probe  string // of a cheap GET that opens the connection
	root   bool   // the paths are not below the base URL's /v1, if it has one
	ndjson bool   // a line is an event; else server-sent events
	fim    bool   // reads Request.FIM, and follows no instructions

	// body builds the request's JSON.
	body func(q *question) (any, *failure)
	// reader returns the function that applies events to a response, one call for each; nil data is the end
	// of the body, or [DONE]. ended tells that the response is over.
	reader func(r *response) func(data []byte) (served Served, ended bool)
}

// url is where a path of this dialect is.
func (p *protocol) url(base, path string) string {
	if p.root {
		base = strings.TrimSuffix(base, "/v1")
	}
	return base + path
}

// question is all that a dialect may read to build a request.
type question struct {
	cfg     *Config
	frame   create // model, limits and options, resolved; Input is empty
	req     Request
	without map[string]bool // parameters that the endpoint has refused
	steers  []Part          // what follows req.Input when the answer was steered
}

// messages is the whole question for models that read messages.
func (q *question) messages() []Part {
	all := make([]Part, 0, len(q.req.Base)+len(q.req.Input)+len(q.steers))
	return append(append(append(all, q.req.Base...), q.req.Input...), q.steers...)
}

var protocols = map[Dialect]*protocol{
	Responses:   {path: "/responses", probe: "/models", body: responsesBody, reader: responsesReader},
	Chat:        {path: "/chat/completions", probe: "/models", body: chatBody, reader: choicesReader},
	Infill:      {path: "/infill", probe: "/health", root: true, fim: true, body: infillBody, reader: infillReader},
	Ollama:      {path: "/api/generate", probe: "/api/version", root: true, ndjson: true, fim: true, body: ollamaBody, reader: ollamaReader},
	Mistral:     {path: "/fim/completions", probe: "/models", fim: true, body: mistralBody, reader: choicesReader},
	DeepSeek:    {path: "/completions", probe: "/models", fim: true, body: deepseekBody, reader: choicesReader},
	Completions: {path: "/completions", probe: "/models", fim: true, body: completionsBody, reader: choicesReader},
}

func responsesBody(q *question) (any, *failure) {
	f := q.frame
	f.Stream = true
	f.Input = items(nil, q.messages()...)
	return f, nil
}

// responsesReader reads the same events as a socket does; only errors have another form here, which
// errorEvent knows too.
func responsesReader(r *response) func([]byte) (Served, bool) {
	return func(data []byte) (Served, bool) {
		if data == nil {
			return Served{}, false
		}
		return responsesEvent(r, data)
	}
}

func responsesEvent(r *response, data []byte) (Served, bool) {
	sc, ok := scan(data)
	if ok && sc.flat && sc.kind.delta() {
		over := !r.delta(&sc)
		return Served{}, over
	}
	if !ok {
		var d delta
		err := json.Unmarshal(data, &d)
		var typeErr *json.UnmarshalTypeError
		if (err != nil && !errors.As(err, &typeErr)) || d.Type == "" {
			return Served{}, false
		}
		sc = scanned{kind: kindOf([]byte(d.Type)), seq: seqOf(d.Sequence)}
	}
	return r.event(sc.kind, data, sc.seq)
}

// beginHTTP sends a call's request as one POST. Its response is read by a goroutine of its own, for the
// same reason as a socket's: the caller may be slow, the connection must not be. Leaving cancels the
// request, which over HTTP/2 resets one stream and keeps the connection.
func (s *Session) beginHTTP(c *call, r *response, req Request, steers []Part) (*response, *failure, error) {
	s.mu.Lock()
	b := s.findLocked(req.Job, req.Base)
	q := question{
		cfg: &s.cfg, req: req, steers: steers, without: maps.Clone(s.without),
		frame: s.frameLocked(req.Job, req.MaxOutputTokens, orElse(req.CacheKey, cacheKeyIf(b, req.Base))),
	}
	s.mu.Unlock()
	body, f := s.proto.body(&q)
	if f != nil {
		return nil, f, nil
	}
	data := encode(body)
	ctx, cancel := context.WithCancel(s.ctx)
	r.leave = cancel
	r.touch()
	c.mu.Lock()
	c.cur, c.delta = r, false
	c.mu.Unlock()
	running := s.spawn(func() {
		defer cancel()
		served, f := s.exchange(ctx, r, data)
		if f != nil {
			if s.ctx.Err() != nil {
				f = fail(FallBack, give, ErrClosed, "the session was closed")
			}
			r.fail(f)
		}
		served.Abandoned = r.abandoned()
		s.account(served, req.Job)
		s.mu.Lock()
		delete(s.queuedSince, r)
		s.mu.Unlock()
		s.publish()
	})
	if !running {
		cancel()
		return nil, fail(FallBack, give, ErrClosed, "the session was closed"), nil
	}
	return r, nil, nil
}

// exchange is one HTTP request from its first byte to its last.
func (s *Session) exchange(ctx context.Context, r *response, data []byte) (Served, *failure) {
	began := time.Now()
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			if i.Reused && r.trace.Reused != nil {
				r.trace.Reused(false)
			} else if !i.Reused && r.trace.Dialled != nil {
				r.trace.Dialled(time.Since(began))
			}
		},
		WroteRequest: func(httptrace.WroteRequestInfo) {
			r.touch() // the wait for the first event begins now
			if r.trace.Sent != nil {
				r.trace.Sent(len(data))
			}
		},
	})
	post, err := http.NewRequestWithContext(traced, http.MethodPost, s.proto.url(s.cfg.URL, s.proto.path), bytes.NewReader(data))
	if err != nil {
		return Served{}, fail(Bug, give, err, "the base URL is not usable: %v", cause(err))
	}
	post.Header = s.header()
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("Accept", "text/event-stream")
	if s.proto.ndjson {
		post.Header.Set("Accept", "application/x-ndjson")
	}
	resp, err := s.http.Do(post)
	if err != nil {
		if ctx.Err() == nil {
			s.unreachable(cause(err))
		}
		return Served{}, fail(RetryAfter, again, err, "cannot reach the endpoint%s: %v", s.via, cause(err))
	}
	defer resp.Body.Close()
	r.touch()
	s.mu.Lock()
	s.headersLocked(resp.Header)
	s.offline, s.httpWorked, s.httpUsed = "", true, time.Now()
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		s.offline = keyRefused
	}
	s.mu.Unlock()
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return Served{}, classify(resp.StatusCode, bodyError(body), resp.Header.Get)
	}
	s.publish()
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media == "text/html" {
		return Served{}, fail(Unsupported, give, nil, "a web page answers there, and no model")
	}

	served, ended, err := s.read(r, resp.Body)
	switch {
	case ended:
		// What follows a terminal event is at most [DONE]; reading it lets the connection be used again.
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		return served, nil
	case err != nil:
		return served, fail(RetryNow, again, err, "the answer broke off: %v", cause(err))
	}
	return served, fail(RetryNow, again, io.ErrUnexpectedEOF, "the answer ended without its last event")
}

func (s *Session) unreachable(err error) {
	s.mu.Lock()
	s.offline = redact("cannot reach the endpoint"+s.via+": "+err.Error(), s.cfg.Key)
	s.mu.Unlock()
	s.publish()
}

// read takes events off a body until one ends the response.
func (s *Session) read(r *response, body io.Reader) (Served, bool, error) {
	lines := bufio.NewReaderSize(body, 32<<10)
	event := s.proto.reader(r)
	var line, data []byte
	for {
		var err error
		line, err = readLine(lines, line[:0])
		if err != nil && len(line) == 0 {
			if err != io.EOF {
				return Served{}, false, err
			}
			served, ended := event(nil)
			return served, ended, nil
		}
		switch {
		case s.proto.ndjson:
			data = append(data[:0], bytes.TrimSpace(line)...)
		case len(line) == 0: // the end of an event; its data is complete below
		case line[0] == ':':
			r.touch() // a comment keeps a connection alive and says that the endpoint is
			continue
		default:
			name, value, _ := bytes.Cut(line, []byte(":"))
			if string(name) != "data" {
				continue
			}
			value = bytes.TrimPrefix(value, []byte(" "))
			if len(data) > 0 {
				data = append(data, '\n')
			}
			data = append(data, value...)
			if len(data) > maxFrame {
				return Served{}, false, errors.New("an event larger than 16 MiB")
			}
			continue
		}
		if len(data) == 0 {
			continue
		}
		if string(data) == "[DONE]" {
			r.touch()
			if served, ended := event(nil); ended {
				return served, true, nil
			}
		} else if served, ended := event(data); ended {
			return served, true, nil
		}
		data = data[:0]
	}
}

// readLine appends one line without its end, which may be \n or \r\n. A last line without an end counts.
func readLine(r *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err == bufio.ErrBufferFull {
			if len(line) > maxFrame {
				return nil, errors.New("a line longer than 16 MiB")
			}
			continue
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		return bytes.TrimSuffix(line, []byte("\r")), err
	}
}

// bodyError finds the error in a refusal's body: {"error":{...}}, {"error":"text"} (Ollama), {"message":...}
// or {"detail":...} (vLLM, Mistral), or no JSON at all.
func bodyError(body []byte) wireError {
	var e struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
		Type    looseText       `json:"type"`
		Code    looseText       `json:"code"`
		Param   looseText       `json:"param"`
	}
	if json.Unmarshal(body, &e) != nil {
		text := strings.TrimSpace(string(body))
		if strings.HasPrefix(text, "<") { // a proxy's page
			text = ""
		}
		return wireError{Message: text}
	}
	var w wireError
	if len(e.Error) > 0 && json.Unmarshal(e.Error, &w) == nil && (w.Message != "" || w.Code != "") {
		return w
	}
	w = wireError{Type: string(e.Type), Code: e.Code, Param: e.Param}
	for _, raw := range []json.RawMessage{e.Error, e.Message, e.Detail} {
		var text string
		if json.Unmarshal(raw, &text) == nil && text != "" {
			w.Message = text
			return w
		}
	}
	w.Message = strings.TrimSpace(string(e.Detail))
	return w
}

// preconnect opens the connection that the next request will use. Only a failure to reach the endpoint is
// an error: many have no such page.
func (s *Session) preconnect(ctx context.Context) error {
	s.mu.Lock()
	fresh := time.Since(s.httpUsed) < time.Minute
	s.mu.Unlock()
	if fresh {
		return nil // the connection pool keeps it for five
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeouts.Connect)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, s.proto.url(s.cfg.URL, s.proto.probe), nil)
	if err != nil {
		return s.clean(&Error{Kind: Bug, Message: "the base URL is not usable", Err: err})
	}
	get.Header = s.header()
	resp, err := s.http.Do(get)
	if err != nil {
		if s.ctx.Err() == nil && ctx.Err() == nil {
			s.unreachable(cause(err))
		}
		return s.clean(&Error{Kind: RetryAfter, Message: "cannot reach the endpoint" + s.via + ": " + cause(err).Error(), Err: err})
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<20)
	s.mu.Lock()
	s.httpWorked, s.httpUsed = true, time.Now()
	refused := resp.StatusCode == http.StatusUnauthorized // the one answer to such a page that says something of all others
	if refused && s.offline == "" {
		s.offline = keyRefused
	}
	s.mu.Unlock()
	if refused {
		s.publish()
	}
	return nil
}
