package cache

import "iter"

// FIFO evicts what came first, whether it was used since or not.
//
//	new ──▶ [ newest … … … oldest ] ──▶ evicted
//
// The idea is to do nothing on a hit. That makes a hit as cheap as a look-up can
// be, lets readers share the queue without a lock, and turns the queue into a
// ring of slots on which flash storage and log-structured stores are fast.
//
// The price: a key that is used all the time leaves as soon as one that nobody
// asked for twice. Worse, a larger cache can have fewer hits (Belady, Nelson and
// Shedler, "An Anomaly in Space-Time Characteristics of Certain Programs
// Running in a Paging Machine", 1969). So hardly anybody wants FIFO itself; but
// Clock, Sieve, S3FIFO and Steered are each FIFO and one more thought.
//
// Get, Set and Delete take constant time. All yields the newest entry first.
//
// A FIFO is not safe for concurrent use.
type FIFO[K comparable, V any] struct {
	capacity int // immutable
	entries  map[K]*link[pair[K, V]]
	queue    chain[pair[K, V]]
}

// NewFIFO returns an empty cache of so many entries, at least one.
func NewFIFO[K comparable, V any](capacity int) *FIFO[K, V] {
	return &FIFO[K, V]{
		capacity: atLeastOne("NewFIFO", capacity),
		entries:  make(map[K]*link[pair[K, V]]),
	}
}

// Get returns the value of a key. The use makes no difference.
func (c *FIFO[K, V]) Get(key K) (value V, ok bool) {
	l, ok := c.entries[key]
	if !ok {
		return value, false
	}
	return l.entry.value, true
}

// Set stores a value. One that replaces another keeps its place in the queue.
func (c *FIFO[K, V]) Set(key K, value V) (evicted K, ok bool) {
	if l, found := c.entries[key]; found {
		l.entry.value = value
		return evicted, false
	}
	if len(c.entries) == c.capacity {
		evicted, ok = c.queue.back().entry.key, true
		c.Delete(evicted)
	}
	l := &link[pair[K, V]]{entry: pair[K, V]{key, value}}
	c.entries[key] = l
	c.queue.toFront(l)
	return evicted, ok
}

// Delete removes a key and reports whether it was there.
func (c *FIFO[K, V]) Delete(key K) bool {
	l, ok := c.entries[key]
	if !ok {
		return false
	}
	l.leave()
	delete(c.entries, key)
	return true
}

// Len returns the number of entries.
func (c *FIFO[K, V]) Len() int { return len(c.entries) }

// Cap returns the largest possible Len.
func (c *FIFO[K, V]) Cap() int { return c.capacity }

// All yields the entries, the newest first.
func (c *FIFO[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for l := range c.queue.all() {
			if !yield(l.entry.key, l.entry.value) {
				return
			}
		}
	}
}
