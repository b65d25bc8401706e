package editops

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzStreamDiff streams any text over any other, in any chunks. The edits must keep their contract (see
// replay) and make the model's text.
func FuzzStreamDiff(f *testing.F) {
	f.Add("a\nb\n", "a\nx\nb\n", uint64(1), false)
	f.Add("a\r\nb", "```go\na\nc\n```", uint64(2), false)
	f.Add("\uFEFFx\ry\n\n", "x\n\n", uint64(3), true)
	f.Add("if a {\n\tb\n}\n", "b\n", uint64(4), false)
	f.Fuzz(func(t *testing.T, old, model string, seed uint64, verbatim bool) {
		d, got := replayAny(t, old, model, StreamOptions{Verbatim: verbatim}, rand.New(rand.NewPCG(seed, 0)), 1+int(seed%16))
		if d.Stats().Unfenced > 0 || d.Err() != nil {
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

// FuzzHunks reads any reply as hunks for any file. What is refused changes nothing, what is applied stays inside
// its range, and the engine text is what the edits make.
func FuzzHunks(f *testing.F) {
	f.Add("a\nb\nc\n", "@@\n a\n-b\n+x\n", uint64(1))
	f.Add("a\r\nb", "<<<<<<< SEARCH line=2\nb\n=======\nx\n>>>>>>> REPLACE\n", uint64(2))
	f.Add("\uFEFFa\n\tb\n", "*** Begin Patch\n*** Update File: f\n@@ a\n-b\n+  x\n*** End Patch", uint64(3))
	f.Add("", "+x\n@@ -1,2 +3 @@\n ```\n```\n", uint64(4))
	f.Fuzz(func(t *testing.T, file, reply string, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		s := NewHunkStream(file, HunkOptions{})
		text := file
		number := 0
		take := func(rs []HunkResult) {
			for _, r := range rs {
				if number++; r.Number != number {
					t.Fatalf("number %d after %d", r.Number, number-1)
				}
				text = applyHunk(t, text, r)
			}
		}
		for rest := reply; rest != ""; {
			n := min(len(rest), 1+rnd.IntN(16))
			take(s.Push(rest[:n]))
			rest = rest[n:]
		}
		take(s.Finish())
		if text != s.Text() {
			t.Fatalf("Text %q\nedits give %q", s.Text(), text)
		}
	})
}

// FuzzCleanCompletion cleans any text in any place. What comes out fits the place and is nothing new.
func FuzzCleanCompletion(f *testing.F) {
	f.Add("foo(", ")", "bar)", uint8(0))
	f.Add("func f() {\r\n\t", "\r\n}", "```go\na()\n```", uint8(2))
	f.Add("x = \"", "\" + 'a'", "é\"\n\n", uint8(1))
	f.Fuzz(func(t *testing.T, prefix, suffix, text string, mode uint8) {
		opt := CleanOptions{Lines: LineMode(mode % 3), MaxLines: int(mode % 5), MaxBytes: int(mode % 7 * 9), Indent: "\t"}
		c, ok := CleanCompletion(prefix, suffix, text, opt)
		if ok == (c.Text == "") {
			t.Fatalf("%v %+v", ok, c)
		}
		rest, _ := cutLine(suffix)
		if c.ReplaceAfter < 0 || c.ReplaceAfter > len(rest) || utf8.ValidString(suffix) && splits(suffix, c.ReplaceAfter) {
			t.Fatalf("%+v for the rest %q", c, rest)
		}
		if utf8.ValidString(text) && utf8.ValidString(prefix) && !utf8.ValidString(c.Text) {
			t.Fatalf("%q is no UTF-8", c.Text)
		}
		s := NewStopper(prefix, suffix, opt)
		for i := 0; i < len(text) && s.Push(text[i:i+1]) == StopNot; i++ {
		}
	})
}

// FuzzDiff holds the edits between any two texts against what they promise.
func FuzzDiff(f *testing.F) {
	f.Add("a\nb\n", "a\nc\n")
	f.Add("a\r\n\r", "a\r\r\n")
	f.Fuzz(func(t *testing.T, old, new string) {
		edits := Diff(old, new)
		if !utf8.ValidString(old) || !utf8.ValidString(new) {
			return
		}
		if got := applyAll(t, old, edits); got != new {
			t.Fatalf("%q instead of %q", got, new)
		}
	})
}
