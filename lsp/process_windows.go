package lsp

import (
	"context"
	"errors"

	"golang.org/x/sys/windows"
)

// processAlive reports whether the process exists. One that we may not open does.
func processAlive(pid int) bool {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return errors.Is(err, windows.ERROR_ACCESS_DENIED)
	}
	defer windows.CloseHandle(h) //nolint:errcheck // a handle that we opened
	event, err := windows.WaitForSingleObject(h, 0)
	return err != nil || event != windows.WAIT_OBJECT_0
}

// waitProcess returns true when the process is gone, false when ctx ended first or the process cannot be
// waited for. The handle that it holds keeps the number from being given to another process.
func waitProcess(ctx context.Context, pid int) bool {
	process, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return !errors.Is(err, windows.ERROR_ACCESS_DENIED)
	}
	defer windows.CloseHandle(process) //nolint:errcheck // a handle that we opened
	ended, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return false
	}
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		windows.SetEvent(ended) //nolint:errcheck // a handle that we opened
		close(set)
	})
	event, err := windows.WaitForMultipleObjects([]windows.Handle{process, ended}, false, windows.INFINITE)
	if !stop() {
		<-set
	}
	windows.CloseHandle(ended) //nolint:errcheck // a handle that we opened
	return err == nil && event == windows.WAIT_OBJECT_0
}
