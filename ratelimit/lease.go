package ratelimit

import (
	"context"
	"fmt"
	"time"
)

// lease is what is known here about a key: events that are held, and what the store said
// last. It is not safe for concurrent use: Distributed.mu guards it.
//
// To forget one is safe: what it holds was counted in the store.
type lease struct {
	lots [2]lot // the older one is used first

	// What the store said last, while known.
	known    bool
	missing  int64         // in the bucket, at some time between
	started  time.Duration // and
	answered time.Duration

	refunds int // that came back; what the store says to a trip that began before is old

	trip   *trip // that asks for more; nil if none
	wanted int64 // by all who wait for it
}

// lot is events that were taken together. It is not safe for concurrent use.
type lot struct {
	events int64
	until  time.Duration
}

// expire forgets what is too old.
func (l *lease) expire(now, leaseTime time.Duration) {
	for i := range l.lots {
		if now >= l.lots[i].until {
			l.lots[i].events = 0
		}
	}
	if now >= l.started+leaseTime {
		l.known = false
	}
}

func (l *lease) held() int64 { return l.lots[0].events + l.lots[1].events }

// use takes n events of those that are held.
func (l *lease) use(n int64) {
	first := min(n, l.lots[0].events)
	l.lots[0].events -= first
	l.lots[1].events -= n - first
}

// learn is told the answer to a trip. Two lots are enough: who asks for more wants what is
// left and some of the next one. If he is gone when it comes, the oldest may be lost.
func (l *lease) learn(t *trip, now, leaseTime time.Duration) {
	l.known, l.missing, l.started, l.answered = t.refunds == l.refunds, t.missing, t.started, now
	if !t.ok || t.cost <= 0 {
		return
	}
	if l.lots[1].events > 0 {
		l.lots[0] = l.lots[1]
	}
	l.lots[1] = lot{t.cost, t.started + leaseTime}
}

// atLeast and atMost return how much is missing in the bucket by now, if nobody else has
// come: the store read its clock after started and before answered.
func (l *lease) atLeast(now time.Duration) int64 { return max(l.missing-int64(now-l.started), 0) }
func (l *lease) atMost(now time.Duration) int64  { return max(l.missing-int64(now-l.answered), 0) }

// takeLeased decides without the store if it can.
func (d *Distributed) takeLeased(ctx context.Context, key string, n int64) (Decision, error) {
	d.mu.Lock()
	l := d.leases.get(key)
	decision, ok := d.decideHere(l, n)
	d.mu.Unlock()
	switch {
	case ok:
		return decision, nil
	case n == 0:
		return d.takeDirect(ctx, key, 0)
	}
	patience, cancel := context.WithTimeoutCause(ctx, d.config.Timeout, errSlow)
	defer cancel()
	decision, err := d.takeTogether(patience, l, key, n)
	if err != nil {
		return d.failed(err)
	}
	return decision, nil
}

// errSlow is why the patience of a caller ends before his context does.
var errSlow = fmt.Errorf("%w: no answer in time", ErrStore)

// takeTogether makes one of those who want events of a key ask for all of them, while the
// others wait for the answer: a thousand at once cost one or two round trips.
func (d *Distributed) takeTogether(ctx context.Context, l *lease, key string, n int64) (decision Decision, err error) {
	share := min(n, 1<<32) // so that the sum does not wrap
	d.mu.Lock()
	defer d.mu.Unlock()
	l.wanted += share
	defer func() { l.wanted -= share }()
	for late := false; ; late = true {
		t := l.trip
		mine := t == nil
		if mine {
			if decision, ok := d.decideHere(l, n); ok { // an answer may have come since
				return decision, nil
			}
			if t, err = d.begin(ctx, key, d.ask(l, n), l); err != nil {
				return Decision{}, err
			}
			t.late = late
		}
		d.mu.Unlock()
		if mine {
			err = d.finish(ctx, t)
		} else {
			err = t.wait(ctx)
		}
		d.mu.Lock()
		switch {
		case err == errNoSlot: // of whom we waited for
			continue
		case err != nil:
			return Decision{}, err
		}
		if decision, ok := d.decideHere(l, n); ok {
			return decision, nil
		}
		// Even if that was a while ago: who is told no at once can come again.
		if retry := d.retry(t.missing, n-l.held()); retry > 0 {
			decision = d.describe(t.missing, l.held())
			decision.RetryAfter = retry
			return decision, nil
		}
	}
}

// decideHere decides about n events if that needs no round trip. The caller holds mu.
func (d *Distributed) decideHere(l *lease, n int64) (decision Decision, ok bool) {
	now := d.now()
	l.expire(now, d.config.LeaseTime)
	missing := d.tolerance
	if l.known {
		missing = l.atMost(now)
	}
	held := l.held()
	if held >= max(n, 1) {
		l.use(n)
		decision = d.describe(missing, held-n)
		decision.OK = true
		return decision, true
	}
	if l.trip != nil || !l.known || d.retry(l.atLeast(now), n-held) <= 0 {
		return Decision{}, false
	}
	decision = d.describe(missing, held)
	decision.RetryAfter = d.retry(missing, n-held)
	return decision, true
}

// ask returns how many events to take for somebody who wants n, and for others: no more
// than there are, if that is known. The caller holds mu.
func (d *Distributed) ask(l *lease, n int64) int64 {
	held := l.held()
	want := min(max(d.config.Lease, l.wanted-held), d.config.Burst)
	if l.known {
		want = min(want, max(d.tolerance-l.atMost(d.now()), 0)/d.period)
	}
	return max(want, n-held)
}

// leases are those of all keys that are remembered: at most so many, in two halves. When
// one half is full it becomes the older one, and what was that is forgotten, except for what
// has been used since. It is not safe for concurrent use: Distributed.mu guards it.
type leases struct {
	most       int
	young, old map[string]*lease
}

// find returns nil if there is none.
func (s *leases) find(key string) *lease {
	if l := s.young[key]; l != nil {
		return l
	}
	return s.old[key]
}

func (s *leases) get(key string) *lease {
	l := s.young[key]
	if l != nil {
		return l
	}
	if l = s.old[key]; l == nil {
		l = new(lease)
	}
	if s.young == nil || len(s.young) >= s.most/2 {
		s.young, s.old = make(map[string]*lease), s.young
	}
	s.young[key] = l
	return l
}
