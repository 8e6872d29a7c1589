package ordered

// Each inner node knows how many entries are below each of its children. So a place in
// the order is found by counting from the root down.

// At returns the entry that rank others are before; ok is false if there is none.
func (m *Map[K, V]) At(rank int) (key K, value V, ok bool) {
	if rank < 0 || rank >= m.size {
		return key, value, false
	}
	for n, size := m.root, m.size; ; {
		i := 0
		if rank < size/2 {
			for rank >= n.items[i].size() {
				rank -= n.items[i].size()
				i++
			}
		} else { // from the end
			i = n.n - 1
			for size -= n.items[i].size(); rank < size; size -= n.items[i].size() {
				i--
			}
			rank -= size
		}
		size = n.items[i].size()
		if l := n.items[i].leaf; l != nil {
			return l.keys[rank], l.items[rank], true
		}
		n = n.items[i].inner
	}
}

// Rank returns how many entries are before a key, and whether there is one of it.
func (m *Map[K, V]) Rank(key K) (rank int, ok bool) {
	for n := m.root; n != nil; {
		i, _ := m.search(&n.keys, n.n-1, key)
		for j := range i {
			rank += n.items[j].size()
		}
		if l := n.items[i].leaf; l != nil {
			j, found := m.search(&l.keys, l.n, key)
			return rank + j, found
		}
		n = n.items[i].inner
	}
	return 0, false
}
