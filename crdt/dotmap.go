package crdt

import (
	"cmp"
	"hash/maphash"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// dotMap has the dots of each element: the store of an ORSet. A few stand in a list, and many in chunks of
// one, in no order; two hash tables have the place of each, counted from 1, that of its element and that of its dots:
//
//	byE        ·  2  ·  ·  1  3  ·  ·         at the hash of an element, or the next that was free
//	chunks     milk a:1 │ eggs b:1 │ salt a:3
//	byDot      3  ·  ·  1  2  ·  ·  ·         at the hash of a dot; made when a delta removes something
//
// What goes leaves its place empty, and the tables as they are: who is sent to an empty place looks on. When many are
// empty, all is made anew. So to remove what a delta names by its dot is one search and one write.
//
// A map from elements to dots would do, and another one from dots to elements. But most sets that are ever made are deltas
// of one element, for which a list is enough; and a join goes through a list.
//
// It is not safe for concurrent use.
type dotMap[E cmp.Ordered] struct {
	few  []dotEntry[E] // all of them, as long as they are: they are looked through
	many *dotTable[E]  // or else this
}

type dotEntry[E cmp.Ordered] struct {
	e    E
	dots dots // none if it is gone
}

// dotTable is a dotMap of many.
type dotTable[E cmp.Ordered] struct {
	chunks [][]dotEntry[E] // all but the last one are full
	n      int             // how many places there are
	gone   int             // of which so many are empty
	seed   maphash.Seed    // this and the next one so that nobody can choose what is all in one slot
	odd    uint64
	byE    places
	byDot  places // of no dots until somebody asks for it; of those that are gone, too
}

const (
	fewEntries = 8
	chunkSize  = 256 // so that a list grows without being copied, which would be a fifth of BenchmarkORSetChange, case=add
)

// len returns how many elements there are.
func (m *dotMap[E]) len() int {
	if m.many != nil {
		return m.many.n - m.many.gone
	}
	return len(m.few)
}

// size returns how many places there are.
func (m *dotMap[E]) size() int {
	if m.many != nil {
		return m.many.n
	}
	return len(m.few)
}

// at returns the entry at a place, which may be gone.
func (m *dotMap[E]) at(i int) *dotEntry[E] {
	if m.many != nil {
		return m.many.at(i)
	}
	return &m.few[i]
}

func (t *dotTable[E]) at(i int) *dotEntry[E] { return &t.chunks[uint(i)/chunkSize][uint(i)%chunkSize] }

// find returns the place of an element, or -1.
func (m *dotMap[E]) find(e E) int {
	if m.many != nil {
		return m.many.find(e)
	}
	for i := range m.few {
		if m.few[i].e == e {
			return i
		}
	}
	return -1
}

func (t *dotTable[E]) find(e E) int {
	hash, slots := t.hash(e), t.byE.slots
	for p := t.byE.home(hash); slots[p].place > 0; p = (p + 1) & (len(slots) - 1) {
		if slots[p].hash != hash {
			continue
		}
		i := int(slots[p].place - 1)
		if entry := t.at(i); entry.e == e && entry.dots.any() {
			return i
		}
	}
	return -1
}

func (t *dotTable[E]) hash(e E) uint32 { return uint32(maphash.Comparable(t.seed, e)) }

// get returns the dots of an element: none if it is not there.
func (m *dotMap[E]) get(e E) dots {
	if i := m.find(e); i >= 0 {
		return m.at(i).dots
	}
	return dots{}
}

// findDot returns the place of the element that has a dot, or -1.
func (m *dotMap[E]) findDot(d vclock.Dot) int {
	if m.many != nil {
		return m.many.findDot(d)
	}
	return slices.IndexFunc(m.few, func(entry dotEntry[E]) bool { return entry.dots.has(d) })
}

func (t *dotTable[E]) findDot(d vclock.Dot) int {
	if t.byDot.slots == nil {
		t.indexDots()
	}
	hash, slots := t.hashDot(d), t.byDot.slots
	for p := t.byDot.home(hash); slots[p].place > 0; p = (p + 1) & (len(slots) - 1) {
		if i := int(slots[p].place - 1); slots[p].hash == hash && t.at(i).dots.has(d) {
			return i
		}
	}
	return -1
}

// hashDot mixes the number with one that nobody knows. To hash it too would make a sixth of the time of
// BenchmarkORSetMergeDeltas, case=remove. A product alone would do (Dietzfelbinger and others: A Reliable Randomized Algorithm
// for the Closest-Pair Problem, 1997) if numbers came by chance. But they come in a row, and for a factor that is near
// a simple part of 2⁶⁴, rows of dots are in a few slots (TestDotHash). So its upper half goes into the lower one, and
// all is multiplied once more, as Fibonacci hashing does.
func (t *dotTable[E]) hashDot(d vclock.Dot) uint32 {
	h := maphash.Comparable(t.seed, d.ID) + d.N*t.odd
	return uint32((h ^ h>>32) * 0x9e3779b97f4a7c15 >> 32)
}

// indexDots makes byDot, with room for half as many again.
func (t *dotTable[E]) indexDots() {
	n := 0
	for i := range t.n {
		n += t.at(i).dots.len()
	}
	t.byDot = placesFor(n + n/2)
	for i := range t.n {
		t.putDots(i, t.at(i).dots)
	}
}

// putDots takes the dots of an entry into byDot. If that is full, who asks for it next has to make it again.
func (t *dotTable[E]) putDots(i int, ds dots) {
	if t.byDot.slots == nil || !ds.any() {
		return
	}
	if t.byDot.used+ds.len() > len(t.byDot.slots)/2 {
		t.byDot = places{}
		return
	}
	t.byDot.put(t.hashDot(ds.first), i)
	for _, d := range ds.more() {
		t.byDot.put(t.hashDot(d), i)
	}
}

// set gives the element at a place, or a new one at -1, other dots; none removes it.
func (m *dotMap[E]) set(i int, e E, ds dots) {
	switch {
	case i < 0:
		m.add(e, ds)
	case !ds.any():
		m.drop(i)
	default:
		m.at(i).dots = ds
		if m.many != nil {
			m.many.putDots(i, ds)
		}
	}
}

// add takes in an element that is not there. Places may be others after that.
func (m *dotMap[E]) add(e E, ds dots) {
	entry := dotEntry[E]{e, ds}
	switch {
	case m.many == nil && len(m.few) < fewEntries:
		m.few = append(m.few, entry)
		return
	case m.many == nil:
		m.rebuild(maphash.MakeSeed(), 2*fewEntries)
	case m.many.byE.full() && m.len() < m.size()/2:
		m.rebuild(m.many.seed, m.len()+1)
	}
	m.many.add(entry)
}

// tidy is for who has removed something. Places may be others after that.
func (m *dotMap[E]) tidy() {
	if n := m.len(); n >= m.size()/16 {
		return
	} else if n > 0 {
		m.rebuild(m.many.seed, n)
	} else {
		*m = dotMap[E]{}
	}
}

// rebuild makes a table of all that are there, for so many.
func (m *dotMap[E]) rebuild(seed maphash.Seed, room int) {
	t := &dotTable[E]{seed: seed, odd: maphash.Comparable(seed, room) | 1, byE: placesFor(room)}
	for i := range m.size() {
		if entry := m.at(i); entry.dots.any() {
			t.add(*entry)
		}
	}
	*m = dotMap[E]{many: t}
}

func (t *dotTable[E]) add(entry dotEntry[E]) {
	if t.byE.full() {
		t.byE = t.byE.grown()
	}
	last := len(t.chunks) - 1
	switch {
	case last < 0:
		t.chunks, last = [][]dotEntry[E]{make([]dotEntry[E], 0, 2*fewEntries)}, 0
	case t.n == (last+1)*chunkSize:
		t.chunks, last = append(t.chunks, make([]dotEntry[E], 0, chunkSize)), last+1
	}
	t.chunks[last] = append(t.chunks[last], entry)
	t.byE.put(t.hash(entry.e), t.n)
	t.n++
	t.putDots(t.n-1, entry.dots)
}

// drop takes out the element at a place.
func (m *dotMap[E]) drop(i int) {
	if m.many != nil {
		*m.many.at(i) = dotEntry[E]{} // so that it can be collected
		m.many.gone++
		return
	}
	last := len(m.few) - 1
	m.few[i] = m.few[last]
	m.few[last] = dotEntry[E]{}
	m.few = m.few[:last]
}

// clone returns a copy that shares nothing.
func (m *dotMap[E]) clone() dotMap[E] {
	c := dotMap[E]{few: slices.Clone(m.few)}
	if m.many != nil {
		t := *m.many
		t.byE.slots, t.byDot.slots = slices.Clone(t.byE.slots), slices.Clone(t.byDot.slots)
		t.chunks = slices.Clone(t.chunks)
		for i := range t.chunks {
			t.chunks[i] = slices.Clone(t.chunks[i])
		}
		c.many = &t
	}
	for i := range c.size() {
		if ds := &c.at(i).dots; ds.rest != nil {
			*ds = ds.clone()
		}
	}
	return c
}

// sorted returns the entries in the order of the elements.
func (m *dotMap[E]) sorted() []dotEntry[E] {
	all := make([]dotEntry[E], 0, m.len())
	for i := range m.size() {
		if entry := m.at(i); entry.dots.any() {
			all = append(all, *entry)
		}
	}
	slices.SortFunc(all, func(a, b dotEntry[E]) int { return cmp.Compare(a.e, b.e) })
	return all
}
