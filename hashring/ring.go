package hashring

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Ring is consistent hashing as Karger and others drew it in 1997. Hashes are places on a
// circle. Each node has some places on it, its virtual nodes, and a key belongs to whom
// the next place is, going up. It is immutable, and safe for concurrent use.
//
//	    0
//	 a     b        a key here ─┐
//	c       a                   ↓
//	 b     c     ──a────b───────·──c───a──  it is c's
//	    a
//
// A node that comes takes keys only from those whose places are behind its own; one that
// goes leaves its keys to them. With V places for each node the shares differ by about
// 1/√V of their mean.
//
//	a lookup     O(1): where to begin to look is in a table, by the first bits of the hash
//	memory       12 bytes for each virtual node, and 4 to 8 of table
//	a new node   its share of the keys move, all of them to it
//	bad at       even shares: to halve the differences takes four times the places
type Ring struct {
	config RingConfig
	members
	zoning
	hashes []uint64 // of the places, sorted
	owners []uint32 // of the same places, in nodes
	start  []uint32 // for the first bits of a hash: the first place that has them, or more
	shift  uint8    // leaves those bits
}

// RingConfig says what a Ring is like. It is a value and is safe for concurrent use.
type RingConfig struct {
	// VirtualNodes are the places of a node with a weight of 1. 160 if 0.
	VirtualNodes int
}

const (
	defaultVirtualNodes = 160
	maxPlaces           = 1 << 28
)

// NewRing returns a ring with nodes, in whatever order they come.
func NewRing(c RingConfig, nodes ...Node) (*Ring, error) {
	if c.VirtualNodes == 0 {
		c.VirtualNodes = defaultVirtualNodes
	}
	if c.VirtualNodes < 0 || c.VirtualNodes > maxPlaces {
		return nil, fmt.Errorf("hashring: %d virtual nodes: want 1 to %d", c.VirtualNodes, maxPlaces)
	}
	m, err := newMembers(nodes)
	if err != nil {
		return nil, err
	}
	r := &Ring{config: c, members: m, zoning: newZoning(m.nodes)}
	places := 0
	for _, n := range r.nodes {
		if places += n.Weight * c.VirtualNodes; places > maxPlaces {
			return nil, fmt.Errorf("hashring: more than %d virtual nodes", maxPlaces)
		}
	}
	return r, r.build(places)
}

// place is where a virtual node is.
type place struct {
	hash  uint64
	owner uint32
}

// build puts the virtual nodes in order. Hashes are spread evenly, so it first counts them
// by their first bits, of which there are as many values as places; that is nearly the
// order, and where to begin to look for a hash comes out of it as well.
func (r *Ring) build(places int) error {
	if places == 0 {
		return nil
	}
	r.shift = uint8(64 - max(bits.Len(uint(places-1)), 1))
	unsorted := make([]place, 0, places)
	r.start = make([]uint32, 1<<(64-r.shift)+1)
	for owner, n := range r.nodes {
		name := append([]byte(n.Name), make([]byte, 8)...)
		for i := range n.Weight * r.config.VirtualNodes {
			binary.LittleEndian.PutUint64(name[len(n.Name):], uint64(i))
			h := xxhash.Sum64(name)
			unsorted = append(unsorted, place{h, uint32(owner)})
			r.start[h>>r.shift+1]++
		}
	}
	for b := range len(r.start) - 1 {
		r.start[b+1] += r.start[b]
	}
	next := slices.Clone(r.start)
	sorted := make([]place, places)
	for _, p := range unsorted {
		b := p.hash >> r.shift
		sorted[next[b]] = p
		next[b]++
	}
	r.hashes, r.owners = make([]uint64, places), make([]uint32, places)
	for b := range len(r.start) - 1 {
		if from, to := r.start[b], r.start[b+1]; to-from > 1 {
			slices.SortFunc(sorted[from:to], func(a, b place) int { return cmp.Compare(a.hash, b.hash) })
		}
	}
	for i, p := range sorted {
		if r.hashes[i], r.owners[i] = p.hash, p.owner; i > 0 && r.hashes[i-1] == p.hash {
			return fmt.Errorf("%w: of %q and %q, at %016x: call one of them something else",
				ErrCollision, r.nodes[r.owners[i-1]].Name, r.nodes[p.owner].Name, p.hash)
		}
	}
	return nil
}

// With returns a ring with more nodes.
func (r *Ring) With(nodes ...Node) (*Ring, error) {
	return NewRing(r.config, r.with(nodes)...)
}

// Without returns a ring with fewer nodes.
func (r *Ring) Without(names ...string) (*Ring, error) {
	left, err := r.without(names)
	if err != nil {
		return nil, err
	}
	return NewRing(r.config, left...)
}

// Locate returns the node of a key.
func (r *Ring) Locate(key string) Node { return r.LocateHash(Hash(key)) }

// LocateHash returns the node of a key that has a hash.
func (r *Ring) LocateHash(h uint64) Node {
	if len(r.hashes) == 0 {
		return Node{}
	}
	return r.nodes[r.owners[r.find(h)]]
}

// find returns the first place from a hash on.
func (r *Ring) find(h uint64) int {
	i := int(r.start[h>>r.shift])
	for i < len(r.hashes) && r.hashes[i] < h {
		i++
	}
	if i == len(r.hashes) {
		return 0
	}
	return i
}

// LocateN yields the nodes of a key, each once: who is next on the ring, then who is after
// that. It passes over those whose zone has had a turn until all zones have.
func (r *Ring) LocateN(key string) iter.Seq[Node] {
	return func(yield func(Node) bool) { r.walk(Hash(key), yield) }
}

func (r *Ring) walk(h uint64, yield func(Node) bool) {
	if len(r.hashes) == 0 {
		return
	}
	var memory [2 * onStack]uint64
	t := r.begin(&memory)
	start := r.find(h)
	for _, left := range r.rounds {
		for i := start; left > 0; i++ {
			if i == len(r.owners) {
				i = 0
			}
			owner := r.owners[i]
			if !r.may(t, owner) {
				continue
			}
			r.took(t, owner)
			if left--; !yield(r.nodes[owner]) {
				return
			}
		}
		t.next()
	}
}
