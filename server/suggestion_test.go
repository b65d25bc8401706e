package server

import (
	"context"
	"iter"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/session"
)

// says is an engine that always says the same.
type says struct {
	deaf
	text string
}

func (e says) Stream(context.Context, session.Request) iter.Seq2[session.Event, error] {
	return pieces(e.text, len(e.text))
}

// D25: a suggestion on a line of megabytes reaches a stretch before the cursor, and no further: each key compares those
// that are kept with what stands there, and an editor is not given a word of megabytes again.
func TestLongLine_D25(t *testing.T) {
	s := New(Config{Log: zap.NewNop(), Engine: says{text: "zed()"}, PanicOnBug: true})
	defer s.Close()
	s.StartAlone()
	for _, word := range []string{"deadbeef", "é", "汉", "🍋x"} {
		prefix := "x = \"" + strings.Repeat(word, 2<<20/len(word))
		doc := s.fimDocument(prefix, "\"\n")
		sg, err := s.suggest(t.Context(), doc, len(prefix), automatic)
		if err != nil || sg == nil {
			t.Fatalf("%s: %v, %v", word, sg, err)
		}
		if n := len(sg.New); n < lineReach-utf8.UTFMax || n > lineReach+len("zed()") || !utf8.ValidString(sg.New) {
			t.Errorf("%s: %d bytes, %q…", word, n, sg.New[:8])
		}
		if got := sg.inserted(doc.Text, len(prefix)); got != "zed()" {
			t.Errorf("%s: %q", word, got)
		}
		// A backspace brings back what it took.
		_, size := utf8.DecodeLastRuneInString(prefix)
		if got, _, err := s.fill(t.Context(), prefix[:len(prefix)-size], "\"\n"); got != prefix[len(prefix)-size:]+"zed()" || err != nil {
			t.Errorf("%s, after a backspace: %q, %v", word, got, err)
		}
	}
}
