//go:build unix

package lsp

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// processAlive reports whether the process exists. One that belongs to somebody else does.
func processAlive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// waitProcess returns true when the process is gone, false when ctx ended first.
func waitProcess(ctx context.Context, pid int) bool {
	tick := time.NewTicker(processPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if !processAlive(pid) {
				return true
			}
		}
	}
}
