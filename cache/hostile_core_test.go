package cache

import (
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What a hostile reader found in the concurrent cache, each defect as a test that
// failed, some by hanging: no time of ours ends those, as none is long enough on a
// machine that is busy, but the -timeout of go test, which shows where. Planted
// since and caught: a Set that does not look at the bound again under the lock, a
// move that does not freeze, a sweep that leaves the present tick, an exchange that
// takes a prolonged entry for an expired one.

func made[K comparable, V any](t *testing.T, config Config[K, V]) *Cache[K, V] {
	c, err := New(config)
	require.NoError(t, err)
	return c
}

// Resize tells OnEvict under no lock, so that it may ask for what it likes.
func TestResizeTellsUnderNoLock(t *testing.T) {
	var c *Cache[int, int]
	c = made(t, Config[int, int]{MaxEntries: 4, OnEvict: func(int, int, Reason) {
		c.Len()
		c.Stats()
		require.NoError(t, c.Resize(2))
	}})
	for i := range 4 {
		c.Set(i, i)
	}
	require.NoError(t, c.Resize(2))
	require.Equal(t, 2, c.Len())
}

// A value that was small enough when its cost was asked for may be too large when
// its turn comes. It is refused, and its shard goes on.
func TestResizeCostOvertakesASet(t *testing.T) {
	config := Config[int, int]{MaxCost: 1000, Cost: func(_, v int) int64 { return int64(v) }}
	c := made(t, config)
	var all sync.WaitGroup
	for _, f := range []func(int){
		func(int) { c.Set(1, 1000) },
		func(int) { c.GetOrSet(2, 900) },
		func(int) { c.Compute(3, func(int, bool) (int, Op) { return 800, Store }) },
		func(i int) { _ = c.ResizeCost(10 + int64(i%2)*990) },
	} {
		all.Go(func() {
			for i := range 100_000 {
				f(i)
			}
		})
	}
	all.Wait()
	require.NoError(t, c.ResizeCost(10))
	require.LessOrEqual(t, c.Cost(), int64(10))
	checkShard(t, &c.parts.Load().shards[0])
}

// A bound that says "count but do not bound" does, and no sum overflows.
func TestLargestCosts(t *testing.T) {
	most := int64(mostCost)
	cost := most - 1
	c := made(t, Config[int, int]{MaxEntries: 100, MaxCost: most, Cost: func(int, int) int64 { return cost }})
	for i := range 3 {
		c.Set(i, 1)
		require.Equal(t, 1, c.Len())
		require.Equal(t, cost, c.Cost())
	}
	cost = 1000
	c.Set(7, 1)
	c.Set(8, 1)
	require.Equal(t, 2, c.Len())
	for _, bound := range []int64{most + 1, math.MaxInt64} {
		_, err := New(Config[int, int]{MaxCost: bound, Cost: func(int, int) int64 { return 1 }})
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorIs(t, c.ResizeCost(bound), ErrConfig)
	}
}

// A value that is refused is reported although OnEvict panics for the one before.
func TestRefusedIsToldAfterAPanic(t *testing.T) {
	told := map[int]int{}
	c := made(t, Config[int, int]{MaxEntries: 10, OnEvict: func(_, v int, _ Reason) {
		told[v]++
		if v == 1 {
			panic("mine")
		}
	}})
	c.Set(1, 1)
	require.PanicsWithValue(t, "mine", func() { c.SetTTL(1, 2, 0) })
	require.Equal(t, map[int]int{1: 1, 2: 1}, told)
}

// A callback that always panics is told of everything, in little stack.
func TestEveryCallbackPanics(t *testing.T) {
	const n = 200_000
	told := 0
	c := made(t, Config[int, int]{MaxEntries: n, Shards: 1, OnEvict: func(int, int, Reason) { told++; panic(told) }})
	for i := range n {
		c.Set(i, i)
	}
	require.PanicsWithValue(t, 1, c.Clear)
	require.Equal(t, n, told)
}

// An idle entry whose time is over stays gone, although a reader who looked at the
// clock in time is about to prolong it. The reader's two halves are played here.
func TestIdleStaysGone(t *testing.T) {
	almost := func(t *testing.T) (c *Cache[int, int], prolong func()) {
		c = made(t, Config[int, int]{MaxEntries: 10, IdleTTL: time.Millisecond / 2})
		c.Set(1, 41)
		hash := c.hash(1)
		e := c.parts.Load().table(hash).find(1, uint32(hash)).extra
		<-time.After(time.Millisecond/2 - 1)
		now, deadline := c.now(), e.deadline.Load()
		<-time.After(1)
		return c, func() { e.deadline.CompareAndSwap(deadline, later(now, c.idle)) }
	}
	synctest.Test(t, func(t *testing.T) {
		c, prolong := almost(t)
		_, ok := c.Delete(1)
		require.False(t, ok)
		prolong()
		_, ok = c.Get(1)
		require.False(t, ok, "deleted, and not set since")
	})
	synctest.Test(t, func(t *testing.T) {
		c, prolong := almost(t)
		c.Compute(1, func(old int, _ bool) (int, Op) {
			prolong()
			return old + 1, Store
		})
		v, _ := c.Get(1)
		require.Equal(t, 42, v, "f has seen what the reader has seen")
	})
}

// Stats count what is replaced in every way, and what was added does not become less.
func TestStatsCountEverything(t *testing.T) {
	c := made(t, Config[int, int]{MaxEntries: 10, TTL: time.Hour, Stats: true})
	c.Set(1, 1)
	c.Set(1, 2)
	c.Compute(1, func(int, bool) (int, Op) { return 3, Store })
	require.EqualValues(t, 2, c.Stats().Replaced)
	c.SetTTL(1, 4, 0)
	require.EqualValues(t, 1, c.Stats().Added)
	require.EqualValues(t, 3, c.Stats().Replaced)
	require.Zero(t, c.Len())
	require.NoError(t, c.Resize(5))
	require.EqualValues(t, 3, c.Stats().Replaced)
}

// The expired entry of the key itself is one of the eight that a Set may take out.
func TestOwnKeyIsOneOfTheFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expired := 0
		c := made(t, Config[int, int]{MaxEntries: 100, OnEvict: func(_, _ int, why Reason) {
			require.Equal(t, Expired, why)
			expired++
		}})
		for i := range 8 {
			c.SetTTL(i, i, time.Second)
		}
		c.SetTTL(8, 8, 2*time.Second)
		<-time.After(time.Minute)
		c.Set(8, 0)
		require.Equal(t, 8, expired)
	})
}

// Within the wheel's tick too, nobody sees what has expired, and nobody counts it.
func TestExpiredWithinTheTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var why []Reason
		c := made(t, Config[int, int]{MaxEntries: 100, OnEvict: func(_, _ int, r Reason) { why = append(why, r) }})
		for k := range 10 {
			c.SetTTL(k, 1, 100*time.Microsecond)
		}
		<-time.After(100 * time.Microsecond)
		_, ok := c.Delete(0)
		require.False(t, ok)
		v, loaded := c.GetOrSet(1, 2)
		require.False(t, loaded)
		require.Equal(t, 2, v)
		c.Compute(2, func(_ int, ok bool) (int, Op) { require.False(t, ok); return 0, Keep })
		c.Compute(3, func(_ int, ok bool) (int, Op) { require.False(t, ok); return 0, Remove })
		c.Compute(4, func(_ int, ok bool) (int, Op) { require.False(t, ok); return 2, Store })
		c.Set(5, 2)
		require.Equal(t, 3, c.Len(), "of keys 1, 4 and 5")
		require.Zero(t, c.RemoveExpired())
		require.Len(t, why, 10)
		for _, r := range why {
			require.Equal(t, Expired, r)
		}
	})
}

// Resize keeps deadlines and hits, and ResizeCost evicts and reports.
func TestResizeKeepsWhatItMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := made(t, Config[int, int]{MaxEntries: 10, TTL: time.Minute})
		c.Set(1, 1)
		c.Get(1)
		require.NoError(t, c.Resize(20))
		hash := c.hash(1)
		require.EqualValues(t, 1, c.parts.Load().table(hash).find(1, uint32(hash)).hits())
		<-time.After(time.Hour)
		_, ok := c.Get(1)
		require.False(t, ok)
		require.Equal(t, 1, c.RemoveExpired())
	})
	gone := 0
	c := made(t, Config[int, int]{MaxCost: 100, Cost: func(_, v int) int64 { return int64(v) }, OnEvict: func(int, int, Reason) { gone++ }})
	c.Set(1, 80)
	c.Set(2, 5)
	require.NoError(t, c.ResizeCost(10))
	require.EqualValues(t, 5, c.Cost())
	require.Equal(t, 1, gone)
}

// A GetOrSet that finds the value only with its second look prolongs its time too.
func TestGetOrSetProlongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *Cache[int, int]
		nested := false
		c = made(t, Config[int, int]{MaxEntries: 10, IdleTTL: time.Minute, TTLFunc: func(int, int) time.Duration {
			if !nested {
				nested = true
				c.Set(1, 1)
				<-time.After(50 * time.Second)
			}
			return Forever
		}})
		_, loaded := c.GetOrSet(1, 2)
		require.True(t, loaded)
		<-time.After(50 * time.Second)
		_, ok := c.Get(1)
		require.True(t, ok)
	})
}

// Writers that set a key again without the lock, beside a Resize, lose nothing.
func TestSetBesideResize(t *testing.T) {
	ForEveryKind(t, setBesideResize[int], setBesideResize[*int], setBesideResize[Pair])
}

func setBesideResize[V any](t *testing.T, kind Kind[V]) {
	c := made(t, Config[int, V]{MaxEntries: 5000})
	for k := range 100 {
		c.Set(k, kind.Of(0))
	}
	var all sync.WaitGroup
	for g := range 2 {
		all.Go(func() {
			for i := 1; i <= 20000; i++ {
				k := 2*(i%50) + g
				c.Set(k, kind.Of(i))
				if v, ok := c.Get(k); !ok || kind.Number(v) != i {
					t.Errorf("key %d: %v, %v after %d", k, v, ok, i)
					return
				}
			}
		})
	}
	all.Go(func() {
		for i := range 300 {
			if err := c.Resize(4000 + i%2*2000); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
}
