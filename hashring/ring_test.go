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

// TestRingDeviation: the shares differ by 1/√V of their mean.
func TestRingDeviation(t *testing.T) {
	for _, v := range []int{1, 10, 100} {
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

func TestRingLocateN(t *testing.T) {
	nodes := named(9)
	for i := range nodes {
		nodes[i].Zone = []string{"a", "a", "a", "a", "a", "b", "b", "c", ""}[i]
	}
	r := ring(t, RingConfig{VirtualNodes: 10}, nodes...)
	for i := range 500 {
		key := fmt.Sprint(i)
		got := slices.Collect(r.LocateN(key))
		require.Equal(t, r.Locate(key), got[0])
		require.ElementsMatch(t, nodes, got, "each once")
		for round, of := range [][]string{{"a", "b", "c", ""}, {"a", "b"}, {"a"}, {"a"}, {"a"}} {
			var zones []string
			for _, n := range got[:len(of)] {
				zones = append(zones, n.Zone)
			}
			require.ElementsMatch(t, of, zones, "round %d", round)
			got = got[len(of):]
		}
	}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		n := 0
		for range r.LocateN("key") {
			if n++; n == 3 {
				break
			}
		}
	}))
	many := ring(t, RingConfig{VirtualNodes: 2}, named(onStack*64+1)...)
	require.Len(t, slices.Collect(many.LocateN("key")), many.Len())
}

func TestRingBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		config RingConfig
		nodes  []Node
		is     error
		says   string
	}{
		"no name":         {RingConfig{}, []Node{{Weight: 1}}, ErrNode, "without a name"},
		"no weight":       {RingConfig{}, []Node{{Name: "a"}}, ErrNode, `"a" has a weight of 0`},
		"negative weight": {RingConfig{}, []Node{{Name: "a", Weight: -1}}, ErrNode, "-1"},
		"huge weight":     {RingConfig{}, []Node{{Name: "a", Weight: 1 << 20}}, ErrNode, "65536"},
		"twice":           {RingConfig{}, []Node{{Name: "a", Weight: 1}, {Name: "b", Weight: 1}, {Name: "a", Weight: 2}}, ErrDuplicate, `"a"`},
		"virtual nodes":   {RingConfig{VirtualNodes: -1}, nil, nil, "-1 virtual nodes"},
		"too many":        {RingConfig{VirtualNodes: 1 << 28}, named(2), nil, "virtual nodes"},
	} {
		_, err := NewRing(c.config, c.nodes...)
		require.ErrorContains(t, err, c.says, name)
		if c.is != nil {
			require.ErrorIs(t, err, c.is, name)
		}
	}
	empty := ring(t, RingConfig{})
	require.Zero(t, empty.Locate("key"))
	require.Empty(t, slices.Collect(empty.LocateN("key")))
	one, err := empty.With(Node{Name: "only", Weight: 1})
	require.NoError(t, err)
	require.Equal(t, "only", one.Locate("key").Name)
}

// TestHash holds the hash for ever: other programs have stored what it has spread.
func TestHash(t *testing.T) {
	require.Equal(t, uint64(0xef46db3751d8e999), Hash(""))
	require.Equal(t, uint64(0xd24ec4f1a98c6e5b), Hash("a"))
	require.Equal(t, uint64(0x44bc2cf5ad770999), Hash("abc"))
}

// TestJump compares with published vectors: of go-jump, and of Guava for 100 buckets.
func TestJump(t *testing.T) {
	for i, want := range []int{0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 17, 17} {
		require.Equal(t, want, Jump(1, i+1))
	}
	for i, want := range []int{0, 1, 2, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 16, 16, 16} {
		require.Equal(t, want, Jump(0xdeadbeef, i+1))
	}
	for key, want := range []int{0, 55, 62, 8, 45, 59, 86, 97, 82, 59, 73, 37, 17, 56, 86, 21, 90, 37, 38, 83} {
		require.Equal(t, want, Jump(uint64(key), 100))
	}
	require.Equal(t, 6, Jump(10863919174838991, 11))
	require.Equal(t, 80343, Jump(2, 100001))
	require.Panics(t, func() { Jump(1, 0) })
	for _, n := range []int{10, 100} { // 1/(n+1) of the keys move, all to the new bucket
		moved := 0
		for key := range uint64(100_000) {
			before, after := Jump(key*0x9e3779b97f4a7c15, n), Jump(key*0x9e3779b97f4a7c15, n+1)
			if before != after {
				require.Equal(t, n, after)
				moved++
			}
		}
		require.InEpsilon(t, 1/float64(n+1), float64(moved)/100_000, 0.05)
	}
}
