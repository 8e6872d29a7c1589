package ordered

import (
	"cmp"
	"iter"
)

// Set keeps keys in order: a Map without values. NewSet and NewSetFunc make one. It is
// safe for concurrent readers; a writer needs exclusive access, and a clone counts as
// another set.
type Set[K any] struct{ m *Map[K, struct{}] }

// NewSet returns an empty set of keys that have an order of their own (see New).
func NewSet[K cmp.Ordered]() *Set[K] { return &Set[K]{New[K, struct{}]()} }

// NewSetFunc returns an empty set in the order of a function (see NewFunc).
func NewSetFunc[K any](cmp func(a, b K) int) *Set[K] { return &Set[K]{NewFunc[K, struct{}](cmp)} }

// BulkSet makes a set of keys in order, each behind the one before (see Bulk).
func BulkSet[K cmp.Ordered](sorted iter.Seq[K]) (*Set[K], error) {
	m, err := Bulk(func(yield func(K, struct{}) bool) {
		sorted(func(key K) bool { return yield(key, struct{}{}) })
	})
	if err != nil {
		return nil, err
	}
	return &Set[K]{m}, nil
}

// Add puts a key in and reports whether it was not there yet.
func (s *Set[K]) Add(key K) bool {
	_, replaced := s.m.Set(key, struct{}{})
	return !replaced
}

// Has reports whether a key is there.
func (s *Set[K]) Has(key K) bool {
	_, ok := s.m.Get(key)
	return ok
}

// Delete takes a key out and reports whether it was there.
func (s *Set[K]) Delete(key K) bool {
	_, deleted := s.m.Delete(key)
	return deleted
}

// Len returns the number of keys.
func (s *Set[K]) Len() int { return s.m.Len() }

// Min returns the first key; ok is false if there is none.
func (s *Set[K]) Min() (key K, ok bool) { return s.At(0) }

// Max returns the last key; ok is false if there is none.
func (s *Set[K]) Max() (key K, ok bool) { return s.At(s.Len() - 1) }

// At returns the key that rank others are before; ok is false if there is none.
func (s *Set[K]) At(rank int) (key K, ok bool) {
	key, _, ok = s.m.At(rank)
	return key, ok
}

// Rank returns how many keys are before a key, and whether it is there.
func (s *Set[K]) Rank(key K) (rank int, ok bool) { return s.m.Rank(key) }

// Clone returns a set with the same keys, at once (see Map.Clone).
func (s *Set[K]) Clone() *Set[K] { return &Set[K]{s.m.Clone()} }

// All yields the keys in order. The loop may change the set.
func (s *Set[K]) All() iter.Seq[K] { return keys(s.m.All()) }

// From yields the keys from one on, in order. The loop may change the set.
func (s *Set[K]) From(lo K) iter.Seq[K] { return keys(s.m.From(lo)) }

// Scan yields the keys from lo on and before hi, in order. The loop may change the set.
func (s *Set[K]) Scan(lo, hi K) iter.Seq[K] { return keys(s.m.Scan(lo, hi)) }

// Backward yields the keys from the last to the first. The loop may change the set.
func (s *Set[K]) Backward() iter.Seq[K] { return keys(s.m.Backward()) }

// Before yields the keys before one, from the last to the first. The loop may change the
// set.
func (s *Set[K]) Before(hi K) iter.Seq[K] { return keys(s.m.Before(hi)) }

func keys[K any](entries iter.Seq2[K, struct{}]) iter.Seq[K] {
	return func(yield func(K) bool) {
		entries(func(key K, _ struct{}) bool { return yield(key) })
	}
}
