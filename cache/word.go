package cache

import (
	"reflect"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// A value that is one machine word, which numbers and pointers are, need not have
// a new item when its key is set again: an atomic store puts it in the place of
// the old one. That allocates nothing, writes to the item and not to the table
// too, and leaves the entry where it is in memory: work with a quarter of writes
// takes an eighth less time, writes alone a quarter (go test -run=-
// -bench='Writes/impl=(cache|whole)' -count=6 ./cache).
//
// What must not happen: that a value is stored in an item that is no longer the
// entry's, for then it would be lost; and that somebody who takes an item out, or
// computes with its value, misses a store. So an item has two flags beside its
// hits:
//
//	busy    a writer is about to look at the old value and to store the new one: a
//	        few instructions. Set by one writer, who has seen neither flag.
//	closed  nobody becomes busy any more. Set under the lock of the shard, for good,
//	        before the pointer to the item is changed.
//
// Only items without an extra are stored into: those that have one are replaced
// under the lock, and need no flags.
//
// While an item can be found and is not closed, it is the entry's: so a writer who
// got busy stores in the entry, and reports the value that was there. Who closes an
// item waits until nobody is busy; then the value is final, and his to report or to
// carry on, in a copy. What a writer has stored he sees: the writer gives busy back
// with an atomic operation, after the store, and he has seen that.
//
// A reader needs no flag. He has loaded the table while it was in use and found the
// item in it; what he loads from it was the entry's value during his call: a later
// one than his beginning, or the final one, which was true until the item left, or
// until the table did.
type word uint8

const (
	whole   word = iota // not a word: a new item takes the place of the old one
	number              // stored as a number, which the garbage collector ignores
	pointer             // stored as a pointer, of which the garbage collector hears
)

// wordOf returns how values of this type are stored.
func wordOf[V any]() word {
	t, w := reflect.TypeFor[V](), reflect.TypeFor[uintptr]()
	if t.Size() != w.Size() || t.Align() != w.Align() {
		return whole
	}
	switch k := t.Kind(); {
	case reflect.Int <= k && k <= reflect.Float64:
		return number
	case k == reflect.Pointer, k == reflect.Map, k == reflect.Chan, k == reflect.Func:
		return pointer
	}
	return whole
}

// load returns the value of an item that others may be storing to.
func load[V any](w word, value *V) V {
	switch w {
	case number:
		n := atomic.LoadUintptr((*uintptr)(unsafe.Pointer(value)))
		return *(*V)(unsafe.Pointer(&n))
	case pointer:
		p := atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(value)))
		return *(*V)(unsafe.Pointer(&p))
	}
	return *value
}

// store changes the value of an item that others may be loading. It is a word.
func store[V any](w word, to *V, value V) {
	if w == number {
		atomic.StoreUintptr((*uintptr)(unsafe.Pointer(to)), *(*uintptr)(unsafe.Pointer(&value)))
	} else {
		atomic.StorePointer((*unsafe.Pointer)(unsafe.Pointer(to)), *(*unsafe.Pointer)(unsafe.Pointer(&value)))
	}
}

// same reports whether two words are the same, bit by bit.
func same[V any](a, b V) bool {
	return *(*uintptr)(unsafe.Pointer(&a)) == *(*uintptr)(unsafe.Pointer(&b))
}

// overwrite stores a value in place, which counts as a hit, and returns the one
// that was there. It returns false if somebody else is at it, or the item closed.
// The item has no extra.
func (it *item[K, V]) overwrite(w word, value V) (old V, ok bool) {
	state := it.state.Load()
	if state&(busy|closed) != 0 || !it.state.CompareAndSwap(state, min(state+1, maxHits)|busy) {
		return old, false
	}
	old = load(w, &it.value)
	store(w, &it.value, value)
	it.state.And(^uint32(busy)) // and leaves closed, if that has come since
	return old, true
}

// close makes the value final. The caller holds the lock of the shard.
func (it *item[K, V]) close() {
	it.state.Or(closed)
	for it.state.Load()&busy != 0 { // one writer, once; he may have lost his processor
		runtime.Gosched()
	}
}
