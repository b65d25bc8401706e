//go:build !unix

package session

import "time"

var started = time.Now()

// cpuTime stands in by the wall clock where a process's CPU time is not to be had by package syscall.
func cpuTime() time.Duration { return time.Since(started) }
