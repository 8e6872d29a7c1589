package ratelimit

import (
	"sync"
	"sync/atomic"
	"time"
)

// TokenBucket is a bucket that holds burst tokens, gets new ones at a rate, and gives one
// for each event: bursts of traffic pass as long as there are tokens. It is the limiter
// to use unless there is a reason for another. It is safe for concurrent use.
//
// Allow and Take need the word alone. Who waits for tokens stands in a line, which
// Reserve, Wait, Refund and SetLimit lock (reserve.go).
type TokenBucket struct {
	made   time.Time // immutable
	bucket atomic.Pointer[bucket]

	mu    sync.Mutex
	line  []*Reservation // whose turn has not come; guarded by mu
	slack time.Duration  // guarded by mu
}

// bucket is a word with its pace. When the limit is changed there is a new one, and the
// word of the old one is closed. It is safe for concurrent use.
type bucket struct {
	pace
	word
}

// NewTokenBucket returns a full one, which admits at most burst + rate × W events within
// any time W. It panics if rate is no Limit or burst is not from 1 to 2^62.
func NewTokenBucket(rate Limit, burst int64) *TokenBucket {
	t := &TokenBucket{made: time.Now()}
	t.bucket.Store(&bucket{pace: newPace("NewTokenBucket", rate, burst)})
	return t
}

// Allow takes a token, if there is one.
func (t *TokenBucket) Allow() bool { return t.AllowN(1) }

// AllowN takes n tokens, if there are as many, or none; a negative number is refused.
func (t *TokenBucket) AllowN(n int64) bool {
	if n <= 0 {
		return n == 0
	}
	ns := sinceNow(t.made)
	for {
		b := t.bucket.Load()
		if b.unit == 0 || b.take(&b.pace, b.at(ns), n) {
			return true
		}
		if !t.replaced(b) {
			return false
		}
	}
}

// replaced reports whether a bucket has been closed, and if so returns when there is
// another.
func (t *TokenBucket) replaced(b *bucket) bool {
	if b.tat.Load() != closed {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return true
}

// Take decides about n events (see Limiter).
func (t *TokenBucket) Take(n int64) Decision { return t.take(sinceNow(t.made), n) }

// TakeAt is Take at a time of the caller's (see Limiter).
func (t *TokenBucket) TakeAt(now time.Time, n int64) Decision { return t.take(since(t.made, now), n) }

func (t *TokenBucket) take(ns, n int64) Decision {
	for {
		b := t.bucket.Load()
		d := b.decide(&b.pace, ns, n)
		if d.OK || !t.replaced(b) {
			return d
		}
	}
}

// Limit returns the rate and the burst.
func (t *TokenBucket) Limit() (rate Limit, burst int64) {
	b := t.bucket.Load()
	return b.limit, b.burst
}

// SetLimit changes the rate and the burst. Tokens are kept, as many as the new burst, and
// none are made: a larger bucket fills at the new rate. Those who wait get new times. It
// panics as NewTokenBucket does.
func (t *TokenBucket) SetLimit(rate Limit, burst int64) {
	next := &bucket{pace: newPace("SetLimit", rate, burst)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setLimit(func() int64 { return sinceNow(t.made) }, next)
}

// setLimit closes the bucket, so that nobody can take from it, before it looks at what is
// in it, and at the clock: what others took later than that shows would be a debt, to be paid at
// the new rate. The caller holds mu.
func (t *TokenBucket) setLimit(now func() int64, next *bucket) {
	old := t.bucket.Load()
	tat := old.tat.Swap(closed)
	ns := now()
	t.prune(&old.pace, tat, ns)
	if len(t.line) > 0 {
		tat = t.line[0].begin
	}
	end := next.convert(tat, &old.pace, ns)
	if len(t.line) > 0 {
		end = next.begin(end, next.at(ns), 0)
	}
	for _, r := range t.line {
		end = r.move(&next.pace, end)
	}
	next.tat.Store(end)
	t.bucket.Store(next)
	t.prune(&next.pace, end, ns)
}
