package server

import (
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session"
)

func TestUsageIsSummedByDayAndModelAcrossProcesses(t *testing.T) {
	dir := t.TempDir()
	day := time.Date(2026, 11, 22, 23, 59, 0, 0, time.UTC)
	now := func() time.Time { return day }
	served := func(model string, in, out int) session.Served {
		return session.Served{Model: model, Usage: session.Usage{Input: in, Output: out}}
	}
	a, b := newUsage(dir, now), newUsage(dir, now)
	a.add(served("m", 100, 20))
	b.add(served("m", 1, 2))
	b.add(served("n", 5, 0))
	if total, _ := a.today(); total != 120 {
		t.Errorf("a counts %d before it has looked", total)
	}
	for _, u := range []*usage{a, b, a} {
		if err := u.flush(); err != nil {
			t.Fatal(err)
		}
	}
	for name, u := range map[string]*usage{"a": a, "b": b, "a third": newUsage(dir, now)} {
		if total, models := u.today(); total != 128 || models["m"] != 123 || models["n"] != 5 {
			t.Errorf("%s counts %d, %v", name, total, models)
		}
	}
	a.add(served("m", 7, 0))
	day = day.Add(time.Hour)
	if total, _ := a.today(); total != 0 {
		t.Errorf("a new day begins with %d", total)
	}
	day = day.Add(-time.Hour)
	if total, _ := newUsage(dir, now).today(); total != 135 {
		t.Errorf("what was counted before midnight is %d", total)
	}
	if total, _ := newUsage("", now).today(); total != 0 {
		t.Errorf("without a directory: %d", total)
	}
}
