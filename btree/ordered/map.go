package ordered

import (
	"cmp"
	"sync/atomic"
)

// Map keeps entries in the order of their keys. New and NewFunc make one. Keys are kept as
// they are given: what a pointer or slice leads to must not change its place in the order
// as long as the map, or a clone, has it. It is safe for concurrent readers; a writer needs
// exclusive access. Get, Min, Max, Len, At, Rank, Clone and walks read, Set and Delete
// write. A clone counts as another map.
type Map[K, V any] struct {
	search searcher[K] // immutable
	most   int         // entries of a leaf, and keys of an inner node; immutable

	root    *node[K, child[K, V]] // nil until there has been an entry
	size    int
	changes uint64      // what a walk looks at: entries that came or went, nodes that were copied
	shared  atomic.Bool // the root is in a clone as well; Clone sets it while others read

	path [maxHeight]step[K, V] // of the last write; writers only
}

// New returns an empty map of keys that have an order of their own. It is that of
// cmp.Compare: among floating-point numbers, NaN is equal to itself and before all others.
func New[K cmp.Ordered, V any]() *Map[K, V] { return newMap[K, V](searcherFor[K]()) }

// NewFunc returns an empty map in the order of a function, which is negative if a is
// before b, positive if b is before a, and 0 if they count as the same key. The function
// must not use the map.
func NewFunc[K, V any](cmp func(a, b K) int) *Map[K, V] {
	if cmp == nil {
		panic("ordered: NewFunc without a function")
	}
	return newMap[K, V](searchFunc(cmp))
}

func newMap[K, V any](search searcher[K]) *Map[K, V] {
	return &Map[K, V]{search: search, most: fanout}
}

// Len returns the number of entries.
func (m *Map[K, V]) Len() int { return m.size }

// Get returns the value of a key.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	n := m.root
	if n == nil {
		return value, false
	}
	for {
		i, _ := m.search(&n.keys, n.n-1, key)
		c := &n.items[i]
		if l := c.leaf; l != nil {
			if i, found := m.search(&l.keys, l.n, key); found {
				return l.items[i], true
			}
			return value, false
		}
		n = c.inner
	}
}

// Min returns the first entry; ok is false if there is none.
func (m *Map[K, V]) Min() (key K, value V, ok bool) {
	if m.size == 0 {
		return key, value, false
	}
	c := &m.root.items[0]
	for c.leaf == nil {
		c = &c.inner.items[0]
	}
	return c.leaf.keys[0], c.leaf.items[0], true
}

// Max returns the last entry; ok is false if there is none.
func (m *Map[K, V]) Max() (key K, value V, ok bool) {
	if m.size == 0 {
		return key, value, false
	}
	c := &m.root.items[m.root.n-1]
	for c.leaf == nil {
		c = &c.inner.items[c.inner.n-1]
	}
	return c.leaf.keys[c.leaf.n-1], c.leaf.items[c.leaf.n-1], true
}

// Clone returns a map with the same entries. It takes no longer for a large map than for
// a small one: the two share their nodes, and each copies one before it changes it. From
// then on they are as two maps are that have nothing to do with each other; different
// goroutines may have them.
func (m *Map[K, V]) Clone() *Map[K, V] {
	c := &Map[K, V]{search: m.search, most: m.most, root: m.root, size: m.size}
	if m.root != nil {
		c.shared.Store(true)
		if !m.shared.Load() { // readers of many clones should not wait for one another
			m.shared.Store(true)
		}
	}
	return c
}

// step is a node on a path and which of its children is next. It is a plain value, not
// safe for concurrent use.
type step[K, V any] struct {
	node *node[K, child[K, V]]
	i    int
}

// descend walks to the leaf where a key is or would be, remembers the path, and returns
// the place there. The root is not nil.
func (m *Map[K, V]) descend(key K) (depth, i int, found bool) {
	for n := m.root; ; {
		i, _ := m.search(&n.keys, n.n-1, key)
		m.path[depth] = step[K, V]{n, i}
		depth++
		c := &n.items[i]
		if l := c.leaf; l != nil {
			i, found = m.search(&l.keys, l.n, key)
			return depth, i, found
		}
		n = c.inner
	}
}

// own makes the nodes on the path this map's alone, from the root to the leaf, which it
// returns. A node may be changed if neither it nor any above it is shared.
func (m *Map[K, V]) own(depth int) *node[K, V] {
	if m.shared.Load() {
		m.root = copied(m.root)
		m.changes++
		m.shared.Store(false)
	}
	c := &child[K, V]{inner: m.root}
	for d := range depth {
		m.path[d].node = c.inner
		c = &c.inner.items[m.path[d].i]
		if c.shared() {
			c.own()
			m.changes++
		}
	}
	return c.leaf
}
