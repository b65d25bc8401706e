package lsp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// naive is the plainest text there is: what Text and Mapper are compared with.
type naive string

// lines returns where each line's content starts and ends.
func (n naive) lines() (spans [][2]int) {
	start := 0
	for i := 0; i < len(n); i++ {
		if n[i] != '\n' && n[i] != '\r' {
			continue
		}
		spans = append(spans, [2]int{start, i})
		if n[i] == '\r' && i+1 < len(n) && n[i+1] == '\n' {
			i++
		}
		start = i + 1
	}
	return append(spans, [2]int{start, len(n)})
}

// letters are what texts are made of: everything that has a border of its own kind.
var letters = []string{
	"a", "b", " ", "\t", "x := 1", "\n", "\n", "\r\n", "\r", "é", "汉", "🍋", "👩‍👩‍👧", "\u2028", "\u00ad", "\x00",
	"\ufeff", "\U0010FFFF", "שלום",
}

// rubbish is not UTF-8.
var rubbish = []string{"\xff", "\x80", "\xe6\xb1", "\xf0\x9f", "\xc3", "\x80\x80\x80\x80\x80"}

func randomText(r *rand.Rand, pieces []string, size int) string {
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// requireText checks everything that can be asked of a Text, and its invariants.
func requireText(t *testing.T, text *Text, want string) {
	t.Helper()
	var at mark
	for i, c := range text.chunks {
		if c.s == "" || len(c.s) > 2*chunkMax {
			t.Fatalf("chunk %d has %d bytes", i, len(c.s))
		}
		if c.at != at {
			t.Fatalf("chunk %d is at %v, want %v", i, c.at, at)
		}
		at = at.plus(sizeOf(c.s))
		if i > 0 {
			before := text.chunks[i-1].s
			if strings.HasSuffix(before, "\r") && c.s[0] == '\n' {
				t.Fatalf("chunk %d starts within a line end", i)
			}
		}
	}
	if at != text.size {
		t.Fatalf("size is %v, want %v", text.size, at)
	}
	if want := sizeOf(want); at != want {
		t.Fatalf("size by chunks is %v, of the whole %v", at, want)
	}
	if got := text.String(); got != want {
		t.Fatalf("text differs: %d bytes, want %d", len(got), len(want))
	}
	spans := naive(want).lines()
	if text.LineCount() != len(spans) {
		t.Fatalf("%d lines, want %d", text.LineCount(), len(spans))
	}
	for _, i := range sample(len(spans)) {
		if start, end := text.LineStart(i), text.LineEnd(i); start != spans[i][0] || end != spans[i][1] {
			t.Fatalf("line %d is [%d, %d), want %v", i, start, end, spans[i])
		}
		if got := text.Line(i); got != want[spans[i][0]:spans[i][1]] {
			t.Fatalf("line %d is %q", i, got)
		}
		if got := text.LineAt(spans[i][1]); got != i {
			t.Fatalf("offset %d is on line %d, want %d", spans[i][1], got, i)
		}
		if got := text.LineAt(spans[i][0]); got != i {
			t.Fatalf("offset %d is on line %d, want %d", spans[i][0], got, i)
		}
	}
	if text.LineStart(len(spans)) != len(want) || text.LineEnd(len(spans)+5) != len(want) || text.LineStart(-1) != 0 {
		t.Fatal("lines that do not exist are not clamped")
	}
}

// sample returns all of 0..n-1 when they are few, else about 100 of them, the first and the last included.
func sample(n int) []int {
	step := max(1, n/100)
	var list []int
	for i := 0; i < n; i += step {
		list = append(list, i)
	}
	return append(list, n-1)
}

func TestTextEmpty(t *testing.T) {
	requireText(t, NewText(""), "")
	requireText(t, NewText("").Replace(0, 0, "a\r"), "a\r")
	requireText(t, NewText("ab").Replace(0, 2, ""), "")
	requireText(t, NewText("ab").Replace(0, 2, "").Replace(0, 0, "\n"), "\n")
}

// A "\r\n" must count once, wherever chunks are cut and whichever edit brings its halves together.
func TestTextCRLFOverChunks(t *testing.T) {
	big := strings.Repeat("x", chunkAim)
	for _, parts := range [][2]string{{big + "\r", "\n" + big}, {"\r", "\n"}, {big + big + "\r", "\n" + big + big}} {
		text := NewText(parts[0] + "|" + parts[1])
		text = text.Replace(len(parts[0]), len(parts[0])+1, "") // brings them together
		requireText(t, text, parts[0]+parts[1])
		text = text.Replace(len(parts[0]), len(parts[0]), "|") // and apart
		requireText(t, text, parts[0]+"|"+parts[1])
	}
	requireText(t, NewText(strings.Repeat("\r\n", chunkMax)), strings.Repeat("\r\n", chunkMax))
	requireText(t, NewText(strings.Repeat("\n\r", chunkMax)), strings.Repeat("\n\r", chunkMax))
}

// A character must count once, wherever chunks are cut.
func TestTextCharacterOverChunks(t *testing.T) {
	for pad := range 8 {
		s := strings.Repeat("x", pad) + strings.Repeat("🍋", chunkMax)
		requireText(t, NewText(s), s)
	}
	lemon, big := "🍋", strings.Repeat("x", chunkAim)
	for cut := 1; cut < len(lemon); cut++ {
		text := NewText(big + lemon[:cut] + strings.Repeat("|", chunkMin) + lemon[cut:] + big)
		text = text.Replace(chunkAim+cut, chunkAim+cut+chunkMin, "")
		requireText(t, text, big+lemon+big)
	}
}

func TestTextRandomEdits(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			pieces := letters
			if seed%3 == 2 {
				pieces = append(append([]string{}, letters...), rubbish...)
			}
			want := randomText(r, pieces, []int{0, 100, 40_000, 120_000}[seed%4])
			text := NewText(want)
			type version struct {
				text *Text
				want string
			}
			var earlier []version
			for range 40 {
				start := r.IntN(len(want) + 1)
				end := start
				switch r.IntN(4) {
				case 0:
					end = min(len(want), start+r.IntN(20))
				case 1:
					end = start + r.IntN(len(want)-start+1)/(1+r.IntN(50))
				}
				add := randomText(r, pieces, r.IntN(5))
				if r.IntN(10) == 0 {
					add = randomText(r, pieces, r.IntN(40_000))
				}
				if len(earlier) < 8 {
					earlier = append(earlier, version{text, want})
				}
				text, want = text.Replace(start, end, add), want[:start]+add+want[end:]
				requireText(t, text, want)
				i, j := r.IntN(len(want)+1), r.IntN(len(want)+1)
				if i > j {
					i, j = j, i
				}
				if got := text.Slice(i, j); got != want[i:j] {
					t.Fatalf("slice [%d:%d] differs", i, j)
				}
			}
			// Earlier versions are as they were: nothing is written in place.
			for _, v := range earlier {
				requireText(t, v.text, v.want)
			}
		})
	}
}

// Typing must not wear the list of chunks down to crumbs, nor grow one chunk without bound.
func TestTextChunksStayReasonable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := NewText(randomText(r, letters, 1<<18))
	for range 5_000 {
		at := r.IntN(text.Len() + 1)
		if r.IntN(2) == 0 {
			text = text.Replace(at, at, "some words ")
		} else {
			text = text.Replace(at, min(text.Len(), at+r.IntN(30)), "")
		}
	}
	if n, most := len(text.chunks), text.Len()/chunkMin+1; n > most {
		t.Errorf("%d chunks for %d bytes", n, text.Len())
	}
	// And deleting most of it, from both ends.
	for text.Len() > 100 {
		n := text.Len() / 3
		text = text.Replace(text.Len()-n, text.Len(), "").Replace(0, min(n, text.Len()-n), "")
	}
	if len(text.chunks) != 1 {
		t.Errorf("%d chunks for %d bytes", len(text.chunks), text.Len())
	}
}

func TestTextOutOfRangePanics(t *testing.T) {
	for _, f := range []func(){
		func() { NewText("abc").Replace(2, 1, "") },
		func() { NewText("abc").Replace(-1, 1, "") },
		func() { NewText("abc").Replace(0, 4, "") },
		func() { NewText("abc").Slice(1, 4) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		}()
	}
}

func TestCountUnits(t *testing.T) {
	for _, s := range append(append([]string{"", "12345678", "1234567é"}, letters...), rubbish...) {
		s = "abcdefgh" + s + "ijklmnop" + s
		units, runes := countUnits(s)
		if want := utf8.RuneCountInString(s); runes != want {
			t.Errorf("%q: %d characters, want %d", s, runes, want)
		}
		want := 0
		for _, r := range s {
			want++
			if r > 0xFFFF {
				want++
			}
		}
		if units != want {
			t.Errorf("%q: %d units, want %d", s, units, want)
		}
	}
}
