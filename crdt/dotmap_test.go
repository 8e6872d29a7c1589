package crdt

import (
	"hash/maphash"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

func (m *dotMap[E]) invariant(t *testing.T) {
	t.Helper()
	n := 0
	for i := range m.size() {
		entry := *m.at(i)
		if !entry.dots.any() {
			require.Zero(t, entry, "what has gone is still held")
			continue
		}
		n++
		require.Equal(t, i, m.find(entry.e))
		if m.many != nil && m.many.byDot.slots != nil {
			entry.dots.each(func(d vclock.Dot) { require.Equal(t, i, m.findDot(d)) })
		}
	}
	require.Equal(t, n, m.len())
	for _, rest := range m.few[len(m.few):cap(m.few)] {
		require.Zero(t, rest, "what has gone is still held")
	}
	if m.many == nil {
		require.Len(t, m.few, n)
		require.LessOrEqual(t, n, fewEntries)
		return
	}
	require.Equal(t, m.many.n, m.many.byE.used)
	for _, table := range []places{m.many.byE, m.many.byDot} {
		used := 0
		for _, slot := range table.slots {
			used += int(min(slot.place, 1))
		}
		require.Equal(t, table.used, used)
		require.LessOrEqual(t, used, len(table.slots)/2, "a search might not end")
	}
}

// TestDotMap does by chance what a map does, which says what should come of it: to a few, to some, and to so many that
// there are several chunks; first more come than go, and then more go. Planted and caught: a search that finds what is
// gone, or ends at another hash; a table that loses one when it grows; dots that do not come into byDot, or come when
// it is full; a list that is made anew and keeps what is gone.
func TestDotMap(t *testing.T) {
	r := seed.New(t)
	for round := range 20 {
		var m dotMap[int]
		model := map[int]dots{}
		most, steps := 1+r.IntN(100), uint64(400)
		if round%10 == 0 {
			most, steps = 1200, 5000
		}
		for n := range steps {
			e, ds := r.IntN(most), dotsOf(vclock.Dot{ID: "a", N: n + 1})
			if r.IntN(4) == 0 {
				ds.push(vclock.Dot{ID: "b", N: n + 1})
			}
			switch i := m.find(e); {
			case i < 0:
				require.NotContains(t, model, e)
				m.add(e, ds)
				model[e] = ds
			case r.IntN(8) < 4 && n < steps/2:
				m.set(i, e, ds)
				model[e] = ds
			default:
				model[e].each(func(d vclock.Dot) { require.Equal(t, i, m.findDot(d)) })
				m.drop(i)
				model[e].each(func(d vclock.Dot) { require.Negative(t, m.findDot(d)) })
				delete(model, e)
			}
			if e := r.IntN(most); n > steps/2 && m.find(e) >= 0 {
				m.drop(m.find(e))
				delete(model, e)
			}
			if n%(steps/8) == 0 {
				m.invariant(t)
				m.tidy()
				require.LessOrEqual(t, m.size(), 16*m.len()+15)
				m.invariant(t)
				m = m.clone()
			}
			require.Equal(t, len(model), m.len())
			require.Equal(t, model[e], m.get(e))
		}
		m.invariant(t)
		var sorted []int
		for _, entry := range m.sorted() {
			require.Equal(t, model[entry.e], entry.dots)
			sorted = append(sorted, entry.e)
		}
		require.Equal(t, slices.Sorted(maps.Keys(model)), sorted)
	}
}

// TestDotMapChurn: a list in which as many come as go does not grow beyond four times of what is in it, nor do its tables
// beyond eight; and it becomes shorter as its elements go. Planted and caught: one that is made anew only if all is gone, or
// never while more come.
func TestDotMapChurn(t *testing.T) {
	var m dotMap[uint64]
	for n := range uint64(10_000) {
		m.add(n, dots{first: vclock.Dot{ID: "a", N: n}})
		if n >= 100 {
			m.drop(m.findDot(vclock.Dot{ID: "a", N: n - 100 + 1}))
			m.tidy()
			require.LessOrEqual(t, m.size(), 400)
			require.LessOrEqual(t, max(len(m.many.byE.slots), len(m.many.byDot.slots)), 800)
		}
	}
	m.invariant(t)
	for m.len() > 0 {
		m.drop(m.find(10_000 - uint64(m.len())))
		m.tidy()
		require.LessOrEqual(t, m.size(), 16*m.len()+15)
	}
}

// TestDotHash: dots in a row are spread, in each of many tables, whatever its secret factor. Planted and caught: the product
// alone, with which 1 of 40 looks at more than 3 slots too many for each dot, and 1 of 1,000 at more than 100.
func TestDotHash(t *testing.T) {
	const n, tables = 1000, 500
	for range tables {
		table := &dotTable[int]{seed: maphash.MakeSeed(), byDot: placesFor(n)}
		table.odd = maphash.Comparable(table.seed, n) | 1
		probes := 0
		for i := range n {
			hash := table.hashDot(vclock.Dot{ID: "a", N: uint64(i + 1)})
			for p := table.byDot.home(hash); table.byDot.slots[p].place > 0; p = (p + 1) & (len(table.byDot.slots) - 1) {
				probes++
			}
			table.byDot.put(hash, i)
		}
		require.Less(t, probes, 3*n, "a factor of %#x", table.odd)
	}
}
