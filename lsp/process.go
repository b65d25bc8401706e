package lsp

import (
	"fmt"
	"time"

	"go.uber.org/zap"
)

// processPoll is how often a client's process is looked at where it cannot be waited for.
const processPoll = 500 * time.Millisecond

// mayWatch reports whether a client's process can be watched. One that cannot be seen while the client waits for the
// answer to initialize is not: the number then comes from another namespace (a container, a remote host), and says
// nothing about the client. Seen later, it would be told from one that has just died no more.
func (s *server) mayWatch(pid int) bool {
	if pid <= 0 {
		return false
	}
	if !processAlive(pid) {
		s.log.Info("the editor's process is not on this system and is not watched", zap.Int("pid", pid))
		return false
	}
	return true
}

// watchProcess ends the connection when the client's process dies, which it may do while something else holds
// the pipes open.
func (s *server) watchProcess(pid int) {
	s.background.Go(func() {
		if waitProcess(s.root, pid) {
			s.end(fmt.Errorf("%w: its process %d died", ErrClientGone, pid))
		}
	})
}
