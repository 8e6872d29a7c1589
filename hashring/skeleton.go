package hashring

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Skeleton is weighted rendezvous in O(log n), the skeleton-based variant (Yao, Ravishankar,
// Tripathi: Hash-based virtual hierarchies for caching in hybrid content-delivery networks,
// 2001; Wang, Ravishankar 2009 for another use). Nodes are in clusters of about 8, and a tree
// of vertices that are only imagined is built above the clusters. A key goes down from the
// root, at each vertex to the child with the highest score, and then to the node with the
// highest score in the cluster. It is immutable, and safe for concurrent use.
//
//	       root                  fanout 2
//	   ┌────┴────┐
//	   1         2               vertices, each with the weight of what was below it
//	 ┌─┴─┐     ┌─┴─┐
//	 3   4     5   6             clusters
//	abc def   ghi jkl            nodes
//
// A vertex has the weight that all nodes below it had in NewSkeleton, for ever: the skeleton
// is frozen. If it were not, one node more would change the weight of all vertices above it,
// and the key of a node in abc could move to jkl. So With and Without leave the skeleton as it
// is, and only keys of the nodes that come or go move. There are two prices:
//
//   - shares drift: if b goes, a and c get its keys between them, and all others none;
//   - what With and Without made depends on how they made it, unlike with a Ring: who must
//     find the same nodes elsewhere has to make the same changes in the same order.
//
// NewSkeleton with the nodes that are there now ends both. It moves keys for it: 5 to 9 of 100
// if one of 1000 nodes has gone, because it cuts the sorted nodes nearly where it did before,
// and most of them if the number of clusters changes.
//
// A key that came to an empty cluster begins at the root again with another hash, which is
// made of its hash alone. So each key has a list of clusters, and belongs to the first of
// them that is inhabited: who moves into an empty one takes only from those that are later
// on lists. After some tries all inhabited clusters are asked at once, as if they were
// children of the root; that is the rest of the list, and an end to it.
//
//	a lookup     O(fanout · log n), and a cluster, of at most 8 · fanout nodes at first;
//	             O(n/8) for the few keys that came to empty clusters only
//	memory       32 bytes a node, besides the node, and up to 7 for its part of the skeleton
//	a new node   its share of the keys move, all of them to it
//	bad at       few nodes; shares that stay right without being built anew
type Skeleton struct {
	bones
	members
	homes      []uint32    // the clusters of nodes
	contenders []contender // nodes, cluster by cluster
	owners     []uint32    // the same ones, in nodes
	starts     []uint32    // of clusters in contenders, and the end of the last
	inhabited  []uint32    // clusters that are not empty
}

// bones are what is frozen. They are immutable.
type bones struct {
	fanout, depth int
	first         int         // the first cluster, in vertices
	vertices      []contender // the root at 0, and the children of v from v·fanout+1 on
}

const (
	defaultFanout = 8
	maxFanout     = 64
	clusterSize   = 8 // or more
	tries         = 8
)

// NewSkeleton returns one with nodes, in whatever order they come. A vertex has fanout
// children, from 2 to 64; 8 if it is 0. The nodes, sorted by name, are cut into as many
// clusters as the largest power of fanout is that leaves them 8 nodes each.
func NewSkeleton(fanout int, nodes ...Node) (*Skeleton, error) {
	if fanout == 0 {
		fanout = defaultFanout
	}
	if fanout < 2 || fanout > maxFanout {
		return nil, fmt.Errorf("hashring: a fanout of %d: want 2 to %d", fanout, maxFanout)
	}
	m, err := newMembers(nodes)
	if err != nil {
		return nil, err
	}
	b := bones{fanout: fanout}
	clusters := 1
	for clusters*fanout*clusterSize <= m.Len() {
		b.first += clusters
		clusters *= fanout
		b.depth++
	}
	homes := make([]uint32, m.Len())
	weights := make([]uint64, b.first+clusters)
	for i, n := range m.nodes {
		homes[i] = uint32(uint64(i) * uint64(clusters) / uint64(m.Len()))
		weights[b.first+int(homes[i])] += uint64(n.Weight)
	}
	b.freeze(weights)
	return newSkeleton(b, m, homes)
}

// freeze makes the vertices. The weights of clusters are there, those above are their sums.
func (b *bones) freeze(weights []uint64) {
	b.vertices = make([]contender, len(weights))
	for v := len(weights) - 1; v > 0; v-- {
		number := binary.LittleEndian.AppendUint64(nil, uint64(v))
		b.vertices[v] = newContender(^factor(string(number))|1, weights[v]) // not what a node of that name has
		weights[(v-1)/b.fanout] += weights[v]
	}
}

// newSkeleton puts nodes in the order of their clusters.
func newSkeleton(b bones, m members, homes []uint32) (*Skeleton, error) {
	factors, err := m.factors()
	if err != nil {
		return nil, err
	}
	s := &Skeleton{bones: b, members: m, homes: homes}
	clusters := len(b.vertices) - b.first
	s.starts, s.inhabited = make([]uint32, clusters+1), make([]uint32, 0, clusters)
	for _, home := range homes {
		s.starts[home+1]++
	}
	for c := range clusters {
		if s.starts[c+1] > 0 {
			s.inhabited = append(s.inhabited, uint32(c))
		}
		s.starts[c+1] += s.starts[c]
	}
	s.contenders, s.owners = make([]contender, len(homes)), make([]uint32, len(homes))
	next := append([]uint32(nil), s.starts...)
	for i, home := range homes {
		s.contenders[next[home]] = newContender(factors[i], uint64(m.nodes[i].Weight))
		s.owners[next[home]] = uint32(i)
		next[home]++
	}
	return s, nil
}

// With returns one with more nodes on the same skeleton: by name, each goes where the least
// is left of the weight that was there. Clusters grow, and there will be no more of them.
func (s *Skeleton) With(nodes ...Node) (*Skeleton, error) {
	m, err := newMembers(s.with(nodes))
	if err != nil {
		return nil, err
	}
	weights := make([]uint64, len(s.starts)-1)
	for i, n := range s.nodes {
		weights[s.homes[i]] += uint64(n.Weight)
	}
	homes := make([]uint32, m.Len())
	for i, n := range m.nodes {
		if old, err := s.index(n.Name); err == nil {
			homes[i] = s.homes[old]
			continue
		}
		homes[i] = s.emptiest(weights)
		weights[homes[i]] += uint64(n.Weight)
	}
	return newSkeleton(s.bones, m, homes)
}

// emptiest returns the cluster whose weight is the smallest part of its frozen one; of
// several that are equal, the first.
func (b *bones) emptiest(weights []uint64) uint32 {
	best := 0
	for c, weight := range weights {
		hi, lo := bits.Mul64(weight, b.vertices[b.first+best].weight)
		hi2, lo2 := bits.Mul64(weights[best], b.vertices[b.first+c].weight)
		if hi < hi2 || hi == hi2 && lo < lo2 {
			best = c
		}
	}
	return uint32(best)
}

// Without returns one with fewer nodes on the same skeleton.
func (s *Skeleton) Without(names ...string) (*Skeleton, error) {
	left, err := s.without(names)
	if err != nil {
		return nil, err
	}
	homes := make([]uint32, 0, len(left))
	for i, n := range s.nodes {
		if len(homes) < len(left) && left[len(homes)].Name == n.Name { // both are sorted
			homes = append(homes, s.homes[i])
		}
	}
	return newSkeleton(s.bones, members{left}, homes)
}

// Locate returns the node of a key.
func (s *Skeleton) Locate(key string) Node { return s.LocateHash(Hash(key)) }

// LocateHash returns the node of a key that has a hash.
func (s *Skeleton) LocateHash(h uint64) Node {
	if len(s.nodes) == 0 {
		return Node{}
	}
	c := s.descend(h)
	for n := 1; s.starts[c] == s.starts[c+1]; n++ {
		if h = again(h); n == tries {
			c = s.anywhere(h)
			break
		}
		c = s.descend(h)
	}
	from, to := s.starts[c], s.starts[c+1]
	return s.nodes[s.owners[int(from)+winner(h, s.contenders[from:to])]]
}

// descend returns the cluster that a key comes to, be it empty.
func (b *bones) descend(h uint64) int {
	v := 0
	for range b.depth {
		v = v*b.fanout + 1
		v += winner(h, b.vertices[v:v+b.fanout])
	}
	return v - b.first
}

// again makes another hash of a hash.
func again(h uint64) uint64 {
	hi, lo := bits.Mul64(h^0x9e3779b97f4a7c15, 0xd1342543de82ef95)
	return hi ^ lo
}

// anywhere returns the winner of all clusters that are inhabited.
func (s *Skeleton) anywhere(h uint64) int {
	best := nobody
	for _, c := range s.inhabited {
		v := &s.vertices[s.first+int(c)]
		if score := score(h, v.factor); v.atLeast(score) <= best.limit {
			best.meet(int(c), v, score)
		}
	}
	return best.index
}
