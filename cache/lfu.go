package cache

import "iter"

// LFU evicts what was used least often.
//
//	uses     7 ──── 2 ──── 1
//	         │      │      │
//	         a     d b    f c e ──▶ evicted: fewest uses, and of those e is
//	                                longest unused
//
// Counting is the best that one can do if each key keeps its own probability of
// being asked for. The problem was the price: with a heap a hit costs O(log n).
// The paper sees that a use changes a count only by one. So it keeps one list of
// entries for each count that occurs, and these lists in a list ordered by
// count: an entry that is used moves to the list next door, which is made if it
// is not there, and the list that it leaves goes when it is empty. Everything
// takes constant time, and the victim is in the last list.
//
// Where it loses: a count never fades, so what was popular yesterday blocks the
// cache today, and a new key starts with one use, which is the next victim: if
// new keys become popular one after the other, none of them ever gets to two.
// WTinyLFU answers both.
//
// All yields the most used first; of those with as many uses, the last used.
//
// The paper: Shah, Mitra and Matani, "An O(1) algorithm for implementing the LFU
// cache eviction scheme", 2010. It leaves open which of the least used goes; here
// it is the least recently used of them. Its lists of entries are sets, here
// they are ordered for that reason.
//
// An LFU is not safe for concurrent use.
type LFU[K comparable, V any] struct {
	capacity int // immutable
	entries  map[K]*link[lfuEntry[K, V]]
	counts   chain[lfuCount[K, V]] // largest in front, none without an entry
}

// lfuCount holds the entries that were used so many times.
type lfuCount[K comparable, V any] struct {
	uses    int
	entries chain[lfuEntry[K, V]] // last used in front
}

type lfuEntry[K comparable, V any] struct {
	pair[K, V]
	count *link[lfuCount[K, V]] // whose entries it is among
}

// NewLFU returns an empty cache of so many entries, at least one.
func NewLFU[K comparable, V any](capacity int) *LFU[K, V] {
	return &LFU[K, V]{
		capacity: atLeastOne("NewLFU", capacity),
		entries:  make(map[K]*link[lfuEntry[K, V]]),
	}
}

// Get returns the value of a key, which has one use more then.
func (c *LFU[K, V]) Get(key K) (value V, ok bool) {
	l, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.use(l)
	return l.entry.value, true
}

// Set stores a value. A new key has one use, a present one has one more.
func (c *LFU[K, V]) Set(key K, value V) (evicted K, ok bool) {
	if l, found := c.entries[key]; found {
		l.entry.value = value
		c.use(l)
		return evicted, false
	}
	if len(c.entries) == c.capacity {
		evicted, ok = c.counts.back().entry.entries.back().entry.key, true
		c.Delete(evicted)
	}
	once := c.counts.back()
	if once == nil || once.entry.uses > 1 {
		once = &link[lfuCount[K, V]]{entry: lfuCount[K, V]{uses: 1}}
		c.counts.toBack(once)
	}
	l := &link[lfuEntry[K, V]]{entry: lfuEntry[K, V]{pair[K, V]{key, value}, once}}
	once.entry.entries.toFront(l)
	c.entries[key] = l
	return evicted, ok
}

// Delete removes a key and reports whether it was there.
func (c *LFU[K, V]) Delete(key K) bool {
	l, ok := c.entries[key]
	if !ok {
		return false
	}
	delete(c.entries, key)
	l.leave()
	c.drop(l.entry.count)
	return true
}

// Len returns the number of entries.
func (c *LFU[K, V]) Len() int { return len(c.entries) }

// Cap returns the largest possible Len.
func (c *LFU[K, V]) Cap() int { return c.capacity }

// All yields the entries, the most used first, and the last used first among
// those with as many uses.
func (c *LFU[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for count := range c.counts.all() {
			for l := range count.entry.entries.all() {
				if !yield(l.entry.key, l.entry.value) {
					return
				}
			}
		}
	}
}

// use moves an entry to the next count.
func (c *LFU[K, V]) use(l *link[lfuEntry[K, V]]) {
	old := l.entry.count
	more := old.ahead()
	if more == nil || more.entry.uses > old.entry.uses+1 {
		more = &link[lfuCount[K, V]]{entry: lfuCount[K, V]{uses: old.entry.uses + 1}}
		c.counts.insert(more, old)
	}
	l.entry.count = more
	more.entry.entries.toFront(l)
	c.drop(old)
}

// drop removes a count that no entry has any more.
func (c *LFU[K, V]) drop(count *link[lfuCount[K, V]]) {
	if count.entry.entries.len == 0 {
		count.leave()
	}
}
