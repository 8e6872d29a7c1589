package hashring

import (
	"encoding/binary"
	"fmt"
	"iter"
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
	return (&Ring{config: c}).of(nodes)
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

// of returns a ring like this one with other nodes. The places of those that stay are in order
// already, and only those of others are put in order, and then among them: with one node more of
// 1,000, that takes a fifth of the time (BenchmarkWith).
func (r *Ring) of(nodes []Node) (*Ring, error) {
	if r.ketama {
		return NewKetama(nodes...)
	}
	m, err := newMembers(nodes)
	if err != nil {
		return nil, err
	}
	places := int64(0)
	for _, n := range m.nodes {
		if places += int64(n.Weight) * int64(r.config.VirtualNodes); places > maxPlaces {
			return nil, fmt.Errorf("hashring: more than %d virtual nodes", maxPlaces)
		}
	}
	number := make([]uint32, len(r.nodes)) // that those who stay get
	for i := range number {
		number[i] = gone
	}
	before := twins(r.nodes, m.nodes)
	for i, was := range before {
		if was >= 0 {
			number[was] = uint32(i)
			places -= int64(m.nodes[i].Weight) * int64(r.config.VirtualNodes)
		}
	}
	come := make([]place, 0, places)
	for i, was := range before {
		if was < 0 {
			come = r.appendPlaces(come, m.nodes[i], uint32(i))
		}
	}
	next := &Ring{config: r.config, members: m, zoning: newZoning(m.nodes)}
	next.circle, next.owners = newCircle(come, 0)
	if len(r.nodes) > 0 {
		next.circle, next.owners = r.merge(r.owners, number, next.circle, next.owners)
	}
	if err := next.collision(next.nodes, next.owners); err != nil {
		return nil, err
	}
	return next, nil
}

// appendPlaces appends the virtual nodes of a node.
func (r *Ring) appendPlaces(to []place, n Node, owner uint32) []place {
	name := append([]byte(n.Name), make([]byte, 8)...)
	for i := range n.Weight * r.config.VirtualNodes {
		binary.LittleEndian.PutUint64(name[len(n.Name):], uint64(i))
		to = append(to, place{xxhash.Sum64(name), owner})
	}
	return to
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
	var first, zones [few]uint32
	n := 0
	if len(z.last) == 0 {
		for i := start; n < min(few, z.rounds[0]); i++ {
			if i == len(list) {
				i = 0
			}
			node := uint32(list[i])
			zone := z.zones[node] // which nobody of first is in: so node is none of first
			if slices.Contains(zones[:n], zone) {
				continue
			}
			first[n], zones[n] = node, zone
			if n++; !yield(m.nodes[node]) {
				return
			}
		}
	}
	otherTurns(m, z, list, start, first[:n], yield)
}

// few is for how many nodes of different zones a search is faster than sets of bits, which must
// be cleared first: three of 1,000 take two thirds of the time.
const few = 4

// otherTurns is inTurn for all but those who were first.
func otherTurns[number uint16 | uint32](m *members, z *zoning, list []number, start int, first []uint32, yield func(Node) bool) {
	var memory [2 * onStack]uint64
	t := z.begin(&memory)
	for _, node := range first {
		z.took(t, node)
	}
	end := start + len(list) // it goes round from len(list) on
	for round, left := range z.rounds {
		if round == 0 {
			left -= len(first)
		}
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
