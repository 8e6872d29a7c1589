package vclock

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVectorFarApart compares numbers as far apart as they can be, as differ goes by the top bit of differences.
// Planted and caught: one that looks at the third bit, one that looks at differences of 32 bits.
func TestVectorFarApart(t *testing.T) {
	values := []uint64{1, 2, 1<<31 - 1, 1 << 31, 1<<32 + 1, 1 << 61, MaxCount - 1, MaxCount}
	rest := []uint64{5, 5, 5, 5, 5, 5, 5}
	names := rosterOf([]ID{"a", "b", "c", "d", "e", "f", "g", "h", "i"})
	of := func(known *roster, a, b uint64, n int) Vector {
		return tally{known.part(known.names()[:2+n]), append(numbers{a, b}, rest[:n]...)}.vector()
	}
	for i, n := range values {
		for j, m := range values {
			for _, more := range []int{1, 5, 7} {
				for _, own := range []bool{false, true} {
					v, w := of(names, n, m, more), of(names, m, n, more)
					if own {
						w = w.foreign()
					}
					want := Concurrent
					if i == j {
						want = Equal
					}
					require.Equal(t, want, v.Compare(w), "%v and %v", v, w)

					w = of(w.roster, m, m, more)
					want = []Ordering{Before, Equal, After}[1+max(-1, min(1, i-j))]
					require.Equal(t, want, v.Compare(w), "%v and %v", v, w)
					require.Equal(t, want.Reverse(), w.Compare(v))
					require.Equal(t, want != Before, v.Descends(w))
				}
			}
		}
	}
}
