package cache

import "iter"

// TwoQueue lets a key into its main queue only when it is asked for again after
// it has left the first one. So a scan, and a burst of uses of one key, which is
// one event and not many, pass through the cache and disturb nobody.
//
//	new ──▶ [ in: FIFO, a quarter ] ──▶ [ out: keys only, half of Cap ] ──▶ forgotten
//	                                        │ asked for again
//	                                        ▼
//	           evicted ◀── [ main: LRU, the rest, at least ] ◀── used
//
// A hit in the first queue does nothing: uses that follow each other at once are
// correlated, and count as one. A key that leaves it lingers as a ghost: without
// its value, so it costs little. If it is asked for while its ghost is there, it
// has proved that it is wanted at a distance that the first queue cannot bridge,
// and becomes the head of the main queue. The main queue gives way only when the
// first one is within its quarter.
//
// Where it loses: the sizes of the queues are fixed, and the best differ from
// one load to another (ARC answers that). What is used again soon, but not at
// once, always misses a second time.
//
// All operations take constant time. All yields the main queue, last used first,
// then the first queue, newest first.
//
// The paper: Johnson and Shasha, "2Q: A Low Overhead High Performance Buffer
// Management Replacement Algorithm", 1994, section 3, the full version, with its
// Kin = 25 % and Kout = 50 % of Cap, rounded down. Am, A1in and A1out are main,
// in and out here. Difference: a key that comes back gives up its ghost before
// room is made for it, not after, so the room never costs the ghost its life.
//
// A TwoQueue is not safe for concurrent use.
type TwoQueue[K comparable, V any] struct {
	capacity, inCap, outCap int // immutable
	entries                 map[K]*link[pair[K, V]]
	main, in, out           chain[pair[K, V]] // those in out have no value
}

// NewTwoQueue returns an empty cache of so many entries, at least one.
func NewTwoQueue[K comparable, V any](capacity int) *TwoQueue[K, V] {
	return &TwoQueue[K, V]{
		capacity: atLeastOne("NewTwoQueue", capacity),
		inCap:    capacity / 4,
		outCap:   capacity / 2,
		entries:  make(map[K]*link[pair[K, V]]),
	}
}

// Get returns the value of a key. In the main queue it becomes the last used.
func (c *TwoQueue[K, V]) Get(key K) (value V, ok bool) {
	l, ok := c.entries[key]
	if !ok || l.in == &c.out {
		return value, false
	}
	c.use(l)
	return l.entry.value, true
}

// Set stores a value. A new key joins the main queue if its ghost is there,
// otherwise the first queue.
func (c *TwoQueue[K, V]) Set(key K, value V) (evicted K, ok bool) {
	l, found := c.entries[key]
	if found && l.in != &c.out {
		l.entry.value = value
		c.use(l)
		return evicted, false
	}
	to := &c.in
	if found {
		to = &c.main
		l.leave()
	} else {
		l = &link[pair[K, V]]{}
		c.entries[key] = l
	}
	if c.Len() == c.capacity {
		evicted, ok = c.evict(), true
	}
	l.entry = pair[K, V]{key, value}
	to.toFront(l)
	return evicted, ok
}

// Delete removes a key and reports whether it was there.
func (c *TwoQueue[K, V]) Delete(key K) bool {
	l, ok := c.entries[key]
	if !ok || l.in == &c.out {
		return false
	}
	l.leave()
	delete(c.entries, key)
	return true
}

// Len returns the number of entries, ghosts not counted.
func (c *TwoQueue[K, V]) Len() int { return c.main.len + c.in.len }

// Cap returns the largest possible Len.
func (c *TwoQueue[K, V]) Cap() int { return c.capacity }

// All yields the entries of the main queue, last used first, then those of the
// first queue, newest first.
func (c *TwoQueue[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, queue := range []*chain[pair[K, V]]{&c.main, &c.in} {
			for l := range queue.all() {
				if !yield(l.entry.key, l.entry.value) {
					return
				}
			}
		}
	}
}

// use counts only in the main queue.
func (c *TwoQueue[K, V]) use(l *link[pair[K, V]]) {
	if l.in == &c.main {
		c.main.toFront(l)
	}
}

// evict makes room for one entry. The cache is full, so if the first queue is
// within its quarter, then the main queue is not empty. What leaves the main
// queue leaves no ghost: it was not used for a long time.
func (c *TwoQueue[K, V]) evict() K {
	if c.in.len <= c.inCap {
		l := c.main.back()
		l.leave()
		delete(c.entries, l.entry.key)
		return l.entry.key
	}
	l := c.in.back()
	l.entry = pair[K, V]{key: l.entry.key} // lets the value go
	c.out.toFront(l)
	if c.out.len > c.outCap {
		oldest := c.out.back()
		oldest.leave()
		delete(c.entries, oldest.entry.key)
	}
	return l.entry.key
}
