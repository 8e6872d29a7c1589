package crdt

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

func (s *ORSet[E]) invariant(t *testing.T) {
	t.Helper()
	n := 0
	if s.store.slots != nil {
		require.LessOrEqual(t, s.Len(), len(s.store.slots)/4*3)
		used := 0
		for _, slot := range s.store.slots {
			used += int(min(slot.place, 1))
		}
		require.Equal(t, s.Len(), used)
	}
	for i, entry := range s.store.entries {
		e, ds := entry.e, entry.dots
		require.True(t, ds.any(), "%v without a dot", e)
		require.Equal(t, i, s.store.find(e))
		ds.each(func(d vclock.Dot) {
			n++
			require.True(t, s.seen().Contains(d))
			if s.byDot != nil {
				require.Equal(t, e, s.byDot[d])
			}
		})
	}
	if s.byDot != nil {
		require.Len(t, s.byDot, n)
	}
}

// TestORSetLaws. Planted and caught: a join that keeps what the other one has removed, or drops what is new; an
// addition that keeps the dots from before, here or in its delta; a removal whose delta has no context.
func TestORSetLaws(t *testing.T) {
	laws[*ORSet[string]]{
		zero: func() *ORSet[string] { return new(ORSet[string]) },
		change: func(t *testing.T, r *rand.Rand, id vclock.ID, s *ORSet[string]) *ORSet[string] {
			switch e := string(rune('p' + r.IntN(4))); r.IntN(8) {
			case 0:
				delta := s.Clear()
				require.Zero(t, s.Len())
				return delta
			case 1, 2, 3:
				delta := s.Remove(e)
				require.False(t, s.Has(e))
				return delta
			default:
				delta, err := s.Add(id, e)
				require.NoError(t, err)
				require.True(t, s.Has(e))
				return delta
			}
		},
		invariant: func(t *testing.T, s *ORSet[string]) { s.invariant(t) },
	}.check(t)
}
