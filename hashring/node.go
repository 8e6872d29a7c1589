package hashring

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Node is one of those among which keys are spread. It is a value and is safe for
// concurrent use.
type Node struct {
	Name   string // any bytes, but not none; no two nodes of a Locator have the same
	Weight int    // keys, compared with other nodes, 1 to 65536: one of 2 gets twice as many as one of 1
	Zone   string // what fails together, such as a rack; replicas avoid to share one
}

// Locator says which node a key is on. All of this package are safe for concurrent use and, but
// for Live, immutable; one without nodes locates the zero Node.
type Locator interface {
	Locate(key string) Node
	// LocateHash takes the hash of a key: Locate(key) is LocateHash(Hash(key)). Only a Ring
	// that NewKetama made has a hash of its own, see Ring.Hash. What is no hash, such as a
	// small number, is on the same node as most others of its kind.
	LocateHash(h uint64) Node
	Nodes() iter.Seq[Node] // sorted by name
	Len() int              // of Nodes
}

// Sequencer is a Locator that has an order of all nodes for each key: where its replicas
// are, and who takes over from whom. It is immutable and safe for concurrent use.
type Sequencer interface {
	Locator
	// LocateN yields each node once, first that of Locate, then, as long as there are
	// any, such as are in a zone that has not had its turn yet.
	LocateN(key string) iter.Seq[Node]
}

// What is wrong with nodes.
var (
	ErrDuplicate = errors.New("hashring: two nodes of the same name")
	ErrNode      = errors.New("hashring: not a node")
	ErrUnknown   = errors.New("hashring: no such node")
	ErrCollision = errors.New("hashring: two virtual nodes in one place")
)

// Hash is the hash of a key: xxhash64 with the seed 0. It is the same in every process, on
// every machine and in every version of this package, because keys that have been stored by
// it must be found again.
func Hash(key string) uint64 { return xxhash.Sum64String(key) }

// maxWeight bounds what a weight can cost in virtual nodes.
const maxWeight = 1 << 16

// members are the nodes of a Locator. They are immutable, and safe for concurrent use.
type members struct {
	nodes []Node // sorted by name
}

// newMembers sorts nodes, or returns what is wrong with one.
func newMembers(nodes []Node) (members, error) {
	sorted := slices.Clone(nodes)
	slices.SortFunc(sorted, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	for i, n := range sorted {
		switch {
		case n.Name == "":
			return members{}, fmt.Errorf("%w: one without a name (weight %d, zone %q)", ErrNode, n.Weight, n.Zone)
		case n.Weight < 1 || n.Weight > maxWeight:
			return members{}, fmt.Errorf("%w: %q has a weight of %d, want 1 to %d", ErrNode, n.Name, n.Weight, maxWeight)
		case i > 0 && sorted[i-1].Name == n.Name:
			return members{}, fmt.Errorf("%w: %q", ErrDuplicate, n.Name)
		}
	}
	return members{sorted}, nil
}

// Len returns how many nodes there are.
func (m members) Len() int { return len(m.nodes) }

// Nodes yields the nodes, sorted by name.
func (m members) Nodes() iter.Seq[Node] { return slices.Values(m.nodes) }

// index returns where a node is.
func (m members) index(name string) (int, error) {
	i, ok := slices.BinarySearchFunc(m.nodes, name, func(n Node, name string) int { return cmp.Compare(n.Name, name) })
	if !ok {
		return 0, fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	return i, nil
}

// with returns the nodes and more.
func (m members) with(nodes []Node) []Node { return append(slices.Clone(m.nodes), nodes...) }

// without returns the nodes but some.
func (m members) without(names []string) ([]Node, error) {
	gone := make(map[string]bool, len(names))
	for _, name := range names {
		if _, err := m.index(name); err != nil {
			return nil, err
		}
		if gone[name] {
			return nil, fmt.Errorf("%w once it has gone: %q is named twice", ErrUnknown, name)
		}
		gone[name] = true
	}
	return slices.DeleteFunc(slices.Clone(m.nodes), func(n Node) bool { return gone[n.Name] }), nil
}

// alike returns an error unless all weigh the same, for algorithms that know no weights.
func (m members) alike() error {
	for _, n := range m.nodes {
		if first := m.nodes[0]; n.Weight != first.Weight {
			return fmt.Errorf("%w: %q has a weight of %d and %q of %d, and this algorithm knows none: use a Ring or WeightedRendezvous",
				ErrNode, first.Name, first.Weight, n.Name, n.Weight)
		}
	}
	return nil
}
