package breaker

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestSaidTime plays the same calls on the clock and on times that are said, with rules that ask for
// the time and one that does not: both breakers do the same. Planted and caught: DoneAt that
// reads the clock, a probe admitted or done at the clock's time, a trip at it, a call
// that began at it, StateAt that does not settle.
func TestSaidTime(t *testing.T) {
	for _, rule := range []Trip{
		ConsecutiveFailures(2),
		FailureRate(0.5, 3, LastTime(10*time.Second)),
		SlowRate(2*time.Second, 0.5, 2, LastCalls(4)),
	} {
		t.Run(fmt.Sprintf("%T", rule), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := seed.New(t)
				c := Config{Trip: rule, OpenFor: 3 * time.Second, Jitter: NoJitter, ProbeTimeout: 4 * time.Second}
				clock, said := must(t, c), must(t, c)
				start, now := time.Now().Add(time.Hour), time.Duration(0) // of the second
				type pair struct{ a, b Permit }
				var running []pair
				opened := 0
				for range 2000 {
					switch r.IntN(4) {
					case 0:
						d := time.Duration(r.IntN(2500)) * time.Millisecond
						<-time.After(d)
						now += d
						continue
					case 1, 2:
						p, err := clock.Allow()
						q, err2 := said.AllowAt(start.Add(now))
						require.Equal(t, err == nil, err2 == nil)
						if err == nil {
							running = append(running, pair{p, q})
						} else {
							require.Equal(t, err.(*OpenError).State(), err2.(*OpenError).State())
							opened++
						}
					case 3:
						if len(running) == 0 {
							continue
						}
						i, failed := r.IntN(len(running)), error(nil)
						if r.IntN(2) == 0 {
							failed = errDown
						}
						one := running[i]
						running = append(running[:i], running[i+1:]...)
						require.Equal(t, one.a.Done(failed), one.b.DoneAt(start.Add(now), failed))
						require.Equal(t, Ignored, one.b.DoneAt(start.Add(now), failed), "it is done")
					}
					require.Equal(t, clock.State(), said.StateAt(start.Add(now)))
				}
				require.Greater(t, opened, 50)
			})
		})
	}
}

// TestSaidTimeDoesNotMoveByTheClock: hours on the clock are nothing to who says what time it is, and hooks are told
// the time that was said. Planted and caught: a time that is a nanosecond less.
func TestSaidTimeDoesNotMoveByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: time.Minute, Jitter: NoJitter, ProbeTimeout: time.Minute})
		start := time.Now()
		var told []time.Duration
		b.OnStateChange(func(c Change) { told = append(told, c.At.Sub(start)) })
		<-time.After(24 * time.Hour)
		p, err := b.AllowAt(start.Add(time.Second))
		require.NoError(t, err)
		require.Equal(t, Counted, p.DoneAt(start.Add(2*time.Second), errDown))
		require.Equal(t, Open, b.StateAt(start.Add(62*time.Second-1)))
		_, err = b.AllowAt(start.Add(62*time.Second - 1))
		require.ErrorIs(t, err, ErrOpen)
		probe, err := b.AllowAt(start.Add(62 * time.Second))
		require.NoError(t, err)
		require.Equal(t, HalfOpen, b.StateAt(start.Add(122*time.Second-1)))
		require.Equal(t, Counted, probe.DoneAt(start.Add(122*time.Second-1), nil))
		require.Equal(t, Closed, b.StateAt(start.Add(122*time.Second-1)))
		require.Equal(t, []time.Duration{2 * time.Second, 62 * time.Second, 122*time.Second - 1}, told)
	})
}

// TestClockSteps: times that go back, far forward, before the breaker was made, or to the end of time
// neither open nor close anything by themselves, get nothing stuck, and never panic. Planted
// and caught: times that are not bounded, below or above.
func TestClockSteps(t *testing.T) {
	for _, rule := range []Trip{
		FailureRate(0.5, 3, LastTime(10*time.Second)),
		SlowRate(time.Second, 0.5, 3, LastTime(10*time.Second)),
		ConsecutiveFailures(3),
	} {
		made := time.Now()
		b := must(t, Config{Trip: rule, OpenFor: time.Second, Jitter: NoJitter})
		call := func(at time.Time, err error) (Verdict, error) {
			p, refused := b.AllowAt(at)
			if refused != nil {
				return Ignored, refused
			}
			return p.DoneAt(at, err), nil
		}
		for _, at := range []time.Time{
			made, made.Add(time.Hour), made, {}, made.Add(-time.Hour), made.Add(math.MaxInt64), time.Unix(1<<40, 0), made,
		} {
			v, err := call(at, nil)
			require.NoError(t, err, "%T at %v", rule, at)
			require.Equal(t, Counted, v)
			require.Equal(t, Closed, b.StateAt(at))
		}
		b.Reset()

		// It opens at the end of time, and is seen from before that: it is open, and stays so.
		if rule.slowAfter() > 0 {
			continue // these calls take no time
		}
		end := made.Add(math.MaxInt64)
		for range 3 {
			_, _ = call(end, errDown)
		}
		require.Equal(t, Open, b.StateAt(end))
		_, err := call(made, nil)
		require.ErrorIs(t, err, ErrOpen)
		b.Reset()
		require.Equal(t, Closed, b.StateAt(made))

		// A clock that steps back an hour while the circuit is open makes it wait an hour more, and no longer.
		for range 3 {
			_, _ = call(made.Add(2*time.Hour), errDown)
		}
		require.Equal(t, Open, b.StateAt(made.Add(time.Hour)))
		require.Equal(t, HalfOpen, b.StateAt(made.Add(2*time.Hour+time.Second)))
		v, err := call(made.Add(2*time.Hour+time.Second), nil)
		require.NoError(t, err)
		require.Equal(t, Counted, v)
		require.Equal(t, Closed, b.StateAt(made))
	}
}

// TestWallClockSteps: Do, and what says no time, does not look at the clock on the wall. A time from
// elsewhere, without its monotonic part, is compared by the wall, as time.Time does.
func TestWallClockSteps(t *testing.T) {
	b := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: time.Hour, MaxOpenFor: time.Hour, Jitter: NoJitter})
	now := time.Now()
	p, err := b.AllowAt(now.Round(0)) // without the monotonic part
	require.NoError(t, err)
	require.Equal(t, Counted, p.DoneAt(now.Round(0), errors.New("down")))
	require.Equal(t, Open, b.StateAt(now.Round(0)))
	require.Equal(t, HalfOpen, b.StateAt(now.Round(0).Add(time.Hour+time.Second)))
}

// TestAdaptiveSaidTime learns the same from the clock as from times that are said, and nothing
// wild from times that make no sense. Planted and caught: DoneAt that reads the clock, that does not free its
// place, that counts twice, or that takes all for well.
func TestAdaptiveSaidTime(t *testing.T) {
	for _, law := range []Law{AIMD{}, Gradient{}} {
		synctest.Test(t, func(t *testing.T) {
			c := AdaptiveConfig{Law: law, Initial: 10}
			said, err := NewAdaptive(c)
			require.NoError(t, err)
			r, start := seed.New(t), time.Now()
			<-time.After(time.Hour) // that the second knows nothing of
			clock, err := NewAdaptive(c)
			require.NoError(t, err)
			learned := false
			for i := range 3000 {
				took := time.Duration(10+r.IntN(10)+i/100) * time.Millisecond
				var turns, saidTurns []Turn
				for range clock.Limit()/2 + 1 {
					a, err := clock.Allow()
					require.NoError(t, err)
					b, err := said.AllowAt(start)
					require.NoError(t, err)
					turns, saidTurns = append(turns, a), append(saidTurns, b)
				}
				start = start.Add(took)
				<-time.After(took)
				ok := r.IntN(50) > 0
				for j := range turns {
					turns[j].Done(ok)
					saidTurns[j].DoneAt(start, ok)
					saidTurns[j].DoneAt(start, ok)
				}
				require.Equal(t, clock.Stats(), said.Stats(), "call %d", i)
				learned = learned || said.Limit() != c.Initial // in the end it may be the same again
			}
			require.True(t, learned)
			for _, at := range []time.Time{start, {}, start.Add(math.MaxInt64), start} {
				turn, err := said.AllowAt(at)
				require.NoError(t, err)
				turn.DoneAt(start, true)
				turn, err = said.AllowAt(start)
				require.NoError(t, err)
				turn.DoneAt(at, true)
				require.GreaterOrEqual(t, said.Limit(), 1)
				require.LessOrEqual(t, said.Limit(), 1000)
			}
			var none Turn
			none.DoneAt(start, true)
		})
	}
}

// TestAdaptiveClockSetBack: one who says times of a clock that is set back an hour, or that has been at the
// end of time for a moment, goes on to learn. Planted and caught: a time that stands still until the clock is where it was;
// times without a bound, which wrap.
func TestAdaptiveClockSetBack(t *testing.T) {
	for _, law := range []Law{AIMD{}, Gradient{}} {
		for _, back := range []time.Duration{0, time.Hour, math.MaxInt64} {
			a, err := NewAdaptive(AdaptiveConfig{Law: law, Initial: 100})
			require.NoError(t, err)
			now := a.made.Add(back)
			call := func(failed bool) {
				var turns []Turn
				for range a.Limit() {
					turn, err := a.AllowAt(now)
					require.NoError(t, err)
					turns = append(turns, turn)
				}
				now = now.Add(10 * time.Millisecond)
				for _, turn := range turns {
					turn.DoneAt(now, !failed)
				}
			}
			for range 3 {
				call(true)
			}
			now = a.made
			for range 600 {
				call(true)
			}
			require.Less(t, a.Limit(), 80, "%T, %v back: 6 s of failures", law, back)
			for range 200 {
				call(false) // more than a window
			}
			low := a.Limit()
			for range 300 {
				call(false)
			}
			high := a.Limit()
			require.Greater(t, high, low, "%T, %v back: 5 s in which all was well", law, back)
			for range 200 {
				call(true)
			}
			require.Less(t, a.Limit(), high, "%T, %v back: 2 s of failures", law, back)
		}
	}
}

// TestAdaptiveSaidLate: who is late by less than a second counts as of the last time, so that failures of calls
// that began before a decrease make no other one. Planted and caught: each time before the last taken for that of a clock
// that was set back.
func TestAdaptiveSaidLate(t *testing.T) {
	a, err := NewAdaptive(AdaptiveConfig{Law: AIMD{Backoff: 0.5}, Initial: 64})
	require.NoError(t, err)
	at := func(ms time.Duration) time.Time { return a.made.Add(ms * time.Millisecond) }
	turn := func(ms time.Duration) Turn {
		turn, err := a.AllowAt(at(ms))
		require.NoError(t, err)
		return turn
	}
	early, late, next := turn(0), turn(0), turn(1500)
	early.DoneAt(at(2000), false)
	require.Equal(t, 32, a.Limit())
	late.DoneAt(at(1001), false)
	require.Equal(t, 32, a.Limit(), "of before the decrease")
	next.DoneAt(at(2001), false)
	require.Equal(t, 32, a.Limit(), "that too: no time was counted twice")
	turn(2001).DoneAt(at(2002), false)
	require.Equal(t, 16, a.Limit())
}

// TestAdaptiveSaidBackwards: a call that was over before it began took no time. Planted and caught: less than none.
func TestAdaptiveSaidBackwards(t *testing.T) {
	a, err := NewAdaptive(AdaptiveConfig{})
	require.NoError(t, err)
	turn, err := a.AllowAt(a.made.Add(time.Second / 2))
	require.NoError(t, err)
	turn.DoneAt(a.made, true)
	require.Equal(t, 1, a.law.(*gradient).ok)
	require.Zero(t, a.law.(*gradient).sum)
}
