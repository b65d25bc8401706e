package lsp

import (
	"fmt"
	"time"

	"go.uber.org/zap"
)

// processPoll is how often a client's process is looked at where it cannot be waited for.
const processPoll = time.Second

// watchProcess ends the connection when the client's process dies, which it may do while something else holds
// the pipes open. A process that cannot be seen now is not watched: the number then comes from another
// namespace (a container, a remote host), and says nothing about the client.
func (s *server) watchProcess(pid int) {
	if pid <= 0 {
		return
	}
	if !processAlive(pid) {
		s.log.Info("the editor's process is not on this system and is not watched", zap.Int("pid", pid))
		return
	}
	s.background.Go(func() {
		if waitProcess(s.root, pid) {
			s.end(fmt.Errorf("%w: its process %d died", ErrClientGone, pid))
		}
	})
}
