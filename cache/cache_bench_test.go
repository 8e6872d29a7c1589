package cache_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/plinth-go/plinth/cache"
)

// lockedLRU is what most programs begin with: a textbook and a mutex.
type lockedLRU struct {
	mu  sync.Mutex
	lru *cache.LRU[uint64, uint64] // guarded by mu
}

func (l *lockedLRU) Get(key uint64) (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lru.Get(key)
}

func (l *lockedLRU) Set(key, value uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lru.Set(key, value)
}

// wholeCache has values of the size of a word that are none, so that Set replaces
// the item and not the value in it.
type wholeCache struct {
	*cache.Cache[uint64, struct{ uint64 }]
}

func (c wholeCache) Get(key uint64) (uint64, bool) {
	v, ok := c.Cache.Get(key)
	return v.uint64, ok
}

func (c wholeCache) Set(key, value uint64) { c.Cache.Set(key, struct{ uint64 }{value}) }

type getSetter interface {
	Get(key uint64) (uint64, bool)
	Set(key, value uint64)
}

const benchEntries = 32 << 10

// zipf draws keys, 32 times as many as there is room for.
func zipf(n int) []uint64 {
	draw := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.01, 1, 32*benchEntries-1)
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = draw.Uint64()
	}
	return keys
}

// BenchmarkWrites is Gets and Sets of popular and rare keys from all processors,
// by the share of Sets, on a full cache; what it costs if values are not replaced
// in place, and what counting and a time to live cost.
func BenchmarkWrites(b *testing.B) {
	keys := zipf(1 << 20)
	impls := []struct {
		name string
		make func(b *testing.B) getSetter
	}{
		{"naive", func(*testing.B) getSetter { return &lockedLRU{lru: cache.NewLRU[uint64, uint64](benchEntries)} }},
		{"cache", func(b *testing.B) getSetter {
			return newCache(b, cache.Config[uint64, uint64]{MaxEntries: benchEntries})
		}},
		{"whole", func(b *testing.B) getSetter {
			return wholeCache{newCache(b, cache.Config[uint64, struct{ uint64 }]{MaxEntries: benchEntries})}
		}},
		{"counting", func(b *testing.B) getSetter {
			return newCache(b, cache.Config[uint64, uint64]{MaxEntries: benchEntries, Stats: true})
		}},
		{"expiring", func(b *testing.B) getSetter {
			return newCache(b, cache.Config[uint64, uint64]{MaxEntries: benchEntries, TTL: time.Hour})
		}},
	}
	for _, impl := range impls {
		for _, percent := range []int{0, 25, 100} {
			b.Run(fmt.Sprintf("impl=%s/case=writes-%d/n=%d", impl.name, percent, benchEntries), func(b *testing.B) {
				c := impl.make(b)
				for _, key := range keys {
					if _, ok := c.Get(key); !ok {
						c.Set(key, key)
					}
				}
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					i := rand.IntN(len(keys))
					for pb.Next() {
						key := keys[i&(len(keys)-1)]
						if i%4*25 < percent {
							c.Set(key, uint64(i))
						} else {
							c.Get(key)
						}
						i++
					}
				})
			})
		}
	}
}
