package ordered

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
)

// ErrOrder: a key is not behind the one before it.
var ErrOrder = errors.New("ordered: keys out of order")

// Bulk makes a map of entries in order, each key behind the one before: it fills leaf
// after leaf and never looks for a place. An entry out of order is an ErrOrder that says
// which, and there is no map then.
func Bulk[K cmp.Ordered, V any](sorted iter.Seq2[K, V]) (*Map[K, V], error) {
	return bulk(New[K, V](), sorted)
}

// BulkFunc is Bulk in the order of a function, as NewFunc takes it.
func BulkFunc[K, V any](cmp func(a, b K) int, sorted iter.Seq2[K, V]) (*Map[K, V], error) {
	return bulk(NewFunc[K, V](cmp), sorted)
}

func bulk[K, V any](m *Map[K, V], sorted iter.Seq2[K, V]) (*Map[K, V], error) {
	var l *node[K, V]
	before := new([fanout]K) // a node of one key
	read := 0
	for key, value := range sorted {
		if i, found := m.search(before, min(read, 1), key); i < min(read, 1) || found {
			return nil, fmt.Errorf("%w: entry %d (from 0): %v is not after %v", ErrOrder, read, key, before[0])
		}
		if l == nil || l.n == m.most {
			m.addLeaf(l)
			l = new(node[K, V])
		}
		l.keys[l.n], l.items[l.n] = key, value
		l.n++
		before[0] = key
		read++
	}
	m.addLeaf(l)
	return m, nil
}

// addLeaf puts a leaf behind all others.
func (m *Map[K, V]) addLeaf(l *node[K, V]) {
	if l == nil {
		return
	}
	m.size += l.n
	if m.root == nil {
		m.root = new(node[K, child[K, V]])
		var none K
		m.root.insert(0, none, child[K, V]{leaf: l, state: 2 * l.n})
		return
	}
	depth := 0
	for n := m.root; n != nil; depth++ {
		m.path[depth] = step[K, V]{n, n.n - 1}
		n = n.items[n.n-1].inner
	}
	m.split(depth, child[K, V]{leaf: l}, l.n)
}
