package hashring

// Replicas should not fail together. So the nodes of a key take turns by zone: in each round
// every zone that has somebody left gives one, the zone whose node is nearest first. It is
// immutable, and safe for concurrent use.
//
//	nearest first    a1 a2 b1 a3 c1 b2        letter: zone
//	in rounds        a1 b1 c1 | a2 b2 | a3
type zoning struct {
	zones  []uint32 // of nodes, by number
	rounds []int    // how many zones have a first node, a second one, …
	last   []uint32 // nodes that are never near: in each round they come after all others
}

// newZoning gives zones numbers. A node that has none is in one of its own.
func newZoning(nodes []Node) zoning {
	z := zoning{zones: make([]uint32, len(nodes))}
	number := make(map[string]uint32)
	var sizes []int
	for i, n := range nodes {
		zone, known := number[n.Zone]
		if !known || n.Zone == "" {
			zone = uint32(len(sizes))
			number[n.Zone] = zone
			sizes = append(sizes, 0)
		}
		z.zones[i] = zone
		if sizes[zone]++; sizes[zone] > len(z.rounds) {
			z.rounds = append(z.rounds, 0)
		}
		z.rounds[sizes[zone]-1]++
	}
	return z
}

// turns are who has had a turn: a bit for each node, and one for each zone in this round. It
// is not safe for concurrent use.
type turns struct {
	nodes, zones []uint64
}

// onStack is for how many nodes turns need no allocation, in words.
const onStack = 32

// begin returns the turns of which none has been taken, in zero memory of the caller's if
// that is enough.
func (z *zoning) begin(memory *[2 * onStack]uint64) turns {
	if n := (len(z.zones) + 63) / 64; n > onStack {
		return turns{make([]uint64, n), make([]uint64, n)}
	}
	return turns{memory[:onStack], memory[onStack:]}
}

// had reports whether a node has had its turn.
func (t turns) had(node uint32) bool { return t.nodes[node/64]&(1<<(node%64)) != 0 }

// may reports whether it may be the turn of a node.
func (z *zoning) may(t turns, node uint32) bool {
	zone := z.zones[node]
	return !t.had(node) && t.zones[zone/64]&(1<<(zone%64)) == 0
}

// took notes that a node has had its turn.
func (z *zoning) took(t turns, node uint32) {
	zone := z.zones[node]
	t.nodes[node/64] |= 1 << (node % 64)
	t.zones[zone/64] |= 1 << (zone % 64)
}

// next begins a round.
func (t turns) next() { clear(t.zones) }
