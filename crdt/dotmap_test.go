package crdt

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

func (m *dotMap[E]) invariant(t *testing.T) {
	t.Helper()
	for i, entry := range m.entries {
		require.Equal(t, i, m.find(entry.e))
		require.True(t, entry.dots.any(), "%v without a dot", entry.e)
	}
	used := 0
	for _, slot := range m.slots {
		used += int(min(slot.place, 1))
	}
	if m.slots != nil {
		require.Equal(t, len(m.entries), used)
		require.LessOrEqual(t, used, len(m.slots)/4*3, "a search might not end")
	}
	for _, rest := range m.entries[len(m.entries):cap(m.entries)] {
		require.Zero(t, rest, "what has gone is still held")
	}
}

// TestDotMap does by chance what a map does, which says what should come of it.
func TestDotMap(t *testing.T) {
	r := seed.New(t)
	for range 20 {
		var m dotMap[int]
		model := map[int]dots{}
		most := 1 + r.IntN(100)
		for n := range uint64(400) {
			e, ds := r.IntN(most), dots{first: vclock.Dot{ID: "a", N: n + 1}}
			switch i := m.find(e); {
			case i < 0:
				require.NotContains(t, model, e)
				m.add(e, ds)
				model[e] = ds
			case r.IntN(2) == 0:
				m.entries[i].dots, model[e] = ds, ds
			default:
				m.drop(i)
				delete(model, e)
			}
			if n%16 == 0 {
				m.invariant(t)
				m = m.clone()
			}
			require.Equal(t, len(model), len(m.entries))
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
