package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// TestLoginAtATerminal: what is typed at the prompt is not shown.
func TestLoginAtATerminal(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip("no terminal:", err)
	}
	defer master.Close()
	defer slave.Close()
	h := newHome(t, nil)
	p, out, _ := h.process("", "login")
	p.stdin, p.stderr = slave, slave
	done := make(chan int, 1)
	go func() { done <- p.run(t.Context()) }()
	shown := make(chan string, 1)
	prompted := make(chan struct{})
	go func() {
		var all []byte
		asked := false
		buf := make([]byte, 1024)
		for {
			n, err := master.Read(buf)
			if all = append(all, buf[:n]...); err != nil {
				shown <- string(all)
				return
			}
			if n > 0 && !asked && bytes.Contains(all, []byte("Key for https://api.openai.com: ")) {
				asked = true
				close(prompted)
			}
		}
	}()
	<-prompted
	for { // until the terminal no longer shows what is typed into it
		state, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if state.Lflag&unix.ECHO == 0 {
			break
		}
	}
	if _, err := master.Write([]byte(loginKey + "\n")); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != 0 || !strings.Contains(out.String(), "keyring") {
		t.Errorf("exit code %d, %q", code, out)
	}
	slave.Close()
	master.Close()
	if text := <-shown; strings.Contains(text, loginKey) {
		t.Errorf("the terminal shows %q", text)
	}
	if h.ring.keys["spark-lsp https://api.openai.com"] != loginKey {
		t.Error("the key is not stored")
	}
}
