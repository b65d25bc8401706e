package server

import (
	"context"
	"encoding/json"
	"maps"
	"strings"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/settings"
)

// section is the name of our settings in the editor's configuration.
const section = "spark"

// editorLayer reads settings as an editor sends them: bare, or under "spark".
func editorLayer(raw []byte) settings.Layer {
	var m map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &m) != nil {
		return settings.Layer{}
	}
	ours := map[string]any{} // what stands under "spark" is meant for us, and unknown names in it are told
	for key, value := range m {
		if inner, ok := strings.CutPrefix(key, section+"."); ok {
			ours[inner] = value
			delete(m, key)
		}
	}
	if under, ok := m[section].(map[string]any); ok {
		maps.Copy(ours, under)
		delete(m, section)
	}
	layer := settings.Flatten(m)
	// Bare options share their object with what other servers of the same family want from it (editorInfo of
	// the Copilot dialect), so only keys that are ours are read.
	maps.DeleteFunc(layer, func(key string, _ any) bool { return !settings.Known(key) })
	maps.Copy(layer, settings.Flatten(ours))
	return layer
}

// didChangeConfiguration takes settings that an editor pushes, and asks those that only announce.
func (s *Server) didChangeConfiguration(_ *lsp.Snapshot, p *protocol.DidChangeConfigurationParams) error {
	s.mergeEditor(editorLayer(p.Settings)) // in the order of the wire: nothing in it waits
	s.start(func(ctx context.Context) {
		s.fetchConfiguration(ctx)
		s.tellWarnings(ctx)
	})
	return nil
}

// fetchConfiguration asks the editor for the section "spark", where it can be asked.
func (s *Server) fetchConfiguration(ctx context.Context) {
	if !s.client.HasConfiguration {
		return
	}
	s.fetching.Lock() // one after the other: the last to ask is the last to be believed
	defer s.fetching.Unlock()
	raw, err := s.client.Configuration(ctx, section)
	if err != nil {
		s.log.Info("workspace/configuration failed", zap.Error(err))
		return
	}
	var m map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &m) != nil {
		return // nothing is set
	}
	if inner, ok := m[section].(map[string]any); ok { // Helix answers with the whole of its config table
		m = inner
	}
	s.mergeEditor(settings.Flatten(m))
}

// mergeEditor lays later values over earlier ones, key by key, and acts on what changed.
func (s *Server) mergeEditor(values settings.Layer) {
	if len(values) == 0 {
		return
	}
	s.mu.Lock()
	merged, problems := settings.Update(s.editor, values)
	s.editor = merged
	s.warnLocked(problems)
	s.mu.Unlock()
	s.resolve()
	s.chooseModels()
	s.dropSuggestions()
}
