package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// trip is one call of the store, on its way. It is settled once: by the answer, or at
// Timeout, whichever is first.
//
//	begin      health lets it go; its time runs
//	launch     a slot; a goroutine that calls the store
//	settle     the answer is checked; health and lease learn of it; done is closed
//
// The call belongs to nobody: it has the values of the caller's context and not its end, so
// that a caller without patience fails no others, and makes no store look bad.
//
// A store that ignores its context keeps the goroutine, and the slot, until it returns.
// There are MaxCalls of those: when they are all gone there are no new calls, hence no new
// goroutines; callers wait for a slot on their own goroutine, at most until Timeout.
// Before it comes to that the first failure stops the calls (health), except for one in
// each Retry.
type trip struct {
	// Immutable.
	key        string
	cost       int64
	lease      *lease // that waits for it; nil if none
	refunds    int    // of the lease
	generation uint64 // of health
	started    time.Duration
	ctx        context.Context
	late       bool        // who began it has waited before, and not until Timeout
	stop       func() bool // the timer
	cancel     context.CancelFunc
	done       chan struct{}

	settled bool // guarded by Distributed.mu

	// Written before done is closed, read after.
	missing int64 // in the bucket, at now
	ok      bool
	err     error
}

// errNoSlot says that who began a trip has gone before it was launched.
var errNoSlot = errors.New("ratelimit: the caller has gone")

// begin returns a trip, unless the store is not to be asked. The caller holds mu, and calls
// finish next.
func (d *Distributed) begin(ctx context.Context, key string, cost int64, l *lease) (*trip, error) {
	if d.closed {
		return nil, ErrClosed
	}
	t := &trip{key: key, cost: cost, lease: l, started: d.now(), done: make(chan struct{})}
	var err error
	if t.generation, err = d.health.admit(t.started); err != nil {
		return nil, err
	}
	t.ctx, t.cancel = context.WithTimeout(context.WithoutCancel(ctx), d.config.Timeout)
	t.stop = context.AfterFunc(t.ctx, func() {
		d.settle(t, reply{err: fmt.Errorf("no answer within %v", d.config.Timeout)})
	})
	if l != nil {
		l.trip, t.refunds = t, l.refunds
	}
	return t, nil
}

// finish launches a trip and returns when it is settled, or the context ends.
func (d *Distributed) finish(ctx context.Context, t *trip) error {
	select {
	case d.slots <- struct{}{}:
		go d.call(t)
	case <-t.done:
	case <-ctx.Done():
		err := ended(ctx)
		if err != errSlow || t.late { // else all slots are taken for too long, and the timer says so
			d.settle(t, reply{err: errNoSlot})
		}
		return err
	}
	return t.wait(ctx)
}

// wait returns the trip's error when it is settled, or why the context has ended.
func (t *trip) wait(ctx context.Context) error {
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
		return ended(ctx)
	}
}

// ended returns why a context has ended: errSlow, or what it says itself.
func ended(ctx context.Context) error {
	if context.Cause(ctx) == errSlow {
		return errSlow
	}
	return ctx.Err()
}

// call calls the store. If that panics, the goroutine is not the caller's, who could
// recover: so it is an error.
func (d *Distributed) call(t *trip) {
	a := reply{err: errors.New("it ended its goroutine")}
	defer func() {
		if r := recover(); r != nil {
			a.err = fmt.Errorf("it panicked: %v", r)
		}
		d.settle(t, a)
		<-d.slots
	}()
	if d.overtaken(t) {
		a.err = errors.New("it failed before this call had a slot")
		return
	}
	a.tat, a.now, a.ok, a.err = d.store.Update(t.ctx, t.key, d.period, d.tolerance, t.cost)
	if a.err != nil {
		a.err = fmt.Errorf("%w", a.err) // asks for its text once, and not under mu
	}
}

// overtaken reports whether a trip waited for its slot until it was too late.
func (d *Distributed) overtaken(t *trip) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return t.settled || t.generation != d.health.generation
}

// reply is what a store has said.
type reply struct {
	tat, now int64
	ok       bool
	err      error
}

// settle ends a trip, if it has not ended.
func (d *Distributed) settle(t *trip, a reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.settled {
		return
	}
	t.settled = true
	t.stop()
	t.cancel()
	now, err := d.now(), a.err
	if err == nil {
		if err = d.check(t, a); err == nil {
			err = d.clock.check(time.Duration(a.now), t.started, now, d.config.MaxSkew)
		}
	}
	d.health.report(t.generation, err, now, d.config.Retry)
	switch {
	case err == nil:
		t.ok, t.missing = a.ok, max(a.tat-a.now, 0)
	case err == errNoSlot:
		t.err = err
	default:
		t.err = fmt.Errorf("%w: %w", ErrStore, err)
	}
	if t.lease != nil {
		t.lease.trip = nil
		if err == nil {
			t.lease.learn(t, now, d.config.LeaseTime)
		}
	}
	if l := d.leases.find(t.key); l != nil && t.cost < 0 {
		l.known = false
		l.refunds++
	}
	close(t.done)
}

// check returns an error if no store that does what Store says can have said this.
func (d *Distributed) check(t *trip, a reply) error {
	if a.now < 0 || a.now >= maxUnits || a.tat < 0 || a.tat-a.now > maxUnits {
		return fmt.Errorf("it lies: tat %d at %d", a.tat, a.now)
	}
	missing := max(a.tat-a.now, 0)
	room := d.tolerance - missing
	possible := false
	switch {
	case t.cost < 0:
		possible = a.ok
	case t.cost == 0:
		possible = a.ok == (d.period <= room)
	case a.ok:
		possible = room >= 0 && missing >= t.cost*d.period
	default:
		possible = t.cost*d.period > room
	}
	if !possible {
		return fmt.Errorf("it lies: tat %d at %d and ok %v, with a cost of %d × %d and a tolerance of %d", a.tat, a.now, a.ok, t.cost, d.period, d.tolerance)
	}
	return nil
}

// farClock is what the store's clock shows when ours shows 0, as well as we know. It is not
// safe for concurrent use.
type farClock struct {
	known bool
	base  time.Duration
	moved time.Duration // our time
}

// check returns an error if the store's clock, which it has read at some time between
// started and now, has jumped. Small differences are followed: by a thousandth of the time
// that has passed, which is more than clocks differ, and too little to gain much by.
func (c *farClock) check(far, started, now, skew time.Duration) error {
	low, high := far-now, far-started
	if !c.known {
		*c = farClock{true, low, now}
		return nil
	}
	jump := max(low-c.base, min(high-c.base, 0))
	if jump > skew || jump < -skew {
		c.known = false
		return fmt.Errorf("its clock has jumped by %v", jump)
	}
	most := (now - c.moved) / 1000
	c.base += min(max(jump, -most), most)
	c.moved = now - (now-c.moved)%1000 // what most was rounded by counts next time
	return nil
}

// health says whether the store is to be asked. It is not safe for concurrent use.
//
//	well ── a failure ──> failed ── Retry ──> one caller tries ── an answer ──> well
//	                        ^                       │
//	                        └──── a failure ────────┘
//
// A trip that began before the last failure says nothing about the time since, whatever
// comes of it: it has another generation.
type health struct {
	generation uint64        // how many failures there were
	failure    error         // the last; nil if well
	until      time.Duration // when somebody may try
	trying     bool
}

// admit returns the generation of a trip that may begin now.
func (h *health) admit(now time.Duration) (generation uint64, err error) {
	if h.failure != nil && (h.trying || now < h.until) {
		return 0, fmt.Errorf("%w, and is not asked for a while: %w", ErrStore, h.failure)
	}
	h.trying = h.failure != nil
	return h.generation, nil
}

// report is told what came of a trip.
func (h *health) report(generation uint64, err error, now, retry time.Duration) {
	switch {
	case generation != h.generation:
		return
	case err == nil:
		h.failure = nil
	case err != errNoSlot:
		h.failure, h.until = err, now+retry
		h.generation++
	}
	h.trying = false
}
