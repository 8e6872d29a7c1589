package cache

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestGhosts compares ghosts with a list for each set and queue, newest first.
// Planted and caught: both queues in one list, a count that forgets what falls
// off the end, a resize that keeps the older ones.
func TestGhosts(t *testing.T) {
	rng := seed.New(t)
	g, model := newGhosts(100), map[*[ways]uint32][]uint32{}
	remembered := func(q queue) (n int) {
		for i := range g.sets {
			n += len(model[&g.sets[i][q]])
		}
		return n
	}
	for range 20000 {
		q, hash := queue(rng.IntN(2)), uint32(1+rng.IntN(400))
		set, _ := g.set(q, hash)
		at := slices.Index(model[set], hash)
		if rng.IntN(2) == 0 {
			require.Equal(t, at >= 0, g.take(q, hash))
			if at >= 0 {
				model[set] = slices.Delete(model[set], at, at+1)
			}
		} else if at < 0 { // an entry leaves once before it comes back
			g.push(q, hash)
			model[set] = slices.Insert(model[set], 0, hash)
			model[set] = model[set][:min(ways, len(model[set]))]
		}
		require.Equal(t, [2]int{remembered(window), remembered(main)}, g.counts)
	}

	bigger := g.resized(800)
	require.Equal(t, g.counts, bigger.counts, "nothing is forgotten")
	smaller := bigger.resized(8)
	require.Equal(t, [2]int{ways, ways}, smaller.counts)
	for _, q := range []queue{window, main} {
		for _, hash := range smaller.sets[0][q] {
			set, _ := bigger.set(q, hash)
			require.Equal(t, hash, set[0], "only the newest of each set have room")
		}
		for i := range bigger.sets {
			for _, hash := range bigger.sets[i][q] {
				require.True(t, hash == 0 || g.take(q, hash), "%d was nobody's ghost", hash)
			}
		}
	}
	require.Zero(t, g.counts)
}
