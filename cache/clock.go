package cache

import "iter"

// Clock gives the oldest entry a second chance if it was used. It comes close to
// LRU, but a hit only sets a bit.
//
//	        hand
//	         ▼
//	┌───┬───┬───┬───┐
//	│ a │ b*│ c │ d*│      * used since the hand last passed
//	└───┴───┴───┴───┘
//
//	e comes: b was used, so it loses its mark, and the hand moves on. c was not, so
//	e takes the slot of c, and the hand waits at d.
//
// The slots lie in a circle and never move. Who wants a slot follows the hand:
// an entry whose bit is set pays with the bit and stays for another round, the
// first one without a bit leaves. So an entry is evicted if it was not used for
// one whole turn of the hand, and no hit touches anything but its own entry.
// This is why operating systems have used it for their pages ever since Corbató
// ("A Paging Experiment with the Multics System", 1968).
//
// Where it loses: like LRU, a scan flushes everything, because a new entry gets
// a whole turn of the hand. Nothing tells an entry that was hit a thousand times
// from one that was hit once.
//
// Get and Delete take constant time. Set takes it on average: each step of the
// hand uses up one hit, but one Set may have to walk the whole circle.
//
// Differences from the paper: it describes k reference bits that are shifted and
// looked at together; this is the case of one, as everybody uses it. A new entry
// begins with its bit clear, since the access that brings it is no re-use. Delete
// frees a slot in the middle of the circle, and the next new entry takes it,
// wherever the hand is.
//
// A Clock is not safe for concurrent use.
type Clock[K comparable, V any] struct {
	capacity int // immutable
	entries  map[K]int
	slots    []clockSlot[K, V] // grows up to capacity
	free     []int             // slots that Delete has emptied
	hand     int               // where to look next
}

type clockSlot[K comparable, V any] struct {
	pair[K, V]
	taken bool
	used  bool // since the hand last passed
}

// NewClock returns an empty cache of so many entries, at least one.
func NewClock[K comparable, V any](capacity int) *Clock[K, V] {
	return &Clock[K, V]{
		capacity: atLeastOne("NewClock", capacity),
		entries:  make(map[K]int),
	}
}

// Get returns the value of a key and sets its bit.
func (c *Clock[K, V]) Get(key K) (value V, ok bool) {
	i, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.slots[i].used = true
	return c.slots[i].value, true
}

// Set stores a value. It sets the bit of a present key, not that of a new one.
func (c *Clock[K, V]) Set(key K, value V) (evicted K, ok bool) {
	if i, found := c.entries[key]; found {
		c.slots[i].value, c.slots[i].used = value, true
		return evicted, false
	}
	i := 0
	switch {
	case len(c.free) > 0:
		i = c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
	case len(c.slots) < c.capacity:
		i = len(c.slots)
		c.slots = append(c.slots, clockSlot[K, V]{})
	default:
		i = c.victim()
		evicted, ok = c.slots[i].key, true
		delete(c.entries, evicted)
	}
	c.entries[key] = i
	c.slots[i] = clockSlot[K, V]{pair: pair[K, V]{key, value}, taken: true}
	return evicted, ok
}

// Delete removes a key and reports whether it was there.
func (c *Clock[K, V]) Delete(key K) bool {
	i, ok := c.entries[key]
	if !ok {
		return false
	}
	delete(c.entries, key)
	c.slots[i] = clockSlot[K, V]{} // lets the value go
	c.free = append(c.free, i)
	return true
}

// Len returns the number of entries.
func (c *Clock[K, V]) Len() int { return len(c.entries) }

// Cap returns the largest possible Len.
func (c *Clock[K, V]) Cap() int { return c.capacity }

// All yields the entries against the hand's direction: what it has just passed
// comes first, what it will look at next comes last.
func (c *Clock[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		n := len(c.slots)
		for i := range n {
			s := &c.slots[(c.hand+n-1-i)%n]
			if s.taken && !yield(s.key, s.value) {
				return
			}
		}
	}
}

// victim moves the hand past the first slot whose entry was not used. All slots
// are taken. After one turn every bit is clear, so it ends.
func (c *Clock[K, V]) victim() int {
	for {
		i := c.hand
		c.hand = (c.hand + 1) % len(c.slots)
		if !c.slots[i].used {
			return i
		}
		c.slots[i].used = false
	}
}
