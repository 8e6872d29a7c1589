package crdt

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// GSet is a set that only grows. The join is the union, and there is nothing more to it:
//
//	{a, b} ∨ {b, c} = {a, b, c}
//
// Whoever needs no removal should take it: it has no names, no times and no dots, and adding what is there is
// nothing new. (Shapiro, Preguiça, Baquero, Zawirski: A Comprehensive Study of Convergent and Commutative Replicated Data
// Types, 2011, section 3.3.1.)
//
//	Add        a write into a map; the delta is a set of one
//	Merge      a look for each element of the other one
//	memory     a map entry for each element, for ever
//	bad at     removal: TwoPSet can do it once, ORSet as often as you like
//
// The zero GSet is empty. It is safe for concurrent readers; a writer needs exclusive access.
type GSet[E cmp.Ordered] struct {
	elements map[E]struct{}
}

// Add adds an element, and returns the delta, which is empty if it was there.
func (s *GSet[E]) Add(e E) (*GSet[E], error) {
	if err := (elements[E]{}).check(e); err != nil {
		return nil, fmt.Errorf("crdt: GSet: %w", err)
	}
	e = elements[E]{}.plain(e)
	delta := &GSet[E]{}
	if s.add(e) {
		delta.add(e)
	}
	return delta, nil
}

// add reports whether that is new.
func (s *GSet[E]) add(e E) bool {
	if s.Has(e) {
		return false
	}
	if s.elements == nil {
		s.elements = make(map[E]struct{})
	}
	s.elements[e] = struct{}{}
	return true
}

// Has reports whether an element is there.
func (s *GSet[E]) Has(e E) bool {
	_, is := s.elements[e]
	return is
}

// Len returns how many there are.
func (s *GSet[E]) Len() int { return len(s.elements) }

// All ranges over the elements, in order. They are those of when a loop begins.
func (s *GSet[E]) All() iter.Seq[E] {
	return func(yield func(E) bool) { slices.Values(s.list())(yield) }
}

func (s *GSet[E]) list() []E { return slices.Sorted(maps.Keys(s.elements)) }

// Merge adds all that the other one has.
func (s *GSet[E]) Merge(other *GSet[E]) bool {
	grew := false
	for e := range other.elements {
		if s.add(e) {
			grew = true
		}
	}
	return grew
}

// Compare returns how they relate: Before is a subset.
func (s *GSet[E]) Compare(other *GSet[E]) vclock.Ordering {
	shared := 0
	for e := range s.elements {
		if other.Has(e) {
			shared++
		}
	}
	return ordering(s.Len() > shared, other.Len() > shared)
}

// Clone returns a copy.
func (s *GSet[E]) Clone() *GSet[E] { return &GSet[E]{maps.Clone(s.elements)} }

// AppendBinary writes the canonical form: how many elements there are, and each, in order.
//
//	{"milk", "tea"}    40   02   04 6d 69 6c 6b   03 74 65 61
func (s *GSet[E]) AppendBinary(b []byte) ([]byte, error) {
	return appendElements(append(b, kindGSet.form()), s.list()), nil
}

// MarshalBinary is AppendBinary to nothing.
func (s *GSet[E]) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// appendElements writes a list of elements, which is in order.
func appendElements[E cmp.Ordered](b []byte, list []E) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, e := range list {
		b = elements[E]{}.append(b, e)
	}
	return b
}

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (s *GSet[E]) UnmarshalBinary(b []byte) error {
	d := decode(kindGSet, b)
	var read GSet[E]
	parseElements(d, func(e E) { read.add(e) })
	if err := d.End(); err != nil {
		return err
	}
	*s = read
	return nil
}

// parseElements reads what appendElements writes, and whatever f reads behind each of them.
func parseElements[E cmp.Ordered](d *vclock.Decoder, f func(E)) {
	var before E
	for i := range d.Count(1) {
		e := elements[E]{}.parse(d)
		if i > 0 && e <= before {
			d.Fail("%v after %v", e, before)
		}
		if d.Err() != nil {
			return
		}
		f(e)
		before = e
	}
}

// String lists the elements.
func (s *GSet[E]) String() string { return fmt.Sprint(s.list()) }

// MarshalJSON writes a list of the elements, in order.
func (s *GSet[E]) MarshalJSON() ([]byte, error) { return elements[E]{}.json(s.list()) }
