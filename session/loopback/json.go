package loopback

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"unicode/utf8"
)

// object builds one JSON object whose keys keep the order in which they were added. A map would sort them,
// and the order in which the real service writes its keys (type first) is what a client's fast path is
// written for.
type object struct {
	b     []byte
	ascii bool // everything outside ASCII as \uXXXX
}

func newObject(ascii bool) *object {
	return &object{b: append(make([]byte, 0, 320), '{'), ascii: ascii}
}

func (o *object) key(k string) {
	if len(o.b) > 1 {
		o.b = append(o.b, ',')
	}
	o.b = appendString(o.b, k, o.ascii)
	o.b = append(o.b, ':')
}

func (o *object) str(k, v string) *object {
	o.key(k)
	o.b = appendString(o.b, v, o.ascii)
	return o
}

func (o *object) int(k string, n int) *object {
	o.key(k)
	o.b = strconv.AppendInt(o.b, int64(n), 10)
	return o
}

func (o *object) bool(k string, v bool) *object {
	o.key(k)
	o.b = strconv.AppendBool(o.b, v)
	return o
}

// raw adds a value that is JSON already.
func (o *object) raw(k, v string) *object {
	o.key(k)
	o.b = append(o.b, v...)
	return o
}

// any adds a value through encoding/json; what cannot be encoded is a bug of the caller and becomes null.
func (o *object) any(k string, v any) *object {
	o.key(k)
	b, err := marshal(v)
	if err != nil {
		b = []byte("null")
	}
	o.b = append(o.b, b...)
	return o
}

func (o *object) obj(k string, v *object) *object {
	o.key(k)
	o.b = append(o.b, v.bytes()...)
	return o
}

// bytes closes the object. It may be called more than once, and keys may be added after it.
func (o *object) bytes() []byte { return append(o.b[:len(o.b):len(o.b)], '}') }

// marshal is json.Marshal without the escaping of <, > and &, which no model server does.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. It is not encoding/json because a delta is most of the traffic and
// this server shares the cores with the client that is being measured.
func appendString(b []byte, s string, ascii bool) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[start:i]...), `\ufffd`...)
			i++
			start = i
			continue
		}
		if ascii {
			b = append(b, s[start:i]...)
			if r > 0xffff {
				r -= 0x10000
				b = appendEscape(b, 0xd800+(r>>10))
				r = 0xdc00 + (r & 0x3ff)
			}
			b = appendEscape(b, r)
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// shuffleKeys puts the keys of a JSON object into a random order; the values stay byte for byte.
func shuffleKeys(frame []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(frame, &fields) != nil {
		return frame
	}
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	o := newObject(false)
	for _, k := range keys {
		o.raw(k, string(fields[k]))
	}
	return o.bytes()
}

// randomLetters is what the obfuscation field is filled with.
func randomLetters(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b)
}
