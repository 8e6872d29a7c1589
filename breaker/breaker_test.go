package breaker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConfig(t *testing.T) {
	for want, c := range map[string]Config{
		"an OpenFor of -1ns: want a positive time":                  {OpenFor: -1},
		"a MaxOpenFor of 1s: want 2s, the OpenFor, to":              {OpenFor: 2 * time.Second, MaxOpenFor: time.Second},
		"an OpenFor of 2562047h47m16.854775807s: want a positive":   {OpenFor: 1<<63 - 1},
		"a Jitter of 2: want above 0 and up to 1, or NoJitter":      {Jitter: 2},
		"a Jitter of -0.5: want":                                    {Jitter: -0.5},
		"-1 Probes: want 1 to 65536":                                {Probes: -1},
		"-1 Successes: want at least 1":                             {Successes: -1},
		"a ProbeTimeout of -1s: want a positive time":               {ProbeTimeout: -time.Second},
		"Trip: 0 consecutive failures: want at least 1":             {Trip: ConsecutiveFailures(0)},
		"Trip: a rate of 0: want above 0 and up to 1":               {Trip: FailureRate(0, 1, LastCalls(1))},
		"Trip: a rate of 1.5":                                       {Trip: FailureRate(1.5, 1, LastCalls(1))},
		"Trip: at least 0 calls: want 1 or more":                    {Trip: FailureRate(1, 0, LastCalls(1))},
		"Trip: no window":                                           {Trip: FailureRate(1, 1, nil)},
		"Trip: at least 11 calls of the last 10: the circuit would": {Trip: FailureRate(1, 11, LastCalls(10))},
		"Trip: a window of the last -1 calls: want 1 to":            {Trip: FailureRate(1, 1, LastCalls(-1))},
		"Trip: a window of the last 9ns: want 10ns to":              {Trip: FailureRate(1, 1, LastTime(9))},
		"Trip: slow after -1ns: want a positive time":               {Trip: SlowRate(0, 1, 1, LastCalls(1))},
		"Trip: AnyOf of no rule":                                    {Trip: AnyOf()},
		"Trip: AnyOf: rule 1 is nil":                                {Trip: AnyOf(ConsecutiveFailures(1), nil)},
		"Trip: AnyOf: rule 0: 0 consecutive failures":               {Trip: AnyOf(ConsecutiveFailures(0))},
	} {
		_, err := New(c)
		require.ErrorContains(t, err, "breaker: New: ")
		require.ErrorContains(t, err, want)
	}
	b := must(t, Config{})
	require.PanicsWithValue(t, "breaker: Do: a nil function", func() { _, _ = Do[int](t.Context(), b, nil) })
	require.PanicsWithValue(t, "breaker: Breaker.Run: a nil function", func() { _ = b.Run(t.Context(), nil) })
	require.PanicsWithValue(t, "breaker: Breaker.OnStateChange: a nil function", func() { b.OnStateChange(nil) })
}

// TestDefaults: what the zero Config promises.
func TestDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, Config{})
		fail := func() error {
			return b.Run(t.Context(), func(context.Context) error { return errDown })
		}
		for range 20 {
			require.Equal(t, Closed, b.State())
			require.ErrorIs(t, fail(), errDown)
		}
		var open *OpenError
		require.ErrorAs(t, fail(), &open)
		require.EqualError(t, open, "breaker: open")
		require.LessOrEqual(t, open.RetryAfter(), time.Second)
		require.GreaterOrEqual(t, open.RetryAfter(), 800*time.Millisecond)
		require.Same(t, open, fail(), "one value for all")
		for want := time.Second; want <= 64*time.Second; want *= 2 {
			<-time.After(open.RetryAfter())
			require.Equal(t, HalfOpen, b.State())
			require.ErrorIs(t, fail(), errDown)
			before := open
			require.ErrorAs(t, fail(), &open)
			require.NotSame(t, before, open)
			require.Zero(t, before.RetryAfter())
			longest := min(2*want, time.Minute)
			require.LessOrEqual(t, open.RetryAfter(), longest)
			require.Greater(t, open.RetryAfter(), longest*8/10-2)
		}
		<-time.After(open.RetryAfter())
		require.NoError(t, b.Run(t.Context(), func(context.Context) error {
			require.ErrorAs(t, fail(), &open)
			require.EqualError(t, open, "breaker: half-open", "one probe at a time")
			require.Equal(t, 10*time.Second, open.RetryAfter())
			return nil
		}))
		require.Equal(t, Closed, b.State())
	})
}

// TestDelays: they double up to the longest, and chance takes up to Jitter off each, anything as likely.
// Planted and caught: no jitter; one that adds; one seed for all breakers.
func TestDelays(t *testing.T) {
	c := Config{OpenFor: time.Second, MaxOpenFor: 5 * time.Second, Jitter: NoJitter}
	b := must(t, c)
	for opens, want := range []time.Duration{1, 2, 4, 5, 5} {
		require.Equal(t, want*time.Second, time.Duration(b.delay(opens)))
	}
	c.Jitter = 0.2
	b, err := newBreaker(c, 1)
	require.NoError(t, err)
	var fifths [5]int
	for range 1000 {
		d := time.Duration(b.delay(2))
		require.True(t, d > 3200*time.Millisecond && d <= 4*time.Second, d)
		fifths[(4*time.Second-d)/(160*time.Millisecond)]++
	}
	for _, n := range fifths {
		require.InDelta(t, 200, n, 50)
	}
	require.NotEqual(t, must(t, c).delay(3), must(t, c).delay(3), "each breaker has its own chance")
	c = Config{OpenFor: maxDelay, MaxOpenFor: maxDelay}
	require.Positive(t, must(t, c).delay(1000), "nothing wraps")
}

// TestRetryAfter: an error of a state that is over says nothing about the time from then on. Planted and
// caught: no look at whether it is over.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: time.Minute, Jitter: NoJitter, Probes: 2, ProbeTimeout: time.Hour})
		allow := func() Permit {
			p, err := b.Allow()
			require.NoError(t, err)
			return p
		}
		refused := func() (open *OpenError) {
			_, err := b.Allow()
			require.ErrorAs(t, err, &open)
			return open
		}
		p := allow()
		p.Done(errDown)
		first := refused()
		require.Equal(t, time.Minute, first.RetryAfter())
		<-time.After(time.Minute)
		p = allow()
		<-time.After(time.Second)
		allow() // it hangs
		second := refused()
		require.Equal(t, time.Hour-time.Second, second.RetryAfter(), "when the first of both is over")
		p.Done(errDown)
		require.Zero(t, second.RetryAfter())
		third := refused()
		require.Equal(t, time.Minute, third.RetryAfter())
		b.Reset()
		require.Zero(t, third.RetryAfter())
		require.Zero(t, first.RetryAfter())
	})
}

// TestContext: a caller who has gone says nothing about the callee; but he gives back the slot.
func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: 1, Jitter: NoJitter})
		ctx, cancel := context.WithCancel(t.Context())
		gone := func(ctx context.Context) error {
			cancel()
			return fmt.Errorf("get: %w", ctx.Err())
		}
		require.ErrorIs(t, b.Run(ctx, gone), context.Canceled)
		require.Equal(t, Closed, b.State())
		called := false
		require.ErrorIs(t, b.Run(ctx, func(context.Context) error { called = true; return nil }), context.Canceled)
		_, err := Do(ctx, b, func(context.Context) (int, error) { called = true; return 0, nil })
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, called, "he had gone before")

		require.Equal(t, Failure, Classify(context.DeadlineExceeded))
		require.ErrorIs(t, b.Run(t.Context(), func(context.Context) error { return context.DeadlineExceeded }), context.DeadlineExceeded)
		require.Equal(t, Open, b.State())
		<-time.After(1)
		require.ErrorIs(t, b.Run(ctx, gone), context.Canceled)
		_, err = Do(ctx, b, func(context.Context) (int, error) { called = true; return 0, nil })
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, b.Stats().Probes, "who had gone before takes no slot")
		for range 3 {
			require.ErrorIs(t, b.Run(t.Context(), func(context.Context) error { return context.Canceled }), context.Canceled)
			require.Equal(t, HalfOpen, b.State(), "and there is a slot for the next one")
		}
		require.EqualValues(t, 4, b.Stats().Ignored)
	})
}

// TestClassify: an error of one's own that is no failure, and a Classify that panics. Planted and caught: a
// *RetryError that is not found when it is wrapped; a cancellation after a timeout taken for one by the caller.
func TestClassify(t *testing.T) {
	notFound := errors.New("not found")
	b := must(t, Config{Trip: ConsecutiveFailures(2), OpenFor: time.Hour, Classify: func(err error) Outcome {
		switch {
		case errors.Is(err, notFound):
			return Success
		case errors.Is(err, errDown):
			panic("cannot say")
		}
		return Classify(err)
	}})
	for range 10 {
		require.ErrorIs(t, b.Run(t.Context(), func(context.Context) error { return notFound }), notFound)
	}
	require.Equal(t, Closed, b.State())
	for err, want := range map[error]Outcome{
		nil:                                    Success,
		errDown:                                Failure,
		fmt.Errorf("call: %w", ErrFull):        Ignore, // nobody was called
		&OpenError{}:                           Ignore,
		&RetryError{Attempts: 3, Err: errDown}: Failure,
		&RetryError{Attempts: 2, Err: errDown, Stopped: ErrBudget}:                               Failure, // but somebody was
		&RetryError{Attempts: 2, Err: errDown, Stopped: context.Canceled}:                        Failure,
		&RetryError{Attempts: 2, Err: ErrThrottled}:                                              Ignore,
		&RetryError{Attempts: 2, Err: context.Canceled}:                                          Ignore,
		fmt.Errorf("get: %w", &RetryError{Attempts: 2, Err: errDown, Stopped: context.Canceled}): Failure,
		fmt.Errorf("get: %w", &RetryError{Attempts: 2, Err: ErrThrottled}):                       Ignore,
		&RetryError{Attempts: 2, Err: &RetryError{Attempts: 3, Err: context.Canceled}}:           Ignore,
		&TimeoutError{Err: errDown}:                                                              Failure,
		&TimeoutError{Err: fmt.Errorf("get: %w", context.Canceled)}:                              Failure, // f has cancelled what it had begun
		&TimeoutError{Err: errWaitExceeded}:                                                      Ignore,
	} {
		require.Equal(t, want, Classify(err), "%#v", err)
	}
	for range 2 {
		require.PanicsWithValue(t, "cannot say", func() { _ = b.Run(t.Context(), func(context.Context) error { return errDown }) })
	}
	require.Equal(t, Open, b.State(), "a call of which nobody can say how it went has failed")
}

// TestHooks: in order, one after the other, under no lock, and also if they change the state
// themselves or panic. Planted and caught: one that
// is told of a change while another is; no more of them after a panic.
func TestHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, Config{Name: "db", Trip: ConsecutiveFailures(1), OpenFor: time.Second, Jitter: NoJitter})
		var seen []string
		b.OnStateChange(func(c Change) {
			seen = append(seen, fmt.Sprint(c.Name, " ", c.From, " ", c.To, " ", b.State(), b.Stats().State))
			if c.To == Open {
				b.ForceOpen()
				b.Reset()
			}
		})
		b.OnStateChange(func(c Change) { seen = append(seen, c.To.String()) })
		p, err := b.Allow()
		require.NoError(t, err)
		p.Done(errDown)
		require.Equal(t, []string{
			"db closed open openopen", "open",
			"db open forced-open closedclosed", "forced-open",
			"db forced-open closed closedclosed", "closed",
		}, seen)
		seen = nil
		panics := true
		b.OnStateChange(func(Change) {
			if panics {
				panic("hook")
			}
		})
		require.PanicsWithValue(t, "hook", b.Disable)
		panics = false
		b.Reset()
		require.Len(t, seen, 4, "the next one is told")
	})
}

// TestHooksOfPanics: a hook that panics takes nothing from those after it, who are told by the next one.
// Planted and caught: a change that is dropped with the hook that panicked.
func TestHooksOfPanics(t *testing.T) {
	b := must(t, Config{})
	b.OnStateChange(func(c Change) {
		if c.To == Disabled {
			panic("hook")
		}
	})
	var seen []State
	b.OnStateChange(func(c Change) { seen = append(seen, c.To) })
	require.PanicsWithValue(t, "hook", b.Disable)
	b.Reset()
	require.Equal(t, []State{Disabled, Closed}, seen)
}

// TestHooksFromNowOn: a hook is not told of what was before it, even if others have yet to be.
func TestHooksFromNowOn(t *testing.T) {
	b := must(t, Config{})
	var seen []State
	b.OnStateChange(func(c Change) {
		if c.To == Forced {
			b.Disable() // that is told when this hook has returned
			b.OnStateChange(func(c Change) { seen = append(seen, c.To) })
		}
	})
	b.ForceOpen()
	b.Reset()
	require.Equal(t, []State{Closed}, seen)
}

// TestHooksTakeTime: it is not the probe's, which is neither slow by it nor overdue; and if a hook panics,
// no slot is lost. Planted and caught: a slot that is taken before the hooks are told.
func TestHooksTakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, Config{
			Trip: SlowRate(time.Second, 1, 1, LastCalls(1)), OpenFor: time.Minute, Jitter: NoJitter, ProbeTimeout: 5 * time.Second,
		})
		panics := false
		b.OnStateChange(func(Change) {
			<-time.After(10 * time.Second)
			if panics {
				panic("hook")
			}
		})
		call := func(takes time.Duration) {
			require.NoError(t, b.Run(t.Context(), func(context.Context) error { <-time.After(takes); return nil }))
		}
		call(time.Second)
		require.Equal(t, Open, b.State())
		<-time.After(time.Minute)
		call(0)
		require.Equal(t, Closed, b.State())

		call(time.Second)
		<-time.After(time.Minute)
		panics = true
		require.PanicsWithValue(t, "hook", func() { call(0) })
		require.Zero(t, b.Stats().Probes)
		panics = false
		call(0)
		require.Equal(t, Closed, b.State())
	})
}

// TestHooksCall: a hook may make calls while others have yet to be told of the same change, and who closes the circuit
// by hand meanwhile lets the call go that would have been a probe, as one that begins now. Planted and
// caught: a probe that waits until all are told (the test does not end); a call without a beginning, which is slow.
func TestHooksCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, Config{Trip: AnyOf(ConsecutiveFailures(1), SlowRate(time.Second, 1, 1, LastCalls(1))), OpenFor: time.Minute, Jitter: NoJitter})
		fails := func(context.Context) error { return errDown }
		fine := func(context.Context) error { return nil }
		asked, resets := 0, false
		b.OnStateChange(func(c Change) {
			if c.To != HalfOpen {
				return
			}
			if resets {
				b.Reset()
				return
			}
			asked++
			require.NoError(t, b.Run(t.Context(), fine))
		})
		b.OnStateChange(func(Change) {})
		require.ErrorIs(t, b.Run(t.Context(), fails), errDown)
		<-time.After(time.Minute)
		require.NoError(t, b.Run(t.Context(), fine))
		require.Equal(t, 1, asked)
		require.Equal(t, Closed, b.State())

		resets = true
		require.ErrorIs(t, b.Run(t.Context(), fails), errDown)
		<-time.After(time.Minute)
		require.NoError(t, b.Run(t.Context(), fine))
		require.Equal(t, Closed, b.State())
		require.EqualValues(t, 1, b.Counts().Calls)
	})
}

// TestHooksRace: all changes are told, in order, whoever makes them.
func TestHooksRace(t *testing.T) {
	b := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: 1, Jitter: NoJitter})
	var inside atomic.Int32
	last, n := Closed, 0
	b.OnStateChange(func(c Change) {
		if inside.Add(1) != 1 || c.From != last {
			t.Errorf("%v after %v", c, last)
		}
		last = c.To
		n++
		inside.Add(-1)
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 1000 {
				if p, err := b.Allow(); err == nil {
					p.Done([]error{nil, errDown, context.Canceled}[i%3])
				}
				if i%100 == 0 {
					b.Reset()
				}
			}
		})
	}
	all.Wait()
	require.Greater(t, n, 80)
}

// TestStress lets a circuit open and close under many calls: there are never more probes than
// there may be, and each time that it opens one call has opened it. Planted and caught, by the race
// detector: RetryAfter that looks at the probes without the lock.
func TestStress(t *testing.T) {
	const probes = 3
	b := must(t, Config{Trip: FailureRate(0.5, 10, LastCalls(20)), OpenFor: 1, MaxOpenFor: 1, Jitter: NoJitter, Probes: probes})
	var opened, closed atomic.Int64
	var running sync.Map // *period: how many of its probes run, an *atomic.Int64
	b.OnStateChange(func(c Change) {
		switch c.To {
		case Open:
			opened.Add(1)
		case Closed:
			closed.Add(1)
		}
	})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 3000 {
				p, err := b.Allow()
				var open *OpenError
				if errors.As(err, &open) {
					if d := open.RetryAfter(); d < 0 || d > defaultProbeTimeout {
						t.Error("RetryAfter", d)
					}
					continue
				}
				n := new(atomic.Int64)
				if p.period.state == HalfOpen {
					of, _ := running.LoadOrStore(p.period, n)
					n = of.(*atomic.Int64)
				}
				if n.Add(1) > probes {
					t.Error("too many probes")
				}
				if i%2 == 0 {
					runtime.Gosched()
				}
				err = nil
				if (i/100+g)%3 == 0 {
					err = errDown
				}
				n.Add(-1)
				p.Done(err)
			}
		})
	}
	all.Wait()
	for _, err := range []error{errDown, nil} { // it opens and closes once more, however often it has
		for was := opened.Load() + closed.Load(); opened.Load()+closed.Load() == was; {
			if p, refused := b.Allow(); refused == nil {
				p.Done(err)
			}
		}
	}
	s := b.Stats()
	require.EqualValues(t, s.Opened, opened.Load())
	require.Positive(t, opened.Load())
	t.Logf("%+v", s)
}

// TestTripOnce lets many calls fail at the same time: the circuit opens once. Planted and caught: a
// trip that does not look whose period it is.
func TestTripOnce(t *testing.T) {
	for range 200 {
		b := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: time.Hour})
		var permits [8]Permit
		for i := range permits {
			permits[i], _ = b.Allow()
		}
		var all sync.WaitGroup
		var start sync.WaitGroup
		start.Add(1)
		for i := range permits {
			all.Go(func() {
				start.Wait()
				permits[i].Done(errDown)
			})
		}
		start.Done()
		all.Wait()
		require.EqualValues(t, 1, b.Stats().Opened)
	}
	b := must(t, Config{})
	of := b.period.Load()
	b.trip(of, unread)
	b.trip(of, unread) // somebody who was slow
	require.EqualValues(t, 1, b.Stats().Opened)
}

func TestStrings(t *testing.T) {
	require.Equal(t, "closed open half-open forced-open disabled State(9)", fmt.Sprint(Closed, " ", Open, " ", HalfOpen, " ", Forced, " ", Disabled, " ", State(9)))
	require.Equal(t, "ignored counted stale Verdict(9)", fmt.Sprint(Ignored, " ", Counted, " ", Stale, " ", Verdict(9)))
	require.Equal(t, "success failure ignore Outcome(9)", fmt.Sprint(Success, " ", Failure, " ", Ignore, " ", Outcome(9)))
	b := must(t, Config{Name: "db"})
	b.ForceOpen()
	_, err := b.Allow()
	require.EqualError(t, err, `breaker: "db" is forced-open`)
	text, err := json.Marshal(b.Stats())
	require.NoError(t, err)
	require.JSONEq(t, `{"state":"forced-open","counts":{"calls":0,"failures":0,"slow":0},"probes":0,"opened":0,"rejected":1,"ignored":0,"stale":0}`, string(text))
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("breaker", "db", b.Stats())
	require.Contains(t, log.String(), "db.state=forced-open db.calls=0 db.failures=0 db.slow=0 db.probes=0 db.opened=0 db.rejected=1")
}

func TestNoAllocations(t *testing.T) {
	for name, trip := range map[string]Trip{
		"row": ConsecutiveFailures(1 << 30), "calls": FailureRate(1, 100, LastCalls(100)),
		"time": FailureRate(1, 100, LastTime(time.Hour)), "slow": SlowRate(time.Hour, 1, 1, LastTime(time.Hour)),
	} {
		b := must(t, Config{Trip: trip})
		ok := func(context.Context) (int, error) { return 1, nil }
		_, _ = Do(t.Context(), b, ok)
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = Do(t.Context(), b, ok) }), name)
		b.ForceOpen()
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = Do(t.Context(), b, ok) }), name)
	}
	for name, trip := range map[string]Trip{
		"row": ConsecutiveFailures(1 << 30), "calls": FailureRate(1, 1000, LastCalls(1000)), "time": FailureRate(1, 1000, LastTime(time.Hour)),
	} {
		b := must(t, Config{Trip: trip})
		fail := func(context.Context) (int, error) { return 0, errDown }
		_, _ = Do(t.Context(), b, fail)
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = Do(t.Context(), b, fail) }), name)
		require.Equal(t, Closed, b.State(), name)
	}
}
