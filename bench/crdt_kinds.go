package main

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

// The types of which crdt_size.go looks at the bytes, and what replicas do with each.

// crdtKind is a type that is measured.
type crdtKind struct {
	name  string
	begin func() crdtPlay
}

// crdtPlay is a value of one type, of which one knows only what it takes.
type crdtPlay interface {
	change(crdtTurn) (delta int, err error)
	state() (int, error)
}

// typedPlay is a value, and another one that has merged all its deltas and must be the same. It is not safe for concurrent
// use.
type typedPlay[T crdt.Portable[T]] struct {
	value, heard T
	apply        func(T, crdtTurn) (T, error)
}

func (p *typedPlay[T]) change(t crdtTurn) (int, error) {
	delta, err := p.apply(p.value, t)
	if err != nil {
		return 0, err
	}
	p.heard.Merge(delta)
	return formLen(delta)
}

func (p *typedPlay[T]) state() (int, error) {
	if order := p.heard.Compare(p.value); order != vclock.Equal {
		return 0, fmt.Errorf("%w: who has merged all deltas is %v the value", errDiffer, order)
	}
	return formLen(p.value)
}

// kindOf is a type: zero makes an empty value, and begin returns what changes it.
func kindOf[T crdt.Portable[T]](name string, zero func() T, begin func() func(T, crdtTurn) (T, error)) crdtKind {
	return crdtKind{name, func() crdtPlay { return &typedPlay[T]{zero(), zero(), begin()} }}
}

// byTurn is for what needs to know nothing of the changes before.
func byTurn[T any](apply func(T, crdtTurn) (T, error)) func() func(T, crdtTurn) (T, error) {
	return func() func(T, crdtTurn) (T, error) { return apply }
}

func empty[T any]() *T { return new(T) }

// crdtKinds are all there are.
func crdtKinds() []crdtKind {
	return slices.Concat(counterKinds(), singleKinds(), setKinds())
}

func counterKinds() []crdtKind {
	return []crdtKind{
		kindOf(nameGCounter, empty[crdt.GCounter], byTurn(func(c *crdt.GCounter, t crdtTurn) (*crdt.GCounter, error) {
			return c.Add(t.id(), uint64(1+t.number%7))
		})),
		kindOf(namePNCounter, empty[crdt.PNCounter], byTurn(func(c *crdt.PNCounter, t crdtTurn) (*crdt.PNCounter, error) {
			return c.Add(t.id(), int64(4-t.number%9))
		})),
		kindOf(nameBounded, empty[crdt.BoundedCounter], escrow),
		kindOf(nameCausal, empty[crdt.CausalCounter], byTurn(func(c *crdt.CausalCounter, t crdtTurn) (*crdt.CausalCounter, error) {
			return c.Add(t.id(), int64(1+t.number%7))
		})),
	}
}

// escrow lets each replica add what it takes and gives later: to anybody, by chance from one seed.
func escrow() func(*crdt.BoundedCounter, crdtTurn) (*crdt.BoundedCounter, error) {
	chance := rand.New(rand.NewPCG(1, 1))
	return func(c *crdt.BoundedCounter, t crdtTurn) (*crdt.BoundedCounter, error) {
		switch {
		case t.first() && t.round%2 == 0:
			return c.Add(t.id(), 3)
		case t.first():
			return c.Transfer(t.id(), replicaName(chance.IntN(t.replicas)), 1)
		}
		return c.Take(t.id(), 1)
	}
}

func singleKinds() []crdtKind {
	return []crdtKind{
		kindOf(nameLWWRegister, emptyLWWRegister, byTurn(func(v *crdt.LWWRegister[string], t crdtTurn) (*crdt.LWWRegister[string], error) {
			return v.Set(t.at(), t.id(), elementName(t.number))
		})),
		kindOf(nameMVRegister, emptyMVRegister, byTurn(func(v *crdt.MVRegister[string], t crdtTurn) (*crdt.MVRegister[string], error) {
			return v.Set(t.id(), elementName(t.number))
		})),
		kindOf(nameEWFlag, empty[crdt.EWFlag], byTurn(func(f *crdt.EWFlag, t crdtTurn) (*crdt.EWFlag, error) {
			if t.first() {
				return f.Disable(), nil
			}
			return f.Enable(t.id())
		})),
		kindOf(nameDWFlag, empty[crdt.DWFlag], byTurn(func(f *crdt.DWFlag, t crdtTurn) (*crdt.DWFlag, error) {
			if t.first() {
				return f.Disable(t.id())
			}
			return f.Enable(t.id())
		})),
	}
}

func emptyLWWRegister() *crdt.LWWRegister[string] {
	return crdt.NewLWWRegister[string](vclock.StringCodec{})
}

func emptyMVRegister() *crdt.MVRegister[string] {
	return crdt.NewMVRegister[string](vclock.StringCodec{})
}

func setKinds() []crdtKind {
	return []crdtKind{
		kindOf(nameGSet, empty[crdt.GSet[string]], byTurn(func(s *crdt.GSet[string], t crdtTurn) (*crdt.GSet[string], error) {
			return s.Add(elementName(t.number))
		})),
		kindOf(nameTwoPSet, empty[crdt.TwoPSet[string]], comeAndGo(
			func(s *crdt.TwoPSet[string], _ crdtTurn, e string) (*crdt.TwoPSet[string], error) { return s.Add(e) },
			func(s *crdt.TwoPSet[string], _ crdtTurn, e string) (*crdt.TwoPSet[string], error) {
				return s.Remove(e), nil
			})),
		kindOf(nameLWWSet, empty[crdt.LWWSet[string]], comeAndGo(
			func(s *crdt.LWWSet[string], t crdtTurn, e string) (*crdt.LWWSet[string], error) {
				return s.Add(t.at(), t.id(), e)
			},
			func(s *crdt.LWWSet[string], t crdtTurn, e string) (*crdt.LWWSet[string], error) {
				return s.Remove(t.at(), t.id(), e)
			})),
		kindOf(nameRWSet, empty[crdt.RWSet[string]], comeAndGo(
			func(s *crdt.RWSet[string], t crdtTurn, e string) (*crdt.RWSet[string], error) {
				return s.Add(t.id(), e)
			},
			func(s *crdt.RWSet[string], t crdtTurn, e string) (*crdt.RWSet[string], error) {
				return s.Remove(t.id(), e)
			})),
		kindOf(nameORSet, empty[crdt.ORSet[string]], comeAndGo(
			func(s *crdt.ORSet[string], t crdtTurn, e string) (*crdt.ORSet[string], error) {
				return s.Add(t.id(), e)
			},
			func(s *crdt.ORSet[string], _ crdtTurn, e string) (*crdt.ORSet[string], error) {
				return s.Remove(e), nil
			})),
		kindOf(nameORMap, emptyMap, comeAndGo(
			func(m *mapOfSets, t crdtTurn, e string) (*mapOfSets, error) {
				return m.Update(t.id(), e, func(s *crdt.ORSet[string]) (*crdt.ORSet[string], error) { return s.Add(t.id(), "in it") })
			},
			func(m *mapOfSets, _ crdtTurn, e string) (*mapOfSets, error) { return m.Remove(e), nil })),
	}
}

// mapOfSets is a map as most are: its values are sets themselves.
type mapOfSets = crdt.ORMap[string, *crdt.ORSet[string]]

func emptyMap() *mapOfSets {
	return crdt.NewORMap[string](func() *crdt.ORSet[string] { return new(crdt.ORSet[string]) })
}

// comeAndGo adds new elements until there are crdtAlive, and from then on removes the oldest before each that it adds.
func comeAndGo[T any](add, remove func(T, crdtTurn, string) (T, error)) func() func(T, crdtTurn) (T, error) {
	return func() func(T, crdtTurn) (T, error) {
		added, removed := 0, 0
		return func(v T, t crdtTurn) (T, error) {
			if added-removed == crdtAlive {
				removed++
				return remove(v, t, elementName(removed-1))
			}
			added++
			return add(v, t, elementName(added-1))
		}
	}
}
