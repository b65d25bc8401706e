package loopback

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// A string reads back as itself from every encoder of this package, invalid UTF-8 as the replacement character.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "q\"b\\", "\x00\x1f\n\r\t\x7f", "é🦜\u2028", "\xff\xc3(", "a\xe2\x82"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := string(must(json.Marshal(s)))
		var plain string
		ok(t, json.Unmarshal([]byte(want), &plain))
		for _, ascii := range []bool{false, true} {
			b := appendString(nil, s, ascii)
			var got string
			if err := json.Unmarshal(b, &got); err != nil || got != plain {
				t.Errorf("ascii %v: %q is written %s, read %q (%v)", ascii, s, b, got, err)
			}
			if !utf8.Valid(b) {
				t.Errorf("%q is written as invalid UTF-8", s)
			}
			for _, c := range b {
				if ascii && c >= utf8.RuneSelf {
					t.Errorf("%s is not ASCII", b)
				}
			}
		}
	})
}

func TestObjectKeepsItsOrder(t *testing.T) {
	o := newObject(false).str("type", "x").int("b", -1).bool("a", true).raw("n", "null").any("m", map[string]int{"k": 1}).obj("o", newObject(false))
	if got := string(o.bytes()); got != `{"type":"x","b":-1,"a":true,"n":null,"m":{"k":1},"o":{}}` {
		t.Error(got)
	}
	if got := string(o.str("z", "").bytes()); got != `{"type":"x","b":-1,"a":true,"n":null,"m":{"k":1},"o":{},"z":""}` {
		t.Error(got)
	}
}
