package cache

import (
	"fmt"
	"iter"
)

// Policy is what every textbook cache of this package does: it keeps at most
// Cap entries, and when one more comes, it chooses who has to go. That choice
// is all in which they differ, and none is best for every load (TestPolicyTable
// and TestPolicyTraces measure that):
//
//	          forgets by …      a scan of keys    a hot set that
//	                            seen once         moves on is …
//	FIFO      age               flushes it        followed
//	Clock     age and use       flushes it        followed
//	LRU       last use          flushes it        followed
//	LFU       number of uses    does nothing      ignored for long
//	TwoQueue  last use          passes by         followed
//	ARC       last use          passes by         followed
//	Sieve     age and use       passes by         followed slowly
//	S3FIFO    age and use       passes by         followed slowly
//	WTinyLFU  frequency         passes by         followed after aging
//	Steered   what it learnt    passes by         followed
//
// They are written to be read and stepped through, and to be the oracles and
// the yardstick of Cache, which is what a program with goroutines should use.
//
// A key must be equal to itself. A NaN could be stored but never be found again,
// not even to evict it, so that the bound would be lost.
//
// A Policy is not safe for concurrent use, not even Get: a hit changes the
// order of the entries, or at least counts.
type Policy[K comparable, V any] interface {
	// Get returns the value of a key. A hit counts as a use.
	Get(key K) (V, bool)

	// Set stores a value, which the next Get of the key finds under every
	// policy. Setting a present key replaces its value and counts as a use.
	// Otherwise one other key may have to go; Set returns it with true.
	Set(key K, value V) (evicted K, ok bool)

	// Delete removes a key and reports whether it was there. It leaves no ghost.
	Delete(key K) bool

	// Len is the number of entries, and Cap is its bound.
	Len() int
	Cap() int

	// All yields the entries, each policy in its own order: roughly, the most
	// sheltered first. It counts no use. The loop may leave at any time, but must
	// not call Get, Set or Delete, which may change the order under it.
	All() iter.Seq2[K, V]
}

var (
	_ Policy[int, int] = (*FIFO[int, int])(nil)
	_ Policy[int, int] = (*Clock[int, int])(nil)
	_ Policy[int, int] = (*LRU[int, int])(nil)
	_ Policy[int, int] = (*LFU[int, int])(nil)
	_ Policy[int, int] = (*TwoQueue[int, int])(nil)
	_ Policy[int, int] = (*ARC[int, int])(nil)
	_ Policy[int, int] = (*Sieve[int, int])(nil)
	_ Policy[int, int] = (*S3FIFO[int, int])(nil)
	_ Policy[int, int] = (*WTinyLFU[int, int])(nil)
	_ Policy[int, int] = (*Steered[int, int])(nil)
)

// pair is an entry of which a policy needs to know nothing else.
type pair[K comparable, V any] struct {
	key   K
	value V
}

// atLeastOne panics if a cache would hold nothing: then Set could not keep its
// promise. A program chooses its textbooks in code, so this is a bug in it.
func atLeastOne(constructor string, capacity int) int {
	if capacity < 1 {
		panic(fmt.Sprintf("cache: %s: capacity %d, want at least 1", constructor, capacity))
	}
	return capacity
}
