package loopback

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is what the process has used, user and system.
func cpuTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	ok(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
