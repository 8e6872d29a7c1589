package cache

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestWheelIsExact holds the wheel against a map of deadlines. Planted bug that
// it catches: a cascade that is left in its middle when the budget ends there.
func TestWheelIsExact(t *testing.T) {
	rng := seed.New(t)
	for range 30 {
		w, deadlines, now := &wheel{}, map[uint32]int64{}, int64(0)
		for range 3000 {
			switch i := uint32(1 + rng.IntN(300)); rng.IntN(4) {
			case 0, 1:
				w.remove(i)
				deadlines[i] = now + 1 + rng.Int64N(int64(1)<<(10+rng.IntN(48)))
				w.add(i, deadlines[i])
			case 2:
				w.remove(i)
				delete(deadlines, i)
			case 3:
				now += rng.Int64N(int64(1) << (10 + rng.IntN(40)))
				budget := 1 + rng.IntN(40)
				touched := w.advance(now, budget, func(i uint32) int64 {
					if d, ok := deadlines[i]; ok && d > now {
						return d
					}
					require.Contains(t, deadlines, i)
					delete(deadlines, i)
					return 0
				})
				require.LessOrEqual(t, touched, budget)
				if touched < budget { // it has come to an end: nothing is overdue by a tick
					for i, d := range deadlines {
						require.Greater(t, d>>tickBits, now>>tickBits-1, "entry %d", i)
					}
				}
			}
			require.Equal(t, len(deadlines), w.count)
		}
	}
}

// A long silence costs a few steps, not one for each tick.
func TestWheelSkipsSilence(t *testing.T) {
	w := &wheel{}
	w.add(1, 1<<55)
	touched := w.advance(1<<56, 100, func(uint32) int64 { return 0 })
	require.Equal(t, 0, w.count)
	require.LessOrEqual(t, touched, wheelLevels+1)
}
