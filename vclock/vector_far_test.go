package vclock

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVectorFarApart compares numbers as far apart as they can be, as differ goes by the top bit of differences.
// Planted and caught: one that looks at the third bit, one that looks at differences of 32 bits.
func TestVectorFarApart(t *testing.T) {
	numbers := []uint64{1, 2, 1 << 31, 1<<32 + 1, 1 << 61, MaxCount - 1, MaxCount}
	for i, n := range numbers {
		for j, m := range numbers {
			for _, own := range []bool{false, true} {
				v, err := VectorOf(map[ID]uint64{"a": n, "b": m, "c": 5})
				require.NoError(t, err)
				w := tally{v.roster, []uint64{m, n, 5}}.vector()
				if own {
					w = w.foreign()
				}
				want := Concurrent
				if i == j {
					want = Equal
				}
				require.Equal(t, want, v.Compare(w), "%v and %v", v, w)

				w = tally{w.roster, []uint64{m, m, 5}}.vector()
				want = []Ordering{Before, Equal, After}[1+max(-1, min(1, i-j))]
				require.Equal(t, want, v.Compare(w), "%v and %v", v, w)
				require.Equal(t, want.Reverse(), w.Compare(v))
				require.Equal(t, want != Before, v.Descends(w))
			}
		}
	}
}
