package ratelimit

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// The textbook forms, as lecture notes have them. They are right on the board, and each
// line has its price in production:
//
//	a mutex            that everybody waits for, also who is refused
//	time.Now           which reads two clocks, where one will do
//	float tokens       of which nobody can say how many there are: 0.1 ten times is not 1
//	last = now         whoever has an older time sets it back, and the time between counts twice
//	tokens + n         for a negative n, a refill
//
// BenchmarkAllow/impl=naive is what they cost.

// naiveBucket is the token bucket of the textbook: tokens drip in while nobody looks.
type naiveBucket struct {
	mu          sync.Mutex
	rate, burst float64 // tokens in a second, and at most
	tokens      float64
	last        time.Time
}

func newNaiveBucket(limit Limit, burst int64, now time.Time) *naiveBucket {
	return &naiveBucket{rate: float64(limit.n) / limit.d.Seconds(), burst: float64(burst), tokens: float64(burst), last: now}
}

func (b *naiveBucket) allowAt(now time.Time, n float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if elapsed := now.Sub(b.last).Seconds(); elapsed > 0 {
		b.tokens = min(b.burst, b.tokens+elapsed*b.rate)
	}
	b.last = now
	if n > b.tokens {
		return false
	}
	b.tokens -= n
	return true
}

func (b *naiveBucket) Allow() bool { return b.allowAt(time.Now(), 1) }

// naiveLevel is the leaky bucket of the textbook: what is in it has drained since.
type naiveLevel struct {
	rate, capacity, level float64
	last                  time.Time
}

func (b *naiveLevel) allowAt(now time.Time, n float64) bool {
	b.level = max(0, b.level-now.Sub(b.last).Seconds()*b.rate)
	b.last = now
	if b.level+n > b.capacity {
		return false
	}
	b.level += n
	return true
}

// TestNaive plays the same arrivals through the textbook's forms and ours: all the time
// they have admitted equally many, or one more or less, where something was rounded: a
// float, or by us what has come of a unit when a full bucket is taken from.
func TestNaive(t *testing.T) {
	rng := seed.New(t)
	for _, c := range []struct {
		limit Limit
		burst int64
	}{{PerSecond(10), 3}, {PerSecond(3), 2}, {PerSecond(7000), 100}, {PerSecond(30_000), 10}, {Per(1, time.Hour), 5}, {PerSecond(1000), 1}} {
		ours, meter := NewTokenBucket(c.limit, c.burst), NewLeakyBucket(c.limit, c.burst)
		now := ours.made
		meter.gcra.made = now
		bucket := newNaiveBucket(c.limit, c.burst, now)
		level := &naiveLevel{rate: bucket.rate, capacity: bucket.burst, last: now}
		var admitted [4]int
		interval := int64(c.limit.d)/c.limit.n + 1
		for i := range int64(20_000) {
			now = now.Add(time.Duration(rng.Int64N(interval * (1 + i/1000%3)))) // for a while too many, then too few
			for i, ok := range [...]bool{
				ours.TakeAt(now, 1).OK, meter.TakeAt(now, 1).OK, bucket.allowAt(now, 1), level.allowAt(now, 1),
			} {
				if ok {
					admitted[i]++
				}
			}
			require.Equal(t, admitted[0], admitted[1])
			require.InDelta(t, admitted[0], admitted[2], 1, "%v", c.limit)
			require.InDelta(t, admitted[0], admitted[3], 1, "%v", c.limit)
		}
		require.Greater(t, admitted[0], 5000)
		require.Less(t, admitted[0], 20_000)
	}
}

// TestNaiveMints shows the last two lines of the list above, and that they are not ours.
func TestNaiveMints(t *testing.T) {
	ours := NewTokenBucket(PerSecond(1), 10)
	now := ours.made
	naive := newNaiveBucket(PerSecond(1), 10, now)
	count := func(allow func(time.Time) bool) (n int) {
		for i := range 40 {
			if allow(now.Add(time.Duration(10-i%2) * time.Second)) {
				n++
			}
		}
		return n
	}
	require.Equal(t, 10, count(func(now time.Time) bool { return ours.TakeAt(now, 1).OK }))
	require.Equal(t, 29, count(func(now time.Time) bool { return naive.allowAt(now, 1) }), "one for each second, and there were only ten of them")

	require.True(t, naive.allowAt(now, -50))
	require.Greater(t, naive.tokens, naive.burst)
	require.False(t, ours.TakeAt(now.Add(10*time.Second), -50).OK)
	require.Zero(t, ours.TakeAt(now.Add(10*time.Second), 0).Remaining)
}
