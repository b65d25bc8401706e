package editops

import "strings"

// lineBuffer cuts a stream of chunks into lines. Line ends of any kind end a line, also when a \r and its \n come
// in different chunks.
type lineBuffer struct {
	partial []byte
	cr      bool // the last chunk ended in \r, whose line is out already
}

// push calls line for every line that the chunk completes, without its end. The line may alias the chunk.
func (b *lineBuffer) push(chunk string, line func(string)) {
	if b.cr && chunk != "" && chunk[0] == '\n' {
		chunk = chunk[1:]
		b.cr = false
	}
	for chunk != "" {
		b.cr = false
		i := strings.IndexAny(chunk, "\r\n")
		if i < 0 {
			b.partial = append(b.partial, chunk...)
			return
		}
		l := chunk[:i]
		if len(b.partial) > 0 {
			l = string(append(b.partial, l...))
			b.partial = b.partial[:0]
		}
		if chunk[i] == '\r' {
			if i+1 == len(chunk) {
				b.cr = true
			} else if chunk[i+1] == '\n' {
				i++
			}
		}
		chunk = chunk[i+1:]
		line(l)
	}
}

// rest returns the last line, if it has no end, and whether there is one.
func (b *lineBuffer) rest() (string, bool) {
	l := string(b.partial)
	b.partial = nil
	return l, l != ""
}
