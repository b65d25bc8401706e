package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// replay is a session in which a stretch of a real file is typed anew: key by key, with typos, backspaces, and
// suggestions that are accepted now and then. It runs as fast as answers come; what it shows is decided by its seed.
type replay struct {
	t     testing.TB
	rig   rig
	rand  *rand.Rand
	uri   string
	start int    // of the stretch in the document, bytes
	want  string // the stretch
	typed int    // of want, bytes that stand in the document

	shown string // the document up to the end of what is shown; "" while nothing is

	paced    bool      // keys come at a person's speed and cancel the request before; otherwise each answer is waited for
	due      time.Time // when the next key comes, if paced
	unserved int       // keys that were followed by the next one before there was an answer

	keys, typos, requests, through, throughRequests, flickers int
	accepted                                                  int // characters
	took                                                      []time.Duration
}

// oracle is a model that knows the stretch and is right most of the time. What it says depends on nothing but the
// text before the cursor on its line.
type oracle struct {
	takes    time.Duration          // to the first word
	rest     atomic.Pointer[string] // what is still to be typed; "" while a typo stands
	behind   atomic.Pointer[behind] // nil while nothing is shown
	requests atomic.Int64
	here     atomic.Int64 // those that are not about what comes behind what is shown
	bytes    atomic.Int64 // on the wire
	read     atomic.Int64 // by the model: what would be on the wire if nothing were kept there
}

// behind is what a request is about that is sent while something is being read.
type behind struct {
	line string // that the shown text ends with
	rest string // what is still to be typed once that stands there; "" when it is not what is meant
}

// oracleTime is how long the oracle takes to its first word.
const oracleTime = 12 * time.Millisecond

func (o *oracle) respond(x *loopback.Exchange) {
	o.requests.Add(1)
	o.bytes.Add(int64(len(x.Body)))
	o.read.Add(int64(len(x.FullInput())))
	_ = x.InProgress()
	rest := *o.rest.Load()
	if b := o.behind.Load(); b != nil && beforeCursor(x) == b.line {
		rest = b.rest
	} else {
		o.here.Add(1)
	}
	h := fnv.New32a()
	h.Write([]byte(beforeCursor(x)))
	answer := ""
	if rest != "" {
		end := strings.IndexByte(rest[1:], '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		answer = rest[:end]
		switch mood := h.Sum32() % 10; {
		case mood < 2:
			answer = "somethingElse(entirely)"
		case mood < 4:
			answer = answer[:len(answer)/2] + "Wrong"
		}
	}
	select {
	case <-time.After(o.takes):
	case <-x.Cancelled():
		return
	}
	for _, tok := range loopback.Tokens(answer) {
		_ = x.Delta(tok)
	}
	_ = x.Done()
}

// TestReplay replays typed sessions over files of this repository. It holds D6 and D7 (nothing that is shown is
// replaced by what does not extend it, and typing along costs no request), D1 to D3 (what is accepted leaves the text
// that was meant, byte for byte) and D21 (what is known is answered at once, whatever the model takes), and prints
// what a session costs.
func TestReplay(t *testing.T) {
	w := &strings.Builder{}
	tab := replayTable(w)
	for i, file := range []string{"editops/interpolate.go", "server/pace.go", "docs/model-protocol.md"} {
		t.Run(file, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			playReplay(t, tab, replaySetting{file: file, text: string(data), seed: uint64(i) + 1})
		})
	}
	t.Run("60 KB, kept ready", func(t *testing.T) {
		playReplay(t, tab, replaySetting{file: "60KB.go", text: bigSource(t, 60<<10), seed: 4, warm: true})
	})
	tab.Flush()
	t.Logf("typed sessions, a model that takes %v:\n%s", oracleTime, w)
}

// BenchmarkReplay is TestReplay at a person's speed, 30 to 200 ms a key, with a model that is slower than the shortest of
// these gaps: the next key cancels the request before, as in an editor.
func BenchmarkReplay(b *testing.B) {
	data, err := os.ReadFile("server/pace.go")
	if err != nil {
		b.Fatal(err)
	}
	w := &strings.Builder{}
	tab := replayTable(w)
	for i := 0; b.Loop(); i++ {
		playReplay(b, tab, replaySetting{file: "server/pace.go", text: string(data), seed: uint64(i) + 1, paced: true})
	}
	tab.Flush()
	b.Logf("a session typed at a person's speed, a model that takes %v:\n%s", pacedOracleTime, w)
}

// pacedOracleTime is how long the oracle of BenchmarkReplay takes to its first word.
const pacedOracleTime = 80 * time.Millisecond

func replayTable(w *strings.Builder) *tabwriter.Writer {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "file\tkeys\ttypos\taccepted chars\trequests\ttyped along\tflickers\tunserved\tunder 10 ms\tp50 ms\tp99 ms\trequests/acc. char\tbytes/acc. char\tbytes/request\tof\twasted tokens/acc. char\tasked ahead\tused\t")
	return tab
}

// replaySetting is what is typed, and how.
type replaySetting struct {
	file, text string
	seed       uint64
	warm       bool // a pause comes first, in which the file is made ready at the endpoint
	paced      bool
}

// playReplay types a stretch of a file anew.
func playReplay(t testing.TB, table *tabwriter.Writer, set replaySetting) {
	file, text, warm, paced := set.file, set.text, set.warm, set.paced
	start := strings.Index(text[len(text)/3:], "\n") + len(text)/3 + 1
	size := 1200
	o := &oracle{takes: oracleTime}
	if paced {
		size, o.takes = 600, pacedOracleTime
	}
	end := strings.Index(text[min(len(text)-1, start+size):], "\n") + min(len(text)-1, start+size)
	r := &replay{
		t: t, rig: newRig(t, t.Context(), o.respond), rand: rand.New(rand.NewPCG(set.seed, 1)),
		uri: "file:///replay/" + file, start: start, want: text[start:end], paced: paced,
	}
	defer r.rig.end()
	language := map[bool]string{true: "go", false: "markdown"}[strings.HasSuffix(file, ".go")]
	if err := r.rig.ed.Open(r.uri, language, text[:start]+text[end:]); err != nil {
		t.Fatal(err)
	}
	if err := r.rig.ed.SetCursor(r.uri, start); err != nil {
		t.Fatal(err)
	}
	if warm {
		r.pause(o)
	}
	for r.typed < len(r.want) && !t.Failed() {
		r.step(o)
	}
	if full, sent := o.read.Load(), o.bytes.Load(); warm && full < 20*sent {
		t.Errorf("%s: %d bytes on the wire for requests of %d", file, sent, full)
	}
	if got := r.rig.ed.Text(r.uri); got != text {
		t.Errorf("%s: the text is not what was meant:\n%q", file, got)
	}
	if r.flickers > 0 || r.throughRequests > 0 {
		t.Errorf("%s: %d flicker events, %d requests while typing along", file, r.flickers, r.throughRequests)
	}
	if err := r.rig.ed.Close(r.uri); err != nil { // what was suggested is accounted for
		t.Fatal(err)
	}
	var st struct {
		Completions map[string]int `json:"completions"`
	}
	if err := r.rig.ed.Call(t.Context(), protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": "spark-lsp.status"}, &st); err != nil {
		t.Fatal(err)
	}
	if st.Completions["acceptedCharacters"] < r.accepted || st.Completions["requests"] < int(o.requests.Load()) {
		t.Errorf("%s: spark-lsp.status has counted %v of %d characters and %d requests", file, st.Completions, r.accepted, o.requests.Load())
	}
	slices.Sort(r.took)
	fast, _ := slices.BinarySearch(r.took, 10*time.Millisecond)
	share := 100 * fast / len(r.took)
	if share < 50 && !paced {
		t.Errorf("%s: %d %% of the keys were answered within 10 ms", file, share)
	}
	if r.accepted == 0 || r.through == 0 || r.typos == 0 {
		t.Errorf("%s: %d characters accepted, %d keys typed along, %d typos: nothing was tested", file, r.accepted, r.through, r.typos)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d %%\t%.2f\t%.2f\t%.3f\t%.1f\t%d\t%d\t%.2f\t%d\t%d\t\n", file, r.keys, r.typos, r.accepted, o.requests.Load(), r.through, r.flickers, r.unserved,
		share, ms(r.took[len(r.took)/2]), ms(r.took[len(r.took)*99/100]), float64(o.requests.Load())/float64(r.accepted), float64(o.bytes.Load())/float64(r.accepted),
		o.bytes.Load()/max(1, o.requests.Load()), o.read.Load()/max(1, o.requests.Load()),
		float64(st.Completions["wastedTokens"])/float64(r.accepted), st.Completions["prefetched"], st.Completions["prefetchUsed"])
}

// pause lets the program make the file ready: a key and its undoing, and then none until that is done.
func (r *replay) pause(o *oracle) {
	none := ""
	o.rest.Store(&none)
	warmed := r.rig.model.Warmups() + 1
	r.key(o, func() error { return r.rig.ed.Type(r.uri, "ж") })
	r.key(o, func() error { return r.rig.ed.Delete(r.uri, r.start, r.start+len("ж")) })
	if err := r.rig.model.WaitWarm(r.t.Context(), warmed); err != nil {
		r.t.Fatal(err)
	}
	o.requests.Store(0)
	o.bytes.Store(0)
	o.read.Store(0)
}

// step is one key that belongs to the text, or a typo and its correction.
func (r *replay) step(o *oracle) {
	_, size := utf8.DecodeRuneInString(r.want[r.typed:])
	if r.rand.IntN(25) == 0 {
		r.typos++
		none := ""
		o.rest.Store(&none)
		wrong := r.rand.IntN(2) + 1
		for range wrong {
			r.key(o, func() error { return r.rig.ed.Type(r.uri, "ж") }) // in no text of ours, so it never agrees
		}
		for i := range wrong {
			if i == wrong-1 {
				r.know(o)
			}
			r.key(o, func() error {
				at := r.rig.ed.Cursor(r.uri)
				return r.rig.ed.Delete(r.uri, at-len("ж"), at)
			})
		}
		return
	}
	if r.rand.IntN(40) == 0 && r.typed > 3 { // a second thought: three characters back, and typed anew
		for range 3 {
			_, last := utf8.DecodeLastRuneInString(r.want[:r.typed])
			r.typed -= last
			r.know(o)
			if r.want[r.typed] == '\n' {
				r.shown = "" // on another line it is another place
			}
			r.key(o, func() error {
				at := r.rig.ed.Cursor(r.uri)
				return r.rig.ed.Delete(r.uri, at-last, at)
			})
		}
		return
	}
	next := r.want[r.typed : r.typed+size]
	r.typed += size
	r.know(o)
	item := r.key(o, func() error { return r.rig.ed.Type(r.uri, next) })
	if item == nil || r.shown == "" || r.rand.IntN(16) > 0 {
		return
	}
	// Accept what is shown, if it is what was meant.
	meant := r.rig.ed.Text(r.uri)[:r.start] + r.want
	gain := utf8.RuneCountInString(r.shown) - utf8.RuneCountInString(meant[:r.start+r.typed])
	if !strings.HasPrefix(meant, r.shown) || gain < 3 {
		return
	}
	r.accepted += gain
	r.typed = len(r.shown) - r.start
	r.know(o)
	r.shown = ""
	r.key(o, func() error {
		from, ok1 := r.rig.ed.Offset(r.uri, item.Range.Start)
		to, ok2 := r.rig.ed.Offset(r.uri, item.Range.End)
		if !ok1 || !ok2 {
			return fmt.Errorf("the range %v is not in the buffer", item.Range)
		}
		text := string(item.InsertText.(protocol.String))
		if err := r.rig.ed.Replace(r.uri, from, to, text); err != nil {
			return err
		}
		if err := r.rig.ed.SetCursor(r.uri, from+len(text)); err != nil {
			return err
		}
		_, err := r.rig.ed.CallAsync(protocol.MethodWorkspaceExecuteCommand, map[string]any{"command": item.Command.Command, "arguments": item.Command.Arguments})
		return err
	})
}

// know tells the oracle what is still to be typed.
func (r *replay) know(o *oracle) {
	rest := r.want[r.typed:]
	o.rest.Store(&rest)
}

// key does something to the buffer, asks for a completion as an editor does, and looks at what is shown then. It
// returns the item, nil for none.
func (r *replay) key(o *oracle, do func() error) *protocol.InlineCompletionItem {
	ed := r.rig.ed
	r.keys++
	if r.paced {
		time.Sleep(time.Until(r.due)) // the typist is the clock here
		r.due = time.Now().Add(30*time.Millisecond + time.Duration(r.rand.IntN(170))*time.Millisecond)
	}
	asked := o.here.Load()
	began := time.Now()
	if err := do(); err != nil {
		r.t.Fatal(err)
	}
	at := ed.Cursor(r.uri)
	ctx, cancel := context.WithCancel(r.t.Context())
	if r.paced {
		ctx, cancel = context.WithDeadline(r.t.Context(), r.due)
	}
	defer cancel()
	var list protocol.InlineCompletionList
	err := ed.Call(ctx, protocol.MethodTextDocumentInlineCompletion, map[string]any{
		"textDocument": map[string]any{"uri": r.uri}, "position": ed.Position(r.uri, at),
		"context": map[string]any{"triggerKind": 2},
	}, &list)
	before := ed.Text(r.uri)[:at]
	if r.paced && ctx.Err() != nil { // the next key is there; what was shown and still fits, the editor goes on showing
		if r.unserved++; !strings.HasPrefix(r.shown, before) {
			r.shown = ""
		}
		return nil
	}
	if err != nil {
		r.t.Fatalf("%s: the only request there is failed: %v", r.uri, err)
	}
	r.took = append(r.took, time.Since(began))
	now := ""
	var item *protocol.InlineCompletionItem
	if len(list.Items) > 0 {
		item = &list.Items[0]
		from, _ := ed.Offset(r.uri, item.Range.Start)
		now = before[:from] + string(item.InsertText.(protocol.String))
	}
	if r.shown != "" && len(before) < len(r.shown) && strings.HasPrefix(r.shown, before) {
		// What was shown still is what would come of the text before the cursor.
		r.through++
		r.throughRequests += int(o.here.Load() - asked)
		if !strings.HasPrefix(now, r.shown) {
			r.flickers++
			r.t.Logf("%s: behind %q %q was shown, then %q", r.uri, lastPart(before), lastPart(r.shown), lastPart(now))
		}
	}
	r.shown = now
	o.behind.Store(nil)
	if now != "" {
		b := behind{line: now[strings.LastIndexByte(now, '\n')+1:]}
		if rest, ok := strings.CutPrefix(ed.Text(r.uri)[:r.start]+r.want, now); ok {
			b.rest = rest
		}
		o.behind.Store(&b)
	}
	return item
}

func lastPart(s string) string { return s[max(0, len(s)-60):] }
