package crdt

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// ErrRemoved says that an element was removed from a TwoPSet, which is for ever.
var ErrRemoved = errors.New("crdt: removed for ever")

// TwoPSet is a set in which each element has two phases: it is added, and it is removed. What was removed does
// not come back, on no replica, whoever adds it:
//
//	not there  ──▶  there  ──▶  removed
//
// The join takes of each element the later phase, and that is why it cannot come back: on a way that goes round there
// is no later. In the paper these are two sets that only grow, of what was added and what was removed, and a
// removal wins. Here what was removed is in one of them alone. (Shapiro and others: A Comprehensive Study of Convergent and
// Commutative Replicated Data Types, 2011, section 3.3.2.)
//
// Take it for what is made once and ends once, and has a name of its own: orders, sessions, keys that are revoked.
// For milk on a shopping list it is wrong: bought once, and never again.
//
//	Add, Remove    a write into a map; the delta is one element
//	Merge          a look for each element of the other one, alive or removed
//	memory         a map entry for each element that has ever been there
//	bad at         elements that come back: that is ORSet, which forgets what was removed besides
//
// The zero TwoPSet is empty. It is safe for concurrent readers; a writer needs exclusive access.
type TwoPSet[E cmp.Ordered] struct {
	phases map[E]phase
	alive  int // how many of them are there
}

// phase is where an element is. The zero phase is: not there yet.
type phase uint8

const (
	phaseThere phase = 1 + iota
	phaseRemoved
)

// Add adds an element, and returns the delta, which is empty if it was there. If it is known here that it was removed,
// Add fails with ErrRemoved. If that is not known yet, Add succeeds, and the element goes when the removal comes.
func (s *TwoPSet[E]) Add(e E) (*TwoPSet[E], error) {
	if err := (elements[E]{}).check(e); err != nil {
		return nil, fmt.Errorf("crdt: TwoPSet: %w", err)
	}
	e = elements[E]{}.plain(e)
	if s.phases[e] == phaseRemoved {
		return nil, fmt.Errorf("%w: TwoPSet: %v", ErrRemoved, e)
	}
	delta := &TwoPSet[E]{}
	if s.advance(e, phaseThere) {
		delta.advance(e, phaseThere)
	}
	return delta, nil
}

// Remove removes an element for ever, if it is there, and returns the delta. What is not there can be added later.
func (s *TwoPSet[E]) Remove(e E) *TwoPSet[E] {
	e = elements[E]{}.plain(e)
	delta := &TwoPSet[E]{}
	if s.Has(e) {
		s.advance(e, phaseRemoved)
		delta.advance(e, phaseRemoved)
	}
	return delta
}

// advance reports whether an element has not been so far before.
func (s *TwoPSet[E]) advance(e E, to phase) bool {
	from := s.phases[e]
	if from >= to {
		return false
	}
	if s.phases == nil {
		s.phases = make(map[E]phase)
	}
	s.phases[e] = to
	if from == phaseThere {
		s.alive--
	}
	if to == phaseThere {
		s.alive++
	}
	return true
}

// Has reports whether an element is there.
func (s *TwoPSet[E]) Has(e E) bool { return s.phases[e] == phaseThere }

// Removed reports whether it is known here that an element was removed.
func (s *TwoPSet[E]) Removed(e E) bool { return s.phases[e] == phaseRemoved }

// Len returns how many there are.
func (s *TwoPSet[E]) Len() int { return s.alive }

// All ranges over the elements, in order. They are those of when a loop begins.
func (s *TwoPSet[E]) All() iter.Seq[E] {
	return func(yield func(E) bool) { slices.Values(s.list(phaseThere))(yield) }
}

// list returns the elements in a phase, in order.
func (s *TwoPSet[E]) list(in phase) (list []E) {
	for e, p := range s.phases {
		if p == in {
			list = append(list, e)
		}
	}
	slices.Sort(list)
	return list
}

// Merge takes the later phase of each element.
func (s *TwoPSet[E]) Merge(other *TwoPSet[E]) bool {
	grew := false
	for e, p := range other.phases {
		if s.advance(e, p) {
			grew = true
		}
	}
	return grew
}

// Compare returns how they relate.
func (s *TwoPSet[E]) Compare(other *TwoPSet[E]) vclock.Ordering {
	return ordering(s.has(other), other.has(s))
}

// has reports whether s has something that the other one has not.
func (s *TwoPSet[E]) has(other *TwoPSet[E]) bool {
	for e, p := range s.phases {
		if p > other.phases[e] {
			return true
		}
	}
	return false
}

// Clone returns a copy.
func (s *TwoPSet[E]) Clone() *TwoPSet[E] { return &TwoPSet[E]{maps.Clone(s.phases), s.alive} }

// AppendBinary writes the canonical form: the elements that are there, and those that were removed, each list as
// a GSet has it.
//
//	tea is there, milk was removed    48   01   03 74 65 61   01   04 6d 69 6c 6b
func (s *TwoPSet[E]) AppendBinary(b []byte) ([]byte, error) {
	b = appendElements(append(b, kindTwoPSet.form()), s.list(phaseThere))
	return appendElements(b, s.list(phaseRemoved)), nil
}

// MarshalBinary is AppendBinary to nothing.
func (s *TwoPSet[E]) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (s *TwoPSet[E]) UnmarshalBinary(b []byte) error {
	d := decode(kindTwoPSet, b)
	var read TwoPSet[E]
	parseElements(d, func(e E) { read.advance(e, phaseThere) })
	parseElements(d, func(e E) {
		if read.Has(e) {
			d.Fail("%v, which is there", e)
		}
		read.advance(e, phaseRemoved)
	})
	if err := d.End(); err != nil {
		return err
	}
	*s = read
	return nil
}

// String lists the elements that are there.
func (s *TwoPSet[E]) String() string { return fmt.Sprint(s.list(phaseThere)) }

// MarshalJSON writes a list of the elements that are there, in order.
func (s *TwoPSet[E]) MarshalJSON() ([]byte, error) { return elements[E]{}.json(s.list(phaseThere)) }
