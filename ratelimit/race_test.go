package ratelimit

import (
	"context"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const goroutines = 8

// together runs work in some goroutines that start at once, and returns the sum of what they
// return.
func together(work func(i int) int64) int64 {
	var (
		wg    sync.WaitGroup
		sum   atomic.Int64
		start = make(chan struct{})
	)
	for i := range goroutines {
		wg.Go(func() {
			<-start
			sum.Add(work(i))
		})
	}
	close(start)
	wg.Wait()
	return sum.Load()
}

// TestRaceFrozen lets eight take from one limiter, all at the same time: as many as there
// are get one, no more, no fewer.
//
// Planted, and seen with -race: the word of decide stored and not swapped; a window without
// its lock.
func TestRaceFrozen(t *testing.T) {
	const burst = 200_000
	for _, tr := range trials(Per(burst, time.Hour), burst, 0) {
		admitted := together(func(i int) (n int64) {
			for range burst / 4 {
				if take := int64(1 + i%3); tr.l.TakeAt(tr.made, take).OK {
					n += take
				}
			}
			return n
		})
		for tr.l.TakeAt(tr.made, 1).OK {
			admitted++
		}
		require.EqualValues(t, burst, admitted, tr.name)
	}
}

// TestRaceAllow does the same with Allow, which decides by itself.
//
// Planted, and seen with -race: the word of take stored and not swapped.
func TestRaceAllow(t *testing.T) {
	const burst = 200_000
	slow := Per(1, time.Hour)
	for name, l := range map[string]interface{ Allow() bool }{
		"TokenBucket": NewTokenBucket(slow, burst), "LeakyBucket": NewLeakyBucket(slow, burst), "GCRA": NewGCRA(slow, burst),
		"FixedWindow": NewFixedWindow(Per(burst, time.Hour)), "SlidingLog": NewSlidingLog(Per(burst, time.Hour)),
		"SlidingCounter": NewSlidingCounter(Per(burst, time.Hour)),
	} {
		require.EqualValues(t, burst, together(func(int) (n int64) {
			for range burst / 4 {
				if l.Allow() {
					n++
				}
			}
			return n
		}), name)
	}
}

// TestRaceSetLimit replaces the bucket all the time, while others take from it: nothing is
// taken twice.
//
// Planted, and seen with -race: SetLimit that does not close the old bucket, or does it after
// it has looked.
func TestRaceSetLimit(t *testing.T) {
	const burst = 200_000
	slow := Per(1, time.Hour)
	b := NewTokenBucket(slow, burst)
	require.EqualValues(t, burst, together(func(i int) (n int64) {
		for range burst / 4 {
			switch {
			case i == 0:
				b.SetLimit(slow, burst)
			case i < 5 && b.Allow():
				n++
			case i >= 5 && b.Take(1).OK:
				n++
			}
		}
		return n
	}))
}

// TestRaceRunning lets eight take while time goes on: a clock that each of them moves on by
// a bit, so that some are late. No more are admitted than may be, and the limiter misses
// at most one that it could have admitted.
func TestRaceRunning(t *testing.T) {
	const ticks = 40_000 // of 1 µs: 40 ms
	for _, limit := range []Limit{PerSecond(100_000), PerSecond(77_777), Per(500, 5*ms)} {
		for _, tr := range trials(limit, 500, 0) {
			var clock atomic.Int64
			admitted := together(func(int) (n int64) {
				for at := clock.Add(1); at <= ticks; at = clock.Add(1) {
					if tr.l.TakeAt(tr.made.Add(time.Duration(at)*time.Microsecond), 1).OK {
						n++
					}
				}
				return n
			})
			end := tr.made.Add(ticks * time.Microsecond)
			for tr.l.TakeAt(end, 1).OK {
				admitted++
			}
			rate := limit.n * ticks * 1000 / int64(limit.d)
			switch tr.name {
			case "FixedWindow":
				windows := ticks*1000/int64(limit.d) + 1
				require.LessOrEqual(t, admitted, limit.n*windows, tr.name)
				require.GreaterOrEqual(t, admitted, min(limit.n*(windows-1), ticks*9/10), tr.name)
			case "SlidingLog":
				require.LessOrEqual(t, admitted, limit.n*(ticks*1000/int64(limit.d)+1), tr.name)
				require.GreaterOrEqual(t, admitted, min(rate*9/10, ticks*9/10), tr.name)
			case "SlidingCounter":
				require.True(t, tr.bound(big.NewInt(admitted), ticks*1000), tr.name)
				require.GreaterOrEqual(t, admitted, min(rate*9/10, ticks*9/10), tr.name)
			default:
				require.LessOrEqual(t, admitted, 500+rate, tr.name)
				require.GreaterOrEqual(t, admitted, 500+rate-1, tr.name)
			}
		}
	}
}

// TestRaceClock lets eight take by the clock on the wall: there are no more than may be.
func TestRaceClock(t *testing.T) {
	limit := PerSecond(50_000)
	bucket, leaky, gcra := NewTokenBucket(limit, 100), NewLeakyBucket(limit, 100), NewGCRA(limit, 100)
	fixed, log, counter := NewFixedWindow(Per(100, ms)), NewSlidingLog(Per(100, ms)), NewSlidingCounter(Per(100, ms))
	for _, c := range []struct {
		name  string
		allow func() bool
		bound func(*big.Int, uint64) bool
	}{
		{"TokenBucket", bucket.Allow, atMost(limit, 0, 100)},
		{"LeakyBucket", leaky.Allow, atMost(limit, 0, 100)},
		{"GCRA", gcra.Allow, atMost(limit, 0, 100)},
		{"FixedWindow", fixed.Allow, atMost(fixed.limit, 2, 0)},
		{"SlidingLog", log.Allow, atMost(log.limit, 1, 0)},
		{"SlidingCounter", counter.Allow, atMost(counter.limit, 1, 0)},
	} {
		start := time.Now()
		admitted := together(func(int) (n int64) {
			for range 5000 {
				if c.allow() {
					n++
				}
			}
			return n
		})
		require.True(t, c.bound(big.NewInt(admitted), uint64(time.Since(start))), "%s: %d", c.name, admitted)
		require.GreaterOrEqual(t, admitted, int64(100), c.name)
	}
}

// TestRaceLine does all that one can do with a bucket at once. In the end, what was taken
// and not given back is within what may be, and nobody is in the line.
//
// Planted: Cancel without the lock, which the race detector sees.
func TestRaceLine(t *testing.T) {
	const burst = 200
	slow := Per(1, time.Hour) // so that what comes by time does not matter
	b := NewTokenBucket(slow, burst)
	taken := together(func(i int) (n int64) {
		for j := range 400 {
			switch (i + j) % 8 {
			case 0, 1:
				if b.Allow() {
					n++
				}
			case 2:
				if b.Take(3).OK {
					n += 3
				}
			case 3:
				r, other := b.Reserve(2), b.Reserve(1)
				r.Delay()
				n += 3 - r.Cancel() - other.Cancel() - r.Cancel()
			case 4:
				ctx, cancel := context.WithTimeout(context.Background(), 50*time.Microsecond)
				if b.Wait(ctx, 1) == nil {
					n++
				}
				cancel()
			case 5:
				ctx, cancel := context.WithCancel(context.Background())
				go cancel()
				if b.Wait(ctx, 2) == nil {
					n += 2
				}
			case 6:
				if b.AllowN(2) {
					b.Refund(2)
				}
			case 7:
				b.SetLimit(slow, burst)
			}
		}
		return n
	})
	require.Empty(t, b.line)
	require.LessOrEqual(t, taken, int64(burst))
	for b.Allow() {
		taken++
	}
	require.InDelta(t, burst, taken, 1)
}

// TestRaceImpatient lets some whose turn would be too late come to a LeakyQueue among others:
// they take nothing, whoever comes meanwhile. Planted, and seen without -race: a turn that is
// taken, and given back when the deadline has been looked at.
func TestRaceImpatient(t *testing.T) {
	const each, depth = 5000, 1 << 30
	for range rounds(5) {
		q := NewLeakyQueue(Per(1, time.Hour), depth, 0)
		require.True(t, q.Take(1).OK)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		took := together(func(i int) (n int64) {
			for range each {
				if i%2 == 0 {
					n += q.Take(1).Limit / depth
				} else if q.Wait(ctx, 1) == nil {
					return -each // a turn at once, though one is behind
				}
			}
			return n
		})
		cancel()
		require.EqualValues(t, each*goroutines/2, took)
		require.EqualValues(t, depth-1-took, q.Take(0).Remaining)
	}
}
