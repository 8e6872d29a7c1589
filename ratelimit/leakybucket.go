package ratelimit

import "time"

// LeakyBucket is the leaky bucket as a meter: events pour into a bucket that leaks at the
// rate, and what would make it run over is refused. What is in it is what is missing in a
// TokenBucket, so that both decide alike; the name says which of the two one looks at. It
// is not the leaky bucket that makes events wait: that is LeakyQueue. It is safe for
// concurrent use.
type LeakyBucket struct{ gcra GCRA }

// NewLeakyBucket returns an empty one, which admits at most capacity + rate × W events
// within any time W. It panics if rate is no Limit or capacity is not from 1 to 2^62.
func NewLeakyBucket(rate Limit, capacity int64) *LeakyBucket {
	return &LeakyBucket{GCRA{made: time.Now(), pace: newPace("NewLeakyBucket", rate, capacity)}}
}

// Level returns how many events are in the bucket; one that has leaked out in part
// counts.
func (b *LeakyBucket) Level() int64 {
	d := b.Take(0)
	return d.Limit - d.Remaining
}

// Allow is Take(1).OK, and faster.
func (b *LeakyBucket) Allow() bool { return b.gcra.Allow() }

// Take decides about n events (see Limiter).
func (b *LeakyBucket) Take(n int64) Decision { return b.gcra.Take(n) }

// TakeAt is Take at a time of the caller's (see Limiter).
func (b *LeakyBucket) TakeAt(now time.Time, n int64) Decision { return b.gcra.TakeAt(now, n) }

// Refund gives back n events (see Limiter).
func (b *LeakyBucket) Refund(n int64) { b.gcra.Refund(n) }
