package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// TestVclockSpeed measures all cells for a moment, and holds what is counted: nothing allocates but what is merged.
//
// Planted and caught: batches taken for calls, in the rate and in the count; parts that count as rounds; a map that is
// merged in place.
func TestVclockSpeed(t *testing.T) {
	r := quietVclock()
	require.Len(t, r.speeds, 4*(len(clockEntries())+len(clockWorkers())))
	for _, c := range r.speeds {
		require.NoError(t, c.round(t.Context(), r.s.profile))
		require.NoError(t, c.round(t.Context(), r.s.profile))
		require.Same(t, c, r.speed(c.impl, c.op, c.entries, c.workers))
		result := c.result()
		require.Equal(t, "closed loop", result.Load)
		require.Equal(t, 2, result.Rounds)
		require.Equal(t, c.workers, result.Workers)
		require.Positive(t, result.Ops)
		require.Zero(t, result.Ops%clockBatch)
		require.LessOrEqual(t, result.Slowest, result.PerSecond)
		require.LessOrEqual(t, result.PerSecond, result.Fastest)
		require.GreaterOrEqual(t, result.PerSecond*result.Elapsed.Seconds(), float64(result.Ops)/10, "the rate is of calls, not of batches")
		if form.Raced() {
			continue // it allocates as well
		}
		switch {
		case c.op == opMerge && c.impl == implVector && c.entries > 4: // up to which numbers stand in the variable
			require.EqualValues(t, 1, c.allocs)
		case c.op == opMerge && c.impl == implVector:
			require.Zero(t, c.allocs)
		case c.op == opMerge:
			require.Greater(t, c.allocs, 1.0)
		default:
			require.Zero(t, c.allocs, c.name())
		}
	}
}

// TestMapVector: what vectors are compared with gives the same answers.
func TestMapVector(t *testing.T) {
	chance := seed.New(t)
	seen := map[vclock.Ordering]bool{}
	for range 500 {
		var v, w vclock.Vector
		x, y := mapVector{}, mapVector{}
		for i := range 3 {
			if n := uint64(chance.IntN(3)); n > 0 {
				_, err := v.Advance(replicaName(i), n)
				require.NoError(t, err)
				x[replicaName(i)] = n
			}
			if n := uint64(chance.IntN(3)); n > 0 {
				_, err := w.Advance(replicaName(i), n)
				require.NoError(t, err)
				y[replicaName(i)] = n
			}
		}
		require.Equal(t, v.Compare(w), x.compare(y), "%v %v", v, w)
		seen[v.Compare(w)] = true
		merged, before := x.merged(y), v
		v.Merge(w)
		require.Len(t, merged, v.Len())
		for id, n := range v.All() {
			require.Equal(t, n, merged[id])
		}
		for id, n := range before.All() {
			require.Equal(t, n, x[id], "the old one is as it was")
		}
	}
	require.Len(t, seen, 4)
}

// TestBadClockIsNotMeasured: what does something else than it should ends the round with an error, in what is
// counted and in what is timed. Planted and caught: no look at what a call has returned, in what is timed.
func TestBadClockIsNotMeasured(t *testing.T) {
	boom := errors.New("boom")
	for _, calls := range []int{1, overheadCounts + 1} {
		bad := func() func() clockCall {
			return func() clockCall {
				return func(int) error {
					if calls--; calls == 0 {
						return boom
					}
					return nil
				}
			}
		}
		require.ErrorIs(t, (&clockCell{workers: 1, make: bad}).round(t.Context(), tiny()[0]), boom)
	}
	require.ErrorIs(t, always(nil, boom)()(1), boom)
}
