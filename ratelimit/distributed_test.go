package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// storeFunc is a Store. It is safe for concurrent use if the function is.
type storeFunc func(ctx context.Context, key string, period, tolerance, cost int64) (tat, now int64, ok bool, err error)

func (f storeFunc) Update(ctx context.Context, key string, period, tolerance, cost int64) (tat, now int64, ok bool, err error) {
	return f(ctx, key, period, tolerance, cost)
}

// farStore is one that takes a time to answer and counts how often it is asked.
type farStore struct {
	*MemoryStore
	delay time.Duration
	trips atomic.Int64
}

func newFar(delay time.Duration) *farStore {
	return &farStore{MemoryStore: NewMemoryStore(1000), delay: delay}
}

func (f *farStore) Update(ctx context.Context, key string, period, tolerance, cost int64) (tat, now int64, ok bool, err error) {
	f.trips.Add(1)
	if f.delay > 0 {
		<-time.After(f.delay / 2)
		defer func() { <-time.After(f.delay - f.delay/2) }()
	}
	return f.MemoryStore.Update(ctx, key, period, tolerance, cost)
}

func newDistributed(t *testing.T, s Store, c DistributedConfig) *Distributed {
	t.Helper()
	d, err := NewDistributed(s, c)
	require.NoError(t, err)
	return d
}

func TestDistributedConfig(t *testing.T) {
	good := DistributedConfig{Rate: PerSecond(100), Burst: 10}
	for want, change := range map[string]func(*DistributedConfig){
		"no limit given":                   func(c *DistributedConfig) { c.Rate = Limit{} },
		"burst of 0":                       func(c *DistributedConfig) { c.Burst = 0 },
		"burst of -1":                      func(c *DistributedConfig) { c.Burst = -1 },
		"burst of 9223372036854775807":     func(c *DistributedConfig) { c.Burst = math.MaxInt64 },
		"more than 2^62 ns to fill":        func(c *DistributedConfig) { c.Burst = 1 << 61 },
		"a bucket takes more than":         func(c *DistributedConfig) { c.Rate, c.Burst = Per(1, math.MaxInt64), 1 },
		"counts more than 333 ns and less": func(c *DistributedConfig) { c.Rate = PerSecond(3e6) },
		"lease of 11":                      func(c *DistributedConfig) { c.Lease = 11 },
		"lease of -1":                      func(c *DistributedConfig) { c.Lease = -1 },
		"LeaseTime of 10ms":                func(c *DistributedConfig) { c.Lease, c.LeaseTime = 1, 10*time.Millisecond },
		"LeaseTime, Timeout":               func(c *DistributedConfig) { c.LeaseTime = -1 },
		"of 1s, -1ns":                      func(c *DistributedConfig) { c.Timeout = -1 },
		"100ms, -1ns":                      func(c *DistributedConfig) { c.Retry = -1 },
		"want 0 to 8760h":                  func(c *DistributedConfig) { c.MaxSkew = math.MaxInt64 },
		"MaxLeases of 1":                   func(c *DistributedConfig) { c.MaxLeases = 1 },
		"MaxCalls of -1":                   func(c *DistributedConfig) { c.MaxCalls = -1 },
		"fail mode 2":                      func(c *DistributedConfig) { c.Fail = FailOpen + 1 },
	} {
		c := good
		change(&c)
		_, err := NewDistributed(NewMemoryStore(1), c)
		require.ErrorContains(t, err, want)
	}
	_, err := NewDistributed(nil, good)
	require.ErrorContains(t, err, "nil store")

	for limit, period := range map[Limit]int64{
		PerSecond(1000): 1e6, PerSecond(3): 333_333_334, PerSecond(7000): 142_858, PerSecond(1e9): 1, PerSecond(1e6): 1000,
		PerSecond(999_999): 1001, Per(1, 365*24*time.Hour): 365 * 86400e9, Unlimited: 0,
	} {
		d := newDistributed(t, NewMemoryStore(1), DistributedConfig{Rate: limit, Burst: 1})
		require.Equal(t, period, d.period, limit)
		if limit != Unlimited {
			require.LessOrEqual(t, float64(period)*float64(limit.n), float64(limit.d)*1.001)
			require.GreaterOrEqual(t, period*limit.n, int64(limit.d))
		}
	}
	d := newDistributed(t, storeFunc(nil), DistributedConfig{Rate: Unlimited, Burst: 1})
	decision, err := d.Take(context.Background(), "", math.MaxInt64)
	require.NoError(t, err)
	require.Equal(t, Decision{OK: true, Limit: math.MaxInt64, Remaining: math.MaxInt64}, decision)
	require.NoError(t, d.Refund(context.Background(), "", 1))
}

// TestDistributedDecides compares the decisions with those of a TokenBucket, which are the
// same if from event to event it is a whole number of nanoseconds and the store is near.
func TestDistributedDecides(t *testing.T) {
	r := seed.New(t)
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			limit, burst := Per(1, time.Duration(1+r.Int64N(1e9))), 1+r.Int64N(20)
			store := newFar(0)
			d := newDistributed(t, store, DistributedConfig{Rate: limit, Burst: burst})
			b := NewTokenBucket(limit, burst)
			for range 200 {
				<-time.After(time.Duration(r.Int64N(2 * int64(limit.d))))
				n := r.Int64N(burst + 1)
				got, err := d.Take(t.Context(), "key", n)
				require.NoError(t, err)
				require.Equal(t, b.Take(n), got)
				if got.OK && r.IntN(3) == 0 {
					require.NoError(t, d.Refund(t.Context(), "key", n))
					b.Refund(n)
				}
			}
			trips := store.trips.Load()
			for _, n := range []int64{-1, burst + 1, math.MaxInt64, math.MinInt64} {
				got, err := d.Take(t.Context(), "key", n)
				require.NoError(t, err)
				require.Equal(t, Decision{Limit: burst, RetryAfter: Never}, got)
			}
			require.Equal(t, trips, store.trips.Load())
		}
	})
}

// TestStoreHangs: the decision comes at Timeout, whatever the store does with its context,
// and there are no more calls than MaxCalls, ever.
//
// Seen to catch, planted in a copy: no timer of our own; a slot that is freed at Timeout; two
// who try at once; a caller who leaves while he tries, and takes the right to try with him.
func TestStoreHangs(t *testing.T) {
	for _, lease := range []int64{0, 5} {
		for _, obeys := range []bool{true, false} {
			t.Run(fmt.Sprintf("lease=%d/obeys=%v", lease, obeys), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testStoreHangs(t, lease, obeys) })
			})
		}
	}
}

func testStoreHangs(t *testing.T, lease int64, obeys bool) {
	store, release := NewMemoryStore(1000), make(chan struct{})
	var hangs atomic.Bool
	var inside, most, calls atomic.Int64
	d := newDistributed(t, storeFunc(func(ctx context.Context, key string, period, tolerance, cost int64) (int64, int64, bool, error) {
		calls.Add(1)
		if n := inside.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer inside.Add(-1)
		if hangs.Load() {
			ended := ctx.Done()
			if !obeys {
				ended = nil
			}
			select {
			case <-release:
			case <-ended:
				return 0, 0, false, ctx.Err()
			}
		}
		return store.Update(ctx, key, period, tolerance, cost)
	}), DistributedConfig{Rate: PerSecond(1), Burst: 10, Lease: lease, Timeout: 50 * time.Millisecond, Retry: 200 * time.Millisecond, MaxCalls: 4})

	ok, err := d.Allow(t.Context(), "good")
	require.NoError(t, err)
	require.True(t, ok)
	hangs.Store(true)
	calls.Store(0)

	// A hundred at once, of as many keys: four are asked for, and all come back at Timeout.
	start := time.Now()
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			decision, err := d.Take(t.Context(), fmt.Sprint(i), 1)
			require.ErrorIs(t, err, ErrStore)
			require.Equal(t, Decision{Limit: 10, RetryAfter: 200 * time.Millisecond}, decision)
			require.Equal(t, 50*time.Millisecond, time.Since(start))
		})
	}
	wg.Wait()
	require.EqualValues(t, 4, calls.Load())
	require.EqualValues(t, 4, most.Load())

	// For a while it is not asked; what is held here is used all the same.
	<-time.After(150 * time.Millisecond)
	decision, err := d.Take(t.Context(), "other", 1)
	require.ErrorIs(t, err, ErrStore)
	require.Equal(t, 50*time.Millisecond, decision.RetryAfter)
	ok, err = d.Allow(t.Context(), "good")
	require.Equal(t, lease > 0, ok)
	require.Equal(t, lease > 0, err == nil)
	require.EqualValues(t, 4, calls.Load())

	// Then one tries, and the others do not wait for him.
	<-time.After(50 * time.Millisecond)
	start = time.Now()
	wg.Go(func() {
		_, err := d.Take(t.Context(), "other", 1)
		require.ErrorIs(t, err, ErrStore)
		require.Equal(t, 50*time.Millisecond, time.Since(start))
	})
	synctest.Wait()
	for i := range 10 {
		_, err = d.Take(t.Context(), fmt.Sprint(i), 1)
		require.ErrorIs(t, err, ErrStore)
		require.Zero(t, time.Since(start))
	}
	wg.Wait()
	if obeys {
		require.EqualValues(t, 5, calls.Load())
	} else {
		require.EqualValues(t, 4, calls.Load(), "no slot was free")
		require.EqualValues(t, 4, inside.Load())
	}

	// One who tries may lose patience. The next one tries.
	<-time.After(200 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	start = time.Now()
	decision, err = d.Take(ctx, "other", 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, ErrStore)
	require.Equal(t, Decision{Limit: 10}, decision)
	require.Equal(t, 10*time.Millisecond, time.Since(start))

	// When it answers again, it is used again.
	hangs.Store(false)
	close(release)
	<-time.After(250 * time.Millisecond)
	ok, err = d.Allow(t.Context(), "late")
	require.NoError(t, err)
	require.True(t, ok)
	require.Zero(t, inside.Load())
	require.EqualValues(t, 4, most.Load())
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = d.Take(ctx, "late", 1)
	require.Equal(t, context.Canceled, err)
}

// TestLateTrips: what comes of a trip that began before a failure changes nothing, and one
// that got no slot until then is not made.
func TestLateTrips(t *testing.T) {
	for _, late := range []error{nil, errors.New("late"), context.Canceled} { // nil: not until Timeout
		synctest.Test(t, func(t *testing.T) {
			store, calls := NewMemoryStore(10), atomic.Int64{}
			d := newDistributed(t, storeFunc(func(ctx context.Context, key string, period, tolerance, cost int64) (int64, int64, bool, error) {
				calls.Add(1)
				switch {
				case key == "fails":
					return 0, 0, false, errors.New("it fails")
				case key == "slow" && late == nil:
					<-ctx.Done()
					return 0, 0, false, ctx.Err()
				case key == "slow":
					<-time.After(90 * time.Millisecond)
					if late != context.Canceled {
						return 0, 0, false, late
					}
				}
				return store.Update(context.Background(), key, period, tolerance, cost)
			}), DistributedConfig{Rate: PerSecond(1), Burst: 10, MaxCalls: 2})
			start := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() {
				ok, err := d.Allow(t.Context(), "slow")
				require.Equal(t, late == context.Canceled, ok)
				require.Equal(t, ok, err == nil)
			})
			<-time.After(50 * time.Millisecond)
			_, err := d.Allow(t.Context(), "fails")
			require.ErrorContains(t, err, "it fails")
			wg.Wait()
			require.Equal(t, map[bool]time.Duration{true: 100 * time.Millisecond, false: 90 * time.Millisecond}[late == nil], time.Since(start))
			_, err = d.Allow(t.Context(), "key")
			require.ErrorContains(t, err, "not asked for a while: it fails")
			<-time.After(150*time.Millisecond - time.Since(start))
			ok, err := d.Allow(t.Context(), "key")
			require.NoError(t, err)
			require.True(t, ok)
			require.EqualValues(t, 3, calls.Load())

			// Both slots are taken, and one is free again when the store has failed.
			wg.Go(func() { _, _ = d.Allow(t.Context(), "slow") })
			wg.Go(func() { _, _ = d.Allow(t.Context(), "slow") })
			<-time.After(50 * time.Millisecond)
			start = time.Now()
			wg.Go(func() {
				ok, err := d.Allow(t.Context(), "key")
				require.Equal(t, late == context.Canceled, ok)
				require.Equal(t, ok, err == nil)
				require.LessOrEqual(t, time.Since(start), 50*time.Millisecond)
			})
			wg.Wait()
			require.EqualValues(t, map[bool]int{true: 6, false: 5}[late == context.Canceled], calls.Load())
		})
	}
}

// TestTryingEnds: a caller who began to try and left before there was a slot must not keep
// others from it.
func TestTryingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		store := NewMemoryStore(10)
		d := newDistributed(t, storeFunc(func(ctx context.Context, key string, period, tolerance, cost int64) (int64, int64, bool, error) {
			if key == "hangs" {
				<-release
			}
			return store.Update(context.Background(), key, period, tolerance, cost)
		}), DistributedConfig{Rate: PerSecond(1), Burst: 10, MaxCalls: 1})
		_, err := d.Allow(t.Context(), "hangs")
		require.ErrorIs(t, err, ErrStore)
		<-time.After(100 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err = d.Allow(ctx, "key")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(release)
		synctest.Wait()
		ok, err := d.Allow(t.Context(), "key")
		require.NoError(t, err)
		require.True(t, ok)
	})
}

func TestFailModes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		for _, mode := range []FailMode{FailClosed, FailOpen} {
			var calls int
			var fault func() error
			d := newDistributed(t, storeFunc(func(context.Context, string, int64, int64, int64) (int64, int64, bool, error) {
				calls++
				return 0, 0, true, fault()
			}), DistributedConfig{Rate: PerSecond(1), Burst: 10, Fail: mode})
			for want, f := range map[string]func() error{
				"broken":                  func() error { return broken },
				"panicked: a bug":         func() error { panic("a bug") },
				"ended its goroutine":     func() error { runtime.Goexit(); return nil },
				"context deadline":        func() error { return context.DeadlineExceeded },
				"it lies: tat 0 at 0 and": func() error { return nil },
			} {
				fault = f
				calls = 0
				decision, err := d.Take(t.Context(), "key", 3)
				require.ErrorIs(t, err, ErrStore)
				require.ErrorContains(t, err, want)
				want := Decision{Limit: 10, RetryAfter: 100 * time.Millisecond}
				if mode == FailOpen {
					want = Decision{OK: true, Limit: 10}
				}
				require.Equal(t, want, decision)
				_, err2 := d.Take(t.Context(), "another", 3)
				require.ErrorContains(t, err2, "is not asked for a while")
				require.ErrorIs(t, d.Refund(t.Context(), "key", 3), ErrStore)
				decision, err = d.Take(t.Context(), "key", 11) // never, in no mode
				require.NoError(t, err)
				require.Equal(t, Decision{Limit: 10, RetryAfter: Never}, decision)
				require.Equal(t, 1, calls)
				<-time.After(100 * time.Millisecond)
			}
		}
	})
}

// TestStoreLies gives answers that cannot be: each is a failure and grants nothing.
//
// Seen to catch, planted in a copy: each of the comparisons in check left out.
func TestStoreLies(t *testing.T) {
	const now = 5_000_000_000 // ten events count 1e9 each
	for name, c := range map[string]struct {
		cost int64
		a    reply
		lie  bool
	}{
		"granted":                      {2, reply{tat: now + 2e9, now: now, ok: true}, false},
		"granted, some were missing":   {2, reply{tat: now + 10e9, now: now, ok: true}, false},
		"granted too much":             {2, reply{tat: now + 10e9 + 1, now: now, ok: true}, true},
		"granted, and not counted":     {2, reply{tat: now + 2e9 - 1, now: now, ok: true}, true},
		"granted, and full":            {2, reply{tat: 0, now: now, ok: true}, true},
		"refused":                      {2, reply{tat: now + 8e9 + 1, now: now}, false},
		"refused, where it fits":       {2, reply{tat: now + 8e9, now: now}, true},
		"refused, full":                {2, reply{tat: 0, now: now}, true},
		"refused, of a larger burst":   {2, reply{tat: now + 1<<61, now: now}, false},
		"refused for ever":             {2, reply{tat: math.MaxInt64, now: now}, true},
		"asked, and there is":          {0, reply{tat: now + 9e9, now: now, ok: true}, false},
		"asked, and there is, it says": {0, reply{tat: now + 9e9 + 1, now: now, ok: true}, true},
		"asked, and there is none":     {0, reply{tat: now + 9e9 + 1, now: now}, false},
		"asked, and none, it says":     {0, reply{tat: now + 9e9, now: now}, true},
		"given back":                   {-2, reply{tat: now + 3e9, now: now, ok: true}, false},
		"refused to take back":         {-2, reply{tat: now + 3e9, now: now}, true},
		"before time":                  {2, reply{tat: 2e9, now: -1, ok: true}, true},
		"before all time":              {2, reply{tat: math.MaxInt64, now: math.MinInt64, ok: true}, true},
		"after time":                   {2, reply{tat: 1<<62 + 2e9, now: 1 << 62, ok: true}, true},
		"at the end":                   {2, reply{tat: math.MaxInt64, now: math.MaxInt64, ok: true}, true},
		"late":                         {2, reply{tat: 1<<62 + 10e9 - 1, now: 1<<62 - 1, ok: true}, false},
		"tat before time":              {2, reply{tat: -1, now: now, ok: true}, true},
		"asked, tat before time":       {0, reply{tat: -1, now: now, ok: true}, true},
		"tat before all time":          {2, reply{tat: math.MinInt64, now: now}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDistributed(t, storeFunc(func(context.Context, string, int64, int64, int64) (int64, int64, bool, error) {
					return c.a.tat, c.a.now, c.a.ok, nil
				}), DistributedConfig{Rate: PerSecond(1), Burst: 10})
				if c.cost < 0 {
					require.Equal(t, c.lie, d.Refund(t.Context(), "key", -c.cost) != nil)
					return
				}
				decision, err := d.Take(t.Context(), "key", c.cost)
				if c.lie {
					require.ErrorIs(t, err, ErrStore)
					require.ErrorContains(t, err, "it lies")
					require.False(t, decision.OK)
					return
				}
				require.NoError(t, err)
				require.Equal(t, c.a.ok, decision.OK)
				require.Equal(t, c.a.ok, decision.RetryAfter == 0)
				require.GreaterOrEqual(t, decision.RetryAfter, time.Duration(0))
			})
		})
	}
}

// TestFarClock: a clock that jumps is a failure, once; one that is a little fast or slow, or
// far away, is none.
func TestFarClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, drift := range []time.Duration{0, 1e4, -1e4, 4e3, -4e3} { // a nanosecond in so many
			start := time.Now()
			base, delay := time.Duration(1e18), time.Duration(0)
			d := newDistributed(t, storeFunc(func(_ context.Context, _ string, period, _, _ int64) (int64, int64, bool, error) {
				<-time.After(delay / 2)
				now := base + time.Since(start)
				if drift != 0 {
					now += time.Since(start) / drift
				}
				<-time.After(delay / 2)
				return int64(now) + period, int64(now), true, nil
			}), DistributedConfig{Rate: PerSecond(1000), Burst: 10, MaxSkew: 10 * time.Millisecond})
			for i := range 5000 {
				delay = time.Duration(i%2) * 60 * time.Millisecond
				ok, err := d.Allow(t.Context(), "key")
				require.NoError(t, err)
				require.True(t, ok)
				<-time.After(time.Second)
			}
			delay = 0
			for _, jump := range []time.Duration{1100 * time.Millisecond, -1100 * time.Millisecond, time.Hour, -time.Hour, 1 << 61, -1 << 61} {
				base += jump
				_, err := d.Allow(t.Context(), "key")
				require.ErrorIs(t, err, ErrStore)
				require.ErrorContains(t, err, "jumped by")
				<-time.After(100 * time.Millisecond)
				_, err = d.Allow(t.Context(), "key")
				require.NoError(t, err, "a store that has moved")
			}
		}
	})
}

// TestFarClockOften: a clock that is a little fast is followed, however often it is looked at.
func TestFarClockOften(t *testing.T) {
	var c farClock
	for now := time.Duration(0); now < 200*time.Millisecond; now += 999 {
		require.NoError(t, c.check(time.Hour+now+now/5000, now, now, 10*time.Microsecond))
	}
}

// lockedError looks whether its text is asked for under the lock of a Distributed.
type lockedError struct {
	d     *Distributed
	asked atomic.Int64
}

func (e *lockedError) Error() string {
	e.asked.Add(1)
	if !e.d.mu.TryLock() {
		return "under the lock"
	}
	e.d.mu.Unlock()
	return "an error"
}

// TestErrorsUnlocked: the text of a store's error is asked for where it may do what it likes.
func TestErrorsUnlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &lockedError{}
		broken.d = newDistributed(t, storeFunc(func(context.Context, string, int64, int64, int64) (int64, int64, bool, error) {
			return 0, 0, false, broken
		}), DistributedConfig{Rate: PerSecond(1), Burst: 10})
		for range 3 {
			_, err := broken.d.Allow(t.Context(), "key")
			require.ErrorIs(t, err, broken)
			require.NotContains(t, err.Error(), "under the lock")
		}
		require.EqualValues(t, 1, broken.asked.Load())
	})
}

// TestDescribeHeld: what a store says that forgets what it has granted may add up to anything.
func TestDescribeHeld(t *testing.T) {
	d := newDistributed(t, NewMemoryStore(1), DistributedConfig{Rate: Per(1, 1), Burst: 1 << 62, Lease: 1 << 62})
	require.Equal(t, int64(1<<62), d.describe(1<<61, math.MaxInt64).Remaining)
}

// TestLyingClock checks what is admitted by a store that is right but for its clock, which
// jumps ahead now and then, by more than is noticed at once or always by less.
func TestLyingClock(t *testing.T) {
	r := seed.New(t)
	const skew = 100 * time.Millisecond
	for _, most := range []time.Duration{2 * skew, skew / 2} {
		synctest.Test(t, func(t *testing.T) { testLyingClock(t, r, skew, most) })
	}
}

func testLyingClock(t *testing.T, r *rand.Rand, skew, most time.Duration) {
	store, ahead := NewMemoryStore(10), int64(0)
	const burst, timeout = 10, 50 * time.Millisecond
	d := newDistributed(t, storeFunc(func(ctx context.Context, key string, period, tolerance, cost int64) (int64, int64, bool, error) {
		if time.Since(store.made) > time.Hour && r.IntN(20) == 0 {
			ahead += r.Int64N(int64(most))
		}
		store.mu.Lock()
		defer store.mu.Unlock()
		tat, now, ok := store.update(int64(time.Since(store.made))+ahead, key, period, tolerance, cost)
		return tat, now, ok, nil
	}), DistributedConfig{Rate: PerSecond(100), Burst: burst, Timeout: timeout, MaxSkew: skew, Retry: time.Millisecond})
	for range 2 { // an hour in which all was well is no credit
		_, err := d.Allow(t.Context(), "key")
		require.NoError(t, err)
		<-time.After(time.Hour)
	}
	start, admitted, failures := time.Now(), int64(0), int64(0)
	for range 5000 {
		ok, err := d.Allow(t.Context(), "key")
		if ok {
			admitted++
		}
		if err != nil {
			require.ErrorContains(t, err, "jumped")
			failures++
		}
		<-time.After(time.Duration(1 + r.Int64N(5e6)))
		w := time.Since(start) + time.Since(start)/1000 + 2*skew + 2*timeout
		w += time.Duration(failures) * skew // and nothing takes any time, so there is no timeout
		require.LessOrEqual(t, admitted, burst*(1+failures)+int64(w)/int64(10*time.Millisecond))
	}
	require.Positive(t, failures)
}

// FuzzStoreAnswers lets a store say whatever it likes. No decision is one that cannot be, and
// no event is admitted that no answer granted.
func FuzzStoreAnswers(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, int64(3), true)
	f.Add([]byte{0x10, 0x81, 0x42, 0xff, 0x33, 0x05, 0x06, 0x07, 0x71, 0x90, 0x11, 0x12}, int64(0), false)
	f.Fuzz(func(t *testing.T, data []byte, lease int64, honest bool) {
		const burst = 8
		data = data[:min(len(data), 500)]
		lease = max(lease, -lease) % (burst + 1)
		if lease < 0 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			next := func() int64 {
				if len(data) == 0 {
					return 0
				}
				b := data[0]
				data = data[1:]
				if b >= 0xf0 {
					return []int64{math.MaxInt64, math.MinInt64, -1, 1 << 62, 1<<62 - 1, 1<<62 + 1, math.MaxInt64 - 1, math.MinInt64 + 1}[b%8]
				}
				return int64(b) * 5e7
			}
			granted, used := int64(0), int64(0)
			start := time.Now()
			d := newDistributed(t, storeFunc(func(_ context.Context, _ string, period, tolerance, cost int64) (int64, int64, bool, error) {
				now := next()
				if honest {
					now = int64(time.Since(start)) + now/1000
				}
				tat := now + next() // may wrap
				ok := next()%2 == 0
				if ok && cost > 0 {
					granted += cost
				}
				return tat, now, ok, nil
			}), DistributedConfig{Rate: PerSecond(1), Burst: burst, Lease: lease, Retry: 1})
			for len(data) > 0 {
				n := next() / 5e7 % (burst + 2)
				decision, err := d.Take(t.Context(), "key", n)
				if decision.OK {
					used += max(n, 0)
					require.NoError(t, err)
				}
				require.LessOrEqual(t, used, granted)
				require.EqualValues(t, burst, decision.Limit)
				require.True(t, 0 <= decision.Remaining && decision.Remaining <= burst)
				require.GreaterOrEqual(t, decision.ResetAfter, time.Duration(0))
				require.Equal(t, !decision.OK, decision.RetryAfter > 0)
				<-time.After(time.Duration(1 + next()&0xffffff))
			}
		})
	})
}

// hung is a store that does not answer before it is let go, whatever its context says.
type hung struct{ release chan struct{} }

func (h hung) Update(context.Context, string, int64, int64, int64) (tat, now int64, ok bool, err error) {
	<-h.release
	return 0, 0, false, errors.New("let go")
}

// TestClose: Close waits for the goroutine of a store that hangs. Planted and caught: a
// Close that does not wait; one that lets new calls begin.
func TestClose(t *testing.T) {
	for _, lease := range []int64{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			store := hung{make(chan struct{})}
			d, err := NewDistributed(store, DistributedConfig{Rate: PerSecond(1), Burst: 10, Lease: lease, MaxCalls: 3})
			require.NoError(t, err)
			_, err = d.Allow(t.Context(), "key")
			require.ErrorIs(t, err, ErrStore, "at Timeout")
			closed := false
			go func() {
				require.NoError(t, d.Close())
				closed = true
			}()
			synctest.Wait()
			require.False(t, closed)
			close(store.release)
			synctest.Wait()
			require.True(t, closed)
			require.NoError(t, d.Close(), "again")
			<-time.After(time.Second)
			ok, err := d.Allow(t.Context(), "other")
			require.ErrorIs(t, err, ErrClosed)
			require.False(t, ok)
			require.ErrorIs(t, d.Refund(t.Context(), "key", 1), ErrClosed)
		})
	}
}
