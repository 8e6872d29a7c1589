// Package load drives a system under test and times what it does.
//
// # Problem
//
// "How fast is it?" has two answers, operations per second and the time of
// one, and both depend on how the callers behave. A driver that does not say
// how they behave measures something, but nobody knows what.
//
// # Idea
//
// A closed loop: a fixed number of workers, each of which does one operation
// after the other, the next one when the last one has returned. All start at
// one moment, each counts into a histogram of its own, and the histograms are
// merged when all have finished. Making the input is not part of the timed
// operation; it is part of the elapsed time.
//
// # Invariants
//
//	I1  At most Options.Workers operations are under way at any time.
//	I2  Result.Ops is the number of operations that returned without an
//	    error, and exactly that many are in Result.Latency.
//	I3  With Options.Ops set and no error, exactly that many are done.
//	I4  After the first error no worker begins another operation; Closed
//	    returns when all have finished, with that error.
//
// # Cost
//
// Two readings of the clock and a histogram increment per operation, about
// 100 ns: negligible beside a system call, not beside a cache hit.
//
// # Concurrency
//
// Closed calls Worker.Next and Worker.Do of one worker from one goroutine,
// those of different workers at the same time. It leaves no goroutine behind.
//
// # Trade-offs
//
// A closed loop answers: with this many callers, each waiting for its own
// operation, how much gets done? That is the question of group commit, and of
// a pool of request handlers that write to a log.
//
// It does not answer: when requests arrive at a given rate whether or not the
// system keeps up, how long do they wait? While an operation stalls, its
// worker sends nothing, so the requests that would have arrived during the
// stall, and waited, are missing from the percentiles. That is coordinated
// omission: here a p99 is the p99 of operations, not of users. A stall shows
// in Max and in the throughput, rarely in the percentiles.
//
// # References
//
// Bianca Schroeder, Adam Wierman, Mor Harchol-Balter: Open Versus Closed: A
// Cautionary Tale, NSDI 2006.
package load
