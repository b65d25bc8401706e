package delivery

import (
	"errors"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/editops"
)

// redirected plays: start with the region in «», an answer, what the user does, another answer.
func TestRedirect(t *testing.T) {
	for _, tc := range []struct {
		name     string
		start    string
		first    string
		replace  [2]string // the user's change, in words
		spent    string    // a part of the document that the user wrote for the model
		shown    string    // what the stream goes on from
		second   string
		want     string
		rejected string
	}{
		{
			name: "nobody typed", start: "top\n«one := 1\ntwo := 2\n»end\n", first: "one := 10\ntwo := 20\n", shown: "one := 10\ntwo := 20\n",
			second: "one := 10\ntwo := 22\n", want: "top\none := 10\ntwo := 22\nend\n", rejected: "top\none := 1\ntwo := 2\nend\n",
		},
		{
			name: "the answer broke off", start: "«one := 1\ntwo := 2\nthree := 3\n»", first: "one := 1\ntwo := 22\nthr", shown: "one := 1\ntwo := 22\nthree := 3\n",
			second: "one := 11\ntwo := 2\nthree := 3\n", want: "one := 11\ntwo := 2\nthree := 3\n", rejected: "one := 1\ntwo := 2\nthree := 3\n",
		},
		{
			name: "the user's line is kept", start: "«one := 1\ntwo := 2\n»", first: "one := 10\ntwo := 20\n", replace: [2]string{"two", "// mine\ntwo"}, shown: "one := 10\n// mine\ntwo := 20\n",
			second: "return three\n", want: "return three\n// mine\n", rejected: "one := 1\n// mine\ntwo := 2\n",
		},
		{
			name: "the user's line is taken along", start: "«one := 1\ntwo := 2\n»", first: "one := 10\ntwo := 20\n", replace: [2]string{"two", "// mine\ntwo"}, shown: "one := 10\n// mine\ntwo := 20\n",
			second: "return three\nelse\n// mine\nfour\n", want: "return three\nelse\n// mine\nfour\n", rejected: "one := 1\n// mine\ntwo := 2\n",
		},
		{
			name: "the user's word within a line", start: "«one := 1\ntwo := 2\n»", first: "one := 10\ntwo := 2\n", replace: [2]string{"10", "10 + more"}, shown: "one := 10 + more\ntwo := 2\n",
			second: "var q = 7\ntwo := 2\n", want: "var q = 7\n + more\ntwo := 2\n", rejected: "one := 1 + more\ntwo := 2\n",
		},
		{
			name: "an instruction goes, and comes back with the original", start: "«one := 1\ntwo := 2\n»", first: "one := 10\ntwo := 20\n", replace: [2]string{"two", "// spark: use 7\ntwo"},
			spent: "// spark: use 7\n", shown: "one := 10\n// spark: use 7\ntwo := 20\n", second: "one := 10\ntwo := 27\n", want: "one := 10\ntwo := 27\n", rejected: "one := 1\n// spark: use 7\ntwo := 2\n",
		},
		{
			name: "what the user deleted stays deleted in the original", start: "«one := 1\ntwo := 2\nthree := 3\n»", first: "one := 10\ntwo := 2\nthree := 3\n", replace: [2]string{"two := 2\n", ""}, shown: "one := 10\nthree := 3\n",
			second: "one := 10\nthree := 33\n", want: "one := 10\nthree := 33\n", rejected: "one := 1\nthree := 3\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start, end := strings.Index(tc.start, "«"), strings.Index(tc.start, "»")-len("«")
			text := strings.NewReplacer("«", "", "»", "").Replace(tc.start)
			m, version := New(), int32(1)
			m.Truthful = true
			id, err := m.Begin(String(text), version, start, end, Live)
			if err != nil {
				t.Fatal(err)
			}
			change := func(edits ...editops.Edit) {
				for i := len(edits) - 1; i >= 0; i-- {
					text = text[:edits[i].Start] + edits[i].New + text[edits[i].End:]
				}
				slices.Reverse(edits)
				version++
				m.Changed(edits, String(text), version)
			}
			deliver := func() {
				for s, ok := m.Next(); ok; s, ok = m.Next() {
					change(s.Edit)
					m.Replied(true)
				}
			}
			options := editops.StreamOptions{Verbatim: true}
			diff := editops.NewStreamDiff(text[start:end], options)
			m.Push(id, diff.Push(tc.first), diff.Settled())
			if !strings.Contains(tc.name, "broke off") {
				m.Push(id, diff.Finish(), diff.Settled())
				m.Finish(id)
			}
			deliver()
			if from := tc.replace[0]; from != "" {
				i := strings.Index(text, from)
				change(trim(String(text), editops.Edit{Start: i, End: i + len(from), New: tc.replace[1]}))
			}
			var spent [2]int
			if tc.spent != "" {
				i := strings.Index(text, tc.spent)
				spent = [2]int{i, i + len(tc.spent)}
			}
			base, err := m.Redirect(id, spent)
			if err != nil || base != tc.shown {
				t.Fatalf("goes on from %q, %v", base, err)
			}
			diff = editops.NewStreamDiff(base, options)
			for _, r := range tc.second {
				m.Push(id, diff.Push(string(r)), diff.Settled())
				deliver()
			}
			m.Push(id, diff.Finish(), diff.Settled())
			m.Finish(id)
			deliver()
			if text != tc.want || m.State(id) != Done {
				t.Errorf("text %q, want %q; %v %s", text, tc.want, m.State(id), m.Reason(id))
			}
			back, err := m.Reject(id, -1)
			if err != nil {
				t.Fatal(err)
			}
			change(back...)
			if text != tc.rejected {
				t.Errorf("rejected: %q, want %q", text, tc.rejected)
			}
		})
	}
}

// A stream that is held sends nothing, and typing in its line does not pause it. Let go, it goes on as before.
func TestHold(t *testing.T) {
	m := New()
	id, err := m.Begin(String("aaa1\nbbb1\n"), 1, 0, 10, Live)
	if err != nil {
		t.Fatal(err)
	}
	diff := editops.NewStreamDiff("aaa1\nbbb1\n", editops.StreamOptions{Verbatim: true})
	m.Push(id, diff.Push("aaa2\n"), diff.Settled())
	first, ok := m.Next()
	if !ok {
		t.Fatal("nothing to send")
	}
	m.Hold(id, true)
	if got := m.Present(id); got != "aaa2\nbbb1\n" {
		t.Errorf("present %q", got)
	}
	if _, err := m.Redirect(id, [2]int{}); !errors.Is(err, ErrFlying) {
		t.Errorf("redirected while an edit is on its way: %v", err)
	}
	m.Push(id, diff.Push("bbb2\n"), diff.Settled())
	m.Push(id, diff.Finish(), diff.Settled())
	m.Changed([]editops.Edit{first.Edit}, String("aaa2\nbbb1\n"), 2)
	m.Replied(true)
	m.Changed([]editops.Edit{{Start: 4, End: 4, New: "x"}}, String("aaa2x\nbbb1\n"), 3)
	if s, ok := m.Next(); ok || m.State(id) != Streaming {
		t.Errorf("sends %v, is %v", s, m.State(id))
	}
	m.Hold(id, false)
	m.Finish(id)
	if s, ok := m.Next(); !ok || s.Edit.New != "2" {
		t.Errorf("sends %v, %v", s, ok)
	}
}

// Whose a character is decides whether a comment is an instruction.
func TestTyped(t *testing.T) {
	m := New()
	if _, err := m.Begin(String("a\nb\nc\n"), 1, 2, 4, Live); err != nil {
		t.Fatal(err)
	}
	m.Changed([]editops.Edit{{Start: 2, End: 2, New: "x"}}, String("a\nxb\nc\n"), 2)
	m.Changed([]editops.Edit{{Start: 4, End: 4, New: "y"}}, String("a\nxby\nc\n"), 3)
	for pos, want := range map[int]bool{0: true, 3: false, 4: true, 6: true} {
		if m.Typed(pos) != want {
			t.Errorf("byte %d typed: %v", pos, !want)
		}
	}
}

// What an undo brings back of a region is nobody's typing, however like an instruction it looks: it was there before.
func TestTypedAfterUndo(t *testing.T) {
	m := New()
	id, err := m.Begin(String("a\nold\nc\n"), 1, 2, 6, Live)
	if err != nil {
		t.Fatal(err)
	}
	m.Push(id, []editops.Edit{{Start: 0, End: 4, New: "new\n"}}, 4)
	send, ok := m.Next()
	if !ok {
		t.Fatal("nothing to send")
	}
	m.Changed([]editops.Edit{send.Edit}, String("a\nnew\nc\n"), 2)
	m.Replied(true)
	m.Changed([]editops.Edit{{Start: 2, End: 6, New: "old\n"}}, String("a\nold\nc\n"), 3)
	if st := m.State(id); st != Undone {
		t.Fatalf("the stream is %v", st)
	}
	requireTyped := func(want map[int]bool) {
		t.Helper()
		for pos, want := range want {
			if m.Typed(pos) != want {
				t.Errorf("byte %d typed: %v", pos, !want)
			}
		}
	}
	requireTyped(map[int]bool{0: true, 2: false, 5: false, 6: true})
	m.Changed([]editops.Edit{{Start: 5, End: 5, New: "er"}}, String("a\nolder\nc\n"), 4)
	requireTyped(map[int]bool{2: false, 5: true, 6: true, 7: false})

	// Where another stream runs meanwhile, that one knows.
	next, err := m.Begin(String("a\nolder\nc\n"), 4, 2, 8, Live)
	if err != nil {
		t.Fatal(err)
	}
	m.Push(next, []editops.Edit{{Start: 0, End: 0, New: "its\n"}}, 4)
	if send, ok = m.Next(); !ok {
		t.Fatal("nothing to send")
	}
	m.Changed([]editops.Edit{send.Edit}, String("a\nits\nolder\nc\n"), 5)
	requireTyped(map[int]bool{2: false, 6: false})
}

// redirect lets a model change its mind: from what the buffer holds it makes another text.
func (w *world) redirect(md *model) {
	text, err := w.m.Redirect(md.id, [2]int{})
	if err != nil {
		return
	}
	for i, r := range text {
		w.halfway = w.halfway || strings.ContainsRune(text[:i], r) && r != '\n' && r != '\r'
	}
	w.turns++
	w.cutLines = true // which line ends are whose is not counted from here on
	var target strings.Builder
	for line := range strings.Lines(text) {
		end := line[len(strings.TrimRight(line, "\r\n")):]
		switch w.c.n(5) {
		case 0, 1:
			target.WriteString(line)
		case 2: // deleted, also where the user has typed
		case 3:
			target.WriteString(string(modelRunes+5000+rune(w.turns)) + end + line)
			w.turns++
		case 4:
			body := strings.TrimSuffix(line, end)
			if strings.ContainsFunc(body, isUser) { // a part of a word is not the user's word
				target.WriteString(line)
				continue
			}
			cut := len(body) / 2 / 3 * 3
			target.WriteString(body[:cut] + string(modelRunes+5000+rune(w.turns)) + end)
			w.turns++
		}
	}
	md.text, md.done = strings.ReplaceAll(target.String(), "\r\n", "\n"), false
	md.diff = editops.NewStreamDiff(text, editops.StreamOptions{Verbatim: true, LineEnd: w.end})
	w.logf("redirect %d from %s to %s", md.id, show(text), show(md.text))
	if md.text == "" {
		md.done = true
		w.m.Push(md.id, md.diff.Finish(), md.diff.Settled())
		w.m.Finish(md.id)
	}
	w.pump()
}

// TestRedirectSimulation is the simulation with models that change their mind, in the editors that tell the truth about
// versions; it covers D5, D9, D10 and D15.
func TestRedirectSimulation(t *testing.T) {
	runs := int64(20_000)
	if testing.Short() {
		runs = 2_000
	}
	from, to := int64(1), runs
	if *simSeed != 0 {
		from, to = *simSeed, *simSeed
	}
	turns, done := 0, 0
	for seed := from; seed <= to; seed++ {
		play := func(c *choices, trace *strings.Builder) (w *world) {
			w = newWorld(c, trace)
			if w.kind > neovim || w.kind == neovim && (!w.m.DropsStale || w.startTick == 0) || w.full {
				return w
			}
			w.redirects = true
			defer func() {
				if p := recover(); p != nil {
					w.failf("panic: %v", p)
				}
			}()
			w.run()
			w.check()
			return w
		}
		c := &choices{rnd: rand.New(rand.NewSource(seed))}
		w := play(c, nil)
		turns += w.turns
		if w.redirects {
			for _, id := range w.ids {
				if w.m.State(id) == Done {
					done++
				}
			}
		}
		if w.fault == "" {
			continue
		}
		small := c.data
		for cut := len(small) / 2; cut > 0; { // as shrink does, for this play
			shorter := false
			for i := 0; i+cut <= len(small); i++ {
				less := slices.Delete(slices.Clone(small), i, i+cut)
				if play(&choices{data: less}, nil).fault != "" {
					small, shorter = less, true
					break
				}
			}
			if !shorter {
				cut /= 2
			}
		}
		var trace strings.Builder
		play(&choices{data: small}, &trace)
		t.Fatalf("seed %d: %s\n%s", seed, w.fault, trace.String())
	}
	if *simSeed == 0 && (turns < int(runs)/2 || done < int(runs)/4) {
		t.Errorf("%d redirections, %d streams done", turns, done)
	}
}
