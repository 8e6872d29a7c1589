package hashring

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

func TestRendezvous(t *testing.T) {
	rng := seed.New(t)
	const n, keys = 20, 40_000
	nodes := named(n)
	before, err := NewRendezvous(nodes...)
	require.NoError(t, err)
	rng.Shuffle(n, func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	same, err := NewRendezvous(nodes...)
	require.NoError(t, err)
	require.Equal(t, before, same, "order does not matter")
	gone := nodes[0]
	after, err := NewRendezvous(nodes[1:]...)
	require.NoError(t, err)

	counts, moved := map[string]int{}, 0
	for i := range keys {
		key := fmt.Sprint("key", i)
		from, to := before.Locate(key), after.Locate(key)
		counts[from.Name]++
		if from != to {
			require.Equal(t, gone, from, "only the keys of who has gone move")
			moved++
		}
	}
	mean := float64(keys) / n
	for name, count := range counts {
		require.InDelta(t, mean, count, 6*math.Sqrt(mean), name)
	}
	require.InDelta(t, mean, moved, 6*math.Sqrt(mean))
	require.Len(t, counts, n)
}

func TestRendezvousBadInput(t *testing.T) {
	_, err := NewRendezvous(Node{Name: "a", Weight: 1}, Node{Name: "b", Weight: 2})
	require.ErrorIs(t, err, ErrNode)
	require.ErrorContains(t, err, `"b" of 2`)
	_, err = NewRendezvous(Node{Name: "a", Weight: 1}, Node{Name: "a", Weight: 1})
	require.ErrorIs(t, err, ErrDuplicate)
	none, err := NewRendezvous()
	require.NoError(t, err)
	require.Zero(t, none.Locate("key"))
	require.Empty(t, slices.Collect(none.Nodes()))
}
