package quiet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func blocks(t *testing.T, fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK == 0
}

// TestOpen holds that what blocks is waited for by the poller, so that closing it ends a read, and is left as it was
// found.
func TestOpen(t *testing.T) {
	for _, kind := range []string{"pipe", "socket"} {
		t.Run(kind, func(t *testing.T) {
			var ends [2]int // what the first reads the second wrote
			err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC)
			if kind == "socket" {
				ends, err = syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			}
			if err != nil {
				t.Fatal(err)
			}
			in, out := os.NewFile(uintptr(ends[0]), "in"), os.NewFile(uintptr(ends[1]), "out")
			defer in.Close()
			defer out.Close()
			r, rAsBefore := Open(in)
			w, wAsBefore := Open(out)
			if r == nil || w == nil || blocks(t, ends[0]) || blocks(t, ends[1]) {
				t.Fatal("the ends block")
			}

			// More than there is room for: what is tried comes first, the rest when there is room again.
			text := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
			tried := w.TryWrite(text)
			if tried <= 0 || tried == len(text) {
				t.Errorf("%d of %d bytes were written at once", tried, len(text))
			}
			if n := w.TryWrite(text); n != 0 && kind == "pipe" {
				t.Errorf("%d bytes were written where there is no room", n)
			}
			go func() {
				w.Write(text[tried:])
				w.Close()
				wAsBefore()
				out.Close()
			}()
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%d of %d bytes arrived, %v", len(got), len(text), err)
			}
			rAsBefore()
			if !blocks(t, ends[0]) {
				t.Error("the end is not as it was found")
			}
		})
	}
}

// TestClose holds that closing what is read ends the read.
func TestClose(t *testing.T) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(ends[1])
	in := os.NewFile(uintptr(ends[0]), "in")
	defer in.Close()
	r, asBefore := Open(in)
	defer asBefore()
	read := make(chan error, 1)
	go func() {
		_, err := r.Read(make([]byte, 1))
		read <- err
	}()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestOpenLetsBe holds that nothing but pipes and sockets that block is touched.
func TestOpenLetsBe(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(ends[1])
	polled := os.NewFile(uintptr(ends[0]), "polled")
	defer polled.Close()
	for _, v := range []any{file, polled, bytes.NewBuffer(nil), nil} {
		if f, _ := Open(v); f != nil {
			t.Errorf("%T was opened", v)
		}
	}
}

// TestConn holds that a quiet connection is one: it carries everything, knows deadlines, and tells a peer that hung up
// from one that has ended.
func TestConn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	text := bytes.Repeat([]byte("0123456789abcdef"), 256<<10)
	go func() {
		for range 2 {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				got := make([]byte, len(text))
				if n, err := io.ReadFull(c, got); err == nil {
					c.Write(got)
				} else if n > 0 { // reset rather than ended
					c.(*net.TCPConn).SetLinger(0)
				}
			}()
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if c = Conn(c); !isQuiet(c) {
			t.Fatalf("it is a %T", c)
		}
		return c
	}

	c := dial()
	defer c.Close()
	var timeout net.Error
	c.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("after its deadline a read says %v", err)
	}
	c.SetReadDeadline(time.Time{})
	go c.Write(text)
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(text), err)
	}

	c = dial()
	defer c.Close()
	if _, err := c.Write([]byte("half a word")); err != nil {
		t.Fatal(err)
	}
	if err := c.(*conn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	var failed *net.OpError
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &failed) {
		t.Errorf("a reset connection says %v", err)
	}
}

func isQuiet(c net.Conn) bool { _, ok := c.(*conn); return ok }
