package cache

import "math/bits"

// wheel sorts the nodes that can expire by time, well enough to find those that
// are due, at a constant cost each: a hierarchical timing wheel (Varghese and
// Lauck, 1987, scheme 7). It belongs to a shard and is guarded by its lock.
// Nothing turns it but the calls of advance, so it needs no goroutine.
//
// Time is cut into ticks of about a millisecond. Level 0 has a slot for each of
// the 64 ticks of the present block of 64; level 1 one for each of the 64
// blocks of the present block of 4,096; and so on. A node goes to the lowest
// level whose present block holds its tick, and moves down ("cascades") when
// time enters its slot: at most once per level, and only if it lives as long.
//
//	level 2   | . | . | X | . | …     64 slots of 4,096 ticks
//	level 1   | . | X | . | X | …     64 slots of 64 ticks
//	level 0   | . | X | X | . | …     64 slots of 1 tick
//
// Eight levels reach beyond the largest time.Duration. A word per level has a
// bit for each slot that is not empty, so that a long silence is skipped in a
// few steps.
//
// W1: every slot before the present tick is empty.
// W2: a node is in the slot of its tick, or, if that has passed, in the present
// one.
type wheel[K comparable, V any] struct {
	present  int64 // tick
	occupied [wheelLevels]uint64
	slots    [wheelLevels][wheelSlots]*node[K, V] // each the first of a list through extra
	count    int
}

const (
	tickBits    = 20 // a tick is 2^20 ns, 1.05 ms
	levelBits   = 6
	wheelSlots  = 1 << levelBits
	wheelLevels = 8
)

// add puts a node into the slot of its deadline.
func (w *wheel[K, V]) add(n *node[K, V]) {
	at := max(n.extra.deadline.Load()>>tickBits, w.present)
	level := 0
	if differ := at ^ w.present; differ != 0 {
		level = (bits.Len64(uint64(differ)) - 1) / levelBits
	}
	slot := at >> (levelBits * level) & (wheelSlots - 1)
	first := w.slots[level][slot]
	n.extra.level, n.extra.slot = int8(level), int8(slot)
	n.extra.before, n.extra.after = nil, first
	if first != nil {
		first.extra.before = n
	}
	w.slots[level][slot] = n
	w.occupied[level] |= 1 << slot
	w.count++
}

// remove takes a node out, if it is in.
func (w *wheel[K, V]) remove(n *node[K, V]) {
	e := n.extra
	if e == nil || e.level < 0 {
		return
	}
	if e.after != nil {
		e.after.extra.before = e.before
	}
	if e.before != nil {
		e.before.extra.after = e.after
	} else {
		w.slots[e.level][e.slot] = e.after
		if e.after == nil {
			w.occupied[e.level] &^= 1 << e.slot
		}
	}
	e.before, e.after, e.level = nil, nil, -1
	w.count--
}

// advance turns the wheel towards the tick of now and calls expire for each
// node whose deadline has passed, after taking it out. It touches at most budget
// nodes, those that only cascade included, and returns how many it did; the
// next call goes on from there.
func (w *wheel[K, V]) advance(now int64, budget int, expire func(*node[K, V])) (touched int) {
	for touched < budget {
		level, slot, ok := w.turn(now >> tickBits)
		if !ok {
			break
		}
		for n := w.slots[level][slot]; n != nil && touched < budget; n = w.slots[level][slot] {
			w.remove(n)
			touched++
			if n.extra.deadline.Load() <= now {
				expire(n)
			} else {
				w.add(n) // further down, or a read has given it more time
			}
		}
	}
	return touched
}

// turn moves the present forward to the first slot that is not empty, if all of
// it is before the tick now (level 0) or begins by then (above). Otherwise it
// moves the present to now, for what lies between is empty, and returns false.
func (w *wheel[K, V]) turn(now int64) (level, slot int, ok bool) {
	now = max(now, w.present)
	for level := range wheelLevels {
		shift := levelBits * level
		here := w.present >> shift & (wheelSlots - 1)
		// A slot above that contains the present is not empty only when the
		// budget ended in the middle of it.
		later := w.occupied[level] >> here << here
		if later == 0 {
			continue
		}
		slot := bits.TrailingZeros64(later)
		begin := w.present>>(shift+levelBits)<<(shift+levelBits) | int64(slot)<<shift
		if begin > now || level == 0 && begin == now {
			break // and nothing on the levels above comes sooner
		}
		w.present = max(w.present, begin)
		return level, slot, true
	}
	w.present = now
	return 0, 0, false
}
