package ratelimit

import "time"

// GCRA is the generic cell rate algorithm of ATM networks, for which the word of this
// package was invented: a cell conforms if it is not earlier than tolerance before its
// theoretical arrival time, and then moves that time on by an interval. It decides as a
// TokenBucket of the same rate and burst does, and is nothing but the word: 8 bytes that
// change. It is safe for concurrent use.
type GCRA struct {
	// Immutable.
	made time.Time
	pace pace

	word word
}

// NewGCRA returns one that admits at most burst + rate × W events within any time W. It
// panics if rate is no Limit or burst is not from 1 to 2^62.
func NewGCRA(rate Limit, burst int64) *GCRA {
	return &GCRA{made: time.Now(), pace: newPace("NewGCRA", rate, burst)}
}

// Allow is Take(1).OK, and faster.
func (g *GCRA) Allow() bool {
	return g.pace.unit == 0 || g.word.take(&g.pace, g.pace.at(sinceNow(g.made)), 1)
}

// Take decides about n events (see Limiter).
func (g *GCRA) Take(n int64) Decision {
	return g.word.decide(&g.pace, sinceNow(g.made), n)
}

// TakeAt is Take at a time of the caller's (see Limiter).
func (g *GCRA) TakeAt(now time.Time, n int64) Decision {
	return g.word.decide(&g.pace, since(g.made, now), n)
}

// Refund gives back n events (see Limiter).
func (g *GCRA) Refund(n int64) { g.word.refund(&g.pace, n) }
