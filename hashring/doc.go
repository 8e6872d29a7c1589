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
// there are: the next one on a circle (Ring), the one with the highest score (Rendezvous),
// the last one that a walk seeded by the key jumps to (Jump), the first that is left (Anchor).
//
// # Invariants
//
//	I1  where a key is depends on the key and the nodes alone: not on the process, the machine,
//	    the version of this package, or the order of the nodes (but in Shards, and after With and
//	    Without of Skeleton and Anchor, on their order)
//	I2  if a node comes, keys move to it and to no other; if one goes, only its keys move (but
//	    Modulo, Maglev, Ketama with unequal weights and Shards move some more)
//	I3  LocateN yields each node once, the first is Locate's, and no zone has a second turn
//	    before each has had one
//	I4  a node of weight w gets w times the keys of one of weight 1, on the mean
//	I5  a node that gets a lease of Bounded has then at most (1+ε) times its share, rounded up
//	I6  a Plan names exactly the hashes, or keys, whose node changes
//
// # Cost
//
//	                    lookup      memory               shares differ by
//	Ring                O(1)        16 to 20 bytes V·n   1/√V
//	Rendezvous          O(n)        12 bytes · n         chance alone, as do the next three
//	WeightedRendezvous  O(n)        28 bytes · n
//	Jump, Shards        O(log n)    none; 8 bytes · n
//	Anchor              O(1)        28 bytes · capacity
//	Skeleton            O(log n)    39 bytes · n         that, and drifts
//	Maglev              O(1)        2 bytes · M          n/M
//	MultiProbe          O(k)        32 to 48 bytes · n   1/√(2k-1), and never much above
//
// # Concurrency
//
// What locates is immutable: what changes it makes another. Live swaps one for the next without
// a lock, Bounded counts under one. All types are safe for concurrent use.
//
// # Trade-offs
//
// Ring for nodes with names, weights and replicas; Maglev if equal shares count more than moves; Jump
// for numbered shards; Rendezvous for a few nodes; Range if keys are scanned in order.
//
// # Differences from the paper
//
// Ring starts its search from a table; Rendezvous multiplies where the paper had a generator.
//
// # References
//
// Karger and others: Consistent hashing and random trees, STOC 1997. Each file names its own.
package hashring
