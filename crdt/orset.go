package crdt

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
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
//	memory          a map entry with a dot for each element, and what a Context takes; a second map from
//	                dots to elements, once a delta has been merged
//	bad at          "remove what you have never seen": that is RWSet
//
// The zero ORSet is empty. It is safe for concurrent readers; a writer needs exclusive access.
type ORSet[E cmp.Ordered] struct {
	shared
	elements map[E]dots
	byDot    map[vclock.Dot]E // of all in elements; nil until a delta asks for it
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
	delta := &ORSet[E]{shared: shared{contextOf(dot)}, elements: map[E]dots{e: dotsOf(dot)}}
	s.elements[e].each(func(d vclock.Dot) { _, _ = delta.context.Add(d) })
	s.set(e, dotsOf(dot))
	return delta, nil
}

// Remove removes an element, if it is there, and returns the delta.
func (s *ORSet[E]) Remove(e E) *ORSet[E] {
	delta := &ORSet[E]{shared: shared{new(vclock.Context)}}
	s.elements[e].each(func(d vclock.Dot) { _, _ = delta.context.Add(d) })
	s.set(e, dots{})
	return delta
}

// Clear removes all elements that are there, and returns the delta.
func (s *ORSet[E]) Clear() *ORSet[E] {
	delta := &ORSet[E]{shared: shared{new(vclock.Context)}}
	s.dots(func(d vclock.Dot) { _, _ = delta.context.Add(d) })
	s.elements, s.byDot = nil, nil
	return delta
}

// set gives an element other dots; none removes it.
func (s *ORSet[E]) set(e E, ds dots) {
	if s.byDot != nil {
		s.elements[e].each(func(d vclock.Dot) { delete(s.byDot, d) })
		ds.each(func(d vclock.Dot) { s.byDot[d] = e })
	}
	switch {
	case !ds.any():
		delete(s.elements, e)
	case s.elements == nil:
		s.elements = map[E]dots{e: ds}
	default:
		s.elements[e] = ds
	}
}

// Has reports whether an element is there.
func (s *ORSet[E]) Has(e E) bool { return s.elements[e].any() }

// Len returns how many there are.
func (s *ORSet[E]) Len() int { return len(s.elements) }

// All ranges over the elements, in order. They are those of when it begins.
func (s *ORSet[E]) All() iter.Seq[E] { return slices.Values(slices.Sorted(maps.Keys(s.elements))) }

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
	clone := &ORSet[E]{shared: shared{c}, elements: make(map[E]dots, len(s.elements))}
	for e, ds := range s.elements {
		clone.elements[e] = ds.clone()
	}
	return clone
}

// join takes the short way if the other one is small: then the elements that it removes are
// found by their dots, and nobody looks at those that it says nothing about.
func (s *ORSet[E]) join(mine *vclock.Context, other *ORSet[E], theirs *vclock.Context) bool {
	changed := false
	update := func(e E) {
		if ds, is := s.elements[e].joined(mine, other.elements[e], theirs); is {
			s.set(e, ds)
			changed = true
		}
	}
	if few := len(s.elements) / 4; atMost(theirs, few) {
		s.index()
		for span := range theirs.All() {
			for n := span.From; n <= span.To; n++ {
				if e, is := s.byDot[vclock.Dot{ID: span.ID, N: n}]; is {
					update(e)
				}
			}
		}
	} else {
		for e := range s.elements {
			update(e)
		}
	}
	for e := range other.elements {
		update(e)
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
	s.byDot = make(map[vclock.Dot]E, len(s.elements))
	for e, ds := range s.elements {
		ds.each(func(d vclock.Dot) { s.byDot[d] = e })
	}
}

func (s *ORSet[E]) keeps(mine *vclock.Context, other *ORSet[E]) bool {
	for e, ds := range other.elements {
		if !s.elements[e].keeps(mine, ds) {
			return false
		}
	}
	return true
}

func (s *ORSet[E]) dots(f func(vclock.Dot)) {
	for _, ds := range s.elements {
		ds.each(f)
	}
}

func (s *ORSet[E]) alive() bool { return len(s.elements) > 0 }

// AppendBinary writes the canonical form: the context, how many elements there are, and each, in order, with its
// dots.
func (s *ORSet[E]) AppendBinary(b []byte) ([]byte, error) {
	return appendCausal(b, kindORSet, s, s.peek())
}

func (s *ORSet[E]) appendStore(b []byte, names []vclock.ID) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(len(s.elements)))
	for e := range s.All() {
		b = s.elements[e].append(elements[E]{}.append(b, e), names)
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
	s.elements = make(map[E]dots, n)
	s.byDot = make(map[vclock.Dot]E, n)
	var before E
	for i := range n {
		e := elements[E]{}.parse(d)
		if i > 0 && e <= before {
			d.Fail("%v after %v", e, before)
		}
		ds := parseDots(d, 1, c, names)
		ds.each(func(dot vclock.Dot) {
			if other, twice := s.byDot[dot]; twice {
				d.Fail("%v is of %v and of %v", dot, other, e)
			}
			s.byDot[dot] = e
		})
		if d.Err() != nil {
			return
		}
		s.elements[e] = ds
		before = e
	}
}

// String lists the elements.
func (s *ORSet[E]) String() string { return fmt.Sprint(slices.Collect(s.All())) }

// MarshalJSON writes a list of the elements, in order.
func (s *ORSet[E]) MarshalJSON() ([]byte, error) {
	all := slices.Collect(s.All())
	if all == nil {
		all = []E{}
	}
	return json.Marshal(all)
}
