package privacy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/privacy/canary"
)

// source is a program of about size bytes, with a canary every 10 KB.
func source(size int) string {
	rng := rand.New(rand.NewPCG(7, 8))
	secrets := canary.Plant(rng)
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, "\tfor key, value := range items[%d:] {\n\t\tif err := s.process(ctx, key, value); err != nil {\n\t\t\treturn fmt.Errorf(\"item %d: %%w\", err)\n\t\t}\n\t}\n", n, n)
		if n%70 == 69 {
			b.WriteString(secrets[n/70%len(secrets)].Text + "\n")
		}
	}
	return b.String()
}

// A keystroke's prompt: the line with the cursor is new, all others were there a moment ago.
func BenchmarkMaskKeystroke(b *testing.B) {
	for _, size := range []int{3 << 10, 8 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			text := source(size)
			at := strings.Index(text[size/2:], "\n") + size/2
			m := NewMasker(MaskOptions{})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.MaskAt(text[:at]+fmt.Sprint("\n\tx := y", i), text[at:])
			}
		})
	}
}

// A prompt of 128,000 tokens, never seen before and once more.
func BenchmarkMaskWindow(b *testing.B) {
	text := source(500 << 10)
	b.Run("cold", func(b *testing.B) {
		NewMasker(MaskOptions{}).Mask(source(64 << 10)) // expressions are compiled once in a process
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			NewMasker(MaskOptions{}).Mask(text)
		}
	})
	b.Run("warm", func(b *testing.B) {
		m := NewMasker(MaskOptions{})
		m.Mask(text)
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			m.Mask(text)
		}
	})
	b.Run("cursor", func(b *testing.B) {
		m := NewMasker(MaskOptions{})
		m.Mask(text)
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			m.MaskAt(text[:len(text)/2], text[len(text)/2:])
		}
	})
}

func BenchmarkUnmaskDelta(b *testing.B) {
	m := NewMasker(MaskOptions{})
	p := m.Mask(`ghp_a1B2c3D4e5a1B2c3D4e5a1B2c3D4e5a1B2c3`)
	for _, c := range []struct{ name, delta string }{{"plain", "\treturn fmt.Sprintf("}, {"masked", "x = " + p + ";"}} {
		b.Run(c.name, func(b *testing.B) {
			u := m.Unmasker()
			b.ReportAllocs()
			for b.Loop() {
				u.Push(c.delta)
			}
		})
	}
}

// BenchmarkFirstMask is what the first request of a process pays: the table of keywords, and the expressions that its
// text needs.
func BenchmarkFirstMask(b *testing.B) {
	text := source(8 << 10)
	for b.Loop() {
		d := newDetector()
		for line := range strings.Lines(text) {
			d.line(nil, line, -1)
		}
	}
}

func TestUnmaskWithoutPlaceholdersDoesNotAllocate(t *testing.T) {
	m := NewMasker(MaskOptions{})
	m.Mask(`ghp_a1B2c3D4e5a1B2c3D4e5a1B2c3D4e5a1B2c3`)
	u := m.Unmasker()
	if n := testing.AllocsPerRun(100, func() { u.Push("\treturn fmt.Sprintf(x)\n") }); n != 0 {
		t.Errorf("%v allocations a delta", n)
	}
}
