package hashring

import (
	"fmt"
	"iter"
	"math/bits"
)

// MultiProbe is consistent hashing by many probes (Appleton, O'Reilly: Multi-probe consistent
// hashing, 2015). Where a Ring gives each node many places, it gives each node one, and each
// key many: its probes. The key belongs to the node that is next after a probe, of that
// probe that has its next node nearest. A node with a long arc before it is mostly far away,
// and loses to one of those that the other probes find. All nodes weigh the same here. It is
// immutable, and safe for concurrent use.
//
//	circle     ─·────a──────────·───────b──·─c──────
//	probes      1────┘          2───────┘  3─┘          the third is nearest: it is c's
//
// Nobody has much more than the mean, as a key has k chances not to meet a long arc: in the
// limit k/(k-1) of it, and 1.1 for 21 probes and 1,000 nodes. But who happens to be close
// behind another has hardly anything, so that shares differ by 1/√(2k-1) of the mean.
//
//	a lookup     O(k)
//	memory       16 bytes for each node, and 16 to 32 of table, besides the node
//	a new node   its share of the keys move, all of them to it
//	bad at       speed: k look-ups where a Ring has one; and small shares
type MultiProbe struct {
	members
	zoning
	circle
	owners []uint32 // of the places, in nodes
	k      int
}

const (
	defaultProbes = 21 // the paper's, for a largest share of 1.05 in the limit
	maxProbes     = 1 << 10

	// finer is how many bits more the table of the circle has, as places are few. Most probes
	// then begin at their place, which the processor can guess: a look-up takes 138 to 181 ns
	// and not 232 to 255 (BenchmarkLocate/impl=multiprobe/n=1000).
	finer = 2
)

// NewMultiProbe returns nodes that are found by k probes, 21 if k is 0. The nodes may come in
// whatever order. Weights must be equal.
func NewMultiProbe(k int, nodes ...Node) (*MultiProbe, error) {
	if k == 0 {
		k = defaultProbes
	}
	if k < 0 || k > maxProbes {
		return nil, fmt.Errorf("hashring: %d probes: want 1 to %d", k, maxProbes)
	}
	known, err := newMembers(nodes)
	if err != nil {
		return nil, err
	}
	if err := known.alike(); err != nil {
		return nil, err
	}
	places := make([]place, known.Len())
	for i, n := range known.nodes {
		places[i] = place{Hash(n.Name), uint32(i)}
	}
	m := &MultiProbe{members: known, zoning: newZoning(known.nodes), k: k}
	m.circle, m.owners = newCircle(places, finer)
	if err := m.collision(m.nodes, m.owners); err != nil {
		return nil, err
	}
	return m, nil
}

// With returns one with more nodes.
func (m *MultiProbe) With(nodes ...Node) (*MultiProbe, error) {
	return NewMultiProbe(m.k, m.with(nodes)...)
}

// Without returns one with fewer nodes.
func (m *MultiProbe) Without(names ...string) (*MultiProbe, error) {
	left, err := m.without(names)
	if err != nil {
		return nil, err
	}
	return NewMultiProbe(m.k, left...)
}

// Locate returns the node of a key.
func (m *MultiProbe) Locate(key string) Node { return m.LocateHash(Hash(key)) }

// LocateHash returns the node of a key that has a hash.
func (m *MultiProbe) LocateHash(h uint64) Node {
	if len(m.hashes) == 0 {
		return Node{}
	}
	step := stride(h)
	best := m.find(h)
	nearest := m.hashes[best] - h // goes round: 0 comes after the highest
	for range m.k - 1 {
		h += step
		i := m.find(h)
		if distance := m.hashes[i] - h; distance < nearest { // of equal ones, the first probe's
			best, nearest = i, distance
		}
	}
	return m.nodes[m.owners[best]]
}

// stride is how far it is from each probe of a key to the next one. The first is at the hash.
func stride(h uint64) uint64 {
	hi, lo := bits.Mul64(h^0x9e3779b97f4a7c15, 0xd1342543de82ef95)
	return hi ^ lo | 1
}

// LocateN yields the nodes of a key, each once, by how far each is from the nearest probe
// before it. It passes over those whose zone has had a turn until all zones have.
func (m *MultiProbe) LocateN(key string) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if len(m.hashes) > 0 {
			m.sweep(Hash(key), yield)
		}
	}
}

// probe is on its way along the circle.
type probe struct {
	from uint64
	next int // place
}

// sweep lets all probes of a key go on at one speed, and yields whom they meet.
func (m *MultiProbe) sweep(h uint64, yield func(Node) bool) {
	var memory [2 * onStack]uint64
	var few [defaultProbes]probe
	t := m.begin(&memory)
	probes := few[:min(m.k, len(few))]
	if m.k > len(few) {
		probes = make([]probe, m.k)
	}
	for _, left := range m.rounds {
		m.cast(probes, h)
		for left > 0 {
			owner := m.owners[m.meet(probes)]
			if !m.may(t, owner) {
				continue
			}
			m.took(t, owner)
			if left--; !yield(m.nodes[owner]) {
				return
			}
		}
		t.next()
	}
}

// cast puts the probes of a key where they begin.
func (m *MultiProbe) cast(probes []probe, h uint64) {
	step := stride(h)
	for i := range probes {
		probes[i] = probe{h, m.find(h)}
		h += step
	}
}

// meet returns the place that a probe comes to first, and sends that probe on. Until all
// places have been met none has gone round.
func (m *MultiProbe) meet(probes []probe) int {
	first, nearest := 0, m.hashes[probes[0].next]-probes[0].from
	for i, p := range probes[1:] {
		if distance := m.hashes[p.next] - p.from; distance < nearest {
			first, nearest = i+1, distance
		}
	}
	p := &probes[first]
	at := p.next
	if p.next++; p.next == len(m.hashes) {
		p.next = 0
	}
	return at
}
