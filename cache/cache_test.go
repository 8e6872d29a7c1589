package cache_test

import (
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/internal/seed"
)

func newCache[K comparable, V any](t testing.TB, config cache.Config[K, V]) *cache.Cache[K, V] {
	c, err := cache.New(config)
	require.NoError(t, err)
	return c
}

func TestSetIsVisible(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 7, 100, 5000} {
		c := newCache(t, cache.Config[int, int]{MaxEntries: capacity})
		for i := range 3 * capacity {
			c.Set(i, i)
			v, ok := c.Get(i)
			require.True(t, ok)
			require.Equal(t, i, v)
			require.LessOrEqual(t, c.Len(), capacity)
		}
		require.Equal(t, capacity, c.Len())
	}
}

func TestCostIsBounded(t *testing.T) {
	rng := seed.New(t)
	gone := map[int]int64{}
	c := newCache(t, cache.Config[int, int64]{
		MaxCost: 1000,
		Cost:    func(_ int, v int64) int64 { return v },
		OnEvict: func(_ int, v int64, _ cache.Reason) { gone[int(v)]++ },
	})
	for range 20000 {
		k, v := rng.IntN(300), rng.Int64N(50)*rng.Int64N(22)
		c.Set(k, v)
		got, ok := c.Get(k)
		require.Equal(t, v <= 1000, ok, "a value that can fit is there")
		require.True(t, !ok || got == v)
		var sum int64
		for _, v := range c.All() {
			sum += v
		}
		require.Equal(t, sum, c.Cost())
		require.LessOrEqual(t, sum, int64(1000))
	}
	require.Panics(t, func() { c.Set(1, -1) })
}

func TestBadInput(t *testing.T) {
	cost := func(int, int) int64 { return 1 }
	for name, config := range map[string]cache.Config[int, int]{
		"no bound":         {},
		"negative entries": {MaxEntries: -1},
		"negative cost":    {MaxCost: -1, Cost: cost},
		"cost, no func":    {MaxCost: 10},
		"func, no cost":    {MaxEntries: 10, Cost: cost},
		"negative ttl":     {MaxEntries: 10, TTL: -1},
		"negative idle":    {MaxEntries: 10, IdleTTL: -1},
		"jitter":           {MaxEntries: 10, Jitter: 1.5},
		"jitter NaN":       {MaxEntries: 10, Jitter: math.NaN()},
		"shards":           {MaxEntries: 10, Shards: 11},
		"negative shards":  {MaxEntries: 10, Shards: -1},
	} {
		_, err := cache.New(config)
		require.ErrorIs(t, err, cache.ErrConfig, name)
	}
	c := newCache(t, cache.Config[int, int]{MaxEntries: 10})
	require.ErrorIs(t, c.Resize(0), cache.ErrConfig)
	require.ErrorIs(t, c.ResizeCost(5), cache.ErrConfig)
}

func TestWhatCannotBeKept(t *testing.T) {
	var told []cache.Reason
	c := newCache(t, cache.Config[float64, int]{MaxEntries: 10, OnEvict: func(_ float64, _ int, r cache.Reason) { told = append(told, r) }})
	c.Set(math.NaN(), 1)
	require.Equal(t, 0, c.Len())
	c.SetTTL(1, 1, 0)
	c.SetTTL(1, 2, -time.Second)
	require.Equal(t, []cache.Reason{cache.Capacity, cache.Expired, cache.Expired}, told)
	c.Set(2, 1)
	c.SetTTL(2, 2, 0)
	_, ok := c.Get(2)
	require.False(t, ok, "the former value is not the truth any more")
	require.Equal(t, []cache.Reason{cache.Replaced, cache.Expired}, told[3:])
}

// A callback may use the cache, and when it panics the others are still told.
func TestCallbacks(t *testing.T) {
	var c *cache.Cache[int, int]
	told := 0
	c = newCache(t, cache.Config[int, int]{MaxEntries: 4, OnEvict: func(k, _ int, _ cache.Reason) {
		told++
		c.Get(k)
		c.Len()
		if k < 100 {
			c.Set(k+100, 0)
		}
		c.Delete(k + 50)
		if k == 11 {
			panic(errors.New("mine"))
		}
	}})
	for i := range 10 {
		c.Set(i, i)
	}
	c.Clear()
	c.Clear()
	told = 0
	c.Set(11, 0)
	c.Set(12, 0)
	c.Set(13, 0)
	require.Panics(t, c.Clear)
	require.Equal(t, 3, told, "the others too")
}

func TestCompute(t *testing.T) {
	cache.ForEveryKind(t, compute[int], compute[*int], compute[cache.Pair])
}

func compute[V any](t *testing.T, kind cache.Kind[V]) {
	c := newCache(t, cache.Config[string, V]{MaxEntries: 10})
	add := func(old V, ok bool) (V, cache.Op) { return kind.Of(kind.Number(old) + 1), cache.Store }
	one := kind.Of(1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				c.Compute("n", add)
				c.Compute("other", func(V, bool) (V, cache.Op) { return one, cache.Store })
			}
		})
	}
	wg.Wait()
	v, ok := c.Get("n")
	require.True(t, ok)
	require.Equal(t, 8000, kind.Number(v), "no increment is lost")
	_, ok = c.Compute("n", func(V, bool) (V, cache.Op) { return one, cache.Remove })
	require.False(t, ok)
	_, ok = c.Peek("n")
	require.False(t, ok)
}

// TestExactlyOnce lets eight goroutines do everything at once and accounts for
// every value: each was stored, and left with one callback. Planted bugs that it
// catches: a Resize that does not retire the old shards, a Set in place into a
// closed item, a close that does not wait, and with -race a Compute that does not
// close.
func TestExactlyOnce(t *testing.T) {
	cache.ForEveryKind(t, exactlyOnce[int], exactlyOnce[*int], exactlyOnce[cache.Pair])
}

func exactlyOnce[V any](t *testing.T, kind cache.Kind[V]) {
	for name, config := range map[string]cache.Config[int, V]{
		"entries": {MaxEntries: 200, Shards: 4},
		"growing": {MaxEntries: 20000, Shards: 1},
		"ttl":     {MaxEntries: 200, TTL: 50 * time.Microsecond, IdleTTL: 40 * time.Microsecond},
		"cost":    {MaxCost: 3000, Cost: func(_ int, v V) int64 { return int64(kind.Number(v) % 20) }},
	} {
		t.Run(name, func(t *testing.T) { exactlyOnceWith(t, config, kind) })
	}
}

func exactlyOnceWith[V any](t *testing.T, config cache.Config[int, V], kind cache.Kind[V]) {
	const ids, keys = 1 << 14, 6000
	stored, left := make([]atomic.Int32, ids), make([]atomic.Int32, ids)
	config.OnEvict = func(_ int, v V, _ cache.Reason) { left[kind.Number(v)].Add(1) }
	c := newCache(t, config)
	var next atomic.Int64
	var wg sync.WaitGroup
	rng := seed.New(t)
	for range 8 {
		state := rng.Uint64()
		wg.Go(func() {
			for op := 0; ; op++ {
				id := int(next.Add(1))
				if id >= ids {
					return
				}
				state = state*6364136223846793005 + 1442695040888963407
				key := int(state>>33) % keys
				if state>>62 == 0 {
					key %= 8 // hot
				}
				step(c, key, id, int(state>>40)%32, op, &stored[id], config, kind)
				if config.MaxEntries > 0 && op%512 == 0 && c.Len() > max(config.MaxEntries, 10100) {
					t.Error("over the bound")
				}
			}
		})
	}
	wg.Wait()
	c.Clear()
	require.Zero(t, c.Len())
	for id := range stored {
		require.Equal(t, stored[id].Load(), left[id].Load(), "value %d", id)
	}
}

// step does one operation, and notes whether it has stored the value id.
func step[V any](c *cache.Cache[int, V], key, id, what, op int, stored *atomic.Int32, config cache.Config[int, V], kind cache.Kind[V]) {
	switch what {
	case 0, 1:
		c.Delete(key)
	case 2, 3, 4:
		if _, loaded := c.GetOrSet(key, kind.Of(id)); !loaded {
			stored.Add(1)
		}
	case 5, 6, 7:
		keep := false
		c.Compute(key, func(old V, ok bool) (V, cache.Op) {
			keep = ok && kind.Number(old)%2 == 0
			if keep {
				return old, cache.Keep
			}
			return kind.Of(id), cache.Store
		})
		if !keep {
			stored.Add(1)
		}
	case 8:
		c.SetTTL(key, kind.Of(id), time.Duration(op%100)*time.Microsecond)
		stored.Add(1)
	case 9:
		if op%64 == 0 {
			c.Clear()
		} else if op%64 == 1 && config.MaxEntries > 0 {
			_ = c.Resize(100 + op%10000)
		}
	case 10, 11, 12, 13, 14, 15, 16:
		c.Get(key)
		for range c.All() {
			break
		}
	default:
		c.Set(key, kind.Of(id))
		stored.Add(1)
	}
}

// A key that is set all the time, and never removed, is never missed, while
// others come and go and the table grows.
func TestReadersNeverMiss(t *testing.T) {
	cache.ForEveryKind(t, readersNeverMiss[int], readersNeverMiss[*int], readersNeverMiss[cache.Pair])
}

func readersNeverMiss[V any](t *testing.T, kind cache.Kind[V]) {
	c := newCache(t, cache.Config[int, V]{MaxEntries: 1 << 20, Shards: 1})
	const fixed = 500
	for k := range fixed {
		c.Set(k, kind.Of(0))
	}
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := make([]int, fixed)
			for !stop.Load() {
				for k := range fixed {
					v, ok := c.Get(k)
					n := kind.Number(v)
					if !ok || n < last[k] {
						t.Errorf("key %d: %d, %v after %d", k, n, ok, last[k])
						return
					}
					last[k] = n
				}
				runtime.Gosched()
			}
		})
	}
	for g := range 2 {
		writers.Go(func() {
			for i := range 60000 {
				if i%2 == g {
					c.Set(i/2%fixed/2*2+g, kind.Of(i))
				}
				c.Set(fixed+g*100000+i, kind.Of(i))
				if i%3 == 0 {
					c.Delete(fixed + g*100000 + i/2)
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
}

func TestResize(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 100000, Stats: true})
	for i := range 50000 {
		c.Set(i, i)
	}
	require.NoError(t, c.Resize(60000))
	require.Equal(t, 50000, c.Len())
	for i := range 50000 {
		v, ok := c.Get(i)
		require.True(t, ok)
		require.Equal(t, i, v)
	}
	require.NoError(t, c.Resize(10))
	require.Equal(t, 10, c.Len())
	require.EqualValues(t, 49990, c.Stats().Evicted)
	require.EqualValues(t, 50000, c.Stats().Hits)
}

func TestAllocations(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 1000, OnEvict: func(int, int, cache.Reason) {}})
	i := 0
	require.LessOrEqual(t, testing.AllocsPerRun(5000, func() { c.Set(i, i); i++ }), 1.0)
	require.Zero(t, testing.AllocsPerRun(5000, func() { c.Set(i-1, i) }), "a word is replaced in place")
	require.Zero(t, testing.AllocsPerRun(5000, func() { c.Get(i - 1); c.Get(-1) }))

	d := newCache(t, cache.Config[int, cache.Pair]{MaxEntries: 1000, OnEvict: func(int, cache.Pair, cache.Reason) {}})
	require.LessOrEqual(t, testing.AllocsPerRun(5000, func() { d.Set(i, cache.Pair{}); i++ }), 1.0)
	require.LessOrEqual(t, testing.AllocsPerRun(5000, func() { d.Set(i-1, cache.Pair{}) }), 1.0)
	require.Zero(t, testing.AllocsPerRun(5000, func() { d.Get(i - 1); d.Get(-1) }))
}
