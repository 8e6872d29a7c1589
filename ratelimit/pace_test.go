package ratelimit

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// rate returns a pace's events per nanosecond.
func (p *pace) rate() *big.Rat {
	r := big.NewRat(1, p.unit)
	if p.speed != 0 {
		r.Mul(r, new(big.Rat).SetFrac(new(big.Int).SetUint64(p.speed), new(big.Int).Lsh(big.NewInt(1), 64+uint(p.shift))))
	}
	return r
}

// checkPace checks what pace.go promises of one: the rate is rounded down, and by less than
// a millionth; clock and until are exact.
func checkPace(t *testing.T, limit Limit, burst, ns int64) {
	t.Helper()
	p, err := makePace(limit, burst)
	require.NoError(t, err)
	want, got := big.NewRat(limit.n, int64(limit.d)), p.rate()
	require.LessOrEqual(t, got.Cmp(want), 0, "%v, burst %d: rounded up", limit, burst)
	low := new(big.Rat).Mul(want, big.NewRat(999_999, 1_000_000))
	require.Positive(t, got.Cmp(low), "%v, burst %d: rounded down too far", limit, burst)
	require.Equal(t, burst, p.full/p.unit)
	require.Zero(t, p.full%p.unit)
	require.LessOrEqual(t, p.full, int64(maxUnits))

	units := new(big.Rat).Mul(got, big.NewRat(p.unit, 1)) // in a nanosecond
	units.Mul(units, new(big.Rat).SetInt64(ns))
	floor := new(big.Int).Quo(units.Num(), units.Denom())
	c := p.at(ns)
	require.Equal(t, floor.Int64(), c.floor, "%v, burst %d at %d", limit, burst, ns)
	if units.IsInt() {
		require.Equal(t, c.floor, c.ceil)
	} else {
		require.Equal(t, c.floor+1, c.ceil)
	}
	wait := p.until(c.floor+1, ns)
	if at := ns + int64(wait); wait != Never && at < maxUnits {
		require.Greater(t, p.at(at).floor, c.floor)
		require.LessOrEqual(t, p.at(at-1).floor, c.floor)
	}
	require.Zero(t, p.until(c.floor, ns))
}

// TestPaceRounding shows how limits are rounded, and holds it at the extremes and at
// random. Planted and caught: the event's time rounded down where a unit is a nanosecond;
// the speed rounded up; a clock that ignores what the shift drops.
func TestPaceRounding(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, c := range []struct {
		limit Limit
		burst int64
	}{
		{PerSecond(100), 20}, {PerSecond(3), 1}, {PerSecond(7000), 5}, {PerSecond(300_000_000), 10},
		{PerSecond(1_000_000_000), 1 << 62}, {PerSecond(999_999_937), 7}, {Per(1, year), 1},
		{Per(1, year), 1 << 62}, {Per(1, time.Hour), 1 << 60}, {Per(3, 7), 1 << 61}, {Per(1, 1<<62), 1 << 62}, {Per(1, 1<<63-1), 1 << 62}, {Per(1<<63-1, 1<<63-1), 1},
	} {
		p, err := makePace(c.limit, c.burst)
		require.NoError(t, err)
		few := new(big.Rat).Quo(big.NewRat(3_000_000, 1), p.rate())
		t.Logf("%-26v burst %-20d unit %-20d speed %d/2^%d: 3,000,000 events in %s ns", c.limit, c.burst, p.unit, p.speed, 64+int(p.shift), few.FloatString(0))
		for _, ns := range []int64{0, 1, 2, 3, midday - 1, midday, midday + 1, maxUnits - 1} {
			checkPace(t, c.limit, c.burst, ns)
		}
	}
	r := seed.New(t)
	for range 2000 {
		d := 1 + r.Int64()>>r.IntN(63)
		n := min(d, 1+r.Int64()>>r.IntN(63))
		checkPace(t, Per(n, time.Duration(d)), 1+r.Int64N(maxUnits)>>r.IntN(62), r.Int64N(maxUnits))
	}
}
