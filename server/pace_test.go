package server

import (
	"testing"
	"time"
)

const ms = time.Millisecond

// typing makes the pace of somebody who types a key every interval.
func typing(interval time.Duration, keys int) pace {
	var p pace
	now := time.Unix(1000, 0)
	for range keys {
		p.key(now)
		now = now.Add(interval)
	}
	return p
}

func TestPaceWait(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval time.Duration
		firsts   []time.Duration // measured times to the first text
		asked    time.Duration   // how long the response in flight has been silent
		low, top time.Duration   // bounds of the wait
	}{
		{"nothing is known", 0, nil, 0, 75 * ms, 75 * ms},
		{"a burst, the model is about to speak", 30 * ms, []time.Duration{60 * ms, 60 * ms, 60 * ms}, 50 * ms, 10 * ms, 45 * ms},
		{"a burst, the model has just been asked: not longer than the rhythm", 30 * ms, []time.Duration{60 * ms}, 0, 45 * ms, 45 * ms},
		{"slow keys, a slow model: never longer than the cap", 200 * ms, []time.Duration{900 * ms}, 0, 75 * ms, 75 * ms},
		{"the model should have spoken long ago", 30 * ms, []time.Duration{20 * ms, 20 * ms, 20 * ms}, 200 * ms, 0, 0},
		{"a model at once", 30 * ms, []time.Duration{ms, ms, ms, ms}, 0, ms, 6 * ms},
	} {
		p := typing(c.interval, 20)
		for _, f := range c.firsts {
			p.spoke(f)
		}
		if w := p.wait(c.asked); w < c.low || w > c.top {
			t.Errorf("%s: waits %v, want %v to %v", c.name, w, c.low, c.top)
		}
	}
}

// In a burst that the model never foresees, waiting becomes rare, so that the last key has probably left at once;
// one that it does foresee is always waited for.
func TestPaceBacksOff(t *testing.T) {
	p := typing(30*ms, 3)
	p.spoke(60 * ms)
	waited := 0
	for range 200 {
		if p.wait(0) > 0 {
			waited++
			p.judged(false)
		}
	}
	if waited > 12 || waited < 2 {
		t.Errorf("%d of 200 keys waited for a response that never fitted", waited)
	}
	p.key(p.last.Add(time.Second))
	if p.wait(0) == 0 {
		t.Error("after a pause the old misses still count")
	}
	for range 50 {
		p.judged(true)
		if p.wait(0) == 0 {
			t.Error("a key superseded a response of the kind that fits")
		}
	}
}

// The embedded engine does not come before a model that answers in time, and does not wait for one that never does.
func TestPaceDeadline(t *testing.T) {
	for _, c := range []struct {
		first     time.Duration // 0: never measured
		low, high time.Duration
	}{
		{0, shortWait, shortWait},
		{10 * ms, shortWait, shortWait},
		{90 * ms, 90 * ms, longWait},
		{3 * time.Second, shortWait, shortWait},
	} {
		var p pace
		if c.first > 0 {
			for range 10 {
				p.spoke(c.first)
			}
		}
		if d := p.deadline(); d < c.low || d > c.high {
			t.Errorf("a model that takes %v: %v", c.first, d)
		}
	}
}

// A model that is slower than the typing must not be superseded for ever: the estimate grows until a response lives
// long enough to be measured.
func TestPaceLearnsSlowModels(t *testing.T) {
	p := typing(30*ms, 10)
	p.late(ms)
	if e := p.expected(); e != unmeasured {
		t.Errorf("one that had no time to speak counts: %v", e)
	}
	for range 4 {
		p.late(p.expected())
	}
	if e := p.expected(); e < 600*ms {
		t.Errorf("after four responses that were too late %v is expected", e)
	}
	for range 40 {
		p.late(time.Hour)
	}
	if e := p.first; e > slowest {
		t.Errorf("%v is expected", e)
	}
	for range 40 {
		p.spoke(100 * ms)
	}
	if e := p.expected(); e > 130*ms {
		t.Errorf("measured at 100 ms, %v is expected", e)
	}
}

// Who reads does not type: a continuation is not asked for in the middle of a burst, however slow its rhythm is, nor
// before there was time to look at what is shown.
func TestPaceReads(t *testing.T) {
	var p pace
	at := time.Unix(1000, 0)
	seen := at
	if w := p.reads(seen, at.Add(maxWait/2)); w != maxWait-maxWait/2 {
		t.Errorf("half a moment after it was shown: %v more", w)
	}
	for range 20 {
		at = at.Add(100 * time.Millisecond)
		if p.reads(seen, at) == 0 && p.interval > 0 {
			t.Fatal("between two keys of a burst")
		}
		p.key(at)
	}
	if w := p.reads(seen, at.Add(time.Second)); w != 0 {
		t.Errorf("a second after the last key: %v more", w)
	}
	if w := p.reads(at.Add(time.Second), at.Add(time.Second)); w <= 0 {
		t.Error("it has only just been shown")
	}
}
