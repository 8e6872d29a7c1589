package cache

import "iter"

// S3FIFO is made of three FIFO queues. It rests on one observation: most keys of
// a real load are never asked for again while they are cached, even more of them
// than of the whole trace, since a cache sees only a short piece of it. So what
// was asked for once should leave fast.
//
//	                                     used at most once
//	new ──▶ [ small: a tenth ] ──────────────────▶ [ ghosts: keys only ] ──▶ forgotten
//	                  │ used twice, at least                │ comes back
//	                  ▼                                     │
//	        [ main: nine tenths ] ◀─────────────────────────┘
//	          │   ▲ used: once more, for one use less
//	          ▼ ──┘
//	        evicted
//
// An entry counts its uses up to 3. At the end of the small queue it moves to
// main if it was used at least twice there, and otherwise it leaves with a
// ghost. At the end of main it goes round again for each of its uses. A key
// that comes back while its ghost is there goes to main at once. A hit changes
// one small number, nothing moves.
//
// Where it loses: a tenth is a guess. A key that comes back a little later than
// a tenth of Cap allows misses twice, and a load of pure recency, where the near
// past is all that counts, has its misses in the small queue.
//
// Get and Delete take constant time; Set on average: each further step uses up a
// use. All yields main, then small, each with the newest first.
//
// The paper: Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for
// cache eviction", 2023, section 4 and algorithm 1. Differences: one Set evicts
// one entry, whereas the paper's loop over the small queue goes on until that
// queue has lost one, even if main has; the ghosts are a queue of their own, not
// marks in a hash table; a key that comes back gives up its ghost before room is
// made for it. The paper has no Delete.
//
// An S3FIFO is not safe for concurrent use.
type S3FIFO[K comparable, V any] struct {
	capacity, smallCap, ghostCap int // immutable
	entries                      map[K]*link[s3Entry[K, V]]
	small, main                  chain[s3Entry[K, V]]
	ghosts                       chain[s3Entry[K, V]] // without values
}

type s3Entry[K comparable, V any] struct {
	pair[K, V]
	uses int // 0 … 3, not counting the one that brought it
}

// NewS3FIFO returns an empty cache of so many entries, at least one.
func NewS3FIFO[K comparable, V any](capacity int) *S3FIFO[K, V] {
	small := max(1, atLeastOne("NewS3FIFO", capacity)/10)
	return &S3FIFO[K, V]{
		capacity: capacity,
		smallCap: small,
		ghostCap: capacity - small,
		entries:  make(map[K]*link[s3Entry[K, V]]),
	}
}

// Get returns the value of a key and counts the use.
func (c *S3FIFO[K, V]) Get(key K) (value V, ok bool) {
	l, ok := c.entries[key]
	if !ok || l.in == &c.ghosts {
		return value, false
	}
	l.entry.use()
	return l.entry.value, true
}

// Set stores a value and counts a use of a present key. A new key goes to main
// if its ghost is there, otherwise to small.
func (c *S3FIFO[K, V]) Set(key K, value V) (evicted K, ok bool) {
	l, found := c.entries[key]
	if found && l.in != &c.ghosts {
		l.entry.value = value
		l.entry.use()
		return evicted, false
	}
	to := &c.small
	if found {
		to = &c.main
		l.leave()
	} else {
		l = &link[s3Entry[K, V]]{}
		c.entries[key] = l
	}
	if c.Len() == c.capacity {
		evicted, ok = c.evict(), true
	}
	l.entry = s3Entry[K, V]{pair: pair[K, V]{key, value}}
	to.toFront(l)
	return evicted, ok
}

// Delete removes a key and reports whether it was there.
func (c *S3FIFO[K, V]) Delete(key K) bool {
	l, ok := c.entries[key]
	if !ok || l.in == &c.ghosts {
		return false
	}
	c.forget(l)
	return true
}

// Len returns the number of entries, ghosts not counted.
func (c *S3FIFO[K, V]) Len() int { return c.main.len + c.small.len }

// Cap returns the largest possible Len.
func (c *S3FIFO[K, V]) Cap() int { return c.capacity }

// All yields the entries of main, then those of small, each with the newest
// first; in main, what goes round again counts as new.
func (c *S3FIFO[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, queue := range []*chain[s3Entry[K, V]]{&c.main, &c.small} {
			for l := range queue.all() {
				if !yield(l.entry.key, l.entry.value) {
					return
				}
			}
		}
	}
}

func (e *s3Entry[K, V]) use() { e.uses = min(e.uses+1, 3) }

// evict makes room for one entry. The cache is full, so if small is below its
// tenth, main has entries; each step there uses up a use, so it ends.
func (c *S3FIFO[K, V]) evict() K {
	for {
		switch l := c.small.back(); {
		case c.small.len < c.smallCap:
			l = c.main.back()
			if l.entry.uses == 0 {
				c.forget(l)
				return l.entry.key
			}
			l.entry.uses--
			c.main.toFront(l)
		case l.entry.uses > 1:
			l.entry.uses = 0
			c.main.toFront(l)
		default:
			c.haunt(l)
			return l.entry.key
		}
	}
}

// haunt makes a ghost of an entry and forgets the oldest if there are too many.
func (c *S3FIFO[K, V]) haunt(l *link[s3Entry[K, V]]) {
	l.entry = s3Entry[K, V]{pair: pair[K, V]{key: l.entry.key}} // lets the value go
	c.ghosts.toFront(l)
	if c.ghosts.len > c.ghostCap {
		c.forget(c.ghosts.back())
	}
}

// forget removes an entry or a ghost altogether.
func (c *S3FIFO[K, V]) forget(l *link[s3Entry[K, V]]) {
	l.leave()
	delete(c.entries, l.entry.key)
}
