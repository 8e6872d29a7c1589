package cache

import "iter"

// WTinyLFU lets a new key in only if it was seen more often than the one that
// would have to go for it. It knows that about all keys, also those it does not
// hold, from a Sketch: a few bits per entry, which fade with time.
//
//	new ──▶ [ window: LRU, 1 % ]
//	               │ the oldest, as a candidate
//	               ▼
//	      seen more often than the victim?  ── no ──▶ candidate evicted
//	               │ yes: victim evicted
//	               ▼                     used
//	        [ probation: LRU ] ─────────────────▶ [ protected: LRU, 80 % of main ]
//	               │        ▲                             │
//	        victim ▼        └─────────── the oldest ──────┘ when it is too long
//
// Frequency alone is too slow for a key that is new and used many times at once:
// each time it would lose against the past. The window keeps it for a moment,
// whatever the past says, and by then its count has grown. Main is a segmented
// LRU, so that among those who were let in the ones used again are sheltered.
// The counts are halved regularly, so yesterday's favourites fade, which LFU
// cannot do.
//
// Where it loses: 1 % of window suits loads of frequency. Where only recency
// counts, it holds on to keys that nobody wants any more; Steered moves that
// border. On a load that changes entirely, the old counts must fade first.
//
// All operations take constant time, except that one Set in so many halves the
// sketch. All yields protected, probation, window, each with the last used first.
//
// The paper: Einziger, Friedman and Manes, "TinyLFU: A Highly Efficient Cache
// Admission Policy", 2017, section 4 (window and segmented LRU). Differences: no
// doorkeeper (a Bloom filter that keeps keys seen once out of the sketch); the
// sketch counts to 15 and ages after 15 additions per entry, the paper's to a
// limit given by its sample; a Get that misses counts nothing, the Set that
// follows it counts once.
//
// A WTinyLFU is not safe for concurrent use.
type WTinyLFU[K comparable, V any] struct {
	capacity, windowCap, protectedCap int // immutable
	hash                              func(K) uint64
	sketch                            *Sketch
	entries                           map[K]*link[tinyEntry[K, V]]
	window, probation, protected      chain[tinyEntry[K, V]]
}

type tinyEntry[K comparable, V any] struct {
	pair[K, V]
	hash uint64
}

// NewWTinyLFU returns an empty cache of so many entries, at least one. The
// function hash is for the sketch: equal keys have equal hashes, others should
// have others. With the same one, the same calls give the same evictions.
func NewWTinyLFU[K comparable, V any](capacity int, hash func(K) uint64) *WTinyLFU[K, V] {
	window := max(1, atLeastOne("NewWTinyLFU", capacity)/100)
	return &WTinyLFU[K, V]{
		capacity:     capacity,
		windowCap:    window,
		protectedCap: (capacity - window) * 8 / 10,
		hash:         hash,
		sketch:       NewSketch(capacity),
		entries:      make(map[K]*link[tinyEntry[K, V]]),
	}
}

// Get returns the value of a key and counts the use.
func (c *WTinyLFU[K, V]) Get(key K) (value V, ok bool) {
	l, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.use(l)
	return l.entry.value, true
}

// Set stores a value and counts a use. A new key enters the window; whoever has
// to leave the window for it is the candidate, and never the key itself.
func (c *WTinyLFU[K, V]) Set(key K, value V) (evicted K, ok bool) {
	if l, found := c.entries[key]; found {
		l.entry.value = value
		c.use(l)
		return evicted, false
	}
	l := &link[tinyEntry[K, V]]{entry: tinyEntry[K, V]{pair[K, V]{key, value}, c.hash(key)}}
	c.sketch.Add(l.entry.hash, 1)
	c.entries[key] = l
	c.window.toFront(l)
	if c.window.len <= c.windowCap {
		return evicted, false
	}
	candidate := c.window.back()
	c.probation.toFront(candidate)
	if c.Len() <= c.capacity {
		return evicted, false
	}
	evicted = c.loser(candidate).entry.key
	return evicted, c.Delete(evicted)
}

// Delete removes a key and reports whether it was there. Its count stays.
func (c *WTinyLFU[K, V]) Delete(key K) bool {
	l, ok := c.entries[key]
	if !ok {
		return false
	}
	l.leave()
	delete(c.entries, key)
	return true
}

// Len returns the number of entries.
func (c *WTinyLFU[K, V]) Len() int { return len(c.entries) }

// Cap returns the largest possible Len.
func (c *WTinyLFU[K, V]) Cap() int { return c.capacity }

// All yields the entries of protected, probation and window, each with the last
// used first.
func (c *WTinyLFU[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, queue := range []*chain[tinyEntry[K, V]]{&c.protected, &c.probation, &c.window} {
			for l := range queue.all() {
				if !yield(l.entry.key, l.entry.value) {
					return
				}
			}
		}
	}
}

// use counts a use and moves the entry to the front: of its queue, or from
// probation to protected, which gives up its oldest if it is too long then.
func (c *WTinyLFU[K, V]) use(l *link[tinyEntry[K, V]]) {
	c.sketch.Add(l.entry.hash, 1)
	if l.in == &c.window {
		c.window.toFront(l)
		return
	}
	c.protected.toFront(l)
	if c.protected.len > c.protectedCap {
		c.probation.toFront(c.protected.back())
	}
}

// loser of the duel between the candidate, at the front of probation, and the
// victim at its back. There is a victim, since the cache is full and protected
// takes at most 80 % of main; only a cache of one entry has no main, and there
// the candidate duels with itself. A tie is lost: it would be worth no more.
func (c *WTinyLFU[K, V]) loser(candidate *link[tinyEntry[K, V]]) *link[tinyEntry[K, V]] {
	victim := c.probation.back()
	if c.sketch.Estimate(candidate.entry.hash) > c.sketch.Estimate(victim.entry.hash) {
		return victim
	}
	return candidate
}
