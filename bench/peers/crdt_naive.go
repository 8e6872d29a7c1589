package main

import (
	"cmp"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// naiveSet is the observed-remove set as most code has it: an addition has a tag of its own, a removal makes tombstones of the
// tags that it has seen, and a merge is the union of both. An element is there if one of its tags is no tombstone.
// (Shapiro and others: A Comprehensive Study of Convergent and Commutative Replicated Data Types, 2011, section 3.3.5.)
type naiveSet struct {
	naiveState
	name string
	n    uint64 // of the last tag
	last naiveState
}

type naiveTag struct {
	name string
	n    uint64
}

// naiveState is also what a change is for the others.
type naiveState struct {
	adds map[string]map[naiveTag]struct{}
	gone map[naiveTag]struct{}
}

func newNaiveState() naiveState {
	return naiveState{map[string]map[naiveTag]struct{}{}, map[naiveTag]struct{}{}}
}

func newNaiveSet(name string) *naiveSet {
	return &naiveSet{naiveState: newNaiveState(), name: name, last: newNaiveState()}
}

func (s naiveState) put(e string, t naiveTag) {
	if s.adds[e] == nil {
		s.adds[e] = map[naiveTag]struct{}{}
	}
	s.adds[e][t] = struct{}{}
}

func (s naiveState) has(e string) bool {
	for t := range s.adds[e] {
		if _, is := s.gone[t]; !is {
			return true
		}
	}
	return false
}

func (s naiveState) join(other naiveState) {
	for e, tags := range other.adds {
		for t := range tags {
			s.put(e, t)
		}
	}
	for t := range other.gone {
		s.gone[t] = struct{}{}
	}
}

func (s *naiveSet) add(e string) error {
	s.n++
	t := naiveTag{s.name, s.n}
	s.put(e, t)
	s.last = newNaiveState()
	s.last.put(e, t)
	return nil
}

func (s *naiveSet) remove(e string) error {
	s.last = newNaiveState()
	for t := range s.adds[e] {
		s.gone[t], s.last.gone[t] = struct{}{}, struct{}{}
	}
	return nil
}

func (s *naiveSet) addAll(all []string) error { return addEach(s, all) }
func (s *naiveSet) message() ([]byte, error)  { return s.last.append(nil), nil }
func (s *naiveSet) save() ([]byte, error)     { return s.append(nil), nil }
func (s *naiveSet) merge(other shared) error  { s.join(other.(*naiveSet).naiveState); return nil }

// receive takes a state, too. A replica that reads its own goes on after its last tag.
func (s *naiveSet) receive(message []byte) error {
	state, err := parseNaive(message)
	if err != nil {
		return err
	}
	s.join(state)
	for _, tags := range state.adds {
		for t := range tags {
			if t.name == s.name {
				s.n = max(s.n, t.n)
			}
		}
	}
	return nil
}

func (s *naiveSet) copy(name string) (shared, error) {
	c := newNaiveSet(name)
	if name == s.name {
		c.n = s.n
	}
	c.gone = maps.Clone(s.gone)
	for e, tags := range s.adds {
		c.adds[e] = maps.Clone(tags)
	}
	return c, nil
}

func (s *naiveSet) count() (n int) {
	for e := range s.adds {
		if s.has(e) {
			n++
		}
	}
	return n
}

func (s *naiveSet) elements() (all []string) {
	for _, e := range slices.Sorted(maps.Keys(s.adds)) {
		if s.has(e) {
			all = append(all, e)
		}
	}
	return all
}

func (s *naiveSet) meet(shared) (func() (int, error), error) { return nil, errNotThere }

// append writes as thriftily as ours: the names once, and a tag as the place of its name and its number.
//
//	names   a number of them, and each    elements   a number of them, and each with its tags    tombstones
func (s naiveState) append(b []byte) []byte {
	all := slices.Collect(maps.Keys(s.gone))
	for _, tags := range s.adds {
		all = slices.AppendSeq(all, maps.Keys(tags))
	}
	places := map[string]int{}
	for _, t := range all {
		places[t.name] = 0
	}
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	b = binary.AppendUvarint(b, uint64(len(places)))
	for i, name := range slices.Sorted(maps.Keys(places)) {
		places[name] = i
		text(name)
	}
	write := func(tags map[naiveTag]struct{}) {
		b = binary.AppendUvarint(b, uint64(len(tags)))
		for _, t := range slices.SortedFunc(maps.Keys(tags), naiveTag.compare) {
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(places[t.name])), t.n)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(s.adds)))
	for _, e := range slices.Sorted(maps.Keys(s.adds)) {
		text(e)
		write(s.adds[e])
	}
	write(s.gone)
	return b
}

func (t naiveTag) compare(u naiveTag) int {
	return cmp.Or(cmp.Compare(t.name, u.name), cmp.Compare(t.n, u.n))
}

var errNaive = errors.New("peers: no such set")

// naiveReader reads numbers and texts, until something is wrong.
type naiveReader struct {
	b   []byte
	err error
}

func parseNaive(b []byte) (naiveState, error) {
	s, r := newNaiveState(), naiveReader{b: b}
	var names []string
	for n := r.number(); n > 0 && r.err == nil; n-- {
		names = append(names, r.text())
	}
	tags := func(take func(naiveTag)) {
		for n := r.number(); n > 0 && r.err == nil; n-- {
			place, number := r.number(), r.number()
			if place >= uint64(len(names)) {
				r.err = errNaive
				return
			}
			take(naiveTag{names[place], number})
		}
	}
	for n := r.number(); n > 0 && r.err == nil; n-- {
		e := r.text()
		tags(func(t naiveTag) { s.put(e, t) })
	}
	tags(func(t naiveTag) { s.gone[t] = struct{}{} })
	if len(r.b) > 0 {
		r.err = errNaive
	}
	return s, r.err
}

func (r *naiveReader) number() uint64 {
	n, length := binary.Uvarint(r.b)
	if length <= 0 {
		r.err = errNaive
		return 0
	}
	r.b = r.b[length:]
	return n
}

func (r *naiveReader) text() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.err = errNaive
		return ""
	}
	text := string(r.b[:n])
	r.b = r.b[n:]
	return text
}
