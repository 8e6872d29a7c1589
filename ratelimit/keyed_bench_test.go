package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// naiveKeyed is what most programs begin with: a map under a mutex, that never forgets.
type naiveKeyed[K comparable] struct {
	rate    Limit
	burst   int64
	mu      sync.Mutex
	buckets map[K]*TokenBucket
}

func newNaiveKeyed[K comparable](rate Limit, burst int64) *naiveKeyed[K] {
	return &naiveKeyed[K]{rate: rate, burst: burst, buckets: map[K]*TokenBucket{}}
}

func (k *naiveKeyed[K]) bucket(key K) *TokenBucket {
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.buckets[key]
	if b == nil {
		b = NewTokenBucket(k.rate, k.burst)
		k.buckets[key] = b
	}
	return b
}

func (k *naiveKeyed[K]) Allow(key K) bool             { return k.bucket(key).Allow() }
func (k *naiveKeyed[K]) Take(key K, n int64) Decision { return k.bucket(key).Take(n) }

type keyed[K comparable] interface {
	Allow(key K) bool
	Take(key K, n int64) Decision
}

func benchKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("user-%08d", i)
	}
	return keys
}

// BenchmarkKeyed is decisions about 1,024 keys from all processors, beside the naive map,
// and beside the clock, which every decision reads.
func BenchmarkKeyed(b *testing.B) {
	keys := benchKeys(1024)
	parallel := func(b *testing.B, do func(key string)) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(len(keys)); pb.Next(); i++ {
				do(keys[i&(len(keys)-1)])
			}
		})
	}
	for _, c := range []struct {
		name  string
		rate  Limit
		burst int64
	}{{"granted", PerSecond(1e9), 1 << 40}, {"denied", Per(1, time.Hour), 1}} {
		for _, impl := range []string{"plinth", "naive"} {
			for _, verb := range []string{"allow", "take"} {
				b.Run(fmt.Sprintf("impl=%s/case=%s-%s/n=1024", impl, verb, c.name), func(b *testing.B) {
					k := keyed[string](newNaiveKeyed[string](c.rate, c.burst))
					if impl == "plinth" {
						k = mustKeyed(b, KeyedConfig[string]{Rate: c.rate, Burst: c.burst})
					}
					for _, key := range keys {
						k.Allow(key)
					}
					b.ResetTimer()
					if verb == "allow" {
						parallel(b, func(key string) { k.Allow(key) })
					} else {
						parallel(b, func(key string) { k.Take(key, 1) })
					}
				})
			}
		}
	}
	made := time.Now()
	b.Run("impl=clock/n=1024", func(b *testing.B) {
		parallel(b, func(string) { _ = time.Since(made) })
	})
}

// BenchmarkKeyedNew is what a new key costs, by what it finds: a table that grows, a full
// one where all may be forgotten, a few, or none.
func BenchmarkKeyedNew(b *testing.B) {
	const n = 1 << 16
	for _, c := range []struct {
		name string
		busy func(i int) bool // keys that are not full again
		most int
	}{
		{"room", func(int) bool { return true }, 1 << 24},
		{"all-idle", func(int) bool { return false }, n},
		{"few-idle", func(i int) bool { return i%256 != 0 }, n},
		{"none-idle", func(int) bool { return true }, n},
	} {
		b.Run(fmt.Sprintf("impl=plinth/case=%s/n=%d", c.name, n), func(b *testing.B) {
			k := mustKeyed(b, KeyedConfig[int]{Rate: PerSecond(1), Burst: 1000, MaxKeys: c.most})
			now := k.made
			for i := range 2 * n { // every shard is full
				cost := int64(1)
				if c.busy(i) {
					cost = 1000
				}
				k.TakeAt(-i-1, now, cost)
			}
			now = now.Add(time.Minute)
			key := 0
			b.ReportAllocs()
			for b.Loop() {
				key++
				k.TakeAt(key, now, 1000)
			}
		})
	}
}

// BenchmarkKeyedMemory fills with a million keys that are all busy, and reports the bytes
// of each, the string itself not counted.
func BenchmarkKeyedMemory(b *testing.B) {
	const n = 1_000_000
	keys := benchKeys(n)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	run := func(name string, fill func() any) {
		b.Run(fmt.Sprintf("impl=%s/case=busy/n=%d", name, n), func(b *testing.B) {
			before := heap()
			for b.Loop() {
				k := fill()
				b.StopTimer()
				b.ReportMetric(float64(heap()-before)/n, "B/key")
				runtime.KeepAlive(k)
				b.StartTimer()
			}
		})
	}
	run("plinth", func() any {
		k := mustKeyed(b, KeyedConfig[string]{Rate: Per(1, time.Hour), Burst: 10, MaxKeys: n + n/4})
		for _, key := range keys {
			k.Allow(key)
		}
		require.Equal(b, n, k.Len())
		return k
	})
	run("naive", func() any {
		k := newNaiveKeyed[string](Per(1, time.Hour), 10)
		for _, key := range keys {
			k.Allow(key)
		}
		return k
	})
	runtime.KeepAlive(keys)
}

func mustKeyed[K comparable](t testing.TB, c KeyedConfig[K]) *Keyed[K] {
	t.Helper()
	k, err := NewKeyed(c)
	require.NoError(t, err)
	return k
}
