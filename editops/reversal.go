package editops

// ReversalRatio says how much of a proposed change takes back what the user has just done: 0 for a change that
// has nothing to do with it, 1 for one that only undoes. before is the text before the user's last edits, now
// the present one, after the one that is proposed. Whoever deletes a line does not want it proposed at once
// (D12); what ratio is too much is the caller's choice, 0.5 being a fair one.
//
// It is the detour that the proposal makes: as far as it leads back towards before, the way from before over
// now to after is longer than the straight one.
func ReversalRatio(before, now, after string) float64 {
	proposed := diffSize(now, after)
	if proposed == 0 {
		return 0
	}
	detour := diffSize(before, now) + proposed - diffSize(before, after)
	return min(1, max(0, float64(detour)/float64(2*proposed)))
}

// diffSize is the number of bytes that differ between two texts, on either side.
func diffSize(a, b string) int {
	n := 0
	for _, e := range Diff(a, b) {
		n += e.End - e.Start + len(e.New)
	}
	return n
}
