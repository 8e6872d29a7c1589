package hashring

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

func named(n int) []Node {
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i] = Node{Name: fmt.Sprintf("node-%d", i), Weight: 1}
	}
	return nodes
}

func ring(t testing.TB, c RingConfig, nodes ...Node) *Ring {
	t.Helper()
	r, err := NewRing(c, nodes...)
	require.NoError(t, err)
	return r
}

// naive looks at all virtual nodes for the next one.
func naive(r *Ring, h uint64) Node {
	best, first := -1, 0
	for i, place := range r.hashes {
		if place < r.hashes[first] {
			first = i
		}
		if place >= h && (best < 0 || place < r.hashes[best]) {
			best = i
		}
	}
	if best < 0 {
		best = first
	}
	return r.nodes[r.owners[best]]
}

func TestRingAgainstNaive(t *testing.T) {
	rng := seed.New(t)
	for _, n := range []int{1, 2, 3, 10, 50} {
		nodes := named(n)
		for i := range nodes {
			nodes[i].Weight = 1 + rng.IntN(3)
		}
		r := ring(t, RingConfig{VirtualNodes: 1 + rng.IntN(20)}, nodes...)
		require.True(t, slices.IsSorted(r.hashes))
		for _, h := range append([]uint64{0, 1, math.MaxUint64, r.hashes[0], r.hashes[0] + 1, r.hashes[len(r.hashes)-1] + 1}, r.hashes...) {
			require.Equal(t, naive(r, h), r.LocateHash(h))
		}
		for range 2000 {
			h := rng.Uint64()
			require.Equal(t, naive(r, h), r.LocateHash(h))
		}
		rng.Shuffle(n, func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		require.Equal(t, r, ring(t, r.config, nodes...), "order does not matter")
	}
}

func TestRing(t *testing.T) {
	laws{
		make:    func(nodes ...Node) (Locator, error) { return NewRing(RingConfig{}, nodes...) },
		golden:  0x5c4f704e254ced92,
		spread:  1 / math.Sqrt(defaultVirtualNodes),
		weights: true,
	}.check(t)
}

// TestRingMoves: only keys of the node that goes move, and only to one that comes.
func TestRingMoves(t *testing.T) {
	before := ring(t, RingConfig{}, named(20)...)
	after, err := before.Without("node-7")
	require.NoError(t, err)
	back, err := after.With(Node{Name: "node-7", Weight: 1})
	require.NoError(t, err)
	require.Equal(t, before, back)
	moved, keys := 0, 20_000
	for i := range keys {
		key := fmt.Sprint("key", i)
		if from, to := before.Locate(key), after.Locate(key); from != to {
			require.Equal(t, "node-7", from.Name)
			moved++
		}
	}
	require.InDelta(t, 1.0/20, float64(moved)/float64(keys), 0.01)
	_, err = before.Without("node-21")
	require.ErrorIs(t, err, ErrUnknown)
}

// TestRingChanges: a ring that was changed is as if it had been made of its nodes. Planted and
// caught: places of nodes that have gone; numbers of before; a start that is one too far.
func TestRingChanges(t *testing.T) {
	rng := seed.New(t)
	for _, v := range []int{1, 3, 160} {
		r, there := ring(t, RingConfig{VirtualNodes: v}), []Node{}
		for range 100 {
			var err error
			before := there
			if rng.IntN(len(there)+4) < 4 { // the more there are, the more go
				for range 1 + rng.IntN(3) {
					there = append(there, Node{Name: fmt.Sprint(rng.Uint64()), Weight: 1 + rng.IntN(3)})
				}
				r, err = r.With(there[len(before):]...)
			} else {
				rng.Shuffle(len(there), func(i, j int) { there[i], there[j] = there[j], there[i] })
				some := 1 + rng.IntN(min(3, len(there)))
				var names []string
				for _, n := range there[:some] {
					names = append(names, n.Name)
				}
				there = slices.Clone(there[some:])
				r, err = r.Without(names...)
			}
			require.NoError(t, err)
			require.Equal(t, ring(t, RingConfig{VirtualNodes: v}, there...), r)
		}
	}
}

// TestRingDeviation: the shares differ by 1/√V of their mean.
func TestRingDeviation(t *testing.T) {
	for _, v := range []int{1, 10, 100, 1000} {
		const n = 1000
		r := ring(t, RingConfig{VirtualNodes: v}, named(n)...)
		share := make([]float64, n) // exact: the lengths of the arcs
		last := r.hashes[len(r.hashes)-1]
		for i, h := range r.hashes {
			share[r.owners[i]] += float64(h-last) / math.Exp2(64) * n
			last = h
		}
		sum := 0.0
		for _, s := range share {
			sum += (s - 1) * (s - 1)
		}
		require.InEpsilon(t, 1/math.Sqrt(float64(v)), math.Sqrt(sum/n), 0.08, "%d virtual nodes", v)
	}
}

func TestRingLocateNAllocatesNothing(t *testing.T) {
	r := ring(t, RingConfig{}, named(9)...)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		n := 0
		for range r.LocateN("key") {
			if n++; n == 3 {
				break
			}
		}
	}))
}

func TestRingBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		config RingConfig
		nodes  []Node
		says   string
	}{
		"virtual nodes": {RingConfig{VirtualNodes: -1}, nil, "-1 virtual nodes"},
		"too many":      {RingConfig{VirtualNodes: 1 << 28}, named(2), "virtual nodes"},
		"far too many":  {RingConfig{VirtualNodes: 1 << 20}, []Node{{Name: "a", Weight: maxWeight}}, "virtual nodes"},
	} {
		_, err := NewRing(c.config, c.nodes...)
		require.ErrorContains(t, err, c.says, name)
	}
	empty := ring(t, RingConfig{})
	one, err := empty.With(Node{Name: "only", Weight: 1})
	require.NoError(t, err)
	require.Equal(t, "only", one.Locate("key").Name)
}
