package hashring

import "math/bits"

// A weighted score needs a logarithm, and the same one everywhere: math.Log is written in
// assembly for some processors, and others may fuse a multiplication with an addition and
// round once instead of twice. So here is one of integers.
//
// The mantissa of a number is in one of 256 intervals from 1/2 to 1. With e, the end of
// its interval, and z, what is missing up to there as a part of e:
//
//	 u = 2⁻ⁿ · e · (1-z)
//	-ln(u) = n · ln(2) - ln(e) - ln(1-z)
//	-ln(1-z) = z + z²/2 + z³/3 + z⁴/4 + …   of which the rest is below z⁵/5 · 1.01
//
// e is in a table, z below 1/256. The first interval from the top has e = 1, so nothing is
// lost near u = 1, where the logarithm is almost 0 and where the highest scores are: the
// result is off by less than 2⁻³⁸ of itself, and besides by less than 2 units.

// logUnit is how many units a logarithm of 1 has, in bits: the largest one is 64·ln(2).
const logUnit = 58

// minusLog returns -ln((s|1)/2⁶⁴) in units of 2⁻⁵⁸. It is at least 1, and at least
// (2⁶⁴-1-s)/2⁶: the logarithm is never above the tangent, -ln(u) ≥ 1-u.
func minusLog(s uint64) uint64 {
	s |= 1 // neither end of the range from 0 to 2⁶⁴
	n := bits.LeadingZeros64(s)
	s <<= n
	at := &logTable[s>>(63-logSteps)-(1<<logSteps)+1]
	missing := (s>>(63-logSteps)+1)<<(63-logSteps) - s // up to 2⁵⁵
	z, _ := bits.Mul64(missing<<logSteps, at.inverse)
	zz, _ := bits.Mul64(z, z)
	more, _ := bits.Mul64(zz, 1<<63+z/3+zz/4)
	return uint64(n)*logTable[0].log + at.log + (z+more)>>(64-logUnit) + 1
}

// logSteps is how many intervals there are, in bits.
const logSteps = 8

// logStep is the end of an interval, e.
type logStep struct {
	inverse uint64 // 1/e, in units of 2⁻⁵⁶
	log     uint64 // -ln(e), in units of 2⁻⁵⁸
}

// logTable has the ends of intervals from 1/2, of which there ends none, to 1.
var logTable = makeLogTable()

// makeLogTable adds up the logarithms of the quotients of neighbours, from the top down. One
// of (k+1)/k is 2 · (x + x³/3 + x⁵/5 + …) with x = 1/(2k+1).
func makeLogTable() *[1<<logSteps + 1]logStep {
	var table [1<<logSteps + 1]logStep
	sum := uint64(0) // in units of 2⁻⁶⁴
	for i := len(table) - 1; i >= 0; i-- {
		k := uint64(i + 1<<logSteps)
		inverse, _ := bits.Div64(2, 0, k)
		table[i] = logStep{inverse, (sum + 1<<(63-logUnit)) >> (64 - logUnit)}
		power, _ := bits.Div64(2, 0, 2*k-1)
		for odd := uint64(1); power > 0; odd += 2 {
			sum += power / odd
			power /= (2*k - 1) * (2*k - 1)
		}
	}
	return &table
}
