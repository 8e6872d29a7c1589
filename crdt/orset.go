package crdt

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// ORSet is a set in which an addition wins against a removal at the same time: a removal takes away
// what its replica has seen, and no more.
//
//	a   add milk (a:1) ──────────── add milk (a:2) ──────────●  {milk a:2}
//	         ╲                                              ╱ ╲
//	b         ●── remove milk: a:1 is gone ────────────────●   ●  {milk a:2}
//
// b has removed the milk of a:1, and knows nothing of a:2. "Observed-remove" is its name for that. Each addition
// brings a new dot and takes the place of the dots that were there, so an element has one mostly,
// and what was removed leaves nothing behind but a place in the context. See Causal for how two are
// joined. (Shapiro and others, 2011, with tombstones; Bieniusa and others, 2012, without.)
//
//	Add, Remove     a look into a hash table; a delta of a few dots, in one allocation
//	Merge           of a delta: a look for each of its dots; of a full state: for each element
//	memory          64 to 80 bytes for each element (of strings: and the text), and what a Context takes; 16 to 32
//	                more, once a delta that removes has been merged
//	bad at          "remove what you have never seen": that is RWSet
//
// The zero ORSet is empty. It is safe for concurrent readers; a writer needs exclusive access.
type ORSet[E cmp.Ordered] struct {
	shared
	only  vclock.Dot // if there is no context: the one dot that has been seen, if any
	store dotMap[E]
}

// Add adds an element in the name of a replica, and returns the delta. That it is there already does not
// matter: who removes it at the same time has not seen this addition.
func (s *ORSet[E]) Add(id vclock.ID, e E) (*ORSet[E], error) {
	if err := (elements[E]{}).check(e); err != nil {
		return nil, fmt.Errorf("crdt: ORSet: %w", err)
	}
	dot, err := s.seen().Next(id)
	if err != nil {
		return nil, fmt.Errorf("crdt: ORSet: %w", err)
	}
	e = elements[E]{}.plain(e)
	delta, i := deltaOf(e, dot), s.store.find(e)
	if i >= 0 {
		s.store.at(i).dots.addTo(delta.seen())
	}
	s.store.set(i, e, dots{first: dot})
	return delta, nil
}

// deltaOf returns a set of one element. What it is made of is allocated together, and a context only if somebody
// asks for it: an addition makes one allocation and not four. So it is with a removal, which takes less than
// half of the time (BenchmarkORSetChange).
func deltaOf[E cmp.Ordered](e E, dot vclock.Dot) *ORSet[E] {
	parts := &struct {
		set     ORSet[E]
		entries [1]dotEntry[E]
	}{}
	parts.entries[0] = dotEntry[E]{e, dots{first: dot}}
	parts.set.only, parts.set.store.few = dot, parts.entries[:]
	return &parts.set
}

// Remove removes an element, if it is there, and returns the delta.
func (s *ORSet[E]) Remove(e E) *ORSet[E] {
	delta, i := new(ORSet[E]), s.store.find(e)
	if i < 0 {
		return delta
	}
	if ds := s.store.at(i).dots; ds.len() == 1 {
		delta.only = ds.first
	} else {
		ds.addTo(delta.seen())
	}
	s.store.set(i, e, dots{})
	s.store.tidy()
	return delta
}

// Clear removes all elements that are there, and returns the delta.
func (s *ORSet[E]) Clear() *ORSet[E] {
	all := make([]vclock.Dot, 0, s.Len())
	s.dots(func(d vclock.Dot) { all = append(all, d) })
	s.store = dotMap[E]{}
	return &ORSet[E]{shared: shared{contextOf(all...)}}
}

// seen returns the context.
func (s *ORSet[E]) seen() *vclock.Context {
	if s.context == nil {
		s.context, s.only = s.peek(), vclock.Dot{}
	}
	return s.context
}

// peek returns the context to who only reads it, which must write nothing.
func (s *ORSet[E]) peek() *vclock.Context {
	if s.context != nil {
		return s.context
	}
	c := new(vclock.Context)
	if s.only.N > 0 {
		_, _ = c.Add(s.only) // it comes from one
	}
	return c
}

// Has reports whether an element is there.
func (s *ORSet[E]) Has(e E) bool { return s.store.find(e) >= 0 }

// Len returns how many there are.
func (s *ORSet[E]) Len() int { return s.store.len() }

// All ranges over the elements, in order. They are those of when a loop begins.
func (s *ORSet[E]) All() iter.Seq[E] {
	return func(yield func(E) bool) { slices.Values(s.sorted())(yield) }
}

func (s *ORSet[E]) sorted() []E {
	all := make([]E, 0, s.Len())
	for i := range s.store.size() {
		if entry := s.store.at(i); entry.dots.any() {
			all = append(all, entry.e)
		}
	}
	slices.Sort(all)
	return all
}

// Context returns what has been seen.
func (s *ORSet[E]) Context() vclock.Context { return s.peek().Clone() }

// Merge joins another one into it.
func (s *ORSet[E]) Merge(other *ORSet[E]) bool {
	if other.context == nil && other.only.N > 0 {
		return s.mergeOne(other)
	}
	return mergeCausal(s.seen(), s, other, other.peek())
}

// mergeOne merges one that has seen one dot: a delta mostly. Its ways out are those of nearly all deltas. The general way,
// which it goes otherwise, would take three times as long, and six if something is removed (BenchmarkORSetMergeDeltas).
func (s *ORSet[E]) mergeOne(other *ORSet[E]) bool {
	dot, added := other.only, other.store.few
	mine := s.seen() // after that other has no dot, if it is s
	if len(added) == 0 {
		i := s.store.findDot(dot)
		if i < 0 {
			grew, _ := mine.Add(dot) // it comes from a context
			return grew
		}
		if s.store.at(i).dots.len() == 1 {
			s.store.drop(i)
			s.store.tidy()
			return true
		}
	} else if i := s.store.find(added[0].e); i >= 0 {
		if s.store.at(i).dots.has(dot) {
			return false
		}
	} else if grew, _ := mine.Add(dot); grew {
		s.store.add(added[0].e, added[0].dots)
		return true
	}
	return mergeCausal(mine, s, other, other.peek())
}

// Compare returns how they relate.
func (s *ORSet[E]) Compare(other *ORSet[E]) vclock.Ordering {
	return compareCausal(s.peek(), s, other, other.peek())
}

// Clone returns a copy.
func (s *ORSet[E]) Clone() *ORSet[E] {
	if s.context == nil {
		return &ORSet[E]{only: s.only, store: s.store.clone()}
	}
	c := s.context.Clone()
	return s.cloneWithin(&c)
}

func (s *ORSet[E]) cloneWithin(c *vclock.Context) *ORSet[E] {
	return &ORSet[E]{shared: shared{c}, store: s.store.clone()}
}

// join looks at what is in the other store, and then at what is only in its own and may be removed there.
// If the other one is small, it finds the latter by their dots, and does not look at those that the
// other one says nothing about. Each dot that it looks at so is paid for by an element of its own: a context may
// well claim more dots than there are.
func (s *ORSet[E]) join(mine *vclock.Context, other *ORSet[E], theirs *vclock.Context) bool {
	changed, only, own := false, s.Len(), s.store.size()
	for k := range other.store.size() {
		their := other.store.at(k)
		if !their.dots.any() {
			continue
		}
		i := s.store.find(their.e)
		if i >= 0 {
			only--
		}
		changed = s.update(i, their.e, mine, their.dots, theirs) || changed
	}
	if only > 0 && !atMost(theirs, only/4) {
		// What both have seen may still be little, or nothing: of disjoint sets this saves a fifth (BenchmarkORSetMerge).
		both := mine.Meet(*theirs)
		theirs = &both
	}
	switch {
	case only == 0:
	case atMost(theirs, only/4):
		changed = s.removeByDot(mine, other, theirs) || changed
	default:
		// Its own ones are before those that have come. From behind, as drop may bring the last one to where it drops.
		for i := min(own, s.store.size()) - 1; i >= 0; i-- {
			my := s.store.at(i)
			if my.dots.seenBy(theirs) && !other.Has(my.e) {
				changed = s.update(i, my.e, mine, dots{}, theirs) || changed
			}
		}
	}
	s.store.tidy()
	return changed
}

// update joins the dots of an element, which is at a place, or new at -1.
func (s *ORSet[E]) update(i int, e E, mine *vclock.Context, their dots, theirs *vclock.Context) bool {
	var my dots
	if i >= 0 {
		my = s.store.at(i).dots
	}
	left, changed := my.joined(mine, their, theirs)
	if changed {
		s.store.set(i, e, left)
	}
	return changed
}

// removeByDot looks at each dot that both have seen.
func (s *ORSet[E]) removeByDot(mine *vclock.Context, other *ORSet[E], theirs *vclock.Context) (changed bool) {
	for span := range theirs.All() {
		for n := span.From; n <= span.To; n++ {
			dot := vclock.Dot{ID: span.ID, N: n}
			if !mine.Contains(dot) {
				continue
			}
			if i := s.store.findDot(dot); i >= 0 && !other.Has(s.store.at(i).e) {
				changed = s.update(i, s.store.at(i).e, mine, dots{}, theirs) || changed
			}
		}
	}
	return changed
}

// atMost reports whether a context has no more than so many dots.
func atMost(c *vclock.Context, most int) bool {
	left := uint64(most)
	for span := range c.All() {
		if n := span.To - span.From + 1; n > left {
			return false
		} else {
			left -= n
		}
	}
	return true
}

func (s *ORSet[E]) keeps(mine *vclock.Context, other *ORSet[E]) bool {
	for i := range other.store.size() {
		if their := other.store.at(i); their.dots.any() && !s.store.get(their.e).keeps(mine, their.dots) {
			return false
		}
	}
	return true
}

func (s *ORSet[E]) dots(f func(vclock.Dot)) {
	for i := range s.store.size() {
		s.store.at(i).dots.each(f)
	}
}

func (s *ORSet[E]) alive() bool { return s.Len() > 0 }

// AppendBinary writes the canonical form: the context, how many elements there are, and each, in order, with its
// dots.
func (s *ORSet[E]) AppendBinary(b []byte) ([]byte, error) {
	return appendCausal(b, kindORSet, s, s.peek())
}

// MarshalBinary is AppendBinary to nothing.
func (s *ORSet[E]) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

func (s *ORSet[E]) appendStore(b []byte, names []vclock.ID) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(s.Len()))
	for _, entry := range s.store.sorted() {
		b = entry.dots.append(elements[E]{}.append(b, entry.e), names)
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (s *ORSet[E]) UnmarshalBinary(b []byte) error {
	var read ORSet[E]
	if err := parseCausal(b, kindORSet, &read); err != nil {
		return err
	}
	if dot, one := onlyDot(read.context); one {
		read.context, read.only = nil, dot // as Add and Remove have it
	}
	*s = read
	return nil
}

// onlyDot returns the dot of a context that has one.
func onlyDot(c *vclock.Context) (dot vclock.Dot, one bool) {
	for span := range c.All() {
		if one || span.From < span.To {
			return vclock.Dot{}, false
		}
		dot, one = vclock.Dot{ID: span.ID, N: span.To}, true
	}
	return dot, one
}

func (s *ORSet[E]) parseStore(d *vclock.Decoder, c *vclock.Context, names []vclock.ID) {
	n := d.Count(4)
	var before E
	for i := range n {
		e := elements[E]{}.parse(d)
		if i > 0 && e <= before {
			d.Fail("%v after %v", e, before)
		}
		ds := parseDots(d, 1, c, names)
		if d.Err() != nil {
			return
		}
		s.store.add(e, ds)
		before = e
	}
}

// String lists the elements.
func (s *ORSet[E]) String() string { return fmt.Sprint(s.sorted()) }

// MarshalJSON writes a list of the elements, in order.
func (s *ORSet[E]) MarshalJSON() ([]byte, error) {
	b, err := elements[E]{}.json(s.sorted())
	if err != nil {
		return nil, fmt.Errorf("crdt: ORSet: %w", err)
	}
	return b, nil
}
