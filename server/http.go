package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spark-lsp/spark-lsp/settings"
)

const (
	// maxHTTPBody bounds a request, in bytes. What the model is shown of it is less.
	maxHTTPBody = 4 << 20
	// maxHTTPRequests bounds the requests that are answered at once; each supersedes those before it.
	maxHTTPRequests = 16
	// httpTime is how long one request may take.
	httpTime = 30 * time.Second
)

// HTTP answers POST /v1/completions and GET /v1/models for editors' plugins that fill in the middle and know no LSP,
// Zed's above all. It is served on this machine only (main sees to the address), and only to who knows the token.
//
// A web page that the user visits can reach this address too. It cannot read the token, it may not say who it is
// (Origin), and a name of its own that it lets point here (DNS rebinding) is refused by Host.
func (s *Server) HTTP(token string) http.Handler {
	api := &httpAPI{s: s, token: sha256.Sum256([]byte(token)), slots: make(chan struct{}, maxHTTPRequests)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/completions", api.completions)
	mux.HandleFunc("GET /v1/models", api.models)
	return api.guard(mux)
}

type httpAPI struct {
	s     *Server
	token [sha256.Size]byte
	slots chan struct{}
	last  atomic.Int64 // number of the latest request, for ids
}

// guard lets nobody through who is not meant.
func (api *httpAPI) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer := r.Header.Get("Authorization")
		if scheme, rest, ok := strings.Cut(bearer, " "); ok && strings.EqualFold(scheme, "Bearer") {
			bearer = strings.TrimLeft(rest, " ")
		}
		given := sha256.Sum256([]byte(bearer))
		switch {
		case !thisMachine(r.Host):
			refuse(w, http.StatusForbidden, "the Host header names another machine; use the address that spark-lsp was started with")
		case r.Header.Get("Origin") != "":
			refuse(w, http.StatusForbidden, "web pages are not served")
		case subtle.ConstantTimeCompare(given[:], api.token[:]) != 1:
			refuse(w, http.StatusUnauthorized, "wrong or missing API key: send spark-lsp's token as a bearer token")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// thisMachine reports whether a Host header is a name of this machine that nobody else can own.
func thisMachine(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// completionRequest is what is read of a request; the rest (temperature, n, echo) has no meaning here.
type completionRequest struct {
	Prompt *prompts `json:"prompt"`
	Suffix string   `json:"suffix"`
	Stop   texts    `json:"stop"`
	Stream bool     `json:"stream"`
}

// prompts is one prompt: the API allows a list, too, and clients of ours send one.
type prompts string

func (p *prompts) UnmarshalJSON(data []byte) error {
	var list texts
	if err := list.UnmarshalJSON(data); err != nil || len(list) != 1 {
		return errors.New("prompt must be one text")
	}
	*p = prompts(list[0])
	return nil
}

// texts is a text, a list of them, or null.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var one *string
	if json.Unmarshal(data, &one) == nil {
		if *t = nil; one != nil {
			*t = texts{*one}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

type completionResponse struct {
	ID      string             `json:"id"`
	Object  string             `json:"object"`
	Created int64              `json:"created"`
	Model   string             `json:"model"`
	Choices []completionChoice `json:"choices"`
	Usage   *completionUsage   `json:"usage,omitempty"`
}

type completionChoice struct {
	Text         string  `json:"text"`
	Index        int     `json:"index"`
	FinishReason *string `json:"finish_reason"`
	Logprobs     *string `json:"logprobs"` // always null
}

// completionUsage is estimated, as everywhere where a response may be abandoned.
type completionUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// completions fills in the middle.
func (api *httpAPI) completions(w http.ResponseWriter, r *http.Request) {
	select {
	case api.slots <- struct{}{}:
		defer func() { <-api.slots }()
	default:
		refuse(w, http.StatusTooManyRequests, "too many requests at once")
		return
	}
	var req completionRequest
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxHTTPBody)).Decode(&req)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d MB", maxHTTPBody>>20))
		return
	case err != nil || req.Prompt == nil:
		refuse(w, http.StatusBadRequest, "not a completion request: JSON with a prompt is expected")
		return
	}
	prefix, suffix := string(*req.Prompt), req.Suffix
	if suffix == "" {
		prefix, suffix = splitFIM(prefix)
	}
	ctx, cancel := context.WithTimeout(r.Context(), httpTime)
	defer cancel()
	if !api.ready(ctx) {
		refuse(w, http.StatusServiceUnavailable, "spark-lsp waits for its editor")
		return
	}
	text, more, err := api.s.fill(ctx, strings.ToValidUTF8(prefix, "\uFFFD"), strings.ToValidUTF8(suffix, "\uFFFD"))
	if err != nil && !errors.Is(err, errSuperseded) {
		api.s.log.Info("a completion over HTTP failed", unquoted(err))
		refuse(w, http.StatusBadGateway, sentence(err))
		return
	}
	stop := "stop"
	answer := completionResponse{
		ID: fmt.Sprintf("cmpl-%d", api.last.Add(1)), Object: "text_completion", Created: time.Now().Unix(), Model: api.model(),
		Choices: []completionChoice{{}},
	}
	choice := &answer.Choices[0]
	text, cut := before(text, req.Stop)
	if !req.Stream {
		choice.Text, choice.FinishReason = text, &stop
		in, out := tokens(len(prefix)+len(suffix)), tokens(len(text))
		answer.Usage = &completionUsage{in, out, in + out}
		reply(w, http.StatusOK, answer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	event := func(part string, reason *string) {
		choice.Text, choice.FinishReason = part, reason
		data, err := json.Marshal(answer)
		if err != nil {
			panic(err) // strings and numbers always marshal
		}
		fmt.Fprintf(w, "data: %s\n\n", data) // a client that has gone ends r.Context, too
		_ = http.NewResponseController(w).Flush()
	}
	event(text, nil)
	if more != nil && !cut {
		// A stop may begin in what has been sent, which cannot be taken back.
		if whole, _ := before(text+more(), req.Stop); len(whole) > len(text) {
			event(whole[len(text):], nil)
		}
	}
	event("", &stop)
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// before is a text up to the first of the stops; cut says that there was one.
func before(text string, stops []string) (head string, cut bool) {
	for _, stop := range stops {
		if i := strings.Index(text, stop); stop != "" && i >= 0 {
			text, cut = text[:i], true
		}
	}
	return text, cut
}

// models names who answers completions.
func (api *httpAPI) models(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), httpTime)
	defer cancel()
	if !api.ready(ctx) {
		refuse(w, http.StatusServiceUnavailable, "spark-lsp waits for its editor")
		return
	}
	type model struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		OwnedBy string `json:"owned_by"`
	}
	reply(w, http.StatusOK, map[string]any{"object": "list", "data": []model{{api.model(), "model", "spark-lsp"}}})
}

// model is the name of who answers.
func (api *httpAPI) model() string {
	if e := api.s.options().For(settings.Completion); e.Provider != "offline" {
		return e.Model
	}
	return "offline"
}

// ready waits until it is known who answers: before the editor has told its settings, nobody may.
func (api *httpAPI) ready(ctx context.Context) bool {
	select {
	case <-api.s.ready:
		return true
	case <-ctx.Done():
	case <-api.s.root.Done():
	}
	return false
}

// refuse answers with an error in the shape that clients of such an API read.
func refuse(w http.ResponseWriter, status int, message string) {
	kind := "invalid_request_error"
	if status >= 500 {
		kind = "server_error"
	}
	reply(w, status, map[string]any{"error": map[string]any{"message": message, "type": kind}})
}

func reply(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a client that has gone needs no more words
}
