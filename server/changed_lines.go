package server

import "strings"

// changedLines are the lines of a text from the first to the last that is not in an older one.
func changedLines(old, now string) string {
	head, tail := inCommon(old, now)
	head = strings.LastIndexByte(now[:head], '\n') + 1
	end := len(now) - tail
	if n := strings.IndexByte(now[end:], '\n'); n >= 0 {
		return now[head : end+n]
	}
	return now[head:]
}

// inCommon is how many bytes two texts begin with, and then end with, that are the same.
func inCommon(a, b string) (head, tail int) {
	short := min(len(a), len(b))
	const step = 256 // bytes: compared at once where all is the same, as it mostly is
	for head+step <= short && a[head:head+step] == b[head:head+step] {
		head += step
	}
	for head < short && a[head] == b[head] {
		head++
	}
	for head+tail+step <= short && a[len(a)-tail-step:len(a)-tail] == b[len(b)-tail-step:len(b)-tail] {
		tail += step
	}
	for head+tail < short && a[len(a)-tail-1] == b[len(b)-tail-1] {
		tail++
	}
	return head, tail
}
