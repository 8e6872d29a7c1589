package hashring

import (
	"encoding/binary"
	"fmt"
	"iter"

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
	circle          // the hashes of the virtual nodes; in the upper 32 bits if ketama
	owners []uint32 // of the same places, in nodes
	ketama bool     // NewKetama made it
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
	places := int64(0)
	for _, n := range r.nodes {
		if places += int64(n.Weight) * int64(c.VirtualNodes); places > maxPlaces {
			return nil, fmt.Errorf("hashring: more than %d virtual nodes", maxPlaces)
		}
	}
	if err := r.build(int(places)); err != nil {
		return nil, err
	}
	return r, nil
}

// build puts the virtual nodes on the circle.
func (r *Ring) build(places int) error {
	unsorted := make([]place, 0, places)
	for owner, n := range r.nodes {
		name := append([]byte(n.Name), make([]byte, 8)...)
		for i := range n.Weight * r.config.VirtualNodes {
			binary.LittleEndian.PutUint64(name[len(n.Name):], uint64(i))
			unsorted = append(unsorted, place{xxhash.Sum64(name), uint32(owner)})
		}
	}
	r.circle, r.owners = newCircle(unsorted, 0)
	return r.collision(r.nodes, r.owners)
}

// With returns a ring with more nodes.
func (r *Ring) With(nodes ...Node) (*Ring, error) {
	return r.of(r.with(nodes))
}

// Without returns a ring with fewer nodes.
func (r *Ring) Without(names ...string) (*Ring, error) {
	left, err := r.without(names)
	if err != nil {
		return nil, err
	}
	return r.of(left)
}

// of returns a ring like this one with other nodes.
func (r *Ring) of(nodes []Node) (*Ring, error) {
	if r.ketama {
		return NewKetama(nodes...)
	}
	return NewRing(r.config, nodes...)
}

// Hash returns where a key is on the ring: the package's Hash of it, or, if NewKetama made
// the ring, what libketama says.
func (r *Ring) Hash(key string) uint64 {
	if r.ketama {
		return ketamaHash(key)
	}
	return Hash(key)
}

// Locate returns the node of a key.
func (r *Ring) Locate(key string) Node {
	if r.ketama {
		return r.LocateHash(ketamaHash(key))
	}
	return r.LocateHash(Hash(key)) // and not r.Hash, which the compiler would call
}

// LocateHash returns the node of a key that has a hash, as r.Hash returns it.
func (r *Ring) LocateHash(h uint64) Node {
	if len(r.hashes) == 0 {
		return Node{}
	}
	return r.nodes[r.owners[r.find(h)]]
}

// LocateN yields the nodes of a key, each once: who is next on the ring, then who is after
// that. It passes over those whose zone has had a turn until all zones have.
func (r *Ring) LocateN(key string) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if len(r.owners) > 0 {
			inTurn(&r.members, &r.zoning, r.owners, r.find(r.Hash(key)), yield)
		}
	}
}

// inTurn yields each node once, zone by zone, in the order in which they are in a list that
// goes round, from a start on. Whom the zoning knows as last comes after the whole list; all
// others that it knows must be in it.
//
// A round begins where the one before it first passed somebody over: before that, all have had
// their turn. To begin at the start again would take some 50 times as long for all of 1000 nodes
// that are in one zone (BenchmarkZones).
func inTurn[number uint16 | uint32](m *members, z *zoning, list []number, start int, yield func(Node) bool) {
	var memory [2 * onStack]uint64
	t := z.begin(&memory)
	end := start + len(list) // it goes round from len(list) on
	for _, left := range z.rounds {
		i, passed := start, end+len(z.last)
		for ; left > 0; i++ {
			var node uint32
			switch {
			case i >= end:
				node = z.last[i-end]
			case i >= len(list):
				node = uint32(list[i-len(list)])
			default:
				node = uint32(list[i])
			}
			if t.had(node) {
				continue
			}
			if !z.may(t, node) {
				passed = min(passed, i)
				continue
			}
			z.took(t, node)
			if left--; !yield(m.nodes[node]) {
				return
			}
		}
		start = min(passed, i)
		t.next()
	}
}
