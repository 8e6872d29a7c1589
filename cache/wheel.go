package cache

import "math/bits"

// wheel sorts the entries that can expire by time, well enough to find those that
// are due, at a constant cost each: a hierarchical timing wheel (Varghese and
// Lauck, 1987, scheme 7). It belongs to a shard and is guarded by its lock.
// Nothing turns it but the calls of advance, so it needs no goroutine.
//
// Time is cut into ticks of about a millisecond. Level 0 has a slot for each of
// the 64 ticks of the present block of 64; level 1 one for each of the 64
// blocks of the present block of 4,096; and so on. An entry goes to the lowest
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
// W2: an entry is in the slot of its tick, or, if that has passed, in the present
// one.
type wheel struct {
	present  int64 // tick
	occupied [wheelLevels]uint64
	slots    [wheelLevels][wheelSlots]uint32 // the first entry of each list; 0 if none
	timers   []timer                         // by the index of the entry
	count    int
}

// timer links an entry to the others of the same slot.
type timer struct {
	before, after uint32 // 0 for none
	level, slot   uint8
	running       bool
}

const (
	tickBits    = 20 // a tick is 2^20 ns, 1.05 ms
	levelBits   = 6
	wheelSlots  = 1 << levelBits
	wheelLevels = 8
)

// add puts an entry, by its index from 1, into the slot of its deadline.
func (w *wheel) add(i uint32, deadline int64) {
	at := max(deadline>>tickBits, w.present)
	level := 0
	if differ := at ^ w.present; differ != 0 {
		level = (bits.Len64(uint64(differ)) - 1) / levelBits
	}
	slot := at >> (levelBits * level) & (wheelSlots - 1)
	for int(i) >= len(w.timers) {
		w.timers = append(w.timers, make([]timer, max(64, len(w.timers)))...)
	}
	first := w.slots[level][slot]
	w.timers[i] = timer{after: first, level: uint8(level), slot: uint8(slot), running: true}
	if first != 0 {
		w.timers[first].before = i
	}
	w.slots[level][slot] = i
	w.occupied[level] |= 1 << slot
	w.count++
}

// remove takes an entry out, if it is in. A nil wheel is empty.
func (w *wheel) remove(i uint32) {
	if w == nil || int(i) >= len(w.timers) || !w.timers[i].running {
		return
	}
	t := w.timers[i]
	if t.after != 0 {
		w.timers[t.after].before = t.before
	}
	if t.before != 0 {
		w.timers[t.before].after = t.after
	} else {
		w.slots[t.level][t.slot] = t.after
		if t.after == 0 {
			w.occupied[t.level] &^= 1 << t.slot
		}
	}
	w.timers[i] = timer{}
	w.count--
}

// advance turns the wheel towards the time now. Each entry that it comes to is
// taken out and given to due, which returns 0 when it is done with it, or the
// deadline for which to put it in again: an entry that is not due yet moves
// further down so. It touches at most budget entries and returns how many; the
// next call goes on from there.
func (w *wheel) advance(now int64, budget int, due func(i uint32) (again int64)) (touched int) {
	for touched < budget {
		level, slot, ok := w.turn(now >> tickBits)
		if !ok {
			break
		}
		for i := w.slots[level][slot]; i != 0 && touched < budget; i = w.slots[level][slot] {
			w.remove(i)
			touched++
			if again := due(i); again != 0 {
				w.add(i, again)
			}
		}
	}
	return touched
}

// here yields the entries of the present tick, which may be due or not. The loop
// may remove the one that it has.
func (w *wheel) here(yield func(i uint32) bool) {
	for i := w.slots[0][w.present&(wheelSlots-1)]; i != 0; {
		next := w.timers[i].after
		if !yield(i) {
			return
		}
		i = next
	}
}

// turn finds the next slot to empty. One above level 0 that the present is in
// comes first: it is not empty only when the budget ended in its middle. Then
// turn moves the present forward to the first slot that is not empty, if all of
// it is before the tick now (level 0) or it begins by then (above). Otherwise it
// moves the present to now, for what lies between is empty, and returns false.
func (w *wheel) turn(now int64) (level, slot int, ok bool) {
	now = max(now, w.present)
	for level := 1; level < wheelLevels; level++ {
		if here := w.present >> (levelBits * level) & (wheelSlots - 1); w.occupied[level]>>here&1 != 0 {
			return level, int(here), true
		}
	}
	for level := range wheelLevels {
		shift := levelBits * level
		here := w.present >> shift & (wheelSlots - 1)
		later := w.occupied[level] >> here << here
		if later == 0 {
			continue
		}
		slot := bits.TrailingZeros64(later)
		begin := w.present>>(shift+levelBits)<<(shift+levelBits) | int64(slot)<<shift
		if begin > now || level == 0 && begin == now {
			break // and nothing on the levels above comes sooner
		}
		w.present = begin
		return level, slot, true
	}
	w.present = now
	return 0, 0, false
}
