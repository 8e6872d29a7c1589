package breaker

import (
	"context"
	"errors"
	"fmt"
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
)

// The tests of this file run in a bubble: a goroutine that stays behind makes its test fail.

func newHedge(t *testing.T, c HedgeConfig) *Hedge {
	h, err := NewHedge(c)
	require.NoError(t, err)
	return h
}

// script is a function whose tries take so long and end so. It notes when they began.
type script struct {
	start time.Time
	tries []scripted

	mu    sync.Mutex
	begun []time.Duration // guarded by mu
	cut   int             // tries whose context ended; guarded by mu
}

type scripted struct {
	takes time.Duration
	err   error
}

func play(tries ...scripted) *script { return &script{start: time.Now(), tries: tries} }

func (s *script) run(ctx context.Context) error {
	s.mu.Lock()
	try := s.tries[len(s.begun)]
	s.begun = append(s.begun, time.Since(s.start))
	s.mu.Unlock()
	select {
	case <-time.After(try.takes):
		return try.err
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cut++
		return ctx.Err()
	}
}

// TestHedge plays every case: when tries begin, which error counts, and when Run returns. Planted and
// caught: a try more than Max, a failure that does not start the next, the error of the last in
// place of the first, a final error that ends all at once, a timer that is not set anew.
func TestHedge(t *testing.T) {
	const ms = time.Millisecond
	other, final := errors.New("other"), refusal("final")
	for name, c := range map[string]struct {
		max   int
		tries []scripted
		begun []time.Duration
		took  time.Duration
		err   error
		cut   int
	}{
		"the first is fast": {2, []scripted{{9 * ms, nil}}, []time.Duration{0}, 9 * ms, nil, 0},
		"the second wins":   {2, []scripted{{99 * ms, nil}, {5 * ms, nil}}, []time.Duration{0, 10 * ms}, 15 * ms, nil, 1},
		"the first wins after all": {2, []scripted{{20 * ms, nil}, {50 * ms, nil}}, []time.Duration{0, 10 * ms}, 20 * ms,
			nil, 1},
		"two and no more": {2, []scripted{{99 * ms, nil}, {99 * ms, nil}}, []time.Duration{0, 10 * ms}, 99 * ms, nil, 1},
		"four": {4, []scripted{{99 * ms, nil}, {99 * ms, nil}, {99 * ms, nil}, {1 * ms, nil}},
			[]time.Duration{0, 10 * ms, 20 * ms, 30 * ms}, 31 * ms, nil, 3},
		"one hedges nothing": {1, []scripted{{99 * ms, nil}}, []time.Duration{0}, 99 * ms, nil, 0},
		"a failure starts the next at once": {2, []scripted{{3 * ms, errDown}, {5 * ms, nil}}, []time.Duration{0, 3 * ms},
			8 * ms, nil, 0},
		"the delay counts from there": {3, []scripted{{3 * ms, errDown}, {50 * ms, nil}, {1 * ms, nil}},
			[]time.Duration{0, 3 * ms, 13 * ms}, 14 * ms, nil, 1},
		"all fail": {3, []scripted{{3 * ms, errDown}, {1 * ms, other}, {1 * ms, other}}, []time.Duration{0, 3 * ms, 4 * ms},
			5 * ms, errDown, 0},
		"all fail, the first last": {2, []scripted{{30 * ms, errDown}, {1 * ms, other}}, []time.Duration{0, 10 * ms}, 30 * ms,
			errDown, 0},
		"a final error starts none": {2, []scripted{{3 * ms, final}}, []time.Duration{0}, 3 * ms, final, 0},
		"a final error of the second ends nothing": {3, []scripted{{30 * ms, nil}, {1 * ms, final}},
			[]time.Duration{0, 10 * ms},
			30 * ms, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHedge(t, HedgeConfig{Delay: 10 * ms, Max: c.max})
				s := play(c.tries...)
				require.Equal(t, c.err, h.Run(t.Context(), s.run))
				require.Equal(t, c.took, time.Since(s.start))
				synctest.Wait()
				require.Equal(t, c.begun, s.begun)
				require.Equal(t, c.cut, s.cut, "losers hear of it")
				require.Equal(t, c.took, time.Since(s.start))
			})
		})
	}
}

// TestHedgeDoesNotWaitForLosers: one that ignores its context ends when it likes.
func TestHedgeDoesNotWaitForLosers(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, HedgeConfig{Delay: 10 * ms})
		start, n, ended := time.Now(), atomic.Int64{}, atomic.Bool{}
		got, err := Call(t.Context(), h, func(context.Context) (int64, error) {
			if n.Add(1) == 1 {
				<-time.After(time.Hour)
				ended.Store(true)
				return 1, nil
			}
			return 2, nil
		})
		require.NoError(t, err)
		require.EqualValues(t, 2, got)
		require.Equal(t, 10*ms, time.Since(start))
		require.False(t, ended.Load())
		<-time.After(2 * time.Hour)
		require.True(t, ended.Load())
	})
}

// TestHedgeHonoursTheContext. Planted and caught: a Run that waits for its tries, a try that is started
// after the end.
func TestHedgeHonoursTheContext(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, HedgeConfig{Delay: 10 * ms})
		ctx, cancel := context.WithTimeout(t.Context(), 15*ms)
		defer cancel()
		start := time.Now()
		require.Equal(t, context.DeadlineExceeded, h.Run(ctx, func(context.Context) error {
			<-time.After(time.Second)
			return nil
		}))
		require.Equal(t, 15*ms, time.Since(start))
		n := atomic.Int64{}
		count := func(context.Context) error { n.Add(1); return errDown }
		require.Equal(t, context.DeadlineExceeded, h.Run(ctx, count))
		<-time.After(2 * time.Second) // the tries end
		require.Zero(t, n.Load(), "f is not called")

		ctx, cancel = context.WithCancel(t.Context())
		h = newHedge(t, HedgeConfig{Delay: 10 * ms, Retryable: func(error) bool { cancel(); return true }})
		require.Equal(t, errDown, h.Run(ctx, count), "a failure, and the end of ctx at the same time")
		synctest.Wait()
		require.EqualValues(t, 1, n.Load())
	})
}

// TestHedgeBudget: all are slow, and all fail: the load stays within the law. Planted and caught: a
// budget that is not asked, no Earn.
func TestHedgeBudget(t *testing.T) {
	const ms = time.Millisecond
	for _, try := range []scripted{{time.Second, nil}, {0, errDown}} {
		synctest.Test(t, func(t *testing.T) {
			for budget, want := range map[*Budget]int64{nil: 1000 + 109, NoBudget(): 3000, new(Budget): 1000} {
				h := newHedge(t, HedgeConfig{Delay: 10 * ms, Max: 3, Budget: budget})
				n := atomic.Int64{}
				for range 1000 {
					require.Equal(t, try.err, h.Run(t.Context(), func(ctx context.Context) error {
						n.Add(1)
						select {
						case <-time.After(try.takes):
						case <-ctx.Done():
						}
						return try.err
					}))
				}
				synctest.Wait()
				require.Equal(t, want, n.Load())
			}
		})
	}
}

// TestHedgeCutsTheTail: of a thousand calls one try in 20 takes a second, the others 1 to 10
// milliseconds. A hedge after the 95th percentile, which it learns, takes the 99th from a
// second to 25 ms for 57 tries more. All is on virtual time, from a fixed seed.
func TestHedgeCutsTheTail(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		run := func(g Guard) (p99, most time.Duration, tries int) {
			var mu sync.Mutex
			r := rand.New(rand.NewPCG(1, 2))
			took := make([]time.Duration, 0, 1000)
			for range 1000 {
				start := time.Now()
				require.NoError(t, g.Run(t.Context(), func(ctx context.Context) error {
					mu.Lock()
					tries++
					takes := ms + time.Duration(r.Int64N(int64(9*ms)))
					if r.IntN(20) == 0 {
						takes = time.Second
					}
					mu.Unlock()
					select {
					case <-time.After(takes):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}))
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			return took[989], took[999], tries
		}
		p99, most, tries := run(guardFunc(func(ctx context.Context, f func(context.Context) error) error { return f(ctx) }))
		require.Equal(t, []any{time.Second, time.Second, 1000}, []any{p99, most, tries})
		p99, most, tries = run(newHedge(t, HedgeConfig{}))
		require.Equal(t, 25*ms, p99.Round(ms))
		require.Equal(t, time.Second, most, "both tries were slow")
		require.Equal(t, 1057, tries)
	})
}

// TestHedgeLearns. Planted and caught: a rank too low, or one too high; first tries that are left
// out because a hedge won, which makes it forget how slow they are; such as were cut before the
// delay, and failures, that count as fast.
func TestHedgeLearns(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, HedgeConfig{Quantile: 0.75, Budget: NoBudget()})
		fails := func() {
			require.NoError(t, h.Run(t.Context(), play(scripted{1 * ms, errDown}, scripted{1 * ms, nil}).run))
		}
		takes := func(first, second time.Duration, err error) {
			s := play(scripted{first, err}, scripted{second, err})
			require.Equal(t, err, h.Run(t.Context(), s.run))
		}
		for i := range 15 {
			takes(time.Duration(i+1)*ms, 0, nil)
		}
		_, known := h.Delay()
		require.False(t, known)
		takes(16*ms, 0, nil)
		d, known := h.Delay()
		require.True(t, known)
		require.Equal(t, 12*ms, d, "12 of 16 need no hedge")

		for range 128 {
			takes(1*ms, 1*ms, errDown)
			fails()
		}
		d, _ = h.Delay()
		require.Equal(t, 12*ms, d, "failures say nothing")

		// Everything gets ten times as slow, and every hedge wins: it must not stay at 12.
		for range 256 {
			takes(time.Second, 8*ms, nil)
		}
		d, _ = h.Delay()
		require.GreaterOrEqual(t, d, 20*ms)
		for range 128 {
			takes(2*ms, 2*ms, nil)
		}
		d, _ = h.Delay()
		require.Equal(t, 2*ms, d, "and back")

		for range 128 { // all are cut, in time or late
			for _, limit := range []time.Duration{1 * ms, 1 * ms, 1 * ms, 1 * ms, 3 * ms} {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				require.Error(t, h.Run(ctx, play(scripted{9 * ms, nil}, scripted{9 * ms, nil}).run))
				cancel()
			}
		}
		d, _ = h.Delay()
		require.Equal(t, 3*ms, d, "those that were cut before the delay say nothing")
	})
}

// TestLatencies compares with a plain quantile of the last 128.
func TestLatencies(t *testing.T) {
	for _, q := range []float64{0.001, 0.5, 0.95, 0.99, 0.999} {
		l := latencies{quantile: q}
		r := rand.New(rand.NewPCG(1, 1))
		var all []time.Duration
		for i := range 1000 {
			all = append(all, time.Duration(r.IntN(1000)))
			l.add(all[i])
			if len(all)%16 != 0 {
				continue
			}
			last := slices.Clone(all[max(0, len(all)-128):])
			above := 0
			for _, d := range last {
				if d > time.Duration(l.delay.Load()) {
					above++
				}
			}
			require.LessOrEqual(t, float64(above), (1-q)*float64(len(last))+1e-9)
			slices.Sort(last)
			at, _ := slices.BinarySearch(last, time.Duration(l.delay.Load()))
			require.Less(t, float64(at), q*float64(len(last)), "and not more than needed")
		}
	}
}

// TestHedgePassesPanicsOn: of the first try, of a hedge, and at once; that of a loser is dropped.
func TestHedgePassesPanicsOn(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, HedgeConfig{Delay: 10 * ms, Budget: NoBudget()})
		for want, end := range map[string]func(){"panicked: oh": func() { panic("oh") }, "exited": runtime.Goexit} {
			for number := range int64(2) {
				n := atomic.Int64{}
				start := time.Now()
				require.Equal(t, want, outcomes(t.Context(), h, func(ctx context.Context) error {
					if n.Add(1) > number {
						end()
					}
					<-ctx.Done()
					return nil
				}))
				require.Equal(t, time.Duration(number)*10*ms, time.Since(start))
			}
			n := atomic.Int64{}
			require.Equal(t, "returned: <nil>", outcomes(t.Context(), h, func(ctx context.Context) error {
				if n.Add(1) == 1 {
					<-ctx.Done()
					end()
				}
				return nil
			}))
			synctest.Wait()
		}
		wrapped := fmt.Errorf("value: %w", errDown)
		require.PanicsWithValue(t, wrapped, func() { _ = h.Run(t.Context(), func(context.Context) error { panic(wrapped) }) })
		require.PanicsWithValue(t, "breaker: Hedge.Run: a nil function", func() { _ = h.Run(t.Context(), nil) })
	})
}

// TestHedgeHammered: many calls at once learn, win, lose and fail, under the race detector.
func TestHedgeHammered(t *testing.T) {
	h := newHedge(t, HedgeConfig{Max: 3, Budget: NoBudget()})
	h.latencies.delay.Store(1)
	var all sync.WaitGroup
	for w := range uint64(8) {
		all.Go(func() {
			for i := range uint64(300) {
				n := atomic.Uint64{}
				got, err := Call(t.Context(), h, func(ctx context.Context) (uint64, error) {
					switch try := n.Add(1); {
					case (w+i+try)%5 == 0:
						return 0, errDown
					case (w+i+try)%3 == 0:
						runtime.Gosched()
					}
					return i, ctx.Err()
				})
				if err == nil && got != i || err != nil && !errors.Is(err, errDown) {
					t.Error(got, err)
				}
			}
		})
	}
	all.Wait()
}

func TestHedgeRefusesTheImpossible(t *testing.T) {
	for said, c := range map[string]HedgeConfig{
		"a Delay of -1ns: want a positive": {Delay: -1},
		"a Delay and a Quantile":           {Delay: 1, Quantile: 0.5},
		"a Quantile of -0.1":               {Quantile: -0.1},
		"a Quantile of 1: want":            {Quantile: 1},
		"a Quantile of NaN: want":          {Quantile: math.NaN()},
		"a Max of -1":                      {Max: -1},
		"a Max of 101":                     {Max: 101},
	} {
		_, err := NewHedge(c)
		require.ErrorContains(t, err, "breaker: NewHedge: "+said)
	}
}
