package server

import "time"

// pace decides, for one document, how long a keystroke waits for the response that is already in flight before a new
// request takes its place. It is the only wait there is: without a response in flight a request leaves at once, and
// so does one whose text the response in flight contradicts.
//
// Superseding the response with every key, as a debounce of nothing does, shows nothing for as long as somebody
// types faster than the model begins to speak; a debounce shows nothing either, and costs its whole length after the
// last key. A response that has not said anything yet may well say what is being typed, so it is given the chance:
// until it should have spoken, or until the typing has paused, whichever comes first. Where the chances turn out bad
// fewer and fewer responses get one, so that the last key of a burst is likely to have left at once.
//
// It is pure: times come in. The suggester's lock guards it.
type pace struct {
	last     time.Time     // of the latest key
	interval time.Duration // between keys while somebody types, smoothed; 0 before it is known
	first    time.Duration // from request to first text, smoothed; 0 before it is known
	spread   time.Duration // how far first is off, smoothed
	misses   int           // responses in a row that were waited for in vain
	skip     int           // keys that are to supersede at once before the next wait
}

const (
	maxWait    = 75 * time.Millisecond  // the most that a key waits
	shortest   = 20 * time.Millisecond  // a rhythm faster than this is a key that is held down, or a macro
	pause      = 500 * time.Millisecond // a longer gap between keys is none of the rhythm
	unmeasured = 75 * time.Millisecond  // first, before anything is known of it
	shortWait  = 50 * time.Millisecond  // the least that a model is waited for before the embedded engine answers
	longWait   = 150 * time.Millisecond // a model that usually takes longer than this is not waited for longer
	slowest    = 3 * time.Second        // bounds the estimate of first
	maxMisses  = 5                      // 2^5-1 keys supersede at once at most
)

// key notes a keystroke.
func (p *pace) key(now time.Time) {
	gap := now.Sub(p.last)
	p.last = now
	switch {
	case gap >= pause:
		// A new burst: what is typed now has little to do with what was not foreseen before.
		p.misses, p.skip = 0, 0
	case p.interval == 0:
		p.interval = gap
	default:
		p.interval += (gap - p.interval) / 4
	}
}

// spoke notes how long a response took to its first text.
func (p *pace) spoke(took time.Duration) {
	if p.first == 0 {
		p.first, p.spread = took, took/4
		return
	}
	off := took - p.first
	p.first += off / 4
	p.spread += (max(off, -off) - p.spread) / 4
}

// late notes that a response was superseded when it had been silent for a while. Such responses are never measured,
// so the estimate would stay too low for good where it was the reason.
func (p *pace) late(silent time.Duration) {
	if silent >= p.expected() {
		p.first = min(2*p.expected(), slowest)
	}
}

func (p *pace) expected() time.Duration {
	if p.first == 0 {
		return unmeasured
	}
	return p.first + 2*p.spread + 2*time.Millisecond
}

// deadline is how long after it was asked a model may be silent before somebody else may answer: not before it can be
// expected to speak, unless that is too long to wait for in any case.
func (p *pace) deadline() time.Duration {
	if e := p.expected(); p.first > 0 && e <= longWait {
		return max(e, shortWait)
	}
	return shortWait
}

// judged notes whether a response that was waited for turned out to say what was typed meanwhile.
func (p *pace) judged(fits bool) {
	if fits {
		p.misses, p.skip = 0, 0
		return
	}
	p.misses = min(p.misses+1, maxMisses)
	p.skip = 1<<p.misses - 1
}

// wait is how long a key that comes now waits for a response that was asked for a while ago and has not spoken;
// 0 supersedes it.
func (p *pace) wait(asked time.Duration) time.Duration {
	if p.skip > 0 {
		p.skip--
		return 0
	}
	w := min(maxWait, p.expected()-asked)
	if p.interval > 0 {
		w = min(w, max(p.interval*3/2, shortest)) // long enough to see that no further key comes
	}
	return max(w, 0)
}

// reads is how long it takes yet, without a key, until the user can be taken to read what they have seen since a while
// ago: longer than the rhythm of the keys. 0 says that they read.
func (p *pace) reads(seen, now time.Time) time.Duration {
	if p.last.After(seen) {
		seen = p.last
	}
	return max(0, max(p.interval*3/2, maxWait)-now.Sub(seen))
}
