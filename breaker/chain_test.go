package breaker

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestChainRunsOutermostFirst. Planted and caught: the reverse order, a guard left out, the caller's
// context in place of the guard's.
func TestChainRunsOutermostFirst(t *testing.T) {
	type key struct{}
	var said []string
	named := func(name string) Guard {
		return guardFunc(func(ctx context.Context, f func(context.Context) error) error {
			said = append(said, name+" in")
			defer func() { said = append(said, name+" out") }()
			outer, _ := ctx.Value(key{}).(string)
			return f(context.WithValue(ctx, key{}, outer+name))
		})
	}
	f := func(ctx context.Context) error {
		said = append(said, "f of "+ctx.Value(key{}).(string))
		return errDown
	}
	for _, c := range []struct {
		chain Guard
		want  []string
	}{
		{Chain(named("a")), []string{"a in", "f of a", "a out"}},
		{Chain(named("a"), named("b"), named("c")), []string{"a in", "b in", "c in", "f of abc", "c out", "b out", "a out"}},
		{Chain(Chain(named("a"), named("b")), Chain(), named("c")),
			[]string{"a in", "b in", "c in", "f of abc", "c out", "b out", "a out"}},
	} {
		for range 2 {
			said = nil
			require.Equal(t, errDown, c.chain.Run(t.Context(), f))
			require.Equal(t, c.want, said)
		}
	}
	require.NoError(t, Chain().Run(t.Context(), func(context.Context) error { return nil }))
}

// TestChainOfNothing: where there is no guard that looks at the context, the Chain does. Planted and
// caught: a Chain that does not.
func TestChainOfNothing(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Time{})
	defer cancel()
	for _, c := range []Guard{Chain(), Chain(Chain()), Chain(Chain(), Chain())} {
		called := func(context.Context) error { panic("called") }
		require.Equal(t, context.Canceled, c.Run(ended, called))
		require.Equal(t, context.DeadlineExceeded, c.Run(late, called))
		require.Equal(t, errDown, c.Run(t.Context(), func(context.Context) error { return errDown }))
	}
}

// TestChainKeepsItsGuards: what becomes of the caller's slice is nothing to it.
func TestChainKeepsItsGuards(t *testing.T) {
	guards := []Guard{Chain(), Chain()}
	c := Chain(guards...)
	guards[1] = nil
	require.NoError(t, c.Run(t.Context(), func(context.Context) error { return nil }))
}

func TestChainRefusesNil(t *testing.T) {
	require.PanicsWithValue(t, "breaker: Chain: guard 2 of 3 is nil", func() { Chain(Chain(), nil, Chain()) })
	failed, err := NewRetry(RetryConfig{Attempts: -1})
	require.Error(t, err)
	require.PanicsWithValue(t, "breaker: Chain: guard 1 of 2 is nil", func() { Chain(failed, Chain()) })
	require.PanicsWithValue(t, "breaker: Chain: a nil function", func() { _ = Chain().Run(t.Context(), nil) })
}

func TestChainLetsPanicsThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timeout, _ := NewTimeout(time.Second)
		abandon, _ := NewAbandon(time.Minute)
		c := Chain(abandon, newHedge(t, HedgeConfig{}), newRetry(t, RetryConfig{}), timeout)
		require.Equal(t, "panicked: oh", outcomes(t.Context(), c, func(context.Context) error { panic("oh") }))
		require.Equal(t, "exited", outcomes(t.Context(), c, func(context.Context) error { runtime.Goexit(); return nil }))
		require.Equal(t, "returned: <nil>", outcomes(t.Context(), c, func(context.Context) error { return nil }))
	})
}

// TestChainRetryComesBack: an open circuit says when it is worth to try again, and a patient Retry is its
// probe then; one without patience gives up at once.
func TestChainRetryComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, patience := range []time.Duration{10 * time.Second, 9 * time.Second} {
			b := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: 10 * time.Second, Jitter: NoJitter})
			f, calls := failing(1, errDown)
			start := time.Now()
			err := Chain(newRetry(t, RetryConfig{Base: 1, Cap: time.Second, Patience: patience}), b).Run(t.Context(), f)
			if patience == 10*time.Second {
				require.NoError(t, err)
				require.EqualValues(t, 2, calls.Load())
				require.Equal(t, 10*time.Second, time.Since(start).Round(time.Millisecond))
				require.Equal(t, Closed, b.State())
				continue
			}
			require.ErrorIs(t, err, ErrOpen)
			require.EqualValues(t, 1, calls.Load())
			require.Zero(t, time.Since(start).Round(time.Millisecond))
		}
	})
}

// TestChainRetryWaitsForAProbe: who is refused while a probe is under way comes again soon, and not when
// the probe would be overdue, which is longer than his patience; unless the probe fails, after
// which the circuit says how long it is open. Planted and caught: a Retry that takes the time of a
// half-open circuit for that of an open one, and one that takes it for final.
func TestChainRetryWaitsForAProbe(t *testing.T) {
	const ms = time.Millisecond
	for _, verdict := range []error{nil, errDown} {
		synctest.Test(t, func(t *testing.T) {
			b := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: 10 * time.Second, Jitter: NoJitter})
			require.Equal(t, errDown, b.Run(t.Context(), func(context.Context) error { return errDown }))
			<-time.After(10 * time.Second)
			go func() { _ = b.Run(t.Context(), patient(30*ms, verdict, true)) }()
			synctest.Wait()

			_, err := b.Allow()
			var open *OpenError
			require.ErrorAs(t, err, &open)
			require.Equal(t, HalfOpen, open.State())
			r := newRetry(t, RetryConfig{Attempts: 99, Base: 10 * ms, Cap: 10 * ms, Patience: 2 * time.Second, Budget: NoBudget()})
			require.Greater(t, open.RetryAfter(), 2*time.Second)

			start := time.Now()
			f, calls := failing(0, nil)
			err = Chain(r, b).Run(t.Context(), f)
			took := time.Since(start)
			require.True(t, 30*ms <= took && took <= 40*ms, "it took %v", took)
			if verdict == nil {
				require.NoError(t, err)
				require.EqualValues(t, 1, calls.Load())
				require.Equal(t, Closed, b.State())
				return
			}
			require.ErrorAs(t, err, &open)
			require.Equal(t, Open, open.State())
			require.Equal(t, 20*time.Second-(took-30*ms), open.RetryAfter())
			require.Zero(t, calls.Load())
		})
	}
}

// TestChainWaitInLine: who runs out of time in the line of a Bulkhead has called nobody, so that guards
// in front learn nothing from it, and do not try again; who runs out of it in his call has. Planted and
// caught: a wait that ends with the error of the context alone.
func TestChainWaitInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, line := must(t, Config{Trip: ConsecutiveFailures(1)}), bulkhead(t, 1, 1)
		throttle, retry := throttle(t, ThrottleConfig{}), newRetry(t, RetryConfig{})
		second, err := NewTimeout(time.Second)
		require.NoError(t, err)
		go func() { _ = line.Run(t.Context(), patient(10*time.Second, nil, true)) }()
		synctest.Wait()

		start := time.Now()
		for _, c := range []Guard{
			Chain(second, retry, b, throttle, line), // the end of the whole
			Chain(retry, b, throttle, second, line), // the end of a try
		} {
			err := c.Run(t.Context(), func(context.Context) error { panic("called") })
			require.ErrorIs(t, err, ErrFull)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, ErrTimeout)
		}
		require.Equal(t, 2*time.Second, time.Since(start), "none was tried again")
		require.Equal(t, Closed, b.State())
		require.EqualValues(t, 2, b.Stats().Ignored)
		require.EqualValues(t, 2, throttle.Stats().Accepts)

		<-time.After(7500 * time.Millisecond) // so the line is half of its time
		err = Chain(b, second, line).Run(t.Context(), patient(time.Hour, nil, true))
		require.ErrorIs(t, err, ErrTimeout)
		require.NotErrorIs(t, err, ErrFull)
		require.Equal(t, Open, b.State())
	})
}

// TestChainInOtherOrders says in numbers what Chain's comment says in words.
func TestChainInOtherOrders(t *testing.T) {
	const ms = time.Millisecond
	down := func(n *int, err error) func(context.Context) error {
		return func(ctx context.Context) error {
			*n++
			return patient(10*ms, err, true)(ctx)
		}
	}
	retry := func(t *testing.T) *Retry {
		return newRetry(t, RetryConfig{Base: 1, Cap: 1, Patience: time.Second, Budget: NoBudget()})
	}

	t.Run("Retry inside Breaker", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			calls := func(guards ...Guard) (n int) {
				c := Chain(guards...)
				for range 100 {
					require.Error(t, c.Run(t.Context(), down(&n, errDown)))
				}
				return n
			}
			fifth := Config{Trip: ConsecutiveFailures(5), OpenFor: time.Hour}
			require.Equal(t, 5, calls(retry(t), must(t, fifth)), "five failures open it")
			require.Equal(t, 15, calls(must(t, fifth), retry(t)), "fifteen: three of them count as one")

			empty := newRetry(t, RetryConfig{Budget: new(Budget)})
			require.Equal(t, 5, calls(must(t, fifth), empty), "a retry that there was no budget for is no excuse")
		})
	})

	t.Run("Retry inside Bulkhead", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			// One call is tried three times, and others come meanwhile, at a time at which it waits.
			through := func(b *Bulkhead, guards ...Guard) (n int) {
				c, tries := Chain(guards...), 0
				go func() { _ = c.Run(t.Context(), down(&tries, &askError{100 * ms})) }()
				for range 32 {
					<-time.After(7 * ms)
					if c.Run(t.Context(), func(context.Context) error { return nil }) == nil {
						n++
					}
				}
				synctest.Wait()
				<-time.After(time.Second)
				require.Equal(t, 3, tries)
				return n
			}
			b := bulkhead(t, 1, 0)
			require.Equal(t, 28, through(b, retry(t), b), "it holds the slot for three tries of 10 ms, and four come then")
			require.Zero(t, through(b, b, retry(t)), "and here for 230, in which nobody gets through")
		})
	})

	t.Run("Timeout inside Retry alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			timeout, err := NewTimeout(time.Second)
			require.NoError(t, err)
			took := func(guards ...Guard) time.Duration {
				start := time.Now()
				require.ErrorIs(t, Chain(guards...).Run(t.Context(), patient(time.Hour, nil, true)), ErrTimeout)
				return time.Since(start).Round(ms)
			}
			require.Equal(t, time.Second, took(timeout, retry(t)))
			require.Equal(t, 3*time.Second, took(retry(t), timeout))
		})
	})
}

func TestChainOfNothingAllocatesNothing(t *testing.T) {
	ctx, f := t.Context(), func(context.Context) error { return nil }
	for _, c := range []Guard{Chain(), Chain(newRetry(t, RetryConfig{}))} {
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = c.Run(ctx, f) }))
	}
}
