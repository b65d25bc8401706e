package server

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
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
	// the Copilot dialect), so only keys that are ours are read, or were meant to be.
	maps.DeleteFunc(layer, func(key string, _ any) bool { return !settings.Known(key) && !settings.InTable(key) })
	maps.Copy(layer, settings.Flatten(ours))
	return layer
}

// editorSettings is what the editor has said of our settings. Server.mu guards it.
type editorSettings struct {
	told    settings.Layer            // initializationOptions, and what the editor pushed since, key by key
	asked   settings.Layer            // the last answer to workspace/configuration, which is whole: what it leaves out is unset
	folders map[string]settings.Layer // the same for workspace folders, by path; only those that differ
}

// general is what holds everywhere.
func (e *editorSettings) general() settings.Layer {
	all := settings.Layer{}
	maps.Copy(all, e.told)
	maps.Copy(all, e.asked)
	return all
}

// didChangeConfiguration takes settings that an editor pushes, and asks those that only announce.
func (s *Server) didChangeConfiguration(_ *lsp.Snapshot, p *protocol.DidChangeConfigurationParams) error {
	if pushed := editorLayer(p.Settings); len(pushed) > 0 { // in the order of the wire: nothing in it waits
		s.mu.Lock()
		told, problems := settings.Update(s.editor.told, pushed)
		s.editor.told = told
		s.problemsLocked(inPushed, inWords(problems))
		s.mu.Unlock()
		s.settingsChanged()
	}
	s.start(func(ctx context.Context) {
		s.fetchConfiguration(ctx)
		s.tellWarnings(ctx)
	})
	return nil
}

// fetchConfiguration asks the editor for the section "spark", in general and for each workspace folder, where it can
// be asked.
func (s *Server) fetchConfiguration(ctx context.Context) {
	if !s.client.HasConfiguration {
		return
	}
	s.fetching.Lock() // one after the other: the last to ask is the last to be believed
	defer s.fetching.Unlock()
	s.mu.Lock()
	roots := slices.Clone(s.roots)
	s.mu.Unlock()
	answers, err := s.client.ConfigurationIn(ctx, section, roots)
	if err != nil {
		s.log.Info("workspace/configuration failed", zap.Error(err))
		return
	}
	general := configurationLayer(answers[0])
	folders := map[string]settings.Layer{}
	for i, root := range roots {
		if answers[i+1] == nil {
			continue
		}
		if in := settings.FolderLayer(configurationLayer(answers[i+1])); !reflect.DeepEqual(in, settings.FolderLayer(general)) {
			folders[root] = in
		}
	}
	s.mu.Lock()
	asked, problems := settings.Update(s.editor.asked, general)
	maps.DeleteFunc(asked, func(key string, _ any) bool { _, still := general[key]; return !still })
	changed := !reflect.DeepEqual(asked, s.editor.asked) || !reflect.DeepEqual(folders, s.editor.folders)
	s.editor.asked, s.editor.folders = asked, folders
	s.problemsLocked(inAnswer, inWords(problems))
	s.mu.Unlock()
	if changed {
		s.settingsChanged()
	}
}

// configurationLayer reads one answer to workspace/configuration.
func configurationLayer(raw []byte) settings.Layer {
	var m map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &m) != nil {
		return settings.Layer{} // nothing is set
	}
	if inner, ok := m[section].(map[string]any); ok { // Helix answers with the whole of its config table
		m = inner
	}
	return settings.Flatten(m)
}

// watchUser follows the user's files from now on.
func (s *Server) watchUser() {
	if s.cfg.WatchUser != nil {
		s.start(func(ctx context.Context) { s.cfg.WatchUser(ctx, s.userChanged) })
	}
}

// userChanged puts the user's files, as they are now, into force.
func (s *Server) userChanged(u User) {
	s.mu.Lock()
	if u.Settings == nil {
		u.Settings = s.user.Settings
	}
	changed := !reflect.DeepEqual(u.Settings, s.user.Settings) || !maps.Equal(u.Keys, s.user.Keys) || u.KeysFollow != s.user.KeysFollow
	s.user = u
	s.problemsLocked(inUserFiles, u.Warnings)
	s.mu.Unlock()
	if changed {
		s.settingsChanged()
	}
	s.start(s.tellWarnings)
}

// keysFollow reports whether stored keys are still being fetched.
func (s *Server) keysFollow() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user.KeysFollow
}

// settingsChanged puts new settings into force.
func (s *Server) settingsChanged() {
	before := s.options()
	foldersBefore := s.scopes.Load().userFolders()
	s.resolve()
	s.chooseModels()
	s.dropSuggestions()
	switch now := s.options(); {
	case !slices.Equal(before.PrivacyRead, now.PrivacyRead), !slices.Equal(before.PrivacyIgnore, now.PrivacyIgnore),
		!reflect.DeepEqual(foldersBefore, s.scopes.Load().userFolders()):
		s.rulesChanged()
	case contextSettings(before) != contextSettings(now):
		s.dropBases() // they hold what the settings said when they were made
	}
	s.log.Info("new settings are in force", zap.Bool("foldersDiffer", s.scopes.Load() != nil))
}

// contextSettings is a key of what decides about the stable part of prompts.
func contextSettings(o *settings.Resolved) any {
	return [...]any{o.Rules, o.ContextInstructions, o.ContextDefinitions, o.ContextSimilar, o.ContextSnapshot, o.ContextCompletionTokens}
}

// resolve merges the layers anew and tells what could not be taken, each problem once.
func (s *Server) resolve() {
	s.mu.Lock()
	layers := settings.Layers{UserFile: s.user.Settings, Keys: s.user.Keys, Environment: s.cfg.Environment, Editor: s.editor.general()}
	r, problems := settings.Resolve(layers)
	s.problemsLocked(inSettings, inWords(problems))
	var sc *scopes
	user := settings.FoldersOf(layers.UserFile)
	if len(s.editor.folders) > 0 || len(user) > 0 {
		sc = &scopes{layers: layers, user: user, folders: s.editor.folders, known: map[string]*settings.Resolved{}}
	}
	s.resolved.Store(r) // before the lock is given back: files, editor and keyring may all have changed at once
	s.scopes.Store(sc)
	s.mu.Unlock()
}

// problemSource is where problems with the settings are met. Each says anew what is wrong, whenever it is looked at.
type problemSource uint8

const (
	inSettings  problemSource = iota // values that could not be taken from the layers
	inUserFiles                      // the files as such
	atStart                          // Config.Warnings
	inPushed                         // what the editor pushed
	inAnswer                         // what the editor answered
)

// problemsLocked notes what is wrong with one source now, for tellWarnings. What is still wrong has been told; what is
// wrong again, after it was right, is told again. s.mu is held, or nobody else knows the server yet.
func (s *Server) problemsLocked(from problemSource, texts []string) {
	for _, text := range texts {
		known := false
		for _, old := range s.problems {
			known = known || slices.Contains(old, text)
		}
		if !known && !slices.Contains(s.warnings, text) {
			s.warnings = append(s.warnings, text)
		}
	}
	s.problems[from] = texts
}

func inWords(problems []settings.Problem) []string {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.String()
	}
	return texts
}

// tellWarnings shows the collected problems. They wait for initialized, since an editor takes no message before.
func (s *Server) tellWarnings(ctx context.Context) {
	s.mu.Lock()
	texts := s.warnings
	s.warnings = nil
	s.mu.Unlock()
	for i, t := range texts {
		s.log.Warn(t)
		if i < warningsAtOnce {
			s.client.ShowMessage(ctx, protocol.MessageTypeWarning, "spark-lsp: "+t)
		}
	}
	if more := len(texts) - warningsAtOnce; more > 0 {
		s.client.ShowMessage(ctx, protocol.MessageTypeWarning, fmt.Sprintf("spark-lsp: %d more of this sort are in the log", more))
	}
}

// warningsAtOnce bounds the messages that one look at the settings brings up: a workspace may hold a thousand wrong ones.
const warningsAtOnce = 6
