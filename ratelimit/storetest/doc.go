// Package storetest tells whether a ratelimit.Store is one.
//
// # Problem
//
// Many machines share a limit only as well as their store counts. A store that reads, decides
// and writes in three steps admits too many under load and never in a test of one caller;
// one whose keys expire a moment too early forgives whom it should refuse.
//
// # Idea
//
// The store tells what time it was when it decided (now), so whatever its clock shows, an
// oracle that is given the same time must come to the same answer. Of concurrent updates,
// each that was granted leaves another tat behind: in the order of those, they must be a
// history of single steps.
//
// # Invariants
//
//	I1  A store that does what ratelimit.Store says passes, whatever clock it has that
//	    moves, and however slow it is.
//	I2  The tests plant the bugs that stores have, and each of them is found.
//
// # Cost
//
// Some 5,000 updates, and more of a store that is fast. Where time must pass they wait for
// some ten milliseconds of it, by asking.
//
// # Concurrency
//
// Run starts goroutines, and returns when all have ended.
//
// # Trade-offs
//
// It cannot set the store's clock: what the store does when that is set back it has to
// test itself, or be tested on a machine where it happens (S1 of ratelimit.Store). Nor
// does it stop the store and start it again.
package storetest
