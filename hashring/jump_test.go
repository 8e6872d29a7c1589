package hashring

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestJump compares with published vectors: of go-jump, and of Guava for 100 buckets.
func TestJump(t *testing.T) {
	for i, want := range []int{0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 17, 17} {
		require.Equal(t, want, Jump(1, i+1))
	}
	for i, want := range []int{0, 1, 2, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 16, 16, 16} {
		require.Equal(t, want, Jump(0xdeadbeef, i+1))
	}
	for key, want := range []int{0, 55, 62, 8, 45, 59, 86, 97, 82, 59, 73, 37, 17, 56, 86, 21, 90, 37, 38, 83} {
		require.Equal(t, want, Jump(uint64(key), 100))
	}
	require.Equal(t, 6, Jump(10863919174838991, 11))
	require.Equal(t, 80343, Jump(2, 100001))
	require.Panics(t, func() { Jump(1, 0) })
	for _, n := range []int{10, 100} { // 1/(n+1) of the keys move, all to the new bucket
		moved := 0
		for key := range uint64(100_000) {
			before, after := Jump(key*0x9e3779b97f4a7c15, n), Jump(key*0x9e3779b97f4a7c15, n+1)
			if before != after {
				require.Equal(t, n, after)
				moved++
			}
		}
		require.InEpsilon(t, 1/float64(n+1), float64(moved)/100_000, 0.05)
	}
}
