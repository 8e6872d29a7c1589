package hashring

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Planted and caught: nodes compared with their weights; going on after the caller has had
// enough; From and To changed round.
func TestDiff(t *testing.T) {
	keys := make([]string, 5000)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	nodes := named(20)
	before := ring(t, RingConfig{}, nodes...)
	for i := range nodes {
		nodes[i].Zone = "east"
	}
	after := ring(t, RingConfig{}, nodes[1:]...)
	plan := before.Plan(after)
	moves := slices.Collect(Diff(before, after, slices.Values(keys)))
	for _, m := range moves {
		require.Equal(t, Move{m.Key, before.Locate(m.Key), after.Locate(m.Key)}, m)
		require.Equal(t, "node-0", m.From.Name)
		require.True(t, slices.ContainsFunc(plan, func(p Transfer) bool {
			return p.Hashes.Contains(Hash(m.Key)) && p.From == m.From && p.To == m.To
		}))
	}
	planned := 0
	for _, key := range keys {
		if slices.ContainsFunc(plan, func(p Transfer) bool { return p.Hashes.Contains(Hash(key)) }) {
			planned++
		}
	}
	require.Equal(t, planned, len(moves))
	require.InDelta(t, 250, len(moves), 120)

	require.Empty(t, slices.Collect(Diff(before, before, slices.Values(keys))))
	require.Empty(t, slices.Collect(Diff(new(Ring), new(Ring), slices.Values(keys))))
	all := slices.Collect(Diff(new(Ring), before, slices.Values(keys)))
	require.Len(t, all, len(keys))
	require.Equal(t, Move{keys[0], Node{}, before.Locate(keys[0])}, all[0])
	for m := range Diff(before, new(Ring), slices.Values(keys)) {
		require.Equal(t, keys[0], m.Key)
		break
	}
}
