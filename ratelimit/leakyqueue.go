package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrQueueFull says that a LeakyQueue has no room.
var ErrQueueFull = errors.New("ratelimit: queue full")

// ErrTooMany says that so many events can never happen at once, or are fewer than none.
var ErrTooMany = errors.New("ratelimit: impossible number of events")

// LeakyQueue is the leaky bucket as a queue: events go one after the other, never faster
// than the rate, and wait in between, at most depth of them; what comes then is refused.
// It shapes traffic where the others police it. It is safe for concurrent use.
//
// It is the same word again: the time at which the queue has drained is when the next
// event goes. Somebody who leaves the queue leaves a gap, unless he was the last.
type LeakyQueue struct {
	// Immutable.
	made  time.Time
	pace  pace // burst is how many may be in the queue
	slack int64

	word word
}

// NewLeakyQueue returns one that lets events go at a rate, has room for depth of them and
// lets at most 1 + rate × (W + slack) go within any time W, a nanosecond more or less: each
// goes at a whole one. It panics if rate is no Limit, depth is not from 1 to 2^62, or slack
// is negative.
//
// With slack, who comes late (by less than it) goes as if on time, so that the next one
// need not come later too. A timer wakes a goroutine up to a millisecond late: without
// slack, somebody who waits for each turn, more than 1,000 times a second, gets less than
// the rate.
func NewLeakyQueue(rate Limit, depth int64, slack time.Duration) *LeakyQueue {
	if slack < 0 {
		panic(fmt.Sprintf("ratelimit: NewLeakyQueue: slack of %v", slack))
	}
	q := &LeakyQueue{made: time.Now(), pace: newPace("NewLeakyQueue", rate, depth)}
	q.slack = q.pace.units(slack)
	return q
}

// Take puts n events into the queue (see Limiter). If they are OK they go after Delay, one
// by one at the rate; Remaining is for how many more there is room.
func (q *LeakyQueue) Take(n int64) Decision { return q.take(sinceNow(q.made), n) }

// TakeAt is Take at a time of the caller's (see Limiter).
func (q *LeakyQueue) TakeAt(now time.Time, n int64) Decision { return q.take(since(q.made, now), n) }

func (q *LeakyQueue) take(ns, n int64) Decision {
	d, _ := q.enter(ns, n, Never)
	return d
}

// turn is a place in the queue: the tat before it, and with it.
type turn struct{ before, after int64 }

// enter is take for somebody who waits no longer than patience. If Delay is longer, he has
// taken nothing.
func (q *LeakyQueue) enter(ns, n int64, patience time.Duration) (d Decision, t turn) {
	for {
		t.before = q.word.tat.Load()
		d = Decision{}
		t.after = q.pace.decision(&d, t.before, ns, n, q.slack)
		if t.after == t.before {
			return d, t
		}
		if d.Delay = q.pace.until(t.before, ns); d.Delay > patience || q.word.tat.CompareAndSwap(t.before, t.after) {
			return d, t
		}
	}
}

// Wait puts n events into the queue and waits for their turn. If there is no room it
// returns ErrQueueFull, and if the context would end before, context.DeadlineExceeded;
// both at once. When the context ends, it leaves the queue.
func (q *LeakyQueue) Wait(ctx context.Context, n int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n < 0 || n > q.pace.burst {
		return fmt.Errorf("%w: %d, and the queue has room for %d", ErrTooMany, n, q.pace.burst)
	}
	if n == 0 {
		return nil
	}
	patience := Never
	if deadline, ok := ctx.Deadline(); ok {
		patience = max(time.Until(deadline), 0)
	}
	d, t := q.enter(sinceNow(q.made), n, patience)
	switch {
	case !d.OK:
		return fmt.Errorf("%w: there is room in %v", ErrQueueFull, d.RetryAfter)
	case d.Delay > patience:
		return fmt.Errorf("ratelimit: the turn would be in %v: %w", d.Delay, context.DeadlineExceeded)
	case d.Delay == 0:
		return nil
	}
	timer := time.NewTimer(d.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		q.leave(t)
		return ctx.Err()
	}
}

// leave gives back a turn that nobody has one behind. Else it stays, as a gap: those behind
// have been told when they go, and who came next would go together with one of them.
func (q *LeakyQueue) leave(t turn) { q.word.tat.CompareAndSwap(t.after, t.before) }

// Refund makes room for n events that do not go (see Limiter). It must not be used for
// such as have some behind them: those have been told when they go.
func (q *LeakyQueue) Refund(n int64) { q.word.refund(&q.pace, n) }
