package main

import (
	"context"
	"encoding"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

// What is left of that which was removed. In the end there are 200 elements, and for each of them there were so many
// additions, all but one of which were removed again. Either the same element comes back each time, as milk does on a
// shopping list; or each is a new one, as orders are.
//
// Beside the types of package crdt is the set that most code has: each addition has a tag, each removal leaves
// tombstones, which are the tags that it has seen, and a merge is the union of both.

const (
	churnSurvivors = 200
	churnReplicas  = 3
)

// Those that captions speak of, besides the types.
const (
	nameTombstones = "OR-set, tombstones"
	nameBareTombs  = "OR-set, bare tombstones"
	nameForgot     = "RWSet, Forget"
)

// churnAdds are how many additions there were for each element that is left.
func churnAdds() []int { return []int{1, 3, 10, 30, 100} }

// churnCell is a type and what it takes for each number of churnAdds.
type churnCell struct {
	name   string
	again  bool // the same elements come back
	bytes  []int
	deltas deltaSizes // with the most of them
}

// churnSet is a set of which one knows what it takes. Implementations are not safe for concurrent use.
type churnSet interface {
	add(t churnTurn) (delta int, err error)
	remove(t churnTurn) (delta int, err error)
	left() []string
	bytes() (int, error)
}

// churnTurn is an addition or a removal.
type churnTurn struct {
	id      vclock.ID
	at      vclock.Timestamp
	element string
}

// churnSets are all there are, by name. A TwoPSet is only for elements that do not come back.
func churnSets(again bool) map[string]func() churnSet {
	sets := map[string]func() churnSet{
		nameTombstones: func() churnSet { return newTombstoneSet(false) },
		nameBareTombs:  func() churnSet { return newTombstoneSet(true) },
		nameTwoPSet: func() churnSet {
			s := new(crdt.TwoPSet[string])
			return typedSet[*crdt.TwoPSet[string]]{s,
				func(t churnTurn) (*crdt.TwoPSet[string], error) { return s.Add(t.element) },
				func(t churnTurn) (*crdt.TwoPSet[string], error) { return s.Remove(t.element), nil }}
		},
		nameLWWSet: func() churnSet {
			s := new(crdt.LWWSet[string])
			return typedSet[*crdt.LWWSet[string]]{s,
				func(t churnTurn) (*crdt.LWWSet[string], error) { return s.Add(t.at, t.id, t.element) },
				func(t churnTurn) (*crdt.LWWSet[string], error) { return s.Remove(t.at, t.id, t.element) }}
		},
		nameRWSet:  func() churnSet { return newRWSet() },
		nameForgot: func() churnSet { return forgetful{newRWSet()} },
		nameORSet: func() churnSet {
			s := new(crdt.ORSet[string])
			return typedSet[*crdt.ORSet[string]]{s,
				func(t churnTurn) (*crdt.ORSet[string], error) { return s.Add(t.id, t.element) },
				func(t churnTurn) (*crdt.ORSet[string], error) { return s.Remove(t.element), nil }}
		},
	}
	if again {
		delete(sets, nameTwoPSet)
	}
	return sets
}

// churnNames are those of churnSets, from the largest to the smallest.
func churnNames(again bool) (names []string) {
	for _, name := range []string{nameTombstones, nameLWWSet, nameRWSet, nameTwoPSet, nameBareTombs, nameForgot, nameORSet} {
		if name != nameTwoPSet || !again {
			names = append(names, name)
		}
	}
	return names
}

func (r *crdtResults) countChurn(ctx context.Context) error {
	for _, again := range []bool{false, true} {
		for _, name := range churnNames(again) {
			c := churnCell{name: name, again: again}
			for _, adds := range churnAdds() {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				n, deltas, err := countChurnOf(churnSets(again)[name](), adds, again)
				if err != nil {
					return fmt.Errorf("%s, %d additions: %w", name, adds, err)
				}
				c.bytes, c.deltas = append(c.bytes, n), deltas
			}
			r.churns = append(r.churns, c)
		}
	}
	return nil
}

// countChurnOf adds and removes, and looks whether what should be left is left.
func countChurnOf(s churnSet, adds int, again bool) (bytes int, deltas deltaSizes, err error) {
	var want []string
	var all []int
	turn := churnTurn{at: vclock.Timestamp{Wall: skewEpoch().UnixNano()}}
	do := func(f func(churnTurn) (int, error)) error {
		turn.at.Wall += int64(time.Millisecond)
		n, err := f(turn)
		all = append(all, n)
		return err
	}
	for i := range churnSurvivors {
		turn.id = vclock.ID(fmt.Sprint("replica-", i%churnReplicas))
		for n := range adds {
			turn.element = elementName(i)
			if !again {
				turn.element = elementName(i*adds + n)
			}
			if err := do(s.add); err != nil {
				return 0, deltas, err
			}
			if n == adds-1 {
				want = append(want, turn.element)
				continue
			}
			if err := do(s.remove); err != nil {
				return 0, deltas, err
			}
		}
	}
	if left := s.left(); !slices.Equal(want, left) {
		return 0, deltas, fmt.Errorf("%w: there are %d elements, and should be %d, or others", errDiffer, len(left), len(want))
	}
	bytes, err = s.bytes()
	return bytes, sizesOf(all), err
}

// typedSet is one of package crdt.
type typedSet[T interface {
	crdt.Portable[T]
	All() iter.Seq[string]
}] struct {
	set     T
	adds    func(churnTurn) (T, error)
	removes func(churnTurn) (T, error)
}

func (s typedSet[T]) add(t churnTurn) (int, error)    { return deltaLen(s.adds(t)) }
func (s typedSet[T]) remove(t churnTurn) (int, error) { return deltaLen(s.removes(t)) }

func deltaLen[T encoding.BinaryAppender](delta T, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return formLen(delta)
}

func (s typedSet[T]) left() []string      { return slices.Collect(s.set.All()) }
func (s typedSet[T]) bytes() (int, error) { return formLen(s.set) }

type rwSet = typedSet[*crdt.RWSet[string]]

func newRWSet() rwSet {
	s := new(crdt.RWSet[string])
	return rwSet{s,
		func(t churnTurn) (*crdt.RWSet[string], error) { return s.Add(t.id, t.element) },
		func(t churnTurn) (*crdt.RWSet[string], error) { return s.Remove(t.id, t.element) }}
}

// forgetful is an RWSet whose replicas have all seen everything, and that knows it.
type forgetful struct{ rwSet }

func (s forgetful) bytes() (int, error) {
	s.set.Forget(s.set.Context().Base())
	return s.rwSet.bytes()
}

// tombstoneSet is the observed-remove set with tags and tombstones. If it is bare, it drops the
// elements of tombstones, and keeps the tags alone. It is not safe for concurrent use.
//
// Shapiro, Preguiça, Baquero, Zawirski: A Comprehensive Study of Convergent and Commutative Replicated Data Types, 2011,
// section 3.3.5.
type tombstoneSet struct {
	bare bool
	last map[vclock.ID]uint64
	adds map[string][]vclock.Dot
	gone map[vclock.Dot]bool
}

func newTombstoneSet(bare bool) *tombstoneSet {
	return &tombstoneSet{bare, map[vclock.ID]uint64{}, map[string][]vclock.Dot{}, map[vclock.Dot]bool{}}
}

func (s *tombstoneSet) add(t churnTurn) (int, error) {
	s.last[t.id]++
	tag := vclock.Dot{ID: t.id, N: s.last[t.id]}
	s.adds[t.element] = append(s.adds[t.element], tag)
	delta := tombstoneSet{adds: map[string][]vclock.Dot{t.element: {tag}}}
	return delta.bytes()
}

func (s *tombstoneSet) remove(t churnTurn) (int, error) {
	delta := tombstoneSet{gone: map[vclock.Dot]bool{}}
	for _, tag := range s.adds[t.element] {
		if !s.gone[tag] {
			s.gone[tag], delta.gone[tag] = true, true
		}
	}
	if s.bare {
		delete(s.adds, t.element)
	}
	return delta.bytes()
}

func (s *tombstoneSet) left() (left []string) {
	for _, e := range slices.Sorted(maps.Keys(s.adds)) {
		if slices.ContainsFunc(s.adds[e], func(tag vclock.Dot) bool { return !s.gone[tag] }) {
			left = append(left, e)
		}
	}
	return left
}

// bytes is as thrifty as the form of an ORSet: a tag is the place of its name in a list, and a number.
func (s *tombstoneSet) bytes() (n int, err error) {
	names := map[vclock.ID]bool{}
	tagLen := func(tag vclock.Dot) int {
		names[tag.ID] = true
		return 1 + numberLen(tag.N) // there are few names
	}
	for e, tags := range s.adds {
		n += textLen(e) + numberLen(uint64(len(tags)))
		for _, tag := range tags {
			n += tagLen(tag)
		}
	}
	for tag := range s.gone {
		n += tagLen(tag)
	}
	for id := range names {
		n += textLen(string(id))
	}
	return n + numberLen(uint64(len(names))) + numberLen(uint64(len(s.adds))) + numberLen(uint64(len(s.gone))), nil
}

func textLen(s string) int { return numberLen(uint64(len(s))) + len(s) }
