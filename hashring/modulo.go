package hashring

// Modulo is what everybody writes first, and what all else in this package is there to
// replace: nodes are numbered in the order of their names, and a key is on number hash mod n.
// All nodes weigh the same here. It is immutable, and safe for concurrent use.
//
//	hash          0  1  2  3  4  5  6  7  8  9 10 11
//	mod 3 nodes   a  b  c  a  b  c  a  b  c  a  b  c
//	mod 4 nodes   a  b  c  d  a  b  c  d  a  b  c  d
//	              stay     9 of 12 move
//
// It is fast, needs no memory, and is as even as can be. But each pair of remainders, of n and
// of n+1, has one of n(n+1) hashes in a row (the Chinese remainder theorem), and for each node
// only one pair is its own before and after. So n hashes of them stay, wherever the new node is
// in the order of names, and n/(n+1) of all move, where 1/(n+1) would have done.
//
//	a lookup     O(1): a division
//	memory       none besides the nodes
//	a new node   n/(n+1) of the keys move, most of them not to it
//	bad at       what this package is for
type Modulo struct {
	members
}

// NewModulo returns one with nodes, in whatever order they come. Weights must be equal.
func NewModulo(nodes ...Node) (*Modulo, error) {
	m, err := newMembers(nodes)
	if err != nil {
		return nil, err
	}
	if err := m.alike(); err != nil {
		return nil, err
	}
	return &Modulo{m}, nil
}

// With returns one with more nodes.
func (m *Modulo) With(nodes ...Node) (*Modulo, error) { return NewModulo(m.with(nodes)...) }

// Without returns one with fewer nodes.
func (m *Modulo) Without(names ...string) (*Modulo, error) {
	left, err := m.without(names)
	if err != nil {
		return nil, err
	}
	return NewModulo(left...)
}

// Locate returns the node of a key.
func (m *Modulo) Locate(key string) Node { return m.LocateHash(Hash(key)) }

// LocateHash returns the node of a key that has a hash.
func (m *Modulo) LocateHash(h uint64) Node {
	if len(m.nodes) == 0 {
		return Node{}
	}
	return m.nodes[h%uint64(len(m.nodes))]
}
