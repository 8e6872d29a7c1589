package main

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/breaker"
	"github.com/plinth-go/plinth/internal/form"
)

// TestBreakerOverhead measures all guards for a moment, and holds what is counted.
//
// Planted and caught: a breaker that is not open; allocations of another number of calls; batches taken for
// calls, in the rate and in the count; a part that counts as a round; a guard more in the Chain; a cell
// of another number of goroutines; a row without a column.
func TestBreakerOverhead(t *testing.T) {
	s := breakerSession()
	if form.Raced() {
		s.profile.rounds = 1
	}
	r, err := runBreakerOverhead(t.Context(), s)
	require.NoError(t, err)
	require.Len(t, r.results(), len(overheadImpls())*len(overheadWorkers(s.profile)))
	for _, result := range r.results() {
		require.Equal(t, s.profile.rounds, result.Rounds, result.Experiment)
		require.Equal(t, "closed loop", result.Load)
		require.Positive(t, result.Ops)
		require.Zero(t, result.Ops%overheadBatch)
		require.Positive(t, result.Elapsed)
		require.LessOrEqual(t, result.Slowest, result.PerSecond)
		require.LessOrEqual(t, result.PerSecond, result.Fastest)
		require.GreaterOrEqual(t, result.PerSecond*result.Elapsed.Seconds(), float64(result.Ops)/10, "the rate is of calls, not of batches")
	}
	testParts(t, r.facts(), r.figures(), r.tables(), r.notes())
	for _, c := range r.cells {
		require.Same(t, c, r.cell(c.impl.name, c.workers))
	}
	for i, series := range r.figures()[0].Chart.(plot.Lines).Series {
		require.Len(t, series.Points, len(overheadWorkers(s.profile)))
		require.Equal(t, i == 0, series.Dashed, series.Name)
		for k, p := range series.Points {
			require.Equal(t, r.cell(series.Name, overheadWorkers(s.profile)[k]).rate(), p.Y)
		}
	}
	if form.Raced() {
		return // it allocates as well
	}
	for _, c := range r.cells {
		switch c.impl.name {
		case overheadTimeout:
			require.InDelta(t, 4, c.allocs, 1)
		case overheadHedge:
			require.InDelta(t, 8, c.allocs, 2)
		case overheadChain:
			require.Equal(t, r.cell(overheadTimeout, c.workers).allocs+3, c.allocs, "one for each guard but the last")
		default:
			require.Zero(t, c.allocs, c.impl.name)
		}
	}
}

// TestBreakerOverheadWorkers begins with one goroutine, and goes to four for each processor.
func TestBreakerOverheadWorkers(t *testing.T) {
	for _, p := range profiles() {
		workers := overheadWorkers(p)
		require.Equal(t, 1, workers[0])
		require.IsIncreasing(t, workers)
		require.LessOrEqual(t, workers[len(workers)-1], 4*runtime.GOMAXPROCS(0))
		require.Greater(t, workers[len(workers)-1], 2*runtime.GOMAXPROCS(0))
	}
}

// TestBadGuardIsNotMeasured: one that refuses what it should let through, or the other way round, ends the
// round with an error, and so does one that cannot be made.
//
// Planted and caught: no look at what a call has returned, in what is counted, or in what is timed.
func TestBadGuardIsNotMeasured(t *testing.T) {
	boom := errors.New("boom")
	round := func(impl overheadImpl) error {
		return (&overheadCell{impl: impl, workers: 2}).round(t.Context(), tiny()[0])
	}
	require.ErrorIs(t, round(overheadImpl{make: func(int) (breaker.Guard, error) { return nil, boom }}), boom)
	require.ErrorContains(t, round(overheadImpl{make: openBreaker}), "ended with breaker: open")
	bare := func(int) (breaker.Guard, error) { return bareCall{}, nil }
	require.ErrorContains(t, round(overheadImpl{make: bare, want: breaker.ErrOpen}), "ended with <nil>")
	for _, bad := range []int{3, overheadCounts + 7} { // a call that is counted, and one that is timed
		once := func(int) (breaker.Guard, error) { return &badOnce{calls: bad}, nil }
		require.ErrorContains(t, (&overheadCell{impl: overheadImpl{make: once}, workers: 1}).round(t.Context(), tiny()[0]), "ended with bad")
	}
}

// badOnce fails one call. It is not safe for concurrent use.
type badOnce struct{ calls int }

func (g *badOnce) Run(ctx context.Context, f func(context.Context) error) error {
	if g.calls--; g.calls == 0 {
		return errors.New("bad")
	}
	return f(ctx)
}

// TestLockedCount: what the guards are compared with does what it should.
func TestLockedCount(t *testing.T) {
	c := &lockedCount{room: 2}
	require.NoError(t, c.Run(t.Context(), func(ctx context.Context) error {
		return c.Run(ctx, func(ctx context.Context) error {
			require.ErrorIs(t, c.Run(ctx, nothing), breaker.ErrFull)
			return nil
		})
	}))
	require.NoError(t, c.Run(t.Context(), nothing))
	require.Zero(t, c.running)
}
