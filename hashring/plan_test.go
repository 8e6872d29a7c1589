package hashring

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestRingPlan asks two rings where hashes are, on both sides of every place of both and
// anywhere, and compares what moves with the plan.
//
// Planted and caught: an arc that ends one hash late; the arc behind the last place left out;
// both lists going on when only one has a place there; an arc for each of two equal places; numbers
// of owners compared, not names; arcs not joined.
func TestRingPlan(t *testing.T) {
	rng := seed.New(t)
	for range 60 {
		before, after := someRing(t, rng), someRing(t, rng)
		checkPlan(t, rng, before, after)
		require.Empty(t, before.Plan(before))
	}
	edges := []uint64{0, 1, 5, math.MaxUint64 - 1, math.MaxUint64}
	for range 60 {
		checkPlan(t, rng, ringOf(rng, edges), ringOf(rng, edges))
	}
}

// someRing has any of 12 nodes, of any weight.
func someRing(t *testing.T, rng *rand.Rand) *Ring {
	var nodes []Node
	for _, n := range named(12) {
		if rng.IntN(3) > 0 {
			n.Weight = 1 + rng.IntN(2)
			nodes = append(nodes, n)
		}
	}
	if rng.IntN(8) == 0 {
		nodes = nil
	}
	return ring(t, RingConfig{VirtualNodes: 5}, nodes...)
}

// ringOf has some of the hashes as places, of any of three nodes, and some of those twice.
func ringOf(rng *rand.Rand, hashes []uint64) *Ring {
	var places []place
	for _, h := range hashes {
		for range rng.IntN(3) {
			places = append(places, place{h, rng.Uint32N(3)})
		}
	}
	if len(places) == 0 {
		return &Ring{}
	}
	r := &Ring{members: members{named(3)}}
	r.circle, r.owners = newCircle(places, 0)
	return r
}

func checkPlan(t *testing.T, rng *rand.Rand, before, after *Ring) {
	t.Helper()
	plan := before.Plan(after)
	for i, p := range plan {
		require.LessOrEqual(t, p.Hashes.First, p.Hashes.Last)
		require.NotEqual(t, p.From.Name, p.To.Name)
		require.False(t, p.Some)
		if i > 0 {
			last := plan[i-1]
			require.Less(t, last.Hashes.Last, p.Hashes.First, "in order")
			require.False(t, last.From == p.From && last.To == p.To && last.Hashes.Last+1 == p.Hashes.First, "joined")
		}
	}
	check := func(h uint64) (moves bool) {
		from, to := before.LocateHash(h), after.LocateHash(h)
		i := slices.IndexFunc(plan, func(p Transfer) bool { return p.Hashes.Contains(h) })
		if from.Name == to.Name {
			require.Negative(t, i, "%016x stays", h)
			return false
		}
		require.GreaterOrEqual(t, i, 0, "%016x moves", h)
		require.Equal(t, Transfer{From: from, To: to, Hashes: plan[i].Hashes}, plan[i])
		return true
	}
	places := slices.Concat(before.hashes, after.hashes, []uint64{math.MaxUint64})
	slices.Sort(places)
	moves, first := uint64(0), uint64(0) // how many hashes, but that 1<<64 is 0
	for i, h := range slices.Compact(places) {
		check(h - 1)
		check(h + 1)
		if i > 0 {
			first = places[i-1] + 1
		}
		if check(h) {
			moves += h - first + 1
		}
	}
	for range 100 {
		check(rng.Uint64())
	}
	share := 0.0
	for _, p := range plan {
		moves -= p.Hashes.Last - p.Hashes.First + 1
		share += p.Hashes.Share()
	}
	require.Zero(t, moves, "the lengths of the arcs are what moves")
	require.LessOrEqual(t, share, 1+1e-9)
}

// TestRingPlanFew: from no nodes, to none, and to the same with another weight and zone.
func TestRingPlanFew(t *testing.T) {
	none, one, two := ring(t, RingConfig{}), ring(t, RingConfig{}, named(1)...), ring(t, RingConfig{}, named(2)...)
	require.Empty(t, none.Plan(none))
	require.Empty(t, new(Ring).Plan(none))
	require.Equal(t, []Transfer{{To: named(1)[0], Hashes: allHashes()}}, none.Plan(one))
	require.Equal(t, []Transfer{{From: named(1)[0], Hashes: allHashes()}}, one.Plan(none))
	require.Equal(t, 1.0, allHashes().Share())
	require.Equal(t, 0.5, Arc{0, 1<<63 - 1}.Share())
	require.Equal(t, math.Exp2(-64), Arc{7, 7}.Share())

	changed := ring(t, RingConfig{}, Node{"node-0", 3, "east"})
	require.Empty(t, one.Plan(changed), "it is the same node")
	grown := ring(t, RingConfig{}, Node{"node-0", 3, "east"}, Node{"node-1", 1, "west"})
	share := 0.0
	for _, p := range two.Plan(grown) {
		require.Equal(t, Node{"node-1", 1, ""}, p.From, "as it was before")
		require.Equal(t, Node{"node-0", 3, "east"}, p.To, "as it is after")
		share += p.Hashes.Share()
	}
	require.InDelta(t, 0.75-0.5, share, 0.06)
}

// TestRingPlanOneMore: one node more of 1000 gets about a thousandth, in as many arcs as it
// has places, or fewer where two are side by side.
func TestRingPlanOneMore(t *testing.T) {
	nodes := named(1001)
	before, after := ring(t, RingConfig{}, nodes[:1000]...), ring(t, RingConfig{}, nodes...)
	share := 0.0
	plan := before.Plan(after)
	for _, p := range plan {
		require.Equal(t, nodes[1000], p.To)
		share += p.Hashes.Share()
	}
	require.InDelta(t, 1.0/1001, share, 4.0/1001/math.Sqrt(defaultVirtualNodes))
	require.LessOrEqual(t, len(plan), defaultVirtualNodes+1)
	require.Greater(t, len(plan), defaultVirtualNodes-10)
}

// TestAnyToAny: rings that hash keys in different ways. Whatever moves is in the plan.
func TestAnyToAny(t *testing.T) {
	ketama, err := NewKetama(named(3)...)
	require.NoError(t, err)
	other := ring(t, RingConfig{}, named(3)...)
	require.Equal(t, anyToAny(named(3), named(3)), ketama.Plan(other))
	require.Len(t, other.Plan(ketama), 3*3-3)
	require.Empty(t, ketama.Plan(ketama))
	before, after := named(3), named(4)[1:]
	after[0].Zone = "east" // and is who it was
	plan := anyToAny(before, after)
	require.Len(t, plan, 3*3-2)
	for _, from := range before {
		for _, to := range after {
			transfer := Transfer{From: from, To: to, Hashes: allHashes(), Some: true}
			require.Equal(t, from.Name != to.Name, slices.Contains(plan, transfer))
		}
	}
}

// TestRingPlanKetama: a plan from one ketama ring to another is exact; one between rings that
// hash keys in different ways has whatever moves, and says that more is in it.
//
// Planted and caught: rings that are taken to hash keys in the same way.
func TestRingPlanKetama(t *testing.T) {
	rng := seed.New(t)
	before, err := NewKetama(named(12)...)
	require.NoError(t, err)
	after, err := before.Without("node-7")
	require.NoError(t, err)
	none, err := NewKetama()
	require.NoError(t, err)
	checkPlan(t, rng, before, after)
	checkPlan(t, rng, none, ring(t, RingConfig{}, named(3)...))

	other := ring(t, RingConfig{}, named(12)...)
	plan := before.Plan(other)
	require.Len(t, plan, 12*11)
	for i := range 1000 {
		key := fmt.Sprint("key", i)
		from, to := before.Locate(key), other.Locate(key)
		moves := Transfer{From: from, To: to, Hashes: allHashes(), Some: true}
		require.Equal(t, from != to, slices.Contains(plan, moves))
	}
}
