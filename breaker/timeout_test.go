package breaker

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The tests of this file run in a bubble: time is exact, and a goroutine that stays behind makes
// its test fail.

// patient returns a function that takes so long and then returns err; an obedient one ends with
// its context.
func patient(takes time.Duration, err error, obedient bool) func(context.Context) error {
	return func(ctx context.Context) error {
		if !obedient {
			<-time.After(takes)
			return err
		}
		select {
		case <-time.After(takes):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// TestTimeout plays every case in both modes, with a time of 100 ms. Planted and caught: an Abandon
// that waits, a success that is an error because it was late, a caller's deadline that is called a
// timeout, an error of f that is lost, a timeout that is no DeadlineExceeded.
func TestTimeout(t *testing.T) {
	const ms = time.Millisecond
	const after = 100 * ms
	cut := &TimeoutError{After: after, Err: context.DeadlineExceeded}
	for name, c := range map[string]struct {
		f               func(context.Context) error
		caller          time.Duration // its timeout, or 0
		took, abandoned time.Duration
		err, abandonErr error
	}{
		"in time":           {patient(99*ms, nil, true), 0, 99 * ms, 99 * ms, nil, nil},
		"fails in time":     {patient(99*ms, errDown, true), 0, 99 * ms, 99 * ms, errDown, errDown},
		"heeds its context": {patient(time.Hour, nil, true), 0, after, after, cut, nil},
		"ignores it":        {patient(time.Second, nil, false), 0, time.Second, after, nil, &TimeoutError{After: after}},
		"ignores it and fails": {patient(time.Second, errDown, false), 0, time.Second, after, &TimeoutError{After: after, Err: errDown},
			&TimeoutError{After: after}},
		"the caller's time": {patient(time.Hour, nil, true), 50 * ms, 50 * ms, 50 * ms,
			context.DeadlineExceeded, context.DeadlineExceeded},
		"the caller has more": {patient(time.Hour, nil, true), 150 * ms, after, after, cut, nil},
		"the caller's is over while f goes on": {patient(time.Second, errDown, false), 50 * ms, time.Second, 50 * ms, errDown,
			context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			for _, abandon := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					ctx := t.Context()
					if c.caller > 0 {
						limited, cancel := context.WithTimeout(ctx, c.caller)
						defer cancel()
						ctx = limited
					}
					g, err := newTimeout("", after, abandon)
					require.NoError(t, err)
					start := time.Now()
					err = g.Run(ctx, c.f)
					took := time.Since(start)
					switch {
					case !abandon:
						require.Equal(t, c.err, err)
						require.Equal(t, c.took, took)
					case c.abandonErr == nil && c.err != nil: // f and the end of its time come together
						require.ErrorIs(t, err, ErrTimeout)
						require.Equal(t, c.abandoned, took)
					default:
						require.Equal(t, c.abandonErr, err)
						require.Equal(t, c.abandoned, took)
					}
					timedOut := errors.Is(err, ErrTimeout)
					var detail *TimeoutError
					require.Equal(t, timedOut, errors.As(err, &detail))
					if timedOut {
						require.ErrorIs(t, err, context.DeadlineExceeded)
						require.Equal(t, after, detail.After)
						require.True(t, detail.Timeout())
						if detail.Err != nil {
							require.ErrorIs(t, err, detail.Err)
						}
						require.Contains(t, err.Error(), "breaker: timeout after 100ms")
					}
					<-time.After(2 * time.Second) // abandoned ones end
				})
			}
		})
	}
}

// TestTimeoutsInRows: the one whose time is over says so, wherever it stands.
func TestTimeoutsInRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short, err := NewTimeout(time.Second)
		require.NoError(t, err)
		long, err := NewTimeout(time.Minute)
		require.NoError(t, err)
		for _, row := range [][2]*Timeout{{short, long}, {long, short}} {
			err := row[0].Run(t.Context(), func(ctx context.Context) error {
				return row[1].Run(ctx, patient(time.Hour, nil, true))
			})
			require.Equal(t, &TimeoutError{After: time.Second, Err: context.DeadlineExceeded}, err)
		}
	})
}

// TestTimeoutTellsWhy: f can tell whose time it was.
func TestTimeoutTellsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := NewTimeout(time.Second)
		_ = g.Run(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), ErrTimeout)
			require.Equal(t, context.DeadlineExceeded, ctx.Err())
			return nil
		})
		var kept context.Context
		require.NoError(t, g.Run(t.Context(), func(ctx context.Context) error { kept = ctx; return nil }))
		require.ErrorIs(t, kept.Err(), context.Canceled, "its timer is gone")
	})
}

func TestTimeoutHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cooperative, _ := NewTimeout(time.Second)
		abandon, _ := NewAbandon(time.Second)
		for _, g := range []*Timeout{cooperative, abandon} {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.Equal(t, context.Canceled, g.Run(ctx, func(context.Context) error { panic("called") }))
		}
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(time.Millisecond, cancel)
		require.Equal(t, context.Canceled, abandon.Run(ctx, patient(time.Hour, nil, false)))
		require.Equal(t, time.Millisecond, time.Since(start))
		<-time.After(2 * time.Hour)
	})
}

func TestTimeoutPassesPanicsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cooperative, _ := NewTimeout(time.Second)
		abandon, _ := NewAbandon(time.Second)
		for _, g := range []*Timeout{cooperative, abandon} {
			for want, end := range map[string]func(){"panicked: oh": func() { panic("oh") }, "exited": runtime.Goexit} {
				require.Equal(t, want, outcomes(t.Context(), g, func(context.Context) error { end(); return nil }))
				said := outcomes(t.Context(), g, func(context.Context) error { <-time.After(time.Minute); end(); return nil })
				if g == cooperative {
					require.Equal(t, want, said)
				} else {
					require.Equal(t, "returned: breaker: timeout after 1s", said, "and what comes after is dropped")
				}
			}
			require.PanicsWithValue(t, "breaker: Timeout.Run: a nil function", func() { _ = g.Run(t.Context(), nil) })
		}
		<-time.After(2 * time.Minute)
	})
}

func TestTimeoutRefusesTheImpossible(t *testing.T) {
	for _, d := range []time.Duration{0, -1, -time.Hour} {
		_, err := NewTimeout(d)
		require.ErrorContains(t, err, "breaker: NewTimeout: a time of "+d.String())
		_, err = NewAbandon(d)
		require.ErrorContains(t, err, "breaker: NewAbandon: a time of "+d.String())
	}
}

// TestAbandonWhatIsDone: work that was done in time is not dropped because its caller comes to look when the time
// is over too. Planted and caught: a select that takes any of the two; the cause of a context for its error.
func TestAbandonWhatIsDone(t *testing.T) {
	g, err := NewAbandon(time.Hour)
	require.NoError(t, err)
	limited, cancel := context.WithTimeoutCause(t.Context(), 0, g.expired)
	defer cancel()
	<-limited.Done()
	for range 100 {
		ends := make(chan ending, 1)
		ends <- ending{}
		require.NoError(t, g.await(t.Context(), limited, ends))
	}
	require.Equal(t, g.expired, g.await(t.Context(), limited, nil))
	gone, leave := context.WithCancelCause(t.Context())
	leave(errDown)
	require.Equal(t, context.Canceled, g.await(gone, gone, nil), "and not the cause of it")
	require.Equal(t, TimeoutStats{Expired: 1}, g.Stats())
}
