package hashring

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// exactly is -ln((s|1)/2⁶⁴), which near 1 is not the logarithm of a number that has been
// rounded.
func exactly(s uint64) float64 {
	if s |= 1; s < 1<<63 {
		return -math.Log(float64(s) / (1 << 64))
	}
	return -math.Log1p(-float64(-s) / (1 << 64))
}

// TestMinusLog: the result is as exact as it says, and at least 1-u, at the ends of intervals
// and anywhere. Planted and caught: a term less, z/4 for z/3, a table of another sign, a unit
// less, which makes 0 of the lowest.
func TestMinusLog(t *testing.T) {
	rng := seed.New(t)
	numbers := []uint64{0, 1, 2, 3, math.MaxUint64, math.MaxUint64 - 1, math.MaxUint64 - 2}
	for k := range uint64(512) {
		for shift := range 56 { // of 9 bits
			numbers = append(numbers, k<<shift-1, k<<shift, k<<shift+1)
		}
	}
	for range 100_000 {
		numbers = append(numbers, rng.Uint64()>>rng.IntN(64), -rng.Uint64()>>rng.IntN(64))
	}
	worst := 0.0
	for _, s := range numbers {
		got, want := float64(minusLog(s)), exactly(s)*(1<<logUnit)
		worst = max(worst, (math.Abs(got-want)-2)/want)
		if tangent := ^s/64 + min(^s%64, 1); minusLog(s) < max(tangent, 1) {
			require.GreaterOrEqual(t, minusLog(s), max(tangent, 1), "%#x", s)
		}
	}
	require.Less(t, worst, math.Exp2(-38))
	require.Greater(t, worst, math.Exp2(-39), "a statement that is too weak")
}

// TestMinusLogVectors: these are the numbers on every machine.
func TestMinusLogVectors(t *testing.T) {
	for s, want := range map[uint64]uint64{
		0: 0xb17217f7d1ceaec1, 1: 0xb17217f7d1ceaec1, 1 << 32: 0x58b90bfbe4e6f2a1,
		1<<62 + 1: 0x58b90bfbe8db242, 1<<63 - 1: 0x2c5c85fdf473de2, 1 << 63: 0x2c5c85fdf467462,
		0xdeadbeefdeadbeef: 0x8ecb5630af2fc6, 0xffffff0000000000: 0x400000200, math.MaxUint64 - 2: 1, math.MaxUint64: 1,
	} {
		require.Equal(t, want, minusLog(s), "%#x", s)
	}
}

// TestLogTable compares with ln(2) = 1/2 + 1/(2·4) + 1/(3·8) + …, in many digits.
func TestLogTable(t *testing.T) {
	ln2, power := new(big.Float).SetPrec(200), big.NewFloat(1).SetPrec(200)
	for i := range 200 {
		power.Quo(power, big.NewFloat(2))
		ln2.Add(ln2, new(big.Float).SetPrec(200).Quo(power, big.NewFloat(float64(i+1))))
	}
	units, _ := ln2.SetMantExp(ln2, logUnit).Uint64()
	require.InDelta(t, 0, int64(logTable[0].log-units), 8, "256 sums, each cut off at 2⁻⁶⁴")
	top := logTable[len(logTable)-1]
	require.Equal(t, logStep{inverse: 1 << 56}, top)
}
