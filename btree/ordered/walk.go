package ordered

import "iter"

// The walks. A loop may change the map while it goes on: the walk then finds its place
// again, which costs as much as a Get, behind the entry that it was at. So it yields each
// entry once that is there from the beginning to the end, and of those that come or go
// meanwhile the ones that are there when it gets to them. A loop that always puts another
// key before it does not end.
//
// The functions are so short that the compiler puts them, and the body of the loop, into
// the function that has the loop: then an entry costs no call. What is seldom needed is in
// goOn and goBack.

// All yields the entries in order. The loop may change the map.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var c cursor[K, V]
		for c.first(m); c.forward(); c.i++ {
			c.key = c.leaf.keys[c.i]
			if !yield(c.key, c.leaf.items[c.i]) {
				return
			}
		}
	}
}

// From yields the entries from a key on, in order. The loop may change the map.
func (m *Map[K, V]) From(lo K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var c cursor[K, V]
		for c.from(m, lo); c.forward(); c.i++ {
			c.key = c.leaf.keys[c.i]
			if !yield(c.key, c.leaf.items[c.i]) {
				return
			}
		}
	}
}

// Scan yields the entries from lo on and before hi, in order. The loop may change the map.
func (m *Map[K, V]) Scan(lo, hi K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var c cursor[K, V]
		for c.between(m, lo, hi); c.forward(); c.i++ {
			c.key = c.leaf.keys[c.i]
			if !yield(c.key, c.leaf.items[c.i]) {
				return
			}
		}
	}
}

// Backward yields the entries from the last to the first. The loop may change the map.
func (m *Map[K, V]) Backward() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var c cursor[K, V]
		for c.last(m); c.backward(); {
			c.key = c.leaf.keys[c.i]
			if !yield(c.key, c.leaf.items[c.i]) {
				return
			}
		}
	}
}

// Before yields the entries before a key, from the last to the first. The loop may change
// the map.
func (m *Map[K, V]) Before(hi K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var c cursor[K, V]
		for c.from(m, hi); c.backward(); {
			c.key = c.leaf.keys[c.i]
			if !yield(c.key, c.leaf.items[c.i]) {
				return
			}
		}
	}
}

// cursor is a place in a map: in a leaf, before the entry i, which may be one too many.
// It is not safe for concurrent use.
type cursor[K, V any] struct {
	m       *Map[K, V]
	leaf    *node[K, V] // nil if the cursor is outside
	i       int
	end     int    // of what may be yielded of the leaf, for a walk forward
	changes uint64 // of the map, when the place was found
	key     K      // of the last entry that was yielded
	hi      K      // what ends a walk forward
	bounded bool   // whether there is one

	path  [maxHeight]step[K, V]
	depth int
}

// forward reports whether there is an entry at the cursor, to which it goes.
func (c *cursor[K, V]) forward() bool {
	return c.i < c.end && c.changes == c.m.changes || c.goOn()
}

// goOn is forward where the map has changed or the leaf ends.
func (c *cursor[K, V]) goOn() bool {
	if c.changes != c.m.changes {
		found := c.seek(c.key)
		c.limit()
		if found {
			c.i++
		}
	}
	for c.leaf != nil && c.i >= c.end {
		if c.end < c.leaf.n {
			return false
		}
		c.next()
		c.limit()
	}
	return c.leaf != nil
}

// limit sets the end of what may be yielded of a leaf.
func (c *cursor[K, V]) limit() {
	c.end = 0
	if c.leaf != nil {
		c.end = c.leaf.n
		if c.bounded {
			c.end, _ = c.m.search(&c.leaf.keys, c.leaf.n, c.hi)
		}
	}
}

// backward goes to the entry before the cursor, and reports whether there is one.
func (c *cursor[K, V]) backward() bool {
	c.i--
	return c.i >= 0 && c.changes == c.m.changes || c.goBack()
}

// goBack is backward where the map has changed or the leaf begins.
func (c *cursor[K, V]) goBack() bool {
	if c.changes != c.m.changes {
		c.seek(c.key)
		c.i--
	}
	for c.leaf != nil && c.i < 0 {
		c.previous()
		c.i--
	}
	return c.leaf != nil
}

// first goes before the first entry.
func (c *cursor[K, V]) first(m *Map[K, V]) {
	c.m, c.changes = m, m.changes
	for n := m.root; n != nil; {
		n = c.down(n, 0)
	}
	c.limit()
}

// from goes before the first entry that is not before a key.
func (c *cursor[K, V]) from(m *Map[K, V], lo K) {
	c.m = m
	c.seek(lo)
	c.limit()
}

func (c *cursor[K, V]) between(m *Map[K, V], lo, hi K) {
	c.hi, c.bounded = hi, true
	c.from(m, lo)
}

// last goes behind the last entry.
func (c *cursor[K, V]) last(m *Map[K, V]) {
	c.m, c.changes = m, m.changes
	for n := m.root; n != nil; {
		n = c.down(n, n.n-1)
	}
	if c.leaf != nil {
		c.i = c.leaf.n
	}
}

// seek goes before the first entry that is not before a key, and reports whether it has
// the same.
func (c *cursor[K, V]) seek(key K) (found bool) {
	c.depth, c.leaf, c.i, c.changes = 0, nil, 0, c.m.changes
	for n := c.m.root; n != nil; {
		i, _ := c.m.search(&n.keys, n.n-1, key)
		n = c.down(n, i)
	}
	if c.leaf != nil {
		c.i, found = c.m.search(&c.leaf.keys, c.leaf.n, key)
	}
	return found
}

// down takes a step, and returns the inner node that it leads to.
func (c *cursor[K, V]) down(n *node[K, child[K, V]], i int) *node[K, child[K, V]] {
	c.path[c.depth] = step[K, V]{n, i}
	c.depth++
	c.leaf = n.items[i].leaf
	return n.items[i].inner
}

// next goes to the beginning of the leaf behind.
func (c *cursor[K, V]) next() {
	c.leaf, c.i = nil, 0
	for c.depth > 0 {
		c.depth--
		if s := c.path[c.depth]; s.i+1 < s.node.n {
			for n := c.down(s.node, s.i+1); n != nil; {
				n = c.down(n, 0)
			}
			return
		}
	}
}

// previous goes to the end of the leaf before.
func (c *cursor[K, V]) previous() {
	c.leaf = nil
	for c.depth > 0 {
		c.depth--
		if s := c.path[c.depth]; s.i > 0 {
			for n := c.down(s.node, s.i-1); n != nil; {
				n = c.down(n, n.n-1)
			}
			c.i = c.leaf.n
			return
		}
	}
}
