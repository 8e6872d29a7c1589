package breaker

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// naiveCalls keeps all calls there have ever been.
type naiveCalls []struct {
	bad bool
	at  int64
}

// last returns how many of the calls from some number on, or since some time, there are, and how
// many of them are bad.
func (n naiveCalls) last(calls int, since int64) (all, bad int64) {
	for i, c := range n {
		if i >= len(n)-calls && c.at >= since {
			all++
			if c.bad {
				bad++
			}
		}
	}
	return all, bad
}

// TestWindows compares both windows with all calls. Planted and caught: a window that is a bucket too
// long.
func TestWindows(t *testing.T) {
	rng := seed.New(t)
	for range 50 {
		n, width := 1+rng.IntN(20), int64(1+rng.IntN(5))
		calls, times := LastCalls(n).open(), lastTime(width*buckets).open()
		var all naiveCalls
		at := rng.Int64N(100)
		for range 300 {
			switch rng.IntN(10) {
			case 0:
				at += rng.Int64N(3 * width * buckets)
			case 1, 2, 3:
				at += rng.Int64N(width + 1)
			}
			bad := rng.IntN(3) == 0
			calls.add(bad, at)
			times.add(bad, at)
			all = append(all, struct {
				bad bool
				at  int64
			}{bad, at})
			look := at + rng.Int64N(2*width*buckets)*rng.Int64N(2)
			wantAll, wantBad := all.last(n, math.MinInt64)
			gotAll, gotBad := calls.sums(look)
			require.Equal(t, [2]int64{wantAll, wantBad}, [2]int64{gotAll, gotBad}, "last %d calls", n)
			wantAll, wantBad = all.last(len(all), (look/width-buckets+1)*width)
			gotAll, gotBad = times.sums(look)
			require.Equal(t, [2]int64{wantAll, wantBad}, [2]int64{gotAll, gotBad}, "last %d ns at %d", width*buckets, look)
		}
	}
}

// TestWindowsRace: whatever the order of those who count at the same time, nothing is lost.
// Planted, and caught within a few runs (-count=5) on two processors: an outcome that is loaded and stored
// instead of swapped. Planted and caught: a bucket that is stored, by two who both found an old one.
func TestWindowsRace(t *testing.T) {
	value := seed.Value(t)
	const goroutines, calling, each = 8, 100_000, 4000
	calls := LastCalls(1).open()
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(value, uint64(g)))
			for range calling { // so many that two processors are at it at once
				calls.add(rng.IntN(2) == 0, 0)
			}
		})
	}
	all.Wait()
	n, bad := calls.sums(0)
	require.EqualValues(t, 1, n)
	ring, sum := calls.(*callRing), int64(0)
	for i := range ring.ring {
		sum += int64(ring.ring[i].Load())
	}
	require.Equal(t, sum, bad)

	times := lastTime(buckets).open().(*timeRing)
	var turn atomic.Int64 // 2i+1: add to tenth i; 2i+2: done
	wait := func(what int64) {
		for turn.Load() != what {
			runtime.Gosched()
		}
	}
	go func() {
		for i := range int64(each) {
			wait(2*i + 1)
			times.add(true, i)
			turn.Store(2*i + 2)
		}
	}()
	for i := range int64(each) {
		turn.Store(2*i + 1)
		times.add(true, i)
		wait(2*i + 2)
		n, bad := times.sums(i)
		require.Equal(t, [2]int64{2 * min(i+1, buckets), 2 * min(i+1, buckets)}, [2]int64{n, bad}, "tenth %d", i)
	}
}

// TestWindowSlow: who looked at the clock long ago counts in what is now in the place of his
// bucket, and does not bring that back. Planted and caught: an old bucket that comes back.
func TestWindowSlow(t *testing.T) {
	times := lastTime(buckets).open()
	times.add(true, buckets)
	times.add(true, 0)
	n, bad := times.sums(buckets)
	require.Equal(t, [2]int64{2, 2}, [2]int64{n, bad})
}

// TestRates: when which rule opens.
func TestRates(t *testing.T) {
	const (
		good = iota
		bad
		slow
		late // bad and slow
	)
	for name, c := range map[string]struct {
		trip  Trip
		calls []int
		opens int // after so many; 0: never
	}{
		"too few":         {FailureRate(0.5, 5, LastCalls(10)), []int{bad, bad, bad, bad}, 0},
		"enough":          {FailureRate(0.5, 5, LastCalls(10)), []int{bad, bad, bad, bad, bad}, 5},
		"below":           {FailureRate(0.5, 4, LastCalls(10)), []int{good, good, good, bad, bad, good}, 0},
		"exactly":         {FailureRate(0.5, 4, LastCalls(10)), []int{good, good, good, bad, bad, bad}, 6},
		"not upon a good": {FailureRate(0.5, 4, LastCalls(10)), []int{bad, bad, bad, good, bad}, 5},
		"forgotten":       {FailureRate(0.5, 4, LastCalls(4)), []int{good, bad, good, good, good, bad, good}, 0},
		"a decimal":       {FailureRate(0.28, 25, LastCalls(25)), append(slices.Repeat([]int{good}, 18), slices.Repeat([]int{bad}, 7)...), 25},
		"all":             {FailureRate(1, 1, LastCalls(4)), []int{good, bad, bad, bad, bad}, 5},
		"time":            {FailureRate(0.5, 4, LastTime(time.Hour)), []int{good, good, bad, bad}, 4},
		"slow":            {SlowRate(time.Second, 0.5, 2, LastCalls(4)), []int{bad, good, bad, slow, late}, 5},
		"slow, not bad":   {SlowRate(time.Second, 0.5, 2, LastCalls(4)), []int{bad, bad, bad, bad}, 0},
		"in a row":        {ConsecutiveFailures(3), []int{bad, bad, good, bad, slow, bad, bad, bad}, 8},
		"any, the first":  {AnyOf(ConsecutiveFailures(2), SlowRate(time.Second, 0.5, 2, LastCalls(4))), []int{good, bad, bad}, 3},
		"any, the second": {AnyOf(ConsecutiveFailures(2), SlowRate(time.Second, 0.5, 2, LastCalls(4))), []int{good, bad, slow, slow}, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := must(t, Config{Trip: c.trip})
			for i, call := range c.calls {
				p, err := b.Allow()
				require.NoError(t, err, "%s: call %d", name, i)
				if call >= slow {
					<-time.After(time.Second)
				}
				err = nil
				if call == bad || call == late {
					err = errDown
				}
				require.Equal(t, Counted, p.Done(err))
				require.Equal(t, i+1 == c.opens, b.State() == Open, "%s: after %d", name, i+1)
			}
		})
	}
}

// TestAnyOfKeepsItsRules: what becomes of the caller's slice is nothing to it.
func TestAnyOfKeepsItsRules(t *testing.T) {
	rules := []Trip{ConsecutiveFailures(1)}
	first := AnyOf(rules...)
	rules[0] = nil
	must(t, Config{Trip: first})
}

// TestSlowProbe: the circuit opened because calls were slow, and a probe that is slow as well does
// not close it; of several rules, by the one that is slow first. One that is to be ignored is not slow.
// Planted and caught: it is; the last rule decides.
func TestSlowProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rule := func(after time.Duration) Trip { return SlowRate(after, 1, 1, LastTime(time.Minute)) }
		for _, trip := range []Trip{
			rule(time.Second), AnyOf(rule(time.Second), ConsecutiveFailures(1)), AnyOf(rule(time.Second), rule(time.Hour)),
			AnyOf(rule(time.Hour), AnyOf(rule(time.Second))),
		} {
			b := must(t, Config{Trip: trip, OpenFor: time.Second, Jitter: NoJitter})
			call := func(d time.Duration, err error) Verdict {
				p, refused := b.Allow()
				require.NoError(t, refused)
				<-time.After(d)
				return p.Done(err)
			}
			require.Equal(t, Counted, call(time.Second, nil))
			require.Equal(t, Open, b.State())
			<-time.After(time.Second)
			require.Equal(t, Counted, call(time.Second, nil))
			require.Equal(t, Open, b.State())
			<-time.After(2 * time.Second)
			require.Equal(t, Ignored, call(time.Second, context.Canceled))
			require.Equal(t, HalfOpen, b.State())
			require.Equal(t, Counted, call(time.Second-1, nil))
			require.Equal(t, Closed, b.State())
		}
	})
}

// TestSlowFromItsBegin: how long a call took does not depend on how old the breaker is. Planted and caught: calls that
// began when the breaker was made.
func TestSlowFromItsBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, Config{Trip: SlowRate(time.Second, 1, 1, LastCalls(1))})
		<-time.After(time.Hour)
		for took, want := range []State{Closed, Open} { // seconds
			require.NoError(t, b.Run(t.Context(), func(context.Context) error {
				<-time.After(time.Duration(took) * time.Second)
				return nil
			}))
			require.Equal(t, want, b.State())
		}
	})
}

// TestWindowForgets: failures of long ago do not count together with those of now. (Of peers,
// gobreaker with a fixed interval, which forgot those of a moment ago as well.)
func TestWindowForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, Config{Trip: FailureRate(0.5, 4, LastTime(10*time.Second))})
		fail := func() {
			p, err := b.Allow()
			require.NoError(t, err)
			p.Done(errDown)
		}
		for range 10 {
			fail()
			<-time.After(4 * time.Second)
		}
		require.Equal(t, Closed, b.State(), "never more than three within ten seconds")
		require.EqualValues(t, 2, b.Counts().Calls)
		<-time.After(time.Hour)
		require.Zero(t, b.Counts(), "also if nobody calls")
		for range 4 {
			fail()
			<-time.After(2 * time.Second)
		}
		require.Equal(t, HalfOpen, b.State())
	})
}
