package cache

import "testing"

// Kind is a type of values, of which a test makes one for each number. Those of
// one word are replaced in place (word.go), others with their item.
type Kind[V any] struct {
	Of     func(n int) V
	Number func(v V) int
}

// Pair is a value that is no word.
type Pair struct{ n, twice int }

// ForEveryKind runs a test with values that are numbers, pointers and neither.
// The functions are the same one, for the three types.
func ForEveryKind(t *testing.T, number func(*testing.T, Kind[int]), pointer func(*testing.T, Kind[*int]), whole func(*testing.T, Kind[Pair])) {
	t.Run("number", func(t *testing.T) { number(t, numbers()) })
	t.Run("pointer", func(t *testing.T) {
		pointer(t, Kind[*int]{func(n int) *int { return &n }, func(v *int) int {
			if v == nil {
				return 0
			}
			return *v
		}})
	})
	t.Run("whole", func(t *testing.T) { whole(t, pairs(t)) })
}

func numbers() Kind[int] {
	return Kind[int]{func(n int) int { return n }, func(v int) int { return v }}
}

func pairs(t *testing.T) Kind[Pair] {
	return Kind[Pair]{func(n int) Pair { return Pair{n, 2 * n} }, func(v Pair) int {
		if v.twice != 2*v.n {
			t.Errorf("a torn value: %v", v)
		}
		return v.n
	}}
}
