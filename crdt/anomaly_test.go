package crdt

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// More anomalies of others, of several types. Those of one set are in orset_anomaly_test.go, those of maps in
// ormap_anomaly_test.go, and what comes of names that are used twice in identity_test.go and simulator_test.go.

// TestAnomalyGap: of three deltas the last one comes first. Who takes a context for a vector, the last number of each
// replica, has then seen the other two, and does not have them: so they were removed, here and wherever that is merged.
// (It is why Almeida, Shoker and Baquero, 2018, deliver deltas in causal order.) A removal that comes before what it
// removes holds nevertheless. Planted and caught: a Contains that asks for no more than the last number.
func TestAnomalyGap(t *testing.T) {
	var a, b ORSet[string]
	var deltas []*ORSet[string]
	for _, e := range []string{"x", "y", "z"} {
		delta, err := a.Add("a", e)
		require.NoError(t, err)
		deltas = append(deltas, delta)
	}
	full := a.Clone()
	gone := a.Remove("y")

	b.Merge(deltas[2])
	b.Merge(gone)
	require.Equal(t, "[z]", b.String())
	require.Equal(t, "[x z]", Join(full, &b).String(), "what b lacks was not removed by it")
	require.Equal(t, "[x z]", Join(&b, full).String())
	b.Merge(deltas[1])
	require.Equal(t, "[z]", b.String())
	b.Merge(deltas[0])
	require.Equal(t, bytesOf(t, &a), bytesOf(t, &b))

	m, n := newSets(), newSets()
	first, second := addTo(t, m, "a", "k", "x"), addTo(t, m, "a", "l", "y")
	n.Merge(second)
	require.Equal(t, "map[k:[x] l:[y]]", Join(m, n).String())
	n.Merge(first)
	require.Equal(t, "map[k:[x] l:[y]]", n.String())
}

// TestAnomalyForgottenTooEarly: a removal that is forgotten before all has come that was done beside it does not win
// against that any more. It is what happens to all who throw tombstones away by their age. Once it is stable,
// it may go. Planted and caught: a Forget that asks for no stability; one that forgets nothing.
func TestAnomalyForgottenTooEarly(t *testing.T) {
	play := func(early bool) (a, b *RWSet[string]) {
		a, b = new(RWSet[string]), new(RWSet[string])
		_, err := a.Add("a", "eve")
		require.NoError(t, err)
		b.Merge(a)
		_, err = a.Remove("a", "eve")
		require.NoError(t, err)
		_, err = b.Add("b", "eve") // it has not heard of that
		require.NoError(t, err)
		known := a.Context()
		stable := known.Base() // a has asked nobody
		if !early {
			bKnown := b.Context()
			stable = stable.Meet(bKnown.Base())
		}
		a.Forget(stable)
		a.Merge(b)
		b.Merge(a)
		require.Equal(t, bytesOf(t, a), bytesOf(t, b))
		return a, b
	}
	a, _ := play(true)
	require.Equal(t, "[eve]", a.String(), "who was thrown out is back, for all")

	a, b := play(false)
	require.Equal(t, "[]", a.String())
	require.Equal(t, 1, a.Removed())
	known := b.Context()
	b.Merge(a.Forget(known.Base())) // all have seen all
	require.Zero(t, a.Removed()+b.Removed())
	require.Equal(t, "[]", Join(a, b).String())
}

// TestAnomalyRebuilt: two replicas make a state from a value that both have, and meet: for the types it is two changes,
// and not one. (Two who make a text from its letters have each of them twice.) What has no events in it, as a
// GSet, does not mind.
func TestAnomalyRebuilt(t *testing.T) {
	rebuild := func(id vclock.ID) (PNCounter, ORSet[string], GSet[string]) {
		var n PNCounter
		var s ORSet[string]
		var g GSet[string]
		_, err := n.Add(id, 5)
		require.NoError(t, err)
		_, err = s.Add(id, "milk")
		require.NoError(t, err)
		_, err = g.Add("milk")
		require.NoError(t, err)
		return n, s, g
	}
	n, s, g := rebuild("a")
	otherN, otherS, otherG := rebuild("b")
	require.EqualValues(t, 10, Join(&n, &otherN).Value(), "it was 5")
	s.Remove("milk")
	require.Equal(t, "[milk]", Join(&s, &otherS).String(), "and once more it has to be removed")
	require.Equal(t, vclock.Equal, g.Compare(&otherG))
}

// TestAnomalySiblings: two write a hundred values each, and neither reads what the other has written. A server that has
// one vector for all that it keeps cannot say which of them a new one replaces, and piles them up; with a dot for each
// there are never more than two. (The README of Dotted-Version-Vectors; TestDVVSetSiblings of package vclock counts
// them.) Planted and caught: a Set that says nothing of what it replaces.
func TestAnomalySiblings(t *testing.T) {
	server, mary, peter := newRegister(), newRegister(), newRegister()
	for i := range 100 {
		one, err := mary.Set("mary", fmt.Sprint("m", i))
		require.NoError(t, err)
		other, err := peter.Set("peter", fmt.Sprint("p", i))
		require.NoError(t, err)
		server.Merge(one)
		server.Merge(other)
		require.Equal(t, fmt.Sprintf("[m%d p%d]", i, i), server.String())
	}
}
