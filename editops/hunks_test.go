package editops

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// A case is a file, a reply, the file after it, and what became of the hunks: "ok", "ok/1" for a match at level 1,
// "none" for a hunk that changed nothing, or the reason it was refused.
func TestHunks(t *testing.T) {
	for _, c := range []struct{ name, file, reply, want, results string }{
		{"V4A", "a⏎b⏎c⏎", "@@⏎ a⏎-b⏎+x⏎ c⏎", "a⏎x⏎c⏎", "ok"},
		{"V4A in its envelope", "a⏎b⏎c⏎", "*** Begin Patch⏎*** Update File: dir/f.go⏎@@⏎ a⏎-b⏎+x⏎*** End Patch⏎", "a⏎x⏎c⏎", "ok"},
		{"V4A, first hunk without @@", "a⏎b⏎c⏎", "*** Begin Patch⏎*** Update File: f.go⏎ a⏎-b⏎+x⏎*** End Patch⏎", "a⏎x⏎c⏎", "ok"},
		{"V4A without anything around it", "a⏎b⏎c⏎", " a⏎-b⏎+x⏎", "a⏎x⏎c⏎", "ok"},
		{"V4A in a fence, with prose", "a⏎b⏎c⏎", "I do:⏎```diff⏎@@⏎-b⏎+x⏎```⏎- that was it⏎", "a⏎x⏎c⏎", "ok"},
		{"V4A, prose behind it", "a⏎b⏎c⏎", "@@⏎ a⏎-b⏎+x⏎⏎That was it.⏎", "a⏎x⏎c⏎", "ok"},
		{"two hunks", "a⏎b⏎c⏎d⏎e⏎", "@@⏎-b⏎+x⏎@@⏎ d⏎-e⏎+y⏎", "a⏎x⏎c⏎d⏎y⏎", "ok ok"},
		{"two hunks in the other order", "a⏎b⏎c⏎d⏎e⏎", "@@⏎ d⏎-e⏎+y⏎@@⏎-b⏎+x⏎", "a⏎x⏎c⏎d⏎y⏎", "ok ok"},
		{"the second of two places, below the first hunk", "a⏎x⏎b⏎x⏎", "@@⏎ a⏎-x⏎+1⏎@@⏎-x⏎+2⏎", "a⏎1⏎b⏎2⏎", "ok ok"},
		{"blank context without its blank", "a⏎⏎b⏎", "@@⏎ a⏎⏎-b⏎+x⏎", "a⏎⏎x⏎", "ok"},
		{"context without its blank", "a⏎b⏎c⏎", "@@⏎a⏎-b⏎+x⏎", "a⏎x⏎c⏎", "ok"},
		{"unified diff", "a⏎b⏎c⏎", "--- a/f.go⏎+++ b/f.go⏎@@ -1,3 +1,3 @@⏎ a⏎-b⏎+x⏎ c⏎\\ No newline at end of file⏎", "a⏎x⏎c⏎", "ok"},
		{"markers of lists are no diff", "- a⏎- b⏎", "@@⏎ - a⏎-- b⏎+- x⏎", "- a⏎- x⏎", "ok"},
		{"fence as context in Markdown", "a⏎```⏎b⏎```⏎", "```diff⏎@@⏎ a⏎```⏎-b⏎+x⏎ ```⏎```⏎", "a⏎```⏎x⏎```⏎", "ok"},
		{"nothing changes", "a⏎b⏎", "@@⏎ a⏎ b⏎", "a⏎b⏎", "none"},
		{"end of file", "x⏎a⏎x⏎", "@@⏎ x⏎+y⏎*** End of File⏎", "x⏎a⏎x⏎y⏎", "ok"},
		{"new lines at the end", "a⏎", "@@⏎+b⏎*** End of File⏎", "a⏎b⏎", "ok"},
		{"new lines at the end, without final line end", "a", "@@⏎+b⏎*** End of File⏎", "a⏎b", "ok"},
		{"empty file", "", "@@⏎+a⏎+b⏎", "a⏎b⏎", "ok"},

		{"S/R", "a⏎b⏎c⏎", "<<<<<<< SEARCH⏎b⏎=======⏎x⏎y⏎>>>>>>> REPLACE⏎", "a⏎x⏎y⏎c⏎", "ok"},
		{"S/R in a fence below a file name", "a⏎b⏎c⏎", "f.go⏎```go⏎<<<<<<< SEARCH⏎b⏎=======⏎x⏎>>>>>>> REPLACE⏎```⏎", "a⏎x⏎c⏎", "ok"},
		{"S/R deletes", "a⏎b⏎c⏎", "<<<<<<< SEARCH⏎b⏎=======⏎>>>>>>> REPLACE⏎", "a⏎c⏎", "ok"},
		{"S/R into an empty file", "", "<<<<<<< SEARCH⏎=======⏎x⏎>>>>>>> REPLACE⏎", "x⏎", "ok"},
		{"S/R mixed with V4A", "a⏎b⏎c⏎", "<<<<<<< SEARCH⏎a⏎=======⏎x⏎>>>>>>> REPLACE⏎@@⏎-c⏎+y⏎", "x⏎b⏎y⏎", "ok ok"},
		{"S/R keeps the file's lines where both sides agree", "a  ⏎b⏎", "<<<<<<< SEARCH⏎a⏎b⏎=======⏎a⏎x⏎>>>>>>> REPLACE⏎", "a  ⏎x⏎", "ok/1"},

		{"trailing blanks", "a \t⏎b⏎", "@@⏎ a⏎-b⏎+x⏎", "a \t⏎x⏎", "ok/1"},
		{"less indentation", "\t\ta⏎\t\tb⏎", "@@⏎ a⏎-b⏎+x⏎+\ty⏎", "\t\ta⏎\t\tx⏎\t\t\ty⏎", "ok/2"},
		{"more indentation", "a⏎  b⏎", "@@⏎     a⏎-      b⏎+      x⏎", "a⏎  x⏎", "ok/2"},
		{"spaces for tabs", "\ta⏎\t\tb⏎", "@@⏎     a⏎-        b⏎+        x⏎+            y⏎", "\ta⏎\t\tx⏎\t\t\ty⏎", "ok/2"},
		{"indentation that is not uniform", "\ta⏎b⏎", "@@⏎ a⏎-  b⏎+x⏎", "\ta⏎b⏎", "not found"},
		{"typographic quotes", "say(\"it’s\") – no⏎", "@@⏎-say(\"it's\") - no⏎+say(\"x\")⏎", "say(\"x\")⏎", "ok/3"},
		{"context keeps its typographic quotes", "// it’s⏎b⏎", "@@⏎ // it's⏎-b⏎+x⏎", "// it’s⏎x⏎", "ok/3"},

		{"ambiguous", "x⏎a⏎x⏎", "@@⏎-x⏎+y⏎", "x⏎a⏎x⏎", "ambiguous"},
		{"line hint", "x⏎" + strings.Repeat("a⏎", 60) + "x⏎", "<<<<<<< SEARCH line=60⏎x⏎=======⏎y⏎>>>>>>> REPLACE⏎", "x⏎" + strings.Repeat("a⏎", 60) + "y⏎", "ok"},
		{"line hint that both places are near to", "x⏎a⏎x⏎", "<<<<<<< SEARCH line=3⏎x⏎=======⏎y⏎>>>>>>> REPLACE⏎", "x⏎a⏎x⏎", "ambiguous"},
		{"line hint of a diff", "x⏎" + strings.Repeat("a⏎", 60) + "x⏎", "@@ -62,1 +62,1 @@⏎-x⏎+y⏎", "x⏎" + strings.Repeat("a⏎", 60) + "y⏎", "ok"},
		{"block named by @@", "func a() {⏎\tx⏎}⏎func b() {⏎\tx⏎}⏎", "@@ func b() {⏎-\tx⏎+\ty⏎", "func a() {⏎\tx⏎}⏎func b() {⏎\ty⏎}⏎", "ok"},
		{"block in a class", "class A:⏎  def f():⏎    x⏎class B:⏎  def f():⏎    x⏎", "@@ class B:⏎@@ def f():⏎-    x⏎+    y⏎", "class A:⏎  def f():⏎    x⏎class B:⏎  def f():⏎    y⏎", "ok"},
		{"not found", "a⏎", "@@⏎-b⏎+c⏎", "a⏎", "not found"},
		{"one fails, the others go on", "a⏎b⏎", "@@⏎-q⏎+x⏎@@⏎-b⏎+y⏎", "a⏎y⏎", "not found ok"},
		{"no context", "a⏎b⏎", "@@⏎+x⏎", "a⏎b⏎", "not found"},
		{"only blank context", "a⏎⏎b⏎⏎c⏎", "@@⏎ ⏎+x⏎", "a⏎⏎b⏎⏎c⏎", "ambiguous"},
		{"sent twice", "a⏎b⏎", "@@⏎ a⏎+x⏎@@⏎ a⏎+x⏎", "a⏎x⏎b⏎", "ok done"},
		{"sent twice, as a replacement", "a⏎b⏎", "@@⏎-a⏎+xyz⏎@@⏎-a⏎+xyz⏎", "xyz⏎b⏎", "ok done"},

		{"elision", "a⏎b⏎c⏎", "@@⏎-b⏎+x⏎+// ... rest of code unchanged ...⏎", "a⏎b⏎c⏎", "elided"},
		{"elision on the old side", "a⏎b⏎c⏎", "<<<<<<< SEARCH⏎a⏎...⏎c⏎=======⏎x⏎>>>>>>> REPLACE⏎", "a⏎b⏎c⏎", "not found"},
		{"elision on both sides", "a⏎b⏎c⏎", "<<<<<<< SEARCH⏎a⏎# ... existing code ...⏎=======⏎x⏎# ... existing code ...⏎>>>>>>> REPLACE⏎", "a⏎b⏎c⏎", "elided"},
		{"an ellipsis that the file has", "a⏎// ... and the rest of code⏎b⏎", "@@⏎ // ... and the rest of code⏎-b⏎+x⏎", "a⏎// ... and the rest of code⏎x⏎", "ok"},

		{"broken off", "a⏎b⏎", "<<<<<<< SEARCH⏎a⏎=======⏎x⏎", "a⏎b⏎", "open"},
		{"another block before the end", "a⏎b⏎", "<<<<<<< SEARCH⏎a⏎=======⏎x⏎<<<<<<< SEARCH⏎b⏎=======⏎y⏎>>>>>>> REPLACE⏎", "a⏎y⏎", "open ok"},
		{"another file", "a⏎", "*** Begin Patch⏎*** Update File: other.go⏎@@⏎-a⏎+x⏎*** End Patch⏎", "a⏎", "file"},
		{"a new file", "a⏎", "*** Begin Patch⏎*** Add File: g.go⏎+x⏎*** Update File: f.go⏎@@⏎-a⏎+x⏎*** End Patch⏎", "x⏎", "file ok"},

		{"divider in the file, longer markers", "T⏎=======⏎b⏎", "<<<<<<<<< SEARCH⏎T⏎=======⏎=========⏎U⏎=======⏎>>>>>>>>> REPLACE⏎", "U⏎=======⏎b⏎", "ok"},
		{"divider in the file, one reading fits", "T⏎=======⏎b⏎", "<<<<<<< SEARCH⏎=======⏎b⏎=======⏎x⏎>>>>>>> REPLACE⏎", "T⏎x⏎", "ok"},
		{"divider in the file, two readings fit", "T⏎=======⏎b⏎", "<<<<<<< SEARCH⏎T⏎=======⏎=======⏎x⏎>>>>>>> REPLACE⏎", "T⏎=======⏎b⏎", "ambiguous"},
		{"merge conflict in the file", "<<<<<<< HEAD⏎a⏎=======⏎b⏎>>>>>>> main⏎", "<<<<<<<<< SEARCH⏎<<<<<<< HEAD⏎a⏎=======⏎b⏎>>>>>>> main⏎=========⏎a⏎>>>>>>>>> REPLACE⏎", "a⏎", "ok"},

		{"D13 CRLF", "a␍⏎b␍⏎c␍⏎", "@@⏎ a⏎-b⏎+x⏎+y⏎", "a␍⏎x␍⏎y␍⏎c␍⏎", "ok"},
		{"D13 mixed, bytes outside are kept", "a␍⏎b⏎c␍", "@@⏎ b⏎+x⏎ c⏎", "a␍⏎b⏎x⏎c␍", "ok"},
		{"D13 no final line end", "a⏎b", "@@⏎-b⏎+x⏎", "a⏎x", "ok"},
		{"D13 CRLF in the reply", "a⏎b⏎", "@@␍⏎-b␍⏎+x␍⏎", "a⏎x⏎", "ok"},
		{"byte order mark", "\uFEFFa⏎b⏎", "@@⏎-a⏎+x⏎", "\uFEFFx⏎b⏎", "ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, chunk := range []int{1, 7, 1 << 20} {
				file, reply := unmark(c.file), unmark(c.reply)
				s := NewHunkStream(file, HunkOptions{Path: "dir/f.go"})
				text := file
				var results []string
				take := func(rs []HunkResult) {
					for _, r := range rs {
						text = applyHunk(t, text, r)
						results = append(results, outcome(r))
					}
				}
				for rest := reply; rest != ""; {
					n := min(chunk, len(rest))
					take(s.Push(rest[:n]))
					rest = rest[n:]
				}
				take(s.Finish())
				if got := strings.Join(results, " "); got != c.results {
					t.Errorf("results %s, want %s", got, c.results)
				}
				if text != unmark(c.want) || s.Text() != text {
					t.Errorf("edits give %q\nText gives %q\nwant %q", text, s.Text(), unmark(c.want))
				}
			}
		})
	}
}

// applyHunk applies the edits of a result and holds them against its range.
func applyHunk(t testing.TB, text string, r HunkResult) string {
	t.Helper()
	before := len(text)
	tail := 0
	for _, e := range r.Edits {
		if e.Start < r.Start || e.End < e.Start || e.End > len(text) {
			t.Fatalf("edit %+v outside %d:%d", e, r.Start, r.End)
		}
		tail = len(text) - e.End
		text = text[:e.Start] + e.New + text[e.End:]
	}
	if r.Err != nil && len(r.Edits) > 0 || len(r.Edits) > 0 && len(text)-tail > r.End || len(r.Edits) == 0 && len(text) != before {
		t.Fatalf("result %+v of a text of %d bytes", r, len(text))
	}
	return text
}

func outcome(r HunkResult) string {
	for err, word := range map[error]string{
		ErrHunkNotFound: "not found", ErrHunkAmbiguous: "ambiguous", ErrHunkElided: "elided", ErrHunkOpen: "open",
		ErrHunkFile: "file", ErrHunkDone: "done",
	} {
		if errors.Is(r.Err, err) {
			return word
		}
	}
	switch {
	case r.Err != nil:
		return r.Err.Error()
	case len(r.Edits) == 0:
		return "none"
	case r.Level > MatchExact:
		return fmt.Sprintf("ok/%d", r.Level)
	}
	return "ok"
}

func TestIsElision(t *testing.T) {
	for line, want := range map[string]bool{
		"// ... existing code ...":                  true,
		"    # ... rest of the function ...":        true,
		"/* ... unchanged ... */":                   true,
		"// rest of code unchanged":                 true,
		"// existing code":                          true,
		"<!-- … remaining items … -->":              true,
		"...":                                       true,
		"  …":                                       true,
		"... (rest of file unchanged)":              true,
		"{/* ... existing JSX ... */}":              true,
		"// The rest of the file remains unchanged": true,
		"// Loop over the rest of the items":        false,
		"// see the existing tests for examples":    false,
		"f(args...)":                                false,
		"...rest,":                                  false,
		"return [...previous, x]":                   false,
		"fmt.Println(\"loading...\")":               false,
		"// waits ... then goes on":                 false,
		"x = existing_code":                         false,
		"":                                          false,
	} {
		if IsElision(line, "x") != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
	if IsElision("    ...", "def f(x: int) -> int:") {
		t.Error("the body of a Python stub")
	}
}

func TestSearchMarkers(t *testing.T) {
	for file, want := range map[string]int{"a⏎b": 7, "a⏎=======⏎": 9, "<<<<<<< HEAD⏎": 9, "=========⏎=======⏎": 11, "======= x": 7, "===": 7} {
		search, divider, replace := SearchMarkers(unmark(file))
		if len(search) != want || len(divider) != want || len(replace) != want {
			t.Errorf("%q: %s %s %s", file, search, divider, replace)
		}
	}
}

// writeHunks writes the change from one text to another in one of the formats, with the given lines of context.
// It also returns the text that comes of a choice of the hunks.
func writeHunks(before, after string, context int, searchReplace bool) (reply string, with func(hunk map[int]bool) string) {
	a, b := splitLines(ModelText(before)), splitLines(ModelText(after))
	m := matcher{ids: map[string]int32{}, budget: diffBudget}
	m.a, m.b = m.intern(a), m.intern(b)
	m.match(0, len(a), 0, len(b))
	type change struct{ a0, a1, b0, b1 int }
	var changes []change
	i, j := 0, 0
	for _, r := range append(m.runs, run{len(a), len(b), 0}) {
		if r.a > i || r.b > j {
			if k := len(changes) - 1; k >= 0 && i-changes[k].a1 <= 2*context {
				changes[k].a1, changes[k].b1 = r.a, r.b
			} else {
				changes = append(changes, change{i, r.a, j, r.b})
			}
		}
		i, j = r.a+r.n, r.b+r.n
	}
	line := func(l string) string { return strings.TrimSuffix(l, "\n") + "\n" }
	var out strings.Builder
	search, divider, replace := SearchMarkers(before + after)
	for _, c := range changes {
		from, to := max(0, c.a0-context), min(len(a), c.a1+context)
		bFrom, bTo := c.b0-(c.a0-from), c.b1+(to-c.a1)
		if searchReplace {
			out.WriteString(search + " SEARCH\n")
			for _, l := range a[from:to] {
				out.WriteString(line(l))
			}
			out.WriteString(divider + "\n")
			for _, l := range b[bFrom:bTo] {
				out.WriteString(line(l))
			}
			out.WriteString(replace + " REPLACE\n")
			continue
		}
		out.WriteString("@@\n")
		for _, o := range blockOps(trimEnds(a[from:to]), trimEnds(b[bFrom:bTo])) {
			out.WriteByte(o.op)
			out.WriteString(line(o.text))
		}
		if to == len(a) {
			out.WriteString("*** End of File\n")
		}
	}
	return out.String(), func(hunk map[int]bool) string {
		var text strings.Builder
		at := 0
		for k, c := range changes {
			if !hunk[k+1] {
				continue
			}
			text.WriteString(strings.Join(a[at:c.a0], "") + strings.Join(b[c.b0:c.b1], ""))
			at = c.a1
		}
		return text.String() + strings.Join(a[at:], "")
	}
}

func trimEnds(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimSuffix(l, "\n")
	}
	return out
}

// Real edits written as hunks come out byte by byte; a hunk that is refused is one whose place is not certain,
// and never one that is in the wrong place.
func TestHunksRealEdits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	type count struct{ hunks, refused, files, whole int }
	for _, format := range []struct {
		name          string
		context       int
		searchReplace bool
		damage        func(string) string
		share         float64 // of hunks that are applied
	}{
		{"V4A, 3 lines of context", 3, false, nil, 0.98},
		{"V4A, 1 line of context", 1, false, nil, 0.80},
		{"V4A, 3 lines, trailing blanks lost", 3, false, func(s string) string {
			lines := strings.Split(s, "\n")
			for i := range lines {
				if len(lines[i]) > 1 && lines[i][0] == ' ' {
					lines[i] = strings.TrimRight(lines[i], " \t")
				}
			}
			return strings.Join(lines, "\n")
		}, 0.97},
		{"S/R, 3 lines of context", 3, true, nil, 0.98},
		{"S/R, 1 line of context", 1, true, nil, 0.80},
	} {
		var n count
		for _, e := range realEdits(t) {
			if strings.HasSuffix(e.before, "\n") != strings.HasSuffix(e.after, "\n") || strings.Contains(e.before+e.after, "\r") {
				continue
			}
			reply, with := writeHunks(e.before, e.after, format.context, format.searchReplace)
			if format.damage != nil {
				reply = format.damage(reply)
			}
			s := NewHunkStream(e.before, HunkOptions{})
			text := e.before
			refused := 0
			applied := map[int]bool{}
			take := func(rs []HunkResult) {
				for _, r := range rs {
					n.hunks++
					text = applyHunk(t, text, r)
					applied[r.Number] = r.Err == nil
					if r.Err != nil {
						refused++
						if !errors.Is(r.Err, ErrHunkAmbiguous) && !errors.Is(r.Err, ErrHunkElided) && !errors.Is(r.Err, ErrHunkDone) && refused == 1 {
							t.Errorf("%s: %s: %v\n%s", format.name, e.name, r.Err, r.Source)
						}
					}
				}
			}
			for rest := reply; rest != ""; {
				k := min(1+rnd.IntN(50), len(rest))
				take(s.Push(rest[:k]))
				rest = rest[k:]
			}
			take(s.Finish())
			n.refused += refused
			n.files++
			if refused == 0 {
				n.whole++
			}
			if want := with(applied); text != want {
				t.Errorf("%s: %s: wrong text: %+v", format.name, e.name, Diff(want, text)[0])
			}
		}
		t.Logf("%-36s %5d of %5d hunks applied (%.1f %%), %d of %d files whole", format.name, n.hunks-n.refused, n.hunks,
			100*float64(n.hunks-n.refused)/float64(n.hunks), n.whole, n.files)
		if share := float64(n.hunks-n.refused) / float64(n.hunks); share < format.share {
			t.Errorf("%s: %.3f of the hunks applied", format.name, share)
		}
	}
}

// Random files and edits, many equal lines: what is applied is never wrong.
func TestHunksRandom(t *testing.T) {
	applied := 0
	for k := range 20000 {
		rnd := rand.New(rand.NewPCG(10, uint64(k)))
		old := randomText(rnd)
		new := mutate(rnd, old)
		if strings.HasSuffix(old, "\n") != strings.HasSuffix(new, "\n") || old == "" {
			continue // no format speaks of the final line end
		}
		end := []string{"\n", "\r\n", "\r"}[rnd.IntN(3)]
		file := strings.ReplaceAll(old, "\n", end)
		reply, _ := writeHunks(old, new, rnd.IntN(4), rnd.IntN(2) == 0)
		s := NewHunkStream(file, HunkOptions{LineEnd: end})
		text := file
		refused := false
		for _, r := range append(s.Push(reply), s.Finish()...) {
			text = applyHunk(t, text, r)
			refused = refused || r.Err != nil
		}
		if text != s.Text() {
			t.Fatalf("case %d: Text %q, edits give %q", k, s.Text(), text)
		}
		if !refused {
			applied++
			if want := strings.ReplaceAll(new, "\n", end); text != want {
				t.Fatalf("case %d: file %q\nreply %q\ngot  %q\nwant %q", k, file, reply, text, want)
			}
		}
	}
	if applied < 3000 {
		t.Errorf("only %d cases were applied whole", applied)
	}
}
