package breaker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAIMDFormulas goes through some calls by hand.
//
// Planted and caught: +1 for each call; no cut, and one at the begin of the call; >= Slow; failures that
// do not count; a limit of which less than half is in use, or must be all of it.
func TestAIMDFormulas(t *testing.T) {
	l, err := AIMD{Backoff: 0.5, Slow: 100}.start(bounds{1, 1000, 8})
	require.NoError(t, err)
	for i, c := range []struct {
		sample
		want float64
	}{
		{sample{100, 10, 3, true}, 8}, // half of it is not in use
		{sample{200, 10, 4, true}, 8 + 1./8},
		{sample{300, 100, 1, true}, 8 + 1./8},
		{sample{400, 101, 1, true}, (8 + 1./8) / 2},    // slow
		{sample{401, 300, 1, true}, (8 + 1./8) / 2},    // it began before that
		{sample{402, 3, 1, false}, (8 + 1./8) / 2},     // and so did this
		{sample{403, 3, 1, false}, (8 + 1./8) / 4},     // this did not
		{sample{404, 1, 2, true}, 2.03125 + 1/2.03125}, // after a decrease it goes on at once
		{sample{500, 1, 9, false}, 1.26179},
		{sample{600, 1, 9, false}, 1},
		{sample{700, 1, 9, true}, 2},
	} {
		require.InDelta(t, c.want, l.update(c.sample), 1e-4, "%d", i)
	}
}

// TestAIMDKnee asks a server for twice of what it can do. With a Slow the limit is a saw below
// where calls take so long; and without, below where the server refuses.
func TestAIMDKnee(t *testing.T) {
	r := fixedChance()
	for _, c := range []struct {
		law  AIMD
		room int
		edge float64
	}{{AIMD{Slow: 20 * time.Millisecond}, 0, 20}, {AIMD{}, 5, 15}} {
		for _, initial := range []float64{1, 20, 200} {
			s := newServer(t, r, c.law, bounds{1, 1000, initial}, 10, 2000, 10*time.Millisecond)
			s.room = c.room
			s.run(time.Minute)
			s.answered = 0
			low, high := s.limits(2 * time.Minute)
			require.True(t, low > 0.85*c.edge && low < c.edge, "%v", low)
			require.True(t, high > c.edge && high < c.edge+6, "%v", high)
			require.Greater(t, s.answered, 119_000)
		}
	}
}

// TestAIMDOnce fails all calls of a server at once: that is one decrease.
//
// Planted and caught: no cut.
func TestAIMDOnce(t *testing.T) {
	r := fixedChance()
	l, err := AIMD{}.start(bounds{1, 1000, 100})
	require.NoError(t, err)
	for i := range 100 {
		require.Equal(t, 90., l.update(sample{time.Second + time.Duration(i), time.Second, i + 1, false}))
	}
	s := newServer(t, r, AIMD{Slow: time.Second}, usualBounds, 10, 500, 10*time.Millisecond)
	s.run(time.Second)
	s.slow = map[int]time.Duration{s.came + 1: 10 * time.Second}
	s.run(time.Minute)
	require.Equal(t, 1, s.falls, "one slow call")
}
