// Package vclock tells what happened before what, without clocks that agree.
//
// # Problem
//
// Two machines write the same thing, each with a time of its own clock. The clocks differ by
// milliseconds on a good day, and "the last one wins" means: the one whose clock is ahead. Whether the
// second writer had seen what the first wrote, which is what one wants to know, no clock on a wall says.
//
// # Idea
//
// Count events instead, and send along what has been counted. An event happened before another if there
// is a way from one to the other, through a process or with a message; otherwise they are concurrent.
//
// # Invariants
//
//	I1  an event that happened before another has the smaller clock, for each kind of clock
//	I2  Vector, Context, Stamp, DVVSet: and only then; so Compare is the order of events itself
//	I3  Merge is the least upper bound: idempotent, commutative, associative, never less
//	I4  no counter wraps, goes back, or takes a number that is past its end
//	I5  equal values have equal bytes; a decoder accepts nothing else, and needs memory in
//	    proportion to its input
//	I6  an assigned copy of a value never changes (of a Context: a Clone)
//
// # Cost
//
//	Lamport       8 bytes, one atomic addition; says before, where it may be concurrent
//	Vector        4 bytes a replica, 8 if a count is 2³¹ or more, and names that are shared; Compare and Merge one pass
//	Context       8 bytes a replica, and 32 for each gap; changed in place
//	DVVSet        a Vector and a dot for each value
//	HLC           a read of the clock and a compare-and-swap; a mutex while the clock is behind
//	Stamp         grows and shrinks with who is alive, not with who ever was
//	Matrix        a Vector for each replica
//
// # Concurrency
//
// Values (Vector, Context, DVVSet, Stamp, Matrix) are like maps: safe for concurrent readers; a writer
// needs exclusive access. Lamport, HLC, Delivery and Tracer are safe for concurrent use. Nothing
// starts a goroutine, and only HLC asks what time it is.
//
// # Trade-offs
//
// To know what is concurrent takes a number for each replica (Charron-Bost, 1991); what is smaller
// forgets some of it. Use Lamport or HLC to put events in some order that never contradicts what
// happened; Vector or DVVSet to find conflicts; Stamp where replicas come and go.
//
// # Differences from the paper
//
// Counters end at 2⁶², an HLC in 2262, and names are bytes in order. Each file names its paper and how it differs.
//
// # References
//
// Lamport: Time, Clocks, and the Ordering of Events in a Distributed System, 1978.
// Mattern: Virtual Time and Global States of Distributed Systems, 1988.
package vclock
