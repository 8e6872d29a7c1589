package ratelimit

import (
	"math/bits"
	"sync"
	"time"
)

// SlidingCounter is as good as a SlidingLog, nearly, and has two counters only: of the
// fixed window in which it is now, and of the one before. Of the window before it counts the part
// that is not longer ago than d, as if what was taken in it had come evenly:
//
//	   before                 taken
//	|-------------------|-------------------|
//	      |<------- d --------->|
//	      |<-- d - x -->|<- x ->|  now
//
//	before × (d - x)/d + taken ≤ n
//
// It is safe for concurrent use.
//
// What does it guarantee, if the events before have not come evenly? Let c be what each window
// counts in the end: at most n. Between an event at x₁ in window j and one at x₂ in a later
// window k lies the time W = (k - j)·d + x₂ - x₁. In the windows from j to k-2 there are at
// most (k-1-j)·n events. Of the last two windows, the rule at the last event says
//
//	c[k-1]·(d - x₂)/d + c[k] ≤ n
//
// and so c[k-1] + c[k] ≤ n + c[k-1]·x₂/d ≤ n + n·x₂/d. In sum that is
//
//	n·(k - j) + n·x₂/d  =  n·(W + x₁)/d  <  n·(1 + W/d)
//
// because x₁ is less than d; and within one window there are at most n. So twice the limit
// needs a time of d, and at an edge there is nothing to gain. An event that is given back
// makes its counter smaller, for which the same rule holds.
type SlidingCounter struct {
	// Immutable.
	made  time.Time
	limit Limit

	// Guarded by mu.
	mu     sync.Mutex
	seen   int64 // the latest time, as since counts
	start  int64 // of the window in which that is
	before int64 // taken in the window before
	taken  int64 // taken in this one
}

// NewSlidingCounter returns one that admits at most n × (1 + W/d) events within any time W,
// for a limit of n events in d. It panics if limit is no Limit.
func NewSlidingCounter(limit Limit) *SlidingCounter {
	return &SlidingCounter{made: time.Now(), limit: mustLimit("NewSlidingCounter", limit)}
}

// Allow is Take(1).OK.
func (c *SlidingCounter) Allow() bool { return c.Take(1).OK }

// Take decides about n events (see Limiter).
func (c *SlidingCounter) Take(n int64) Decision { return c.take(sinceNow(c.made), n) }

// TakeAt is Take at a time of the caller's (see Limiter). A time that is earlier than one
// it has seen counts as that.
func (c *SlidingCounter) TakeAt(now time.Time, n int64) Decision {
	return c.take(since(c.made, now), n)
}

func (c *SlidingCounter) take(ns, n int64) Decision {
	if c.limit == Unlimited {
		return unlimited(n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roll(ns)
	d := c.limit.decide(n, c.taken+c.weighed())
	if d.OK {
		c.taken += n
	} else if d.RetryAfter == 0 {
		d.RetryAfter = c.retry(ns, max(n, 1))
	}
	d.ResetAfter = c.reset(ns)
	return d
}

// roll moves on to the window in which it is now.
func (c *SlidingCounter) roll(ns int64) {
	d := c.limit.d
	c.seen = max(c.seen, ns)
	start := c.seen - into(c.seen, d)
	switch uint64(start) - uint64(c.start) {
	case 0:
		return
	case uint64(d):
		c.before, c.taken = c.taken, 0
	default:
		c.before, c.taken = 0, 0
	}
	c.start = start
}

// weighed returns what counts of the window before, rounded up: before × (d - x) / d.
func (c *SlidingCounter) weighed() int64 {
	d := uint64(c.limit.d)
	hi, lo := bits.Mul64(uint64(c.before), d-uint64(into(c.seen, c.limit.d)))
	q, rest := bits.Div64(hi, lo, d) // at most before, so that it cannot overflow
	if rest > 0 {
		q++
	}
	return int64(q)
}

// retry returns how long it takes until there is room for n events. There are two cases:
//
//	taken + n ≤ n of the limit   in this window, when enough of the one before is too old
//	otherwise                    in the next one, in which taken is what was before
func (c *SlidingCounter) retry(ns, n int64) time.Duration {
	if room := c.limit.n - n - c.taken; room >= 0 {
		return until(c.start, c.outweighed(c.before, room), ns)
	}
	edge := until(c.start, c.limit.d, ns)
	return edge + min(c.outweighed(c.taken, c.limit.n-n), Never-edge)
}

// outweighed returns how far a window has to go until events of the one before count as
// no more than room, which is less: the smallest x with events × (d - x) ≤ room × d.
func (c *SlidingCounter) outweighed(events, room int64) time.Duration {
	hi, lo := bits.Mul64(uint64(room), uint64(c.limit.d))
	q, _ := bits.Div64(hi, lo, uint64(events)) // less than d
	return c.limit.d - time.Duration(q)
}

// reset returns how long it takes until nothing counts any more.
func (c *SlidingCounter) reset(ns int64) time.Duration {
	if c.taken == 0 && c.before == 0 {
		return 0
	}
	edge := until(c.start, c.limit.d, ns)
	if c.taken == 0 {
		return edge
	}
	return edge + min(c.limit.d, Never-edge)
}

// Refund gives back n events (see Limiter): those that were taken last, of this window and
// the one before.
func (c *SlidingCounter) Refund(n int64) { c.refund(sinceNow(c.made), n) }

func (c *SlidingCounter) refundAt(now time.Time, n int64) { c.refund(since(c.made, now), n) }

func (c *SlidingCounter) refund(ns, n int64) {
	if n <= 0 || c.limit == Unlimited {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roll(ns)
	here := min(n, c.taken)
	c.taken -= here
	c.before -= min(n-here, c.before)
}
