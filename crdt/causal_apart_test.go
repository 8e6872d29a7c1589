package crdt

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// apart keeps values, their deltas, their clones and what was merged into them, changes one after the other by chance, and
// looks whether any of the rest has changed with it.
func (l laws[T]) apart(t *testing.T) {
	t.Helper()
	r := seed.New(t)
	all, bytes := []T{l.zero()}, make([]string, 1, 10)
	keep := func(s T) {
		if len(all) == cap(bytes) {
			i := r.IntN(len(all))
			all[i], bytes[i] = s, bytesOf(t, s)
			return
		}
		all, bytes = append(all, s), append(bytes, bytesOf(t, s))
	}
	for step := range 300 {
		i, j := r.IntN(len(all)), r.IntN(len(all))
		if step == 0 {
			bytes[0] = bytesOf(t, all[0])
		}
		var news []T
		switch r.IntN(4) {
		case 0:
			news = append(news, all[i].Clone())
		case 1:
			all[i].Merge(all[j]) // also with itself
		default: // in the name of somebody new, so that no dot is given twice
			if delta := l.change(t, r, vclock.ID(fmt.Sprint("r", step)), all[i]); bytesOf(t, delta) != bytesOf(t, l.zero()) {
				news = append(news, delta)
			}
		}
		for k, s := range all {
			if k != i && bytes[k] != bytesOf(t, s) {
				require.Equal(t, bytes[k], bytesOf(t, s), "step %d: %v has changed with another", step, s)
			}
		}
		bytes[i] = bytesOf(t, all[i])
		l.invariant(t, all[i])
		for _, s := range news {
			keep(s)
		}
	}
}

// mapLaws are those of a map with so many keys, of whose values change says what to do with them.
func mapLaws[V Causal[V]](
	most int, zero func() V, change func(*testing.T, *rand.Rand, vclock.ID, V) V,
) laws[*ORMap[int, V]] {
	type values = *ORMap[int, V]
	return laws[values]{
		zero: func() values { return NewORMap[int](zero) },
		change: func(t *testing.T, r *rand.Rand, id vclock.ID, m values) values {
			k := r.IntN(most)
			switch r.IntN(10 * most) {
			case 0, 1, 2, 3:
				return m.Remove(k)
			case 4:
				return m.Clear()
			}
			delta, err := m.Update(id, k, func(v V) (V, error) {
				delta := change(t, r, id, v)
				if r.IntN(2) == 0 {
					delta = Join(delta, change(t, r, id, v))
				}
				return delta, nil
			})
			require.NoError(t, err)
			return delta
		},
		invariant: func(t *testing.T, m values) {
			m.invariant(t)
			for _, v := range m.entries {
				if v, is := any(v).(interface{ invariant(*testing.T) }); is {
					v.invariant(t)
				}
			}
		},
	}
}

func rwLaws() laws[*RWSet[string]] {
	return laws[*RWSet[string]]{func() *RWSet[string] { return new(RWSet[string]) }, changeRWSet(8),
		func(t *testing.T, s *RWSet[string]) { s.invariant(t) }}
}

// TestCausalValuesStayApart: a value, its deltas, its clones and what was merged into it have nothing in common that changes.
// Planted and caught: a clone that shares its list or its map; a delta that is a part of the value; a
// merge that takes over a map or a value of the other one.
func TestCausalValuesStayApart(t *testing.T) {
	sets := ofORSet().laws(func(t *testing.T, s *ORSet[string]) { s.invariant(t) })
	many := sets
	many.zero = func() *ORSet[string] { return setBy(t, "a", someElements(15)...) } // enough for a hash table
	counters := ofCausalCounter().laws(inContext)
	inner := mapLaws(3, rwLaws().zero, rwLaws().change)
	t.Run("ORSet", sets.apart)
	t.Run("large ORSet", many.apart)
	t.Run("RWSet", rwLaws().apart)
	t.Run("MVRegister", ofMVRegister().laws(inContext).apart)
	t.Run("EWFlag", ofEWFlag().laws(inContext).apart)
	t.Run("DWFlag", ofDWFlag().laws(inContext).apart)
	t.Run("CausalCounter", counters.apart)
	t.Run("ORMap of ORSet", mapLaws(3, sets.zero, sets.change).apart)
	t.Run("ORMap of ORMap of RWSet", mapLaws(3, inner.zero, inner.change).apart)
	t.Run("ORMap of CausalCounter", mapLaws(3, counters.zero, counters.change).apart)
}

// TestLawsOfMaps: maps of each type, with several changes in one delta, and maps in maps, where deltas take the short
// ways on each level.
func TestLawsOfMaps(t *testing.T) {
	sets, flags := ofORSet().laws(nil), ofDWFlag().laws(nil)
	counters, registers := ofCausalCounter().laws(nil), ofMVRegister().laws(nil)
	inner := mapLaws(4, rwLaws().zero, changeRWSet(4))
	shortWays(t, mapLaws(12, inner.zero, inner.change))
	shortWays(t, mapLaws(40, flags.zero, flags.change))
	shortWays(t, mapLaws(40, counters.zero, counters.change))
	shortWays(t, mapLaws(10, sets.zero, sets.change))

	r := seed.New(t)
	inner = mapLaws(2, rwLaws().zero, changeRWSet(2))
	pairsOfRun(t, r, mapLaws(2, inner.zero, inner.change))
	pairsOfRun(t, r, mapLaws(2, counters.zero, counters.change))
	pairsOfRun(t, r, mapLaws(2, flags.zero, flags.change))
	pairsOfRun(t, r, mapLaws(2, registers.zero, registers.change))
}

func pairsOfRun[T state[T]](t *testing.T, r *rand.Rand, l laws[T]) { l.pairs(t, l.run(t, r, 3, 12)) }
