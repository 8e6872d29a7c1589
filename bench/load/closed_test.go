package load

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// same is a worker that does the same thing for ever.
func same(do func() error) Worker[int] {
	return Worker[int]{
		Next: func() (int, error) { return 0, nil },
		Do:   func(int) error { return do() },
	}
}

// TestExactlySoManyOps is I2 and I3. The operations take a while, so that all
// workers have begun one before the first ends. Seen to fail with operations
// claimed when they end, not when they begin.
func TestExactlySoManyOps(t *testing.T) {
	for _, workers := range []int{0, 1, 3, 64} {
		for _, ops := range []uint64{1, 2, 1000} {
			synctest.Test(t, func(t *testing.T) {
				var done atomic.Uint64
				res, err := Closed(t.Context(), Options{Workers: workers, Ops: ops}, func(int) Worker[int] {
					return same(func() error { <-time.After(time.Millisecond); done.Add(1); return nil })
				})
				require.NoError(t, err)
				require.Equal(t, ops, done.Load())
				require.Equal(t, ops, res.Ops)
				require.Equal(t, ops, res.Latency.Count())
				require.Positive(t, res.PerSecond())
			})
		}
	}
}

// TestAtMostWorkersAtOnce is I1, and says that they do run at once: nobody
// gets past the rendezvous until all four are there.
func TestAtMostWorkersAtOnce(t *testing.T) {
	const workers = 4
	var active, most atomic.Int64
	arrived := make(chan struct{}, workers)
	all := make(chan struct{})
	go func() {
		for range workers {
			<-arrived
		}
		close(all)
	}()
	_, err := Closed(t.Context(), Options{Workers: workers, Ops: 400}, func(int) Worker[int] {
		return same(func() error {
			n := active.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			select {
			case arrived <- struct{}{}:
				<-all
			default:
			}
			active.Add(-1)
			return nil
		})
	})
	require.NoError(t, err)
	require.EqualValues(t, workers, most.Load())
}

// TestDurationTooShort: who comes too late, because the machine was busy, does one operation.
func TestDurationTooShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res, err := Closed(t.Context(), Options{Workers: 3, Duration: time.Millisecond}, func(int) Worker[int] {
			return Worker[int]{
				Next: func() (int, error) { <-time.After(time.Second); return 0, nil },
				Do:   func(int) error { return nil },
			}
		})
		require.NoError(t, err)
		require.EqualValues(t, 3, res.Ops)
	})
}

// TestDuration runs on a clock that moves only when all wait, so that the
// numbers are exact: 10 operations of 100 ms in a second.
func TestDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res, err := Closed(t.Context(), Options{Workers: 3, Duration: time.Second}, func(int) Worker[int] {
			return same(func() error { <-time.After(100 * time.Millisecond); return nil })
		})
		require.NoError(t, err)
		require.EqualValues(t, 30, res.Ops)
		require.Equal(t, time.Second, res.Elapsed)
		require.Equal(t, 30.0, res.PerSecond())
		require.Equal(t, 100*time.Millisecond, res.Latency.Min())
		require.Equal(t, 100*time.Millisecond, res.Latency.Max())
	})
}

// TestNextIsNotTimed: the input takes ten times as long as the operation, and
// the latency does not show it. The throughput does.
func TestNextIsNotTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res, err := Closed(t.Context(), Options{Ops: 10}, func(int) Worker[int] {
			return Worker[int]{
				Next: func() (int, error) { <-time.After(10 * time.Millisecond); return 0, nil },
				Do:   func(int) error { <-time.After(time.Millisecond); return nil },
			}
		})
		require.NoError(t, err)
		require.Equal(t, time.Millisecond, res.Latency.Max())
		require.Equal(t, 110*time.Millisecond, res.Elapsed)
	})
}

// TestCoordinatedOmission shows what doc.go warns of. 1 ms operations with one
// stall of a second in 10 s: a request that arrives at a random moment meets
// the stall with a probability of 10 %, and the closed loop's p99.9 knows
// nothing of it.
func TestCoordinatedOmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		res, err := Closed(t.Context(), Options{Duration: 10 * time.Second}, func(int) Worker[int] {
			return same(func() error {
				if n++; n == 5000 {
					<-time.After(time.Second)
				}
				<-time.After(time.Millisecond)
				return nil
			})
		})
		require.NoError(t, err)
		require.EqualValues(t, 9000, res.Ops)
		require.Less(t, res.Latency.Quantile(0.999), 2*time.Millisecond)
		require.Equal(t, 1001*time.Millisecond, res.Latency.Max(), "only the maximum saw it")
	})
}

// TestFirstErrorStopsAll is I4. Seen to hang with fail that does not stop.
func TestFirstErrorStopsAll(t *testing.T) {
	boom := errors.New("boom")
	res, err := Closed(t.Context(), Options{Workers: 4}, func(i int) Worker[int] {
		n := 0
		return same(func() error {
			if n++; i == 2 && n == 10 {
				return boom
			}
			return nil
		})
	})
	require.ErrorIs(t, err, boom)
	require.ErrorContains(t, err, "worker 2")
	require.GreaterOrEqual(t, res.Ops, uint64(9), "what was measured until then is there")
	require.Equal(t, res.Ops, res.Latency.Count(), "the failed one is not counted")
}

func TestErrorOfNext(t *testing.T) {
	boom := errors.New("boom")
	_, err := Closed(t.Context(), Options{Workers: 2}, func(int) Worker[int] {
		return Worker[int]{Next: func() (int, error) { return 0, boom }}
	})
	require.ErrorIs(t, err, boom)
}

func TestDone(t *testing.T) {
	left := 5
	res, err := Closed(t.Context(), Options{}, func(int) Worker[int] {
		return Worker[int]{
			Next: func() (int, error) {
				if left == 0 {
					return 0, fmt.Errorf("the script: %w", ErrDone)
				}
				left--
				return left, nil
			},
			Do: func(int) error { return nil },
		}
	})
	require.NoError(t, err)
	require.EqualValues(t, 5, res.Ops)
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	n := 0
	_, err := Closed(ctx, Options{}, func(int) Worker[int] {
		return same(func() error {
			if n++; n == 100 {
				cancel(why)
			}
			return nil
		})
	})
	require.ErrorIs(t, err, why)

	_, err = Closed(ctx, Options{Workers: 2}, func(int) Worker[int] {
		return same(func() error { return nil })
	})
	require.ErrorIs(t, err, why, "a context that is done before")
	_, err = Closed(ctx, Options{Ops: 1}, func(int) Worker[int] {
		return same(func() error { return nil })
	})
	require.ErrorIs(t, err, why, "whatever ends first")
}

func TestNothingMeasured(t *testing.T) {
	require.Zero(t, Result{}.PerSecond())
}

// BenchmarkClosed is the cost of the driver itself: an operation that does
// nothing.
func BenchmarkClosed(b *testing.B) {
	b.Run("impl=load/case=noop/n=1", func(b *testing.B) {
		b.ReportAllocs()
		_, err := Closed(b.Context(), Options{}, func(int) Worker[int] {
			return Worker[int]{
				Next: func() (int, error) {
					if !b.Loop() {
						return 0, ErrDone
					}
					return 0, nil
				},
				Do: func(int) error { return nil },
			}
		})
		require.NoError(b, err)
	})
}
