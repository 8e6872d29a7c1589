package crdt

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// The anomalies have the names of the tests of Riak's set without tombstones (basho/riak_dt, riak_dt_orswot.erl), where
// each was found in an implementation that had been thought to be right. They are told by whole states that are merged.

// setBy is a set with elements that were added in the name of a replica.
func setBy(t *testing.T, id vclock.ID, all ...string) *ORSet[string] {
	t.Helper()
	s := new(ORSet[string])
	for _, e := range all {
		_, err := s.Add(id, e)
		require.NoError(t, err)
	}
	return s
}

// TestAnomalyDisjointMerge: D has seen all that C has, and more; who then only takes the store of the one that knows
// more loses nothing here, but who takes that of C brings back the bar. Each dot is to be looked at.
func TestAnomalyDisjointMerge(t *testing.T) {
	a, b := setBy(t, "a", "bar"), setBy(t, "b", "baz")
	c := Join(a, b)
	a.Remove("bar")
	require.Equal(t, "[baz]", Join(a, c).String())
	require.Equal(t, "[baz]", Join(c, a).String())
}

// TestAnomalyPresentButRemoved: A and C both have a Z, and each knows that that of the other was removed.
func TestAnomalyPresentButRemoved(t *testing.T) {
	a := setBy(t, "a", "Z")
	c := a.Clone()
	a.Remove("Z")
	b := setBy(t, "b", "Z")
	a.Merge(b)
	require.Equal(t, "[Z]", a.String())
	b.Remove("Z")
	require.Equal(t, "[]", Join(a, b, c).String())
	require.Equal(t, "[]", Join(c, a, b).String())
}

// TestAnomalyNoDotsLeft: all dots of an element go in one merge, and the element with them.
func TestAnomalyNoDotsLeft(t *testing.T) {
	a, b := setBy(t, "a", "Z"), setBy(t, "b", "Z")
	c := a.Clone()
	a.Remove("Z")
	a.Merge(b)
	b.Remove("Z")
	b.Merge(c)
	all := Join(a, b, c)
	require.Equal(t, "[]", all.String())
	require.False(t, all.alive())
}

// TestAnomalyDeadNodeUpdate: who removes A has seen more than the others, from a replica that never comes back. What it
// removes goes nevertheless, and what it has seen besides is not taken for known.
func TestAnomalyDeadNodeUpdate(t *testing.T) {
	a := setBy(t, "a", "A")
	dead := a.Clone()
	unheard, err := dead.Add("b", "B")
	require.NoError(t, err)
	gone := dead.Remove("A")
	a.Merge(gone)
	require.Equal(t, "[]", a.String())
	a.Merge(unheard) // it was on its way
	require.Equal(t, "[B]", a.String())
}

// TestAnomalyBatchOrder: several changes in one delta are still one after the other.
func TestAnomalyBatchOrder(t *testing.T) {
	a := setBy(t, "a", "bar", "baz")
	other := a.Clone()
	gone := a.Remove("baz")
	again, err := a.Add("a", "baz")
	require.NoError(t, err)
	for _, batch := range []*ORSet[string]{Join(gone, again), Join(again, gone)} {
		require.Equal(t, "[bar baz]", Join(other, batch).String())
	}
	other.Merge(a)
	again, err = a.Add("a", "baz")
	require.NoError(t, err)
	gone = a.Remove("baz")
	require.Equal(t, "[bar]", Join(other, gone, again).String())
}
