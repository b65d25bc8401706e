package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// polled lets Go's poller wait for the editor: pipes and sockets that the editor left us blocking, as most do, are read
// and written without blocking. done puts them back as they were found.
//
// A goroutine that blocks in read(2) keeps its processor until the runtime's monitor takes it away, for which that looks
// every 20 us at first, and for 10 ms, after every key: a quarter of the CPU time of somebody who types. A terminal or
// a file stays as it is, since others who share it would not expect it. So do other systems' pipes: Darwin's poller
// misses the end of some.
func (p process) polled() (_ process, done func()) {
	in, inDone := polled(p.stdin)
	out, outDone := polled(p.stdout)
	if in != nil {
		p.stdin = in
	}
	if out != nil {
		p.stdout = out
	}
	return p, func() { inDone(); outDone() }
}

// polled is nil for what stays as it is.
func polled(f any) (*polledFile, func()) {
	nothing := func() {}
	file, ok := f.(*os.File)
	if !ok {
		return nil, nothing
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return nil, nothing
	}
	fd := int(file.Fd())
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK != 0 {
		return nil, nothing
	}
	// Serve closes what it is given. The flag belongs to all copies, a waiting shell's too, and is taken back through
	// the one that stays open.
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, nothing
	}
	if err := unix.SetNonblock(own, true); err != nil {
		unix.Close(own)
		return nil, nothing
	}
	open := os.NewFile(uintptr(own), file.Name())
	raw, err := open.SyscallConn()
	if err != nil {
		open.Close()
		return nil, func() { _ = unix.SetNonblock(fd, false) }
	}
	return &polledFile{open, raw}, func() { _ = unix.SetNonblock(fd, false) }
}

// polledFile is a pipe or a socket that does not block.
type polledFile struct {
	*os.File
	raw syscall.RawConn
}

// TryWrite implements lsp.TryWriter. An error is met again by the Write that follows.
func (f *polledFile) TryWrite(p []byte) (n int) {
	_ = f.raw.Write(func(fd uintptr) bool {
		n, _ = unix.Write(int(fd), p)
		return true // whatever came of it: nobody waits
	})
	return max(n, 0)
}
