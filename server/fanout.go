package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.lsp.dev/protocol"

	"github.com/spark-lsp/spark-lsp/editops"
	"github.com/spark-lsp/spark-lsp/lsp"
	"github.com/spark-lsp/spark-lsp/session"
)

// candidate is one of several answers to the same instruction.
type candidate struct {
	said     string   // in the model's own words
	text     string   // what it makes of the region
	name     string   // "candidate 2 of 3", "the second look"
	problems []string // what is wrong with it; see problemsOf
	votes    int      // how many of the answers were this one
	changed  int      // bytes that it inserts and deletes
	arrived  int
}

// better orders candidates: what applies and parses first, then what several answers agree on, then the lightest touch.
func better(a, b candidate) int {
	for _, d := range []int{len(a.problems) - len(b.problems), b.votes - a.votes, a.changed - b.changed, a.arrived - b.arrived} {
		if d != 0 {
			return d
		}
	}
	return 0
}

// straggle is how long a sound candidate waits for the others at least; it waits as long as it took itself. A lane that
// is silent, or asked again after a failure, is given up much later by its session, and the user waits meanwhile.
const straggle = 2500 * time.Millisecond

// fanOut asks for several answers at once, each on a lane of its own, and ranks them. There is one at least, or an
// error: that of the last answer that failed.
func (s *Server) fanOut(ctx context.Context, e *edit, d *document, model Model, n int, region string, report *editReport) ([]candidate, error) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	d.mu.Lock()
	if e.talk.next != nil {
		d.mu.Unlock()
		return nil, context.Canceled
	}
	e.talk.leave = leave // a redirection makes all of them needless
	req := session.Request{
		Job: session.Edit, Base: e.talk.base, Input: slices.Clip(e.talk.input), Explicit: true,
		MaxOutputTokens: maxEditTokens(len(region)), CacheKey: e.uri, Trace: report.trace(),
	}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		e.talk.leave = nil
		d.mu.Unlock()
	}()
	began := time.Now()
	var mu sync.Mutex // guards what follows
	var list []candidate
	var failure error
	var late *time.Timer
	ended := 0
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			defer s.guard("an answer")
			var b strings.Builder
			var err error
			complete, tokens := false, 0
			for ev, failed := range s.answerOf(ctx, model, req, e.task.own()) {
				if err = failed; err != nil {
					break
				}
				switch ev.Kind {
				case session.Delta:
					b.WriteString(ev.Text)
				case session.Done:
					tokens = ev.Usage.Output
					if complete = ev.Reason == session.Complete; !complete {
						err = fmt.Errorf("the model stopped early (%s)", ev.Reason)
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			ended++
			report.tokens += tokens
			if err == nil && complete {
				if c, bad := judged(e.task, region, b.String()); bad == nil {
					c.arrived = ended
					list = append(list, c)
					if late == nil && len(c.problems) == 0 {
						late = time.AfterFunc(max(straggle, time.Since(began)), leave)
					}
				} else {
					err = bad
				}
			}
			if err != nil {
				failure = err
			}
			report.progress.tell(fmt.Sprintf("%d of %s", ended, counted(n, "candidate", "candidates")))
		})
	}
	all.Wait()
	if late != nil {
		late.Stop()
	}
	if len(list) == 0 {
		return nil, failure
	}
	var distinct []candidate
	for _, c := range list {
		if i := slices.IndexFunc(distinct, func(o candidate) bool { return o.text == c.text }); i >= 0 {
			distinct[i].votes++
		} else {
			c.votes = 1
			distinct = append(distinct, c)
		}
	}
	slices.SortFunc(distinct, better)
	for i := range distinct {
		distinct[i].name = fmt.Sprintf("candidate %d of %d", i+1, len(distinct))
	}
	return distinct, nil
}

// judged is an answer as a candidate. The error is that of an answer which cannot be used at all.
func judged(t task, region, said string) (candidate, error) {
	ans := newAnswer(t.format, region, t)
	edits := append(ans.Push(said), ans.Finish()...)
	if err := ans.Err(); err != nil {
		return candidate{}, err
	}
	set, err := editops.FromSequential(len(region), edits)
	if err != nil {
		return candidate{}, err
	}
	c := candidate{said: said}
	if c.text, err = set.Apply(region); err != nil {
		return candidate{}, err
	}
	if left := ans.Left(); left != "" {
		c.problems = append(c.problems, left)
	}
	for e := range set.All() {
		c.changed += len(e.New) + e.End - e.Start
	}
	before := t.doc.Text.String()
	c.problems = append(c.problems, problemsOf(t.doc.LanguageID, before, before[:t.start]+c.text+before[t.end:])...)
	return c, nil
}

// candidateCommand puts the next candidate of an edit in the place of the one that is shown; after the last one comes
// the first. What the user has typed stays.
func (s *Server) candidateCommand(snap *lsp.Snapshot, arg json.RawMessage) (any, error) {
	d, e, _, err := s.reviewed(snap, cmdCandidate, arg)
	if err != nil || e == nil {
		return nil, err
	}
	d.mu.Lock()
	list := e.candidates
	next := 0
	if len(list) > 0 {
		next = (e.candidate + 1) % len(list)
	}
	d.mu.Unlock()
	if len(list) < 2 {
		s.say(protocol.MessageTypeInfo, "spark-lsp: there is no other candidate")
		return nil, nil
	}
	return s.show(d, e, next), nil
}

// show puts a candidate into the buffer.
func (s *Server) show(d *document, e *edit, n int) steered {
	d.mu.Lock()
	c := e.candidates[n]
	e.candidate = n
	d.mu.Unlock()
	out, err := s.resume(d, e, &turn{instruction: c.name, candidate: &c})
	if err != nil {
		return s.refuseSteer(err)
	}
	if len(c.problems) > 0 {
		s.say(protocol.MessageTypeWarning, "spark-lsp: %s: %s", c.name, strings.Join(c.problems, "; "))
	}
	return steered{Outcome: out}
}

// others reports whether an ended edit has another candidate to show, and its name.
func (s *Server) others(uri string) (name string, ok bool) {
	d := s.document(uri)
	if d == nil {
		return "", false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.done) == 0 {
		return "", false
	}
	e := d.done[len(d.done)-1]
	if len(e.candidates) < 2 {
		return "", false
	}
	return e.candidates[(e.candidate+1)%len(e.candidates)].name, true
}
