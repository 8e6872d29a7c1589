// Package crdt has conflict-free replicated data types: values that many change at the same time, each on
// a replica of its own and without asking, and that are equal again as soon as all have heard of all.
//
// # Problem
//
// A list is edited on a train, without a network, and in the office. One adds milk, the other removes eggs and
// empties the list. Whoever synchronises later would overwrite the other, or both are asked which of two lists they
// want, and want neither. Consensus would ask the office before each change, and there is no network.
//
// # Idea
//
// Make the state of a replica such that two of them have a join: the least state that is above both. If each change
// only moves up, and a message is merged by joining it, then it does not matter how often and in which
// order messages come.
//
// # Invariants
//
//	I1  Merge is a join: idempotent, commutative, associative; Compare is its order
//	I2  a mutator moves up, and merging its delta has the effect of the mutator
//	I3  replicas that have merged the same changes are equal, in value and in bytes
//	I4  a removal removes what its replica has seen, or (RWSet, DWFlag) whatever is added beside it
//	I5  equal states have equal bytes; a decoder accepts nothing else, and needs memory in proportion
//	    to its input
//	I6  Merge keeps nothing of its argument and leaves it as it is; what fails changes nothing
//
// # Cost
//
//	GCounter, PNCounter     a number for each replica that has ever counted
//	ORSet and its like      a dot for each element; nothing for what was removed
//	a delta                 what has changed, and a few bytes
//	Merge of a delta        what is in it; of a full state: what is in both
//	Replica                 the value, a log of deltas up to a bound, a vector for each member
//
// # Concurrency
//
// Values are like maps: safe for concurrent readers; a writer needs exclusive access. Replica is a mutex around one, and safe
// for concurrent use. Sync has a goroutine while it runs; nothing else starts one.
//
// # Trade-offs
//
// What cannot be a join needs agreement: a balance that must not be negative (BoundedCounter can, with rights that are
// handed out before), a unique name, an order of service. Then use consensus, such as Raft.
//
// # Differences from the paper
//
// All types have deltas. Of what was removed only TwoPSet, LWWSet and a deleted LWWRegister keep something for ever, and RWSet
// until it is told to Forget. Each file names its paper.
//
// # References
//
// Shapiro, Preguiça, Baquero, Zawirski: Conflict-free Replicated Data Types, 2011.
// Almeida, Shoker, Baquero: Delta State Replicated Data Types, 2018.
package crdt
