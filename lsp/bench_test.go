package lsp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"go.lsp.dev/protocol"
	"go.uber.org/zap"

	"github.com/spark-lsp/spark-lsp/lsp/editor"
)

// source is text of about n bytes that looks like code, half a percent of it beyond ASCII.
func source(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "\tif err := process(ctx, item%d); err != nil {\n", i)
		if i%4 == 0 {
			b.WriteString("\t\t// größer als 汉字 🍋\n")
		}
	}
	return b.String()
}

// BenchmarkDidChange is one didChange, from its JSON to the new snapshot: insertions of one character all over
// the document, one in eight a deletion.
func BenchmarkDidChange(b *testing.B) {
	for _, size := range []struct {
		name string
		text string
	}{
		{"100KB", source(100 << 10)},
		{"1MB", source(1 << 20)},
		{"10MB", source(10 << 20)},
		{"100kLines", strings.Repeat("a line of some forty characters, or so\n", 100_000)},
		{"5MBLine", strings.Repeat("0123456789 größer 🍋 ", 5<<20/23)},
	} {
		for _, encoding := range []Encoding{UTF8, UTF16} {
			b.Run(size.name+"/"+string(encoding), func(b *testing.B) {
				s := &server{documents: NewDocuments(encoding), log: zap.NewNop()}
				doc := s.documents.Open(file, "go", 0, size.text).After
				r := rand.New(rand.NewPCG(1, 1))
				messages := make([][]byte, 512)
				for i := range messages {
					at := doc.OffsetToPosition(r.IntN(len(size.text)))
					end, text := at, "x"
					if i%8 == 0 {
						end.Character, text = end.Character+1, ""
					}
					messages[i], _ = json.Marshal(map[string]any{
						"textDocument":   map[string]any{"uri": file, "version": i},
						"contentChanges": []any{map[string]any{"range": protocol.Range{Start: at, End: end}, "text": text}},
					})
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if err := s.didChange(messages[i%len(messages)]); err != nil {
						b.Fatal(err)
					}
					i++
				}
			})
		}
	}
}

// BenchmarkReplace is the text alone, without JSON and positions.
func BenchmarkReplace(b *testing.B) {
	for _, size := range []int{100 << 10, 1 << 20, 10 << 20} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			text := NewText(source(size))
			r := rand.New(rand.NewPCG(1, 1))
			at := make([]int, 1024)
			for i := range at {
				at[i] = text.floor(r.IntN(size))
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				text = text.Replace(at[i%1024], at[i%1024], "x")
				i++
			}
		})
	}
}

func BenchmarkPositionToOffset(b *testing.B) {
	for _, encoding := range encodings {
		b.Run(string(encoding), func(b *testing.B) {
			m := Mapper{NewText(source(1 << 20)), encoding}
			p := protocol.Position{Line: 15_000, Character: 20}
			for b.Loop() {
				m.PositionToOffset(p)
			}
		})
	}
}

func BenchmarkOffsetToPosition(b *testing.B) {
	for _, encoding := range encodings {
		b.Run(string(encoding), func(b *testing.B) {
			m := Mapper{NewText(source(1 << 20)), encoding}
			for b.Loop() {
				m.OffsetToPosition(700_001)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{100 << 10, 1 << 20, 10 << 20} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			text := source(size)
			docs := NewDocuments(UTF16)
			b.SetBytes(int64(size))
			for b.Loop() {
				docs.Open(file, "go", 0, text)
			}
		})
	}
}

// BenchmarkString is the price of the whole text after an edit.
func BenchmarkString(b *testing.B) {
	for _, size := range []int{100 << 10, 1 << 20, 10 << 20} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			text := NewText(source(size))
			b.SetBytes(int64(size))
			for b.Loop() {
				_ = text.Replace(size/2, size/2, "x").String()
			}
		})
	}
}

// BenchmarkDidOpen is a whole didOpen, from its JSON.
func BenchmarkDidOpen(b *testing.B) {
	for _, size := range []int{100 << 10, 1 << 20, 10 << 20} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			s := &server{documents: NewDocuments(UTF16), log: zap.NewNop()}
			raw, _ := json.Marshal(map[string]any{"textDocument": map[string]any{"uri": file, "version": 0, "text": source(size)}})
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := s.didOpen(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRoundTrip is a call of the client through pipes and back, with a handler that does nothing, and beside
// it a call to the client.
func BenchmarkRoundTrip(b *testing.B) {
	for _, method := range []string{"nothing", "ask"} {
		b.Run(method, func(b *testing.B) {
			in, w := io.Pipe()
			out, sw := io.Pipe()
			var client *Client
			result := make(chan error, 1)
			go func() {
				result <- Serve(context.Background(), in, sw, Program{
					Initialize: func(_ context.Context, c *Client, _ *protocol.InitializeParams) (*protocol.InitializeResult, error) {
						client = c
						return &protocol.InitializeResult{}, nil
					},
					Requests: map[string]RequestFunc{
						"nothing": func(context.Context, *Snapshot, []byte) (any, error) { return nil, nil },
						"ask": func(ctx context.Context, _ *Snapshot, _ []byte) (any, error) {
							_, err := client.Configuration(ctx, "x")
							return nil, err
						},
					},
				})
			}()
			e := editor.New(editor.Options{}, out, w)
			if _, err := e.Start(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := e.Call(b.Context(), method, nil, nil); err != nil {
					b.Fatal(err)
				}
			}
			e.Shutdown(context.Background())
			e.Exit()
			<-result
			<-e.Done()
		})
	}
}
