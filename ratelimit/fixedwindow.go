package ratelimit

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// FixedWindow counts events in windows that follow one another, and forgets the count at
// every edge. Nothing is easier to explain, or to share between machines: it is one
// counter. But who takes all before an edge, and all after it, has taken twice the limit
// in no time. It is safe for concurrent use.
type FixedWindow struct {
	// Immutable.
	made  time.Time
	limit Limit

	// Guarded by mu.
	mu    sync.Mutex
	start int64 // of the window, as since counts
	taken int64 // in it
}

// NewFixedWindow returns one whose windows are limit.Period() long, the first of which
// begins now. It admits at most limit.Events() in each: within any time W, n × (2 + W/d).
// It panics if limit is no Limit.
func NewFixedWindow(limit Limit) *FixedWindow {
	return &FixedWindow{made: time.Now(), limit: mustLimit("NewFixedWindow", limit), start: math.MinInt64}
}

// Allow is Take(1).OK.
func (w *FixedWindow) Allow() bool { return w.Take(1).OK }

// Take decides about n events (see Limiter).
func (w *FixedWindow) Take(n int64) Decision { return w.take(sinceNow(w.made), n) }

// TakeAt is Take at a time of the caller's (see Limiter). What is earlier than the window
// that has begun counts as in it.
func (w *FixedWindow) TakeAt(now time.Time, n int64) Decision { return w.take(since(w.made, now), n) }

func (w *FixedWindow) take(ns, n int64) Decision {
	if w.limit == Unlimited {
		return unlimited(n)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roll(ns)
	d := w.limit.decide(n, w.taken)
	if d.OK {
		w.taken += n
	} else if d.RetryAfter == 0 {
		d.RetryAfter = until(w.start, w.limit.d, ns)
	}
	if w.taken > 0 {
		d.ResetAfter = until(w.start, w.limit.d, ns)
	}
	return d
}

// roll begins a new window if it is time.
func (w *FixedWindow) roll(ns int64) {
	if start := ns - into(ns, w.limit.d); start > w.start {
		w.start, w.taken = start, 0
	}
}

// Refund gives back n events (see Limiter), at most what has been taken in this window.
func (w *FixedWindow) Refund(n int64) { w.refund(sinceNow(w.made), n) }

func (w *FixedWindow) refundAt(now time.Time, n int64) { w.refund(since(w.made, now), n) }

func (w *FixedWindow) refund(ns, n int64) {
	if n <= 0 || w.limit == Unlimited {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roll(ns)
	w.taken -= min(n, w.taken)
}

// What the three windows have in common: they count nanoseconds and events as they are.

// mustLimit panics if limit is none.
func mustLimit(what string, limit Limit) Limit {
	if err := limit.check(); err != nil {
		panic(fmt.Sprintf("ratelimit: %s: %v", what, err))
	}
	return limit
}

// into returns how long it is at ns since the last edge: one was when the limiter was made.
func into(ns int64, d time.Duration) int64 {
	x := (ns - midday) % int64(d)
	if x < 0 {
		x += int64(d)
	}
	return x
}

// until returns how long it is from ns to d after start, which is not earlier; Never if it
// is longer than a Duration. The sum may be more than an int64, not than an uint64.
func until(start int64, d time.Duration, ns int64) time.Duration {
	return time.Duration(min(uint64(start)+uint64(d)-uint64(ns), math.MaxInt64))
}

// decide returns the decision about n events when some are taken. The times are missing,
// except that it is Never.
func (l Limit) decide(n, taken int64) Decision {
	d := Decision{Limit: l.n, Remaining: l.n - taken}
	switch {
	case n < 0 || n > l.n:
		d.RetryAfter = Never
	case n == 0:
		d.OK = d.Remaining > 0
	case n <= d.Remaining:
		d.OK = true
		d.Remaining -= n
	}
	return d
}
