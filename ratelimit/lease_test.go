package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// usedAt is events that were admitted at a time.
type usedAt struct{ at, n int64 }

// overshoot returns by how much more than tolerance + W was used within any time W, in
// nanoseconds: what LeaseTime and delays add.
func overshoot(all []usedAt, period, tolerance int64) int64 {
	slices.SortFunc(all, func(a, b usedAt) int { return cmp.Compare(a.at, b.at) })
	sum, least, worst := int64(0), int64(math.MaxInt64), int64(math.MinInt64)
	for _, u := range all {
		least = min(least, sum-u.at)
		sum += u.n * period
		worst = max(worst, sum-u.at-least)
	}
	return worst - tolerance
}

// TestSharedBound lets several machines take from one store that is some way off, some all
// the time and some now and then, and checks the bound in every window.
//
// Seen to catch, planted in a copy: what is used of a lot not counted, or less by one.
func TestSharedBound(t *testing.T) {
	r := seed.New(t)
	for _, lease := range []int64{0, 1, 4, 12} {
		for _, delay := range []time.Duration{0, time.Millisecond, 30 * time.Millisecond} {
			t.Run(fmt.Sprintf("lease=%d/delay=%v", lease, delay), func(t *testing.T) {
				seeds := r.Uint64()
				synctest.Test(t, func(t *testing.T) { testSharedBound(t, lease, delay, seeds) })
			})
		}
	}
}

func testSharedBound(t *testing.T, lease int64, delay time.Duration, seeds uint64) {
	const burst, period, leaseTime = 40, 1_000_000, 120 * time.Millisecond
	store := newFar(delay)
	var mu sync.Mutex
	var all []usedAt
	var wg sync.WaitGroup
	start := time.Now()
	for machine := range 4 {
		d := newDistributed(t, store, DistributedConfig{Rate: PerSecond(1000), Burst: burst, Lease: lease, LeaseTime: leaseTime})
		for caller := range 3 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seeds, uint64(machine*3+caller)))
				for time.Since(start) < 2*time.Second {
					n := 1 + r.Int64N(1+r.Int64N(8))
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if r.IntN(10) == 0 {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(r.Int64N(1+int64(delay))))
					}
					decision, err := d.Take(ctx, "key", n)
					cancel()
					if decision.OK {
						mu.Lock()
						all = append(all, usedAt{int64(time.Since(start)), n})
						mu.Unlock()
						require.NoError(t, err)
					}
					switch r.IntN(12) {
					case 0:
						<-time.After(time.Duration(r.Int64N(int64(3 * leaseTime / 2))))
					case 1, 2, 3:
						<-time.After(time.Duration(r.Int64N(4 * period)))
					default:
						<-time.After(time.Duration(r.Int64N(period / 4)))
					}
				}
			})
		}
	}
	wg.Wait()
	<-time.After(delay) // for trips whose callers have gone
	most := int64(leaseTime)
	if lease == 0 {
		most = int64(delay - delay/2) // the way back
	}
	worst := overshoot(all, period, burst*period)
	sum := int64(0)
	for _, u := range all {
		sum += u.n
	}
	t.Logf("%d round trips for %d events of at most %d; overshoot %v, at most %v", store.trips.Load(), sum, burst+2000, time.Duration(worst), time.Duration(most))
	require.LessOrEqual(t, worst, most)
}

// TestOvershoot is the worst that leases can do: all machines hold all they can for as long as
// they can, the bucket fills up meanwhile, and then all is used at once. Planted: lots that
// do not expire.
func TestOvershoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFar(0)
		var machines []*Distributed
		total, start := int64(0), time.Now()
		var all []usedAt
		take := func(d *Distributed, n int64) bool {
			decision, err := d.Take(t.Context(), "key", n)
			require.NoError(t, err)
			if decision.OK && n > 0 {
				total += n
				all = append(all, usedAt{int64(time.Since(start)), n})
			}
			return decision.OK
		}
		for range 10 {
			d := newDistributed(t, store, DistributedConfig{Rate: PerSecond(100), Burst: 100, Lease: 10})
			machines = append(machines, d)
			require.True(t, take(d, 1))
		}
		require.EqualValues(t, 10, store.trips.Load())
		<-time.After(time.Second - 1)
		total = 0
		for range 20 {
			for _, d := range machines {
				take(d, 1)
			}
		}
		require.EqualValues(t, 90+99, total) // not the 100 of the burst: almost 100 + 100/s × LeaseTime
		require.LessOrEqual(t, overshoot(all, 1e7, 1e9), int64(time.Second))

		// A moment later what was held would have been lost.
		<-time.After(time.Second)
		for _, d := range machines {
			require.True(t, take(d, 1))
		}
		<-time.After(time.Second)
		total = 0
		for range 20 {
			for _, d := range machines {
				take(d, 1)
			}
		}
		require.EqualValues(t, 100, total)
	})
}

// TestRoundTrips counts them, and the time that decisions take by one caller, with a store
// that takes 200 µs.
func TestRoundTrips(t *testing.T) {
	for _, c := range []struct {
		lease, trips int64
		time         time.Duration
	}{
		{0, 10_000, 2 * time.Second}, {1, 10_000, 2 * time.Second}, {10, 1000, 200 * time.Millisecond},
		{100, 100, 20 * time.Millisecond}, {1000, 10, 2 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := newFar(200 * time.Microsecond)
			d := newDistributed(t, store, DistributedConfig{Rate: PerSecond(1e9), Burst: 1e6, Lease: c.lease})
			start := time.Now()
			for range 10_000 {
				ok, err := d.Allow(t.Context(), "key")
				require.NoError(t, err)
				require.True(t, ok)
			}
			require.Equal(t, c.trips, store.trips.Load())
			require.Equal(t, c.time, time.Since(start))
		})
	}
}

// TestCrowd: a thousand at once who want the same key share round trips, and are refused
// without one as soon as it is known that there is no more. Planted: who asks, asks for no
// more than a lease.
func TestCrowd(t *testing.T) {
	for _, c := range []struct{ burst, granted, trips int64 }{{2000, 1000, 2}, {100, 100, 4}, {10, 10, 2}} {
		synctest.Test(t, func(t *testing.T) {
			store := newFar(200 * time.Microsecond)
			d := newDistributed(t, store, DistributedConfig{Rate: Per(1, time.Hour), Burst: c.burst, Lease: 10})
			var granted atomic.Int64
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() {
					ok, err := d.Allow(t.Context(), "key")
					require.NoError(t, err)
					if ok {
						granted.Add(1)
					}
				})
			}
			wg.Wait()
			require.Equal(t, c.granted, granted.Load())
			require.LessOrEqual(t, store.trips.Load(), c.trips)
		})
	}
}

// TestRefusalsAreRemembered: who is refused is told when there is something again, and until
// then nobody asks the store. Planted: a refusal remembered for longer than it surely holds,
// or longer than LeaseTime; one that outlives a Refund.
func TestRefusalsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFar(200 * time.Microsecond)
		config := DistributedConfig{Rate: Per(1, 100*time.Millisecond), Burst: 5, Lease: 3}
		d, other := newDistributed(t, store, config), newDistributed(t, store, config)
		take := func(n int64) Decision {
			decision, err := d.Take(t.Context(), "key", n)
			require.NoError(t, err)
			return decision
		}
		trips := func(n int64) {
			require.Equal(t, n, store.trips.Swap(0))
		}
		require.Equal(t, Decision{OK: true, Limit: 5, Remaining: 4, ResetAfter: 300 * time.Millisecond}, take(1))
		require.True(t, take(0).OK)
		require.True(t, take(2).OK)
		trips(1)
		require.True(t, take(1).OK) // asks for 2, because it knows that there are no 3
		require.True(t, take(1).OK)
		trips(1)
		refused := take(1)
		trips(0)
		require.Equal(t, 100*time.Millisecond-200*time.Microsecond, refused.RetryAfter) // since the store read its clock first
		for range 1000 {
			require.Equal(t, refused, take(1))
			require.False(t, take(0).OK)
			require.False(t, take(5).OK)
		}
		trips(0)
		<-time.After(refused.RetryAfter - 150*time.Microsecond) // it may be that there is one already
		require.True(t, take(1).OK)
		trips(1)

		// Two are first to whom the other one is unknown.
		<-time.After(300 * time.Millisecond)
		ok, err := other.Allow(t.Context(), "key")
		require.NoError(t, err)
		require.True(t, ok)
		trips(1)
		require.False(t, take(1).OK)
		trips(1)

		// What somebody else has given back is seen after a second at the latest; what was
		// given back here, at once.
		require.NoError(t, other.Refund(t.Context(), "key", 5))
		require.False(t, take(5).OK)
		require.NoError(t, d.Refund(t.Context(), "key", 1))
		require.True(t, take(5).OK)
		trips(3)
		slow, err := NewDistributed(store, DistributedConfig{Rate: Per(1, time.Hour), Burst: 5, Lease: 3})
		require.NoError(t, err)
		for i := range 3000 {
			decision, err := slow.Take(t.Context(), "slow", 1)
			require.NoError(t, err)
			require.Equal(t, i < 5, decision.OK)
			<-time.After(time.Millisecond)
		}
		trips(2 + 2) // and one each second
	})
}

// TestWaitingForOthers: who waits for somebody else's round trip is not bound to him, and does
// not wait longer than Timeout.
func TestWaitingForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFar(60 * time.Millisecond)
		d := newDistributed(t, store, DistributedConfig{Rate: PerSecond(1), Burst: 10, Lease: 2, MaxCalls: 1})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { // goes, and leaves two for the next ones
			_, err := d.Take(ctx, "key", 2)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, 10*time.Millisecond, time.Since(start))
		})
		synctest.Wait()
		wg.Go(func() {
			ok, err := d.Allow(t.Context(), "key")
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, 60*time.Millisecond, time.Since(start))
		})
		wg.Go(func() { // would be served at 120
			decision, err := d.Take(t.Context(), "key", 3)
			require.ErrorIs(t, err, ErrStore)
			require.ErrorContains(t, err, "no answer in time")
			require.Equal(t, Decision{Limit: 10, RetryAfter: 100 * time.Millisecond}, decision)
			require.Equal(t, 100*time.Millisecond, time.Since(start))
		})
		wg.Wait()
		<-time.After(20 * time.Millisecond)
		trips := store.trips.Load()
		ok, err := d.Allow(t.Context(), "key") // the store is well, and he left some
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, trips, store.trips.Load())

		// Who has no slot yet and leaves lets the next one go.
		start = time.Now()
		wg.Go(func() { _, _ = d.Allow(t.Context(), "another") })
		synctest.Wait()
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		wg.Go(func() {
			_, err := d.Take(ctx, "third", 1)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		wg.Go(func() {
			_, err := d.Take(t.Context(), "third", 1)
			require.ErrorContains(t, err, "no answer in time")
			require.Equal(t, 100*time.Millisecond, time.Since(start))
		})
		wg.Wait()
		<-time.After(20 * time.Millisecond)
	})
}

// TestTripLeftBehind: who waited for somebody else's trip and then gets no slot for his own
// must not leave it behind, for others to wait for in vain.
func TestTripLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := NewMemoryStore(10)
		delay := map[string]time.Duration{"key": 50 * time.Millisecond, "first": 45 * time.Millisecond, "second": 7 * time.Millisecond}
		d := newDistributed(t, storeFunc(func(ctx context.Context, key string, period, tolerance, cost int64) (int64, int64, bool, error) {
			<-time.After(delay[key])
			return store.Update(context.Background(), key, period, tolerance, cost)
		}), DistributedConfig{Rate: PerSecond(1), Burst: 10, Lease: 2, MaxCalls: 1})
		var wg sync.WaitGroup
		take := func(key string, n int64, ok bool) {
			wg.Go(func() {
				decision, err := d.Take(t.Context(), key, n)
				require.Equal(t, ok, decision.OK, key)
				require.Equal(t, ok, err == nil, key)
			})
			synctest.Wait()
			<-time.After(time.Millisecond)
		}
		take("key", 2, true)    // 0 to 50
		take("key", 3, false)   // waits for it, begins at 50, and has no patience after 101
		take("first", 1, true)  // waits for the slot, 50 to 95
		take("second", 1, true) // 95 to 102
		<-time.After(102 * time.Millisecond)
		start := time.Now()
		ok, err := d.Allow(t.Context(), "key")
		require.NoError(t, err)
		require.True(t, ok)
		require.LessOrEqual(t, time.Since(start), 50*time.Millisecond)
		wg.Wait()
	})
}

// TestRefundOvertakes: a refusal that was on its way when something was given back is not
// remembered.
func TestRefundOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := NewMemoryStore(10)
		d := newDistributed(t, storeFunc(func(ctx context.Context, key string, period, tolerance, cost int64) (int64, int64, bool, error) {
			tat, now, ok, err := store.Update(ctx, key, period, tolerance, cost)
			if !ok {
				<-time.After(50 * time.Millisecond) // on the way back
			}
			return tat, now, ok, err
		}), DistributedConfig{Rate: Per(1, time.Hour), Burst: 5, Lease: 5})
		ctx := t.Context()
		decision, err := d.Take(ctx, "key", 5)
		require.NoError(t, err)
		require.True(t, decision.OK)
		<-time.After(2 * time.Second) // so that what is known is too old
		var wg sync.WaitGroup
		wg.Go(func() {
			ok, err := d.Allow(ctx, "key")
			require.NoError(t, err)
			require.False(t, ok)
		})
		synctest.Wait()
		require.NoError(t, d.Refund(ctx, "key", 5))
		wg.Wait()
		ok, err := d.Allow(ctx, "key")
		require.NoError(t, err)
		require.True(t, ok)
	})
}

// TestAnswerBetween: who found nothing here, and then something because an answer has come
// in between, makes no trip.
func TestAnswerBetween(t *testing.T) {
	store := newFar(0)
	d := newDistributed(t, store, DistributedConfig{Rate: Per(1, time.Hour), Burst: 10, Lease: 5, Timeout: time.Minute, LeaseTime: time.Hour})
	ok, err := d.Allow(t.Context(), "key")
	require.NoError(t, err)
	require.True(t, ok)
	decision, err := d.takeTogether(t.Context(), d.leases.find("key"), "key", 1)
	require.NoError(t, err)
	require.True(t, decision.OK)
	require.EqualValues(t, 1, store.trips.Load())
}

func TestLeasesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFar(0)
		d := newDistributed(t, store, DistributedConfig{Rate: PerSecond(1), Burst: 10, Lease: 5, MaxLeases: 20})
		for i := range 300 {
			for _, key := range []string{fmt.Sprint("made up ", i), "often"} {
				_, err := d.Allow(t.Context(), key)
				require.NoError(t, err)
				require.LessOrEqual(t, len(d.leases.young)+len(d.leases.old), 20)
			}
		}
		require.EqualValues(t, 300+2, store.trips.Load()) // one who comes often is not forgotten
	})
}

// TestLots compares two lots with any number of them: no event is used that is too old, and
// none twice. Planted: lots that last from the answer on; what is left of an older lot put to
// the new one.
func TestLots(t *testing.T) {
	r := seed.New(t)
	for range 200 {
		var l lease
		var all []lot
		now := time.Duration(0)
		const leaseTime = 100
		for range 100 {
			now += time.Duration(r.Int64N(30))
			l.expire(now, leaseTime)
			all = slices.DeleteFunc(all, func(l lot) bool { return now >= l.until })
			sum := int64(0)
			for _, a := range all {
				sum += a.events
			}
			require.LessOrEqual(t, l.held(), sum)
			if len(all) <= 1 {
				require.Equal(t, sum, l.held())
			}
			if n := r.Int64N(12); n <= l.held() {
				l.use(n)
				for i := range all { // the oldest first
					k := min(n, all[i].events)
					all[i].events -= k
					n -= k
				}
				continue
			}
			started := now - time.Duration(r.Int64N(20))
			l.learn(&trip{cost: 10, ok: true, started: started}, now, leaseTime)
			all = append(all, lot{10, started + leaseTime})
		}
	}
}

// TestStress is on the real clock: machines and callers take as fast as they can.
func TestStress(t *testing.T) {
	const burst, period, leaseTime = 1000, 10_000, 20 * time.Millisecond
	for _, lease := range []int64{0, 50} {
		store := NewMemoryStore(10)
		var total atomic.Int64
		var wg sync.WaitGroup
		start := time.Now()
		for range 4 {
			d := newDistributed(t, store, DistributedConfig{
				Rate: PerSecond(1e5), Burst: burst, Lease: lease, LeaseTime: leaseTime, Timeout: leaseTime, Fail: FailClosed,
			})
			for caller := range 2 {
				wg.Go(func() {
					for time.Since(start) < 150*time.Millisecond {
						decision, err := d.Take(t.Context(), "key", int64(1+caller))
						if err != nil {
							require.ErrorIs(t, err, ErrStore) // a machine with other things to do
						}
						if decision.OK {
							total.Add(int64(1 + caller))
						}
					}
				})
			}
		}
		wg.Wait()
		elapsed := time.Since(start)
		require.LessOrEqual(t, total.Load()*period, burst*period+int64(elapsed+leaseTime))
		t.Logf("lease %d: %d of %d", lease, total.Load(), burst+int64(elapsed)/period)
	}
}

// BenchmarkTakeDistributed measures a decision without the way to the store, and says how
// many there would be in a second if that took 200 µs.
func BenchmarkTakeDistributed(b *testing.B) {
	for _, lease := range []int64{0, 10, 100, 1000} {
		name := "impl=direct"
		if lease > 0 {
			name = fmt.Sprintf("impl=lease/n=%d", lease)
		}
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			store := newFar(0)
			config := DistributedConfig{Rate: PerSecond(1e9), Burst: 1e9, Lease: lease, LeaseTime: time.Hour, Timeout: time.Minute}
			run := func(d *Distributed) {
				if ok, err := d.Allow(ctx, "key"); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
			d, err := NewDistributed(store, config)
			require.NoError(b, err)
			for range 10_000 {
				run(d)
			}
			trips := float64(store.trips.Load()) / 10_000
			b.ReportAllocs()
			for b.Loop() {
				run(d)
			}
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.ReportMetric(trips, "roundtrips/op")
			b.ReportMetric(1e9/(each+trips*200e3), "decisions/s")
		})
	}
	b.Run("impl=refused", func(b *testing.B) {
		store := newFar(0)
		d, err := NewDistributed(store, DistributedConfig{Rate: Per(1, 24*time.Hour), Burst: 1, Lease: 1, LeaseTime: 24 * time.Hour})
		require.NoError(b, err)
		_, _ = d.Allow(context.Background(), "key")
		b.ReportAllocs()
		for b.Loop() {
			_, _ = d.Allow(context.Background(), "key")
		}
		b.ReportMetric(float64(store.trips.Load()-1)/float64(b.N), "roundtrips/op")
	})
}

func BenchmarkMemoryStore(b *testing.B) {
	for _, n := range []int{1, 1 << 10, 1 << 17} {
		b.Run(fmt.Sprintf("impl=plinth/case=update/n=%d", n), func(b *testing.B) {
			s := NewMemoryStore(n)
			keys := make([]string, n)
			for i := range keys {
				keys[i] = fmt.Sprint("key ", i)
				_, _, _, _ = s.Update(context.Background(), keys[i], 1e6, 1<<61, 1)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				_, _, _, _ = s.Update(context.Background(), keys[i], 1e6, 1<<61, 1)
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}
