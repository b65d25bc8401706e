package loopback

import "strings"

// memory is a response that can be continued from: the chain of inputs and outputs up to it. It is immutable.
type memory struct {
	id     string
	parent *memory
	input  string
	output string
}

func (m *memory) appendTo(b *strings.Builder) {
	if m.parent != nil {
		m.parent.appendTo(b)
	}
	appendLine(b, m.input)
	appendLine(b, m.output)
}

// size is the length of the chain's text, bytes.
func (m *memory) size() int {
	n := 0
	for ; m != nil; m = m.parent {
		n += len(m.input) + len(m.output)
	}
	return n
}

// lane is one FIFO of a connection. Conn.mu guards it.
type lane struct {
	name   string
	active *Exchange // runs now
	latest *memory   // the only response of this lane that can be continued from
	moving bool      // active has started, so that latest may no longer be forked from another lane
}
