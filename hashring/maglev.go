package hashring

import (
	"fmt"
	"iter"

	"github.com/cespare/xxhash/v2"
)

// Maglev is the table of Google's load balancer (Eisenbud and others: Maglev: A fast and
// reliable software network load balancer, NSDI 2016, section 3.4). A key's entry in a table
// is its node. Each node prefers the entries in an order of its own, and the nodes take turns
// to take the entry they like best of those that are left, until all are taken. It is
// immutable, and safe for concurrent use.
//
//	     likes best         entry   0  1  2  3  4  5  6
//	a    3 0 4 1 5 2 6      turn 1  b        a  c
//	b    0 2 4 6 1 3 5      turn 2  b  a  b  a  c  c         a's 0 and 4 were taken, c's 3 before
//	c    3 4 5 6 0 1 2      turn 3  b  a  b  a  c  c  a
//
//	a lookup     O(1): a remainder, and one load; LocateN passes over entries, and over many
//	             if those who are left weigh little
//	memory       2 bytes for each of M entries, or 4 if there are more than 65,536 nodes; and 4
//	             a node, besides the node
//	a new node   its share of the keys move to it, and some among the others
//	bad at       leaving the other keys where they are; shares of less than an entry, as nobody
//	             has less; changes: they take M log M steps, and up to M n if some weigh much
//	             less than others
type Maglev struct {
	members
	zoning
	size  uint64   // of the table
	small []uint16 // the table: entries are numbers of nodes
	large []uint32 // instead of small if there are too many nodes
}

const defaultMaglev = 65_537

// NewMaglev returns a table with nodes, in whatever order they come. Its size, 65,537 if 0,
// must be a prime number and at least how many nodes there are, better 100 times that.
//
// It is the table that Envoy's load balancer Maglev makes of as many entries, if the names are
// what Envoy hashes, such as "10.0.0.1:80", and weigh the same. If they do not, Envoy adds up
// fractions of weights as floats, and has some nodes miss a turn by what was rounded: a few of
// 1,000 entries of a large table are then another node's. Where Envoy hashes one header or
// cookie, its value is the key.
func NewMaglev(size int, nodes ...Node) (*Maglev, error) {
	if size == 0 {
		size = defaultMaglev
	}
	if size > maxPlaces || !prime(size) {
		return nil, fmt.Errorf("hashring: a table of %d entries: want a prime number up to %d", size, maxPlaces)
	}
	known, err := newMembers(nodes)
	if err != nil {
		return nil, err
	}
	if known.Len() > size {
		return nil, fmt.Errorf("hashring: %d nodes do not fit in a table of %d entries", known.Len(), size)
	}
	m := &Maglev{members: known, zoning: newZoning(known.nodes), size: uint64(size)}
	if len(m.nodes) > 1<<16 {
		m.large = fill[uint32](m.size, m.wishes(m.size))
	} else {
		m.small = fill[uint16](m.size, m.wishes(m.size))
	}
	return m, nil
}

func prime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

// wish is a node's order of all entries: every skip-th, going round, from next on. It meets
// each once, as the size of the table is prime.
type wish struct {
	next, skip uint64
	weight     uint64
	due        uint64 // it takes an entry in the first turn that, times weight, is not below
}

// wishes are those of all nodes, by name.
func (m members) wishes(size uint64) []wish {
	all := make([]wish, len(m.nodes))
	for i, n := range m.nodes {
		d := xxhash.NewWithSeed(1)
		d.WriteString(n.Name)
		all[i] = wish{next: Hash(n.Name) % size, skip: d.Sum64()%(size-1) + 1, weight: uint64(n.Weight)}
	}
	return all
}

// fill gives out the entries of a table. In each turn, who weighs most takes one. Who weighs a
// third of that takes one in every third turn, and all do in the first. So everybody has an
// entry if there are as many as nodes.
func fill[number uint16 | uint32](size uint64, all []wish) []number {
	if len(all) == 0 {
		return nil
	}
	heaviest := uint64(0)
	for _, w := range all {
		heaviest = max(heaviest, w.weight)
	}
	table, taken := make([]number, size), make([]uint64, (size+63)/64)
	for turn, left := uint64(1), size; ; turn++ {
		for i := range all {
			w := &all[i]
			if turn*w.weight < w.due {
				continue
			}
			w.due += heaviest
			for taken[w.next/64]&(1<<(w.next%64)) != 0 {
				w.step(size)
			}
			taken[w.next/64] |= 1 << (w.next % 64)
			table[w.next] = number(i)
			if left--; left == 0 {
				return table
			}
		}
	}
}

func (w *wish) step(size uint64) {
	if w.next += w.skip; w.next >= size {
		w.next -= size
	}
}

// With returns a table of the same size with more nodes.
func (m *Maglev) With(nodes ...Node) (*Maglev, error) {
	return NewMaglev(int(m.size), m.with(nodes)...)
}

// Without returns a table of the same size with fewer nodes.
func (m *Maglev) Without(names ...string) (*Maglev, error) {
	left, err := m.without(names)
	if err != nil {
		return nil, err
	}
	return NewMaglev(int(m.size), left...)
}

// Locate returns the node of a key.
func (m *Maglev) Locate(key string) Node { return m.LocateHash(Hash(key)) }

// LocateHash returns the node of a key that has a hash.
func (m *Maglev) LocateHash(h uint64) Node {
	entry := h % m.size // a product with an inverse of the size is not faster
	if entry < uint64(len(m.small)) {
		return m.nodes[m.small[entry]]
	}
	if entry < uint64(len(m.large)) {
		return m.nodes[m.large[entry]]
	}
	return Node{}
}

// LocateN yields the nodes of a key, each once: that of its entry, then those of the entries
// after that, going round. It passes over those whose zone has had a turn until all zones
// have. Programs that have the same table agree on who is next if the first does not answer;
// but if the first leaves the table, its keys move to somebody else.
func (m *Maglev) LocateN(key string) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		start := int(Hash(key) % m.size)
		switch {
		case len(m.small) > 0:
			inTurn(&m.members, &m.zoning, m.small, start, yield)
		case len(m.large) > 0:
			inTurn(&m.members, &m.zoning, m.large, start, yield)
		}
	}
}
