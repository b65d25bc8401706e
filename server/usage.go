package server

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spark-lsp/spark-lsp/session"
)

// usage sums tokens for each day and model. The sums are kept in one file a day in the user's state directory, to
// which every process appends lines of its own, so that several editors share one account without a lock. With no
// directory the sums are this process's alone.
type usage struct {
	dir string
	now func() time.Time

	mu      sync.Mutex // guards what follows
	day     string
	total   int            // tokens of the day, all processes' as of the last look at the file
	models  map[string]int // the same by model
	pending map[string]int // by model: not yet in the file
}

// usageLine is a line of a day's file.
type usageLine struct {
	Model  string `json:"model"`
	Tokens int    `json:"tokens"` // input and output
}

func newUsage(dir string, now func() time.Time) *usage {
	u := &usage{dir: dir, now: now}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turnLocked()
	return u
}

// turnLocked begins a new day's account when there is one. u.mu is held.
func (u *usage) turnLocked() {
	day := u.now().Format(time.DateOnly)
	if day == u.day {
		return
	}
	_ = u.flushLocked() // what cannot be written counts for this process only
	u.day, u.total, u.models, u.pending = day, 0, map[string]int{}, map[string]int{}
	u.readLocked()
}

func (u *usage) path() string { return filepath.Join(u.dir, "usage-"+u.day+".jsonl") }

// readLocked takes the day's sums from the file, if there is one; what is not in it yet comes on top.
func (u *usage) readLocked() {
	if u.dir == "" {
		return
	}
	f, err := os.Open(u.path())
	if err != nil {
		return
	}
	defer f.Close()
	u.total, u.models = 0, map[string]int{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var l usageLine
		if json.Unmarshal(sc.Bytes(), &l) == nil && l.Tokens > 0 {
			u.models[l.Model] += l.Tokens
			u.total += l.Tokens
		}
	}
	for model, n := range u.pending {
		u.models[model] += n
		u.total += n
	}
}

// add counts one response that has ended. Warm-ups and abandoned answers count too: they are billed.
func (u *usage) add(served session.Served) {
	n := served.Usage.Input + served.Usage.Output
	if n == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turnLocked()
	u.total += n
	u.models[served.Model] += n
	u.pending[served.Model] += n
}

// today returns the day's tokens, in all and by model.
func (u *usage) today() (total int, models map[string]int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turnLocked()
	models = make(map[string]int, len(u.models))
	for m, n := range u.models {
		models[m] = n
	}
	return u.total, models
}

// flush writes what is not in the file yet, and looks at what other processes have written.
func (u *usage) flush() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	err := u.flushLocked()
	u.readLocked()
	return err
}

func (u *usage) flushLocked() error {
	if u.dir == "" || len(u.pending) == 0 {
		return nil
	}
	if err := os.MkdirAll(u.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("counting tokens: %w", err)
	}
	f, err := os.OpenFile(u.path(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("counting tokens: %w", err)
	}
	defer f.Close()
	for model, n := range u.pending {
		line, err := json.Marshal(usageLine{model, n})
		if err != nil {
			return err
		}
		// One write a line: appended whole, also beside another process's.
		if _, err := f.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("counting tokens: %w", err)
		}
		delete(u.pending, model)
	}
	return nil
}
