package ordered

import (
	"cmp"
	"iter"
	"slices"
)

// sortedSlice is the plain version: entries in a slice, each change moves all behind it.
// It is the oracle of the tests and impl=naive of the benchmarks.
type sortedSlice[K, V any] struct {
	cmp     func(a, b K) int
	entries []pair[K, V]
}

type pair[K, V any] struct {
	key   K
	value V
}

func newSortedSlice[K cmp.Ordered, V any]() *sortedSlice[K, V] {
	return &sortedSlice[K, V]{cmp: cmp.Compare[K]}
}

func (s *sortedSlice[K, V]) find(key K) (int, bool) {
	return slices.BinarySearchFunc(s.entries, key, func(p pair[K, V], key K) int { return s.cmp(p.key, key) })
}

func (s *sortedSlice[K, V]) Get(key K) (value V, ok bool) {
	if i, ok := s.find(key); ok {
		return s.entries[i].value, true
	}
	return value, false
}

func (s *sortedSlice[K, V]) Set(key K, value V) (old V, replaced bool) {
	i, ok := s.find(key)
	if ok {
		old, s.entries[i].value = s.entries[i].value, value
		return old, true
	}
	s.entries = slices.Insert(s.entries, i, pair[K, V]{key, value})
	return old, false
}

func (s *sortedSlice[K, V]) Delete(key K) (old V, deleted bool) {
	i, ok := s.find(key)
	if !ok {
		return old, false
	}
	old = s.entries[i].value
	s.entries = slices.Delete(s.entries, i, i+1)
	return old, true
}

func (s *sortedSlice[K, V]) clone() *sortedSlice[K, V] {
	return &sortedSlice[K, V]{s.cmp, slices.Clone(s.entries)}
}

// between yields from index i to j.
func (s *sortedSlice[K, V]) between(i, j int) []pair[K, V] {
	return s.entries[min(i, j):j]
}

func pairs[K, V any](seq iter.Seq2[K, V]) []pair[K, V] {
	var all []pair[K, V]
	for k, v := range seq {
		all = append(all, pair[K, V]{k, v})
	}
	return all
}

func reversed[K, V any](p []pair[K, V]) []pair[K, V] {
	p = slices.Clone(p)
	slices.Reverse(p)
	return p
}

// bisect searches a node as a textbook does.
func bisect[K cmp.Ordered](keys *[fanout]K, n int, key K) (i int, found bool) {
	lo, hi := 0, n
	for lo < hi {
		i := int(uint(lo+hi) / 2)
		switch c := cmp.Compare(keys[i], key); {
		case c < 0:
			lo = i + 1
		case c > 0:
			hi = i
		default:
			return i, true
		}
	}
	return lo, false
}

// bisectFunc is bisect with somebody's function.
func bisectFunc[K any](cmp func(a, b K) int) searcher[K] {
	return func(keys *[fanout]K, n int, key K) (i int, found bool) {
		lo, hi := 0, n
		for lo < hi {
			i := int(uint(lo+hi) / 2)
			switch c := cmp(keys[i], key); {
			case c < 0:
				lo = i + 1
			case c > 0:
				hi = i
			default:
				return i, true
			}
		}
		return lo, false
	}
}
