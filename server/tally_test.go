package server

import "testing"

// Continuations are asked for on credit: where they are not used they stop, and a long while of acceptances later
// one is tried again; where they are used they never stop.
func TestPrefetchPaysOrStops(t *testing.T) {
	var ty tally
	tried := 0
	for range 100 {
		if ty.mayPrefetch(speculated) {
			tried++
			ty.prefetched(speculated, prefetchTokens, false)
		}
	}
	if tried != prefetchCredit/prefetchTokens {
		t.Errorf("%d continuations were asked for in vain", tried)
	}
	acceptances := 0
	for !ty.mayPrefetch(speculated) && acceptances < 100 {
		ty.accepted(10)
		acceptances++
	}
	if acceptances < 5 || acceptances > 20 {
		t.Errorf("tried again after %d acceptances", acceptances)
	}
	var useful tally
	for i := range 200 {
		if !useful.mayPrefetch(speculated) {
			t.Fatalf("stopped after %d although every other one was used", i)
		}
		useful.prefetched(speculated, prefetchTokens, i%2 == 0)
	}
	if c := useful.now(); c.PrefetchUsed != 100 {
		t.Errorf("%+v", c)
	}
}

// What is asked for when a suggestion is accepted nearly always pays. It does not pay for what is asked for while one is
// read, nor does it stop with that.
func TestPrefetchAccountsAreApart(t *testing.T) {
	var ty tally
	for range prefetchCredit / prefetchTokens {
		ty.prefetched(speculated, prefetchTokens, false)
		ty.prefetched(accepting, prefetchTokens, true)
	}
	if ty.mayPrefetch(speculated) || !ty.mayPrefetch(accepting) {
		t.Errorf("while one reads: %v, when one accepts: %v", ty.mayPrefetch(speculated), ty.mayPrefetch(accepting))
	}
	var silent tally
	n := 0
	for ; silent.mayPrefetch(speculated) && n < 1000; n++ {
		silent.prefetched(speculated, 0, false) // abandoned before it said a word
	}
	if n == 1000 {
		t.Error("what is always abandoned at once is asked for for good")
	}
}
