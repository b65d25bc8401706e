package main

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestDemo plays the newcomer's first minute, in a pipe: both scenes come to their end, in plain text, and the file
// is as the scripted model wrote it.
func TestDemo(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	home := t.TempDir()
	p := process{
		args: []string{"demo"}, stdin: strings.NewReader(""), stdout: &out, stderr: &errs, panicOnBug: true,
		getenv: func(name string) string {
			if name == "HOME" {
				return home
			}
			return ""
		},
	}
	if code := p.run(ctx); code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, &errs, &out)
	}
	text := out.String()
	if strings.Contains(text, "\x1b") {
		t.Error("escape codes in a pipe")
	}
	if errs.Len() > 0 {
		t.Errorf("stderr: %s", &errs)
	}
	for _, want := range []string{
		`[1-9]\d* of 200 given by suggestions\.`,
		`the model is a scripted one on this machine`,
		`First edit on the screen after \d`,
		`\d+ tok/s`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	// What was given stands in brackets, which Go code has too.
	unbracketed := strings.NewReplacer("[", "", "]", "")
	if !strings.Contains(unbracketed.Replace(text), unbracketed.Replace(demoWanted)) {
		t.Errorf("what was typed is not shown:\n%s", text)
	}
	answer := strings.TrimSpace(demoAnswer)
	answer = "  " + strings.ReplaceAll(strings.ReplaceAll(answer, "\t", "    "), "\n", "\n  ")
	if !strings.Contains(text, answer) {
		t.Errorf("the answer is not in the file:\n%s", text)
	}
}
