package crdt

import "github.com/plinth-go/plinth/vclock"

// Lattice is what all types of this package are: states of which each two have a least one that is
// above both, the join. It is implemented by *T as Lattice[*T].
//
//	     {milk, eggs}           Merge takes a state to the join with another. Because a join is
//	     ╱          ╲           idempotent     a ∨ a = a               a message may come twice,
//	{milk}          {eggs}      commutative    a ∨ b = b ∨ a           in any order,
//	     ╲          ╱           associative    (a ∨ b) ∨ c = a ∨ (b ∨ c)  and in any grouping
//	          {}
//
// so whoever has got the same updates has the same state. That is all there is to convergence; the
// art is to make states such that the join is what people expect.
//
// Every mutator returns a delta: a small state of the same type, which merged into any other
// state has the effect of the change. A full state is only a large delta.
//
// Shapiro, Preguiça, Baquero, Zawirski: Conflict-free Replicated Data Types, 2011. Deltas are of Almeida, Shoker,
// Baquero: Delta State Replicated Data Types, 2018.
//
// All of them are safe for concurrent readers; a writer needs exclusive access. Replica is a mutex around one.
type Lattice[T any] interface {
	// Merge makes the receiver the join of both, and reports whether that is anything new. It keeps
	// nothing of the other one, and leaves it as it is.
	Merge(T) bool
	// Compare returns how two states relate: Before if all of the receiver is in the other one.
	Compare(T) vclock.Ordering
	// Clone returns a copy that shares nothing that changes. An assignment (a := *b) makes none: like the headers of two
	// slices, both have the same things in part, and after a change of one of them the other is good for nothing.
	Clone() T
}

// Join returns the join of all, which it leaves as they are.
func Join[T Lattice[T]](first T, rest ...T) T {
	all := first.Clone()
	for _, one := range rest {
		all.Merge(one)
	}
	return all
}

// ordering is that of two of which the first has something that the second has not, and the other way round.
func ordering(more, less bool) vclock.Ordering {
	switch {
	case more && less:
		return vclock.Concurrent
	case more:
		return vclock.After
	case less:
		return vclock.Before
	}
	return vclock.Equal
}
