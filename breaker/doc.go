// Package breaker keeps a dependency that fails from taking its callers down with it.
//
// # Problem
//
// A database answers after 30 seconds instead of 30 milliseconds. Whoever calls it holds a
// goroutine, a connection and memory for a thousand times as long, and dies of that; those who
// get an error try again, and so the database has three times the load when it has least to give.
//
// # Idea
//
// Look at how calls go. If too many fail, refuse all others at once (the circuit is open), and
// let a few through after a while to see whether it is over (half-open). Who is refused knows
// at once, and the database is left alone.
//
// # Invariants
//
//	I1  there are never more probes than Probes
//	I2  a call counts in the period in which it began, or is stale; once, or is ignored
//	I3  no state outlives its deadline, as far as anybody looks: an open circuit becomes half-open,
//	    and a probe that does not return has failed
//	I4  whatever happens but ForceOpen, once time has passed there is a call that is let through
//	I5  each change is told to each hook, in order, under no lock
//
// # Cost
//
//	Do, closed    two loads and what the rule counts: a load for a success in a row, an atomic
//	              addition and a swap (LastCalls), a clock read and an atomic addition (LastTime)
//	Do, open      a load, a clock read, an atomic addition
//	half-open     a mutex
//	memory        380 bytes; LastCalls(n) 150 + 4n more, LastTime 510 more; 2,050 more once callers that
//	              are refused at the same time have disturbed each other
//
// # Concurrency
//
// All types are safe for concurrent use but Permit, which is one call's, and configurations while
// they are changed. Only Hedge and NewAbandon start goroutines: one for each try. Why one pointer is
// enough is argued at Breaker.
//
// # Trade-offs
//
// A breaker guesses what the next call would do from what the last ones did. Where calls fail each for
// its own reason, such as bad input, say so in Classify, or it refuses good ones. Where the
// dependency is many machines, use one breaker for each.
//
// # Differences from the paper
//
// Nygard's breaker opens after failures in a row and tries one call after a fixed time. This one also
// knows rates and slow calls, several probes, delays that grow, and deadlines for probes.
//
// # References
//
// Nygard: Release It!, 2007, second edition 2018, chapter 5: Stability Patterns.
package breaker
