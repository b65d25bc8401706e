package server

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/delivery"
	"github.com/spark-lsp/spark-lsp/lsp"
)

// SeenEditor is what an editor said of itself when it was here last, for 'spark-lsp doctor'. It names no workspace and
// no file, and of the settings only their names.
type SeenEditor struct {
	Name         string    `json:"name"`
	Version      string    `json:"version,omitempty"`
	When         time.Time `json:"when"`
	Encoding     string    `json:"encoding"`
	Delivery     string    `json:"delivery"` // the profile of docs/extensions.md, and how much goes out at a time
	Capabilities []string  `json:"capabilities"`
	Missing      []string  `json:"missing"`            // capabilities that we would use
	Settings     []string  `json:"settings,omitempty"` // keys that the editor sets
}

var modes = map[delivery.Mode]string{delivery.Live: "live", delivery.Hunks: "hunks", delivery.Final: "final"}

// seenMost bounds the list: the latest of each name and version.
const seenMost = 10

func seenFile(stateDir string) string { return filepath.Join(stateDir, "editors.json") }

// SeenEditors reads what is remembered, the latest first.
func SeenEditors(stateDir string) []SeenEditor {
	var list []SeenEditor
	data, err := os.ReadFile(seenFile(stateDir))
	if err != nil || json.Unmarshal(data, &list) != nil {
		return nil
	}
	return list
}

// rememberEditor notes the editor that is here.
func (s *Server) rememberEditor() {
	if s.cfg.StateDir == "" {
		return
	}
	p := s.profile()
	s.mu.Lock()
	keys := slices.Sorted(maps.Keys(s.editor.general()))
	s.mu.Unlock()
	e := SeenEditor{
		Name: s.client.Name, Version: s.client.Version, When: time.Now().UTC().Truncate(time.Second), Encoding: string(s.client.Encoding),
		Delivery: p.Name + ", " + modes[p.Mode], Settings: keys,
	}
	e.Capabilities, e.Missing = abilities(s.client)
	list := slices.DeleteFunc(SeenEditors(s.cfg.StateDir), func(o SeenEditor) bool { return o.Name == e.Name && o.Version == e.Version })
	list = append([]SeenEditor{e}, list...)
	list = list[:min(len(list), seenMost)]
	if err := writeState(seenFile(s.cfg.StateDir), list); err != nil {
		s.log.Info("the editor is not remembered", zap.Error(err))
	}
}

// abilities are the names of the yes-or-no fields of a client: one list of them, in lsp, is enough.
func abilities(c *lsp.Client) (has, lacks []string) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Type.Kind() != reflect.Bool {
			continue
		}
		if v.Field(i).Bool() {
			has = append(has, f.Name)
		} else {
			lacks = append(lacks, f.Name)
		}
	}
	return has, lacks
}

// writeState replaces a file of the state directory: no other process sees half of it.
func writeState(file string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already, if all went well
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
