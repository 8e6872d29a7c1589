package cache

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkGetOrSet is what a caller does with a textbook: a Get, and a Set if
// it misses. The keys follow Zipf's law over 16 times as many keys as the cache
// holds; hit-ratio is in percent. A policy with more hits saves the caller the
// misses, which cost more than anything here: compare both columns.
func BenchmarkGetOrSet(b *testing.B) {
	for _, n := range []int{1 << 10, 1 << 16} {
		keys := zipfian(n)
		for _, name := range textbookNames() {
			b.Run(fmt.Sprintf("impl=%s/case=zipf/n=%d", name, n), func(b *testing.B) {
				c := textbooks()[name](n)
				replay(c, keys)
				b.ReportAllocs()
				i, hits, asked := 0, 0, 0
				for b.Loop() {
					key := keys[i&(len(keys)-1)]
					i++
					asked++
					if _, ok := c.Get(key); ok {
						hits++
					} else {
						c.Set(key, key)
					}
				}
				b.ReportMetric(100*float64(hits)/float64(asked), "hit-ratio")
			})
		}
	}
}

// zipfian draws keys for a cache of n.
func zipfian(n int) []uint64 {
	rng := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rng, 1.01, 1, uint64(16*n-1))
	keys := make([]uint64, 1<<20)
	for i := range keys {
		keys[i] = zipf.Uint64()
	}
	return keys
}
