package ratelimit

import (
	"time"
)

// Multi is several limiters as one, such as 10 a second and 1,000 an hour: events may
// happen if all of them say so. It is safe for concurrent use.
//
// It asks all, and gives back what it was granted if one refuses. In between, somebody
// else may be refused for it; never is anybody admitted too many.
type Multi struct{ limiters []Limiter } // immutable

// refunder gives back at the time at which it was taken. Where there is only a word, there is
// no need.
type refunder interface{ refundAt(now time.Time, n int64) }

// All returns a Multi. It panics if there is no limiter, or a nil one.
func All(limiters ...Limiter) *Multi {
	if len(limiters) == 0 {
		panic("ratelimit: All: no limiters")
	}
	for _, l := range limiters {
		mustNotBeNil("All", l)
	}
	return &Multi{append([]Limiter(nil), limiters...)}
}

// Take decides about n events (see Limiter). What it returns is the decision of the
// limiter that has least left, or of the one that refuses for longest; Delay is the
// longest.
func (m *Multi) Take(n int64) Decision {
	return m.all(n, func(l Limiter) Decision { return l.Take(n) }, func(l Limiter) { l.Refund(n) })
}

// TakeAt is Take at a time of the caller's (see Limiter).
func (m *Multi) TakeAt(now time.Time, n int64) Decision {
	return m.all(n, func(l Limiter) Decision { return l.TakeAt(now, n) }, func(l Limiter) { refundAt(l, now, n) })
}

// Refund gives back n events to all (see Limiter).
func (m *Multi) Refund(n int64) {
	for _, l := range m.limiters {
		l.Refund(n)
	}
}

func (m *Multi) refundAt(now time.Time, n int64) {
	for _, l := range m.limiters {
		refundAt(l, now, n)
	}
}

func refundAt(l Limiter, now time.Time, n int64) {
	if r, ok := l.(refunder); ok {
		r.refundAt(now, n)
	} else {
		l.Refund(n)
	}
}

func (m *Multi) all(n int64, take func(Limiter) Decision, back func(Limiter)) Decision {
	var sum Decision
	granted := make([]Limiter, 0, 8)
	for i, l := range m.limiters {
		d := take(l)
		if d.OK {
			granted = append(granted, l)
		}
		if i == 0 {
			sum = d
		} else {
			sum = tighter(sum, d)
		}
	}
	if !sum.OK && n > 0 {
		for _, l := range granted {
			back(l)
		}
	}
	return sum
}

// tighter returns what two decisions say together.
func tighter(a, b Decision) Decision {
	switch {
	case a.OK != b.OK:
		if a.OK {
			return b
		}
		return a
	case !a.OK && b.RetryAfter > a.RetryAfter:
		return b
	case a.OK && b.Remaining < a.Remaining:
		a, b = b, a
	}
	a.Delay = max(a.Delay, b.Delay)
	return a
}
