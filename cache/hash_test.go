package cache

import (
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHashSpreads counts what shards, buckets and tags live on: keys that differ
// little must differ in half of the bits of their hashes. Planted and caught: a
// single multiplication, a seed that is not used.
func TestHashSpreads(t *testing.T) {
	a, b := seededHasher[uint64](), seededHasher[uint64]()
	const keys = 2000
	var flips [64]int // by bit of the hash
	equal := 0
	for key := range uint64(keys) {
		for bit := range 64 {
			differ := a(key) ^ a(key^1<<bit)
			for differ != 0 {
				flips[bits.TrailingZeros64(differ)]++
				differ &= differ - 1
			}
		}
		if a(key) == b(key) {
			equal++
		}
	}
	for bit, n := range flips {
		require.InDelta(t, 0.5, float64(n)/(keys*64), 0.02, "bit %d of the hash", bit)
	}
	require.Zero(t, equal, "each cache has a seed of its own")
}

// TestHashOfEveryType finds what was set under keys of many types, those included
// that only look like numbers.
func TestHashOfEveryType(t *testing.T) {
	type id uint64
	findsAll(t, func(i int) int { return -i })
	findsAll(t, func(i int) int32 { return int32(-i) })
	findsAll(t, func(i int) int64 { return int64(i) << 40 })
	findsAll(t, func(i int) uint { return uint(i) })
	findsAll(t, func(i int) uint32 { return uint32(i) })
	findsAll(t, func(i int) uint64 { return uint64(i) << 56 >> 1 })
	findsAll(t, func(i int) uint8 { return uint8(i) })
	findsAll(t, func(i int) id { return id(i) })
	findsAll(t, func(i int) float64 { return float64(i) / 3 })
	findsAll(t, func(i int) string { return fmt.Sprint(i) })
	findsAll(t, func(i int) any { return i })
	findsAll(t, func(i int) [2]string { return [2]string{fmt.Sprint(i), "x"} })
	findsAll(t, func(i int) struct{ a, b int } { return struct{ a, b int }{i, -i} })
}

func findsAll[K comparable](t *testing.T, key func(int) K) {
	c, err := New(Config[K, int]{MaxEntries: 1000})
	require.NoError(t, err)
	for i := range 200 {
		c.Set(key(i), i)
	}
	for i := range 200 {
		v, ok := c.Get(key(i))
		require.True(t, ok, "%T %v", key(i), key(i))
		require.Equal(t, i, v)
	}
}

// BenchmarkHash compares the hash functions, by themselves and in Gets on all
// processors.
func BenchmarkHash(b *testing.B) {
	hashes := map[string]func(uint64) uint64{"naive": maphashHasher[uint64](), "number": seededHasher[uint64]()}
	keys := zipfian(1 << 15)
	for _, name := range slices.Sorted(maps.Keys(hashes)) {
		hash := hashes[name]
		b.Run(fmt.Sprintf("impl=%s/case=hash/n=1", name), func(b *testing.B) {
			key := uint64(0)
			for b.Loop() {
				key = hash(key)
			}
		})
		b.Run(fmt.Sprintf("impl=%s/case=get/n=%d", name, 1<<15), func(b *testing.B) {
			c, err := New(Config[uint64, uint64]{MaxEntries: 1 << 15})
			require.NoError(b, err)
			c.hash = hash
			for _, key := range keys {
				c.GetOrSet(key, key)
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				i := rand.IntN(len(keys))
				for pb.Next() {
					c.Get(keys[i&(len(keys)-1)])
					i++
				}
			})
		})
	}
}
