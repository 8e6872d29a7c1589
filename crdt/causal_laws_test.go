package crdt

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// inContext checks that all dots of a store are in its context, and that none comes twice.
func inContext[T Causal[T]](t *testing.T, v T) {
	t.Helper()
	seen := map[vclock.Dot]bool{}
	v.dots(func(d vclock.Dot) {
		require.True(t, v.peek().Contains(d), "%v is not in the context", d)
		require.False(t, seen[d], "%v comes twice", d)
		seen[d] = true
	})
	require.Equal(t, len(seen) > 0, v.alive())
}

func newRegister() *MVRegister[string] {
	return NewMVRegister(vclock.Codec[string](vclock.StringCodec{}))
}

// TestMVRegisterLaws. Planted and caught: a Set whose delta does not say what it replaces, a join that takes what it has
// seen before.
func TestMVRegisterLaws(t *testing.T) {
	ofMVRegister().laws(inContext).check(t)
}

func TestEWFlagLaws(t *testing.T) { ofEWFlag().laws(inContext).check(t) }

func TestDWFlagLaws(t *testing.T) { ofDWFlag().laws(inContext).check(t) }

func TestCausalCounterLaws(t *testing.T) { ofCausalCounter().laws(inContext).check(t) }

func (s *RWSet[E]) invariant(t *testing.T) {
	t.Helper()
	inContext(t, s)
	n, here := 0, 0
	for e, v := range s.elements {
		require.True(t, v.any(), "%v without a dot", e)
		if v.yea() {
			here++
		}
		v.each(func(d vclock.Dot) {
			n++
			if s.byDot != nil {
				require.Equal(t, e, s.byDot[d])
			}
		})
	}
	require.Equal(t, here, s.Len())
	require.Equal(t, len(s.elements)-here, s.Removed())
	if s.byDot != nil {
		require.Len(t, s.byDot, n)
	}
}

// changeRWSet does something to a set with so many elements.
func changeRWSet(most int) func(*testing.T, *rand.Rand, vclock.ID, *RWSet[string]) *RWSet[string] {
	return func(t *testing.T, r *rand.Rand, id vclock.ID, s *RWSet[string]) *RWSet[string] {
		e, change, is := fmt.Sprint("e", r.IntN(most)), s.Add, true
		switch r.IntN(12) {
		case 0:
			seen := s.Context()
			delta := s.Forget(seen.Base())
			require.True(t, !seen.Contiguous() || s.Removed() == 0)
			return delta
		case 1, 2, 3, 4:
			change, is = s.Remove, false
		}
		delta, err := change(id, e)
		require.NoError(t, err)
		require.Equal(t, is, s.Has(e))
		return delta
	}
}

func TestRWSetLaws(t *testing.T) {
	laws[*RWSet[string]]{
		zero:      func() *RWSet[string] { return new(RWSet[string]) },
		change:    changeRWSet(4),
		invariant: func(t *testing.T, s *RWSet[string]) { s.invariant(t) },
	}.check(t)
}

func (m *ORMap[K, V]) invariant(t *testing.T) {
	t.Helper()
	inContext(t, m)
	n := 0
	for k, v := range m.entries {
		require.True(t, v.alive(), "nothing under %v", k)
		require.Same(t, m.peek(), v.peek(), "%v has another context", k)
		v.dots(func(d vclock.Dot) {
			n++
			if m.byDot != nil {
				require.Equal(t, k, m.byDot[d])
			}
		})
	}
	if m.byDot != nil {
		require.Len(t, m.byDot, n)
	}
}

// changeSets does something to a map of sets with so many keys.
func changeSets(most int) func(*testing.T, *rand.Rand, vclock.ID, *sets) *sets {
	return func(t *testing.T, r *rand.Rand, id vclock.ID, m *sets) *sets {
		k, e := fmt.Sprint("k", r.IntN(most)), string(rune('p'+r.IntN(3)))
		switch r.IntN(8) {
		case 0, 1:
			delta := m.Remove(k)
			require.False(t, m.Has(k))
			return delta
		case 2:
			if most < 10 && r.IntN(4) == 0 {
				delta := m.Clear()
				require.Zero(t, m.Len())
				return delta
			}
			fallthrough
		case 3:
			delta, err := m.Update(id, k, func(s *ORSet[string]) (*ORSet[string], error) { return s.Remove(e), nil })
			require.NoError(t, err)
			s, is := m.Get(k)
			require.False(t, is && s.Has(e))
			return delta
		case 4:
			delta, err := m.Update(id, k, func(s *ORSet[string]) (*ORSet[string], error) {
				one, err := s.Add(id, e)
				require.NoError(t, err)
				other, err := s.Add(id, "z")
				return Join(one, other, s.Remove("y")), err
			})
			require.NoError(t, err)
			return delta
		default:
			delta, err := m.Update(id, k, func(s *ORSet[string]) (*ORSet[string], error) { return s.Add(id, e) })
			require.NoError(t, err)
			s, is := m.Get(k)
			require.True(t, is && s.Has(e))
			return delta
		}
	}
}

// TestORMapLaws. Planted and caught: a value with a context of its own, a copy that shares its values, a delta that says
// nothing of what it brings or removes.
func TestORMapLaws(t *testing.T) {
	laws[*ORMap[string, *ORSet[string]]]{
		zero:      newSets,
		change:    changeSets(3),
		invariant: func(t *testing.T, m *ORMap[string, *ORSet[string]]) { m.invariant(t) },
	}.check(t)
}

func newSets() *sets { return NewORMap[string](func() *ORSet[string] { return new(ORSet[string]) }) }

type document = ORMap[string, *ORMap[int, *MVRegister[string]]]

func newDocument() *document {
	return NewORMap[string](func() *ORMap[int, *MVRegister[string]] { return NewORMap[int](newRegister) })
}

func TestORMapOfMapsLaws(t *testing.T) {
	laws[*document]{
		zero: newDocument,
		change: func(t *testing.T, r *rand.Rand, id vclock.ID, m *document) *document {
			k, inner := string(rune('k'+r.IntN(2))), r.IntN(2)-1
			if r.IntN(4) == 0 {
				return m.Remove(k)
			}
			delta, err := m.Update(id, k, func(m *ORMap[int, *MVRegister[string]]) (*ORMap[int, *MVRegister[string]], error) {
				if r.IntN(4) == 0 {
					return m.Remove(inner), nil
				}
				return m.Update(id, inner, func(v *MVRegister[string]) (*MVRegister[string], error) {
					if r.IntN(4) == 0 {
						return v.Clear(), nil
					}
					return v.Set(id, fmt.Sprint(r.IntN(9)))
				})
			})
			require.NoError(t, err)
			return delta
		},
		invariant: func(t *testing.T, m *document) {
			m.invariant(t)
			for _, v := range m.entries {
				require.Same(t, m.peek(), v.peek())
				for _, r := range v.entries {
					require.Same(t, m.peek(), r.peek())
				}
			}
		},
	}.check(t)
}

// shortWays merges small deltas into large states, which looks at nothing but what they are about, and compares
// with the long way: the other way round, where all is looked at.
func shortWays[T state[T]](t *testing.T, l laws[T]) {
	t.Helper()
	r := seed.New(t)
	a, b := l.zero(), l.zero()
	for range 60 {
		l.change(t, r, "a", a)
	}
	b.Merge(a)
	var deltas []T
	for step := range 200 {
		delta := l.change(t, r, "b", b)
		deltas = append(deltas, delta)
		if r.IntN(3) == 0 {
			delta = deltas[r.IntN(len(deltas))] // once more, and of this one nothing
		}
		if r.IntN(3) == 0 {
			l.change(t, r, "a", a)
		}
		long := Join(delta, a)
		short := a.Clone()
		grew := short.Merge(delta)
		require.Equal(t, bytesOf(t, long), bytesOf(t, short), "step %d", step)
		require.Equal(t, bytesOf(t, a) != bytesOf(t, short), grew)
		l.invariant(t, short)
		a.Merge(delta) // which keeps what the short way has made to find its way
		require.Equal(t, bytesOf(t, long), bytesOf(t, a), "step %d", step)
		l.invariant(t, a)
	}
}

// TestShortWays. Planted and caught: an index that keeps what was removed, or lacks what has come since; a merge that
// only looks at the keys of the delta; an index that forgets what comes twice, or has what was removed since.
func TestShortWays(t *testing.T) {
	t.Run("RWSet", func(t *testing.T) {
		shortWays(t, laws[*RWSet[string]]{func() *RWSet[string] { return new(RWSet[string]) }, changeRWSet(50),
			func(t *testing.T, s *RWSet[string]) { s.invariant(t) }})
	})
	t.Run("ORMap", func(t *testing.T) {
		shortWays(t, laws[*ORMap[string, *ORSet[string]]]{newSets, changeSets(50),
			func(t *testing.T, m *ORMap[string, *ORSet[string]]) { m.invariant(t) }})
	})
}
