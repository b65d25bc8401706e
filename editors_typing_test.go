//go:build unix

package main

import (
	"errors"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// typingEditor is what the typing test needs of an editor that somebody types in. Keys are what a terminal sends,
// and both editors know those that are used here.
type typingEditor interface {
	press(key string)              // one key; returns before it has been worked off
	leaveInsertMode()              // Escape, and waits
	editWithSpark()                // picks the action at the cursor
	ended(n int) bool              // the server has said that its n-th edit is at its end
	replies() (applied, other int) // the editor's answers to workspace/applyEdit
	buffer(want string) string     // in normal mode: the text, which may take until patience's end to become want
	wantCursor(line, column int)   // insert mode, and the cursor there, both from 1; the column in characters
	wantNoComplaint()              // nothing that looks like an error stands where the editor puts its messages
	lastLine() string              // the keys that go there
	quit()
}

// twentyEdits lets the model change twenty places of a long function while somebody types above it and below it,
// faster than any person. streams says that the editor gets each change while the model still writes; else it
// gets all of it at the end, which comes while keys are still being pressed.
//
// The keys' pace is random. A failed run prints its seed, which repeats the words and gaps; what the machine did in
// between it does not repeat.
func twentyEdits(t *testing.T, run *editorRun, streams bool, start func(path string) typingEditor) {
	model := run.model(t)
	path, original := run.file(t, "transfer.go")
	function := functionIn(t, original, "func readTransfer(")
	edited, first, lastPlace := changeTwentyPlaces(t, function)
	editor := start(path)
	typist := newTypist(t, editor)

	spark := func(instruction string) {
		t.Helper()
		for _, key := range "gg/^func readTransfer\rO// spark: " + instruction {
			editor.press(string(key))
		}
		editor.leaveInsertMode()
		editor.editWithSpark()
	}
	spark("explain it")
	answer := model.edit(function, "explain it")
	m := streamInThree(answer, edited[:first], edited[first:lastPlace], edited[lastPlace:])
	began := time.Now()

	typist.press("gg/^package http\ro")
	above := typist.words(3, m.first) // the third begins a line
	editor.leaveInsertMode()
	typist.press(editor.lastLine() + "o")
	below := typist.words(2, func() bool {
		// Nineteen of the places, and the comment. The model does not go on before they are in the buffer.
		applied, _ := editor.replies()
		return m.second() && (!streams || applied >= 20)
	})
	close(m.release)
	below += typist.moreWords(1, func() bool { return m.written(t) })
	during, took := typist.keys, time.Since(began)
	below += typist.moreWords(1, func() bool { return editor.ended(1) })
	applied, other := editor.replies()
	t.Logf("%d keys in the %v of the model's answer; edits applied %d, refused or dropped %d",
		during, took.Round(10*time.Millisecond), applied, other)
	below += typist.moreWords(1, func() bool { return true }) // a key wipes away what an editor said of the edit

	lines := strings.Split(below, "\n")
	want := replaceOnce(t, original, function, edited)
	want = replaceOnce(t, want, "\npackage http\n", "\npackage http\n"+above+"\n") + below + "\n"
	editor.wantCursor(strings.Count(want, "\n"), len(lines[len(lines)-1])+1)
	editor.wantNoComplaint()
	editor.leaveInsertMode()
	wantText(t, "buffer after the edit", editor.buffer(want), want)
	// Only a key that crosses an edit on its way makes the editor refuse it, and each crosses one at most.
	if other > typist.keys {
		t.Errorf("%d edits were sent in vain while %d keys were pressed", other, typist.keys)
	}
	if streams && applied < 20 {
		t.Errorf("%d edits were applied, want one for each place", applied)
	}

	// What the server believes of the text is seen by the next edit: what the model is shown, and where it lands.
	spark("louder")
	answer = model.edit(edited, "louder")
	louder := strings.ReplaceAll(edited, "// 😀", "// 😀😀")
	model.must(answer.Text(louder))
	model.must(answer.Done())
	waitFor(t, "the second edit's end", func() bool { return editor.ended(2) })
	want = replaceOnce(t, want, edited, louder)
	wantText(t, "buffer after another edit", editor.buffer(want), want)
	editor.wantNoComplaint()
	editor.quit()
}

// functionIn returns the function of a Go file that begins with this text at a line's start.
func functionIn(t *testing.T, source, begin string) string {
	t.Helper()
	_, rest, found := strings.Cut(source, "\n"+begin)
	body, _, closed := strings.Cut(rest, "\n}\n")
	if !found || !closed {
		t.Fatalf("no %q to build upon", begin)
	}
	return begin + body + "\n}\n"
}

// changeTwentyPlaces is what a model makes of a function: twenty lines replaced, doubled, deleted, or joined by a line,
// with at least four kept ones between them. first and last are where the kept lines before the tenth and before
// the last change begin to end: offsets of a line's start in the result.
func changeTwentyPlaces(t *testing.T, function string) (edited string, middle, last int) {
	t.Helper()
	const places, from, apart = 20, 5, 5
	lines := strings.SplitAfter(function, "\n")
	if len(lines) < from+places*apart {
		t.Fatalf("the function to build upon has %d lines, want %d", len(lines), from+places*apart)
	}
	var b strings.Builder
	for i, line := range lines {
		place := (i - from) / apart
		if i < from || (i-from)%apart != 0 || place >= places {
			b.WriteString(line)
			continue
		}
		switch place {
		case places / 2:
			middle = b.Len()
		case places - 1:
			last = b.Len()
		}
		number := strconv.Itoa(place)
		switch place % 4 {
		case 0: // With a character outside the BMP, whose width differs in bytes, UTF-16 units and columns.
			b.WriteString(strings.TrimSuffix(line, "\n") + " // 😀 " + number + "\n")
		case 1:
			b.WriteString("\t// é place " + number + "\n" + line)
		case 2: // deleted
		case 3:
			b.WriteString("\tplace(" + number + ")\n\tplace(" + number + ")\n")
		}
	}
	return b.String(), middle, last
}

// threeParts is an answer on its way in three parts. It corresponds to one goroutine, which ends with the answer.
type threeParts struct {
	firstDone, secondDone chan struct{}
	release               chan struct{} // closed by the test: the third part may be written
	done                  chan error
}

// streamInThree answers at a common model's pace.
func streamInThree(x *loopback.Exchange, first, second, third string) *threeParts {
	const tokensPerSecond = 200
	m := &threeParts{make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan error, 1)}
	go func() {
		err := x.Pace(first, 0, tokensPerSecond)
		close(m.firstDone)
		err = errors.Join(err, x.Pace(second, 0, tokensPerSecond))
		close(m.secondDone)
		select {
		case <-m.release:
		case <-x.Cancelled(): // by the end of a test that has failed
		}
		m.done <- errors.Join(err, x.Pace(third, 0, tokensPerSecond), x.Done())
	}()
	return m
}

func (m *threeParts) first() bool  { return closed(m.firstDone) }
func (m *threeParts) second() bool { return closed(m.secondDone) }

// written reports whether the whole answer has been sent, once; an answer that could not be sent fails the test.
func (m *threeParts) written(t *testing.T) bool {
	t.Helper()
	select {
	case err := <-m.done:
		if err != nil {
			t.Fatalf("the model's answer: %v", err)
		}
		return true
	default:
		return false
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// typist presses keys at a pace between the fastest and a slow person's.
type typist struct {
	t      *testing.T
	editor typingEditor
	random *rand.Rand
	keys   int // pressed so far
}

// newTypist takes its seed from SPARK_TYPING_SEED, if that is set.
func newTypist(t *testing.T, editor typingEditor) *typist {
	t.Helper()
	seed, err := strconv.ParseInt(os.Getenv("SPARK_TYPING_SEED"), 10, 64)
	if err != nil {
		seed = time.Now().UnixNano()
	}
	t.Logf("SPARK_TYPING_SEED=%d", seed)
	return &typist{t: t, editor: editor, random: rand.New(rand.NewSource(seed))}
}

// press presses one key after another.
func (y *typist) press(keys string) {
	y.t.Helper()
	const shortest, longest = 15 * time.Millisecond, 120 * time.Millisecond
	for _, key := range keys {
		y.editor.press(string(key))
		y.keys++
		time.Sleep(shortest + time.Duration(y.random.Int63n(int64(longest-shortest))))
	}
}

// Prose without a word that an editor's Go mode knows.
var typedWords = strings.Fields(`while the words arrive somebody keeps writing about quite another thing and nobody
	waits until it has been said which would take much too long for anyone who thinks with their hands`)

// words types words, as many as wanted and then until a fact holds, and returns their text. Every third begins a line.
func (y *typist) words(least int, until func() bool) string {
	y.t.Helper()
	first := typedWords[y.random.Intn(len(typedWords))]
	y.press(first)
	return first + y.moreWords(least-1, until)
}

func (y *typist) moreWords(least int, until func() bool) string {
	y.t.Helper()
	var typed strings.Builder
	for n, deadline := 0, time.Now().Add(patience); n < least || !until(); n++ {
		if time.Now().After(deadline) {
			y.t.Fatalf("typed for %v, and the model's text did not come", patience)
		}
		between, key := " ", " "
		if n%3 == 1 {
			between, key = "\n", "\r"
		}
		word := typedWords[y.random.Intn(len(typedWords))]
		y.press(key + word)
		typed.WriteString(between + word)
	}
	return typed.String()
}
