package cache

import "sync/atomic"

// item is an entry as readers see it. Its key does not change, nor does its value,
// unless that is one machine word (word.go): Set puts a new item in the place of
// the old one. So a reader that has found an item can read it without a lock for
// as long as it likes, and the garbage collector frees it when the last reader
// lets go, which is all the reclamation that lock-free reads need. What the policy
// writes about an entry is elsewhere, in its slot, so that an item with a key and
// value of a word each takes 32 bytes.
type item[K comparable, V any] struct {
	// Immutable once the item is in a table; so is the value, unless it is a word.
	key   K
	value V
	extra *extra // nil unless the entry has a cost or can expire
	slot  uint32 // index of the entry's slot; the items that it has one after the other share it

	state atomic.Uint32 // hits, and the flags of word.go
}

// The bits of an item's state.
const (
	maxHits = 3 // reads since the policy last looked
	busy    = 4
	closed  = 8
)

// frozen as the slot of an item marks the copy that stays behind in a table when
// a larger one takes over: readers may still use it, writers must not replace it.
// Where values are words, no copy is needed: the item itself stays behind, closed.
const frozen = ^uint32(0)

// extra is the part of an item that has a cost or can expire. It is allocated
// together with it.
type extra struct {
	// Immutable.
	cost int64
	hard int64 // deadline on the cache's clock that no read moves

	// Readers move it, with compare-and-swap, if the cache has an idle time.
	deadline atomic.Int64
}

// itemWithExtra makes one allocation of the two.
type itemWithExtra[K comparable, V any] struct {
	item  item[K, V]
	extra extra
}

func newItem[K comparable, V any](key K, value V) *item[K, V] {
	return &item[K, V]{key: key, value: value}
}

func newItemWithExtra[K comparable, V any](key K, value V, cost, hard, deadline int64) *item[K, V] {
	both := &itemWithExtra[K, V]{item: item[K, V]{key: key, value: value}}
	both.item.extra = &both.extra
	both.extra.cost, both.extra.hard = cost, hard
	both.extra.deadline.Store(deadline)
	return &both.item
}

// touch counts a hit. A swap that fails means that another reader has counted at
// this moment, or the policy has looked: the hit is lost, which costs the policy
// a little and the reader nothing. At maxHits a read writes nothing, so that the
// cache line of a popular item stays shared between all processors.
func (it *item[K, V]) touch() {
	if state := it.state.Load(); state&maxHits < maxHits {
		it.state.CompareAndSwap(state, state+1)
	}
}

func (it *item[K, V]) hits() int { return int(it.state.Load() & maxHits) }

// takeHits returns the hits and starts again from none.
func (it *item[K, V]) takeHits() int {
	if it.hits() == 0 {
		return 0 // spares the locked instruction
	}
	return int(it.state.And(^uint32(maxHits)) & maxHits)
}

// succeed makes an item the next one of an entry, with the hits of the one
// before. To be set again is a hit too.
func (it *item[K, V]) succeed(old *item[K, V]) {
	it.slot = old.slot
	it.state.Store(uint32(min(old.hits()+1, maxHits)))
}

// copy returns an open item for the same entry, whose deadline the two share.
func (it *item[K, V]) copy(slot uint32) *item[K, V] {
	other := &item[K, V]{key: it.key, value: it.value, extra: it.extra, slot: slot}
	other.state.Store(uint32(it.hits()))
	return other
}

// weight is what the entry takes of the bound on the cost; without one, of the
// bound on the number of entries.
func (it *item[K, V]) weight() int64 {
	if it.extra == nil {
		return 1
	}
	return it.extra.cost
}

// alive reports whether the time of an item is not over.
func (it *item[K, V]) alive(now int64) bool {
	return it.extra == nil || now < it.extra.deadline.Load()
}
