package lsp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"go.lsp.dev/protocol"
)

// DecodeParams decodes parameters of a call, or an argument of a command, into what v points to. raw is JSON and
// is not kept.
//
// It knows the protocol's unions, and one thing that the protocol's types do not: a line or character outside of
// uint32 means "as far as it goes", which clients send on purpose (Number.MAX_SAFE_INTEGER for the end of a
// line), so it becomes the nearest number that fits. Whole numbers may be written as 3.0 or 3e2. That holds for
// every member named line or character, wherever it is, but only where decoding fails without it.
//
// The error says in the client's words, not in Go's, which member does not decode, as in
// "range.start does not decode"; what v points to is then unspecified. The path may contain keys of a map, so
// the error is for the client and not for a log.
func DecodeParams(raw []byte, v any) error {
	if decodeParams(raw, v) == nil {
		return nil
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return errUndecodable
	}
	_, dropped := salvage(raw, func(b []byte) bool {
		return decodeParams(b, reflect.New(target.Type().Elem()).Interface()) == nil
	})
	if len(dropped) == 0 || dropped[0] == "" {
		return errUndecodable
	}
	return fmt.Errorf("%s does not decode", dropped[0])
}

var errUndecodable = errors.New("parameters do not decode")

// decodeParams is DecodeParams for those who do not show the error to anyone.
func decodeParams(raw []byte, v any) error {
	err := protocol.Unmarshal(raw, v)
	if err == nil {
		return nil
	}
	// What the first attempt left in v is no harm: the second meets the same members, and overwrites them.
	if clamped, changed := clampPositions(raw); changed {
		return protocol.Unmarshal(clamped, v)
	}
	return err
}

// clampPositions makes the lines and characters in raw fit into uint32, and reports whether any did not.
func clampPositions(raw []byte) ([]byte, bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out []byte
	var objects []bool // for each open bracket, whether it is an object's
	var name string
	copied, atName := 0, false
	for {
		token, err := dec.Token()
		if err != nil {
			break // the end; or not JSON, which the decoder finds too
		}
		switch t := token.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				atName = t == '{'
				objects = append(objects, atName)
				continue
			}
			objects = objects[:len(objects)-1]
		case string:
			if atName {
				name, atName = t, false
				continue
			}
		case json.Number:
			if len(objects) == 0 || !objects[len(objects)-1] || name != "line" && name != "character" {
				break
			}
			if fitting, ok := clampPosition(t.String()); ok {
				end := int(dec.InputOffset())
				out = append(out, raw[copied:end-len(t)]...)
				out = append(out, fitting...)
				copied = end
			}
		}
		atName = len(objects) > 0 && objects[len(objects)-1]
	}
	return append(out, raw[copied:]...), copied > 0
}

// clampPosition returns the number as the protocol wants it, and false when it is so already or cannot be.
func clampPosition(number string) (string, bool) {
	f, err := strconv.ParseFloat(number, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || f != math.Trunc(f) {
		return "", false
	}
	fitting := strconv.FormatUint(uint64(min(max(f, 0), math.MaxUint32)), 10)
	return fitting, fitting != number
}
