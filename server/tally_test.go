package server

import "testing"

// Continuations are asked for on credit: where they are not used they stop, and a long while of acceptances later
// one is tried again; where they are used they never stop.
func TestPrefetchPaysOrStops(t *testing.T) {
	var ty tally
	tried := 0
	for range 100 {
		if ty.mayPrefetch() {
			tried++
			ty.prefetched(prefetchTokens, false)
		}
	}
	if tried != prefetchCredit/prefetchTokens {
		t.Errorf("%d continuations were asked for in vain", tried)
	}
	acceptances := 0
	for !ty.mayPrefetch() && acceptances < 100 {
		ty.accepted(10)
		acceptances++
	}
	if acceptances < 5 || acceptances > 20 {
		t.Errorf("tried again after %d acceptances", acceptances)
	}
	var useful tally
	for i := range 200 {
		if !useful.mayPrefetch() {
			t.Fatalf("stopped after %d although every other one was used", i)
		}
		useful.prefetched(prefetchTokens, i%2 == 0)
	}
	if c := useful.now(); c.PrefetchUsed != 100 {
		t.Errorf("%+v", c)
	}
}
