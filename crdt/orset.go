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
//	Add, Remove     a look into a map; a delta of a few dots
//	Merge           of a delta: a look for each of its dots; of a full state: for each element
//	memory          some 80 bytes and a dot for each element, and what a Context takes; a map from
//	                dots to elements besides, once a delta that removes has been merged
//	bad at          "remove what you have never seen": that is RWSet
//
// The zero ORSet is empty. It is safe for concurrent readers; a writer needs exclusive access.
type ORSet[E cmp.Ordered] struct {
	shared
	store dotMap[E]
	byDot map[vclock.Dot]E // of all in the store; nil until a delta asks for it
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
		s.store.entries[i].dots.addTo(delta.context)
	}
	s.set(i, e, dots{first: dot})
	return delta, nil
}

// deltaOf returns a set of one element. What it is made of is allocated together, so that an addition makes two
// allocations and not four (BenchmarkORSetChange).
func deltaOf[E cmp.Ordered](e E, dot vclock.Dot) *ORSet[E] {
	parts := &struct {
		set     ORSet[E]
		context vclock.Context
		entries [1]dotEntry[E]
	}{}
	_, _ = parts.context.Add(dot) // it comes from a context
	parts.entries[0] = dotEntry[E]{e, dots{first: dot}}
	parts.set.context, parts.set.store.entries = &parts.context, parts.entries[:]
	return &parts.set
}

// Remove removes an element, if it is there, and returns the delta.
func (s *ORSet[E]) Remove(e E) *ORSet[E] {
	delta := &ORSet[E]{shared: shared{new(vclock.Context)}}
	if i := s.store.find(e); i >= 0 {
		s.store.entries[i].dots.addTo(delta.context)
		s.set(i, e, dots{})
	}
	return delta
}

// Clear removes all elements that are there, and returns the delta.
func (s *ORSet[E]) Clear() *ORSet[E] {
	all := make([]vclock.Dot, 0, s.Len())
	s.dots(func(d vclock.Dot) { all = append(all, d) })
	s.store, s.byDot = dotMap[E]{}, nil
	return &ORSet[E]{shared: shared{contextOf(all...)}}
}

// set gives the element at a place, or a new one at -1, other dots; none removes it.
func (s *ORSet[E]) set(i int, e E, ds dots) {
	if s.byDot != nil {
		if i >= 0 {
			s.store.entries[i].dots.each(func(d vclock.Dot) { delete(s.byDot, d) })
		}
		ds.each(func(d vclock.Dot) { s.byDot[d] = e })
	}
	switch {
	case i < 0:
		s.store.add(e, ds)
	case ds.any():
		s.store.entries[i].dots = ds
	default:
		s.store.drop(i)
	}
}

// Has reports whether an element is there.
func (s *ORSet[E]) Has(e E) bool { return s.store.find(e) >= 0 }

// Len returns how many there are.
func (s *ORSet[E]) Len() int { return len(s.store.entries) }

// All ranges over the elements, in order. They are those of when a loop begins.
func (s *ORSet[E]) All() iter.Seq[E] {
	return func(yield func(E) bool) { slices.Values(s.sorted())(yield) }
}

func (s *ORSet[E]) sorted() []E {
	all := make([]E, s.Len())
	for i := range all {
		all[i] = s.store.entries[i].e
	}
	slices.Sort(all)
	return all
}

// Context returns what has been seen.
func (s *ORSet[E]) Context() vclock.Context { return s.peek().Clone() }

// Merge joins another one into it.
func (s *ORSet[E]) Merge(other *ORSet[E]) bool { return mergeCausal(s.seen(), s, other, other.peek()) }

// Compare returns how they relate.
func (s *ORSet[E]) Compare(other *ORSet[E]) vclock.Ordering {
	return compareCausal(s.peek(), s, other, other.peek())
}

// Clone returns a copy.
func (s *ORSet[E]) Clone() *ORSet[E] {
	c := s.peek().Clone()
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
	changed, only := false, s.Len()
	for k := range other.store.entries {
		their := &other.store.entries[k]
		i := s.store.find(their.e)
		if i >= 0 {
			only--
		}
		changed = s.update(i, their.e, mine, their.dots, theirs) || changed
	}
	switch {
	case only == 0:
	case atMost(theirs, only/4):
		changed = s.removeByDot(mine, other, theirs) || changed
	default:
		for i := s.Len() - 1; i >= 0; i-- { // from behind, as drop brings the last one to where it drops
			my := &s.store.entries[i]
			if my.dots.seenBy(theirs) && other.store.find(my.e) < 0 {
				changed = s.update(i, my.e, mine, dots{}, theirs) || changed
			}
		}
	}
	return changed
}

// update joins the dots of an element, which is at a place, or new at -1.
func (s *ORSet[E]) update(i int, e E, mine *vclock.Context, their dots, theirs *vclock.Context) bool {
	var my dots
	if i >= 0 {
		my = s.store.entries[i].dots
	}
	left, changed := my.joined(mine, their, theirs)
	if changed {
		s.set(i, e, left)
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
			s.index()
			if e, is := s.byDot[dot]; is && other.store.find(e) < 0 {
				changed = s.update(s.store.find(e), e, mine, dots{}, theirs) || changed
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

// index makes byDot.
func (s *ORSet[E]) index() {
	if s.byDot != nil {
		return
	}
	s.byDot = make(map[vclock.Dot]E, s.Len())
	for _, entry := range s.store.entries {
		entry.dots.each(func(d vclock.Dot) { s.byDot[d] = entry.e })
	}
}

func (s *ORSet[E]) keeps(mine *vclock.Context, other *ORSet[E]) bool {
	for _, their := range other.store.entries {
		if !s.store.get(their.e).keeps(mine, their.dots) {
			return false
		}
	}
	return true
}

func (s *ORSet[E]) dots(f func(vclock.Dot)) {
	for _, entry := range s.store.entries {
		entry.dots.each(f)
	}
}

func (s *ORSet[E]) alive() bool { return len(s.store.entries) > 0 }

// AppendBinary writes the canonical form: the context, how many elements there are, and each, in order, with its
// dots.
func (s *ORSet[E]) AppendBinary(b []byte) ([]byte, error) {
	return appendCausal(b, kindORSet, s, s.peek())
}

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
	*s = read
	return nil
}

func (s *ORSet[E]) parseStore(d *vclock.Decoder, c *vclock.Context, names []vclock.ID) {
	n := d.Count(4)
	s.store.entries = make([]dotEntry[E], 0, n)
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
