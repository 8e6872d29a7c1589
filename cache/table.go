package cache

import (
	"math/bits"
	"sync/atomic"
)

// table finds the item of a key. Any number of readers search it without a lock
// while one writer, which holds the lock of the shard, adds and removes. To
// change the value of a key that is there, a writer needs no lock either: it
// swaps the pointer to the item, if that is still the one that it has seen, or
// stores the value in the item, if it is a word (word.go).
//
// A bucket is one cache line: seven pointers, and a word with a byte for each
// of them, so that a reader learns from one line which of the seven can hold
// its key, and usually follows one pointer.
//
//	        byte 0   1     2     3     4     5     6    7
//	tags   | tag0 | tag1 | tag2 | tag3 | tag4 | tag5 | tag6 | passed |
//	items  | *0   | *1   | …
//
// A tag is seven bits of the hash with the top bit set; 0 marks a free place.
// A key whose bucket is full goes to the first later one with room, and every
// bucket on the way counts it in passed: a search ends at a bucket that
// nobody has passed.
//
// Why a reader cannot miss a key that is there all the time: an item is never
// moved within a table, while it is there its tag does not change and its
// pointer only for an item of the same key, and each bucket before it counts at
// least 1. When a reader sees a place in the middle of a change, it finds nil or
// an item of another key, which it can tell because keys never change in items.
//
// Why no value is lost or reported twice: an item leaves its place by one
// compare-and-swap or swap, and whoever does that reports its value. What a value
// in an item is replaced by, and who may do that, is in word.go.
//
// Why a table can be given up for a larger one: each item is first frozen, so that
// a writer without the lock finds that it cannot replace what it has seen, and
// takes the lock. Readers of the old table find there what was true until the new
// one took over, which is a time within their call.
type table[K comparable, V any] struct {
	buckets []bucket[K, V]

	// Immutable.
	room int // for so many items
	word word
}

type bucket[K comparable, V any] struct {
	tags  atomic.Uint64 // stored by the holder of the shard's lock
	items [bucketSlots]atomic.Pointer[item[K, V]]
}

// place is where an item is: the index of the bucket times 8, plus that in it.
type place uint32

const (
	bucketSlots = 7
	passedShift = 8 * bucketSlots
	maxPassed   = 255 // stays there once reached, for a search may always be too long
	lowBits     = 0x0101010101010101
	tagBits     = 0x0080808080808080 // the top bit of each tag
)

// newTable returns a table for so many items, and the one that is in excess
// while another is chosen to go. When it is full, 9 of 14 places are taken.
func newTable[K comparable, V any](entries int, w word) *table[K, V] {
	return &table[K, V]{buckets: make([]bucket[K, V], 2*(entries/9+1)), room: entries, word: w}
}

// tag of a hash. Its low bits, since the high ones choose the bucket.
func tag(hash uint32) uint64 { return uint64(hash&0x7f | 0x80) }

// matches has the top bit set in each byte of tags that equals the tag, and
// perhaps in the byte above such a one, which comparing keys will rule out.
func matches(tags, tag uint64) uint64 {
	differ := tags ^ tag*lowBits
	return (differ - lowBits) &^ differ & tagBits
}

// find returns the item of a key, or nil. Anybody may call it at any time.
func (t *table[K, V]) find(key K, hash uint32) *item[K, V] {
	_, it := t.seek(key, hash)
	return it
}

// seek returns the item of a key, or nil, and where it is.
func (t *table[K, V]) seek(key K, hash uint32) (*atomic.Pointer[item[K, V]], *item[K, V]) {
	want := tag(hash)
	at := scale(hash, len(t.buckets))
	for range t.buckets {
		b := &t.buckets[at]
		tags := b.tags.Load()
		for m := matches(tags, want); m != 0; m &= m - 1 {
			pointer := &b.items[bits.TrailingZeros64(m)/8]
			if it := pointer.Load(); it != nil && it.key == key {
				return pointer, it
			}
		}
		if tags>>passedShift == 0 {
			break
		}
		at = t.after(at)
	}
	return nil, nil
}

// replace puts the item in the place where another one of its key was seen
// (seek), without the lock, if that is still there. It returns false if it is
// not as simple as that. It is simple if neither has an extra: then nothing
// changes but the value. Only for values that are no words: those are guarded by
// the state of the item, these by the pointer to it.
func (it *item[K, V]) replace(pointer *atomic.Pointer[item[K, V]], seen *item[K, V]) bool {
	if seen == nil || seen.slot == frozen || seen.extra != nil || it.extra != nil {
		return false
	}
	it.succeed(seen)
	return pointer.CompareAndSwap(seen, it)
}

// insert adds an item whose key is not in the table; there must be room. The
// pointer comes before the tag, so that who sees the tag finds the item.
func (t *table[K, V]) insert(it *item[K, V], hash uint32) place {
	at := scale(hash, len(t.buckets))
	for {
		b := &t.buckets[at]
		tags := b.tags.Load()
		if free := ^tags & tagBits; free != 0 {
			slot := bits.TrailingZeros64(free) / 8
			b.items[slot].Store(it)
			b.tags.Store(tags | tag(hash)<<(8*slot))
			return place(at*8 + slot)
		}
		if tags>>passedShift < maxPassed {
			b.tags.Store(tags + 1<<passedShift)
		}
		at = t.after(at)
	}
}

// pointer is what is at a place.
func (t *table[K, V]) pointer(p place) *atomic.Pointer[item[K, V]] {
	return &t.buckets[p/8].items[p%8]
}

// free gives back the place of an item with this hash, whose pointer is nil.
func (t *table[K, V]) free(p place, hash uint32) {
	last := int(p / 8)
	for at := scale(hash, len(t.buckets)); at != last; at = t.after(at) {
		if tags := t.buckets[at].tags.Load(); tags>>passedShift < maxPassed {
			t.buckets[at].tags.Store(tags - 1<<passedShift)
		}
	}
	tags := &t.buckets[last].tags
	tags.Store(tags.Load() &^ (0xff << (8 * (p % 8))))
}

// swap puts another item, or nil, in the place of an item, and returns that. Its
// value is final from now on.
func (t *table[K, V]) swap(pointer *atomic.Pointer[item[K, V]], other *item[K, V]) *item[K, V] {
	if t.word != whole {
		pointer.Load().close() // nobody else changes the pointer: that takes the lock
	}
	return pointer.Swap(other)
}

// compareAndSwap puts another item, or nil, in the place of one that was seen, if
// that is still there and has the value that was seen. If not, the item may stay
// closed: the next Set of its key makes a new one.
func (t *table[K, V]) compareAndSwap(pointer *atomic.Pointer[item[K, V]], seen *item[K, V], value V, other *item[K, V]) bool {
	if t.word != whole && seen.extra == nil {
		if seen.close(); !same(seen.value, value) {
			return false
		}
	}
	return pointer.CompareAndSwap(seen, other)
}

// freeze leaves at a place an item that nobody can replace without the lock, and
// returns one that stands for the entry elsewhere.
func (t *table[K, V]) freeze(p place) *item[K, V] {
	for {
		it := t.pointer(p).Load()
		switch {
		case it.extra != nil:
			return it // that takes the lock anyway
		case t.word != whole:
			it.close()
			return it.copy(it.slot)
		case t.pointer(p).CompareAndSwap(it, it.copy(frozen)):
			return it
		}
	}
}

// all yields every item that is there from beginning to end, and perhaps some
// of those that come or go meanwhile. Anybody may call it at any time.
func (t *table[K, V]) all(yield func(*item[K, V]) bool) {
	for i := range t.buckets {
		for j := range t.buckets[i].items {
			if it := t.buckets[i].items[j].Load(); it != nil && !yield(it) {
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
