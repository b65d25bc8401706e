package delivery

import (
	"flag"
	"fmt"
	"math/rand"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/spark-lsp/spark-lsp/editops"
)

var (
	simSeed = flag.Int64("sim.seed", 0, "play only the simulated run of this seed, and print what happens")
	simFrom = flag.Int64("sim.from", 0, "the simulated runs have the seeds behind this one")
	simRuns = flag.Int("sim.runs", 0, "number of simulated runs; 0 is 100,000, or 3,000 with -short")
)

// The simulation plays an editor, a person at its keyboard, the wire between it and the machine, and a model,
// in any order that can really happen. Every choice is drawn from one sequence of numbers, so that a run that
// fails can be played again and shrunk: numbers are left out or made zero as long as it still fails.

// choices is that sequence; behind its end all are 0, which stands for the plainest course of things.
type choices struct {
	data []uint16
	at   int
	rnd  *rand.Rand // nil when a sequence is played again
}

func (c *choices) n(k int) int {
	if c.at == len(c.data) {
		if c.rnd == nil {
			return 0
		}
		c.data = append(c.data, uint16(c.rnd.Intn(1<<16)))
	}
	c.at++
	return int(c.data[c.at-1]) % k
}

// one says yes once in k times; zero says no.
func (c *choices) one(k int) bool { return c.n(k) == k-1 }

// kind is an editor's way with edits and versions.
type kind int

const (
	helix   kind = iota // exact versions, syncs at once
	vscode              // the same; refuses also what a keystroke overtakes on the way to its window
	sublime             // exact versions, syncs later
	neovim              // drops what is older than the buffer and says it did not; version 0 is not checked
	zed                 // rebases over what was typed, keeping it
	zedLate             // the same, and answers before it has done it
	zedOver             // rebases, but writes over what was typed within the range
	eglot               // compares the version last synced, not the buffer's
	kakoune             // ignores versions, syncs whole texts
	kinds
)

func (k kind) String() string {
	return [...]string{"helix", "vscode", "sublime", "neovim", "zed", "zed-late", "zed-over", "eglot", "kakoune"}[k]
}

func (k kind) syncsAtOnce() bool {
	return k == helix || k == vscode || k == zed || k == zedLate || k == zedOver
}

// position is a place as LSP has it: a line and a column, here in bytes.
type position struct{ line, col int }

func positionAt(text string, at int) position {
	head := text[:at]
	return position{strings.Count(head, "\n"), at - (strings.LastIndexByte(head, '\n') + 1)}
}

func offsetOf(text string, p position) int {
	at := 0
	for range p.line {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	end := strings.IndexByte(text[at:], '\n')
	if end < 0 {
		end = len(text) - at
	}
	at += min(p.col, end)
	for !utf8.RuneStart((text + "x")[at]) {
		at++
	}
	return at
}

// message goes to the machine: a didChange, or an answer.
type message struct {
	answer  bool
	applied bool
	edits   []editops.Edit
	text    string
	version int32
}

// request is an edit on its way to the editor.
type request struct {
	version    int32
	start, end position
	new        string
	edit       editops.Edit // in bytes of the machine's document
}

// change of the buffer, for an editor that rebases.
type past struct {
	version int32 // the buffer's before it
	set     editops.ChangeSet
}

type world struct {
	c      *choices
	pace   int // one step in so many is the user's
	end    string
	last   int // where the user was
	trace  *strings.Builder
	kind   kind
	full   bool // syncs whole texts
	m      *Machine
	ids    []StreamID
	models []*model

	// The editor.
	buf       string
	tick      int32
	startTick int32
	synced    int32 // version last told
	before    string
	unsynced  []editops.Edit
	history   []past
	inbox     []request
	lateKeys  int
	late      []request // answered and not yet applied
	answers   []bool    // not yet on the wire
	wire      []message
	undo      []undoable    // what may be undone, the last one last
	eaten     map[rune]bool // what an edit in the wrong place has deleted
	damaged   string        // what the editor did that no server can prevent

	// What the machine was told.
	doc     string
	version int32
	flight  bool

	// What was typed and deleted by the user, by marker.
	start     string
	typed     []rune
	nextTyped rune
	deleted   map[rune]bool
	told      map[rune]bool // what the machine was told of at all
	userEdits int
	newlines  int
	cutLines  bool // the user deleted a line's end
	undone    bool
	nudges    int
	fault     string
	excused   bool // see check
	silent    bool
	alarm     bool
	joined    bool // the editor told of several changes as one
	redirects bool // models change their mind, see redirect
	turns     int  // how often they did
	halfway   bool // one did while its last text had not yet replaced what it took along
}

type undoable struct {
	inverse editops.Edit
	ours    bool
}

// model writes a region anew.
type model struct {
	id     StreamID
	diff   *editops.StreamDiff
	text   string // not yet written
	done   bool
	stops  bool
	target string
	start  string // region's original
	outer  [2]string
}

const (
	userRunes     = rune(0xE000)
	modelRunes    = rune(0x4E00)
	originalRunes = rune(0x3400)
)

func isUser(r rune) bool  { return r >= userRunes && r < 0xF000 }
func isModel(r rune) bool { return r >= modelRunes && r < 0x9000 }

func (w *world) logf(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, format+"\n", args...)
	}
}

func (w *world) failf(format string, args ...any) {
	if w.fault == "" {
		w.fault = fmt.Sprintf(format, args...)
		w.logf("FAULT %s", w.fault)
	}
}

func newWorld(c *choices, trace *strings.Builder) *world {
	w := &world{c: c, trace: trace, m: New(), deleted: map[rune]bool{}, told: map[rune]bool{}, eaten: map[rune]bool{}, nextTyped: userRunes}
	w.kind = kind(c.n(int(kinds)))
	w.full = w.kind == kakoune || c.one(8)
	w.m.DropsStale = w.kind == neovim && c.n(2) == 1
	w.m.Truthful = w.kind <= sublime && c.n(2) == 1
	w.pace = 2 + c.n(9)
	w.tick = 1
	if w.kind == neovim && c.one(4) {
		w.tick = 0
	}
	w.end = "\n"
	if c.one(5) {
		w.end = "\r\n"
	}
	next := originalRunes
	var lines []string
	for range 5 + c.n(8) {
		var b strings.Builder
		for range c.n(4) {
			b.WriteRune(next)
			next++
		}
		b.WriteString(w.end)
		lines = append(lines, b.String())
	}
	if c.one(6) { // a last line without an end
		lines[len(lines)-1] = string(next)
		next++
	}
	w.start = strings.Join(lines, "")
	w.buf, w.doc, w.before = w.start, w.start, w.start
	w.synced, w.version, w.startTick = w.tick, w.tick, w.tick
	w.logf("%v full=%v dropsStale=%v version %d: %s", w.kind, w.full, w.m.DropsStale, w.tick, show(w.buf))

	fresh := modelRunes
	from := 1
	for range 1 + c.n(2) {
		if from >= len(lines)-1 {
			break
		}
		lo := from + c.n(2)
		hi := min(lo+c.n(6), len(lines)-1)
		lo = min(lo, hi)
		from = hi + 1
		start, end := len(strings.Join(lines[:lo], "")), len(strings.Join(lines[:hi], ""))
		if line := lines[hi]; c.one(6) && len(line) > 5 { // from or to the middle of a line
			end += 3
			if start == end-3 && c.n(2) == 1 {
				start = end
			}
			hi++
			from++
		}
		mode := Mode(c.n(3))
		id, err := w.m.Begin(String(w.doc), w.version, start, end, mode)
		if err != nil {
			continue // regions that touch
		}
		var text strings.Builder
		old := lines[lo:hi]
		if end != len(strings.Join(lines[:hi], "")) || start != len(strings.Join(lines[:lo], "")) {
			old = []string{w.start[start:end]}
		}
		line := func() {
			for range 1 + c.n(3) {
				text.WriteRune(fresh)
				fresh++
			}
			text.WriteByte('\n')
		}
		for i := 0; i < len(old) || c.n(3) > 0; {
			switch {
			case i >= len(old):
				line()
			case c.n(2) == 0:
				text.WriteString(old[i])
				i++
			case c.n(3) == 0: // deleted
				i++
			case c.n(2) == 0:
				line()
			default: // changed within
				s := strings.TrimSuffix(old[i], w.end)
				at := len(s) / 2 / 3 * 3
				text.WriteString(s[:at])
				text.WriteRune(fresh)
				fresh++
				text.WriteString(s[at:] + old[i][len(s):])
				i++
			}
			if text.Len() > 200 {
				break
			}
		}
		md := &model{id: id, text: strings.ReplaceAll(text.String(), "\r\n", "\n"), start: w.start[start:end]}
		md.target = md.text
		md.outer = [2]string{w.start[:start], w.start[end:]}
		md.diff = editops.NewStreamDiff(md.start, editops.StreamOptions{Verbatim: true, LineEnd: w.end})
		w.ids = append(w.ids, id)
		w.models = append(w.models, md)
		w.logf("stream %d mode %d: %s -> %s", id, mode, show(md.start), show(md.target))
	}
	return w
}

// show makes markers readable: uN typed, mN of the model, original letters.
func show(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\r':
			b.WriteString("␍")
		case r == '\n':
			b.WriteString("⏎")
		case isUser(r):
			fmt.Fprintf(&b, "u%d ", r-userRunes)
		case isModel(r):
			fmt.Fprintf(&b, "m%d ", r-modelRunes)
		case r >= originalRunes && r < modelRunes:
			fmt.Fprintf(&b, "o%d ", r-originalRunes)
		default:
			fmt.Fprintf(&b, "%q", r)
		}
	}
	return b.String()
}

// edit changes the buffer.
func (w *world) edit(e editops.Edit, ours bool) {
	set, err := editops.NewChangeSet(len(w.buf), e)
	if err != nil {
		panic(err)
	}
	if set.Empty() {
		return
	}
	w.undo = append(w.undo, undoable{editops.Edit{Start: e.Start, End: e.Start + len(e.New), New: w.buf[e.Start:e.End]}, ours})
	w.buf = w.buf[:e.Start] + e.New + w.buf[e.End:]
	w.history = append(w.history, past{w.tick, set})
	w.tick++
	if w.kind == neovim {
		w.tick += int32(w.c.n(3))
	}
	w.unsynced = append(w.unsynced, e)
	if w.kind.syncsAtOnce() {
		w.sync()
	}
}

// sync puts what was not told yet on the wire.
func (w *world) sync() {
	if len(w.unsynced) == 0 {
		return
	}
	if w.kind == eglot {
		w.synced++
	} else {
		w.synced = w.tick
	}
	edits := slices.Clone(w.unsynced)
	switch {
	case w.full:
		edits = []editops.Edit{{Start: 0, End: len(w.before), New: w.buf}}
	case len(edits) > 1 && w.c.one(4): // joined into one
		w.joined = true
		set, err := editops.FromSequential(len(w.before), edits)
		if err != nil {
			panic(err)
		}
		from, to, _ := set.Hull()
		edits = []editops.Edit{{Start: from, End: to, New: w.buf[from : to+len(w.buf)-len(w.before)]}}
	}
	w.wire = append(w.wire, message{edits: edits, text: w.buf, version: w.synced})
	for _, r := range w.buf {
		w.told[r] = true
	}
	w.before, w.unsynced = w.buf, nil
}

// receive handles the next edit that reached the editor.
func (w *world) receive() {
	r := w.inbox[0]
	w.inbox = w.inbox[1:]
	start, end := offsetOf(w.buf, r.start), max(offsetOf(w.buf, r.start), offsetOf(w.buf, r.end))
	apply := func() {
		e := editops.Edit{Start: start, End: end, New: r.new}
		w.judge(r, e)
		w.logf("editor applies [%d,%d) %s", e.Start, e.End, show(e.New))
		w.edit(e, true)
		w.answer(true)
	}
	switch w.kind {
	case helix, vscode, sublime:
		if r.version != w.tick || w.c.one(40) {
			w.logf("editor refuses")
			w.answer(false)
			return
		}
		apply()
	case neovim:
		if r.version > 0 && w.tick > r.version {
			w.logf("editor drops, and says applied")
			w.answer(true)
			return
		}
		apply()
	case eglot:
		if r.version != w.synced {
			w.logf("editor refuses")
			w.answer(false)
			return
		}
		apply()
	case kakoune:
		apply()
	case zed, zedOver:
		w.rebase(r)
		w.answer(true)
	case zedLate:
		w.wire = append(w.wire, message{answer: true, applied: true})
		w.late = append(w.late, r)
	}
}

// answer puts a reply on the wire, now or later: the order of a reply and the didChange of the same edit is the
// editor's own affair.
func (w *world) answer(applied bool) {
	if w.c.one(3) {
		w.answers = append(w.answers, applied)
		return
	}
	w.wire = append(w.wire, message{answer: true, applied: applied})
}

// since is what happened to the buffer since version; ok is false when the editor does not remember.
func (w *world) since(version int32) (editops.ChangeSet, bool) {
	for i, p := range w.history {
		if p.version == version {
			set := p.set
			for _, q := range w.history[i+1:] {
				set, _ = set.Compose(q.set)
			}
			return set, true
		}
	}
	set, _ := editops.NewChangeSet(len(w.buf))
	return set, version == w.tick
}

// judge notes when an edit is about to land elsewhere than it was meant for.
func (w *world) judge(r request, e editops.Edit) {
	// The text that the machine meant it for, as the buffer was then.
	then, ok := editops.ChangeSet{}, false
	if w.kind == eglot {
		set, err := editops.FromSequential(len(w.before), w.unsynced)
		then, ok = set, err == nil
	} else if then, ok = w.since(r.version); !ok && w.kind == kakoune {
		ok = false
	}
	if !ok || then.LenBefore() < r.edit.End {
		w.damaged = "landed in an unknown text"
		return
	}
	want, err := editops.NewChangeSet(then.LenBefore(), r.edit)
	if err != nil {
		w.damaged = "landed in another text"
		return
	}
	got, _ := editops.NewChangeSet(len(w.buf), e)
	for _, first := range []bool{false, true} {
		if mapped, err := want.Map(then, first); err == nil && sameEffect(String(w.buf), mapped, got) {
			return
		}
	}
	w.damaged = "landed in the wrong place"
	for _, r := range w.buf[e.Start:e.End] {
		w.eaten[r] = true
	}
}

// rebase applies an edit as it is for the version it was made for.
func (w *world) rebase(r request) {
	then, ok := w.since(r.version)
	if !ok {
		w.logf("editor does not remember version %d", r.version)
		return
	}
	set, err := editops.NewChangeSet(then.LenBefore(), r.edit)
	if err != nil {
		panic(err)
	}
	mapped, _ := set.Map(then, w.c.n(2) == 1)
	edits := mapped.Edits()
	if len(edits) == 0 {
		w.logf("editor has nothing left to apply")
		return
	}
	if w.kind == zedOver && len(edits) > 1 {
		e := editops.Edit{Start: edits[0].Start, End: edits[len(edits)-1].End}
		for _, x := range edits {
			e.New += x.New
		}
		w.damaged = "wrote over what was typed"
		edits = []editops.Edit{e}
	}
	w.logf("editor applies %v", edits)
	for i := len(edits) - 1; i >= 0; i-- {
		w.edit(edits[i], true)
	}
}

func (w *world) applyLate() {
	r := w.late[0]
	w.late, w.lateKeys = w.late[1:], 0
	w.rebase(r)
}

// user does something.
func (w *world) user() {
	if len(w.late) > 0 { // it is late by a keystroke or two, not by a minute
		if w.lateKeys++; w.lateKeys > 2 {
			w.applyLate()
		}
	}
	if w.c.one(12) {
		if k := len(w.undo) - 1; k >= 0 && w.undo[k].ours {
			e := w.undo[k].inverse
			w.logf("user undoes the edit at %d", e.Start)
			w.undone = true
			for _, r := range w.buf[e.Start:e.End] {
				w.deleted[r] = true
			}
			w.edit(e, false)
			return
		}
	}
	w.userEdits++
	// Places between runes, the region's more often than others.
	var places []int
	for i, r := range w.buf {
		if r != '\n' || i == 0 || w.buf[i-1] != '\r' {
			places = append(places, i)
		}
	}
	places = append(places, len(w.buf))
	at := places[w.c.n(len(places))]
	if w.c.n(2) == 1 { // goes on where it was
		at = places[len(places)-1]
		for _, p := range places {
			if p >= w.last {
				at = p
				break
			}
		}
	}
	switch w.c.n(8) {
	case 0, 1, 2, 3:
		w.insert(at, false)
	case 4:
		w.insert(at, true)
	case 5, 6: // backspace
		if at > 0 {
			w.remove(places[slices.Index(places, at)-1], at)
		}
	case 7: // a stretch
		i := slices.Index(places, at)
		w.remove(at, places[min(len(places)-1, i+1+w.c.n(6))])
	}
}

func (w *world) insert(at int, enter bool) {
	text := string(w.nextTyped)
	w.typed = append(w.typed, w.nextTyped)
	w.nextTyped++
	if enter {
		w.newlines++
		if w.c.n(2) == 0 {
			text = w.end + text
		} else {
			text += w.end
		}
	}
	w.last = at + len(text)
	w.logf("user types %s at %d", show(text), at)
	w.edit(editops.Edit{Start: at, End: at, New: text}, false)
}

func (w *world) remove(from, to int) {
	w.logf("user deletes %s at %d", show(w.buf[from:to]), from)
	for _, r := range w.buf[from:to] {
		if r == '\n' || r == '\r' {
			w.cutLines = true
		} else {
			w.deleted[r] = true
		}
	}
	w.last = from
	w.edit(editops.Edit{Start: from, End: to}, false)
}

// deliver hands the next message to the machine.
func (w *world) deliver() {
	msg := w.wire[0]
	w.wire = w.wire[1:]
	if msg.answer {
		w.logf("machine hears applied: %v", msg.applied)
		w.m.Replied(msg.applied)
	} else {
		w.logf("machine hears %v, version %d: %s", msg.edits, msg.version, show(msg.text))
		w.doc, w.version = msg.text, msg.version
		w.m.Changed(msg.edits, String(msg.text), msg.version)
	}
	w.fits()
	w.pump()
}

// fits checks that all change sets of the machine are for each other's texts.
func (w *world) fits() {
	for _, s := range w.m.streams {
		if s.void {
			continue
		}
		e := s.changes().LenAfter()
		p := e
		if f := w.m.ahead(s); f != nil {
			if f.set.LenBefore() != e || f.cs.LenBefore() != e || f.cs.LenAfter() != f.set.LenAfter() {
				w.failf("stream %d: the edit on its way does not fit the engine text", s.id)
			}
			p = f.set.LenAfter()
		}
		if s.applied.LenBefore() != len(s.orig) || s.user.LenBefore() != e || s.user.LenAfter() != s.end-s.start || s.pending.LenBefore() != p {
			w.failf("stream %d: applied %v, user %v, pending %v, region [%d,%d)", s.id, s.applied, s.user, s.pending, s.start, s.end)
		}
		for _, g := range slices.Concat(w.m.ghosts, w.m.rejected) {
			if g.s == s && g.set.LenBefore() != e {
				w.failf("stream %d: an edit that may arrive does not fit the engine text", s.id)
			}
		}
	}
}

// pump sends what the machine has to send, and checks it.
func (w *world) pump() {
	for {
		s, ok := w.m.Next()
		if !ok {
			return
		}
		e := s.Edit
		w.logf("machine sends [%d,%d) %s for version %d", e.Start, e.End, show(e.New), s.Version)
		if s.Version != w.version {
			w.failf("version %d is not the document's, %d", s.Version, w.version)
		}
		if e.Start < 0 || e.End < e.Start || e.End > len(w.doc) || e.Start == e.End && e.New == "" {
			w.failf("range [%d,%d) in a document of %d bytes", e.Start, e.End, len(w.doc))
			return
		}
		if start, end := w.m.Region(s.Streams[0]); e.Start < start || e.End > end {
			w.failf("edit [%d,%d) leaves its region [%d,%d)", e.Start, e.End, start, end)
		}
		if old := w.doc[e.Start:e.End]; !utf8.ValidString(old) || !utf8.ValidString(w.doc[e.End:]) {
			w.failf("edit [%d,%d) cuts a rune", e.Start, e.End)
		} else if splits(w.doc, e.Start) || splits(w.doc, e.End) {
			w.failf("edit [%d,%d) cuts a line end in two", e.Start, e.End)
		} else if strings.ContainsFunc(old, isUser) && w.turns == 0 {
			w.failf("edit [%d,%d) deletes what the user typed: %s", e.Start, e.End, show(old))
		}
		w.inbox = append(w.inbox, request{s.Version, positionAt(w.doc, e.Start), positionAt(w.doc, e.End), e.New, e})
		if len(w.inbox) > 1 {
			w.failf("two edits on their way")
		}
	}
}

// write makes a model write some more.
func (w *world) write(md *model) {
	if w.redirects && w.c.one(5) {
		w.redirect(md)
	}
	if md.done {
		return
	}
	n := min(len(md.text), 1+w.c.n(12))
	chunk := md.text[:n]
	md.text = md.text[n:]
	w.m.Push(md.id, md.diff.Push(chunk), md.diff.Settled())
	if md.text == "" {
		md.done = true
		w.m.Push(md.id, md.diff.Finish(), md.diff.Settled())
		w.m.Finish(md.id)
		w.logf("model %d is done: %s", md.id, show(md.diff.Text()))
	}
	w.pump()
}

func (w *world) run() {
	for range 8 + w.c.n(40) {
		if w.fault != "" {
			return
		}
		if w.c.one(w.pace) {
			w.user()
		} else {
			w.step(w.c.n(10))
		}
	}
	for _, md := range w.models {
		for !md.done {
			w.write(md)
		}
	}
	w.rest()
}

// rest lets everything come to its end, while the user rests.
func (w *world) rest() {
	for w.fault == "" {
		switch {
		case len(w.inbox) > 0:
			w.receive()
		case len(w.answers) > 0:
			w.wire = append(w.wire, message{answer: true, applied: w.answers[0]})
			w.answers = w.answers[1:]
		case len(w.late) > 0:
			w.applyLate()
		case len(w.unsynced) > 0:
			w.sync()
		case len(w.wire) > 0:
			w.deliver()
		case w.m.Busy() && w.nudges < 8:
			// An edit that the editor dropped in silence is known as such at the next keystroke only.
			w.nudges++
			w.userEdits++
			w.insert(len(w.buf), false)
		default:
			return
		}
	}
}

func (w *world) step(k int) {
	switch {
	case k < 3 && len(w.models) > 0:
		w.write(w.models[w.c.n(len(w.models))])
	case k < 5 && len(w.inbox) > 0:
		w.receive()
	case k < 7 && len(w.wire) > 0:
		w.deliver()
	case k == 7 && len(w.answers) > 0:
		w.wire = append(w.wire, message{answer: true, applied: w.answers[0]})
		w.answers = w.answers[1:]
	case k == 8 && len(w.late) > 0:
		w.applyLate()
	case k == 8:
		w.sync()
	case k == 9 && w.c.one(30) && len(w.models) > 0:
		md := w.models[w.c.n(len(w.models))]
		w.logf("stop %d", md.id)
		w.m.Stop(md.id)
	default:
		if len(w.wire) > 0 {
			w.deliver()
		} else if len(w.inbox) > 0 {
			w.receive()
		}
	}
}

// without leaves out line ends, what the user typed and what the user deleted.
func (w *world) without(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || isUser(r) || w.deleted[r] || w.excused && w.eaten[r] {
			return -1
		}
		return r
	}, text)
}

// check is what must hold at the end.
func (w *world) check() {
	if w.fault != "" {
		return
	}
	if w.buf != w.doc || w.m.doc.Slice(0, w.m.doc.Len()) != w.buf {
		w.failf("the machine's document is not the buffer")
		return
	}
	ended, reported := true, false
	for _, id := range w.ids {
		st := w.m.State(id)
		w.logf("stream %d: %v %s %+v", id, st, w.m.Reason(id), w.m.Stats(id))
		ended = ended && st.Ended()
		reported = reported || st == Lost && w.m.Reason(id) != ""
		w.undone = w.undone || st == Undone // deleting what was written, and just that, is taking it back
		if st != Done && st.Ended() && w.m.Reason(id) == "" {
			w.failf("stream %d is %v without a reason", id, st)
		}
		if st == Lost && w.damaged == "" && !w.m.Truthful && !(w.m.DropsStale && w.m.flight == nil && w.startTick > 0) {
			w.alarm = true // the same text can come about in more than one way; stopping is the safe guess
			return
		}
		if st == Lost && w.damaged == "" {
			w.failf("stream %d is lost (%s), though the editor did nothing wrong", id, w.m.Reason(id))
		}
	}
	if !ended {
		w.failf("a stream did not end")
		return
	}
	fault := w.textFault(w.buf)
	if w.damaged != "" {
		// What no server can prevent must at least be said.
		halted := slices.ContainsFunc(w.ids, func(id StreamID) bool { return w.m.State(id) == Paused || w.m.State(id) == Undone })
		if fault == "" || reported || halted {
			return
		}
		// Text that an edit in the wrong place deleted may look as if the user had deleted it.
		w.excused = true
		w.silent = true
		if w.full || w.joined {
			return // and so may text that the user changed before the editor told of either: counted, see TestSimulation
		}
		if fault := w.textFault(w.buf); fault != "" {
			w.failf("in silence (%s): %s", w.damaged, fault)
		}
		return
	}
	if fault != "" {
		if w.blind() {
			w.silent = true
			return
		}
		if w.kind == zedLate && slices.ContainsFunc(w.ids, func(id StreamID) bool { return w.m.State(id) != Done && w.m.Stats(id).Repaired > 0 }) {
			w.alarm = true // an edit that arrived twice, cut in two by the next one: it is said, and not repaired
			return
		}
		w.failf("%s", fault)
		return
	}
	twice := w.kind == zedLate && slices.ContainsFunc(w.ids, func(id StreamID) bool { return w.m.Stats(id).Repaired > 0 })
	if w.undone || w.blind() || twice {
		return
	}
	if w.c.n(2) == 1 {
		w.resume()
	}
	if w.c.n(2) == 1 {
		w.reject()
	} else {
		w.checkAfterwards()
	}
}

// blind says that no server could have known: the editor told of several changes as one, and the user had deleted
// something, perhaps what the stream had just written.
func (w *world) blind() bool { return (w.full || w.joined) && len(w.deleted) > 0 }

// textFault says what is wrong with a final text.
func (w *world) textFault(text string) string {
	count := map[rune]int{}
	for _, r := range text {
		count[r]++
	}
	// So it is with what the user typed before a model changed its mind.
	underway := w.halfway || w.turns > 0 && slices.ContainsFunc(w.ids, func(id StreamID) bool { return w.m.State(id) != Done })
	for r, n := range count {
		// A model that writes an original line anew, further down, has it twice until it is done.
		// Of an edit that arrived twice, the second may still be there when the stream is paused; it is in Rest.
		if n > 1 && !underway && (isUser(r) || isModel(r) && w.kind != zedLate) {
			return fmt.Sprintf("%s stands %d times in %s", show(string(r)), n, show(text))
		}
	}
	for _, r := range w.typed {
		if w.damaged != "" && !w.told[r] || w.excused && w.eaten[r] {
			continue // overwritten before the editor told of it: the text is as if it had never been typed
		}
		if !w.deleted[r] && count[r] != 1 && !(underway && count[r] > 0) {
			return fmt.Sprintf("typed %s is lost from %s", show(string(r)), show(text))
		}
	}
	if w.undone {
		return ""
	}
	if w.end == "\r\n" && strings.Count(text, "\r") != strings.Count(text, "\r\n") || w.end == "\r\n" && strings.Count(text, "\n") != strings.Count(text, "\r\n") {
		return fmt.Sprintf("mixed line ends in %s", show(text))
	}
	// With what was not delivered, the text is the model's in every region.
	set, _ := editops.NewChangeSet(len(text))
	for _, id := range w.ids {
		rest, err := editops.NewChangeSet(len(text), w.m.Rest(id)...)
		if err != nil {
			return fmt.Sprintf("rest of %d: %v", id, err)
		}
		mapped, _ := rest.Map(set, false)
		set, _ = set.Compose(mapped)
	}
	full, _ := set.Apply(text)
	want := w.target()
	got, without := w.without(full), w.without(want)
	if w.full || w.joined || w.kind == zedLate && len(w.ids) > 1 {
		// Two regions that have come to meet may be filled in either order by an edit that had been given up.
		// Where a stretch was told of as new, the place within it is anybody's guess, and what stood there before
		// counts as typed: then nothing must be lost, and nothing of the model's doubled.
		for _, r := range without {
			if !strings.ContainsRune(got, r) {
				return fmt.Sprintf("%s is lost from %s", show(string(r)), show(got))
			}
		}
	} else if got != without {
		return fmt.Sprintf("got  %s\nwant %s", show(got), show(without))
	}
	if w.userEdits == 0 && full != want {
		return fmt.Sprintf("nobody typed, got %s\nwant %s", show(full), show(want))
	}
	// Of two changes told as one, a blank line that came and one that went may look like none.
	if got, want := strings.Count(full, "\n"), strings.Count(want, "\n")+w.newlines; !w.cutLines && w.damaged == "" && !w.joined && !w.full && got != want {
		return fmt.Sprintf("%d line ends, want %d, in %s", got, want, show(full))
	}
	return ""
}

// target is the document with every region as its model wants it.
func (w *world) target() string {
	text := w.start
	for i := len(w.models) - 1; i >= 0; i-- { // regions are in order
		md := w.models[i]
		at := len(md.outer[0])
		text = text[:at] + md.diff.Text() + text[at+len(md.start):]
	}
	return text
}

// resume lets what was stopped or paused go on.
func (w *world) resume() {
	for _, id := range w.ids {
		if st := w.m.State(id); st != Paused && st != Stopped {
			continue
		}
		w.logf("resume %d", id)
		if err := w.m.Resume(id); err != nil {
			w.failf("resume %d: %v", id, err)
			return
		}
	}
	w.pump()
	w.rest()
	for _, id := range w.ids {
		if st := w.m.State(id); st != Done && w.damaged == "" && !w.joined && !w.full && w.fault == "" {
			w.failf("stream %d is %v after all (%s)", id, st, w.m.Reason(id))
		}
	}
	if fault := w.textFault(w.buf); fault != "" && w.fault == "" && w.damaged == "" && !w.blind() {
		w.failf("resumed: %s", fault)
	}
}

// reject takes everything back in the editor, hunk by hunk or at once, and wants the original.
func (w *world) reject() {
	if w.fault != "" || w.damaged != "" || w.blind() {
		return
	}
	w.unsynced = nil
	for _, id := range w.ids {
		hunk := w.c.n(2) - 1
		for tries := 0; len(w.m.Hunks(id)) > 0; tries++ {
			edits, err := w.m.Reject(id, hunk)
			if err != nil || tries > 20 {
				w.failf("reject %d of %d: %v, hunks %+v", hunk, id, err, w.m.Hunks(id))
				return
			}
			w.logf("reject %d of %d: %v", hunk, id, edits)
			for i := len(edits) - 1; i >= 0; i-- {
				w.edit(edits[i], true)
			}
			w.rest()
		}
		if edits, err := w.m.Reject(id, -1); err != nil || len(edits) > 0 {
			w.failf("rejecting %d a second time: %v, %v", id, edits, err)
		}
	}
	w.checkAfterwards()
}

// checkAfterwards rejects everything and wants the original back.
func (w *world) checkAfterwards() {
	set, _ := editops.NewChangeSet(len(w.buf))
	for _, id := range w.ids {
		edits, err := w.m.Reject(id, -1)
		if err != nil {
			w.failf("reject %d: %v", id, err)
			return
		}
		one, err := editops.NewChangeSet(len(w.buf), edits...)
		if err != nil {
			w.failf("reject %d: %v", id, err)
			return
		}
		mapped, _ := one.Map(set, false)
		set, _ = set.Compose(mapped)
		for _, h := range w.m.Hunks(id) {
			if start, end := w.m.Region(id); h.Start < start || h.End < h.Start || h.End > end {
				w.failf("hunk %+v is not in [%d,%d)", h, start, end)
			}
		}
	}
	text, _ := set.Apply(w.buf)
	// Of a deletion told as one, nobody can say which part was whose.
	oneByOne := !w.full && !w.joined || w.userEdits == 0
	if got, want := w.without(text), w.without(w.start); got != want && oneByOne {
		w.failf("rejected: got  %s\nwant %s", show(got), show(want))
	}
	if w.userEdits == 0 && text != w.start {
		w.failf("rejected, and nobody typed: got %s\nwant %s", show(text), show(w.start))
	}
	for _, r := range w.typed {
		if n := strings.Count(text, string(r)); !w.deleted[r] && n != 1 && (w.turns == 0 || n == 0) {
			w.failf("rejected: typed %s is lost from %s", show(string(r)), show(text))
		}
	}
}

// play runs one simulation; a panic is a fault.
func play(c *choices, trace *strings.Builder) (w *world) {
	w = newWorld(c, trace)
	defer func() {
		if p := recover(); p != nil {
			w.failf("panic: %v", p)
			w.logf("%s", debug.Stack())
		}
	}()
	w.run()
	w.check()
	return w
}

// shrink makes a failing sequence of choices smaller, as long as it fails.
func shrink(data []uint16) []uint16 {
	class := func(d []uint16) string {
		f := play(&choices{data: slices.Clone(d)}, nil).fault
		return f[:min(len(f), 8)]
	}
	fault := class(data)
	fails := func(d []uint16) bool { return class(d) == fault }
	for again, budget := true, 20_000; again && budget > 0; {
		again = false
		for size := len(data) / 2; size > 0; size /= 2 {
			for at := 0; at+size <= len(data) && budget > 0; {
				budget--
				d := append(slices.Clone(data[:at]), data[at+size:]...)
				if fails(d) {
					data, again = d, true
				} else {
					at += size
				}
			}
		}
		for i := range data {
			if data[i] == 0 {
				continue
			}
			for _, v := range []uint16{0, data[i] % 16, data[i] / 2} {
				budget--
				d := slices.Clone(data)
				d[i] = v
				if v < data[i] && fails(d) {
					data, again = d, true
					break
				}
			}
		}
	}
	return data
}

// TestSimulation covers D5 (nothing is sent for an old version), D9, D10 and D15.
func TestSimulation(t *testing.T) {
	runs := 100_000
	if testing.Short() {
		runs = 3_000
	}
	if *simRuns > 0 {
		runs = *simRuns
	}
	if *simSeed != 0 {
		var trace strings.Builder
		w := play(&choices{rnd: rand.New(rand.NewSource(*simSeed))}, &trace)
		t.Logf("seed %d: %s\n%s", *simSeed, w.fault, trace.String())
		if w.fault != "" {
			t.Fail()
		}
		return
	}
	var next, failed atomic.Int64
	var mu sync.Mutex // guards what follows
	outcome := map[kind]map[string]int{}
	var sum Stats
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				seed := next.Add(1)
				if seed > int64(runs) || failed.Load() > 0 {
					return
				}
				seed += *simFrom
				c := &choices{rnd: rand.New(rand.NewSource(seed))}
				w := play(c, nil)
				mu.Lock()
				if outcome[w.kind] == nil {
					outcome[w.kind] = map[string]int{}
				}
				for _, id := range w.ids {
					outcome[w.kind][w.m.State(id).String()]++
					st := w.m.Stats(id)
					sum.Sent += st.Sent
					sum.Resent += st.Resent
					sum.Refused += st.Refused
					sum.Dropped += st.Dropped
					sum.Applied += st.Applied
					sum.Repaired += st.Repaired
					sum.UserEdits += st.UserEdits
				}
				if w.damaged != "" {
					outcome[w.kind]["damaged by the editor"]++
				}
				if w.alarm {
					outcome[w.kind]["false alarm"]++
				}
				if w.silent {
					outcome[w.kind]["silent"]++
				}
				if w.nudges > 0 {
					outcome[w.kind]["waited for a keystroke"]++
				}
				mu.Unlock()
				if w.fault != "" && failed.Add(1) == 1 {
					small := shrink(c.data)
					var trace strings.Builder
					play(&choices{data: small}, &trace)
					t.Errorf("seed %d: %s\nshrunk to %d choices %v:\n%s", seed, w.fault, len(small), small, trace.String())
				}
			}
		})
	}
	wg.Wait()
	for k := range kinds {
		o := outcome[k]
		t.Logf("%-9v %v", k, o)
		if runs < 20_000 || t.Failed() {
			continue
		}
		// The runs must be worth something: most streams arrive, some do not, and what can not be known or is taken
		// for something else stays as rare as it is today.
		all := o["done"] + o["paused"] + o["stopped"] + o["undone"] + o["lost"]
		rare := map[kind]int{eglot: 100, kakoune: 25, zedLate: 50}[k] // one in so many
		if rare == 0 {
			rare = 200
		}
		if o["done"] < all*3/4 || o["paused"] == 0 || o["undone"] == 0 || o["stopped"] == 0 {
			t.Errorf("%v: too few ends of a kind: %v", k, o)
		}
		if o["silent"] > all/rare+1 || o["false alarm"] > all/rare+1 {
			t.Errorf("%v: silent or alarmed too often: %v", k, o)
		}
	}
	t.Logf("%+v", sum)
	if sum.Repaired == 0 || sum.Dropped == 0 || sum.Refused == 0 || sum.Resent == 0 {
		t.Errorf("not everything was played: %+v", sum)
	}
}
