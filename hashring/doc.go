// Package hashring says which of several nodes a key is on, such that few keys move when
// nodes come and go.
//
// # Problem
//
// Ten caches, and a key is on number hash mod 10. An eleventh comes: now it is on number
// hash mod 11, and ten of eleven keys are somewhere else. All caches miss at once.
//
// # Idea
//
// A key should choose its node in a way in which most choices do not depend on how many
// there are: the next one on a circle (Ring), the last one that a walk seeded by the key
// jumps to (Jump), the one with the highest score (Rendezvous).
//
// # Invariants
//
//	I1  where a key is depends on the key and the nodes alone: not on the process, the
//	    machine, the version of this package, or the order in which the nodes were given
//	I2  if a node comes, keys move to it and to no other; if one goes, only its keys move
//	I3  LocateN yields each node once, the first is Locate's, and no zone has a second
//	    turn before each has had one
//	I4  a node of weight w gets w times the keys of one of weight 1, on the mean
//
// # Cost
//
//	             lookup      memory                      shares differ by
//	Ring         O(1)        16 to 20 bytes × V × n      1/√V
//	Jump         O(log n)    none                        nothing but chance
//	Rendezvous   O(n)        8 bytes × n                 nothing but chance
//
// # Concurrency
//
// All types are immutable, and safe for concurrent use: what changes a ring makes another.
//
// # Trade-offs
//
// Ring for nodes with names and weights; Jump for numbered shards that only grow at the
// end; Rendezvous for a few nodes.
//
// # References
//
// Karger and others: Consistent hashing and random trees, 1997. Lamping, Veach: A fast,
// minimal memory, consistent hash algorithm, 2014. Thaler, Ravishankar: Using name-based
// mappings to increase hit rates, 1998.
package hashring
