package server

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

// BenchmarkGather is what a key waits for: the context is picked up, and the prompt rendered. The change of the
// document itself is counted in, masking is not.
func BenchmarkGather(b *testing.B) {
	for _, size := range []int{8 << 10, 60 << 10, 1 << 20} {
		for _, warm := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dKB/warm=%v", size>>10, warm), func(b *testing.B) {
				s := New(Config{Log: zap.NewNop(), Engine: deaf{}, User: User{Settings: settings.Layer{"provider": "openai", "apiKey": "none"}}, PanicOnBug: true})
				defer s.Close()
				s.client = &lsp.Client{Name: "bench"}
				for f := range 200 {
					var text strings.Builder
					for i := range 40 {
						fmt.Fprintf(&text, "func helper%d_%d(a, b int) (string, error) { return compute(a), nil }\n", f, i)
					}
					s.learn(fmt.Sprintf("pkg/file%d.go", f), "go", "package pkg\n\n"+text.String())
				}
				line := "\tvalue := helper3_7(1, 2, 3) // a line of code\n"
				half := strings.Repeat(line, size/len(line)/2)
				docs := lsp.NewDocuments(lsp.UTF8)
				c := docs.Open("file:///bench/pkg/a.go", "go", 1, "package pkg\n\nfunc f() {\n"+half+"\n"+half+"}\n")
				s.changed(c)
				at := len("package pkg\n\nfunc f() {\n" + half)
				d := s.document(c.After.URI)
				d.context.at = at
				d.context.refresh()
				if warm {
					in := s.gather(c.After, at, session.Completion)
					d.context.base = prompt.NewBase(in, 1)
				}
				version := int32(1)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					version++
					doc, _ := docs.Snapshot().Get("file:///bench/pkg/a.go")
					r := doc.OffsetsToRange(at, at)
					text := string(rune('a' + i%26))
					if i%60 == 59 {
						r, text = doc.OffsetsToRange(at-59, at), ""
						at -= 60
					}
					at++
					c, err := docs.Change(doc.URI, version, lsp.ContentChange{Range: &r, Text: text})
					if err != nil {
						b.Fatal(err)
					}
					s.changed(c)
					in := s.gather(c.After, at, session.Completion)
					if warm != (in.Base != nil) {
						b.Fatal("the base is not in force")
					}
					prompt.Completion(in)
				}
			})
		}
	}
}
