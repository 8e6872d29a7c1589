package breaker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Most tests of this file run in a bubble, in which time goes on only when everybody waits: what
// has to happen at once takes no time at all, and the rest exactly as long as it should.

// askError asks to be left alone for a while.
type askError struct{ after time.Duration }

func (e *askError) Error() string             { return "come again in " + e.after.String() }
func (e *askError) RetryAfter() time.Duration { return e.after }

func newRetry(t *testing.T, c RetryConfig) *Retry {
	r, err := NewRetry(c)
	require.NoError(t, err)
	return r
}

// failing returns a function that fails so many times, and counts its calls.
func failing(times int, err error) (f func(context.Context) error, calls *atomic.Int64) {
	calls = new(atomic.Int64)
	return func(context.Context) error {
		if int(calls.Add(1)) <= times {
			return err
		}
		return nil
	}, calls
}

func TestRetryUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetry(t, RetryConfig{})
		for times := range 3 {
			start := time.Now()
			f, calls := failing(times, errDown)
			require.NoError(t, r.Run(t.Context(), f))
			require.EqualValues(t, times+1, calls.Load())
			require.LessOrEqual(t, time.Since(start), []time.Duration{0, 50, 150}[times]*time.Millisecond)
		}
	})
}

// TestRetryErrorSaysHowOften. Planted and caught: one attempt too many, the first error in place
// of the last, an Unwrap without Stopped.
func TestRetryErrorSaysHowOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetry(t, RetryConfig{Attempts: 4})
		n := 0
		err := r.Run(t.Context(), func(context.Context) error {
			n++
			return fmt.Errorf("call %d: %w", n, errDown)
		})
		require.EqualError(t, err, "breaker: gave up after 4 tries: call 4: down")
		require.ErrorIs(t, err, errDown)
		var tried *RetryError
		require.ErrorAs(t, err, &tried)
		require.Equal(t, 4, tried.Attempts)
		require.NoError(t, tried.Stopped)

		err = &RetryError{Attempts: 1, Err: &askError{time.Second}, Stopped: ErrBudget}
		require.EqualError(t, err, "breaker: gave up after 1 try: come again in 1s (breaker: the retry budget is used up)")
		require.ErrorIs(t, err, ErrBudget)
		var ask *askError
		require.ErrorAs(t, err, &ask)
	})
}

func TestRetryReturnsAFinalErrorAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		final := errors.New("final")
		r := newRetry(t, RetryConfig{Retryable: func(err error) bool { return !errors.Is(err, final) }})
		start := time.Now()
		f, calls := failing(9, final)
		require.Equal(t, final, r.Run(t.Context(), f))
		require.EqualValues(t, 1, calls.Load())
		require.Zero(t, time.Since(start))

		n := 0
		err := r.Run(t.Context(), func(context.Context) error {
			if n++; n == 2 {
				return final
			}
			return errDown
		})
		require.EqualError(t, err, "breaker: gave up after 2 tries: final")

		once := newRetry(t, RetryConfig{Attempts: 1})
		f, calls = failing(9, errDown)
		require.Equal(t, errDown, once.Run(t.Context(), f))
		require.EqualValues(t, 1, calls.Load())
	})
}

// TestRetryableByDefault: what may be gone the next time, and what may not.
func TestRetryableByDefault(t *testing.T) {
	full := refusal("full")
	asked := &askError{time.Millisecond}
	refusing := must(t, Config{})
	refusing.ForceOpen()
	_, forced := refusing.Allow()
	refusing.Reset()
	refusing.trip(refusing.period.Load(), unread)
	_, open := refusing.Allow()
	probed := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: 1, Jitter: NoJitter})
	require.Equal(t, errDown, probed.Run(t.Context(), func(context.Context) error { return errDown }))
	_, err := probed.AllowAt(time.Now().Add(time.Second))
	require.NoError(t, err)
	_, halfOpen := probed.Allow()
	require.EqualError(t, halfOpen, "breaker: half-open")
	for _, c := range []struct {
		err  error
		want bool
	}{
		{errDown, true},
		{forced, false},                  // nobody knows until when
		{open, true},                     // it says when
		{halfOpen, true},                 // it says until when
		{context.DeadlineExceeded, true}, // of a context further in
		{context.Canceled, true},
		{&TimeoutError{After: 1, Err: context.DeadlineExceeded}, true},
		{full, false},
		{fmt.Errorf("bulkhead b: %w", full), false},
		{asked, true},
		{fmt.Errorf("%w: %w", full, asked), true}, // a refusal that says when
		{&RetryError{Attempts: 3, Err: errDown}, false},
		{&RetryError{Attempts: 3, Err: asked}, false},
		{fmt.Errorf("further out: %w", &RetryError{Attempts: 1, Err: errDown, Stopped: ErrNoTime}), false},
		{ErrBudget, false},
	} {
		require.Equal(t, c.want, retryable(c.err), "%v", c.err)
	}
}

// TestRetryLayersDoNotMultiply: three layers of three attempts are three calls, and 27 if each
// retries whatever comes. Planted and caught: a RetryError that is no reason to stop, one that is not
// found inside of another error.
func TestRetryLayersDoNotMultiply(t *testing.T) {
	for _, c := range []struct {
		said      string
		retryable func(error) bool
		want      int64
	}{
		{"if each retries whatever comes", func(error) bool { return true }, 27},
		{"if what a layer has given up is final for the others", nil, 3},
		{"if a layer says so in words of its own", func(err error) bool { return retryable(fmt.Errorf("layer: %w", err)) }, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRetry(t, RetryConfig{Budget: NoBudget(), Retryable: c.retryable})
			f, calls := failing(math.MaxInt, errDown)
			inner := func(ctx context.Context) error { return r.Run(ctx, f) }
			middle := func(ctx context.Context) error { return r.Run(ctx, inner) }
			require.ErrorIs(t, r.Run(t.Context(), middle), errDown)
			require.Equal(t, c.want, calls.Load(), c.said)
			t.Logf("three layers of three tries make %d calls %s", calls.Load(), c.said)
		})
	}
}

// TestRetryBackoff doubles up to the cap, and nothing wraps. Planted and caught: one place
// too far; the product compared with the cap in place of the cap shifted, which wraps.
func TestRetryBackoff(t *testing.T) {
	const ms = time.Millisecond
	c := newRetry(t, RetryConfig{}).config
	for i, want := range []time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 2000 * ms, 2000 * ms} {
		require.Equal(t, want, c.backoff(i+1))
	}
	year := 365 * 24 * time.Hour
	for _, c := range []RetryConfig{{Base: 1, Cap: year}, {Base: 3, Cap: year}, {Base: year - 1, Cap: year},
		{Base: year, Cap: year}, {Base: 1, Cap: 1}} {
		r := newRetry(t, c)
		last := time.Duration(0)
		for _, attempt := range []int{1, 2, 3, 10, 50, 53, 54, 55,
			60, 61, 62, 63, 64, 65, 66, 127, 128, 129, math.MaxInt32, math.MaxInt} {
			got := r.config.backoff(attempt)
			require.GreaterOrEqual(t, got, last, "%+v: attempt %d", c, attempt)
			require.LessOrEqual(t, got, c.Cap)
			last = got
		}
		require.Equal(t, c.Cap, last)
	}
}

// TestRetryJitterIsFull: it goes from 0 to all of it, both included, and equally. Planted and
// caught: half of it fixed ("equal jitter"), none, a longest wait that is never drawn.
func TestRetryJitterIsFull(t *testing.T) {
	r := newRetry(t, RetryConfig{Seed: 1})
	tenths, ends := [10]int{}, [3]int{}
	for range 10_000 {
		d := r.jitter(time.Second - 1)
		require.True(t, 0 <= d && d < time.Second)
		tenths[d/(time.Second/10)]++
		ends[r.jitter(2)]++
	}
	for _, n := range tenths {
		require.InDelta(t, 1000, n, 120) // four standard deviations
	}
	for _, n := range ends {
		require.InDelta(t, 3333, n, 190)
	}
	require.Zero(t, r.jitter(0))
}

// TestRetrySeed: the same seed waits the same times.
func TestRetrySeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waited := func(seed uint64) time.Duration {
			r := newRetry(t, RetryConfig{Attempts: 8, Seed: seed})
			start := time.Now()
			f, _ := failing(99, errDown)
			require.Error(t, r.Run(t.Context(), f))
			return time.Since(start)
		}
		require.Equal(t, waited(7), waited(7))
		require.NotEqual(t, waited(7), waited(8))
		require.NotEqual(t, waited(0), waited(0), "a random one")
	})
}

// TestRetryPatienceIsCap, unless it is told otherwise. Planted and caught: two seconds, whatever Cap is.
func TestRetryPatienceIsCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limit := range []time.Duration{time.Second, 2 * time.Second, 10 * time.Second} {
			r := newRetry(t, RetryConfig{Cap: limit})
			f, calls := failing(1, &askError{limit})
			require.NoError(t, r.Run(t.Context(), f))
			require.EqualValues(t, 2, calls.Load())
			f, calls = failing(1, &askError{limit + 1})
			require.Equal(t, &askError{limit + 1}, r.Run(t.Context(), f))
			require.EqualValues(t, 1, calls.Load())
		}
	})
}

// TestRetryEarnsBeforeTheTry: calls that take long pay for the retries of others while they run. Planted and caught:
// Earn after the try.
func TestRetryEarnsBeforeTheTry(t *testing.T) {
	budget, err := NewBudget(BudgetConfig{Percent: 50, Burst: 1})
	require.NoError(t, err)
	require.True(t, budget.Spend())
	r := newRetry(t, RetryConfig{Budget: budget})
	require.NoError(t, r.Run(t.Context(), func(context.Context) error {
		require.Equal(t, 0.5, budget.Stats().Tokens)
		return nil
	}))
}

// TestRetryAfterIsTheLeast. Planted and caught: the larger of both in place of the sum, a Patience
// that ends a nanosecond early, an error that is not unwrapped, a negative time.
func TestRetryAfterIsTheLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetry(t, RetryConfig{Attempts: 2, Base: time.Second, Cap: time.Second, Patience: time.Minute,
			Budget: NoBudget(), Seed: 1}) // by chance, 100 waits leave out a tenth once in 4,000 runs
		waits := map[time.Duration]bool{}
		for range 100 {
			start := time.Now()
			f, calls := failing(1, fmt.Errorf("busy: %w", &askError{time.Minute}))
			require.NoError(t, r.Run(t.Context(), f))
			require.EqualValues(t, 2, calls.Load())
			wait := time.Since(start)
			require.True(t, time.Minute <= wait && wait <= time.Minute+time.Second, wait)
			waits[wait/(time.Second/10)] = true
		}
		require.Len(t, waits, 10, "not all together")

		start := time.Now()
		f, calls := failing(1, &askError{time.Minute + 1})
		require.Equal(t, &askError{time.Minute + 1}, r.Run(t.Context(), f), "it asks for more than there is patience")
		require.EqualValues(t, 1, calls.Load())
		require.Zero(t, time.Since(start))

		after, told := retryAfter(&askError{-time.Hour})
		require.True(t, told)
		require.Zero(t, after, "it takes nothing from the backoff")
		f, calls = failing(1, &askError{-time.Hour})
		require.NoError(t, r.Run(t.Context(), f))
		require.EqualValues(t, 2, calls.Load())
		require.LessOrEqual(t, time.Since(start), time.Second)
	})
}

// TestRetryHonoursTheContext: it ends during a wait, during a try, and before the first one.
// Planted and caught: a wait that does not look, a try with a context that has ended, a deadline
// that is only found out by waiting for it, a token spent although there is no time.
func TestRetryHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget, err := NewBudget(BudgetConfig{Burst: 2, Percent: -1})
		require.NoError(t, err)
		r := newRetry(t, RetryConfig{Patience: time.Hour, Budget: budget})

		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, cancel)
		f, calls := failing(9, &askError{time.Minute})
		err = r.Run(ctx, f)
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, &RetryError{Attempts: 1, Err: &askError{time.Minute}, Stopped: context.Canceled}, err)
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 1, calls.Load())

		require.Equal(t, context.Canceled, r.Run(ctx, f), "f is not called")
		require.EqualValues(t, 1, calls.Load())

		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start = time.Now()
		err = r.Run(ctx, f)
		require.Zero(t, time.Since(start), "not waited for in vain")
		require.Equal(t, &RetryError{Attempts: 1, Err: &askError{time.Minute}, Stopped: ErrNoTime}, err)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, budget.Spend(), "one of two tokens is left")
		require.False(t, budget.Spend())

		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, r.Run(ctx, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}), "the caller's own context is final")
	})
}

// TestRetryNeverBeginsLate tries all deadlines around the wait.
func TestRetryNeverBeginsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for after := range 10 * time.Nanosecond {
			r := newRetry(t, RetryConfig{Attempts: 2, Base: 1, Cap: 1, Patience: time.Hour, Budget: NoBudget()})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second+5)
			err := r.Run(ctx, func(inner context.Context) error {
				require.NoError(t, inner.Err(), "no try has a context that has ended")
				return &askError{time.Second + after}
			})
			cancel()
			tried := err.(*RetryError)
			switch {
			case after < 4:
				require.Equal(t, 2, tried.Attempts)
			case after > 4: // at 4 it depends on the jitter of one nanosecond
				require.Equal(t, 1, tried.Attempts)
				require.Equal(t, ErrNoTime, tried.Stopped)
			}
		}
	})
}

// TestRetryStorm lets a dependency fail for all of 1,000 requests, one each millisecond, or all
// at once. Planted and caught: a budget that is not asked, one that is not given by default,
// retries that earn.
func TestRetryStorm(t *testing.T) {
	const offered = 1000
	storm := func(t *testing.T, r *Retry, apart time.Duration) (load int64) {
		f, calls := failing(math.MaxInt, errDown)
		var all sync.WaitGroup
		for range offered {
			all.Go(func() {
				if err := r.Run(t.Context(), f); !errors.Is(err, errDown) {
					t.Error(err)
				}
			})
			<-time.After(apart)
		}
		all.Wait()
		return calls.Load()
	}
	for _, apart := range []time.Duration{0, time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			with := storm(t, newRetry(t, RetryConfig{Seed: 1}), apart)
			require.LessOrEqual(t, with, int64(offered*110/100+10))
			if apart > 0 {
				// The first call finds the bucket full. After that all that is earned is spent:
				// 10 tokens + 999 × 0.1, and a rest of 0.9.
				require.EqualValues(t, offered+109, with)
			}
			require.EqualValues(t, 3*offered, storm(t, newRetry(t, RetryConfig{Seed: 1, Budget: NoBudget()}), apart))

			shared, err := NewBudget(BudgetConfig{Percent: 20, Burst: 5})
			require.NoError(t, err)
			a := storm(t, newRetry(t, RetryConfig{Budget: shared, Attempts: 9}), apart)
			b := storm(t, newRetry(t, RetryConfig{Budget: shared}), apart)
			require.LessOrEqual(t, a+b, int64(2*offered*120/100+5), "of both together")
		})
	}
}

func TestRetryWithoutBudgetSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetry(t, RetryConfig{Budget: new(Budget)})
		start := time.Now()
		f, calls := failing(9, errDown)
		err := r.Run(t.Context(), f)
		require.Equal(t, &RetryError{Attempts: 1, Err: errDown, Stopped: ErrBudget}, err)
		require.EqualValues(t, 1, calls.Load())
		require.Zero(t, time.Since(start), "nobody waits for a no")
	})
}

func TestRetryLetsPanicsThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetry(t, RetryConfig{})
		for want, end := range map[string]func(){"panicked: oh": func() { panic("oh") }, "exited": runtime.Goexit} {
			n := 0
			require.Equal(t, want, outcomes(t.Context(), r, func(context.Context) error {
				if n++; n == 2 {
					end()
				}
				return errDown
			}))
			require.Equal(t, 2, n)
		}
		require.Equal(t, "returned: <nil>", outcomes(t.Context(), r, func(context.Context) error { return nil }))
		require.PanicsWithValue(t, "breaker: Retry.Run: a nil function", func() { _ = r.Run(t.Context(), nil) })
	})
}

func TestRetryRefusesTheImpossible(t *testing.T) {
	for said, c := range map[string]RetryConfig{
		"-1 Attempts: want 1 or more":     {Attempts: -1},
		"a Base of -1ns: want a positive": {Base: -1},
		"a Cap of 2s":                     {Base: 3 * time.Second},
		"a Cap of 1s":                     {Base: 2 * time.Second, Cap: time.Second},
		"a Cap of -1ns":                   {Cap: -1},
		"a Cap of 8760h0m":                {Cap: 365*24*time.Hour + 1},
		"a Patience of -1":                {Patience: -1},
		"a Patience of 25":                {Patience: math.MaxInt64},
	} {
		_, err := NewRetry(c)
		require.ErrorContains(t, err, "breaker: NewRetry: "+said)
	}
}

func TestRetryAllocatesNothing(t *testing.T) {
	r := newRetry(t, RetryConfig{})
	ctx, f := t.Context(), func(context.Context) error { return nil }
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = r.Run(ctx, f) }))
}
