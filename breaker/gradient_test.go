package breaker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestGradientFormulas goes through some windows by hand, with Queue 6 and Smoothing ½.
//
// Planted and caught: long from all windows alike, and from Long of them at once; a gradient without
// a bound below, or above; no Queue; no Smoothing; the time of failures; failures that do not count;
// inFlight that is not of the window; a drain that changes the limit; long that stays after a bad time.
func TestGradientFormulas(t *testing.T) {
	started, err := Gradient{Queue: 6, Smoothing: 0.5, Long: 3, Drain: 10}.start(bounds{1, 1000, 100})
	require.NoError(t, err)
	l, began := started.(*gradient), time.Duration(0)
	window := func(n, bad, inFlight int, rtt time.Duration) float64 { // the last of n calls ends it
		limit := 0.
		for i := 1; i <= n; i++ {
			s := sample{began + time.Duration(i)*time.Second/time.Duration(n), rtt, inFlight, true}
			if i <= bad {
				s.rtt, s.ok = 7*rtt, false // how long a failure took says nothing
			}
			limit = l.update(s)
		}
		began += time.Second
		return limit
	}
	const ms = time.Millisecond
	for i, c := range []struct {
		n, bad, inFlight int
		rtt              time.Duration
		limit            func(before float64) float64
		long             time.Duration
	}{
		{10, 0, 50, 10 * ms, func(l float64) float64 { return (l + l + 6) / 2 }, 10 * ms},           // 103
		{10, 0, 51, 10 * ms, func(l float64) float64 { return l }, 10 * ms},                         // less than half is in use
		{10, 0, 52, 12 * ms, func(l float64) float64 { return (l + l*11/12 + 6) / 2 }, 11 * ms},     // long: 10 + 2/4·2
		{10, 0, 99, 97 * ms, func(l float64) float64 { return (l + l*54/97 + 6) / 2 }, 54 * ms},     // (11 + 97) / 2
		{10, 0, 9, 54 * ms, func(l float64) float64 { return l }, 54 * ms},                          // 99 were of the window before
		{50, 0, 99, 546 * ms, func(l float64) float64 { return (l + l*300/546 + 6) / 2 }, 300 * ms}, // (54 + 546) / 2
		{10, 5, 99, 300 * ms, func(l float64) float64 { return (l + l/2 + 6) / 2 }, 300 * ms},       // half of them failed
		{10, 2, 99, 300 * ms, func(l float64) float64 { return (l + l*8/10 + 6) / 2 }, 300 * ms},    // and a fifth
		{10, 10, 99, 300 * ms, func(l float64) float64 { return (l + l/2 + 6) / 2 }, 300 * ms},      // all
		{10, 0, 99, 20 * ms, func(l float64) float64 { return ((l + l + 6) / 2) / 2 }, 144 * ms},    // 160 is more than 40, less a tenth
		{10, 0, 99, 30 * ms, func(l float64) float64 { return 2 * l }, 30 * ms},                     // the drain was that, and is over
		{10, 0, 99, 10 * ms, func(l float64) float64 { return (l + l + 6) / 2 }, 20 * ms},           // not more than 2·10
		{10, 0, 99, 200 * ms, func(l float64) float64 { return (l + l*110/200 + 6) / 2 }, 110 * ms}, // (20 + 200) / 2
	} {
		before := l.now()
		require.InDelta(t, c.limit(before), window(c.n, c.bad, c.inFlight, c.rtt), 1e-9, "window %d", i)
		require.InDelta(t, float64(c.long), l.long, 1, "window %d", i)
	}
}

// TestGradientWindow waits for ten calls, and in a drain for ten that began in it.
//
// Planted and caught: a window with too few calls; a drain that learns from calls that began before.
func TestGradientWindow(t *testing.T) {
	started, err := Gradient{Drain: 2}.start(bounds{1, 1000, 100})
	require.NoError(t, err)
	l, now := started.(*gradient), time.Second
	update := func(n int, rtt time.Duration) (limit float64) {
		for range n {
			limit = l.update(sample{now, rtt, 100, true})
		}
		return limit
	}
	update(9, time.Second)
	require.Zero(t, l.seen)
	require.InDelta(t, 100.8, update(1, time.Second), 1e-9)
	require.Equal(t, 1, l.seen)
	now += time.Second
	require.InDelta(t, 101.6/2, update(10, time.Second), 1e-9, "it is a drain")
	now += time.Second
	require.InDelta(t, 101.6/2, update(50, time.Second+1), 1e-9, "they began before")
	require.InDelta(t, 101.6/2, update(9, time.Millisecond), 1e-9)
	require.InDelta(t, 101.6, update(1, time.Millisecond), 1e-9)
	require.InDelta(t, float64(time.Millisecond), l.long, 1)
}

// TestGradientKnee asks a server for twice of what it can do, for minutes. The limit goes to
// the knee, from below and from above, and stays there. Without a drain it gets used to its own
// queue, and creeps up.
//
// Planted and caught: a drain from which nothing is learned; one drain, and no other; no Queue.
func TestGradientKnee(t *testing.T) {
	r := fixedChance()
	for _, c := range []struct {
		workers int
		initial float64
	}{{10, 1}, {10, 20}, {10, 200}, {40, 20}} {
		s := newServer(t, r, Gradient{}, bounds{1, 1000, c.initial}, c.workers, float64(c.workers)*200, 10*time.Millisecond)
		if c.initial == 20 {
			s.work = exponential(s.r, 10*time.Millisecond)
		}
		s.run(4 * time.Minute)
		s.answered = 0
		low, high := s.limits(time.Minute)
		require.Greater(t, low, float64(c.workers), "%v: the server has nothing to do", c)
		require.Less(t, high, float64(c.workers)+10, "%v", c)
		require.Greater(t, float64(s.answered), 0.96*float64(c.workers)*100*60, "%v", c)
	}
	s := newServer(t, r, Gradient{Drain: -1}, usualBounds, 10, 2000, 10*time.Millisecond)
	s.run(8 * time.Minute)
	low, _ := s.limits(time.Second)
	require.Greater(t, low, 45.)
}

// TestGradientStep makes a server slower, and faster again: its knee stays where it is. Then it gets
// more workers, and has fewer again.
func TestGradientStep(t *testing.T) {
	r := fixedChance()
	s := newServer(t, r, Gradient{}, usualBounds, 10, 2000, 10*time.Millisecond)
	s.run(4 * time.Minute)
	for _, work := range []time.Duration{30 * time.Millisecond, 10 * time.Millisecond} {
		s.work = func() time.Duration { return work }
		low, _ := s.limits(2 * time.Minute)
		require.Greater(t, low, 5., "it does not collapse")
		low, high := s.limits(2 * time.Minute)
		require.True(t, low > 10 && high < 20, "%v: %v to %v", work, low, high)
	}
	for _, workers := range []int{30, 10} {
		s.free = make([]time.Duration, workers)
		for i := range s.free {
			s.free[i] = s.now
		}
		s.rate = float64(workers) * 200
		s.run(4 * time.Minute)
		low, high := s.limits(time.Minute)
		require.True(t, low > float64(workers) && high < float64(workers)+10, "%d: %v to %v", workers, low, high)
	}
}

// TestGradientSlowCall has a few calls that take ten seconds: they cost a tenth of the limit at most.
func TestGradientSlowCall(t *testing.T) {
	r := fixedChance()
	s := newServer(t, r, Gradient{}, usualBounds, 10, 2000, 10*time.Millisecond)
	s.run(4 * time.Minute)
	before := s.law.(*gradient).limit
	s.slow = map[int]time.Duration{s.came + 1: 10 * time.Second, s.came + 2: 10 * time.Second, s.came + 3: 10 * time.Second}
	low, high := s.limits(time.Minute)
	require.Greater(t, low, 0.88*before)
	require.Less(t, high, 1.2*before)
}

// TestUnused asks for less than the limit: it does not grow to more than twice of what was ever in use.
//
// Planted and caught: a law that does not look at it.
func TestUnused(t *testing.T) {
	r := fixedChance()
	for _, l := range []Law{AIMD{}, Gradient{}} {
		s := newServer(t, r, l, bounds{1, 1000, 5}, 100, 500, 10*time.Millisecond) // 5 in flight
		most := 0
		for range 600 {
			s.run(time.Second / 4)
			most = max(most, len(s.running))
		}
		require.Less(t, s.limit, 60.)
		s.rate = 20
		before := s.limit
		_, high := s.limits(10 * time.Minute)
		require.LessOrEqual(t, high, before, "hardly ever are two in flight")
	}
}
