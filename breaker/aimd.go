package breaker

import (
	"fmt"
	"time"
)

// AIMD is additive increase, multiplicative decrease: the congestion avoidance of TCP
// (V. Jacobson, Congestion Avoidance and Control, 1988; D.-M. Chiu and R. Jain, 1989, on why
// clients that do so come to equal shares, and others do not).
//
//	a call went well, and half of the limit was in use    limit + 1/limit
//	a call failed, or took longer than Slow               limit · Backoff
//
// So the limit grows by 1 in about the time of one call, when as many as that have gone well, and
// when it is too much it falls at once: a saw.
//
//	limit      ╱|    ╱|    ╱|      ← here something failed
//	         ╱  |  ╱  |  ╱  |
//	       ╱    |╱    |╱    |╱
//
// When a server has had enough, all the calls that it has at that time fail, and say the same
// thing. It counts once: after a decrease, calls that began before do not make another one.
//
// It finds the place where calls fail. That is not the knee, but the end of a queue, if there is
// any: so give it a Slow. It is a value, and safe for concurrent use.
//
//	a call     a few additions
//	memory     about 60 bytes
//	bad at     a server with a long queue, without Slow; failures by chance, of which each costs 1-Backoff
type AIMD struct {
	// Backoff is what a failure leaves of the limit: more than 0, less than 1. 0 is 0.9. TCP has ½.
	Backoff float64

	// Slow is the time from which on a call counts as failed. 0 is none.
	Slow time.Duration
}

type aimd struct {
	AIMD
	bounds
	limit float64
	cut   time.Duration // the last decrease
}

func (l AIMD) start(b bounds) (law, error) {
	if l.Backoff == 0 {
		l.Backoff = 0.9
	}
	if !(l.Backoff > 0 && l.Backoff < 1) {
		return nil, fmt.Errorf("an AIMD with a Backoff of %v: want more than 0, less than 1", l.Backoff)
	}
	if l.Slow < 0 {
		return nil, fmt.Errorf("an AIMD with a Slow of %v: want 0 or more", l.Slow)
	}
	return &aimd{AIMD: l, bounds: b, limit: b.initial}, nil
}

func (l *aimd) update(c sample) float64 {
	switch failed := !c.ok || l.Slow > 0 && c.rtt > l.Slow; {
	case failed && c.now-c.rtt >= l.cut:
		l.limit, l.cut = l.clamp(l.limit*l.Backoff), c.now
	case !failed && used(c.inFlight, l.limit):
		l.limit = l.clamp(l.limit + 1/l.limit)
	}
	return l.limit
}
