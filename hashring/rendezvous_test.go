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
	laws{
		make:   func(nodes ...Node) (Locator, error) { return NewRendezvous(nodes...) },
		golden: 0xecf5762b215800de,
	}.check(t)
}

func rendezvous(t testing.TB, nodes ...Node) *Rendezvous {
	t.Helper()
	r, err := NewRendezvous(nodes...)
	require.NoError(t, err)
	return r
}

// naiveHighest asks one node after the other.
func naiveHighest(h uint64, factors []uint64) int {
	best, most := 0, score(h, factors[0])
	for i, f := range factors[1:] {
		if s := score(h, f); s > most {
			best, most = i+1, s
		}
	}
	return best
}

// TestRendezvousAgainstNaive. Planted and caught: the upper half without its offset, the odd
// node in the wrong place, and of two that are equal the last.
func TestRendezvousAgainstNaive(t *testing.T) {
	rng := seed.New(t)
	for n := 1; n < 20; n++ {
		factors := make([]uint64, n)
		for range 500 {
			h := rng.Uint64()
			for i := range factors {
				factors[i] = rng.Uint64N(4) // equal ones are common
				if rng.IntN(3) == 0 {
					factors[i] = rng.Uint64()
				}
			}
			require.Equal(t, naiveHighest(h, factors), highest(h, factors), "%d of %d", h, factors)
			require.Zero(t, highest(0, factors), "of equal ones the first")
		}
	}
}

// TestRendezvousOrder: without zones, LocateN sorts by score. Ends of the range of hashes are
// no exception.
func TestRendezvousOrder(t *testing.T) {
	rng := seed.New(t)
	r := rendezvous(t, named(12)...)
	for _, h := range []uint64{0, 1, 1 << 63, math.MaxUint64, rng.Uint64(), rng.Uint64()} {
		want := slices.Collect(r.Nodes())
		slices.SortStableFunc(want, func(a, b Node) int {
			if score(h, factor(a.Name)) > score(h, factor(b.Name)) {
				return -1
			}
			return 1
		})
		if h == 0 {
			want = slices.Collect(r.Nodes())
		}
		var got []Node
		r.walk(h, func(n Node) bool { got = append(got, n); return true })
		require.Equal(t, want, got, "%#x", h)
		require.Equal(t, want[0], r.LocateHash(h), "%#x", h)
	}
}

// chiSquare is what counts differ by from what they should be, in standard deviations of
// what chance would do to that sum of squares; wants are of counts.
func chiSquare(counts []int, wants []float64) float64 {
	sum := 0.0
	for i, c := range counts {
		sum += (float64(c) - wants[i]) * (float64(c) - wants[i]) / wants[i]
	}
	free := float64(len(counts) - 1)
	return (sum - free) / math.Sqrt(2*free)
}

func even(n, total int) []float64 {
	return slices.Repeat([]float64{float64(total) / float64(n)}, n)
}

// TestRendezvousIsMixed: one multiplication is enough. Shares are even, who takes over a
// node's keys is even for each pair of nodes, and so is who is third: by chance they would
// differ by more than 5 standard deviations once in a million runs or so. Planted and caught:
// factors of 10 bits, the first or the last ones.
func TestRendezvousIsMixed(t *testing.T) {
	const n = 16
	r := rendezvous(t, named(n)...)
	keys := 100_000
	first, third := make([]int, n), make([]int, n*n*n)
	second := make([]int, n*n)
	for i := range keys {
		var order [3]int
		place := 0
		r.walk(Hash(fmt.Sprint("key", i)), func(node Node) bool {
			order[place], _ = r.index(node.Name)
			place++
			return place < len(order)
		})
		first[order[0]]++
		second[order[0]*n+order[1]]++
		third[(order[0]*n+order[1])*n+order[2]]++
	}
	nobody := func(c int) bool { return c == 0 } // a node is not second to itself
	second, third = slices.DeleteFunc(second, nobody), slices.DeleteFunc(third, nobody)
	require.Len(t, second, n*(n-1))
	require.Len(t, third, n*(n-1)*(n-2))
	for name, counts := range map[string][]int{"first": first, "second": second, "third": third} {
		require.InDelta(t, 0, chiSquare(counts, even(len(counts), keys)), 5, name)
	}
}

// TestRendezvousMany: shares of many nodes differ by nothing but chance.
func TestRendezvousMany(t *testing.T) {
	const n, keys = 500, 100_000
	r := rendezvous(t, named(n)...)
	counts := make([]int, n)
	for i := range keys {
		counts[highest(Hash(fmt.Sprint(i)), r.factors)]++
	}
	require.InDelta(t, 0, chiSquare(counts, even(n, keys)), 5)
}

// TestRendezvousMoves: what With and Without make is what NewRendezvous makes.
func TestRendezvousMoves(t *testing.T) {
	before := rendezvous(t, named(20)...)
	after, err := before.Without("node-7", "node-3")
	require.NoError(t, err)
	for i := range 2000 {
		from, to := before.Locate(fmt.Sprint(i)), after.Locate(fmt.Sprint(i))
		if from.Name == "node-7" || from.Name == "node-3" {
			require.NotEqual(t, from, to)
			continue
		}
		require.Equal(t, from, to)
	}
	back, err := after.With(Node{Name: "node-7", Weight: 1}, Node{Name: "node-3", Weight: 1})
	require.NoError(t, err)
	require.Equal(t, before, back)
	_, err = before.Without("node-20")
	require.ErrorIs(t, err, ErrUnknown)
	_, err = before.With(Node{Name: "heavy", Weight: 2})
	require.ErrorIs(t, err, ErrNode)
}

// TestFactorCollision: of two nodes with one factor one would never have a key. Planted and
// caught: no comparison at all, in each of the constructors, in Skeleton's With.
func TestFactorCollision(t *testing.T) {
	a, b := colliding()
	for _, others := range [][]Node{nil, named(20)} {
		nodes := append(others, Node{Name: b, Weight: 1}, Node{Name: a, Weight: 1})
		all, last := len(nodes)-1, nodes[len(nodes)-1]
		_, err := NewRendezvous(nodes...)
		require.ErrorIs(t, err, ErrCollision)
		require.ErrorContains(t, err, `of "a---`)
		_, err = NewWeightedRendezvous(nodes...)
		require.ErrorIs(t, err, ErrCollision)
		_, err = NewSkeleton(0, nodes...)
		require.ErrorIs(t, err, ErrCollision)
		_, err = skeleton(t, 0, nodes[:all]...).With(last)
		require.ErrorIs(t, err, ErrCollision)
	}
}

func TestRendezvousLocateNAllocatesNothing(t *testing.T) {
	r := rendezvous(t, named(9)...)
	require.Zero(t, testing.AllocsPerRun(100, func() { first3(r.LocateN("key")) }))
}
