package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spark-lsp/spark-lsp/editops"
)

// play runs one line of what happens to a document, for one stream in it. «» marks its region, ⏎ is \n, ␍⏎ is \r\n,
// and _ in a text is a blank. Each step is one word, or a word and a text:
//
//	[a,b)x    the model replaces the bytes [a,b) of the engine text, counted from the region's start, by x
//	%n        hunks are complete up to n of that text
//	.         the model is done
//	>         the machine sends an edit; it is on its way
//	>[a,b)x   the same, and it is this one
//	-         the machine sends nothing
//	echo      the editor applies the edit as sent and tells of it
//	yes, no   the editor answers
//	ok        echo yes
//	all       ok, as long as the machine sends something
//	@m:text   the user types text behind the first m, and the editor tells of it
//	#text     the user deletes the first text, and the editor tells of it
//	z         the user undoes the last edit of the stream
//	( ... )   what happens in between is told in one notification
//	{ ... }   the same, in one change of the whole text
//	stop, resume, accept, close
//	reject    the editor takes all hunks back, and tells of it; reject0 only the first
//	=state    the stream is in that state
type script struct {
	t       *testing.T
	m       *Machine
	id      StreamID
	settled int
	text    string
	version int32
	sent    *Send
	last    editops.Edit // of the stream, inverted
	hold    int          // ( and { that are open
	whole   bool
	told    string // the text the machine knows
	edits   []editops.Edit
	sends   int
}

func newScript(t *testing.T, doc string, mode Mode) *script {
	t.Helper()
	doc = unmark(doc)
	start := strings.Index(doc, "«")
	doc = strings.Replace(doc, "«", "", 1)
	end := strings.Index(doc, "»")
	doc = strings.Replace(doc, "»", "", 1)
	s := &script{t: t, m: New(), text: doc, told: doc, version: 1}
	id, err := s.m.Begin(String(doc), 1, start, end, mode)
	if err != nil {
		t.Fatal(err)
	}
	s.id = id
	return s
}

func unmark(s string) string {
	return strings.NewReplacer("⏎", "\n", "␍", "\r", "_", " ").Replace(s)
}
func mark(s string) string { return strings.NewReplacer("\n", "⏎", "\r", "␍", " ", "_").Replace(s) }

func (s *script) edit(e editops.Edit) {
	s.text = s.text[:e.Start] + e.New + s.text[e.End:]
	s.edits = append(s.edits, e)
	if s.hold == 0 {
		s.tell()
	}
}

func (s *script) tell() {
	if len(s.edits) == 0 {
		return
	}
	s.version++
	edits := s.edits
	if s.whole {
		edits = []editops.Edit{{Start: 0, End: len(s.told), New: s.text}}
	}
	s.m.Changed(edits, String(s.text), s.version)
	s.edits, s.told = nil, s.text
}

func (s *script) next(want string) bool {
	s.t.Helper()
	send, ok := s.m.Next()
	if !ok {
		return false
	}
	s.sends++
	s.sent = &send
	if got := fmt.Sprintf("[%d,%d)%s", send.Edit.Start, send.Edit.End, mark(send.Edit.New)); want != "" && got != want {
		s.t.Errorf("sent %s, want %s", got, want)
	}
	if send.Version != s.version {
		s.t.Errorf("sent for version %d, have %d", send.Version, s.version)
	}
	return true
}

func (s *script) echo() {
	e := s.sent.Edit
	s.last = editops.Edit{Start: e.Start, End: e.Start + len(e.New), New: s.text[e.Start:e.End]}
	s.edit(e)
}

func (s *script) run(steps string) {
	t := s.t
	t.Helper()
	for step := range strings.FieldsSeq(steps) {
		text := unmark(step[1:])
		switch {
		case step == ".":
			s.m.Finish(s.id)
		case step == "-":
			if s.next("") {
				t.Fatalf("sent %+v, want nothing", s.sent.Edit)
			}
		case step == "echo":
			s.echo()
		case step == "yes", step == "no":
			s.m.Replied(step == "yes")
		case step == "ok":
			s.echo()
			s.m.Replied(true)
		case step == "all":
			for s.next("") {
				s.echo()
				s.m.Replied(true)
			}
		case step == "z":
			s.edit(s.last)
		case step == "(", step == "{":
			s.hold, s.whole = 1, step == "{"
		case step == ")", step == "}":
			s.hold = 0
			s.tell()
			s.whole = false
		case step == "stop":
			s.m.Stop(s.id)
		case step == "accept":
			s.m.Accept(s.id)
		case step == "close":
			s.m.Closed()
		case step == "resume":
			if err := s.m.Resume(s.id); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(step, "reject"):
			n := -1
			if step != "reject" {
				fmt.Sscanf(step, "reject%d", &n)
			}
			edits, err := s.m.Reject(s.id, n)
			if err != nil {
				t.Fatal(err)
			}
			s.hold++
			for _, e := range slices.Backward(edits) {
				s.edit(e)
			}
			s.hold--
			s.tell()
		case step[0] == '%':
			fmt.Sscanf(step, "%%%d", &s.settled)
			s.m.Push(s.id, nil, s.settled)
		case step[0] == '[':
			var e editops.Edit
			if _, err := fmt.Sscanf(step, "[%d,%d)", &e.Start, &e.End); err != nil {
				t.Fatal(err)
			}
			_, e.New, _ = strings.Cut(unmark(step), ")")
			s.m.Push(s.id, []editops.Edit{e}, s.settled)
		case step[0] == '>':
			if !s.next(step[1:]) {
				t.Fatalf("%s: nothing to send", steps)
			}
		case step[0] == '@':
			at, typed, ok := strings.Cut(text, ":")
			i := strings.Index(s.text, at)
			if !ok || i < 0 {
				t.Fatalf("%s: no %q in %q", step, at, s.text)
			}
			s.edit(editops.Edit{Start: i + len(at), End: i + len(at), New: typed})
		case step[0] == '#':
			i := strings.Index(s.text, text)
			if i < 0 {
				t.Fatalf("%s: not in %q", step, s.text)
			}
			s.edit(editops.Edit{Start: i, End: i + len(text)})
		case step[0] == '=':
			if got := s.m.State(s.id).String(); got != step[1:] {
				t.Errorf("%s: %s (%s), want %s", steps, got, s.m.Reason(s.id), step[1:])
			}
		default:
			t.Fatalf("%s: what is %q?", steps, step)
		}
	}
}

func TestMachine(t *testing.T) {
	for _, c := range []struct {
		name  string
		mode  Mode
		doc   string
		steps string
		want  string
	}{
		{"live, line by line", Live, "«a⏎b⏎c⏎»d⏎", "[0,1)A >[0,1)A ok [4,5)C . all =done", "A⏎b⏎C⏎d⏎"},
		{"nothing changed", Live, "«a⏎b⏎»", ". - =done", "a⏎b⏎"},
		{"one edit on its way", Live, "«a⏎b⏎»", "[0,1)A [4,4)X⏎ . > - echo - yes > ok =done", "A⏎b⏎X⏎"},
		{"the answer before the echo", Live, "«a⏎»", "[0,1)A . > yes - echo =done", "A⏎"},
		{"an empty region", Live, "a⏎«»b⏎", "[0,0)x⏎ [2,2)y⏎ . all =done", "a⏎x⏎y⏎b⏎"},
		{"the file's end, without a line end", Live, "a⏎«b»", "[0,1)B⏎c . all =done", "a⏎B⏎c"},
		{"within a line", Live, "f(«a, b»)⏎", "[0,4)b,_a . all =done", "f(b,_a)⏎"},
		{"live: what is in neighbouring lines goes together", Live, "«a⏎b⏎1⏎c⏎»", "[0,1)A [2,3)B [6,7)C . >[0,3)A⏎B ok >[6,7)C ok =done", "A⏎B⏎1⏎C⏎"},

		{"hunks: not before they are complete", Hunks, "«a⏎1⏎2⏎3⏎b⏎»", "[0,1)A - %0 - %8 >[0,1)A ok [8,9)B - . >[8,9)B ok =done", "A⏎1⏎2⏎3⏎B⏎"},
		{"hunks: two kept lines do not part them", Hunks, "«a⏎1⏎2⏎b⏎»", "[0,1)A [6,7)B . >[0,7)A⏎1⏎2⏎B ok =done", "A⏎1⏎2⏎B⏎"},
		{"final: one edit, at the end", Final, "«a⏎1⏎2⏎3⏎4⏎5⏎b⏎»", "[0,1)A [12,13)B - . >[0,13)A⏎1⏎2⏎3⏎4⏎5⏎B ok - =done", "A⏎1⏎2⏎3⏎4⏎5⏎B⏎"},
		{"final: never over what was typed", Final, "«a⏎1⏎2⏎3⏎4⏎5⏎b⏎»", "[0,1)A [12,13)B @3:! . >[0,1)A ok >[13,14)B ok =done", "A⏎1⏎2⏎3!⏎4⏎5⏎B⏎"},

		{"D10: typing above moves the region", Live, "t⏎«a⏎b⏎»", "[0,1)A > @t:op no . >[4,5)A ok =done", "top⏎A⏎b⏎"},
		{"D10: typing below does not matter", Live, "«a⏎b⏎»t⏎", "[0,1)A > @t:op no . all =done", "A⏎b⏎top⏎"},
		{"D10: typing in a line that was kept", Live, "«a⏎b⏎c⏎d⏎»", "[2,3)B > ok @a:! [6,7)D . all =done", "a!⏎B⏎c⏎D⏎"},
		{"D10: typing in a line to come stays", Live, "«a⏎b⏎c⏎»", "[0,1)A > ok @b:! [2,4) . all =done", "A⏎!c⏎"},
		{"D10: typing in the line being written pauses", Live, "«a⏎b⏎»", "[0,1)AAA > ok @AA:! [4,5)B . - =paused", "AA!A⏎b⏎"},
		{"D10: not when the stream is elsewhere", Live, "«a⏎1⏎2⏎3⏎b⏎»", "[0,1)AAA > ok [10,11)B @AA:! . all =done", "AA!A⏎1⏎2⏎3⏎B⏎"},
		{"D10: not when its hunk is complete", Live, "«a⏎1⏎2⏎3⏎b⏎»", "[0,1)AAA > ok %9 @AA:! [10,11)B . all =done", "AA!A⏎1⏎2⏎3⏎B⏎"},
		{"D10: nor in a hunk that was brought", Hunks, "«a⏎1⏎2⏎3⏎b⏎»", "[0,1)AAA %9 > ok @AA:! [10,11)B . all =done", "AA!A⏎1⏎2⏎3⏎B⏎"},
		{"D10: nor in a line that an edit on its way covers and keeps", Final, "«a⏎1⏎2⏎b⏎»", "[0,1)A [6,7)B . > @2:! no all =done", "A⏎1⏎2!⏎B⏎"},
		{"D10: and goes on when asked to", Live, "«a⏎b⏎»", "[0,1)AAA > ok @AA:! [4,5)B . - resume all =done", "AA!A⏎B⏎"},
		{"D10: typing in the line on its way pauses after it", Live, "«foo(a)⏎b⏎»", "[4,5)b > @foo:! no - =paused", "foo!(a)⏎b⏎"},
		{"D10: the same, and it arrives", Live, "«foo(a)⏎b⏎»", "[4,5)b > ( echo @foo:! ) yes - =paused", "foo!(b)⏎b⏎"},
		{"D10: Enter above the line being written", Live, "t⏎«a⏎b⏎»", "[0,1)A > ok @t:⏎x [2,3)B . all =done", "t⏎x⏎A⏎B⏎"},
		{"D10: Enter behind it", Live, "«a⏎b⏎»", "[0,1)A > ok @A:⏎x [2,3)B . all =done", "A⏎x⏎B⏎"},
		{"D10: deleting what was written pauses", Live, "«a⏎b⏎c⏎»", "[0,0)xx⏎ > ok [7,8)C > ok #x - =paused", "x⏎a⏎b⏎C⏎"},
		{"D10: typed at the start of the line where a line comes", Live, "«a⏎b⏎»", "[0,0)x⏎ > @:u no . all =done", "x⏎ua⏎b⏎"},
		{"the user deletes the whole region", Live, "t⏎«a⏎b⏎»e⏎", "[2,2)x⏎ > #a⏎b⏎ no . all =done", "t⏎x⏎e⏎"},
		{"the user has done it already", Live, "«a⏎b⏎»", "[0,2) #a⏎ . - =done", "b⏎"},
		{"the user writes the same over it", Live, "«a⏎b⏎c⏎»", "[4,6)x⏎ #c⏎ @b⏎:x⏎ . all =done", "a⏎b⏎x⏎x⏎"},

		{"refused for a version that we know is old", Live, "t⏎«a⏎»", "[0,1)A > @t:! no > ok . =done", "t!⏎A⏎"},
		{"refused for a version we know as the newest: wait", Live, "t⏎«a⏎»", "[0,1)A . > no - @t:! > ok =done", "t!⏎A⏎"},
		{"said yes and dropped", Live, "t⏎«a⏎»", "[0,1)A . > yes - @t:! > ok =done", "t!⏎A⏎"},
		{"told together with what was typed before it", Live, "t⏎«a⏎b⏎»", "[0,1)A . > ( echo @t:! ) yes =done", "t!⏎A⏎b⏎"},
		{"told together with what was typed behind it", Live, "t⏎«a⏎b⏎»", "[0,1)A . > yes ( echo @b:! ) =done", "t⏎A⏎b!⏎"},
		{"told as a whole text", Live, "t⏎«a⏎b⏎»", "[0,1)A . > { echo @t:! } yes =done", "t!⏎A⏎b⏎"},
		{"told as a whole text, and not in it", Live, "t⏎«a⏎b⏎»", "[0,1)A . > { @t:! } yes - @t!:! > ok =done", "t!!⏎A⏎b⏎"},
		{"told of, done and undone at once", Live, "«a⏎b⏎»", "[0,1)A . > ( echo z ) yes =undone", "a⏎b⏎"},

		{"D5: nothing for an old version", Live, "«a⏎b⏎»t", "[0,1)A @t:1 @t:2 @t:3 @t:4 @t:5 > ok . =done", "A⏎b⏎t54321"},
		{"D8: undo takes it back, and ends", Live, "«a⏎b⏎»", "[0,1)A > ok z =undone [2,3)B . -", "a⏎b⏎"},
		{"D8: undone after the end", Live, "«a⏎b⏎»", "[0,1)A . all z =undone", "a⏎b⏎"},
		{"undone together with what was typed", Live, "«a⏎b⏎»", "[0,1)A . > ok ( @b:! #! z ) =undone", "a⏎b⏎"},
		{"D9: what broke off keeps what was written", Hunks, "«a⏎1⏎2⏎3⏎b⏎c⏎»", "[0,1)A %8 > ok [8,9)B stop - =stopped", "A⏎1⏎2⏎3⏎b⏎c⏎"},
		{"D9: the rest can be had", Hunks, "«a⏎1⏎2⏎3⏎b⏎»", "[0,1)A %8 > ok [8,9)B stop . resume all =done", "A⏎1⏎2⏎3⏎B⏎"},
		{"stopped with an edit on its way, which arrives", Live, "«a⏎b⏎»", "[0,1)A > stop ok - =stopped", "A⏎b⏎"},
		{"stopped with an edit on its way, which does not", Live, "t⏎«a⏎b⏎»", "[0,1)A > stop @t:! no - =stopped", "t!⏎a⏎b⏎"},
		{"closed", Live, "«a⏎b⏎»", "[0,1)A > close - =stopped", "a⏎b⏎"},

		{"D13: CRLF", Live, "t␍⏎«a␍⏎b␍⏎»c␍⏎", "[0,1)A [6,6)x␍⏎ @t:!␍⏎ . all =done", "t!␍⏎␍⏎A␍⏎b␍⏎x␍⏎c␍⏎"},
		{"D13: typed between the line and its end", Live, "«a␍⏎b␍⏎»", "[0,6)x␍⏎ @a:! . all =done", "x␍⏎!"},
		{"letters of several bytes", Live, "«ä𝒳⏎»", "[0,2)ö > @𝒳:ü no . resume all =done", "ö𝒳ü⏎"},
		{"letters of which a byte is the same", Live, "«ä⏎»", "[0,2)ö ( #ä @:å ) . all =done", "åö⏎"},

		{"reject", Live, "«a⏎b⏎c⏎»", "[0,1)A [4,4)x⏎ . all reject", "a⏎b⏎c⏎"},
		{"reject leaves what was typed", Live, "«a⏎b⏎c⏎»", "[0,1)A [4,4)xx⏎ . all @x:! @b:? reject", "a⏎b?⏎!c⏎"},
		{"reject one hunk", Live, "«a⏎1⏎2⏎3⏎b⏎»", "[0,1)A [8,9)B . all reject0", "a⏎1⏎2⏎3⏎B⏎"},
		{"reject one hunk, then the other", Live, "«a⏎1⏎2⏎3⏎b⏎»", "[0,1)A [8,9)B . all reject0 reject0 reject", "a⏎1⏎2⏎3⏎b⏎"},
		{"reject twice", Live, "«a⏎b⏎c⏎»", "[0,1)A [4,4)xx⏎ . all @x:! reject reject", "a⏎b⏎!c⏎"},
		{"accepted: nothing to reject", Live, "«a⏎»", "[0,1)A . all accept reject", "A⏎"},
		{"reject what was stopped", Live, "«a⏎b⏎»", "[0,1)A > ok stop reject", "a⏎b⏎"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			s := newScript(t, c.doc, c.mode)
			s.run(c.steps)
			if got := mark(s.text); got != mark(unmark(c.want)) {
				t.Errorf("%s: %s\ngot  %s\nwant %s", c.doc, c.steps, got, c.want)
			}
		})
	}
}

// Neovim says yes and drops what is for an old version. When the didChange that made it old comes first, nothing
// else may come, ever: the user has stopped typing.
func TestDropsStale(t *testing.T) {
	s := newScript(t, "t⏎«a⏎»", Live)
	s.m.DropsStale = true
	s.run("[0,1)A . > @t:! yes > ok =done")
	if st := s.m.Stats(s.id); st.Dropped != 1 || st.Resent != 1 {
		t.Errorf("%+v", st)
	}
}

// An edit of Neovim's version 0 is not checked: it lands where the text was.
func TestUncheckedVersion(t *testing.T) {
	s := newScript(t, "t⏎«foo⏎»e⏎", Live)
	s.m.DropsStale = true
	s.version = 0
	s.m.version = 0
	s.run("[0,3)barbar . >")
	s.edit(editops.Edit{Start: 0, End: 0, New: "x\n"})
	e := s.sent.Edit
	e.End = e.Start + len("t") // line 1 as it is now, and column 3 is behind its end
	s.edit(e)
	s.run("yes =lost")
	s.run("reject")
	if want := "x\nt\nfoo\ne\n"; s.text != want {
		t.Errorf("got %q, want %q", s.text, want)
	}
}

func TestRebasingClients(t *testing.T) {
	t.Run("keeps what was typed", func(t *testing.T) {
		s := newScript(t, "t⏎«foo⏎»", Live)
		s.run("[0,3)bar . > @t:!!")
		e := s.sent.Edit
		s.edit(editops.Edit{Start: e.Start + 2, End: e.End + 2, New: e.New})
		s.run("yes =done")
	})
	t.Run("writes over it", func(t *testing.T) {
		s := newScript(t, "«foo⏎bar⏎»", Live)
		s.run("[0,4)x . > @fo:!")
		e := s.sent.Edit
		s.edit(editops.Edit{Start: e.Start, End: e.End + 1, New: e.New})
		s.run("yes =lost")
		if r := s.m.Reason(s.id); !strings.Contains(r, "!") {
			t.Errorf("the reason %q does not say what was lost", r)
		}
	})
	t.Run("after it was given up", func(t *testing.T) {
		s := newScript(t, "t⏎«foo⏎»", Live)
		s.run("[0,3)bar . > yes @t:! >")
		s.edit(s.sent.Edit) // the first one, late
		e := s.sent.Edit
		s.edit(editops.Edit{Start: e.Start + len(e.New), End: e.Start + len(e.New), New: e.New}) // the second one
		s.run("yes all =done")
		if st := s.m.Stats(s.id); s.text != "t!\nbar\n" || st.Repaired != 1 {
			t.Errorf("got %q, %+v", s.text, st)
		}
	})
}

// TestFairness: two streams share the one edit that may be on its way.
func TestFairness(t *testing.T) {
	text := "a\nb\nc\n\nx\ny\nz\n"
	m := New()
	one, err1 := m.Begin(String(text), 1, 0, 6, Live)
	two, err2 := m.Begin(String(text), 1, 7, 13, Live)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	m.Push(one, []editops.Edit{{Start: 0, End: 1, New: "A"}, {Start: 4, End: 5, New: "C"}}, 0)
	m.Push(two, []editops.Edit{{Start: 0, End: 1, New: "X"}, {Start: 4, End: 5, New: "Z"}}, 0)
	m.Finish(one)
	m.Finish(two)
	var order []StreamID
	for v := int32(1); ; v++ {
		s, ok := m.Next()
		if !ok {
			break
		}
		order = append(order, s.Streams...)
		text = text[:s.Edit.Start] + s.Edit.New + text[s.Edit.End:]
		m.Changed([]editops.Edit{s.Edit}, String(text), v+1)
		m.Replied(true)
	}
	if !slices.Equal(order, []StreamID{one, two, one, two}) || text != "A\nb\nC\n\nX\ny\nZ\n" || m.Busy() {
		t.Errorf("order %v, text %q, busy %v", order, text, m.Busy())
	}
}

func TestBegin(t *testing.T) {
	m := New()
	doc := String("0123456789")
	if _, err := m.Begin(doc, 1, 3, 11, Live); !errors.Is(err, ErrRange) {
		t.Error(err)
	}
	id, err := m.Begin(doc, 1, 3, 6, Live)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]int{{0, 3}, {6, 6}, {4, 5}, {0, 10}} {
		if _, err := m.Begin(doc, 1, r[0], r[1], Live); !errors.Is(err, ErrOverlap) {
			t.Errorf("%v: %v", r, err)
		}
	}
	if _, err := m.Begin(doc, 2, 8, 9, Live); !errors.Is(err, ErrStale) {
		t.Error(err)
	}
	m.Stop(id)
	if _, err := m.Begin(doc, 1, 4, 5, Live); err != nil {
		t.Error(err)
	}
	if _, err := m.Reject(99, -1); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if m.State(99) != Lost || m.Reason(99) == "" {
		t.Error("an unknown stream is not lost")
	}
}

// TestBeginUnanswered: where an edit of a stream that was stopped is still on its way, another one would meet it.
func TestBeginUnanswered(t *testing.T) {
	m := New()
	doc := String("abc\ndef\n")
	id, err := m.Begin(doc, 1, 0, 4, Live)
	if err != nil {
		t.Fatal(err)
	}
	m.Push(id, []editops.Edit{{Start: 0, End: 3, New: "xyz"}}, 4)
	if _, ok := m.Next(); !ok {
		t.Fatal("nothing to send")
	}
	m.Stop(id)
	if _, err := m.Begin(doc, 1, 0, 4, Live); !errors.Is(err, ErrFlying) {
		t.Error(err)
	}
	m.Replied(false)
	if _, err := m.Begin(doc, 1, 0, 4, Live); err != nil {
		t.Error(err)
	}
}

// TestSilentDocument: a document that changed without a word is nobody's to edit.
func TestSilentDocument(t *testing.T) {
	s := newScript(t, "«a⏎»", Live)
	s.run("[0,1)A >")
	s.m.Changed([]editops.Edit{{Start: 0, End: 0, New: "x"}}, String("something else"), 9)
	s.run("yes - =lost")
	if s.m.Busy() || len(s.m.Hunks(s.id)) != 0 || len(s.m.Rest(s.id)) != 0 {
		t.Error("something is left of it")
	}
}

// TestImpossiblePush: the model's side is believed as little as the editor's.
func TestImpossiblePush(t *testing.T) {
	s := newScript(t, "«a⏎»b⏎", Live)
	s.m.Push(s.id, []editops.Edit{{Start: 1, End: 3, New: "x"}}, 0)
	s.run("- =lost")
}

// TestRuntimeCheck breaks the bookkeeping from outside, as a bug would: nothing must be sent then.
func TestRuntimeCheck(t *testing.T) {
	s := newScript(t, "«aaaa⏎»b⏎", Live)
	st := s.m.stream(s.id)
	st.typed = []span{{1, 2}} // the user's, as the independent record has it; U does not know of it
	s.run("[0,4)x . - =lost")
}

// TestUndoSteps covers D8: in most editors every edit is an undo step.
func TestUndoSteps(t *testing.T) {
	var old, model strings.Builder
	for i := range 60 {
		fmt.Fprintf(&old, "line %d\n", i)
		if i%10 < 2 {
			fmt.Fprintf(&model, "LINE %d\n", i)
		} else {
			fmt.Fprintf(&model, "line %d\n", i)
		}
	}
	for mode, want := range map[Mode]int{Hunks: 6, Final: 1} {
		s := newScript(t, "«"+old.String()+"»", mode)
		s.stream(model.String())
		if s.sends != want || s.text != model.String() {
			t.Errorf("mode %d: %d edits, want %d", mode, s.sends, want)
		}
	}
}

// stream lets the model write text line by line, and the editor apply at once what is sent.
func (s *script) stream(text string) {
	s.t.Helper()
	diff := editops.NewStreamDiff(s.text, editops.StreamOptions{Verbatim: true})
	for _, line := range strings.SplitAfter(text, "\n") {
		s.m.Push(s.id, diff.Push(line), diff.Settled())
		s.run("all")
	}
	s.m.Push(s.id, diff.Finish(), diff.Settled())
	s.run(". all =done")
}

// TestCursor covers D11: what stands before and behind the cursor is not rewritten, so that no editor has a reason to
// move it.
func TestCursor(t *testing.T) {
	s := newScript(t, "«1⏎2⏎3⏎cur|sor⏎5⏎6⏎»", Live)
	for s.run("[4,5)X [14,15)Y ."); s.next(""); s.run("ok") {
		at := strings.Index(s.text, "|")
		if e := s.sent.Edit; e.Start <= at && at <= e.End {
			t.Errorf("edit [%d,%d) touches the cursor at %d", e.Start, e.End, at)
		}
	}
	if want := "1\n2\nX\ncur|sor\nY\n6\n"; s.text != want {
		t.Errorf("got %q", s.text)
	}
}

// TestNormalizedLineEnds covers D13: an editor gives the text its own line ends, and nobody has typed.
func TestNormalizedLineEnds(t *testing.T) {
	s := newScript(t, "«a⏎b⏎»", Live)
	s.run("[0,0)x␍⏎y␍⏎ >")
	e := s.sent.Edit
	e.New = strings.ReplaceAll(e.New, "\r", "")
	s.edit(e)
	s.run("yes =streaming [8,9)B . all =done")
	if want := "x\ny\na\nB\n"; s.text != want {
		t.Errorf("got %q, want %q", s.text, want)
	}
}

// TestOtherServers: format on save, or organise imports, in mid-stream are the user's edits to us.
func TestOtherServers(t *testing.T) {
	s := newScript(t, "import_x⏎⏎«a⏎b⏎c⏎»d⏎", Live)
	s.run("[0,1)A > ok")
	// The whole text anew: an import more, and the region's b indented.
	s.run("{ @import_x:⏎import_y @A⏎:__ }")
	s.run("[4,5)C . all =done")
	if want := unmark("import_x⏎import_y⏎⏎A⏎__b⏎C⏎d⏎"); s.text != want {
		t.Errorf("got %q, want %q", s.text, want)
	}
}
