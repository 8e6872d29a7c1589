package hashring

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

func skeleton(t testing.TB, fanout int, nodes ...Node) *Skeleton {
	t.Helper()
	s, err := NewSkeleton(fanout, nodes...)
	require.NoError(t, err)
	return s
}

// TestSkeleton: of 50 nodes, a fanout of 8 makes one cluster, which is a WeightedRendezvous.
func TestSkeleton(t *testing.T) {
	for fanout, golden := range map[int]uint64{0: 0xecf5762b215800de, 2: 0x19843acebc629e18} {
		t.Run(fmt.Sprint(fanout), func(t *testing.T) {
			laws{
				make:    func(nodes ...Node) (Locator, error) { return NewSkeleton(fanout, nodes...) },
				golden:  golden,
				weights: true,
				moves:   true, // it is built anew each time: TestSkeletonMoves
			}.check(t)
		})
	}
}

// naiveLocate asks all children and all nodes, and knows who lives where from homes alone.
func naiveLocate(s *Skeleton, h uint64) Node {
	if len(s.nodes) == 0 {
		return Node{}
	}
	living := func(c int) (contenders []contender, nodes []Node) {
		for i, home := range s.homes {
			if int(home) == c {
				contenders = append(contenders, newContender(factor(s.nodes[i].Name), uint64(s.nodes[i].Weight)))
				nodes = append(nodes, s.nodes[i])
			}
		}
		return contenders, nodes
	}
	for range tries {
		v := 0
		for range s.depth {
			v = s.fanout*v + 1 + naiveWinner(h, s.vertices[s.fanout*v+1:][:s.fanout])
		}
		if contenders, nodes := living(v - s.first); len(nodes) > 0 {
			return nodes[naiveWinner(h, contenders)]
		}
		h = again(h)
	}
	var clusters []contender
	var nodes [][]Node
	var inside [][]contender
	for c, vertex := range s.vertices[s.first:] {
		if contenders, who := living(c); len(who) > 0 {
			clusters, nodes, inside = append(clusters, vertex), append(nodes, who), append(inside, contenders)
		}
	}
	c := naiveWinner(h, clusters)
	return nodes[c][naiveWinner(h, inside[c])]
}

// come lets new nodes come.
func come(t *testing.T, rng *rand.Rand, s *Skeleton, step int) *Skeleton {
	t.Helper()
	var nodes []Node
	for i := range 1 + rng.IntN(3) {
		nodes = append(nodes, Node{Name: fmt.Sprintf("new-%d-%d", step, i), Weight: 1 + rng.IntN(5)})
	}
	after, err := s.With(nodes...)
	require.NoError(t, err)
	return after
}

// leave lets one node go, or all of a cluster.
func leave(t *testing.T, rng *rand.Rand, s *Skeleton, all bool) *Skeleton {
	t.Helper()
	at := rng.IntN(s.Len())
	names := []string{s.nodes[at].Name}
	for i, n := range s.nodes {
		if all && i != at && s.homes[i] == s.homes[at] {
			names = append(names, n.Name)
		}
	}
	after, err := s.Without(names...)
	require.NoError(t, err)
	return after
}

// requireMoves checks that keys move only from nodes that are in before alone, and to those
// that are in after alone; and that lookups are as the naive ones.
func requireMoves(t *testing.T, rng *rand.Rand, before, after *Skeleton) {
	t.Helper()
	in := func(s *Skeleton, n Node) bool {
		_, err := s.index(n.Name)
		return err == nil
	}
	for i := range 300 {
		h := rng.Uint64()
		from, to := before.LocateHash(h), after.LocateHash(h)
		if from != to {
			require.True(t, !in(after, from) || !in(before, to), "%v to %v", from, to)
		}
		if i < 10 {
			require.Equal(t, naiveLocate(after, h), to)
		}
	}
	require.Equal(t, before.bones, after.bones, "frozen")
}

// TestSkeletonMoves: whatever comes and goes, even if clusters become empty, even if all do,
// only keys of what comes and goes move. Planted and caught: With and Without that build
// anew, homes of the wrong nodes, and keys of empty clusters that go by how many are not.
func TestSkeletonMoves(t *testing.T) {
	rng := seed.New(t)
	for _, fanout := range []int{2, 3, 8} {
		s := skeleton(t, fanout, unequal(130)...)
		require.Len(t, s.starts, map[int]int{2: 17, 3: 10, 8: 9}[fanout])
		step := func(after *Skeleton) {
			requireMoves(t, rng, s, after)
			s = after
		}
		for i := range 2 {
			for s.Len() > 0 {
				step(leave(t, rng, s, rng.IntN(3) == 0))
			}
			for j := range 20 {
				step(come(t, rng, s, i*20+j))
				if rng.IntN(3) == 0 {
					step(leave(t, rng, s, true))
				}
			}
		}
	}
}

// TestSkeletonSizes: clusters have 8 nodes or more, and as few more as the fanout lets them.
func TestSkeletonSizes(t *testing.T) {
	for _, fanout := range []int{2, 3, 8, 64} {
		for _, n := range []int{0, 1, 15, 16, 17, 31, 63, 64, 65, 511, 512, 600} {
			s := skeleton(t, fanout, named(n)...)
			clusters := len(s.starts) - 1
			require.True(t, clusters == 1 || n/clusters >= clusterSize)
			require.Less(t, n/clusters, clusterSize*fanout)
			sum := uint64(0)
			for v := range s.vertices[1:] {
				if sum += s.vertices[v+1].weight; (v+1)%fanout == 0 { // the last child
					parent := v / fanout
					require.True(t, parent == 0 && sum == uint64(n) || sum == s.vertices[parent].weight)
					sum = 0
				}
			}
			for c := range clusters {
				size := int(s.starts[c+1] - s.starts[c])
				require.LessOrEqual(t, size, min((n+clusters-1)/clusters, clusterSize*fanout))
			}
		}
	}
	for _, fanout := range []int{-1, 1, 65} {
		_, err := NewSkeleton(fanout)
		require.ErrorContains(t, err, fmt.Sprintf("a fanout of %d: want 2 to 64", fanout))
	}
	s := skeleton(t, 2, named(32)...)
	_, err := s.Without("node-32")
	require.ErrorIs(t, err, ErrUnknown)
	_, err = s.With(Node{Name: "node-3", Weight: 1})
	require.ErrorIs(t, err, ErrDuplicate)
}

// shares says which part of all keys each node has, by the frozen weights.
func shares(s *Skeleton) []float64 {
	frozen, living := 0.0, make([]float64, len(s.starts)-1)
	for _, c := range s.inhabited {
		frozen += float64(s.vertices[s.first+int(c)].weight)
	}
	for i, n := range s.nodes {
		living[s.homes[i]] += float64(n.Weight)
	}
	part := make([]float64, s.Len())
	for i, n := range s.nodes {
		home := s.homes[i]
		part[i] = float64(s.vertices[s.first+int(home)].weight) / frozen * float64(n.Weight) / living[home]
	}
	return part
}

// TestSkeletonDrift: 72 nodes in 8 clusters. Of the first one 4 of 9 nodes go, and the others
// have 9/5 of what they had, those elsewhere not a key more. Built anew, the shares are even
// again; for that 38 of 100 keys move.
func TestSkeletonDrift(t *testing.T) {
	const keys = 60_000
	before := skeleton(t, 2, named(72)...)
	var gone []string
	for i, n := range before.nodes[:4] {
		require.Zero(t, before.homes[i])
		gone = append(gone, n.Name)
	}
	after, err := before.Without(gone...)
	require.NoError(t, err)
	anew := skeleton(t, 2, after.nodes...)
	stays, far := before.nodes[8].Name, before.nodes[9].Name // the last of the first cluster, and the next one
	counts := map[string][3]int{}
	moved, movedAnew := 0, 0
	for i := range keys {
		key := fmt.Sprint("key", i)
		old := before.Locate(key)
		for which, s := range []*Skeleton{before, after, anew} {
			name := s.Locate(key).Name
			c := counts[name]
			c[which]++
			counts[name] = c
		}
		if after.Locate(key) != old {
			moved++
		}
		if anew.Locate(key) != after.Locate(key) {
			movedAnew++
		}
	}
	for which, s := range []*Skeleton{before, after, anew} {
		got, want := make([]int, s.Len()), shares(s)
		for i, n := range s.nodes {
			got[i] = counts[n.Name][which]
			want[i] *= keys
		}
		require.InDelta(t, 0, chiSquare(got, want), 5)
	}
	require.Equal(t, [3]int{832, 1526, 891}, counts[stays], "1/72, 1/40, 1/68 of %d", keys)
	require.Equal(t, [3]int{832, 832, 867}, counts[far], "1/72, 1/72, 1/68 of %d", keys)
	require.Equal(t, 3339, moved, "4/72 of %d", keys)
	require.Equal(t, 22974, movedAnew)
}

// TestSkeletonEmpty: keys of empty clusters go to the inhabited ones as these are frozen, be
// there many or few of them: a second try is independent of the first. Planted and caught:
// tries with the same hash, with the next one, with three times it; one try alone.
func TestSkeletonEmpty(t *testing.T) {
	const keys = 40_000
	s := skeleton(t, 2, unequal(130)...)
	for first, golden := range map[uint32]uint64{ // of 16 clusters, those before are empty, but one
		8: 0xf9e3fe61d896a40b, 12: 0xd5e2e71294cf4731, 14: 0x270846889252e3bf,
	} {
		var gone []string
		for i, n := range s.nodes {
			if s.homes[i] < first && s.homes[i] != 2 {
				gone = append(gone, n.Name)
			}
		}
		left, err := s.Without(gone...)
		require.NoError(t, err)
		got, want := make([]int, left.Len()), shares(left)
		for i := range keys {
			at, err := left.index(left.Locate(fmt.Sprint(i)).Name)
			require.NoError(t, err)
			got[at]++
		}
		for i := range want {
			want[i] *= keys
		}
		require.InDelta(t, 0, chiSquare(got, want), 5, "from %d on", first)
		require.Equal(t, golden, fingerprint(left), "from %d on: %#x", first, fingerprint(left))
	}
}

// TestSkeletonOrder: what comes after a node has gone is where that was, what comes before is
// elsewhere; but several that come at once do so in the order of their names.
func TestSkeletonOrder(t *testing.T) {
	s := skeleton(t, 2, named(64)...)
	new1, new2 := Node{Name: "new-1", Weight: 1}, Node{Name: "new-2", Weight: 1}
	home := func(s *Skeleton, name string) int {
		i, err := s.index(name)
		require.NoError(t, err)
		return int(s.homes[i])
	}
	left, err := s.Without("node-63")
	require.NoError(t, err)
	one, err := left.With(new1)
	require.NoError(t, err)
	two, err := s.With(new1)
	require.NoError(t, err)
	two, err = two.Without("node-63")
	require.NoError(t, err)
	require.Equal(t, one.nodes, two.nodes)
	require.Equal(t, home(s, "node-63"), home(one, "new-1"))
	require.Equal(t, 0, home(two, "new-1"), "all clusters had what they had at first")
	a, err := left.With(new1, new2)
	require.NoError(t, err)
	b, err := left.With(new2, new1)
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.Equal(t, 0, home(a, "new-2"))
}

// TestSkeletonEmptiest: it is about parts of the frozen weight.
func TestSkeletonEmptiest(t *testing.T) {
	b := bones{first: 1, vertices: []contender{{}, {weight: 10}, {weight: 1000}, {weight: 1 << 60}}}
	for want, weights := range [][]uint64{{8, 900, 1 << 60}, {9, 800, 1 << 60}, {10, 1000, 1<<60 - 1}} {
		require.Equal(t, uint32(want), b.emptiest(weights))
	}
	require.Equal(t, uint32(0), b.emptiest([]uint64{0, 0, 0}))
	b.vertices[1].weight, b.vertices[2].weight = 1<<40, 1<<40 // times 2²⁴ is 2⁶⁴
	require.Equal(t, uint32(0), b.emptiest([]uint64{1, 1 << 24, 1 << 62}))
	require.Equal(t, uint32(1), b.emptiest([]uint64{1 << 24, 1, 1 << 62}))
	require.Equal(t, uint32(1), b.emptiest([]uint64{1, 0, 0}))
}

func TestSkeletonAllocatesNothing(t *testing.T) {
	s := skeleton(t, 2, named(64)...)
	require.Zero(t, testing.AllocsPerRun(100, func() { s.Locate("key") }))
}
