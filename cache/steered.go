package cache

import (
	"iter"
	"math/rand/v2"
)

// Steered is the policy of Cache in its plain form: W-TinyLFU's duel, with two
// queues that a hit does not touch, and with a window whose length is learnt
// from ghosts, as ARC learns its border.
//
//	             ┌──────── window (FIFO) ───────┐      ┌────── main (CLOCK) ────────┐
//	new key ───▶ │ newest …              oldest │ ───▶ │ newest …            oldest │ ─┐ used: round again
//	             └──────────────┬───────────────┘ duel └──────────────┬─────────────┘ ◀┘
//	                            ▼ lost                                ▼ lost
//	                   ghosts of the window                   ghosts of main
//	                   come back: widen it                    come back: narrow it
//
// The problem: a small window suits loads of frequency, a large one those of
// recency, and a fixed one loses many points of hit ratio on half of the loads.
// Trying whether another size does better (hill climbing) reacts slowly, and is
// misled when the load changes by itself. A ghost that comes back is direct
// evidence: this entry would have been a hit if its queue had been longer.
//
//	Hit    An entry counts its hits, up to 3, and nothing else happens. In Cache
//	       a read therefore needs no lock. The hits go to the sketch in one go,
//	       when the entry reaches the end of its queue.
//	Miss   The sketch counts the key, and a ghost of it moves the border. If the
//	       cache is full and the key was seen more often than the victim, it
//	       takes the victim's place in main. Otherwise it enters the window, and
//	       what the window holds in excess goes on to main while there is room, or
//	       because the border has moved: then the oldest, with each that enters.
//	Evict  If the window is within its target: the victim. If not, its oldest
//	       must prove itself in a duel of frequency with the victim; but if it
//	       was hit and the window is wide (the gate), it moves on without a duel.
//	       A wide window says that recency counts, and then past counts mislead.
//	       A narrow one says that frequency counts, and then a key has one less
//	       in every comparison: the request that brings it, while the victim's
//	       turn may be still to come.
//
// The victim is the oldest of main that was not hit since it last came round.
// One lost duel in 128 of a key seen 6 times or more is won by chance: otherwise
// somebody who knows the hash function could block the cache with keys that
// collide in the sketch with a frequent one.
//
// Where it loses: it learns only from ghosts, so a trace of a few thousand
// accesses is over before it has learnt, and what comes back only after a quarter
// of Cap evictions teaches it nothing. Where the past of a key says little about
// its future, as on sprite in TestPolicyTraces with 2,000 entries, LRU has some
// tenths of a percent more.
//
// Get and Delete take constant time, Set on average: each further step uses up a
// hit. There is no limit to the steps of one Set here; Cache has one. All yields
// the window, then main, each with the newest first.
//
// It is this package's own, after TinyLFU (Einziger, Friedman and Manes, 2017),
// ARC (Megiddo and Modha, 2003) and S3-FIFO (Yang and others, 2023).
//
// A Steered is not safe for concurrent use.
type Steered[K comparable, V any] struct {
	capacity int // immutable
	hash     func(K) uint64

	entries          map[K]*link[steeredEntry[K, V]]
	window, main     chain[steeredEntry[K, V]]
	target           float64 // of the window's length; steered
	sketch           *Sketch
	ofWindow, ofMain steeredGhosts
	chance           *rand.PCG
}

type steeredEntry[K comparable, V any] struct {
	pair[K, V]
	hash uint64
	hits int // 0 … 3, since the sketch was last told
}

// NewSteered returns an empty cache of so many entries, at least one. The
// function hash is for the sketch and the ghosts: equal keys have equal hashes,
// others should have others. With the same one, the same calls give the same
// evictions.
func NewSteered[K comparable, V any](capacity int, hash func(K) uint64) *Steered[K, V] {
	ghosts := ghostsFor(atLeastOne("NewSteered", capacity))
	c := &Steered[K, V]{
		capacity: capacity,
		hash:     hash,
		entries:  make(map[K]*link[steeredEntry[K, V]]),
		sketch:   NewSketch(capacity),
		ofWindow: newSteeredGhosts(ghosts),
		ofMain:   newSteeredGhosts(ghosts),
		chance:   rand.NewPCG(1, 0),
	}
	c.setTarget(openGate * float64(capacity))
	return c
}

// Get returns the value of a key and counts the hit.
func (c *Steered[K, V]) Get(key K) (value V, ok bool) {
	l, ok := c.entries[key]
	if !ok {
		return value, false
	}
	l.entry.hits = min(l.entry.hits+1, maxHits)
	return l.entry.value, true
}

// Set stores a value. For a present key that is a hit.
func (c *Steered[K, V]) Set(key K, value V) (evicted K, ok bool) {
	if l, found := c.entries[key]; found {
		l.entry.value = value
		l.entry.hits = min(l.entry.hits+1, maxHits)
		return evicted, false
	}
	l := &link[steeredEntry[K, V]]{entry: steeredEntry[K, V]{pair: pair[K, V]{key, value}, hash: c.hash(key)}}
	seen := c.sketch.Add(l.entry.hash, 1)
	c.steer(l.entry.hash)
	full := len(c.entries) == c.capacity
	c.entries[key] = l
	if full {
		if victim := c.victim(); victim != nil && c.better(seen, victim) {
			c.main.toFront(l)
			return c.evict(victim, &c.ofMain), true
		}
	}
	c.window.toFront(l)
	if full {
		if c.borderMoved() {
			c.promote(c.window.back())
		}
		return c.shrink(), true
	}
	for c.windowTooLong() {
		c.promote(c.window.back())
	}
	return evicted, false
}

// Delete removes a key and reports whether it was there. Its count stays.
func (c *Steered[K, V]) Delete(key K) bool {
	l, ok := c.entries[key]
	if !ok {
		return false
	}
	l.leave()
	delete(c.entries, key)
	return true
}

// Len returns the number of entries.
func (c *Steered[K, V]) Len() int { return len(c.entries) }

// Cap returns the largest possible Len.
func (c *Steered[K, V]) Cap() int { return c.capacity }

// All yields the entries of the window, then those of main, each with the newest
// first; in main, what goes round again counts as new.
func (c *Steered[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, queue := range []*chain[steeredEntry[K, V]]{&c.window, &c.main} {
			for l := range queue.all() {
				if !yield(l.entry.key, l.entry.value) {
					return
				}
			}
		}
	}
}

// steer moves the border if a ghost comes back. A step is larger when the other
// queue has more ghosts, since a ghost of a short list says more. The lists are
// compared as they are with this ghost.
func (c *Steered[K, V]) steer(hash uint64) {
	window, main := float64(c.ofWindow.order.len), float64(c.ofMain.order.len)
	switch {
	case c.ofWindow.take(hash):
		c.setTarget(c.target + steerStep*max(1, main/window))
	case c.ofMain.take(hash):
		c.setTarget(c.target - steerStep*max(1, window/main))
	}
}

// setTarget keeps the target within 1 to 50 % of the capacity, and at 1 entry at
// least: the newest must have a place.
func (c *Steered[K, V]) setTarget(target float64) {
	capacity := float64(c.capacity)
	c.target = max(1, smallestWindow*capacity, min(target, largestWindow*capacity))
}

func (c *Steered[K, V]) windowTooLong() bool { return float64(c.window.len) > c.target }

// borderMoved reports whether the window is too long for another reason than the
// key that has just come to it: without that and its oldest it would reach its
// target still. A duel would not bring the queues to their lengths: where no candidate
// wins any, as in a loop, a window that was once long would stay so.
func (c *Steered[K, V]) borderMoved() bool { return float64(c.window.len-2) >= c.target }

// shrink evicts one entry. There is one too many, the newest in the window: it
// stays, for a window that is too long holds two at least, and one with nothing
// in main is too long.
func (c *Steered[K, V]) shrink() K {
	for c.windowTooLong() {
		candidate := c.window.back()
		hits := c.flush(candidate)
		victim := c.victim()
		switch {
		case victim == nil && hits == 0:
			return c.evict(candidate, &c.ofWindow)
		case victim == nil, hits > 0 && c.gateOpen():
			c.promote(candidate)
		case c.wins(candidate, victim):
			c.promote(candidate)
			return c.evict(victim, &c.ofMain)
		default:
			return c.evict(candidate, &c.ofWindow)
		}
	}
	return c.evict(c.victim(), &c.ofMain)
}

// wins reports how the duel ends, for a candidate whose hits the sketch knows.
func (c *Steered[K, V]) wins(candidate, victim *link[steeredEntry[K, V]]) bool {
	seen := c.frequency(candidate)
	return c.better(seen, victim) || seen >= popular && c.chance.Uint64()%luck == 0
}

// gateOpen reports whether recency counts.
func (c *Steered[K, V]) gateOpen() bool { return c.target > openGate*float64(c.capacity) }

// better compares a key that was seen so often with a victim. The request that
// brings the key counts only while the gate is open.
func (c *Steered[K, V]) better(seen int, victim *link[steeredEntry[K, V]]) bool {
	if !c.gateOpen() {
		seen--
	}
	return seen > c.frequency(victim)
}

// victim sends the oldest of main round again until one was not hit, and returns
// that, or nil if main is empty.
func (c *Steered[K, V]) victim() *link[steeredEntry[K, V]] {
	l := c.main.back()
	for l != nil && c.flush(l) > 0 {
		c.main.toFront(l)
		l = c.main.back()
	}
	return l
}

// flush tells the sketch of an entry's hits, forgets them and returns how many
// they were.
func (c *Steered[K, V]) flush(l *link[steeredEntry[K, V]]) int {
	hits := l.entry.hits
	l.entry.hits = 0
	c.sketch.Add(l.entry.hash, hits)
	return hits
}

func (c *Steered[K, V]) frequency(l *link[steeredEntry[K, V]]) int {
	return c.sketch.Estimate(l.entry.hash)
}

// promote moves an entry from the window to main, where it starts without hits.
func (c *Steered[K, V]) promote(l *link[steeredEntry[K, V]]) {
	c.flush(l)
	c.main.toFront(l)
}

// evict lets an entry go and keeps its ghost.
func (c *Steered[K, V]) evict(l *link[steeredEntry[K, V]], ghosts *steeredGhosts) K {
	ghosts.push(l.entry.hash)
	c.Delete(l.entry.key)
	return l.entry.key
}

// steeredGhosts are the hashes of so many entries that have left a queue.
type steeredGhosts struct {
	capacity int // immutable
	hashes   map[uint64]*link[uint64]
	order    chain[uint64] // newest in front
}

func newSteeredGhosts(capacity int) steeredGhosts {
	return steeredGhosts{capacity: capacity, hashes: make(map[uint64]*link[uint64])}
}

// push remembers a hash and forgets the oldest if there are too many.
func (g *steeredGhosts) push(hash uint64) {
	g.take(hash) // of another key with the same hash
	l := &link[uint64]{entry: hash}
	g.hashes[hash] = l
	g.order.toFront(l)
	if g.order.len > g.capacity {
		g.take(g.order.back().entry)
	}
}

// take forgets a hash and reports whether it was there.
func (g *steeredGhosts) take(hash uint64) bool {
	l, ok := g.hashes[hash]
	if ok {
		l.leave()
		delete(g.hashes, hash)
	}
	return ok
}
