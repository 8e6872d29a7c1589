package hashring

import "fmt"

// Shards are nodes with numbers, located by Jump. Here alone the order in which nodes are given
// matters: it is their numbers, from 0, and one must give the same order wherever keys shall be
// found. All nodes weigh the same here. It is immutable, and safe for concurrent use.
//
// A new node gets the next number. Jump can only do without the last number; so when a node
// in the middle goes, the last one takes its number, and no other number changes:
//
//	a b c d e   without b   a e c d
//	  1     4                 1
//
// Then all keys of b move to e, which takes them over as they are, and e's own keys, no longer
// on number 4, spread over all numbers evenly. About twice the share of a node moves, where
// a Ring would move it once.
//
//	a lookup     O(log n): see Jump
//	memory       8 bytes a node, besides the node
//	a new node   1/(n+1) of the keys move, all of them to it
//	bad at       nodes that go from the middle, and an order that not everybody knows
type Shards struct {
	members
	order   []uint32 // of numbers: where in nodes
	numbers []uint32 // of nodes, the other way round
}

// NewShards returns one with nodes, which it numbers as they come. Weights must be equal.
func NewShards(nodes ...Node) (*Shards, error) {
	m, err := newMembers(nodes)
	if err != nil {
		return nil, err
	}
	if err := m.alike(); err != nil {
		return nil, err
	}
	s := &Shards{m, make([]uint32, len(nodes)), make([]uint32, len(nodes))}
	for number, n := range nodes {
		i, err := m.index(n.Name)
		if err != nil {
			return nil, fmt.Errorf("hashring: number %d: %w", number, err)
		}
		s.order[number], s.numbers[i] = uint32(i), uint32(number)
	}
	return s, nil
}

// With returns one with more nodes, behind the others.
func (s *Shards) With(nodes ...Node) (*Shards, error) {
	return NewShards(append(s.ordered(), nodes...)...)
}

// Without returns one with fewer nodes. Those with the last numbers take the numbers that
// become free, the lowest the lowest; so the order of names does not matter.
func (s *Shards) Without(names ...string) (*Shards, error) {
	if _, err := s.without(names); err != nil {
		return nil, err
	}
	gone := make(map[string]bool, len(names))
	for _, name := range names {
		gone[name] = true
	}
	nodes := s.ordered()
	left := nodes[:len(nodes)-len(names)]
	last := nodes[len(left):]
	for i, n := range left {
		if !gone[n.Name] {
			continue
		}
		for gone[last[0].Name] {
			last = last[1:]
		}
		left[i], last = last[0], last[1:]
	}
	return NewShards(left...)
}

// ordered returns the nodes by number.
func (s *Shards) ordered() []Node {
	nodes := make([]Node, len(s.order))
	for number, i := range s.order {
		nodes[number] = s.nodes[i]
	}
	return nodes
}

// Index returns the number of a node, from 0. Nodes are yielded by name, not by number.
func (s *Shards) Index(name string) (int, error) {
	i, err := s.index(name)
	if err != nil {
		return 0, err
	}
	return int(s.numbers[i]), nil
}

// Locate returns the node of a key.
func (s *Shards) Locate(key string) Node { return s.LocateHash(Hash(key)) }

// LocateHash returns the node of a key that has a hash.
func (s *Shards) LocateHash(h uint64) Node {
	if len(s.nodes) == 0 {
		return Node{}
	}
	return s.nodes[s.order[Jump(h, len(s.nodes))]]
}
