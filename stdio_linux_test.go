package main

import (
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPolled holds that pipes and sockets an editor left blocking are waited for by the poller, so that closing them
// ends a read, and are left as they were found; and that nothing else is touched.
func TestPolled(t *testing.T) {
	blocks := func(fd int) bool {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			t.Fatal(err)
		}
		return flags&unix.O_NONBLOCK == 0
	}
	t.Run("pipe and socket", func(t *testing.T) {
		var in [2]int
		if err := syscall.Pipe2(in[:], syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		out, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(in[1])
		defer syscall.Close(out[1])
		stdin, stdout := os.NewFile(uintptr(in[0]), "stdin"), os.NewFile(uintptr(out[0]), "stdout")
		defer stdin.Close()
		defer stdout.Close()

		p, asBefore := process{stdin: stdin, stdout: stdout}.polled()
		if blocks(in[0]) || blocks(out[0]) {
			t.Error("the ends block")
		}
		if _, err := syscall.Write(in[1], []byte("hello")); err != nil {
			t.Fatal(err)
		}
		word := make([]byte, 5)
		if _, err := io.ReadFull(p.stdin, word); err != nil || string(word) != "hello" {
			t.Errorf("read %q, %v", word, err)
		}
		if _, err := p.stdout.Write(word); err != nil {
			t.Error(err)
		}
		if n, err := syscall.Read(out[1], word); n != 5 || err != nil {
			t.Errorf("the editor reads %d bytes, %v", n, err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := p.stdin.Read(word)
			read <- err
		}()
		if err := p.stdin.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
		if <-read == nil {
			t.Error("a read of what was closed succeeded")
		}
		asBefore()
		if !blocks(in[0]) || !blocks(out[0]) {
			t.Error("the ends are not as they were found")
		}
	})
	t.Run("file", func(t *testing.T) {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p, asBefore := process{stdin: f, stdout: io.Discard}.polled()
		defer asBefore()
		if p.stdin != io.Reader(f) || p.stdout != io.Discard {
			t.Error("something else than a pipe or a socket was changed")
		}
	})
}
