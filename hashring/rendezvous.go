package hashring

import "math/bits"

// Rendezvous is highest random weight (Thaler, Ravishankar, 1998): each node has a score for
// each key, made of both, and the key belongs to the highest. All nodes weigh the same here.
// It is immutable, and safe for concurrent use.
//
//	a lookup     O(n): every node is asked
//	memory       8 bytes a node, besides the node
//	a new node   1/(n+1) of the keys move, all of them to it
//	bad at       many nodes
type Rendezvous struct {
	members
	hashes []uint64 // of the names of nodes
}

// NewRendezvous returns one with nodes, in whatever order they come. Weights must be equal.
func NewRendezvous(nodes ...Node) (*Rendezvous, error) {
	m, err := newMembers(nodes)
	if err != nil {
		return nil, err
	}
	if err := m.alike(); err != nil {
		return nil, err
	}
	r := &Rendezvous{members: m}
	for _, n := range m.nodes {
		r.hashes = append(r.hashes, Hash(n.Name))
	}
	return r, nil
}

// With returns one with more nodes.
func (r *Rendezvous) With(nodes ...Node) (*Rendezvous, error) {
	return NewRendezvous(r.with(nodes)...)
}

// Without returns one with fewer nodes.
func (r *Rendezvous) Without(names ...string) (*Rendezvous, error) {
	left, err := r.without(names)
	if err != nil {
		return nil, err
	}
	return NewRendezvous(left...)
}

// Locate returns the node of a key.
func (r *Rendezvous) Locate(key string) Node { return r.LocateHash(Hash(key)) }

// LocateHash returns the node of a key that has a hash.
func (r *Rendezvous) LocateHash(h uint64) Node {
	if len(r.nodes) == 0 {
		return Node{}
	}
	best, highest := 0, score(h, r.hashes[0])
	for i, node := range r.hashes[1:] {
		if s := score(h, node); s > highest { // of two that are equal, the first by name
			best, highest = i+1, s
		}
	}
	return r.nodes[best]
}

// score mixes two hashes: the two halves of a product have all bits of both in them.
func score(key, node uint64) uint64 {
	hi, lo := bits.Mul64(key^node, 0x9e3779b97f4a7c15^bits.RotateLeft64(node, 32)|1)
	hi, lo = bits.Mul64(hi^lo^key, 0xd1342543de82ef95)
	return hi ^ lo
}
