package ordered

import "iter"

// The walks. A loop may change the map while it goes on: the walk then finds its place
// again, which costs as much as a Get, behind the entry that it was at. So it yields each
// entry once that is there from the beginning to the end, and of those that come or go
// meanwhile the ones that are there when it gets to them. A loop that always puts another
// key before it does not end.

// All yields the entries in order. The loop may change the map.
func (m *Map[K, V]) All() iter.Seq2[K, V] { return m.forward(span[K]{}) }

// From yields the entries from a key on, in order. The loop may change the map.
func (m *Map[K, V]) From(lo K) iter.Seq2[K, V] {
	return m.forward(span[K]{lo: lo, begins: true})
}

// Scan yields the entries from lo on and before hi, in order. The loop may change the map.
func (m *Map[K, V]) Scan(lo, hi K) iter.Seq2[K, V] {
	return m.forward(span[K]{lo: lo, begins: true, hi: hi, ends: true})
}

// Backward yields the entries from the last to the first. The loop may change the map.
func (m *Map[K, V]) Backward() iter.Seq2[K, V] { return m.backward(span[K]{}) }

// Before yields the entries before a key, from the last to the first. The loop may change
// the map.
func (m *Map[K, V]) Before(hi K) iter.Seq2[K, V] {
	return m.backward(span[K]{hi: hi, ends: true})
}

// span is what a walk goes over. It is a plain value, not safe for concurrent use.
type span[K any] struct {
	lo, hi       K    // from lo on, before hi
	begins, ends bool // whether there is a lo, a hi
}

// forward and backward are so short that the compiler puts them, and the body of the loop,
// into the function that has the loop: an entry then costs no call. Within a leaf their
// place is in registers. A cursor that goes from entry to entry would be shorter, but it is
// in memory, and a walk takes half as long again (BenchmarkWalk/impl=stepping).
func (m *Map[K, V]) forward(s span[K]) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var c cursor[K, V]
		for c.first(m, s); c.leaf != nil; c.next() {
			keys, changes := c.leaf.keys[c.i:c.end], m.changes
			items := c.leaf.items[c.i:c.end][:len(keys)]
			for i, key := range keys {
				if !yield(key, items[i]) {
					return
				}
				if m.changes != changes {
					c.key = key
					break
				}
			}
		}
	}
}

func (m *Map[K, V]) backward(s span[K]) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var c cursor[K, V]
		for c.last(m, s); c.leaf != nil; c.previous() {
			l, changes := c.leaf, m.changes
			for i := c.i - 1; i >= 0; i-- {
				key := l.keys[i]
				if !yield(key, l.items[i]) {
					return
				}
				if m.changes != changes {
					c.key = key
					break
				}
			}
		}
	}
}

// cursor is a place in a map: in a leaf, before the entry i, which may be one too many.
// It is not safe for concurrent use.
type cursor[K, V any] struct {
	m       *Map[K, V]
	span    span[K]
	leaf    *node[K, V] // nil if the cursor is outside
	size    int         // of the leaf
	i       int         // forward, the entry to go on with; backward, the one to stay before
	end     int         // forward, what not to yield of the leaf
	changes uint64      // of the map, when the place was found
	key     K           // of the last entry that was yielded, if the map has changed since

	path    [maxHeight]step[K, V]
	depth   int
	touched int // what touch has read
}

// first goes to the first entry of a span.
func (c *cursor[K, V]) first(m *Map[K, V], s span[K]) {
	c.m, c.span, c.changes = m, s, m.changes
	if s.begins {
		c.seek(s.lo)
	} else if m.root != nil {
		c.leftmost(m.root, 0)
	}
	c.settle()
}

// next goes on behind a leaf, or behind the entry at which the map has changed.
func (c *cursor[K, V]) next() {
	switch {
	case c.changes != c.m.changes:
		if c.seek(c.key) {
			c.i++
		}
	case c.end < c.size:
		c.leaf = nil
		return
	default:
		c.behind()
		c.touch(2)
	}
	c.settle()
}

// settle finds what may be yielded of the leaf, and leaves it if that is nothing.
func (c *cursor[K, V]) settle() {
	for c.leaf != nil {
		c.end = c.size
		if c.span.ends {
			c.end, _ = c.m.search(&c.leaf.keys, c.size, c.span.hi)
		}
		switch {
		case c.i < c.end:
			return
		case c.end < c.size:
			c.leaf = nil
		default:
			c.behind()
		}
	}
}

// last goes behind the last entry of a span.
func (c *cursor[K, V]) last(m *Map[K, V], s span[K]) {
	c.m, c.changes = m, m.changes
	if s.ends {
		c.seek(s.hi)
	} else if m.root != nil {
		c.rightmost(m.root, m.root.n-1)
	}
	if c.i == 0 {
		c.before()
	}
}

// previous goes on before a leaf, or before the entry at which the map has changed.
func (c *cursor[K, V]) previous() {
	if c.changes == c.m.changes {
		c.before()
		c.touch(-2)
	} else if c.seek(c.key); c.i == 0 {
		c.before()
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
		c.i, found = c.m.search(&c.leaf.keys, c.size, key)
	}
	return found
}

// down takes a step, and returns the inner node that it leads to.
func (c *cursor[K, V]) down(n *node[K, child[K, V]], i int) *node[K, child[K, V]] {
	c.path[c.depth] = step[K, V]{n, i}
	c.depth++
	to := &n.items[i]
	c.leaf, c.size = to.leaf, to.size()
	return to.inner
}

// leftmost goes down from a child to the beginning of a leaf.
func (c *cursor[K, V]) leftmost(n *node[K, child[K, V]], i int) {
	for ; n != nil; i = 0 {
		n = c.down(n, i)
	}
	c.i = 0
}

// rightmost goes down from a child to the end of a leaf.
func (c *cursor[K, V]) rightmost(n *node[K, child[K, V]], i int) {
	for {
		if n = c.down(n, i); n == nil {
			break
		}
		i = n.n - 1
	}
	c.i = c.size
}

// behind goes to the beginning of the leaf behind.
func (c *cursor[K, V]) behind() {
	c.leaf = nil
	for c.depth > 0 {
		c.depth--
		if s := c.path[c.depth]; s.i+1 < s.node.n {
			c.leftmost(s.node, s.i+1)
			return
		}
	}
}

// before goes to the end of the leaf before.
func (c *cursor[K, V]) before() {
	c.leaf = nil
	for c.depth > 0 {
		c.depth--
		if s := c.path[c.depth]; s.i > 0 {
			c.rightmost(s.node, s.i-1)
			return
		}
	}
}

// touch reads something of a leaf nearby, below the same node, that nobody needs yet: so
// the processor asks memory for it while the walk is busy with this one. Leaves that were
// filled in random order lie anywhere, and without touch a walk over a million entries
// takes 13 % longer (BenchmarkWalk/impl=blind).
func (c *cursor[K, V]) touch(by int) {
	if c.leaf == nil {
		return
	}
	s := &c.path[c.depth-1]
	if i := s.i + by; i >= 0 && i < s.node.n {
		c.touched = s.node.items[i].leaf.n
	}
}
