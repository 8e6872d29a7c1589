package cache

import "iter"

// Sieve is a FIFO queue whose hand sifts out what was not used, and leaves all
// others exactly where they are.
//
//	new ──▶ [ g  f  e  d* c  b* a* ]      * used since the hand was there
//	        front        ◀── hand   back
//
//	The hand is at a: it clears the marks of a and b, and c leaves. Then it waits
//	at d. Nothing has moved but the hand.
//
// The hand walks from the back to the front. It clears the bit of what was used
// and takes the first that was not; there it stays for the next time. The only
// difference from Clock is that a survivor does not move to the front. So new
// entries, which come in at the front, are met by the hand soon and have to be
// used soon (quick demotion), while the survivors behind it form a core that has
// peace until the hand has gone round (lazy promotion). A scan is sifted out
// and the core stays. Less work per hit than LRU, and no lock for readers: the
// paper shows it better than LRU and many others on web caches.
//
// Where it loses: a loop or a block trace, where a key is used again later than
// the hand returns to the front. The core of the past is slow to leave: if the
// load changes, the hand must go round once to clear the bits and once to evict.
//
// Get and Delete take constant time; Set on average: each step of the hand uses
// up a hit. All yields the newest first.
//
// The paper: Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is Simpler than LRU:
// an Efficient Turn-Key Eviction Algorithm for Web Caches", 2024, algorithm 1.
// It has no deletion: here the hand moves on to the next newer entry if its own
// is deleted.
//
// A Sieve is not safe for concurrent use.
type Sieve[K comparable, V any] struct {
	capacity int // immutable
	entries  map[K]*link[sieveEntry[K, V]]
	queue    chain[sieveEntry[K, V]]
	hand     *link[sieveEntry[K, V]] // where to look next; nil for the back
}

type sieveEntry[K comparable, V any] struct {
	pair[K, V]
	used bool // since the hand last passed
}

// NewSieve returns an empty cache of so many entries, at least one.
func NewSieve[K comparable, V any](capacity int) *Sieve[K, V] {
	return &Sieve[K, V]{
		capacity: atLeastOne("NewSieve", capacity),
		entries:  make(map[K]*link[sieveEntry[K, V]]),
	}
}

// Get returns the value of a key and sets its bit.
func (c *Sieve[K, V]) Get(key K) (value V, ok bool) {
	l, ok := c.entries[key]
	if !ok {
		return value, false
	}
	l.entry.used = true
	return l.entry.value, true
}

// Set stores a value. It sets the bit of a present key, not that of a new one.
func (c *Sieve[K, V]) Set(key K, value V) (evicted K, ok bool) {
	if l, found := c.entries[key]; found {
		l.entry.value, l.entry.used = value, true
		return evicted, false
	}
	if len(c.entries) == c.capacity {
		evicted, ok = c.victim(), true
		c.Delete(evicted)
	}
	l := &link[sieveEntry[K, V]]{entry: sieveEntry[K, V]{pair: pair[K, V]{key, value}}}
	c.entries[key] = l
	c.queue.toFront(l)
	return evicted, ok
}

// Delete removes a key and reports whether it was there.
func (c *Sieve[K, V]) Delete(key K) bool {
	l, ok := c.entries[key]
	if !ok {
		return false
	}
	if c.hand == l {
		c.hand = l.ahead()
	}
	l.leave()
	delete(c.entries, key)
	return true
}

// Len returns the number of entries.
func (c *Sieve[K, V]) Len() int { return len(c.entries) }

// Cap returns the largest possible Len.
func (c *Sieve[K, V]) Cap() int { return c.capacity }

// All yields the entries, the newest first, wherever the hand is.
func (c *Sieve[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for l := range c.queue.all() {
			if !yield(l.entry.key, l.entry.value) {
				return
			}
		}
	}
}

// victim moves the hand to the first entry that was not used. After one round
// every bit is clear, so it ends.
func (c *Sieve[K, V]) victim() K {
	for {
		if c.hand == nil {
			c.hand = c.queue.back()
		}
		if !c.hand.entry.used {
			return c.hand.entry.key
		}
		c.hand.entry.used = false
		c.hand = c.hand.ahead()
	}
}
