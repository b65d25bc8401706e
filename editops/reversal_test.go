package editops

import "testing"

func TestD12ReversalRatio(t *testing.T) {
	for _, c := range []struct {
		name, before, now, after string
		from, to                 float64
	}{
		{"the deleted line again", "a⏎log(x)⏎b⏎", "a⏎b⏎", "a⏎log(x)⏎b⏎", 1, 1},
		{"the typed line away", "a⏎b⏎", "a⏎log(x)⏎b⏎", "a⏎b⏎", 1, 1},
		{"half of the deleted again", "a⏎log(x)⏎put(y)⏎b⏎", "a⏎b⏎", "a⏎log(x)⏎b⏎", 1, 1},
		{"the deleted line again, and more", "a⏎log(x)⏎b⏎", "a⏎b⏎", "a⏎log(x)⏎b⏎other(z, longer)⏎", 0.2, 0.6},
		{"something else", "a⏎log(x)⏎b⏎", "a⏎b⏎", "a⏎b⏎more()⏎", 0, 0},
		{"what follows from it", "f(a)⏎f(b)⏎", "g(a)⏎f(b)⏎", "g(a)⏎g(b)⏎", 0, 0},
		{"nothing", "a⏎", "b⏎", "b⏎", 0, 0},
	} {
		if got := ReversalRatio(unmark(c.before), unmark(c.now), unmark(c.after)); got < c.from || got > c.to {
			t.Errorf("%s: %.2f, want %.2f to %.2f", c.name, got, c.from, c.to)
		}
	}
}
