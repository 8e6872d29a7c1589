// Package ratelimit decides whether an event may happen now: every algorithm of the
// textbooks, for one limiter, for one per key, for many machines, and in front of HTTP.
//
// # Problem
//
// A service that takes whatever comes is as fast as its rudest client lets it be. To
// say no in time costs less than the work that is refused, if the limiter itself costs
// nothing: it stands in front of everything, and everybody goes through it.
//
// # Idea
//
// A bucket of tokens needs no counter that somebody fills. It is enough to know when it
// will be full again: one number, that taking moves into the future and time catches up
// with. Leaky bucket, GCRA and queue are the same number with other names (word.go). It
// is counted in units so that all arithmetic is on whole numbers (pace.go).
//
// # Invariants
//
// With burst B and rate R, in any time W, of what is taken and not given back:
//
//	I1  TokenBucket, LeakyBucket, GCRA   at most B + R·W
//	I2  LeakyQueue                       at most 1 + R·W go, and depth wait
//	I3  SlidingLog of n in d             at most n in any d
//	I4  SlidingCounter                   at most n·(1 + W/d)
//	I5  FixedWindow                      at most n·(2 + W/d): twice n at once, across an edge
//	I6  Keyed                            I1 of each key's bucket, and of that of the overflow
//	I7  Distributed with leases of time L   at most B + R·(W + L), of each key
//	I8  time that runs backwards grants nothing; no number wraps; all of n events, or none
//
// # Cost
//
//	Allow, Take      O(1), no allocation, no lock: a clock read, a load, one compare-and-swap
//	                 if granted; the windows take a lock
//	SlidingLog       16 bytes for each time at which something was taken, up to its limit
//	Wait, Reserve    a lock; O(waiting) to leave the line
//	Keyed            as Allow, and a search; a key that is not remembered: the lock of a shard, and one
//	                 allocation if it is then; up to 43 bytes for each key besides itself
//	Distributed      a round trip, or one for so many events as a lease has
//
// # Concurrency
//
// All limiters are safe for concurrent use. Why one word is enough is argued in word.go.
// Nothing starts a goroutine but Distributed, which has one for each call of its store, until
// that returns, so that one which hangs holds up nobody.
//
// # Trade-offs
//
// The rate is rounded down, by less than a millionth, never up (pace.go). A limiter
// counts on the monotonic clock of one process: for many, see Distributed.
//
// # Differences from the papers
//
// The GCRA's tolerance is given as a burst. The sliding counter weighs with whole numbers.
//
// # References
//
// Turner: New directions in communications, 1986 (leaky bucket). ITU-T I.371, 2004, annex A
// (GCRA). Tanenbaum, Wetherall: Computer networks, 2011, section 5.4.2.
package ratelimit
