package hashring

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

func weighted(t testing.TB, nodes ...Node) *WeightedRendezvous {
	t.Helper()
	r, err := NewWeightedRendezvous(nodes...)
	require.NoError(t, err)
	return r
}

func TestWeightedRendezvous(t *testing.T) {
	laws{
		make:    func(nodes ...Node) (Locator, error) { return NewWeightedRendezvous(nodes...) },
		golden:  0xecf5762b215800de, // of equal weights: TestRendezvous has the same
		weights: true,
	}.check(t)
}

// naiveWinner takes the logarithm of each and compares fractions.
func naiveWinner(h uint64, contenders []contender) int {
	best, highest := 0, new(big.Rat)
	for i, c := range contenders {
		log := new(big.Int).SetUint64(minusLog(score(h, c.factor)))
		s := new(big.Rat).SetFrac(new(big.Int).SetUint64(c.weight), log)
		if s.Cmp(highest) > 0 {
			best, highest = i, s
		}
	}
	return best
}

// randomWeight is of any size.
func randomWeight(rng *rand.Rand, most int) uint64 { return 1 + rng.Uint64()>>(64-1-rng.IntN(most)) }

// TestWinnerAgainstNaive. Planted and caught: a limit 3 units too low, fractions that are
// compared by the upper halves of their products alone, and of equal ones the last.
func TestWinnerAgainstNaive(t *testing.T) {
	rng := seed.New(t)
	for range 3000 {
		contenders := make([]contender, 1+rng.IntN(12))
		most := []int{1, 3, 16, 62}[rng.IntN(4)]
		end := rng.IntN(3)
		for i := range contenders {
			f := rng.Uint64()
			switch end { // of the range of scores; equal ones are common there
			case 0:
				f = rng.Uint64N(100)
			case 1:
				f = -rng.Uint64N(300)
			}
			contenders[i] = newContender(f, randomWeight(rng, most))
		}
		for _, h := range []uint64{rng.Uint64(), 1, 0} {
			require.Equal(t, naiveWinner(h, contenders), winner(h, contenders), "%d of %d", h, contenders)
		}
	}
}

// TestWinnerOfLowScores: a limit that does not fit into 64 bits is none.
func TestWinnerOfLowScores(t *testing.T) {
	low := []contender{newContender(1, 1), newContender(50, 1), newContender(20, 1)}
	require.Equal(t, 1, winner(1, low))
	low[2] = newContender(20, 2)
	require.Equal(t, 2, winner(1, low))
}

// TestWeightedRendezvousIsLogarithmic: floats find the same nodes.
func TestWeightedRendezvousIsLogarithmic(t *testing.T) {
	rng := seed.New(t)
	nodes := named(50)
	for i := range nodes {
		nodes[i].Weight = int(randomWeight(rng, 16))
	}
	r := weighted(t, nodes...)
	for range 5000 {
		h := rng.Uint64()
		var best Node
		highest := 0.0
		for n := range r.Nodes() {
			if s := float64(n.Weight) / exactly(score(h, factor(n.Name))); s > highest {
				best, highest = n, s
			}
		}
		require.Equal(t, best, r.LocateHash(h), "%#x", h)
	}
}

// TestWeightedRendezvousOfEqualWeights: the highest score has the lowest logarithm.
func TestWeightedRendezvousOfEqualWeights(t *testing.T) {
	for _, weight := range []int{1, 3, 1 << 16} {
		nodes := named(20)
		for i := range nodes {
			nodes[i].Weight = weight
		}
		plain, r := rendezvous(t, nodes...), weighted(t, nodes...)
		for i := range 2000 {
			key := fmt.Sprint(i)
			require.Equal(t, slices.Collect(plain.LocateN(key)), slices.Collect(r.LocateN(key)), key)
		}
	}
}

// TestWeightedRendezvousMore: a node that is given more weight takes keys from others, and
// nothing else moves; with less again all are back; and those of one that goes alone move.
func TestWeightedRendezvousMore(t *testing.T) {
	rng := seed.New(t)
	nodes := named(30)
	for i := range nodes {
		nodes[i].Weight = int(randomWeight(rng, 10))
	}
	before := weighted(t, nodes...)
	for range 20 {
		i := rng.IntN(len(nodes))
		heavy := slices.Clone(nodes)
		heavy[i].Weight += int(randomWeight(rng, 10))
		after := weighted(t, heavy...)
		without, err := before.Without(nodes[i].Name)
		require.NoError(t, err)
		for range 2000 {
			h := rng.Uint64()
			from, to := before.LocateHash(h), after.LocateHash(h)
			if from != to {
				require.Equal(t, heavy[i], to)
			}
			if left := without.LocateHash(h); left != from {
				require.Equal(t, nodes[i], from)
			}
		}
		light, err := after.Without(heavy[i].Name)
		require.NoError(t, err)
		require.Equal(t, without, light)
		back, err := light.With(nodes[i])
		require.NoError(t, err)
		require.Equal(t, before, back)
	}
	_, err := before.Without("nobody")
	require.ErrorIs(t, err, ErrUnknown)
	_, err = before.With(nodes[0])
	require.ErrorIs(t, err, ErrDuplicate)
}

// TestWeightedRendezvousShares: weights that are far from each other have their shares too,
// and the second node of a key is chosen by weight among the others.
func TestWeightedRendezvousShares(t *testing.T) {
	weights := []int{1, 10, 100, 1000, 5000, 1 << 16, 1 << 16}
	nodes, total, keys := named(len(weights)), 0, 100_000
	for i := range nodes {
		nodes[i].Weight = weights[i]
		total += weights[i]
	}
	r := weighted(t, nodes...)
	first, second := make([]int, len(nodes)), make([]int, len(nodes))
	for i := range keys {
		place := 0
		for n := range r.LocateN(fmt.Sprint(i)) {
			at, _ := r.index(n.Name)
			if place++; place == 1 {
				first[at]++
				continue
			}
			second[at]++
			break
		}
	}
	want, want2 := make([]float64, len(nodes)), make([]float64, len(nodes))
	for i, w := range weights {
		share := float64(w) / float64(total)
		want[i] += share * float64(keys)
		for j := range weights {
			if j != i {
				want2[j] += share * float64(weights[j]) / float64(total-w) * float64(keys)
			}
		}
	}
	require.InDelta(t, 0, chiSquare(first, want), 5)
	require.InDelta(t, 0, chiSquare(second, want2), 5)
}

// TestWeightedRendezvousOrder: LocateN goes from the highest score down, by floats.
func TestWeightedRendezvousOrder(t *testing.T) {
	nodes := named(12)
	for i := range nodes {
		nodes[i].Weight = 1 + i*i
	}
	r := weighted(t, nodes...)
	for i := range 300 {
		last := math.Inf(1)
		for n := range r.LocateN(fmt.Sprint(i)) {
			s := float64(n.Weight) / exactly(score(Hash(fmt.Sprint(i)), factor(n.Name)))
			require.LessOrEqual(t, s, last)
			last = s
		}
	}
}

func TestWeightedRendezvousLocateNAllocatesNothing(t *testing.T) {
	r := weighted(t, named(9)...)
	require.Zero(t, testing.AllocsPerRun(100, func() { first3(r.LocateN("key")) }))
}
