package hashring

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Range is the other way to shard: not by a hash, but by the order of keys, as Bigtable (Chang
// and others, 2006) and many a database since do. Splits cut all keys into spans, the
// partitions, and each partition is on a node.
//
//	            f               n         t
//	────────────┼───────────────┼─────────┼──────────
//	 ["", "f")     ["f", "n")    ["n","t")  ["t", end)
//	    ada           bob           ada        cid
//
// A hash tears neighbours apart; here they stay together, and so a scan touches few
// partitions. The price: nothing spreads the keys by itself. Somebody has to split what grows
// and to move what is hot. And if keys are in order of time, then all that is new goes to the
// last partition, whatever the splits are.
//
// A Range is no Locator, because the hash of a key does not say where it is. It is immutable,
// and safe for concurrent use. The zero Range is one partition, which is on no node.
//
//	a lookup     O(log n): a binary search among the splits
//	memory       a string and a Node for each partition
//	a new node   nothing moves until somebody assigns it a partition
//	bad at       load that is not spread over the keys: hot spots, above all at the end
type Range struct {
	splits []string // sorted
	owners []Node   // of the partitions: one more than splits; none for the zero Range
}

// Span is the keys from Lo on and before Hi; a Hi of "" is the end of all keys. It is a value
// and is safe for concurrent use.
type Span struct {
	Lo, Hi string
}

// Contains reports whether a key is in the span.
func (s Span) Contains(key string) bool { return s.Lo <= key && (key < s.Hi || s.Hi == "") }

// Partition is a span of keys, and the node that it is on, which is zero as long as nobody has
// assigned one. It is a value and is safe for concurrent use.
type Partition struct {
	Span
	Node Node
}

// ErrSplit is what is wrong with where a Range is cut.
var ErrSplit = errors.New("hashring: cannot split or merge there")

// NewRange returns one with a partition more than splits, none of them on a node. Splits may
// come in any order, but none twice, and not "", before which there are no keys.
func NewRange(splits ...string) (*Range, error) {
	sorted := slices.Sorted(slices.Values(splits))
	for i, at := range sorted {
		if at == "" {
			return nil, errEmptySplit()
		}
		if i > 0 && sorted[i-1] == at {
			return nil, fmt.Errorf("%w: %q is there twice", ErrSplit, at)
		}
	}
	return &Range{sorted, make([]Node, len(sorted)+1)}, nil
}

func errEmptySplit() error {
	return fmt.Errorf("%w: there are no keys before %q", ErrSplit, "")
}

// Assign returns one in which the partition that holds a key is on a node. A node has one
// weight and one zone: those of the latest Assign hold for all of its partitions.
func (r *Range) Assign(key string, node Node) (*Range, error) {
	if _, err := newMembers([]Node{node}); err != nil {
		return nil, err
	}
	next := r.clone()
	for i, n := range next.owners {
		if n.Name == node.Name {
			next.owners[i] = node
		}
	}
	next.owners[next.find(key)] = node
	return next, nil
}

// Split returns one with another split. Both sides of it stay on the node on which they were.
func (r *Range) Split(at string) (*Range, error) {
	if at == "" {
		return nil, errEmptySplit()
	}
	i, found := slices.BinarySearch(r.splits, at)
	if found {
		return nil, fmt.Errorf("%w: %q is a split already", ErrSplit, at)
	}
	next := r.clone()
	next.splits = slices.Insert(next.splits, i, at)
	next.owners = slices.Insert(next.owners, i, next.owners[i])
	return next, nil
}

// Merge returns one without a split. Both sides of it are on the node of the left one, on none
// if the left one is on none; so assign first what should stay on the node of the right one.
func (r *Range) Merge(at string) (*Range, error) {
	i, found := slices.BinarySearch(r.splits, at)
	if !found {
		return nil, fmt.Errorf("%w: %q is not a split", ErrSplit, at)
	}
	next := r.clone()
	next.splits = slices.Delete(next.splits, i, i+1)
	next.owners = slices.Delete(next.owners, i+1, i+2)
	return next, nil
}

func (r *Range) clone() *Range {
	owners := make([]Node, len(r.splits)+1)
	copy(owners, r.owners)
	return &Range{slices.Clone(r.splits), owners}
}

// Locate returns the node of a key, the zero Node if its partition is on none.
func (r *Range) Locate(key string) Node { return r.owner(r.find(key)) }

// Find returns the partition that holds a key.
func (r *Range) Find(key string) Partition { return r.partition(r.find(key)) }

// All yields all partitions, in the order of keys.
func (r *Range) All() iter.Seq[Partition] { return r.Scan("", "") }

// Scan yields the partitions that hold keys from lo on and before hi, in the order of keys; a
// hi of "" is the end of all keys. The first and the last may hold other keys too.
func (r *Range) Scan(lo, hi string) iter.Seq[Partition] {
	return func(yield func(Partition) bool) {
		if hi != "" && hi <= lo {
			return
		}
		for i := r.find(lo); i < r.Len(); i++ {
			p := r.partition(i)
			if hi != "" && hi <= p.Lo || !yield(p) {
				return
			}
		}
	}
}

// Len returns how many partitions there are.
func (r *Range) Len() int { return len(r.splits) + 1 }

// Nodes yields the nodes that have partitions, each once, sorted by name.
func (r *Range) Nodes() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		sorted := slices.SortedFunc(slices.Values(r.owners), func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
		for _, n := range slices.Compact(sorted) {
			if n.Name != "" && !yield(n) {
				return
			}
		}
	}
}

// find returns which partition holds a key: as many splits are not above it.
func (r *Range) find(key string) int {
	i, found := slices.BinarySearch(r.splits, key)
	if found {
		i++
	}
	return i
}

func (r *Range) partition(i int) Partition {
	p := Partition{Node: r.owner(i)}
	if i > 0 {
		p.Lo = r.splits[i-1]
	}
	if i < len(r.splits) {
		p.Hi = r.splits[i]
	}
	return p
}

func (r *Range) owner(i int) Node {
	if len(r.owners) == 0 {
		return Node{}
	}
	return r.owners[i]
}
