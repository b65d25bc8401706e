package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tiktoken-go/tokenizer/codec"
)

func TestCountTokens(t *testing.T) {
	var c Counter
	var text strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&text, "\tif value%d := compute(%d, \"é🍋\"); value%d != nil { return }\n", i, i*7, i%13)
	}
	exact, err := codec.NewO200kBase().Count(text.String())
	if err != nil {
		t.Fatal(err)
	}
	got := c.Count(text.String())
	if got < exact || got > exact+exact/500+1 {
		t.Errorf("%d tokens, exactly %d", got, exact)
	}
	// An edit in the middle leaves the pages behind it counted.
	pages := len(c.pages)
	edited := text.String()[:50_000] + "x" + text.String()[50_000:]
	c.Count(edited)
	if n := len(c.pages) - pages; n > 3 {
		t.Errorf("an edit of one byte made %d new pages of %d", n, pages)
	}
	if c.Count("") != 0 {
		t.Error("an empty text has tokens")
	}
}

func BenchmarkCountTokens(b *testing.B) {
	var c Counter
	var text strings.Builder
	for i := 0; text.Len() < 58<<10; i++ {
		fmt.Fprintf(&text, "\tif value%d := compute(%d); value%d != nil { return }\n", i, i*7, i%13)
	}
	all := text.String()
	c.Count(all)
	i := 0
	b.ReportAllocs()
	for b.Loop() { // a keystroke in the middle of 58 KB
		i++
		c.Count(all[:30_000] + fmt.Sprint(i) + all[30_000:])
	}
}
