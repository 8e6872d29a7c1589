package ratelimit

import (
	"math"
	"time"
)

// Decision is what a limiter says to n events, and what it has left afterwards. It is a
// value and is safe for concurrent use.
type Decision struct {
	// OK says that they may happen, all of them. Of Take(0), which takes nothing, it says
	// whether one might.
	OK bool

	Limit     int64 // the most that there can be at once: burst, capacity, or events of a window
	Remaining int64 // how many more there can be now

	// RetryAfter is how long it takes until as many can happen, if nobody else comes
	// first: 0 if OK, Never if there are more than Limit.
	RetryAfter time.Duration

	// ResetAfter is how long it takes until Remaining is Limit again.
	ResetAfter time.Duration

	// Delay is how long the events have to wait, which are OK: the queue of a LeakyQueue
	// is the only one that makes them.
	Delay time.Duration
}

// Never is the RetryAfter of what cannot happen.
const Never = time.Duration(math.MaxInt64)

// Limiter decides about events. All limiters of this package are one, and safe for
// concurrent use.
type Limiter interface {
	// Take decides whether n events may happen now, and counts them if so. It takes all
	// or nothing; 0 takes nothing and asks; a negative number is refused.
	Take(n int64) Decision

	// TakeAt is Take at a time that the caller gives. One that runs backwards mints
	// nothing: what was taken later stays taken. The times of one limiter should come
	// from one clock, and be less than 70 years from when it was made.
	TakeAt(now time.Time, n int64) Decision

	// Refund gives back n events that were taken and did not happen. What time has given
	// back already is not given back again: a limiter never has more than its Limit.
	Refund(n int64)
}

// unlimited is the decision of a limiter with the limit Unlimited.
func unlimited(n int64) Decision {
	d := Decision{OK: n >= 0, Limit: math.MaxInt64, Remaining: math.MaxInt64}
	if n < 0 {
		d.RetryAfter = Never
	}
	return d
}
