package session

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Models lists what the endpoint serves, sorted. Endpoints that keep no such list answer with an error.
func (s *Session) Models(ctx context.Context) ([]string, error) {
	path := "/models"
	if s.cfg.Dialect == Ollama {
		path = "/api/tags"
	}
	url := s.proto.url(s.cfg.URL, path)
	if s.cfg.Dialect == Infill { // llama.cpp's list is below /v1
		url = strings.TrimSuffix(s.cfg.URL, "/v1") + "/v1/models"
	}
	list, err := fetchModels(ctx, s.http, url, s.header())
	if err != nil {
		return nil, s.clean(err)
	}
	return list, nil
}

func fetchModels(ctx context.Context, client *http.Client, url string, header http.Header) ([]string, *Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, &Error{Kind: Bug, Message: "the base URL is not usable", Err: err}
	}
	req.Header = header
	resp, err := client.Do(req)
	if err != nil {
		return nil, &Error{Kind: RetryAfter, Message: "cannot reach the endpoint: " + cause(err).Error(), Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return nil, &Error{Kind: RetryNow, Message: "the list broke off", Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return nil, classify(resp.StatusCode, bodyError(body), resp.Header.Get).err
	}
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
		Models []struct {
			Name  string `json:"name"`
			Model string `json:"model"`
		} `json:"models"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, &Error{Kind: Unsupported, Message: "the endpoint keeps no list of models", Err: err}
	}
	var names []string
	for _, m := range list.Data {
		names = append(names, m.ID)
	}
	if len(names) == 0 {
		for _, m := range list.Models {
			names = append(names, orElse(m.Name, m.Model))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Local is a model server found running on this machine.
type Local struct {
	Dialect Dialect
	URL     string // what Config.URL takes
	Models  []string
}

// localServers are the usual places. Discover asks nothing but these.
var localServers = []Local{
	{Dialect: Ollama, URL: "http://127.0.0.1:11434"},
	{Dialect: Infill, URL: "http://127.0.0.1:8080"}, // llama-server
	{Dialect: Infill, URL: "http://127.0.0.1:8012"}, // llama-server --fim-* presets
}

// Discover looks for Ollama and llama.cpp on their usual loopback ports, so that they can be offered; it
// sends them nothing of the user's, and uses none unasked. It takes half a second at most.
func Discover(ctx context.Context) []Local { return discover(ctx, localServers) }

func discover(ctx context.Context, places []Local) []Local {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy: these are here
	found := make([]*Local, len(places))
	var wg sync.WaitGroup
	for i, place := range places {
		wg.Go(func() {
			header := http.Header{"User-Agent": {"spark-lsp"}}
			path := "/api/tags"
			if place.Dialect == Infill {
				// Many programs listen on 8080; only llama.cpp knows this page, and says what it has loaded.
				if !hasProps(ctx, client, place.URL+"/props", header) {
					return
				}
				path = "/v1/models"
			}
			models, err := fetchModels(ctx, client, place.URL+path, header)
			if err != nil {
				return
			}
			place.Models = models
			found[i] = &place
		})
	}
	wg.Wait()
	var list []Local
	for _, f := range found {
		if f != nil {
			list = append(list, *f)
		}
	}
	return list
}

func hasProps(ctx context.Context, client *http.Client, url string, header http.Header) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	req.Header = header
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var props struct {
		Generation json.RawMessage `json:"default_generation_settings"`
	}
	return resp.StatusCode == http.StatusOK &&
		json.NewDecoder(io.LimitReader(resp.Body, 4<<20)).Decode(&props) == nil && len(props.Generation) > 0
}
