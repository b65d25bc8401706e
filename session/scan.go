package session

import (
	"unicode/utf16"
	"unicode/utf8"
)

// scanned is what one pass over a frame's top level finds. Its slices alias the frame.
type scanned struct {
	kind    kind
	stream  []byte // stream_id; empty for the default lane
	delta   []byte // the delta's characters still escaped
	escapes bool   // delta holds backslashes
	seq     int    // sequence_number, -1 when there is none
	flat    bool   // no nested value was skipped, so every byte of the frame has been checked
}

// kind is an event type of the wire, as far as the session cares.
type kind uint8

const (
	kindOther kind = iota // any type that only shows that the response is alive
	kindTextDelta
	kindToolDelta
	kindTextDone
	kindToolDone
	kindRefusalDelta
	kindRefusalDone
	kindCreated
	kindQueued
	kindInProgress
	kindCompleted
	kindFailed
	kindIncomplete
	kindCancelled
	kindError
	kindInterruptAccepted
	kindSteerAccepted
	kindSteerPending
	kindSteerFailed
	kindRateLimits
	kindTiming
)

func kindOf(typ []byte) kind {
	switch string(typ) {
	case "response.output_text.delta":
		return kindTextDelta
	case "response.custom_tool_call_input.delta":
		return kindToolDelta
	case "response.output_text.done":
		return kindTextDone
	case "response.custom_tool_call_input.done":
		return kindToolDone
	case "response.refusal.delta":
		return kindRefusalDelta
	case "response.refusal.done":
		return kindRefusalDone
	case "response.created":
		return kindCreated
	case "response.queued":
		return kindQueued
	case "response.in_progress":
		return kindInProgress
	case "response.completed", "response.done":
		return kindCompleted
	case "response.failed":
		return kindFailed
	case "response.incomplete":
		return kindIncomplete
	case "response.cancelled":
		return kindCancelled
	case "error":
		return kindError
	case "response.interrupt.accepted":
		return kindInterruptAccepted
	case "response.steer.accepted":
		return kindSteerAccepted
	case "response.steer.pending":
		return kindSteerPending
	case "response.steer.failed":
		return kindSteerFailed
	case "codex.rate_limits":
		return kindRateLimits
	case "responsesapi.websocket_timing":
		return kindTiming
	}
	return kindOther
}

func (k kind) delta() bool { return k == kindTextDelta || k == kindToolDelta }

// terminal tells whether an event of a response ends it.
func (k kind) terminal() bool {
	switch k {
	case kindCompleted, kindFailed, kindIncomplete, kindCancelled, kindError:
		return true
	}
	return false
}

// scan reads the top level of one frame without allocating. It is guarded: a shape it was not written for
// (space between tokens, a key twice, a key that is not plain lower case, an escape outside the delta,
// broken UTF-8, numbers that are not small integers) makes it say false, and the caller decodes the frame
// with encoding/json. Nested values are skipped and make the result not flat. For a flat frame that it
// accepts, scan and encoding/json agree on every field; FuzzScan holds that.
func scan(b []byte) (s scanned, ok bool) {
	s.seq, s.flat = -1, true
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		return s, false
	}
	const (
		sawType = 1 << iota
		sawStream
		sawDelta
		sawSeq
	)
	saw := 0
	for i := 1; ; {
		if i >= len(b) || b[i] != '"' {
			return s, false
		}
		i++
		start := i
		for i < len(b) && keyByte[b[i]] {
			i++
		}
		key := b[start:i]
		if i+2 >= len(b) || b[i] != '"' || b[i+1] != ':' {
			return s, false
		}
		i += 2
		field := 0
		switch string(key) {
		case "type":
			field = sawType
		case "stream_id":
			field = sawStream
		case "delta":
			field = sawDelta
		case "sequence_number":
			field = sawSeq
		}
		if saw&field != 0 {
			return s, false
		}
		saw |= field

		switch c := b[i]; {
		case c == '"':
			i++
			start := i
			escapes, high := false, false
			for {
				for i < len(b) && plainByte[b[i]] {
					i++
				}
				if i >= len(b) {
					return s, false
				}
				if c := b[i]; c == '"' {
					break
				} else if c >= utf8.RuneSelf {
					high = true
					i++
				} else if c == '\\' && field == sawDelta {
					n := escapeLen(b[i:])
					if n == 0 {
						return s, false
					}
					escapes = true
					i += n
				} else {
					return s, false // a control character, or an escape where none is expected
				}
			}
			value := b[start:i]
			i++
			switch field {
			case sawType:
				if high {
					return s, false
				}
				s.kind = kindOf(value)
			case sawStream:
				if high {
					return s, false
				}
				s.stream = value
			case sawDelta:
				if high && !utf8.Valid(value) {
					return s, false
				}
				s.delta, s.escapes = value, escapes
			case sawSeq:
				return s, false
			}
		case c >= '0' && c <= '9':
			start, n := i, 0
			for i < len(b) && b[i] >= '0' && b[i] <= '9' {
				n = n*10 + int(b[i]-'0')
				i++
			}
			if i-start > 9 || (c == '0' && i-start > 1) {
				return s, false
			}
			if field == sawSeq {
				s.seq = n
			} else if field != 0 {
				return s, false
			}
		case c == 't' || c == 'f' || c == 'n':
			word := "true"
			if c == 'f' {
				word = "false"
			} else if c == 'n' {
				word = "null"
			}
			if field != 0 || len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
				return s, false
			}
			i += len(word)
		case c == '[' && b[i+1] == ']':
			if field != 0 {
				return s, false
			}
			i += 2
		case c == '[' || c == '{':
			n := skipNested(b[i:])
			if n == 0 {
				return s, false
			}
			if field == sawDelta { // some other event's delta; only text deltas are read here
				s.delta = nil
			} else if field != 0 {
				return s, false
			}
			s.flat = false
			i += n
		default:
			return s, false
		}

		if i >= len(b) {
			return s, false
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			if s.kind.delta() && saw&sawDelta == 0 {
				return s, false
			}
			return s, i == len(b)-1 && saw&sawType != 0
		default:
			return s, false
		}
	}
}

// keyByte holds the bytes of the keys that the protocol uses. With upper case excluded, encoding/json's
// folding of keys cannot make two of them equal.
var keyByte = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c] = true
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	t['_'] = true
	return t
}()

// plainByte holds the bytes that stand for themselves inside a JSON string.
var plainByte = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// escapeLen is the length of the escape that b begins with, 0 when it is not one.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads an escape of the form \uXXXX.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// skipNested is the length of the array or object that b begins with, 0 when it does not end in b. It
// counts brackets only; a frame whose nested values matter is decoded properly afterwards.
func skipNested(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if i >= len(b) {
				return 0
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// appendText appends the delta's text to dst. It cannot fail: scan has checked every escape.
func (s *scanned) appendText(dst []byte) []byte {
	b := s.delta
	if !s.escapes {
		return append(dst, b...)
	}
	for i := 0; i < len(b); {
		if b[i] != '\\' {
			start := i
			for i < len(b) && b[i] != '\\' {
				i++
			}
			dst = append(dst, b[start:i]...)
			continue
		}
		switch c := b[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(b[i:])
			i += 6
			if utf16.IsSurrogate(r) {
				low, ok := hex4(b[i:])
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					i += 6
				} else {
					r = utf8.RuneError // half a pair, as encoding/json has it
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		default: // quote, backslash, slash
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}
