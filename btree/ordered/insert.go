package ordered

// Set puts a value at a key. If there was one, it returns that; the key stays the one that
// it was set with first.
//
// A node that is full becomes two, and the node above gets one more child; if that was
// full, it becomes two in the same way, and so on up to the root, above which a new one
// then comes: the tree grows at the top, and all leaves stay at the same depth.
//
//	anywhere                            each gets half
//	a leaf, and the entry is behind     it stays full, and the new one begins with the entry
//	all others in the map
//	an inner node above such a leaf     it keeps two thirds
//
// So a map that is filled in order has full leaves; only its last one may have few.
func (m *Map[K, V]) Set(key K, value V) (old V, replaced bool) {
	if m.root == nil {
		m.root = &node[K, child[K, V]]{n: 1}
		m.root.items[0].leaf = new(node[K, V])
	}
	depth, i, found := m.descend(key)
	l := m.own(depth)
	if found {
		old, l.items[i] = l.items[i], value
		return old, true
	}
	m.size++
	m.changes++
	if l.n < m.most {
		l.insert(i, key, value)
		m.grow(depth, 1)
		return old, false
	}
	at := (l.n + 1) / 2
	if i == l.n && m.last(depth) {
		at = l.n
	}
	m.split(depth, child[K, V]{leaf: divide(l, at, i, key, value)}, 1)
	return old, false
}

// grow counts entries in that have come below the path.
func (m *Map[K, V]) grow(depth, by int) {
	for d := range depth {
		s := &m.path[d]
		s.node.items[s.i].state += 2 * by
	}
}

// last reports whether the path leads to the last node of its depth.
func (m *Map[K, V]) last(depth int) bool {
	for d := range depth {
		if s := &m.path[d]; s.i < s.node.n-1 {
			return false
		}
	}
	return true
}

// divide moves what a full node has from at on into a new one, which it returns, and
// inserts an item into one of the two.
func divide[K, T any](x *node[K, T], at, i int, key K, item T) *node[K, T] {
	right := new(node[K, T])
	right.take(0, x, at, x.n)
	if i < at {
		x.insert(i, key, item)
	} else {
		right.insert(i-at, key, item)
	}
	return right
}

// split puts a new node behind the one that the path leads to. Above the two, by entries
// have come that nobody has counted.
func (m *Map[K, V]) split(depth int, right child[K, V], by int) {
	for d := depth - 1; d >= 0; d-- {
		n, i := m.path[d].node, m.path[d].i
		left := &n.items[i]
		left.count()
		right.count()
		bound := n.keys[i] // of both, and now of the right one
		n.keys[i] = left.takeBound()
		if n.n < m.most {
			n.insert(i+1, bound, right)
			m.grow(d, by)
			return
		}
		at := (n.n + 1) / 2
		if i+1 == n.n && m.last(d) {
			at = n.n - n.n/3
		}
		right = child[K, V]{inner: divide(n, at, i+1, bound, right)}
	}
	left := child[K, V]{inner: m.root}
	left.count()
	right.count()
	m.root = new(node[K, child[K, V]])
	var none K
	m.root.insert(0, left.takeBound(), left)
	m.root.insert(1, none, right)
}

// takeBound returns the last key of a node that was divided or joined. In an inner node it
// is the bound of the last child, which is moving to the node above.
func (c *child[K, V]) takeBound() (bound K) {
	if c.leaf != nil {
		return c.leaf.keys[c.leaf.n-1]
	}
	last := &c.inner.keys[c.inner.n-1]
	bound, *last = *last, bound
	return bound
}
