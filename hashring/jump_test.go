package hashring

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
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

// naiveJump computes with numbers of 53 bits in software, in which nothing overflows.
func naiveJump(h uint64, buckets int) int {
	float := func(n int64) *big.Float { return new(big.Float).SetPrec(53).SetInt64(n) }
	at, next := int64(-1), int64(0)
	for next < int64(buckets) {
		at = next
		h = h*2862933555777941757 + 1
		quotient := float(0).Quo(float(1<<31), float(int64(h>>33)+1))
		product := float(0).Mul(float(at+1), quotient)
		next, _ = product.Int64() // or the highest, if it does not fit
		if product.Cmp(float(int64(buckets))) >= 0 {
			break
		}
	}
	return int(at)
}

// TestJumpAgainstNaive: on every machine the same, for as many buckets as an int can say.
//
// Planted and caught: a product that is converted before it is compared, which never ends with
// 2⁵³ buckets on amd64; <= for <; a float32; a generator that shifts by 32.
func TestJumpAgainstNaive(t *testing.T) {
	rng := seed.New(t)
	for _, h := range []uint64{0, 1, 1 << 63, math.MaxUint64} {
		require.Zero(t, Jump(h, 1))
	}
	const generator = 2862933555777941757
	inverse := uint64(generator)
	for range 6 { // Newton: each step doubles how many of the last bits of the product are right
		inverse *= 2 - generator*inverse
	}
	for i := range 31 { // the second bucket that a key moves to is exactly 1<<i
		h := ((1<<(31-i)-1)<<33 - 1) * inverse
		require.Zero(t, Jump(h, 1<<i), "%#x", h)
		require.Equal(t, 1<<i, Jump(h, 1<<i+1), "%#x", h)
	}
	hashes := 5000
	if form.Raced() {
		hashes = 500
	}
	for range hashes {
		h, buckets := rng.Uint64(), 1+rng.IntN(math.MaxInt)>>rng.IntN(31)
		for _, n := range []int{buckets, math.MaxInt, math.MaxInt - 1, math.MaxInt - 600, math.MaxInt>>10 + 2, 1 << 30} {
			got := Jump(h, n)
			require.True(t, 0 <= got && got < n, "%#x of %d", h, n)
			require.Equal(t, naiveJump(h, n), got, "%#x of %d", h, n)
		}
	}
}
