package ordered

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestClonesInGoroutines: goroutines clone a map, all at once, change the clone, clone
// that, and go on with the second clone while they hand the first to somebody who changes
// it too. Under the race detector it finds a node that somebody changes and that is not
// his alone. Planted and caught: own without the root, copies whose children are not
// marked, a join that does not copy the neighbour.
func TestClonesInGoroutines(t *testing.T) {
	for _, most := range []int{6, fanout} {
		base, plain := small(most), newSortedSlice[int, int]()
		for i := range 2000 {
			base.Set(i*7%2003, i)
			plain.Set(i*7%2003, i)
		}
		type both struct {
			m *Map[int, int]
			s *sortedSlice[int, int]
		}
		handed := make(chan both, 100)
		var others sync.WaitGroup
		others.Go(func() {
			for b := range handed {
				for k := range 40 {
					b.m.Set(k*50, k)
					b.s.Set(k*50, k)
					b.m.Delete(k*50 + 1)
					b.s.Delete(k*50 + 1)
				}
				same(t, b.s, b.m)
				invariant(t, b.m)
			}
		})
		value := seed.Value(t)
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(value, uint64(g)))
				for range 15 {
					m, s := base.Clone(), plain.clone()
					for i := range 300 {
						k := rng.IntN(2100)
						if rng.IntN(2) == 0 {
							for k := range min(k, 20) {
								m.Delete(k * 3)
								s.Delete(k * 3)
							}
							m.Delete(k)
							s.Delete(k)
						} else {
							m.Set(k, i)
							s.Set(k, i)
						}
						if i%100 == 50 {
							kept, keptPlain := m, s
							m, s = m.Clone(), s.clone()
							handed <- both{kept, keptPlain}
						}
					}
					same(t, s, m)
					invariant(t, m)
					for range 100 {
						k := rng.IntN(2100)
						got, ok := base.Get(k)
						want, wantOK := plain.Get(k)
						require.Equal(t, wantOK, ok)
						require.Equal(t, want, got)
					}
				}
			})
		}
		wg.Wait()
		close(handed)
		others.Wait()
		same(t, plain, base)
		invariant(t, base)
	}
}

// TestCloneCopiesOnlyPaths: a change after Clone copies one node at each depth.
func TestCloneCopiesOnlyPaths(t *testing.T) {
	m := New[int, int]()
	for i := range 200_000 {
		m.Set(i, i)
	}
	c := m.Clone()
	before := c.changes
	c.Set(100_000, -1)
	require.Equal(t, before+4, c.changes) // root, two inner nodes, a leaf
	c.Set(100_001, -1)
	require.Equal(t, before+4, c.changes)
	v, _ := m.Get(100_000)
	require.Equal(t, 100_000, v)
}
