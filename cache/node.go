package cache

import (
	"sync/atomic"
)

// node is one entry. Its key and value never change: Set puts a new node in the
// place of the old one, so a reader that has found a node can read it without a
// lock for as long as it likes, and the garbage collector frees it when the
// last reader lets go. That is all the reclamation that lock-free reads need.
//
// The fields of a node of word-sized key and value fill 48 bytes, which is a
// size class of the allocator. What only some caches need is in extra.
type node[K comparable, V any] struct {
	// Immutable.
	key   K
	value V
	extra *extra[K, V] // nil without expiry and cost
	hash  uint32       // the lower half of the key's hash; the upper one has chosen the shard

	// Readers count their hits here with compare-and-swap; the writer, under
	// the lock of the shard, changes all of it.
	state atomic.Uint32

	// Guarded by the lock of the shard: neighbours in the window or the main
	// queue, and later in the list of those that have left.
	prev, next *node[K, V]
}

// The bits of node.state.
const (
	hitsMask  = 3      // reads since the last time that the policy looked, at most 3
	inMain    = 1 << 2 // in the main queue, not in the window
	isDead    = 1 << 3 // out of the table
	reasonBit = 4      // from here on: the Reason of a dead node
)

// extra is the part of an entry that has a cost or can expire. It is allocated
// together with its node.
type extra[K comparable, V any] struct {
	// Immutable.
	cost int64
	hard int64 // time on the cache's clock that no read moves; never if none

	// Readers move it, with compare-and-swap, when the cache has an idle time.
	deadline atomic.Int64

	// Guarded by the lock of the shard: the place in the wheel.
	before, after *node[K, V]
	level         int8 // -1 if not in it
	slot          int8
}

// nodeWithExtra makes one allocation of the two.
type nodeWithExtra[K comparable, V any] struct {
	node  node[K, V]
	extra extra[K, V]
}

func newNode[K comparable, V any](key K, value V, hash uint32) *node[K, V] {
	return &node[K, V]{key: key, value: value, hash: hash}
}

func newNodeWithExtra[K comparable, V any](key K, value V, hash uint32, cost, hard, deadline int64) *node[K, V] {
	n := &nodeWithExtra[K, V]{node: node[K, V]{key: key, value: value, hash: hash}}
	n.node.extra = &n.extra
	n.extra.cost, n.extra.hard, n.extra.level = cost, hard, -1
	n.extra.deadline.Store(deadline)
	return &n.node
}

// touch counts a hit. From the third on nothing is written, so that the line of
// a popular entry stays shared between the caches of all processors. A swap
// that fails means that another reader has counted, or the policy has just
// looked: the hit is lost, which costs the policy a little and the reader
// nothing.
func (n *node[K, V]) touch() {
	if s := n.state.Load(); s&hitsMask < hitsMask {
		n.state.CompareAndSwap(s, s+1)
	}
}

// hits counted since takeHits.
func (n *node[K, V]) hits() int { return int(n.state.Load() & hitsMask) }

// takeHits returns the hits and starts again from none.
func (n *node[K, V]) takeHits() int {
	if n.hits() == 0 {
		return 0 // spares the locked instruction
	}
	return int(n.state.And(^uint32(hitsMask)) & hitsMask)
}

func (n *node[K, V]) isMain() bool { return n.state.Load()&inMain != 0 }

// die marks a node that has left the table.
func (n *node[K, V]) die(r Reason) { n.state.Or(isDead | uint32(r)<<reasonBit) }

func (n *node[K, V]) dead() bool     { return n.state.Load()&isDead != 0 }
func (n *node[K, V]) reason() Reason { return Reason(n.state.Load() >> reasonBit) }

// weight is what the node takes of the bound on the cost; without one, of the
// bound on the number of entries.
func (n *node[K, V]) weight() int64 {
	if n.extra == nil {
		return 1
	}
	return n.extra.cost
}

// list is a queue of nodes: new ones enter at the front, old ones leave at the
// back. It is guarded by the lock of its shard.
type list[K comparable, V any] struct {
	root   *node[K, V] // in a circle: root.next is the front, root.prev the back
	count  int
	weight int64
}

func newList[K comparable, V any]() list[K, V] {
	root := &node[K, V]{}
	root.prev, root.next = root, root
	return list[K, V]{root: root}
}

// back is the oldest node, or nil.
func (l *list[K, V]) back() *node[K, V] {
	if l.count == 0 {
		return nil
	}
	return l.root.prev
}

func (l *list[K, V]) pushFront(n *node[K, V]) {
	l.link(n, l.root)
	l.count++
	l.weight += n.weight()
}

func (l *list[K, V]) remove(n *node[K, V]) {
	l.unlink(n)
	n.prev, n.next = nil, nil
	l.count--
	l.weight -= n.weight()
}

func (l *list[K, V]) moveToFront(n *node[K, V]) {
	if l.root.next == n {
		return
	}
	l.unlink(n)
	l.link(n, l.root)
}

// replace puts a node in the place of another.
func (l *list[K, V]) replace(old, n *node[K, V]) {
	n.prev, n.next = old.prev, old.next
	n.prev.next, n.next.prev = n, n
	old.prev, old.next = nil, nil
	l.weight += n.weight() - old.weight()
}

func (l *list[K, V]) link(n, at *node[K, V]) {
	n.prev, n.next = at, at.next
	n.prev.next, n.next.prev = n, n
}

func (l *list[K, V]) unlink(n *node[K, V]) {
	n.prev.next, n.next.prev = n.next, n.prev
}
