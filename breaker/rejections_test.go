package breaker

import (
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestRejections: none is lost, neither of those that were counted while the lanes were made, nor
// by goroutines that share a lane. Planted and caught: a sum that forgets alone, or the last lane; lanes that are
// there and not used; one that is counted alone and in a lane; lanes in the place of those of somebody else.
func TestRejections(t *testing.T) {
	var r rejections
	require.Zero(t, r.sum())
	r.add()
	require.EqualValues(t, 1, r.sum())
	require.Nil(t, r.lanes.Load(), "lanes for one goroutine")

	lanes := r.widen() // whether two disturb each other is chance
	require.Same(t, lanes, r.widen(), "who is second takes those of the first")
	for i := range lanes {
		lanes[i].n.Add(1)
	}
	require.EqualValues(t, 33, r.sum())
	r.add()
	require.EqualValues(t, 1, r.alone.Load(), "from now on it is the lanes'")
	require.EqualValues(t, 34, r.sum())

	r = rejections{}
	const goroutines, each = 50, 2000
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				r.add()
			}
		})
	}
	all.Wait()
	require.EqualValues(t, goroutines*each, r.sum())
	require.EqualValues(t, 64, unsafe.Sizeof(lane{}))
}

// TestOwnLane: goroutines use many lanes. Planted and caught: a lane by the lower bits of the address.
func TestOwnLane(t *testing.T) {
	used := map[uint32]bool{}
	var mu sync.Mutex
	var all, here sync.WaitGroup
	here.Add(200)
	for range 200 {
		all.Go(func() {
			lane := ownLane()
			mu.Lock()
			used[lane] = true
			mu.Unlock()
			here.Done()
			here.Wait() // all are there at the same time, each on a stack of its own
		})
	}
	all.Wait()
	require.Greater(t, len(used), 20)
	for lane := range used {
		require.Less(t, lane, uint32(32))
	}
}
