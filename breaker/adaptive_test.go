package breaker

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
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

func adaptive(t testing.TB, c AdaptiveConfig) *Adaptive {
	t.Helper()
	a, err := NewAdaptive(c)
	require.NoError(t, err)
	return a
}

func TestAdaptiveBadInput(t *testing.T) {
	for want, c := range map[string]AdaptiveConfig{
		"a Min of -1 and a Max of 1000":   {Min: -1},
		"a Min of 1 and a Max of -1":      {Max: -1},
		"a Min of 5 and a Max of 4":       {Min: 5, Max: 4},
		"an Initial of 4: want 5 to 1000": {Min: 5, Initial: 4},
		"an Initial of 9: want 1 to 8":    {Max: 8, Initial: 9},
		"an Initial of -1":                {Initial: -1},
		"an AIMD with a Backoff of 1:":    {Law: AIMD{Backoff: 1}},
		"Backoff of -0.1":                 {Law: AIMD{Backoff: -0.1}},
		"Backoff of NaN":                  {Law: AIMD{Backoff: math.NaN()}},
		"a Slow of -1ns":                  {Law: AIMD{Slow: -1}},
		"a Gradient with a Queue of ":     {Law: Gradient{Queue: -1}},
		"Smoothing of 1.1":                {Law: Gradient{Smoothing: 1.1}},
		"Smoothing of NaN":                {Law: Gradient{Smoothing: math.NaN()}},
		"Window of -1ns":                  {Law: Gradient{Window: -1}},
		"Long of -1":                      {Law: Gradient{Long: -1}},
		"Drain of 1":                      {Law: Gradient{Drain: 1}},
	} {
		a, err := NewAdaptive(c)
		require.Nil(t, a)
		require.ErrorContains(t, err, "breaker: NewAdaptive: ")
		require.ErrorContains(t, err, want)
	}
	for want, c := range map[int]AdaptiveConfig{20: {}, 8: {Max: 8}, 30: {Min: 30}, 2000: {Min: 2000}, 7: {Initial: 7}} {
		require.Equal(t, want, adaptive(t, c).Limit())
	}
	require.PanicsWithValue(t, "breaker: Adaptive.Run: a nil function", func() {
		adaptive(t, AdaptiveConfig{}).Run(t.Context(), nil)
	})
	Turn{}.Done(true)
	Turn{}.Cancel()
}

// server is a queue in front of some workers, on virtual time, and a client of it that keeps to
// a limit. The knee is at as many calls in flight as there are workers.
type server struct {
	r       *rand.Rand
	law     law
	limit   float64
	now     time.Duration
	free    []time.Duration // when each of the workers will be
	running []running       // sorted by their ends
	room    int             // for those who wait; the server refuses the rest. 0: any number

	rate                           float64                 // of calls that are wanted, in a second: a Poisson process
	work                           func() time.Duration    // of a call
	each                           func(now time.Duration) // after each update of the law
	slow                           map[int]time.Duration   // the calls that take longer, by the order in which they come
	came, refused, answered, falls int
}

// running is a call in the server, or on its way back.
type running struct {
	start, end time.Duration
	inFlight   int
	ok         bool
}

func newServer(t testing.TB, r *rand.Rand, l Law, b bounds, workers int, rate float64, work time.Duration) *server {
	law, err := l.start(b)
	require.NoError(t, err)
	return &server{
		r: r, law: law, limit: b.initial, free: make([]time.Duration, workers), rate: rate,
		work: func() time.Duration { return work }, each: func(time.Duration) {},
	}
}

// run lets time go on.
func (s *server) run(d time.Duration) {
	for end := s.now + d; ; {
		next := s.now + time.Duration(s.r.ExpFloat64()/s.rate*float64(time.Second))
		s.answer(min(next, end))
		if next > end {
			s.now = end // a Poisson process does not know how long it has waited
			return
		}
		s.now = next
		s.arrive()
	}
}

// arrive is somebody who wants to call.
func (s *server) arrive() {
	s.came++
	if len(s.running) >= int(s.limit) {
		s.refused++
		return
	}
	c := running{start: s.now, end: s.now + time.Millisecond/10, inFlight: len(s.running) + 1}
	if s.room == 0 || len(s.running) < len(s.free)+s.room {
		first := 0
		for i := range s.free {
			if s.free[i] < s.free[first] {
				first = i
			}
		}
		c.end, c.ok = max(s.now, s.free[first])+s.work(), true
		s.free[first] = c.end
	}
	c.end += s.slow[s.came]
	i, _ := slices.BinarySearchFunc(s.running, c.end, func(r running, end time.Duration) int { return int(r.end - end) })
	s.running = slices.Insert(s.running, i, c)
}

// answer ends all calls until some time.
func (s *server) answer(until time.Duration) {
	for len(s.running) > 0 && s.running[0].end <= until {
		c := s.running[0]
		s.running = s.running[1:]
		if c.ok {
			s.answered++
		}
		before := s.limit
		s.limit = s.law.update(sample{c.end, c.end - c.start, c.inFlight, c.ok})
		if s.limit < before {
			s.falls++
		}
		s.each(c.end)
	}
}

// limits runs a server, and returns the least and the largest limit meanwhile, without such as
// are made to drain it.
func (s *server) limits(d time.Duration) (low, high float64) {
	low, high = math.Inf(1), 0
	s.each = func(time.Duration) {
		limit := s.limit
		if g, ok := s.law.(*gradient); ok {
			limit = g.limit
		}
		low, high = min(low, limit), max(high, limit)
	}
	s.run(d)
	s.each = func(time.Duration) {}
	return low, high
}

var usualBounds = bounds{1, 1000, 20}

func exponential(r *rand.Rand, mean time.Duration) func() time.Duration {
	return func() time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

// TestAdaptiveRun lets calls go as many as may, and learns from their errors. AIMD says what it has
// been told: a failure halves the limit.
//
// Planted and caught: begin that lets one more go, or one less; a canceled call that is learned
// from; Run that learns from what Failed says is none; end that does not give back a place.
func TestAdaptiveRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notFound, broken := errors.New("not found"), errors.New("broken")
		a := adaptive(t, AdaptiveConfig{
			Law: AIMD{Backoff: 0.5, Slow: time.Second}, Initial: 64,
			Failed: func(err error) bool { return err != notFound },
		})
		run := func(d time.Duration, err error) {
			t.Helper()
			require.Equal(t, err, a.Run(t.Context(), func(ctx context.Context) error {
				require.Equal(t, t.Context(), ctx)
				require.Equal(t, 1, a.Stats().Running)
				<-time.After(d)
				return err
			}))
			require.Zero(t, a.Stats().Running)
		}
		for _, c := range []struct {
			d    time.Duration
			err  error
			want int
		}{
			{1, nil, 64}, {1, notFound, 64}, {1, context.Canceled, 64}, {2 * time.Second, context.Canceled, 64},
			{1, broken, 32}, {1, context.DeadlineExceeded, 16}, {time.Second, nil, 16}, {time.Second + 1, nil, 8},
			{2 * time.Second, notFound, 4},
		} {
			run(c.d, c.err)
			require.Equal(t, c.want, a.Limit(), "%v", c)
		}
		var turns []Turn
		for range 4 {
			turn, err := a.Allow()
			require.NoError(t, err)
			turns = append(turns, turn)
		}
		require.Equal(t, ErrLimited, a.Run(t.Context(), func(context.Context) error { panic("it runs") }))
		_, err := a.Allow()
		require.Equal(t, ErrLimited, err)
		<-time.After(1)
		turns[0].Done(false)
		turns[0].Done(true) // it is over
		require.Equal(t, AdaptiveStats{Limit: 2, Running: 3, Refused: 2}, a.Stats())
		_, err = a.Allow()
		require.Equal(t, ErrLimited, err, "there are still more than may be")
		turns[1].Cancel()
		turns[1].Done(false)
		turns[2].Done(false) // it began before the limit fell
		turns[3].Done(true)
		require.Equal(t, AdaptiveStats{Limit: 2, Refused: 3}, a.Stats())

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, a.Run(ended, func(context.Context) error { panic("it runs") }), context.Canceled)
	})
}

// TestAdaptiveEnds gives back the place of a call that panics, or ends its goroutine, or whose
// error makes Failed panic.
//
// Planted and caught: Run without defer.
func TestAdaptiveEnds(t *testing.T) {
	a := adaptive(t, AdaptiveConfig{Law: AIMD{}, Failed: func(error) bool { panic("oh") }})
	for _, err := range []error{nil, errors.New("broken")} {
		require.PanicsWithValue(t, "oh", func() {
			a.Run(t.Context(), func(context.Context) error {
				if err == nil {
					panic("oh")
				}
				return err
			})
		})
		require.Zero(t, a.Stats().Running)
	}
	var wg sync.WaitGroup
	wg.Go(func() { a.Run(t.Context(), func(context.Context) error { runtime.Goexit(); return nil }) })
	wg.Wait()
	require.Equal(t, AdaptiveStats{Limit: 20}, a.Stats())

	a = adaptive(t, AdaptiveConfig{Law: AIMD{}})
	open := must(t, Config{})
	open.ForceOpen()
	for range 100 {
		require.ErrorIs(t, Chain(a, open).Run(t.Context(), func(context.Context) error { panic("it runs") }), ErrOpen)
	}
	require.Equal(t, 20, a.Limit(), "the server has refused nothing")
}

// TestAdaptiveRace lets many call at a time, with a limit that goes up and down. In the end no
// place is lost.
//
// Planted and caught: the law without mu (with -race); end that does not give back a place.
func TestAdaptiveRace(t *testing.T) {
	const callers, rounds = 8, 10_000
	for _, l := range []Law{AIMD{}, Gradient{Window: time.Microsecond}} {
		a := adaptive(t, AdaptiveConfig{Law: l, Max: 6, Initial: 3})
		broken := errors.New("broken")
		var running, ran, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for j := range rounds {
					err := a.Run(t.Context(), func(context.Context) error {
						if n := running.Add(1); n > 6 {
							t.Errorf("%d run", n)
						}
						defer running.Add(-1)
						ran.Add(1)
						if (i+j)%16 == 0 {
							return broken
						}
						if j%16 == 0 {
							runtime.Gosched()
						}
						return nil
					})
					if err == ErrLimited {
						refused.Add(1)
					}
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, callers*rounds, ran.Load()+refused.Load())
		require.EqualValues(t, refused.Load(), a.Stats().Refused)
		require.Zero(t, a.Stats().Running)
		require.True(t, a.Limit() >= 1 && a.Limit() <= 6)
	}
}

// TestAdaptiveTight has one place, and some who want it as fast as they can: nobody shares it.
//
// Planted and caught: an Add in place of the CAS of begin.
func TestAdaptiveTight(t *testing.T) {
	const callers, rounds = 4, 100_000
	a := adaptive(t, AdaptiveConfig{Max: 1})
	var wg sync.WaitGroup
	var running, most atomic.Int64
	for range callers {
		wg.Go(func() {
			for range rounds {
				if _, err := a.begin(); err != nil {
					continue
				}
				if n := running.Add(1); n > 1 {
					most.Store(n)
				}
				running.Add(-1)
				a.end(0, 1, nothing)
			}
		})
	}
	wg.Wait()
	require.Zero(t, most.Load())
	require.Zero(t, a.Stats().Running)
}

// TestLawBounds tells the laws anything, and expects a limit within its bounds.
//
// Planted and caught: no clamp, in either of them.
func TestLawBounds(t *testing.T) {
	r := seed.New(t)
	for _, l := range []Law{AIMD{}, AIMD{Slow: 1, Backoff: 0.01}, Gradient{}, Gradient{Queue: 1000, Smoothing: 1, Window: 1, Drain: 2}} {
		for _, b := range []bounds{{1, 1, 1}, {1, 1000, 20}, {15, 25, 20}, {1, math.MaxInt32, 1000}} {
			law, err := l.start(b)
			require.NoError(t, err)
			now := time.Duration(0)
			for range 3000 {
				now += time.Duration(r.Int64N(1 << r.IntN(34)))
				limit := law.update(sample{now, time.Duration(r.Int64N(int64(now) + 1)), 1 + r.IntN(2000), r.IntN(3) > 0})
				require.True(t, limit >= b.min && limit <= b.max, "%v", limit)
			}
		}
	}
}

func TestAdaptiveStats(t *testing.T) {
	s := AdaptiveStats{1, 2, 3}
	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"limit":1,"running":2,"refused":3}`, string(text))
	require.Equal(t, "[limit=1 running=2 refused=3]", slog.AnyValue(s).Resolve().String())
}

func TestAdaptiveAllocatesNothing(t *testing.T) {
	for _, l := range []Law{AIMD{}, Gradient{Window: 1}} {
		a, f := adaptive(t, AdaptiveConfig{Law: l, Max: 1}), func(context.Context) error { return nil }
		require.Zero(t, testing.AllocsPerRun(100, func() { a.Run(t.Context(), f) }))
		_, err := a.Allow()
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(100, func() { a.Run(t.Context(), f) }))
		require.Positive(t, a.Stats().Refused)
	}
}

// fixedChance is the same in every run: the bounds of what is simulated with it are of what is
// likely, and not of all that can be.
func fixedChance() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
