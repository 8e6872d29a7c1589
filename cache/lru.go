package cache

import "iter"

// LRU evicts what was used least recently. It bets that the near future looks
// like the near past, which holds for programs that work on one thing, then on
// the next.
//
//	new or used ──▶ [ last used … … … longest unused ] ──▶ evicted
//
// It is the policy that can be reasoned about: an entry survives exactly as long
// as fewer than Cap other keys are used in between, so a larger cache has every
// hit that a smaller one has (the stack property: Mattson, Gecsei, Slutz and
// Traiger, "Evaluation Techniques for Storage Hierarchies", 1970), and one pass
// over a trace tells the hits of all sizes.
//
// Where it loses: one scan of Cap keys that nobody will want again flushes
// everything, and a loop over Cap+1 keys never hits, although all but one of
// them could stay. And each hit moves an entry, so concurrent readers need a
// lock or a log of what they read.
//
// Get, Set and Delete take constant time, with a map and a doubly linked list.
// All yields the most recently used first.
//
// An LRU is not safe for concurrent use.
type LRU[K comparable, V any] struct {
	capacity int // immutable
	entries  map[K]*link[pair[K, V]]
	used     chain[pair[K, V]] // last used in front
}

// NewLRU returns an empty cache of so many entries, at least one.
func NewLRU[K comparable, V any](capacity int) *LRU[K, V] {
	return &LRU[K, V]{
		capacity: atLeastOne("NewLRU", capacity),
		entries:  make(map[K]*link[pair[K, V]]),
	}
}

// Get returns the value of a key, which becomes the most recently used.
func (c *LRU[K, V]) Get(key K) (value V, ok bool) {
	l, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.used.toFront(l)
	return l.entry.value, true
}

// Set stores a value. Its key becomes the most recently used.
func (c *LRU[K, V]) Set(key K, value V) (evicted K, ok bool) {
	if l, found := c.entries[key]; found {
		l.entry.value = value
		c.used.toFront(l)
		return evicted, false
	}
	if len(c.entries) == c.capacity {
		evicted, ok = c.used.back().entry.key, true
		c.Delete(evicted)
	}
	l := &link[pair[K, V]]{entry: pair[K, V]{key, value}}
	c.entries[key] = l
	c.used.toFront(l)
	return evicted, ok
}

// Delete removes a key and reports whether it was there.
func (c *LRU[K, V]) Delete(key K) bool {
	l, ok := c.entries[key]
	if !ok {
		return false
	}
	l.leave()
	delete(c.entries, key)
	return true
}

// Len returns the number of entries.
func (c *LRU[K, V]) Len() int { return len(c.entries) }

// Cap returns the largest possible Len.
func (c *LRU[K, V]) Cap() int { return c.capacity }

// All yields the entries, the most recently used first.
func (c *LRU[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for l := range c.used.all() {
			if !yield(l.entry.key, l.entry.value) {
				return
			}
		}
	}
}
