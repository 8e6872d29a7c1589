package crdt

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// removeSet is a Replica of an RWSet in a group of three.
type removeSet struct{ *Replica[*RWSet[string]] }

func removeSets(t *testing.T) (group []removeSet) {
	for _, name := range []vclock.ID{"a", "b", "c"} {
		r, err := NewReplica(name+".1", func() *RWSet[string] { return new(RWSet[string]) },
			ReplicaConfig{Members: []vclock.ID{"a", "b", "c"}, LogBytes: 2000})
		require.NoError(t, err)
		group = append(group, removeSet{r})
	}
	return group
}

func (r removeSet) add(t *testing.T, e string) {
	require.NoError(t, r.Do(func(id vclock.ID, s *RWSet[string]) (*RWSet[string], error) { return s.Add(id, e) }))
}

func (r removeSet) remove(t *testing.T, e string) {
	require.NoError(t, r.Do(func(id vclock.ID, s *RWSet[string]) (*RWSet[string], error) { return s.Remove(id, e) }))
}

func (r removeSet) forget(t *testing.T, dots vclock.Vector) {
	require.NoError(t, r.Do(func(_ vclock.ID, s *RWSet[string]) (*RWSet[string], error) { return s.Forget(dots), nil }))
}

func (r removeSet) elements() (text string, removed int) {
	r.View(func(s *RWSet[string]) { text, removed = s.String(), s.Removed() })
	return text, removed
}

// TestSettledWaits for who has not heard of a removal, and for what he has done until he did. Planted and caught: what a member
// has seen is taken down although there is something that is not here; the dots of now, and not of the mark; a member that
// has said nothing, and is not waited for.
func TestSettledWaits(t *testing.T) {
	group := removeSets(t)
	a, b, c := group[0], group[1], group[2]
	meet := func(r, s removeSet) {
		for range 2 {
			pull(t, r.Replica, s.Replica)
			pull(t, s.Replica, r.Replica)
		}
	}
	a.remove(t, "eve")
	b.add(t, "eve") // beside it
	require.Zero(t, a.Settled().Len(), "the mark is set here")
	pull(t, b.Replica, a.Replica)
	pull(t, b.Replica, a.Replica) // b says that it knows the removal
	meet(a, c)
	require.Zero(t, a.Settled().Len(), "what b has added has not come here")
	meet(a, b)
	require.Equal(t, `{"a.1":1}`, a.Settled().String(), "b's addition came after the mark")
	require.Equal(t, `{"a.1":1}`, a.Settled().String(), "and the next mark is not settled yet")
	a.forget(t, a.Settled())
	text, removed := a.elements()
	require.Equal(t, "[]", text, "the addition was beside the removal")
	require.Zero(t, removed)
	meet(a, c)
	meet(a, b)
	for _, r := range group {
		text, removed := r.elements()
		require.Equal(t, "[]", text)
		require.Zero(t, removed, "the others hear of it")
	}

	a.remove(t, "eve")
	a.Settled()
	a.Settled()
	meet(a, b)
	require.Equal(t, []vclock.ID{"c"}, a.Stats().Behind)
	before := a.Settled()
	require.True(t, a.Forget("c"))
	require.NotContains(t, a.settled.last, vclock.ID("c"))
	require.Equal(t, vclock.After, a.Settled().Compare(before), "nobody waits for c any more")
}

// TestSettledOfWhoCameBack: a member that was restored from an old copy has to hear of removals again, although it said before that it
// knew them. Planted and caught: what it said before counts.
func TestSettledOfWhoCameBack(t *testing.T) {
	group := removeSets(t)
	a, b, c := group[0], group[1], group[2]
	old, err := b.AppendBinary(nil)
	require.NoError(t, err)
	a.remove(t, "eve")
	a.Settled()
	pull(t, b.Replica, a.Replica)
	pull(t, b.Replica, a.Replica)
	back, err := NewReplica("b.2", func() *RWSet[string] { return new(RWSet[string]) }, ReplicaConfig{})
	require.NoError(t, err)
	require.NoError(t, back.Receive(old))
	again := removeSet{back}
	_, err = a.Delta(again.Summary())
	require.NoError(t, err)
	again.add(t, "eve") // it has not heard of the removal
	pull(t, c.Replica, a.Replica)
	pull(t, c.Replica, a.Replica)
	require.Zero(t, a.Settled().Len(), "b.2 does not know")
}

// TestSettledChangesNothing that people see: of two groups that do the same, one forgets what is settled. After each step
// each replica has the same elements in both. Planted and caught: Stats.Stable in place of Settled.
func TestSettledChangesNothing(t *testing.T) {
	r := seed.New(t)
	forgot := 0
	for range times(20, 60, 200) {
		keeps, forgets := removeSets(t), removeSets(t)
		for step := range 400 {
			i, e := r.IntN(3), fmt.Sprint("e", r.IntN(4))
			switch r.IntN(12) {
			case 0:
				keeps[i].add(t, e)
				forgets[i].add(t, e)
			case 1:
				keeps[i].remove(t, e)
				forgets[i].remove(t, e)
			case 2, 3:
				_, before := forgets[i].elements()
				forgets[i].forget(t, forgets[i].Settled())
				_, after := forgets[i].elements()
				forgot += before - after
			default:
				j := (i + 1 + r.IntN(2)) % 3
				late := r.IntN(3) == 0
				ask(t, keeps[i], keeps[j], late)
				ask(t, forgets[i], forgets[j], late)
			}
			for i := range keeps {
				want, _ := keeps[i].elements()
				got, _ := forgets[i].elements()
				require.Equal(t, want, got, "step %d", step)
			}
		}
	}
	require.Greater(t, forgot, 100)
}

// ask pulls, unless the answer is lost.
func ask(t *testing.T, to, from removeSet, lost bool) {
	delta, err := from.Delta(to.Summary())
	require.NoError(t, err)
	if !lost {
		require.NoError(t, to.Receive(delta))
	}
}

// TestSettledWithoutDots: a type without them, and a group without members, which keeps nothing for who asks all the same. Planted
// and caught: strangers are taken down.
func TestSettledWithoutDots(t *testing.T) {
	r := counterReplica(t, "a.1", ReplicaConfig{Members: []vclock.ID{"b"}})
	add(t, r, 1)
	require.Zero(t, r.Settled().Len())
	alone, err := NewReplica("a.1", func() *RWSet[string] { return new(RWSet[string]) }, ReplicaConfig{})
	require.NoError(t, err)
	removeSet{alone}.remove(t, "eve")
	for range 3 {
		_, err := alone.Delta(summary{id: "stranger.1"}.bytes())
		require.NoError(t, err)
		require.Empty(t, alone.settled.last)
		require.Zero(t, alone.Settled().Len())
	}
}
