package breaker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var errDown = errors.New("down")

// guardFunc is a Guard for tests.
type guardFunc func(ctx context.Context, f func(context.Context) error) error

func (g guardFunc) Run(ctx context.Context, f func(context.Context) error) error { return g(ctx, f) }

func TestCallReturnsTheResult(t *testing.T) {
	broken := errors.New("broken")
	once := guardFunc(func(ctx context.Context, f func(context.Context) error) error { return f(ctx) })
	three := func(context.Context) (int, error) { return 3, nil }

	got, err := Call(t.Context(), once, three)
	require.NoError(t, err)
	require.Equal(t, 3, got)

	got, err = Call(t.Context(), once, func(context.Context) (int, error) { return 3, broken })
	require.Equal(t, broken, err)
	require.Zero(t, got, "there is no result besides an error")

	got, err = Call(t.Context(), guardFunc(func(ctx context.Context, f func(context.Context) error) error {
		_ = f(ctx)
		return broken
	}), three)
	require.Equal(t, broken, err)
	require.Zero(t, got, "the guard did not want it")

	got, err = Call(t.Context(), guardFunc(func(context.Context, func(context.Context) error) error { return nil }), three)
	require.NoError(t, err)
	require.Zero(t, got, "f was not called")
}

// TestCallOfSeveralTries: failures leave no result, and a success that the guard repeats is not
// the one that counts. Planted and caught: a result that is set without a success, the first
// that is kept.
func TestCallOfSeveralTries(t *testing.T) {
	calls := 0
	got, err := Call(t.Context(), guardFunc(func(ctx context.Context, f func(context.Context) error) error {
		for range 4 {
			_ = f(ctx)
		}
		return nil
	}), func(context.Context) (int, error) {
		calls++
		if calls == 4 {
			return calls, errors.New("broken")
		}
		return calls, nil
	})
	require.NoError(t, err)
	require.Equal(t, 3, got)
}

// TestCallHammered: all tries at once, and they go on after the guard has returned. No result is
// torn: its parts are of one try. Planted and caught, by the race detector: set or get without
// the lock.
func TestCallHammered(t *testing.T) {
	var rest sync.WaitGroup
	crowd := guardFunc(func(ctx context.Context, f func(context.Context) error) error {
		first := make(chan error, 8)
		for range cap(first) {
			rest.Go(func() { first <- f(ctx) })
		}
		return <-first
	})
	type pair struct{ a, b string }
	for i := range 200 {
		got, err := Call(t.Context(), crowd, func(context.Context) (pair, error) {
			s := fmt.Sprint(i)
			return pair{s, s}, nil
		})
		require.NoError(t, err)
		require.Equal(t, pair{fmt.Sprint(i), fmt.Sprint(i)}, got)
	}
	rest.Wait()
}

// TestCallRefusesNil: also a nil pointer, which is what is left of a constructor whose error nobody
// looked at. Planted and caught: a Call that asks for g == nil alone.
func TestCallRefusesNil(t *testing.T) {
	three := func(context.Context) (int, error) { return 3, nil }
	require.PanicsWithValue(t, "breaker: Call: a nil Guard: <nil>", func() {
		_, _ = Call(t.Context(), nil, three)
	})
	failed, err := NewRetry(RetryConfig{Attempts: -1})
	require.Error(t, err)
	require.PanicsWithValue(t, "breaker: Call: a nil Guard: *breaker.Retry", func() {
		_, _ = Call(t.Context(), failed, three)
	})
	require.PanicsWithValue(t, "breaker: Call: a nil function", func() {
		_, _ = Call[int](t.Context(), guardFunc(nil), nil)
	})
}

// TestGuards: what all of them have in common. A call that panics, or ends its goroutine, goes on, and
// the next one finds room; a context that has ended is not tried; nil is no function.
func TestGuards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timeout, err := NewTimeout(time.Minute)
		require.NoError(t, err)
		abandon, err := NewAbandon(time.Minute)
		require.NoError(t, err)
		for name, g := range map[string]Guard{
			"Breaker":  must(t, Config{Trip: ConsecutiveFailures(3)}),
			"Bulkhead": bulkhead(t, 1, 0),
			"Adaptive": adaptive(t, AdaptiveConfig{Max: 1}),
			"Throttle": throttle(t, ThrottleConfig{}),
			"Retry":    newRetry(t, RetryConfig{}),
			"Hedge":    newHedge(t, HedgeConfig{}),
			"Timeout":  timeout,
			"Abandon":  abandon,
		} {
			require.PanicsWithValue(t, "breaker: "+strings.Replace(name, "Abandon", "Timeout", 1)+".Run: a nil function",
				func() { _ = g.Run(t.Context(), nil) })
			require.Equal(t, "panicked: oh", outcomes(t.Context(), g, func(context.Context) error { panic("oh") }), name)
			require.Equal(t, "exited", outcomes(t.Context(), g, func(context.Context) error { runtime.Goexit(); return nil }), name)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			require.Equal(t, context.Canceled, g.Run(ended, func(context.Context) error { panic("called") }), name)
			late, cancel := context.WithDeadline(t.Context(), time.Now())
			require.Equal(t, context.DeadlineExceeded, g.Run(late, func(context.Context) error { panic("called") }), name)
			cancel()
			require.Equal(t, "returned: <nil>", outcomes(t.Context(), g, func(context.Context) error { return nil }), name)
		}
	})
}

// outcomes runs f behind a guard, in a goroutine of its own, and says how that ended: that is what
// a caller sees when f panics or exits.
func outcomes(ctx context.Context, g Guard, f func(context.Context) error) (said string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		said = "exited"
		defer func() {
			if v := recover(); v != nil {
				said = fmt.Sprint("panicked: ", v)
			}
		}()
		said = fmt.Sprint("returned: ", g.Run(ctx, f))
	}()
	<-done
	return said
}
