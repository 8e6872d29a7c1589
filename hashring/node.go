package hashring

import (
	"errors"
	"fmt"
	"iter"

	"github.com/cespare/xxhash/v2"
)

// Node is one of those among which keys are spread. It is a value and is safe for
// concurrent use.
type Node struct {
	Name   string
	Weight int    // keys, compared with other nodes: one of 2 gets twice as many as one of 1
	Zone   string // what fails together, such as a rack; replicas avoid to share one
}

// Locator says which node a key is on. All of this package are immutable and safe for
// concurrent use; one without nodes locates the zero Node.
type Locator interface {
	Locate(key string) Node
	LocateHash(h uint64) Node // Locate(key) is LocateHash(Hash(key))
	Nodes() iter.Seq[Node]    // sorted by name
	Len() int                 // of Nodes
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

// checkNodes returns what is wrong with one of the nodes, which are sorted by name.
func checkNodes(nodes []Node) error {
	for i, n := range nodes {
		switch {
		case n.Name == "":
			return fmt.Errorf("%w: one without a name (weight %d, zone %q)", ErrNode, n.Weight, n.Zone)
		case n.Weight < 1 || n.Weight > maxWeight:
			return fmt.Errorf("%w: %q has a weight of %d, want 1 to %d", ErrNode, n.Name, n.Weight, maxWeight)
		case i > 0 && nodes[i-1].Name == n.Name:
			return fmt.Errorf("%w: %q", ErrDuplicate, n.Name)
		}
	}
	return nil
}

// unequal says that two nodes have weights that differ, where they must not.
func unequal(a, b Node) error {
	return fmt.Errorf("%w: %q has a weight of %d and %q of %d, and this algorithm knows none: use a Ring",
		ErrNode, a.Name, a.Weight, b.Name, b.Weight)
}
