package crdt

import (
	"cmp"
	"hash/maphash"
	"slices"
)

// dotMap has the dots of each element: the store of an ORSet. The elements stand one after the other in a
// list, in no order, and a hash table has the place of each, counted from 1:
//
//	slots      ·  2  ·  ·  1  3  ·  ·         at the hash of an element, or the next that was free
//	entries    milk a:1 │ eggs b:1 │ salt a:3
//
// What goes leaves its place in the list to the last one, and its slot to one behind it that could not have it (Knuth: The
// Art of Computer Programming 3, 6.4, algorithm R).
//
// A map from elements to dots would do. But most sets that are ever made are deltas of one element, for which a list is
// enough and takes a ninth of the memory; and a join goes through a list. With a map, additions take about twice as
// long (BenchmarkORSetChange), and a merge of equal sets four times (BenchmarkORSetMerge).
//
// It is not safe for concurrent use.
type dotMap[E cmp.Ordered] struct {
	entries []dotEntry[E]
	slots   []dotSlot    // a power of two, of which a quarter is free; nil for a few, which are looked through
	seed    maphash.Seed // so that nobody can choose elements that are all in one place
}

type dotEntry[E cmp.Ordered] struct {
	e    E
	dots dots // at least one
}

type dotSlot struct {
	hash  uint32 // of the element
	place uint32 // in entries, plus 1; 0 if it is free. 2³² of them would be 256 GB
}

// fewEntries is how many are looked through.
const fewEntries = 8

// find returns the place of an element, or -1.
func (m *dotMap[E]) find(e E) int {
	if m.slots == nil {
		for i := range m.entries {
			if m.entries[i].e == e {
				return i
			}
		}
		return -1
	}
	hash, mask := m.hash(e), len(m.slots)-1
	for p := int(hash) & mask; m.slots[p].place > 0; p = (p + 1) & mask {
		if i := int(m.slots[p].place - 1); m.slots[p].hash == hash && m.entries[i].e == e {
			return i
		}
	}
	return -1
}

func (m *dotMap[E]) hash(e E) uint32 { return uint32(maphash.Comparable(m.seed, e)) }

// get returns the dots of an element: none if it is not there.
func (m *dotMap[E]) get(e E) dots {
	if i := m.find(e); i >= 0 {
		return m.entries[i].dots
	}
	return dots{}
}

// add takes in an element that is not there.
func (m *dotMap[E]) add(e E, ds dots) {
	if n := len(m.entries); n == cap(m.entries) {
		m.entries = slices.Grow(m.entries, max(n, 1)) // append alone would copy each five times, and not twice
	}
	m.entries = append(m.entries, dotEntry[E]{e, ds})
	switch n := len(m.entries); {
	case n > fewEntries && n > len(m.slots)/4*3:
		m.rehash(2 * n)
	case m.slots != nil:
		m.put(dotSlot{m.hash(e), uint32(n)})
	}
}

// rehash makes a table for so many.
func (m *dotMap[E]) rehash(n int) {
	size := 1
	for size/4*3 < n {
		size *= 2
	}
	if m.slots == nil {
		m.seed = maphash.MakeSeed()
	}
	m.slots = make([]dotSlot, size)
	for i := range m.entries {
		m.put(dotSlot{m.hash(m.entries[i].e), uint32(i + 1)})
	}
}

// put fills the first slot that is free, where the hash says or behind that.
func (m *dotMap[E]) put(s dotSlot) {
	mask := len(m.slots) - 1
	p := int(s.hash) & mask
	for m.slots[p].place > 0 {
		p = (p + 1) & mask
	}
	m.slots[p] = s
}

// drop takes out the element at a place, where the last one is after that.
func (m *dotMap[E]) drop(i int) {
	last := len(m.entries) - 1
	if m.slots != nil {
		gone := m.slotOf(i)
		m.slots[m.slotOf(last)].place = uint32(i + 1)
		m.free(gone)
	}
	m.entries[i] = m.entries[last]
	m.entries[last] = dotEntry[E]{} // so that it can be collected
	m.entries = m.entries[:last]
}

// slotOf returns which slot has a place.
func (m *dotMap[E]) slotOf(i int) int {
	mask := len(m.slots) - 1
	p := int(m.hash(m.entries[i].e)) & mask
	for int(m.slots[p].place) != i+1 {
		p = (p + 1) & mask
	}
	return p
}

// free frees a slot. A search ends at one that is free, so each behind it, up to the next that is free, goes
// there if it was looked for there or before.
func (m *dotMap[E]) free(p int) {
	mask := len(m.slots) - 1
	for q := (p + 1) & mask; m.slots[q].place > 0; q = (q + 1) & mask {
		home := int(m.slots[q].hash) & mask
		if (q-home)&mask >= (q-p)&mask {
			m.slots[p] = m.slots[q]
			p = q
		}
	}
	m.slots[p] = dotSlot{}
}

// clone returns a copy that shares nothing.
func (m *dotMap[E]) clone() dotMap[E] {
	c := dotMap[E]{slices.Clone(m.entries), slices.Clone(m.slots), m.seed}
	for i := range c.entries {
		if ds := &c.entries[i].dots; ds.rest != nil {
			*ds = ds.clone()
		}
	}
	return c
}

// sorted returns the entries in the order of the elements.
func (m *dotMap[E]) sorted() []dotEntry[E] {
	all := slices.Clone(m.entries)
	slices.SortFunc(all, func(a, b dotEntry[E]) int { return cmp.Compare(a.e, b.e) })
	return all
}
