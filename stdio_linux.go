package main

import (
	"os"

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
	p.stdin, p.stdout = in, out
	return p, func() { inDone(); outDone() }
}

func polled[F any](f F) (F, func()) {
	asBefore := func() {}
	file, ok := any(f).(*os.File)
	if !ok {
		return f, asBefore
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return f, asBefore
	}
	fd := int(file.Fd())
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK != 0 {
		return f, asBefore
	}
	// Serve closes what it is given. The flag belongs to all copies, a waiting shell's too, and is taken back through
	// the one that stays open.
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return f, asBefore
	}
	if err := unix.SetNonblock(own, true); err != nil {
		unix.Close(own)
		return f, asBefore
	}
	return any(os.NewFile(uintptr(own), file.Name())).(F), func() { _ = unix.SetNonblock(fd, false) }
}
