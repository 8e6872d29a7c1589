package cache

import "iter"

// ARC has a queue for what was seen once and one for what was seen twice, and
// learns from its misses how to divide the cache between them.
//
//	           seen once                         seen twice, at least
//	new ──▶ [ newest T1 … ]── used ──▶ [ last used T2 … ]◀── used
//	                 │                              │
//	                 ▼ oldest                       ▼ oldest
//	        [ ghosts B1 ] comes back:      [ ghosts B2 ] comes back:
//	          T1 was too short, p grows      T2 was too short, p shrinks
//
//	A ghost that comes back goes to T2, since it was seen twice now.
//	target of T1 = p,  T1 + T2 ≤ Cap,  T1 + B1 ≤ Cap,  all four ≤ 2 Cap
//
// Both are LRU queues, and each has a tail of ghosts: keys whose values are gone.
// A miss on a ghost says which queue would have had a hit if it had been longer,
// and by how much to move the border: a ghost of the shorter list counts more,
// in proportion. So nothing has to be tuned: under a recency load T2 gives up its
// place to T1, under a scan T1 stays small.
//
// Where it loses: it knows once and twice but not often, so it cannot tell the
// best of many keys that were all seen twice. A loop slightly larger than the
// cache hits nothing, as under LRU. p reacts to single misses and drifts with a
// load that changes faster than the cache turns over.
//
// All operations take constant time, and there are up to Cap ghosts. All yields
// T2, then T1, each with the most recently used first.
//
// The paper: Megiddo and Modha, "ARC: A Self-Tuning, Low Overhead Replacement
// Cache", 2003, figure 4; p is a real number as there. It has no Delete: after
// one the cache is not full although there are ghosts, which the paper excludes,
// so here nothing is evicted until it is full. It decides before the fetch of a
// page, here Set decides; a Get that misses changes nothing.
//
// An ARC is not safe for concurrent use.
type ARC[K comparable, V any] struct {
	capacity int     // immutable
	p        float64 // how many of the entries should be in t1
	entries  map[K]*link[pair[K, V]]
	t1, t2   chain[pair[K, V]]
	b1, b2   chain[pair[K, V]] // without values
}

// NewARC returns an empty cache of so many entries, at least one.
func NewARC[K comparable, V any](capacity int) *ARC[K, V] {
	return &ARC[K, V]{
		capacity: atLeastOne("NewARC", capacity),
		entries:  make(map[K]*link[pair[K, V]]),
	}
}

// Get returns the value of a key, which is now one of those seen twice.
func (c *ARC[K, V]) Get(key K) (value V, ok bool) {
	l := c.entries[key]
	if !c.resident(l) {
		return value, false
	}
	c.t2.toFront(l)
	return l.entry.value, true
}

// Set stores a value. The four cases are those of the paper's figure 4:
//
//	I    the key is in T1 or T2     a hit
//	II   its ghost is in B1         p grows, the key goes to T2
//	III  its ghost is in B2         p shrinks, the key goes to T2
//	IV   it is unknown              room for a ghost is made, the key goes to T1
func (c *ARC[K, V]) Set(key K, value V) (evicted K, ok bool) {
	l, found := c.entries[key]
	switch {
	case c.resident(l):
		l.entry.value = value
		c.t2.toFront(l)
		return evicted, false
	case !found:
		return c.add(key, value)
	}
	fromB2 := l.in == &c.b2
	b1, b2 := float64(c.b1.len), float64(c.b2.len)
	if fromB2 {
		c.p = max(0, c.p-max(1, b1/b2))
	} else {
		c.p = min(float64(c.capacity), c.p+max(1, b2/b1))
	}
	evicted, ok = c.replace(fromB2)
	l.entry.value = value
	c.t2.toFront(l)
	return evicted, ok
}

// Delete removes a key and reports whether it was there.
func (c *ARC[K, V]) Delete(key K) bool {
	l := c.entries[key]
	if !c.resident(l) {
		return false
	}
	c.forget(l)
	return true
}

// Len returns the number of entries, ghosts not counted.
func (c *ARC[K, V]) Len() int { return c.t1.len + c.t2.len }

// Cap returns the largest possible Len.
func (c *ARC[K, V]) Cap() int { return c.capacity }

// All yields the entries seen twice, then those seen once, each with the most
// recently used first.
func (c *ARC[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, queue := range []*chain[pair[K, V]]{&c.t2, &c.t1} {
			for l := range queue.all() {
				if !yield(l.entry.key, l.entry.value) {
					return
				}
			}
		}
	}
}

// resident reports whether a link, nil if there is none, is no ghost.
func (c *ARC[K, V]) resident(l *link[pair[K, V]]) bool {
	return l != nil && (l.in == &c.t1 || l.in == &c.t2)
}

// add is case IV: it keeps T1 and B1 together within Cap and all four lists
// within twice that. If T1 alone fills Cap, then its last leaves no ghost.
func (c *ARC[K, V]) add(key K, value V) (evicted K, ok bool) {
	switch l1, l2 := c.t1.len+c.b1.len, c.t2.len+c.b2.len; {
	case c.t1.len == c.capacity:
		evicted, ok = c.t1.back().entry.key, true
		c.forget(c.t1.back())
	case l1 == c.capacity:
		c.forget(c.b1.back())
	case l1+l2 == 2*c.capacity:
		c.forget(c.b2.back())
	}
	if !ok {
		evicted, ok = c.replace(false)
	}
	l := &link[pair[K, V]]{entry: pair[K, V]{key, value}}
	c.entries[key] = l
	c.t1.toFront(l)
	return evicted, ok
}

// replace makes a ghost of the last of T1 or T2, whichever is longer than p
// wants it, if the cache is full. On a tie the queue whose ghost has just come
// back, as fromB2 says, is spared.
func (c *ARC[K, V]) replace(fromB2 bool) (evicted K, ok bool) {
	if c.Len() < c.capacity {
		return evicted, false
	}
	from, to, t1 := &c.t2, &c.b2, float64(c.t1.len)
	if c.t1.len > 0 && (t1 > c.p || fromB2 && t1 == c.p) {
		from, to = &c.t1, &c.b1
	}
	l := from.back()
	l.entry = pair[K, V]{key: l.entry.key} // lets the value go
	to.toFront(l)
	return l.entry.key, true
}

// forget removes an entry or a ghost altogether.
func (c *ARC[K, V]) forget(l *link[pair[K, V]]) {
	l.leave()
	delete(c.entries, l.entry.key)
}
