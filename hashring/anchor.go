package hashring

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// Anchor is AnchorHash (Mendelson, Vargaftik, Barabash, Lorenz, Keslassy, Orda: AnchorHash: A
// scalable consistent hash, 2020). There are as many buckets as there may ever be nodes, the
// capacity, and one may think that all of them had nodes once, and that those without one were
// removed, the last first. A key is hashed to one of all buckets. If that has been removed, the
// key is hashed again, to one of those that worked when the bucket had just gone, and so on,
// until it comes to one that works:
//
//	bucket           0 1 2 3 4 5
//	node             a b c d · ·     5 went first, then 4
//	1st hash, of 6             *     5 has gone: it left 0 to 4
//	2nd hash, of 5           *       4 has gone: it left 0 to 3
//	3rd hash, of 4       *           c has the key
//
// So when a bucket goes, only its keys go on, spread over all the others; and a node that
// comes gets the bucket that has gone last, and so exactly the keys that went on from there.
//
// Where a key is therefore depends on the order in which nodes came and went, by With and
// Without, and all who look for it must have seen the same order. NewAnchor alone is the same
// for every order of nodes. All nodes weigh the same here. It is immutable, and safe for
// concurrent use.
//
//	a lookup     1 + ln(capacity/n) hashes, on the mean
//	memory       up to 28 bytes for each bucket, which With and Without copy
//	a new node   1/(n+1) of the keys move, all of them to it
//	bad at       more nodes than the capacity, and a history that not everybody knows
type Anchor struct {
	members
	anchors
	owners []uint32 // of buckets that work: where in nodes
	bucket []uint32 // of nodes
}

// ErrFull says that an Anchor has a node in each bucket.
var ErrFull = errors.New("hashring: no bucket left")

const (
	leastCapacity = 16
	maxCapacity   = 1 << 24
)

// NewAnchor returns one with nodes, in whatever order they come, and room for as many as
// capacity says, up to 1<<24. 0 is for twice as many as there are now, and at least 16. Weights
// must be equal.
func NewAnchor(capacity int, nodes ...Node) (*Anchor, error) {
	if capacity == 0 {
		capacity = max(leastCapacity, 2*len(nodes))
	}
	if capacity < 0 || capacity > maxCapacity {
		return nil, fmt.Errorf("hashring: a capacity of %d: want 1 to %d", capacity, maxCapacity)
	}
	return (&Anchor{anchors: newAnchors(capacity)}).With(nodes...)
}

// With returns one with more nodes, which get the buckets that have gone last, in the order of
// their names. It copies all buckets.
func (a *Anchor) With(nodes ...Node) (*Anchor, error) {
	m, err := newMembers(a.with(nodes))
	if err != nil {
		return nil, err
	}
	if err := m.alike(); err != nil {
		return nil, err
	}
	if m.Len() > len(a.a) {
		return nil, fmt.Errorf("%w: %d nodes, and a capacity of %d", ErrFull, m.Len(), len(a.a))
	}
	return a.become(m, a.anchors.clone()), nil
}

// Without returns one with fewer nodes, of which the last by name goes first: so With undoes
// Without, and the other way round, also of several nodes. It copies all buckets.
func (a *Anchor) Without(names ...string) (*Anchor, error) {
	left, err := a.without(names)
	if err != nil {
		return nil, err
	}
	next := a.anchors.clone()
	for _, name := range slices.Backward(slices.Sorted(slices.Values(names))) {
		i, err := a.index(name)
		if err != nil {
			return nil, err
		}
		next.remove(a.bucket[i])
	}
	return a.become(members{left}, next), nil
}

// become returns an Anchor of nodes that have the buckets they had, or new ones.
func (a *Anchor) become(m members, buckets anchors) *Anchor {
	next := &Anchor{m, buckets, make([]uint32, len(buckets.a)), make([]uint32, m.Len())}
	for i, was := range twins(a.nodes, m.nodes) {
		if was >= 0 {
			next.bucket[i] = a.bucket[was]
		} else {
			next.bucket[i] = next.add()
		}
		next.owners[next.bucket[i]] = uint32(i)
	}
	return next
}

// Locate returns the node of a key.
func (a *Anchor) Locate(key string) Node { return a.LocateHash(Hash(key)) }

// LocateHash returns the node of a key that has a hash.
func (a *Anchor) LocateHash(h uint64) Node {
	if len(a.nodes) == 0 {
		return Node{}
	}
	b := a.first(h)
	for a.a[b] > 0 {
		b = a.next(h, b)
	}
	return a.nodes[a.owners[b]]
}

// anchors are buckets, some of which work. To remember for each of the others who worked when
// it had just gone would take a list for each. But the list of those that work, w, changes in
// one place only when a bucket goes: the last one takes its place, and the list is shorter. So
// it is enough to know who that was, and what was last:
//
//	            a 0 0 0 0 0   k 0 1 2 3 4   w 0 1 2 3 4
//	1 goes      a 0 4 0 0 0   k 0 4 2 3 4   w 0 4 2 3        4 takes its place
//	4 goes      a 0 4 0 0 3   k 0 4 2 3 3   w 0 3 2          3 takes that
//
// Names are the paper's. They are safe for concurrent readers; a writer needs exclusive access.
type anchors struct {
	a []uint32 // of a bucket: 0 if it works, or how many did when it had just gone
	k []uint32 // of a bucket: who took its place in w
	w []uint32 // those that work, and behind them what was last when there was one more
	l []uint32 // of a bucket: where in w it is, or was
	r []uint32 // those that have gone, the last one last
}

// newAnchors returns buckets none of which work: the last went first.
func newAnchors(capacity int) anchors {
	s := anchors{a: make([]uint32, capacity), r: make([]uint32, capacity)}
	for b := range s.a {
		s.a[b] = uint32(b)
		s.r[capacity-1-b] = uint32(b)
	}
	s.k, s.w, s.l = slices.Clone(s.a), slices.Clone(s.a), slices.Clone(s.a)
	return s
}

func (s *anchors) clone() anchors {
	return anchors{slices.Clone(s.a), slices.Clone(s.k), slices.Clone(s.w), slices.Clone(s.l), slices.Clone(s.r)}
}

// remove takes a bucket that works out of service.
func (s *anchors) remove(b uint32) {
	s.r = append(s.r, b)
	n := len(s.a) - len(s.r)
	last := s.w[n]
	s.a[b], s.k[b] = uint32(n), last
	s.w[s.l[b]], s.l[last] = last, s.l[b]
}

// add undoes the last remove that has not been undone, and returns its bucket.
func (s *anchors) add() uint32 {
	n := len(s.a) - len(s.r)
	b := s.r[len(s.r)-1]
	s.r = s.r[:len(s.r)-1]
	s.a[b], s.k[b] = 0, b
	s.l[s.w[n]], s.w[s.l[b]] = uint32(n), b
	return b
}

// first returns the bucket that a key comes to first.
func (s *anchors) first(h uint64) uint32 { return below(h, uint32(len(s.a))) }

// next returns where a key goes on to from a bucket that has gone: to one of those that worked
// then. It begins with who had a place in w at first, and goes on to who took the place, until
// that one had not gone yet.
func (s *anchors) next(h uint64, b uint32) uint32 {
	n := s.a[b]
	to := below(rehash(h, b), n)
	for s.a[to] >= n {
		to = s.k[to]
	}
	return to
}

// rehash mixes a hash and a bucket, by the last steps of SplitMix64 (Steele, Lea, Flood, 2014).
func rehash(h uint64, b uint32) uint64 {
	h += uint64(b+1) * 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// below scales a hash down to less than n.
func below(h uint64, n uint32) uint32 {
	hi, _ := bits.Mul64(h, uint64(n))
	return uint32(hi)
}
