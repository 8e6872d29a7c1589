package ratelimit

import "time"

// Multi is several limiters as one, such as 10 a second and 1,000 an hour: events may
// happen if all of them say so. It is safe for concurrent use.
//
// It asks all, in this order, and gives back what it was granted if one refuses. In between,
// somebody else may be refused for it. What is given back counts as of when it is (see
// Limiter): so a limiter that is slow to answer should come first. A turn of a LeakyQueue
// that others are behind is not given back, as by LeakyQueue.Wait.
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
func (m *Multi) Take(n int64) Decision { return m.take(n, nil) }

// take is told what to do with the decision of each of them.
func (m *Multi) take(n int64, each func(Decision)) Decision {
	return m.all(n, each, func(l Limiter) (Decision, turn) {
		if q, ok := l.(*LeakyQueue); ok {
			return q.enter(sinceNow(q.made), n, Never)
		}
		return l.Take(n), turn{}
	}, func(l Limiter) { l.Refund(n) })
}

// TakeAt is Take at a time of the caller's (see Limiter).
func (m *Multi) TakeAt(now time.Time, n int64) Decision {
	return m.all(n, nil, func(l Limiter) (Decision, turn) {
		if q, ok := l.(*LeakyQueue); ok {
			return q.enter(since(q.made, now), n, Never)
		}
		return l.TakeAt(now, n), turn{}
	}, func(l Limiter) { refundAt(l, now, n) })
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

// grant is what may have to be given back.
type grant struct {
	by   Limiter
	turn turn // if that is a LeakyQueue
}

func (m *Multi) all(n int64, each func(Decision), take func(Limiter) (Decision, turn), back func(Limiter)) Decision {
	sum, grants := m.ask(make([]grant, 0, 8), each, take)
	if sum.OK || n <= 0 {
		return sum
	}
	for _, g := range grants {
		if q, ok := g.by.(*LeakyQueue); ok {
			q.leave(g.turn)
		} else {
			back(g.by)
		}
	}
	return sum
}

// ask adds what is granted to grants. A Multi in a Multi gives back nothing itself: if it
// refuses, both do.
func (m *Multi) ask(grants []grant, each func(Decision), take func(Limiter) (Decision, turn)) (sum Decision, _ []grant) {
	for i, l := range m.limiters {
		var d Decision
		if inner, ok := l.(*Multi); ok {
			d, grants = inner.ask(grants, nil, take)
		} else {
			g := grant{by: l}
			if d, g.turn = take(l); d.OK {
				grants = append(grants, g)
			}
		}
		if each != nil {
			each(d)
		}
		if i == 0 {
			sum = d
		} else {
			sum = tighter(sum, d)
		}
	}
	return sum, grants
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
