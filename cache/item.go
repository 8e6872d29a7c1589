package cache

import "sync/atomic"

// item is an entry as readers see it. Its key and value never change: Set puts a
// new item in the place of the old one, so a reader that has found an item can
// read it without a lock for as long as it likes, and the garbage collector
// frees it when the last reader lets go. That is all the reclamation that
// lock-free reads need. What the policy writes about an entry is elsewhere, in
// its slot, so that an item with a key and value of a word each takes 32 bytes.
type item[K comparable, V any] struct {
	// Immutable once the item is in a table.
	key   K
	value V
	extra *extra // nil unless the entry has a cost or can expire
	slot  uint32 // index of the entry's slot; the items that it has one after the other share it

	hits atomic.Uint32 // reads since the policy last looked, at most 3
}

// frozen as the slot of an item marks the copy that stays behind in a table when
// a larger one takes over: readers may still use it, writers must not replace it.
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

// maxHits is where counting stops. From there on a read writes nothing, so that
// the cache line of a popular item stays shared between all processors.
const maxHits = 3

// touch counts a hit. A swap that fails means that another reader has counted at
// this moment, or the policy has looked: the hit is lost, which costs the policy
// a little and the reader nothing.
func (it *item[K, V]) touch() {
	if hits := it.hits.Load(); hits < maxHits {
		it.hits.CompareAndSwap(hits, hits+1)
	}
}

// takeHits returns the hits and starts again from none.
func (it *item[K, V]) takeHits() int {
	if it.hits.Load() == 0 {
		return 0 // spares the locked instruction
	}
	return int(it.hits.Swap(0))
}

// succeed makes an item the next one of an entry, with the hits of the one
// before. To be set again is a hit too.
func (it *item[K, V]) succeed(old *item[K, V]) {
	it.slot = old.slot
	it.hits.Store(min(old.hits.Load()+1, maxHits))
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
