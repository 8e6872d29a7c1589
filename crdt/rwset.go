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

// RWSet is a set in which a removal wins against an addition at the same time: who was thrown out stays
// out, whatever is added beside it, until somebody who knows of the removal adds it again.
//
//	a   add eve (a:1) ── add eve (a:2) ────●  {}: the removal b:1 has not been seen by a:2
//	         ╲                            ╱ ╲
//	b         ●── remove eve (b:1) ──────●   ●── add eve (b:2) ──  {eve}
//
// So a removal is an event with a dot, as an addition is: it has to be there to win against an addition that comes
// later. Each change of an element takes the place of all dots that its replica has seen of it. What is left are
// changes that do not know of each other, and the element is in the set if there are any and all of them are
// additions. (The remove-wins set of Bieniusa and others: Brief Announcement: Semantics of Eventually Consistent
// Replicated Sets, 2012; here in the manner of Almeida, Shoker and Baquero, 2018.)
//
//	Add, Remove     a look into a map; a delta of a few dots
//	Merge           of a delta: a look for each of its dots; of a full state: for each element
//	memory          a map entry with a dot for each element, and for each that was ever removed, until Forget;
//	                a second map from dots to elements, once a small delta has been merged
//	bad at          many elements that come and go: ORSet keeps nothing of what was removed
//
// The zero RWSet is empty. It is safe for concurrent readers; a writer needs exclusive access.
type RWSet[E cmp.Ordered] struct {
	shared
	elements map[E]votes
	byDot    map[vclock.Dot]E // of all in elements; nil until a delta asks for it
	here     int              // elements that are in the set
}

// Add adds an element in the name of a replica, and returns the delta.
func (s *RWSet[E]) Add(id vclock.ID, e E) (*RWSet[E], error) { return s.vote(id, e, true) }

// Remove removes an element in the name of a replica, and returns the delta. It need not be there: whoever
// adds it at the same time does so in vain.
func (s *RWSet[E]) Remove(id vclock.ID, e E) (*RWSet[E], error) { return s.vote(id, e, false) }

func (s *RWSet[E]) vote(id vclock.ID, e E, yes bool) (*RWSet[E], error) {
	if err := (elements[E]{}).check(e); err != nil {
		return nil, fmt.Errorf("crdt: RWSet: %w", err)
	}
	dot, err := s.seen().Next(id)
	if err != nil {
		return nil, fmt.Errorf("crdt: RWSet: %w", err)
	}
	e = elements[E]{}.plain(e)
	delta := &RWSet[E]{shared: shared{contextOf(dot)}}
	s.elements[e].yes.addTo(delta.context)
	s.elements[e].no.addTo(delta.context)
	s.set(e, voteOf(dot, yes))
	delta.set(e, voteOf(dot, yes))
	return delta, nil
}

// Forget drops the removals that are stable, and returns the delta. A removal is stable if all replicas have seen it,
// and if all that they have done before they saw it has been merged here: then there is no addition any more that it
// has to win against. (See vclock.Matrix. A replica that nobody has thought of may bring back what was removed.)
//
// stable is of the dots of this set, which Context tells: in a Replica, Settled returns them. Its Stats.Stable is something
// else: it has the numbers of updates, of which some bring several dots, and some none.
func (s *RWSet[E]) Forget(stable vclock.Vector) *RWSet[E] {
	var gone RWSet[E]
	for e, v := range s.elements {
		all := !v.yea()
		v.no.each(func(d vclock.Dot) { all = all && stable.Contains(d) })
		if all {
			gone.set(e, v)
			s.set(e, votes{})
		}
	}
	return &RWSet[E]{shared: shared{contextOfAll(&gone)}}
}

// set gives an element other votes; none makes it as if nobody had ever heard of it.
func (s *RWSet[E]) set(e E, v votes) {
	before := s.elements[e]
	if s.byDot != nil {
		before.each(func(d vclock.Dot) { delete(s.byDot, d) })
		v.each(func(d vclock.Dot) { s.byDot[d] = e })
	}
	if before.yea() {
		s.here--
	}
	if v.yea() {
		s.here++
	}
	switch {
	case !v.any():
		delete(s.elements, e)
	case s.elements == nil:
		s.elements = map[E]votes{e: v}
	default:
		s.elements[e] = v
	}
}

// Has reports whether an element is there.
func (s *RWSet[E]) Has(e E) bool { return s.elements[e].yea() }

// Len returns how many there are.
func (s *RWSet[E]) Len() int { return s.here }

// Removed returns how many elements take memory because they were removed: what Forget is for.
func (s *RWSet[E]) Removed() int { return len(s.elements) - s.here }

// All ranges over the elements, in order. They are those of when a loop begins.
func (s *RWSet[E]) All() iter.Seq[E] {
	return func(yield func(E) bool) { slices.Values(s.sorted())(yield) }
}

func (s *RWSet[E]) sorted() []E {
	all := make([]E, 0, s.here)
	for e, v := range s.elements {
		if v.yea() {
			all = append(all, e)
		}
	}
	slices.Sort(all)
	return all
}

// Context returns what has been seen.
func (s *RWSet[E]) Context() vclock.Context { return s.peek().Clone() }

// Merge joins another one into it.
func (s *RWSet[E]) Merge(other *RWSet[E]) bool { return mergeCausal(s.seen(), s, other, other.peek()) }

// Compare returns how they relate.
func (s *RWSet[E]) Compare(other *RWSet[E]) vclock.Ordering {
	return compareCausal(s.peek(), s, other, other.peek())
}

// Clone returns a copy.
func (s *RWSet[E]) Clone() *RWSet[E] {
	c := s.peek().Clone()
	return s.cloneWithin(&c)
}

func (s *RWSet[E]) cloneWithin(c *vclock.Context) *RWSet[E] {
	clone := &RWSet[E]{shared: shared{c}, elements: make(map[E]votes, len(s.elements)), here: s.here}
	for e, v := range s.elements {
		clone.elements[e] = v.clone()
	}
	return clone
}

// join takes the short way if the other one is small, as that of ORSet does.
func (s *RWSet[E]) join(mine *vclock.Context, other *RWSet[E], theirs *vclock.Context) bool {
	changed := false
	update := func(e E) {
		if v, is := s.elements[e].joined(mine, other.elements[e], theirs); is {
			s.set(e, v)
			changed = true
		}
	}
	if atMost(theirs, len(s.elements)/4) {
		s.index()
		for _, e := range under(s.byDot, theirs) {
			update(e)
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

// under ranges over what the dots of a context stand for, which may change meanwhile.
func under[K any](byDot map[vclock.Dot]K, c *vclock.Context) iter.Seq2[vclock.Dot, K] {
	return func(yield func(vclock.Dot, K) bool) {
		for span := range c.All() {
			for n := span.From; n <= span.To; n++ {
				dot := vclock.Dot{ID: span.ID, N: n}
				if k, is := byDot[dot]; is && !yield(dot, k) {
					return
				}
			}
		}
	}
}

// index makes byDot.
func (s *RWSet[E]) index() {
	if s.byDot != nil {
		return
	}
	s.byDot = make(map[vclock.Dot]E, len(s.elements))
	for e, v := range s.elements {
		v.each(func(d vclock.Dot) { s.byDot[d] = e })
	}
}

func (s *RWSet[E]) keeps(mine *vclock.Context, other *RWSet[E]) bool {
	for e, v := range other.elements {
		if !s.elements[e].keeps(mine, v) {
			return false
		}
	}
	return true
}

func (s *RWSet[E]) dots(f func(vclock.Dot)) {
	for _, v := range s.elements {
		v.each(f)
	}
}

func (s *RWSet[E]) alive() bool { return len(s.elements) > 0 }

// AppendBinary writes the canonical form: the context, how many elements have votes, and each, in order, with the dots
// for it and those against it.
//
//	{eve, removed by a:1}    60   01 01 61 01 00   01   03 65 76 65   00   01 00 01
func (s *RWSet[E]) AppendBinary(b []byte) ([]byte, error) {
	return appendCausal(b, kindRWSet, s, s.peek())
}

// MarshalBinary is AppendBinary to nothing.
func (s *RWSet[E]) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

func (s *RWSet[E]) appendStore(b []byte, names []vclock.ID) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(len(s.elements)))
	for _, e := range slices.Sorted(maps.Keys(s.elements)) {
		b = s.elements[e].append(elements[E]{}.append(b, e), names)
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (s *RWSet[E]) UnmarshalBinary(b []byte) error {
	var read RWSet[E]
	if err := parseCausal(b, kindRWSet, &read); err != nil {
		return err
	}
	*s = read
	return nil
}

func (s *RWSet[E]) parseStore(d *vclock.Decoder, c *vclock.Context, names []vclock.ID) {
	n := d.Count(5)
	s.elements = make(map[E]votes, n)
	var before E
	for i := range n {
		e := elements[E]{}.parse(d)
		if i > 0 && e <= before {
			d.Fail("%v after %v", e, before)
		}
		v := parseVotes(d, c, names)
		if !v.any() {
			d.Fail("no dots of %v", e)
		}
		if d.Err() != nil {
			return
		}
		s.set(e, v)
		before = e
	}
}

// String lists the elements.
func (s *RWSet[E]) String() string { return fmt.Sprint(s.sorted()) }

// MarshalJSON writes a list of the elements, in order.
func (s *RWSet[E]) MarshalJSON() ([]byte, error) {
	b, err := elements[E]{}.json(s.sorted())
	if err != nil {
		return nil, fmt.Errorf("crdt: RWSet: %w", err)
	}
	return b, nil
}

// votes are the changes of one thing that do not know of each other. No dot is on both sides.
type votes struct {
	yes, no dots
}

func voteOf(d vclock.Dot, yes bool) votes {
	if yes {
		return votes{yes: dotsOf(d)}
	}
	return votes{no: dotsOf(d)}
}

func (v votes) any() bool { return v.yes.any() || v.no.any() }

// yea reports whether the thing is there: somebody says so, and nobody says no.
func (v votes) yea() bool { return v.yes.any() && !v.no.any() }

func (v votes) each(f func(vclock.Dot)) {
	v.yes.each(f)
	v.no.each(f)
}

func (v votes) clone() votes { return votes{v.yes.clone(), v.no.clone()} }

func (v votes) joined(mine *vclock.Context, other votes, theirs *vclock.Context) (votes, bool) {
	yes, more := v.yes.joined(mine, other.yes, theirs)
	no, less := v.no.joined(mine, other.no, theirs)
	return votes{yes, no}, more || less
}

func (v votes) keeps(mine *vclock.Context, other votes) bool {
	return v.yes.keeps(mine, other.yes) && v.no.keeps(mine, other.no)
}

func (v votes) append(b []byte, names []vclock.ID) []byte {
	return v.no.append(v.yes.append(b, names), names)
}

func parseVotes(d *vclock.Decoder, c *vclock.Context, names []vclock.ID) votes {
	return votes{parseDots(d, 0, c, names), parseDots(d, 0, c, names)}
}
