package cache

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

func TestWordOf(t *testing.T) {
	type id uint64
	for name, c := range map[string]struct{ got, want word }{
		"int":      {wordOf[int](), number},
		"uint":     {wordOf[uint](), number},
		"uintptr":  {wordOf[uintptr](), number},
		"pointer":  {wordOf[*string](), pointer},
		"map":      {wordOf[map[int]int](), pointer},
		"chan":     {wordOf[chan int](), pointer},
		"func":     {wordOf[func()](), pointer},
		"byte":     {wordOf[byte](), whole},
		"bool":     {wordOf[bool](), whole},
		"string":   {wordOf[string](), whole},
		"slice":    {wordOf[[]byte](), whole},
		"any":      {wordOf[any](), whole},
		"error":    {wordOf[error](), whole},
		"struct{}": {wordOf[struct{}](), whole},
		"pointers": {wordOf[[2]*int](), whole},
		"struct":   {wordOf[struct{ p *int }](), whole},
	} {
		require.Equal(t, c.want, c.got, name)
	}
	want := number
	if unsafe.Sizeof(uintptr(0)) == 4 {
		want = whole
	}
	require.Equal(t, want, wordOf[id]())
	require.Equal(t, want, wordOf[float64]())
	require.Equal(t, want, wordOf[time.Duration]())
}

// TestOverwrite plays what two goroutines can do to an item, step by step.
// Planted and caught: an overwrite that does not look at busy, or at closed, one
// that forgets the hits, a close that does not wait.
func TestOverwrite(t *testing.T) {
	it := newItem(1, 10)
	it.touch()
	old, ok := it.overwrite(number, 11)
	require.True(t, ok)
	require.Equal(t, 10, old)
	require.Equal(t, 11, load(number, &it.value))
	require.Equal(t, 2, it.hits(), "to be set again is a hit too")
	for range 5 {
		it.overwrite(number, 12)
	}
	require.Equal(t, 3, it.hits())
	require.Equal(t, 3, it.takeHits())

	it.close()
	_, ok = it.overwrite(number, 13)
	require.False(t, ok, "closed")
	it.touch()
	require.Equal(t, 1, it.hits(), "a reader may still count")
	require.Equal(t, 12, it.value)

	it = newItem(1, 10)
	it.state.Store(busy) // as another writer does
	_, ok = it.overwrite(number, 14)
	require.False(t, ok, "busy")
	it.touch()
	it.takeHits()
	require.EqualValues(t, busy, it.state.Load(), "readers and the policy leave the flags alone")
	var given atomic.Bool
	done := make(chan bool)
	go func() {
		it.close()
		done <- given.Load()
	}()
	for range 1000 {
		runtime.Gosched()
	}
	given.Store(true)
	it.state.And(^uint32(busy))
	require.True(t, <-done, "close waits for the writer")
	require.EqualValues(t, closed, it.state.Load())
}

// What can expire and what cannot may take each other's place, and a value that is
// stored over one that can expire has no deadline left. Planted and caught: a store
// in place over an item with an extra.
func TestPlainOverExpiring(t *testing.T) {
	ForEveryKind(t, plainOverExpiring[int], plainOverExpiring[*int], plainOverExpiring[Pair])
}

func plainOverExpiring[V any](t *testing.T, kind Kind[V]) {
	synctest.Test(t, func(t *testing.T) {
		c := made(t, Config[int, V]{MaxEntries: 10})
		c.SetTTL(1, kind.Of(1), time.Minute)
		c.Set(1, kind.Of(2))
		c.Set(2, kind.Of(3))
		c.SetTTL(2, kind.Of(4), time.Minute)
		c.SetTTL(2, kind.Of(5), Forever)
		c.Set(3, kind.Of(6))
		c.SetTTL(3, kind.Of(7), time.Minute)
		<-time.After(time.Hour)
		for key, want := range map[int]int{1: 2, 2: 5} {
			v, ok := c.Get(key)
			require.True(t, ok)
			require.Equal(t, want, kind.Number(v))
		}
		_, ok := c.Get(3)
		require.False(t, ok)
	})
}

// TestPointersAreSeenByTheCollector moves pointers from entry to entry while the
// garbage collector works, which must hear of each, or it frees what is still in
// the cache. Planted and caught: pointers that are stored as numbers.
func TestPointersAreSeenByTheCollector(t *testing.T) {
	const keys = 10_000
	c := made(t, Config[int, *[2]int]{MaxEntries: 2 * keys, Shards: 1})
	for key := range keys {
		c.Set(key, &[2]int{key, -key})
	}
	var stop atomic.Bool
	var collector sync.WaitGroup
	collector.Go(func() {
		for !stop.Load() {
			runtime.GC()
		}
	})
	rng := seed.New(t)
	for range 500_000 {
		i, j := rng.IntN(keys), rng.IntN(keys)
		a, _ := c.Get(i)
		b, _ := c.Get(j)
		c.Set(i, b)
		c.Set(j, a)
	}
	stop.Store(true)
	collector.Wait()
	var seen [keys]int
	for _, v := range c.All() {
		require.Equal(t, -v[0], v[1])
		seen[v[0]]++
	}
	for key, n := range seen {
		require.Equal(t, 1, n, "value %d", key)
	}
}

// What a Set stores in place while Compute calculates is not lost: f is called
// again. Planted and caught: an exchange that only looks at the item, with values
// of a word.
func TestComputeSeesASet(t *testing.T) {
	ForEveryKind(t, computeSeesASet[int], computeSeesASet[*int], computeSeesASet[Pair])
}

func computeSeesASet[V any](t *testing.T, kind Kind[V]) {
	for _, op := range []Op{Store, Remove} {
		c := made(t, Config[int, V]{MaxEntries: 10})
		c.Set(1, kind.Of(1))
		var seen []int
		c.Compute(1, func(old V, ok bool) (V, Op) {
			require.True(t, ok)
			seen = append(seen, kind.Number(old))
			if len(seen) == 1 {
				c.Set(1, kind.Of(2))
			}
			return kind.Of(3), op
		})
		require.Equal(t, []int{1, 2}, seen)
		c.Set(1, kind.Of(4))
		v, ok := c.Get(1)
		require.True(t, ok)
		require.Equal(t, 4, kind.Number(v))
	}
}
