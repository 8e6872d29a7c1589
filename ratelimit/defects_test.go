package ratelimit

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What has gone wrong in other limiters, each as a test of ours. (That no more than twice
// the limit goes over an edge is in TestEdge, and what becomes of floats in TestNaive.)

// TestTimesAlternate asks ten seconds from now, nine, ten, nine. Limiters that keep the
// time that they saw last have it go back, and give the second between twice: 19 or 29 of 10.
func TestTimesAlternate(t *testing.T) {
	for _, tr := range trials(Per(10, 10*time.Second), 10, 0) {
		var admitted int64
		for i := range 40 {
			for range 3 {
				if tr.l.TakeAt(tr.made.Add(time.Duration(10-i%2)*time.Second), 1).OK {
					admitted++
				}
			}
		}
		require.EqualValues(t, 10, admitted, tr.name)
	}
}

// TestNegative takes fewer than nothing: it is refused, and fills nothing.
func TestNegative(t *testing.T) {
	for _, tr := range trials(Per(10, time.Hour), 10, 0) {
		now := tr.made
		require.True(t, tr.l.TakeAt(now, 10).OK)
		before := tr.l.TakeAt(now, 0)
		for _, n := range []int64{-1, -50, math.MinInt64} {
			d := tr.l.TakeAt(now, n)
			require.False(t, d.OK, tr.name)
			require.Equal(t, Never, d.RetryAfter, tr.name)
			tr.l.Refund(n)
			refundAt(tr.l, now, n)
		}
		require.Equal(t, before, tr.l.TakeAt(now, 0), tr.name)
	}
	b := NewTokenBucket(Per(10, time.Hour), 10)
	require.False(t, b.AllowN(-50))
	require.False(t, b.Reserve(-50).OK())
	require.EqualValues(t, 0, b.Reserve(-50).Cancel())
	require.ErrorIs(t, b.Wait(t.Context(), -50), ErrTooMany)
	require.EqualValues(t, 10, b.Take(0).Remaining)
}

// TestCancelBefore cancels ten tokens, when somebody has reserved one behind them. One got
// nine back.
func TestCancelBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewTokenBucket(PerSecond(10), 10)
		first, second := b.Reserve(10), b.Reserve(1)
		require.Equal(t, 100*ms, second.Delay())
		require.EqualValues(t, 10, first.Cancel())
		require.Zero(t, first.Cancel())
		require.Zero(t, second.Delay())
		require.EqualValues(t, 9, b.Take(0).Remaining)
		require.EqualValues(t, 1, second.Cancel())
		require.EqualValues(t, 10, b.Take(0).Remaining)
	})
}

// TestAfterDebt reserves far more than there is, and then nobody comes for long: then
// there are two tokens, not one for each time that has passed.
func TestAfterDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewTokenBucket(PerSecond(10), 2)
		for range 5 {
			require.True(t, b.Reserve(2).OK())
		}
		pass(2 * time.Second) // 0.8 until the last turn, and a dozen times what fills the bucket
		require.True(t, b.AllowN(2))
		require.False(t, b.Allow())
	})
	for _, tr := range trials(PerSecond(10), 10, 0) {
		require.True(t, tr.l.TakeAt(tr.made, 10).OK)
		later := tr.made.Add(time.Hour + time.Second/2)
		require.True(t, tr.l.TakeAt(later, 10).OK, tr.name)
		require.False(t, tr.l.TakeAt(later, 1).OK, tr.name)
	}
}

// TestRates takes all that there is for a while. Limiters that divide the period by the
// events make 333,333,333 of 3 × 10^8 in a second, or a bit more than 3 of 3.
func TestRates(t *testing.T) {
	for _, c := range []struct {
		limit Limit
		times int64 // of the period
		at    int64 // so often in one
		least int64
	}{
		{PerSecond(3), 1000, 3_000, 2999},
		{PerSecond(3), 3, 9_000, 8},
		{PerSecond(7), 100, 7_000, 699},
		{PerSecond(3e8), 10, 1_000, 3e9 - 1},
		{PerSecond(999_999_937), 10, 1_000, 9_999_999_370 - 1},
		{PerSecond(1e9), 10, 1_000, 1e10},
		{Per(7, 365*24*time.Hour), 20, 700, 139}, // of 140 in 20 years
	} {
		g := NewGCRA(c.limit, max(2, c.limit.n/2))
		for g.TakeAt(g.made, 1+g.TakeAt(g.made, 0).Remaining/2).OK {
		}
		require.Zero(t, g.TakeAt(g.made, 0).Remaining)
		var taken int64
		for i := range c.times * c.at {
			now := g.made.Add(time.Duration(int64(c.limit.d) / c.at * (i + 1)))
			if n := g.TakeAt(now, 0).Remaining; n > 0 && g.TakeAt(now, n).OK {
				taken += n
			}
		}
		require.LessOrEqual(t, taken, c.limit.n*c.times, "%v", c.limit)
		require.GreaterOrEqual(t, taken, c.least, "%v", c.limit)
	}
}

// TestWallClockSteps sets the wall clock: times without a monotonic reading go an hour back, and forth.
// Nobody is locked out for longer than that, and there is never more than one burst.
func TestWallClockSteps(t *testing.T) {
	for _, tr := range trials(Per(10, time.Second), 10, 0) {
		wall := tr.made.Round(0)
		require.True(t, tr.l.TakeAt(wall, 10).OK)
		require.False(t, tr.l.TakeAt(wall.Add(-time.Hour), 1).OK, "%s: back", tr.name)
		require.False(t, tr.l.TakeAt(wall.In(time.FixedZone("", 3600)), 1).OK, "%s: another zone", tr.name)
		require.True(t, tr.l.TakeAt(wall.Add(time.Hour), 10).OK, "%s: forth", tr.name)
		require.False(t, tr.l.TakeAt(wall.Add(time.Hour), 1).OK, "%s: forth", tr.name)
		d := tr.l.TakeAt(wall, 1)
		require.False(t, d.OK, "%s: and back", tr.name)
		require.LessOrEqual(t, d.RetryAfter, time.Hour+2*time.Second)
	}
}

// TestImpossible makes limiters with impossible constants: some others divided by zero
// later, or took nil for a limiter.
func TestImpossible(t *testing.T) {
	for name, c := range map[string]struct {
		make func()
		want string
	}{
		"zero limit":        {func() { NewTokenBucket(Limit{}, 1) }, "ratelimit: NewTokenBucket: no limit given: use Per, PerSecond or Unlimited"},
		"leaky":             {func() { NewLeakyBucket(Limit{}, 1) }, "ratelimit: NewLeakyBucket: no limit given: use Per, PerSecond or Unlimited"},
		"gcra":              {func() { NewGCRA(Limit{}, 1) }, "ratelimit: NewGCRA: no limit given: use Per, PerSecond or Unlimited"},
		"queue":             {func() { NewLeakyQueue(Limit{}, 1, 0) }, "ratelimit: NewLeakyQueue: no limit given: use Per, PerSecond or Unlimited"},
		"fixed":             {func() { NewFixedWindow(Limit{}) }, "ratelimit: NewFixedWindow: no limit given: use Per, PerSecond or Unlimited"},
		"log":               {func() { NewSlidingLog(Limit{}) }, "ratelimit: NewSlidingLog: no limit given: use Per, PerSecond or Unlimited"},
		"counter":           {func() { NewSlidingCounter(Limit{}) }, "ratelimit: NewSlidingCounter: no limit given: use Per, PerSecond or Unlimited"},
		"no events":         {func() { PerSecond(0) }, "ratelimit: 0 events: want at least 1"},
		"negative events":   {func() { PerSecond(-1) }, "ratelimit: -1 events: want at least 1"},
		"nearly unlimited":  {func() { Per(-1, 0) }, "ratelimit: -1 events: want at least 1"},
		"no time":           {func() { Per(1, 0) }, "ratelimit: in 0s: want a positive time"},
		"negative time":     {func() { Per(1, -1) }, "ratelimit: in -1ns: want a positive time"},
		"too fast":          {func() { PerSecond(1e9 + 1) }, "ratelimit: 1000000001 events in 1s: more than one in a nanosecond"},
		"burst 0":           {func() { NewTokenBucket(PerSecond(1), 0) }, "ratelimit: NewTokenBucket: burst or capacity of 0: want 1 to 2^62"},
		"burst -1":          {func() { NewGCRA(PerSecond(1), -1) }, "ratelimit: NewGCRA: burst or capacity of -1: want 1 to 2^62"},
		"burst 2^62+1":      {func() { NewLeakyBucket(Unlimited, 1<<62+1) }, "ratelimit: NewLeakyBucket: burst or capacity of 4611686018427387905: want 1 to 2^62"},
		"negative slack":    {func() { NewLeakyQueue(PerSecond(1), 1, -1) }, "ratelimit: NewLeakyQueue: slack of -1ns"},
		"no slack":          {func() { NewTokenBucket(PerSecond(1), 1).SetSlack(-1) }, "ratelimit: SetSlack: -1ns"},
		"set limit":         {func() { NewTokenBucket(PerSecond(1), 1).SetLimit(Limit{}, 1) }, "ratelimit: SetLimit: no limit given: use Per, PerSecond or Unlimited"},
		"none of all":       {func() { All() }, "ratelimit: All: no limiters"},
		"nil in all":        {func() { All(NewGCRA(PerSecond(1), 1), nil) }, "ratelimit: All: a nil limiter"},
		"nil bucket in all": {func() { All((*TokenBucket)(nil)) }, "ratelimit: All: a nil limiter"},
	} {
		t.Run(name, func(t *testing.T) {
			require.PanicsWithValue(t, c.want, c.make)
		})
	}
}

// TestAttacker asks all the time, while he is refused and with numbers that are too large:
// it costs him nothing and does not change when the next event may happen.
func TestAttacker(t *testing.T) {
	for _, tr := range trials(Per(1, time.Second), 1, 0) {
		require.True(t, tr.l.TakeAt(tr.made, 1).OK)
		for at := time.Duration(0); at < time.Second; at += ms {
			for _, n := range []int64{0, 1, 2, math.MaxInt64, -1} {
				require.False(t, tr.l.TakeAt(tr.made.Add(at), n).OK)
			}
		}
		again := tr.made.Add(time.Second)
		if tr.name == "SlidingCounter" { // at the edge, the window before counts in whole
			again = tr.made.Add(2 * time.Second)
		}
		require.True(t, tr.l.TakeAt(again, 0).OK, tr.name)
		require.True(t, tr.l.TakeAt(again, 1).OK, tr.name)
	}
}

// TestExtremes takes all, gives it back, and looks as far as time goes, at limits where
// sums and products do not fit 64 bits.
func TestExtremes(t *testing.T) {
	for _, x := range extremes() {
		for _, tr := range trials(x.limit, x.burst, 0) {
			t.Run(fmt.Sprint(tr.name, " ", x.limit, " burst ", x.burst), func(t *testing.T) {
				most := tr.o.most()
				var steps []step
				for _, at := range []int64{0, midday - 1, midday, midday + 1, 2*midday - 3, 2*midday - 2} {
					last := int64(midday)
					for _, s := range steps {
						last = move(last, s.dt)
					}
					steps = append(steps,
						step{at - last, 0, false}, step{0, 1, false}, step{0, most, false}, step{0, most - 1, false}, step{0, 1, false},
						step{0, math.MaxInt64, false}, step{0, math.MinInt64, false}, step{1, 1, false}, step{-1, 1, false},
						step{0, 1, true}, step{0, most, true}, step{0, most, false}, step{0, math.MaxInt64, true}, step{0, most, false})
				}
				tr.play(t, steps)
			})
		}
	}
}
