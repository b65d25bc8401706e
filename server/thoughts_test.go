package server

import (
	"iter"
	"testing"

	"github.com/spark-lsp/spark-lsp/session"
)

// What a model thinks aloud is no part of its answer, however it is cut into pieces, and nothing else is lost.
func TestThoughts(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"x := 1\n":                            "x := 1\n",
		"\n\n\tx\n":                           "\n\n\tx\n",
		"  ":                                  "  ",
		"<th":                                 "<th",
		"<thing>x":                            "<thing>x",
		"<think>":                             "",
		"<think>\nhm, </thin k":               "",
		"<think>\nhm\n</think>\n\n\tx := 1\n": "\tx := 1\n",
		"\n<think>\n\n</think>\n\n\tx\n<think>\n":  "\tx\n<think>\n",
		"<think>a < b</think>x":                    "x",
		"<think>a</thi</think>  x":                 "  x",
		"x := \"<think>\" // <think>\n</think>\n":  "x := \"<think>\" // <think>\n</think>\n",
		"<think>\r\nhm\r\n</think>\r\n\r\n  é\r\n": "  é\r\n",
	} {
		for size := 1; size <= len(text)+1; size++ {
			var got string
			for ev, err := range withoutThoughts(pieces(text, size), "own") {
				if err != nil {
					t.Fatal(err)
				}
				got += ev.Text
			}
			if got != want {
				t.Errorf("%q in pieces of %d: %q, want %q", text, size, got, want)
			}
		}
	}
	var got string
	for ev := range withoutThoughts(pieces("<think>a</think>b", 3), "a template with <think> in it") {
		got += ev.Text
	}
	if got != "<think>a</think>b" {
		t.Errorf("where the text itself is about them: %q", got)
	}
}

// pieces is an answer that comes size bytes at a time.
func pieces(text string, size int) iter.Seq2[session.Event, error] {
	return func(yield func(session.Event, error) bool) {
		for ; text != ""; text = text[min(size, len(text)):] {
			if !yield(session.Event{Kind: session.Delta, Text: text[:min(size, len(text))]}, nil) {
				return
			}
		}
		yield(session.Event{Kind: session.Done, Reason: session.Complete}, nil)
	}
}
