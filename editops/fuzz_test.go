package editops

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// FuzzStreamDiff streams any text over any other, in any chunks. The edits must keep their contract (see
// replay) and make the model's text.
func FuzzStreamDiff(f *testing.F) {
	f.Add("a\nb\n", "a\nx\nb\n", uint64(1), false)
	f.Add("a\r\nb", "```go\na\nc\n```", uint64(2), false)
	f.Add("\uFEFFx\ry\n\n", "x\n\n", uint64(3), true)
	f.Add("if a {\n\tb\n}\n", "b\n", uint64(4), false)
	f.Fuzz(func(t *testing.T, old, model string, seed uint64, verbatim bool) {
		d, got := replay(t, old, model, StreamOptions{Verbatim: verbatim}, rand.New(rand.NewPCG(seed, 0)), 1+int(seed%16))
		if d.Stats().Unfenced > 0 {
			return // what is left of the text then is TestStreamDiff's business
		}
		want := expected(old, model)
		if verbatim {
			want = strings.ToValidUTF8(ModelText(model), "\uFFFD")
		}
		if ModelText(got) != want {
			t.Errorf("old %q\nmodel %q\ngot %q\nwant %q", old, model, got, want)
		}
	})
}
