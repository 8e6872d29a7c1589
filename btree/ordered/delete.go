package ordered

// Delete removes an entry. If there was one, it returns its value.
//
// A node that is left with less than a third of what it can hold looks at a neighbour
// below the same node:
//
//	both fit into three quarters of a node   they become one; the node above has a child
//	                                         less, which may leave it with too few in turn
//	otherwise                                each gets half
//	it has no neighbour                      it is the only leaf, and may be empty
//
// A root with one inner node below it gives way to that: the tree shrinks at the top.
func (m *Map[K, V]) Delete(key K) (old V, deleted bool) {
	if m.root == nil {
		return old, false
	}
	depth, i, found := m.descend(key)
	if !found {
		return old, false
	}
	l := m.own(depth)
	old = l.items[i]
	l.remove(i, i+1)
	m.size--
	m.changes++
	m.grow(depth, -1)
	if i == l.n && i > 0 {
		m.lower(depth, l.keys[i-1])
	}
	for d, n := depth-1, l.n; d >= 0 && n < m.most/3; d-- {
		m.join(m.path[d].node, m.path[d].i)
		n = m.path[d].node.n
	}
	if m.root.n == 1 && m.root.items[0].inner != nil {
		m.root = m.root.items[0].inner // not shared: its two halves have just been joined
	}
	return old, true
}

// lower sets the bound of the leaf that the path leads to, whose last entry has gone.
func (m *Map[K, V]) lower(depth int, bound K) {
	for d := depth - 1; d >= 0; d-- {
		if s := &m.path[d]; s.i < s.node.n-1 {
			s.node.keys[s.i] = bound
			return
		}
	}
}

// join looks after a child that has too few.
func (m *Map[K, V]) join(n *node[K, child[K, V]], i int) {
	if n.n == 1 {
		return
	}
	i = max(i-1, 0)
	a, b := &n.items[i], &n.items[i+1]
	for _, c := range []*child[K, V]{a, b} {
		if c.shared() {
			c.own()
		}
	}
	if a.leaf != nil {
		level(a.leaf, b.leaf, m.most)
	} else {
		a.inner.keys[a.inner.n-1] = n.keys[i]
		level(a.inner, b.inner, m.most)
	}
	a.count()
	if b.count(); b.size() > 0 {
		n.keys[i] = a.takeBound()
		return
	}
	n.keys[i] = n.keys[i+1] // what was b's bound is a's
	n.remove(i+1, i+2)
}

// level puts all that two neighbours have into the first, or half into each.
func level[K, T any](a, b *node[K, T], most int) {
	all := a.n + b.n
	switch {
	case all <= most*3/4:
		a.take(a.n, b, 0, b.n)
	case a.n < all/2:
		a.take(a.n, b, 0, all/2-a.n)
	default:
		b.take(0, a, all/2, a.n)
	}
}
