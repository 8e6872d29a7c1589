package cache

import (
	"math/bits"
	"sync/atomic"
)

// table finds the node of a key. One writer changes it, under the lock of its
// shard; any number of readers search it at the same time without a lock.
//
// A bucket is one cache line: seven pointers, and a word with a byte for each
// of them, so that a reader learns from one line which of the seven can hold
// its key, and usually follows one pointer.
//
//	        byte 0   1     2     3     4     5     6    7
//	tags   | tag0 | tag1 | tag2 | tag3 | tag4 | tag5 | tag6 | passed |
//	nodes  | *0   | *1   | …
//
// A tag is seven bits of the hash with the top bit set; 0 marks a free place.
// A key whose bucket is full goes to the first later one with room, and every
// bucket on the way counts it in passed: a search ends at a bucket that
// nobody has passed.
//
// Why a reader cannot miss a key that is there all the time: a node is never
// moved, and while it is in the table neither its tag nor its pointer changes
// (Set swaps the pointer for a node of the same key), and each bucket before it
// counts at least 1. When a reader sees a place in the middle of a change, it
// finds nil or a node of another key, which it can tell because keys never
// change in a node. The growing table is a new one: readers of the old one see
// what was true when they began, which is a time within their call.
type table[K comparable, V any] struct {
	buckets []bucket[K, V]
	room    int // for so many nodes; immutable
}

type bucket[K comparable, V any] struct {
	tags  atomic.Uint64
	nodes [bucketSlots]atomic.Pointer[node[K, V]]
}

const (
	bucketSlots = 7
	passedShift = 8 * bucketSlots
	maxPassed   = 255 // stays there once reached, for a search may always be too long
	lowBits     = 0x0101010101010101
	tagBits     = 0x0080808080808080 // the top bit of each tag
)

// newTable returns a table for so many nodes, and the one that is in excess
// while another is chosen to go. When it is full, 9 of 14 places are taken.
func newTable[K comparable, V any](entries int) *table[K, V] {
	return &table[K, V]{buckets: make([]bucket[K, V], 2*(entries/9+1)), room: entries}
}

// tag of a hash. Its low bits, since the high ones choose the bucket.
func tag(hash uint32) uint64 { return uint64(hash&0x7f | 0x80) }

// matches has the top bit set in each byte of tags that equals the tag, and
// perhaps in the byte above such a one, which comparing keys will rule out.
func matches(tags, tag uint64) uint64 {
	differ := tags ^ tag*lowBits
	return (differ - lowBits) &^ differ & tagBits
}

// find returns the node of a key, or nil. Anybody may call it at any time.
func (t *table[K, V]) find(key K, hash uint32) *node[K, V] {
	want := tag(hash)
	at := scale(hash, len(t.buckets))
	for range t.buckets {
		b := &t.buckets[at]
		tags := b.tags.Load()
		for m := matches(tags, want); m != 0; m &= m - 1 {
			n := b.nodes[uint(bits.TrailingZeros64(m))/8%8].Load()
			if n != nil && n.key == key {
				return n
			}
		}
		if tags>>passedShift == 0 {
			return nil
		}
		at = t.after(at)
	}
	return nil
}

// insert adds a node whose key is not in the table; there must be room. The
// pointer comes before the tag, so that who sees the tag finds the node.
func (t *table[K, V]) insert(n *node[K, V]) {
	at := scale(n.hash, len(t.buckets))
	for {
		b := &t.buckets[at]
		tags := b.tags.Load()
		if free := ^tags & tagBits; free != 0 {
			slot := bits.TrailingZeros64(free) / 8
			b.nodes[slot].Store(n)
			b.tags.Store(tags | tag(n.hash)<<(8*slot))
			return
		}
		if tags>>passedShift < maxPassed {
			b.tags.Store(tags + 1<<passedShift)
		}
		at = t.after(at)
	}
}

// replace puts a node in the place of another with the same key.
func (t *table[K, V]) replace(old, n *node[K, V]) {
	b, slot := t.place(old, false)
	b.nodes[slot].Store(n)
}

// remove takes a node out, which must be in it.
func (t *table[K, V]) remove(n *node[K, V]) {
	b, slot := t.place(n, true)
	b.tags.Store(b.tags.Load() &^ (0xff << (8 * slot)))
	b.nodes[slot].Store(nil)
}

// place returns where a node is. With leaving, it takes the node off the counts
// of the buckets before.
func (t *table[K, V]) place(n *node[K, V], leaving bool) (b *bucket[K, V], slot int) {
	at := scale(n.hash, len(t.buckets))
	for range t.buckets {
		b := &t.buckets[at]
		tags := b.tags.Load()
		for m := matches(tags, tag(n.hash)); m != 0; m &= m - 1 {
			slot := bits.TrailingZeros64(m) / 8
			if b.nodes[slot].Load() == n {
				return b, slot
			}
		}
		if leaving && tags>>passedShift < maxPassed {
			b.tags.Store(tags - 1<<passedShift)
		}
		at = t.after(at)
	}
	panic("cache: a node is not in its table") // a bug of this package
}

// grown returns a table with the same nodes and room for more.
func (t *table[K, V]) grown(entries int) *table[K, V] {
	bigger := newTable[K, V](entries)
	for n := range t.all {
		bigger.insert(n)
	}
	return bigger
}

// all yields every node that is there from beginning to end, and perhaps some
// of those that come or go meanwhile.
func (t *table[K, V]) all(yield func(*node[K, V]) bool) {
	for i := range t.buckets {
		for j := range t.buckets[i].nodes {
			if n := t.buckets[i].nodes[j].Load(); n != nil && !yield(n) {
				return
			}
		}
	}
}

func (t *table[K, V]) after(at int) int {
	if at++; at < len(t.buckets) {
		return at
	}
	return 0
}
