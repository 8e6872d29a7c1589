package crdt

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// Bias is what wins in an LWWSet if an addition and a removal have the same Timestamp. It is a value, and safe
// for concurrent use.
type Bias uint8

// The biases. Which one is right depends on what is worse: something that should have gone, or something
// that is missing.
const (
	AddBias Bias = iota
	RemoveBias
)

// String writes its name.
func (b Bias) String() string {
	switch b {
	case AddBias:
		return "AddBias"
	case RemoveBias:
		return "RemoveBias"
	}
	return fmt.Sprintf("Bias(%d)", uint8(b))
}

// LWWSet is a set in which the last one who has said anything about an element wins: whether it was added or removed at
// the latest Timestamp.
//
//	            at 1         at 2          at 3
//	milk        a adds       b removes                  it is not there
//	tea                      a adds        b adds       it is there
//	eggs                     a adds
//	                         b removes                  at the same time: as Bias has it
//
// That holds in whatever order it comes. Where Timestamps are equal, Bias decides; if both do the same, the
// greater name stays, which makes no difference to the set. Unlike an ORSet it can remove what has not been seen, by who is
// sure to be later, and an addition that is removed at the same time is lost or not by the clocks alone.
//
// It is only as right as the clocks. Who has one that is ahead by a day adds things that nobody can remove for a
// day. Take Timestamps of a vclock.HLC, and let it Update with Latest of each message before you Merge it: see
// LWWRegister.
//
// Shapiro and others: A Comprehensive Study of Convergent and Commutative Replicated Data Types, 2011, section 3.3.3, where
// it is two sets of elements with times. Here what is older is not kept.
//
//	Add, Remove    a look into a map, and maybe a write; the delta is one element
//	Merge          a look for each element of the other one, alive or removed
//	memory         a map entry with a Timestamp and a name for each element that has ever been there
//	bad at         removal: a tombstone stays for ever, or something older that comes late would be new again
//
// The zero LWWSet is empty and has AddBias. It is safe for concurrent readers; a writer needs exclusive access.
type LWWSet[E cmp.Ordered] struct {
	bias   Bias
	said   map[E]saying
	living int // how many of them are there
}

// saying is the latest that is known of an element. The zero saying is nothing.
type saying struct {
	stamped
	removed bool
}

// NewLWWSet returns an empty one. All replicas must have the same bias: UnmarshalBinary refuses another, and
// Merge panics.
func NewLWWSet[E cmp.Ordered](bias Bias) *LWWSet[E] {
	if bias > RemoveBias {
		panic(fmt.Sprintf("crdt: NewLWWSet: %v", bias))
	}
	return &LWWSet[E]{bias: bias}
}

// Add adds an element in the name of a replica, and returns the delta. If it is older than what is known of the element
// it is lost at once, and the delta is empty.
func (s *LWWSet[E]) Add(at vclock.Timestamp, id vclock.ID, e E) (*LWWSet[E], error) {
	return s.change(e, saying{stamped{at, id}, false})
}

// Remove removes an element in the name of a replica, whether it is there or not, and returns the delta. If it is older than
// what is known of the element it is lost at once, and the delta is empty.
func (s *LWWSet[E]) Remove(at vclock.Timestamp, id vclock.ID, e E) (*LWWSet[E], error) {
	return s.change(e, saying{stamped{at, id}, true})
}

func (s *LWWSet[E]) change(e E, said saying) (*LWWSet[E], error) {
	if err := (elements[E]{}).check(e); err != nil {
		return nil, fmt.Errorf("crdt: LWWSet: %w", err)
	}
	if err := checkID(said.by); err != nil {
		return nil, fmt.Errorf("crdt: LWWSet: %w", err)
	}
	e = elements[E]{}.plain(e)
	delta := &LWWSet[E]{bias: s.bias}
	if s.say(e, said) {
		delta.say(e, said)
	}
	return delta, nil
}

// say reports whether that is later than what was known.
func (s *LWWSet[E]) say(e E, said saying) bool {
	before := s.said[e]
	if s.order(before, said) >= 0 {
		return false
	}
	if s.said == nil {
		s.said = make(map[E]saying)
	}
	s.said[e] = said
	if before.alive() {
		s.living--
	}
	if said.alive() {
		s.living++
	}
	return true
}

func (s saying) alive() bool { return s.by != "" && !s.removed }

// order is that of the times, then of what the bias is for and what it is against, then of names.
func (s *LWWSet[E]) order(a, b saying) int {
	if a.removed == b.removed || a.by == "" || b.by == "" || a.at != b.at {
		return a.compare(b.stamped)
	}
	if b.removed == (s.bias == RemoveBias) {
		return -1
	}
	return 1
}

// Has reports whether an element is there.
func (s *LWWSet[E]) Has(e E) bool { return s.said[e].alive() }

// Stamp returns when an element was added or removed at last, and by whom: zeros if never. It says whose clock
// is wrong.
func (s *LWWSet[E]) Stamp(e E) (vclock.Timestamp, vclock.ID) { return s.said[e].at, s.said[e].by }

// Latest returns the latest Timestamp of all, which is what an HLC should Update with before a Merge of s; and whether
// there is any.
func (s *LWWSet[E]) Latest() (latest vclock.Timestamp, is bool) {
	latest.Wall = math.MinInt64
	for _, said := range s.said {
		if said.at.Compare(latest) > 0 {
			latest = said.at
		}
	}
	if len(s.said) == 0 {
		return vclock.Timestamp{}, false
	}
	return latest, true
}

// Len returns how many elements are there.
func (s *LWWSet[E]) Len() int { return s.living }

// All ranges over the elements, in order. They are those of when a loop begins.
func (s *LWWSet[E]) All() iter.Seq[E] {
	return func(yield func(E) bool) { slices.Values(s.list())(yield) }
}

func (s *LWWSet[E]) list() (list []E) {
	for e, said := range s.said {
		if said.alive() {
			list = append(list, e)
		}
	}
	slices.Sort(list)
	return list
}

// Bias returns what wins at the same time.
func (s *LWWSet[E]) Bias() Bias { return s.bias }

// Merge takes the latest about each element. It panics if the biases differ, as Compare does.
func (s *LWWSet[E]) Merge(other *LWWSet[E]) bool {
	s.like(other)
	grew := false
	for e, said := range other.said {
		if s.say(e, said) {
			grew = true
		}
	}
	return grew
}

// like panics if a set has another bias.
func (s *LWWSet[E]) like(other *LWWSet[E]) {
	if s.bias != other.bias {
		panic(fmt.Sprintf("crdt: LWWSet: %v and %v", s.bias, other.bias))
	}
}

// Compare returns how they relate.
func (s *LWWSet[E]) Compare(other *LWWSet[E]) vclock.Ordering {
	s.like(other)
	return ordering(s.knows(other), other.knows(s))
}

// knows reports whether s has anything later than the other one.
func (s *LWWSet[E]) knows(other *LWWSet[E]) bool {
	for e, said := range s.said {
		if s.order(said, other.said[e]) > 0 {
			return true
		}
	}
	return false
}

// Clone returns a copy.
func (s *LWWSet[E]) Clone() *LWWSet[E] { return &LWWSet[E]{s.bias, maps.Clone(s.said), s.living} }

// AppendBinary writes the canonical form: the bias, the names of who has said anything, how many elements there
// are, and each, in order, with its Timestamp, and the place of the name times two, and one more if it was removed.
//
//	AddBias; tea was added at 3 by b, milk removed at 2 by a
//	50   00   02 01 61 01 62   02   04 6d 69 6c 6b 04 00 01   03 74 65 61 06 00 02
func (s *LWWSet[E]) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, kindLWWSet.form(), byte(s.bias))
	names := s.names()
	b = appendNames(b, names)
	b = binary.AppendUvarint(b, uint64(len(s.said)))
	for _, e := range slices.Sorted(maps.Keys(s.said)) {
		said := s.said[e]
		place, _ := slices.BinarySearch(names, said.by)
		n := uint64(place) << 1
		if said.removed {
			n |= 1
		}
		b = binary.AppendUvarint(said.at.AppendTo(elements[E]{}.append(b, e)), n)
	}
	return b, nil
}

// MarshalBinary is AppendBinary to nothing.
func (s *LWWSet[E]) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// names returns those who have said what is known, in order.
func (s *LWWSet[E]) names() []vclock.ID {
	all := make(map[vclock.ID]struct{})
	for _, said := range s.said {
		all[said.by] = struct{}{}
	}
	return slices.Sorted(maps.Keys(all))
}

// UnmarshalBinary reads what AppendBinary writes of a set with the same bias, and nothing else.
func (s *LWWSet[E]) UnmarshalBinary(b []byte) error {
	d := decode(kindLWWSet, b)
	read := LWWSet[E]{bias: Bias(d.Byte())}
	if read.bias != s.bias {
		d.Fail("%v: this one has %v", read.bias, s.bias)
	}
	names := parseNames(d)
	used := make([]bool, len(names))
	parseElements(d, func(e E) {
		at, n := d.Timestamp(), d.Number(math.MaxUint64)
		if n>>1 >= uint64(len(names)) {
			d.Fail("name %d of %d", n>>1, len(names))
			return
		}
		used[n>>1] = true
		read.say(e, saying{stamped{at, names[n>>1]}, n&1 == 1})
	})
	if i := slices.Index(used, false); i >= 0 {
		d.Fail("%v has said nothing", names[i])
	}
	if err := d.End(); err != nil {
		return err
	}
	*s = read
	return nil
}

// String lists the elements.
func (s *LWWSet[E]) String() string { return fmt.Sprint(s.list()) }

// MarshalJSON writes a list of the elements, in order.
func (s *LWWSet[E]) MarshalJSON() ([]byte, error) { return elements[E]{}.json(s.list()) }
