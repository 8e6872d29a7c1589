package ratelimit

import (
	"sort"
	"sync"
	"time"
)

// SlidingLog remembers when each event happened, and admits what leaves at most n of them
// in the time d that ends now. It is the only window that is exact, and the only one that
// pays for it with memory: 16 bytes for each time at which something was taken, up to n
// of them. It is safe for concurrent use.
//
// An event of time t does not count any more at t + d.
type SlidingLog struct {
	// Immutable.
	made  time.Time
	limit Limit

	// Guarded by mu.
	mu     sync.Mutex
	seen   int64  // the latest time, as since counts
	gone   uint64 // how many events have ever been taken that do not count any more
	total  uint64 // and how many with those that do
	ring   []run  // the runs that count, oldest first, from first on; then unused ones
	first  int
	length int
}

// run is what was taken at one time: the events with the numbers from the total of the run
// before it to its own. That it has a total, and no count, makes it possible to find the
// event that has to go before n can come without adding up (SlidingLog.retry). Totals may wrap: only
// their differences matter, which are at most n.
type run struct {
	at    int64
	total uint64
}

// NewSlidingLog returns one that admits at most limit.Events() within any limit.Period().
// It panics if limit is no Limit.
func NewSlidingLog(limit Limit) *SlidingLog {
	return &SlidingLog{made: time.Now(), limit: mustLimit("NewSlidingLog", limit)}
}

// Allow is Take(1).OK.
func (l *SlidingLog) Allow() bool { return l.Take(1).OK }

// Take decides about n events (see Limiter).
func (l *SlidingLog) Take(n int64) Decision { return l.take(sinceNow(l.made), n) }

// TakeAt is Take at a time of the caller's (see Limiter). A time that is earlier than one
// it has seen counts as that.
func (l *SlidingLog) TakeAt(now time.Time, n int64) Decision { return l.take(since(l.made, now), n) }

func (l *SlidingLog) take(ns, n int64) Decision {
	if l.limit == Unlimited {
		return unlimited(n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(ns)
	d := l.limit.decide(n, int64(l.total-l.gone))
	if d.OK && n > 0 {
		l.add(n)
	} else if !d.OK && d.RetryAfter == 0 {
		d.RetryAfter = l.retry(ns, max(n, 1)-d.Remaining)
	}
	if l.length > 0 {
		d.ResetAfter = until(l.run(l.length-1).at, l.limit.d, ns)
	}
	return d
}

// expire forgets the runs that do not count any more.
func (l *SlidingLog) expire(ns int64) {
	l.seen = max(l.seen, ns)
	for l.length > 0 && l.run(0).at <= l.seen-int64(l.limit.d) {
		l.gone = l.run(0).total
		l.first = (l.first + 1) % len(l.ring)
		l.length--
	}
}

// run returns the i-th run, counted from the oldest.
func (l *SlidingLog) run(i int) *run { return &l.ring[(l.first+i)%len(l.ring)] }

// add notes n events at the latest time.
func (l *SlidingLog) add(n int64) {
	l.total += uint64(n)
	if l.length == 0 || l.run(l.length-1).at != l.seen {
		if l.length == len(l.ring) {
			l.grow()
		}
		l.length++
	}
	*l.run(l.length - 1) = run{l.seen, l.total}
}

// grow doubles the ring. There are never more runs than events, and so than the limit.
func (l *SlidingLog) grow() {
	size := max(4, 2*len(l.ring))
	if int64(size) > l.limit.n {
		size = int(l.limit.n)
	}
	ring := make([]run, size)
	for i := range l.length {
		ring[i] = *l.run(i)
	}
	l.ring, l.first = ring, 0
}

// retry returns how long it takes until so many events do not count any more.
func (l *SlidingLog) retry(ns, events int64) time.Duration {
	i := sort.Search(l.length, func(i int) bool { return l.run(i).total-l.gone >= uint64(events) })
	return until(l.run(i).at, l.limit.d, ns)
}

// Refund gives back n events (see Limiter): those that were taken last, of those that
// still count.
func (l *SlidingLog) Refund(n int64) { l.refund(sinceNow(l.made), n) }

func (l *SlidingLog) refundAt(now time.Time, n int64) { l.refund(since(l.made, now), n) }

func (l *SlidingLog) refund(ns, n int64) {
	if n <= 0 || l.limit == Unlimited {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(ns)
	l.total -= min(uint64(n), l.total-l.gone)
	for l.length > 0 {
		before := l.gone
		if l.length > 1 {
			before = l.run(l.length - 2).total
		}
		if last := l.run(l.length - 1); l.total-l.gone > before-l.gone {
			last.total = l.total
			return
		}
		l.length--
	}
}
