package hashring

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

func multiprobe(t testing.TB, k int, nodes ...Node) *MultiProbe {
	t.Helper()
	m, err := NewMultiProbe(k, nodes...)
	require.NoError(t, err)
	return m
}

func TestMultiProbe(t *testing.T) {
	laws{
		make:   func(nodes ...Node) (Locator, error) { return NewMultiProbe(0, nodes...) },
		golden: 0x530bceb2d761d9c7,
		spread: 1 / math.Sqrt(2*defaultProbes-1),
	}.check(t)
}

// order sorts all nodes by the distance to the nearest of all probes before them.
func (m *MultiProbe) order(h uint64) []Node {
	nearest := map[string]uint64{}
	for i := range uint64(m.k) {
		from := h + i*stride(h)
		for _, n := range m.nodes {
			if distance := Hash(n.Name) - from; i == 0 || distance < nearest[n.Name] {
				nearest[n.Name] = distance
			}
		}
	}
	sorted := slices.Clone(m.nodes)
	slices.SortStableFunc(sorted, func(a, b Node) int { return cmp.Compare(nearest[a.Name], nearest[b.Name]) })
	return sorted
}

// TestMultiProbeAgainstNaive also goes on to LocateN: without zones it is the whole order.
//
// Planted and caught: a probe too many, or too few; the probe whose node is farthest; LocateN
// with 21 probes whatever k is; a probe that begins anew when it passes 0; the wrong probe sent on;
// a hash whose probes are all in one place.
func TestMultiProbeAgainstNaive(t *testing.T) {
	require.NotZero(t, stride(0x9e3779b97f4a7c15))
	rng := seed.New(t)
	for _, n := range []int{1, 2, 3, 10, 100} {
		for _, k := range []int{1, 2, 21, 30} {
			nodes := named(n)
			rng.Shuffle(n, func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
			m := multiprobe(t, k, nodes...)
			for _, h := range []uint64{0, 1, math.MaxUint64, m.hashes[0], m.hashes[0] + 1, m.hashes[n-1], m.hashes[n-1] + 1} {
				require.Equal(t, m.order(h)[0], m.LocateHash(h))
			}
			for range 20 {
				key := fmt.Sprint(rng.Uint64())
				order := m.order(Hash(key))
				require.Equal(t, order[0], m.Locate(key))
				require.Equal(t, order, slices.Collect(m.LocateN(key)))
			}
		}
	}
}

// TestMultiProbeEqual: of two probes that are in the places of two nodes, the first counts.
// Planted and caught: the last, in LocateHash.
func TestMultiProbeEqual(t *testing.T) {
	for h := range uint64(20) {
		m := multiprobe(t, 2, named(2)...)
		m.circle, m.owners = newCircle([]place{{h + stride(h), 0}, {h, 1}}, finer)
		require.Equal(t, m.nodes[1], m.LocateHash(h))
		var order []Node
		m.sweep(h, func(n Node) bool { order = append(order, n); return true })
		require.Equal(t, []Node{m.nodes[1], m.nodes[0]}, order)
	}
}

// TestMultiProbeShares: the shares of 1,000 nodes differ by 1/√(2k-1) of their mean. In the
// long form also how much the largest is, for which few keys leave too much to chance.
//
// The mean field: arcs before nodes are exponential, x, and a node wins as long as its distance
// u is below that of k-1 other probes, ∫₀ˣ k·exp(-(k-1)u) du. That is at most k/(k-1), and has
// this deviation.
func TestMultiProbeShares(t *testing.T) {
	const n = 1000
	keys := 300_000
	if form.Long() {
		keys = 4_000_000
	}
	var nodes []Node
	for i := range n {
		nodes = append(nodes, Node{Name: fmt.Sprintf("10.0.0.%d:11211", i), Weight: 1})
	}
	for _, c := range []struct {
		k       int
		largest float64
	}{{1, 7.8295}, {5, 1.31825}, {11, 1.15625}, {21, 1.101}} {
		m := multiprobe(t, c.k, nodes...)
		counts := map[string]float64{}
		for i := range uint64(keys) {
			counts[m.LocateHash(mixed(i)).Name]++
		}
		mean, sum, largest := float64(keys)/n, 0.0, 0.0
		for _, node := range nodes {
			count := counts[node.Name]
			sum += (count - mean) * (count - mean)
			largest = max(largest, count/mean)
		}
		deviation := math.Sqrt(sum/n-mean) / mean // without that of chance, whose square is the mean
		require.InEpsilon(t, 1/math.Sqrt(float64(2*c.k-1)), deviation, 0.08, "%d probes", c.k)
		if form.Long() {
			require.Equal(t, c.largest, largest, "%d probes", c.k)
		}
	}
}

// mixed makes hashes of numbers.
func mixed(i uint64) uint64 {
	hi, lo := bits.Mul64(i^1, 0x9e3779b97f4a7c15^1<<32|1)
	hi, lo = bits.Mul64(hi^lo^i, 0xd1342543de82ef95)
	return hi ^ lo
}

func TestMultiProbeBadInput(t *testing.T) {
	for _, k := range []int{-1, maxProbes + 1} {
		_, err := NewMultiProbe(k)
		require.ErrorContains(t, err, fmt.Sprintf("%d probes: want 1 to 1024", k))
	}
	m := multiprobe(t, 5, named(3)...)
	fewer, err := m.Without("node-1")
	require.NoError(t, err)
	require.Equal(t, multiprobe(t, 5, named(3)[0], named(3)[2]), fewer)
	again, err := fewer.With(named(3)[1])
	require.NoError(t, err)
	require.Equal(t, m, again)
	_, err = m.Without("node-3")
	require.ErrorIs(t, err, ErrUnknown)
	_, err = m.With(Node{Name: "heavy", Weight: 2})
	require.ErrorIs(t, err, ErrNode)
}

// TestMultiProbeMoves: who takes over is who LocateN says is next, as on a Ring.
func TestMultiProbeMoves(t *testing.T) {
	before := multiprobe(t, 0, named(20)...)
	after, err := before.Without("node-7")
	require.NoError(t, err)
	for i := range 5000 {
		key := fmt.Sprint("key", i)
		order := slices.Collect(before.LocateN(key))
		require.Equal(t, slices.DeleteFunc(order, func(n Node) bool { return n.Name == "node-7" }), slices.Collect(after.LocateN(key)))
	}
}

func TestMultiProbeLocateNAllocatesNothing(t *testing.T) {
	m := multiprobe(t, 0, named(2048)...)
	require.Zero(t, testing.AllocsPerRun(100, func() { first3(m.LocateN("key")) }))
}
