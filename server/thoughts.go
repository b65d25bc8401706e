package server

import (
	"iter"
	"strings"

	"github.com/spark-lsp/spark-lsp/session"
)

// Models that think aloud do it in front of their answer, between these. The Responses protocol and most servers keep
// thoughts apart from text; a server that does not know its model's template (LM Studio, llama.cpp and vLLM without a
// reasoning parser) lets them through, and they would be written into the buffer.
const (
	thoughtsOpen  = "<think>"
	thoughtsClose = "</think>"
)

// withoutThoughts is an answer without the thoughts in front of it. own is the text that the answer replaces: where that
// speaks of thoughts itself, they stay.
func withoutThoughts(answer iter.Seq2[session.Event, error], own string) iter.Seq2[session.Event, error] {
	if strings.Contains(own, thoughtsOpen) {
		return answer
	}
	return func(yield func(session.Event, error) bool) {
		var t thoughts
		for ev, err := range answer {
			switch {
			case err == nil && ev.Kind == session.Delta:
				if ev.Text = t.push(ev.Text); ev.Text == "" {
					continue
				}
			default:
				if rest := t.rest(); rest != "" && !yield(session.Event{Kind: session.Delta, Text: rest}, nil) {
					return
				}
				t = thoughts{} // a steered answer begins anew
			}
			if !yield(ev, err) {
				return
			}
		}
	}
}

// thoughts drops what a text begins with, if that is thoughts, and the blank lines behind them.
type thoughts struct {
	state thoughtsState
	held  string
}

type thoughtsState int

const (
	thoughtsLead   thoughtsState = iota // nothing but what may become the opening word
	thoughtsInside                      // held is the end of what was thought, which may become the closing word
	thoughtsBehind                      // held are the blanks behind it
	thoughtsPassed                      // everything is text
)

// push returns what of the next piece is known to be text.
func (t *thoughts) push(text string) string {
	if t.state == thoughtsPassed {
		return text
	}
	t.held += text
	if t.state == thoughtsLead {
		lead := strings.TrimLeft(t.held, " \t\r\n")
		if strings.HasPrefix(thoughtsOpen, lead) && lead != thoughtsOpen {
			return ""
		}
		thought, ok := strings.CutPrefix(lead, thoughtsOpen)
		if !ok {
			t.state = thoughtsPassed
			return t.release(t.held)
		}
		t.state, t.held = thoughtsInside, thought
	}
	if t.state == thoughtsInside {
		_, behind, ok := strings.Cut(t.held, thoughtsClose)
		if !ok {
			t.held = t.held[max(0, len(t.held)-len(thoughtsClose)):]
			return ""
		}
		t.state, t.held = thoughtsBehind, behind
	}
	said := strings.TrimLeft(t.held, " \t\r\n")
	if said == "" {
		return ""
	}
	t.state = thoughtsPassed
	blanks := t.held[:len(t.held)-len(said)]
	return t.release(t.held[strings.LastIndexByte(blanks, '\n')+1:]) // with its indentation
}

// rest returns what is held and is text after all, at the end.
func (t *thoughts) rest() string {
	if t.state != thoughtsLead {
		return ""
	}
	return t.release(t.held)
}

func (t *thoughts) release(text string) string {
	t.held = ""
	return text
}
