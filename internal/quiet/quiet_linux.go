package quiet

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// File is an end of a pipe, or a socket, that Go's poller waits for. It belongs to the caller, who closes it; that ends
// a Read in progress.
type File struct {
	*os.File
	raw syscall.RawConn
}

// Open returns v, where that is a pipe or a socket that blocks, as one that does not: editors hand over such. asBefore
// puts it back as it was found; v itself stays open. Anything else gives nil: a terminal or a file stays as it is, since
// others who share it would not expect it.
//
// A goroutine that blocks in read(2) keeps its processor until the monitor takes it away, for which that has to look for
// up to 10 ms at each key.
func Open(v any) (f *File, asBefore func()) {
	nothing := func() {}
	file, ok := v.(*os.File)
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
	// O_NONBLOCK belongs to all copies, a waiting shell's too. It is taken back through the one that stays open.
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, nothing
	}
	if err := unix.SetNonblock(own, true); err != nil {
		unix.Close(own)
		return nil, nothing
	}
	asBefore = func() { _ = unix.SetNonblock(fd, false) }
	opened := os.NewFile(uintptr(own), file.Name())
	raw, err := opened.SyscallConn()
	if err != nil {
		opened.Close()
		asBefore()
		return nil, nothing
	}
	return &File{opened, raw}, asBefore
}

func (f *File) Read(p []byte) (int, error) {
	n, errno, err := readSome(f.raw, p)
	switch {
	case errno != 0:
		err = &os.PathError{Op: "read", Path: f.Name(), Err: errno}
	case err != nil && err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded):
		err = &os.PathError{Op: "read", Path: f.Name(), Err: os.ErrClosed}
	}
	return n, err
}

// TryWrite writes what there is room for now, and says how much that was. An error is met again by the next Write.
func (f *File) TryWrite(p []byte) (n int) {
	_ = f.raw.Write(func(fd uintptr) bool {
		n, _ = write(fd, p)
		return true // whatever came of it: nobody waits
	})
	return n
}

// Conn is c, read and written quietly if it is a TCP connection. It takes c over.
func Conn(c net.Conn) net.Conn {
	if t, ok := c.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			return &conn{t, raw}
		}
	}
	return c
}

type conn struct {
	*net.TCPConn
	raw syscall.RawConn
}

func (c *conn) Read(p []byte) (int, error) {
	n, errno, err := readSome(c.raw, p)
	if errno != 0 {
		err = c.failed("read", errno)
	}
	return n, err
}

func (c *conn) Write(p []byte) (n int, err error) {
	for n < len(p) {
		var errno syscall.Errno
		if err := c.raw.Write(func(fd uintptr) bool {
			var some int
			some, errno = write(fd, p[n:])
			n += some
			return errno != syscall.EAGAIN
		}); err != nil {
			return n, err
		}
		if errno != 0 {
			return n, c.failed("write", errno)
		}
	}
	return n, nil
}

func (c *conn) failed(op string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, errno)}
}

// readSome waits until something can be read, and reads it. err is io.EOF at the end, and what the poller says of a
// closed file or a passed deadline.
func readSome(raw syscall.RawConn, p []byte) (n int, errno syscall.Errno, err error) {
	if len(p) == 0 {
		return 0, 0, nil
	}
	err = raw.Read(func(fd uintptr) bool {
		n, errno = read(fd, p)
		return errno != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return 0, 0, err
	case n == 0 && errno == 0:
		return 0, 0, io.EOF
	}
	return n, errno, nil
}
